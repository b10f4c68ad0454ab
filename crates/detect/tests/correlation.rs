//! Correlations: every type, windows, groups, aliases, chaining, silence, and that nothing
//! depends on the order in which events are seen.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::sync::Arc;

use detect::{Hit, RuleText, Rules, View};
use model::{EventUid, Finding, FindingKind, Hasher, LogSource, Micros, Value};
use serde_json::json;

const BASE: &str = "
title: Failed
name: failed
id: 00000000-0000-0000-0000-000000000001
logsource: {product: p}
detection: {a: {e: fail}, condition: a}
level: low
---
title: Succeeded
name: ok
id: 00000000-0000-0000-0000-000000000002
logsource: {product: p}
detection: {a: {e: ok}, condition: a}
level: low
";

fn load(correlations: &str) -> Arc<Rules> {
    let text = format!("{BASE}---\n{correlations}");
    let (rules, problems) = Rules::load(vec![RuleText { path: "t.yml".to_owned(), text }]);
    assert!(problems.is_empty(), "{}", problems[0]);
    Arc::new(rules)
}

/// Runs events, each at a second, and gives the findings of single events and of correlations.
fn run(rules: &Arc<Rules>, events: &[(i64, serde_json::Value)]) -> (Vec<Finding>, Vec<Finding>) {
    let numbered: Vec<_> = events.iter().enumerate().collect();
    let (findings, hits) = see(rules, &numbered);
    (findings, rules.correlate(hits))
}

fn see(
    rules: &Arc<Rules>,
    events: &[(usize, &(i64, serde_json::Value))],
) -> (Vec<Finding>, Vec<Hit>) {
    let mut detector = rules.detector();
    let mut findings = Vec::new();
    let source: Arc<str> = "s".into();
    let logsource = LogSource::new("p", "", "");
    let class = ocsf::class("base_event").unwrap();
    for (number, (second, event)) in events {
        let time = Micros::from_seconds(*second);
        let native = Value::from_json(event.clone());
        let event = ocsf::Event::new(class, time);
        let uid = EventUid::from(Hasher::new("t").number(*number as u64));
        let view = View {
            native: &native,
            raw: b"",
            logsource: &logsource,
            uid,
            time,
            source: &source,
            labels: &[].into(),
            parser: "json",
            event: &event,
        };
        detector.evaluate(&view, &mut findings);
    }
    (findings, detector.take_hits())
}

fn fail(user: &str) -> serde_json::Value {
    json!({"e": "fail", "u": user})
}

fn rule(kind: &str, rules: &str, rest: &str) -> String {
    format!(
        "title: C\nid: c\nlevel: high\ncorrelation:\n    type: {kind}\n    rules: [{rules}]\n    group-by: [u]\n    timespan: 10s\n{rest}\n"
    )
}

#[test]
fn event_count_makes_one_finding_of_a_burst() {
    let rules = load(&rule("event_count", "failed", "    condition: {gte: 3}"));
    let mut events: Vec<_> = (0..6).map(|n| (n, fail("bob"))).collect();
    events.push((3, fail("eve")));
    events.push((30, fail("bob")));
    events.push((31, fail("Bob")));
    let (single, found) = run(&rules, &events);
    assert!(single.is_empty(), "the parts are silent");
    assert_eq!(found.len(), 1, "{found:#?}");
    let window = found[0].window.as_ref().unwrap();
    assert_eq!(found[0].kind, FindingKind::Correlation);
    assert_eq!((window.count, found[0].event_uids.len()), (6, 6));
    assert_eq!(window.group, [("u".into(), "bob".into())]);
    assert_eq!((window.start, window.end), (Micros::from_seconds(0), Micros::from_seconds(5)));
    events.push((32, fail("BOB")));
    assert_eq!(run(&rules, &events).1.len(), 2, "a second burst, in any case");
}

#[test]
fn the_window_slides() {
    let rules = load(&rule("event_count", "failed", "    condition: {gte: 3}"));
    let at = |times: &[i64]| times.iter().map(|t| (*t, fail("x"))).collect::<Vec<_>>();
    assert_eq!(run(&rules, &at(&[0, 9, 18])).1.len(), 0);
    assert_eq!(run(&rules, &at(&[0, 9, 10])).1.len(), 1, "both ends belong to it");
    assert_eq!(run(&rules, &at(&[0, 9, 11])).1.len(), 0);
}

#[test]
fn value_count_counts_distinct_values() {
    let rules = load(&rule("value_count", "failed", "    condition: {gte: 3, field: h}"));
    let event = |h: &str| json!({"e": "fail", "u": "x", "h": h});
    let same = [(0, event("a")), (1, event("A")), (2, event("b")), (3, fail("x"))];
    assert_eq!(run(&rules, &same).1.len(), 0);
    let three = [(0, event("a")), (1, event("c")), (2, event("b"))];
    let found = run(&rules, &three).1;
    assert_eq!(found[0].window.as_ref().unwrap().count, 3);
}

