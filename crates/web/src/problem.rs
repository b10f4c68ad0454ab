//! Problems as documents (RFC 9457): what is wrong, in a sentence that a person understands, and what
//! could be done about it.

use std::time::Duration;

use app::access::{More, Questioned};
use app::{Failure, Kind};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::json::Json;

/// What is wrong (RFC 9457).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// What kind of problem; where it says nothing beyond the status, `about:blank`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status, in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong, in a sentence.
    detail: String,
    /// What could be done about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
    /// True when the password is right and the code of an authenticator is needed too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    code_needed: bool,
    /// When the password is right and a passkey would do: the question to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    passkey: Option<Box<Questioned>>,
    /// When to come again.
    #[serde(skip)]
    after: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            hints: Vec::new(),
            code_needed: false,
            passkey: None,
            after: None,
        }
    }

    /// The password is right, and is not enough.
    pub(crate) fn more_needed(more: More) -> Self {
        let More { code, passkey } = more;
        let detail = match (code, &passkey) {
            (true, Some(_)) => "the code of the authenticator or a passkey is needed too",
            (false, Some(_)) => "a passkey is needed too",
            _ => "the code of the authenticator is needed too",
        };
        let passkey = passkey.map(Box::new);
        Self { code_needed: code, passkey, ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// What each kind of failure is in HTTP.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Usage | Kind::Content => StatusCode::BAD_REQUEST,
        Kind::TooMuch => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Nothing | Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict | Kind::Outdated => StatusCode::CONFLICT,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        Kind::System | Kind::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Defect => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        if failure.kind == Kind::Defect {
            tracing::error!(%failure, "a defect");
        }
        let Failure { kind, message, hints, after } = failure;
        Self { hints, after, ..Self::new(status(kind), message) }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let after = self.after.map_or(5, |after| after.as_secs_f64().ceil().max(1.0) as u64);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        response
    }
}
