//! Event logs, whole and damaged, made by us; and those of the corpora against the `evtx` crate.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod common;
#[path = "common/evtx.rs"]
mod make;

use std::path::Path;

use make::Event;
use model::{FlawKind, Record, Value};
use parse::read_all;

fn event(id: u64) -> Event {
    Event {
        id,
        time: 1_795_352_400_000_000 + id as i64 * 1_500_000,
        event_id: 4688,
        provider: "Microsoft-Windows-Security-Auditing",
        computer: "ws01.example.test",
        data: vec![
            ("SubjectUserName", "ana".to_owned()),
            ("NewProcessName", r"C:\Windows\System32\cmd.exe".to_owned()),
            ("CommandLine", format!("cmd.exe /c \"echo é😀 {id}\"")),
            ("", "no name".to_owned()),
            ("Empty", String::new()),
        ],
    }
}

fn events(ids: std::ops::Range<u64>) -> Vec<Event> {
    ids.map(event).collect()
}

/// Two chunks of three live records each; the second holds a stale one.
fn sample() -> Vec<u8> {
    make::file(&[
        make::chunk(&events(1..4), &[]),
        make::chunk(&events(4..7), &[event(90), event(5), event(2), event(90)]),
    ])
}

fn ids(records: &[Record<'_>]) -> Vec<i64> {
    let id = |r: &Record<'_>| r.fields.path("Event.System.EventRecordID").and_then(Value::as_i64);
    records.iter().map(|r| id(r).unwrap()).collect()
}

#[test]
fn the_fixtures_are_what_is_made_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/evtx");
    let mut damaged_header = sample();
    damaged_header[..64].fill(0x5A);
    let mut damaged_chunk = sample();
    damaged_chunk[4096..4096 + 512].fill(0x5A);
    let made = [
        ("sample.evtx", sample()),
        ("empty.evtx", make::file(&[])),
        ("damaged-header.evtx", damaged_header),
        ("damaged-chunk.evtx", damaged_chunk),
        ("truncated.evtx", sample()[..4096 + 65536 + 4000].to_vec()),
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
fn reads_records_and_recovers_stale_ones() {
    let reading = read_all(&sample(), "x");
    assert_eq!(reading.format, "evtx");
    assert_eq!(ids(&reading.records), [1, 2, 3, 4, 5, 6, 90]);
    assert_eq!(reading.flaws, []);
    let first = &reading.records[0];
    assert_eq!(first.offset, 4096 + 512);
    let data = first.fields.path("Event.EventData").unwrap();
    assert_eq!(data.get("CommandLine"), Some(&Value::from("cmd.exe /c \"echo é😀 1\"")));
    let stale = &reading.records[6];
    assert_eq!(stale.fields.get("recovered"), Some(&Value::Bool(true)));
    assert_eq!(stale.flaws[0].kind, FlawKind::Corrupt);
    assert_eq!(&sample()[stale.offset as usize..][..4], b"**\0\0");
}

#[test]
fn damage_costs_no_more_than_what_is_damaged() {
    // A record of the first chunk.
    let mut bytes = sample();
    let second = read_all(&bytes, "x").records[1].offset as usize;
    bytes[second + 40..second + 60].fill(0xFF);
    let reading = read_all(&bytes, "x");
    assert_eq!(ids(&reading.records), [1, 3, 4, 5, 6, 90]);
    assert!(reading.flaws.iter().any(|f| f.message.contains("checksum") && f.offset == 4096));
    assert!(reading.flaws.iter().any(|f| f.record_lost));

    // The file's header, or its absence.
    let mut bytes = sample();
    bytes[..4096].fill(7);
    assert_eq!(read_all(&bytes, "x").records.len(), 7);
    assert_eq!(read_all(&bytes[4096..], "x").records.len(), 7);
    assert_eq!(read_all(&bytes[1000..], "x").records.len(), 7);

    // A chunk's magic.
    let mut bytes = sample();
    bytes[4096..4104].fill(0);
    let reading = read_all(&bytes, "x");
    assert_eq!(ids(&reading.records), [1, 2, 3, 4, 5, 6, 90]);
    assert_eq!(reading.flaws[0].offset, 4096);

    // A blank chunk in between.
    let mut bytes = sample();
    let blank = vec![0; 65536];
    bytes.splice(4096..4096, blank);
    let reading = read_all(&bytes, "x");
    assert_eq!((reading.records.len(), reading.flaws.len()), (7, 0));
}

#[test]
fn a_truncated_file_gives_what_it_has() {
    let whole = sample();
    for cut in (0..whole.len()).step_by(997) {
        let reading = read_all(&whole[..cut], "x");
        let expected = read_all(&whole, "x").records;
        let within = expected.iter().filter(|r| (r.offset as usize) + 1500 < cut).count();
        assert!(reading.records.len() >= within, "cut at {cut}: {:?}", ids(&reading.records));
    }
    let reading = read_all(&whole[..4096 + 65536 + 4000], "x");
    assert!(reading.flaws.iter().any(|f| f.kind == FlawKind::Truncated));
}

#[test]
fn corpora_agree_with_the_evtx_crate() {
    let Some(corpora) = common::corpora() else { return };
    let (mut files, mut records, mut recovered) = (0, 0, 0);
    for path in common::files(&corpora) {
        if path.extension().is_none_or(|e| e != "evtx") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let reading = read_all(&bytes, "x");
        let (stale, live): (Vec<_>, Vec<_>) =
            reading.records.iter().partition(|r| r.fields.get("recovered").is_some());
        let mut theirs = evtx::EvtxParser::from_buffer(bytes).unwrap();
        let mut expected: Vec<serde_json::Value> =
            theirs.records_json_value().filter_map(|r| r.ok().map(|r| r.data)).collect();
        let mut ours: Vec<serde_json::Value> =
            live.iter().map(|r| serde_json::to_value(&r.fields).unwrap()).collect();
        // The crate starts at the oldest chunk, we at the first.
        let key = |v: &serde_json::Value| v["Event"]["System"]["EventRecordID"].as_u64();
        expected.sort_by_key(key);
        ours.sort_by_key(key);
        if reading.flaws.iter().any(|f| f.kind == FlawKind::Truncated) {
            // The crate gives a chunk up that is cut off; we read the records that it still has.
            assert!(ours.len() > expected.len(), "{}", path.display());
            continue;
        }
        assert_eq!(ours.len(), expected.len(), "{}", path.display());
        for (ours, expected) in ours.iter().zip(&expected) {
            assert_eq!(ours, expected, "{}", path.display());
        }
        files += 1;
        records += live.len();
        recovered += stale.len();
    }
    println!("{files} files, {records} records, {recovered} recovered");
}
