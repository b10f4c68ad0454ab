//! A rule set: loaded as a whole, never changed, shared by every thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Finding, Hasher, LogSource, Match};
use rsigma_parser::{CorrelationRule, FilterRule, FilterRuleTarget, SigmaRule};
use rustc_hash::FxHashMap;

use crate::correlate::{self, Correlation, Hit, What};
use crate::detector::Detector;
use crate::document::{self, Content, Document};
use crate::expr::Expr;
use crate::item::Placeholders;
use crate::problem::{Fault, RuleProblem, Severity, locate};
use crate::program::{Program, Programs};
use crate::rule::{self, Fence, Rule, RuleInfo};
use crate::table::Table;

/// A rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleText {
    /// Where it comes from; shown, never opened.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

impl RuleText {
    /// Reads the file's documents. This takes most of the time of loading, and files do not depend on
    /// each other: a caller with threads reads several at once.
    pub fn read(&self) -> ReadRules<'_> {
        ReadRules { path: &self.path, documents: document::read(&self.text) }
    }
}

/// A rule file that has been read; [`Rules::load_read`] makes rules of it.
#[derive(Debug)]
pub struct ReadRules<'t> {
    path: &'t str,
    documents: Vec<Document<'t>>,
}

/// A loaded rule set.
#[derive(Debug, Default)]
pub struct Rules {
    infos: Vec<RuleInfo>,
    plain: Vec<Rule>,
    correlations: Vec<Correlation>,
    /// For each rule that a correlation counts, the fields whose values its hits carry.
    watched: FxHashMap<u32, Box<[u32]>>,
    table: Table,
    programs: Programs,
    /// Shut when any rule is fenced off.
    fences: Fence,
}

/// Hits kept for one rule, at most and at least, whatever the rule set.
const HITS: std::ops::RangeInclusive<usize> = 5_000..=100_000;
/// Hits kept for all rules together, as far as the least for one allows.
const HITS_TOTAL: usize = 300_000;

impl Rules {
    /// Loads rule files. What cannot be used is reported and left out; the rest loads. The result
    /// does not depend on the order of the files, but that of two rules with one id the later
    /// file's is kept.
    pub fn load(texts: Vec<RuleText>) -> (Self, Vec<RuleProblem>) {
        Self::load_with(texts, &Placeholders::new())
    }

    /// Loads rule files with values for the `%placeholder%`s of `expand`.
    pub fn load_with(
        texts: Vec<RuleText>,
        placeholders: &Placeholders,
    ) -> (Self, Vec<RuleProblem>) {
        Self::load_read(texts.iter().map(RuleText::read), placeholders)
    }

