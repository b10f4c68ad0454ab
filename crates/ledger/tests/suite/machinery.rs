//! What the machinery remembers: senders and their health, cursors, settings, deliveries, idempotency
//! keys, positions and findings.

use ledger::{
    AlertFilter, AlertOrder, Answer, AuditFilter, Conclusions, ErrorKind, Heard, LedgerError,
    MAX_KEYS, Paging, SenderForm, Telling,
};
use model::{Alert, Digest, Finding, FindingId, FindingKind, Hasher, Level};
use serde_json::json;

use crate::common::{
    House, alert, alert_id, alice, at, bob, digest, incident, incident_id, on_both, user,
};

on_both!(
    senders_have_names_of_their_own,
    tokens_are_rotated,
    silence_is_noticed,
    health_adds_up,
    a_cursor_is_saved_by_one_at_a_time,
    cursors_of_one_owner_are_kept_together,
    settings_have_versions,
    the_first_delivery_is_remembered,
    a_request_is_carried_out_once,
    an_actor_has_no_end_of_keys,
    positions_do_not_go_back,
    findings_are_replaced_and_forgotten,
    labels_of_findings_lead_to_their_alerts,
    conclusions_come_all_or_none,
);

fn form(name: &str) -> SenderForm {
    SenderForm {
        name: name.to_owned(),
        kind: "syslog".to_owned(),
        networks: Vec::new(),
        client_name: None,
        definition: None,
        tags: vec!["dmz".to_owned()],
        rate_limit: Some(500),
        silent_after: Some(60_000_000),
        enabled: true,
    }
}

async fn senders_have_names_of_their_own(house: House) {
    let senders = house.ledger.senders();
    let certified = SenderForm { client_name: Some("fw.example".to_owned()), ..form("fw") };
    let one = senders.add(&alice(), at(0), &certified).await.unwrap();
    assert_eq!(senders.get(one.sender_id).await.unwrap(), one);
    let (name, client) =
        (form("fw"), SenderForm { client_name: certified.client_name.clone(), ..form("x") });
    for (wrong, expected) in [(name, "name"), (client, "client_name")] {
        let refused = senders.add(&alice(), at(1), &wrong).await.unwrap_err();
        let LedgerError::Exists { field, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(field, expected);
    }
    // Those without a certificate do not share one.
    senders.add(&alice(), at(1), &form("a")).await.unwrap();
    senders.add(&alice(), at(1), &form("b")).await.unwrap();
    assert_eq!(senders.by_client_name("fw.example").await.unwrap(), Some(one.clone()));
    assert_eq!(senders.by_client_name("other").await.unwrap(), None);
    let networks = vec!["192.0.2.0/24".to_owned(), "10.0.0.0/8".to_owned()];
    let near = SenderForm { networks, ..form("near") };
    let near = senders.add(&alice(), at(1), &near).await.unwrap();
    assert_eq!(near.form.networks, ["10.0.0.0/8", "192.0.2.0/24"]);
    let taken = |name: &str| SenderForm { networks: vec!["10.0.0.0/8".to_owned()], ..form(name) };
    let refused = [
        senders.add(&alice(), at(1), &taken("far")).await.unwrap_err(),
        senders.change(&alice(), at(1), one.sender_id, None, &taken("fw")).await.unwrap_err(),
    ];
    for refused in refused {
        assert!(matches!(refused, LedgerError::Exists { field: "networks", .. }), "{refused:?}");
    }
    // It keeps its own, and what it lets go is free.
    let same = SenderForm { enabled: false, ..near.form.clone() };
    senders.change(&alice(), at(2), near.sender_id, None, &same).await.unwrap();
    senders.change(&alice(), at(3), near.sender_id, None, &form("near")).await.unwrap();
    let far = senders.add(&alice(), at(4), &taken("far")).await.unwrap();
    assert_eq!(senders.get(far.sender_id).await.unwrap().form.networks, ["10.0.0.0/8"]);
    let off = SenderForm { enabled: false, ..certified };
    let off = senders.change(&alice(), at(2), one.sender_id, Some(1), &off).await.unwrap();
    assert_eq!((off.version, off.form.enabled), (2, false));
    let late =
        senders.change(&alice(), at(3), one.sender_id, Some(1), &form("fw")).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    let zero = SenderForm { rate_limit: Some(0), ..form("z") };
    assert_eq!(senders.add(&alice(), at(4), &zero).await.unwrap_err().kind(), ErrorKind::Invalid);
    let names: Vec<_> = senders.list(0).await.unwrap().into_iter().map(|s| s.form.name).collect();
    assert_eq!(names, ["fw", "a", "b", "near", "far"]);
}

async fn tokens_are_rotated(house: House) {
    let senders = house.ledger.senders();
    let id = senders.add(&alice(), at(0), &form("fw")).await.unwrap().sender_id;
    let other = senders.add(&alice(), at(0), &form("other")).await.unwrap().sender_id;
    senders.add_token(&alice(), at(0), id, digest("old"), None).await.unwrap();
    senders.add_token(&alice(), at(10), id, digest("new"), Some(at(100))).await.unwrap();
    let who = async |name: &str, now| {
        senders.by_token(digest(name), at(now)).await.unwrap().map(|sender| sender.sender_id)
    };
    assert_eq!((who("old", 99).await, who("new", 99).await), (Some(id), Some(id)));
    assert_eq!((who("old", 100).await, who("new", 100).await), (None, Some(id)));
    let twice = senders.add_token(&alice(), at(11), other, digest("new"), None).await.unwrap_err();
    assert!(matches!(twice, LedgerError::Exists { .. }));
    assert_eq!(senders.revoke_tokens(&alice(), at(12), id).await, Ok(2));
    assert_eq!(who("new", 13).await, None);
    for n in 0..10 {
        senders.add_token(&alice(), at(20), id, digest(&format!("t{n}")), None).await.unwrap();
    }
    let full = senders.add_token(&alice(), at(21), id, digest("t10"), None).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::Invalid);
}

