//! Users, sessions, second factors, and tokens for programs.

use app::Floor;
use app::access::NewApiToken;
use app::ledger::{Role, UserChange};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use model::Micros;
use serde::Deserialize;
use serde_json::json;

use super::{Body, Path, given, parsed};
use crate::caller::Came;
use crate::problem::Problem;

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(json!({ "items": floor.users(&came.caller).await? })))
}

/// A user, with a first password that an admin hands over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserBody {
    login: String,
    name: String,
    role: Role,
    password: String,
}

pub(crate) async fn add(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<UserBody>,
) -> Result<impl IntoResponse, Problem> {
    let UserBody { login, name, role, password } = body;
    let made = floor.add_user(&came.caller, login, name, role, password).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// A change of a user. What is left out stays; `null` takes away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChangeBody {
    expected: Option<u64>,
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    email: Option<Option<String>>,
    role: Option<Role>,
    disabled: Option<bool>,
}

pub(crate) async fn change(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
    Body(body): Body<UserChangeBody>,
) -> Result<impl IntoResponse, Problem> {
    let UserChangeBody { expected, name, email, role, disabled } = body;
    let change = UserChange { name, email, role, disabled };
    Ok(Json(floor.change_user(&came.caller, parsed("user", &id)?, expected, &change).await?))
}

/// The old password and the new one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordBody {
    old: String,
    new: String,
}

pub(crate) async fn password(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<PasswordBody>,
) -> Result<impl IntoResponse, Problem> {
    floor.change_password(&came.caller, &came.token, body.old, body.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn enrol_code(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    let enrolment = floor.enrol_code(&came.caller).await?;
    Ok((StatusCode::CREATED, Json(json!({ "uri": enrolment.uri }))))
}

/// A code of an authenticator.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeBody {
    code: String,
}

pub(crate) async fn confirm_code(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<CodeBody>,
) -> Result<impl IntoResponse, Problem> {
    floor.confirm_code(&came.caller, &body.code).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn sessions(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(json!({ "items": floor.sessions(&came.caller).await? })))
}

pub(crate) async fn end_session(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    floor.end_session(&came.caller, parsed("session", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn tokens(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(json!({ "items": floor.api_tokens(&came.caller).await? })))
}

/// A token for a program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenBody {
    name: String,
    scopes: Vec<String>,
    expires: Option<Micros>,
}

pub(crate) async fn add_token(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<TokenBody>,
) -> Result<impl IntoResponse, Problem> {
    let TokenBody { name, scopes, expires } = body;
    let new = NewApiToken { name, scopes, expires };
    let (token, made) = floor.add_api_token(&came.caller, new).await?;
    Ok((StatusCode::CREATED, Json(json!({ "token": token.expose(), "about": made }))))
}

pub(crate) async fn revoke_token(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.revoke_api_token(&came.caller, parsed("token", &id)?).await?))
}
