//! The real program, and the clients that people use: what they deliver over HTTP arrives once and whole,
//! also when the server is killed right after it was acknowledged.
//!
//! The Python part skips, saying so, where a client's package is not installed; `./run test` installs all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr)]

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::Server;
use serde_json::{Value, json};

/// Messages of each kind of sender.
const EACH: usize = 40;

/// Delivers by a client (`tests/clients/senders.py`); what it was told. None where it is not installed.
fn client(kind: &str, server: &Server, data: &Path, token: &str) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/senders.py");
    let mut python = Command::new("python3");
    // Whom to trust and which way to go is said here alone.
    for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"] {
        python.env_remove(name);
    }
    let output = python
        .arg(script)
        .args([kind, server.url(), token])
        .arg(data.join("tls/certificate.pem"))
        .arg(EACH.to_string())
        .output()
        .ok()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        eprintln!("skipped: {kind} ({})", errors.trim());
        return None;
    }
    assert!(output.status.success(), "{kind}: {errors}");
    assert!(!errors.contains("rror"), "{kind}: {errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The message of that name as `senders.py` writes it.
fn message(probe: &str) -> Value {
    let number: u64 = probe.rsplit('-').next().unwrap().parse().unwrap();
    let text = "Grüße \"quoted\" \\ ☃ \u{202e}";
    json!({ "probe": probe, "number": number, "text": text, "deep": { "a": [1, null] } })
}

/// What is inside of an event, whatever it came in.
fn inside(mut raw: Value) -> Value {
    if let Some(event) = raw.get_mut("event") {
        raw = event.take();
    }
    if let Some(event) = raw.as_object_mut() {
        event.retain(|name, _| ["probe", "number", "text", "deep"].contains(&name.as_str()));
    }
    raw
}

#[test]
fn what_real_clients_deliver_arrives_once_and_whole() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path());
    let word = server.set_up();
    let kept = too_much(&server, data.path(), &word);
    let token = server.sender(&word, &json!({ "name": "web-1" }));
    let mut expected: Vec<String> = Vec::new();
    let names = |kind: &str| (0..EACH).map(|n| format!("{kind}-{n}")).collect::<Vec<_>>();
    if let Some(told) = client("hec", &server, data.path(), &token) {
        assert_eq!(told, json!({ "codes": [0, 0], "acks": [true, true, false] }));
        expected.extend(names("hec"));
        expected.push("raw-0".to_owned());
    }
    if let Some(told) = client("elastic", &server, data.path(), &token) {
        let whole =
            json!({ "cluster": "watchfloor", "taken": EACH, "errors": [], "one": "created" });
        assert_eq!(told, whole);
        expected.extend(names("elastic"));
        expected.push("document-0".to_owned());
    }
    for kind in ["otlp_http", "otlp_grpc"] {
        if let Some(told) = client(kind, &server, data.path(), &token) {
            assert_eq!(told, json!({ "flushed": true }));
            expected.extend(names(kind));
        }
    }
    logpush(&server, data.path(), &token);
    expected.extend(names("logpush"));
    // What was acknowledged is there after a kill at once.
    server.kill();
    let server = Server::start(data.path());
    let word = server.log_in();
    let sql =
        "SELECT raw_data, parcel_digest, parcel_offset, received_at FROM events ORDER BY raw_data";
    let all = expected.len() + kept;
    let rows = server.wait(&word, sql, |rows| rows.as_array().unwrap().len() >= all);
    let mut seen = BTreeMap::<String, &Value>::new();
    for row in rows.as_array().unwrap() {
        let raw = row["raw_data"].as_str().unwrap();
        if !raw.contains("probe") {
            continue;
        }
        let event = inside(serde_json::from_str(raw).unwrap());
        let probe = event["probe"].as_str().unwrap_or_else(|| panic!("{row}")).to_owned();
        assert_eq!(event, message(&probe), "{row}");
        if let Some(before) = seen.insert(probe, row) {
            panic!("twice: {before} and {row}");
        }
    }
    assert_eq!(rows.as_array().unwrap().len(), all);
    expected.sort_unstable();
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), expected);
    server.stop();
}

