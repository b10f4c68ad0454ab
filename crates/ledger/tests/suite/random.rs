//! Random histories of triage's words and people's decisions, on the ledger and on a plain model in
//! memory that keeps nothing but what was said and works everything out anew.

mod real;

use std::collections::{BTreeMap, BTreeSet};

use ledger::{
    Actor, AlertChange, AlertStatus, ErrorKind, IncidentChange, IncidentStatus, LedgerError,
    Resolution,
};
use model::{Alert, AlertId, Incident, IncidentId, Level};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{House, alert, alert_id, alice, at, incident, incident_id, on_both};
use real::{clear, compare, in_ledger};

on_both!(histories_agree_with_the_model);

const ALERTS: u64 = 8;
const INCIDENTS: u64 = 6;

#[derive(Debug, Clone)]
enum Step {
    Alert(u64, usize, u64),
    /// Triage's incidents: alert → incident, each incident with a level.
    Triage(BTreeMap<u64, u64>, usize),
    Decide(u64, usize, Option<usize>),
    Reopen(u64),
    DecideAlert(u64, usize, Option<usize>),
    Add(u64, Vec<u64>),
    Remove(u64, Vec<u64>),
    Release(Vec<u64>),
    Merge(u64, u64),
    Undo(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let alerts = || vec(0..ALERTS, 1..4);
    let incident = || 0..INCIDENTS;
    prop_oneof![
        2 => (0..ALERTS, 0..5_usize, 1..5_u64).prop_map(|(n, l, c)| Step::Alert(n, l, c)),
        6 => (btree_map(0..ALERTS, incident(), 0..6), 0..5_usize).prop_map(|(g, l)| Step::Triage(g, l)),
        3 => (incident(), 0..5_usize, proptest::option::of(0..5_usize))
            .prop_map(|(n, s, l)| Step::Decide(n, s, l)),
        1 => incident().prop_map(Step::Reopen),
        1 => (0..ALERTS, 0..3_usize, proptest::option::of(0..5_usize))
            .prop_map(|(n, s, l)| Step::DecideAlert(n, s, l)),
        2 => (incident(), alerts()).prop_map(|(n, a)| Step::Add(n, a)),
        2 => (incident(), alerts()).prop_map(|(n, a)| Step::Remove(n, a)),
        1 => alerts().prop_map(Step::Release),
        3 => (incident(), incident()).prop_map(|(a, b)| Step::Merge(a, b)),
        3 => (0..6_usize).prop_map(Step::Undo),
    ]
}

/// What a person sees of an alert or incident.
#[derive(Debug, PartialEq)]
struct SeenAlert {
    level: Level,
    count: u64,
    status: AlertStatus,
    incident: Option<IncidentId>,
    version: u64,
    risen: bool,
}

#[derive(Debug, PartialEq)]
struct SeenIncident {
    number: u64,
    level: Level,
    status: IncidentStatus,
    alerts: u64,
    told_by: String,
    merged_into: Option<IncidentId>,
    version: u64,
    risen: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pin {
    No,
    Nowhere,
    In(IncidentId),
}

#[derive(Debug, Clone)]
struct AlertModel {
    level: Level,
    count: u64,
    status: AlertStatus,
    said: Option<(Level, Level)>,
    closed: Option<(Level, u64)>,
    grouped: Option<IncidentId>,
    /// Where a person put it, if one did.
    pin: Pin,
    version: u64,
}

impl AlertModel {
    fn home(&self) -> Option<IncidentId> {
        match self.pin {
            Pin::No => self.grouped,
            Pin::Nowhere => None,
            Pin::In(id) => Some(id),
        }
    }
}

#[derive(Debug, Clone)]
struct IncidentModel {
    number: u64,
    level: Level,
    status: IncidentStatus,
    said: Option<(Level, Level)>,
    closed: Option<(Level, u64)>,
    merged_into: Option<IncidentId>,
    touched: bool,
    version: u64,
}

#[derive(Default)]
struct World {
    alerts: BTreeMap<AlertId, AlertModel>,
    incidents: BTreeMap<IncidentId, IncidentModel>,
    /// Source and target of each merge, and whether it stands.
    merges: Vec<(IncidentId, IncidentId, bool)>,
}

type Outcome = Result<(), ErrorKind>;

fn shown(told: Level, said: Option<(Level, Level)>) -> Level {
    match said {
        Some((said, over)) if told > over => said.max(told),
        Some((said, _)) => said,
        None => told,
    }
}

impl World {
    fn top(&self, mut id: IncidentId) -> IncidentId {
        while let Some(into) = self.incidents[&id].merged_into {
            id = into;
        }
        id
    }

