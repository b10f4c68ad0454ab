//! Versions as HTTP has them (RFC 9110, 8.8.3 and 13.1.1): an answer carries the version of what it tells as
//! `ETag`, and a change may say in `If-Match` on which one it was decided, as it may in `expected` of its body.

use app::{Failure, Kind};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::describe::{Answers, Operation, Takes};
use crate::json::Json;
use crate::problem::Problem;

/// On which version a change was decided, as the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// It does not say, or says that any will do.
    Any,
    /// On this one.
    Version(u64),
    /// On one that is none of ours.
    Nothing,
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut all = parts.headers.get_all(header::IF_MATCH).iter();
        let Some(value) = all.next() else { return Ok(Self::Any) };
        match value.to_str().map(str::trim) {
            Ok("*") => Ok(Self::Any),
            // A weak tag never matches.
            Ok(tag) if tag.starts_with("W/") => Ok(Self::Nothing),
            Ok(tag) if all.next().is_none() => {
                let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let inner = inner.filter(|inner| !inner.contains('"'));
                let inner =
                    inner.ok_or_else(|| Problem::bad("if-match: one version, as ETag has it"))?;
                Ok(inner.parse().map_or(Self::Nothing, Self::Version))
            }
            _ => Err(Problem::bad("if-match: one version, as ETag has it")),
        }
    }
}

impl IfMatch {
    /// The version that a change expects, by this header or by its body.
    pub(crate) fn expected(self, body: Option<u64>) -> Result<Option<u64>, Problem> {
        match (self, body) {
            (Self::Any, body) => Ok(body),
            (Self::Nothing, _) => Err(outdated("no version of this has this tag")),
            (Self::Version(version), None) => Ok(Some(version)),
            (Self::Version(version), Some(body)) if version == body => Ok(Some(version)),
            (Self::Version(_), Some(_)) => {
                Err(Problem::bad("if-match and `expected` name two versions"))
            }
        }
    }

    /// What to say when the change was refused.
    pub(crate) fn refused(self, failure: Failure) -> Problem {
        match (self, failure.kind) {
            (Self::Version(_), Kind::Outdated) => outdated(&failure.message),
            _ => failure.into(),
        }
    }
}

fn outdated(why: &str) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, why)
}

impl Takes for IfMatch {
    fn tell(to: &mut Operation<'_>) {
        to.header(json!({
            "name": "If-Match", "in": "header", "required": false,
            "description": "The `ETag` of what the change was decided on; as `expected` of the body, but what comes \
                too late is answered with 412.",
            "schema": { "type": "string", "pattern": "^(\\*|\"[0-9]{1,18}\")$" },
        }));
        to.goes_wrong(StatusCode::PRECONDITION_FAILED);
    }
}

/// Something that has a version.
pub(crate) struct Versioned<T>(pub(crate) u64, pub(crate) T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.1).into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.0)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

impl<T: JsonSchema> Answers for Versioned<T> {
    const KEPT: bool = true;

    fn tell(to: &mut Operation<'_>) {
        let schema = to.answered::<T>();
        let content = json!({ "application/json": { "schema": schema } });
        let headers =
            json!({ "ETag": { "description": "Its version.", "schema": { "type": "string" } } });
        to.answers(StatusCode::OK, Some(content), headers);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::Request;

    use super::*;

    async fn read(values: &[&str]) -> Result<IfMatch, StatusCode> {
        let mut request = Request::builder();
        for value in values {
            request = request.header("if-match", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let read = IfMatch::from_request_parts(&mut parts, &()).await;
        read.map_err(|problem| problem.into_response().status())
    }

    #[tokio::test]
    async fn a_tag_is_a_version_or_matches_nothing() {
        assert_eq!(read(&[]).await, Ok(IfMatch::Any));
        assert_eq!(read(&["*"]).await, Ok(IfMatch::Any));
        assert_eq!(read(&["\"7\""]).await, Ok(IfMatch::Version(7)));
        for other in ["W/\"7\"", "\"seven\"", "\"\"", "\"-7\"", "\"99999999999999999999\""] {
            assert_eq!(read(&[other]).await, Ok(IfMatch::Nothing), "{other}");
        }
        for wrong in [&["7"][..], &["\"7"], &["\"7\", \"8\""], &["\"7\"", "\"8\""], &[""]] {
            assert_eq!(read(wrong).await, Err(StatusCode::BAD_REQUEST), "{wrong:?}");
        }
        assert_eq!(IfMatch::Version(7).expected(Some(7)).unwrap(), Some(7));
        assert!(IfMatch::Version(7).expected(Some(8)).is_err());
        assert!(IfMatch::Nothing.expected(None).is_err());
    }
}
