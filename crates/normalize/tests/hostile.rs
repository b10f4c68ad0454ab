//! Nothing that a record or a definition says makes the engine panic, hang, or write an event that
//! breaks the schema; and the answer depends on the record alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

/// This room's folder, as cargo says when the test runs: a binary may be shared between checkouts.
fn room() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from)
}

use model::{EventUid, Micros, Record, Value};
use normalize::{Context, Normalized, Normalizer, SourceText};
use proptest::prelude::*;

fn sources() -> Vec<SourceText> {
    let dir = room().join("../../content/sources");
    let mut all: Vec<SourceText> = fs::read_dir(dir)
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let text = fs::read_to_string(entry.path().join("source.yml")).ok()?;
            Some(SourceText { path: name.clone(), name, text })
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

static NORMALIZER: LazyLock<Normalizer> = LazyLock::new(|| Normalizer::compile(sources()).0);

/// Words that definitions ask for: every path segment and constant of every definition, roughly.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut words: Vec<String> = sources()
        .iter()
        .flat_map(|s| s.text.split(|c: char| " .:,[]{}()|\"'=\n".contains(c)))
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect();
    words.sort();
    words.dedup();
    words
});

const ODD: [&str; 18] = [
    "",
    "-",
    "\u{0}",
    "é\u{202e}x",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "-9999-01-01",
    "99999999999999999999999999",
    "-1",
    "0x",
    "1e400",
    "NaN",
    "::ffff:1.2.3.4%eth0",
    "[[[[::1]]]]:99999",
    "<script>alert(1)</script>\u{1b}[31m",
    "=cmd()|' /C calc'!A0",
    "\\\\\\@@@:::",
    "Failed password for invalid user x from 1.2.3.4 port 1 ssh2 from ::1 port 22 ssh2",
];

fn value() -> impl Strategy<Value = Value<'static>> {
    let word = || any::<prop::sample::Index>().prop_map(|i| i.get(&WORDS).clone());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::UInt),
        any::<f64>().prop_map(Value::Float),
        (0i64..6000).prop_map(Value::Int),
        word().prop_map(Value::from),
        any::<prop::sample::Index>().prop_map(|i| Value::from(*i.get(&ODD))),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec((word().prop_map(Cow::Owned), inner), 0..12).prop_map(Value::Map),
        ]
    })
}

