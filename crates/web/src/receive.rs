//! Where senders deliver logs over HTTP. A `200` means that the bytes are on the disk.

use std::net::SocketAddr;
use std::time::Duration;

use app::access::Token;
use app::{Delivering, Floor, Refusal};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tower_http::decompression::RequestDecompressionLayer;

use crate::api::Query;
use crate::caller::bearer;
use crate::problem::Problem;

/// Bytes of a delivery, after decompression.
const BODY: usize = 64 << 20;

/// The receivers.
pub(crate) fn router() -> Router<Floor> {
    Router::new()
        .route("/api/v1/ingest", post(ingest))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(RequestDecompressionLayer::new())
}

/// How a delivery is to be read; by its content unless said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IngestQuery {
    format: String,
}

/// Takes a body of any format that the program reads: JSON in any arrangement, syslog, CSV, text …
async fn ingest(
    State(floor): State<Floor>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(query): Query<IngestQuery>,
    body: Bytes,
) -> Result<Response, Problem> {
    let sender = sender(&floor, bearer(&headers)).await?;
    if body.is_empty() {
        return Err(Problem::bad("the delivery is empty"));
    }
    if !query.format.is_empty() && !app::formats().any(|name| name == query.format) {
        let known: Vec<_> = app::formats().collect();
        return Err(Problem::bad(format!("format: one of {}", known.join(", "))));
    }
    let origin = format!("http {}", from.ip().to_canonical());
    match floor.deliver(&sender, &query.format, origin, body).await {
        Ok(receipt) => Ok(Json(json!({ "position": receipt.position })).into_response()),
        Err(refusal) => Ok(refused(&refusal)),
    }
}

/// The sender of a token.
async fn sender(floor: &Floor, token: Option<Token>) -> Result<Delivering, Problem> {
    let known = match token {
        Some(token) => floor.sender_by_token(&token).await?,
        None => None,
    };
    known.ok_or_else(|| {
        let detail = "a sender shows its token: Authorization: Bearer wfd_…";
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    })
}

/// Says that a delivery was not taken, and when to come again.
fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Full { what: app::Full::Allowance, .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::Full { .. } | Refusal::Disk(_) | Refusal::Closed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let mut response = Problem::new(status, refusal.to_string()).into_response();
    if let Some(after) = refusal.retry_after() {
        let seconds = after.max(Duration::from_millis(1)).as_secs_f64().ceil() as u64;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
