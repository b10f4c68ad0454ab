//! What the report says to look for elsewhere.

use model::{AlertId, EntityKind, Hasher, Tactic};
use report::{Document, render};

use crate::sample::{attack, entity, vantage};

/// The attack, with a tunnel through twelve names and a file that the organisation's own site gave away.
fn tunnel() -> Document {
    let mut document = attack();
    let alerts = &mut document.cases[0].alerts;
    let first = alerts[0].clone();
    let mut add = |title: &str, source: &str, tactic, entities: &[&str]| {
        let mut alert = first.clone();
        alert.alert_id = AlertId::from(Hasher::new("alert").part(title.as_bytes()));
        (alert.rule_title, alert.source) = (title.into(), source.into());
        alert.tactics = vec![tactic];
        alert.entities = entities.iter().map(|text| entity(text)).collect();
        alerts.push(alert);
    };
    let names: Vec<String> = (0..12).map(|n| format!("domain:x{n}.t.evil.example")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    add("Tunnel", "zeek_dns", Tactic::CommandAndControl, &names[..9]);
    add("Tunnel, later", "zeek_dns", Tactic::CommandAndControl, &names[8..]);
    let site = &["domain:shop.meridian.example", "url:https://shop.meridian.example/.env"];
    add("Secret Served", "web_access", Tactic::CredentialAccess, site);
    add("Page Imitated", "zeek_dns", Tactic::InitialAccess, &["domain:meridian-login.example"]);
    document.indicators.clear();
    document.derive(vantage);
    document
}

#[test]
fn a_tunnel_is_one_indicator_and_a_site_of_ones_own_is_none() {
    let document = tunnel();
    let rows: Vec<_> =
        document.indicators.iter().filter(|row| row.kind == EntityKind::Domain).collect();
    let told: Vec<_> = rows.iter().map(|row| (&*row.value, row.alerts, row.names.len())).collect();
    assert_eq!(
        told,
        [
            ("t.evil.example", 2, 12),
            ("cdn-telemetry.example", 2, 0),
            ("meridian-login.example", 1, 0),
        ],
    );
    assert!(document.indicators.iter().all(|row| !row.value.contains("shop.meridian")));
    for form in ["html", "markdown"] {
        let text = String::from_utf8(render(form, &document).unwrap()).unwrap();
        assert!(text.contains("12 names below it"), "{form}");
    }
    let json = render("json", &document).unwrap();
    let read: Document = serde_json::from_slice(&json).unwrap();
    assert_eq!(read.indicators, document.indicators);
}
