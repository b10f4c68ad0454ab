//! Bodies of Elasticsearch's `_bulk`: a line that says what to do, then a line that is the document.
//!
//! The record is the document; what is said of it (`_index`, `_id`, `pipeline`) is its envelope. A
//! document that only carries a line (as Filebeat, Fluent Bit, Vector and Logstash make) is read as
//! that line. Only what adds a document is an event: `update` and `delete` change what is stored
//! elsewhere, which is said as a flaw.
//!
//! Source: "Bulk API", Elasticsearch reference.

use std::borrow::Cow;
use std::sync::Arc;

use model::{Flaw, FlawKind, Value};

use crate::fields::Fields;
use crate::inner::Delivered;
use crate::json::parser::Parser;
use crate::line::{Frame, Lines};
use crate::{Cut, Cutter, Format, Head, Reader, Sink, Skip, seek};

/// The format `bulk`.
pub(crate) struct Bulk;

impl Format for Bulk {
    fn name(&self) -> &'static str {
        "bulk"
    }

    fn about(&self) -> &'static str {
        "bodies of Elasticsearch's _bulk: pairs of an action and a document"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        let mut lines = head.lines();
        let Some(action) = lines.next().and_then(Action::of) else { return 0 };
        let document = |line: &[u8]| line.trim_ascii_start().starts_with(b"{");
        match lines.next() {
            Some(line) if action.has_document() && !document(line) => 0,
            Some(line) if !action.has_document() && Action::of(line).is_none() => 0,
            None if head.complete && action.has_document() => 0,
            _ => 94,
        }
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        Box::new(BulkCutter { skipping: None })
    }
}

/// What a line says is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Index,
    Create,
    Update,
    Delete,
}

impl Action {
    /// The action of a line, told by its beginning: `{"create":{`. The cutter and the reader must
    /// agree, so neither looks further.
    fn of(line: &[u8]) -> Option<Self> {
        let name = line.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
        let name = name.strip_prefix(b"\"")?;
        let (action, rest) = [
            (Self::Index, &b"index\""[..]),
            (Self::Create, b"create\""),
            (Self::Update, b"update\""),
            (Self::Delete, b"delete\""),
        ]
        .into_iter()
        .find_map(|(action, word)| Some((action, name.strip_prefix(word)?)))?;
        let value = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        value.starts_with(b"{").then_some(action)
    }

    /// Whether a line follows that belongs to it.
    fn has_document(self) -> bool {
        self != Self::Delete
    }
}

/// Cuts behind whole pairs.
struct BulkCutter {
    /// Lines of a pair that is skipped which are still to come, once it is known how many.
    skipping: Option<usize>,
}

impl Cutter for BulkCutter {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        let reader = Arc::new(BulkReader { ends: last });
        if last {
            return Cut { take: window.len(), reader };
        }
        let mut take = 0;
        let mut pending = false;
        let mut at = 0;
        while let Some(step) = seek::find(b'\n', window.get(at..).unwrap_or_default()) {
            let line = window.get(at..at + step).unwrap_or_default();
            at += step + 1;
            pending = !pending && Action::of(line).is_some_and(Action::has_document);
            if !pending {
                take = at;
            }
        }
        Cut { take, reader }
    }

    fn skip(&mut self, window: &[u8], last: bool) -> Skip {
        let mut lines = self.skipping.take().unwrap_or_else(|| {
            let first = window.split(|b| *b == b'\n').next().unwrap_or_default();
            1 + usize::from(Action::of(first).is_some_and(Action::has_document))
        });
        let mut at = 0;
        while lines > 0 {
            let Some(step) = seek::find(b'\n', window.get(at..).unwrap_or_default()) else {
                self.skipping = Some(lines);
                return Skip { take: window.len(), done: last };
            };
            at += step + 1;
            lines -= 1;
        }
        Skip { take: at, done: true }
    }
}

/// Reads whole pairs.
struct BulkReader {
    /// Nothing follows the chunk.
    ends: bool,
}

