//! Running the correlations over all hits.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Entity, EventUid, Finding, FindingKind, MatchedField, Micros, Window, shortened};
use rsigma_parser::CorrelationType;

use super::hit::Hit;
use super::plan::{Correlation, Part, What};
use super::window::{Input, Stretch, stretches};

/// Events that one finding names: the first ones and the last.
const MOST_EVENTS: usize = 1_000;
/// Entities that one finding names.
const MOST_ENTITIES: usize = 100;

/// A correlation that held: a finding in the making, and a hit for correlations above it.
struct Firing {
    window: Window,
    events: Vec<EventUid>,
    entities: Vec<Entity>,
    source: Arc<str>,
}

/// What stands behind an input.
enum Origin<'h> {
    Hit(&'h Hit),
    Firing(&'h Firing),
}

impl Origin<'_> {
    fn value(&self, place: usize) -> Option<&str> {
        match self {
            Origin::Hit(hit) => hit.values.get(place)?.as_deref(),
            Origin::Firing(firing) => firing.window.group.get(place).map(|(_, value)| &**value),
        }
    }

    fn end(&self) -> Micros {
        match self {
            Origin::Hit(hit) => hit.time,
            Origin::Firing(firing) => firing.window.end,
        }
    }

    fn begin(&self) -> Micros {
        match self {
            Origin::Hit(hit) => hit.time,
            Origin::Firing(firing) => firing.window.start,
        }
    }

    fn events(&self) -> &[EventUid] {
        match self {
            Origin::Hit(hit) => std::slice::from_ref(&hit.uid),
            Origin::Firing(firing) => &firing.events,
        }
    }

    fn entities(&self) -> &[Entity] {
        match self {
            Origin::Hit(hit) => &hit.entities,
            Origin::Firing(firing) => &firing.entities,
        }
    }

    fn source(&self) -> &Arc<str> {
        match self {
            Origin::Hit(hit) => &hit.source,
            Origin::Firing(firing) => &firing.source,
        }
    }
}

/// Inputs of one group, side by side with what stands behind them.
#[derive(Default)]
struct Group<'h> {
    inputs: Vec<Input>,
    origins: Vec<Origin<'h>>,
    /// The group's values as first spelled.
    shown: Vec<Arc<str>>,
}

/// Runs all correlations; findings come sorted by time and id.
pub(crate) fn run(correlations: &[Correlation], hits: Vec<Hit>, limit: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (rule, firings) in correlations.iter().zip(firings(correlations, hits, limit)) {
        if rule.info.speaks {
            findings.extend(firings.iter().map(|firing| finding(rule, firing)));
        }
    }
    findings.sort_by_key(|finding| (finding.time, finding.finding_id));
    findings
}

/// Ids of the correlations that hold, silent ones included.
pub(crate) fn fired(correlations: &[Correlation], hits: Vec<Hit>, limit: usize) -> Vec<Arc<str>> {
    let all = correlations.iter().zip(firings(correlations, hits, limit));
    all.filter(|(_, firings)| !firings.is_empty()).map(|(rule, _)| rule.info.id.clone()).collect()
}

/// Hits rule by rule in order of time, each event once.
pub(crate) fn by_rule(hits: Vec<Hit>) -> BTreeMap<u32, Vec<Hit>> {
    let mut by_rule: BTreeMap<u32, Vec<Hit>> = BTreeMap::new();
    for hit in hits {
        by_rule.entry(hit.rule).or_default().push(hit);
    }
    for hits in by_rule.values_mut() {
        hits.sort_unstable_by_key(|hit| (hit.time, hit.uid));
        hits.dedup_by_key(|hit| hit.uid);
    }
    by_rule
}

/// Where each correlation holds.
fn firings(correlations: &[Correlation], hits: Vec<Hit>, limit: usize) -> Vec<Vec<Firing>> {
    let mut by_rule = by_rule(hits);
    for hits in by_rule.values_mut() {
        hits.truncate(limit);
    }
    let mut fired: Vec<Vec<Firing>> = Vec::with_capacity(correlations.len());
    for rule in correlations {
        let mut firings = Vec::new();
        for group in groups(rule, &by_rule, &fired).into_values() {
            for stretch in stretches(rule, &group.inputs) {
                firings.push(fire(rule, &group, stretch));
            }
        }
        fired.push(firings);
    }
    fired
}

