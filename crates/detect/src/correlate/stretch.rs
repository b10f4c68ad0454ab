//! Stretches of inputs over which a condition keeps holding: each is one finding.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use model::{
    Entity, EventUid, Finding, FindingId, FindingKind, MatchedField, Micros, Window, shortened,
};
use rsigma_parser::CorrelationType;
use rustc_hash::{FxHashSet, FxHasher};

use super::input::{Input, Key, Pulse};
use super::plan::{Correlation, Style};
use super::window::bound;

/// Events that one finding names: the first ones and the last.
const MOST_EVENTS: usize = 1_000;
/// Entities that one finding names.
const MOST_ENTITIES: usize = 100;
/// Labels that one finding bears.
const MOST_LABELS: usize = 50;

/// A finding in the making.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    /// Known from its birth on: see [`Finding::derive_id`].
    pub(super) id: FindingId,
    /// Place of the last input at which it held; nothing when that was let go early.
    pub(super) last: Option<usize>,
    /// Time of that input.
    pub(super) last_time: Micros,
    /// Time of its first input.
    pub(super) first_time: Micros,
    /// Time of the first event behind its inputs.
    pub(super) start: Micros,
    /// How many inputs.
    pub(super) inputs: u64,
    /// The highest count.
    pub(super) peak: f64,
    /// The first events, in order.
    pub(super) events: Vec<EventUid>,
    /// The last event, when there are more than can be named.
    pub(super) tail: Option<EventUid>,
    /// What stands in `events`. Ids of events cannot be chosen to collide.
    pub(super) known: FxHashSet<EventUid>,
    pub(super) entities: Vec<Entity>,
    pub(super) source: Arc<str>,
    pub(super) labels: Vec<Arc<str>>,
    /// The group's values as the first input spells them.
    pub(super) shown: Box<[Arc<str>]>,
    /// Of the events that are named so far, and of the entities.
    pub(super) digests: (u64, u64),
}

impl Stretch {
    /// A stretch is born where a condition first holds: over these inputs.
    pub(super) fn born(rule: &Correlation, inputs: &[Input], last: usize, count: f64) -> Self {
        let first = inputs.first();
        let mut new = Self {
            id: FindingId([0; 16]),
            last: Some(last),
            last_time: Micros(0),
            first_time: first.map_or(Micros(0), |input| input.time),
            start: Micros(i64::MAX),
            inputs: 0,
            peak: count,
            events: Vec::new(),
            tail: None,
            known: FxHashSet::default(),
            entities: Vec::new(),
            source: first.map_or_else(|| "".into(), |input| input.thing.source().clone()),
            labels: Vec::new(),
            shown: first.map(|input| input.shown(rule)).unwrap_or_default(),
            digests: (0, 0),
        };
        new.fold(inputs);
        let events: Vec<EventUid> =
            inputs.iter().flat_map(|input| input.thing.events().iter().copied()).collect();
        let (id, version) = (&rule.info.id, &rule.info.version);
        new.id = Finding::derive_id(id, version, Some(&new.window(rule)), &events);
        new
    }

    /// Puts a stretch together again from what was kept of it.
    pub(super) fn again(mut self) -> Self {
        self.known = self.events.iter().copied().collect();
        self
    }

    /// The condition goes on: these inputs follow, and it holds at the last of them.
    pub(super) fn go_on(&mut self, inputs: &[Input], last: usize, count: f64) {
        self.fold(inputs);
        self.last = Some(last);
        self.peak = self.peak.max(count);
    }

    fn fold(&mut self, inputs: &[Input]) {
        let mut before: Option<&Arc<[Entity]>> = None;
        for input in inputs {
            self.inputs += 1;
            self.start = self.start.min(input.thing.start());
            self.last_time = input.time;
            for event in input.thing.events() {
                if self.known.contains(event) {
                    continue;
                }
                if self.events.len() < MOST_EVENTS - 1 {
                    self.digests.0 = mixed(self.digests.0, |hash| hash.write(&event.0));
                    self.known.insert(*event);
                    self.events.push(*event);
                } else {
                    self.tail = Some(*event);
                }
            }
            for label in input.thing.labels().iter() {
                if self.labels.len() < MOST_LABELS && !self.labels.contains(label) {
                    self.labels.push(label.clone());
                }
            }
            let entities = input.thing.entities();
            if before.is_some_and(|before| Arc::ptr_eq(before, entities)) {
                continue;
            }
            before = Some(entities);
            for entity in entities.iter() {
                if self.entities.len() < MOST_ENTITIES && !self.entities.contains(entity) {
                    self.digests.1 = mixed(self.digests.1, |hash| entity.hash(hash));
                    self.entities.push(entity.clone());
                }
            }
        }
    }

