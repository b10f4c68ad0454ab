//! The real program as a server, and curl as its client: first start, a delivery, an alert, a stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{PASSWORD, Server};
use serde_json::json;

#[test]
fn from_the_first_start_to_an_alert_that_outlives_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path());
    assert_eq!(server.curl("/api/v1/health", &[]).0, 200);
    assert_eq!(server.curl("/api/v1/alerts", &[]).0, 401);
    // A role smuggled in the body is refused, and so is another link.
    let setup =
        |link: &str| json!({ "link": link, "login": "anna", "name": "Anna", "password": PASSWORD });
    let link = server.opened["first_link"].as_str().unwrap().to_owned();
    let mut smuggled = setup(&link);
    smuggled["role"] = json!("viewer");
    assert_eq!(server.post("/api/v1/setup", "", &smuggled).0, 422);
    assert_eq!(server.post("/api/v1/setup", "", &setup("wfl_made_up")).0, 404);
    assert_eq!(server.post("/api/v1/setup", "", &setup(&link)).0, 201);
    assert_ne!(server.post("/api/v1/setup", "", &setup(&link)).0, 201);
    let word = server.log_in();
    let new = json!({ "name": "k8s", "definition": "kubernetes_audit", "silent_after": 600 });
    assert_eq!(server.post("/api/v1/senders", "not the word", &new).0, 403);
    let (status, made) = server.post("/api/v1/senders", &word, &new);
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().unwrap();
    // Bytes that gzip packed, as any shipper would send them.
    let evidence =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/evidence/kubernetes/audit.log");
    let packed = data.path().join("audit.log.gz");
    let gzip = Command::new("gzip").arg("--stdout").arg(&evidence).output().unwrap();
    std::fs::write(&packed, gzip.stdout).unwrap();
    let body = format!("@{}", packed.display());
    let bearer = format!("authorization: Bearer {token}");
    let send = ["--data-binary", &body, "--header", &bearer, "--header", "content-encoding: gzip"];
    let (status, told) = server.curl("/api/v1/ingest", &send);
    assert_eq!(status, 200, "{told}");
    // What was acknowledged is there after a kill at once.
    server.kill();
    let server = Server::start(data.path());
    assert!(server.opened.get("first_link").is_none());
    let word = server.log_in();
    let lines = std::fs::read_to_string(&evidence).unwrap().lines().count();
    server.wait(&word, "SELECT count(*) AS n FROM events", |rows| rows[0]["n"] == lines);
    let (status, alerts) = server.curl("/api/v1/alerts?order=gravest", &[]);
    assert_eq!(status, 200);
    assert!(!alerts["items"].as_array().unwrap().is_empty(), "{alerts}");
    let (_, verified) = server.curl("/api/v1/audit/verify", &[]);
    assert!(verified["broken"].is_null() && verified["checked"].as_u64() > Some(3), "{verified}");
    server.stop();
}