fn heard(sender: &str, seen: i64) -> Heard {
    Heard {
        sender: sender.to_owned(),
        definition: "linux_sshd".to_owned(),
        events: 10,
        bytes: 1_000,
        flaws: 1,
        unrecognised: 2,
        lag: 5,
        seen: at(seen),
        last_event: Some(at(seen - 1)),
    }
}

async fn silence_is_noticed(house: House) {
    let senders = house.ledger.senders();
    for name in ["heard", "never", "off", "quiet"] {
        let form = match name {
            "off" => SenderForm { enabled: false, ..form(name) },
            "quiet" => SenderForm { silent_after: None, ..form(name) },
            _ => form(name),
        };
        senders.add(&alice(), at(0), &form).await.unwrap();
    }
    house.ledger.health().heard(&[heard("heard", 50)]).await.unwrap();
    let silent = async |now| {
        let found = senders.silent(at(now)).await.unwrap();
        found.into_iter().map(|s| (s.sender.form.name, s.last_seen)).collect::<Vec<_>>()
    };
    assert_eq!(silent(60).await, []);
    assert_eq!(silent(61).await, [("never".to_owned(), None)]);
    let both = [("heard".to_owned(), Some(at(50))), ("never".to_owned(), None)];
    assert_eq!(silent(111).await, both);
    let other = Heard { definition: "other".to_owned(), ..heard("heard", 100) };
    house.ledger.health().heard(&[other]).await.unwrap();
    assert_eq!(silent(111).await, [("never".to_owned(), None)]);
}