    /// Loads rule files that were read before, in the order given.
    pub fn load_read<'t>(
        files: impl IntoIterator<Item = ReadRules<'t>>,
        placeholders: &Placeholders,
    ) -> (Self, Vec<RuleProblem>) {
        let mut loader = Loader::default();
        for file in files {
            loader.file(file);
        }
        loader.finish(placeholders)
    }

    /// What is known of each rule, sorted by id.
    pub fn list(&self) -> &[RuleInfo] {
        &self.infos
    }

    /// A detector for one thread.
    pub fn detector(self: &Arc<Self>) -> Detector {
        Detector::new(self.clone())
    }

    /// Runs the correlations over the hits of all detectors, in any order.
    pub fn correlate(&self, hits: Vec<Hit>) -> Vec<Finding> {
        correlate::run(&self.correlations, hits, self.hit_limit())
    }

    /// Hits of all detectors and runs put in order: each event once for each rule, and of each rule no
    /// more than [`Rules::hit_limit`], the earliest. Says how many were left out.
    pub fn settled(&self, hits: Vec<Hit>) -> (Vec<Hit>, u64) {
        let by_rule = correlate::by_rule(hits);
        let mut left_out = 0;
        let mut settled = Vec::new();
        for mut hits in by_rule.into_values() {
            left_out += hits.len().saturating_sub(self.hit_limit()) as u64;
            hits.truncate(self.hit_limit());
            settled.append(&mut hits);
        }
        (settled, left_out)
    }

    /// Hits as they are kept until more evidence comes.
    pub fn kept<'r>(&'r self, hits: &'r [Hit]) -> impl Iterator<Item = Match> + 'r {
        hits.iter().filter_map(|hit| {
            let info = &self.rule(hit.rule)?.info;
            let names = self.watched(hit.rule)?.iter().map(|field| self.table.field_name(*field));
            Some(Match {
                rule_id: info.id.clone(),
                rule_version: info.version.clone(),
                time: hit.time,
                event_uid: hit.uid,
                fields: names.map(Arc::from).zip(hit.values.iter().cloned()).collect(),
                entities: hit.entities.clone(),
                source: hit.source.clone(),
                labels: hit.labels.clone(),
            })
        })
    }

    /// Kept hits again. Those whose rule is no longer what it was come back as they are.
    pub fn recalled(&self, kept: Vec<Match>) -> (Vec<Hit>, Vec<Match>) {
        let numbers: FxHashMap<(&str, &str), u32> = self
            .watched
            .keys()
            .filter_map(|rule| {
                let info = &self.rule(*rule)?.info;
                Some(((&*info.id, &*info.version), *rule))
            })
            .collect();
        let (mut hits, mut foreign) = (Vec::with_capacity(kept.len()), Vec::new());
        for one in kept {
            let number = numbers.get(&(&*one.rule_id, &*one.rule_version));
            match number.and_then(|rule| Some((*rule, self.values(*rule, &one)?))) {
                Some((rule, values)) => hits.push(Hit {
                    rule,
                    time: one.time,
                    uid: one.event_uid,
                    values,
                    entities: one.entities,
                    source: one.source,
                    labels: one.labels,
                }),
                None => foreign.push(one),
            }
        }
        (hits, foreign)
    }

    /// The values that a hit of the rule carries; nothing when one of the fields was not kept.
    fn values(&self, rule: u32, kept: &Match) -> Option<Box<[Option<Box<str>>]>> {
        let fields = self.watched(rule)?.iter().map(|field| self.table.field_name(*field));
        let value = |name: &str| kept.fields.iter().find(|(known, _)| **known == *name);
        fields.map(|name| value(name).map(|(_, value)| value.clone())).collect()
    }

    /// Ids of the rules that a correlation counts, directly or through others; `None` when `id` and
    /// `version` are of no loaded correlation.
    pub fn counted_by(&self, id: &str, version: &str) -> Option<Vec<Arc<str>>> {
        let is_it = |rule: &Correlation| *rule.info.id == *id && *rule.info.version == *version;
        self.correlations.iter().find(|rule| is_it(rule))?;
        Some(self.parts(id).map(|rule| rule.info.id.clone()).collect())
    }

    /// Ids of the correlations that hold over the hits, silent ones included.
    pub(crate) fn fired(&self, hits: Vec<Hit>) -> Vec<Arc<str>> {
        correlate::fired(&self.correlations, hits, self.hit_limit())
    }

    /// The log sources of the rules that a correlation counts, directly or through others.
    pub(crate) fn counted(&self, id: &str) -> Vec<&LogSource> {
        self.parts(id).map(|rule| &rule.logsource).collect()
    }

    /// The rules that a correlation counts, directly or through others.
    fn parts(&self, id: &str) -> impl Iterator<Item = &Rule> {
        let mut open: Vec<usize> =
            self.correlations.iter().position(|rule| *rule.info.id == *id).into_iter().collect();
        let mut out = Vec::new();
        while let Some(correlation) = open.pop().and_then(|at| self.correlations.get(at)) {
            for part in &correlation.parts {
                match part.what {
                    What::Rule(number) => out.extend(self.rule(number)),
                    What::Correlation(at) => open.push(at),
                }
            }
        }
        out.into_iter()
    }

    /// How many hits are kept for each rule that correlations count. The earliest are kept.
    pub fn hit_limit(&self) -> usize {
        let share = HITS_TOTAL / self.watched.len().max(1);
        share.clamp(*HITS.start(), *HITS.end())
    }

    /// Shuts a rule or correlation off, or opens it again, by its id; says how many have that id.
    /// Detectors and correlators that run it see it with their next event. A rule that is shut
    /// matches nothing, and a correlation forgets what it counted.
    pub fn fence(&self, id: &str, shut: bool) -> usize {
        let named = self.all_fences().filter(|(info, _)| *info.id == *id);
        let count = named.inspect(|(_, fence)| fence.set(shut)).count();
        self.fences.set(self.all_fences().any(|(_, fence)| fence.is_shut()));
        count
    }

    /// The rules and correlations that do not run: shut off or switched off.
    pub fn fenced(&self) -> impl Iterator<Item = &RuleInfo> {
        self.all_fences().filter(|(_, fence)| fence.is_shut()).map(|(info, _)| info)
    }

    /// Switches off the rules and correlations whose id is named, and all others on. It leaves what
    /// [`Rules::fence`] says alone; one that is off matches nothing either.
    pub fn switch_off(&self, named: impl Fn(&str) -> bool) {
        self.all_fences().for_each(|(info, fence)| fence.switch(named(&info.id)));
        self.fences.set(self.all_fences().any(|(_, fence)| fence.is_shut()));
    }

    /// The rules and correlations that were switched off.
    pub fn switched_off(&self) -> impl Iterator<Item = &RuleInfo> {
        self.all_fences().filter(|(_, fence)| fence.is_off()).map(|(info, _)| info)
    }

    fn all_fences(&self) -> impl Iterator<Item = (&RuleInfo, &Fence)> {
        let plain = self.plain.iter().map(|rule| (&*rule.info, &rule.fence));
        plain.chain(self.correlations.iter().map(|rule| (&*rule.info, &rule.fence)))
    }

    pub(crate) fn has_fences(&self) -> bool {
        self.fences.is_shut()
    }

    pub(crate) fn is_fenced(&self, rule: u32) -> bool {
        self.rule(rule).is_some_and(|rule| rule.fence.is_shut())
    }

    /// How many rules see events of a log source.
    pub fn count_for(&self, logsource: &LogSource) -> usize {
        self.plain.iter().filter(|rule| crate::logsource::sees(&rule.logsource, logsource)).count()
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn rule(&self, number: u32) -> Option<&Rule> {
        self.plain.get(number as usize)
    }

    pub(crate) fn watched(&self, rule: u32) -> Option<&[u32]> {
        self.watched.get(&rule).map(AsRef::as_ref)
    }

    /// Names of the fields whose values a rule's hits carry.
    pub(crate) fn watched_names(&self, rule: u32) -> impl Iterator<Item = &str> {
        let fields = self.watched(rule).unwrap_or_default();
        fields.iter().map(|field| self.table.field_name(*field))
    }

    /// The number of a counted rule.
    pub(crate) fn counted_number(&self, id: &str, version: &str) -> Option<u32> {
        let is_it = |rule: &u32| {
            let info = self.rule(*rule).map(|rule| &rule.info);
            info.is_some_and(|info| *info.id == *id && *info.version == *version)
        };
        self.watched.keys().copied().filter(is_it).min()
    }

    pub(crate) fn correlations(&self) -> &[Correlation] {
        &self.correlations
    }

    pub(crate) fn program(&self, logsource: &LogSource) -> Arc<Program> {
        self.programs.get(&self.plain, &self.watched, &self.table, logsource)
    }
}

