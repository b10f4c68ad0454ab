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

/// How many events there are, and how many different ones.
fn counted(server: &Server, word: &str) -> (u64, u64) {
    let sql = "SELECT count(*) AS n, count(DISTINCT raw_data) AS d FROM events";
    let (status, rows) = server.post("/api/v1/query", word, &json!({ "sql": sql }));
    assert_eq!(status, 200, "{rows}");
    (rows[0]["n"].as_u64().unwrap(), rows[0]["d"].as_u64().unwrap())
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(2);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "{what}");
    }
}

#[test]
fn files_that_are_rotated_while_it_is_killed_are_read_once() {
    let (data, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = |name: &str| logs.path().join(name);
    let floor = format!(
        "[[tail]]\nname = \"app\"\npaths = [\"{}/app.log*\"]\ntags = [\"site=oslo\"]\n",
        logs.path().display()
    );
    std::fs::write(data.path().join("floor.toml"), floor).unwrap();
    let mut number = 0;
    let mut write = |lines: u64| {
        use std::io::Write as _;
        let mut file =
            std::fs::File::options().create(true).append(true).open(log("app.log")).unwrap();
        for _ in 0..lines {
            number += 1;
            writeln!(file, "2026-10-14T02:11:00Z host app[7]: request {number} was answered")
                .unwrap();
        }
        number
    };
    write(300);
    let mut server = Server::start(data.path());
    assert_eq!(server.opened["fetches"], json!(["tail app"]));
    let link = server.opened["first_link"].as_str().unwrap();
    let setup = json!({ "link": link, "login": "anna", "name": "Anna", "password": PASSWORD });
    assert_eq!(server.post("/api/v1/setup", "", &setup).0, 201);
    for round in 0..2 {
        let word = server.log_in();
        let before = counted(&server, &word).0;
        // Written while it runs, rotated as logrotate does it, written on, and killed as soon as any of
        // it has been read.
        write(400);
        for old in (1..=round).rev() {
            let names =
                |n: i32| (log(&format!("app.log.{n}.gz")), log(&format!("app.log.{}.gz", n + 1)));
            let (from, to) = names(old);
            if from.exists() {
                std::fs::rename(from, to).unwrap();
            }
        }
        std::fs::rename(log("app.log"), log("app.log.1")).unwrap();
        write(100);
        until("something is read", || counted(&server, &word).0 > before);
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        let gzip = Command::new("gzip").arg(log("app.log.1")).status().unwrap();
        assert!(gzip.success());
        server = Server::start(data.path());
    }
    let all = write(1);
    let word = server.log_in();
    until("every line is read", || counted(&server, &word).1 == all);
    assert_eq!(counted(&server, &word), (all, all));
    let (_, senders) = server.curl("/api/v1/senders", &[]);
    let sender = &senders["items"][0];
    assert_eq!((&sender["name"], &sender["kind"]), (&json!("app"), &json!("tail")));
    assert_eq!(sender["fetcher"]["troubles"], json!([]), "{sender}");
    assert!(
        sender["fetcher"]["last_seen"].is_string() || sender["fetcher"]["last_seen"].is_number()
    );
    server.stop();
    let server = Server::start(data.path());
    let word = server.log_in();
    assert_eq!(counted(&server, &word), (all, all));
    server.stop();
}

#[test]
fn a_mistake_in_what_is_to_be_fetched_names_its_line() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("floor.toml"), "[[tail]]\nname = \"app\"\npath = [\"/a\"]\n")
        .unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_watchfloor"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("floor.toml:3: unknown field `path`"), "{said}");
}
