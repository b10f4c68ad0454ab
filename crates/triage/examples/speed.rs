//! Measures triage: `cargo run --release -p triage --example speed -- 1000000`.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Instant;

use model::{Entity, EntityKind, EventUid, Finding, FindingKind, Hasher, Level, Micros};
use triage::{Policy, triage};

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let started = Instant::now();
    let told = triage((0..count).map(finding), &Policy::default());
    println!(
        "{count} findings, {} alerts, {} incidents, {} common entities: {:?}",
        told.alerts.len(),
        told.incidents.len(),
        told.common.len(),
        started.elapsed(),
    );
}

/// A month of findings: 300 rules over 5,000 hosts, 3,000 users and one resolver.
fn finding(n: u64) -> Finding {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let pick = |shift: u32, of: u64| (mixed >> shift) % of;
    let rule: Arc<str> = format!("rule-{}", pick(8, 300)).into();
    let event = EventUid::from(Hasher::new("event").number(n));
    let entity = |kind, value: String| Entity { kind, value: value.into() };
    Finding {
        finding_id: Finding::derive_id(&rule, "1", None, &[event]),
        kind: FindingKind::Sigma,
        rule_id: rule.clone(),
        rule_version: "1".into(),
        rule_title: rule,
        description: "".into(),
        level: Level::ALL.get((mixed >> 60) as usize % 5).copied().unwrap_or_default(),
        time: Micros(1_790_000_000_000_000 + (n * 2_592_000_000_000 / 1_000_000) as i64),
        event_uids: vec![event],
        entities: vec![
            entity(EntityKind::Host, format!("ws-{:05}", pick(20, 5_000))),
            entity(EntityKind::User, format!("corp\\user{}", pick(32, 3_000))),
            entity(EntityKind::Address, "10.20.0.53".to_owned()),
        ],
        tactics: Vec::new(),
        techniques: Vec::new(),
        matched_fields: Vec::new(),
        window: None,
        source: "windows_security".into(),
        labels: vec![],
    }
}
