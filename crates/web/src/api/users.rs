//! Users, sessions, second factors, and tokens for programs.

use app::Floor;
use app::access::NewApiToken;
use app::ledger::{ApiToken, Role, Session, SessionId, TokenId, User, UserChange, UserId};
use axum::extract::State;
use model::Micros;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Body, Listed, Path, Whole, given};
use crate::caller::Came;
use crate::describe::{Created, Items, NoContent};
use crate::json::Json;
use crate::problem::Problem;
use crate::version::{IfMatch, Versioned};

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<User>, Problem> {
    Ok(Json(floor.users(&came.caller, &page).await?))
}

/// A user, with a first password that an admin hands over.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserBody {
    #[schemars(length(min = 1, max = 300))]
    login: String,
    #[schemars(length(min = 1, max = 300))]
    name: String,
    role: Role,
    password: String,
}

pub(crate) async fn add(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<UserBody>,
) -> Result<Created<User>, Problem> {
    let UserBody { login, name, role, password } = body;
    let made = floor.add_user(&came.caller, login, name, role, password).await?;
    Ok(Created(made))
}

/// A change of a user. What is left out stays; `null` takes away.
#[derive(Debug, Deserialize, JsonSchema)]
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
    Path(id): Path<UserId>,
    tag: IfMatch,
    Body(body): Body<UserChangeBody>,
) -> Result<Versioned<User>, Problem> {
    let UserChangeBody { expected, name, email, role, disabled } = body;
    let change = UserChange { name, email, role, disabled };
    let expected = tag.expected(expected)?;
    let changed = floor.change_user(&came.caller, id, expected, &change).await;
    let user = changed.map_err(|failure| tag.refused(failure))?;
    Ok(Versioned(user.version, user))
}

/// The old password and the new one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordBody {
    old: String,
    new: String,
}

pub(crate) async fn password(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<PasswordBody>,
) -> Result<NoContent, Problem> {
    floor.change_password(&came.caller, &came.token, body.old, body.new).await?;
    Ok(NoContent)
}

pub(crate) async fn enrol_code(
    State(floor): State<Floor>,
    came: Came,
) -> Result<Created<Enrolled>, Problem> {
    let enrolment = floor.enrol_code(&came.caller).await?;
    Ok(Created(Enrolled { uri: enrolment.uri }))
}

/// An authenticator that is being set up.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Enrolled {
    /// What the authenticator reads: an `otpauth:` address.
    uri: String,
}

/// A code of an authenticator.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeBody {
    code: String,
}

pub(crate) async fn confirm_code(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<CodeBody>,
) -> Result<NoContent, Problem> {
    floor.confirm_code(&came.caller, &body.code).await?;
    Ok(NoContent)
}

pub(crate) async fn sessions(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<Session>, Problem> {
    Ok(Json(floor.sessions(&came.caller, &page).await?))
}

pub(crate) async fn end_session(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<SessionId>,
) -> Result<NoContent, Problem> {
    floor.end_session(&came.caller, id).await?;
    Ok(NoContent)
}

pub(crate) async fn tokens(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<ApiToken>, Problem> {
    Ok(Json(floor.api_tokens(&came.caller, &page).await?))
}

/// A token for a program.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenBody {
    #[schemars(length(min = 1, max = 300))]
    name: String,
    scopes: Vec<String>,
    expires: Option<Micros>,
}

pub(crate) async fn add_token(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<TokenBody>,
) -> Result<Created<ApiTokenGiven>, Problem> {
    let TokenBody { name, scopes, expires } = body;
    let new = NewApiToken { name, scopes, expires };
    let (token, made) = floor.add_api_token(&came.caller, new).await?;
    Ok(Created(ApiTokenGiven { token: token.expose().to_owned(), about: made }))
}

/// A token that was made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ApiTokenGiven {
    /// The token, shown this once.
    token: String,
    /// What is known of it.
    about: ApiToken,
}

pub(crate) async fn revoke_token(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<TokenId>,
) -> Result<Json<ApiToken>, Problem> {
    Ok(Json(floor.revoke_api_token(&came.caller, id).await?))
}
