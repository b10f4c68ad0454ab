//! What follows from triage's words, people's decisions and merges: which incident stands for a tree
//! of merges, and its alerts, times and level.

use std::collections::BTreeSet;

use model::{Incident, IncidentId, Level, Micros};
use sqlx::AnyConnection;

use crate::alerts::level_shown;
use crate::error::{LedgerError, Result};
use crate::news::Kind;
use crate::sql::{Row, sql};
use crate::text::search_text;
use crate::tx::Tx;

/// Incidents whose alerts or words changed.
#[derive(Debug, Default)]
pub(crate) struct Dirty(BTreeSet<IncidentId>);

impl Dirty {
    pub(crate) fn extend(&mut self, ids: impl IntoIterator<Item = IncidentId>) {
        self.0.extend(ids);
    }
}

/// The incident that an incident was merged into in the end; itself, when it was not.
pub(crate) async fn top(on: &mut AnyConnection, id: IncidentId) -> Result<IncidentId> {
    let query = sql("WITH RECURSIVE up (id, over) AS ( \
         SELECT incident_id, merged_into FROM incidents WHERE incident_id = $1 \
         UNION SELECT i.incident_id, i.merged_into FROM incidents i JOIN up ON i.incident_id = up.over) \
         SELECT id FROM up WHERE over IS NULL");
    let row = query.bind(id).maybe(on).await?;
    row.ok_or_else(|| LedgerError::not_found(Kind::Incident, id))?.get("id")
}

/// An incident and all that was merged into it.
pub(crate) async fn tree(on: &mut AnyConnection, id: IncidentId) -> Result<Vec<IncidentId>> {
    let query = sql("WITH RECURSIVE tree (id) AS (SELECT incident_id FROM incidents \
         WHERE incident_id = $1 UNION SELECT i.incident_id FROM incidents i \
         JOIN tree ON i.merged_into = tree.id) SELECT id FROM tree ORDER BY id");
    let rows = query.bind(id).all(on).await?;
    if rows.is_empty() {
        return Err(LedgerError::not_found(Kind::Incident, id));
    }
    rows.iter().map(|row| row.get("id")).collect()
}

/// Works out anew what follows, for the tops of all that is dirty.
pub(crate) async fn refresh(tx: &mut Tx, dirty: Dirty, now: Micros) -> Result<()> {
    let mut tops = BTreeSet::new();
    for id in dirty.0 {
        tops.insert(top(tx, id).await?);
    }
    for id in tops {
        refresh_one(tx, id, now).await?;
    }
    Ok(())
}

/// What a list shows of an incident and sorts it by.
#[derive(Debug, PartialEq)]
struct Outcome {
    told_by: IncidentId,
    level: Level,
    shown_level: Level,
    risk: i64,
    alert_count: i64,
    first_time: Micros,
    last_time: Micros,
    search: String,
}

async fn refresh_one(tx: &mut Tx, id: IncidentId, now: Micros) -> Result<()> {
    let query = sql("SELECT number, title, severity, severity_over, told_by, level, shown_level, \
         risk, alert_count, first_time, last_time, search FROM incidents WHERE incident_id = $1");
    let row = query.bind(id).one(tx).await?;
    let before = Outcome {
        told_by: row.get("told_by")?,
        level: row.get("level")?,
        shown_level: row.get("shown_level")?,
        risk: row.get("risk")?,
        alert_count: row.get("alert_count")?,
        first_time: row.get("first_time")?,
        last_time: row.get("last_time")?,
        search: row.get("search")?,
    };
    let after = outcome(tx, id, &row).await?;
    if before == after {
        return Ok(());
    }
    let query = sql("UPDATE incidents SET told_by = $1, level = $2, shown_level = $3, risk = $4, \
         alert_count = $5, first_time = $6, last_time = $7, search = $8, revision = revision + 1, \
         changed_at = $9 WHERE incident_id = $10 RETURNING revision");
    let query = query
        .bind(after.told_by)
        .bind(after.level)
        .bind(after.shown_level)
        .bind(after.risk)
        .bind(after.alert_count)
        .bind(after.first_time)
        .bind(after.last_time)
        .bind(after.search)
        .bind(now)
        .bind(id);
    let revision = query.one(tx).await?.get("revision")?;
    tx.changed(Kind::Incident, id, revision);
    Ok(())
}

