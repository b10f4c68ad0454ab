//! How the floor is, what changes on it as it changes, and the audit trail.

use std::convert::Infallible;
use std::sync::LazyLock;
use std::time::Duration;

use app::ledger::{Entry, News, Verified};
use app::{Floor, Status};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::Listed;
use crate::caller::Came;
use crate::describe::{self, Answers, Items, Operation};
use crate::json::Json;
use crate::problem::Problem;

/// Whether it works, for a load balancer: nobody need say who they are, and nothing else is told.
pub(crate) async fn health(State(floor): State<Floor>) -> Health {
    let status = floor.status();
    let troubles = status.troubles.iter().map(|trouble| trouble.part).collect();
    Health { well: status.well, troubles }
}

/// Whether the floor works.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Health {
    /// True when nothing is in trouble.
    well: bool,
    /// The parts that are in trouble: `log`, `ledger`, `lake` and others. `/api/v1/status` says more.
    troubles: Vec<&'static str>,
}

impl IntoResponse for Health {
    fn into_response(self) -> Response {
        let status = if self.well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self)).into_response()
    }
}

impl Answers for Health {
    fn tell(to: &mut Operation<'_>) {
        let schema = to.answered::<Self>();
        for status in [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE] {
            let content = json!({ "application/json": { "schema": schema } });
            to.answers(status, Some(content), json!({}));
        }
    }
}

/// This description.
pub(crate) async fn openapi() -> Json<Document> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(describe::openapi);
    Json(Document(&DOCUMENT))
}

/// A document of OpenAPI.
#[derive(Serialize, JsonSchema)]
#[schemars(with = "serde_json::Map<String, Value>")]
pub(crate) struct Document(&'static Value);

pub(crate) async fn status(
    State(floor): State<Floor>,
    came: Came,
) -> Result<Json<Status>, Problem> {
    Ok(Json(floor.status_for(&came.caller)?))
}

pub(crate) async fn reload(
    State(floor): State<Floor>,
    came: Came,
) -> Result<Json<Reloaded>, Problem> {
    let problems = floor.reload_for(&came.caller).await?;
    Ok(Json(Reloaded { problems }))
}

/// The content was loaded anew.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Reloaded {
    /// Mistakes in it; what they stand in was left out.
    problems: Vec<String>,
}

/// How often it is asked whether the listener of a stream could still come in.
const RECHECK: Duration =
    if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(15) };

/// Changes as they happen, as server-sent events. An event says what to look at again, never what it now
/// says; `missed` says that all of it should be looked at again. The stream ends when its listener's session or token does.
pub(crate) async fn events(
    State(floor): State<Floor>,
    came: Came,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let changes = floor.changes(&came.caller)?;
    let mut checks = tokio::time::interval(RECHECK);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begin = (floor, came, changes, checks);
    let stream = futures::stream::unfold(begin, |(floor, came, mut changes, mut checks)| async {
        let news = loop {
            tokio::select! {
                news = changes.next() => break news?,
                _ = checks.tick() => {
                    let still = floor.is_still_in(&came.caller, &came.token).await;
                    // A ledger that is busy says nothing about the caller.
                    if matches!(still, Ok(false)) {
                        return None;
                    }
                }
            }
        };
        let event = match news {
            News::Change(change) => Event::default().event("change").json_data(&change),
            News::Missed(count) => {
                Event::default().event("missed").json_data(json!({ "missed": count }))
            }
        };
        Some((Ok(event.unwrap_or_default()), (floor, came, changes, checks)))
    });
    // Proxies pass the head of an answer on with the first of its body.
    let open = futures::stream::once(async { Ok(Event::default().comment("open")) });
    Ok(Sse::new(open.chain(stream)).keep_alive(KeepAlive::default()))
}

/// Which entries of the audit trail.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// Who, as entries name them.
    actor: Option<String>,
    /// What was done, or what its name begins with: `incident.`.
    action: Option<String>,
}

pub(crate) async fn audit(
    State(floor): State<Floor>,
    came: Came,
    Listed(query, page): Listed<AuditQuery>,
) -> Result<Items<Entry>, Problem> {
    let found = floor.audit(&came.caller, query.actor, query.action, &page).await?;
    Ok(Json(found))
}

pub(crate) async fn verify(
    State(floor): State<Floor>,
    came: Came,
) -> Result<Json<Verified>, Problem> {
    Ok(Json(floor.verify_audit(&came.caller).await?))
}
