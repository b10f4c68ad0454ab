//! The live floor over the demonstration's evidence, delivered as senders would: it must say what an
//! investigation of the same bytes says, and go on after it was stopped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use app::access::{Caller, FirstAdmin, LoggedIn, Login, Permission};
use app::ledger::{AlertFilter, AlertOrder, Paging, Role, SenderForm, Suppressed};
use app::{
    Asked, Content, Delivering, Floor, FloorOptions, Input, Kind, Load, Meter, Options, Position,
    Question, RuleChoice, Stages,
};
use model::{Level, Micros};

/// Files of the demonstration that are not packed.
const FILES: [&str; 10] = [
    "okta/system-log.ndjson",
    "github/audit-log.json",
    "m365/unified-audit.ndjson",
    "kubernetes/audit.log",
    "web/portal-access.log",
    "zeek/dns.log",
    "zeek/http.log",
    "zeek/ssl.log",
    "cloudflare/audit-logs-v2.json",
    "cloudflare/firewall_events.ndjson",
];
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "correct horse battery";

fn demo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/evidence").join(name)
}

fn options(data: &Path) -> FloorOptions {
    FloorOptions {
        data: data.to_owned(),
        ledger: None,
        rules: RuleChoice::default(),
        content: None,
        threads: 2,
        log_bytes: 1 << 30,
    }
}

async fn open(data: &Path) -> Floor {
    Floor::open(&Content::built_in(), options(data)).await.unwrap()
}

fn login(password: &str) -> Login {
    Login {
        login: "anna".into(),
        password: password.into(),
        code: None,
        passkey: None,
        address: HERE,
        agent: "test".into(),
    }
}

async fn admin(floor: &Floor) -> Caller {
    if let Some(link) = floor.first_link().await.unwrap() {
        let first = FirstAdmin {
            link,
            login: "anna".into(),
            name: "Anna".into(),
            password: PASSWORD.into(),
            address: HERE,
        };
        floor.make_first_admin(first).await.unwrap();
    }
    match floor.log_in(login(PASSWORD)).await.unwrap() {
        LoggedIn::In(_, caller) => *caller,
        LoggedIn::MoreNeeded(_) => panic!("no code was set up"),
    }
}

async fn sender(floor: &Floor, caller: &Caller) -> Delivering {
    let form = SenderForm {
        name: "files".into(),
        kind: "http".into(),
        enabled: true,
        ..SenderForm::default()
    };
    let made = floor.add_sender(caller, &form).await.unwrap();
    floor.sender_by_digest(made.token.digest()).await.unwrap().unwrap()
}

async fn deliver(floor: &Floor, from: &Delivering, bytes: Vec<u8>) -> Position {
    let origin = "http 127.0.0.1".to_owned();
    let load = Load { format: None, events: None, origin, bytes: bytes.into() };
    floor.deliver(from, load).await.unwrap().position
}

