//! Incidents, their comments, tasks and merges.

use app::ledger::{
    Comment, IncidentChange, IncidentFilter, IncidentOrder, IncidentRow, IncidentStatus, Merge,
    MergeId, NewIncident, NewTask, On, Task, TaskChange, TaskId,
};
use app::{Floor, IncidentReport};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{AlertId, IncidentId, Level, Micros};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::alerts::{CommentBody, ENTITY, entity, owner};
use super::{Body, Listed, Path, Query, Whole, given, word, words};
use crate::caller::Came;
use crate::describe::{Answers, Created, Items, Operation};
use crate::json::Json;
use crate::problem::Problem;
use crate::version::{IfMatch, Versioned};

/// Which incidents.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct IncidentQuery {
    /// Statuses, with commas between them: `new`, `in_progress`, `contained`, `resolved`, `closed`.
    status: Option<String>,
    /// A login, or `none`.
    owner: Option<String>,
    /// Shown with this level or a graver one.
    level: Option<Level>,
    /// What it is about, such as `user:anna` or `address:192.0.2.7`.
    #[schemars(regex(pattern = ENTITY))]
    entity: Option<String>,
    /// Words, all of which must be in title, summary, entities or reason.
    #[schemars(length(max = 300))]
    text: Option<String>,
    /// Still going on at or after this time.
    from: Option<Micros>,
    /// Begun before this time.
    to: Option<Micros>,
    /// The latest first, unless said.
    order: Option<OrderWord>,
}

/// In which order incidents come.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "IncidentOrderWord")]
pub(crate) enum OrderWord {
    Latest,
    Gravest,
}

impl IncidentQuery {
    fn filter(&self) -> Result<IncidentFilter, Problem> {
        let statuses =
            words(self.status.as_ref()).map(|text| word("status", text, IncidentStatus::from_name));
        Ok(IncidentFilter {
            statuses: statuses.collect::<Result<_, _>>()?,
            owner: owner(self.owner.as_deref()),
            level: self.level,
            entity: entity(self.entity.as_deref())?,
            text: self.text.clone(),
            from: self.from,
            to: self.to,
        })
    }
}

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
    Listed(query, page): Listed<IncidentQuery>,
) -> Result<Items<IncidentRow>, Problem> {
    let order = match query.order {
        None | Some(OrderWord::Latest) => IncidentOrder::Latest,
        Some(OrderWord::Gravest) => IncidentOrder::Gravest,
    };
    let filter = query.filter()?;
    Ok(Json(floor.incidents(&came.caller, &filter, order, &page).await?))
}

pub(crate) async fn one(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
) -> Result<Versioned<IncidentRow>, Problem> {
    let row = floor.incident(&came.caller, id).await?;
    Ok(Versioned(row.version, row))
}

/// The form of a report.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReportForm {
    /// One page that fetches nothing.
    #[default]
    Html,
    /// Pages to print, mail and file.
    Pdf,
    /// Text for a ticket or a wiki.
    Markdown,
    /// All of it, for programs.
    Json,
}

/// How a report is wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReportQuery {
    /// The form; `html` unless said.
    form: ReportForm,
    /// To look at it in the browser, in HTML; other forms, and HTML unless said, are files to keep.
    show: bool,
}

pub(crate) async fn report(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Query(query): Query<ReportQuery>,
) -> Result<ReportFile, Problem> {
    let name = match query.form {
        ReportForm::Html => "html",
        ReportForm::Pdf => "pdf",
        ReportForm::Markdown => "markdown",
        ReportForm::Json => "json",
    };
    let report = floor.incident_report(&came.caller, id, name).await?;
    Ok(ReportFile { report, show: query.show && matches!(query.form, ReportForm::Html) })
}

/// A report as a file. What senders wrote is in it, so a browser that shows it runs no script for it, gives it no
/// origin and fetches nothing.
pub(crate) struct ReportFile {
    report: IncidentReport,
    show: bool,
}

impl IntoResponse for ReportFile {
    fn into_response(self) -> Response {
        let IncidentReport { bytes, media_type, file, policy } = self.report;
        let place = if self.show { "inline" } else { "attachment" };
        let policy = format!("sandbox; {policy}; frame-ancestors 'none'");
        let mut response = bytes.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        // What is not a header's value by some mistake must not leave a browser without a policy.
        let strict = HeaderValue::from_static("sandbox; default-src 'none'");
        let policy = HeaderValue::from_str(&policy).unwrap_or(strict);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        let named = HeaderValue::from_str(&format!("{place}; filename=\"{file}\""));
        let named = named.unwrap_or(HeaderValue::from_static("attachment"));
        headers.insert(header::CONTENT_DISPOSITION, named);
        response
    }
}

