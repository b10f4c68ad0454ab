//! Incidents, their comments, tasks and merges.

use app::Floor;
use app::ledger::{
    IncidentChange, IncidentFilter, IncidentOrder, IncidentStatus, NewIncident, NewTask, On,
    TaskChange,
};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use model::{AlertId, IncidentId, Level, Micros};
use serde::Deserialize;

use super::alerts::{CommentBody, entity, level, owner, time};
use super::{Body, PageQuery, Path, Query, given, parsed, word, words};
use crate::caller::Came;
use crate::problem::Problem;

/// Which incidents.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IncidentQuery {
    status: Option<String>,
    owner: Option<String>,
    level: Option<String>,
    entity: Option<String>,
    text: Option<String>,
    from: Option<String>,
    to: Option<String>,
    order: Option<String>,
}

impl IncidentQuery {
    fn filter(&self) -> Result<IncidentFilter, Problem> {
        let statuses =
            words(self.status.as_ref()).map(|text| word("status", text, IncidentStatus::from_name));
        Ok(IncidentFilter {
            statuses: statuses.collect::<Result<_, _>>()?,
            owner: owner(self.owner.as_deref()),
            level: level(self.level.as_deref())?,
            entity: entity(self.entity.as_deref())?,
            text: self.text.clone(),
            from: time("from", self.from.as_deref())?,
            to: time("to", self.to.as_deref())?,
        })
    }
}

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
    Query(query): Query<IncidentQuery>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    let order = match query.order.as_deref() {
        None | Some("latest") => IncidentOrder::Latest,
        Some("gravest") => IncidentOrder::Gravest,
        Some(_) => return Err(Problem::bad("order: latest or gravest")),
    };
    let filter = query.filter()?;
    Ok(Json(floor.incidents(&came.caller, &filter, order, &page.paging()).await?))
}

pub(crate) async fn one(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.incident(&came.caller, id).await?))
}

/// An incident that a person opens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenBody {
    title: String,
    severity: Level,
    #[serde(default)]
    alerts: Vec<AlertId>,
}

pub(crate) async fn open(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<OpenBody>,
) -> Result<impl IntoResponse, Problem> {
    let OpenBody { title, severity, alerts } = body;
    let new = NewIncident { title, severity, alerts };
    Ok((StatusCode::CREATED, Json(floor.open_incident(&came.caller, &new).await?)))
}

/// A decision on an incident. What is left out stays; `null` takes away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentBody {
    /// The version that the decision was made on.
    expected: Option<u64>,
    status: Option<IncidentStatus>,
    #[serde(default, deserialize_with = "given")]
    owner: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    severity: Option<Option<Level>>,
    #[serde(default, deserialize_with = "given")]
    title: Option<Option<String>>,
}

pub(crate) async fn change(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<IncidentBody>,
) -> Result<impl IntoResponse, Problem> {
    let IncidentBody { expected, status, owner, severity, title } = body;
    let change = IncidentChange { status, owner, severity, title };
    Ok(Json(floor.change_incident(&came.caller, id, expected, &change).await?))
}

/// The version that somebody looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReopenBody {
    expected: Option<u64>,
}

pub(crate) async fn reopen(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<ReopenBody>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.reopen_incident(&came.caller, id, body.expected).await?))
}

/// Alerts to put into an incident, and to take out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MoveBody {
    add: Vec<AlertId>,
    remove: Vec<AlertId>,
}

pub(crate) async fn move_alerts(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<MoveBody>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.move_alerts(&came.caller, id, &body.add, &body.remove).await?))
}

/// The incident that takes the other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeBody {
    into: IncidentId,
}

pub(crate) async fn merge(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<MergeBody>,
) -> Result<impl IntoResponse, Problem> {
    let made = floor.merge_incidents(&came.caller, id, body.into).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

pub(crate) async fn undo_merge(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.undo_merge(&came.caller, parsed("merge", &id)?).await?))
}

pub(crate) async fn comments(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.comments(&came.caller, On::Incident(id), &page.paging()).await?))
}

pub(crate) async fn comment(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<CommentBody>,
) -> Result<impl IntoResponse, Problem> {
    let made = floor.add_comment(&came.caller, On::Incident(id), &body.text).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

pub(crate) async fn tasks(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.tasks(&came.caller, id).await?))
}

/// A task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskBody {
    title: String,
    assignee: Option<String>,
    due: Option<Micros>,
}

pub(crate) async fn add_task(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<TaskBody>,
) -> Result<impl IntoResponse, Problem> {
    let TaskBody { title, assignee, due } = body;
    let made = floor.add_task(&came.caller, id, &NewTask { title, assignee, due }).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// A change of a task. What is left out stays; `null` takes away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskChangeBody {
    expected: Option<u64>,
    title: Option<String>,
    #[serde(default, deserialize_with = "given")]
    assignee: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    due: Option<Option<Micros>>,
    done: Option<bool>,
}

pub(crate) async fn change_task(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
    Body(body): Body<TaskChangeBody>,
) -> Result<impl IntoResponse, Problem> {
    let TaskChangeBody { expected, title, assignee, due, done } = body;
    let change = TaskChange { title, assignee, due, done };
    let id = parsed("task", &id)?;
    Ok(Json(floor.change_task(&came.caller, id, expected, &change).await?))
}
