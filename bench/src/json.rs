//! Makes JSON lines of any size from real records, one file for each log source: every copy has its
//! times moved. Windows events lie flat, as NXLog and the Security Datasets have them, so that a rule's
//! field names are the record's own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use jiff::{Span, Timestamp};
use model::{LogSource, Micros, Record, Value};
use normalize::{Context, Normalizer};
use serde_json::Value as Json;

/// Hours between two copies.
const STEP: i64 = 6;

/// The records of real files as JSON, by log source, in the order of the files.
pub(crate) fn records(
    files: &[PathBuf],
    normalizer: &Normalizer,
) -> BTreeMap<LogSource, Vec<Json>> {
    let mut out: BTreeMap<LogSource, Vec<Json>> = BTreeMap::new();
    for path in files {
        let name = path.display().to_string();
        let Ok(bytes) = fs::read(path) else { continue };
        let reading = parse::read_all(&bytes, &name);
        if !matches!(reading.format, "json" | "evtx") {
            continue;
        }
        for record in reading.records {
            let record = bare(record);
            let context = Context {
                parser: reading.format,
                received_at: Micros(0),
                modified: None,
                origin: &name,
                definition: None,
            };
            let normal = normalizer.normalize(&record, &context);
            if normal.definition.is_none() {
                continue;
            }
            let json = match record.fields.get("Event") {
                Some(event) => flat(event),
                None => serde_json::to_value(&record.fields).unwrap_or_default(),
            };
            out.entry(LogSource::clone(normal.logsource)).or_default().push(json);
        }
    }
    out
}

/// The record itself, where a row of test data wraps it.
fn bare(record: Record<'static>) -> Record<'static> {
    match record.fields.get("log") {
        Some(log @ Value::Map(_)) if record.fields.get("log_type").is_some() => {
            let fields = log.clone();
            Record { fields, ..record }
        }
        _ => record,
    }
}

/// A Windows event with its fields side by side.
fn flat(event: &Value<'_>) -> Json {
    let mut out = serde_json::Map::new();
    let mut open: Vec<_> =
        ["System", "EventData", "UserData"].iter().filter_map(|part| event.get(part)).collect();
    open.reverse();
    while let Some(Value::Map(entries)) = open.pop() {
        for (key, value) in entries {
            if key == "#attributes" || key == "xmlns" {
                continue;
            }
            if key == "Provider" {
                let name = value.path("#attributes.Name").unwrap_or(value);
                out.insert("SourceName".to_owned(), serde_json::to_value(name).unwrap_or_default());
                continue;
            }
            if key == "TimeCreated" {
                let time = value.path("#attributes.SystemTime").unwrap_or(value);
                out.insert("@timestamp".to_owned(), serde_json::to_value(time).unwrap_or_default());
                continue;
            }
            match value.get("#text").unwrap_or(value) {
                inner @ Value::Map(_) => open.push(inner),
                plain => {
                    let name = if key == "Computer" { "Hostname" } else { key };
                    out.insert(name.to_owned(), serde_json::to_value(plain).unwrap_or_default());
                }
            }
        }
    }
    Json::Object(out)
}

/// Writes copies until there are `bytes` of them; returns the events and the bytes written.
pub(crate) fn make(
    records: &BTreeMap<LogSource, Vec<Json>>,
    folder: &Path,
    bytes: u64,
) -> io::Result<(u64, u64)> {
    fs::create_dir_all(folder)?;
    let mut files = Vec::new();
    for (source, records) in records {
        let file = fs::File::create(folder.join(file_name(source)))?;
        files.push((BufWriter::new(file), records));
    }
    let (mut events, mut made, mut copy) = (0, 0, 0);
    while made < bytes {
        for (file, records) in &mut files {
            for record in *records {
                let mut record = record.clone();
                shift(&mut record, copy * STEP);
                let line = record.to_string();
                file.write_all(line.as_bytes())?;
                file.write_all(b"\n")?;
                events += 1;
                made += line.len() as u64 + 1;
            }
        }
        copy += 1;
    }
    for (mut file, _) in files {
        file.flush()?;
    }
    Ok((events, made))
}

/// A log source as the name of a file: `product.category.service.jsonl`.
fn file_name(source: &LogSource) -> String {
    let part = |part: &Option<std::sync::Arc<str>>| part.as_deref().unwrap_or("").to_owned();
    let parts = [part(&source.product), part(&source.category), part(&source.service)];
    format!("{}.jsonl", parts.join("."))
}

/// The log source of such a file.
pub(crate) fn source_of(path: &Path) -> LogSource {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut parts = name.split('.');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    LogSource::new(&next(), &next(), &next())
}

/// Moves every time in a record by some hours.
fn shift(value: &mut Json, hours: i64) {
    match value {
        Json::String(text) => {
            if let Some(moved) = moved(text, hours) {
                *text = moved;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| shift(item, hours)),
        Json::Object(map) => {
            for (key, value) in map {
                let timely = key.to_ascii_lowercase().contains("time") || key == "ts";
                match value.as_f64() {
                    Some(number) if timely => *value = later(value, number, hours),
                    _ => shift(value, hours),
                }
            }
        }
        _ => {}
    }
}

/// A number that counts seconds, milliseconds, microseconds or nanoseconds since 1970, later.
fn later(value: &Json, number: f64, hours: i64) -> Json {
    let unit = match number {
        1e9..2e9 => 1,
        1e12..2e12 => 1_000,
        1e15..2e15 => 1_000_000,
        1e18..2e18 => 1_000_000_000,
        _ => return value.clone(),
    };
    let by = hours * 3_600 * unit;
    match value.as_i64() {
        Some(whole) => Json::from(whole + by),
        None => Json::from(number + by as f64),
    }
}

/// An RFC 3339 time in a text, or its cousins with a blank and without a zone, later.
fn moved(text: &str, hours: i64) -> Option<String> {
    let bytes = text.as_bytes();
    let dated = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    if !dated || !(19..=35).contains(&bytes.len()) || bytes.get(13) != Some(&b':') {
        return None;
    }
    let (head, rest) = text.split_at_checked(19)?;
    let time: Timestamp = format!("{}Z", head.replacen(' ', "T", 1)).parse().ok()?;
    let moved = time.checked_add(Span::new().hours(hours)).ok()?.to_string();
    let moved = moved.trim_end_matches('Z').replacen('T', head.get(10..11)?, 1);
    Some(format!("{moved}{rest}"))
}
