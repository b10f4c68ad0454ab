//! The protobuf form: cut between the logs of resources, read down to the values.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Flaw, FlawKind, Value};

use super::record::{Copies, LogRecord, Origin, Placed, emit};
use super::wire::{Broken, Field, Message, Wire, varint};
use crate::fields::Fields;
use crate::{Cut, Cutter, Reader, Sink, Skip};

/// How deep values may be nested, as in protobuf's own readers.
const DEPTH: usize = 100;

/// How many values one record may hold.
const VALUES: usize = 64 * 1024;

/// Cuts between the top-level fields of a request: the logs of one resource each.
#[derive(Default)]
pub(super) struct ProtoCutter {
    /// Bytes of a field that is skipped which are still to come.
    skipping: Option<u64>,
    /// The bytes were no protobuf from some place on, so that nobody knows where the next begins.
    lost: bool,
}

/// Where the top-level field at the front ends, as far as its first bytes say.
enum End {
    At(u64),
    /// More bytes are needed to tell.
    Short,
    /// It is no field.
    Nowhere,
}

fn end(bytes: &[u8]) -> End {
    let header = || -> Result<u64, bool> {
        let (key, tag) = varint(bytes)?;
        if key >> 3 == 0 || key >> 32 != 0 {
            return Err(false);
        }
        let rest = || varint(bytes.get(tag..).unwrap_or_default());
        let tag = tag as u64;
        Ok(match key & 7 {
            0 => tag + rest()?.1 as u64,
            1 => tag + 8,
            2 => rest().map(|(length, digits)| length.saturating_add(tag + digits as u64))?,
            5 => tag + 4,
            _ => return Err(false),
        })
    };
    match header() {
        Ok(end) => End::At(end),
        Err(true) => End::Short,
        Err(false) => End::Nowhere,
    }
}

impl Cutter for ProtoCutter {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        if self.lost {
            return Cut { take: window.len(), reader: Arc::new(Nothing) };
        }
        let reader = Arc::new(ProtoReader);
        if last {
            return Cut { take: window.len(), reader };
        }
        let mut take = 0;
        while let Some(rest) = window.get(take..).filter(|rest| !rest.is_empty()) {
            match end(rest) {
                End::At(end) if end <= rest.len() as u64 => take += end as usize,
                End::At(_) | End::Short => break,
                End::Nowhere => {
                    self.lost = true;
                    take = window.len();
                }
            }
        }
        Cut { take, reader }
    }

    fn skip(&mut self, window: &[u8], last: bool) -> Skip {
        let left = self.skipping.take().unwrap_or_else(|| match end(window) {
            End::At(end) => end,
            _ => u64::MAX,
        });
        let take = usize::try_from(left).map_or(window.len(), |left| left.min(window.len()));
        let left = left - take as u64;
        if left > 0 && !last {
            self.skipping = Some(left);
        }
        Skip { take, done: left == 0 || last }
    }
}

/// Reads nothing behind the place where the bytes went wrong.
struct Nothing;

impl Reader for Nothing {
    fn read(&self, _: &[u8], _: u64, _: &mut dyn Sink) {}
}

/// Reads whole top-level fields.
struct ProtoReader;

impl Reader for ProtoReader {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let copies = Copies::new(chunk.len());
        let mut walk = Walk { offset, sink, copies, told: false };
        let mut request = Message::new(chunk, 0);
        for Field { place, number, value } in request.by_ref() {
            walk.told = false;
            match (number, value) {
                (1, Wire::Message(logs)) => walk.resource_logs(logs),
                _ => walk.strange(place),
            }
        }
        walk.ended(&request);
    }
}

/// A walk through a request.
struct Walk<'s> {
    offset: u64,
    sink: &'s mut dyn Sink,
    copies: Copies,
    /// That the top-level field which is walked ends too early was said by what it ends in.
    told: bool,
}