fn record(fields: Value<'_>) -> Record<'_> {
    let raw = Cow::Borrowed(&b"\xff\x00raw"[..]);
    Record { offset: 0, index: 0, raw, fields, syntax: None, flaws: Vec::new() }
}

const PARSERS: [&str; 8] =
    ["json", "evtx", "syslog", "zeek", "auditd", "weblog", "keyvalue", "no such parser"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_record_becomes_a_sound_event(
        entries in prop::collection::vec((any::<prop::sample::Index>(), value()), 0..40),
    ) {
        let entries = entries.into_iter().map(|(i, v)| (Cow::Borrowed(i.get(&WORDS).as_str()), v));
        let record = record(Value::Map(entries.collect()));
        for parser in PARSERS {
            let context =
                Context { parser, received_at: Micros(0), modified: None, origin: "somewhere", definition: None };
            let made = NORMALIZER.normalize(&record, &context);
            let json = made.event.to_json(EventUid([7; 16]), &record.raw);
            let problems = ocsf::check(&json);
            prop_assert!(problems.is_empty(), "{:?} by {:?}: {json}", problems,
                made.definition.map(|d| &d.name));
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_broken_definition_is_told_of(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(),
        length in 0usize..30, put in "[\\[\\]{}:|'\"`<>=*&!, \n\ta-z]{0,6}",
    ) {
        let all = sources();
        let source = which.get(&all);
        let mut chars: Vec<char> = source.text.chars().collect();
        let from = at.index(chars.len());
        let to = (from + length).min(chars.len());
        chars.splice(from..to, put.chars());
        let text: String = chars.into_iter().collect();
        let broken = SourceText { text, ..source.clone() };
        let (_, diagnostics) = Normalizer::compile(vec![broken]);
        for diagnostic in diagnostics {
            prop_assert!(!diagnostic.to_string().is_empty());
        }
    }
}

/// Puts odd values in the place of one in six.
fn spoil(value: &mut Value<'_>, dice: &mut u64) {
    let mut roll = |sides: u64| {
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        *dice % sides
    };
    if roll(6) == 0 {
        let odd = ODD.get(roll(ODD.len() as u64) as usize).copied().unwrap_or_default();
        *value = match roll(5) {
            0 => Value::List(vec![Value::from(odd), Value::Null, Value::Map(Vec::new())]),
            1 => Value::Map(vec![("#text".into(), odd.into())]),
            2 => Value::Float(f64::INFINITY),
            3 => Value::Int(i64::MIN),
            _ => Value::from(odd),
        };
    }
    match value {
        Value::List(items) => items.iter_mut().for_each(|v| spoil(v, dice)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, v)| spoil(v, dice)),
        _ => {}
    }
}

/// All that there is of an event but what follows from it.
fn told(made: &Normalized<'_>) -> String {
    let Normalized { event, definition, logsources, flaws, time_found, .. } = made;
    let values: Vec<_> = event.values().collect();
    let activity = (event.activity_id, &event.activity_name, event.severity);
    let by = (definition.map(|d| &d.name), logsources, flaws, time_found);
    format!(
        "{} {:?} {activity:?} {values:?} {:?} {by:?}",
        event.class.uid,
        event.time,
        event.extra()
    )
}

/// The samples of every definition with odd values in them: still sound events, and the same whether
/// the records before are remembered or not.
#[test]
fn spoilt_samples_become_sound_events() {
    let mut mapper = NORMALIZER.mapper();
    let folder = room().join("../../content/sources");
    let mut dice = 0x2545_f491_4f6c_dd1d;
    let mut known = 0;
    for source in sources() {
        let dir = folder.join(&source.name).join("samples");
        for path in fs::read_dir(dir).unwrap().flatten().map(|e| e.path()) {
            let name = path.to_string_lossy().into_owned();
            if name.ends_with(".events.json") {
                continue;
            }
            let reading = parse::read_all(&fs::read(&path).unwrap(), &name);
            let context = Context {
                parser: reading.format,
                received_at: Micros(0),
                modified: None,
                origin: &name,
                definition: None,
            };
            for record in &reading.records {
                for _ in 0..12 {
                    let mut spoilt = record.clone();
                    if let Value::Map(entries) = &mut spoilt.fields {
                        for (_, value) in entries {
                            spoil(value, &mut dice);
                        }
                    }
                    let made = NORMALIZER.normalize(&spoilt, &context);
                    assert_eq!(told(&mapper.normalize(&spoilt, &context)), told(&made), "{name}");
                    known += usize::from(made.definition.is_some());
                    let json = made.event.to_json(EventUid([7; 16]), &spoilt.raw);
                    let problems = ocsf::check(&json);
                    assert!(problems.is_empty(), "{name}: {problems:?}: {json}");
                }
            }
        }
    }
    assert!(known > 100, "only {known} spoilt records were known");
}

#[test]
fn a_broken_definition_does_not_take_others_along() {
    let mut all = sources();
    let whole = all.len();
    all.push(SourceText { name: "bad".into(), path: "bad".into(), text: "name: [".into() });
    let (normalizer, diagnostics) = Normalizer::compile(all);
    assert_eq!(normalizer.definitions().len(), whole);
    assert_eq!(diagnostics.len(), 1);
}

#[test]
fn a_later_definition_of_a_name_takes_the_place_of_the_earlier() {
    let text = |version| {
        format!(
            "name: a\nversion: {version}\ntitle: A\nvendor: A\nproduct: A\n\
             recognise: {{parser: json, has: a}}\n"
        )
    };
    let source = |version| SourceText { name: "a".into(), path: "a".into(), text: text(version) };
    let (normalizer, diagnostics) = Normalizer::compile(vec![source(1), source(2)]);
    assert!(diagnostics.is_empty());
    assert_eq!(normalizer.definitions().len(), 1);
    assert_eq!(normalizer.definitions().first().map(|d| d.version), Some(2));
}

/// Two definitions that take the same record: the one that asks more has it, then the higher
/// priority, then the name; the order of files never counts.
#[test]
fn the_order_of_files_does_not_count() {
    let source = |name: &str, more: &str| SourceText {
        name: name.into(),
        path: name.into(),
        text: format!("name: {name}\ntitle: A\nvendor: A\nproduct: A\n{more}\n"),
    };
    let b = || source("b", "recognise: {parser: json, has: kind}");
    let c = || source("c", "recognise: {parser: json, has: kind, when: {kind: x}}");
    let a = || source("a", "recognise: {parser: json, has: kind}\npriority: -1");
    let d = || source("d", "recognise: {parser: json, has: kind, when: {kind|re: ^y}}");
    let find = |sources: Vec<SourceText>, kind: &'static str| {
        let (normalizer, diagnostics) = Normalizer::compile(sources);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let record = record(Value::Map(vec![("kind".into(), kind.into())]));
        let context = Context {
            parser: "json",
            received_at: Micros(0),
            modified: None,
            origin: "",
            definition: None,
        };
        let made = normalizer.normalize(&record, &context);
        made.definition.map(|d| d.name.to_string()).unwrap_or_default()
    };
    for (kind, by) in [("x", "c"), ("y", "d"), ("z", "b"), ("", "")] {
        assert_eq!(find(vec![a(), b(), c(), d()], kind), by);
        assert_eq!(find(vec![d(), c(), b(), a()], kind), by);
        assert_eq!(find(vec![c(), a(), d(), b()], kind), by);
    }
}

/// What its sender says of a record counts where its shape says nothing, and not where it does.
#[test]
fn a_sender_names_what_nobody_recognises() {
    let normalizer = &*NORMALIZER;
    let record = |raw: &'static str| {
        let mut reading = parse::read_all(raw.as_bytes(), "");
        reading.records.remove(0)
    };
    let context = |definition| Context {
        parser: "json",
        received_at: Micros(5),
        modified: None,
        origin: "",
        definition,
    };
    let name = |record: &Record<'_>, definition| {
        let normal = normalizer.normalize(record, &context(definition));
        normal.definition.map(|definition| definition.name.to_string())
    };
    let odd = record("{\"nobody\":\"knows\"}\n");
    assert_eq!(name(&odd, None), None);
    assert_eq!(name(&odd, Some("kubernetes_audit")).as_deref(), Some("kubernetes_audit"));
    assert_eq!(name(&odd, Some("no_such_definition")), None);
    let known = record(
        "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"1\",\"verb\":\"get\",\
         \"stage\":\"ResponseComplete\"}\n",
    );
    assert_eq!(name(&known, Some("github_audit")).as_deref(), Some("kubernetes_audit"));
}

