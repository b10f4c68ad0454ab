//! Events as senders give them to Splunk's HTTP Event Collector: envelopes of JSON, one behind the
//! other, with or without line ends between them.
//!
//! `{"time": …, "host": …, "source": …, "sourcetype": …, "index": …, "fields": {…}, "event": …}`.
//! The record is the event: an object as it is, a text as what it is (a line of syslog, pairs, JSON
//! again). What stands beside it is kept as its envelope.
//!
//! Source: "Format events for HTTP Event Collector", Splunk Enterprise, Getting Data In.

use model::{Flaw, FlawKind, Value};

use super::json::{self, Element, Manner};
use crate::fields::Fields;
use crate::inner::Delivered;
use crate::json::parser::Parser;
use crate::json::scan;
use crate::{Cutter, Format, Head, Sink};

/// The format `hec`.
pub(crate) struct Hec;

impl Format for Hec {
    fn name(&self) -> &'static str {
        "hec"
    }

    fn about(&self) -> &'static str {
        "event envelopes of Splunk's HTTP Event Collector"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        if looks_like_envelopes(head) { 91 } else { 0 }
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        json::cutter(&MANNER)
    }
}

/// An envelope is never the wrapper of a list: its event may be a list of objects.
static MANNER: Manner = Manner { emit, wrapped: false };

/// What may stand beside the event.
const BESIDE: [&str; 6] = ["time", "host", "source", "sourcetype", "index", "fields"];

/// How many values are looked at.
const LOOK: u32 = 8;

/// Whether most of the first values of a parcel are envelopes.
fn looks_like_envelopes(head: &Head<'_>) -> bool {
    let text = String::from_utf8_lossy(head.bytes);
    let bytes = text.as_bytes();
    let (mut at, mut seen, mut like) = (0, 0u32, 0u32);
    let mut parser = Parser::new(&text);
    while let Some(start) = scan::bracket(bytes, at).filter(|_| seen < LOOK) {
        if at == 0 && bytes.get(start) == Some(&b'[') {
            // A list of them, as some senders write.
            at = start + 1;
            continue;
        }
        let value = parser.value_at(start);
        seen += 1;
        like += u32::from(matches!(&value, Value::Map(fields) if is_envelope(fields)));
        if parser.is_broken() {
            break;
        }
        at = parser.at();
    }
    like * 10 >= seen * 6 && like > 0
}

/// Whether an object can only be an envelope. `{"event": …, "time": …}` is what plain loggers write.
fn is_envelope(fields: &Fields<'_>) -> bool {
    let known = |key: &str| key == "event" || BESIDE.contains(&key);
    if !fields.iter().all(|(key, _)| known(key)) {
        return false;
    }
    let get = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let Some(event) = get("event") else { return false };
    let beside = fields.len() - 1;
    let telling = ["sourcetype", "index", "fields"].into_iter().any(|name| get(name).is_some());
    telling || beside >= 2 || (beside == 1 && matches!(event, Value::Map(_)))
}

/// Makes a record of an envelope.
fn emit(element: Element<'_>, sink: &mut dyn Sink) {
    let Element { raw, offset, value, mut flaws } = element;
    let mut problem = |message: &str| {
        let message = message.to_owned();
        flaws.push(Flaw { offset, kind: FlawKind::Syntax, message, record_lost: false });
    };
    let (event, envelope) = match value {
        Value::Map(mut fields) => match fields.iter().position(|(key, _)| key == "event") {
            Some(at) => (fields.remove(at).1, fields),
            None => {
                problem("an envelope without an event");
                (Value::Map(Vec::new()), fields)
            }
        },
        other => {
            problem("an event without its envelope");
            (other, Vec::new())
        }
    };
    if event.is_empty() && !matches!(event, Value::Map(_)) {
        problem("an envelope whose event is blank");
    }
    let event = if event.is_empty() { Value::Map(Vec::new()) } else { event };
    Delivered { raw, offset, envelope, flaws }.event(event, sink);
}
