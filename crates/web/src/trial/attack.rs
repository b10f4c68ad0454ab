//! What somebody would try who means ill: against sessions, against rights, against the parser, and by
//! what they write into logs.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::json;

use super::{House, PASSWORD, Session, line};
use crate::caller::CSRF;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_end_where_they_should() {
    let house = House::open().await;
    let one = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let two = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let three = Session::of(&house.log_in("anna", PASSWORD).await.0);
    // A word that is another's, or nobody's.
    for wrong in ["", "x", two.word.as_str()] {
        let headers = [("cookie", one.cookie.as_str()), (CSRF, wrong)];
        let said = house.ask("POST", "/api/v1/logout", &headers, Body::empty()).await;
        assert_eq!(said.status, StatusCode::FORBIDDEN, "{wrong}");
    }
    let listening = house.send("GET", "/api/v1/events", &one.headers(), Body::empty()).await;
    assert_eq!(listening.status(), StatusCode::OK);
    let said = house.ask("POST", "/api/v1/logout", &one.headers(), Body::empty()).await;
    assert_eq!(said.status, StatusCode::NO_CONTENT);
    assert!(said.header("set-cookie").contains("Max-Age=0"), "{:?}", said.headers);
    assert_eq!(one.get(&house, "/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    // Who listened before the logout hears no more: the stream comes to an end.
    let rest = axum::body::to_bytes(listening.into_body(), 1 << 20);
    tokio::time::timeout(std::time::Duration::from_secs(30), rest).await.unwrap().unwrap();
    // A new password ends the other sessions, and this one goes on.
    let change = json!({ "old": PASSWORD, "new": "another horse battery" });
    let said = two.json(&house, "POST", "/api/v1/me/password", &change).await;
    assert_eq!(said.status, StatusCode::NO_CONTENT);
    assert_eq!(two.get(&house, "/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(three.get(&house, "/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    // A session that a browser brings along before the login is not the one that it has after.
    let headers = [("cookie", "watchfloor=wfs_chosen"), ("content-type", "application/json")];
    let login = json!({ "login": "anna", "password": "another horse battery" });
    let said = house.ask("POST", "/api/v1/login", &headers, login.to_string()).await;
    assert_eq!(said.status, StatusCode::OK);
    let cookie = said.header("set-cookie");
    assert!(!cookie.contains("wfs_chosen"), "{cookie}");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_passwords_has_to_wait() {
    let house = House::open().await;
    let headers = [("content-type", "application/json")];
    let guess = |login: &str| json!({ "login": login, "password": "a wrong guess" }).to_string();
    for _ in 0..5 {
        let said = house.ask("POST", "/api/v1/login", &headers, guess("anna")).await;
        assert_eq!(said.status, StatusCode::UNAUTHORIZED);
    }
    let right = json!({ "login": "anna", "password": PASSWORD }).to_string();
    let said = house.ask("POST", "/api/v1/login", &headers, right).await;
    assert_eq!(said.status, StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=4).contains(&said.header("retry-after").parse::<u64>().unwrap()));
    // A login that does not exist is answered just so.
    let said = house.ask("POST", "/api/v1/login", &headers, guess("nobody")).await;
    assert_eq!(said.status, StatusCode::UNAUTHORIZED);
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_becomes_more_than_they_are() {
    let house = House::open().await;
    let anna = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let new = json!({ "login": "vera", "name": "Vera", "role": "viewer",
        "password": "viewing password 1" });
    let vera = anna.json(&house, "POST", "/api/v1/users", &new).await.json();
    let id = vera["user_id"].as_str().unwrap();
    let hers = Session::of(&house.log_in("vera", "viewing password 1").await.0);
    // A role among what one may say of oneself; scopes that one's role has not.
    let password =
        json!({ "old": "viewing password 1", "new": "another password 1", "role": "admin" });
    let said = hers.json(&house, "POST", "/api/v1/me/password", &password).await;
    assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY);
    let path = format!("/api/v1/users/{id}");
    let said = hers.json(&house, "PATCH", &path, &json!({ "role": "admin" })).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN);
    let token = json!({ "name": "t", "scopes": ["read", "users"] });
    let said = hers.json(&house, "POST", "/api/v1/me/tokens", &token).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN);
    let login = json!({ "login": "vera", "password": "viewing password 1", "role": "admin" });
    let said = hers.json(&house, "POST", "/api/v1/login", &login).await;
    assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(hers.get(&house, "/api/v1/me").await.json()["user"]["role"], "viewer");
    // Another's session and token.
    let theirs = anna.get(&house, "/api/v1/me/sessions").await.json();
    let theirs = theirs["items"][0]["session_id"].as_str().unwrap();
    let path = format!("/api/v1/me/sessions/{theirs}");
    let said = hers.json(&house, "DELETE", &path, &json!({})).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN);
    assert_eq!(anna.get(&house, "/api/v1/me").await.status, StatusCode::OK);
    // Ways around the table of routes: other spellings of a path, and another method put on top.
    for path in [
        "/api/v1/users/",
        "//api/v1/users",
        "/api/v1//users",
        "/api/v1/./users",
        "/api/v1/alerts/../users",
        "/api/v1/alerts/..%2fusers",
        "/api/v1/%75sers",
        "/API/v1/users",
        "/api/v1/users%00",
        "/api/v1/users;a=b",
        "/api/v1/users%20",
        "/api/v1/users.json",
        "http://elsewhere/api/v1/users",
    ] {
        let said = house.ask("GET", path, &hers.headers(), Body::empty()).await;
        assert!(said.status.is_client_error(), "{path}: {}", said.status);
    }
    for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
        let [cookie, word] = hers.headers();
        let headers = [cookie, word, (name, "PATCH"), ("content-type", "application/json")];
        let path = format!("/api/v1/users/{id}?_method=PATCH");
        let said = house.ask("POST", &path, &headers, "{\"role\": \"admin\"}").await;
        assert_eq!(said.status, StatusCode::METHOD_NOT_ALLOWED, "{name}");
    }
    assert_eq!(hers.get(&house, "/api/v1/me").await.json()["user"]["role"], "viewer");
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_and_headers_are_bounded() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let long = json!({ "title": "x".repeat(1 << 20), "severity": "high" });
    let said = session.json(&house, "POST", "/api/v1/incidents", &long).await;
    assert_eq!(said.status, StatusCode::PAYLOAD_TOO_LARGE);
    let [cookie, word] = session.headers();
    let headers = [cookie, word, ("idempotency-key", "k"), ("content-type", "application/json")];
    let said = house.ask("POST", "/api/v1/incidents", &headers, long.to_string()).await;
    assert_eq!(said.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Deeply nested, not UTF-8, not JSON, twice the same member.
    let deep = "[".repeat(100_000);
    for body in [deep.as_bytes(), b"\"\xff\"", b"{", b"{\"title\": \"a\", \"title\": \"b\"}", b""] {
        let said = house.ask("POST", "/api/v1/incidents", &headers, body.to_vec()).await;
        assert!(said.status.is_client_error(), "{}", said.status);
        assert_eq!(said.header("content-type"), "application/problem+json");
    }
    // A form that another site could make a browser send is not JSON.
    let [cookie, word, ..] = headers;
    let headers = [cookie, word, ("content-type", "text/plain")];
    let body = json!({ "title": "a", "severity": "high" }).to_string();
    let said = house.ask("POST", "/api/v1/incidents", &headers, body).await;
    assert_eq!(said.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // A filter that is misspelt is no filter.
    let said = session.get(&house, "/api/v1/alerts?stat=new").await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST);
    for wrong in ["limit=0", "limit=501", "limit=x", "after=x", "limit=1&limit=2", "%00=%ff"] {
        let said = session.get(&house, &format!("/api/v1/users?{wrong}")).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    house.floor.close().await;
}

/// What a sender may write into a line: colours and titles of a terminal (in seven and eight bits), text
/// that runs backwards, lines of a log, markup, a formula.
const EVIL: &str =
    "=1+1\u{1b}[2J\u{9b}31m\u{202e}\r\nHTTP/1.1 200 OK\u{7f}<script>\u{2028}intruder";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_senders_write_acts_nowhere() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let made = session.json(&house, "POST", "/api/v1/senders", &json!({ "name": "web" })).await;
    let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let said = house.ask("POST", "/api/v1/ingest", &headers, line(EVIL)).await;
    let position = said.json()["position"].as_u64().unwrap();
    house.floor.has_read(app::Position(position)).await;
    let alerts = session.get(&house, "/api/v1/alerts").await;
    let id = alerts.json()["items"][0]["alert"]["alert_id"].as_str().unwrap().to_owned();
    let comment = json!({ "text": EVIL });
    let path = format!("/api/v1/alerts/{id}/comments");
    let commented = session.json(&house, "POST", &path, &comment).await;
    assert_eq!(commented.json()["body"], EVIL, "the value is the same");
    let mut all = vec![alerts, commented];
    for path in ["findings", "comments", ""] {
        let path = format!("/api/v1/alerts/{id}/{path}");
        all.push(session.get(&house, path.trim_end_matches('/')).await);
    }
    for path in ["incidents", "audit", "sources"] {
        all.push(session.get(&house, &format!("/api/v1/{path}")).await);
    }
    let sql = "SELECT * FROM events";
    for format in ["json", "ndjson", "csv"] {
        let query = json!({ "sql": sql, "format": format });
        let said = session.json(&house, "POST", "/api/v1/query", &query).await;
        assert_eq!(said.status, StatusCode::OK);
        all.push(said);
    }
    let csv = json!({ "sql": format!("SELECT '{EVIL}' AS a, '@x' AS \"=b\""), "format": "csv" });
    let csv = session.json(&house, "POST", "/api/v1/query", &csv).await;
    let text = String::from_utf8(csv.body.clone()).unwrap();
    assert!(
        text.starts_with("a,'=b\r\n") && text.contains("'=1+1") && text.contains("'@x"),
        "{text}"
    );
    all.push(csv);
    // In what goes wrong too: what was asked for is repeated there.
    for path in ["alerts?state=%1b%5b2J", "alerts/%c2%9b2J", "alerts?entity=%e2%80%ae"] {
        let said = session.get(&house, &format!("/api/v1/{path}")).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{path}");
        all.push(said);
    }
    let sql = json!({ "sql": format!("SELECT \"{EVIL}\" FROM events") });
    all.push(session.json(&house, "POST", "/api/v1/query", &sql).await);
    for said in &all {
        let text = String::from_utf8(said.body.clone()).unwrap();
        let acts = |c: char| {
            (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
                || matches!(c, '\u{202e}' | '\u{2028}')
        };
        assert!(!text.contains(acts), "{text:?}");
        assert_eq!(said.header("x-content-type-options"), "nosniff");
        assert!(said.header("content-security-policy").contains("default-src 'none'"));
    }
    house.floor.close().await;
}
