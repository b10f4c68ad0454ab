//! Evaluation: one event against the rules of its log source.

use std::borrow::Cow;
use std::sync::Arc;

use model::{Entity, EventUid, Finding, FindingKind, LogSource, Micros, Value};
use rustc_hash::FxHashMap;

use crate::ask::{Content, Number, Test};
use crate::budget::{self, Budget, RULE, RuleCosts, Truth};
use crate::correlate::{Hit, HitStore};
use crate::expr::Expr;
use crate::leaves::{self, Chain, Leaf, Leaves, Walker};
use crate::matched;
use crate::members;
use crate::program::{Lookup, Program, Question, Trigger};
use crate::rules::Rules;
use crate::table::Table;

/// What detection needs of an event. It borrows everything.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The source's own fields.
    pub native: &'a Value<'a>,
    /// The exact bytes of the record; empty where the format has no textual form.
    pub raw: &'a [u8],
    /// What kind of log it comes from, by its source definition.
    pub logsource: &'a LogSource,
    /// Its id.
    pub uid: EventUid,
    /// When it happened.
    pub time: Micros,
    /// Name of the source definition; empty when none knew it.
    pub source: &'a Arc<str>,
    /// What the configuration says of everything that its sender sends.
    pub labels: &'a Arc<[Arc<str>]>,
    /// Name of the parser.
    pub parser: &'a str,
    /// Its normalised form, from which findings take their entities.
    pub event: &'a ocsf::Event<'a>,
}

/// Evaluates events. One for each thread: what it remembers is memory to be used again and hits
/// of rules that correlations refer to.
#[derive(Debug)]
pub struct Detector {
    rules: Arc<Rules>,
    lanes: Vec<Lane>,
    lane_numbers: FxHashMap<LogSource, usize>,
    last: usize,
    leaves: Leaves<'static>,
    hits: HitStore,
    costs: RuleCosts,
}

/// A program with the memory that evaluating it takes.
#[derive(Debug)]
struct Lane {
    logsource: LogSource,
    program: Arc<Program>,
    scratch: Scratch,
}

/// Steps of a question from which on they count to what its rule may take on one event.
const MANY: u64 = 1 << 16;

/// Everything here is empty or unknown between two events.
#[derive(Debug, Default)]
struct Scratch {
    /// For each field, its values.
    chains: Vec<Chain>,
    /// Fields that have values.
    seen: Vec<u32>,
    /// For each question, what is known of it.
    answers: Vec<Answer>,
    /// Questions of which something is known.
    asked: Vec<u32>,
    /// Anchors that the lookups found, maybe several times.
    triggers: Vec<Trigger>,
    /// Rules to look at, maybe several times.
    candidates: Vec<u32>,
    /// Rules, by number, that paid many steps for what their anchors asked.
    paid: Vec<(u32, u64)>,
    /// True when the values of the field that stands for all text have been gathered.
    keywords: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Unasked,
    Known(Truth),
}