impl Walk<'_> {
    fn flaw(&mut self, at: usize, kind: FlawKind, message: &str, record_lost: bool) {
        let (offset, message) = (self.offset + at as u64, message.to_owned());
        self.sink.flaw(Flaw { offset, kind, message, record_lost });
    }

    fn strange(&mut self, at: usize) {
        let message = "a field that a request for logs does not have is left out";
        self.flaw(at, FlawKind::Unsupported, message, false);
    }

    /// Says why a message could not be walked to its end.
    fn ended(&mut self, message: &Message<'_>) {
        let Some(Broken { at, kind, message }) = message.broken() else { return };
        if kind == FlawKind::Truncated && self.told {
            return;
        }
        self.told |= kind == FlawKind::Truncated;
        self.flaw(at, kind, message, true);
    }

    fn resource_logs(&mut self, logs: Message<'_>) {
        let mut resource = Fields::new();
        let mut notes = Notes::default();
        for Field { number, value, .. } in logs {
            match (number, value) {
                (1, Wire::Message(message)) => notes.entity(message, &mut resource),
                (3, Wire::Message(url)) => notes.push(&mut resource, "schemaUrl", url),
                _ => {}
            }
        }
        self.tell(notes, logs.start);
        let mut origin = Origin::of(resource);
        let mut walk = logs;
        for Field { place, number, value } in walk.by_ref() {
            match (number, value) {
                (2, Wire::Message(scope)) => self.scope_logs(scope, &mut origin),
                (1 | 3, Wire::Message(_)) => {}
                _ => self.strange(place),
            }
        }
        self.ended(&walk);
    }

    fn scope_logs<'a>(&mut self, logs: Message<'a>, origin: &mut Origin<'a>) {
        let mut scope = Fields::new();
        let mut notes = Notes::default();
        for Field { number, value, .. } in logs {
            match (number, value) {
                (1, Wire::Message(message)) => notes.scope(message, &mut scope),
                (3, Wire::Message(url)) => notes.push(&mut scope, "schemaUrl", url),
                _ => {}
            }
        }
        self.tell(notes, logs.start);
        origin.enter(scope);
        let mut walk = logs;
        for Field { place, number, value } in walk.by_ref() {
            match (number, value) {
                (2, Wire::Message(log)) => self.log_record(log, origin),
                (1 | 3, Wire::Message(_)) => {}
                _ => self.strange(place),
            }
        }
        self.ended(&walk);
    }

    /// Tells what is wrong with a resource or a scope.
    fn tell(&mut self, notes: Notes, start: usize) {
        for Broken { at, kind, message } in notes.broken {
            // What is cut off is told again by the record that it ends in.
            if kind != FlawKind::Truncated {
                self.flaw(at.max(start), kind, message, false);
            }
        }
    }

    fn log_record<'a>(&mut self, message: Message<'a>, origin: &Origin<'a>) {
        let mut notes = Notes::default();
        let log = notes.log_record(message);
        let mut flaws = Vec::new();
        for Broken { at, kind, message } in notes.broken {
            self.told |= kind == FlawKind::Truncated;
            let (offset, message) = (self.offset + at as u64, message.to_owned());
            flaws.push(Flaw { offset, kind, message, record_lost: false });
        }
        let placed = Placed { raw: &[], offset: self.offset + message.start as u64, flaws };
        emit(log, origin, &mut self.copies, placed, self.sink);
    }
}

/// Reads values and notes what is wrong with them.
struct Notes {
    broken: Vec<Broken>,
    /// How many values may still come.
    left: usize,
}

impl Default for Notes {
    fn default() -> Self {
        Self { broken: Vec::new(), left: VALUES }
    }
}

impl Notes {
    fn note(&mut self, at: usize, kind: FlawKind, message: &'static str) {
        // One of a kind is enough: hostile bytes have millions.
        if !self.broken.iter().any(|b| b.message == message) {
            self.broken.push(Broken { at, kind, message });
        }
    }

    fn ended(&mut self, message: &Message<'_>) {
        if let Some(Broken { at, kind, message }) = message.broken() {
            self.note(at, kind, message);
        }
    }

    /// Whether no more values may come, which is then said.
    fn spent(&mut self, message: Message<'_>) -> bool {
        if self.left == 0 {
            let what = "more values than a record may have; the rest is left out";
            self.note(message.start, FlawKind::Limit, what);
        }
        self.left == 0
    }

