//! What rules may cost: counts of what each did, budgets that hold, fences that shut.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use detect::{Detector, Limits, LiveCorrelator, RuleCost, RuleCosts, RuleText, Rules};
use model::{Finding, LogSource, Micros, Value};
use serde_json::json;

fn rule(id: &str, detection: &str) -> String {
    format!("title: {id}\nid: {id}\nlogsource: {{product: p}}\ndetection:\n{detection}\n")
}

fn load(texts: &[String]) -> Arc<Rules> {
    let file = RuleText { path: "t.yml".to_owned(), text: texts.join("---\n") };
    let (rules, problems) = Rules::load(vec![file]);
    assert!(problems.is_empty(), "{}", problems[0]);
    Arc::new(rules)
}

fn see(detector: &mut Detector, number: u64, event: &Value<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let source = LogSource::new("p", "", "");
    common::with_view(event, &source, number, |view| detector.evaluate(view, &mut findings));
    findings
}

fn ids(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| &*finding.rule_id).collect()
}

fn costs(detector: &mut Detector, rules: &Rules) -> Vec<(String, RuleCost)> {
    let mut costs = RuleCosts::default();
    detector.take_costs(&mut costs);
    costs.list(rules).map(|(info, cost)| (info.id.to_string(), cost)).collect()
}

