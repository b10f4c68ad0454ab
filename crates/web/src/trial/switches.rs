//! Rules switched off and on: what they find, who may, what is told, and what stays over a restart.

use std::fs;

use app::ledger::Role;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::rules::{KNOWN, MINE, correlation, deliver, detail, rule, save, sender};
use super::{House, PASSWORD, Said, Session};

async fn turn(house: &House, session: &Session, id: &str, to: &str, reason: &str) -> Said {
    let body = if reason.is_empty() { json!({}) } else { json!({ "reason": reason }) };
    session.json(house, "POST", &format!("/api/v1/rules/{id}/{to}"), &body).await
}

/// How many findings of a rule there are.
async fn found(house: &House, session: &Session, id: &str) -> u64 {
    let sql = format!("SELECT count(*) AS n FROM findings WHERE rule_id = '{id}'");
    let rows = session.json(house, "POST", "/api/v1/query", &json!({ "sql": sql })).await.json();
    rows[0]["n"].as_u64().unwrap()
}

async fn told(house: &House, session: &Session, id: &str) -> Value {
    session.get(house, &format!("/api/v1/rules/{id}")).await.json()["rule"]["off"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_is_off_finds_nothing_until_it_is_on_also_after_a_restart() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let bearer = sender(&house, &session).await;
    // One that stays on looks at the same events.
    let other = rule(MINE, "Anybody", "kubernetes").replace("- kubernetes", "- secrets");
    assert_eq!(save(&house, &session, MINE, &other, 0).await.status, StatusCode::OK);
    deliver(&house, &bearer, &["zelda"]).await;
    assert_eq!((found(&house, &session, KNOWN).await, found(&house, &session, MINE).await), (1, 1));

    let off = turn(&house, &session, KNOWN, "off", "  a scanner of ours ").await;
    assert_eq!(off.status, StatusCode::OK, "{}", detail(&off));
    let off = off.json();
    assert_eq!(off["rules_off"], 1);
    let word = &off["off"];
    assert_eq!((&word["by"], &word["reason"]), (&json!("anna"), &json!("a scanner of ours")));
    assert_eq!(word["title"], "An intruder");
    deliver(&house, &bearer, &["adam", "eva"]).await;
    assert_eq!((found(&house, &session, KNOWN).await, found(&house, &session, MINE).await), (1, 3));
    // It is told wherever rules are, and its costs are not forgotten.
    assert_eq!(told(&house, &session, KNOWN).await, *word);
    let status = session.get(&house, "/api/v1/status").await.json();
    assert_eq!(status["rules_off"], json!([word]));
    assert_eq!(status["rules"], 2, "it is loaded");
    let list = session.get(&house, "/api/v1/rules").await.json();
    let items = list["items"].as_array().unwrap();
    let known: Vec<_> = items.iter().map(|r| (r["id"] == KNOWN, r["off"].is_null())).collect();
    assert!(known.contains(&(true, false)) && known.contains(&(false, true)), "{known:?}");

    let house = house.again().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    assert_eq!(told(&house, &session, KNOWN).await, *word, "over a restart");
    deliver(&house, &bearer, &["kain"]).await;
    assert_eq!((found(&house, &session, KNOWN).await, found(&house, &session, MINE).await), (1, 4));
    // Another text under its id is off as well; so is the first again.
    let text = super::RULE.replace("An intruder", "An intruder, better told");
    let saved = save(&house, &session, KNOWN, &text, Value::Null).await.json();
    assert_eq!(saved["rule"]["off"], *word);
    let path = format!("/api/v1/rules/{KNOWN}");
    assert_eq!(session.json(&house, "DELETE", &path, &json!({})).await.status, StatusCode::OK);
    deliver(&house, &bearer, &["abel"]).await;
    assert_eq!(found(&house, &session, KNOWN).await, 1);

    let on = turn(&house, &session, KNOWN, "on", "").await;
    assert_eq!(on.json(), json!({ "off": null, "rules_off": 0 }), "{}", detail(&on));
    deliver(&house, &bearer, &["seth"]).await;
    assert_eq!((found(&house, &session, KNOWN).await, found(&house, &session, MINE).await), (2, 6));
    let status = session.get(&house, "/api/v1/status").await.json();
    assert_eq!(status["rules_off"], json!([]));
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_switched_what_off_is_in_the_trail_and_analysts_do_not() {
    let house = House::open().await;
    let (token, caller) = house.log_in("anna", PASSWORD).await;
    let session = Session::of(&token);
    for (login, role) in [("vic", Role::Viewer), ("ada", Role::Analyst), ("eve", Role::Engineer)] {
        let new = (login.to_owned(), login.to_owned(), role, PASSWORD.to_owned());
        house.floor.add_user(&caller, new.0, new.1, new.2, new.3).await.unwrap();
    }
    let eve = Session::of(&house.log_in("eve", PASSWORD).await.0);
    for login in ["vic", "ada"] {
        let who = Session::of(&house.log_in(login, PASSWORD).await.0);
        assert_eq!(turn(&house, &who, KNOWN, "off", "mine").await.status, StatusCode::FORBIDDEN);
        assert_eq!(turn(&house, &eve, KNOWN, "off", "noisy").await.status, StatusCode::OK);
        assert_eq!(turn(&house, &who, KNOWN, "on", "").await.status, StatusCode::FORBIDDEN);
        assert_eq!(told(&house, &who, KNOWN).await["by"], "eve", "everybody sees who did it");
        assert_eq!(turn(&house, &eve, KNOWN, "on", "mended").await.status, StatusCode::OK);
    }
    let entries = session.get(&house, "/api/v1/audit?action=rule.").await.json();
    let entries = entries["items"].as_array().unwrap();
    let lines = entries.iter().map(|e| {
        assert_eq!((&e["id"], &e["actor"]["name"]), (&json!(KNOWN), &json!("eve")), "{e}");
        let reason = |side: &str| e[side]["reason"].as_str().unwrap_or_default();
        (e["action"].as_str().unwrap(), reason("before"), reason("after"))
    });
    let pair = [("rule.on", "noisy", "mended"), ("rule.off", "", "noisy")];
    assert_eq!(lines.collect::<Vec<_>>(), [pair, pair].concat());
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_and_nobodys_file_is_written_over() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let long = "x".repeat(501);
    for (id, to, reason, status) in [
        ("none", "off", "noisy", StatusCode::NOT_FOUND),
        (KNOWN, "on", "", StatusCode::NOT_FOUND),
        (KNOWN, "off", "", StatusCode::UNPROCESSABLE_ENTITY),
        (KNOWN, "off", "   ", StatusCode::BAD_REQUEST),
        (KNOWN, "off", "two\nlines", StatusCode::BAD_REQUEST),
        (KNOWN, "off", &long, StatusCode::BAD_REQUEST),
    ] {
        let said = turn(&house, &session, id, to, reason).await;
        assert_eq!(said.status, status, "{id} {to} {reason}: {}", detail(&said));
    }
    assert!(told(&house, &session, KNOWN).await.is_null());
    assert_eq!(turn(&house, &session, KNOWN, "off", "noisy").await.status, StatusCode::OK);
    let twice = turn(&house, &session, KNOWN, "off", "another reason").await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert!(
        detail(&twice).contains("anna has switched the rule off already"),
        "{}",
        detail(&twice)
    );

    // By hand it is on again; what is half written keeps what is in force and is named.
    let file = house.folder.path().join("data/content/rules-off.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, "[{").unwrap();
    let refused = turn(&house, &session, KNOWN, "on", "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(detail(&refused).contains("rules-off.json"), "{}", detail(&refused));
    assert_eq!(fs::read_to_string(&file).unwrap(), "[{");
    let problems = session.json(&house, "POST", "/api/v1/content/reload", &json!({})).await.json();
    assert!(problems["problems"][0].as_str().unwrap().contains("rules-off.json"), "{problems}");
    assert!(
        told(&house, &session, KNOWN).await.is_null(),
        "a file that says nothing hides nothing"
    );
    fs::write(&file, text).unwrap();
    session.json(&house, "POST", "/api/v1/content/reload", &json!({})).await;
    assert_eq!(told(&house, &session, KNOWN).await["reason"], "noisy");
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_names_the_correlations_that_find_nothing_without_it() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let bearer = sender(&house, &session).await;
    let twice = "11111111-2222-4333-8444-555555555555";
    let saved = save(&house, &session, twice, &correlation(KNOWN), 0).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", detail(&saved));
    let known = session.get(&house, &format!("/api/v1/rules/{KNOWN}")).await.json();
    assert_eq!(known["counted_by"], json!([{ "id": twice, "title": "Twice" }]));
    let of_twice = format!("/api/v1/alerts?rule={twice}");
    let alerts = async || session.get(&house, &of_twice).await.json()["items"].clone();
    assert_eq!(turn(&house, &session, KNOWN, "off", "noisy").await.status, StatusCode::OK);
    deliver(&house, &bearer, &["zelda", "zelda"]).await;
    assert_eq!(alerts().await, json!([]));
    assert_eq!(turn(&house, &session, KNOWN, "on", "").await.status, StatusCode::OK);
    // The correlation itself off.
    assert_eq!(turn(&house, &session, twice, "off", "noisy").await.status, StatusCode::OK);
    deliver(&house, &bearer, &["adam", "adam"]).await;
    assert_eq!(alerts().await, json!([]));
    assert_eq!(turn(&house, &session, twice, "on", "").await.status, StatusCode::OK);
    deliver(&house, &bearer, &["seth", "seth"]).await;
    assert_eq!(alerts().await[0]["alert"]["rule_id"], twice);
    house.floor.close().await;
}
