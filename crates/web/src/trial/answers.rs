//! Real answers, held against the description by a judge of JSON Schema from elsewhere
//! (`trial/judge.py`, with the PyPI package jsonschema).

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use axum::body::Body;
use serde_json::{Value, json};

use super::{House, PASSWORD, Said, Session, line};
use crate::routes::ROUTES;
use crate::{openapi, receive};

/// What this test does not see succeed: the first never ends, the second is what made the admin, the
/// third needs the clock of an authenticator, the fourth a rule that holds up the others, the rest an
/// identity provider, Cloudflare or an authenticator (`watchfloor/tests/signing_in.rs`).
const UNSEEN: [&str; 11] = [
    "live_events",
    "auth_setup",
    "users_confirm_code",
    "rules_lift",
    "sign_in_begin_openid",
    "sign_in_end_openid",
    "sign_in_begin_link",
    "sign_in_by_access",
    "sign_in_by_passkey",
    "sign_in_add_passkey",
    "sign_in_remove_passkey",
];

/// What was asked and what came of it.
struct Seen {
    operation: String,
    said: Said,
}

/// Walks through the API and keeps what it hears.
struct Walk {
    house: House,
    session: Session,
    seen: Vec<Seen>,
}

impl Walk {
    /// A request to a route, named by its place in the table with the parts of the path put in.
    async fn to(&mut self, method: &str, path: &str, parts: &str, body: Value) -> Value {
        let full = match path.split_once(['{', '}']) {
            Some((before, _)) if path.contains('{') => {
                let after = path.rsplit_once('}').unwrap().1;
                format!("{before}{parts}{after}")
            }
            _ => format!("{path}{parts}"),
        };
        let said = match body {
            Value::Null => {
                let headers = self.session.headers();
                self.house.ask(method, &full, &headers, Body::empty()).await
            }
            body => self.session.json(&self.house, method, &full, &body).await,
        };
        let name = name(method, path);
        assert!(said.status.is_success(), "{name}: {}", String::from_utf8_lossy(&said.body));
        let json = match said.header("content-type") {
            "application/json" => said.json(),
            _ => Value::Null,
        };
        self.seen.push(Seen { operation: name, said });
        json
    }
}

/// The operation of a method and a path.
fn name(method: &str, path: &str) -> String {
    let mut all = ROUTES.iter().chain(receive::ROUTES);
    let found = all.find(|route| route.method == method && route.path == path);
    found.unwrap_or_else(|| panic!("{method} {path}")).name.replace("::", "_")
}

#[test]
fn every_route_is_described_once() {
    let told = openapi();
    let mut names = BTreeSet::new();
    for route in ROUTES.iter().chain(receive::ROUTES) {
        let operation = &told["paths"][route.path][route.method.to_lowercase()];
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{}", route.name);
        assert!(!route.about.is_empty() && !route.about.ends_with('.'), "{}", route.about);
        let good = operation["responses"].as_object().unwrap();
        let well = |status: &String| status.starts_with('2') || status.starts_with('3');
        assert!(good.keys().any(well), "{}", route.name);
        let parts = route.path.matches('{').count();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        assert_eq!(parameters.filter(|p| p["in"] == "path").count(), parts, "{}", route.path);
    }
    assert_eq!(told["openapi"], "3.1.0");
    // Every reference leads somewhere.
    let text = told.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let place = reference.split('"').next().unwrap();
        assert!(told.pointer(place).is_some(), "{place}");
    }
}

/// What a type is when it goes in and when it comes out has one name, and must be one thing.
#[test]
fn a_name_stands_for_one_schema() {
    let mut schemas = crate::describe::Schemas::new();
    for route in ROUTES.iter().chain(receive::ROUTES) {
        (route.tell)(&mut crate::describe::Operation::new(route, &mut schemas));
    }
    for (name, taken, answered) in schemas.both() {
        assert_eq!(taken, answered, "{name}");
    }
}

