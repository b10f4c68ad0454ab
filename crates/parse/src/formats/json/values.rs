//! Values one after the other: what is read of them, sound or not.

use std::borrow::Cow;
use std::ops::ControlFlow;

use model::{Flaw, FlawKind, Record, Value, inert};

use crate::inner::Delivered;
use crate::json::envelope::{self, Probe};
use crate::json::parser::Parser;
use crate::json::scan::{self, Item, Place};
use crate::json::shipper;
use crate::{Reader, Sink};

/// A value that was read, and its place.
pub(crate) struct Element<'a> {
    /// Its exact bytes.
    pub(crate) raw: &'a [u8],
    /// Where they begin in the parcel.
    pub(crate) offset: u64,
    /// What they say.
    pub(crate) value: Value<'a>,
    /// What of it could not be read.
    pub(crate) flaws: Vec<Flaw>,
}

/// How a format that is made of JSON values reads them.
pub(crate) struct Manner {
    /// Makes records of a value.
    pub(crate) emit: fn(Element<'_>, &mut dyn Sink),
    /// Objects may be wrappers around a list of records.
    pub(crate) wrapped: bool,
}

/// Each value is a record, or the envelope of one.
pub(super) static PLAIN: Manner = Manner { emit: plain, wrapped: true };

/// Reads a chunk of a stream of values.
pub(super) struct JsonValues {
    pub(super) manner: &'static Manner,
    pub(super) in_list: bool,
    pub(super) wary: bool,
    pub(super) ends: bool,
}

impl Reader for JsonValues {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let Self { manner, in_list, wary, ends } = *self;
        let values = Values { manner, bytes: chunk, offset, wary, whole_line: false, ends };
        let Some(text) = std::str::from_utf8(chunk).ok().filter(|_| !wary) else {
            values.read(0, in_list, sink);
            return;
        };
        // Nearly always a value is sound: read it without looking for its end first.
        let mut parser = Parser::new(text);
        let mut at = 0;
        loop {
            if let Some(start) = scan::bracket(chunk, at) {
                let value = parser.value_at(start);
                if parser.faults().is_empty() {
                    at = parser.at();
                    let raw = chunk.get(start..at).unwrap_or_default();
                    let offset = offset + start as u64;
                    (manner.emit)(Element { raw, offset, value, flaws: Vec::new() }, sink);
                    continue;
                }
            }
            match values.step(at, in_list, sink) {
                ControlFlow::Continue(next) => at = next,
                ControlFlow::Break(_) => return,
            }
        }
    }
}

/// Reads one line with care: several values, a list, an envelope, something broken, text.
pub(super) fn read_line(line: &[u8], offset: u64, ends: bool, sink: &mut dyn Sink) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.iter().all(|b| b.is_ascii_whitespace() || *b == b',') {
        return;
    }
    let values =
        Values { manner: &PLAIN, bytes: line, offset, wary: false, whole_line: true, ends };
    values.read(0, false, sink);
}

/// Reads values one after the other in bytes that hold whole ones.
struct Values<'a> {
    manner: &'static Manner,
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
        loop {
            match self.step(at, in_list, sink) {
                ControlFlow::Continue(next) => at = next,
                ControlFlow::Break(end) => return end,
            }
        }
    }

    /// Reads what comes next; the place behind it, or behind all.
    fn step(&self, at: usize, in_list: bool, sink: &mut dyn Sink) -> ControlFlow<usize, usize> {
        let place = Place { in_list, wary: self.wary };
        match scan::next(self.bytes, at, place, true) {
            Item::Nothing => ControlFlow::Break(self.bytes.len()),
            Item::Close { at } => ControlFlow::Break(at + 1),
            Item::Open { start } => {
                ControlFlow::Continue(self.value(start, self.bytes.len(), in_list, sink))
            }
            Item::Value { start, end } | Item::Broken { start, end, .. } => {
                ControlFlow::Continue(self.value(start, end, in_list, sink))
            }
            Item::Junk { start, end } => {
                self.junk(start, end, sink);
                ControlFlow::Continue(end)
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
        self.element(raw, self.offset + start as u64, cut_off, sink);
        end
    }

    /// Text where a value should be.
    fn junk(&self, start: usize, end: usize, sink: &mut dyn Sink) {
        let raw = self.bytes.get(start..end).unwrap_or_default().trim_ascii_end();
        let offset = self.offset + start as u64;
        let quote = String::from_utf8_lossy(raw.get(..raw.len().min(60)).unwrap_or_default());
        let message = format!("text that is no JSON: `{}`", inert(quote.trim_end()));
        let keep = self.whole_line && start == 0 && end == self.bytes.len();
        // What follows a record on its line, and stray brackets, are no records lost.
        let behind = self.whole_line && start > 0;
        let record_lost = !keep && !behind && raw.iter().any(u8::is_ascii_alphanumeric);
        let flaw = Flaw { offset, kind: FlawKind::Syntax, message, record_lost };
        if keep {
            let text = String::from_utf8_lossy(raw);
            let value = Value::Map(vec![("message".into(), Value::Str(text))]);
            sink.record(Element { raw, offset, value, flaws: vec![flaw] }.record());
        } else {
            sink.flaw(flaw);
        }
    }

    /// Reads one element and gives it to the sink.
    fn element(&self, raw: &[u8], offset: u64, cut_off: bool, sink: &mut dyn Sink) {
        let mut flaws = Vec::new();
        let mut flaw = |at: usize, kind, message: &str| {
            let message = message.to_owned();
            flaws.push(Flaw { offset: offset + at as u64, kind, message, record_lost: false });
        };
        let raw = raw.trim_ascii_end();
        let text = match std::str::from_utf8(raw) {
            Ok(text) => Cow::Borrowed(text),
            Err(e) => {
                let message = "not valid UTF-8; what is not is replaced";
                flaw(e.valid_up_to(), FlawKind::Encoding, message);
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
            let at = parser.at().min(raw.len());
            flaw(at, FlawKind::Syntax, "text behind the value is left out");
        }
        if parser.is_broken() && value.is_empty() {
            // Nothing of it could be read.
            for mut flaw in flaws {
                flaw.record_lost = true;
                sink.flaw(flaw);
            }
            return;
        }
        (self.manner.emit)(Element { raw, offset, value, flaws }, sink);
    }
}

/// A record of a value, or of what a shipper put into it.
pub(super) fn plain(element: Element<'_>, sink: &mut dyn Sink) {
    match element.value {
        Value::Map(fields) if shipper::may_carry(&fields) => {
            let Element { raw, offset, flaws, .. } = element;
            Delivered { raw, offset, envelope: Vec::new(), flaws }.unwrapped(fields, sink);
        }
        value => sink.record(Element { value, ..element }.record()),
    }
}

impl<'a> Element<'a> {
    /// The value as a record: its fields, or the field `value`.
    pub(crate) fn record(self) -> Record<'a> {
        let Self { raw, offset, value, flaws } = self;
        let fields = match value {
            Value::Map(_) => value,
            other => Value::Map(vec![("value".into(), other)]),
        };
        Record { offset, index: 0, raw: raw.into(), fields, syntax: None, flaws }
    }
}