    fn place(&self, alert: AlertId) -> Option<IncidentId> {
        self.alerts[&alert].home().map(|home| self.top(home))
    }

    fn members(&self, top: IncidentId) -> Vec<IncidentId> {
        self.incidents.keys().copied().filter(|id| self.top(*id) == top).collect()
    }

    fn grouped(&self, id: IncidentId) -> usize {
        self.alerts.values().filter(|alert| alert.grouped == Some(id)).count()
    }

    fn inside(&self, top: IncidentId) -> Vec<&AlertModel> {
        let inside = |id: &AlertId| self.place(*id) == Some(top);
        self.alerts.iter().filter(|(id, _)| inside(id)).map(|(_, alert)| alert).collect()
    }

    fn level(&self, top: IncidentId) -> Level {
        let mut members = self.members(top);
        let speaking = |id: &IncidentId| self.grouped(*id) > 0;
        if members.iter().any(speaking) {
            members.retain(speaking);
        }
        let told = members.iter().map(|id| self.incidents[id].level);
        let pinned = self.inside(top).into_iter().filter(|a| a.pin != Pin::No).map(|a| a.level);
        told.chain(pinned).max().unwrap_or_default()
    }

    fn told_by(&self, top: IncidentId) -> IncidentId {
        if self.grouped(top) > 0 {
            return top;
        }
        let members = self.members(top).into_iter().filter(|id| self.grouped(*id) > 0);
        let best = members
            .max_by_key(|id| (self.grouped(*id), std::cmp::Reverse(self.incidents[id].number)));
        best.unwrap_or(top)
    }

    fn writable(&self, id: IncidentId) -> Outcome {
        match self.incidents.get(&id) {
            None => Err(ErrorKind::NotFound),
            Some(row) if row.merged_into.is_some() => Err(ErrorKind::Closed),
            Some(row) if row.status == IncidentStatus::Closed => Err(ErrorKind::Closed),
            Some(_) => Ok(()),
        }
    }

    fn is_closed(&self, id: IncidentId) -> bool {
        self.incidents[&id].status == IncidentStatus::Closed
    }

    fn touch(&mut self, id: IncidentId) {
        self.incidents.get_mut(&id).unwrap().touched = true;
    }

    fn link(&mut self, source: IncidentId, target: IncidentId) {
        self.incidents.get_mut(&source).unwrap().merged_into = Some(target);
        self.merges.push((source, target, true));
    }

    fn join(&mut self, old: IncidentId, other: IncidentId) {
        let other = self.top(other);
        if self.top(old) != old || other == old {
            return;
        }
        if self.is_closed(other) && !self.is_closed(old) {
            self.link(other, old);
        } else {
            self.link(old, other);
        }
    }

    fn triage(&mut self, said: &[Incident]) {
        let mut fresh = BTreeSet::new();
        for incident in said {
            let id = incident.incident_id;
            let number = self.incidents.len() as u64 + 1;
            let row = self.incidents.entry(id).or_insert_with(|| {
                fresh.insert(id);
                IncidentModel {
                    number,
                    level: incident.severity,
                    status: IncidentStatus::New,
                    said: None,
                    closed: None,
                    merged_into: None,
                    touched: false,
                    version: 0,
                }
            });
            row.level = incident.severity;
        }
        let listed: BTreeSet<IncidentId> = said.iter().map(|i| i.incident_id).collect();
        let mut moves: BTreeMap<IncidentId, BTreeMap<IncidentId, usize>> = BTreeMap::new();
        for (id, row) in &mut self.alerts {
            let to = said.iter().find(|i| i.alert_ids.contains(id)).map(|i| i.incident_id);
            if to.is_none() && !row.grouped.is_some_and(|g| listed.contains(&g)) {
                continue;
            }
            if let (Some(from), Some(to)) = (row.grouped, to)
                && from != to
            {
                *moves.entry(from).or_default().entry(to).or_default() += 1;
            }
            row.grouped = to;
        }
        let mut renamed: BTreeMap<IncidentId, Vec<IncidentId>> = BTreeMap::new();
        for (from, to) in &moves {
            if self.grouped(*from) > 0 {
                continue;
            }
            let most = to.values().max().unwrap();
            let heir = *to.iter().find(|(_, count)| *count == most).unwrap().0;
            if fresh.contains(&heir) {
                renamed.entry(heir).or_default().push(*from);
            } else {
                self.join(*from, heir);
            }
        }
        // Who is closed is looked at after the joins above, as triage's words come one by one.
        for (heir, mut olds) in renamed {
            olds.sort_by_key(|old| {
                let row = &self.incidents[old];
                (self.is_closed(self.top(*old)), !row.touched, row.number)
            });
            self.link(heir, olds[0]);
            for other in olds.iter().skip(1) {
                self.join(*other, olds[0]);
            }
        }
    }