/// One walk through all that the API does; each answer must be as it is described, and every route
/// must have been seen to answer well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_answers_are_as_described() {
    let house = House::open().await;
    let (token, _) = house.log_in("anna", PASSWORD).await;
    let session = Session::of(&token);
    let mut walk = Walk { house, session, seen: Vec::new() };
    people(&mut walk).await;
    let alerts = deliveries(&mut walk).await;
    work(&mut walk, &alerts).await;
    questions(&mut walk).await;
    walk.to("POST", "/api/v1/logout", "", Value::Null).await;
    let seen: BTreeSet<String> = walk.seen.iter().map(|seen| seen.operation.clone()).collect();
    let all = ROUTES.iter().chain(receive::ROUTES).map(|route| route.name.replace("::", "_"));
    let unseen: BTreeSet<String> = all.filter(|name| !seen.contains(name)).collect();
    assert_eq!(unseen, UNSEEN.map(str::to_owned).into());
    judge(&walk.seen);
    walk.house.floor.close().await;
}

async fn people(walk: &mut Walk) {
    let login = json!({ "login": "anna", "password": PASSWORD });
    walk.to("POST", "/api/v1/login", "", login).await;
    for path in [
        "health",
        "openapi.json",
        "login",
        "me",
        "me/sessions",
        "me/passkeys",
        "me/identities",
        "status",
        "words",
        "hunts",
    ] {
        walk.to("GET", &format!("/api/v1/{path}"), "", Value::Null).await;
    }
    let rules = walk.to("GET", "/api/v1/rules", "", Value::Null).await;
    let id = rules["items"][0]["id"].as_str().unwrap().to_owned();
    let rule = walk.to("GET", "/api/v1/rules/{id}", &id, Value::Null).await;
    assert!(rule["text"].as_str().unwrap().contains(&id), "{rule}");
    let text = json!({ "text": rule["text"] });
    walk.to("POST", "/api/v1/content/rules/check", "", text.clone()).await;
    walk.to("POST", "/api/v1/content/rules/test", "", text).await;
    let text = json!({ "text": rule["text"], "expected": rule["version"] });
    walk.to("PUT", "/api/v1/rules/{id}", &id, text).await;
    walk.to("DELETE", "/api/v1/rules/{id}", &id, Value::Null).await;
    let why = json!({ "reason": "noisy" });
    walk.to("POST", "/api/v1/rules/{id}/off", &id, why).await;
    walk.to("GET", "/api/v1/rules/{id}", &id, Value::Null).await;
    walk.to("GET", "/api/v1/status", "", Value::Null).await;
    walk.to("POST", "/api/v1/rules/{id}/on", &id, json!({})).await;
    let token = json!({ "name": "t", "scopes": ["read"], "expires": "2999-01-01T00:00:00Z" });
    let made = walk.to("POST", "/api/v1/me/tokens", "", token).await;
    walk.to("GET", "/api/v1/me/tokens", "", Value::Null).await;
    let id = made["about"]["token_id"].as_str().unwrap().to_owned();
    walk.to("DELETE", "/api/v1/me/tokens/{id}", &id, Value::Null).await;
    let vera = json!({ "login": "vera", "name": "Vera", "role": "viewer",
        "password": "viewing password 1" });
    let vera = walk.to("POST", "/api/v1/users", "", vera).await;
    let id = vera["user_id"].as_str().unwrap().to_owned();
    let change = json!({ "expected": 1, "email": "vera@example.org", "role": "analyst" });
    walk.to("PATCH", "/api/v1/users/{id}", &id, change).await;
    walk.to("GET", "/api/v1/users", "?limit=1", Value::Null).await;
    walk.to("DELETE", "/api/v1/users/{id}/factors", &id, Value::Null).await;
    walk.to("GET", "/api/v1/users/{id}/identities", &id, Value::Null).await;
    walk.to("DELETE", "/api/v1/users/{id}/identities", &id, Value::Null).await;
    walk.to("POST", "/api/v1/me/totp", "", Value::Null).await;
    walk.to("POST", "/api/v1/me/passkeys/begin", "", Value::Null).await;
    walk.to("POST", "/api/v1/login/passkey/begin", "", Value::Null).await;
    let (_, other) = walk.house.log_in("anna", PASSWORD).await;
    let id = other.session.unwrap().session_id.to_string();
    walk.to("DELETE", "/api/v1/me/sessions/{id}", &id, Value::Null).await;
    let password = json!({ "old": PASSWORD, "new": "another horse battery" });
    walk.to("POST", "/api/v1/me/password", "", password).await;
}

