//! Where senders deliver logs over HTTP. A `200` means that the bytes are on the disk.

use std::net::SocketAddr;

use app::access::Token;
use app::{Delivering, Floor, Refusal};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tower_http::decompression::RequestDecompressionLayer;

use crate::api::Query;
use crate::caller::bearer;
use crate::json::Json;
use crate::problem::Problem;
use crate::receive;
use crate::routes::{Needs, Route, routes};

/// Bytes of a delivery, after decompression.
const BODY: usize = 64 << 20;

/// All receivers.
pub(crate) const ROUTES: &[Route] = routes! {
    POST "/api/v1/ingest" Needs::Sender => receive::ingest,
        "Takes logs in any form that the program reads, plain or compressed (gzip, deflate, zstd)";
};

/// The receivers. Who delivers is asked for by each, with its own token.
pub(crate) fn router() -> Router<Floor> {
    let routes = ROUTES.iter();
    routes
        .fold(Router::new(), |router, route| {
            router.route(route.path, (route.handler)(route.filter()))
        })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(RequestDecompressionLayer::new())
}

/// How a delivery is to be read; by its content unless said.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct IngestQuery {
    /// The name of a format, as `watchfloor normalize --format` takes it.
    format: String,
}

/// A delivery that was taken: it is on the disk.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Taken {
    /// Its number, in the order in which deliveries were taken.
    position: u64,
}

/// Takes a body of any format that the program reads: JSON in any arrangement, syslog, CSV, text …
async fn ingest(
    State(floor): State<Floor>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(query): Query<IngestQuery>,
    body: Bytes,
) -> Result<Json<Taken>, Problem> {
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
        Ok(receipt) => Ok(Json(Taken { position: receipt.position.0 })),
        Err(refusal) => Err(refused(&refusal)),
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
fn refused(refusal: &Refusal) -> Problem {
    let status = match refusal {
        Refusal::Full { what: app::Full::Allowance, .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::Full { .. } | Refusal::Disk(_) | Refusal::Closed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let problem = Problem::new(status, refusal.to_string());
    refusal.retry_after().map_or(problem.clone(), |after| problem.after(after))
}
