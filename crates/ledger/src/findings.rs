//! Recent findings, so that a live alert can be opened before the lake has them. The lake keeps them
//! for good; here they are pruned by age.

use model::{AlertId, Finding, FindingId, Micros};
use sqlx::AnyConnection;

use crate::alerts::MAX_BATCH;
use crate::error::{LedgerError, Result};
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::page::{Page, Paging};
use crate::sql::{Row, json, sql};
use crate::text::key;
use crate::tx::Tx;

/// A chain of findings that superseded each other is followed no further.
const MAX_CHAIN: usize = 100;

/// A finding brings its alert no more labels.
const MAX_LABELS: usize = 50;

/// Findings.
#[derive(Debug, Clone, Copy)]
pub struct Findings<'a>(pub(crate) &'a Ledger);

impl Findings<'_> {
    /// Takes over findings, each with the alert that it is part of. What is said again changes nothing.
    pub async fn upsert(self, findings: &[(Finding, Option<AlertId>)], now: Micros) -> Result<()> {
        let mut tx = self.0.begin().await?;
        upsert(&mut tx, findings, now).await?;
        tx.commit().await
    }

    /// Says that findings were replaced by others: a correlation that grew. `(old, new)`; both may be
    /// unknown, or pruned.
    pub async fn supersede(self, pairs: &[(FindingId, FindingId)]) -> Result<()> {
        let mut tx = self.0.begin().await?;
        supersede(&mut tx, pairs).await?;
        tx.commit().await
    }

    /// One finding, or the one that replaced it in the end.
    pub async fn get(self, id: FindingId) -> Result<Finding> {
        let mut on = self.0.snapshot().await?;
        let id = latest(&mut on, id).await?;
        let query = sql("SELECT told FROM findings WHERE finding_id = $1").bind(id);
        let row = query.maybe(&mut on).await?;
        row.ok_or_else(|| LedgerError::not_found(Kind::Finding, id))?.json("told")
    }

    /// Those of an alert that were not replaced, the latest first.
    pub async fn of_alert(self, alert: AlertId, paging: &Paging) -> Result<Page<Finding>> {
        let mut query =
            sql("SELECT told FROM findings WHERE superseded_by IS NULL AND alert_id = ");
        query.arg(alert);
        paging.after(&mut query, "findings", "(time, finding_id)")?;
        query.push(" ORDER BY time DESC, finding_id DESC LIMIT ");
        query.arg(i64::from(paging.limit()?) + 1);
        let rows = query.all(&mut *self.0.reader().await?).await?;
        let rows: Vec<Finding> =
            rows.iter().map(|row: &Row| row.json("told")).collect::<Result<_>>()?;
        paging.page("findings", rows, |f| (vec![f.time.0], f.finding_id.to_string()))
    }

    /// Those of a time on that were not replaced, the latest first.
    pub async fn since(&self, from: Micros, paging: &Paging) -> Result<Page<Finding>> {
        let mut query = sql("SELECT told FROM findings WHERE superseded_by IS NULL AND time >= ");
        query.arg(from);
        paging.after(&mut query, "since", "(time, finding_id)")?;
        query.push(" ORDER BY time DESC, finding_id DESC LIMIT ");
        query.arg(i64::from(paging.limit()?) + 1);
        let rows = query.all(&mut *self.0.reader().await?).await?;
        let rows: Vec<Finding> =
            rows.iter().map(|row: &Row| row.json("told")).collect::<Result<_>>()?;
        paging.page("since", rows, |f| (vec![f.time.0], f.finding_id.to_string()))
    }

    /// Forgets findings of events before a time, some thousands at most; says how many. Call it again
    /// until it says 0.
    pub async fn prune(self, before: Micros) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let mut query = sql("DELETE FROM findings WHERE finding_id IN ( \
             SELECT finding_id FROM findings WHERE time < ");
        query.arg(before).push(" ORDER BY time LIMIT ").arg(MAX_BATCH as u64).push(")");
        let gone = query.run(&mut tx).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

pub(crate) async fn upsert(
    tx: &mut Tx,
    findings: &[(Finding, Option<AlertId>)],
    now: Micros,
) -> Result<()> {
    if findings.len() > MAX_BATCH {
        return Err(LedgerError::invalid("findings", format!("may be {MAX_BATCH} at most")));
    }
    for (finding, alert) in findings {
        let query =
            sql("INSERT INTO findings (finding_id, alert_id, told, level, time, stored_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (finding_id) DO UPDATE SET \
             alert_id = excluded.alert_id, told = excluded.told, level = excluded.level, \
             time = excluded.time, superseded_by = NULL");
        let query = query.bind(finding.finding_id).bind(*alert).bind(json(finding)?);
        query.bind(finding.level).bind(finding.time).bind(now).run(tx).await?;
        if let Some(alert) = alert {
            label(tx, *alert, finding).await?;
        }
    }
    Ok(())
}

/// Writes by which labels the alert of a finding is found.
async fn label(tx: &mut Tx, alert: AlertId, finding: &Finding) -> Result<()> {
    for label in finding.labels.iter().take(MAX_LABELS) {
        let query = sql("INSERT INTO alert_labels (alert_id, label) VALUES ($1, $2) \
             ON CONFLICT (alert_id, label) DO NOTHING");
        query.bind(alert).bind(key(label)).run(tx).await?;
    }
    Ok(())
}

pub(crate) async fn supersede(tx: &mut Tx, pairs: &[(FindingId, FindingId)]) -> Result<()> {
    if pairs.len() > MAX_BATCH {
        return Err(LedgerError::invalid("findings", format!("may be {MAX_BATCH} at most")));
    }
    for (old, new) in pairs {
        // A late event may bring back what an earlier one replaced: what was told last stands.
        if latest(tx, *new).await? == *old {
            continue;
        }
        let query = sql("UPDATE findings SET superseded_by = $1 WHERE finding_id = $2");
        query.bind(*new).bind(*old).run(tx).await?;
    }
    Ok(())
}

/// Takes away findings that came to nothing.
pub(crate) async fn remove(tx: &mut Tx, all: impl Iterator<Item = FindingId>) -> Result<()> {
    for id in all {
        sql("DELETE FROM findings WHERE finding_id = $1").bind(id).run(tx).await?;
    }
    Ok(())
}

/// Follows replacements to the last one.
async fn latest(on: &mut AnyConnection, mut id: FindingId) -> Result<FindingId> {
    for _ in 0..MAX_CHAIN {
        let query = sql("SELECT superseded_by FROM findings WHERE finding_id = $1").bind(id);
        let next = query.maybe(on).await?.map(|row| row.opt("superseded_by")).transpose()?;
        match next.flatten() {
            Some(next) => id = next,
            None => break,
        }
    }
    Ok(id)
}
