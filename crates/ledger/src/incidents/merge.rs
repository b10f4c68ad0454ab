//! Merging incidents, and undoing it.
//!
//! A merge is a pointer: the source keeps its own alerts, words and decisions and is shown through
//! its target. Nothing is copied or overwritten, so taking the pointer away gives both back.

use model::{IncidentId, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::error::{LedgerError, Result};
use crate::ids::MergeId;
use crate::incidents::row::{touch, writable, writable_within};
use crate::incidents::settle::{self, Dirty};
use crate::news::Kind;
use crate::sql::{Row, sql};
use crate::tx::Tx;

/// A merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Merge {
    /// Its id.
    pub merge_id: MergeId,
    /// What was merged.
    pub source: IncidentId,
    /// Into what.
    pub target: IncidentId,
    /// Whether triage found that the two are one, rather than a person.
    pub by_machine: bool,
    /// Who merged.
    pub by: String,
    /// When.
    pub at: Micros,
    /// Who undid it.
    pub undone_by: Option<String>,
    /// When.
    pub undone_at: Option<Micros>,
}

/// Who merges.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    Person(&'a Actor, Micros),
    Triage(Micros),
}

/// A person merges `source` into `target`.
pub(crate) async fn merge(
    tx: &mut Tx,
    (actor, now): (&Actor, Micros),
    source: IncidentId,
    target: IncidentId,
) -> Result<Merge> {
    if source == target {
        return Err(LedgerError::invalid("target", "is the incident itself"));
    }
    writable(tx, source).await?;
    writable(tx, target).await?;
    let mut dirty = Dirty::default();
    let id = link(tx, By::Person(actor, now), source, target, &mut dirty).await?;
    settle::refresh(tx, dirty, now).await?;
    touch(tx, source, now).await?;
    touch(tx, target, now).await?;
    fetch(tx, id).await
}

/// Points `source`, which nothing points away from yet, at `target`.
pub(crate) async fn link(
    tx: &mut Tx,
    by: By<'_>,
    source: IncidentId,
    target: IncidentId,
    dirty: &mut Dirty,
) -> Result<MergeId> {
    let triage = Actor::system("triage");
    let (actor, now, by_machine) = match by {
        By::Person(actor, now) => (actor, now, false),
        By::Triage(now) => (&triage, now, true),
    };
    let top = settle::top(tx, target).await?;
    let query = sql("UPDATE incidents SET merged_into = $1, revision = revision + 1, \
         changed_at = $2 WHERE incident_id = $3 RETURNING revision");
    let revision = query.bind(target).bind(now).bind(source).one(tx).await?.get("revision")?;
    tx.changed(Kind::Incident, source, revision);
    show(tx, now, source, top).await?;
    let id = MergeId::next(tx).await?;
    let query =
        sql("INSERT INTO merges (merge_id, source, target, by_machine, merged_by, merged_at) \
         VALUES ($1, $2, $3, $4, $5, $6)");
    let query = query.bind(id).bind(source).bind(target).bind(by_machine);
    query.bind(&actor.name).bind(now).run(tx).await?;
    told(tx, (actor, now), ["incident.merge", "incident.absorb"], (id, source, target));
    dirty.extend([source, top]);
    Ok(id)
}

/// Undoes a merge. What was decided on the target meanwhile stays with the target.
pub(crate) async fn undo(
    tx: &mut Tx,
    (actor, now): (&Actor, Micros),
    id: MergeId,
) -> Result<Merge> {
    let merge = fetch(tx, id).await?;
    if merge.undone_at.is_some() {
        return Err(LedgerError::Undone { id: id.to_string() });
    }
    // The incident that shows the source now must be open: it is about to lose something.
    writable_within(tx, merge.target).await?;
    let query = sql("UPDATE incidents SET merged_into = NULL WHERE incident_id = $1");
    query.bind(merge.source).run(tx).await?;
    let top = settle::top(tx, merge.target).await?;
    for member in settle::tree(tx, merge.source).await? {
        let query = sql("UPDATE alerts SET incident_id = $1, revision = revision + 1, \
             changed_at = $2 WHERE home = $3");
        query.bind(merge.source).bind(now).bind(member).run(tx).await?;
    }
    let query = sql("UPDATE merges SET undone_by = $1, undone_at = $2 WHERE merge_id = $3");
    query.bind(&actor.name).bind(now).bind(id).run(tx).await?;
    let mut dirty = Dirty::default();
    dirty.extend([merge.source, top]);
    settle::refresh(tx, dirty, now).await?;
    touch(tx, merge.source, now).await?;
    touch(tx, top, now).await?;
    let both = (id, merge.source, merge.target);
    told(tx, (actor, now), ["incident.unmerge", "incident.release"], both);
    fetch(tx, id).await
}

/// The merges that an incident took part in.
pub(crate) async fn of(on: &mut AnyConnection, id: IncidentId) -> Result<Vec<Merge>> {
    let mut query = sql(SELECT);
    query.push(" AND (source = ").arg(id).push(" OR target = ").arg(id);
    query.push(") ORDER BY merge_id DESC LIMIT 500");
    query.all(on).await?.iter().map(read).collect()
}

/// Shows all alerts of an incident through another.
async fn show(tx: &mut Tx, now: Micros, from: IncidentId, through: IncidentId) -> Result<()> {
    let query = sql("UPDATE alerts SET incident_id = $1, revision = revision + 1, \
         changed_at = $2 WHERE incident_id = $3");
    query.bind(through).bind(now).bind(from).run(tx).await.map(drop)
}

/// Tells the audit trail, for each of the two.
fn told(
    tx: &mut Tx,
    by: (&Actor, Micros),
    [of_source, of_target]: [&'static str; 2],
    (id, source, target): (MergeId, IncidentId, IncidentId),
) {
    let after = json!({ "merge": id, "source": source, "target": target });
    tx.audit(by, of_source, (Kind::Incident, source), (None, Some(after.clone())));
    tx.audit(by, of_target, (Kind::Incident, target), (None, Some(after)));
}

const SELECT: &str = "SELECT merge_id, source, target, by_machine, merged_by, merged_at, \
     undone_by, undone_at FROM merges WHERE 1 = 1";

async fn fetch(on: &mut AnyConnection, id: MergeId) -> Result<Merge> {
    let mut query = sql(SELECT);
    query.push(" AND merge_id = ").arg(id);
    let row = query.maybe(on).await?;
    row.as_ref().map_or_else(|| Err(LedgerError::not_found(Kind::Merge, id)), read)
}

fn read(row: &Row) -> Result<Merge> {
    Ok(Merge {
        merge_id: row.get("merge_id")?,
        source: row.get("source")?,
        target: row.get("target")?,
        by_machine: row.get("by_machine")?,
        by: row.get("merged_by")?,
        at: row.get("merged_at")?,
        undone_by: row.opt("undone_by")?,
        undone_at: row.opt("undone_at")?,
    })
}
