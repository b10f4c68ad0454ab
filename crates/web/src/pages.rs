//! The pages for people: files that were built beforehand, handed to whoever asks with a browser. Nobody
//! need say who they are for them; what they show they ask of the API.
//!
//! A path that no file has is the business of the pages' own script, when a browser asks for it: it is
//! given `index.html`. Programs that ask are told that nothing is there. This stands in front of the
//! receivers, because Elasticsearch's clients greet the same `/`; they do not ask for HTML.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// A file of the pages.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Its path, from the root.
    pub path: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// The same, compressed by Brotli (RFC 7932), where that is worth it.
    pub brotli: Option<&'static [u8]>,
}

/// What a page may do: run our own scripts and talk to its own server, and nothing else (CSP 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html";
/// Files whose name changes with what they hold are kept.
const KEPT: &str = "/assets/";

/// Answers with a page when one was asked for.
pub(crate) async fn show(
    State(pages): State<Arc<[Page]>>,
    request: Request,
    next: Next,
) -> Response {
    match asked(&pages, &request) {
        Some(page) => answer(page, request.headers()),
        None => next.run(request).await,
    }
}

/// The page that a request means.
fn asked<'a>(pages: &'a [Page], request: &Request) -> Option<&'a Page> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let path = request.uri().path();
    if path.starts_with("/api/") {
        return None;
    }
    let named = |path: &str| pages.iter().find(|page| page.path == path);
    let is_page = wants_html(request.headers()) && !path.starts_with(KEPT);
    named(path)
        .filter(|_| path != "/index.html")
        .or_else(|| is_page.then(|| named("/index.html")).flatten())
}

/// Whether it is a browser that asks, and wants something to look at.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|text| text.contains("text/html"))
        && !headers.contains_key(header::AUTHORIZATION)
}

fn answer(page: &Page, headers: &HeaderMap) -> Response {
    let encodings = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let takes_brotli = encodings.is_some_and(|text| {
        text.split(',').any(|word| word.split(';').next().is_some_and(|name| name.trim() == "br"))
    });
    let packed = page.brotli.filter(|_| takes_brotli);
    let mut response = Body::from(packed.unwrap_or(page.plain)).into_response();
    let answered = response.headers_mut();
    let mut set = |name, value| answered.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, kind(page.path));
    set(header::VARY, "accept, accept-encoding");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    let kept = page.path.starts_with(KEPT);
    set(
        header::CACHE_CONTROL,
        if kept { "public, max-age=31536000, immutable" } else { "no-cache" },
    );
    if packed.is_some() {
        set(header::CONTENT_ENCODING, "br");
    }
    response
}

/// The media type of a file, by its ending.
fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
