//! CSV and its cousins: a line of names, then rows between commas, semicolons, tabs or bars.
//!
//! The delimiter is the one that makes the head a table. In front of the names may stand what Excel
//! (`sep=;`), PowerShell (`#TYPE …`) and others write there. A row with too few or too many cells is
//! kept, with a flaw.

use std::borrow::Cow;
use std::sync::Arc;

use model::{FlawKind, Value};

use crate::fields::{self, Fields};
use crate::line::{self, Frame, Line};
use crate::row::{Cells, row};
use crate::{Cut, Cutter, Format, Head, Reader, Sink, timestamp};

/// The format `delimited`.
pub(crate) struct Delimited;

impl Format for Delimited {
    fn name(&self) -> &'static str {
        "delimited"
    }

    fn about(&self) -> &'static str {
        "tables with a line of names: CSV, TSV, semicolons, bars"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        shape(head).map_or(0, |shape| shape.score)
    }

    fn open(&self, head: &Head<'_>) -> Box<dyn Cutter> {
        let (delimiter, columns) = shape(head).map_or((b',', 0), |s| (s.delimiter, s.columns));
        let table = Arc::new(Table { delimiter, names: Vec::new() });
        Box::new(TableCutter { table, columns, started: false })
    }

    fn preamble(&self, head: &Head<'_>) -> usize {
        let start = preamble(head.bytes);
        let names =
            shape(head).and_then(|shape| row(head.bytes, start, shape.delimiter, head.complete));
        names.map_or(0, |names| names.next)
    }
}

/// What a head looks like as a table.
struct Shape {
    delimiter: u8,
    /// Cells of the rows, which may be one more than there are names.
    columns: usize,
    score: u8,
}

/// Looks at the head with each delimiter; the best that makes a table of it.
fn shape(head: &Head<'_>) -> Option<Shape> {
    let start = preamble(head.bytes);
    let chosen = chosen(head.bytes);
    let body = head.bytes.get(start..)?;
    let candidates = [b',', b'\t', b';', b'|', b' '].into_iter();
    candidates
        .filter(|delimiter| chosen.is_none_or(|c| c == *delimiter))
        .filter_map(|delimiter| table_shape(body, delimiter, head.complete))
        .max_by_key(|shape| (shape.score, shape.columns))
}

/// Rows of the head that are looked at.
const SAMPLE: usize = 100;

fn table_shape(body: &[u8], delimiter: u8, complete: bool) -> Option<Shape> {
    let header = row(body, 0, delimiter, complete)?;
    let text = String::from_utf8_lossy(body.get(..header.end)?);
    let names: Vec<_> = Cells::new(&text, delimiter).take(fields::MAX).collect();
    let (count, last) = (names.len(), names.last()?.is_empty());
    let nameable = names.iter().take(count - usize::from(last)).all(|name| is_name(name));
    if header.broken || count - usize::from(last) < 2 || !nameable {
        return None;
    }
    let (mut rows, mut even, mut longer) = (0, 0, 0);
    let mut at = header.next;
    while rows < SAMPLE && at < body.len() {
        let Some(found) = row(body, at, delimiter, complete) else { break };
        let text = String::from_utf8_lossy(body.get(at..found.end)?);
        at = found.next;
        if text.trim().is_empty() {
            continue;
        }
        rows += 1;
        let cells = Cells::new(&text, delimiter).take(fields::MAX).count();
        even += usize::from(cells == count);
        longer += usize::from(cells == count + 1);
    }
    let fits = |n: usize| rows > 0 && n * 10 >= rows * 8;
    let score = match count {
        // Prose has blanks too: between them only a table of identifiers, even in every row, counts.
        5.. if delimiter == b' '
            && rows > 0
            && even == rows
            && names.iter().all(|n| is_plain(n)) =>
        {
            60
        }
        _ if delimiter == b' ' => return None,
        _ if rows == 0 && complete && count >= 3 && names.iter().all(|n| !n.contains(' ')) => 40,
        3.. if fits(even) => 80,
        3.. if fits(longer) => 60,
        2 if even == rows && rows >= 2 => {
            if delimiter == b'\t' {
                65
            } else {
                55
            }
        }
        _ => return None,
    };
    Some(Shape { delimiter, columns: count + usize::from(fits(longer)), score })
}

/// True when a cell may be the name of a column.
fn is_name(cell: &str) -> bool {
    let cell = cell.trim();
    (1..=128).contains(&cell.len())
        && cell.bytes().any(|b| b.is_ascii_alphabetic() || b >= 0x80)
        && !cell.contains(['{', '}', '=', '<', '>', '\n', '\\'])
        && !cell.contains("://")
        && !cell.starts_with(['[', '-', '\''])
        && !is_number(cell)
        && timestamp::leading(cell.as_bytes()).is_none()
}

