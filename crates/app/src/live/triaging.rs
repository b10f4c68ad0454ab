//! Triage on the line: findings in, and what follows from them on its way to the ledger.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use ledger::{Conclusions, MAX_BATCH};
use model::{Alert, AlertId, Entity, Finding, FindingId, Incident, Micros};

use crate::failure::Failure;

/// Findings, alerts and incidents that go to the ledger in one transaction, at most.
const BATCH: usize = if MAX_BATCH < 1_000 { MAX_BATCH } else { 1_000 };

/// The alert that findings of a rule on an entity go to now.
type Current = HashMap<(Arc<str>, Option<Entity>), AlertId>;

/// Live triage, and what it said that the ledger has not taken yet.
pub(crate) struct Triaging {
    live: triage::Live,
    current: Current,
    findings: Vec<Finding>,
    superseded: Vec<(FindingId, Option<FindingId>)>,
    alerts: Vec<Alert>,
    retracted: Vec<(AlertId, Option<AlertId>)>,
    incidents: Vec<Incident>,
    /// How many alerts and incidents were told, so that the lake's copy is written when it is old.
    pub(crate) told: u64,
}

impl Triaging {
    pub(crate) fn new(live: triage::Live) -> Self {
        Self {
            live,
            current: HashMap::new(),
            findings: Vec::new(),
            superseded: Vec::new(),
            alerts: Vec::new(),
            retracted: Vec::new(),
            incidents: Vec::new(),
            told: 0,
        }
    }

    /// Takes a finding of a rule on one event.
    pub(crate) fn add(&mut self, finding: Finding) {
        self.live.add(finding.clone());
        self.findings.push(finding);
    }

    /// Takes what became of the findings of correlations.
    pub(crate) fn correlated(&mut self, changes: &detect::Changes) {
        for finding in &changes.new {
            self.add(finding.clone());
        }
        for finding in &changes.changed {
            self.live.change(finding.clone());
            self.findings.push(finding.clone());
        }
        for gone in &changes.superseded {
            self.live.take_back(gone.id, gone.by);
            self.superseded.push((gone.id, gone.by));
        }
        for id in &changes.settled {
            self.live.settled(*id);
        }
    }

    /// Where triage stands.
    pub(crate) fn mark(&self) -> triage::live::Mark {
        self.live.mark()
    }

    /// Works out what follows.
    pub(crate) fn advance(&mut self, watermark: Micros) {
        let changes = self.live.advance(watermark);
        for alert in &changes.alerts {
            let key = (Arc::clone(&alert.rule_id), alert.entity.clone());
            self.current.insert(key, alert.alert_id);
        }
        self.told += (changes.alerts.len() + changes.incidents.len()) as u64;
        self.alerts.extend(changes.alerts);
        self.incidents.extend(changes.incidents.into_iter().map(|told| told.incident));
        let gone = changes.retracted_alerts.into_iter().map(|gone| (gone.id, gone.successor));
        self.retracted.extend(gone);
        if !changes.closed_alerts.is_empty() {
            let closed: BTreeSet<_> = changes.closed_alerts.into_iter().collect();
            self.current.retain(|_, alert| !closed.contains(alert));
        }
    }

    /// Hands what was said to `take`, some at a time; what it has taken is not handed to it again.
    pub(crate) fn conclude(
        &mut self,
        mut take: impl FnMut(&Conclusions<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        latest(&mut self.alerts, |alert| alert.alert_id);
        latest(&mut self.incidents, |incident| incident.incident_id);
        latest(&mut self.findings, |finding| finding.finding_id);
        // Alerts before the incidents that name them; findings with the alerts that they are part of.
        in_parts(&mut self.alerts, |alerts| take(&Conclusions { alerts, ..NOTHING }))?;
        let current = &self.current;
        in_parts(&mut self.findings, |findings| {
            let findings: Vec<_> = findings
                .iter()
                .map(|finding| (finding.clone(), alert_of(finding, current)))
                .collect();
            take(&Conclusions { findings: &findings, ..NOTHING })
        })?;
        in_parts(&mut self.superseded, |superseded| take(&Conclusions { superseded, ..NOTHING }))?;
        in_parts(&mut self.incidents, |incidents| take(&Conclusions { incidents, ..NOTHING }))?;
        in_parts(&mut self.retracted, |retracted| take(&Conclusions { retracted, ..NOTHING }))
    }
}

const NOTHING: Conclusions<'static> = Conclusions {
    findings: &[],
    superseded: &[],
    alerts: &[],
    retracted: &[],
    incidents: &[],
    positions: &[],
};

/// Leaves of the items with the same key the last.
fn latest<T, K: Eq + std::hash::Hash>(all: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut seen = HashSet::new();
    all.reverse();
    all.retain(|item| seen.insert(key(item)));
    all.reverse();
}

/// Hands items over in parts; those of a part that was taken are gone.
fn in_parts<T>(
    all: &mut Vec<T>,
    mut take: impl FnMut(&[T]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    while !all.is_empty() {
        let part = all.len().min(BATCH);
        take(all.get(..part).unwrap_or_default())?;
        all.drain(..part);
    }
    Ok(())
}

/// The alert that a finding is part of: of its rule, on one of its entities.
fn alert_of(finding: &Finding, current: &Current) -> Option<AlertId> {
    let on = |entity: Option<&Entity>| {
        current.get(&(Arc::clone(&finding.rule_id), entity.cloned())).copied()
    };
    finding.entities.iter().find_map(|entity| on(Some(entity))).or_else(|| on(None))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::failure::Kind;

    #[test]
    fn of_what_was_said_several_times_the_last_counts_and_nothing_taken_comes_again() {
        let mut said = vec![("a", 1), ("b", 1), ("a", 2)];
        latest(&mut said, |item| item.0);
        assert_eq!(said, [("b", 1), ("a", 2)]);
        let mut all: Vec<usize> = (0..BATCH * 2 + 5).collect();
        let mut taken = Vec::new();
        let mut calls = 0;
        let failed = in_parts(&mut all, |part| {
            calls += 1;
            if calls == 2 {
                return Err(Failure::new(Kind::System, "busy"));
            }
            taken.extend_from_slice(part);
            Ok(())
        });
        assert!(failed.is_err());
        in_parts(&mut all, |part| {
            taken.extend_from_slice(part);
            Ok(())
        })
        .unwrap();
        assert_eq!(taken, (0..BATCH * 2 + 5).collect::<Vec<_>>());
    }
}
