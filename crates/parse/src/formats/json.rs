//! JSON: lines, lists, objects one after the other, pretty-printed or not, and envelopes.
//!
//! Each top-level object is a record; a list, or an object that only wraps a list of events, gives
//! a record for each element, with the element's own offset and bytes. What is no object becomes
//! the field `value`; text that is no JSON the field `message`.

mod stream;
mod values;

use std::sync::Arc;

use model::{FlawKind, Value};

use crate::json::envelope;
use crate::json::parser::Parser;
use crate::json::scan::{self, Item, Place};
use crate::line::LineCutter;
use crate::{Cutter, Format, Head, Reader, Sink};
use stream::JsonStream;
use values::{read_line, record};

/// The format `json`.
pub(crate) struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "JSON lines, lists, concatenated or pretty-printed objects, and lists in an envelope"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        let text = head.bytes.trim_ascii_start();
        let (mut whole, mut total) = (0, 0);
        for line in head.lines().filter(|line| !line.starts_with(b"#")).take(50) {
            total += 1;
            whole += u32::from(is_whole(line));
        }
        if total == 0 {
            0
        } else if whole * 10 >= total * 6 {
            90
        } else if begins_json(text) {
            85
        } else {
            0
        }
    }

    fn open(&self, head: &Head<'_>) -> Box<dyn Cutter> {
        if is_lines(head) {
            return Box::new(LineCutter(Arc::new(JsonLines)));
        }
        let text = head.bytes;
        let start = text.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0);
        let place = Place { in_list: false, wary: false };
        let sole = match scan::next(text, start, place, head.complete) {
            Item::Value { end, .. } => {
                text.get(end..).unwrap_or_default().trim_ascii().is_empty() && head.complete
            }
            Item::Open { .. } => true,
            _ => false,
        };
        Box::new(JsonStream::new(sole))
    }
}

/// Whether the line holds whole lists and maps, from its first byte to its last.
fn is_whole(line: &[u8]) -> bool {
    let place = Place { in_list: false, wary: false };
    let mut at = 0;
    loop {
        match scan::next(line, at, place, false) {
            Item::Value { start, end } if begins_value(line.get(start..end)) => at = end,
            Item::Nothing => return at > 0,
            _ => return false,
        }
    }
}

/// Whether a bracket is followed by what may follow it in JSON.
fn begins_value(bytes: Option<&[u8]>) -> bool {
    let Some((bracket, rest)) = bytes.and_then(<[u8]>::split_first) else { return false };
    matches!(
        (bracket, rest.trim_ascii_start().first()),
        (b'{', Some(b'"' | b'}')) | (b'[', Some(b'{' | b'[' | b'"' | b']'))
    )
}

/// Whether the head looks like lines that each hold whole values.
fn is_lines(head: &Head<'_>) -> bool {
    // Without a line end in sight nobody knows whether this is one long line.
    if !head.complete && memchr::memchr(b'\n', head.bytes).is_none() {
        return false;
    }
    let (mut whole, mut total) = (0, 0);
    for line in head.lines().filter(|line| !line.starts_with(b"#")).take(50) {
        total += 1;
        whole += u32::from(is_whole(line));
    }
    // One line alone is a value like any other: the stream knows more about it.
    whole * 10 >= total * 6 && (total > 1 || !head.complete)
}

/// Whether the first value is JSON as far as it can be seen: text like `[2026-11-22] {x}` is not.
fn begins_json(text: &[u8]) -> bool {
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return false;
    }
    let text = String::from_utf8_lossy(text);
    let mut parser = Parser::new(&text);
    let value = parser.value_at(0);
    let cut_off = parser.faults().iter().all(|f| f.kind != FlawKind::Syntax);
    match &value {
        Value::Map(entries) => cut_off || !entries.is_empty(),
        Value::List(items) => {
            cut_off && !items.is_empty() || items.iter().any(|i| matches!(i, Value::Map(_)))
        }
        _ => false,
    }
}

/// Reads lines that each hold whole values.
struct JsonLines;

impl Reader for JsonLines {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let Ok(text) = std::str::from_utf8(chunk) else {
            return self.read_mixed(chunk, offset, sink);
        };
        let mut parser = Parser::new(text);
        let mut at = 0;
        while at < chunk.len() {
            // Nearly always a line is one sound object: read it without looking for its end.
            if chunk.get(at) == Some(&b'{') {
                let value = parser.value_at(at);
                let end = parser.at();
                if parser.faults().is_empty() && !envelope::may_be(&value) {
                    let behind = chunk.get(end..).unwrap_or_default();
                    let next = match behind {
                        [] => Some(end),
                        [b'\n', ..] => Some(end + 1),
                        [b'\r', b'\n', ..] => Some(end + 2),
                        _ => None,
                    };
                    // A value that runs over a line end is one line's fault and the next one's gift.
                    let raw = chunk.get(at..end).unwrap_or_default();
                    if let Some(next) = next
                        && (end - at < 2 || memchr::memchr(b'\n', raw).is_none())
                    {
                        sink.record(record(raw, offset + at as u64, value, Vec::new()));
                        at = next;
                        continue;
                    }
                }
            }
            let rest = chunk.get(at..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest).map_or(chunk.len(), |n| at + n);
            let line = chunk.get(at..end).unwrap_or_default();
            read_line(line, offset + at as u64, end == chunk.len(), sink);
            at = end + 1;
        }
    }
}

impl JsonLines {
    /// A chunk that is not all UTF-8: line by line, so that the sound lines are read as they are.
    fn read_mixed(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let mut at = offset;
        for line in chunk.split_inclusive(|b| *b == b'\n') {
            match (std::str::from_utf8(line), line.strip_suffix(b"\n")) {
                (Ok(_), _) => self.read(line, at, sink),
                (Err(_), Some(whole)) => read_line(whole, at, false, sink),
                (Err(_), None) => read_line(line, at, true, sink),
            }
            at += line.len() as u64;
        }
    }
}
