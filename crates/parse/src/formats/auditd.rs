//! Linux audit logs: an event is several lines with the same `audit(time:serial)`, which may stand
//! among those of other events.
//!
//! A record is an event. Its own lines are in `records`, each with its `type`; beside them stand
//! their fields in one level, as rules want them: the first line that has a field gives its value,
//! but arguments come from `EXECVE` rather than from the pointers of `SYSCALL`, and `type` and
//! `name` are lists when there are several.

mod line;
mod tables;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::{Flaw, FlawKind, Record, Value};

use crate::fields::{self, Fields};
use crate::line::whole_lines;
use crate::{Cut, Cutter, Format, Head, Reader, Sink};
use line::AuditLine;

/// Lines of an event stand no further apart than this, counted in lines that are not blank.
const APART: usize = 128;

/// When no event ends within so many bytes, they are cut all the same.
const PATIENCE: usize = 4 * 1024 * 1024;

/// An event has at most so many lines; the next one begins another.
const LINES: usize = 4096;

/// The format `auditd`.
pub(crate) struct Auditd;

impl Format for Auditd {
    fn name(&self) -> &'static str {
        "auditd"
    }

    fn about(&self) -> &'static str {
        "Linux audit logs, raw or enriched, the lines of an event joined"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        let is_audit =
            |line: &[u8]| std::str::from_utf8(line).is_ok_and(|l| line::event_id(l).is_some());
        if fields::share(head, is_audit) >= 60 { 93 } else { 0 }
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        Box::new(AuditCutter)
    }
}

/// Reads a line that is an audit record by itself, such as the body of a syslog message; `None` when
/// it is none.
pub(crate) fn audit_fields(text: &str) -> Option<Value<'_>> {
    let mut line = line::parse(text)?;
    line::join_pieces(&mut line.fields);
    let mut fields = lead(&line);
    fields.push((Cow::Borrowed("type"), Value::Str(line.kind)));
    fields.extend(line.fields);
    Some(Value::Map(fields))
}

/// The fields that every line of an event has.
fn lead<'a>(line: &AuditLine<'a>) -> Fields<'a> {
    let mut fields = Vec::with_capacity(line.fields.len() + 8);
    fields.push((Cow::Borrowed("time"), Value::from(line.time)));
    let serial = i64::try_from(line.serial).map_or(Value::UInt(line.serial), Value::Int);
    fields.push((Cow::Borrowed("serial"), serial));
    if let Some(node) = line.node {
        fields.push((Cow::Borrowed("node"), Value::from(node)));
    }
    fields
}

/// Cuts where no event has lines on both sides.
struct AuditCutter;

impl Cutter for AuditCutter {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        let reader = Arc::new(AuditReader);
        if last {
            return Cut { take: window.len(), reader };
        }
        let take = match quiet_place(window) {
            0 if window.len() >= PATIENCE => whole_lines(window, false),
            place => place,
        };
        Cut { take, reader }
    }
}

/// The last place in `window` that no event spans, as far as [`APART`] lets events reach.
fn quiet_place(window: &[u8]) -> usize {
    let whole = window.get(..whole_lines(window, false)).unwrap_or_default();
    // The last lines, from the end: where each begins, and its event.
    let mut lines: Vec<(usize, Option<&[u8]>)> = Vec::new();
    let mut end = whole.len();
    while end > 0 && lines.len() < 8 * APART {
        let start = memchr::memrchr(b'\n', whole.get(..end - 1).unwrap_or_default());
        let start = start.map_or(0, |n| n + 1);
        let line = whole.get(start..end).unwrap_or_default();
        if !is_blank(line) {
            lines.push((start, rough_id(line)));
        }
        end = start;
    }
    lines.reverse();
    // Of what stands before them nothing is known but that it is no further than `APART`.
    let known = if end == 0 { 0 } else { APART };
    // Lines that are not in the window yet may belong to the last ones.
    let until = lines.len().saturating_sub(APART);
    // `reach` is the last line of the events that began so far.
    let mut last_of: HashMap<&[u8], usize> = HashMap::new();
    let mut next_of = vec![0; lines.len()];
    for (n, (_, id)) in lines.iter().enumerate() {
        if let Some(id) = id
            && let Some(before) = last_of.insert(id, n)
            && n - before <= APART
            && let Some(next) = next_of.get_mut(before)
        {
            *next = n;
        }
    }
    let (mut reach, mut place) = (0, 0);
    for (n, (start, _)) in lines.iter().enumerate().take(until + 1) {
        if n > known && reach < n {
            place = *start;
        }
        reach = reach.max(next_of.get(n).copied().unwrap_or(0)).max(n);
    }
    place
}

/// Whether a line holds nothing.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| b.is_ascii_whitespace() || *b == 0)
}

