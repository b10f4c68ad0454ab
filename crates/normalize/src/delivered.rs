//! What the envelope that a record was delivered in says: when its event happened.
//!
//! A shipper notes the time at which it read a line. It is second best to the event's own time,
//! and better than the time at which the delivery came; it also is the year of times without one.

use jiff::tz::TimeZone;
use model::{ENVELOPE, Micros, Record, Value};

use crate::clock::{self, Format, Frame};
use crate::value::Val;

/// Where shippers put the time, best first.
const TIMES: [&str; 6] =
    ["time", "@timestamp", "timestamp", "timeUnixNano", "date", "observedTimeUnixNano"];

/// The time in the record's envelope, or in one further out.
pub(crate) fn time(record: &Record<'_>, received_at: Micros) -> Option<Micros> {
    let zone = TimeZone::UTC;
    let frame = Frame { zone: &zone, latest: received_at };
    let mut inside = &record.fields;
    while let Some(envelope) = within(inside) {
        let found = TIMES.iter().filter_map(|name| envelope.get(name)).find_map(|value| {
            // Small numbers are durations and counters rather than times.
            clock::read(&Val::Ref(value), &Format::Auto, &frame).filter(|t| t.0 > 100_000_000_000)
        });
        if found.is_some() {
            return found;
        }
        inside = envelope;
    }
    None
}

/// The envelope, which is always the last field: most records have none.
fn within<'r>(fields: &'r Value<'r>) -> Option<&'r Value<'r>> {
    match fields {
        Value::Map(entries) => entries.last().filter(|(name, _)| name == ENVELOPE).map(|(_, v)| v),
        _ => None,
    }
}