impl Detector {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        let hits = HitStore::new(rules.hit_limit());
        Self {
            rules,
            lanes: Vec::new(),
            lane_numbers: FxHashMap::default(),
            last: 0,
            leaves: Leaves::default(),
            hits,
            costs: RuleCosts::default(),
        }
    }

    /// Adds the findings of one event to `findings`, in the order of the rules.
    pub fn evaluate(&mut self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let number = self.lane(view.logsource);
        let Some(lane) = self.lanes.get_mut(number) else { return };
        if lane.program.rules.is_empty() {
            return;
        }
        let mut asker = Asker {
            program: &lane.program,
            table: self.rules.table(),
            scratch: &mut lane.scratch,
            leaves: std::mem::take(&mut self.leaves).recycle(),
            view,
            spent: 0,
        };
        let fences = self.rules.has_fences();
        asker.gather();
        asker.look_up(fences.then_some(&*self.rules), &mut self.costs);
        let candidates = asker.candidates();
        let mut entities = None;
        for candidate in &candidates {
            let Some((rule, expr)) = lane.program.rules.get(*candidate as usize) else { continue };
            if fences && self.rules.is_fenced(*rule) {
                continue;
            }
            let before = asker.scratch.spent_by(*rule);
            asker.spent = before;
            let holds = asker.holds(expr);
            if holds == Truth::Yes {
                found(
                    &self.rules,
                    *rule,
                    expr,
                    &mut asker,
                    view,
                    &mut entities,
                    findings,
                    &mut self.hits,
                );
            }
            if let Some(cost) = self.costs.of(*rule) {
                cost.evaluated += 1;
                cost.matched += u64::from(holds == Truth::Yes);
                cost.skipped += u64::from(holds == Truth::Unknown);
                cost.steps += asker.spent - before;
            }
        }
        self.leaves = asker.leaves.recycle();
        lane.scratch.reset(candidates);
    }

    /// The hits that correlations need, taken out.
    pub fn take_hits(&mut self) -> Vec<Hit> {
        self.hits.take()
    }

    /// How many hits were left out because a rule had more than [`Rules::hit_limit`]: always the
    /// latest ones, whatever the number of threads.
    pub fn hits_left_out(&self) -> u64 {
        self.hits.left_out()
    }

    /// Moves what each rule cost since the last time into a sum, which must be of the same rule set.
    pub fn take_costs(&mut self, into: &mut RuleCosts) {
        into.take(&mut self.costs);
    }

    fn lane(&mut self, logsource: &LogSource) -> usize {
        if self.lanes.get(self.last).is_some_and(|lane| lane.logsource == *logsource) {
            return self.last;
        }
        if let Some(number) = self.lane_numbers.get(logsource) {
            self.last = *number;
            return self.last;
        }
        let program = self.rules.program(logsource);
        let scratch = Scratch {
            chains: vec![Chain::ABSENT; program.fields.len()],
            answers: vec![Answer::Unasked; program.questions.len()],
            ..Scratch::default()
        };
        self.last = self.lanes.len();
        self.lanes.push(Lane { logsource: logsource.clone(), program, scratch });
        self.lane_numbers.insert(logsource.clone(), self.last);
        self.last
    }
}

impl Scratch {
    fn reset(&mut self, mut candidates: Vec<u32>) {
        self.keywords = false;
        for field in self.seen.drain(..) {
            if let Some(chain) = self.chains.get_mut(field as usize) {
                *chain = Chain::ABSENT;
            }
        }
        for ask in self.asked.drain(..) {
            if let Some(answer) = self.answers.get_mut(ask as usize) {
                *answer = Answer::Unasked;
            }
        }
        self.paid.clear();
        candidates.clear();
        self.candidates = candidates;
    }

    /// Steps that a rule paid while it was looked for, where they were many.
    fn spent_by(&self, rule: u32) -> u64 {
        self.paid.iter().find(|(payer, _)| *payer == rule).map_or(0, |(_, steps)| *steps)
    }

    fn pays(&mut self, rule: u32, steps: u64) {
        if steps < MANY {
            return;
        }
        match self.paid.iter_mut().find(|(payer, _)| *payer == rule) {
            Some((_, sum)) => *sum += steps,
            None => self.paid.push((rule, steps)),
        }
    }

    fn answer(&mut self, ask: u32, truth: Truth) {
        if let Some(known) = self.answers.get_mut(ask as usize) {
            *known = Answer::Known(truth);
            self.asked.push(ask);
        }
    }
}