/// A parsed rule with where it came from, for problems found later.
struct Found<T> {
    rule: T,
    path: Arc<str>,
    text: Arc<str>,
    first_line: usize,
    /// The file of the rule of the same id that was loaded before it.
    replaces: Option<Arc<str>>,
}

impl<T> Found<T> {
    fn problem(&self, fault: Fault, severity: Severity, title: &str) -> RuleProblem {
        locate(fault, severity, &self.path, title, &self.text, self.first_line)
    }

    /// Something else of the same place.
    fn with<U>(&self, rule: U) -> Found<U> {
        Found {
            rule,
            path: self.path.clone(),
            text: self.text.clone(),
            first_line: self.first_line,
            replaces: None,
        }
    }

    fn version(&self) -> Arc<str> {
        use std::fmt::Write;
        let hash = Hasher::new("rule").part(self.text.trim().as_bytes()).finish();
        hash.iter()
            .fold(String::with_capacity(32), |mut out, byte| {
                let _infallible = write!(out, "{byte:02x}");
                out
            })
            .into()
    }
}

#[derive(Default)]
struct Loader {
    rules: BTreeMap<String, Found<SigmaRule>>,
    correlations: BTreeMap<String, Found<CorrelationRule>>,
    filters: Vec<Found<FilterRule>>,
    problems: Vec<RuleProblem>,
}

