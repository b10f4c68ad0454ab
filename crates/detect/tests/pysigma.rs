//! pySigma, the reference, as a judge: its SQLite backend over the Windows events of the corpora
//! must find what we find.
//!
//! Runs where `WATCHFLOOR_PYSIGMA` names a Python that has `pysigma` and `pysigma-backend-sqlite`
//! (PyPI); skips, saying so, where it does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::process::Command;
use std::sync::Arc;

use detect::Rules;
use model::{LogSource, Value};
use serde_json::json;

#[test]
fn the_reference_agrees() {
    let Some(python) = std::env::var_os("WATCHFLOOR_PYSIGMA") else {
        eprintln!("skipped: WATCHFLOOR_PYSIGMA names no Python with pySigma");
        return;
    };
    let (Some(sigma), Some(evtx)) = (common::corpora("sigma"), common::corpora("evtx")) else {
        return;
    };
    let (rules, _) = Rules::load(common::sigma_rules(&sigma));
    let rules = Arc::new(rules);
    let mut detector = rules.detector();
    let mut lines = String::new();
    let mut ours = BTreeSet::new();
    let mut number = 0;
    for root in [evtx, sigma.join("regression_data")] {
        for path in common::files(&root, &["evtx"]) {
            for record in common::evtx(&path) {
                let source = common::windows(&record);
                let line = json!({"source": parts(&source), "fields": flat(&record, &source)});
                writeln!(lines, "{line}").unwrap();
                let mut findings = Vec::new();
                common::with_view(&record, &source, 1, |view| {
                    detector.evaluate(view, &mut findings);
                });
                ours.extend(findings.iter().map(|f| (number, f.rule_id.to_string())));
                number += 1;
            }
        }
    }
    let folder = std::env::temp_dir().join(format!("watchfloor-pysigma-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (events, hits) = (folder.join("events.jsonl"), folder.join("hits.json"));
    std::fs::write(&events, lines).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pysigma.py");
    let done = Command::new(python).arg(script).args([&sigma, &events, &hits]).status().unwrap();
    assert!(done.success());
    let said: serde_json::Value = serde_json::from_slice(&std::fs::read(&hits).unwrap()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let unsupported: BTreeMap<&str, &str> = said["unsupported"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row[0].as_str().unwrap(), row[1].as_str().unwrap()))
        .collect();
    let theirs: BTreeSet<(usize, String)> = said["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row[0].as_u64().unwrap() as usize, row[1].as_str().unwrap().to_owned()))
        .collect();
    ours.retain(|(_, id)| !unsupported.contains_key(id.as_str()));
    let mut wrong: BTreeMap<String, usize> = BTreeMap::new();
    for (who, more, less) in [("we alone", &ours, &theirs), ("pySigma alone", &theirs, &ours)] {
        for (_, id) in more.difference(less) {
            let rule = rules.list().iter().find(|info| *info.id == **id);
            let title = rule.map_or("not loaded", |info| &info.title);
            *wrong.entry(format!("{who}: {title} ({id})")).or_default() += 1;
        }
    }
    let agreed = ours.intersection(&theirs).count();
    eprintln!("{number} events, {agreed} findings agreed, {} rules unsupported", unsupported.len());
    assert!(agreed > 800 && wrong.is_empty(), "{wrong:#?} {unsupported:#?}");
}

fn parts(source: &LogSource) -> [&str; 3] {
    [&source.product, &source.category, &source.service].map(|p| p.as_deref().unwrap_or_default())
}

/// Fields by the names that rules use, in lower case, as text.
fn flat(record: &Value<'_>, source: &LogSource) -> BTreeMap<String, Option<String>> {
    let mut out = BTreeMap::new();
    for part in ["Event.System", "Event.EventData", "Event.UserData"] {
        let mut open: Vec<&Value<'_>> = record.path(part).into_iter().collect();
        while let Some(map) = open.pop() {
            let Value::Map(entries) = map else { continue };
            for (key, value) in entries {
                if part == "Event.UserData" && key != "#attributes" {
                    open.push(value);
                }
                if let Some(Value::Map(attributes)) = value.get("#attributes") {
                    for (name, value) in attributes {
                        out.insert(format!("{key}_{name}").to_lowercase(), text(value));
                    }
                }
                out.insert(key.to_lowercase(), text(value.get("#text").unwrap_or(value)));
            }
        }
    }
    let mut alias = |name: &str, other: &str| {
        if let Some(value) = out.get(other).cloned() {
            out.entry(name.to_owned()).or_insert(value);
        }
    };
    alias("computername", "computer");
    alias("subjectaccountname", "subjectusername");
    if source.category.as_deref() == Some("process_creation")
        && source.service.as_deref() == Some("security")
    {
        alias("image", "newprocessname");
        alias("parentimage", "parentprocessname");
        alias("user", "subjectusername");
        alias("logonid", "subjectlogonid");
        alias("integritylevel", "mandatorylabel");
    }
    out
}

/// A value as text; nothing for what is empty, which rules call null.
fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::List(list) => Some(list.iter().filter_map(text).collect::<Vec<_>>().join("\n")),
        Value::Map(_) => serde_json::to_string(value).ok(),
        value => value.to_text().map(std::borrow::Cow::into_owned),
    }
    .filter(|text| !text.is_empty())
}
