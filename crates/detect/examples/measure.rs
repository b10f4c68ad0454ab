//! Measures detection over real events: microseconds an event, ours and rsigma-eval's with one
//! engine for each log source, in one run over the same events.
//!
//! `cargo run --release -p detect --example measure [-- ROUNDS [LOGSOURCE]]`
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use detect::{RuleText, Rules};
use model::{LogSource, Value};
use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;

#[path = "../tests/common/mod.rs"]
mod common;

/// Events that are made ready together.
const BATCH: usize = 64;

fn main() {
    let rounds: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10);
    let (Some(sigma), Some(evtx)) = (common::corpora("sigma"), common::corpora("evtx")) else {
        return;
    };
    let texts = common::sigma_rules(&sigma);
    let begun = Instant::now();
    let (rules, _) = Rules::load(texts.clone());
    println!("load: {} rules in {:.2?}", rules.list().len(), begun.elapsed());
    let mut records: Vec<(LogSource, Value<'static>)> = Vec::new();
    for root in [evtx, sigma.join("regression_data")] {
        for path in common::files(&root, &["evtx"]) {
            records.extend(common::evtx(&path).into_iter().map(|r| (common::windows(&r), r)));
        }
    }
    // A second argument keeps one log source and leaves the peer out: for a profiler.
    let only = std::env::args().nth(2);
    if let Some(only) = &only {
        records.retain(|(source, _)| source.to_string().contains(only.as_str()));
    }
    let bytes: usize =
        records.iter().map(|(_, r)| serde_json::to_string(r).map_or(0, |text| text.len())).sum();
    println!("{} events, {} bytes each as JSON", records.len(), bytes / records.len());

    let rules = Arc::new(rules);
    let mut detector = rules.detector();
    let mut evaluate = |(logsource, native): &(LogSource, Value<'static>)| {
        let mut findings = Vec::new();
        common::with_view(native, logsource, 1, |view| detector.evaluate(view, &mut findings));
        findings.len()
    };
    let (best, count) = measure(&records, rounds, &mut evaluate);
    let (views, _) = measure(&records, rounds, |(logsource, native)| {
        common::with_view(native, logsource, 1, |view| usize::from(view.raw.is_empty()))
    });
    let micros = |time: Duration, events: usize| time.as_secs_f64() * 1e6 / events as f64;
    let view = micros(views, records.len());
    let ours = micros(best, records.len()) - view;
    println!("ours:   {ours:.2} µs an event, {count} findings (a view takes {view:.2})");
    let mut sources: BTreeMap<String, Vec<(LogSource, Value<'static>)>> = BTreeMap::new();
    for record in records.clone() {
        sources.entry(record.0.to_string()).or_default().push(record);
    }
    let mut rows = Vec::new();
    for (source, records) in &sources {
        let (time, count) = measure(records, rounds, &mut evaluate);
        rows.push((time, records.len(), source, count));
    }
    rows.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
    for (time, events, source, findings) in rows.iter().take(12) {
        println!(
            "  {source:42} {events:5} events {:6.2} µs each {findings:5} findings {:5} rules",
            micros(*time, *events) - view,
            rules.count_for(&parse(source)),
        );
    }
    if only.is_none() {
        rsigma(&texts, &records, rounds, ours);
    }
}

/// The time that `run` takes over all records, and the sum of what it says. Records are made ready
/// batch by batch, as after parsing, so that they lie in the cache; of each batch the best round
/// counts, so that other work on the machine does not.
fn measure<R: Clone>(
    records: &[R],
    rounds: u32,
    mut run: impl FnMut(&R) -> usize,
) -> (Duration, usize) {
    let (mut time, mut sum) = (Duration::ZERO, 0);
    for batch in records.chunks(BATCH) {
        let mut best = Duration::MAX;
        let mut count = 0;
        for _ in 0..rounds {
            let batch = batch.to_vec();
            let begun = Instant::now();
            count = batch.iter().map(&mut run).sum();
            best = best.min(begun.elapsed());
        }
        time += best;
        sum += count;
    }
    (time, sum)
}

fn parse(source: &str) -> LogSource {
    let mut parts = source.split('/').map(|part| if part == "*" { "" } else { part });
    let mut next = || parts.next().unwrap_or_default();
    LogSource::new(next(), next(), next())
}

/// The same rules in rsigma-eval, one engine for each log source, over events whose fields lie
/// flat so that rules find them.
fn rsigma(texts: &[RuleText], records: &[(LogSource, Value<'static>)], rounds: u32, ours: f64) {
    let mut all = rsigma_parser::SigmaCollection::new();
    for text in texts {
        if text.text.contains("|expand") {
            continue;
        }
        if let Ok(found) = rsigma_parser::parse_sigma_yaml(&text.text) {
            all.rules.extend(found.rules);
        }
    }
    let mut engines: BTreeMap<LogSource, Engine> = BTreeMap::new();
    for (source, _) in records {
        engines.entry(source.clone()).or_insert_with(|| {
            let mut engine = Engine::new();
            engine.set_bloom_prefilter(true);
            let part = |p: &Option<String>| p.clone().unwrap_or_default();
            let some: Vec<_> = all
                .rules
                .iter()
                .filter(|rule| {
                    let l = &rule.logsource;
                    let rule =
                        LogSource::new(&part(&l.product), &part(&l.category), &part(&l.service));
                    let fits = |a: &Option<Arc<str>>, b: &Option<Arc<str>>| a.is_none() || a == b;
                    fits(&rule.product, &source.product)
                        && fits(&rule.category, &source.category)
                        && fits(&rule.service, &source.service)
                })
                .cloned()
                .collect();
            let mut collection = rsigma_parser::SigmaCollection::new();
            collection.rules = some;
            engine.add_collection(&collection).unwrap();
            engine
        });
    }
    let flat: Vec<(&LogSource, serde_json::Value)> =
        records.iter().map(|(source, record)| (source, flatten(record))).collect();
    let mut evaluate = |(source, record): &(&LogSource, serde_json::Value)| {
        let event = JsonEvent::borrow(record);
        engines.get(source).map_or(0, |engine| engine.evaluate(&event).len())
    };
    let (best, count) = measure(&flat, rounds, &mut evaluate);
    let micros = |time: Duration, events: usize| time.as_secs_f64() * 1e6 / events as f64;
    let theirs = micros(best, flat.len());
    let times = theirs / ours;
    println!("rsigma: {theirs:.2} µs an event, {count} findings; ours is {times:.1} times as fast");
    let mut sources: BTreeMap<&LogSource, Vec<(&LogSource, serde_json::Value)>> = BTreeMap::new();
    for record in flat {
        sources.entry(record.0).or_default().push(record);
    }
    let mut rows: Vec<_> = sources
        .iter()
        .map(|(source, records)| (measure(records, rounds, &mut evaluate).0, records.len(), source))
        .collect();
    rows.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
    for (time, events, source) in rows.iter().take(8) {
        let each = micros(*time, *events);
        println!("  {:42} {events:5} events {each:6.2} µs each", source.to_string());
    }
}

fn flatten(record: &Value<'_>) -> serde_json::Value {
    let mut out = serde_json::Map::new();
    for part in ["Event.System", "Event.EventData", "Event.UserData"] {
        let mut open = vec![record.path(part)];
        while let Some(next) = open.pop() {
            let Some(Value::Map(entries)) = next else { continue };
            for (key, value) in entries {
                if part == "Event.UserData" {
                    open.push(Some(value));
                }
                let text = value.get("#text").unwrap_or(value);
                out.insert(key.to_string(), serde_json::to_value(text).unwrap());
                if let Some(Value::Map(attributes)) = value.get("#attributes") {
                    for (name, value) in attributes {
                        let value = serde_json::to_value(value).unwrap();
                        out.insert(format!("{key}_{name}"), value);
                    }
                }
            }
        }
    }
    serde_json::Value::Object(out)
}