impl Loader {
    fn file(&mut self, file: ReadRules<'_>) {
        let path: Arc<str> = file.path.into();
        for document in file.documents {
            let text: Arc<str> = document.text.into();
            let first_line = document.first_line;
            let (path, replaces) = (path.clone(), None);
            let place = Found { rule: (), path, text, first_line, replaces };
            for fault in document.warnings {
                self.problems.push(place.problem(fault, Severity::Warning, ""));
            }
            match document.content {
                Err(fault) => self.problems.push(place.problem(fault, Severity::Error, "")),
                Ok(Content::Nothing) => {}
                Ok(Content::Rules(rules)) => self.rules(rules, &place),
                Ok(Content::Correlations(rules)) => self.correlations(rules, &place),
                Ok(Content::Filters(filters)) => self.filters(filters, &place),
                Ok(Content::Mixed(all)) => {
                    self.rules(all.rules, &place);
                    self.correlations(all.correlations, &place);
                    self.filters(all.filters, &place);
                }
            }
        }
    }

    fn rules(&mut self, rules: Vec<SigmaRule>, place: &Found<()>) {
        for rule in rules {
            let key = rule.id.clone().unwrap_or_else(|| rule.title.clone());
            let title = rule.title.clone();
            let mut new = place.with(rule);
            let same_file = |old: &Found<SigmaRule>| {
                Arc::ptr_eq(&old.path, &new.path) && Arc::ptr_eq(&old.text, &new.text)
            };
            match self.rules.get(&key) {
                // Documents of `action: repeat` share the id of what they repeat.
                Some(old) if same_file(old) => {
                    let mut at = 2;
                    while self.rules.contains_key(&format!("{key}#{at}")) {
                        at += 1;
                    }
                    self.rules.insert(format!("{key}#{at}"), new);
                    continue;
                }
                Some(old) if old.text.trim() != new.text.trim() => {
                    let why = format!("replaces the rule of the same id in {}", old.path);
                    let fault = Fault::new("rule/duplicate", why, &key);
                    self.problems.push(new.problem(fault, Severity::Warning, &title));
                }
                _ => {}
            }
            new.replaces = self.rules.get(&key).map(|old| old.path.clone());
            self.rules.insert(key, new);
        }
    }

    fn correlations(&mut self, rules: Vec<CorrelationRule>, place: &Found<()>) {
        for rule in rules {
            let key = rule.id.clone().unwrap_or_else(|| rule.title.clone());
            let title = rule.title.clone();
            let mut new = place.with(rule);
            if let Some(old) = self.correlations.get(&key)
                && old.text.trim() != new.text.trim()
            {
                let why = format!("replaces the rule of the same id in {}", old.path);
                let fault = Fault::new("rule/duplicate", why, &key);
                self.problems.push(new.problem(fault, Severity::Warning, &title));
            }
            new.replaces = self.correlations.get(&key).map(|old| old.path.clone());
            self.correlations.insert(key, new);
        }
    }

