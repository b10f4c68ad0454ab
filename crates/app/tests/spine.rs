//! The whole spine over the demonstration's evidence: from files to a report, twice, and with damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use app::{
    Content, Failure, Input, Kind, Meter, Options, Outcome, Question, RuleChoice, Stages,
    investigate, query, write_reports,
};
use model::{Level, Micros};

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/evidence")
}

fn stages() -> Stages {
    Stages::load(&Content::built_in(), &RuleChoice::default())
}

fn options(paths: &[PathBuf], data: &Path, threads: usize) -> Options {
    Options {
        inputs: paths.iter().map(|path| Input::Path(path.clone())).collect(),
        data: data.to_owned(),
        min_level: Level::Informational,
        threads,
        again: false,
        now: Micros::from_seconds(1_792_108_800),
    }
}

fn run(stages: &Stages, paths: &[PathBuf], data: &Path, threads: usize) -> Outcome {
    investigate(stages, &options(paths, data, threads), &Meter::default()).unwrap()
}

fn ask(data: &Path, sql: &str) -> Vec<serde_json::Value> {
    let question = Question {
        since: None,
        until: None,
        limit: None,
        tables: vec![],
        form: "ndjson".into(),
        width: None,
    };
    let mut out = Vec::new();
    query(data, sql, &question, &mut out).unwrap();
    let lines = out.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn ids(data: &Path, column: &str, table: &str) -> Vec<String> {
    ask(data, &format!("SELECT {column} AS id FROM {table} ORDER BY 1"))
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn evidence_becomes_an_incident_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let stages = stages();
    assert!(stages.source_problems.is_empty() && stages.rule_problems.is_empty());
    let outcome = run(&stages, &[demo()], folder.path(), 2);
    assert!(outcome.events > 7_000);
    assert_eq!(outcome.records_lost, 0);
    let gravest = &outcome.incidents[0];
    assert_eq!(gravest.severity, Level::Critical);
    assert!(gravest.entities.iter().any(|e| e.value.starts_with("mhalloran")));
    assert!(!gravest.next_steps.is_empty());

    let counted = ask(folder.path(), "SELECT count(*) AS n FROM events");
    assert_eq!(counted[0]["n"], outcome.events);
    // Every finding names events that are there.
    let dangling = ask(
        folder.path(),
        "SELECT count(*) AS n FROM (SELECT unnest(event_uids) AS u FROM findings) f \
         LEFT ANTI JOIN events e ON e.event_uid = f.u",
    );
    assert_eq!(dangling[0]["n"], 0);

    let written = write_reports(&stages, folder.path(), &[], None).unwrap();
    let endings: Vec<_> = written.iter().map(|p| p.extension().unwrap().to_owned()).collect();
    assert_eq!(endings, ["html", "pdf", "md", "json"]);
    let document: report::Document =
        serde_json::from_slice(&fs::read(&written[3]).unwrap()).unwrap();
    assert_eq!(document.events, outcome.events);
    assert_eq!(document.cases.len(), outcome.incidents.len());
    let story = &document.cases[0].story;
    assert!(!story.is_empty());
    // Each line of the story walks back to its bytes.
    for moment in story {
        assert!(moment.parcel.is_some() && moment.offset.is_some(), "{moment:?}");
        assert!(moment.origin.contains("demo/evidence"));
        assert!(!moment.matched.is_empty() || moment.rule_title.len() > 3);
        // And says to or by whom.
        assert!(moment.what.starts_with(&*moment.rule_title) && moment.what.ends_with(')'));
    }
    // Times that no record tells (a file's own, that of receipt) are not what the data covers.
    let window = document.data_window.unwrap();
    assert_eq!(window.last.day(), "2026-10-15");
    assert_eq!(document.rules.loaded, stages.rules.list().len() as u64);
    for figure in &document.figures {
        let row = &ask(folder.path(), &figure.query)[0];
        let value = row.as_object().unwrap().values().next().unwrap().to_string();
        assert_eq!(figure.value.replace(',', ""), value, "{}", figure.label);
    }
}

#[test]
fn threads_and_repetition_change_nothing() {
    let one = tempfile::tempdir().unwrap();
    let four = tempfile::tempdir().unwrap();
    let stages = stages();
    let first = run(&stages, &[demo()], one.path(), 1);
    let second = run(&stages, &[demo()], four.path(), 4);
    assert_eq!(
        serde_json::to_value(&first.incidents).unwrap(),
        serde_json::to_value(&second.incidents).unwrap()
    );
    for (column, table) in
        [("event_uid", "events"), ("finding_id", "findings"), ("alert_id", "alerts")]
    {
        let ids_of_one = ids(one.path(), column, table);
        assert_eq!(ids_of_one, ids(four.path(), column, table));
        let distinct: BTreeSet<_> = ids_of_one.iter().collect();
        assert_eq!(distinct.len(), ids_of_one.len(), "{table} has an id twice");
    }
    let before = ids(one.path(), "event_uid", "events");
    // The same again, then the same beside something new.
    run(&stages, &[demo()], one.path(), 2);
    assert_eq!(ids(one.path(), "event_uid", "events"), before);
    let more = four.path().join("more.log");
    fs::write(&more, "one line that nobody knows\n").unwrap();
    let outcome = run(&stages, &[demo(), more], one.path(), 2);
    assert_eq!(outcome.events, 1);
    assert!(outcome.known_parcels > 10);
    assert_eq!(ids(one.path(), "event_uid", "events").len(), before.len() + 1);
}

#[test]
fn equal_bytes_in_two_places_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence");
    fs::create_dir(&evidence).unwrap();
    fs::write(evidence.join("a.log"), "alpha\nbeta\n").unwrap();
    fs::write(evidence.join("b.log"), "alpha\nbeta\n").unwrap();
    fs::write(evidence.join("empty.log"), "").unwrap();
    let data = folder.path().join("data");
    let outcome = run(&stages(), &[evidence], &data, 2);
    assert_eq!(outcome.events, 2);
    let notes = ask(&data, "SELECT note FROM parcels ORDER BY origin");
    let notes: Vec<_> = notes.iter().map(|row| row["note"].as_str().unwrap_or("")).collect();
    assert_eq!(notes[0], "");
    assert!(notes[1].starts_with("the same bytes as"));
    assert_eq!(notes[2], "empty");
}