    /// A digest of all that the finding says: tells whether there is anything new to say.
    pub(super) fn says(&self, rule: &Correlation) -> u64 {
        let count = self.count(rule);
        mixed(self.digests.0, |hash| {
            (self.digests.1, self.start, self.last_time, self.tail, count).hash(hash);
            (&self.source, &self.shown, &self.labels).hash(hash);
        })
    }

    /// True when no input at `horizon` or later can continue it.
    pub(super) fn is_over(&self, rule: &Correlation, horizon: Micros) -> bool {
        horizon >= bound(rule, self.first_time, self.last_time)
    }

    /// What it weighs in memory, in inputs.
    pub(super) fn weight(&self) -> usize {
        1 + self.events.len() / 4 + self.entities.len() / 4
    }

    fn events(&self) -> Vec<EventUid> {
        self.events.iter().copied().chain(self.tail).collect()
    }

    fn count(&self, rule: &Correlation) -> u64 {
        match rule.kind {
            CorrelationType::EventCount => self.inputs,
            _ => self.peak.max(0.0).round() as u64,
        }
    }

    fn window(&self, rule: &Correlation) -> Window {
        let count = self.count(rule);
        let group = rule.group.iter().cloned().zip(self.shown.iter().cloned()).collect();
        Window { start: self.start, end: self.last_time, group, count }
    }

    /// What the correlations above are told where it begins to hold.
    pub(super) fn birth(&self, input: &Input, rule: &Correlation, origin: &Key) -> Pulse {
        Pulse {
            time: input.time,
            event: input.event,
            birth: true,
            start: self.start,
            events: self.events().into(),
            entities: self.entities.as_slice().into(),
            source: self.source.clone(),
            labels: self.labels.as_slice().into(),
            group: input.shown(rule),
            origin: origin.clone(),
        }
    }

    /// The finding as it stands.
    pub(super) fn finding(&self, rule: &Correlation) -> Finding {
        let info = &rule.info;
        let window = self.window(rule);
        let matched_fields = window
            .group
            .iter()
            .map(|(field, value)| MatchedField {
                field: field.clone(),
                value: shortened(value, 400).as_ref().into(),
                pattern: None,
            })
            .collect();
        Finding {
            finding_id: self.id,
            kind: FindingKind::Correlation,
            rule_id: info.id.clone(),
            rule_version: info.version.clone(),
            rule_title: info.title.clone(),
            description: info.description.clone(),
            level: info.level,
            time: window.end,
            event_uids: self.events(),
            entities: self.entities.clone(),
            tactics: info.tactics.clone(),
            techniques: info.techniques.clone(),
            matched_fields,
            window: Some(window),
            source: self.source.clone(),
            labels: self.labels.clone(),
        }
    }
}

fn mixed(before: u64, what: impl FnOnce(&mut FxHasher)) -> u64 {
    let mut hash = FxHasher::default();
    hash.write_u64(before);
    what(&mut hash);
    hash.finish()
}

/// Goes one input further along the stretches of a group, at an input where the condition holds.
/// Overlapping windows are one stretch. True when one begins.
pub(super) fn step(
    rule: &Correlation,
    inputs: &[Input],
    line: &mut Vec<Stretch>,
    at: usize,
    count: f64,
) -> bool {
    let Some(input) = inputs.get(at) else { return false };
    let begin = at.saturating_sub(input.verdict.reach as usize);
    if let Some(open) = line.last_mut() {
        let from = match open.last {
            Some(last) if begin <= last => Some(last + 1),
            // What was let go early cannot be pointed at; time tells whether it was in the window.
            None if rule.style == Style::Trailing && !open.is_over(rule, input.time) => Some(0),
            _ => None,
        };
        if let Some(inputs) = from.and_then(|from| inputs.get(from..=at)) {
            open.go_on(inputs, at, count);
            return false;
        }
    }
    let window = inputs.get(begin..=at).unwrap_or_default();
    line.push(Stretch::born(rule, window, at, count));
    true
}

/// What the correlations above are told of an input at which the condition goes on holding.
pub(super) fn going_on(input: &Input, rule: &Correlation, origin: &Key) -> Pulse {
    Pulse {
        time: input.time,
        event: input.event,
        birth: false,
        start: input.thing.start(),
        events: input.thing.events().into(),
        entities: input.thing.entities().clone(),
        source: input.thing.source().clone(),
        labels: input.thing.labels().clone(),
        group: input.shown(rule),
        origin: origin.clone(),
    }
}
