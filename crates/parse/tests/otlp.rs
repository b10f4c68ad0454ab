//! OpenTelemetry logs in protobuf, made by us: whole, cut off, damaged, hostile.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/otlp.rs"]
mod make;

use std::path::Path;

use make::{Message, log, map, new, pair, request, resource, scope, text};
use model::{FlawKind, Record, Value};
use parse::{Format, Limits, read_all, read_as, read_with};

const TIME: u64 = 1_795_352_400_000_000_000;
const SSHD: &str =
    "Nov 22 13:00:01 web1 sshd[4711]: Accepted password for ana from 198.51.100.7 port 40100 ssh2";

fn sample() -> Vec<u8> {
    let logged = log(TIME + 1, text("user signed in"))
        .number(2, 9)
        .text(3, "INFO")
        .message(6, pair("user", text("ana")))
        .message(6, pair("attempts", new().number(3, u64::MAX)))
        .message(6, pair("ok", new().number(2, 1)))
        .message(6, pair("ratio", new().fixed64(4, 0.25f64.to_bits())))
        .message(6, pair("raw", new().bytes(7, b"\0\xFF\x10")))
        .bytes(9, &[0xAB; 16])
        .bytes(10, &[0x01; 8]);
    let line = log(TIME, text(SSHD)).message(6, pair("log.file.name", text("auth.log")));
    let error = new()
        .fixed64(11, TIME + 2)
        .message(5, new().bytes(7, b"2026/11/22 13:00:05 [error] 12#12: *3 open() failed"))
        .message(6, pair("log.file.name", text("error.log")));
    let journal = log(
        TIME + 3,
        map(&[
            ("MESSAGE", text("Accepted password for ana from 198.51.100.7 port 40100 ssh2")),
            ("SYSLOG_IDENTIFIER", text("sshd")),
            (
                "nested",
                new().message(5, new().message(1, text("a")).message(1, new().number(3, 2))),
            ),
        ]),
    )
    .message(6, pair("source", text("journald")));
    let event = new()
        .fixed64(1, TIME + 4)
        .text(12, "session.start")
        .message(6, pair("session.id", text("s1")));
    let first = request(
        resource(&[("service.name", "web"), ("host.name", "web1")]),
        &[scope("file", &[line, error]), scope("app", &[logged])],
    );
    let second =
        request(resource(&[("host.name", "web2")]), &[scope("journal", &[journal, event])]);
    [first.0, second.0].concat()
}

fn otlp() -> &'static dyn Format {
    *parse::FORMATS.iter().find(|format| format.name() == "otlp").unwrap()
}

fn list(bytes: &[u8]) -> Vec<Record<'static>> {
    read_all(bytes, "x").records
}

#[test]
fn the_fixtures_are_what_is_made_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/otlp");
    let sample = sample();
    let mut damaged = sample.clone();
    // The tag of a body, in the middle of a record.
    let body = sample.windows(4).position(|w| w == [0x2A, 16, 0x0A, 14]).unwrap();
    damaged[body] = 0x2B;
    let made = [
        ("sample.bin", sample.clone()),
        ("truncated.bin", sample[..sample.len() - 40].to_vec()),
        ("damaged.bin", damaged),
    ];
    for (name, bytes) in made {
        let path = folder.join(name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "{name} is not what is made here");
    }
}

#[test]
fn bodies_are_read_as_what_they_are() {
    let reading = read_all(&sample(), "x");
    assert_eq!((reading.format, reading.flaws), ("otlp", Vec::new()));
    let records = reading.records;
    let syntaxes: Vec<_> = records.iter().map(|r| r.syntax.unwrap()).collect();
    assert_eq!(syntaxes, ["syslog", "lines", "json", "json", "json"]);
    let at = |n: usize, path: &str| records[n].fields.path(path).cloned().unwrap_or_default();
    assert_eq!(at(0, "appname"), Value::from("sshd"));
    assert_eq!(at(0, "_envelope.resource.host.name"), Value::from("web1"));
    assert_eq!(at(0, "_envelope.attributes.log.file.name"), Value::from("auth.log"));
    assert_eq!(at(1, "_envelope.observedTimeUnixNano"), Value::Int((TIME + 2) as i64));
    assert_eq!(at(2, "attempts"), Value::Int(-1));
    assert_eq!(at(2, "raw"), Value::from("AP8Q"));
    assert_eq!(at(2, "_envelope.traceId"), Value::from("ab".repeat(16).as_str()));
    assert_eq!(at(2, "_envelope.scope.name"), Value::from("app"));
    assert_eq!(at(3, "nested"), Value::List(vec![Value::from("a"), Value::Int(2)]));
    assert_eq!(at(3, "_envelope.attributes.source"), Value::from("journald"));
    assert_eq!(at(4, "session.id"), Value::from("s1"));
    assert_eq!(at(4, "_envelope.resource.host.name"), Value::from("web2"));
    // Each stands where it says.
    let bytes = sample();
    for (record, body) in records.iter().zip([SSHD, "2026/", "user signed", "MESSAGE", "session."])
    {
        let here = &bytes[record.offset as usize..];
        assert!(here.windows(body.len()).take(80).any(|w| w == body.as_bytes()), "{body}");
    }
}