/// What stands in `audit(…)` and the node: enough to tell events apart, without checking it.
fn rough_id(line: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(line, b"audit(")?;
    let rest = line.get(at..)?;
    rest.get(..memchr::memchr(b')', rest)?)
}

/// Reads a chunk that holds whole events.
struct AuditReader;

/// A line: where it begins in the chunk, its bytes, its text.
type Text<'a> = (usize, &'a [u8], Cow<'a, str>);

/// The lines of an event, by their numbers. A line that is no audit record stands alone.
struct Event {
    lines: Vec<usize>,
    last: usize,
}

impl Reader for AuditReader {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let mut lines: Vec<Text<'_>> = Vec::new();
        let mut start = 0;
        for line in chunk.split_inclusive(|b| *b == b'\n') {
            if !is_blank(line) {
                let raw = line.strip_suffix(b"\n").unwrap_or(line);
                let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
                lines.push((start, raw, String::from_utf8_lossy(raw)));
            }
            start += line.len();
        }
        for event in events(&lines) {
            emit(&event, &lines, chunk, offset, sink);
        }
    }
}

/// Finds out which lines are of one event, in the order of their first lines.
fn events(lines: &[Text<'_>]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut open: HashMap<(Option<&str>, &str), usize> = HashMap::new();
    let mut latest = None;
    for (number, (_, _, text)) in lines.iter().enumerate() {
        let id = line::event_id(text.trim_matches('\0'));
        // Nearly always a line belongs to the event of the line before.
        let known = match (latest, id) {
            (_, None) => None,
            (Some((latest, at)), Some(id)) if latest == id => Some(at),
            (_, Some(id)) => open.get(&id).copied(),
        };
        let event = known.and_then(|at| events.get_mut(at).map(|event| (at, event)));
        let at = match event {
            Some((at, event)) if number - event.last <= APART && event.lines.len() < LINES => {
                event.last = number;
                event.lines.push(number);
                at
            }
            _ => {
                events.push(Event { lines: vec![number], last: number });
                events.len() - 1
            }
        };
        latest = id.map(|id| (id, at));
        if let Some(id) = id {
            open.insert(id, at);
        }
    }
    events
}

/// Makes a record of an event.
fn emit(event: &Event, lines: &[Text<'_>], chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
    let own: Vec<&Text<'_>> = event.lines.iter().filter_map(|n| lines.get(*n)).collect();
    let (Some(first), Some(last)) = (own.first(), own.last()) else { return };
    let end = last.0 + last.1.len();
    let bytes: usize = own.iter().map(|(_, raw, _)| raw.len() + 2).sum();
    // Lines of other events between its own are none of its bytes.
    let raw = if end - first.0 <= bytes {
        Cow::Borrowed(chunk.get(first.0..end).unwrap_or_default())
    } else {
        let lines: Vec<&[u8]> = own.iter().map(|(_, raw, _)| *raw).collect();
        Cow::Owned(lines.join(&b'\n'))
    };
    let offset = offset + first.0 as u64;
    let mut flaws = Vec::new();
    let mut flaw = |kind, message: &str| {
        flaws.push(Flaw { offset, kind, message: message.to_owned(), record_lost: false });
    };
    if own.iter().any(|(_, _, text)| matches!(text, Cow::Owned(_))) {
        flaw(FlawKind::Encoding, "a line is not valid UTF-8; what is not is replaced");
    }
    let parts: Vec<AuditLine<'_>> =
        own.iter().filter_map(|(_, _, text)| line::parse(text.trim_matches('\0'))).collect();
    let fields = if parts.is_empty() {
        flaw(FlawKind::Syntax, "a line that is no audit record");
        vec![(Cow::Borrowed("message"), Value::from(first.2.trim_matches('\0')))]
    } else {
        merge(parts)
    };
    sink.record(Record { offset, index: 0, raw, fields: Value::Map(fields), syntax: None, flaws });
}

/// Arguments may fill several lines: makes them one, the pieces of long ones joined.
fn join_arguments(parts: &mut Vec<AuditLine<'_>>) {
    let Some(first) = parts.iter().position(|part| part.kind == "EXECVE") else { return };
    let mut all = Vec::new();
    let mut number = 0;
    parts.retain_mut(|part| {
        number += 1;
        if part.kind == "EXECVE" {
            all.append(&mut part.fields);
        }
        part.kind != "EXECVE" || number == first + 1
    });
    line::join_pieces(&mut all);
    if let Some(part) = parts.get_mut(first) {
        part.fields = all;
    }
}

/// The fields of an event: those of all its lines in one level, and the lines themselves.
fn merge(mut parts: Vec<AuditLine<'_>>) -> Fields<'_> {
    // The line that only says that there are no more.
    if parts.len() > 1 {
        parts.retain(|part| part.kind != "EOE");
    }
    join_arguments(&mut parts);
    let Some(first) = parts.first() else { return Vec::new() };
    let mut fields = lead(first);
    let mut types: Vec<Value<'_>> = Vec::new();
    for part in &parts {
        if !types.iter().any(|t| t.as_str() == Some(&part.kind)) {
            types.push(Value::Str(part.kind.clone()));
        }
    }
    let several = types.len() > 1;
    let kind = if several {
        Value::List(types.clone())
    } else {
        types.first().cloned().unwrap_or_default()
    };
    fields.push((Cow::Borrowed("type"), kind));
    fields.push((Cow::Borrowed("types"), Value::List(types)));

    let has_arguments = parts.iter().any(|part| part.kind == "EXECVE");
    let mut names: Vec<Value<'_>> = Vec::new();
    let mut seen: HashSet<&str> = HashSet::with_capacity(64);
    for part in &parts {
        for (key, value) in &part.fields {
            let pointer = has_arguments && part.kind == "SYSCALL" && line::argument(key).is_some();
            if pointer || (part.kind == "PATH" && key == "name") {
                if !pointer && !value.is_empty() && !names.contains(value) {
                    names.push(value.clone());
                }
                continue;
            }
            if seen.insert(key) {
                fields.push((key.clone(), value.clone()));
            }
        }
        if part.kind == "SYSCALL" && !part.fields.iter().any(|(key, _)| key == "SYSCALL") {
            let text =
                |name| part.fields.iter().find(|(key, _)| key == name).and_then(|f| f.1.as_str());
            let number = text("syscall").and_then(|n| n.parse().ok());
            if let (Some(arch), Some(number)) = (text("arch"), number)
                && let Some(name) = tables::system_call(arch, number)
            {
                fields.push((Cow::Borrowed("SYSCALL"), Value::from(name)));
            }
        }
    }
    match names.len() {
        0 => {}
        1 => fields.extend(names.pop().map(|name| (Cow::Borrowed("name"), name))),
        _ => fields.push((Cow::Borrowed("name"), Value::List(names))),
    }
    let records = parts.into_iter().map(|part| {
        let mut fields = part.fields;
        fields.insert(0, (Cow::Borrowed("type"), Value::Str(part.kind)));
        Value::Map(fields)
    });
    fields.push((Cow::Borrowed("records"), Value::List(records.collect())));
    fields
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use crate::read_all;

    fn line(serial: usize, kind: &str, rest: &str) -> String {
        format!("type={kind} msg=audit(1700000000.001:{serial}): {rest}\n")
    }

    #[test]
    fn lines_of_an_event_are_joined_wherever_they_stand() {
        let text = line(1, "SYSCALL", "arch=c000003e syscall=59 a0=7f a1=0 comm=\"sh\" key=\"k\"")
            + &line(2, "USER_LOGIN", "pid=9 msg='op=login res=failed'")
            + &line(1, "EXECVE", "argc=2 a0=\"sh\" a1=2D63")
            + &line(1, "PATH", "item=0 name=\"/bin/sh\" nametype=NORMAL")
            + &line(1, "PATH", "item=1 name=\"/lib/ld.so\" nametype=NORMAL")
            + &line(1, "EOE", "");
        let reading = read_all(text.as_bytes(), "x");
        assert_eq!((reading.format, reading.records.len()), ("auditd", 2));
        let fields = serde_json::to_value(&reading.records[0].fields).unwrap();
        assert_eq!(fields["type"], serde_json::json!(["SYSCALL", "EXECVE", "PATH"]));
        assert_eq!((&fields["a0"], &fields["a1"]), (&"sh".into(), &"-c".into()));
        assert_eq!(fields["name"], serde_json::json!(["/bin/sh", "/lib/ld.so"]));
        assert_eq!(fields["SYSCALL"], "execve");
        assert_eq!(fields["records"].as_array().unwrap().len(), 4);
        assert_eq!(fields["records"][0]["a0"], "7f");
        assert!(!String::from_utf8_lossy(&reading.records[0].raw).contains("USER_LOGIN"));
    }

    #[test]
    fn events_far_apart_with_one_id_are_two() {
        let far: String = (2..400).map(|n| line(n, "CWD", "cwd=\"/\"")).collect();
        let text = line(1, "CWD", "cwd=\"/a\"") + &far + &line(1, "CWD", "cwd=\"/b\"");
        assert_eq!(read_all(text.as_bytes(), "x").records.len(), 400);
    }

    #[test]
    fn one_endless_event_is_cut_up() {
        let text = line(1, "CWD", "cwd=\"/a\"").repeat(120_000);
        let reading = read_all(text.as_bytes(), "x");
        assert!(reading.records.len() > 20 && reading.flaws.is_empty());
    }
}
