//! JSON on its way out. What senders deliver is in it, and somebody looks at it in a terminal: what would
//! act there is spelled out, and means the same.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer in JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let text = match serde_json::to_string(&self.0) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let kind = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, kind)], model::inert_json(&text).into_owned()).into_response()
    }
}
