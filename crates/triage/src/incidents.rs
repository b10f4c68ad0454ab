//! Alerts that share entities and time are one incident.
//!
//! Alerts of at least the policy's founding level are united when they share a full tie, or a pair
//! of halves, and no more than the gap lies between them. Union is transitive: if A ties to B and B
//! to C, all three are one. Lower alerts then join the incident with which they share the most, and
//! never bridge two.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{Entity, EntityKind, Hasher, Incident, IncidentId, Level, Micros, Tactic, Technique};

use crate::alerts::{Draft, rank};
use crate::policy::{Policy, micros};
use crate::ties::{Strength, Ties};
use crate::{risk, steps, words};

/// The alerts of one incident, and what is told of them.
pub(crate) struct Group<'a> {
    ties: &'a Ties,
    /// Its domains.
    sites: HashSet<Arc<str>>,
    /// Places of its alerts among all.
    places: &'a [usize],
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
        let some = self.places.iter().zip(&self.members).filter(|(_, draft)| concern(draft));
        some.flat_map(|(place, _)| self.ties.keys(*place)).copied().collect()
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

/// All incidents, gravest first.
pub(crate) fn gather(drafts: &[Draft], ties: &Ties, policy: &Policy) -> Vec<Incident> {
    let mut forest = Forest::new(drafts.len());
    let chains = tie_founders(drafts, ties, policy, &mut forest);
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        let incident = if draft.level >= policy.found_level {
            Some(forest.root(at))
        } else {
            joins(at, draft, ties, &chains, &mut forest, policy)
        };
        if let Some(root) = incident {
            members.entry(root).or_default().push(at);
        }
    }
    let mut out: Vec<Incident> =
        members.into_values().map(|list| incident(&list, drafts, ties, policy)).collect();
    out.sort_by_key(|i| (std::cmp::Reverse((i.severity, i.risk)), i.first_time, i.incident_id));
    out
}

/// A run of founders that share a key, each within the gap of those before it.
struct Chain {
    start: Micros,
    end: Micros,
    founder: usize,
}

type Chains = HashMap<(u32, u32), Vec<Chain>>;

fn tie_founders(drafts: &[Draft], ties: &Ties, policy: &Policy, forest: &mut Forest) -> Chains {
    let gap = micros(policy.incident_gap);
    let mut chains: Chains = HashMap::new();
    // Drafts come by first event, so each key's chains grow at their ends only.
    for (at, draft) in drafts.iter().enumerate().filter(|(_, d)| d.level >= policy.found_level) {
        let alone = ties.full(at).iter().map(|id| (*id, *id));
        for key in alone.chain(ties.pairs(at).iter().copied()) {
            let chain = chains.entry(key).or_default();
            match chain.last_mut() {
                Some(last) if apart(last.end, draft.first_event) <= gap => {
                    last.end = last.end.max(draft.last_time);
                    forest.unite(last.founder, at);
                }
                _ => chain.push(Chain {
                    start: draft.first_event,
                    end: draft.last_time,
                    founder: at,
                }),
            }
        }
    }
    chains
}

/// How long after `end` `start` comes; nothing when it comes before.
fn apart(end: Micros, start: Micros) -> u64 {
    start.0.saturating_sub(end.0).max(0) as u64
}

/// The incident that a low alert joins: the one with which it shares the most, then the nearest.
fn joins(
    at: usize,
    draft: &Draft,
    ties: &Ties,
    chains: &Chains,
    forest: &mut Forest,
    policy: &Policy,
) -> Option<usize> {
    let mut found: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for id in ties.full(at) {
        for chain in chains.get(&(*id, *id)).into_iter().flatten() {
            let distance =
                apart(chain.end, draft.first_event).max(apart(draft.last_time, chain.start));
            if distance <= micros(policy.join_gap) {
                let entry = found.entry(forest.root(chain.founder)).or_insert((0, u64::MAX));
                *entry = (entry.0 + 1, entry.1.min(distance));
            }
        }
    }
    found
        .into_iter()
        .min_by_key(|(root, (shared, distance))| (std::cmp::Reverse(*shared), *distance, *root))
        .map(|(root, _)| root)
}

fn incident(list: &[usize], drafts: &[Draft], ties: &Ties, policy: &Policy) -> Incident {
    let group = group(list, drafts, ties, policy);
    let (risk, risk_parts) = risk::of_incident(&group);
    let first_alert = group.members.iter().find(|d| d.level >= policy.found_level);
    let id = Hasher::new("incident").part(&first_alert.map_or([0; 16], |d| d.alert_id.0));
    let severity = risk::severity(&group);
    Incident {
        incident_id: IncidentId::from(id),
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
    }
}

fn group<'a>(
    places: &'a [usize],
    drafts: &'a [Draft],
    ties: &'a Ties,
    policy: &Policy,
) -> Group<'a> {
    let members: Vec<&Draft> = places.iter().filter_map(|at| drafts.get(*at)).collect();
    let mut named: HashSet<&Entity> = HashSet::new();
    let mut counts: HashMap<u32, u64> = HashMap::new();
    let mut techniques: Vec<Technique> = Vec::new();
    let mut sources: Vec<Arc<str>> = Vec::new();
    let mut tactics = BTreeSet::new();
    for (place, draft) in places.iter().zip(&members) {
        named.extend(draft.entities().map(|(entity, _)| entity));
        for key in ties.keys(*place) {
            *counts.entry(*key).or_default() += 1;
        }
        tactics.extend(draft.tactics.iter().copied());
        push_new(&mut techniques, draft.techniques.iter());
        push_new(&mut sources, draft.sources.iter().map(|(name, _)| name));
    }
    let connected = |entity: &&Entity| {
        let key = ties.key(entity);
        Connected {
            entity: (*entity).clone(),
            alerts: counts.get(&key).copied().unwrap_or_default(),
            strength: ties.strength(key),
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
        ties,
        sites: entities
            .iter()
            .filter(|c| c.entity.kind == EntityKind::Domain)
            .map(|c| c.entity.value.clone())
            .collect(),
        places,
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
        (common, connected, kind, self.key, plain, value.len(), value.to_owned())
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

/// Union-find whose roots are the smallest members: the earliest alert.
struct Forest(Vec<usize>);

impl Forest {
    fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        loop {
            let parent = self.0.get(at).copied().unwrap_or(at);
            if parent == at {
                return at;
            }
            let grand = self.0.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.0.get_mut(at) {
                *slot = grand;
            }
            at = grand;
        }
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(slot) = self.0.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
}
