//! Rules that people write: checked, tried on what came, saved, in force at once, taken away; and what somebody
//! would write who means ill.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use app::ledger::Role;
use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{House, PASSWORD, RULE, Said, Session, line};

const CHECK: &str = "/api/v1/content/rules/check";
const TEST: &str = "/api/v1/content/rules/test";
/// The id of [`RULE`].
pub(super) const KNOWN: &str = "6a2c9f7e-2f0e-4a8e-9d36-0a2f6c1c8d11";
pub(super) const MINE: &str = "0b1c2d3e-4f50-4617-8899-aabbccddeeff";

/// A rule that finds a word anywhere in a Kubernetes audit log.
pub(super) fn rule(id: &str, title: &str, word: &str) -> String {
    format!(
        "title: {title}\nid: {id}\nname: mine\nstatus: test\ndescription: Somebody says it.\nlogsource:\n    \
         product: kubernetes\n    service: audit\ndetection:\n    words:\n        - {word}\n    \
         condition: words\nlevel: high\n"
    )
}

/// A correlation that counts what [`rule`] matches.
pub(super) fn correlation(counts: &str) -> String {
    format!(
        "title: Twice\nid: 11111111-2222-4333-8444-555555555555\nstatus: test\ndescription: Twice.\n\
         correlation:\n    type: event_count\n    rules:\n        - {counts}\n    group-by:\n        \
         - user.username\n    timespan: 1h\n    condition:\n        gte: 2\nlevel: high\n"
    )
}

pub(super) async fn sender(house: &House, session: &Session) -> String {
    let made = session.json(house, "POST", "/api/v1/senders", &json!({ "name": "k8s" })).await;
    format!("Bearer {}", made.json()["token"].as_str().unwrap())
}

pub(super) async fn deliver(house: &House, bearer: &str, who: &[&str]) {
    let lines: String = who.iter().map(|who| line(who)).collect();
    let headers = [("authorization", bearer)];
    let said = house.ask("POST", "/api/v1/ingest", &headers, lines).await;
    house.floor.has_read(app::Position(said.json()["position"].as_u64().unwrap())).await;
}

pub(super) async fn save(
    house: &House,
    session: &Session,
    id: &str,
    text: &str,
    expected: impl Into<Value>,
) -> Said {
    let body = json!({ "text": text, "expected": expected.into() });
    session.json(house, "PUT", &format!("/api/v1/rules/{id}"), &body).await
}

