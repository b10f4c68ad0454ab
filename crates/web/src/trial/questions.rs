//! Questions in SQL: how many at once, how large, and for how long.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::json;

use super::{House, PASSWORD, Session};

const QUERY: &str = "/api/v1/query";

/// A question that nobody lives to see answered: a sum over 10¹⁵ rows.
fn endless() -> String {
    let ten = "(VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10))";
    let from: Vec<String> = (0..15).map(|n| format!("{ten} AS t{n}(x)")).collect();
    let sum: Vec<String> = (0..15).map(|n| format!("t{n}.x")).collect();
    format!("SELECT sum({}) AS n FROM {}", sum.join(" * "), from.join(", "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_are_asked_at_once_and_end_when_nobody_waits() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let (long, short) = (json!({ "sql": endless() }), json!({ "sql": "SELECT 1 AS one" }));
    let mut five: FuturesUnordered<_> =
        (0..5).map(|_| session.json(&house, "POST", QUERY, &long)).collect();
    // The one that got no turn is told so while the others still wait.
    let refused = five.next().await.unwrap();
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.json());
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(session.json(&house, "POST", QUERY, &short).await.status, 429);
    // Their clients go away: the turns are free again, long before a question's time is over.
    drop(five);
    let deadline = Instant::now() + Duration::from_secs(40);
    while session.json(&house, "POST", QUERY, &short).await.status == 429 {
        assert!(Instant::now() < deadline, "questions go on though nobody waits");
    }
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_bounded_and_say_so() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let three = "SELECT * FROM (VALUES (1), (2), (3)) AS t(x)";
    for (limit, rows, cut) in [(2, "2", "true"), (3, "3", "false")] {
        let query = json!({ "sql": three, "limit": limit });
        let said = session.json(&house, "POST", QUERY, &query).await;
        assert_eq!((said.header("x-rows"), said.header("x-rows-cut")), (rows, cut));
    }
    for limit in [0, 100_001] {
        let said =
            session.json(&house, "POST", QUERY, &json!({ "sql": three, "limit": limit })).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST);
        assert!(said.json()["detail"].as_str().unwrap().contains("1 to 100000 rows"));
    }
    for wrong in ["DROP TABLE events", "SELECT 1; SELECT 2", "", "SELECT nothing FROM events"] {
        let said = session.json(&house, "POST", QUERY, &json!({ "sql": wrong })).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let said = session.json(&house, "POST", "/api/v1/hunts/none", &json!({})).await;
    assert_eq!(said.status, StatusCode::NOT_FOUND);
    house.floor.close().await;
}
