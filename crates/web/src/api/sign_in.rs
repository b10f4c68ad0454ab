//! Ways to log in beside a password: an identity provider, Cloudflare Access, passkeys.

use std::net::SocketAddr;

use app::Floor;
use app::access::{Ended, Made, NewPasskey, PasskeyTold, Proof, Questioned, Returned, Visit, Ways};
use app::ledger::{Identity, UserId};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::auth::{self, LoggedIn, with_cookie};
use super::{Body, Listed, Path, Query, Whole};
use crate::caller::Came;
use crate::describe::{Answers, Created, Items, NoContent, Operation};
use crate::json::Json;
use crate::problem::Problem;
use crate::server::Secure;

/// The header with the token of Cloudflare Access.
const ASSERTION: &str = "cf-access-jwt-assertion";
/// The cookie that a browser keeps while it is at the identity provider.
const FLOW: &str = "__Host-watchfloor-openid";
const PLAIN_FLOW: &str = "watchfloor-openid";
/// Seconds that it is kept.
const FLOW_SECONDS: u32 = 600;

pub(crate) async fn ways(State(floor): State<Floor>) -> Json<Ways> {
    Json(floor.ways())
}

/// From where somebody comes, and with which program.
pub(crate) fn visit(from: SocketAddr, headers: &HeaderMap) -> Visit {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    Visit { address: from.ip().to_canonical(), agent: agent.to_owned() }
}

pub(crate) async fn begin_openid(
    State(floor): State<Floor>,
    axum::Extension(secure): axum::Extension<Secure>,
) -> Result<Away, Problem> {
    let begun = floor.begin_openid().await?;
    let cookie = flow_cookie(secure, &begun.kept, FLOW_SECONDS);
    Ok(Away { to: begun.url, cookies: vec![cookie] })
}

