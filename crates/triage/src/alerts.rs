//! Findings of one rule on one entity within a window are one alert.
//!
//! Everything kept of a finding is kept in a way that does not depend on the order in which
//! findings of one instant arrive: minima, maxima, counts, and sets that are cut to their smallest
//! members.

use std::collections::{BTreeSet, HashMap};
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
    /// The earliest, in order.
    ids: Vec<(Micros, FindingId)>,
    /// With the number of findings that name them; best anchors first.
    entities: Vec<(Entity, u64)>,
    /// With the number of findings; in order of name.
    pub(crate) sources: Vec<(Arc<str>, u64)>,
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
            ids: Vec::new(),
            entities: Vec::new(),
            sources: Vec::new(),
            tactics: BTreeSet::new(),
            techniques: BTreeSet::new(),
        }
    }

    fn takes(&self, time: Micros, policy: &Policy) -> bool {
        let since_last = time.0.saturating_sub(self.last_time.0).max(0) as u64;
        let since_first = time.0.abs_diff(self.first.0.0);
        since_last <= micros(policy.alert_window) && since_first <= micros(policy.alert_span)
    }

    fn add(&mut self, finding: Finding, known: &mut Known, policy: &Policy) {
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
        if let Err(at) = self.ids.binary_search(&this)
            && at < policy.finding_ids.max(1)
        {
            self.ids.insert(at, this);
            self.ids.truncate(policy.finding_ids.max(1));
        }
        let mut entities = finding.entities;
        entities.sort();
        // An entity named twice in one finding counts once.
        entities.dedup();
        for entity in entities {
            let order =
                |other: &Entity| (rank(other.kind), other).cmp(&(rank(entity.kind), &entity));
            match self.entities.binary_search_by(|(other, _)| order(other)) {
                Ok(at) => self.entities.get_mut(at).into_iter().for_each(|(_, count)| *count += 1),
                // Those that are kept are the first by kind and name, whatever came first in time.
                Err(at) if at < policy.alert_entities.max(1) => {
                    self.entities.insert(at, (known.same(entity), 1));
                    self.entities.truncate(policy.alert_entities.max(1));
                }
                Err(_) => {}
            }
        }
        match self.sources.binary_search_by(|(name, _)| name.cmp(&finding.source)) {
            Ok(at) => self.sources.get_mut(at).into_iter().for_each(|(_, count)| *count += 1),
            Err(at) => self.sources.insert(at, (finding.source, 1)),
        }
        self.tactics.extend(finding.tactics);
        self.techniques.extend(finding.techniques);
    }

    /// Its entities with the number of findings that name them, best anchors first.
    pub(crate) fn entities(&self) -> impl Iterator<Item = (&Entity, u64)> {
        self.entities.iter().map(|(entity, count)| (entity, *count))
    }

    /// The source that most of its findings come from.
    pub(crate) fn source(&self) -> Arc<str> {
        let most = self.sources.iter().max_by_key(|(name, n)| (*n, std::cmp::Reverse(name)));
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
    pub(crate) fn into_alert(self, policy: &Policy) -> Alert {
        let mut entities: Vec<(&Entity, u64)> = self.entities().collect();
        let is_anchor = |entity: &Entity| self.anchor.as_ref() == Some(entity);
        entities.sort_by_key(|(entity, n)| (!is_anchor(entity), std::cmp::Reverse(*n)));
        let entities = entities.into_iter().map(|(entity, _)| entity.clone()).collect();
        let (risk, risk_parts) = risk::of_alert(&self);
        Alert {
            alert_id: self.alert_id,
            source: self.source(),
            reason: words::alert_reason(&self, policy),
            risk,
            risk_parts,
            entities,
            rule_id: self.rule_id,
            rule_title: self.rule_title,
            description: self.description,
            entity: self.anchor,
            level: self.level,
            count: self.count,
            first_time: self.first.0,
            last_time: self.last_time,
            finding_ids: self.ids.iter().map(|(_, id)| *id).collect(),
            tactics: self.tactics.into_iter().collect(),
            techniques: self.techniques.into_iter().collect(),
        }
    }
}

/// Entities seen so far: one allocation each, and whether its name alone makes it common.
#[derive(Default)]
struct Known(HashMap<Entity, bool>);

impl Known {
    /// The same entity in the allocation that is kept.
    fn same(&self, entity: Entity) -> Entity {
        self.0.get_key_value(&entity).map_or(entity, |(same, _)| same.clone())
    }

    /// Learns an entity; true when it is common.
    fn common(&mut self, entity: &Entity, policy: &Policy) -> bool {
        if let Some(common) = self.0.get(entity) {
            return *common;
        }
        let common =
            ties::common_by_name(entity).is_some() || policy.common_entities.contains(entity);
        self.0.insert(entity.clone(), common);
        common
    }
}

/// Rule and anchor: what the findings of one alert share.
type Key = (Arc<str>, Option<Entity>);

/// All alerts in the making; the open one of each key is known by its place.
pub(crate) struct Drafts<'p> {
    policy: &'p Policy,
    open: HashMap<Key, usize>,
    all: Vec<Draft>,
    known: Known,
}

impl<'p> Drafts<'p> {
    pub(crate) fn new(policy: &'p Policy) -> Self {
        Self { policy, open: HashMap::new(), all: Vec::new(), known: Known::default() }
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        let anchor = self.anchor(&finding).map(|entity| self.known.same(entity));
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

    /// The entity that a finding is chiefly about. A correlation says so itself by its group key;
    /// else it is the first of the best kind that is not common (`SYSTEM`, loopback …).
    fn anchor(&mut self, finding: &Finding) -> Option<Entity> {
        let group = finding.window.as_ref().map(|w| w.group.as_slice()).unwrap_or_default();
        let grouped = |entity: &Entity| {
            group.iter().any(|(_, value)| value.to_lowercase() == entity.value.to_lowercase())
        };
        // `min_by_key` keeps the first of equals: the order of the event's own columns.
        let place = |entity: &&Entity| {
            let common = self.known.common(entity, self.policy);
            (!grouped(entity), common, rank(entity.kind))
        };
        finding.entities.iter().min_by_key(place).cloned()
    }
}