/// The inputs of a correlation by the folded values of its group. An event that lacks one of the
/// group's fields belongs to no group.
fn groups<'h>(
    rule: &Correlation,
    hits: &'h BTreeMap<u32, Vec<Hit>>,
    fired: &'h [Vec<Firing>],
) -> BTreeMap<Vec<String>, Group<'h>> {
    let mut all: Vec<(Micros, usize, Origin<'h>)> = Vec::new();
    for (number, part) in rule.parts.iter().enumerate() {
        match part.what {
            What::Rule(rule) => {
                let hits = hits.get(&rule).map(Vec::as_slice).unwrap_or_default();
                all.extend(hits.iter().map(|hit| (hit.time, number, Origin::Hit(hit))));
            }
            What::Correlation(at) => {
                let firings = fired.get(at).map(Vec::as_slice).unwrap_or_default();
                all.extend(
                    firings
                        .iter()
                        .map(|firing| (firing.window.end, number, Origin::Firing(firing))),
                );
            }
        }
    }
    let ordered = rule.kind == CorrelationType::TemporalOrdered;
    all.sort_by(|(time, part, origin), (other_time, other_part, other)| {
        // Within one instant nobody knows the order: the rule's own is taken.
        let parts = if ordered { part.cmp(other_part) } else { std::cmp::Ordering::Equal };
        (time.cmp(other_time))
            .then(parts)
            .then_with(|| origin.events().cmp(other.events()))
            .then(part.cmp(other_part))
    });
    let counts_events =
        !matches!(rule.kind, CorrelationType::Temporal | CorrelationType::TemporalOrdered);
    let mut groups: BTreeMap<Vec<String>, Group<'h>> = BTreeMap::new();
    for (time, number, origin) in all {
        let Some(part) = rule.parts.get(number) else { continue };
        let Some(shown) = values(&origin, &part.group) else { continue };
        let value = counted(part, &origin);
        if value.is_none() && !part.values.is_empty() {
            continue;
        }
        let key = shown.iter().map(|value| value.to_lowercase()).collect();
        let group = groups.entry(key).or_default();
        // An event that several of the counted rules match is one event.
        if counts_events && group.origins.last().is_some_and(|o| o.events() == origin.events()) {
            continue;
        }
        if group.shown.is_empty() {
            group.shown = shown.into_iter().map(Arc::from).collect();
        }
        let event = origin.events().last().copied();
        group.inputs.push(Input { time, event, part: number, value });
        group.origins.push(origin);
    }
    groups
}

fn values<'o>(origin: &'o Origin<'_>, places: &[usize]) -> Option<Vec<&'o str>> {
    places.iter().map(|place| origin.value(*place)).collect()
}

/// The counted value, several fields joined; nothing when the event lacks one of them.
fn counted(part: &Part, origin: &Origin<'_>) -> Option<Box<str>> {
    if part.values.is_empty() {
        return None;
    }
    let values = values(origin, &part.values)?;
    Some(values.join("\u{0}").to_lowercase().into())
}

fn fire(rule: &Correlation, group: &Group<'_>, stretch: Stretch) -> Firing {
    let origins = group.origins.get(stretch.first..=stretch.last).unwrap_or_default();
    let mut events: Vec<EventUid> = Vec::new();
    let mut entities: Vec<Entity> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for origin in origins {
        for event in origin.events() {
            if seen.insert(*event) {
                events.push(*event);
            }
        }
        for entity in origin.entities() {
            if entities.len() < MOST_ENTITIES && !entities.contains(entity) {
                entities.push(entity.clone());
            }
        }
    }
    let total = events.len();
    if let Some(last) = events.last().copied()
        && total > MOST_EVENTS
    {
        events.truncate(MOST_EVENTS - 1);
        events.push(last);
    }
    let count = match rule.kind {
        CorrelationType::EventCount => origins.len() as u64,
        _ => stretch.count.max(0.0).round() as u64,
    };
    let start = origins.iter().map(Origin::begin).min().unwrap_or_default();
    let end = origins.iter().map(Origin::end).max().unwrap_or_default();
    let named = rule.group.iter().cloned().zip(group.shown.iter().cloned());
    Firing {
        window: Window { start, end, group: named.collect(), count },
        events,
        entities,
        source: origins.first().map_or_else(|| "".into(), |origin| origin.source().clone()),
    }
}

fn finding(rule: &Correlation, firing: &Firing) -> Finding {
    let info = &rule.info;
    let matched_fields = firing
        .window
        .group
        .iter()
        .map(|(field, value)| MatchedField {
            field: field.clone(),
            value: shortened(value, 400).as_ref().into(),
            pattern: None,
        })
        .collect();
    Finding {
        finding_id: Finding::derive_id(
            &info.id,
            &info.version,
            Some(&firing.window),
            &firing.events,
        ),
        kind: FindingKind::Correlation,
        rule_id: info.id.clone(),
        rule_version: info.version.clone(),
        rule_title: info.title.clone(),
        description: info.description.clone(),
        level: info.level,
        time: firing.window.end,
        event_uids: firing.events.clone(),
        entities: firing.entities.clone(),
        tactics: info.tactics.clone(),
        techniques: info.techniques.clone(),
        matched_fields,
        window: Some(firing.window.clone()),
        source: firing.source.clone(),
    }
}
