//! Real evidence, which is not part of the repository: everything is read without a panic, every
//! offset is right, and what others say of the same files is what we say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use parse::read_all;
use serde_json::Value as Json;

#[test]
fn every_file_is_read() {
    let Some(corpora) = common::corpora() else { return };
    let mut totals: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for folder in ["sources", "evtx", "sigma/regression_data", "evidence/os", "evidence/net/zeek"] {
        for path in common::files(&corpora.join(folder)) {
            let bytes = std::fs::read(&path).unwrap();
            let reading = read_all(&bytes, &path.to_string_lossy());
            check_offsets(&reading, &bytes, &path);
            let format = if parse::FORMATS.iter().any(|f| f.name() == reading.format) {
                reading.format
            } else {
                "(binary)"
            };
            let total = totals.entry(format).or_default();
            total.0 += 1;
            total.1 += reading.records.len() as u64;
            total.2 += reading.flaws.len() as u64;
        }
    }
    for (format, (files, records, flaws)) in totals {
        println!("{format:16} {files:6} files {records:8} records {flaws:6} flaws");
    }
}

/// What a record says are its bytes are the bytes that stand at its offset.
fn check_offsets(reading: &parse::Reading, bytes: &[u8], path: &Path) {
    let decoded = reading.flaws.iter().any(|f| f.message.contains("UTF-16"));
    for record in &reading.records {
        let here = bytes.get(record.offset as usize..).unwrap_or_default();
        // Events whose lines stand apart are put together, and text may be decoded.
        let first = record.raw.split(|b| *b == b'\n').next().unwrap_or_default();
        let first = first.strip_suffix(b"\r").unwrap_or(first);
        assert!(decoded || here.starts_with(first), "{} at {}", path.display(), record.offset);
    }
}

#[test]
fn audit_events_agree_with_laurel() {
    let Some(corpora) = common::corpora() else { return };
    let mut events = 0;
    for path in common::files(&corpora.join("evidence/os/auditd-laurel")) {
        let expected = path.with_extension("json");
        if path.extension().is_none_or(|e| e != "txt") || !expected.exists() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let reading = read_all(&bytes, "x");
        let expected = std::fs::read_to_string(expected).unwrap();
        let expected: Vec<Json> =
            serde_json::Deserializer::from_str(&expected).into_iter().map(Result::unwrap).collect();
        assert_eq!(reading.records.len(), expected.len(), "{}", path.display());
        for (ours, theirs) in reading.records.iter().zip(&expected) {
            let ours = serde_json::to_value(&ours.fields).unwrap();
            agree(&ours, theirs, &path);
            events += 1;
        }
    }
    println!("{events} events agree");
}

/// Compares what both keep: laurel turns numbers and leaves some fields out by choice.
fn agree(ours: &Json, theirs: &Json, path: &Path) {
    let shown = path.display();
    let id = format!("{}:{}", ours["time"].as_str().unwrap(), ours["serial"]);
    assert_eq!(Some(id.as_str()), theirs["ID"].as_str(), "{shown}");
    if let Some(arguments) = theirs["EXECVE"]["ARGV"].as_array() {
        let ours: Vec<&Json> = (0..arguments.len()).map(|n| &ours[format!("a{n}")]).collect();
        assert!(ours.iter().eq(&arguments.iter().collect::<Vec<_>>()), "{shown}: arguments");
    }
    if let Some(paths) = theirs["PATH"].as_array() {
        let names: Vec<&Json> = ours["records"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|r| r["type"] == "PATH")
            .map(|r| &r["name"])
            .collect();
        assert_eq!(names, paths.iter().map(|p| &p["name"]).collect::<Vec<_>>(), "{shown}");
    }
    if let Some(call) = theirs["SYSCALL"].as_object() {
        for key in ["comm", "exe", "success", "SYSCALL"] {
            if let Some(value) = call.get(key) {
                assert_eq!(&ours[key], value, "{shown} {key}");
            }
        }
        for key in ["pid", "ppid", "auid", "uid", "euid"] {
            let number = ours[key].as_str().and_then(|n| n.parse::<i64>().ok());
            assert_eq!(number, call[key].as_i64(), "{shown} {key}");
        }
    }
}