async fn health_adds_up(house: House) {
    let health = house.ledger.health();
    health.heard(&[heard("a", 10), heard("b", 10), heard("a", 20)]).await.unwrap();
    // A late report of earlier events does not turn the clock back.
    let late = Heard { lag: 99, last_event: Some(at(1)), events: u64::MAX, ..heard("a", 5) };
    health.heard(&[late.clone(), late, Heard { last_event: None, ..heard("a", 6) }]).await.unwrap();
    let all = health.list(Some("a"), 0).await.unwrap();
    assert_eq!(all.len(), 1);
    let a = &all[0];
    assert_eq!((a.bytes, a.flaws, a.unrecognised), (5_000, 5, 10));
    assert_eq!((a.first_seen, a.last_seen, a.last_event), (at(10), at(20), Some(at(19))));
    assert!(a.events > 1 << 50);
    assert_eq!(health.list(None, 0).await.unwrap().len(), 2);
}

async fn a_cursor_is_saved_by_one_at_a_time(house: House) {
    let cursors = house.ledger.cursors();
    assert_eq!(cursors.get("okta").await, Ok(None));
    assert_eq!(cursors.set("okta", 0, "page=1", at(1)).await, Ok(1));
    assert_eq!(cursors.set("okta", 1, "page=2", at(2)).await, Ok(2));
    let late = cursors.set("okta", 1, "page=x", at(3)).await.unwrap_err();
    let LedgerError::Conflict { current: 2, now, .. } = late else { panic!("{late:?}") };
    assert_eq!(now["value"], "page=2");
    assert_eq!(
        cursors.set("okta", 0, "page=y", at(3)).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let tries = [0; 8].map(|n| {
        let ledger = house.ledger.clone();
        tokio::spawn(async move {
            ledger.cursors().set("okta", 2, &format!("page={n}"), at(4)).await.is_ok()
        })
    });
    let mut won = 0;
    for one in tries {
        won += u32::from(one.await.unwrap());
    }
    assert_eq!((won, cursors.get("okta").await.unwrap().unwrap().version), (1, 3));
}

async fn cursors_of_one_owner_are_kept_together(house: House) {
    let cursors = house.ledger.cursors();
    let names: Vec<String> = (0..1100).map(|n| format!("tail/a_b/{n:04}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "7")).collect();
    cursors.put(&all, at(1)).await.unwrap();
    cursors.put(&[("tail/axb/1", "8"), ("tail/a_b/0001", "9")], at(2)).await.unwrap();
    // All or none.
    assert!(cursors.put(&[("tail/a_b/0002", "10"), ("tail/a_b/0003", "")], at(3)).await.is_err());
    let kept = cursors.below("tail/a_b/").await.unwrap();
    assert_eq!(
        kept.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    assert_eq!(
        (kept[1].1.value.as_str(), kept[1].1.version, kept[1].1.changed_at),
        ("9", 2, at(2))
    );
    assert_eq!(kept[2].1.value, "7");
    cursors.remove(&names[..2]).await.unwrap();
    cursors.remove(&names[..1]).await.unwrap();
    assert_eq!(cursors.below("tail/a_b/").await.unwrap().len(), 1098);
}

async fn settings_have_versions(house: House) {
    let settings = house.ledger.settings();
    let value = json!({ "until": "22:00" });
    let set =
        settings.set(&alice(), at(1), ("quiet.hours", &value), Some(0), Telling::Values).await;
    assert_eq!(set.unwrap().version, 1);
    let late = settings.set(&bob(), at(2), ("quiet.hours", &value), Some(0), Telling::Values).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    let sealed = json!("sealed:hunter2");
    settings.set(&bob(), at(3), ("quiet.key", &sealed), None, Telling::Nothing).await.unwrap();
    settings.set(&bob(), at(3), ("QUIET.other", &sealed), None, Telling::Nothing).await.unwrap();
    assert_eq!(settings.get("quiet.key").await.unwrap().unwrap().value, sealed);
    let names: Vec<_> =
        settings.list("quiet.").await.unwrap().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["quiet.hours", "quiet.key"]);
    assert!(settings.list("qu_et").await.unwrap().is_empty());
    let trail =
        house.ledger.audit().list(&AuditFilter::default(), &Paging::default()).await.unwrap();
    assert_eq!(trail.items[2].after, Some(value));
    assert!(!format!("{trail:?} {:?}", settings.get("quiet.key").await).contains("hunter2"));
}

async fn the_first_delivery_is_remembered(house: House) {
    let deliveries = house.ledger.deliveries();
    let [a, b, c] = ["a", "b", "c"].map(digest);
    let first = deliveries.first_seen(&[(a, 1), (b, 2), (a, 3)], at(1)).await.unwrap();
    assert_eq!(first, [1, 2, 1]);
    let again = deliveries.first_seen(&[(b, 4), (c, 5), (a, 6)], at(2)).await.unwrap();
    assert_eq!(again, [2, 5, 1]);
    let many: Vec<(Digest, u64)> = (0..1_300).map(|n| (digest(&n.to_string()), 10 + n)).collect();
    let seen = deliveries.first_seen(&many, at(3)).await.unwrap();
    assert!(seen.iter().zip(&many).all(|(seen, (_, own))| seen == own));
    // Two of one digest in different statements of one call.
    let far: Vec<(Digest, u64)> =
        many.iter().map(|(digest, n)| (*digest, n + 5_000)).chain([(c, 9)]).collect();
    assert_eq!(deliveries.first_seen(&far, at(4)).await.unwrap()[1_299..], [1_309, 5]);
    assert_eq!(deliveries.first_seen(&[], at(4)).await, Ok(vec![]));
    assert_eq!(deliveries.prune(at(2)).await, Ok(2));
    assert_eq!(deliveries.first_seen(&[(a, 99), (c, 100)], at(5)).await, Ok(vec![99, 5]));
}

async fn a_request_is_carried_out_once(house: House) {
    let keys = house.ledger.idempotency();
    let begin = async |actor: &str, request: &str, now| {
        keys.begin(actor, "key-1", digest(request), (at(now), at(now + 100))).await
    };
    assert_eq!(begin("alice", "POST /x", 0).await, Ok(Answer::Fresh));
    assert_eq!(begin("alice", "POST /x", 1).await, Ok(Answer::Begun(at(0))));
    // Another's key of the same name is another key.
    assert_eq!(begin("bob", "POST /y", 1).await, Ok(Answer::Fresh));
    keys.finish("alice", "key-1", 201, r#"{"id":7}"#).await.unwrap();
    keys.finish("alice", "key-1", 500, "later").await.unwrap();
    let done = Answer::Done { status: 201, body: r#"{"id":7}"#.to_owned() };
    assert_eq!(begin("alice", "POST /x", 2).await, Ok(done));
    let reused = begin("alice", "POST /z", 3).await.unwrap_err();
    assert_eq!((reused.clone(), reused.kind()), (LedgerError::KeyReused, ErrorKind::Conflict));
    keys.abandon("bob", "key-1").await.unwrap();
    assert_eq!(begin("bob", "POST /z", 4).await, Ok(Answer::Fresh));
    // After its time a key is new again.
    assert_eq!(begin("alice", "POST /z", 100).await, Ok(Answer::Fresh));
    assert_eq!(keys.prune(at(104)).await, Ok(1));
    let tries = [0; 6].map(|_| {
        let ledger = house.ledger.clone();
        tokio::spawn(async move {
            let times = (at(300), at(400));
            ledger.idempotency().begin("carol", "key", digest("r"), times).await.unwrap()
        })
    });
    let mut fresh = 0;
    for one in tries {
        fresh += u32::from(one.await.unwrap() == Answer::Fresh);
    }
    assert_eq!(fresh, 1);
}

async fn an_actor_has_no_end_of_keys(house: House) {
    let keys = house.ledger.idempotency();
    let begin = async |actor: &str, name: &str, now| {
        keys.begin(actor, name, digest("r"), (at(now), at(now + 100))).await
    };
    assert_eq!(begin("alice", "first", 0).await, Ok(Answer::Fresh));
    let more = MAX_KEYS - 1;
    let copies = format!(
        "INSERT INTO idempotency (actor, name, request, created_at, expires_at) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {more}) \
         SELECT actor, 'copy-' || i, request, created_at, expires_at FROM idempotency, n"
    );
    assert_eq!(house.tamper(&copies).await, more);
    assert_eq!(begin("alice", "another", 1).await, Ok(Answer::Full));
    // One that is known is found, another actor has room, and time makes room.
    assert_eq!(begin("alice", "first", 1).await, Ok(Answer::Begun(at(0))));
    assert_eq!(begin("bob", "another", 1).await, Ok(Answer::Fresh));
    assert_eq!(begin("alice", "another", 100).await, Ok(Answer::Fresh));
}

async fn positions_do_not_go_back(house: House) {
    let positions = house.ledger.positions();
    assert_eq!(positions.get("live").await, Ok(None));
    assert_eq!(positions.advance("live", 10, at(1)).await, Ok(10));
    assert_eq!(positions.advance("live", 7, at(2)).await, Ok(10));
    assert_eq!(positions.advance("other", 1, at(2)).await, Ok(1));
    positions.reset("live", Some(3), at(3)).await.unwrap();
    assert_eq!(positions.get("live").await, Ok(Some(3)));
    positions.reset("other", None, at(3)).await.unwrap();
    assert_eq!(positions.all().await, Ok(vec![("live".to_owned(), 3)]));
}

fn finding_id(number: u64) -> FindingId {
    Hasher::new("test finding").number(number).into()
}

fn finding(number: u64) -> Finding {
    Finding {
        finding_id: finding_id(number),
        kind: FindingKind::Sigma,
        rule_id: "rule".into(),
        rule_version: "1".into(),
        rule_title: "Title".into(),
        description: "\0 from evidence".into(),
        level: Level::High,
        time: at(number as i64),
        event_uids: Vec::new(),
        entities: vec![user("x")],
        tactics: Vec::new(),
        techniques: Vec::new(),
        matched_fields: Vec::new(),
        window: None,
        source: "s".into(),
        labels: vec![],
    }
}

async fn labels_of_findings_lead_to_their_alerts(house: House) {
    let (findings, alerts) = (house.ledger.findings(), house.ledger.alerts());
    alerts.upsert(&[alert(1), alert(2), alert(3)], at(1)).await.unwrap();
    let with = |n: u64, labels: &[&str], alert| {
        let labels = labels.iter().map(|label| (*label).into()).collect();
        (Finding { labels, ..finding(n) }, Some(alert_id(alert)))
    };
    let long = "x".repeat(10_000);
    let all = [
        with(1, &["site=oslo", "prod"], 1),
        with(2, &["site=oslo"], 1),
        with(3, &["site=bergen", &long], 2),
        with(4, &[], 3),
    ];
    findings.upsert(&all, at(2)).await.unwrap();
    findings.upsert(&all, at(3)).await.unwrap();
    let found = async |label: &str| {
        let filter = AlertFilter { label: Some(label.to_owned()), ..AlertFilter::default() };
        let page =
            alerts.list(&filter, AlertOrder::Latest, &Paging::default(), at(4)).await.unwrap();
        let total = alerts.facets(&filter, at(4)).await.unwrap().total;
        assert_eq!(total, page.items.len() as u64);
        let mut ids: Vec<_> = page.items.iter().map(|row| row.alert.alert_id).collect();
        ids.sort();
        ids
    };
    assert_eq!(found("site=oslo").await, [alert_id(1)]);
    assert_eq!(found("prod").await, [alert_id(1)]);
    assert_eq!(found(&long).await, [alert_id(2)]);
    assert!(found("site=").await.is_empty() && found("%").await.is_empty());
    // What takes an alert's findings takes its labels.
    let gone = [(alert_id(1), Some(alert_id(2)))];
    let said = Conclusions { retracted: &gone, ..Conclusions::default() };
    house.ledger.conclude(&said, at(5)).await.unwrap();
    for label in ["site=oslo", "prod", "site=bergen"] {
        assert_eq!(found(label).await, [alert_id(2)], "{label}");
    }
}

async fn findings_are_replaced_and_forgotten(house: House) {
    let findings = house.ledger.findings();
    let of = |n| (finding(n), Some(alert_id(1)));
    let all: Vec<_> = (1..=5).map(of).chain([(finding(6), None)]).collect();
    findings.upsert(&all, at(10)).await.unwrap();
    findings.upsert(&all, at(11)).await.unwrap();
    findings
        .supersede(&[(finding_id(1), finding_id(2)), (finding_id(2), finding_id(3))])
        .await
        .unwrap();
    assert_eq!(findings.get(finding_id(1)).await.unwrap(), finding(3));
    // No ring comes of it: what was told last stands.
    findings.supersede(&[(finding_id(3), finding_id(1))]).await.unwrap();
    assert_eq!(findings.get(finding_id(1)).await.unwrap(), finding(3));
    let mut paging = Paging::first(2);
    let mut seen = Vec::new();
    loop {
        let page = findings.of_alert(alert_id(1), &paging).await.unwrap();
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        paging.after = Some(next);
    }
    assert_eq!(seen, [finding(5), finding(4), finding(3)]);
    // What is said again stands again: a late event may bring back what an earlier one replaced.
    findings.upsert(&all[..1], at(12)).await.unwrap();
    assert_eq!(findings.get(finding_id(1)).await.unwrap(), finding(1));
    assert_eq!(findings.of_alert(alert_id(1), &Paging::default()).await.unwrap().items.len(), 4);
    let since = findings.since(at(5), &Paging::first(1)).await.unwrap();
    assert_eq!(since.items, [finding(6)]);
    let after = Paging { after: since.next, ..Paging::first(1) };
    assert_eq!(findings.since(at(5), &after).await.unwrap().items, [finding(5)]);
    assert_eq!(findings.prune(at(4)).await, Ok(3));
    assert_eq!(findings.get(finding_id(3)).await.unwrap_err().kind(), ErrorKind::NotFound);
}

fn sent<T: Send>(future: T) -> T {
    future
}

async fn conclusions_come_all_or_none(house: House) {
    let found = [(finding(1), Some(alert_id(1)))];
    let alerts = [alert(1), alert(2)];
    let incidents = [incident(1, &[1, 2])];
    let said = Conclusions {
        findings: &found,
        superseded: &[],
        alerts: &alerts,
        retracted: &[],
        incidents: &incidents,
        positions: &[("live", 10)],
    };
    // The web serves each request on whatever thread is free.
    sent(house.ledger.conclude(&said, at(1))).await.unwrap();
    let row = house.ledger.incidents().get(incident_id(1)).await.unwrap();
    assert_eq!((row.alert_count, row.first_time, row.last_time), (2, at(1), at(2)));
    house.ledger.conclude(&said, at(2)).await.unwrap();
    assert_eq!(house.ledger.incidents().get(incident_id(1)).await.unwrap(), row);
    // An incident that names an unknown alert takes the rest with it.
    let more = [Alert { count: 5, ..alert(1) }];
    let wrong = [incident(1, &[1, 9])];
    let said = Conclusions { alerts: &more, incidents: &wrong, positions: &[("live", 20)], ..said };
    assert_eq!(house.ledger.conclude(&said, at(3)).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(house.ledger.positions().get("live").await, Ok(Some(10)));
    let row = house.ledger.alerts().get(alert_id(1), at(3)).await.unwrap();
    assert_eq!(row.alert.count, 1);
}