impl Reader for BulkReader {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let mut action: Option<(Action, Line<'_>)> = None;
        for Frame { start, end, .. } in Lines::new(chunk) {
            let raw = chunk.get(start..end).unwrap_or_default();
            let line = Line {
                raw: raw.strip_suffix(b"\r").unwrap_or(raw),
                offset: offset + start as u64,
                ends: self.ends && end == chunk.len(),
            };
            match action.take() {
                Some(given) => pair(given, line, sink),
                None => match Action::of(line.raw) {
                    Some(known) if known.has_document() => action = Some((known, line)),
                    Some(_) => line.flaw(FlawKind::Unsupported, DELETE, false, sink),
                    None if line.raw.trim_ascii().is_empty() => {}
                    None => line.document(Vec::new(), vec![line.said(NO_ACTION)], sink),
                },
            }
        }
        if let Some((_, line)) = action {
            line.flaw(FlawKind::Truncated, "an action whose document is missing", true, sink);
        }
    }
}

const DELETE: &str = "`delete` removes a document elsewhere: it is no event";
const UPDATE: &str = "`update` changes a document elsewhere: it is no event";
const NO_ACTION: &str = "a document without its action";

/// A line of a body.
#[derive(Clone, Copy)]
struct Line<'a> {
    raw: &'a [u8],
    offset: u64,
    /// It may have been cut off: nothing follows it.
    ends: bool,
}

/// Reads a document with its action.
fn pair((action, line): (Action, Line<'_>), document: Line<'_>, sink: &mut dyn Sink) {
    if action == Action::Update {
        return line.flaw(FlawKind::Unsupported, UPDATE, false, sink);
    }
    if document.raw.trim_ascii().is_empty() {
        return line.flaw(FlawKind::Syntax, "an action whose document is blank", true, sink);
    }
    let text = String::from_utf8_lossy(line.raw);
    let mut flaws = Vec::new();
    // `{"create": {"_index": …}}`: what stands inside is said of the document.
    let said = match line.value(&text, &mut flaws) {
        Value::Map(mut entries) if !entries.is_empty() => entries.swap_remove(0).1,
        _ => Value::Null,
    };
    let said = match said {
        Value::Map(said) => said,
        _ => Vec::new(),
    };
    document.document(said, flaws, sink);
}

impl<'a> Line<'a> {
    /// Something said of a record that comes out.
    fn said(&self, message: &str) -> Flaw {
        let (offset, message) = (self.offset, message.to_owned());
        Flaw { offset, kind: FlawKind::Syntax, message, record_lost: false }
    }

    fn flaw(&self, kind: FlawKind, message: &str, record_lost: bool, sink: &mut dyn Sink) {
        sink.flaw(Flaw { offset: self.offset, kind, message: message.to_owned(), record_lost });
    }

    /// Reads the line as JSON.
    fn value<'t>(&self, text: &'t str, flaws: &mut Vec<Flaw>) -> Value<'t> {
        let flaw = |at: usize, kind, message: &str| Flaw {
            offset: self.offset + at.min(self.raw.len()) as u64,
            kind,
            message: message.to_owned(),
            record_lost: false,
        };
        if std::str::from_utf8(self.raw).is_err() {
            let message = "not valid UTF-8; what is not is replaced";
            flaws.push(flaw(0, FlawKind::Encoding, message));
        }
        let mut parser = Parser::new(text);
        let value = parser.value_at(0);
        for fault in parser.faults() {
            let closed = fault.kind == FlawKind::Truncated && !self.ends;
            flaws.push(match closed {
                true => flaw(self.raw.len(), FlawKind::Syntax, "the value is not closed"),
                false => flaw(fault.at, fault.kind, fault.message),
            });
        }
        if !parser.is_broken() && parser.skip_space() < text.len() {
            let message = "text behind the value is left out";
            flaws.push(flaw(parser.at(), FlawKind::Syntax, message));
        }
        value
    }

    /// Makes a record of a document and of what was said of it.
    fn document(self, envelope: Fields<'a>, mut flaws: Vec<Flaw>, sink: &mut dyn Sink) {
        let text = String::from_utf8_lossy(self.raw);
        let value = self.value(&text, &mut flaws);
        let Self { raw, offset, .. } = self;
        let fields = match value {
            Value::Map(fields) => fields,
            value => {
                flaws.push(self.said("a document that is no object"));
                // What is no JSON is kept as the text that it is.
                let (name, value) = match value.is_empty() {
                    true => ("message", Value::from(&*text)),
                    false => ("value", value),
                };
                vec![(Cow::Borrowed(name), value)]
            }
        };
        Delivered { raw, offset, envelope, flaws }.object(fields, sink);
    }
}