#[test]
fn a_rule_counts_for_what_gets_past_its_anchors() {
    let rules = load(&[
        rule("first", "    a: {f|contains: 'needle', g: 1}\n    condition: a"),
        rule("never", "    a: {f|contains: 'nowhere'}\n    condition: a"),
    ]);
    let mut detector = rules.detector();
    for (number, event) in [
        json!({"f": "a needle", "g": 1}),
        json!({"f": "a needle", "g": 2}),
        json!({"f": "hay", "g": 1}),
    ]
    .into_iter()
    .enumerate()
    {
        see(&mut detector, number as u64, &Value::from_json(event));
    }
    let found = costs(&mut detector, &rules);
    let [(id, cost)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((id.as_str(), cost.evaluated, cost.matched, cost.skipped), ("first", 2, 1, 0));
    assert!(costs(&mut detector, &rules).is_empty(), "taken once");
}

#[test]
fn costs_of_threads_add_up() {
    let rules = load(&[rule("r", "    a: {f: x}\n    condition: a")]);
    let mut sum = RuleCosts::default();
    for _ in 0..2 {
        let mut detector = rules.detector();
        see(&mut detector, 1, &Value::from_json(json!({"f": "x"})));
        detector.take_costs(&mut sum);
    }
    let found: Vec<RuleCost> = sum.list(&rules).map(|(_, cost)| cost).collect();
    assert_eq!((found.len(), found[0].matched), (1, 2));
}

/// Rules that are written to take long, each with a value on which they do.
fn hostile() -> Vec<(&'static str, String, String)> {
    let alternatives: Vec<String> = (1..400).map(|n| format!("'(a|b)*[c-e]{{{n}}}$'")).collect();
    vec![
        (
            "an expression of very many states",
            "    a: {f|re: '(?:[ab]{0,400}c|[ba]{1,400}d){1,20}e$'}\n    condition: a".to_owned(),
            format!("e{}", "ab".repeat(5 << 20)),
        ),
        (
            "an automaton whose states double",
            "    a: {f|re: '[ab]*a[ab]{500}c'}\n    condition: a".to_owned(),
            pseudo_random_ab(10 << 20),
        ),
        (
            "words beyond ASCII",
            "    a: {f|re: '(?i)\\b(\\w+\\W+){30}end\\b'}\n    condition: a".to_owned(),
            format!("end{}", "é ab ".repeat(2 << 20)),
        ),
        (
            "many expressions",
            format!("    a: {{f|re: [{}]}}\n    condition: a", alternatives.join(", ")),
            "ab".repeat(5 << 20),
        ),
        (
            "many wildcards",
            format!("    a: {{f|contains: '{}b'}}\n    condition: a", "a?".repeat(100)),
            "a".repeat(10 << 20),
        ),
        (
            "many long texts, case told apart",
            format!(
                "    a: {{f|contains|cased: [{}]}}\n    condition: a",
                (0..5_000)
                    .map(|n| format!("'{}b{n}'", "a".repeat(40)))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "a".repeat(10 << 20),
        ),
    ]
}

fn pseudo_random_ab(length: usize) -> String {
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if state >> 63 == 0 { 'a' } else { 'b' }
    };
    (0..length).map(|_| letter()).collect()
}

#[test]
fn no_rule_takes_long_over_one_event() {
    for (what, detection, text) in hostile() {
        let rules = load(&[
            rule("hostile", &detection),
            rule("good", "    a: {g: here}\n    condition: a"),
        ]);
        let mut detector = rules.detector();
        let event = Value::Map(vec![("f".into(), text.into()), ("g".into(), "here".into())]);
        let begun = common::spent();
        let found = see(&mut detector, 1, &event);
        let took = common::spent().saturating_sub(begun);
        let costs = costs(&mut detector, &rules);
        let cost = costs.iter().find(|(id, _)| id == "hostile").map(|(_, cost)| *cost);
        // Most of it is spent on the text before any rule, in a build without optimisation.
        assert!(took < Duration::from_secs(5), "{what}: {took:?} {cost:?}");
        assert_eq!(ids(&found), ["good"], "{what}: others are not held up");
        assert!(cost.is_none_or(|cost| cost.steps < 300_000_000), "{what}: {cost:?}");
    }
}

#[test]
fn what_is_skipped_is_counted_and_the_rest_of_a_rule_still_holds() {
    let heavy = "    heavy: {f|re: '[ab]*a[ab]{500}c'}\n    light: {g: here}\n";
    let rules = load(&[
        rule("alone", &format!("{heavy}    condition: heavy")),
        rule("either", &format!("{heavy}    condition: heavy or light")),
        rule("both", &format!("{heavy}    condition: heavy and light")),
        rule("unless", &format!("{heavy}    condition: light and not heavy")),
        rule("neither", &format!("{heavy}    condition: heavy and not light")),
    ]);
    let mut detector = rules.detector();
    let event = Value::Map(vec![
        ("f".into(), pseudo_random_ab(1 << 20).into()),
        ("g".into(), "here".into()),
    ]);
    let found = see(&mut detector, 1, &event);
    assert_eq!(ids(&found), ["either"], "what cannot be known is neither true nor false");
    let skipped: Vec<(String, u64)> = costs(&mut detector, &rules)
        .into_iter()
        .filter(|(_, cost)| cost.skipped > 0)
        .map(|(id, cost)| (id, cost.skipped))
        .collect();
    let wanted = ["alone", "both", "unless"].map(|id| (id.to_owned(), 1));
    assert_eq!(skipped, wanted, "`neither` is refuted whatever the expression says");
}

#[test]
fn big_values_are_still_searched_whole() {
    let rules = load(&[
        rule("re", "    a: {f|re: '(?i)evil[0-9]{3}\\.exe'}\n    condition: a"),
        rule("text", "    a: {f|contains: 'evil*.exe'}\n    condition: a"),
        rule("end", "    a: {f|re: 'exe$'}\n    condition: a"),
    ]);
    let mut detector = rules.detector();
    let event = |text: String| Value::Map(vec![("f".into(), text.into())]);
    let padding = "the quick brown fox ".repeat(500_000);
    let found = see(&mut detector, 1, &event(format!("{padding}EVIL123.exe")));
    assert_eq!(ids(&found), ["end", "re", "text"], "behind ten megabytes");
    let found = see(&mut detector, 2, &event(format!("{padding}EVIL12.exe.")));
    assert_eq!(ids(&found), ["text"]);
}

#[test]
fn a_fence_shuts_a_rule_off_while_it_runs() {
    let rules = load(&[
        rule("one", "    a: {f|re: 'x+y'}\n    condition: a"),
        rule("two", "    a: {f|contains: 'xy'}\n    condition: a"),
    ]);
    let mut detector = rules.detector();
    let event = Value::from_json(json!({"f": "xxy"}));
    assert_eq!(ids(&see(&mut detector, 1, &event)), ["one", "two"]);
    assert_eq!(rules.fence("one", true), 1);
    assert_eq!(rules.fence("no such rule", true), 0);
    assert_eq!(rules.fenced().map(|info| &*info.id).collect::<Vec<_>>(), ["one"]);
    costs(&mut detector, &rules);
    assert_eq!(ids(&see(&mut detector, 2, &event)), ["two"]);
    let after = costs(&mut detector, &rules);
    assert_eq!(after.len(), 1, "a rule that is shut costs nothing: {after:?}");
    rules.fence("one", false);
    assert_eq!(ids(&see(&mut detector, 3, &event)), ["one", "two"]);
    assert_eq!(rules.fenced().count(), 0);
}

#[test]
fn what_people_switched_off_is_not_opened_by_what_opens_a_fence_nor_the_other_way_round() {
    let rules = load(&[
        rule("one", "    a: {f|re: 'x+y'}\n    condition: a"),
        rule("two", "    a: {f|contains: 'xy'}\n    condition: a"),
    ]);
    let mut detector = rules.detector();
    let event = Value::from_json(json!({"f": "xxy"}));
    rules.switch_off(|id| id == "one");
    assert_eq!(rules.switched_off().map(|info| &*info.id).collect::<Vec<_>>(), ["one"]);
    assert_eq!(ids(&see(&mut detector, 1, &event)), ["two"]);
    rules.fence("one", true);
    rules.fence("one", false);
    assert_eq!(ids(&see(&mut detector, 2, &event)), ["two"], "it is off");
    rules.fence("two", true);
    rules.switch_off(|_| false);
    assert_eq!(rules.switched_off().count(), 0);
    assert_eq!(ids(&see(&mut detector, 3, &event)), ["one"], "two takes too long");
    rules.fence("two", false);
    assert_eq!(ids(&see(&mut detector, 4, &event)), ["one", "two"]);
}

#[test]
fn a_fence_shuts_a_correlation_off() {
    let counted = "title: c\nid: c\ncorrelation: {type: event_count, rules: [r], group-by: [u], timespan: 1h, condition: {gte: 2}}\n";
    let rules = load(&[rule("r", "    a: {f: x}\n    condition: a"), counted.to_owned()]);
    let mut detector = rules.detector();
    let mut live = LiveCorrelator::new(rules.clone(), Limits::default());
    let event = Value::from_json(json!({"f": "x", "u": "me"}));
    let mut feed = |live: &mut LiveCorrelator, numbers: std::ops::Range<u64>| {
        for number in numbers {
            see(&mut detector, number, &event);
        }
        live.feed(&rules, detector.take_hits());
        live.advance(Micros(0))
    };
    let first = feed(&mut live, 0..3);
    assert_eq!(first.new.len(), 1);
    rules.fence("c", true);
    let shut = feed(&mut live, 3..6);
    assert_eq!(shut.settled, [first.new[0].finding_id], "it is not gone, it is over");
    assert!(shut.new.is_empty() && shut.changed.is_empty() && shut.superseded.is_empty());
    assert_eq!((live.kept(), live.left_out().count()), (0, 0));
    rules.fence("c", false);
    let open = feed(&mut live, 6..8);
    assert_eq!(open.new[0].event_uids.len(), 2, "it begins anew");
}
