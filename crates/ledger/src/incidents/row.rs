//! An incident as it is kept, how one is read, and whether it may be written to.

use model::{Incident, IncidentId, Level, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::AnyConnection;

use crate::alerts::Closed;
use crate::error::{LedgerError, Result};
use crate::incidents::settle;
use crate::news::Kind;
use crate::sql::{Row, sql};
use crate::words::words;

words! {
    /// Where the work on an incident stands.
    IncidentStatus {
        /// Nobody looked.
        New = "new",
        /// Somebody works on it.
        InProgress = "in_progress",
        /// It spreads no further.
        Contained = "contained",
        /// What it did is undone.
        Resolved = "resolved",
        /// Nothing is left to do. It can be read, and reopened.
        Closed = "closed",
    }
}

/// An incident: what triage says of it, what people decided, and what follows from both.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct IncidentRow {
    /// Its id, which stays though triage may name it anew.
    pub incident_id: IncidentId,
    /// A short number that stays.
    pub number: u64,
    /// Whether a person opened it.
    pub by_hand: bool,
    /// What triage says: of this incident or, when triage emptied it, of the one that took its place.
    /// Its `alert_ids` are triage's; which alerts are in it now, [`Alerts::list`](crate::Alerts::list)
    /// says.
    pub told: Incident,
    /// A title that a person gave it.
    pub title: Option<String>,
    /// Where the work stands.
    pub status: IncidentStatus,
    /// Whose it is.
    pub owner: Option<String>,
    /// How grave a person found it.
    pub severity: Option<Level>,
    /// How grave it is shown: as [`AlertRow::level`](crate::AlertRow::level). Alerts that people put
    /// into it count.
    pub level: Level,
    /// The highest risk of it and what was merged into it, 0 to 100.
    pub risk: u32,
    /// How many alerts are in it.
    pub alert_count: u64,
    /// First event of its alerts.
    pub first_time: Micros,
    /// Last event of its alerts.
    pub last_time: Micros,
    /// The incident that it was merged into.
    pub merged_into: Option<IncidentId>,
    /// How it stood when it was closed.
    pub closed: Option<Closed>,
    /// Counts people's decisions on it.
    pub version: u64,
    /// Counts changes of any kind.
    pub revision: u64,
    /// When it came.
    pub created_at: Micros,
    /// When anything last changed.
    pub changed_at: Micros,
    /// Its level without a person's say.
    #[serde(skip)]
    pub(crate) level_told: Level,
}

impl IncidentRow {
    /// The title to show.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.told.title)
    }

    /// Whether it was closed, and then more alerts came or it became graver.
    pub fn risen(&self) -> bool {
        self.closed
            .as_ref()
            .is_some_and(|then| self.alert_count > then.count || self.level_told > then.level)
    }
}

/// Whole rows; `i` are the incidents, `t` those that tell of them.
pub(crate) const SELECT: &str = "SELECT i.incident_id, i.number, i.by_hand, t.told, i.title, \
     i.status, i.owner, i.severity, i.level, i.shown_level, i.risk, i.alert_count, i.first_time, \
     i.last_time, i.merged_into, i.closed_at, i.closed_by, i.closed_level, i.closed_alerts, \
     i.version, i.revision, i.created_at, i.changed_at \
     FROM incidents i JOIN incidents t ON t.incident_id = i.told_by WHERE 1 = 1";

pub(crate) async fn fetch(on: &mut AnyConnection, id: IncidentId) -> Result<Option<IncidentRow>> {
    let mut query = sql(SELECT);
    query.push(" AND i.incident_id = ").arg(id);
    query.maybe(on).await?.map(|row| read(&row)).transpose()
}

pub(crate) async fn must(on: &mut AnyConnection, id: IncidentId) -> Result<IncidentRow> {
    let found = fetch(on, id).await?;
    found.ok_or_else(|| LedgerError::not_found(Kind::Incident, id))
}

pub(crate) fn read(row: &Row) -> Result<IncidentRow> {
    Ok(IncidentRow {
        incident_id: row.get("incident_id")?,
        number: row.get("number")?,
        by_hand: row.get("by_hand")?,
        told: row.json("told")?,
        title: row.opt("title")?,
        status: row.get("status")?,
        owner: row.opt("owner")?,
        severity: row.opt("severity")?,
        level: row.get("shown_level")?,
        risk: row.get("risk")?,
        alert_count: row.get("alert_count")?,
        first_time: row.get("first_time")?,
        last_time: row.get("last_time")?,
        merged_into: row.opt("merged_into")?,
        closed: crate::alerts::closed(row, "closed_alerts")?,
        version: row.get("version")?,
        revision: row.get("revision")?,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
        level_told: row.get("level")?,
    })
}

/// An incident that a person may write to: neither merged away nor closed.
pub(crate) async fn writable(on: &mut AnyConnection, id: IncidentId) -> Result<IncidentRow> {
    let row = must(on, id).await?;
    if let Some(into) = row.merged_into {
        return Err(LedgerError::Merged { id: id.to_string(), into: into.to_string() });
    }
    if row.status == IncidentStatus::Closed {
        return Err(LedgerError::Closed { id: id.to_string() });
    }
    Ok(row)
}

/// Whether what already hangs on an incident may be written to: on one that was merged, the one that
/// shows it now must be open.
pub(crate) async fn writable_within(on: &mut AnyConnection, id: IncidentId) -> Result<()> {
    let top = settle::top(on, id).await?;
    writable(on, top).await.map(drop)
}

/// Notes that a person wrote to it.
pub(crate) async fn touch(tx: &mut crate::tx::Tx, id: IncidentId, now: Micros) -> Result<()> {
    let query = sql("UPDATE incidents SET touched = 1, revision = revision + 1, changed_at = $1 \
         WHERE incident_id = $2 RETURNING revision");
    let revision = query.bind(now).bind(id).one(tx).await?.get("revision")?;
    tx.changed(Kind::Incident, id, revision);
    Ok(())
}
