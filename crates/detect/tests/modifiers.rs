//! Every modifier of Sigma, each as a row: what a rule asks, an event, and whether it fires.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;

use detect::{Placeholders, RuleText, Rules};
use model::{LogSource, Value};
use serde_json::json;

/// Whether a rule with this detection (YAML, condition `a`) fires on an event.
fn fires(detection: &str, event: &serde_json::Value) -> bool {
    let text = format!(
        "title: t\nid: t\nlogsource: {{product: p}}\ndetection:\n    a:\n{detection}\n    condition: a\n"
    );
    let mut placeholders = Placeholders::new();
    placeholders.insert("admins".to_owned(), vec!["root".to_owned(), "adm*".to_owned()]);
    let (rules, problems) =
        Rules::load_with(vec![RuleText { path: "t.yml".to_owned(), text }], &placeholders);
    assert!(!rules.list().is_empty(), "{detection}: {problems:?}");
    let native = Value::from_json(event.clone());
    let source = LogSource::new("p", "", "");
    let mut findings = Vec::new();
    let mut detector = Arc::new(rules).detector();
    common::with_view(&native, &source, 1, |view| detector.evaluate(view, &mut findings));
    !findings.is_empty()
}

#[test]
#[allow(clippy::too_many_lines)] // A table.
fn every_modifier() {
    let rows = [
        // Plain values: whole, case aside, wildcards, escapes, numbers, truth, nothing.
        ("        f: Foo", json!({"f": "fOO"}), true),
        ("        f: Foo", json!({"f": "food"}), false),
        ("        f: Foo", json!({"F": "foo"}), true),
        ("        f: f*o", json!({"f": "fo\no"}), true),
        ("        f: 'f?o'", json!({"f": "fo"}), false),
        ("        f: 'f\\*o'", json!({"f": "f*o"}), true),
        ("        f: 'f\\*o'", json!({"f": "fxo"}), false),
        ("        f: 'c:\\\\x'", json!({"f": "C:\\X"}), true),
        ("        f: '*'", json!({"f": ""}), true),
        ("        f: '*'", json!({"g": ""}), false),
        ("        f: 7", json!({"f": "7"}), true),
        ("        f: 7", json!({"f": 7}), true),
        ("        f: 7", json!({"f": 7.5}), false),
        ("        f: '7'", json!({"f": 7}), true),
        ("        f: 1.5", json!({"f": "1.5"}), true),
        ("        f: true", json!({"f": true}), true),
        ("        f: true", json!({"f": "True"}), true),
        ("        f: false", json!({"f": true}), false),
        ("        f: null", json!({"f": null}), true),
        ("        f: null", json!({"f": ""}), true),
        ("        f: null", json!({}), true),
        ("        f: null", json!({"f": "x"}), false),
        ("        f: [null, x]", json!({}), true),
        ("        f: ''", json!({"f": ""}), true),
        ("        f: ''", json!({}), false),
        ("        f: Ärger", json!({"f": "äRGER"}), true),
        // Lists, maps, paths.
        ("        f: [x, y]", json!({"f": "y"}), true),
        ("        f: x", json!({"f": ["a", "X"]}), true),
        ("        f.g: x", json!({"f": [{"g": "a"}, {"g": "x"}]}), true),
        ("        f.g: x", json!({"f.g": "x"}), true),
        ("        a.b.c: x", json!({"a": {"b.c": "x"}}), true),
        ("        f|contains: inner", json!({"f": {"g": "the inner one"}}), true),
        // Places in a text.
        ("        f|contains: oo", json!({"f": "FOOD"}), true),
        ("        f|contains: o*d", json!({"f": "x fo-od y"}), true),
        ("        f|startswith: fo", json!({"f": "Food"}), true),
        ("        f|startswith: fo", json!({"f": "a food"}), false),
        ("        f|startswith: 'f?o'", json!({"f": "fooled"}), true),
        ("        f|endswith: od", json!({"f": "food"}), true),
        ("        f|endswith: 'o*d'", json!({"f": "xo.d"}), true),
        ("        f|endswith: 'o*d'", json!({"f": "xo.dx"}), false),
        ("        f|contains: 7", json!({"f": 175}), true),
        // Linking.
        ("        f|contains|all: [a, b]", json!({"f": "b.a"}), true),
        ("        f|contains|all: [a, b]", json!({"f": "b"}), false),
        ("        f|contains|all: [a, b]", json!({"f": ["xa", "xb"]}), true),
        // Case.
        ("        f|cased: Foo", json!({"f": "Foo"}), true),
        ("        f|cased: Foo", json!({"f": "foo"}), false),
        ("        f|contains|cased: oO", json!({"f": "foOd"}), true),
        ("        f|contains|cased: 'o?D'", json!({"f": "xoxDx"}), true),
        ("        f|contains|cased: 'o?D'", json!({"f": "xoxdx"}), false),
        // Expressions.
        ("        f|re: '^a.c$'", json!({"f": "abc"}), true),
        ("        f|re: '^a.c$'", json!({"f": "ABC"}), false),
        ("        f|re|i: '^a.c$'", json!({"f": "ABC"}), true),
        ("        f|re|i: 'task'", json!({"f": "ta\u{17f}\u{212a}"}), true),
        ("        f|re: '^b$'", json!({"f": "a\nb"}), false),
        ("        f|re|m: '^b$'", json!({"f": "a\nb"}), true),
        ("        f|re: 'a.b'", json!({"f": "a\nb"}), false),
        ("        f|re|s: 'a.b'", json!({"f": "a\nb"}), true),
        ("        f|re: '\\d{3}'", json!({"f": 1234}), true),
        // Addresses.
        ("        f|cidr: 10.0.0.0/8", json!({"f": "10.9.8.7"}), true),
        ("        f|cidr: 10.0.0.0/8", json!({"f": "11.9.8.7"}), false),
        ("        f|cidr: [fe80::/10, 127.0.0.0/8]", json!({"f": ["x", "FE80::1"]}), true),
        // Numbers.
        ("        f|gt: 5", json!({"f": 6}), true),
        ("        f|gt: 5", json!({"f": 5}), false),
        ("        f|gte: 5", json!({"f": "5"}), true),
        ("        f|lt: 5", json!({"f": 4.9}), true),
        ("        f|lte: 5", json!({"f": 6}), false),
        ("        f|lt: 5", json!({"f": "x"}), false),
        ("        f|neq: x", json!({"f": "y"}), true),
        ("        f|neq: x", json!({"f": "X"}), false),
        ("        f|neq: [x, y]", json!({"f": "y"}), false),
        ("        f|neq: x", json!({}), false),
        // Presence.
        ("        f|exists: true", json!({"f": ""}), true),
        ("        f|exists: true", json!({"f": null}), false),
        ("        f|exists: false", json!({"g": 1}), true),
        ("        f|exists: false", json!({"f": 1}), false),
        // Other fields.
        ("        f|fieldref: g", json!({"f": "X", "g": "x"}), true),
        ("        f|fieldref: g", json!({"f": "X", "g": "y"}), false),
        ("        f|fieldref: g", json!({}), false),
        ("        f|fieldref|startswith: g", json!({"f": "prefix", "g": "PRE"}), true),
        ("        f|fieldref|endswith: g", json!({"f": "prefix", "g": "fix"}), true),
        ("        f|fieldref|contains: g", json!({"f": "prefix", "g": "ef"}), true),
        ("        f|fieldref|cased: g", json!({"f": "X", "g": "x"}), false),
        // Encodings.
        ("        f|base64: foobar", json!({"f": "Zm9vYmFy"}), true),
        ("        f|base64|contains: foo", json!({"f": "-e Zm9v x"}), true),
        ("        f|base64offset|contains: http", json!({"f": "xxaHR0cDov"}), true),
        ("        f|base64offset|contains: http", json!({"f": "eGh0dHBz"}), true),
        ("        f|wide|base64offset|contains: IEX", json!({"f": "SQBFAFgA"}), true),
        ("        f|utf16le|base64|contains: ab", json!({"f": "YQBiAA=="}), true),
        ("        f|utf16be|base64|contains: ab", json!({"f": "AGEAYg=="}), true),
        ("        f|utf16|base64|contains: a", json!({"f": "//5hAA=="}), true),
        ("        f|wide|contains: ab", json!({"f": "xa\u{0}b\u{0}"}), true),
        // Dashes.
        ("        f|windash|contains: ' -enc '", json!({"f": "x /enc y"}), true),
        ("        f|windash|contains: ' /c'", json!({"f": "x -c"}), true),
        ("        f|windash|contains: ' -enc'", json!({"f": "x \u{2015}ENC"}), true),
        ("        f|windash|contains: 'a-b'", json!({"f": "a/b"}), false),
        ("        f|windash|contains|all: [' -a', ' -b']", json!({"f": "x /a \u{2013}b"}), true),
        ("        f|windash: '-x*y'", json!({"f": "/x-y"}), true),
        // Placeholders.
        ("        f|expand: '%admins%'", json!({"f": "ROOT"}), true),
        ("        f|expand: '%admins%'", json!({"f": "adm7"}), true),
        ("        f|expand: 'u-%admins%'", json!({"f": "u-root"}), true),
        ("        f|expand: '%admins%'", json!({"f": "bob"}), false),
        // Parts of times.
        ("        f|hour: 3", json!({"f": "2026-11-22T03:04:05Z"}), true),
        ("        f|hour: 3", json!({"f": "2026-11-22T03:04:05+02:00"}), false),
        ("        f|minute: 4", json!({"f": "2026-11-22 03:04:05"}), true),
        ("        f|day: 22", json!({"f": "2026-11-22T03:04:05Z"}), true),
        ("        f|week: 47", json!({"f": "2026-11-22T03:04:05Z"}), true),
        ("        f|month: 11", json!({"f": 1_795_316_645}), true),
        ("        f|year: 2026", json!({"f": 1_795_316_645_000_i64}), true),
        // Keywords.
        ("        - needle", json!({"x": {"y": ["a NEEDLE b"]}}), true),
        ("        - needle", json!({"needle": "no key counts"}), false),
        ("        - 'n*e'", json!({"x": "a nice b"}), true),
        ("        '|all': [one, two]", json!({"x": "one", "y": "two"}), true),
        ("        '|all': [one, two]", json!({"x": "one"}), false),
        ("        '|re': 'o.e'", json!({"x": "one"}), true),
        ("        '|startswith': 'on'", json!({"x": ["a", "one"]}), true),
        ("        '|endswith': 'on'", json!({"x": ["a", "one"]}), false),
        ("        - 4625", json!({"x": "code 4625 here"}), true),
    ];
    let wrong: Vec<String> = rows
        .iter()
        .filter(|(detection, event, wanted)| fires(detection, event) != *wanted)
        .map(|(detection, event, wanted)| format!("{detection} on {event}: wanted {wanted}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn members_of_lists() {
    let fires = |detection: &str, event: &serde_json::Value| {
        let text = format!(
            "title: t\nid: t\nsigma-version: 3\nlogsource: {{product: p}}\ndetection:\n    a:\n{detection}\n    condition: a\n"
        );
        let (rules, problems) = Rules::load(vec![RuleText { path: String::new(), text }]);
        assert!(!rules.list().is_empty(), "{detection}: {problems:?}");
        let native = Value::from_json(event.clone());
        let source = LogSource::new("p", "", "");
        let mut findings = Vec::new();
        let mut detector = Arc::new(rules).detector();
        common::with_view(&native, &source, 1, |view| detector.evaluate(view, &mut findings));
        !findings.is_empty()
    };
    let split = json!({"f": [{"a": "x", "b": 1}, {"a": "y", "b": 2}]});
    for (detection, wanted) in [
        ("        f[any]:\n            a: x\n            b: 1", true),
        ("        f[any]:\n            a: x\n            b: 2", false),
        ("        f[all]:\n            b|gt: 0", true),
        ("        f[all]:\n            a: x", false),
        ("        f[none]:\n            a: z", true),
        ("        g[all]:\n            a: z", false),
        ("        g[all_or_empty]:\n            a: z", true),
        ("        f[0].a: x", true),
        ("        f[-1].a: x", false),
    ] {
        assert_eq!(fires(detection, &split), wanted, "{detection}");
    }
    assert!(fires("        f[any]|startswith: b", &json!({"f": ["a", "bc"]})));
    assert!(!fires("        f[all]|startswith: b", &json!({"f": ["a", "bc"]})));
}

#[test]
fn contradictions_are_refused_with_a_place() {
    for (line, code) in [
        ("f|contains|re: x", "rule/modifier"),
        ("f|cidr: x", "rule/cidr"),
        ("f|re: '('", "rule/regex"),
        ("f|re: '(?=x)'", "rule/regex"),
        ("f|re: '(?:(?:\\w{200}){200}){200}'", "rule/regex"),
        ("f|gt: x", "rule/number"),
        ("f|i: x", "rule/modifier"),
        ("f|wide|utf16: x", "rule/modifier"),
        ("f|base64|cidr: x", "rule/modifier"),
        ("f|nosuch: x", "rule/modifier"),
        ("f|not: x", "rule/modifier"),
        ("f|expand: '%who%'", "rule/placeholder"),
        ("f: []", "rule/value"),
    ] {
        let text = format!(
            "title: t\nid: t\nlogsource: {{product: p}}\ndetection:\n    a:\n        {line}\n    condition: a\n"
        );
        let (rules, problems) = Rules::load(vec![RuleText { path: "t.yml".to_owned(), text }]);
        assert!(rules.list().is_empty(), "{line}");
        let [problem] = problems.as_slice() else { panic!("{line}: {problems:?}") };
        assert_eq!((problem.code, problem.line), (code, 6), "{line}: {problem}");
    }
}
