//! How many records a file holds, counted without our parsers: by the `evtx` crate for event logs, by
//! `serde_json` for JSON, by lines for what is lines.

use std::collections::HashSet;
use std::path::Path;

use evtx::{EvtxParser, ParserSettings};
use serde_json::{Deserializer, Value};

/// The records of a file in a format of ours; none where there is no other counter for it.
pub(crate) fn records(path: &Path, format: &str) -> Option<u64> {
    if format == "evtx" {
        return event_log(path);
    }
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    match format {
        "json" => json(text),
        "zeek" | "w3c" => Some(lines(text, |line| !line.starts_with('#'))),
        "delimited" => Some(rows(text)),
        "auditd" => Some(audit(text)),
        "journal_export" => Some(lines(text, |line| line.starts_with("__CURSOR="))),
        "syslog" => Some(messages(text)),
        "lines" | "cef" | "leef" | "keyvalue" | "weblog" => Some(lines(text, |_| true)),
        _ => None,
    }
}

/// As many as `evtx_dump` gives.
fn event_log(path: &Path) -> Option<u64> {
    let settings = ParserSettings::default().num_threads(1);
    let mut parser = EvtxParser::from_path(path).ok()?.with_configuration(settings);
    Some(parser.records().flatten().count() as u64)
}

fn lines<'t>(text: &'t str, mut counts: impl FnMut(&'t str) -> bool) -> u64 {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && counts(line)).count() as u64
}

/// Rows below the names of a file of delimited values: lines, but for those that end within quotes, and
/// for comments above the names.
fn rows(text: &str) -> u64 {
    let mut quoted = false;
    let mut count = 0;
    for line in text.lines().skip_while(|line| line.starts_with('#')).skip(1) {
        let blank = line.trim().is_empty() && !quoted;
        quoted ^= line.matches('"').count() % 2 == 1;
        count += u64::from(!quoted && !blank);
    }
    count
}

/// Events of an audit log: the lines of one event bear one stamp; lines without are on their own.
fn audit(text: &str) -> u64 {
    let mut seen = HashSet::new();
    lines(text, |line| {
        let stamp = line.split("audit(").nth(1).and_then(|rest| rest.split_once(')'));
        let node = line.strip_prefix("node=").and_then(|rest| rest.split_whitespace().next());
        stamp.is_none_or(|(stamp, _)| seen.insert((node, stamp)))
    })
}

/// Messages of syslog: places where a priority, a time or both begin a line, and priorities with a time
/// within one; what else follows on lines of its own belongs to the message above it.
fn messages(text: &str) -> u64 {
    let begins = |rest: &str| {
        let (year, month) = (rest.get(..5).unwrap_or_default(), rest.get(..4).unwrap_or_default());
        let dated = year.ends_with('-') && year.bytes().take(4).all(|b| b.is_ascii_digit());
        dated || rest.starts_with("1 ") || MONTHS.contains(&month.trim_end())
    };
    let behind_priority = |at: usize| {
        let rest = text.get(at + 1..)?;
        let (priority, rest) = rest.split_once('>')?;
        let digits = (1..=3).contains(&priority.len()) && priority.parse::<u8>().is_ok();
        (digits && begins(rest)).then_some(())
    };
    let bare = lines(text, |line| !line.starts_with('<') && begins(line));
    let all = text.match_indices('<').filter(|(at, _)| behind_priority(*at).is_some()).count();
    bare + all as u64
}

/// The months as syslog writes them.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Values that follow each other; of a list its elements, of an object that wraps a list the list's.
fn json(text: &str) -> Option<u64> {
    let values: Vec<Value> =
        Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().ok()?;
    let held = |value: &Value| match value {
        Value::Array(list) => list.len() as u64,
        _ => wrapped(value).unwrap_or(1),
    };
    Some(values.iter().map(held).sum())
}

/// The elements of the one list of objects that is most of an object.
fn wrapped(value: &Value) -> Option<u64> {
    let object = value.as_object()?;
    let mut lists = object.values().filter_map(Value::as_array);
    let list = lists.next().filter(|list| list.first().is_some_and(Value::is_object))?;
    let most = serde_json::to_string(list).ok()?.len() * 5 > value.to_string().len() * 4;
    (lists.next().is_none() && most).then_some(list.len() as u64)
}
