//! Logging in and out, and the first admin.

use std::net::SocketAddr;

use app::Floor;
use app::access::{self, Caller, FirstAdmin, Login, Permission, Proof, Token, Visit};
use app::ledger::{Session, User};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Body, sign_in};
use crate::caller::{COOKIE, Came, PLAIN_COOKIE};
use crate::describe::{Answers, Created, Operation};
use crate::json::Json;
use crate::problem::Problem;
use crate::server::Secure;

/// A login: name, password, and what else is needed where there is an authenticator or a passkey.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginBody {
    login: String,
    password: String,
    code: Option<String>,
    /// The answer of a passkey to the question of the answer before.
    passkey: Option<Proof>,
}

pub(crate) async fn log_in(
    State(floor): State<Floor>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    axum::Extension(secure): axum::Extension<Secure>,
    headers: HeaderMap,
    Body(body): Body<LoginBody>,
) -> Result<LoggedIn, Problem> {
    let Visit { address, agent } = sign_in::visit(from, &headers);
    let LoginBody { login, password, code, passkey } = body;
    let login = Login { login, password, code, passkey, address, agent };
    match floor.log_in(login).await? {
        access::LoggedIn::In(token, caller) => Ok(LoggedIn::new(secure, &token, &caller)),
        access::LoggedIn::MoreNeeded(more) => Err(Problem::more_needed(*more)),
    }
}

pub(crate) async fn log_out(
    State(floor): State<Floor>,
    axum::Extension(secure): axum::Extension<Secure>,
    came: Came,
) -> Result<LoggedOut, Problem> {
    floor.log_out(&came.caller, &came.token).await?;
    let cookie = cookie(secure, "", 0);
    let at_provider = floor.farewell(&came.caller).await.map(|url| Farewell { url });
    Ok(LoggedOut { cookie, at_provider })
}

/// Who the caller is and what they may do.
pub(crate) async fn me(came: Came) -> Json<Me> {
    Json(Me::of(&came.caller, &came.token))
}

/// Who the caller is and what they may do.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Me {
    /// As whom they come.
    user: User,
    /// What they may do.
    permissions: Vec<Permission>,
    /// The session of a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Session>,
    /// The session's own word, which changes carry in the header `x-csrf-token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
}

impl Me {
    fn of(caller: &Caller, token: &Token) -> Self {
        Self {
            user: caller.user.clone(),
            permissions: caller.permissions(),
            session: caller.session.clone(),
            csrf: caller.session.is_some().then(|| token.csrf()),
        }
    }
}

/// A session has begun.
pub(crate) struct LoggedIn {
    me: Me,
    cookie: String,
}

impl LoggedIn {
    pub(super) fn new(secure: Secure, token: &Token, caller: &Caller) -> Self {
        Self { me: Me::of(caller, token), cookie: session_cookie(secure, token) }
    }
}

impl IntoResponse for LoggedIn {
    fn into_response(self) -> Response {
        with_cookie(Json(self.me).into_response(), &self.cookie)
    }
}

impl Answers for LoggedIn {
    fn tell(to: &mut Operation<'_>) {
        let schema = to.answered::<Me>();
        let content = json!({ "application/json": { "schema": schema } });
        to.answers(StatusCode::OK, Some(content), cookie_header());
    }
}

/// A session has ended.
pub(crate) struct LoggedOut {
    cookie: String,
    at_provider: Option<Farewell>,
}

/// The session has ended here; at the identity provider by which it began, another goes on.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Farewell {
    /// Where a browser goes to end that one as well (OpenID Connect RP-Initiated Logout 1.0).
    url: String,
}

impl IntoResponse for LoggedOut {
    fn into_response(self) -> Response {
        let response = match self.at_provider {
            None => StatusCode::NO_CONTENT.into_response(),
            Some(farewell) => Json(farewell).into_response(),
        };
        with_cookie(response, &self.cookie)
    }
}

impl Answers for LoggedOut {
    fn tell(to: &mut Operation<'_>) {
        let schema = to.answered::<Farewell>();
        let content = json!({ "application/json": { "schema": schema } });
        to.answers(StatusCode::OK, Some(content), cookie_header());
        to.answers(StatusCode::NO_CONTENT, None, cookie_header());
    }
}

fn cookie_header() -> Value {
    json!({ "Set-Cookie": { "description": "The session.", "schema": { "type": "string" } } })
}

/// The first admin, by the one-time link.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupBody {
    link: String,
    login: String,
    name: String,
    password: String,
}

pub(crate) async fn setup(
    State(floor): State<Floor>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Body(body): Body<SetupBody>,
) -> Result<Created<User>, Problem> {
    let first = FirstAdmin {
        link: Token::presented(&body.link),
        login: body.login,
        name: body.name,
        password: body.password,
        address: from.ip().to_canonical(),
    };
    Ok(Created(floor.make_first_admin(first).await?))
}

/// The cookie of a session. The session itself may end earlier.
pub(super) fn session_cookie(secure: Secure, token: &Token) -> String {
    cookie(secure, token.expose(), 7 * 86_400)
}

fn cookie(secure: Secure, value: &str, seconds: u32) -> String {
    let (name, flag) = if secure.0 { (COOKIE, "; Secure") } else { (PLAIN_COOKIE, "") };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{flag}")
}

pub(super) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