/// Says every anchor of a field that a value fits.
fn look_up_leaf(lookup: &Lookup, leaf: &Leaf<'_>, found: &mut impl FnMut(&Trigger)) {
    if matches!(leaf.content, Content::Null | Content::Hollow) {
        return;
    }
    if !lookup.numbers.is_empty()
        && let Some(number) = leaf.content.number()
    {
        let bits = Number::new(number).get().to_bits();
        lookup.numbers.get(&bits).into_iter().flatten().for_each(&mut *found);
    }
    if lookup.exact.is_empty()
        && lookup.starts.is_empty()
        && lookup.ends.is_empty()
        && lookup.needles.is_empty()
    {
        return;
    }
    let text = leaf.foldable();
    lookup.exact.get(0, text).into_iter().flatten().for_each(&mut *found);
    lookup.starts.find(text.as_bytes(), found);
    lookup.ends.find(text.as_bytes(), found);
    scan(lookup, text, found);
}

/// Says every needle of a field that a text holds.
fn scan(lookup: &Lookup, low: &str, found: &mut impl FnMut(&Trigger)) {
    if !lookup.needles.is_empty() {
        lookup.needles.scan(low.as_bytes(), found);
        if !lookup.patterns.is_empty() && !low.is_ascii() {
            lookup.patterns.iter().for_each(found);
        }
    }
}

fn lookup(program: &Program, field: u32) -> Option<&Lookup> {
    program.fields.get(field as usize).and_then(|field| field.lookup.as_ref())
}

/// Visits every text of an event: what keywords are looked for in. The record's own line counts
/// too, where it is not the same fields in another dress.
fn texts<'a>(view: &View<'a>, visit: &mut impl FnMut(Cow<'a, str>)) {
    leaves::texts(view.native, &mut |text| visit(Cow::Borrowed(text)));
    if !view.raw.is_empty() && !matches!(view.parser, "json" | "evtx") {
        visit(String::from_utf8_lossy(view.raw));
    }
}

/// Answers questions about one event, each at most once.
pub(crate) struct Asker<'e, 'a> {
    program: &'e Program,
    table: &'e Table,
    scratch: &'e mut Scratch,
    leaves: Leaves<'a>,
    view: &'e View<'a>,
    /// Steps that the rule took that is being evaluated.
    spent: u64,
}

