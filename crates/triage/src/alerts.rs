//! Findings of one rule on one entity within a window are one alert.
//!
//! Everything kept of a finding is kept in a way that does not depend on the order in which
//! findings come: minima, maxima, counts, and sets that are cut to their smallest members. Only
//! where one alert ends and the next begins follows from the order of time ([`Run`]).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::{
    Alert, AlertId, Entity, EntityKind, Finding, FindingId, FindingKind, Hasher, IncidentId, Level,
    Micros, Tactic, Technique, Vantage,
};

use crate::names::common_by_name;
use crate::policy::{Policy, micros};
use crate::sites::vantage;
use crate::{risk, words};

/// What an alert takes of a finding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'f> {
    pub(crate) id: FindingId,
    pub(crate) time: Micros,
    /// The first event, which a correlation reaches back to.
    pub(crate) start: Micros,
    pub(crate) correlation: bool,
    /// Whether it counts: a finding that is known in an earlier form does not count again.
    pub(crate) counts: bool,
    pub(crate) level: Level,
    pub(crate) title: &'f Arc<str>,
    pub(crate) description: &'f Arc<str>,
    pub(crate) source: &'f Arc<str>,
    pub(crate) tactics: &'f [Tactic],
    pub(crate) techniques: &'f [Technique],
    /// Each once.
    pub(crate) entities: &'f [Entity],
}

impl<'f> Seen<'f> {
    /// Of a finding whose entities are named once each.
    fn of(finding: &'f Finding) -> Self {
        Self {
            id: finding.finding_id,
            time: finding.time,
            start: start(finding),
            correlation: finding.kind == FindingKind::Correlation,
            counts: true,
            level: finding.level,
            title: &finding.rule_title,
            description: &finding.description,
            source: &finding.source,
            tactics: &finding.tactics,
            techniques: &finding.techniques,
            entities: &finding.entities,
        }
    }
}

/// The first event of a finding.
pub(crate) fn start(finding: &Finding) -> Micros {
    finding.window.as_ref().map_or(finding.time, |window| window.start.min(finding.time))
}

/// Findings of one rule and entity that follow each other within the window, and where they are cut.
/// A run that goes on for longer than the span is cut after it, and then where multiples of the span
/// since 1970 end (for a day: at midnight UTC). So the cuts of a steady run do not depend on when it
/// began: whoever sees but its last days cuts them alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    start: Micros,
    last: Micros,
    part: i64,
}

impl Run {
    pub(crate) fn begin(time: Micros) -> Self {
        Self { start: time, last: time, part: i64::MIN }
    }

    /// Takes the next finding in time; false when it opens another alert.
    pub(crate) fn takes(&mut self, time: Micros, policy: &Policy) -> bool {
        let since = time.0.saturating_sub(self.last.0).max(0) as u64;
        if since > micros(policy.alert_window) {
            *self = Self::begin(time);
            return false;
        }
        let span = i64::try_from(micros(policy.alert_span)).unwrap_or(i64::MAX);
        let part = if time.0.saturating_sub(self.start.0) <= span {
            i64::MIN
        } else {
            time.0.div_euclid(span.max(1))
        };
        let same = part == self.part;
        self.part = part;
        self.last = self.last.max(time);
        same
    }

    /// Time of the last finding.
    pub(crate) fn last(&self) -> Micros {
        self.last
    }
}

/// An alert in the making, with what its incident will want to know.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) alert_id: AlertId,
    /// The id of the incident of which this is the first alert.
    pub(crate) founds: IncidentId,
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

/// The id of the incident of which an alert is the first.
pub(crate) fn founds(alert: AlertId) -> IncidentId {
    IncidentId::from(Hasher::new("incident").part(&alert.0))
}

/// Rank of a kind as an anchor: its place in `EntityKind::ALL`.
pub(crate) fn rank(kind: EntityKind) -> u8 {
    EntityKind::ALL.iter().position(|k| *k == kind).map_or(u8::MAX, |at| at as u8)
}

impl Draft {
    /// An alert of its first finding.
    pub(crate) fn open(key: &Key, seen: &Seen<'_>, known: &mut Known, policy: &Policy) -> Self {
        let mut draft = Self {
            alert_id: AlertId([0; 16]),
            founds: IncidentId([0; 16]),
            rule_id: key.0.clone(),
            rule_title: seen.title.clone(),
            description: seen.description.clone(),
            anchor: key.1.clone(),
            level: seen.level,
            count: 0,
            correlations: 0,
            first: (seen.time, seen.id),
            last_time: seen.time,
            first_event: seen.start,
            ids: Vec::new(),
            entities: Vec::new(),
            sources: Vec::new(),
            tactics: BTreeSet::new(),
            techniques: BTreeSet::new(),
        };
        draft.add(seen, known, policy);
        draft
    }

