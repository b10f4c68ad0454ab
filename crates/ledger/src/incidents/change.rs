//! A person's decisions on an incident.

use model::{AlertId, Hasher, Incident, IncidentId, Level, Micros};
use serde_json::json;

use crate::actor::Actor;
use crate::alerts::{Closed, differing, level_shown};
use crate::error::{LedgerError, Result};
use crate::ids::next;
use crate::incidents::row::{IncidentRow, IncidentStatus, must, writable};
use crate::incidents::settle::{self, Dirty};
use crate::incidents::{links, upsert};
use crate::news::Kind;
use crate::sql::{json as document, sql};
use crate::text::{line, maybe_line};
use crate::tx::Tx;

/// What a person may decide on an incident; none leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentChange {
    /// Where the work stands.
    pub status: Option<IncidentStatus>,
    /// Whose it is; `Some(None)` makes it nobody's.
    pub owner: Option<Option<String>>,
    /// How grave a person finds it; `Some(None)` goes back to triage's level.
    pub severity: Option<Option<Level>>,
    /// A title of a person's; `Some(None)` goes back to triage's.
    pub title: Option<Option<String>>,
}

/// An incident that a person opens.
#[derive(Debug, Clone)]
pub struct NewIncident {
    /// Its title.
    pub title: String,
    /// How grave.
    pub severity: Level,
    /// Alerts to put into it.
    pub alerts: Vec<AlertId>,
}

/// Opens an incident by hand.
pub(crate) async fn open(
    tx: &mut Tx,
    (actor, now): (&Actor, Micros),
    new: &NewIncident,
) -> Result<IncidentRow> {
    let title = line("title", &new.title)?;
    let number = next(tx, "incident by hand").await?;
    let id = IncidentId::from(Hasher::new("incident by hand").number(number as u64));
    let incident = Incident {
        incident_id: id,
        title: title.clone(),
        summary: String::new(),
        severity: new.severity,
        risk: 0,
        risk_parts: Vec::new(),
        alert_ids: Vec::new(),
        finding_count: 0,
        first_time: now,
        last_time: now,
        entities: Vec::new(),
        tactics: Vec::new(),
        techniques: Vec::new(),
        sources: Vec::new(),
        reason: format!("Opened by {}.", actor.name),
        next_steps: Vec::new(),
    };
    upsert::insert(tx, &incident, &document(&incident)?, true, now).await?;
    let after = json!({ "title": title, "severity": new.severity });
    tx.audit((actor, now), "incident.open", (Kind::Incident, id), (None, Some(after)));
    if new.alerts.is_empty() {
        let mut dirty = Dirty::default();
        dirty.extend([id]);
        settle::refresh(tx, dirty, now).await?;
    } else {
        links::add(tx, (actor, now), id, &new.alerts).await?;
    }
    must(tx, id).await
}

/// Carries out a decision; one that decides nothing new leaves no trace.
pub(crate) async fn change(
    tx: &mut Tx,
    (actor, now): (&Actor, Micros),
    (id, expected): (IncidentId, Option<u64>),
    change: &IncidentChange,
) -> Result<IncidentRow> {
    let before = writable(tx, id).await?;
    LedgerError::check_version((Kind::Incident, id), expected, before.version, &before)?;
    let mut after = before.clone();
    let mut over = None;
    if let Some(status) = change.status {
        after.status = status;
    }
    if let Some(owner) = &change.owner {
        after.owner = maybe_line("owner", owner.as_deref())?;
    }
    if let Some(title) = &change.title {
        after.title = maybe_line("title", title.as_deref())?;
    }
    if let Some(severity) = change.severity {
        after.severity = severity;
        over = severity.map(|_| before.level_told);
        after.level = level_shown(before.level_told, severity, over);
    }
    if after == before {
        return Ok(before);
    }
    if after.status == IncidentStatus::Closed {
        after.closed = Some(Closed {
            at: now,
            by: actor.name.clone(),
            level: before.level_told,
            count: before.alert_count,
        });
    }
    store(tx, &mut after, now).await?;
    if change.severity.is_some() {
        let query = sql("UPDATE incidents SET severity_over = $1 WHERE incident_id = $2");
        query.bind(over).bind(id).run(tx).await?;
    }
    let told = |row: &IncidentRow| {
        [
            ("status", json!(row.status)),
            ("owner", json!(row.owner)),
            ("title", json!(row.title)),
            ("severity", json!(row.severity)),
        ]
    };
    let sides = differing(told(&before), told(&after));
    tx.audit((actor, now), "incident.change", (Kind::Incident, id), sides);
    let mut dirty = Dirty::default();
    dirty.extend([id]);
    settle::refresh(tx, dirty, now).await?;
    must(tx, id).await
}

/// Opens a closed incident again.
pub(crate) async fn reopen(
    tx: &mut Tx,
    (actor, now): (&Actor, Micros),
    (id, expected): (IncidentId, Option<u64>),
) -> Result<IncidentRow> {
    let mut row = must(tx, id).await?;
    if let Some(into) = row.merged_into {
        return Err(LedgerError::Merged { id: id.to_string(), into: into.to_string() });
    }
    LedgerError::check_version((Kind::Incident, id), expected, row.version, &row)?;
    if row.status != IncidentStatus::Closed {
        return Ok(row);
    }
    row.status = IncidentStatus::InProgress;
    row.closed = None;
    store(tx, &mut row, now).await?;
    let (before, after) = (json!({ "status": "closed" }), json!({ "status": row.status }));
    let object = (Kind::Incident, id);
    tx.audit((actor, now), "incident.reopen", object, (Some(before), Some(after)));
    Ok(row)
}

/// Stores people's columns as a new version.
async fn store(tx: &mut Tx, row: &mut IncidentRow, now: Micros) -> Result<()> {
    row.version += 1;
    row.revision += 1;
    row.changed_at = now;
    let closed = row.closed.as_ref();
    let query = sql("UPDATE incidents SET status = $1, owner = $2, title = $3, severity = $4, \
         shown_level = $5, closed_at = $6, closed_by = $7, closed_level = $8, closed_alerts = $9, \
         version = $10, revision = $11, changed_at = $12, touched = 1 WHERE incident_id = $13");
    let query = query
        .bind(row.status)
        .bind(row.owner.as_deref())
        .bind(row.title.as_deref())
        .bind(row.severity)
        .bind(row.level)
        .bind(closed.map(|c| c.at))
        .bind(closed.map(|c| c.by.as_str()))
        .bind(closed.map(|c| c.level))
        .bind(closed.map(|c| c.count))
        .bind(row.version)
        .bind(row.revision)
        .bind(row.changed_at)
        .bind(row.incident_id);
    query.run(tx).await?;
    tx.changed(Kind::Incident, row.incident_id, row.revision);
    Ok(())
}
