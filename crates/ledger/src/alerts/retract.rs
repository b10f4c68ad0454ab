//! Alerts that triage takes back: a late event gave their findings another first one, and so another
//! name. What people decided and wrote goes along to the alert that has the findings now.

use model::{AlertId, Micros};

use crate::alerts::row::fetch;
use crate::alerts::{AlertRow, MAX_BATCH};
use crate::error::{LedgerError, Result};
use crate::incidents::settle::Dirty;
use crate::news::Kind;
use crate::sql::sql;
use crate::tx::Tx;

/// What a person decided on an alert, as columns.
const DECIDED: &str = "state, resolution, owner, severity, severity_over, pinned, pinned_in, \
     closed_at, closed_by, closed_level, closed_count, version";

/// Takes alerts back, each with the one that has its findings now.
pub(crate) async fn retract(
    tx: &mut Tx,
    all: &[(AlertId, Option<AlertId>)],
    now: Micros,
    dirty: &mut Dirty,
) -> Result<()> {
    if all.len() > MAX_BATCH {
        return Err(LedgerError::invalid("retracted", format!("may be {MAX_BATCH} at most")));
    }
    for (old, new) in all.iter().filter(|(old, new)| Some(*old) != *new) {
        let Some(before) = fetch(tx, *old, now).await? else { continue };
        let after = match new {
            Some(new) => fetch(tx, *new, now).await?,
            None => None,
        };
        match after {
            Some(after) => hand_over(tx, &before, &after, now).await?,
            // Nothing has its findings, but a person has worked on it: that is not thrown away.
            None if before.version > 0 || is_commented(tx, *old).await? => continue,
            None => {}
        }
        dirty.extend(before.incident_id);
        let query = sql("DELETE FROM alert_labels WHERE alert_id = $1").bind(*old);
        query.run(tx).await?;
        let query = sql("DELETE FROM alert_entities WHERE alert_id = $1").bind(*old);
        query.run(tx).await?;
        sql("DELETE FROM alerts WHERE alert_id = $1").bind(*old).run(tx).await?;
        tx.changed(Kind::Alert, old, before.revision + 1);
    }
    Ok(())
}

async fn hand_over(tx: &mut Tx, old: &AlertRow, new: &AlertRow, now: Micros) -> Result<()> {
    let (from, to) = (old.alert.alert_id, new.alert.alert_id);
    if old.version > 0 && new.version == 0 {
        let mut query = sql("UPDATE alerts SET (");
        query.push(DECIDED).push(") = (SELECT ").push(DECIDED);
        query.push(" FROM alerts WHERE alert_id = ").arg(from).push("), shown_level = ");
        query.arg(old.level.max(new.level)).push(", changed_at = ").arg(now);
        query.push(", revision = revision + 1 WHERE alert_id = ").arg(to);
        query.run(tx).await?;
        tx.changed(Kind::Alert, to, new.revision + 1);
    }
    let query = sql("UPDATE comments SET object_id = $1 \
         WHERE object_kind = 'alert' AND object_id = $2");
    query.bind(to).bind(from).run(tx).await?;
    let query =
        sql("INSERT INTO alert_labels (alert_id, label) SELECT $1, label FROM alert_labels \
         WHERE alert_id = $2 ON CONFLICT (alert_id, label) DO NOTHING");
    query.bind(to).bind(from).run(tx).await?;
    let query = sql("UPDATE findings SET alert_id = $1 WHERE alert_id = $2");
    query.bind(to).bind(from).run(tx).await.map(drop)
}

async fn is_commented(tx: &mut Tx, id: AlertId) -> Result<bool> {
    let query = sql("SELECT 1 AS one FROM comments \
         WHERE object_kind = 'alert' AND object_id = $1 LIMIT 1");
    Ok(query.bind(id).maybe(tx).await?.is_some())
}