    /// Takes a finding.
    pub(crate) fn add(&mut self, seen: &Seen<'_>, known: &mut Known, policy: &Policy) {
        let this = (seen.time, seen.id);
        if this <= self.first {
            self.first = this;
            self.rule_title = seen.title.clone();
            self.description = seen.description.clone();
        }
        self.absorb(seen, known, policy);
    }

    /// Takes a finding without being named after it.
    pub(crate) fn absorb(&mut self, seen: &Seen<'_>, known: &mut Known, policy: &Policy) {
        let this = (seen.time, seen.id);
        let new = seen.counts || self.count == 0;
        self.count += u64::from(new);
        self.correlations += u64::from(new && seen.correlation);
        self.level = self.level.max(seen.level);
        self.last_time = self.last_time.max(seen.time);
        self.first_event = self.first_event.min(seen.start);
        if let Err(at) = self.ids.binary_search(&this)
            && at < policy.finding_ids.max(1)
            && (new || self.ids.iter().all(|(_, id)| *id != seen.id))
        {
            self.ids.insert(at, this);
            self.ids.truncate(policy.finding_ids.max(1));
        }
        for entity in seen.entities {
            let order =
                |other: &Entity| (rank(other.kind), other).cmp(&(rank(entity.kind), entity));
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
        match self.sources.binary_search_by(|(name, _)| name.cmp(seen.source)) {
            Ok(at) => self.sources.get_mut(at).into_iter().for_each(|(_, count)| *count += 1),
            Err(at) => self.sources.insert(at, (seen.source.clone(), 1)),
        }
        self.tactics.extend(seen.tactics.iter().copied());
        for technique in seen.techniques {
            if !self.techniques.contains(technique) {
                self.techniques.insert(technique.clone());
            }
        }
    }

    /// Time of the first finding.
    pub(crate) fn first_time(&self) -> Micros {
        self.first.0
    }

    /// Whether its first finding comes before another.
    pub(crate) fn starts_before(&self, time: Micros, id: FindingId) -> bool {
        self.first < (time, id)
    }

    /// Its place among all: by first event, then by id.
    pub(crate) fn place(&self) -> (Micros, AlertId) {
        (self.first_event, self.alert_id)
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

    /// Whether the domains that it names are those of the organisation's own sites.
    pub(crate) fn is_served(&self) -> bool {
        let domains = self.entities.iter().filter(|(e, _)| e.kind == EntityKind::Domain);
        // A correlation may reach into the events of others.
        let alone = self.correlations == 0 || domains.count() == 1;
        let mut sources = self.sources.iter();
        alone && !self.sources.is_empty() && sources.all(|(name, _)| vantage(name) == Vantage::Site)
    }

    /// Gives it the id that follows from its first finding.
    pub(crate) fn seal(&mut self) {
        let anchor = self.anchor.as_ref().map(ToString::to_string).unwrap_or_default();
        self.alert_id = AlertId::from(
            Hasher::new("alert")
                .part(self.rule_id.as_bytes())
                .part(anchor.as_bytes())
                .part(&self.first.1.0),
        );
        self.founds = founds(self.alert_id);
    }

    /// The alert as it stands.
    pub(crate) fn alert(&self, policy: &Policy) -> Alert {
        let mut entities: Vec<(&Entity, u64)> = self.entities().collect();
        let is_anchor = |entity: &Entity| self.anchor.as_ref() == Some(entity);
        entities.sort_by_key(|(entity, n)| (!is_anchor(entity), std::cmp::Reverse(*n)));
        let (risk, risk_parts) = risk::of_alert(self);
        Alert {
            alert_id: self.alert_id,
            source: self.source(),
            reason: words::alert_reason(self, policy),
            risk,
            risk_parts,
            entities: entities.into_iter().map(|(entity, _)| entity.clone()).collect(),
            rule_id: self.rule_id.clone(),
            rule_title: self.rule_title.clone(),
            description: self.description.clone(),
            entity: self.anchor.clone(),
            level: self.level,
            count: self.count,
            first_time: self.first.0,
            last_time: self.last_time,
            finding_ids: self.ids.iter().map(|(_, id)| *id).collect(),
            tactics: self.tactics.iter().copied().collect(),
            techniques: self.techniques.iter().cloned().collect(),
        }
    }
}

/// Entities seen so far: one allocation each, and whether its name alone makes it common.
#[derive(Default)]
pub(crate) struct Known {
    all: HashMap<Entity, bool>,
    /// How many there may be before those are let go that nobody uses.
    room: usize,
}

impl Known {
    /// The same entity in the allocation that is kept.
    fn same(&self, entity: &Entity) -> Entity {
        self.all.get_key_value(entity).map_or(entity, |(same, _)| same).clone()
    }

    /// Learns an entity; true when it is common.
    fn common(&mut self, entity: &Entity, policy: &Policy) -> bool {
        if let Some(common) = self.all.get(entity) {
            return *common;
        }
        let common = common_by_name(entity).is_some() || policy.common_entities.contains(entity);
        self.all.insert(entity.clone(), common);
        common
    }

    /// Lets go of what nobody uses, when there is twice as much as after the last time.
    pub(crate) fn sweep(&mut self) {
        if self.all.len() > self.room.max(1024) {
            self.all.retain(|entity, _| Arc::strong_count(&entity.value) > 1);
            self.room = self.all.len() * 2;
        }
    }

    /// Rule and anchor of a finding, whose entities are then in order and named once each.
    pub(crate) fn key(&mut self, finding: &mut Finding, policy: &Policy) -> Key {
        let anchor = self.anchor(finding, policy);
        finding.entities.sort();
        // An entity named twice in one finding counts once.
        finding.entities.dedup();
        (finding.rule_id.clone(), anchor)
    }

    /// The entity that a finding is chiefly about. A correlation says so itself by its group key;
    /// else it is the first of the best kind that is not common (`SYSTEM`, loopback …).
    fn anchor(&mut self, finding: &Finding, policy: &Policy) -> Option<Entity> {
        let group = finding.window.as_ref().map(|w| w.group.as_slice()).unwrap_or_default();
        let grouped = |entity: &Entity| {
            group.iter().any(|(_, value)| value.to_lowercase() == entity.value.to_lowercase())
        };
        // `min_by_key` keeps the first of equals: the order of the event's own columns.
        let place = |entity: &&Entity| {
            let common = self.common(entity, policy);
            (!grouped(entity), common, rank(entity.kind))
        };
        let anchor = finding.entities.iter().min_by_key(place)?;
        Some(self.same(anchor))
    }
}

/// Rule and anchor: what the findings of one alert share.
pub(crate) type Key = (Arc<str>, Option<Entity>);

/// All alerts in the making; the open one of each key is known by its place.
pub(crate) struct Drafts<'p> {
    policy: &'p Policy,
    open: HashMap<Key, (Run, usize)>,
    all: Vec<Draft>,
    known: Known,
}

impl<'p> Drafts<'p> {
    pub(crate) fn new(policy: &'p Policy) -> Self {
        Self { policy, open: HashMap::new(), all: Vec::new(), known: Known::default() }
    }

