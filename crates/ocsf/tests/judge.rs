//! Our verdicts equal those of a third party (`tests/judge.py`), on random events and on real ones.
//!
//! Skips, saying so, where Python or its packages are not installed, and where the corpora are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
#![allow(clippy::print_stderr)]

mod common;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Dice, built_event, spoil, written_event};
use model::EventUid;
use ocsf::{ProblemKind, check};
use serde_json::{Value as Json, json};

/// `patch_state`: the one class whose constraint the third party misreads (see `check`).
const MISREAD: u64 = 5004;

/// What the third party says of each event; none where it is not installed.
fn judge(events: &[Json]) -> Option<Vec<BTreeSet<String>>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge.py");
    let mut python = Command::new("python3")
        .arg(script)
        .arg(ocsf::VERSION)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = python.stdin.take()?;
    let lines: Vec<_> = events.iter().map(Json::to_string).collect();
    let writer = std::thread::spawn(move || stdin.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = python.wait_with_output().ok()?;
    writer.join().unwrap().ok();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("ModuleNotFoundError") {
        eprintln!("skipped: the Python packages ocsf-json-schema and jsonschema are not installed");
        return None;
    }
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Our problems in the third party's words.
fn ours(event: &Json) -> BTreeSet<String> {
    let problems = check(event).into_iter().filter(|p| p.kind.is_schema());
    let words = problems.filter_map(|problem| {
        let parent = problem.path.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned();
        let (keyword, path) = match problem.kind {
            ProblemKind::Version => return None,
            ProblemKind::Class => ("class", String::new()),
            ProblemKind::Type => ("type", problem.path),
            ProblemKind::Enumeration => ("enum", problem.path),
            ProblemKind::Length => ("maxLength", problem.path),
            ProblemKind::Range => ("range", problem.path),
            ProblemKind::Pattern => ("pattern", problem.path),
            ProblemKind::Missing => ("required", problem.path),
            ProblemKind::Unknown => ("additionalProperties", parent),
            ProblemKind::AtLeastOne => ("anyOf", problem.path),
            ProblemKind::JustOne => ("oneOf", problem.path),
            _ => unreachable!("a problem of the house"),
        };
        Some(format!("{keyword} {path}"))
    });
    words.collect()
}

fn compare(events: &[Json]) {
    let Some(theirs) = judge(events) else { return };
    assert_eq!(theirs.len(), events.len());
    let mut sound = 0;
    for (event, theirs) in events.iter().zip(theirs) {
        let theirs: BTreeSet<_> = theirs
            .iter()
            .map(|t| t.replace("const ", "enum "))
            .map(|t| t.replace("minimum ", "range ").replace("maximum ", "range "))
            .collect();
        // What is no object has none of several attributes and all of them, to JSON Schema.
        let types: Vec<_> = theirs.iter().filter_map(|t| t.strip_prefix("type ")).collect();
        let said = |t: &&String| t.strip_prefix("oneOf ").is_none_or(|path| !types.contains(&path));
        let theirs: BTreeSet<_> = theirs.iter().filter(said).cloned().collect();
        sound += usize::from(theirs.is_empty());
        assert_eq!(ours(event), theirs, "{event:#}");
    }
    eprintln!("{} events, {sound} of them sound", events.len());
}

#[test]
fn random_events_get_the_same_verdict() {
    let mut dice = Dice::new(1);
    let events: Vec<_> = std::iter::repeat_with(|| written_event(&mut dice))
        .filter(|event| event["class_uid"] != MISREAD)
        .take(600)
        .collect();
    compare(&events);
}

#[test]
fn built_events_are_sound_to_the_third_party() {
    let mut dice = Dice::new(2);
    let build = |n: u8| built_event(&mut dice).to_json(EventUid([n; 16]), b"raw");
    let events: Vec<_> =
        (0..250).map(build).filter(|event| event["class_uid"] != MISREAD).collect();
    let Some(theirs) = judge(&events) else { return };
    for (event, theirs) in events.iter().zip(theirs) {
        assert!(theirs.is_empty(), "{theirs:?}\n{event:#}");
    }
}

#[test]
fn spoilt_events_get_the_same_verdict() {
    let mut dice = Dice::new(3);
    let build = |n: u8| {
        let mut event = built_event(&mut dice).to_json(EventUid([n; 16]), b"raw");
        let whole = event.clone();
        (0..dice.below(3)).for_each(|_| spoil(&mut dice, &mut event));
        if event.is_object() { event } else { whole }
    };
    let events: Vec<_> =
        (0..=255).map(build).filter(|event| event["class_uid"] != MISREAD).collect();
    compare(&events);
}

#[test]
fn real_events_get_the_same_verdict() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let corpora = std::env::var_os("WATCHFLOOR_CORPORA").map_or(beside, PathBuf::from);
    let mut events = Vec::new();
    for folder in ["sources/ocsf", "sources/ocsf_pairs"] {
        gather(&corpora.join(folder), &mut events);
    }
    if events.is_empty() {
        eprintln!("skipped: no corpora at {}", corpora.display());
        return;
    }
    compare(&events);
}

fn gather(path: &Path, events: &mut Vec<Json>) {
    if let Ok(entries) = path.read_dir() {
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            gather(&path, events);
        }
        return;
    }
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let mut found: Vec<Json> = match serde_json::from_str(&text) {
        Ok(Json::Array(list)) => list,
        Ok(one) => vec![one],
        Err(_) => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    };
    // A row of the sources holds its event under `log`.
    for event in &mut found {
        if let Some(log) = event.get_mut("log") {
            *event = log.take();
        }
        // Both judges look at the version first; what they think of the rest is the question.
        if let Some(metadata) = event.get_mut("metadata").and_then(Json::as_object_mut) {
            metadata.insert("version".to_owned(), json!(ocsf::VERSION));
        }
    }
    events.extend(found.into_iter().filter(Json::is_object));
}