async fn ask(floor: &Floor, caller: &Caller, sql: &str) -> Vec<serde_json::Value> {
    let question = Question {
        since: None,
        until: None,
        limit: None,
        tables: vec![],
        form: "ndjson".into(),
        width: None,
    };
    let asked = Asked { sql: sql.into(), search: None, question };
    let (bytes, _) = floor.ask(caller, asked).await.unwrap();
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

async fn ids(floor: &Floor, caller: &Caller, column: &str, table: &str) -> Vec<String> {
    let sql = format!("SELECT {column} AS id FROM {table} ORDER BY 1");
    let rows = ask(floor, caller, &sql).await;
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn alerts(floor: &Floor, caller: &Caller) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let filter = AlertFilter { suppressed: Suppressed::Shown, ..AlertFilter::default() };
    let mut paging = Paging::first(500);
    loop {
        let page = floor.alerts(caller, &filter, AlertOrder::Begun, &paging).await.unwrap();
        let told = |row: &app::ledger::AlertRow| {
            format!("{} {} ({})", row.alert.alert_id, row.alert.rule_title, row.alert.count)
        };
        all.extend(page.items.iter().map(told));
        match page.next {
            Some(next) => paging.after = Some(next),
            None => return all,
        }
    }
}

/// Event ids, ids of findings on single events, and alert ids of an investigation of the same files.
fn investigated(data: &Path) -> [Vec<String>; 3] {
    let stages = Stages::load(&Content::built_in(), &RuleChoice::default());
    let options = Options {
        inputs: FILES.iter().map(|name| Input::Path(demo(name))).collect(),
        data: data.to_owned(),
        min_level: Level::Informational,
        threads: 2,
        again: false,
        now: Micros::from_seconds(1_792_108_800),
    };
    app::investigate(&stages, &options, &Meter::default()).unwrap();
    let column = |sql: &str| {
        let question = Question {
            since: None,
            until: None,
            limit: None,
            tables: vec![],
            form: "ndjson".into(),
            width: None,
        };
        let mut out = Vec::new();
        app::query(data, sql, &question, &mut out).unwrap();
        let lines = out.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let rows = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    [
        column("SELECT event_uid AS id FROM events ORDER BY 1"),
        column("SELECT finding_id AS id FROM findings WHERE kind = 'sigma' ORDER BY 1"),
        column("SELECT concat(alert_id, ' ', rule_title, ' (', count, ')') AS id FROM alerts"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_bytes_say_what_investigated_ones_say() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let investigated = tokio::task::spawn_blocking({
        let folder = folders[0].path().to_owned();
        move || investigated(&folder)
    });
    let data = folders[1].path();
    let floor = open(data).await;
    let caller = admin(&floor).await;
    let from = sender(&floor, &caller).await;
    // Half of it, then a stop and a start, then the other half.
    let (first, second) = FILES.split_at(5);
    let mut last = Position::default();
    for name in first {
        last = deliver(&floor, &from, fs::read(demo(name)).unwrap()).await;
    }
    floor.has_read(last).await;
    floor.close().await;
    drop(floor);
    let floor = open(data).await;
    let caller = admin(&floor).await;
    for name in second {
        last = deliver(&floor, &from, fs::read(demo(name)).unwrap()).await;
    }
    floor.has_read(last).await;
    let [events, findings, alert_ids] = investigated.await.unwrap();
    // Rows that are committed and rows that are not are one table.
    assert_eq!(ids(&floor, &caller, "event_uid", "events").await, events);
    let sigma = "findings WHERE kind = 'sigma'";
    assert_eq!(ids(&floor, &caller, "finding_id", sigma).await, findings);
    let live = alerts(&floor, &caller).await;
    assert!(live.len() > 10);
    let batch: BTreeSet<String> = alert_ids.into_iter().collect();
    let missing: Vec<_> = batch.difference(&live).collect();
    let extra: Vec<_> = live.difference(&batch).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}, extra {extra:#?}");
    floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_delivered_twice_are_two_events() {
    let folder = tempfile::tempdir().unwrap();
    let floor = open(folder.path()).await;
    let caller = admin(&floor).await;
    let from = sender(&floor, &caller).await;
    let line = b"{\"msg\": \"heartbeat\"}\n".to_vec();
    deliver(&floor, &from, line.clone()).await;
    let last = deliver(&floor, &from, line).await;
    floor.has_read(last).await;
    let events = ids(&floor, &caller, "event_uid", "events").await;
    assert_eq!(events.len(), 2);
    assert_ne!(events[0], events[1]);
    let heard = floor.sources(&caller, &Paging::default()).await.unwrap().items;
    assert!(heard.len() <= 1);
    floor.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let floor = open(folder.path()).await;
    let caller = admin(&floor).await;
    // The link works once.
    assert!(floor.first_link().await.unwrap().is_none());
    let viewer = "viewing password 1";
    floor
        .add_user(&caller, "vera".into(), "Vera".into(), Role::Viewer, viewer.into())
        .await
        .unwrap();
    let login_of = |password: &str| Login { login: "vera".into(), ..login(password) };
    let LoggedIn::In(_, vera) = floor.log_in(login_of(viewer)).await.unwrap() else {
        panic!("no code was set up")
    };
    assert!(vera.may(Permission::Read).is_ok());
    let form = SenderForm { name: "mine".into(), ..SenderForm::default() };
    assert_eq!(floor.add_sender(&vera, &form).await.unwrap_err().kind, Kind::Denied);
    assert_eq!(floor.users(&vera, &Paging::default()).await.unwrap_err().kind, Kind::Denied);
    // Guessing slows down.
    for _ in 0..5 {
        let failure = floor.log_in(login_of("wrong wrong wrong")).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Unauthenticated);
    }
    let failure = floor.log_in(login_of(viewer)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Throttled);
    floor.close().await;
}

/// A rule that no event matches, on expressions that no engine is fast with; and one that is sound.
fn careless_rules() -> String {
    let expressions: Vec<String> =
        (490..500).map(|times| format!("'[ab]*a[ab]{{{times}}}c'")).collect();
    let rule = |id: &str, detection: &str| {
        format!(
            "title: {id}\nid: {id}\nlogsource: {{product: okta, service: okta}}\ndetection:\n    a:\n        \
             {detection}\n    condition: a\nlevel: low\n"
        )
    };
    let careless = format!("displayMessage|re: [{}]", expressions.join(", "));
    let sound = "eventType: user.session.start";
    format!("{}---\n{}", rule("careless", &careless), rule("sound", sound))
}

/// Log-ins with a long message, such as the careless rule takes long over.
fn long_log_ins(from: u64, count: u64) -> Vec<u8> {
    let log = fs::read_to_string(demo(FILES[0])).unwrap();
    let log_in = log.lines().find(|line| line.contains("user.session.start")).unwrap();
    let mut log_in: serde_json::Value = serde_json::from_str(log_in).unwrap();
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if state >> 63 == 0 { 'a' } else { 'b' }
    };
    log_in["displayMessage"] =
        format!("c{}", (0..16_000).map(|_| letter()).collect::<String>()).into();
    let lines = (from..from + count).map(|number| {
        log_in["uuid"] = format!("00000000-0000-0000-0000-{number:012}").into();
        format!("{log_in}\n")
    });
    lines.collect::<String>().into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_holds_up_the_others_is_shut_off_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, careless_rules()).unwrap();
    let rules = RuleChoice { paths: vec![rules], only_paths: true, ..RuleChoice::default() };
    let options = FloorOptions { rules, ..options(&folder.path().join("data")) };
    let floor = Floor::open(&Content::built_in(), options.clone()).await.unwrap();
    let caller = admin(&floor).await;
    let from = sender(&floor, &caller).await;
    let mut changes = floor.changes(&caller).unwrap();
    let in_force = |id: &str| {
        let all = floor.rules(&caller, &Paging::first(10)).unwrap().items;
        all.into_iter().find(|rule| &*rule.info.id == id).unwrap()
    };
    assert_eq!(in_force("careless").shut_off, None);

    let last = deliver(&floor, &from, long_log_ins(0, 36)).await;
    floor.has_read(last).await;
    let careless = in_force("careless");
    assert!(careless.shut_off.is_some(), "{:?}", careless.cost);
    assert!(careless.cost.given_up >= 5 && careless.cost.share > 0.9, "{:?}", careless.cost);
    assert_eq!((in_force("sound").cost.matched, in_force("sound").shut_off), (36, None));
    let status = floor.status();
    let named: Vec<_> = status.rules_shut_off.iter().map(|shut| &*shut.rule_id).collect();
    assert_eq!(named, ["careless"]);
    assert!(status.well, "the floor itself works");

    // The others go on, and it does not.
    let evaluated = careless.cost.evaluated;
    let last = deliver(&floor, &from, long_log_ins(36, 200)).await;
    floor.has_read(last).await;
    let found = "findings WHERE rule_id = 'sound'";
    assert_eq!(ids(&floor, &caller, "finding_id", found).await.len(), 236);
    assert_eq!(in_force("careless").cost.evaluated, evaluated);
    // Somebody is told.
    while !alerts(&floor, &caller).await.iter().any(|alert| alert.contains("A rule was shut off")) {
        changes.next().await.expect("the floor is open");
    }

    // A person lifts it, once.
    floor.lift_rule(&caller, "careless").await.unwrap();
    assert_eq!(in_force("careless").shut_off, None);
    assert!(floor.status().rules_shut_off.is_empty());
    assert_eq!(floor.lift_rule(&caller, "careless").await.unwrap_err().kind, Kind::NotFound);
    let last = deliver(&floor, &from, long_log_ins(236, 36)).await;
    floor.has_read(last).await;
    let shut = in_force("careless").shut_off;
    assert!(shut.is_some(), "it is judged anew");
    floor.close().await;
    drop(floor);

    // A restart is no way around it; a changed rule is another one.
    let floor = Floor::open(&Content::built_in(), options.clone()).await.unwrap();
    let caller = admin(&floor).await;
    let found = |floor: &Floor, caller: &Caller, id: &str| {
        let all = floor.rules(caller, &Paging::first(10)).unwrap().items;
        all.into_iter().find(|rule| &*rule.info.id == id).unwrap()
    };
    assert_eq!(found(&floor, &caller, "careless").shut_off, shut);
    // Costs are told some times a second.
    let mut number = 300;
    while found(&floor, &caller, "sound").cost.evaluated == 0 {
        let last = deliver(&floor, &from, long_log_ins(number, 1)).await;
        floor.has_read(last).await;
        number += 1;
    }
    assert_eq!(found(&floor, &caller, "careless").cost.evaluated, 0);
    let changed = careless_rules().replace("level: low", "level: high");
    fs::write(&options.rules.paths[0], changed).unwrap();
    floor.reload().await.unwrap();
    while found(&floor, &caller, "careless").cost.evaluated == 0 {
        let last = deliver(&floor, &from, long_log_ins(number, 1)).await;
        floor.has_read(last).await;
        number += 1;
    }
    assert_eq!(found(&floor, &caller, "careless").shut_off, None);
    assert!(floor.status().rules_shut_off.is_empty());
    floor.close().await;
}

/// What a lake that nobody has open tells.
fn lake(data: &Path, sql: &str) -> Vec<serde_json::Value> {
    let question = Question {
        since: None,
        until: None,
        limit: None,
        tables: vec![],
        form: "ndjson".into(),
        width: None,
    };
    // It has a runtime of its own.
    let ask = || {
        let mut out = Vec::new();
        app::query(data, sql, &question, &mut out).unwrap();
        out
    };
    let out = std::thread::scope(|scope| scope.spawn(ask).join().unwrap());
    let lines = out.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn texts(rows: &[serde_json::Value], column: &str) -> Vec<String> {
    rows.iter().map(|row| row[column].as_str().unwrap().to_owned()).collect()
}

/// Tags of a sender are on its events and findings, by which alerts are found, and change no id. What
/// correlations found is in the lake when the floor is closed, once, however often it is opened again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_and_open_findings_are_there_when_the_floor_is_closed() {
    let (plain, tagged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut event_ids = Vec::new();
    let correlations =
        "SELECT finding_id, labels FROM findings WHERE kind = 'correlation' ORDER BY 1";
    let mut told = Vec::new();
    for (data, tags) in
        [(&plain, vec![]), (&tagged, vec!["site=oslo".to_owned(), "prod".to_owned()])]
    {
        let floor = open(data.path()).await;
        let caller = admin(&floor).await;
        let form = SenderForm {
            name: "files".into(),
            kind: "http".into(),
            tags: tags.clone(),
            enabled: true,
            ..SenderForm::default()
        };
        let made = floor.add_sender(&caller, &form).await.unwrap();
        let from = floor.sender_by_digest(made.token.digest()).await.unwrap().unwrap();
        let mut last = Position::default();
        for name in FILES {
            last = deliver(&floor, &from, fs::read(demo(name)).unwrap()).await;
        }
        floor.has_read(last).await;
        event_ids.push(ids(&floor, &caller, "event_uid", "events").await);
        let labels = "SELECT DISTINCT CAST(metadata_labels AS text) AS labels FROM events";
        let labels = ask(&floor, &caller, labels).await;
        let expected = match tags.is_empty() {
            true => serde_json::Value::Null,
            false => serde_json::json!("[\"site=oslo\",\"prod\"]"),
        };
        assert!(labels.iter().all(|row| row["labels"] == expected), "{labels:?}");
        for (tag, some) in
            [("site=oslo", !tags.is_empty()), ("prod", !tags.is_empty()), ("oslo", false)]
        {
            let filter = AlertFilter { label: Some(tag.into()), ..AlertFilter::default() };
            let found = floor
                .alerts(&caller, &filter, AlertOrder::Latest, &Paging::first(5))
                .await
                .unwrap();
            assert_eq!(!found.items.is_empty(), some, "{tag}");
            for row in found.items {
                let id = row.alert.alert_id;
                let findings =
                    floor.alert_findings(&caller, id, &Paging::first(50)).await.unwrap().items;
                let has = |finding: &model::Finding| finding.labels.iter().any(|l| **l == *tag);
                assert!(findings.iter().any(has), "{id}");
            }
        }
        // Correlations as the ledger has them, those that may still change among them.
        let mut known = BTreeSet::new();
        let mut paging = Paging::first(500);
        let all = AlertFilter { suppressed: Suppressed::Shown, ..AlertFilter::default() };
        loop {
            let page = floor.alerts(&caller, &all, AlertOrder::Begun, &paging).await.unwrap();
            for row in page.items {
                let (id, most) = (row.alert.alert_id, Paging::first(500));
                let of = floor.alert_findings(&caller, id, &most).await.unwrap().items.into_iter();
                known.extend(of.filter(|f| f.window.is_some()).map(|f| f.finding_id.to_string()));
            }
            match page.next {
                Some(next) => paging.after = Some(next),
                None => break,
            }
        }
        assert!(known.len() > 3, "{known:?}");
        floor.close().await;
        told.push(known);
    }
    assert_eq!(event_ids[0], event_ids[1]);
    assert_eq!(told[0], told[1]);
    for round in 0..2 {
        let rows = lake(tagged.path(), correlations);
        let listed = texts(&rows, "finding_id");
        assert_eq!(
            listed,
            told[1].iter().cloned().collect::<Vec<_>>(),
            "closed {round} times before"
        );
        for row in &rows {
            assert_eq!(row["labels"], serde_json::json!(["site=oslo", "prod"]));
        }
        let floor = open(tagged.path()).await;
        let caller = admin(&floor).await;
        let again = ids(&floor, &caller, "finding_id", "findings").await;
        assert_eq!(again.iter().collect::<BTreeSet<_>>().len(), again.len(), "one is there twice");
        floor.close().await;
    }
}

/// One process writes to a data folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_investigation_leaves_an_open_floor_alone() {
    let folder = tempfile::tempdir().unwrap();
    let floor = open(folder.path()).await;
    let investigate = {
        let data = folder.path().to_owned();
        move || {
            let stages = Stages::load(&Content::built_in(), &RuleChoice::default());
            let options = Options {
                inputs: vec![Input::Path(demo(FILES[0]))],
                data: data.clone(),
                min_level: Level::Informational,
                threads: 1,
                again: false,
                now: Micros::from_seconds(1_792_108_800),
            };
            app::investigate(&stages, &options, &Meter::default()).map(|outcome| outcome.events)
        }
    };
    let refused = tokio::task::spawn_blocking(investigate.clone()).await.unwrap().unwrap_err();
    assert_eq!(refused.kind, Kind::System);
    assert!(refused.message.ends_with("is in use by another process"), "{}", refused.message);
    assert!(refused.hints.iter().any(|hint| hint.contains("--data")));
    floor.close().await;
    drop(floor);
    let events = tokio::task::spawn_blocking(investigate).await.unwrap().unwrap();
    assert!(events > 0);
}

/// An investigation says which rules it gave up on, and so does its report.
#[test]
fn an_investigation_names_the_rules_that_it_gave_up_on() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, log) = (folder.path().join("rules.yml"), folder.path().join("okta.ndjson"));
    fs::write(&rules, careless_rules()).unwrap();
    fs::write(&log, long_log_ins(0, 8)).unwrap();
    let rules = RuleChoice { paths: vec![rules], only_paths: true, ..RuleChoice::default() };
    let stages = Stages::load(&Content::built_in(), &rules);
    let options = Options {
        inputs: vec![Input::Path(log)],
        data: folder.path().join("data"),
        min_level: Level::Informational,
        threads: 1,
        again: false,
        now: Micros::from_seconds(1_792_108_800),
    };
    let outcome = app::investigate(&stages, &options, &Meter::default()).unwrap();
    let [rule] = outcome.given_up.as_slice() else { panic!("{:?}", outcome.given_up) };
    assert!(rule.rule_id == "careless" && (5..=8).contains(&rule.events), "{rule:?}");
    let document = app::document(&stages, &options.data).unwrap();
    assert!(document.limits.iter().any(|l| l.contains("careless") && l.contains("given up")));
}
