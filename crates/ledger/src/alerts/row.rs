//! An alert as it is kept, and how one is read.

use model::{Alert, AlertId, IncidentId, Level, Micros};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use crate::error::{LedgerError, Result};
use crate::sql::{Row, Sql, sql};
use crate::suppressions::HIDDEN;
use crate::words::words;

words! {
    /// Where the work on an alert stands.
    AlertState {
        /// Nobody looked.
        New = "new",
        /// Somebody looks.
        InProgress = "in_progress",
        /// It was decided what it was.
        Closed = "closed",
    }
}

words! {
    /// What a closed alert was.
    Resolution {
        /// An attack, or part of one.
        TruePositive = "true_positive",
        /// The rule was wrong.
        FalsePositive = "false_positive",
        /// The rule was right, and what it saw was allowed.
        Benign = "benign",
        /// Another alert says the same.
        Duplicate = "duplicate",
    }
}

/// Where the work on an alert stands and, when it is closed, what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", content = "resolution", rename_all = "snake_case")]
pub enum AlertStatus {
    /// Nobody looked.
    New,
    /// Somebody looks.
    InProgress,
    /// It was this.
    Closed(Resolution),
}

impl AlertStatus {
    /// Without the resolution.
    pub fn state(self) -> AlertState {
        match self {
            Self::New => AlertState::New,
            Self::InProgress => AlertState::InProgress,
            Self::Closed(_) => AlertState::Closed,
        }
    }

    pub(crate) fn resolution(self) -> Option<Resolution> {
        if let Self::Closed(resolution) = self { Some(resolution) } else { None }
    }
}

/// What a person may decide on an alert; none leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertChange {
    /// Where the work stands.
    pub status: Option<AlertStatus>,
    /// Whose it is; `Some(None)` makes it nobody's.
    pub owner: Option<Option<String>>,
    /// How grave a person finds it; `Some(None)` goes back to triage's level.
    pub severity: Option<Option<Level>>,
}

/// How a thing stood when it was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Closed {
    /// When.
    pub at: Micros,
    /// By whom.
    pub by: String,
    /// Its level then.
    pub level: Level,
    /// How many findings (of an alert) or alerts (of an incident) it had then.
    pub count: u64,
}

/// An alert: what triage says of it, and what people decided.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AlertRow {
    /// What triage says.
    pub alert: Alert,
    /// Where the work stands.
    pub status: AlertStatus,
    /// Whose it is.
    pub owner: Option<String>,
    /// How grave a person found it.
    pub severity: Option<Level>,
    /// How grave it is shown: a person's level, unless triage's has since risen above what that person
    /// saw, and is higher.
    pub level: Level,
    /// The incident that it belongs to.
    pub incident_id: Option<IncidentId>,
    /// Whether a person put it there, or took it out of one.
    pub pinned: bool,
    /// How it stood when it was closed.
    pub closed: Option<Closed>,
    /// Whether a suppression hides it now.
    pub suppressed: bool,
    /// Counts people's decisions on it.
    pub version: u64,
    /// Counts changes of any kind.
    pub revision: u64,
    /// When it came.
    pub created_at: Micros,
    /// When anything last changed.
    pub changed_at: Micros,
}

impl AlertRow {
    /// Whether it was closed, and then more of it came or it became graver.
    pub fn risen(&self) -> bool {
        self.closed
            .as_ref()
            .is_some_and(|then| self.alert.count > then.count || self.alert.level > then.level)
    }
}

/// The level to show: a person's, unless triage's rose above the one that the person saw and is
/// higher than theirs.
pub(crate) fn level_shown(told: Level, said: Option<Level>, said_over: Option<Level>) -> Level {
    match (said, said_over) {
        (Some(said), Some(over)) if told > over => said.max(told),
        (Some(said), _) => said,
        (None, _) => told,
    }
}

/// Starts a query for whole rows; `a` are the alerts.
pub(crate) fn select(now: Micros) -> Sql {
    let mut query = sql("SELECT a.alert_id, a.told, a.state, a.resolution, a.owner, a.severity, \
         a.shown_level, a.risk, a.first_time, a.last_time, a.incident_id, a.pinned, a.closed_at, a.closed_by, \
         a.closed_level, a.closed_count, a.version, a.revision, a.created_at, a.changed_at, \
         CASE WHEN EXISTS (SELECT 1 FROM suppressions s WHERE ");
    query.push(HIDDEN).arg(now).push(") THEN 1 ELSE 0 END AS suppressed FROM alerts a WHERE 1 = 1");
    query
}

/// One alert, if it is there.
pub(crate) async fn fetch(
    on: &mut AnyConnection,
    id: AlertId,
    now: Micros,
) -> Result<Option<AlertRow>> {
    let mut query = select(now);
    query.push(" AND a.alert_id = ").arg(id);
    query.maybe(on).await?.map(|row| read(&row)).transpose()
}

pub(crate) fn read(row: &Row) -> Result<AlertRow> {
    Ok(AlertRow {
        alert: row.json("told")?,
        status: status(row)?,
        owner: row.opt("owner")?,
        severity: row.opt("severity")?,
        level: row.get("shown_level")?,
        incident_id: row.opt("incident_id")?,
        pinned: row.get("pinned")?,
        closed: closed(row, "closed_count")?,
        suppressed: row.get("suppressed")?,
        version: row.get("version")?,
        revision: row.get("revision")?,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
    })
}

fn status(row: &Row) -> Result<AlertStatus> {
    match (row.get("state")?, row.opt("resolution")?) {
        (AlertState::New, None) => Ok(AlertStatus::New),
        (AlertState::InProgress, None) => Ok(AlertStatus::InProgress),
        (AlertState::Closed, Some(resolution)) => Ok(AlertStatus::Closed(resolution)),
        _ => Err(LedgerError::corrupt("an alert's state and resolution do not fit")),
    }
}

/// How a thing stood when it was closed.
pub(crate) fn closed(row: &Row, count: &'static str) -> Result<Option<Closed>> {
    let Some(at) = row.opt("closed_at")? else { return Ok(None) };
    Ok(Some(Closed {
        at,
        by: row.get("closed_by")?,
        level: row.get("closed_level")?,
        count: row.get(count)?,
    }))
}
