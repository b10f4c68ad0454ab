//! An event that was delivered inside of something, read as what it is.
//!
//! Shippers wrap what they ship: a line of syslog comes as a text in JSON, an event of CloudTrail as
//! an object in an object. A record is always the event: its fields at the top, under the name of
//! its own syntax; what it came in stands beside it as [`ENVELOPE`]. So whatever knows the event
//! knows it however it came.
//!
//! A text is one event, unless it is several whole ones one after the other (a shipper that gathers
//! lines): then each is a record, told apart by its index.

use std::borrow::Cow;

use model::{ENVELOPE, Flaw, FlawKind, Record, Value};

use crate::chunker::HEAD;
use crate::fields::Fields;
use crate::formats::{self, lines};
use crate::json::shipper;
use crate::{Format, Head, Sink, timestamp};

/// How many bytes of envelopes a text may be multiplied to, for each of its own bytes.
const COPIES: usize = 256;

/// The syntax of an event that is an object.
const OBJECT: &str = "json";

/// What an event came in.
pub(crate) struct Delivered<'a> {
    /// The exact bytes, kept with an event that is an object. Empty where they are no text.
    pub(crate) raw: &'a [u8],
    /// Where they begin in the parcel.
    pub(crate) offset: u64,
    /// What stands beside the event.
    pub(crate) envelope: Fields<'a>,
    /// What of it all could not be read.
    pub(crate) flaws: Vec<Flaw>,
}

impl<'a> Delivered<'a> {
    /// Reads the event, whatever it is.
    pub(crate) fn event(self, event: Value<'a>, sink: &mut dyn Sink) {
        match event {
            Value::Map(fields) => self.object(fields, sink),
            Value::Str(text) => self.text(&text, Vec::new(), sink),
            other => self.record(vec![(Cow::Borrowed("value"), other)], Some(OBJECT), sink),
        }
    }

    /// Reads an event that is an object, or an object that carries a line.
    pub(crate) fn object(self, fields: Fields<'a>, sink: &mut dyn Sink) {
        if shipper::may_carry(&fields) {
            self.carrier(fields, Some(OBJECT), sink);
        } else {
            self.record(fields, Some(OBJECT), sink);
        }
    }

    /// Reads an object of a parcel of JSON that looks like one that carries a line.
    pub(crate) fn unwrapped(self, fields: Fields<'a>, sink: &mut dyn Sink) {
        self.carrier(fields, None, sink);
    }

    /// The line that an object carries, or the object when the line is of no known kind.
    fn carrier(
        mut self,
        mut fields: Fields<'a>,
        syntax: Option<&'static str>,
        sink: &mut dyn Sink,
    ) {
        for spot in shipper::spots(&fields) {
            let text = shipper::text(&fields, spot).unwrap_or_default();
            let known = known(text);
            if known.is_none() && timestamp::at_front(text).is_none() {
                continue;
            }
            let text = shipper::take(&mut fields, spot);
            enclose(&mut fields, std::mem::take(&mut self.envelope));
            let inner = Delivered { envelope: fields, ..self };
            return inner.read(&text, known, Vec::new(), sink);
        }
        self.record(fields, syntax, sink);
    }

    /// Reads an event that is a text. Of a text of no known kind, `beside` are its fields too.
    pub(crate) fn text(self, text: &str, beside: Fields<'a>, sink: &mut dyn Sink) {
        self.read(text, known(text), beside, sink);
    }

    fn read(
        mut self,
        text: &str,
        known: Option<&'static dyn Format>,
        beside: Fields<'a>,
        sink: &mut dyn Sink,
    ) {
        let Some(format) = known else { return self.plain(text, beside, sink) };
        if !beside.is_empty() {
            self.envelope.insert(0, (Cow::Borrowed("attributes"), Value::Map(beside)));
        }
        let mut taken = Taken {
            sink,
            offset: self.offset,
            syntax: format.name(),
            envelope: &self.envelope,
            flaws: std::mem::take(&mut self.flaws),
            lost: Vec::new(),
            records: 0,
            left: Some(text.len().saturating_mul(COPIES).saturating_add(HEAD)),
        };
        pass(text, format, &mut taken);
        let Taken { records, flaws, lost, .. } = taken;
        if records > 0 {
            lost.into_iter().for_each(|flaw| sink.flaw(flaw));
            return;
        }
        // Nothing could be made of it after all: the text is kept.
        let kept = lost.into_iter().map(|flaw| Flaw { record_lost: false, ..flaw });
        self.flaws = flaws.into_iter().chain(kept).collect();
        self.plain(text, Vec::new(), sink);
    }

    /// A text of no known kind. What stands beside it are the fields of an event in their own right,
    /// unless all of it only says where the line was read.
    fn plain(mut self, text: &str, beside: Fields<'a>, sink: &mut dyn Sink) {
        let text = text.trim_end_matches(['\r', '\n']);
        let mut fields = lines::fields(text);
        let shipped = beside.iter().all(|(key, _)| key.starts_with("log."));
        if shipped && !beside.is_empty() {
            self.envelope.insert(0, (Cow::Borrowed("attributes"), Value::Map(beside)));
        } else {
            fields.extend(beside);
        }
        let syntax = if shipped { lines::Lines.name() } else { OBJECT };
        let inner = Delivered { raw: text.as_bytes(), ..self };
        inner.record(fields, Some(syntax), sink);
    }