    fn decide(&mut self, id: IncidentId, status: IncidentStatus, level: Option<Level>) -> Outcome {
        self.writable(id)?;
        let (told, alerts) = (self.level(id), self.inside(id).len() as u64);
        let row = self.incidents.get_mut(&id).unwrap();
        let said = level.map(|level| (level, told));
        let same = row.said.map(|s| s.0) == level && shown(told, row.said) == shown(told, said);
        if row.status == status && same {
            return Ok(());
        }
        row.said = said;
        row.status = status;
        row.version += 1;
        row.touched = true;
        if status == IncidentStatus::Closed {
            row.closed = Some((told, alerts));
        }
        Ok(())
    }

    fn move_alerts(
        &mut self,
        id: IncidentId,
        alerts: &[AlertId],
        to: Option<IncidentId>,
    ) -> Outcome {
        self.writable(id)?;
        if alerts.iter().any(|alert| !self.alerts.contains_key(alert)) {
            return Err(ErrorKind::NotFound);
        }
        let places: BTreeSet<_> = alerts.iter().filter_map(|a| self.place(*a)).collect();
        if to.is_none() && alerts.iter().any(|alert| self.place(*alert) != Some(id)) {
            return Err(ErrorKind::Invalid);
        }
        for place in &places {
            self.writable(*place)?;
        }
        for alert in alerts {
            self.alerts.get_mut(alert).unwrap().pin = to.map_or(Pin::Nowhere, Pin::In);
        }
        for place in places.into_iter().chain([id]) {
            self.touch(place);
        }
        Ok(())
    }

    fn release(&mut self, alerts: &[AlertId]) -> Outcome {
        if alerts.iter().any(|alert| !self.alerts.contains_key(alert)) {
            return Err(ErrorKind::NotFound);
        }
        let before = alerts.iter().filter_map(|a| self.place(*a));
        let after = alerts.iter().filter_map(|a| self.alerts[a].grouped.map(|g| self.top(g)));
        let places: BTreeSet<_> = before.chain(after).collect();
        for place in &places {
            self.writable(*place)?;
        }
        for alert in alerts {
            self.alerts.get_mut(alert).unwrap().pin = Pin::No;
        }
        for place in places {
            self.touch(place);
        }
        Ok(())
    }

    fn undo(&mut self, nth: usize) -> Outcome {
        let Some((source, target, stands)) = self.merges.get(nth).copied() else {
            return Err(ErrorKind::NotFound);
        };
        if !stands {
            return Err(ErrorKind::Conflict);
        }
        self.writable(self.top(target))?;
        let top = self.top(target);
        self.merges[nth].2 = false;
        self.incidents.get_mut(&source).unwrap().merged_into = None;
        self.touch(source);
        self.touch(top);
        Ok(())
    }

    fn seen_alert(&self, id: AlertId) -> SeenAlert {
        let row = &self.alerts[&id];
        SeenAlert {
            level: shown(row.level, row.said),
            count: row.count,
            status: row.status,
            incident: self.place(id),
            version: row.version,
            risen: row.closed.is_some_and(|(level, count)| row.level > level || row.count > count),
        }
    }