#[test]
fn temporal_wants_all_in_any_order() {
    let rules = load(&rule("temporal", "failed, ok", ""));
    let ok = |u: &str| json!({"e": "ok", "u": u});
    assert_eq!(run(&rules, &[(0, ok("a")), (5, fail("a"))]).1.len(), 1);
    assert_eq!(run(&rules, &[(0, ok("a")), (5, fail("b"))]).1.len(), 0, "another group");
    assert_eq!(run(&rules, &[(0, ok("a")), (15, fail("a"))]).1.len(), 0, "too late");
    let no_group = json!({"e": "fail"});
    assert_eq!(run(&rules, &[(0, json!({"e": "ok"})), (1, no_group)]).1.len(), 0);
}

#[test]
fn temporal_ordered_wants_their_order() {
    let rules = load(&rule("temporal_ordered", "failed, ok", ""));
    let ok = |u: &str| json!({"e": "ok", "u": u});
    assert_eq!(run(&rules, &[(0, fail("a")), (5, ok("a"))]).1.len(), 1);
    assert_eq!(run(&rules, &[(0, ok("a")), (5, fail("a"))]).1.len(), 0);
    assert_eq!(run(&rules, &[(0, fail("a")), (11, ok("a"))]).1.len(), 0);
    let events = [(0, fail("a")), (8, fail("a")), (11, ok("a"))];
    let found = run(&rules, &events).1;
    assert_eq!(found[0].window.as_ref().unwrap().start, Micros::from_seconds(8));
    let thrice = load(&rule("temporal_ordered", "failed, failed, ok", ""));
    assert_eq!(run(&thrice, &[(0, fail("a")), (1, ok("a"))]).1.len(), 0);
    assert_eq!(run(&thrice, &[(0, fail("a")), (1, fail("a")), (2, ok("a"))]).1.len(), 1);
}

#[test]
fn a_formula_of_rules() {
    let rules = load(&rule("temporal", "failed, ok", "    condition: failed and not ok"));
    assert_eq!(run(&rules, &[(0, fail("a"))]).1.len(), 1);
    let ok = json!({"e": "ok", "u": "a"});
    assert_eq!(run(&rules, &[(0, ok), (1, fail("a"))]).1.len(), 0);
}

#[test]
fn sums_and_ranks() {
    let event = |n: i64| json!({"e": "fail", "u": "x", "n": n});
    let events = [(0, event(1)), (1, event(2)), (2, json!({"e": "fail", "u": "x", "n": "9"}))];
    for (kind, condition, fires) in [
        ("value_sum", "{gte: 12, field: n}", true),
        ("value_sum", "{gt: 12, field: n}", false),
        ("value_avg", "{gte: 4, field: n}", true),
        ("value_avg", "{gt: 4, field: n}", false),
        ("value_median", "{gte: 2, field: n}", true),
        ("value_median", "{gt: 2, field: n}", false),
        ("value_percentile", "{gte: 9, field: n, percentile: 100}", true),
        ("value_percentile", "{gt: 5, field: n, percentile: 75}", true),
        ("value_percentile", "{gt: 6, field: n, percentile: 75}", false),
    ] {
        let rules = load(&rule(kind, "failed", &format!("    condition: {condition}")));
        assert_eq!(run(&rules, &events).1.len(), usize::from(fires), "{kind} {condition}");
    }
}

#[test]
fn upper_bounds_are_judged_when_the_window_is_over() {
    let rules = load(&rule("event_count", "failed", "    condition: {lte: 2}"));
    let at = |times: &[i64]| times.iter().map(|t| (*t, fail("x"))).collect::<Vec<_>>();
    assert_eq!(run(&rules, &at(&[0, 1, 2])).1.len(), 0);
    assert_eq!(run(&rules, &at(&[0, 1, 20])).1.len(), 2);
    let exact = load(&rule("event_count", "failed", "    condition: {eq: 3}"));
    assert_eq!(run(&exact, &at(&[0, 1, 2])).1.len(), 1);
    assert_eq!(run(&exact, &at(&[0, 1, 2, 3])).1.len(), 0);
}

#[test]
fn tumbling_and_session_windows() {
    let at = |times: &[i64]| times.iter().map(|t| (*t, fail("x"))).collect::<Vec<_>>();
    let tumbling =
        load(&rule("event_count", "failed", "    condition: {gte: 3}\n    window: tumbling"));
    assert_eq!(run(&tumbling, &at(&[8, 9, 10])).1.len(), 0, "a border lies between");
    assert_eq!(run(&tumbling, &at(&[10, 11, 19])).1.len(), 1);
    let session = load(&rule(
        "event_count",
        "failed",
        "    condition: {gte: 3}\n    window: session\n    gap: 2s",
    ));
    assert_eq!(run(&session, &at(&[0, 2, 4])).1.len(), 1);
    assert_eq!(run(&session, &at(&[0, 2, 5])).1.len(), 0, "the gap ends it");
}

