//! JSON: lines, lists, objects one after the other, pretty-printed or not, and envelopes.
//!
//! Each top-level object is a record; a list, or an object that only wraps a list of events, gives
//! a record for each element, with the element's own offset and bytes. What is no object becomes
//! the field `value`; text that is no JSON the field `message`.

use std::borrow::Cow;
use std::sync::Arc;

use model::{Flaw, FlawKind, Record, Value};

use crate::json::envelope::{self, Probe};
use crate::json::parser::Parser;
use crate::json::scan::{self, Depth, Item, Place};
use crate::line::LineCutter;
use crate::{Cut, Cutter, Format, Head, Reader, Sink, Skip};

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
        Box::new(JsonStream { place: Where::Top, wary: false, sole, skipping: None })
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

/// Reads one line with care: several values, a list, an envelope, something broken, text.
fn read_line(line: &[u8], offset: u64, ends: bool, sink: &mut dyn Sink) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.iter().all(|b| b.is_ascii_whitespace() || *b == b',') {
        return;
    }
    Values { bytes: line, offset, wary: false, whole_line: true, ends }.read(0, false, sink);
}

/// Reads values one after the other in bytes that hold whole ones.
struct Values<'a> {
    bytes: &'a [u8],
    offset: u64,
    wary: bool,
    /// The bytes are a line, and text in it is worth keeping.
    whole_line: bool,
    /// Nothing follows the bytes, so that what is not closed in them was cut off.
    ends: bool,
}

impl Values<'_> {
    /// Reads on from `at`; in a list, until it closes. The place behind.
    fn read(&self, mut at: usize, in_list: bool, sink: &mut dyn Sink) -> usize {
        let place = Place { in_list, wary: self.wary };
        loop {
            match scan::next(self.bytes, at, place, true) {
                Item::Nothing => return self.bytes.len(),
                Item::Open { start } => at = self.value(start, self.bytes.len(), in_list, sink),
                Item::Value { start, end } | Item::Broken { start, end, .. } => {
                    at = self.value(start, end, in_list, sink);
                }
                Item::Junk { start, end } => {
                    at = end;
                    self.junk(start, end, sink);
                }
                Item::Close { at } => return at + 1,
            }
        }
    }

    /// Reads what stands between `start` and `end`.
    fn value(&self, start: usize, end: usize, in_list: bool, sink: &mut dyn Sink) -> usize {
        if !in_list && self.whole_line {
            let inner = match self.bytes.get(start) {
                Some(b'[') => Some(start + 1),
                Some(b'{') => match envelope::probe(self.bytes, start, false, true) {
                    Probe::Envelope(at) => Some(at),
                    _ => None,
                },
                _ => None,
            };
            if let Some(inner) = inner {
                let closed = self.read(inner, true, sink);
                // Of an envelope, what follows its list belongs to it still.
                return closed.max(end);
            }
        }
        let raw = self.bytes.get(start..end).unwrap_or_default();
        let cut_off = self.ends && end == self.bytes.len();
        element(raw, self.offset + start as u64, cut_off, sink);
        end
    }

    /// Text where a value should be.
    fn junk(&self, start: usize, end: usize, sink: &mut dyn Sink) {
        let raw = self.bytes.get(start..end).unwrap_or_default().trim_ascii_end();
        let offset = self.offset + start as u64;
        let quote = String::from_utf8_lossy(raw.get(..raw.len().min(60)).unwrap_or_default());
        let message = format!("text that is no JSON: `{}`", quote.trim_end());
        let keep = self.whole_line && start == 0 && end == self.bytes.len();
        // What follows a record on its line, and stray brackets, are no records lost.
        let behind = self.whole_line && start > 0;
        let record_lost = !keep && !behind && raw.iter().any(u8::is_ascii_alphanumeric);
        let flaw = Flaw { offset, kind: FlawKind::Syntax, message, record_lost };
        if keep {
            let text = String::from_utf8_lossy(raw);
            let fields = Value::Map(vec![("message".into(), Value::Str(text))]);
            sink.record(Record { offset, index: 0, raw: raw.into(), fields, flaws: vec![flaw] });
        } else {
            sink.flaw(flaw);
        }
    }
}

/// Reads one element and gives it to the sink.
fn element(raw: &[u8], offset: u64, cut_off: bool, sink: &mut dyn Sink) {
    let mut flaws = Vec::new();
    let mut flaw = |at: usize, kind, message: &str| {
        let message = message.to_owned();
        flaws.push(Flaw { offset: offset + at as u64, kind, message, record_lost: false });
    };
    let raw = raw.trim_ascii_end();
    let text = match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(e) => {
            flaw(e.valid_up_to(), FlawKind::Encoding, "not valid UTF-8; what is not is replaced");
            String::from_utf8_lossy(raw)
        }
    };
    let mut parser = Parser::new(&text);
    let value = parser.value_at(0);
    for fault in parser.faults() {
        if fault.kind == FlawKind::Truncated && !cut_off {
            flaw(raw.len(), FlawKind::Syntax, "the value is not closed");
            continue;
        }
        flaw(fault.at.min(raw.len()), fault.kind, fault.message);
    }
    if !parser.is_broken() && parser.skip_space() < text.len() {
        flaw(parser.at().min(raw.len()), FlawKind::Syntax, "text behind the value is left out");
    }
    if parser.is_broken() && value.is_empty() {
        // Nothing of it could be read.
        for mut flaw in flaws {
            flaw.record_lost = true;
            sink.flaw(flaw);
        }
        return;
    }
    sink.record(record(raw, offset, value, flaws));
}

