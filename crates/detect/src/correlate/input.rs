//! What a correlation counts: hits of rules, and correlations below it where they hold.

use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

use model::{Entity, EventUid, Micros};
use rsigma_parser::CorrelationType;

use super::hit::Hit;
use super::plan::{Correlation, Part};

/// The folded values by which inputs are grouped, written so that no two lists are one text.
pub(super) type Key = Arc<str>;

/// A correlation held at one of its inputs. For those above it this is what a hit is: it depends on
/// nothing that comes later and on nothing farther back than the window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pulse {
    /// Of the input.
    pub(super) time: Micros,
    /// Of the input.
    pub(super) event: EventUid,
    /// True where it began to hold.
    pub(super) birth: bool,
    /// Time of the first of its events.
    pub(super) start: Micros,
    /// What made it hold, where it began to; after that the events of the input alone.
    pub(super) events: Arc<[EventUid]>,
    /// Who and what those are about.
    pub(super) entities: Arc<[Entity]>,
    /// Source of the first of them.
    pub(super) source: Arc<str>,
    /// What the configuration says of the senders of those.
    pub(super) labels: Arc<[Arc<str>]>,
    /// The group's values as the input spells them.
    pub(super) group: Box<[Arc<str>]>,
    /// The group.
    pub(super) origin: Key,
}

/// What stands behind an input.
#[derive(Debug, Clone)]
pub(super) enum Thing {
    /// A rule matched an event.
    Hit(Arc<Hit>),
    /// A correlation held.
    Pulse(Arc<Pulse>),
}

impl Thing {
    pub(super) fn time(&self) -> Micros {
        match self {
            Thing::Hit(hit) => hit.time,
            Thing::Pulse(pulse) => pulse.time,
        }
    }

    pub(super) fn event(&self) -> EventUid {
        match self {
            Thing::Hit(hit) => hit.uid,
            Thing::Pulse(pulse) => pulse.event,
        }
    }

    /// Time of its first event.
    pub(super) fn start(&self) -> Micros {
        match self {
            Thing::Hit(hit) => hit.time,
            Thing::Pulse(pulse) => pulse.start,
        }
    }

    pub(super) fn events(&self) -> &[EventUid] {
        match self {
            Thing::Hit(hit) => std::slice::from_ref(&hit.uid),
            Thing::Pulse(pulse) => &pulse.events,
        }
    }

    pub(super) fn entities(&self) -> &Arc<[Entity]> {
        match self {
            Thing::Hit(hit) => &hit.entities,
            Thing::Pulse(pulse) => &pulse.entities,
        }
    }

    pub(super) fn source(&self) -> &Arc<str> {
        match self {
            Thing::Hit(hit) => &hit.source,
            Thing::Pulse(pulse) => &pulse.source,
        }
    }

    pub(super) fn labels(&self) -> &Arc<[Arc<str>]> {
        match self {
            Thing::Hit(hit) => &hit.labels,
            Thing::Pulse(pulse) => &pulse.labels,
        }
    }

    /// The group that a pulse is of.
    fn origin(&self) -> Option<&str> {
        match self {
            Thing::Hit(_) => None,
            Thing::Pulse(pulse) => Some(&pulse.origin),
        }
    }

    fn value(&self, place: usize) -> Option<&str> {
        match self {
            Thing::Hit(hit) => hit.values.get(place)?.as_deref(),
            Thing::Pulse(pulse) => pulse.group.get(place).map(AsRef::as_ref),
        }
    }
}

/// What is counted of an input.
#[derive(Debug, Clone)]
pub(super) enum Counted {
    /// That it is there.
    Presence,
    /// A value, folded to lower case.
    Text(Arc<str>),
    /// A number.
    Number(f64),
}

/// What is known of a window that ends with an input.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Verdict {
    /// How many places before the input the window begins.
    pub(super) reach: u32,
    /// What was counted, when the condition holds.
    pub(super) held: Option<f64>,
}

/// What a window counts.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) time: Micros,
    pub(super) event: EventUid,
    /// Which part it is of.
    pub(super) part: u32,
    pub(super) counted: Counted,
    pub(super) thing: Thing,
    pub(super) verdict: Verdict,
    /// What those above were told.
    pub(super) told: Option<Arc<Pulse>>,
}

impl Input {
    /// Makes an input with the group to which it belongs. `None` for an event that lacks one of the
    /// fields that are grouped by or counted: it belongs nowhere.
    pub(super) fn new(rule: &Correlation, number: u32, thing: Thing) -> Option<(Key, Self)> {
        let part = rule.parts.get(number as usize)?;
        let key = key(part.group.iter().map(|place| thing.value(*place)))?;
        let counted = counted(rule, part, &thing)?;
        let (time, event) = (thing.time(), thing.event());
        let (verdict, told) = (Verdict::default(), None);
        Some((key, Self { time, event, part: number, counted, thing, verdict, told }))
    }

    /// The group's values as this input spells them.
    pub(super) fn shown(&self, rule: &Correlation) -> Box<[Arc<str>]> {
        let part = rule.parts.get(self.part as usize);
        let places = part.map(|part| part.group.as_slice()).unwrap_or_default();
        let value = |place: &usize| Arc::from(self.thing.value(*place).unwrap_or_default());
        places.iter().map(value).collect()
    }

    /// The order in which inputs are counted. It never depends on when they came.
    pub(super) fn order(&self, other: &Self, rule: &Correlation) -> Ordering {
        // Within one instant nobody knows the order: the rule's own is taken.
        let parts = self.part.cmp(&other.part);
        let first = if rule.ordered() { parts } else { Ordering::Equal };
        (self.time.cmp(&other.time))
            .then(first)
            .then_with(|| self.event.cmp(&other.event))
            .then_with(|| self.thing.origin().cmp(&other.thing.origin()))
            .then(parts)
    }

    /// True when both are one event that two of the counted rules match.
    pub(super) fn same_event(&self, other: &Self) -> bool {
        let hits = matches!((&self.thing, &other.thing), (Thing::Hit(_), Thing::Hit(_)));
        hits && self.time == other.time && self.event == other.event
    }
}

/// The key of a group with these values; nothing when one is missing.
pub(super) fn key<'v>(values: impl Iterator<Item = Option<&'v str>>) -> Option<Key> {
    let mut key = String::new();
    for value in values {
        let folded = folded(value?);
        let _infallible = write!(key, "{}:{folded}", folded.len());
    }
    Some(key.into())
}

/// Text in lower case, as comparisons fold it.
fn folded(text: &str) -> std::borrow::Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        text.into()
    } else {
        text.to_lowercase().into()
    }
}

/// The counted value, several fields joined; nothing when the event lacks one of them.
fn counted(rule: &Correlation, part: &Part, thing: &Thing) -> Option<Counted> {
    let mut values = part.values.iter().map(|place| thing.value(*place));
    if rule.numeric() {
        let value = values.next()??;
        let number = if values.next().is_none() { crate::ask::number_of(value) } else { None };
        return Some(number.map_or(Counted::Presence, Counted::Number));
    }
    let values = values.collect::<Option<Vec<&str>>>()?;
    Some(match (rule.kind, values.as_slice()) {
        (CorrelationType::ValueCount, [one]) => Counted::Text(folded(one).into()),
        (CorrelationType::ValueCount, many) => Counted::Text(folded(&many.join("\u{0}")).into()),
        _ => Counted::Presence,
    })
}
