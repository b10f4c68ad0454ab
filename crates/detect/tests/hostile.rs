//! Rule files that are broken or mean harm, and events that do: each is said, none hangs, the rest
//! of the set loads.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use detect::{RuleText, Rules, Severity};
use model::{LogSource, Value};

const GOOD: &str = "title: good\nid: good\nlogsource: {product: p}\ndetection: {a: {f|contains: needle}, condition: a}\n";

fn load(text: &str) -> (Rules, Vec<detect::RuleProblem>) {
    let file = |path: &str, text: &str| RuleText { path: path.to_owned(), text: text.to_owned() };
    let begun = Instant::now();
    let loaded = Rules::load(vec![file("bad.yml", text), file("good.yml", GOOD)]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(loaded.0.list().iter().any(|info| &*info.id == "good"), "the rest loads");
    loaded
}

fn rule(detection: &str) -> String {
    format!("title: bad\nid: bad\nlogsource: {{product: p}}\ndetection:\n{detection}\n")
}

#[test]
fn bad_files_are_named_and_the_rest_loads() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (now, before) in ('b'..='j').zip('a'..) {
        writeln!(bomb, "{now}: &{now} [*{before}, *{before}, *{before}, *{before}, *{before}]")
            .unwrap();
    }
    let deep = format!("title: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long_condition =
        format!("    a: {{f: 1}}\n    condition: {}", vec!["a"; 60_000].join(" or "));
    let nested =
        format!("    a: {{f: 1}}\n    condition: {}a{}", "(".repeat(5_000), ")".repeat(5_000));
    let many = format!(
        "    a:\n        f|contains: [{}]\n    condition: {}",
        vec!["x"; 5_000].join(", "),
        vec!["a"; 2_000].join(" or ")
    );
    let dashes = |n| format!("    a: {{f|windash: '{}'}}\n    condition: a", " -a".repeat(n));
    let wildcards = |n| format!("    a: {{f: '*{}*'}}\n    condition: a", "a?".repeat(n));
    for (what, text, loads) in [
        ("nothing", String::new(), true),
        ("not YAML", "title: [".to_owned(), false),
        ("a list", "- a\n- b\n".to_owned(), false),
        ("binary", "\u{0}\u{1}\u{2}title\u{7f}".to_owned(), false),
        ("an alias bomb", bomb, false),
        ("100,000 levels", deep, false),
        ("100,000 dashes", "- ".repeat(100_000), false),
        ("100,000 questions", format!("{}a", "? ".repeat(100_000)), false),
        ("a long plain text", format!("title: {}", "a ".repeat(500_000)), false),
        ("no detection", "title: bad\nid: bad\nlogsource: {product: p}\n".to_owned(), false),
        ("a condition without end", rule(&long_condition), false),
        ("5,000 brackets", rule(&nested), false),
        ("ten million questions", rule(&many), false),
        ("a name that is nowhere", rule("    a: {f: 1}\n    condition: a and b"), false),
        ("a selector of nothing", rule("    a: {f: 1}\n    condition: all of x_*"), false),
        ("an empty map", rule("    a: {}\n    condition: a"), false),
        ("an old aggregation", rule("    a: {f: 1}\n    condition: a | count() > 3"), false),
        ("a timeframe", rule("    a: {f: 1}\n    timeframe: 5m\n    condition: a"), false),
        ("100 dashes", rule(&dashes(100)), true),
        ("2,000 dashes", rule(&dashes(2_000)), false),
        ("100 wildcards", rule(&wildcards(100)), true),
        ("20,000 wildcards", rule(&wildcards(20_000)), false),
        ("a key that is a number", rule("    a: {1: 1}\n    condition: a"), true),
        ("too big a file", "#".repeat(5 << 20), false),
    ] {
        let (rules, problems) = load(&text);
        let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
        assert_eq!(failed, !loads, "{what}: {problems:?}");
        assert_eq!(
            rules.list().iter().any(|info| &*info.id == "bad"),
            loads && what != "nothing",
            "{what}"
        );
        for problem in problems {
            assert_eq!(problem.path, "bad.yml", "{what}");
            assert!(problem.line >= 1 && problem.column >= 1 && problem.width >= 1, "{what}");
            let shown = problem.to_string();
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{what}: {shown}");
            assert!(shown.len() < 4_000, "{what}");
        }
    }
}

#[test]
fn a_file_of_many_documents_loses_only_the_bad_one() {
    let text = format!("{GOOD}---\ntitle: [\n---\n{}", GOOD.replace("good", "other"));
    let (rules, problems) = load(&text.replacen("good", "first", 2));
    let ids: Vec<&str> = rules.list().iter().map(|info| &*info.id).collect();
    assert_eq!(ids, ["first", "good", "other"]);
    assert_eq!((problems.len(), problems[0].line), (1, 7), "{}", problems[0]);
}

#[test]
fn events_that_mean_harm_cost_little() {
    let pathological = rule(
        "    a:\n        f|contains: ['a*a*a*a*a*a*a*b', 'aaaaaaaaaaaaaaaab']\n    b:\n        f|re: '(a|aa)+b$'\n    condition: a or b",
    );
    let (rules, _) = load(&pathological);
    let mut detector = Arc::new(rules).detector();
    let source = LogSource::new("p", "", "");
    let mut deep = Value::from("needle");
    for _ in 0..20_000 {
        deep = Value::Map(vec![("f".into(), deep)]);
    }
    let wide: Vec<Value<'_>> = (0..200_000).map(Value::Int).collect();
    let events = [
        Value::Map(vec![("f".into(), "a".repeat(4 << 20).into())]),
        Value::Map(vec![("f".into(), Value::List(wide))]),
        Value::Map(vec![("f".into(), "\u{0}\u{fffd}\u{130}K".repeat(100_000).into())]),
        Value::Map((0..100_000).map(|n| (format!("k{n}").into(), Value::Null)).collect()),
        Value::Null,
        deep,
    ];
    for (number, native) in events.iter().enumerate() {
        let begun = common::spent();
        let mut findings = Vec::new();
        common::with_view(native, &source, number as u64, |view| {
            detector.evaluate(view, &mut findings);
        });
        let took = common::spent().saturating_sub(begun);
        assert!(took < Duration::from_secs(5), "{number}: {took:?}");
        assert!(findings.is_empty(), "{number}");
    }
    // Dropping a value nests as deep as the value does: parsers bound it, this test does not.
    std::mem::forget(events);
}

#[test]
fn hits_of_a_flood_are_bounded_and_always_the_same() {
    let text = format!(
        "{}name: n\n---\ntitle: c\nid: c\ncorrelation: {{type: event_count, rules: [n], group-by: [g], timespan: 1h, condition: {{gte: 2}}}}\n",
        GOOD.replace("good", "base")
    );
    let (rules, problems) = load(&text);
    assert!(problems.is_empty(), "{problems:?}");
    let rules = Arc::new(rules);
    let source = LogSource::new("p", "", "");
    let total = rules.hit_limit() + 5_000;
    let event = Value::from_json(serde_json::json!({"f": "needle", "g": "one"}));
    let run = |parts: usize| {
        let mut hits = Vec::new();
        let mut left_out = 0;
        for part in 0..parts {
            let mut detector = rules.detector();
            let mut findings = Vec::new();
            for number in (part..total).step_by(parts).rev() {
                common::with_view(&event, &source, number as u64, |view| {
                    detector.evaluate(view, &mut findings);
                });
            }
            hits.extend(detector.take_hits());
            left_out += detector.hits_left_out();
        }
        (rules.correlate(hits), left_out)
    };
    let (one, left_out) = run(1);
    assert_eq!(left_out, 5_000);
    assert_eq!(one[0].window.as_ref().unwrap().count as usize, rules.hit_limit());
    assert!(one[0].event_uids.len() <= 1_000);
    assert_eq!(run(3).0, one);
}

#[test]
fn spoilt_rules_never_panic_and_what_loads_runs() {
    let Some(sigma) = common::corpora("sigma") else { return };
    let texts = common::sigma_rules(&sigma);
    let mut state = 5_u64;
    let mut roll = move |sides: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % sides.max(1)
    };
    let mut spoilt = Vec::new();
    for text in texts.iter().step_by(5) {
        let mut bytes = text.text.clone().into_bytes();
        match roll(4) {
            0 => bytes.truncate(roll(bytes.len())),
            1 => {
                let (from, to) = (roll(bytes.len()), roll(bytes.len()));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                let at = roll(bytes.len());
                bytes.splice(at..at, piece);
            }
            _ => {
                for _ in 0..=roll(8) {
                    let at = roll(bytes.len());
                    bytes[at] = b"\0\n\t\r '\"[]{}:-*&|#%\\xA9~\xff"[roll(24)];
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        spoilt.push(RuleText { path: format!("{}.yml", spoilt.len()), text });
    }
    let count = spoilt.len();
    let begun = Instant::now();
    let (rules, problems) = Rules::load(spoilt);
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    assert!(rules.list().len() > count / 10 && problems.len() > count / 10);
    for problem in &problems {
        assert!(!problem.to_string().is_empty());
    }
    let rules = Arc::new(rules);
    let mut detector = rules.detector();
    for info in rules.list() {
        let source = info.logsource.clone().unwrap_or_default();
        let event = Value::from_json(serde_json::json!({
            "CommandLine": "\u{0}powershell -enc \u{fffd}é%%", "Image": "", "EventID": [1, "x", null], "a": {"b": []}
        }));
        let mut findings = Vec::new();
        common::with_view(&event, &source, 1, |view| detector.evaluate(view, &mut findings));
    }
}
