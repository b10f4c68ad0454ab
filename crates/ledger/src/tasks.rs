//! What is to be done for an incident, by whom, until when.

use model::{IncidentId, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::alerts::differing;
use crate::error::{LedgerError, Result};
use crate::ids::TaskId;
use crate::incidents::{settle, touch, writable, writable_within};
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::sql::{Row, sql};
use crate::text::{line, maybe_line};

/// An incident has no more tasks.
pub const MAX_TASKS: u64 = 500;

/// A task to be made.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// What is to be done.
    pub title: String,
    /// By whom.
    pub assignee: Option<String>,
    /// Until when.
    pub due: Option<Micros>,
}

/// What may change on a task; none leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct TaskChange {
    /// What is to be done.
    pub title: Option<String>,
    /// By whom; `Some(None)` is nobody.
    pub assignee: Option<Option<String>>,
    /// Until when; `Some(None)` is whenever.
    pub due: Option<Option<Micros>>,
    /// Whether it is done.
    pub done: Option<bool>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Task {
    /// Its id.
    pub task_id: TaskId,
    /// The incident that it was made for, which may since have been merged.
    pub incident_id: IncidentId,
    /// What is to be done.
    pub title: String,
    /// By whom.
    pub assignee: Option<String>,
    /// Until when.
    pub due: Option<Micros>,
    /// When it was done.
    pub done_at: Option<Micros>,
    /// By whom.
    pub done_by: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Micros,
    /// Counts its changes, from 1.
    pub version: u64,
}

/// Tasks.
#[derive(Debug, Clone, Copy)]
pub struct Tasks<'a>(pub(crate) &'a Ledger);

impl Tasks<'_> {
    /// Adds one to an open incident.
    pub async fn add(
        self,
        actor: &Actor,
        now: Micros,
        incident: IncidentId,
        new: &NewTask,
    ) -> Result<Task> {
        let title = line("title", &new.title)?;
        let assignee = maybe_line("assignee", new.assignee.as_deref())?;
        let mut tx = self.0.begin().await?;
        writable(&mut tx, incident).await?;
        let query = sql("SELECT COUNT(*) AS n FROM tasks WHERE incident_id = $1").bind(incident);
        if query.one(&mut tx).await?.get::<u64>("n")? >= MAX_TASKS {
            let why = format!("an incident may have {MAX_TASKS} at most");
            return Err(LedgerError::invalid("tasks", why));
        }
        let id = TaskId::next(&mut tx).await?;
        let query = sql("INSERT INTO tasks (task_id, incident_id, title, assignee, due_at, \
             created_by, created_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, 1)");
        let query = query.bind(id).bind(incident).bind(&title).bind(assignee.as_deref());
        query.bind(new.due).bind(&actor.name).bind(now).run(&mut tx).await?;
        let after = json!({ "task": id, "title": title, "assignee": assignee, "due": new.due });
        tx.audit((actor, now), "incident.task", (Kind::Incident, incident), (None, Some(after)));
        tx.changed(Kind::Task, id, 1);
        touch(&mut tx, incident, now).await?;
        let task = fetch(&mut tx, id).await?;
        tx.commit().await?;
        Ok(task)
    }

    /// Changes one. `expected` is the version that the change was decided on.
    pub async fn change(
        self,
        actor: &Actor,
        now: Micros,
        id: TaskId,
        expected: Option<u64>,
        change: &TaskChange,
    ) -> Result<Task> {
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, id).await?;
        writable_within(&mut tx, before.incident_id).await?;
        LedgerError::check_version((Kind::Task, id), expected, before.version, &before)?;
        let after = changed(&before, change, actor, now)?;
        if after == before {
            return Ok(before);
        }
        let query = sql("UPDATE tasks SET title = $1, assignee = $2, due_at = $3, done_at = $4, \
             done_by = $5, version = $6 WHERE task_id = $7");
        let query = query.bind(&after.title).bind(after.assignee.as_deref()).bind(after.due);
        let query = query.bind(after.done_at).bind(after.done_by.as_deref());
        query.bind(after.version).bind(id).run(&mut tx).await?;
        let told = |task: &Task| {
            [
                ("title", json!(task.title)),
                ("assignee", json!(task.assignee)),
                ("due", json!(task.due)),
                ("done", json!(task.done_at)),
            ]
        };
        let (old, mut new) = differing(told(&before), told(&after));
        if let Some(new) = new.as_mut().and_then(|new| new.as_object_mut()) {
            new.insert("task".to_owned(), json!(id));
        }
        let object = (Kind::Incident, before.incident_id);
        tx.audit((actor, now), "incident.task_change", object, (old, new));
        tx.changed(Kind::Task, id, after.version);
        touch(&mut tx, before.incident_id, now).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Those of an incident and of what was merged into it, in the order in which they were made.
    pub async fn list(self, incident: IncidentId) -> Result<Vec<Task>> {
        let mut on = self.0.snapshot().await?;
        let tree = settle::tree(&mut on, incident).await?;
        let mut query = sql(SELECT);
        query.push(" AND incident_id IN ").list(tree).push(" ORDER BY task_id LIMIT 5000");
        query.all(&mut on).await?.iter().map(read).collect()
    }
}

fn changed(before: &Task, change: &TaskChange, actor: &Actor, now: Micros) -> Result<Task> {
    let mut after = before.clone();
    if let Some(title) = &change.title {
        after.title = line("title", title)?;
    }
    if let Some(assignee) = &change.assignee {
        after.assignee = maybe_line("assignee", assignee.as_deref())?;
    }
    if let Some(due) = change.due {
        after.due = due;
    }
    match (change.done, before.done_at) {
        (Some(true), None) => {
            after.done_at = Some(now);
            after.done_by = Some(actor.name.clone());
        }
        (Some(false), Some(_)) => {
            after.done_at = None;
            after.done_by = None;
        }
        _ => {}
    }
    if after != *before {
        after.version += 1;
    }
    Ok(after)
}

const SELECT: &str = "SELECT task_id, incident_id, title, assignee, due_at, done_at, done_by, \
     created_by, created_at, version FROM tasks WHERE 1 = 1";

async fn fetch(on: &mut AnyConnection, id: TaskId) -> Result<Task> {
    let mut query = sql(SELECT);
    query.push(" AND task_id = ").arg(id);
    let row = query.maybe(on).await?;
    row.as_ref().map_or_else(|| Err(LedgerError::not_found(Kind::Task, id)), read)
}

fn read(row: &Row) -> Result<Task> {
    Ok(Task {
        task_id: row.get("task_id")?,
        incident_id: row.get("incident_id")?,
        title: row.get("title")?,
        assignee: row.opt("assignee")?,
        due: row.opt("due_at")?,
        done_at: row.opt("done_at")?,
        done_by: row.opt("done_by")?,
        created_by: row.get("created_by")?,
        created_at: row.get("created_at")?,
        version: row.get("version")?,
    })
}
