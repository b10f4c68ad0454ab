//! What is told of the alerts of one incident.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{Entity, EntityKind, Incident, Level, Micros, Tactic, Technique};

use crate::alerts::{Draft, rank};
use crate::explain::explain;
use crate::gather::{Case, Part};
use crate::names::Strength;
use crate::policy::Policy;
use crate::ties::{Book, Weighed};
use crate::{Told, risk, steps, words};

/// The alerts of one incident, and what is told of them.
pub(crate) struct Group<'a> {
    /// What ties its alerts, in the same order.
    weighed: Vec<&'a Weighed>,
    /// Its domains.
    sites: HashSet<Arc<str>>,
    /// Its alerts, in time order.
    pub(crate) members: Vec<&'a Draft>,
    /// How many of them founded it; the rest joined.
    pub(crate) founders: usize,
    /// Its entities, the most connected first, each with the alerts that name it.
    pub(crate) entities: Vec<Connected>,
    pub(crate) level: Level,
    pub(crate) findings: u64,
    pub(crate) first: Micros,
    pub(crate) last: Micros,
    pub(crate) tactics: BTreeSet<Tactic>,
    /// In order of first sight.
    pub(crate) techniques: Vec<Technique>,
    /// In order of first sight.
    pub(crate) sources: Vec<Arc<str>>,
}

/// An entity within an incident.
pub(crate) struct Connected {
    pub(crate) entity: Entity,
    /// What it is when its spellings are set aside: `CORP\\alice` and `alice@corp.example` are one.
    pub(crate) key: u32,
    /// Alerts that name it, in whatever spelling.
    pub(crate) alerts: u64,
    strength: Strength,
    /// Its key's place in the order of first sight.
    place: usize,
    /// Whether an earlier one of the list is the same by another name.
    again: bool,
}

impl Group<'_> {
    /// Entities that mean something, the most connected first, each by one of its names.
    pub(crate) fn telling(&self) -> impl Iterator<Item = &Connected> {
        self.entities.iter().filter(|c| !c.again && c.strength != Strength::None)
    }

    /// The machines.
    pub(crate) fn machines(&self) -> Vec<&Entity> {
        self.telling().map(|c| &c.entity).filter(|entity| self.is_machine(entity)).collect()
    }

    /// A host whose name is not also a domain of this incident: that is a web site's name, which
    /// nobody can pull a cable from.
    pub(crate) fn is_machine(&self, entity: &Entity) -> bool {
        entity.kind == EntityKind::Host && !self.sites.contains(&entity.value)
    }

    /// The accounts: persons where there are any, else names that every machine has (`root`).
    /// Access keys, which no person answers to, are left out.
    pub(crate) fn people(&self) -> Vec<&Entity> {
        let of = |strength: Strength| -> Vec<&Entity> {
            let some = self.telling().filter(|c| c.strength == strength);
            some.map(|c| &c.entity).filter(|e| is_person(e)).collect()
        };
        let persons = of(Strength::Full);
        if persons.is_empty() { of(Strength::Half) } else { persons }
    }

    /// Keys of what the alerts that `concern` name.
    pub(crate) fn keys_of(&self, concern: impl Fn(&Draft) -> bool) -> HashSet<u32> {
        let some = self.weighed.iter().zip(&self.members).filter(|(_, draft)| concern(draft));
        some.flat_map(|(weighed, _)| &weighed.keys).map(|(key, _)| *key).collect()
    }
}

/// A user or e-mail address by name: not an access key, a number or a security identifier, with which
/// nobody can be told what to do.
pub(crate) fn is_person(entity: &Entity) -> bool {
    let value = &*entity.value;
    matches!(entity.kind, EntityKind::User | EntityKind::Email)
        && !steps::is_access_key(value)
        && !value.bytes().all(|b| b.is_ascii_digit())
        && !value.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("s-1-"))
}