/// As Cloudflare delivers: a try, which is no event, then a batch; gzipped, the token in the query or a
/// header.
fn logpush(server: &Server, data: &Path, token: &str) {
    let send = |path: &str, header: &str, text: &str| {
        let packed = data.join("batch.gz");
        let mut gzip = Command::new("gzip")
            .arg("--stdout")
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(&packed).unwrap())
            .spawn()
            .unwrap();
        gzip.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(gzip.wait().unwrap().success());
        let body = format!("@{}", packed.display());
        let packed = "content-encoding: gzip";
        server.curl(path, &["--data-binary", &body, "--header", packed, "--header", header]).0
    };
    let bearer = format!("authorization: Bearer {token}");
    let lines = |from: usize, to: usize| {
        let lines = (from..to).map(|n| message(&format!("logpush-{n}")).to_string());
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(send("/logpush/http_requests", "x-none: 1", &lines(0, 1)), 401);
    assert_eq!(send("/logpush/http_requests", &bearer, "{\"content\":\"tests\"}"), 200);
    assert_eq!(send("/logpush/http_requests", &bearer, &lines(0, EACH / 2)), 200);
    let query = format!("/logpush?token={token}");
    assert_eq!(send(&query, "x-none: 1", &lines(EACH / 2, EACH)), 200);
}

/// A sender that delivers more than it may is told so in its own protocol, and nothing of it is kept. How
/// many events were.
fn too_much(server: &Server, data: &Path, word: &str) -> usize {
    // A second's worth goes through, whatever it is; then it is paid for, for longer than the test takes.
    let much = 400;
    let otlp = |records: usize| {
        let record = json!({ "body": { "stringValue": "x" } });
        let logs = json!([{ "scopeLogs": [{ "logRecords": vec![record; records] }] }]);
        json!({ "resourceLogs": logs }).to_string()
    };
    let lines = |line: &str| (line.repeat(much), line.to_owned());
    let (event, action) = ("{\"event\":{\"a\":1}}\n", "{\"create\":{}}\n{\"a\":1}\n");
    let tried = [
        ("Splunk", "/services/collector", lines(event), 503, Some(("code", 9))),
        ("Bearer", "/logs/_bulk", lines(action), 429, Some(("status", 429))),
        ("Bearer", "/v1/logs", (otlp(much), otlp(1)), 503, Some(("code", 14))),
        ("Bearer", "/logpush", lines("{\"a\":1}\n"), 429, None),
        ("Bearer", "/api/v1/ingest", lines("{\"a\":1}\n"), 429, None),
    ];
    let count = tried.len();
    for (scheme, path, (first, second), status, code) in tried {
        let name = path.replace('/', "-");
        let token = server.sender(word, &json!({ "name": name, "rate_limit": 1 }));
        let told = data.join("headers");
        let send = |text: &str| {
            let file = data.join("body");
            std::fs::write(&file, text).unwrap();
            let body = format!("@{}", file.display());
            let who = format!("authorization: {scheme} {token}");
            let (json, told) = ("content-type: application/json", told.to_str().unwrap());
            let args = ["--data-binary", &body, "-H", &who, "-H", json, "--dump-header", told];
            server.curl(path, &args)
        };
        assert_eq!(send(&first).0, 200, "{path}");
        let (refused, answer) = send(&second);
        assert_eq!(refused, status, "{path}: {answer}");
        if let Some((field, code)) = code {
            assert_eq!(answer[field], code, "{path}: {answer}");
        }
        let headers = std::fs::read_to_string(&told).unwrap().to_lowercase();
        assert!(headers.contains("\r\nretry-after: "), "{path}: {headers}");
    }
    let (_, status) = server.curl("/api/v1/status", &[]);
    let figures = (status["deliveries"].as_u64(), status["refused"].as_u64());
    assert_eq!(figures, (Some(count as u64), Some(count as u64)), "{status}");
    count * much
}