/// A record of a value: its fields, or the field `value`.
fn record<'a>(raw: &'a [u8], offset: u64, value: Value<'a>, flaws: Vec<Flaw>) -> Record<'a> {
    let fields = match value {
        Value::Map(_) => value,
        other => Value::Map(vec![("value".into(), other)]),
    };
    Record { offset, index: 0, raw: raw.into(), fields, flaws }
}

/// Where in its structure a stream of values stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// Between values.
    Top,
    /// In a list, which `envelope` says stands in an object.
    List { envelope: bool },
    /// In an envelope, behind its list.
    Tail,
}

/// Cuts a stream of values at their ends.
struct JsonStream {
    place: Where,
    wary: bool,
    /// One value spans all that was seen of the parcel at first.
    sole: bool,
    skipping: Option<Depth>,
}

impl JsonStream {
    fn reader(&self, ends: bool) -> Arc<dyn Reader> {
        match self.place {
            Where::Tail => Arc::new(Nothing),
            _ => Arc::new(JsonValues { in_list: self.place != Where::Top, wary: self.wary, ends }),
        }
    }

    /// Goes to another place, with nothing read up to there.
    fn go(&mut self, place: Where, take: usize) -> Cut {
        self.place = place;
        Cut { take, reader: Arc::new(Nothing) }
    }

    /// A whole value at the top: a place to go into when it is a list or an envelope.
    fn inside(
        &self,
        window: &[u8],
        start: usize,
        last: bool,
    ) -> Result<Option<(Where, usize)>, ()> {
        match window.get(start) {
            Some(b'[') => Ok(Some((Where::List { envelope: false }, start + 1))),
            Some(b'{') => match envelope::probe(window, start, self.sole, last) {
                Probe::Envelope(at) => Ok(Some((Where::List { envelope: true }, at))),
                Probe::Event => Ok(None),
                Probe::Short => Err(()),
            },
            _ => Ok(None),
        }
    }
}

impl Cutter for JsonStream {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        let read_to = |take: usize, stream: &Self| Cut {
            take,
            reader: stream.reader(last && take == window.len()),
        };
        if self.place == Where::Tail {
            return match tail_end(window, last) {
                Some(end) => self.go(Where::Top, end),
                None => read_to(0, self),
            };
        }
        let in_list = self.place != Where::Top;
        let place = Place { in_list, wary: self.wary };
        let mut at = 0;
        loop {
            if !in_list && let Some(start) = scan::bracket(window, at) {
                match self.inside(window, start, last) {
                    Ok(None) => {}
                    // What stands before it is read first.
                    Ok(Some(_)) | Err(()) if at > 0 => return read_to(at, self),
                    Ok(Some((place, take))) => return self.go(place, take),
                    Err(()) => return read_to(0, self),
                }
            }
            match scan::next(window, at, place, last) {
                Item::Value { end, .. }
                | Item::Junk { end, .. }
                | Item::Broken { end, plain: true, .. } => at = end,
                Item::Open { .. } => return read_to(at, self),
                Item::Nothing => return read_to(scan::separators(window, at, last), self),
                Item::Close { .. } if at > 0 => return read_to(at, self),
                Item::Close { at: close } => {
                    let next = match self.place {
                        Where::List { envelope: true } => Where::Tail,
                        _ => Where::Top,
                    };
                    return self.go(next, close + 1);
                }
                Item::Broken { end, .. } => {
                    // What follows is read by a reader that knows.
                    let cut = read_to(end, self);
                    self.wary = true;
                    return cut;
                }
            }
        }
    }

    fn end(&mut self) -> Option<(FlawKind, &'static str)> {
        match self.place {
            Where::Top => None,
            _ => Some((FlawKind::Truncated, "the list that the records stand in is never closed")),
        }
    }

    fn skip(&mut self, window: &[u8], last: bool) -> Skip {
        let mut depth = match self.skipping.take() {
            Some(depth) => depth,
            None if self.place == Where::Tail => Depth::inside(),
            None => Depth::default(),
        };
        let (take, done) = depth.pass(window, last);
        if done {
            if self.place == Where::Tail {
                self.place = Where::Top;
            }
        } else {
            self.skipping = Some(depth);
        }
        Skip { take, done }
    }
}

/// Where an envelope ends, from behind its list.
fn tail_end(window: &[u8], last: bool) -> Option<usize> {
    let mut depth = Depth::inside();
    match depth.pass(window, last) {
        (end, true) => Some(end),
        _ => None,
    }
}

/// Reads a chunk of a stream of values.
struct JsonValues {
    in_list: bool,
    wary: bool,
    ends: bool,
}

impl Reader for JsonValues {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let values =
            Values { bytes: chunk, offset, wary: self.wary, whole_line: false, ends: self.ends };
        values.read(0, self.in_list, sink);
    }
}

/// Reads nothing: brackets, and what stands beside an envelope's list.
struct Nothing;

impl Reader for Nothing {
    fn read(&self, _: &[u8], _: u64, _: &mut dyn Sink) {}
}