pub(crate) async fn end_openid(
    State(floor): State<Floor>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    axum::Extension(secure): axum::Extension<Secure>,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Result<Away, Problem> {
    let name = if secure.0 { FLOW } else { PLAIN_FLOW };
    let kept = crate::caller::cookie_named(&headers, &[name]);
    let ended = floor.end_openid(returned, kept, visit(from, &headers)).await?;
    let mut cookies = vec![flow_cookie(secure, "", 0)];
    if let Ended::In(token, _) = ended {
        cookies.push(auth::session_cookie(secure, &token));
    }
    Ok(Away { to: "/".to_owned(), cookies })
}

/// Elsewhere, with cookies.
pub(crate) struct Away {
    to: String,
    cookies: Vec<String>,
}

impl IntoResponse for Away {
    fn into_response(self) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        let headers = response.headers_mut();
        if let Ok(to) = HeaderValue::from_str(&self.to) {
            headers.insert(header::LOCATION, to);
        }
        let cookies = self.cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok());
        for cookie in cookies {
            headers.append(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl Answers for Away {
    fn tell(to: &mut Operation<'_>) {
        let headers = json!({
            "Location": { "description": "Where to go.", "schema": { "type": "string" } },
            "Set-Cookie": { "description": "What is kept meanwhile, or the session.",
                "schema": { "type": "string" } },
        });
        to.answers(StatusCode::SEE_OTHER, None, headers);
        // When it is not configured, when it is not believed, and when the user is there otherwise.
        for status in [
            StatusCode::NOT_FOUND,
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::CONFLICT,
        ] {
            to.goes_wrong(status);
        }
    }
}

/// Where the caller's browser goes to link an identity provider's word to them.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Leave {
    /// The address at the provider.
    url: String,
}

/// Where to go, with what the browser keeps meanwhile.
pub(crate) struct Leaving {
    url: String,
    cookie: String,
}

impl IntoResponse for Leaving {
    fn into_response(self) -> Response {
        with_cookie(Json(Leave { url: self.url }).into_response(), &self.cookie)
    }
}

impl Answers for Leaving {
    fn tell(to: &mut Operation<'_>) {
        let schema = to.answered::<Leave>();
        let content = json!({ "application/json": { "schema": schema } });
        let headers = json!({ "Set-Cookie": { "description": "What is kept meanwhile.",
            "schema": { "type": "string" } } });
        to.answers(StatusCode::OK, Some(content), headers);
    }
}

pub(crate) async fn begin_link(
    State(floor): State<Floor>,
    axum::Extension(secure): axum::Extension<Secure>,
    came: Came,
) -> Result<Leaving, Problem> {
    let begun = floor.begin_link(&came.caller).await?;
    let cookie = flow_cookie(secure, &begun.kept, FLOW_SECONDS);
    Ok(Leaving { url: begun.url, cookie })
}

pub(crate) async fn identities(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<Identity>, Problem> {
    Ok(Json(floor.identities(&came.caller, &page).await?))
}

pub(crate) async fn identities_of(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<UserId>,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<Identity>, Problem> {
    Ok(Json(floor.identities_of(&came.caller, id, &page).await?))
}

pub(crate) async fn unlink(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<UserId>,
) -> Result<NoContent, Problem> {
    floor.unlink(&came.caller, id).await?;
    Ok(NoContent)
}

pub(crate) async fn by_access(
    State(floor): State<Floor>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    axum::Extension(secure): axum::Extension<Secure>,
    headers: HeaderMap,
) -> Result<LoggedIn, Problem> {
    let assertion = headers.get(ASSERTION).and_then(|value| value.to_str().ok());
    let (token, caller) = floor.log_in_by_access(assertion, visit(from, &headers)).await?;
    Ok(LoggedIn::new(secure, &token, &caller))
}

pub(crate) async fn begin_passkey_login(
    State(floor): State<Floor>,
) -> Result<Json<Questioned>, Problem> {
    Ok(Json(floor.begin_passkey_login()?))
}

pub(crate) async fn by_passkey(
    State(floor): State<Floor>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    axum::Extension(secure): axum::Extension<Secure>,
    headers: HeaderMap,
    Body(proof): Body<Proof>,
) -> Result<LoggedIn, Problem> {
    let (token, caller) = floor.log_in_by_passkey(&proof, visit(from, &headers)).await?;
    Ok(LoggedIn::new(secure, &token, &caller))
}

pub(crate) async fn passkeys(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<PasskeyTold>, Problem> {
    Ok(Json(floor.passkeys(&came.caller, &page).await?))
}

pub(crate) async fn begin_passkey(
    State(floor): State<Floor>,
    came: Came,
) -> Result<Json<Questioned>, Problem> {
    Ok(Json(floor.begin_passkey(&came.caller).await?))
}

/// A passkey that was made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyBody {
    /// The word of the question.
    ceremony: String,
    /// What to call it.
    #[schemars(length(min = 1, max = 300))]
    name: String,
    /// What the browser tells: `toJSON()` of its `PublicKeyCredential`.
    credential: Made,
}

pub(crate) async fn add_passkey(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<PasskeyBody>,
) -> Result<Created<PasskeyTold>, Problem> {
    let PasskeyBody { ceremony, name, credential } = body;
    let new = NewPasskey { ceremony, name, credential };
    Ok(Created(floor.add_passkey(&came.caller, &new).await?))
}

pub(crate) async fn remove_passkey(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
) -> Result<NoContent, Problem> {
    floor.remove_passkey(&came.caller, &id).await?;
    Ok(NoContent)
}

pub(crate) async fn remove_factors(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<UserId>,
) -> Result<NoContent, Problem> {
    floor.remove_factors(&came.caller, id).await?;
    Ok(NoContent)
}

/// The cookie that comes back with a browser from the provider, which is another site: so it is `Lax`.
fn flow_cookie(secure: Secure, value: &str, seconds: u32) -> String {
    let (name, flag) = if secure.0 { (FLOW, "; Secure") } else { (PLAIN_FLOW, "") };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{flag}")
}
