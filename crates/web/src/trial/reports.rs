//! An incident as a report, in each form, with what somebody hostile wrote in it.

use std::process::Command;

use app::ledger::Role;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{House, PASSWORD, Said, Session, line};

/// What a sender writes to be run by whoever reads the report.
const EVIL: &str = "<img src=x onerror=alert(1)><script>alert(1)</script>\u{202e}intruder";
const TITLE: &str = "Odd <script>alert(2)</script> logins";

/// A house with an incident of one alert, and who may only look.
async fn incident() -> (House, Session, String) {
    let house = House::open().await;
    let (token, caller) = house.log_in("anna", PASSWORD).await;
    let anna = Session::of(&token);
    let made = anna.json(&house, "POST", "/api/v1/senders", &json!({ "name": "k8s" })).await;
    let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let said = house.ask("POST", "/api/v1/ingest", &headers, line(EVIL)).await;
    house.floor.has_read(app::Position(said.json()["position"].as_u64().unwrap())).await;
    let alerts = anna.get(&house, "/api/v1/alerts?limit=1").await.json();
    let alert = &alerts["items"][0]["alert"]["alert_id"];
    let new = json!({ "title": TITLE, "severity": "critical", "alerts": [alert] });
    let opened = anna.json(&house, "POST", "/api/v1/incidents", &new).await.json();
    let id = opened["incident_id"].as_str().unwrap().to_owned();
    let note = json!({ "text": "a secret between us" });
    anna.json(&house, "POST", &format!("/api/v1/incidents/{id}/comments"), &note).await;
    let vera = ("vera".to_owned(), "Vera".to_owned(), Role::Viewer, PASSWORD.to_owned());
    house.floor.add_user(&caller, vera.0, vera.1, vera.2, vera.3).await.unwrap();
    let vera = Session::of(&house.log_in("vera", PASSWORD).await.0);
    (house, vera, id)
}

async fn form(house: &House, who: &Session, id: &str, more: &str) -> Said {
    let said = who.get(house, &format!("/api/v1/incidents/{id}/report{more}")).await;
    assert_eq!(said.status, StatusCode::OK, "{more}: {}", String::from_utf8_lossy(&said.body));
    said
}

fn text(said: &Said) -> String {
    String::from_utf8(said.body.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_made_in_every_form_and_nothing_in_it_runs() {
    let (house, vera, id) = incident().await;
    // JSON: figures with where they come from, and the way back to the bytes.
    let said = form(&house, &vera, &id, "?form=json").await;
    assert_eq!(said.header("content-type"), "application/json");
    let told: Value = serde_json::from_slice(&said.body).unwrap();
    assert_eq!(told["title"], TITLE);
    assert_eq!(told["cases"][0]["incident"]["incident_id"], id.as_str());
    let figures = told["figures"].as_array().unwrap();
    let figure = |label: &str| figures.iter().find(|f| f["label"] == label).unwrap();
    assert!(figures.iter().all(|figure| !figure["query"].as_str().unwrap().is_empty()));
    for (label, value) in [("Alerts", "1"), ("Findings", "1"), ("Deliveries", "1")] {
        assert_eq!(figure(label)["value"], value, "{label}");
    }
    // What a figure says is asked again: by SQL, or of the API.
    let sql = json!({ "sql": figure("Events of its time")["query"] });
    let again = vera.json(&house, "POST", "/api/v1/query", &sql).await.json();
    let counted = again[0].as_object().unwrap().values().next().unwrap();
    assert_eq!(counted.to_string(), figure("Events of its time")["value"].as_str().unwrap());
    let list = figure("Alerts")["query"].as_str().unwrap().strip_prefix("GET ").unwrap().to_owned();
    assert_eq!(vera.get(&house, &list).await.json()["items"].as_array().unwrap().len(), 1);
    let moment = &told["cases"][0]["story"][0];
    assert_eq!(moment["offset"], 0, "{moment}");
    assert_eq!(moment["parcel"], told["evidence"][0]["parcel"]["digest"], "{moment}");
    assert_eq!(told["evidence"].as_array().unwrap().len(), 1);
    assert_eq!((&told["events"], &told["delivered"]), (&json!(1), &json!(true)));

    // HTML: a file to keep, or something to look at that has no rights.
    let said = form(&house, &vera, &id, "").await;
    assert_eq!(said.header("content-type"), "text/html; charset=utf-8");
    assert!(said.header("content-disposition").starts_with("attachment; filename=\"incident-"));
    let shown = form(&house, &vera, &id, "?show=true").await;
    assert!(shown.header("content-disposition").starts_with("inline; "));
    for said in [&said, &shown] {
        let policy = said.header("content-security-policy");
        let begins = "sandbox; default-src 'none'; style-src 'sha256-";
        assert!(
            policy.starts_with(begins) && policy.ends_with("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("allow-"), "{policy}");
        assert_eq!(said.header("x-content-type-options"), "nosniff");
        let page = text(said);
        assert!(page.contains("Odd &lt;script&gt;alert(2)&lt;/script&gt; logins"));
        assert!(
            !page.contains("<script>alert") && !page.contains("<img") && !page.contains('\u{202e}')
        );
    }

    let said = form(&house, &vera, &id, "?form=markdown").await;
    assert_eq!(said.header("content-type"), "text/markdown; charset=utf-8");
    let page = text(&said);
    assert!(page.contains("1 event from 1 delivery"), "{page}");
    assert!(page.contains("Odd") && page.contains("An intruder") && !page.contains("<script>"));
    assert!(!page.contains("a secret between us"), "notes stay on the floor");

    let said = form(&house, &vera, &id, "?form=pdf&show=true").await;
    assert!(said.header("content-disposition").starts_with("attachment; "));
    assert_eq!(said.header("content-type"), "application/pdf");
    assert!(said.body.starts_with(b"%PDF"));
    let file = house.folder.path().join("report.pdf");
    std::fs::write(&file, &said.body).unwrap();
    // Of Debian's package poppler-utils, which `./run test` installs.
    let out = Command::new("pdftotext").arg("-layout").arg(&file).arg("-").output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(TITLE), "{words}");
    let anna = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let entries = anna.get(&house, "/api/v1/audit?action=incident.report").await.json();
    assert_eq!(entries["items"].as_array().unwrap().len(), 5, "who takes reports out is noted");
    assert!(entries["items"].as_array().unwrap().iter().all(|e| e["actor"]["name"] == "vera"));
    house.floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reported_is_said() {
    let (house, vera, id) = incident().await;
    let none = "i-00000000000000000000000000000000";
    for (path, status) in [
        (format!("{id}/report?form=docx"), StatusCode::BAD_REQUEST),
        (format!("{id}/report?forms=pdf"), StatusCode::BAD_REQUEST),
        (format!("{none}/report"), StatusCode::NOT_FOUND),
        ("..%2f..%2fetc/report".to_owned(), StatusCode::BAD_REQUEST),
    ] {
        let said = vera.get(&house, &format!("/api/v1/incidents/{path}")).await;
        assert_eq!(said.status, status, "{path}");
        assert_eq!(said.header("content-type"), "application/problem+json");
    }
    // One that a person opened and nothing is in.
    let anna = Session::of(&house.log_in("anna", PASSWORD).await.0);
    let new = json!({ "title": "Nothing yet", "severity": "low" });
    let empty = anna.json(&house, "POST", "/api/v1/incidents", &new).await.json();
    let empty = empty["incident_id"].as_str().unwrap();
    for name in ["html", "pdf", "markdown", "json"] {
        form(&house, &vera, empty, &format!("?form={name}")).await;
    }
    house.floor.close().await;
}