impl<'e> Asker<'e, '_> {
    /// Finds the values of every field that the program names.
    fn gather(&mut self) {
        let (program, scratch, leaves) = (self.program, &mut *self.scratch, &mut self.leaves);
        let found = |field: u32, content| {
            let Some(chain) = scratch.chains.get_mut(field as usize) else { return };
            if chain.is_absent() {
                scratch.seen.push(field);
            }
            leaves.push(chain, content);
        };
        Walker { names: &program.names, found }.record(self.view.native);
    }

    /// Gathers every text of the event for the field that stands for them: only when a lookup
    /// found something in them, or a rule that is looked at asks for them.
    fn gather_keywords(&mut self) {
        let Some(keywords) = self.program.keywords.filter(|_| !self.scratch.keywords) else {
            return;
        };
        self.scratch.keywords = true;
        self.scratch.seen.push(keywords);
        let Some(chain) = self.scratch.chains.get_mut(keywords as usize) else { return };
        let leaves = &mut self.leaves;
        texts(self.view, &mut |text| leaves.push(chain, Content::Text(text)));
    }

    /// Asks the lookups of every field that has values; what they find names rules to look at. With
    /// rules that may be fenced, nothing is asked for those alone.
    fn look_up(&mut self, fenced: Option<&Rules>, costs: &mut RuleCosts) {
        let mut triggers = std::mem::take(&mut self.scratch.triggers);
        let mut add = |trigger: &Trigger| triggers.push(*trigger);
        for field in &self.scratch.seen {
            let Some(lookup) = lookup(self.program, *field) else { continue };
            for leaf in self.leaves.chain(self.chain(*field)) {
                look_up_leaf(lookup, leaf, &mut add);
            }
            lookup.present.iter().for_each(&mut add);
        }
        if let Some(keywords) = self.program.keywords
            && let Some(lookup) = lookup(self.program, keywords)
        {
            texts(self.view, &mut |text| {
                if text.is_ascii() {
                    scan(lookup, &text, &mut add);
                } else {
                    scan(lookup, &text.to_lowercase(), &mut add);
                }
            });
            lookup.present.iter().for_each(&mut add);
        }
        for trigger in &triggers {
            let Some(question) = self.program.questions.get(trigger.ask as usize) else { continue };
            if self.scratch.answers.get(trigger.ask as usize) != Some(&Answer::Unasked) {
                continue;
            }
            let truth = if trigger.sure {
                Truth::Yes
            } else {
                let number =
                    |rule: &u32| self.program.rules.get(*rule as usize).map(|(number, _)| *number);
                let shut = |rule: &u32| fenced.is_some_and(|rules| rules.is_fenced(*rule));
                let rules = question.rules.iter().filter_map(number).filter(|rule| !shut(rule));
                let Some(payer) = rules.clone().find(|rule| self.scratch.spent_by(*rule) <= RULE)
                else {
                    if rules.count() > 0 {
                        self.scratch.answer(trigger.ask, Truth::Unknown);
                        self.scratch.candidates.extend_from_slice(&question.rules);
                    }
                    continue;
                };
                self.prepare(question);
                let (truth, steps) = self.compute(question);
                self.scratch.pays(payer, steps);
                if let Some(cost) = costs.of(payer) {
                    cost.steps += steps;
                }
                truth
            };
            self.scratch.answer(trigger.ask, truth);
            if truth != Truth::No {
                self.scratch.candidates.extend_from_slice(&question.rules);
            }
        }
        triggers.clear();
        self.scratch.triggers = triggers;
    }

    /// Whether the tree holds.
    pub(crate) fn holds(&mut self, expr: &Expr) -> Truth {
        match expr {
            Expr::Fixed(true) => Truth::Yes,
            Expr::Fixed(false) => Truth::No,
            Expr::Ask(ask) => self.ask(*ask),
            Expr::Not(part) => !self.holds(part),
            Expr::All(parts) => budget::all(parts.iter().map(|part| self.holds(part))),
            Expr::Any(parts) => budget::at_least(1, parts.iter().map(|part| self.holds(part))),
            Expr::AtLeast(count, parts) => {
                budget::at_least(*count as usize, parts.iter().map(|part| self.holds(part)))
            }
            Expr::Members(number) => {
                let Some(members) = self.table.get_members(*number) else { return Truth::No };
                if self.spent > RULE {
                    return Truth::Unknown;
                }
                let budget = Budget::new();
                let truth = members::holds(members, self.view.native, self.table, &budget);
                self.spent += budget.spent();
                truth
            }
        }
    }

    fn ask(&mut self, ask: u32) -> Truth {
        match self.scratch.answers.get(ask as usize) {
            Some(Answer::Known(truth)) => return *truth,
            None => return Truth::No,
            Some(Answer::Unasked) => {}
        }
        let Some(question) = self.program.questions.get(ask as usize) else { return Truth::No };
        if question.answered {
            return Truth::No;
        }
        if self.spent > RULE {
            return Truth::Unknown;
        }
        self.prepare(question);
        let (truth, steps) = self.compute(question);
        self.spent += steps;
        self.scratch.answer(ask, truth);
        truth
    }

    /// Makes the values of a question's fields ready.
    fn prepare(&mut self, question: &Question) {
        if self.program.keywords.is_some_and(|k| k == question.field || k == question.other) {
            self.gather_keywords();
        }
    }

    /// The answer, and the steps that it took.
    fn compute(&self, question: &Question) -> (Truth, u64) {
        let Some(ask) = self.table.get(question.ask) else { return (Truth::No, 0) };
        let budget = Budget::new();
        let mut leaves = self.leaves.chain(self.chain(question.field));
        let holds = match &ask.test {
            Test::Exists => leaves.any(|leaf| !matches!(leaf.content, Content::Null)),
            Test::Null => leaves.all(|leaf| leaf.content.is_nothing()),
            Test::Other { how, cased, .. } => {
                let others = self.chain(question.other);
                leaves.filter(|leaf| !leaf.content.is_nothing()).any(|leaf| {
                    let mut others = self.leaves.chain(others);
                    others.any(|other| leaf.holds(*how, other, *cased, &budget))
                })
            }
            test => leaves.any(|leaf| test.holds(leaf, &budget)),
        };
        (Truth::of(holds, &budget), budget.spent())
    }

    fn chain(&self, field: u32) -> Chain {
        self.scratch.chains.get(field as usize).copied().unwrap_or(Chain::ABSENT)
    }

    /// The rules to look at, in order. Goes back by [`Scratch::reset`].
    fn candidates(&mut self) -> Vec<u32> {
        let mut candidates = std::mem::take(&mut self.scratch.candidates);
        candidates.extend_from_slice(&self.program.always);
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    /// A question in the table's words, with the first value of its field that answers it.
    pub(crate) fn witness(&self, ask: u32) -> Option<(u32, &'e Test, String)> {
        let question = self.program.questions.get(ask as usize)?;
        let known = self.table.get(question.ask)?;
        let budget = Budget::new();
        let mut leaves = self.leaves.chain(self.chain(question.field));
        let leaf = leaves.find(|leaf| match &known.test {
            Test::Exists | Test::Null | Test::Other { .. } => true,
            test => test.holds(leaf, &budget),
        });
        let value = leaf.map(|leaf| leaf.content.shown()).unwrap_or_default();
        Some((known.field, &known.test, value))
    }

    /// The first value of a field of the table, as spelled.
    pub(crate) fn first_value(&self, field: u32) -> Option<String> {
        let local = self.program.fields.iter().position(|known| known.number == field)?;
        let chain = self.chain(local as u32);
        self.leaves
            .chain(chain)
            .find(|leaf| !leaf.content.is_nothing() && !matches!(leaf.content, Content::Hollow))
            .map(|leaf| leaf.content.shown())
    }

    /// The names of fields.
    pub(crate) fn table(&self) -> &'e Table {
        self.table
    }
}