    fn text<'a>(&mut self, message: Message<'a>) -> Cow<'a, str> {
        let text = String::from_utf8_lossy(message.bytes);
        if matches!(text, Cow::Owned(_)) {
            let what = "a text that is not valid UTF-8; what is not is replaced";
            self.note(message.start, FlawKind::Encoding, what);
        }
        text
    }

    fn push<'a>(&mut self, fields: &mut Fields<'a>, name: &'static str, message: Message<'a>) {
        if !message.bytes.is_empty() {
            let text = self.text(message);
            fields.push((Cow::Borrowed(name), Value::Str(text)));
        }
    }

    fn log_record<'a>(&mut self, message: Message<'a>) -> LogRecord<'a> {
        let mut log = LogRecord::default();
        let mut walk = message;
        for Field { number, value, .. } in walk.by_ref() {
            let said = &mut log.said;
            let mut number_of = |name, n: u64| {
                if n != 0 {
                    let value = i64::try_from(n).map_or(Value::UInt(n), Value::Int);
                    said.push((Cow::Borrowed(name), value));
                }
            };
            match (number, value) {
                (1, Wire::Fixed64(time)) => number_of("timeUnixNano", time),
                (11, Wire::Fixed64(time)) => number_of("observedTimeUnixNano", time),
                (2, Wire::Varint(severity)) => number_of("severityNumber", severity),
                (7, Wire::Varint(count)) => number_of("droppedAttributesCount", count),
                (8, Wire::Fixed32(flags)) => number_of("flags", u64::from(flags)),
                (3, Wire::Message(text)) => self.push(said, "severityText", text),
                (12, Wire::Message(text)) => self.push(said, "eventName", text),
                (9, Wire::Message(id)) => push_id(said, "traceId", id.bytes),
                (10, Wire::Message(id)) => push_id(said, "spanId", id.bytes),
                (5, Wire::Message(body)) => log.body = self.body(body),
                (6, Wire::Message(pair)) => self.pair(pair, &mut log.attributes, 0),
                _ => {
                    let what = "a field that a log record does not have is left out";
                    self.note(message.start, FlawKind::Unsupported, what);
                }
            }
        }
        self.ended(&walk);
        log
    }

    /// A body of bytes is a text where it can be one.
    fn body<'a>(&mut self, message: Message<'a>) -> Value<'a> {
        let mut fields = message;
        if let (Some(Field { number: 7, value: Wire::Message(bytes), .. }), None) =
            (fields.next(), fields.next())
            && let Ok(text) = std::str::from_utf8(bytes.bytes)
        {
            return Value::from(text);
        }
        self.any_value(message, 0)
    }

    /// Resource: attributes, and how many were dropped.
    fn entity<'a>(&mut self, message: Message<'a>, fields: &mut Fields<'a>) {
        let mut walk = message;
        for Field { number, value, .. } in walk.by_ref() {
            match (number, value) {
                (1, Wire::Message(pair)) => self.pair(pair, fields, 0),
                (2, Wire::Varint(count)) if count > 0 => {
                    let count = Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
                    fields.push((Cow::Borrowed("droppedAttributesCount"), count));
                }
                _ => {}
            }
        }
        self.ended(&walk);
    }

    /// InstrumentationScope: name, version, attributes.
    fn scope<'a>(&mut self, message: Message<'a>, fields: &mut Fields<'a>) {
        let mut walk = message;
        for Field { number, value, .. } in walk.by_ref() {
            match (number, value) {
                (1, Wire::Message(name)) => self.push(fields, "name", name),
                (2, Wire::Message(version)) => self.push(fields, "version", version),
                (3, Wire::Message(pair)) => self.pair(pair, fields, 0),
                _ => {}
            }
        }
        self.ended(&walk);
    }

    /// KeyValue.
    fn pair<'a>(&mut self, message: Message<'a>, fields: &mut Fields<'a>, depth: usize) {
        let (mut key, mut value) = (Cow::Borrowed(""), Value::Null);
        let mut walk = message;
        for field in walk.by_ref() {
            match (field.number, field.value) {
                (1, Wire::Message(text)) => key = self.text(text),
                (2, Wire::Message(any)) => value = self.any_value(any, depth),
                _ => {}
            }
        }
        self.ended(&walk);
        if !key.is_empty() || !value.is_empty() {
            fields.push((key, value));
        }
    }

    fn any_value<'a>(&mut self, message: Message<'a>, depth: usize) -> Value<'a> {
        if depth >= DEPTH {
            let what = "nested deeper than 100 levels; the rest is left out";
            self.note(message.start, FlawKind::Limit, what);
            return Value::Null;
        }
        if self.spent(message) {
            return Value::Null;
        }
        self.left -= 1;
        let mut value = Value::Null;
        let mut walk = message;
        for field in walk.by_ref() {
            value = match (field.number, field.value) {
                (1, Wire::Message(text)) => Value::Str(self.text(text)),
                (2, Wire::Varint(flag)) => Value::Bool(flag != 0),
                (3, Wire::Varint(number)) => Value::Int(number as i64),
                (4, Wire::Fixed64(bits)) => double(f64::from_bits(bits)),
                (5, Wire::Message(list)) => self.list(list, depth + 1),
                (6, Wire::Message(list)) => self.map(list, depth + 1),
                (7, Wire::Message(bytes)) => Value::from(STANDARD.encode(bytes.bytes)),
                _ => value,
            };
        }
        self.ended(&walk);
        value
    }

    fn list<'a>(&mut self, message: Message<'a>, depth: usize) -> Value<'a> {
        let mut values = Vec::new();
        let mut walk = message;
        for field in walk.by_ref() {
            if self.spent(message) {
                break;
            }
            if let (1, Wire::Message(any)) = (field.number, field.value) {
                values.push(self.any_value(any, depth));
            }
        }
        self.ended(&walk);
        Value::List(values)
    }

    fn map<'a>(&mut self, message: Message<'a>, depth: usize) -> Value<'a> {
        let mut fields = Fields::new();
        let mut walk = message;
        for field in walk.by_ref() {
            if self.spent(message) {
                break;
            }
            if let (1, Wire::Message(pair)) = (field.number, field.value) {
                self.pair(pair, &mut fields, depth);
            }
        }
        self.ended(&walk);
        Value::Map(fields)
    }
}

/// What JSON has no number for is spelled as the JSON form spells it.
fn double(number: f64) -> Value<'static> {
    match number {
        n if n.is_finite() => Value::Float(n),
        n if n.is_nan() => Value::from("NaN"),
        n if n > 0.0 => Value::from("Infinity"),
        _ => Value::from("-Infinity"),
    }
}

/// An id in hexadecimal; one of zeros is none.
fn push_id(fields: &mut Fields<'_>, name: &'static str, bytes: &[u8]) {
    if bytes.iter().all(|b| *b == 0) {
        return;
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    fields.push((Cow::Borrowed(name), Value::from(text)));
}