/// True when a cell is a number, an address or an id in hexadecimal.
fn is_number(cell: &str) -> bool {
    cell.bytes().any(|b| b.is_ascii_digit())
        && cell.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'-' | b'.' | b':' | b'_'))
}

/// True when a name is lower-case letters, digits, `_` and `-`.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

/// The delimiter that Excel's first line names.
fn chosen(bytes: &[u8]) -> Option<u8> {
    match bytes.get(..6)? {
        [b's', b'e', b'p', b'=', delimiter, b'\r' | b'\n'] => Some(*delimiter),
        _ => None,
    }
}

/// The length of the lines in front of the names: `sep=;`, comments, blank lines.
fn preamble(bytes: &[u8]) -> usize {
    let mut at = 0;
    for line in bytes.split_inclusive(|&b| b == b'\n').take(32) {
        let skipped = line.starts_with(b"#")
            || line.trim_ascii().is_empty()
            || at == 0 && chosen(line).is_some();
        if !skipped {
            break;
        }
        at += line.len();
    }
    at
}

/// The names and how the rows are cut.
#[derive(Debug, Clone)]
struct Table {
    delimiter: u8,
    names: Vec<String>,
}

struct TableCutter {
    table: Arc<Table>,
    /// Cells of a row, where that is more than there are names.
    columns: usize,
    started: bool,
}

impl Cutter for TableCutter {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        if !self.started {
            let start = preamble(window);
            let header = match row(window, start, self.table.delimiter, last) {
                Some(header) if header.next > start => header,
                _ => {
                    return Cut {
                        take: if last { window.len() } else { 0 },
                        reader: Arc::new(Nothing),
                    };
                }
            };
            self.started = true;
            let text = String::from_utf8_lossy(window.get(start..header.end).unwrap_or_default());
            let table = Arc::make_mut(&mut self.table);
            let cells = Cells::new(&text, table.delimiter).take(fields::MAX);
            table.names = cells.map(|name| name.trim().to_owned()).collect();
            for (index, name) in table.names.iter_mut().enumerate().filter(|(_, n)| n.is_empty()) {
                *name = format!("column{}", index + 1);
            }
            for index in table.names.len()..self.columns {
                table.names.push(format!("column{}", index + 1));
            }
            return Cut { take: header.next, reader: Arc::new(Nothing) };
        }
        let mut take = 0;
        while take < window.len() {
            match row(window, take, self.table.delimiter, last) {
                Some(row) => take = row.next,
                None => break,
            }
        }
        Cut { take, reader: Arc::new(TableReader(Arc::clone(&self.table))) }
    }
}

/// Reads the names, which are no record.
struct Nothing;

impl Reader for Nothing {
    fn read(&self, _: &[u8], _: u64, _: &mut dyn Sink) {}
}

struct TableReader(Arc<Table>);

impl Reader for TableReader {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let rows = Rows { chunk, at: 0, delimiter: self.0.delimiter };
        line::each_frame(chunk, offset, rows, sink, &mut |line, sink| self.0.row(line, sink));
    }
}

/// The rows of a chunk that ends where a row does.
struct Rows<'a> {
    chunk: &'a [u8],
    at: usize,
    delimiter: u8,
}

impl Iterator for Rows<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let start = self.at;
        if start >= self.chunk.len() {
            return None;
        }
        let row = row(self.chunk, start, self.delimiter, true)?;
        self.at = row.next;
        let flaw = row.broken.then_some((FlawKind::Syntax, "a quotation mark is out of place"));
        Some(Frame { start, end: row.end, flaw })
    }
}

impl Table {
    fn row(&self, mut line: Line<'_>, sink: &mut dyn Sink) {
        let mut cells = Cells::new(line.text, self.delimiter);
        let mut fields: Fields<'_> = Vec::with_capacity(self.names.len() + 1);
        for name in &self.names {
            if let Some(cell) = cells.plain() {
                fields::push(&mut fields, name, cell);
            } else if let Some(cell) = cells.next() {
                fields::push_text(&mut fields, name, cell);
            } else {
                break;
            }
        }
        // Files that were joined repeat their names.
        if fields.first().is_some_and(|(name, value)| value.as_str() == Some(name))
            && fields.iter().all(|(name, value)| value.as_str() == Some(name))
        {
            return;
        }
        let (given, named) = (fields.len(), self.names.len());
        if given < named {
            line.flaw(FlawKind::Syntax, format!("{given} cells for {named} names"));
        } else if cells.rest().is_some_and(|rest| !rest.is_empty()) {
            line.flaw(FlawKind::Syntax, "more cells than names");
            let extra = cells.take(fields::MAX).map(Value::Str).collect();
            fields.push((Cow::Borrowed(fields::EXTRA), Value::List(extra)));
        }
        sink.record(line.record(Value::Map(fields)));
    }
}