#[test]
fn stopping_leaves_no_trace_and_nothing_is_said_to_be_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stages = stages();
    let meter = Meter::default();
    meter.stop.store(true, Ordering::Relaxed);
    let options_demo = options(&[demo()], folder.path(), 2);
    let stopped: Failure = investigate(&stages, &options_demo, &meter).unwrap_err();
    assert_eq!(stopped.kind, Kind::Interrupted);
    assert_eq!(ask(folder.path(), "SELECT count(*) AS n FROM events")[0]["n"], 0);

    let missing = options(&[folder.path().join("not-there")], folder.path(), 2);
    let nothing = investigate(&stages, &missing, &Meter::default()).unwrap_err();
    assert_eq!(nothing.kind, Kind::Nothing);
    assert!(nothing.hints[0].contains("not-there"));
    // A typing error leaves no data folder behind.
    let fresh = folder.path().join("fresh");
    let missing = options(&[folder.path().join("not-there")], &fresh, 2);
    assert_eq!(investigate(&stages, &missing, &Meter::default()).unwrap_err().kind, Kind::Nothing);
    assert!(!fresh.exists());
    // Nor do rules that are not there pass for rules that found nothing.
    let choice = RuleChoice { paths: vec![fresh], ..RuleChoice::default() };
    let unread = Stages::of(&Content::built_in(), &choice).err().unwrap();
    assert!(unread.kind == Kind::Usage && unread.message.contains("fresh"), "{unread}");
    let empty = folder.path().join("empty.log");
    fs::write(&empty, "").unwrap();
    let options_empty = options(&[empty], &folder.path().join("other"), 2);
    let nothing = investigate(&stages, &options_empty, &Meter::default()).unwrap_err();
    assert!(nothing.kind == Kind::Nothing && nothing.hints[0].contains("is empty"), "{nothing}");
}

