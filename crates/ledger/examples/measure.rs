//! How long the ledger takes, on SQLite in a temporary folder or on the database that is named.
//!
//! `cargo run --release -p ledger --example measure [postgres://…]`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Instant;

use ledger::{
    Actor, AlertChange, AlertFilter, AlertOrder, AlertState, Kind, Ledger, NewSuppression, Options,
    OwnedBy, Paging, Place,
};
use model::{Alert, Digest, Entity, EntityKind, Hasher, Incident, Level, Micros};

const ALERTS: u64 = 100_000;

fn now() -> Micros {
    Micros::from_seconds(1_800_000_000)
}

fn alert(number: u64) -> Alert {
    let host = |n: u64| Entity::new(EntityKind::Host, &format!("ws-{:04}", n % 3_000));
    let user = |n: u64| Entity::new(EntityKind::User, &format!("corp\\user{:04}", n % 5_000));
    let time = Micros(now().0 + number as i64 * 1_000_000);
    Alert {
        alert_id: Hasher::new("alert").number(number).into(),
        rule_id: format!("5f2c{:04}-0000-4000-8000-000000000000", number % 400).into(),
        rule_title: format!("Suspicious thing number {}", number % 400).into(),
        description: "Detects a thing that attackers do and administrators sometimes do too".into(),
        entity: Some(host(number)),
        entities: vec![host(number), user(number * 7), user(number * 3), host(number / 2)],
        level: Level::ALL.get(number as usize % 5).copied().unwrap_or_default(),
        count: number % 90 + 1,
        first_time: time,
        last_time: time,
        finding_ids: (0..number % 20).map(|n| Hasher::new("f").number(n).into()).collect(),
        tactics: Vec::new(),
        techniques: Vec::new(),
        source: "windows_security".into(),
        risk: (number % 100) as u32,
        risk_parts: Vec::new(),
        reason: "Twenty findings of one rule on one host within an hour".to_owned(),
    }
}

fn incident(number: u64, alerts: &[Alert]) -> Incident {
    Incident {
        incident_id: Hasher::new("incident").number(number).into(),
        title: format!("Incident {number}"),
        summary: String::new(),
        severity: Level::High,
        risk: 50,
        risk_parts: Vec::new(),
        alert_ids: alerts.iter().map(|alert| alert.alert_id).collect(),
        finding_count: 0,
        first_time: now(),
        last_time: now(),
        entities: Vec::new(),
        tactics: Vec::new(),
        techniques: Vec::new(),
        sources: Vec::new(),
        reason: String::new(),
        next_steps: Vec::new(),
    }
}

/// The best of some runs, in milliseconds.
async fn best<F: Future>(name: &str, runs: u32, mut run: impl FnMut(u32) -> F) {
    let mut best = f64::INFINITY;
    for nth in 0..runs {
        let start = Instant::now();
        run(nth).await;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("{name:<52} {best:>9.2} ms");
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let place = std::env::args().nth(1).map(|url| Place::parse(&url).unwrap());
    let place = place.unwrap_or_else(|| Place::in_folder(folder.path()));
    println!("{place:?}");
    let ledger = Ledger::open(&place, &Options::default()).await.unwrap();
    let all: Vec<Alert> = (0..ALERTS).map(alert).collect();
    let start = Instant::now();
    for chunk in all.chunks(1_000) {
        ledger.alerts().upsert(chunk, now()).await.unwrap();
    }
    let took = start.elapsed().as_secs_f64();
    println!("{ALERTS} new alerts: {:.0} a second", ALERTS as f64 / took);
    let incidents: Vec<Incident> =
        all.chunks(20).take(1_000).enumerate().map(|(n, some)| incident(n as u64, some)).collect();
    best("1,000 incidents of 20 alerts, once", 1, |_| ledger.incidents().upsert(&incidents, now()))
        .await;
    best("the same again", 3, |_| ledger.incidents().upsert(&incidents, now())).await;
    let same = all.get(..1_000).unwrap_or_default();
    best("1,000 alerts again, unchanged", 3, |_| ledger.alerts().upsert(same, now())).await;
    reading(&ledger, &all).await;
    writing(&ledger, &all).await;
}

async fn reading(ledger: &Ledger, all: &[Alert]) {
    let none = AlertFilter::default;
    let person = OwnedBy::Person("alice".to_owned());
    let filters = [
        ("all", none()),
        (
            "new and grave",
            AlertFilter { states: vec![AlertState::New], level: Some(Level::High), ..none() },
        ),
        ("an entity", AlertFilter { entity: all.first().and_then(|a| a.entity.clone()), ..none() }),
        ("two words", AlertFilter { text: Some("thing user0042".to_owned()), ..none() }),
        ("alice's", AlertFilter { owner: person, ..none() }),
    ];
    for suppressions in [0, 50] {
        for n in 0..suppressions {
            let new = NewSuppression {
                rule_id: Some(format!("5f2c{n:04}-0000-4000-8000-000000000000")),
                entity: None,
                source: None,
                up_to: Some(Level::Medium),
                until: Micros(i64::MAX),
                reason: "known".to_owned(),
            };
            ledger.suppressions().add(&Actor::system("measure"), now(), &new).await.unwrap();
        }
        println!("with {suppressions} suppressions");
        for (name, filter) in &filters {
            for order in [AlertOrder::Latest, AlertOrder::Gravest] {
                let paging = Paging::first(50);
                let list = |_| ledger.alerts().list(filter, order, &paging, now());
                best(&format!("  50 of {name}, {order:?}"), 5, list).await;
            }
            best(&format!("  facets of {name}"), 3, |_| ledger.alerts().facets(filter, now()))
                .await;
        }
    }
}

async fn writing(ledger: &Ledger, all: &[Alert]) {
    let actor = Actor::person("alice", None);
    let ids: Vec<_> = all.iter().map(|alert| (alert.alert_id, None)).collect();
    let own = |n: u32| AlertChange { owner: Some(Some(format!("p{n}"))), ..AlertChange::default() };
    best("one decision, with its audit line", 50, |n| {
        let (change, id) = (own(n), ids.first().copied().unwrap().0);
        let (ledger, actor) = (ledger.clone(), actor.clone());
        async move { ledger.alerts().change(&actor, now(), id, None, &change).await.unwrap() }
    })
    .await;
    best("1,000 decisions in bulk", 3, |n| {
        let (change, some) = (own(n + 100), ids.get(..1_000).unwrap_or_default().to_vec());
        let (ledger, actor) = (ledger.clone(), actor.clone());
        async move { ledger.alerts().change_many(&actor, now(), &some, &change).await.unwrap() }
    })
    .await;
    best("1,000 deliveries", 5, |n| {
        let some: Vec<_> =
            (0..1_000_u64).map(|i| (Digest::of(format!("{n} {i}").as_bytes()), i)).collect();
        let ledger = ledger.clone();
        async move { ledger.deliveries().first_seen(&some, now()).await.unwrap() }
    })
    .await;
    for _ in 0..200 {
        let object = (Kind::Other, "x");
        ledger.audit().record(&actor, now(), "measure.do", object, (None, None)).await.unwrap();
    }
    let head = ledger.audit().head().await.unwrap().sequence;
    best(&format!("verifying {head} entries"), 3, |_| ledger.audit().verify(1, None)).await;
}
