//! Correlation rules, resolved: which rules they count, by which fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Hasher, Level, Micros};
use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType,
    WindowMode,
};
use rustc_hash::FxHashMap;

use crate::problem::Fault;
use crate::rule::{self, Fence, RuleInfo};
use crate::table::Table;

/// A correlation rule as it was read.
pub(crate) struct Source<'r> {
    pub(crate) rule: &'r CorrelationRule,
    pub(crate) path: &'r Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) replaces: Option<Arc<str>>,
}

/// When a window is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// At each input, over the window that ends with it.
    Trailing,
    /// Windows that follow each other; each as it fills, for what holds of a part of it holds of
    /// the whole.
    Filling,
    /// Windows that follow each other; each when it is over: "at most three" can be said no sooner.
    Over,
}

/// A correlation that can be run. Those that it counts stand before it.
#[derive(Debug)]
pub(crate) struct Correlation {
    pub(crate) info: Arc<RuleInfo>,
    pub(crate) fence: Fence,
    /// Hash of its text and of the texts of all that it counts: while it stays, so does what is
    /// known of its groups.
    pub(crate) mark: [u8; 16],
    pub(crate) kind: CorrelationType,
    pub(crate) style: Style,
    pub(crate) parts: Vec<Part>,
    /// Names of the `group-by` fields.
    pub(crate) group: Vec<Arc<str>>,
    pub(crate) span: Micros,
    pub(crate) window: WindowMode,
    pub(crate) gap: Micros,
    pub(crate) bounds: Vec<(ConditionOperator, f64)>,
    pub(crate) percentile: f64,
    /// For temporal kinds: which parts must be there, when it is not simply all.
    pub(crate) formula: Option<ConditionExpr>,
}

/// One of the rules that a correlation counts.
#[derive(Debug)]
pub(crate) struct Part {
    /// As the correlation refers to it.
    pub(crate) name: String,
    pub(crate) what: What,
    /// For each `group-by` field, its place among the values of a hit.
    pub(crate) group: Vec<usize>,
    /// The same for the fields whose values are counted.
    pub(crate) values: Vec<usize>,
}

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A rule, by its number.
    Rule(u32),
    /// A correlation, by its place among the correlations.
    Correlation(usize),
}

impl Correlation {
    /// True when its parts must come in their order.
    pub(crate) fn ordered(&self) -> bool {
        self.kind == CorrelationType::TemporalOrdered
    }

    /// True when an event counts once, however many of the parts match it.
    pub(crate) fn counts_events(&self) -> bool {
        !matches!(self.kind, CorrelationType::Temporal | CorrelationType::TemporalOrdered)
    }

    /// True when it asks what is there, not how often: a correlation below it is there at every
    /// input at which it holds. Else that counts once, when it begins to hold.
    pub(crate) fn asks_presence(&self) -> bool {
        matches!(
            self.kind,
            CorrelationType::Temporal
                | CorrelationType::TemporalOrdered
                | CorrelationType::ValueCount
        )
    }

    /// True when it calculates with the counted values.
    pub(crate) fn numeric(&self) -> bool {
        matches!(
            self.kind,
            CorrelationType::ValueSum
                | CorrelationType::ValueAvg
                | CorrelationType::ValueMedian
                | CorrelationType::ValuePercentile
        )
    }

    /// How many inputs its condition may need.
    pub(crate) fn needs(&self) -> usize {
        let counts = matches!(self.kind, CorrelationType::EventCount | CorrelationType::ValueCount);
        let most = self.bounds.iter().map(|(_, bound)| *bound).fold(0.0, f64::max);
        if counts { most as usize } else { 0 }
    }

    fn style(&self) -> Style {
        let most = self.bounds.iter().any(|(order, _)| {
            use ConditionOperator as Order;
            matches!(order, Order::Lt | Order::Lte | Order::Eq | Order::Neq)
        });
        let denies = self.formula.as_ref().is_some_and(denies);
        let grows = matches!(
            self.kind,
            CorrelationType::EventCount | CorrelationType::ValueCount | CorrelationType::Temporal
        );
        match self.window {
            WindowMode::Sliding if !most => Style::Trailing,
            // An order that was completed stays completed.
            _ if self.ordered() || (grows && !most && !denies) => Style::Filling,
            _ => Style::Over,
        }
    }
}