async fn outcome(on: &mut AnyConnection, id: IncidentId, row: &Row) -> Result<Outcome> {
    let query = sql("SELECT COUNT(*) AS n, MIN(first_time) AS first_time, \
         MAX(last_time) AS last_time, MAX(CASE WHEN pinned = 1 THEN level END) AS pinned \
         FROM alerts WHERE incident_id = $1");
    let alerts = query.bind(id).one(on).await?;
    let members = members(on, id).await?;
    let teller = teller(id, &members);
    let query = sql("SELECT told FROM incidents WHERE incident_id = $1");
    let told: Incident = query.bind(teller).one(on).await?.json("told")?;
    // What triage emptied says nothing any more, unless it is all there is.
    let speaking: Vec<&Member> = members.iter().filter(|m| m.speaks()).collect();
    let speaking = if speaking.is_empty() { members.iter().collect() } else { speaking };
    let pinned: Option<Level> = alerts.opt("pinned")?;
    let level = speaking.iter().map(|m| m.level).chain(pinned).max().unwrap_or_default();
    let number: i64 = row.get("number")?;
    let title: Option<String> = row.opt("title")?;
    let number = format!("#{number}");
    let texts = [title.as_deref().unwrap_or_default(), &told.title, &number, &told.summary];
    let entities = told.entities.iter().map(|e| &*e.value);
    Ok(Outcome {
        told_by: teller,
        level,
        shown_level: level_shown(level, row.opt("severity")?, row.opt("severity_over")?),
        risk: speaking.iter().map(|m| m.risk).max().unwrap_or_default(),
        alert_count: alerts.get("n")?,
        // What is told may reach back further: to the first event that a correlation counted.
        first_time: alerts
            .opt("first_time")?
            .map_or(told.first_time, |t: Micros| t.min(told.first_time)),
        last_time: alerts.opt("last_time")?.unwrap_or(told.last_time),
        search: search_text(texts.into_iter().chain(entities)),
    })
}

/// One incident of a tree.
struct Member {
    id: IncidentId,
    by_hand: bool,
    level: Level,
    risk: i64,
    /// How many alerts triage puts in it.
    grouped: i64,
}

impl Member {
    fn speaks(&self) -> bool {
        self.by_hand || self.grouped > 0
    }
}

/// The incidents of a tree, by number.
async fn members(on: &mut AnyConnection, id: IncidentId) -> Result<Vec<Member>> {
    let tree = tree(on, id).await?;
    let mut query = sql("SELECT i.incident_id, i.by_hand, i.told_level, i.told_risk, \
         (SELECT COUNT(*) FROM alerts a WHERE a.grouped_in = i.incident_id) AS grouped \
         FROM incidents i WHERE i.incident_id IN ");
    query.list(tree).push(" ORDER BY i.number");
    let rows = query.all(on).await?;
    let member = |row: &Row| {
        Ok(Member {
            id: row.get("incident_id")?,
            by_hand: row.get("by_hand")?,
            level: row.get("told_level")?,
            risk: row.get("told_risk")?,
            grouped: row.get("grouped")?,
        })
    };
    rows.iter().map(member).collect()
}

/// Whose title and summary stand for the tree: its top's, unless triage emptied that; then those of
/// the member with the most alerts, the oldest of equals.
fn teller(top: IncidentId, members: &[Member]) -> IncidentId {
    if members.iter().any(|m| m.id == top && m.speaks()) {
        return top;
    }
    let mut best: Option<&Member> = None;
    for member in members.iter().filter(|m| m.speaks()) {
        if best.is_none_or(|b| member.grouped > b.grouped) {
            best = Some(member);
        }
    }
    best.map_or(top, |member| member.id)
}