#[test]
fn damaged_evidence_is_used_as_far_as_it_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence");
    fs::create_dir(&evidence).unwrap();
    let lines = "{\"a\":1}\n{\"a\":\n{\"a\":3}\n\u{0}\u{1}garbage\n{\"a\":4";
    fs::write(evidence.join("broken.json"), lines).unwrap();
    fs::write(evidence.join("deep.json"), "{\"a\":".repeat(100_000) + "\n{\"b\":1}\n").unwrap();
    fs::write(evidence.join("blob.bin"), [0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3, 0, 0]).unwrap();
    let data = folder.path().join("data");
    let outcome = run(&stages(), &[evidence], &data, 2);
    assert!(outcome.events >= 2, "{outcome:?}");
    assert!(outcome.flaws >= 3, "{outcome:?}");
    let rows = ask(&data, "SELECT origin, kind, message FROM flaws");
    assert!(rows.iter().any(|r| r["origin"].as_str().unwrap().ends_with("blob.bin")));
    assert!(rows.iter().any(|r| r["origin"].as_str().unwrap().ends_with("deep.json")));
}

/// All rows of what is concluded, in an order of their own.
fn conclusions(data: &Path) -> Vec<Vec<serde_json::Value>> {
    [("matches", "rule_id, event_uid"), ("findings", "1"), ("alerts", "1"), ("incidents", "1")]
        .iter()
        .map(|(table, order)| ask(data, &format!("SELECT * FROM {table} ORDER BY {order}")))
        .collect()
}

#[test]
fn evidence_in_two_runs_gives_what_it_gives_in_one() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stages = stages();
    let whole = run(&stages, &[demo()], one.path(), 2);
    let parts = ["okta", "windows", "web", "linux"].map(|part| demo().join(part));
    let part = run(&stages, &parts, two.path(), 2);
    assert!(part.findings > 0 && part.findings < whole.findings, "{part:?}");
    let rest = run(&stages, &[demo()], two.path(), 2);
    assert_eq!(rest.events + part.events, whole.events);
    assert_eq!((rest.findings, rest.alerts), (whole.findings, whole.alerts));
    assert_eq!(rest.before.findings, part.findings);
    assert!(!rest.rules_changed);
    assert_eq!(conclusions(one.path()), conclusions(two.path()));
    // Every incident of the first run is there still, or another has its alerts.
    for incident in &part.incidents {
        let id = incident.incident_id.to_string();
        let stays = rest.incidents.iter().any(|i| i.incident_id.to_string() == id);
        assert!(stays || rest.changes.gone.get(&id).is_some_and(Option::is_some), "{id}");
    }
    // Once more changes nothing at all; what is not there is said each time.
    let again = run(&stages, &[demo(), two.path().join("lost")], two.path(), 2);
    assert!(again.refused.len() == 1 && again.refused[0].contains("lost"), "{:?}", again.refused);
    assert_eq!((again.parcels, again.events, again.lake_bytes), (0, 0, 0));
    assert_eq!(again.incidents.len(), whole.incidents.len());
    assert_eq!(ask(two.path(), "SELECT count(*) AS n FROM runs")[0]["n"], 2);
}

#[test]
fn new_rules_look_at_known_evidence_when_they_are_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let whole = tempfile::tempdir().unwrap();
    let okta = [demo().join("okta"), demo().join("linux")];
    let none = Stages::load(
        &Content::built_in(),
        &RuleChoice { only_paths: true, ..RuleChoice::default() },
    );
    let stages = stages();
    run(&stages, &okta, whole.path(), 2);
    let without = run(&none, &okta, folder.path(), 2);
    assert_eq!((without.findings, without.rules_changed), (0, false));
    let known = run(&stages, &okta, folder.path(), 2);
    assert_eq!(known.findings, 0);
    assert!(known.rules_changed && known.known_parcels > 0);
    let mut options = options(&okta, folder.path(), 2);
    options.again = true;
    for _ in 0..2 {
        let again = investigate(&stages, &options, &Meter::default()).unwrap();
        assert_eq!((again.events, again.flaws, again.rules_changed), (0, 0, false));
        assert_eq!(again.parcels_again, known.known_parcels);
        assert_eq!(conclusions(folder.path()), conclusions(whole.path()));
    }
    // What other rules found stays when they are not there any more.
    let kept = investigate(&none, &options, &Meter::default()).unwrap();
    assert_eq!(conclusions(folder.path()), conclusions(whole.path()));
    assert_eq!(kept.findings, ids(whole.path(), "finding_id", "findings").len() as u64);
    for (column, table) in [("event_uid", "events"), ("digest", "parcels")] {
        let all = ids(folder.path(), column, table);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{table}");
    }
}
