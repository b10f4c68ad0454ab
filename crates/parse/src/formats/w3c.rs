//! W3C extended logs: IIS, CloudFront, proxies, Exchange.
//!
//! `#Fields:` names the columns and may come again in mid-file. Values stand between blanks, tabs
//! or, when the names do, between commas. `-` means no value and is left out. Where the rows carry a
//! time without a date, `#Date:` gives it.

use std::borrow::Cow;
use std::sync::Arc;

use model::{FlawKind, Value};

use crate::fields::{self, Fields, push};
use crate::headed::{self, Headed, HeadedCutter};
use crate::line::Line;
use crate::row::Cells;
use crate::{Cutter, Format, Head, Sink, seek};

/// The format `w3c`.
pub(crate) struct W3c;

impl Format for W3c {
    fn name(&self) -> &'static str {
        "w3c"
    }

    fn about(&self) -> &'static str {
        "W3C extended logs with a #Fields line (IIS, CloudFront, proxies)"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        // Exchange puts a line of bare names in front of the directives.
        let mut directives = head
            .lines()
            .take(33)
            .enumerate()
            .take_while(|(n, line)| *n == 0 || line.starts_with(b"#"));
        if directives.any(|(_, line)| names(line).is_some()) { 98 } else { 0 }
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        Box::new(HeadedCutter(Arc::new(Headed { header: Header::default(), directive, row })))
    }

    fn preamble(&self, head: &Head<'_>) -> usize {
        headed::preamble(head.bytes)
    }
}

/// What the directives said.
#[derive(Debug, Clone, Default)]
struct Header {
    names: Vec<String>,
    comma: bool,
    /// The day of `#Date:`, while no column is called `date`.
    date: String,
    dated: bool,
}

/// What stands behind `#Fields:`.
fn names(line: &[u8]) -> Option<&[u8]> {
    let front = line.get(..8)?;
    if front.eq_ignore_ascii_case(b"#fields:") {
        line.get(8..).filter(|n| n.len() > 1)
    } else {
        None
    }
}

fn directive(header: &mut Header, line: &str) {
    if names(line.as_bytes()).is_some() {
        let text = line.get(8..).unwrap_or_default().trim();
        header.comma = text.contains(',') && !text.contains([' ', '\t']);
        let split = |c: char| if header.comma { c == ',' } else { c.is_ascii_whitespace() };
        let names = text.split(split).filter(|name| !name.is_empty()).take(fields::MAX);
        header.names = names.map(str::to_owned).collect();
        header.dated = header.names.iter().any(|name| name.eq_ignore_ascii_case("date"))
            || !header.names.iter().any(|name| name.eq_ignore_ascii_case("time"));
    } else if let Some(date) = line.strip_prefix("#Date:") {
        header.date = date.trim().chars().take(10).collect();
    }
}

fn row(header: &Header, mut line: Line<'_>, sink: &mut dyn Sink) {
    if header.names.is_empty() {
        // Exchange's line of names in front of the directives is no record.
        if !line.text.starts_with("DateTime,") && !line.text.starts_with("date-time,") {
            sink.record(line.unread("a row without a #Fields line before it"));
        }
        return;
    }
    let mut cells = if header.comma {
        Cells::new(line.text, b',')
    } else if seek::find(b'\t', line.text.as_bytes()).is_some() {
        Cells::new(line.text, b'\t')
    } else {
        Cells::blank(line.text)
    };
    let mut fields: Fields<'_> = Vec::with_capacity(header.names.len() + 1);
    if !header.dated && !header.date.is_empty() {
        push(&mut fields, "date", header.date.as_str());
    }
    let mut count = 0;
    for name in &header.names {
        if let Some(cell) = cells.plain() {
            if cell != "-" {
                push(&mut fields, name, cell);
            }
        } else if let Some(cell) = cells.next() {
            fields::push_text(&mut fields, name, cell);
        } else {
            break;
        }
        count += 1;
    }
    if count < header.names.len() {
        line.flaw(FlawKind::Syntax, format!("{count} values for {} fields", header.names.len()));
    } else if cells.rest().is_some() {
        line.flaw(FlawKind::Syntax, "more values than fields");
        let extra = cells.take(fields::MAX).map(Value::Str).collect();
        fields.push((Cow::Borrowed(fields::EXTRA), Value::List(extra)));
    }
    sink.record(line.record(Value::Map(fields)));
}
