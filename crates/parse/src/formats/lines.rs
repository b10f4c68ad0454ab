//! Text of no known shape: one record a line, the line as `message`, and the `timestamp` that it
//! begins with, if it does.

use model::Value;

use crate::fields::{self, Fields};
use crate::line::{self, Line};
use crate::{Cutter, Format, Head, Sink, timestamp};

/// The format `lines`.
pub(crate) struct Lines;

impl Format for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn about(&self) -> &'static str {
        "text of no known shape, a record for each line"
    }

    fn sniff(&self, _: &Head<'_>) -> u8 {
        1
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        line::cutter(read)
    }
}

fn read(line: Line<'_>, sink: &mut dyn Sink) {
    let fields = fields(line.text);
    sink.record(line.record(Value::Map(fields)));
}

/// The fields of a text of no known shape.
pub(crate) fn fields(text: &str) -> Fields<'_> {
    let mut fields = Vec::with_capacity(2);
    if let Some(stamp) = timestamp::of_line(text) {
        fields::push(&mut fields, "timestamp", stamp);
    }
    fields::push(&mut fields, "message", text);
    fields
}