#[test]
fn what_is_cut_off_gives_what_it_has() {
    let whole = sample();
    let records = list(&whole);
    for cut in 60..whole.len() {
        let reading = read_all(&whole[..cut], "x");
        let before = records.iter().filter(|r| (r.offset as usize) + 400 < cut).count();
        assert!(reading.records.len() >= before, "cut at {cut}");
        let flaws = reading.records.iter().flat_map(|r| &r.flaws).chain(&reading.flaws).count();
        let between = cut == whole.len() - list_start(&whole);
        assert!(flaws > 0 || between, "cut at {cut} and nothing is said");
    }
}

/// Length of what follows the first top-level field.
fn list_start(whole: &[u8]) -> usize {
    let length = usize::from(whole[1] & 0x7F) | usize::from(whole[2]) << 7;
    whole.len() - 3 - length
}

#[test]
fn damage_stays_where_it_is() {
    let mut bytes = sample();
    let body = bytes.windows(4).position(|w| w == [0x2A, 16, 0x0A, 14]).unwrap();
    bytes[body] = 0x2B;
    let reading = read_all(&bytes, "x");
    assert_eq!((reading.records.len(), reading.flaws.len()), (5, 0));
    let flaw = &reading.records[2].flaws[0];
    assert_eq!((flaw.kind, flaw.offset), (FlawKind::Corrupt, body as u64));

    // Bytes that are no field between two resources: what follows cannot be found again.
    let mut bytes = sample();
    let junk = bytes.len();
    bytes.extend([0xFF; 40]);
    bytes.extend(sample());
    for chunk in [1, 100, 1 << 20] {
        let reading = read_with(&bytes, "x", Limits { chunk, ..Limits::default() });
        assert_eq!(reading.records.len(), 5);
        let flaw = &reading.flaws[0];
        assert_eq!((flaw.offset, flaw.record_lost, reading.flaws.len()), (junk as u64, true, 1));
    }
}

#[test]
fn limits_hold() {
    // Nesting.
    let mut deep = text("deep");
    for _ in 0..5_000 {
        deep = new().message(5, new().message(1, deep));
    }
    let reading = read_all(&request(new(), &[scope("s", &[log(TIME, deep)])]).0, "x");
    assert_eq!(reading.records[0].flaws[0].kind, FlawKind::Limit);

    // Values.
    let many = (0..200_000).fold(new(), |m, _| m.message(1, new().number(3, 1)));
    let reading =
        read_all(&request(new(), &[scope("s", &[log(TIME, new().message(5, many))])]).0, "x");
    assert_eq!(reading.format, "otlp", "{:?}", reading.flaws);
    assert_eq!(reading.records[0].flaws[0].kind, FlawKind::Limit);

    // A resource that is large beside its records is not kept with each of them.
    let large = resource(&[("k", &"v".repeat(50_000))]);
    let logs: Vec<Message> = (0..20_000).map(|n| new().fixed64(1, TIME + n)).collect();
    let reading = read_all(&request(large, &[scope("s", &logs)]).0, "x");
    assert_eq!(reading.records.len(), 20_000);
    let with = reading.records.iter().filter(|r| r.fields.path("_envelope.resource").is_some());
    assert!(with.count() < 2_000);
    let told: usize = reading.records.iter().map(|r| r.flaws.len()).sum();
    assert_eq!(told, 1);

    // A resource's logs longer than a record may be are passed over, and what follows is read.
    let long = request(new(), &[scope("s", &[log(TIME, text(&"x".repeat(5_000)))])]).0;
    let bytes = [sample(), long, sample()].concat();
    let reading = read_with(&bytes, "x", Limits { chunk: 700, record: 3_000 });
    assert_eq!((reading.records.len(), reading.flaws.len()), (10, 1));
    assert_eq!(reading.flaws[0].offset, sample().len() as u64);
}

#[test]
fn fields_that_a_request_does_not_have_are_passed_over_however_it_is_cut() {
    let strange = new().number(2, 35).fixed64(3, 7).text(4, "later").fixed32(5, 1).0;
    let places = [0, 2, 11, 18].map(|place| (sample().len() + place) as u64);
    let bytes = [sample(), strange, sample()].concat();
    let short = new().bytes(1, b"\x0A\x0A\x0A").0;
    let cut_off = [&short[..], &short, &short[..4]].concat();
    for chunk in [1, 5, 6, 100] {
        let cut = read_as(&cut_off, otlp(), Limits { chunk, ..Limits::default() });
        let told: Vec<_> = cut.flaws.iter().map(|flaw| flaw.offset).collect();
        assert_eq!(told, [5, 10, 14], "{chunk}: each that ends too early says so once");
    }
    for broken in [&b""[..], b"\x73ep", b"\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"] {
        let bytes = [&bytes, broken].concat();
        let whole = read_with(&bytes, "x", Limits::default());
        assert_eq!((whole.format, whole.records.len()), ("otlp", 10));
        let told: Vec<_> = whole.flaws.iter().map(|flaw| flaw.offset).collect();
        assert_eq!(told.get(..4), Some(&places[..]));
        assert_eq!(told.len(), 4 + usize::from(!broken.is_empty()));
        for chunk in [1, 2, 3, 5, 17, 100] {
            let cut = read_with(&bytes, "x", Limits { chunk, ..Limits::default() });
            assert_eq!(cut, whole, "{chunk}");
        }
    }
}

#[test]
fn text_is_not_taken_for_it() {
    for text in [
        "\n",
        "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
        "\n\x12a log\nof lines\n",
        "\nMar  1 10:00:00 a b: c\n",
    ] {
        assert_ne!(read_all(text.as_bytes(), "x").format, "otlp", "{text:?}");
    }
}
