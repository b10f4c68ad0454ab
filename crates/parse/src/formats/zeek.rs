//! Zeek's own log files: tab-separated by default, described by `#` lines in front, several times
//! when files were joined.
//!
//! Values are typed as `#types` says; times stay text. An unset field (`-`) is left out, `(empty)`
//! is an empty text or list. `#path` becomes `_path`.

use std::borrow::Cow;
use std::sync::Arc;

use model::{FlawKind, Value};

use crate::fields::{self, Fields, Pieces, push};
use crate::headed::{self, Headed, HeadedCutter};
use crate::line::Line;
use crate::{Cutter, Format, Head, Sink, seek};

/// The format `zeek`.
pub(crate) struct Zeek;

impl Format for Zeek {
    fn name(&self) -> &'static str {
        "zeek"
    }

    fn about(&self) -> &'static str {
        "Zeek logs with #separator, #fields and #types lines"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        let mut directives = head.lines().take_while(|line| line.first() == Some(&b'#')).take(32);
        let named = |line: &[u8]| {
            line.starts_with(b"#separator ") || line.starts_with(b"#fields") && line.len() > 8
        };
        if directives.any(named) { 100 } else { 0 }
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        Box::new(HeadedCutter(Arc::new(Headed { header: Header::default(), directive, row })))
    }

    fn preamble(&self, head: &Head<'_>) -> usize {
        headed::preamble(head.bytes)
    }
}

/// What the directives said.
#[derive(Debug, Clone)]
struct Header {
    separator: String,
    set_separator: String,
    empty: String,
    unset: String,
    path: String,
    columns: Vec<Column>,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            separator: "\t".to_owned(),
            set_separator: ",".to_owned(),
            empty: "(empty)".to_owned(),
            unset: "-".to_owned(),
            path: String::new(),
            columns: Vec::new(),
        }
    }
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    kind: Kind,
    list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Bool,
    Int,
    Float,
}

fn directive(header: &mut Header, line: &str) {
    if let Some(separator) = line.strip_prefix("#separator ") {
        let separator = unescaped(separator);
        if !separator.is_empty() && separator.len() <= 16 {
            *header = Header { separator: separator.into_owned(), ..Header::default() };
        }
        return;
    }
    let Some((name, value)) = line.split_once(header.separator.as_str()) else { return };
    match name {
        "#set_separator" if !value.is_empty() => {
            header.set_separator = unescaped(value).into_owned();
        }
        "#empty_field" => header.empty = value.to_owned(),
        "#unset_field" => header.unset = value.to_owned(),
        "#path" => header.path = value.to_owned(),
        "#fields" => {
            let names = value.split(header.separator.as_str()).take(fields::MAX);
            header.columns = names
                .map(|name| Column { name: name.to_owned(), kind: Kind::Text, list: false })
                .collect();
        }
        "#types" => {
            for (column, kind) in
                header.columns.iter_mut().zip(value.split(header.separator.as_str()))
            {
                let inner = kind.split_once('[').map(|(_, inner)| inner.trim_end_matches(']'));
                column.list = inner.is_some();
                column.kind = match inner.unwrap_or(kind) {
                    "bool" => Kind::Bool,
                    "count" | "int" | "port" => Kind::Int,
                    "double" | "interval" => Kind::Float,
                    _ => Kind::Text,
                };
            }
        }
        _ => {}
    }
}

fn row(header: &Header, mut line: Line<'_>, sink: &mut dyn Sink) {
    if header.columns.is_empty() {
        return sink.record(line.unread("a row without a #fields line before it"));
    }
    let mut fields: Fields<'_> = Vec::with_capacity(header.columns.len() + 1);
    if !header.path.is_empty() {
        push(&mut fields, "_path", header.path.as_str());
    }
    let mut cells = Pieces::new(line.text, &header.separator);
    let mut count = 0;
    for (column, cell) in header.columns.iter().zip(&mut cells) {
        count += 1;
        if cell != header.unset {
            header.push(&mut fields, column, cell);
        }
    }
    let extra: Vec<Value<'_>> = cells.take(fields::MAX).map(Value::from).collect();
    if count < header.columns.len() {
        line.flaw(FlawKind::Syntax, format!("{count} values for {} fields", header.columns.len()));
    } else if !extra.is_empty() {
        line.flaw(FlawKind::Syntax, "more values than fields");
        fields.push((Cow::Borrowed(fields::EXTRA), Value::List(extra)));
    }
    sink.record(line.record(Value::Map(fields)));
}

impl Header {
    /// Adds a cell as its column's type says.
    fn push<'a>(&self, fields: &mut Fields<'a>, column: &'a Column, cell: &'a str) {
        let name = column.name.as_str();
        if !column.list {
            if cell == self.empty {
                push(fields, name, "");
            } else {
                scalar(fields, name, column.kind, cell);
            }
            return;
        }
        let mut items: Fields<'a> = Vec::new();
        if cell != self.empty {
            for item in Pieces::new(cell, &self.set_separator).take(fields::MAX) {
                if item == self.unset {
                    push(&mut items, "", Value::Null);
                } else {
                    scalar(&mut items, "", column.kind, item);
                }
            }
        }
        push(fields, name, Value::List(items.into_iter().map(|(_, item)| item).collect()));
    }
}

/// Adds a value as its type says, or as text when it does not fit the type.
fn scalar<'a>(fields: &mut Fields<'a>, name: &'a str, kind: Kind, cell: &'a str) {
    match kind {
        Kind::Text => {}
        Kind::Bool => {
            if matches!(cell, "T" | "F") {
                return push(fields, name, Value::Bool(cell == "T"));
            }
        }
        Kind::Int => {
            if let Ok(number) = cell.parse::<i64>() {
                return push(fields, name, Value::Int(number));
            }
            if let Ok(number) = cell.parse::<u64>() {
                return push(fields, name, Value::UInt(number));
            }
        }
        Kind::Float => {
            if let Some(number) = cell.parse().ok().filter(|x: &f64| x.is_finite()) {
                return push(fields, name, Value::Float(number));
            }
        }
    }
    if seek::find(b'\\', cell.as_bytes()).is_none() {
        push(fields, name, cell);
    } else {
        fields::push_text(fields, name, unescaped(cell));
    }
}

/// Resolves `\x09` and `\\`. Escapes that spell no UTF-8 leave the text as it is: nothing is lost.
fn unescaped(text: &str) -> Cow<'_, str> {
    if seek::find(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = seek::find_text(b"\\", rest) {
        let (front, back) = rest.split_at(at);
        out.extend_from_slice(front);
        let (byte, len) = match back {
            [_, b'x', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'\\', 1),
            },
            [_, b'\\', ..] => (b'\\', 2),
            _ => (b'\\', 1),
        };
        out.push(byte);
        rest = back.get(len..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|n| n as u8)
}
