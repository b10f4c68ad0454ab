//! What the live pipeline concluded from one stretch of the log, taken over as a whole: the findings,
//! alerts and incidents, and how far the log was read. After a crash the pipeline reads on from there,
//! and what it says again changes nothing.

use model::{Alert, AlertId, Finding, FindingId, Incident, Micros};

use crate::error::Result;
use crate::incidents::settle::{self, Dirty};
use crate::ledger::Ledger;
use crate::{alerts, findings, incidents, positions};

/// What was concluded. Each list has [`MAX_BATCH`](crate::MAX_BATCH) items at most.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conclusions<'a> {
    /// Findings, each with the alert that it is part of.
    pub findings: &'a [(Finding, Option<AlertId>)],
    /// Findings that are no more: old, and the one that replaced it, if any.
    pub superseded: &'a [(FindingId, Option<FindingId>)],
    /// Alerts that are new or different.
    pub alerts: &'a [Alert],
    /// Alerts that are no more: old, and the one that has its findings now, if any.
    pub retracted: &'a [(AlertId, Option<AlertId>)],
    /// Incidents that are new or different, each with all of its alerts.
    pub incidents: &'a [Incident],
    /// How far the log was read, by the name of the reader.
    pub positions: &'a [(&'a str, u64)],
}

impl Ledger {
    /// Takes over conclusions, all or none.
    pub async fn conclude(&self, all: &Conclusions<'_>, now: Micros) -> Result<()> {
        let mut tx = self.begin().await?;
        let mut dirty = Dirty::default();
        findings::upsert(&mut tx, all.findings, now).await?;
        let (gone, replaced): (Vec<_>, Vec<_>) =
            all.superseded.iter().partition(|(_, by)| by.is_none());
        let pairs: Vec<_> = replaced.iter().filter_map(|(old, by)| Some((*old, (*by)?))).collect();
        findings::supersede(&mut tx, &pairs).await?;
        findings::remove(&mut tx, gone.iter().map(|(old, _)| *old)).await?;
        alerts::upsert(&mut tx, all.alerts, now, &mut dirty).await?;
        incidents::upsert(&mut tx, all.incidents, now, &mut dirty).await?;
        alerts::retract(&mut tx, all.retracted, now, &mut dirty).await?;
        settle::refresh(&mut tx, dirty, now).await?;
        for (name, sequence) in all.positions {
            positions::advance(&mut tx, name, *sequence, now).await?;
        }
        tx.commit().await
    }
}