#[test]
fn what_no_definition_knows_is_still_an_event() {
    let context = Context {
        parser: "keyvalue",
        received_at: Micros(5),
        modified: Some("2026-03-01T00:00:00Z".parse().unwrap()),
        origin: "",
        definition: None,
    };
    let map = |pairs: &[(&'static str, &'static str)]| {
        Value::Map(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect())
    };
    for (fields, time, message) in [
        (map(&[("ts", "1763816400.5"), ("msg", "hi")]), "2025-11-22T13:00:00.5Z", "hi"),
        (map(&[("timestamp", "Feb  9 10:11:12")]), "2026-02-09T10:11:12Z", "raw"),
        (map(&[("date", "2026-11-22"), ("time", "13:00:01")]), "2026-11-22T13:00:01Z", "raw"),
        (map(&[("time", "22/Nov/2026:13:00:00 +0100")]), "2026-11-22T12:00:00Z", "raw"),
        (map(&[("time", "42"), ("x", "y")]), "2026-03-01T00:00:00Z", "raw"),
    ] {
        let record = Record { raw: Cow::Borrowed(b"raw"), ..record(fields) };
        let made = NORMALIZER.normalize(&record, &context);
        assert!(made.definition.is_none() && made.logsource.is_empty());
        assert_eq!(made.event.class.uid, 0);
        assert_eq!(made.event.time.to_string(), time);
        assert_eq!(made.time_found, time != "2026-03-01T00:00:00Z");
        let column = ocsf::column("message").unwrap();
        assert_eq!(made.event.get(column).and_then(|s| s.as_str()), Some(message));
    }
}