/// Writes down that a rule holds: a finding, and a hit where a correlation counts the rule.
#[allow(clippy::too_many_arguments)] // One caller; a struct would only name the same things again.
fn found(
    rules: &Rules,
    rule: u32,
    expr: &Expr,
    asker: &mut Asker<'_, '_>,
    view: &View<'_>,
    entities: &mut Option<Arc<[Entity]>>,
    findings: &mut Vec<Finding>,
    hits: &mut HitStore,
) {
    let Some(info) = rules.rule(rule).map(|rule| &rule.info) else { return };
    let entities = entities.get_or_insert_with(|| hits.shared(view.event.entities()));
    if let Some(fields) = rules.watched(rule) {
        let values = fields
            .iter()
            .map(|field| asker.first_value(*field).map(String::into_boxed_str))
            .collect();
        hits.push(Hit {
            rule,
            time: view.time,
            uid: view.uid,
            values,
            entities: entities.clone(),
            source: view.source.clone(),
            labels: view.labels.clone(),
        });
    }
    if !info.speaks {
        return;
    }
    let matched_fields = matched::fields(expr, asker);
    findings.push(Finding {
        finding_id: Finding::derive_id(&info.id, &info.version, None, &[view.uid]),
        kind: FindingKind::Sigma,
        rule_id: info.id.clone(),
        rule_version: info.version.clone(),
        rule_title: info.title.clone(),
        description: info.description.clone(),
        level: info.level,
        time: view.time,
        event_uids: vec![view.uid],
        entities: entities.to_vec(),
        tactics: info.tactics.clone(),
        techniques: info.techniques.clone(),
        matched_fields,
        window: None,
        source: view.source.clone(),
        labels: view.labels.to_vec(),
    });
}