fn files(house: &House) -> BTreeSet<PathBuf> {
    let folder = house.folder.path().join("data/content/rules");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

pub(super) fn detail(said: &Said) -> String {
    let told = said.json();
    format!("{} {}", told["detail"], told["hints"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_is_checked_tried_saved_fires_and_goes() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let bearer = sender(&house, &session).await;
    deliver(&house, &bearer, &["zelda", "zelda", "adam"]).await;

    // Mistakes and oddities have a place and a sentence.
    let text = rule(MINE, "Zelda", "zelda").replace("condition: words", "condition: wards");
    let checked = session.json(&house, "POST", CHECK, &json!({ "text": text })).await.json();
    let problems = checked["problems"].as_array().unwrap();
    let mistake = problems.iter().find(|p| p["severity"] == "error").unwrap();
    assert_eq!((&mistake["line"], &mistake["column"]), (&json!(12), &json!(16)), "{mistake}");
    assert!(mistake["message"].as_str().unwrap().contains("`wards`"), "{mistake}");
    assert_eq!(checked["rules"], json!([]));
    let refused = save(&house, &session, MINE, &text, 0).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(detail(&refused).contains("line 12, column 16"), "{}", detail(&refused));
    assert!(files(&house).is_empty());

    // Tried on what came before.
    let text = rule(MINE, "Zelda", "zelda").replace("- zelda", "user.username: zelda");
    let checked = session.json(&house, "POST", CHECK, &json!({ "text": text })).await.json();
    assert_eq!(checked["problems"], json!([]));
    assert_eq!(checked["rules"][0]["id"], MINE);
    let body = json!({ "text": text, "since": "2026-10-01", "until": "2026-11-01" });
    let tried = session.json(&house, "POST", TEST, &body).await;
    assert_eq!(tried.status, StatusCode::OK, "{}", detail(&tried));
    let tried = tried.json();
    assert_eq!((&tried["events"], &tried["looked_at"]), (&json!(3), &json!(3)), "{tried}");
    assert_eq!(tried["rules"][0]["matched"], 2);
    assert_eq!(tried["rules"][0]["last"], "2026-10-14T06:00:57.093441Z");
    let fields = tried["findings"][0]["matched_fields"].as_array().unwrap();
    assert_eq!(
        (&fields[0]["field"], &fields[0]["value"]),
        (&json!("user.username"), &json!("zelda"))
    );
    let of_mine = format!("/api/v1/alerts?rule={MINE}");
    assert_eq!(session.get(&house, &of_mine).await.json()["items"], json!([]));
    let elsewhere = json!({ "text": text, "since": "2026-09-01", "until": "2026-10-01" });
    let tried = session.json(&house, "POST", TEST, &elsewhere).await.json();
    assert_eq!((&tried["events"], &tried["rules"][0]["matched"]), (&json!(0), &json!(0)));

    // Saved it is in force for what comes next.
    let saved = save(&house, &session, MINE, &text, 0).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", detail(&saved));
    let told = saved.json();
    assert_eq!(told["loaded"], 2, "{told}");
    assert_eq!(told["rule"]["saved_here"], true);
    assert_eq!(saved.header("etag"), format!("\"{}\"", told["version"]));
    deliver(&house, &bearer, &["zelda"]).await;
    let alerts = session.get(&house, &of_mine).await.json();
    assert_eq!(alerts["items"][0]["alert"]["rule_id"], MINE, "{alerts}");
    let names: Vec<_> = files(&house).into_iter().collect();
    assert_eq!(names.len(), 1);
    assert_eq!(std::fs::read_to_string(&names[0]).unwrap(), text);

    // Over a restart, and away again.
    let house = house.again().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let path = format!("/api/v1/rules/{MINE}");
    let again = session.get(&house, &path).await;
    assert_eq!(again.json()["text"], text.as_str());
    assert_eq!(again.header("etag"), saved.header("etag"));
    let gone = session.json(&house, "DELETE", &path, &json!({})).await;
    assert_eq!(gone.json(), json!({ "in_force_again": null, "loaded": 1 }));
    assert_eq!(session.get(&house, &path).await.status, StatusCode::NOT_FOUND);
    assert!(files(&house).is_empty());
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_from_elsewhere_is_replaced_and_never_written_over() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let path = format!("/api/v1/rules/{KNOWN}");
    let before = session.get(&house, &path).await.json();
    assert_eq!(before["rule"]["saved_here"], false);
    let refused = session.json(&house, "DELETE", &path, &json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(detail(&refused).contains("rule.yml"), "{}", detail(&refused));
    let text = RULE.replace("An intruder", "An intruder, better told");
    let checked = session.json(&house, "POST", CHECK, &json!({ "text": text })).await.json();
    assert_eq!(checked["rules"][0]["stands_in"], before["rule"]["path"]);
    assert_eq!(checked["rules"][0]["saved_here"], false);
    let saved = save(&house, &session, KNOWN, &text, before["version"].clone()).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", detail(&saved));
    let saved = saved.json();
    assert_eq!(saved["rule"]["title"], "An intruder, better told");
    assert_eq!(saved["rule"]["replaces"], before["rule"]["path"]);
    assert_eq!(saved["loaded"], 1);
    assert_eq!(std::fs::read_to_string(house.folder.path().join("rule.yml")).unwrap(), RULE);
    let status = session.get(&house, "/api/v1/status").await.json();
    assert_eq!(status["content_problems"], json!([]), "that it replaces is no mistake");
    let gone = session.json(&house, "DELETE", &path, &json!({})).await.json();
    assert_eq!(gone["in_force_again"], before["rule"]["path"]);
    assert_eq!(session.get(&house, &path).await.json()["rule"]["title"], "An intruder");
    house.floor.close().await;
}

/// What somebody else left half written on the disk neither holds a rule up nor comes into force with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_file_elsewhere_holds_nothing_up() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    std::fs::write(house.folder.path().join("rule.yml"), "title: [").unwrap();
    let saved = save(&house, &session, MINE, &rule(MINE, "One", "one"), 0).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", detail(&saved));
    assert_eq!(saved.json()["loaded"], 2);
    let kept = session.get(&house, &format!("/api/v1/rules/{KNOWN}")).await.json();
    assert_eq!(kept["text"], RULE, "what was in force stays");
    // A file that somebody lays into the folder by hand is one of those that were saved here.
    std::fs::write(house.folder.path().join("rule.yml"), RULE).unwrap();
    let folder = house.folder.path().join("data/content/rules");
    let text = RULE.replace("An intruder", "By hand");
    std::fs::write(folder.join("by-hand.yml"), &text).unwrap();
    session.json(&house, "POST", "/api/v1/content/reload", &json!({})).await;
    let mine = session.get(&house, &format!("/api/v1/rules/{KNOWN}")).await.json();
    assert_eq!(
        (&mine["rule"]["title"], &mine["rule"]["saved_here"]),
        (&json!("By hand"), &json!(true))
    );
    let changed = text.replace("By hand", "By the page");
    let saved = save(&house, &session, KNOWN, &changed, mine["version"].clone()).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", detail(&saved));
    assert_eq!(std::fs::read_to_string(folder.join("by-hand.yml")).unwrap(), changed);
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_edit_the_slower_one_is_told() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let path = format!("/api/v1/rules/{MINE}");
    let first = save(&house, &session, MINE, &rule(MINE, "One", "one"), 0).await;
    // Two made the same rule.
    let late = save(&house, &session, MINE, &rule(MINE, "Two", "two"), 0).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(detail(&late).contains("a rule of this id already"), "{}", detail(&late));
    // Two changed what both had read; by the body and by the header.
    let read = first.json()["version"].clone();
    let second = save(&house, &session, MINE, &rule(MINE, "Two", "two"), read.clone()).await;
    assert_eq!(second.status, StatusCode::OK);
    let late = save(&house, &session, MINE, &rule(MINE, "Three", "three"), read).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(detail(&late).contains("changed meanwhile"), "{}", detail(&late));
    let [cookie, word] = session.headers();
    for (method, tag, status) in [
        ("PUT", first.header("etag"), StatusCode::PRECONDITION_FAILED),
        ("DELETE", first.header("etag"), StatusCode::PRECONDITION_FAILED),
        ("PUT", second.header("etag"), StatusCode::OK),
    ] {
        let headers = [cookie, word, ("content-type", "application/json"), ("if-match", tag)];
        let body = json!({ "text": rule(MINE, "Three", "three") }).to_string();
        let said = house.ask(method, &path, &headers, body).await;
        assert_eq!(said.status, status, "{method} {tag}: {}", detail(&said));
    }
    // Somebody with an editor on the server.
    let file = files(&house).pop_first().unwrap();
    std::fs::write(&file, "title: [").unwrap();
    let late = save(&house, &session, MINE, &rule(MINE, "Four", "four"), Value::Null).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "title: [");
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wrote_what_is_in_the_audit_trail_and_analysts_do_not_write() {
    let house = House::open().await;
    let (token, caller) = house.log_in("anna", PASSWORD).await;
    let session = Session::of(&token);
    for (login, role) in [("ada", Role::Analyst), ("eve", Role::Engineer)] {
        let new = (login.to_owned(), login.to_owned(), role, PASSWORD.to_owned());
        house.floor.add_user(&caller, new.0, new.1, new.2, new.3).await.unwrap();
    }
    let ada = Session::of(&house.log_in("ada", PASSWORD).await.0);
    let eve = Session::of(&house.log_in("eve", PASSWORD).await.0);
    let text = rule(MINE, "One", "one");
    assert_eq!(save(&house, &ada, MINE, &text, 0).await.status, StatusCode::FORBIDDEN);
    for path in [CHECK, TEST] {
        let said = ada.json(&house, "POST", path, &json!({ "text": text })).await;
        assert_eq!(said.status, StatusCode::FORBIDDEN, "{path}");
    }
    // A token of the content alone reads no events by way of a rule.
    let scopes = json!({ "name": "t", "scopes": ["content"] });
    let made = eve.json(&house, "POST", "/api/v1/me/tokens", &scopes).await.json();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({ "text": text }).to_string();
    let said = house.ask("POST", TEST, &headers, body.clone()).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN);
    assert_eq!(house.ask("POST", CHECK, &headers, body).await.status, StatusCode::OK);

    assert_eq!(save(&house, &eve, MINE, &text, 0).await.status, StatusCode::OK);
    let other = rule(MINE, "Two", "two");
    assert_eq!(save(&house, &eve, MINE, &other, Value::Null).await.status, StatusCode::OK);
    eve.json(&house, "DELETE", &format!("/api/v1/rules/{MINE}"), &json!({})).await;
    let entries = session.get(&house, "/api/v1/audit?action=rule.&actor=eve").await.json();
    let told: Vec<_> = entries["items"].as_array().unwrap().iter().collect();
    let sha = |text: &str| json!(model::Digest::of(text.as_bytes()));
    let sides: Vec<_> = told
        .iter()
        .map(|e| (&e["action"], &e["before"]["sha256"], &e["after"]["sha256"]))
        .collect();
    let none = Value::Null;
    assert_eq!(
        sides,
        [
            (&json!("rule.remove"), &sha(&other), &none),
            (&json!("rule.save"), &sha(&text), &sha(&other)),
            (&json!("rule.save"), &none, &sha(&text)),
        ]
    );
    assert!(told.iter().all(|entry| entry["id"] == MINE));
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_are_refused_with_a_sentence() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let text = rule(MINE, "One", "one");
    let large = format!("{text}# {}\n", "x".repeat(600 << 10));
    let many = "title: a\n---\n".repeat(5_000);
    let bomb = {
        let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (one, two) in "abcdefgh".chars().zip("bcdefghi".chars()) {
            let all = format!("*{one},").repeat(9);
            writeln!(bomb, "{two}: &{two} [{all}]").unwrap();
        }
        format!("{text}{bomb}")
    };
    let deep = format!("{text}x: {}\n", "[".repeat(100_000));
    let deeper = format!("{text}x:\n{}\n", "- ".repeat(100_000));
    let filter = "title: f\nlogsource:\n    product: kubernetes\nfilter:\n    rules:\n        - mine\n    \
                  selection:\n        a: b\n    condition: selection\n";
    let filters = format!("{text}---\n{filter}");
    let cases: [(&str, &str, &str, u16); 9] = [
        ("large", &large, "larger than 512 KiB", 422),
        ("many", &many, "more than 20 documents", 422),
        ("bomb", &bomb, "repetition limit", 400),
        ("deep", &deep, "brackets", 400),
        ("deeper", &deeper, "line", 400),
        ("filters", &filters, "a filter changes rules of other files", 400),
        ("empty", "# nothing\n", "no rule", 400),
        ("another", &rule(KNOWN, "One", "one"), "and not of", 400),
        ("control", &rule(MINE, "\"a\\u0007b\"", "one"), "on one line", 400),
    ];
    for (name, text, why, status) in cases {
        let said = save(&house, &session, MINE, text, 0).await;
        assert_eq!(said.status.as_u16(), status, "{name}: {}", detail(&said));
        assert!(detail(&said).contains(why), "{name}: {}", detail(&said));
        for path in [CHECK, TEST] {
            let said = session.json(&house, "POST", path, &json!({ "text": text })).await;
            assert!(said.status.as_u16() < 500, "{name}: {path}: {}", said.status);
        }
    }
    let said = save(&house, &session, MINE, &"x".repeat(2 << 20), 0).await;
    assert_eq!(said.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(files(&house).is_empty(), "{:?}", files(&house));

    // Ids and titles that look like paths become none.
    let outside = |house: &House| {
        let entries = std::fs::read_dir(house.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    let before = outside(&house);
    for (id, path) in [
        ("../../../evil", "..%2F..%2F..%2Fevil"),
        ("/etc/passwd", "%2Fetc%2Fpasswd"),
        ("a\\\\b:c", "a%5Cb%3Ac"),
        (".", "%2E"),
        ("con.yml", "con.yml"),
    ] {
        let text = rule(&format!("\"{id}\""), "\"../../title\"", "one");
        let said = save(&house, &session, path, &text, 0).await;
        assert!(said.status.is_success() || said.status.is_client_error(), "{id}: {}", said.status);
    }
    assert_eq!(outside(&house), before);
    assert!(!files(&house).is_empty());
    for file in files(&house) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let stem = name.strip_suffix(".yml").unwrap();
        assert!(stem.len() == 32 && stem.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    }
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn correlations_count_what_is_in_force_and_are_not_broken_unseen() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let bearer = sender(&house, &session).await;
    deliver(&house, &bearer, &["zelda", "zelda", "adam"]).await;
    let twice = correlation("mine");
    let checked = session.json(&house, "POST", CHECK, &json!({ "text": twice })).await.json();
    let message = checked["problems"][0]["message"].as_str().unwrap();
    assert!(message.contains("mine"), "it counts a rule that is not there: {checked}");
    let id = "11111111-2222-4333-8444-555555555555";
    assert_eq!(save(&house, &session, id, &twice, 0).await.status, StatusCode::BAD_REQUEST);

    // With what it counts in one text, or beside it; the lake answers for both.
    let both = format!("{}---\n{twice}", rule(MINE, "Any", "secrets"));
    let any = save(&house, &session, MINE, &rule(MINE, "Any", "secrets"), 0).await;
    assert_eq!(any.status, StatusCode::OK, "{}", detail(&any));
    for text in [&twice, &both] {
        let checked = session.json(&house, "POST", CHECK, &json!({ "text": text })).await.json();
        assert_eq!(checked["problems"], json!([]));
        let body = json!({ "text": text, "since": "2026-10-01" });
        let tried = session.json(&house, "POST", TEST, &body).await;
        assert_eq!(tried.status, StatusCode::OK, "{}", detail(&tried));
        let tried = tried.json();
        let rules = tried["rules"].as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["correlation"] == true).unwrap();
        assert_eq!((&tried["looked_at"], &rule["matched"]), (&json!(3), &json!(1)), "{tried}");
        let window = &tried["findings"][0]["window"];
        assert_eq!(window["group"], json!([["user.username", "zelda"]]), "{tried}");
    }
    let saved = save(&house, &session, id, &twice, 0).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", detail(&saved));
    // The rule that it counts may change, and not go.
    let path = format!("/api/v1/rules/{MINE}");
    let refused = session.json(&house, "DELETE", &path, &json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(detail(&refused).contains("would not work any more"), "{}", detail(&refused));
    let renamed = rule(MINE, "Any", "secrets").replace("name: mine", "name: other");
    let refused = save(&house, &session, MINE, &renamed, Value::Null).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let better = rule(MINE, "Any, better told", "secrets");
    let saved = save(&house, &session, MINE, &better, Value::Null).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", detail(&saved));
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_window_asks_for_is_read_as_people_write_it() {
    let house = House::open().await;
    let session = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let text = rule(MINE, "One", "one");
    for (since, until, status) in [
        ("7d", "1d", StatusCode::OK),
        ("1d", "7d", StatusCode::BAD_REQUEST),
        ("yesterday", "1d", StatusCode::BAD_REQUEST),
        ("'; DROP TABLE events", "now", StatusCode::BAD_REQUEST),
    ] {
        let body = json!({ "text": text, "since": since, "until": until });
        let said = session.json(&house, "POST", TEST, &body).await;
        assert_eq!(said.status, status, "{since}: {}", detail(&said));
    }
    let [cookie, word] = session.headers();
    let headers = [cookie, word, ("content-type", "text/plain")];
    let said = house.ask("POST", TEST, &headers, Body::from("{}")).await;
    assert_eq!(said.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    house.floor.close().await;
}