impl Answers for ReportFile {
    fn tell(to: &mut Operation<'_>) {
        let content = json!({
            "text/html": { "schema": { "type": "string" } },
            "application/pdf": {},
            "text/markdown": { "schema": { "type": "string" } },
            "application/json": { "schema": { "type": "object" } },
        });
        let headers = json!({ "Content-Disposition": {
            "description": "Whether it is to be kept or looked at, and a name for the file.",
            "schema": { "type": "string" },
        } });
        to.answers(StatusCode::OK, Some(content), headers);
    }
}

/// An incident that a person opens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenBody {
    #[schemars(length(min = 1, max = 300))]
    title: String,
    severity: Level,
    #[serde(default)]
    alerts: Vec<AlertId>,
}

pub(crate) async fn open(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<OpenBody>,
) -> Result<Created<IncidentRow>, Problem> {
    let OpenBody { title, severity, alerts } = body;
    let new = NewIncident { title, severity, alerts };
    Ok(Created(floor.open_incident(&came.caller, &new).await?))
}

/// A decision on an incident. What is left out stays; `null` takes away.
#[derive(Debug, Deserialize, JsonSchema)]
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
    tag: IfMatch,
    Body(body): Body<IncidentBody>,
) -> Result<Versioned<IncidentRow>, Problem> {
    let IncidentBody { expected, status, owner, severity, title } = body;
    let change = IncidentChange { status, owner, severity, title };
    let expected = tag.expected(expected)?;
    let changed = floor.change_incident(&came.caller, id, expected, &change).await;
    let row = changed.map_err(|failure| tag.refused(failure))?;
    Ok(Versioned(row.version, row))
}

/// The version that somebody looked at.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReopenBody {
    expected: Option<u64>,
}

pub(crate) async fn reopen(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<ReopenBody>,
) -> Result<Json<IncidentRow>, Problem> {
    Ok(Json(floor.reopen_incident(&came.caller, id, body.expected).await?))
}

/// Alerts to put into an incident, and to take out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
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
) -> Result<Json<IncidentRow>, Problem> {
    Ok(Json(floor.move_alerts(&came.caller, id, &body.add, &body.remove).await?))
}

/// The incident that takes the other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeBody {
    into: IncidentId,
}

pub(crate) async fn merge(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<MergeBody>,
) -> Result<Created<Merge>, Problem> {
    let made = floor.merge_incidents(&came.caller, id, body.into).await?;
    Ok(Created(made))
}

pub(crate) async fn merges(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<Merge>, Problem> {
    Ok(Json(floor.merges(&came.caller, id, &page).await?))
}

pub(crate) async fn undo_merge(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<MergeId>,
) -> Result<Json<Merge>, Problem> {
    Ok(Json(floor.undo_merge(&came.caller, id).await?))
}

pub(crate) async fn comments(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<Comment>, Problem> {
    Ok(Json(floor.comments(&came.caller, On::Incident(id), &page).await?))
}

pub(crate) async fn comment(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<CommentBody>,
) -> Result<Created<Comment>, Problem> {
    let made = floor.add_comment(&came.caller, On::Incident(id), &body.text).await?;
    Ok(Created(made))
}

pub(crate) async fn tasks(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<Task>, Problem> {
    Ok(Json(floor.tasks(&came.caller, id, &page).await?))
}

/// A task.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskBody {
    #[schemars(length(min = 1, max = 300))]
    title: String,
    assignee: Option<String>,
    due: Option<Micros>,
}

pub(crate) async fn add_task(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<IncidentId>,
    Body(body): Body<TaskBody>,
) -> Result<Created<Task>, Problem> {
    let TaskBody { title, assignee, due } = body;
    let made = floor.add_task(&came.caller, id, &NewTask { title, assignee, due }).await?;
    Ok(Created(made))
}

/// A change of a task. What is left out stays; `null` takes away.
#[derive(Debug, Deserialize, JsonSchema)]
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
    Path(id): Path<TaskId>,
    tag: IfMatch,
    Body(body): Body<TaskChangeBody>,
) -> Result<Versioned<Task>, Problem> {
    let TaskChangeBody { expected, title, assignee, due, done } = body;
    let change = TaskChange { title, assignee, due, done };
    let expected = tag.expected(expected)?;
    let changed = floor.change_task(&came.caller, id, expected, &change).await;
    let task = changed.map_err(|failure| tag.refused(failure))?;
    Ok(Versioned(task.version, task))
}