async fn deliveries(walk: &mut Walk) -> Vec<String> {
    let sender = json!({ "name": "web", "tags": ["site=a"], "silent_after": 600,
        "networks": ["192.0.2.7", "2001:db8::/32"], "client_name": "*.web.example" });
    let made = walk.to("POST", "/api/v1/senders", "", sender).await;
    let id = made["sender"]["sender_id"].as_str().unwrap().to_owned();
    let form = json!({ "name": "web", "rate_limit": 1000, "expected": 1 });
    walk.to("PUT", "/api/v1/senders/{id}", &id, form).await;
    let token = walk.to("POST", "/api/v1/senders/{id}/token", &id, json!({})).await;
    walk.to("GET", "/api/v1/senders", "", Value::Null).await;
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let mut position = 0;
    for who in ["ada", "ben", "cem"] {
        let headers = [("authorization", bearer.as_str())];
        let said = walk.house.ask("POST", "/api/v1/ingest", &headers, line(who)).await;
        position = said.json()["position"].as_u64().unwrap();
        walk.seen.push(Seen { operation: "receive_ingest".to_owned(), said });
    }
    walk.house.floor.has_read(app::Position(position)).await;
    walk.to("GET", "/api/v1/sources", "", Value::Null).await;
    let found = walk.to("GET", "/api/v1/alerts", "?order=gravest&limit=2", Value::Null).await;
    let items = found["items"].as_array().unwrap();
    assert!(!items.is_empty(), "the rule found nobody");
    let id = |alert: &Value| alert["alert"]["alert_id"].as_str().unwrap().to_owned();
    items.iter().map(id).collect()
}

async fn work(walk: &mut Walk, alerts: &[String]) {
    let alert = alerts[0].as_str();
    walk.to("GET", "/api/v1/alerts/facets", "?state=new", Value::Null).await;
    let one = walk.to("GET", "/api/v1/alerts/{id}", alert, Value::Null).await;
    let change = json!({ "expected": one["version"], "status": { "state": "in_progress" },
        "owner": "anna", "severity": "critical" });
    walk.to("PATCH", "/api/v1/alerts/{id}", alert, change).await;
    let bulk = json!({ "alerts": [{ "alert_id": alert }, { "alert_id": alert, "expected": 99 }],
        "change": { "status": { "state": "closed", "resolution": "benign" } } });
    walk.to("POST", "/api/v1/alerts/bulk", "", bulk).await;
    walk.to("GET", "/api/v1/alerts/{id}/findings", alert, Value::Null).await;
    walk.to("POST", "/api/v1/alerts/{id}/comments", alert, json!({ "text": "seen" })).await;
    walk.to("GET", "/api/v1/alerts/{id}/comments", alert, Value::Null).await;
    let hide = json!({ "entity": { "kind": "host", "value": "z" }, "up_to": "low",
        "until": "2999-01-01T00:00:00Z", "reason": "a trial" });
    let hidden = walk.to("POST", "/api/v1/suppressions", "", hide).await;
    walk.to("GET", "/api/v1/suppressions", "?all=true", Value::Null).await;
    let id = hidden["suppression_id"].as_str().unwrap().to_owned();
    walk.to("POST", "/api/v1/suppressions/{id}/lift", &id, Value::Null).await;
    let mut ids = Vec::new();
    for title in ["One", "Two"] {
        let new = json!({ "title": title, "severity": "high", "alerts": [] });
        let made = walk.to("POST", "/api/v1/incidents", "", new).await;
        ids.push(made["incident_id"].as_str().unwrap().to_owned());
    }
    let (one, two) = (ids[0].as_str(), ids[1].as_str());
    walk.to("GET", "/api/v1/incidents", "?order=gravest", Value::Null).await;
    walk.to("GET", "/api/v1/incidents/{id}", one, Value::Null).await;
    walk.to("POST", "/api/v1/incidents/{id}/alerts", one, json!({ "add": [alert] })).await;
    walk.to("POST", "/api/v1/incidents/{id}/comments", one, json!({ "text": "…" })).await;
    walk.to("GET", "/api/v1/incidents/{id}/comments", one, Value::Null).await;
    for form in ["html", "pdf", "markdown", "json"] {
        let parts = format!("{one}/report?form={form}");
        let said = walk.session.get(&walk.house, &format!("/api/v1/incidents/{parts}")).await;
        assert_eq!(said.status, 200, "{form}");
        walk.seen.push(Seen { operation: "incidents_report".to_owned(), said });
    }
    let task = json!({ "title": "Look", "assignee": "anna", "due": "2999-01-01T00:00:00Z" });
    let task = walk.to("POST", "/api/v1/incidents/{id}/tasks", one, task).await;
    let id = task["task_id"].as_str().unwrap().to_owned();
    walk.to("PATCH", "/api/v1/tasks/{id}", &id, json!({ "done": true, "expected": 1 })).await;
    walk.to("GET", "/api/v1/incidents/{id}/tasks", one, Value::Null).await;
    let merge = walk.to("POST", "/api/v1/incidents/{id}/merge", two, json!({ "into": one })).await;
    let id = merge["merge_id"].as_str().unwrap().to_owned();
    let merges = walk.to("GET", "/api/v1/incidents/{id}/merges", two, Value::Null).await;
    assert_eq!(merges["items"][0]["merge_id"], merge["merge_id"]);
    walk.to("POST", "/api/v1/merges/{id}/undo", &id, Value::Null).await;
    let path = format!("/api/v1/merges/{id}/undo");
    let twice = walk.session.json(&walk.house, "POST", &path, &json!({})).await;
    assert_eq!(twice.status, axum::http::StatusCode::CONFLICT, "a merge is undone once");
    let close = json!({ "status": "closed", "title": "Over" });
    walk.to("PATCH", "/api/v1/incidents/{id}", one, close).await;
    walk.to("POST", "/api/v1/incidents/{id}/reopen", one, json!({})).await;
}

