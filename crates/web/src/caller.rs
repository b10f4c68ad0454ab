//! Who makes a request: the session of a browser (a cookie), or a program with a token.
//!
//! A browser sends its cookie along with requests that other sites make it send. So a request that
//! changes something and comes with a cookie must also carry the session's own word in a header, which
//! other sites do not know and could not set (OWASP, Cross-Site Request Forgery Prevention).

use std::net::{IpAddr, SocketAddr};

use app::access::{Caller, Token};
use app::{Failure, Floor, Kind};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use crate::problem::Problem;

/// The cookie's name. The prefix makes browsers refuse it from other hosts and without TLS.
pub(crate) const COOKIE: &str = "__Host-watchfloor";
/// Without TLS, on one's own machine, browsers would refuse the prefix.
pub(crate) const PLAIN_COOKIE: &str = "watchfloor";
/// The header with the session's own word.
pub(crate) const CSRF: &str = "x-csrf-token";

/// A caller, with the token that they came with.
#[derive(Clone)]
pub(crate) struct Came {
    pub(crate) caller: Caller,
    pub(crate) token: Token,
}

impl FromRequestParts<Floor> for Came {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, floor: &Floor) -> Result<Self, Problem> {
        // The route's own check has asked already.
        if let Some(came) = parts.extensions.get::<Self>() {
            return Ok(came.clone());
        }
        let address = address(parts);
        if let Some(token) = bearer(&parts.headers) {
            let caller = floor.by_token(&token, address).await?;
            return Ok(Self { caller, token });
        }
        let Some(token) = cookie(&parts.headers) else {
            return Err(Failure::new(Kind::Unauthenticated, "log in, or send a token").into());
        };
        let caller = floor.by_session(&token, address).await?;
        let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let word = parts.headers.get(CSRF).and_then(|value| value.to_str().ok());
        if !safe && word != Some(token.csrf().as_str()) {
            let message = format!("a change by a session carries its word in the header {CSRF}");
            return Err(Failure::new(Kind::Denied, message).into());
        }
        Ok(Self { caller, token })
    }
}

/// The address at the other end of the connection.
pub(crate) fn address(parts: &Parts) -> IpAddr {
    let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    connected.map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip().to_canonical())
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<Token> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Token::presented(token.trim()))
}

/// The token of the session's cookie.
fn cookie(headers: &HeaderMap) -> Option<Token> {
    cookie_named(headers, &[COOKIE, PLAIN_COOKIE]).map(Token::presented)
}

/// The first cookie that has one of these names.
pub(crate) fn cookie_named<'h>(headers: &'h HeaderMap, names: &[&str]) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| names.contains(name)).map(|(_, value)| value)
}