    /// Takes the next finding in time.
    pub(crate) fn add(&mut self, mut finding: Finding) {
        let key = self.known.key(&mut finding, self.policy);
        let seen = Seen::of(&finding);
        if let Some((run, at)) = self.open.get_mut(&key)
            && run.takes(finding.time, self.policy)
            && let Some(draft) = self.all.get_mut(*at)
        {
            draft.add(&seen, &mut self.known, self.policy);
            return;
        }
        self.all.push(Draft::open(&key, &seen, &mut self.known, self.policy));
        let at = self.all.len() - 1;
        // A run that is cut goes on.
        self.open.entry(key).or_insert((Run::begin(finding.time), at)).1 = at;
    }

    /// Every alert, by first event, then by id.
    pub(crate) fn finish(mut self) -> Vec<Draft> {
        self.all.iter_mut().for_each(Draft::seal);
        self.all.sort_by_key(Draft::place);
        self.all
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    /// Where a run is cut, by number of the alert.
    fn cuts(times: &[i64], policy: &Policy) -> Vec<usize> {
        let mut run = Run::begin(Micros(times[0]));
        let mut alert = 0;
        let number = |time: &i64| {
            alert += usize::from(!run.takes(Micros(*time), policy));
            alert
        };
        times.iter().map(number).collect()
    }

    #[test]
    fn a_steady_run_is_cut_alike_by_whoever_sees_only_its_end() {
        let policy = Policy::default();
        let half_hour = 30 * 60_000_000;
        let start = Micros("2026-11-18T09:10:00Z".parse::<Micros>().unwrap_or_default().0).0;
        let times: Vec<i64> = (0..6 * 48).map(|n| start + n * half_hour).collect();
        let whole = cuts(&times, &policy);
        for from in [1, 30, 60] {
            let part = cuts(&times[from..], &policy);
            // A day after its own start at the latest, it is cut as the whole is.
            let (whole, part) = (&whole[from + 2 * 48..], &part[2 * 48..]);
            let same = |list: &[usize]| list.iter().map(|n| n - list[0]).collect::<Vec<_>>();
            assert_eq!(same(whole), same(part), "from {from}");
        }
        let longest = (0..=whole[whole.len() - 1])
            .map(|alert| whole.iter().filter(|n| **n == alert).count())
            .max();
        assert_eq!(longest, Some(49), "no alert is longer than a day");
    }
}