/// Whether a technique is one of these or a sub-technique of one.
pub(crate) fn technique_is(technique: &Technique, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        technique
            .0
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Tells an incident, and why each of its alerts is in it.
pub(crate) fn tell(part: &Part, cases: &[Case<'_>], book: &Book, policy: &Policy) -> Told {
    let ties = explain(part, cases, book, policy);
    let members: Vec<Case<'_>> =
        part.members.iter().filter_map(|at| cases.get(*at).copied()).collect();
    let group = group(&members, book, policy);
    let (risk, risk_parts) = risk::of_incident(&group);
    let severity = risk::severity(&group);
    let incident = Incident {
        incident_id: part.id,
        title: words::title(&group),
        summary: words::summary(&group),
        severity,
        risk,
        risk_parts,
        alert_ids: group.members.iter().map(|draft| draft.alert_id).collect(),
        finding_count: group.findings,
        first_time: group.first,
        last_time: group.last,
        entities: group
            .entities
            .iter()
            .take(policy.incident_entities.max(1))
            .map(|c| c.entity.clone())
            .collect(),
        reason: words::incident_reason(&group, severity, policy),
        next_steps: steps::recommend(&group, severity, policy),
        tactics: group.tactics.iter().copied().collect(),
        techniques: group.techniques,
        sources: group.sources,
    };
    Told { incident, ties }
}

/// What is counted for each key of an incident.
struct Tally {
    alerts: u64,
    /// Its place in the order of first sight.
    place: usize,
    /// How strongly it ties the alert that it ties most.
    strength: Strength,
}

fn group<'a>(cases: &[Case<'a>], book: &Book, policy: &Policy) -> Group<'a> {
    let members: Vec<&Draft> = cases.iter().map(|case| case.draft).collect();
    let mut named: HashSet<&Entity> = HashSet::new();
    let mut tallies: HashMap<u32, Tally> = HashMap::new();
    let mut techniques: Vec<Technique> = Vec::new();
    let mut sources: Vec<Arc<str>> = Vec::new();
    let mut tactics = BTreeSet::new();
    for (case, draft) in cases.iter().zip(&members) {
        named.extend(draft.entities().map(|(entity, _)| entity));
        for (key, strength) in &case.weighed.keys {
            let new = Tally { alerts: 0, place: tallies.len(), strength: *strength };
            let tally = tallies.entry(*key).or_insert(new);
            tally.alerts += 1;
            tally.strength = tally.strength.max(*strength);
        }
        tactics.extend(draft.tactics.iter().copied());
        push_new(&mut techniques, draft.techniques.iter());
        push_new(&mut sources, draft.sources.iter().map(|(name, _)| name));
    }
    let connected = |entity: &&Entity| {
        let key = book.key(entity).unwrap_or(u32::MAX);
        let tally = tallies.get(&key);
        Connected {
            entity: (*entity).clone(),
            alerts: tally.map_or(0, |tally| tally.alerts),
            strength: tally.map_or(Strength::None, |tally| tally.strength),
            place: tally.map_or(usize::MAX, |tally| tally.place),
            key,
            again: false,
        }
    };
    let mut entities: Vec<Connected> = named.iter().map(connected).collect();
    entities.sort_by_cached_key(Connected::place);
    let mut seen: HashSet<u32> = HashSet::new();
    for one in &mut entities {
        one.again = !seen.insert(one.key);
    }
    Group {
        weighed: cases.iter().map(|case| case.weighed).collect(),
        sites: entities
            .iter()
            .filter(|c| c.entity.kind == EntityKind::Domain)
            .map(|c| c.entity.value.clone())
            .collect(),
        founders: members.iter().filter(|d| d.level >= policy.found_level).count(),
        level: members.iter().map(|d| d.level).max().unwrap_or_default(),
        findings: members.iter().map(|d| d.count).sum(),
        first: members.iter().map(|d| d.first_event).min().unwrap_or_default(),
        last: members.iter().map(|d| d.last_time).max().unwrap_or_default(),
        members,
        entities,
        tactics,
        techniques,
        sources,
    }
}

impl Connected {
    /// The most connected first; of the same by several names, the one that people know it by.
    fn place(&self) -> impl Ord + use<> {
        let value = self.entity.value.as_ref();
        let weight = match self.strength {
            Strength::Full if opaque(value) => 2,
            Strength::Full => 4,
            Strength::Half => 2,
            Strength::None => 1,
        };
        let plain = match () {
            () if value.contains('@') => 0,
            () if value.contains('\\') => 1,
            () if value.contains(':') => 3,
            () => 2,
        };
        let common = self.strength == Strength::None;
        let connected = std::cmp::Reverse(self.alerts * weight);
        let kind = rank(self.entity.kind);
        (common, connected, kind, self.place, plain, value.len(), value.to_owned())
    }
}

/// Names that no person says: security identifiers and long ids of digits and letters.
fn opaque(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    value.starts_with("s-1-")
        || value.len() >= 20 && digits * 4 >= value.len() && !value.contains(['@', '\\', ' '])
}

fn push_new<'a, T: Clone + PartialEq + 'a>(list: &mut Vec<T>, more: impl Iterator<Item = &'a T>) {
    for item in more {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
}
