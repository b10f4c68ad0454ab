//! Who may do what with whose searches, as a table.

use app::ledger::Role;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{House, PASSWORD, Session};

/// What somebody tries on a search.
#[derive(Debug, Clone, Copy)]
enum Tries {
    Rename,
    Show,
    Hide,
    Remove,
}

use Tries::{Hide, Remove, Rename, Show};

const OK: u16 = 200;
const GONE: u16 = 204;
const DENIED: u16 = 403;
const UNSEEN: u16 = 404;

/// Whose search it is, whether everybody sees it, who tries what, and the answer.
const TABLE: &[(&str, bool, &str, Tries, u16)] = &[
    ("vera", false, "vera", Rename, OK),
    ("vera", false, "vera", Show, DENIED),
    ("vera", false, "vera", Remove, GONE),
    ("vera", false, "amir", Rename, UNSEEN),
    ("vera", false, "amir", Remove, UNSEEN),
    ("vera", false, "anna", Rename, UNSEEN),
    ("vera", false, "anna", Show, UNSEEN),
    ("vera", false, "anna", Remove, UNSEEN),
    ("amir", false, "amir", Show, OK),
    ("amir", false, "vera", Remove, UNSEEN),
    ("amir", true, "amir", Rename, OK),
    ("amir", true, "amir", Hide, OK),
    ("amir", true, "amir", Remove, GONE),
    ("amir", true, "vera", Rename, DENIED),
    ("amir", true, "vera", Hide, DENIED),
    ("amir", true, "vera", Remove, DENIED),
    ("amir", true, "erik", Rename, DENIED),
    ("amir", true, "erik", Remove, DENIED),
    ("amir", true, "anna", Rename, OK),
    ("amir", true, "anna", Hide, OK),
    ("amir", true, "anna", Remove, GONE),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_is_for_those_whom_the_table_names() {
    let house = House::open().await;
    let (admin, caller) = house.log_in("anna", PASSWORD).await;
    let mut people = vec![("anna", Session::of(&admin))];
    let roles = [("vera", Role::Viewer), ("amir", Role::Analyst), ("erik", Role::Engineer)];
    for (login, role) in roles {
        let password = format!("one horse of {role:?} more");
        let made = (login.to_owned(), login.to_owned(), role, password.clone());
        house.floor.add_user(&caller, made.0, made.1, made.2, made.3).await.unwrap();
        people.push((login, Session::of(&house.log_in(login, &password).await.0)));
    }
    let of = |login: &str| &people.iter().find(|(name, _)| *name == login).unwrap().1;
    for (number, (owner, shown, who, tries, expected)) in TABLE.iter().enumerate() {
        let name = format!("{number}: {who} tries {tries:?} on {owner}'s, shown: {shown}");
        let new = json!({ "name": name, "address": "/hunt?q=x", "shared": shown });
        let kept = of(owner).json(&house, "POST", "/api/v1/searches", &new).await;
        assert_eq!(kept.status, StatusCode::CREATED, "{name}: {}", kept.json());
        let path = format!("/api/v1/searches/{}", kept.json()["search_id"].as_str().unwrap());
        let list = of(who).get(&house, "/api/v1/searches?limit=500").await.json();
        let listed = list["items"].as_array().unwrap().iter().any(|s| s["name"] == *name);
        assert_eq!(listed, *shown || owner == who, "{name}: in the list");
        let (method, body) = match tries {
            Rename => ("PATCH", json!({ "name": format!("{name}, renamed") })),
            Show => ("PATCH", json!({ "shared": true })),
            Hide => ("PATCH", json!({ "shared": false })),
            Remove => ("DELETE", Value::Null),
        };
        let said = of(who).json(&house, method, &path, &body).await;
        assert_eq!(said.status.as_u16(), *expected, "{name}");
        // Who was turned away has changed nothing.
        let list = of(owner).get(&house, "/api/v1/searches?limit=500").await.json();
        let stands = list["items"].as_array().unwrap().iter().find(|s| s["name"] == *name);
        if *expected >= 400 {
            let stands = stands.unwrap_or_else(|| panic!("{name}: it is gone"));
            assert_eq!(
                (&stands["shared"], &stands["version"]),
                (&json!(shown), &json!(1)),
                "{name}"
            );
        }
    }
    // Whoever may not decide shows nothing to everybody, at once no more than later.
    let new = json!({ "name": "all", "address": "/hunt", "shared": true });
    let said = of("vera").json(&house, "POST", "/api/v1/searches", &new).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN);
    let away = json!({ "name": "away", "address": "javascript:alert(1)" });
    let said = of("vera").json(&house, "POST", "/api/v1/searches", &away).await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST, "{}", said.json());
    house.floor.close().await;
}
