//! JSON: lines, lists, objects one after the other, pretty-printed or not, and envelopes.
//!
//! Each top-level object is a record; a list, or an object that only wraps a list of events, gives
//! a record for each element, with the element's own offset and bytes. What is no object becomes
//! the field `value`; text that is no JSON the field `message`.

mod stream;
mod values;

use std::sync::Arc;

use model::{FlawKind, Value};

use crate::json::envelope::{self, Probe};
use crate::json::parser::Parser;
use crate::json::scan::{self, Item, Place};
use crate::line::LineCutter;
use crate::{Cutter, Format, Head, Reader, Sink};
use stream::JsonStream;
pub(super) use values::{Element, Manner};
use values::{PLAIN, plain, read_line};

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
        match lines(head) {
            (0, _) => 0,
            (_, true) => 90,
            _ if begins_json(head.bytes.trim_ascii_start()) => 85,
            _ => 0,
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
        Box::new(JsonStream::new(&PLAIN, sole))
    }
}

/// Cuts a format that is made of JSON values, one after the other or in a list.
pub(super) fn cutter(manner: &'static Manner) -> Box<dyn Cutter> {
    Box::new(JsonStream::new(manner, false))
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

/// The lines of the head that are no comments.
fn texts<'a>(head: &Head<'a>) -> impl Iterator<Item = &'a [u8]> {
    head.lines().filter(|line| !line.starts_with(b"#"))
}

/// How many lines the head has, and whether most of them hold whole values.
fn lines(head: &Head<'_>) -> (usize, bool) {
    let (mut whole, mut total) = (0, 0);
    for line in texts(head).take(50) {
        total += 1;
        whole += usize::from(is_whole(line));
    }
    (total, whole * 10 >= total * 6)
}

/// Whether the head looks like lines that each hold whole values.
fn is_lines(head: &Head<'_>) -> bool {
    // Without a line end in sight nobody knows whether this is one long line.
    if !head.complete && memchr::memchr(b'\n', head.bytes).is_none() {
        return false;
    }
    // Lines inside of a list are the list's, however much each looks like a value of its own.
    if texts(head).next().is_some_and(scan::ends_in_list) {
        return false;
    }
    // One line alone is a value like any other: the stream knows more about it.
    let (total, whole) = lines(head);
    whole && (total > 1 || !head.complete)
}

/// Whether the first value is JSON as far as it can be seen: text like `[2026-11-22] {x}` is not.
fn begins_json(text: &[u8]) -> bool {
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return false;
    }
    let text = String::from_utf8_lossy(text);
    let mut parser = Parser::new(&text);
    let value = parser.value_at(0);
    let has = |kind| parser.faults().iter().any(|fault| fault.kind == kind);
    let cut_off = !has(FlawKind::Syntax);
    match &value {
        // Only JSON is nested as deep as that.
        Value::List(_) if cut_off && has(FlawKind::Limit) => true,
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
        for end in memchr::memchr_iter(b'\n', chunk).chain(std::iter::once(chunk.len())) {
            let line = chunk.get(at..end).unwrap_or_default();
            let place = offset + at as u64;
            // Nearly always a line is one sound object: read it without looking for its end.
            let value = line.starts_with(b"{").then(|| parser.value_within(at, end));
            let raw = chunk.get(at..parser.at()).unwrap_or_default();
            match value {
                Some(value)
                    if parser.faults().is_empty()
                        && matches!(line.get(raw.len()..), Some(b"" | b"\r"))
                        && !(envelope::may_be(&value) && is_envelope(raw)) =>
                {
                    plain(Element { raw, offset: place, value, flaws: Vec::new() }, sink);
                }
                _ => read_line(line, place, end == chunk.len(), sink),
            }
            at = end + 1;
        }
    }
}

/// Whether a whole object only wraps a list of events.
fn is_envelope(object: &[u8]) -> bool {
    matches!(envelope::probe(object, 0, false, true), Probe::Envelope(_))
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
