//! What browsers are shown, and what others get in the same places.

use axum::body::Body;
use axum::http::StatusCode;

use super::{House, Said};
use crate::pages::Page;

/// Pages as a build makes them.
pub(super) const PAGES: [Page; 2] = [
    Page { path: "/index.html", plain: b"<!doctype html>floor", brotli: None },
    Page { path: "/assets/a-1.js", plain: b"let a", brotli: Some(b"packed") },
];
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

async fn get(house: &House, path: &str, headers: &[(&str, &str)]) -> Said {
    house.ask("GET", path, headers, Body::empty()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_are_shown_pages_and_programs_are_not() {
    let house = House::open().await;
    for path in ["/", "/alerts", "/incidents/i-1", "/index.html"] {
        let shown = get(&house, path, &[BROWSER]).await;
        assert_eq!(
            (shown.status, shown.body.as_slice()),
            (StatusCode::OK, PAGES[0].plain),
            "{path}"
        );
        let policy = shown.header("content-security-policy");
        assert!(policy.contains("script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(shown.header("cache-control"), "no-cache");
        assert_eq!(shown.header("x-content-type-options"), "nosniff");
    }
    // A client of Elasticsearch greets the same place and is asked for its token.
    assert_eq!(get(&house, "/", &[("accept", "*/*")]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(get(&house, "/alerts", &[]).await.status, StatusCode::NOT_FOUND);
    // The API is the API, also for browsers.
    let said = get(&house, "/api/v1/alerts", &[BROWSER]).await;
    assert_eq!(said.status, StatusCode::UNAUTHORIZED);
    assert_eq!(get(&house, "/api/v1/none", &[BROWSER]).await.status, StatusCode::NOT_FOUND);
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_come_packed_where_that_is_understood_and_are_kept() {
    let house = House::open().await;
    let plain = get(&house, "/assets/a-1.js", &[]).await;
    assert_eq!(plain.body, PAGES[1].plain);
    assert_eq!(plain.header("content-type"), "text/javascript; charset=utf-8");
    assert!(plain.header("cache-control").contains("immutable"));
    let packed = get(&house, "/assets/a-1.js", &[("accept-encoding", "gzip, br;q=1")]).await;
    assert_eq!(packed.body, b"packed");
    assert_eq!(packed.header("content-encoding"), "br");
    // A file of an older build is gone; a page in its place would be run as a script.
    let old = get(&house, "/assets/a-0.js", &[BROWSER]).await;
    assert_eq!(old.status, StatusCode::NOT_FOUND);
    house.floor.close().await;
}