    fn seen_incident(&self, id: IncidentId) -> SeenIncident {
        let row = &self.incidents[&id];
        let (level, alerts) = (self.level(id), self.inside(id).len() as u64);
        SeenIncident {
            number: row.number,
            level: shown(level, row.said),
            status: row.status,
            alerts,
            told_by: self.told_by(id).to_string(),
            merged_into: row.merged_into,
            version: row.version,
            risen: row.closed.is_some_and(|(then, count)| level > then || alerts > count),
        }
    }
}

const ALERT_STATES: [AlertStatus; 3] =
    [AlertStatus::New, AlertStatus::InProgress, AlertStatus::Closed(Resolution::Benign)];

fn made(number: u64, level: usize, count: u64) -> Alert {
    Alert { level: Level::ALL[level], count, ..alert(number) }
}

fn ids(numbers: &[u64]) -> Vec<AlertId> {
    let some: BTreeSet<AlertId> = numbers.iter().map(|n| alert_id(*n)).collect();
    some.into_iter().collect()
}

/// Triage's incidents of a grouping, of alerts that are known.
fn said(world: &World, groups: &BTreeMap<u64, u64>, level: usize) -> Vec<Incident> {
    let mut by_incident: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (alert, incident) in groups {
        if world.alerts.contains_key(&alert_id(*alert)) {
            by_incident.entry(*incident).or_default().push(*alert);
        }
    }
    let one = |(number, alerts): (u64, Vec<u64>)| Incident {
        severity: Level::ALL[(level + number as usize) % 5],
        ..incident(number, &alerts)
    };
    by_incident.into_iter().map(one).collect()
}

/// Takes a step in the model.
fn in_model(world: &mut World, step: &Step) -> Outcome {
    match step {
        Step::Alert(number, level, count) => {
            let said = made(*number, *level, *count);
            let row = world.alerts.entry(said.alert_id).or_insert(AlertModel {
                level: said.level,
                count: said.count,
                status: AlertStatus::New,
                said: None,
                closed: None,
                grouped: None,
                pin: Pin::No,
                version: 0,
            });
            (row.level, row.count) = (said.level, said.count);
            Ok(())
        }
        Step::Triage(groups, level) => {
            let said = said(world, groups, *level);
            world.triage(&said);
            Ok(())
        }
        Step::Decide(number, status, level) => {
            let (status, level) = (IncidentStatus::ALL[*status], level.map(|l| Level::ALL[l]));
            world.decide(incident_id(*number), status, level)
        }
        Step::Reopen(number) => {
            let row = world.incidents.get_mut(&incident_id(*number)).ok_or(ErrorKind::NotFound)?;
            if row.merged_into.is_some() {
                return Err(ErrorKind::Closed);
            }
            if row.status == IncidentStatus::Closed {
                row.status = IncidentStatus::InProgress;
                row.closed = None;
                row.version += 1;
            }
            Ok(())
        }
        Step::DecideAlert(number, status, level) => {
            let row = world.alerts.get_mut(&alert_id(*number)).ok_or(ErrorKind::NotFound)?;
            let (status, level) = (ALERT_STATES[*status], level.map(|l| Level::ALL[l]));
            let said = level.map(|level| (level, row.level));
            let same = row.said.map(|s| s.0) == level
                && shown(row.level, row.said) == shown(row.level, said);
            if row.status == status && same {
                return Ok(());
            }
            if row.status != status {
                let closed = matches!(status, AlertStatus::Closed(_));
                row.closed = closed.then_some((row.level, row.count));
            }
            (row.status, row.said) = (status, said);
            row.version += 1;
            Ok(())
        }
        Step::Add(number, alerts) => {
            let id = incident_id(*number);
            world.move_alerts(id, &ids(alerts), Some(id))
        }
        Step::Remove(number, alerts) => world.move_alerts(incident_id(*number), &ids(alerts), None),
        Step::Release(alerts) => world.release(&ids(alerts)),
        Step::Merge(source, target) => {
            let (source, target) = (incident_id(*source), incident_id(*target));
            if source == target {
                return Err(ErrorKind::Invalid);
            }
            world.writable(source)?;
            world.writable(target)?;
            world.link(source, target);
            world.touch(source);
            world.touch(target);
            Ok(())
        }
        Step::Undo(nth) => world.undo(*nth),
    }
}

async fn histories_agree_with_the_model(house: House) {
    let cases = if house.is_sqlite() { 60 } else { 15 };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let handle = tokio::runtime::Handle::current();
    let run = |steps: Vec<Step>| {
        let history = async {
            clear(&house).await;
            let mut world = World::default();
            for (now, step) in steps.iter().enumerate() {
                let got = in_ledger(&house, &world, step, now as i64).await;
                let expected = in_model(&mut world, step);
                assert_eq!(got, expected, "step {now}: {step:?}");
                compare(&house, &world).await;
            }
            let audit = house.ledger.audit().verify(1, None).await.unwrap();
            assert_eq!(audit.broken, None);
        };
        tokio::task::block_in_place(|| handle.block_on(history));
        Ok(())
    };
    runner.run(&vec(step(), 1..40), run).unwrap();
}
