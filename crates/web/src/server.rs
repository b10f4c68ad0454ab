//! The server: listens, with or without TLS, until it is told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::Floor;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum_server::Handle;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::pages::{self, Page};
use crate::problem::Problem;
use crate::receive::{self, Desk};
use crate::routes;
use crate::tls::{self, Files};

/// Bytes of a request of the API; receivers of logs have their own bounds.
pub(crate) const BODY: usize = 1 << 20;
/// How long running requests may take when the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// Whether the connection is encrypted, so that cookies can be kept to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Secure(pub(crate) bool);

/// How the server speaks.
#[derive(Debug, Clone)]
pub(crate) enum Tls {
    /// In the clear: for one's own machine, or behind a proxy that encrypts.
    Off,
    /// With a certificate that it makes for itself, for these names.
    SelfMade(Vec<String>),
    /// With a certificate from files, in PEM.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// Where and how to listen.
#[derive(Debug, Clone)]
pub(crate) struct ServerOptions {
    /// The address.
    pub(crate) listen: SocketAddr,
    /// The certificate; in the clear without one.
    pub(crate) files: Option<Files>,
    /// What browsers are shown.
    pub(crate) pages: Arc<[Page]>,
}

/// Where the server listens.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// As a browser would be told.
    pub(crate) url: String,
}

/// Serves a floor until `stop` is done; says where it listens as soon as it does.
pub(crate) async fn serve(
    floor: Floor,
    options: ServerOptions,
    bound: impl FnOnce(Bound) + Send + 'static,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let secure = options.files.is_some();
    let service =
        router(floor, secure, options.pages).into_make_service_with_connect_info::<SocketAddr>();
    let handle = Handle::new();
    let told = handle.clone();
    tokio::spawn(async move {
        if let Some(address) = told.listening().await {
            let scheme = if secure { "https" } else { "http" };
            bound(Bound { url: format!("{scheme}://{address}") });
        }
    });
    let stopping = handle.clone();
    tokio::spawn(async move {
        stop.await;
        stopping.graceful_shutdown(Some(GRACE));
    });
    let Some(files) = options.files else {
        return axum_server::bind(options.listen).handle(handle).serve(service).await;
    };
    let config = tls::read(&files).await?;
    axum_server::bind_rustls(options.listen, config).handle(handle).serve(service).await
}

/// All routes with what holds of every answer.
pub(crate) fn router(floor: Floor, secure: bool, pages: Arc<[Page]>) -> Router {
    let desk = Arc::new(Desk::new(floor.clone()));
    routes::router(&floor)
        .layer(DefaultBodyLimit::max(BODY))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here")
        })
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(desk, receive::receive))
        .layer(middleware::from_fn_with_state(pages, pages::show))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(guarded))
        .layer(axum::Extension(Secure(secure)))
        .with_state(floor)
}

/// Headers of every answer: what is told here is for this page alone (OWASP Secure Headers).
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A handler that panicked is a defect; the others go on.
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or(panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = said.unwrap_or("it does not say why"), "a request handler panicked");
    let detail = "this is a defect of watchfloor; please report it";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