    fn record(self, mut fields: Fields<'a>, syntax: Option<&'static str>, sink: &mut dyn Sink) {
        let Self { raw, offset, envelope, flaws } = self;
        enclose(&mut fields, envelope);
        let fields = Value::Map(fields);
        sink.record(Record { offset, index: 0, raw: raw.into(), fields, syntax, flaws });
    }
}

/// Puts fields into an envelope; when they have one, around that.
fn enclose<'a>(fields: &mut Fields<'a>, envelope: Fields<'a>) {
    if envelope.is_empty() {
        return;
    }
    match fields.last_mut() {
        Some((name, Value::Map(within))) if name == ENVELOPE => enclose(within, envelope),
        _ => fields.push((Cow::Borrowed(ENVELOPE), Value::Map(envelope))),
    }
}

/// The syntax of a text, when it is one of those that a single event is written in.
fn known(text: &str) -> Option<&'static dyn Format> {
    let bytes = text.as_bytes();
    if bytes.trim_ascii().is_empty() {
        return None;
    }
    let head = |bytes| Head { bytes, name: "", complete: true };
    let whole = Head {
        complete: bytes.len() <= HEAD,
        ..head(bytes.get(..bytes.len().min(HEAD)).unwrap_or_default())
    };
    let mut best: Option<(&'static dyn Format, u8)> = None;
    for format in formats::EVENTS {
        let score = format.sniff(&whole);
        if score > best.map_or(0, |(_, top)| top) {
            best = Some((*format, score));
        }
    }
    // The lines that follow one of syslog are its own, however many and whatever they look like.
    let first = memchr::memchr(b'\n', bytes).and_then(|end| bytes.get(..end));
    match (best, first) {
        (None, Some(first)) if formats::CONTINUED.sniff(&head(first)) > 0 => {
            Some(formats::CONTINUED)
        }
        (best, _) => best.map(|(format, _)| format),
    }
}

/// Reads a whole text as a format.
fn pass(text: &str, format: &'static dyn Format, sink: &mut dyn Sink) {
    let bytes = text.as_bytes();
    let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
    let mut cutter = format.open(&Head { bytes: head, name: "", complete: bytes.len() <= HEAD });
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let cut = cutter.cut(rest, true);
        let chunk = rest.get(..cut.take).unwrap_or(rest);
        if chunk.is_empty() {
            break;
        }
        cut.reader.read(chunk, at as u64, sink);
        at += chunk.len();
    }
}

/// Puts what a reader makes of a text into the envelope that the text came in.
struct Taken<'s, 'e> {
    sink: &'s mut dyn Sink,
    offset: u64,
    syntax: &'static str,
    envelope: &'s Fields<'e>,
    /// Those of the envelope, which the first record takes.
    flaws: Vec<Flaw>,
    lost: Vec<Flaw>,
    records: u32,
    /// Bytes that copies of the envelope may still take; nothing when that was told to be over.
    left: Option<usize>,
}

impl Taken<'_, '_> {
    fn placed(&self, flaw: Flaw) -> Flaw {
        Flaw { offset: self.offset, ..flaw }
    }

    /// Whether another copy of the envelope may be made; the first is free.
    fn may_copy(&mut self) -> bool {
        if self.records == 0 {
            return true;
        }
        let weight: usize = self.envelope.iter().map(|(key, v)| key.len() + weight(v)).sum();
        match self.left.and_then(|left| left.checked_sub(weight)) {
            Some(left) => {
                self.left = Some(left);
                true
            }
            None => false,
        }
    }
}

impl Sink for Taken<'_, '_> {
    fn record(&mut self, record: Record<'_>) {
        let mut flaws = std::mem::take(&mut self.flaws);
        flaws.extend(record.flaws.into_iter().map(|flaw| self.placed(flaw)));
        let mut fields = match record.fields {
            Value::Map(fields) => fields,
            other => vec![(Cow::Borrowed("value"), other)],
        };
        if self.may_copy() {
            enclose(&mut fields, self.envelope.clone());
        } else if self.left.take().is_some() {
            flaws.push(Flaw {
                offset: self.offset,
                kind: FlawKind::Limit,
                message: "the envelope is too large to be kept with each of its lines".to_owned(),
                record_lost: false,
            });
        }
        let syntax = record.syntax.or(Some(self.syntax));
        let (offset, index) = (self.offset, self.records);
        self.records = self.records.saturating_add(1);
        let fields = Value::Map(fields);
        self.sink.record(Record { offset, index, raw: record.raw, fields, syntax, flaws });
    }

    fn flaw(&mut self, flaw: Flaw) {
        let flaw = self.placed(flaw);
        self.lost.push(flaw);
    }
}

/// About how many bytes a value takes when it is written.
pub(crate) fn weight(value: &Value<'_>) -> usize {
    match value {
        Value::Str(text) => text.len() + 3,
        Value::List(list) => list.iter().map(|v| weight(v) + 1).sum::<usize>() + 2,
        Value::Map(entries) => {
            entries.iter().map(|(key, v)| key.len() + weight(v) + 4).sum::<usize>() + 2
        }
        _ => 8,
    }
}
