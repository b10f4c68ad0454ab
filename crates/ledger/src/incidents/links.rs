//! Where people say that alerts belong. From then on it is so, whatever triage says, until they take
//! it back.

use std::collections::BTreeSet;

use model::{AlertId, IncidentId, Micros};
use serde_json::json;

use crate::actor::Actor;
use crate::alerts::MAX_BULK;
use crate::error::{LedgerError, Result};
use crate::incidents::row::{touch, writable};
use crate::incidents::settle::{self, Dirty};
use crate::news::Kind;
use crate::sql::sql;
use crate::tx::Tx;

/// How many ids an audit line names.
const MAX_NAMED: usize = 100;

/// An alert as it stands.
struct Stand {
    id: AlertId,
    incident_id: Option<IncidentId>,
    grouped_in: Option<IncidentId>,
    revision: u64,
}

/// Puts alerts into an incident.
pub(crate) async fn add(
    tx: &mut Tx,
    by: (&Actor, Micros),
    id: IncidentId,
    alerts: &[AlertId],
) -> Result<()> {
    writable(tx, id).await?;
    let stands = stands(tx, alerts).await?;
    let others = others(&stands, Some(id));
    for other in &others {
        writable(tx, *other).await?;
    }
    pin(tx, by.1, &stands, Some(id)).await?;
    let after = json!({ "alerts": named(alerts), "count": alerts.len() });
    tx.audit(by, "incident.add_alerts", (Kind::Incident, id), (None, Some(after)));
    settle_all(tx, by.1, others.into_iter().chain([id])).await
}

/// Takes alerts out of an incident.
pub(crate) async fn remove(
    tx: &mut Tx,
    by: (&Actor, Micros),
    id: IncidentId,
    alerts: &[AlertId],
) -> Result<()> {
    writable(tx, id).await?;
    let stands = stands(tx, alerts).await?;
    if let Some(stranger) = stands.iter().find(|s| s.incident_id != Some(id)) {
        let why = format!("alert {} is not in incident {id}", stranger.id);
        return Err(LedgerError::invalid("alerts", why));
    }
    pin(tx, by.1, &stands, None).await?;
    let before = json!({ "alerts": named(alerts), "count": alerts.len() });
    tx.audit(by, "incident.remove_alerts", (Kind::Incident, id), (Some(before), None));
    settle_all(tx, by.1, [id]).await
}

/// Gives alerts back to triage.
pub(crate) async fn release(tx: &mut Tx, by: (&Actor, Micros), alerts: &[AlertId]) -> Result<()> {
    let stands = stands(tx, alerts).await?;
    let mut involved = others(&stands, None);
    let mut homes = BTreeSet::new();
    for stand in &stands {
        let top = match stand.grouped_in {
            Some(home) => Some(settle::top(tx, home).await?),
            None => None,
        };
        involved.extend(top);
        homes.insert((top, stand.id, stand.revision));
    }
    for incident in &involved {
        writable(tx, *incident).await?;
    }
    for (top, alert, revision) in homes {
        let query = sql("UPDATE alerts SET pinned = 0, pinned_in = NULL, home = grouped_in, \
             incident_id = $1, revision = revision + 1, changed_at = $2 WHERE alert_id = $3");
        query.bind(top).bind(by.1).bind(alert).run(tx).await?;
        tx.changed(Kind::Alert, alert, revision + 1);
        tx.audit(by, "alert.release", (Kind::Alert, alert), (None, None));
    }
    settle_all(tx, by.1, involved).await
}

/// The alerts as they stand; all must be there.
async fn stands(tx: &mut Tx, alerts: &[AlertId]) -> Result<Vec<Stand>> {
    if alerts.is_empty() || alerts.len() > MAX_BULK {
        return Err(LedgerError::invalid("alerts", format!("expected 1 to {MAX_BULK}")));
    }
    let mut query = sql("SELECT alert_id, incident_id, grouped_in, revision FROM alerts \
         WHERE alert_id IN ");
    query.list(alerts.iter().copied());
    let mut found = Vec::new();
    for row in query.all(tx).await? {
        found.push(Stand {
            id: row.get("alert_id")?,
            incident_id: row.opt("incident_id")?,
            grouped_in: row.opt("grouped_in")?,
            revision: row.get("revision")?,
        });
    }
    let known: BTreeSet<AlertId> = found.iter().map(|s| s.id).collect();
    match alerts.iter().find(|alert| !known.contains(alert)) {
        Some(unknown) => Err(LedgerError::not_found(Kind::Alert, unknown)),
        None => Ok(found),
    }
}

/// The incidents that alerts are in, but for one.
fn others(stands: &[Stand], but: Option<IncidentId>) -> BTreeSet<IncidentId> {
    stands.iter().filter_map(|s| s.incident_id).filter(|id| Some(*id) != but).collect()
}

async fn pin(tx: &mut Tx, now: Micros, stands: &[Stand], to: Option<IncidentId>) -> Result<()> {
    let mut query = sql("UPDATE alerts SET pinned = 1, pinned_in = ");
    query.arg(to).push(", home = ").arg(to).push(", incident_id = ").arg(to);
    query.push(", revision = revision + 1, changed_at = ").arg(now);
    query.push(" WHERE alert_id IN ").list(stands.iter().map(|s| s.id));
    query.run(tx).await?;
    for stand in stands {
        tx.changed(Kind::Alert, stand.id, stand.revision + 1);
    }
    Ok(())
}

async fn settle_all(
    tx: &mut Tx,
    now: Micros,
    incidents: impl IntoIterator<Item = IncidentId>,
) -> Result<()> {
    let all: BTreeSet<IncidentId> = incidents.into_iter().collect();
    for id in &all {
        touch(tx, *id, now).await?;
    }
    let mut dirty = Dirty::default();
    dirty.extend(all);
    settle::refresh(tx, dirty, now).await
}

fn named(alerts: &[AlertId]) -> Vec<String> {
    alerts.iter().take(MAX_NAMED).map(ToString::to_string).collect()
}
