//! How the floor is, what changes on it as it changes, and the audit trail.

use std::convert::Infallible;

use app::Floor;
use app::ledger::News;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Deserialize;
use serde_json::json;

use super::{PageQuery, Query};
use crate::caller::Came;
use crate::problem::Problem;

/// Whether it works, for a load balancer: nobody need say who they are, and nothing else is told.
pub(crate) async fn health(State(floor): State<Floor>) -> Response {
    let well = floor.status().well;
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "well": well }))).into_response()
}

pub(crate) async fn status(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.status_for(&came.caller)?))
}

pub(crate) async fn reload(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    let problems = floor.reload_for(&came.caller).await?;
    Ok(Json(json!({ "problems": problems })))
}

pub(crate) async fn rules(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(json!({ "items": floor.rules(&came.caller)? })))
}

/// Changes as they happen, as server-sent events. An event says what to look at again, never what it now
/// says; `missed` says that all of it should be looked at again.
pub(crate) async fn events(
    State(floor): State<Floor>,
    came: Came,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let changes = floor.changes(&came.caller)?;
    let stream = futures::stream::unfold(changes, |mut changes| async move {
        let event = match changes.next().await? {
            News::Change(change) => Event::default().event("change").json_data(&change),
            News::Missed(count) => {
                Event::default().event("missed").json_data(json!({ "missed": count }))
            }
        };
        Some((Ok(event.unwrap_or_default()), changes))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// Which entries of the audit trail.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AuditQuery {
    actor: Option<String>,
    action: Option<String>,
}

pub(crate) async fn audit(
    State(floor): State<Floor>,
    came: Came,
    Query(query): Query<AuditQuery>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    let found = floor.audit(&came.caller, query.actor, query.action, &page.paging()).await?;
    Ok(Json(found))
}

pub(crate) async fn verify(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.verify_audit(&came.caller).await?))
}