    fn filters(&mut self, filters: Vec<FilterRule>, place: &Found<()>) {
        self.filters.extend(filters.into_iter().map(|rule| place.with(rule)));
    }

    fn finish(mut self, placeholders: &Placeholders) -> (Rules, Vec<RuleProblem>) {
        let mut table = Table::default();
        let mut rules = Vec::new();
        for found in self.rules.values() {
            match rule::compile(&mut table, placeholders, &found.rule.detection) {
                Ok(expr) => {
                    let mut info = rule::info(&found.rule, &found.path, found.version());
                    info.replaces.clone_from(&found.replaces);
                    let logsource = info.logsource.clone().unwrap_or_default();
                    rules.push((info, logsource, expr));
                }
                Err(fault) => {
                    self.problems.push(found.problem(fault, Severity::Error, &found.rule.title));
                }
            }
        }
        for found in &self.filters {
            match rule::compile(&mut table, placeholders, &found.rule.detection) {
                Ok(expr) => {
                    if apply(&found.rule, &expr, &mut rules) == 0 {
                        let fault = Fault::new("rule/filter", "it fits no loaded rule", "rules:");
                        let problem = found.problem(fault, Severity::Warning, &found.rule.title);
                        self.problems.push(problem);
                    }
                }
                Err(fault) => {
                    self.problems.push(found.problem(fault, Severity::Error, &found.rule.title));
                }
            }
        }
        let mut infos: Vec<RuleInfo> = rules.iter().map(|(info, _, _)| info.clone()).collect();
        let sources: Vec<correlate::Source<'_>> = self
            .correlations
            .values()
            .map(|found| correlate::Source {
                rule: &found.rule,
                path: &found.path,
                version: found.version(),
                replaces: found.replaces.clone(),
            })
            .collect();
        let plan = correlate::plan(&sources, &mut infos, &mut table);
        let found: Vec<&Found<CorrelationRule>> = self.correlations.values().collect();
        for (at, fault) in plan.faults {
            if let Some(found) = found.get(at) {
                let problem = found.problem(fault, Severity::Error, &found.rule.title);
                self.problems.push(problem);
            }
        }
        let rules = rules
            .into_iter()
            .zip(&infos)
            .map(|((_, logsource, expr), info)| Rule {
                info: Arc::new(info.clone()),
                logsource,
                expr,
                fence: Fence::default(),
            })
            .collect();
        infos.extend(plan.correlations.iter().map(|correlation| (*correlation.info).clone()));
        infos.sort_by(|a, b| (&a.id, &a.version).cmp(&(&b.id, &b.version)));
        let mut seen = BTreeSet::new();
        self.problems.retain(|problem| {
            seen.insert((problem.path.clone(), problem.line, problem.code, problem.message.clone()))
        });
        self.problems.sort_by(|a, b| (&a.path, a.line, a.code).cmp(&(&b.path, b.line, b.code)));
        let rules = Rules {
            infos,
            plain: rules,
            correlations: plan.correlations,
            watched: plan.watched,
            table,
            programs: Programs::default(),
            fences: Fence::default(),
        };
        (rules, self.problems)
    }
}

/// Narrows the rules that a filter is for; says how many they are.
fn apply(filter: &FilterRule, expr: &Expr, rules: &mut [(RuleInfo, LogSource, Expr)]) -> usize {
    let source = filter.logsource.clone().unwrap_or_default();
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let source =
        LogSource::new(&part(&source.product), &part(&source.category), &part(&source.service));
    let mut count = 0;
    for (info, logsource, rule) in rules {
        let named = match &filter.rules {
            FilterRuleTarget::Any => true,
            FilterRuleTarget::Specific(names) => names.iter().any(|name| {
                *name == *info.id || *name == *info.title || info.name.as_deref() == Some(name)
            }),
        };
        if named && crate::logsource::sees(&source, logsource) {
            let before = std::mem::replace(rule, Expr::Fixed(false));
            *rule = Expr::all(vec![before, expr.clone()]);
            count += 1;
        }
    }
    count
}
