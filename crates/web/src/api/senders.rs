//! Who may deliver logs, and how well they are heard.

use app::Floor;
use app::ledger::SenderForm;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use model::Micros;
use serde::Deserialize;
use serde_json::json;

use super::{Body, Path, parsed};
use crate::caller::Came;
use crate::problem::Problem;

/// A sender as it is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SenderBody {
    expected: Option<u64>,
    name: String,
    /// By what way it delivers; `http` unless said.
    #[serde(default = "http")]
    kind: String,
    client_name: Option<String>,
    definition: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    /// Events a second.
    rate_limit: Option<u64>,
    /// Seconds of silence after which an alert is raised.
    silent_after: Option<u64>,
    #[serde(default = "yes")]
    enabled: bool,
}

fn http() -> String {
    "http".to_owned()
}

fn yes() -> bool {
    true
}

impl SenderBody {
    fn form(self) -> SenderForm {
        SenderForm {
            name: self.name,
            kind: self.kind,
            client_name: self.client_name,
            definition: self.definition,
            tags: self.tags,
            rate_limit: self.rate_limit,
            silent_after: self.silent_after.map(|seconds| seconds.saturating_mul(1_000_000)),
            enabled: self.enabled,
        }
    }
}

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(json!({ "items": floor.senders(&came.caller).await? })))
}

pub(crate) async fn add(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<SenderBody>,
) -> Result<impl IntoResponse, Problem> {
    let made = floor.add_sender(&came.caller, &body.form()).await?;
    let told = json!({ "sender": made.sender, "token": made.token.expose() });
    Ok((StatusCode::CREATED, Json(told)))
}

pub(crate) async fn change(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
    Body(body): Body<SenderBody>,
) -> Result<impl IntoResponse, Problem> {
    let id = parsed("sender", &id)?;
    let expected = body.expected;
    Ok(Json(floor.change_sender(&came.caller, id, expected, &body.form()).await?))
}

/// Until when tokens that were given before work; now, unless said.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RotateBody {
    retire: Option<Micros>,
}

pub(crate) async fn rotate(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
    Body(body): Body<RotateBody>,
) -> Result<impl IntoResponse, Problem> {
    let token = floor.rotate_token(&came.caller, parsed("sender", &id)?, body.retire).await?;
    Ok((StatusCode::CREATED, Json(json!({ "token": token.expose() }))))
}

pub(crate) async fn sources(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(json!({ "items": floor.sources(&came.caller).await? })))
}
