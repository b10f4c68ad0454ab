//! Findings of one rule on one entity within a window are one alert.
//!
//! Everything kept of a finding is kept in a way that does not depend on the order in which
//! findings of one instant arrive: minima, maxima, counts, and sets that are cut to their smallest
//! members.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{
    Alert, AlertId, Entity, EntityKind, Finding, FindingId, FindingKind, Hasher, Level, Micros,
    Tactic, Technique,
};

use crate::policy::{Policy, micros};
use crate::{risk, ties, words};

/// An alert in the making, with what its incident will want to know.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) alert_id: AlertId,
    pub(crate) rule_id: Arc<str>,
    pub(crate) rule_title: Arc<str>,
    pub(crate) description: Arc<str>,
    pub(crate) anchor: Option<Entity>,
    pub(crate) level: Level,
    pub(crate) count: u64,
    /// How many of the findings are correlations.
    pub(crate) correlations: u64,
    /// The first finding: it names the alert.
    first: (Micros, FindingId),
    /// Time of the last finding.
    pub(crate) last_time: Micros,
    /// The earliest event, which a correlation reaches back to.
    pub(crate) first_event: Micros,
    ids: BTreeSet<(Micros, FindingId)>,
    entities: BTreeMap<(u8, Entity), u64>,
    pub(crate) sources: BTreeMap<Arc<str>, u64>,
    pub(crate) tactics: BTreeSet<Tactic>,
    pub(crate) techniques: BTreeSet<Technique>,
}

/// Rank of a kind as an anchor: its place in `EntityKind::ALL`.
pub(crate) fn rank(kind: EntityKind) -> u8 {
    EntityKind::ALL.iter().position(|k| *k == kind).map_or(u8::MAX, |at| at as u8)
}

impl Draft {
    fn open(finding: &Finding, anchor: Option<Entity>) -> Self {
        Self {
            alert_id: AlertId([0; 16]),
            rule_id: finding.rule_id.clone(),
            rule_title: finding.rule_title.clone(),
            description: finding.description.clone(),
            anchor,
            level: finding.level,
            count: 0,
            correlations: 0,
            first: (finding.time, finding.finding_id),
            last_time: finding.time,
            first_event: finding.time,
            ids: BTreeSet::new(),
            entities: BTreeMap::new(),
            sources: BTreeMap::new(),
            tactics: BTreeSet::new(),
            techniques: BTreeSet::new(),
        }
    }

    fn takes(&self, time: Micros, policy: &Policy) -> bool {
        let since_last = time.0.saturating_sub(self.last_time.0).max(0) as u64;
        let since_first = time.0.abs_diff(self.first.0.0);
        since_last <= micros(policy.alert_window) && since_first <= micros(policy.alert_span)
    }

    fn add(&mut self, finding: Finding, known: &mut HashSet<Entity>, policy: &Policy) {
        self.count += 1;
        self.correlations += u64::from(finding.kind == FindingKind::Correlation);
        self.level = self.level.max(finding.level);
        self.last_time = self.last_time.max(finding.time);
        let start = finding.window.as_ref().map_or(finding.time, |w| w.start.min(finding.time));
        self.first_event = self.first_event.min(start);
        let this = (finding.time, finding.finding_id);
        if this <= self.first {
            self.first = this;
            self.rule_title = finding.rule_title;
            self.description = finding.description;
        }
        self.ids.insert(this);
        if self.ids.len() > policy.finding_ids.max(1) {
            self.ids.pop_last();
        }
        // An entity named twice in one finding counts once.
        let entities: BTreeSet<Entity> = finding.entities.into_iter().collect();
        for entity in entities {
            let entity = intern(known, entity);
            *self.entities.entry((rank(entity.kind), entity)).or_default() += 1;
            if self.entities.len() > policy.alert_entities.max(1) {
                self.entities.pop_last();
            }
        }
        *self.sources.entry(finding.source).or_default() += 1;
        self.tactics.extend(finding.tactics);
        self.techniques.extend(finding.techniques);
    }

    /// Its entities with the number of findings that name them, best anchors first.
    pub(crate) fn entities(&self) -> impl Iterator<Item = (&Entity, u64)> {
        self.entities.iter().map(|((_, entity), count)| (entity, *count))
    }