/// True when a formula says of some rule that it must not be there.
fn denies(formula: &ConditionExpr) -> bool {
    match formula {
        ConditionExpr::Not(_) => true,
        ConditionExpr::And(all) | ConditionExpr::Or(all) => all.iter().any(denies),
        ConditionExpr::Identifier(_) | ConditionExpr::Selector { .. } => false,
    }
}

/// All correlations, and what detection must keep for them.
pub(crate) struct Plan {
    pub(crate) correlations: Vec<Correlation>,
    pub(crate) watched: FxHashMap<u32, Box<[u32]>>,
    /// What is wrong, by place among the sources.
    pub(crate) faults: Vec<(usize, Fault)>,
}

/// Resolves correlations against the loaded rules. Rules that only serve correlations which do
/// not say `generate` are told to be silent.
pub(crate) fn plan(sources: &[Source<'_>], rules: &mut [RuleInfo], table: &mut Table) -> Plan {
    let mut faults = Vec::new();
    let order = sort(sources, rules, &mut faults);
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    let mut watched: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut correlations: Vec<Correlation> = Vec::new();
    for at in order {
        let Some(source) = sources.get(at) else { continue };
        let parts = source
            .rule
            .rules
            .iter()
            .map(|name| part(name, source.rule, sources, rules, &places, table, &mut watched))
            .collect::<Result<Vec<Part>, Fault>>()
            .and_then(|parts| make(source, parts));
        match parts {
            Ok(mut correlation) => {
                correlation.style = correlation.style();
                correlation.mark = mark(&correlation, rules, &correlations);
                places.insert(at, correlations.len());
                correlations.push(correlation);
            }
            Err(fault) => faults.push((at, fault)),
        }
    }
    silence(&mut correlations, sources, rules, &places);
    let watched = watched.into_iter().map(|(rule, fields)| (rule, fields.into())).collect();
    Plan { correlations, watched, faults }
}

/// Where a name leads: to a rule by id or name, else to a correlation.
fn find(name: &str, sources: &[Source<'_>], rules: &[RuleInfo]) -> Option<What> {
    let rule = rules
        .iter()
        .position(|info| *info.id == *name || info.name.as_deref() == Some(name))
        .or_else(|| rules.iter().position(|info| *info.title == *name));
    if let Some(rule) = rule {
        return Some(What::Rule(rule as u32));
    }
    let named = |source: &Source<'_>| {
        source.rule.id.as_deref() == Some(name)
            || source.rule.name.as_deref() == Some(name)
            || source.rule.title == name
    };
    sources.iter().position(named).map(What::Correlation)
}

/// The order in which correlations are run: what is counted comes first. Circles are faults.
fn sort(
    sources: &[Source<'_>],
    rules: &[RuleInfo],
    faults: &mut Vec<(usize, Fault)>,
) -> Vec<usize> {
    let needs: Vec<Vec<usize>> = sources
        .iter()
        .map(|source| {
            let found = source.rule.rules.iter().filter_map(|name| find(name, sources, rules));
            found
                .filter_map(|what| match what {
                    What::Correlation(at) => Some(at),
                    What::Rule(_) => None,
                })
                .collect()
        })
        .collect();
    let mut order: Vec<usize> = Vec::with_capacity(sources.len());
    let mut open: Vec<usize> = (0..sources.len()).collect();
    loop {
        let before = open.len();
        open.retain(|at| {
            let ready =
                needs.get(*at).is_none_or(|needs| needs.iter().all(|need| order.contains(need)));
            if ready {
                order.push(*at);
            }
            !ready
        });
        if open.is_empty() || open.len() == before {
            break;
        }
    }
    for at in open {
        let why = "the correlation counts itself, directly or through others";
        faults.push((at, Fault::new("rule/correlation", why, "rules:")));
    }
    order
}

fn part(
    name: &str,
    rule: &CorrelationRule,
    sources: &[Source<'_>],
    rules: &[RuleInfo],
    places: &BTreeMap<usize, usize>,
    table: &mut Table,
    watched: &mut BTreeMap<u32, Vec<u32>>,
) -> Result<Part, Fault> {
    let unknown = || {
        let why = format!("it counts `{name}`, which is not among the loaded rules");
        Fault::new("rule/reference", why, name)
    };
    let counted = match &rule.condition {
        CorrelationCondition::Threshold { field: Some(fields), .. } => fields.as_slice(),
        _ => &[],
    };
    match find(name, sources, rules).ok_or_else(unknown)? {
        What::Rule(number) => {
            let fields = watched.entry(number).or_default();
            let info = rules.get(number as usize);
            let mut place = |field: &str| {
                let field = table.field(aliased(field, name, rule, info));
                fields.iter().position(|known| *known == field).unwrap_or_else(|| {
                    fields.push(field);
                    fields.len() - 1
                })
            };
            Ok(Part {
                name: name.to_owned(),
                what: What::Rule(number),
                group: rule.group_by.iter().map(|field| place(field)).collect(),
                values: counted.iter().map(|field| place(field)).collect(),
            })
        }
        What::Correlation(at) => {
            let place = *places.get(&at).ok_or_else(unknown)?;
            // A finding of a correlation carries its own group; fields are found there by name.
            let inner = sources.get(at).map(|source| source.rule.group_by.as_slice());
            let find = |field: &String| {
                let inner = inner.unwrap_or_default();
                inner.iter().position(|known| known == field).unwrap_or(usize::MAX)
            };
            Ok(Part {
                name: name.to_owned(),
                what: What::Correlation(place),
                group: rule.group_by.iter().map(find).collect(),
                values: counted.iter().map(find).collect(),
            })
        }
    }
}

/// The name that a field has in a part's events.
fn aliased<'r>(
    field: &'r str,
    part: &str,
    rule: &'r CorrelationRule,
    info: Option<&RuleInfo>,
) -> &'r str {
    let alias = rule.aliases.iter().find(|alias| alias.alias == field);
    let Some(alias) = alias else { return field };
    let names = [
        Some(part),
        info.map(|info| &*info.id),
        info.and_then(|info| info.name.as_deref()),
        info.map(|info| &*info.title),
    ];
    let known = names.into_iter().flatten().find_map(|name| alias.mapping.get(name));
    known.map_or(field, String::as_str)
}

fn make(source: &Source<'_>, parts: Vec<Part>) -> Result<Correlation, Fault> {
    let rule = source.rule;
    let fault = |why: &str, near: &str| Err(Fault::new("rule/correlation", why, near));
    if parts.is_empty() {
        return fault("it counts no rule", "correlation");
    }
    let (mut bounds, percentile, formula) = match &rule.condition {
        CorrelationCondition::Threshold { predicates, percentile, .. } => {
            let bounds = predicates.iter().map(|(order, bound)| (*order, *bound as f64));
            (bounds.collect::<Vec<_>>(), *percentile, None)
        }
        CorrelationCondition::Extended(formula) => (Vec::new(), None, Some(formula.clone())),
    };
    let counted = parts.iter().all(|part| !part.values.is_empty());
    let temporal = matches!(
        rule.correlation_type,
        CorrelationType::Temporal | CorrelationType::TemporalOrdered
    );
    match rule.correlation_type {
        CorrelationType::EventCount
        | CorrelationType::Temporal
        | CorrelationType::TemporalOrdered => {}
        _ if !counted => {
            return fault("the condition needs a `field` whose values count", "condition");
        }
        _ => {}
    }
    if temporal && formula.is_none() && bounds == [(ConditionOperator::Gte, 1.0)] {
        // The parser's reading of no condition: all of them.
        bounds = vec![(ConditionOperator::Gte, parts.len() as f64)];
    }
    if !temporal && formula.is_some() {
        return fault("a formula of rules belongs to temporal correlations", "condition");
    }
    if let Some(formula) = &formula {
        check(formula, &parts)?;
    }
    let micros = |seconds: u64| Micros::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
    Ok(Correlation {
        info: Arc::new(info(source)),
        fence: Fence::default(),
        mark: [0; 16],
        kind: rule.correlation_type,
        style: Style::Trailing,
        parts,
        group: rule.group_by.iter().map(|field| field.as_str().into()).collect(),
        span: micros(rule.timespan.seconds),
        window: rule.window,
        gap: rule.gap.as_ref().map_or(Micros(0), |gap| micros(gap.seconds)),
        bounds,
        percentile: percentile.map_or(50.0, |rank| rank.min(100) as f64),
        formula,
    })
}

/// See [`Correlation::mark`].
fn mark(rule: &Correlation, rules: &[RuleInfo], below: &[Correlation]) -> [u8; 16] {
    let said =
        |hash: Hasher, info: &RuleInfo| hash.part(info.id.as_bytes()).part(info.version.as_bytes());
    let parts = rule.parts.iter().fold(said(Hasher::new("correlation"), &rule.info), {
        |hash, part| match part.what {
            What::Rule(number) => match rules.get(number as usize) {
                Some(info) => said(hash.part(b"rule"), info),
                None => hash,
            },
            What::Correlation(at) => match below.get(at) {
                Some(inner) => hash.part(b"correlation").part(&inner.mark),
                None => hash,
            },
        }
    });
    parts.finish()
}

/// A formula may name nothing but the parts.
fn check(formula: &ConditionExpr, parts: &[Part]) -> Result<(), Fault> {
    match formula {
        ConditionExpr::Identifier(name) => {
            if parts.iter().any(|part| part.name == *name) {
                return Ok(());
            }
            let why = format!("the condition names `{name}`, which is not among its rules");
            Err(Fault::new("rule/correlation", why, name))
        }
        ConditionExpr::Not(part) => check(part, parts),
        ConditionExpr::And(all) | ConditionExpr::Or(all) => {
            all.iter().try_for_each(|part| check(part, parts))
        }
        ConditionExpr::Selector { .. } => Ok(()),
    }
}

fn info(source: &Source<'_>) -> RuleInfo {
    let rule = source.rule;
    RuleInfo {
        id: rule.id.as_deref().unwrap_or(&rule.title).into(),
        name: rule.name.as_deref().map(Arc::from),
        title: rule.title.as_str().into(),
        description: rule.description.as_deref().unwrap_or_default().trim().into(),
        version: source.version.clone(),
        level: rule.level.map_or(Level::Informational, rule::level),
        path: source.path.clone(),
        replaces: source.replaces.clone(),
        status: rule.status.map(|status| format!("{status:?}").to_lowercase().into()),
        logsource: None,
        tags: rule.tags.iter().map(|tag| tag.as_str().into()).collect(),
        tactics: rule::tactics(&rule.tags),
        techniques: rule::techniques(&rule.tags),
        false_positives: rule.falsepositives.iter().map(|text| text.as_str().into()).collect(),
        correlation: true,
        speaks: true,
    }
}

/// What a correlation counts makes no findings of its own unless some correlation that counts it
/// says `generate` (Sigma correlation specification).
fn silence(
    correlations: &mut [Correlation],
    sources: &[Source<'_>],
    rules: &mut [RuleInfo],
    places: &BTreeMap<usize, usize>,
) {
    let mut quiet: Vec<(What, bool)> = Vec::new();
    for (at, place) in places {
        let generate = sources.get(*at).is_some_and(|source| source.rule.generate);
        let parts = correlations.get(*place).map(|c| c.parts.as_slice()).unwrap_or_default();
        for part in parts {
            match quiet.iter_mut().find(|(what, _)| *what == part.what) {
                Some((_, speaks)) => *speaks |= generate,
                None => quiet.push((part.what, generate)),
            }
        }
    }
    for (what, speaks) in quiet {
        match what {
            What::Rule(number) => {
                if let Some(info) = rules.get_mut(number as usize) {
                    info.speaks = speaks;
                }
            }
            What::Correlation(at) => {
                if let Some(correlation) = correlations.get_mut(at) {
                    let mut info = (*correlation.info).clone();
                    info.speaks = speaks;
                    correlation.info = Arc::new(info);
                }
            }
        }
    }
}
