//! Questions in SQL: how many at once, how large, and for how long.

use std::time::{Duration, Instant};

use app::ledger::Role;
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

/// Who asked what is written down, of a search that is looked through in stretches once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_is_one_line_in_the_audit_trail_and_another_question_is_not_hidden_by_it() {
    let house = House::open().await;
    let (token, caller) = house.log_in("anna", PASSWORD).await;
    let anna = Session::of(&token);
    let new = ("ben".to_owned(), "Ben".to_owned(), Role::Analyst, PASSWORD.to_owned());
    house.floor.add_user(&caller, new.0, new.1, new.2, new.3).await.unwrap();
    let ben = Session::of(&house.log_in("ben", PASSWORD).await.0);
    let sql = "SELECT time FROM events WHERE user_name = 'eva' ORDER BY time DESC LIMIT";
    let ask = async |who: &Session, search: &str, sql: String, days: [&str; 2]| {
        let body = json!({ "sql": sql, "since": days[0], "until": days[1], "search": search });
        assert_eq!(who.json(&house, "POST", QUERY, &body).await.status, 200, "{sql}");
    };
    let days = ["2026-10-15", "2026-10-14", "2026-10-12", "2026-10-01"];
    for (n, days) in days.windows(2).enumerate() {
        ask(&anna, "s-1", format!("{sql} {}", 200 - n), [days[1], days[0]]).await;
    }
    ask(&anna, "s-1", format!("{sql} 200 OFFSET 400"), [days[3], days[0]]).await;
    // Another question under its name, another's, another search, and one without a name.
    let other = sql.replace("eva", "adam");
    ask(&anna, "s-1", format!("{other} 200"), [days[1], days[0]]).await;
    ask(&ben, "s-1", format!("{sql} 200"), [days[1], days[0]]).await;
    ask(&anna, "s-2", format!("{sql} 7"), [days[1], days[0]]).await;
    for _ in 0..2 {
        let body = json!({ "sql": "SELECT 1 AS one" });
        assert_eq!(anna.json(&house, "POST", QUERY, &body).await.status, 200);
    }
    let trail = anna.get(&house, "/api/v1/audit?action=query").await.json();
    let lines = trail["items"].as_array().unwrap().iter().rev();
    let lines: Vec<_> = lines
        .map(|line| (line["actor"]["name"].as_str().unwrap(), line["id"].as_str().unwrap()))
        .collect();
    let expected = [
        ("anna", format!("{sql} 200")),
        ("anna", format!("{other} 200")),
        ("ben", format!("{sql} 200")),
        ("anna", format!("{sql} 7")),
        ("anna", "SELECT 1 AS one".to_owned()),
        ("anna", "SELECT 1 AS one".to_owned()),
    ];
    let expected: Vec<_> = expected.iter().map(|(who, sql)| (*who, sql.as_str())).collect();
    assert_eq!(lines, expected);
    // Of a long one nothing is lost.
    let long = format!("SELECT '{}' AS a FROM events WHERE user_name = 'the end'", "x".repeat(600));
    ask(&anna, "s-3", long.clone(), [days[1], days[0]]).await;
    let trail = anna.get(&house, "/api/v1/audit?action=query").await.json();
    assert_eq!(trail["items"][0]["after"]["sql"], long);
    let body = json!({ "sql": "SELECT 1 AS one", "search": "" });
    assert_eq!(anna.json(&house, "POST", QUERY, &body).await.status, StatusCode::BAD_REQUEST);
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
