//! Logging in and out, and the first admin.

use std::net::SocketAddr;

use app::Floor;
use app::access::{Caller, FirstAdmin, LoggedIn, Login, Token};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Body;
use crate::caller::{COOKIE, Came, PLAIN_COOKIE};
use crate::problem::Problem;
use crate::server::Secure;

/// A login: name, password, and the authenticator's code where there is one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginBody {
    login: String,
    password: String,
    code: Option<String>,
}

pub(crate) async fn log_in(
    State(floor): State<Floor>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    axum::Extension(secure): axum::Extension<Secure>,
    headers: HeaderMap,
    Body(body): Body<LoginBody>,
) -> Result<Response, Problem> {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let login = Login {
        login: body.login,
        password: body.password,
        code: body.code,
        address: from.ip().to_canonical(),
        agent: agent.to_owned(),
    };
    match floor.log_in(login).await? {
        LoggedIn::In(token, caller) => {
            let mut response = Json(told(&caller, &token)).into_response();
            set_cookie(&mut response, &cookie(secure, token.expose(), 7 * 86_400));
            Ok(response)
        }
        LoggedIn::CodeNeeded => {
            Ok((StatusCode::UNAUTHORIZED, Json(json!({ "code_needed": true }))).into_response())
        }
    }
}

pub(crate) async fn log_out(
    State(floor): State<Floor>,
    axum::Extension(secure): axum::Extension<Secure>,
    came: Came,
) -> Result<Response, Problem> {
    floor.log_out(&came.caller, &came.token).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, &cookie(secure, "", 0));
    Ok(response)
}

/// Who the caller is and what they may do.
pub(crate) async fn me(came: Came) -> Json<Value> {
    Json(told(&came.caller, &came.token))
}

/// The first admin, by the one-time link.
#[derive(Deserialize)]
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
) -> Result<Response, Problem> {
    let first = FirstAdmin {
        link: Token::presented(&body.link),
        login: body.login,
        name: body.name,
        password: body.password,
        address: from.ip().to_canonical(),
    };
    let user = floor.make_first_admin(first).await?;
    Ok((StatusCode::CREATED, Json(user)).into_response())
}

fn told(caller: &Caller, token: &Token) -> Value {
    let mut told = json!({ "user": caller.user, "permissions": caller.permissions() });
    if let (Some(session), Some(map)) = (&caller.session, told.as_object_mut()) {
        map.insert("session".to_owned(), json!(session));
        map.insert("csrf".to_owned(), json!(token.csrf()));
    }
    told
}

fn cookie(secure: Secure, value: &str, seconds: u32) -> String {
    let (name, flag) = if secure.0 { (COOKIE, "; Secure") } else { (PLAIN_COOKIE, "") };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{flag}")
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}