async fn questions(walk: &mut Walk) {
    let sql = "SELECT count(*) AS n, '=1+1' AS text FROM events";
    for format in ["json", "ndjson", "csv", "parquet"] {
        walk.to("POST", "/api/v1/query", "", json!({ "sql": sql, "format": format })).await;
    }
    let hunts = walk.to("GET", "/api/v1/hunts", "?limit=500", Value::Null).await;
    let hunt = hunts["items"].as_array().unwrap().iter().find(|hunt| {
        hunt["parameters"].as_array().unwrap().iter().all(|p| !p["default"].is_null())
    });
    let name = hunt.unwrap()["name"].as_str().unwrap().to_owned();
    walk.to("POST", "/api/v1/hunts/{name}", &name, json!({ "since": "7d" })).await;
    let search = json!({ "name": "Okta", "address": "/hunt?q=source%3Aokta", "shared": true });
    let search = walk.to("POST", "/api/v1/searches", "", search).await;
    walk.to("GET", "/api/v1/searches", "", Value::Null).await;
    let id = search["search_id"].as_str().unwrap().to_owned();
    let change = json!({ "expected": 1, "shared": false });
    walk.to("PATCH", "/api/v1/searches/{id}", &id, change).await;
    walk.to("DELETE", "/api/v1/searches/{id}", &id, Value::Null).await;
    walk.to("POST", "/api/v1/content/reload", "", Value::Null).await;
    walk.to("GET", "/api/v1/audit", "?limit=3&action=alert.", Value::Null).await;
    walk.to("GET", "/api/v1/audit", "?limit=500", Value::Null).await;
    walk.to("GET", "/api/v1/audit/verify", "", Value::Null).await;
}

/// Says what the judge thinks of each answer.
fn judge(all: &[Seen]) {
    let cases: Vec<Value> = all
        .iter()
        .map(|seen| {
            let kind = seen.said.header("content-type").split(';').next().unwrap_or_default();
            let body = match kind {
                "application/json" => seen.said.json(),
                _ => json!(String::from_utf8_lossy(&seen.said.body)),
            };
            json!({ "operation": seen.operation, "status": seen.said.status.as_u16(),
                "kind": kind, "body": body })
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/trial/judge.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed, with the package jsonschema: `./run test` makes both");
    let text = json!({ "description": openapi(), "cases": cases }).to_string();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "the judge failed: {said}");
    assert_eq!(said.trim(), format!("{} answers are as described", all.len()));
}