#[test]
fn aliases_name_a_field_by_rule() {
    let text = "
title: C
id: c
correlation:
    type: temporal
    rules: [failed, ok]
    group-by: [who]
    timespan: 10s
    aliases:
        who: {failed: u, ok: account.name}
";
    let rules = load(text);
    let ok = json!({"e": "ok", "account": {"name": "ANN"}});
    let found = run(&rules, &[(0, fail("ann")), (1, ok)]).1;
    assert_eq!(found[0].window.as_ref().unwrap().group, [("who".into(), "ann".into())]);
}

#[test]
fn correlations_count_correlations() {
    let inner = rule("event_count", "failed", "    condition: {gte: 2}");
    let outer = "
title: Outer
id: outer
correlation:
    type: temporal_ordered
    rules: [c, ok]
    group-by: [u]
    timespan: 1m
";
    let rules = load(&format!("{inner}---\n{outer}"));
    let ok = json!({"e": "ok", "u": "a"});
    let found = run(&rules, &[(0, fail("a")), (1, fail("a")), (20, ok)]).1;
    assert_eq!(found.len(), 1, "the inner one is silent");
    assert_eq!((&*found[0].rule_id, found[0].event_uids.len()), ("outer", 3));
    assert_eq!(found[0].window.as_ref().unwrap().start, Micros(0));
}

#[test]
fn generate_lets_the_parts_speak() {
    let text = rule("event_count", "failed", "    condition: {gte: 2}\ngenerate: true");
    let rules = load(&text);
    let (single, found) = run(&rules, &[(0, fail("a")), (1, fail("a"))]);
    assert_eq!((single.len(), found.len()), (2, 1));
}

#[test]
fn an_event_of_two_counted_rules_is_one_event() {
    let text = "
title: Also failed
name: also
logsource: {product: p}
detection: {a: {e|contains: fai}, condition: a}
---
";
    let counted = rule("event_count", "failed, also", "    condition: {gte: 2}");
    let rules = load(&format!("{text}{counted}"));
    assert_eq!(run(&rules, &[(0, fail("a"))]).1.len(), 0);
    assert_eq!(run(&rules, &[(0, fail("a")), (1, fail("a"))]).1.len(), 1);
}

#[test]
fn what_cannot_be_counted_is_named() {
    for (text, code) in [
        (rule("event_count", "nosuch", "    condition: {gte: 2}"), "rule/reference"),
        (rule("event_count", "c", "    condition: {gte: 2}"), "rule/correlation"),
        (rule("value_count", "failed", "    condition: {gte: 2}"), "rule/correlation"),
        (rule("nosuch", "failed", "    condition: {gte: 2}"), "rule/correlation"),
        (rule("event_count", "failed", ""), "rule/correlation"),
        (rule("temporal", "failed, ok", "    condition: failed and other"), "rule/correlation"),
    ] {
        let text = format!("{BASE}---\n{text}");
        let (rules, problems) = Rules::load(vec![RuleText { path: String::new(), text }]);
        assert_eq!(rules.list().len(), 2);
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.line > 14, "{problem}");
    }
}

#[test]
fn order_and_threads_do_not_matter() {
    let texts = [
        rule("event_count", "failed", "    condition: {gte: 4}"),
        rule("temporal_ordered", "failed, ok", "").replace("id: c", "id: d"),
        rule("value_count", "failed, ok", "    condition: {gte: 3, field: h}")
            .replace("id: c", "id: e"),
    ];
    let rules = load(&texts.join("---\n"));
    let mut state = 11_u64;
    let mut roll = |sides: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % sides
    };
    let events: Vec<(i64, serde_json::Value)> = (0..2_000)
        .map(|_| {
            let kind = if roll(4) == 0 { "ok" } else { "fail" };
            let event = json!({"e": kind, "u": roll(9).to_string(), "h": roll(5)});
            (roll(3_000) as i64, event)
        })
        .collect();
    let numbered: Vec<_> = events.iter().enumerate().collect();
    let wanted = rules.correlate(see(&rules, &numbered).1);
    assert!(wanted.len() > 20);
    for threads in [1, 3, 7] {
        let mut shuffled = numbered.clone();
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, roll(at as u64 + 1) as usize);
        }
        let mut hits = Vec::new();
        for part in shuffled.chunks(shuffled.len().div_ceil(threads)) {
            hits.extend(see(&rules, part).1);
        }
        assert_eq!(rules.correlate(hits), wanted);
    }
}
