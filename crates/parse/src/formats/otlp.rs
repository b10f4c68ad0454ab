//! OpenTelemetry logs as exporters send them: `ExportLogsServiceRequest`, in protobuf or in JSON.
//!
//! Each LogRecord is a record. Its body is the event: a text is read as what it is, an object as it
//! is; without a body, or beside a text of no known kind, the attributes are the event's fields. What
//! else is said of it (times, severity, trace, resource, scope) is its envelope, under the names
//! of the JSON form, with attributes as plain objects.
//!
//! The protobuf is read by hand: generated code gives no offsets, wants the whole message at once,
//! and stops at the first byte that is wrong.
//!
//! Source: opentelemetry-proto 1.x, `logs/v1/logs.proto`, and "OTLP Specification".

mod json;
mod proto;
mod record;
mod wire;

use crate::{Cutter, Format, Head};
use wire::{Message, Wire};

/// The format `otlp`.
pub(crate) struct Otlp;

impl Format for Otlp {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn about(&self) -> &'static str {
        "OpenTelemetry logs (OTLP), protobuf or JSON"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        if is_json(head.bytes) {
            93
        } else if is_proto(head.bytes) {
            97
        } else {
            0
        }
    }

    fn open(&self, head: &Head<'_>) -> Box<dyn Cutter> {
        match head.bytes.trim_ascii_start().first() {
            Some(b'{' | b'[') => super::json::cutter(&json::MANNER),
            _ => Box::new(proto::ProtoCutter::default()),
        }
    }
}

/// Whether a text begins as the JSON form does: `{"resourceLogs":[`.
fn is_json(bytes: &[u8]) -> bool {
    let after = |text: &[u8], word: &[u8]| -> Option<Vec<u8>> {
        Some(text.trim_ascii_start().strip_prefix(word)?.to_vec())
    };
    let front = bytes.trim_ascii_start();
    let front = front.get(..front.len().min(256)).unwrap_or_default();
    after(front, b"{")
        .and_then(|rest| after(&rest, b"\"resourceLogs\""))
        .and_then(|rest| after(&rest, b":"))
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"["))
}

/// Whether bytes begin with messages in messages down to a log record that can be one.
fn is_proto(bytes: &[u8]) -> bool {
    // Text may begin with this byte, which is a line end, but does not go on so.
    if bytes.first() != Some(&0x0A) {
        return false;
    }
    let mut inside = Message::new(bytes, 0);
    for wanted in [1, 2, 2] {
        let Some(found) = inner(inside, wanted) else { return false };
        inside = found;
    }
    let mut fields = 0;
    for field in inside {
        let fits = match (field.number, field.value) {
            (1 | 11, Wire::Fixed64(_)) | (2 | 7, Wire::Varint(_)) | (8, Wire::Fixed32(_)) => true,
            (3 | 5 | 6 | 9 | 10 | 12, Wire::Message(_)) => true,
            _ => return false,
        };
        fields += usize::from(fits);
    }
    fields > 0
}

/// The first message of this number, where only the numbers of a resource's or a scope's logs are.
fn inner(message: Message<'_>, number: u32) -> Option<Message<'_>> {
    for field in message {
        match field.value {
            Wire::Message(found) if field.number == number => return Some(found),
            Wire::Message(_) if matches!(field.number, 1..=3) => {}
            _ => return None,
        }
    }
    None
}
