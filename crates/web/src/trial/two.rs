//! Two analysts at the same thing: the slower one is told, and nothing of the faster one's is lost.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{House, PASSWORD, Session, line};

/// The first change goes through, the second was decided on what no longer stands.
async fn contended(
    house: &House,
    session: &Session,
    method: &str,
    path: &str,
    changes: [Value; 2],
) {
    let [first, second] = changes;
    let done = session.json(house, method, path, &first).await;
    assert_eq!(done.status, StatusCode::OK, "{path}: {}", done.json());
    let late = session.json(house, method, path, &second).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{path}: {}", late.json());
    let told = late.json();
    let detail = told["detail"].as_str().unwrap();
    assert!(detail.contains("has been changed meanwhile: expected version"), "{detail}");
    // Without a version it is made on whatever stands, and the version tells that it was.
    let mut third = second;
    let expected = third.as_object_mut().unwrap().remove("expected").unwrap();
    let done = session.json(house, method, path, &third).await;
    let stands = done.json()["version"].as_u64().unwrap();
    assert_eq!(Some(stands), expected.as_u64().map(|version| version + 2), "{path}");
    // The same by headers.
    let tag = done.header("etag").to_owned();
    assert_eq!(tag, format!("\"{stands}\""), "{path}");
    let [cookie, word] = session.headers();
    let with = async |tag: &str, body: &Value| {
        let headers = [cookie, word, ("content-type", "application/json"), ("if-match", tag)];
        house.ask(method, path, &headers, body.to_string()).await
    };
    let mut first = first;
    first.as_object_mut().unwrap().remove("expected");
    let late = with(&format!("\"{}\"", stands - 1), &first).await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED, "{path}: {}", late.json());
    assert_eq!(with("W/\"1\"", &first).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(with("one", &first).await.status, StatusCode::BAD_REQUEST);
    let done = with(&tag, &first).await;
    assert_eq!(done.status, StatusCode::OK, "{path}: {}", done.json());
    assert_eq!(done.header("etag"), format!("\"{}\"", stands + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_late_is_told() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let sender = session.json(&house, "POST", "/api/v1/senders", &json!({ "name": "web" })).await;
    let sender = sender.json();
    let bearer = format!("Bearer {}", sender["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let said = house.ask("POST", "/api/v1/ingest", &headers, line("ada")).await.json();
    house.floor.has_read(app::Position(said["position"].as_u64().unwrap())).await;
    let alert = session.get(&house, "/api/v1/alerts?limit=1").await.json()["items"][0].clone();
    let path = format!("/api/v1/alerts/{}", alert["alert"]["alert_id"].as_str().unwrap());
    let version = &alert["version"];
    let changes = ["anna", "vera"].map(|who| json!({ "expected": version, "owner": who }));
    contended(&house, &session, "PATCH", &path, changes).await;

    let new = json!({ "title": "One", "severity": "high" });
    let incident = session.json(&house, "POST", "/api/v1/incidents", &new).await.json();
    let place = format!("/api/v1/incidents/{}", incident["incident_id"].as_str().unwrap());
    let version = &incident["version"];
    let changes = ["low", "high"].map(|how| json!({ "expected": version, "severity": how }));
    contended(&house, &session, "PATCH", &place, changes).await;

    let path = format!("{place}/tasks");
    let task = session.json(&house, "POST", &path, &json!({ "title": "Look" })).await.json();
    let path = format!("/api/v1/tasks/{}", task["task_id"].as_str().unwrap());
    let version = &task["version"];
    let changes = ["Ask", "Tell"].map(|what| json!({ "expected": version, "title": what }));
    contended(&house, &session, "PATCH", &path, changes).await;

    let new = json!({ "login": "vera", "name": "Vera", "role": "viewer",
        "password": "viewing password 1" });
    let user = session.json(&house, "POST", "/api/v1/users", &new).await.json();
    let path = format!("/api/v1/users/{}", user["user_id"].as_str().unwrap());
    let version = &user["version"];
    let changes = ["V.", "W."].map(|name| json!({ "expected": version, "name": name }));
    contended(&house, &session, "PATCH", &path, changes).await;

    let sender = &sender["sender"];
    let path = format!("/api/v1/senders/{}", sender["sender_id"].as_str().unwrap());
    let version = &sender["version"];
    let changes =
        [5, 6].map(|rate| json!({ "expected": version, "name": "web", "rate_limit": rate }));
    contended(&house, &session, "PUT", &path, changes).await;
    house.floor.close().await;
}

/// Every list of more than one page is turned to its end, and each row comes once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_hold_every_row_once() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    for n in 0..5 {
        let new = json!({ "name": format!("sender {n}") });
        assert_eq!(session.json(&house, "POST", "/api/v1/senders", &new).await.status, 201);
        let new = json!({ "title": format!("{n}"), "severity": "low" });
        assert_eq!(session.json(&house, "POST", "/api/v1/incidents", &new).await.status, 201);
    }
    for (list, least) in [("senders", 5), ("incidents", 5), ("audit", 10), ("hunts", 3)] {
        let whole = session.get(&house, &format!("/api/v1/{list}?limit=500")).await.json();
        let whole = whole["items"].as_array().unwrap().clone();
        assert!(whole.len() >= least, "{list}");
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = session.get(&house, &format!("/api/v1/{list}?limit=2{after}")).await.json();
            seen.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(seen, whole, "{list}");
    }
    house.floor.close().await;
}