    /// The source that most of its findings come from.
    pub(crate) fn source(&self) -> Arc<str> {
        let most = self.sources.iter().max_by_key(|(name, n)| (**n, std::cmp::Reverse(*name)));
        most.map_or_else(|| Arc::from(""), |(name, _)| name.clone())
    }

    fn seal(&mut self) {
        let anchor = self.anchor.as_ref().map(ToString::to_string).unwrap_or_default();
        self.alert_id = AlertId::from(
            Hasher::new("alert")
                .part(self.rule_id.as_bytes())
                .part(anchor.as_bytes())
                .part(&self.first.1.0),
        );
    }

    /// The finished alert.
    pub(crate) fn to_alert(&self, policy: &Policy) -> Alert {
        let mut entities: Vec<(&Entity, u64)> = self.entities().collect();
        let is_anchor = |entity: &Entity| self.anchor.as_ref() == Some(entity);
        entities.sort_by_key(|(entity, n)| (!is_anchor(entity), std::cmp::Reverse(*n)));
        let (risk, risk_parts) = risk::of_alert(self);
        Alert {
            alert_id: self.alert_id,
            rule_id: self.rule_id.clone(),
            rule_title: self.rule_title.clone(),
            description: self.description.clone(),
            entity: self.anchor.clone(),
            entities: entities.into_iter().map(|(entity, _)| entity.clone()).collect(),
            level: self.level,
            count: self.count,
            first_time: self.first.0,
            last_time: self.last_time,
            finding_ids: self.ids.iter().map(|(_, id)| *id).collect(),
            tactics: self.tactics.iter().copied().collect(),
            techniques: self.techniques.iter().cloned().collect(),
            source: self.source(),
            risk,
            risk_parts,
            reason: words::alert_reason(self, policy),
        }
    }
}

fn intern(known: &mut HashSet<Entity>, entity: Entity) -> Entity {
    if let Some(same) = known.get(&entity) {
        return same.clone();
    }
    known.insert(entity.clone());
    entity
}

/// Rule and anchor: what the findings of one alert share.
type Key = (Arc<str>, Option<Entity>);

/// All alerts in the making; the open one of each key is known by its place.
pub(crate) struct Drafts<'p> {
    policy: &'p Policy,
    open: HashMap<Key, usize>,
    all: Vec<Draft>,
    known: HashSet<Entity>,
}

impl<'p> Drafts<'p> {
    pub(crate) fn new(policy: &'p Policy) -> Self {
        Self { policy, open: HashMap::new(), all: Vec::new(), known: HashSet::new() }
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        let anchor = anchor(&finding, self.policy).map(|e| intern(&mut self.known, e));
        let key = (finding.rule_id.clone(), anchor);
        let open = self.open.get(&key).copied().and_then(|at| self.all.get_mut(at));
        if let Some(draft) = open
            && draft.takes(finding.time, self.policy)
        {
            draft.add(finding, &mut self.known, self.policy);
            return;
        }
        let mut draft = Draft::open(&finding, key.1.clone());
        draft.add(finding, &mut self.known, self.policy);
        self.open.insert(key, self.all.len());
        self.all.push(draft);
    }

    /// Every alert, by first event, then by id.
    pub(crate) fn finish(mut self) -> Vec<Draft> {
        self.all.iter_mut().for_each(Draft::seal);
        self.all.sort_by_key(|draft| (draft.first_event, draft.alert_id));
        self.all
    }
}

/// The entity that a finding is chiefly about. A correlation says so itself by its group key; else
/// it is the first of the best kind that is not common (`SYSTEM`, loopback …).
fn anchor(finding: &Finding, policy: &Policy) -> Option<Entity> {
    let common = |entity: &&Entity| {
        ties::common_by_name(entity).is_some() || policy.common_entities.contains(entity)
    };
    let best = |entities: &mut dyn Iterator<Item = &Entity>| {
        // `min_by_key` keeps the first of equals: the order of the event's own columns.
        entities.min_by_key(|entity| rank(entity.kind)).cloned()
    };
    let group = finding.window.as_ref().map(|window| window.group.as_slice()).unwrap_or_default();
    let grouped = |entity: &&Entity| {
        group.iter().any(|(_, value)| value.to_lowercase() == entity.value.to_lowercase())
    };
    best(&mut finding.entities.iter().filter(grouped))
        .or_else(|| best(&mut finding.entities.iter().filter(|e| !common(e))))
        .or_else(|| best(&mut finding.entities.iter()))
}
