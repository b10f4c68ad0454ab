//! Text of no known shape: one record a line, the line as `message`.

use std::borrow::Cow;

use model::Value;

use crate::line::{self, Line};
use crate::{Cutter, Format, Head, Sink};

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
    let fields = Value::Map(vec![(Cow::Borrowed("message"), Value::from(line.text))]);
    sink.record(line.record(fields));
}
