//! Writes under an `Idempotency-Key`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{House, PASSWORD, Said, Session};

const SENDERS: &str = "/api/v1/senders";

async fn post(house: &House, session: &Session, key: &str, path: &str, body: &Value) -> Said {
    let [cookie, word] = session.headers();
    let kind = ("content-type", "application/json");
    let headers = [cookie, word, kind, ("idempotency-key", key)];
    house.ask("POST", path, &headers, body.to_string()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_sent_again_is_answered_again() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let web = json!({ "name": "web" });
    let first = post(&house, &session, "key-1", SENDERS, &web).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = post(&house, &session, "\"key-1\"", SENDERS, &web).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("content-type"), "application/json");
    // Another request under the same key, be it the body or the place.
    let other = post(&house, &session, "key-1", SENDERS, &json!({ "name": "mail" })).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    let other = post(&house, &session, "key-1", "/api/v1/incidents", &web).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    // A refusal is an answer like any other.
    let refused = post(&house, &session, "key-2", SENDERS, &web).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let again = post(&house, &session, "key-2", SENDERS, &web).await;
    assert_eq!((again.status, &again.body), (refused.status, &refused.body));
    assert_eq!(again.header("content-type"), "application/problem+json");
    for wrong in ["", "a b", "ä", &"x".repeat(129)] {
        let said = post(&house, &session, wrong, SENDERS, &json!({ "name": "x" })).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    // Another caller's key of the same name is another key, and a restart forgets none.
    let vera = json!({ "login": "vera", "name": "Vera", "role": "admin",
        "password": "viewing password 1" });
    assert_eq!(session.json(&house, "POST", "/api/v1/users", &vera).await.status, 201);
    let house = house.again().await;
    let hers = Session::of(&house.log_in("vera", "viewing password 1").await.0);
    let said = post(&house, &hers, "key-1", SENDERS, &json!({ "name": "mail" })).await;
    assert_eq!(said.status, StatusCode::CREATED);
    let again = post(&house, &session, "key-1", SENDERS, &web).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    let listed = session.get(&house, SENDERS).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    // The token that the answer holds is nowhere to be read.
    let token = first.json()["token"].as_str().unwrap().to_owned();
    house.floor.close().await;
    for file in ["watchfloor.db", "watchfloor.db-wal"] {
        let bytes = std::fs::read(house.folder.path().join("data").join(file)).unwrap_or_default();
        assert!(!bytes.windows(token.len()).any(|part| part == token.as_bytes()), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_is_carried_out() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let new = json!({ "title": "Once", "severity": "high" });
    let all = (0..8).map(|_| post(&house, &session, "key", "/api/v1/incidents", &new));
    let all = futures::future::join_all(all).await;
    let made: Vec<&Said> = all.iter().filter(|said| said.status == 201).collect();
    assert!(!made.is_empty());
    assert!(all.iter().all(|said| matches!(said.status.as_u16(), 201 | 409)));
    assert!(made.iter().all(|said| said.body == made[0].body));
    let listed = session.get(&house, "/api/v1/incidents").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_ends_though_its_client_goes_away() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let new = json!({ "title": "Gone", "severity": "high" });
    {
        let mut gone = Box::pin(post(&house, &session, "key", "/api/v1/incidents", &new));
        // Until it is under way: it is noted under its key.
        while session.get(&house, "/api/v1/me").await.status == 200 {
            if futures::poll!(&mut gone).is_ready() {
                break;
            }
            let again = post(&house, &session, "key", "/api/v1/incidents", &new).await;
            if again.status == 409 || again.header("idempotency-replayed") == "true" {
                break;
            }
        }
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let again = post(&house, &session, "key", "/api/v1/incidents", &new).await;
        if again.status == 201 {
            break;
        }
        assert_eq!(again.status, 409);
        assert!(std::time::Instant::now() < deadline, "the write never ended");
    }
    let listed = session.get(&house, "/api/v1/incidents").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    house.floor.close().await;
}
