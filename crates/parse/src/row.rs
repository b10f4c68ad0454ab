//! Rows of cells between delimiters, with quoted cells that may span lines.
//!
//! A quoted cell ends at a `"` that is followed by the delimiter or the end of the row; `""` is a
//! mark in it. A row whose quotes do not work out is *broken*: it ends with its line, so that one
//! stray mark hides no line, and its cells are read as well as they can be.
//!
//! The work is linear in the bytes: a line that leaves a quotation open holds an odd number of
//! marks, so the next such line either closes it or breaks it; no byte is looked at more than twice.

use std::borrow::Cow;

use crate::seek;

/// Where a row must be closed, counted from its first byte.
const SPAN: usize = 1024 * 1024;

/// A row in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where it ends, its line end left out.
    pub(crate) end: usize,
    /// Where the next one begins.
    pub(crate) next: usize,
    /// Its quotation marks do not work out, so it is its first line alone.
    pub(crate) broken: bool,
}

/// Finds the end of the row that begins at `start`; nothing when more bytes are needed.
pub(crate) fn row(window: &[u8], start: usize, delimiter: u8, last: bool) -> Option<Row> {
    let mut at = start;
    loop {
        let Some(step) = seek::find2(b'"', b'\n', window.get(at..)?) else {
            let end = window.len();
            return last.then_some(Row { end, next: end, broken: false });
        };
        at += step;
        if window.get(at) == Some(&b'\n') {
            return Some(Row { end: at, next: at + 1, broken: false });
        }
        let opens = at == start || window.get(at - 1) == Some(&delimiter);
        at += 1;
        if opens {
            match close(window, at, delimiter, last) {
                Close::At(mark) if mark - start <= SPAN => at = mark + 1,
                Close::More if !last && window.len() - start <= SPAN + 2 => return None,
                _ => return first_line(window, start, last),
            }
        }
    }
}

/// A broken row: its first line.
fn first_line(window: &[u8], start: usize, last: bool) -> Option<Row> {
    match seek::find(b'\n', window.get(start..)?) {
        Some(len) => Some(Row { end: start + len, next: start + len + 1, broken: true }),
        None => last.then_some(Row { end: window.len(), next: window.len(), broken: true }),
    }
}

/// The end of a quotation.
enum Close {
    /// The closing mark.
    At(usize),
    /// A mark in the middle, followed by neither a mark nor an end.
    Broken,
    /// The text ends first (or with a mark of which it cannot be said).
    More,
}

/// Looks for the mark that closes the quotation whose inside begins at `at`; `ended` says that no
/// more text will come.
fn close(text: &[u8], mut at: usize, delimiter: u8, ended: bool) -> Close {
    loop {
        let Some(step) = seek::find(b'"', text.get(at..).unwrap_or_default()) else {
            return Close::More;
        };
        at += step;
        match text.get(at + 1) {
            Some(b'"') => at += 2,
            Some(b'\n') => return Close::At(at),
            Some(b'\r') => match text.get(at + 2) {
                Some(b'\n') => return Close::At(at),
                None if ended => return Close::At(at),
                None => return Close::More,
                Some(_) => return Close::Broken,
            },
            Some(b) if *b == delimiter => return Close::At(at),
            None if ended => return Close::At(at),
            None => return Close::More,
            Some(_) => return Close::Broken,
        }
    }
}

/// The cells of one row.
pub(crate) struct Cells<'a> {
    rest: Option<&'a str>,
    delimiter: u8,
    /// Runs of the delimiter count once.
    collapse: bool,
    /// A quotation ran past the end: no mark is worth another look at what it may close.
    loose: bool,
    /// No closing mark follows at all.
    spent: bool,
}

impl<'a> Cells<'a> {
    /// The cells of `row`, which is without its line end; the delimiter is an ASCII character.
    pub(crate) fn new(row: &'a str, delimiter: u8) -> Self {
        let rest = Some(row.strip_suffix('\r').unwrap_or(row));
        Self { rest, delimiter, collapse: false, loose: false, spent: false }
    }

    /// The cells between runs of blanks.
    pub(crate) fn blank(row: &'a str) -> Self {
        let row = row.trim_end_matches([' ', '\r']).trim_start_matches(' ');
        Self { collapse: true, ..Self::new(row, b' ') }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> Option<&'a str> {
        self.rest
    }

    /// The next cell when it has no quotation marks around it; otherwise nothing is moved.
    #[inline]
    pub(crate) fn plain(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        if text.as_bytes().first() == Some(&b'"') {
            return None;
        }
        Some(self.unquoted(text))
    }

    #[inline]
    fn unquoted(&mut self, text: &'a str) -> &'a str {
        let Some(end) = seek::find(self.delimiter, text.as_bytes()) else {
            self.rest = None;
            return text;
        };
        self.rest = text.get(end + 1..);
        self.after();
        text.get(..end).unwrap_or_default()
    }

    #[inline]
    fn after(&mut self) {
        if self.collapse {
            self.rest = self.rest.map(|rest| rest.trim_start_matches(' '));
        }
    }

    /// The inside of the quotation at the front of `text`, and where the delimiter behind it is.
    fn quoted(&mut self, text: &'a str) -> Option<(Cow<'a, str>, usize)> {
        if self.spent {
            return None;
        }
        let bytes = text.as_bytes();
        if !self.loose {
            match close(bytes, 1, self.delimiter, true) {
                Close::At(mark) => return Some((unescaped(text.get(1..mark)?), mark + 1)),
                Close::More => self.loose = true,
                Close::Broken => {}
            }
        }
        // Marks inside that nobody doubled: the first that could end the cell does.
        let mut at = 1;
        while let Some(step) = seek::find(b'"', bytes.get(at..).unwrap_or_default()) {
            at += step;
            match bytes.get(at + 1) {
                None => return Some((Cow::Borrowed(text.get(1..at)?), at + 1)),
                Some(b) if *b == self.delimiter => {
                    return Some((Cow::Borrowed(text.get(1..at)?), at + 1));
                }
                Some(_) => at += 1,
            }
        }
        self.spent = true;
        None
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let text = self.rest?;
        let quoted = if text.starts_with('"') { self.quoted(text) } else { None };
        let Some((cell, end)) = quoted else { return Some(Cow::Borrowed(self.unquoted(text))) };
        self.rest = text.get(end + 1..);
        self.after();
        Some(cell)
    }
}

/// Replaces `""` by `"`.
fn unescaped(text: &str) -> Cow<'_, str> {
    if seek::find(b'"', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn cells(row: &str) -> Vec<String> {
        Cells::new(row, b',').map(Cow::into_owned).collect()
    }

    fn rows(text: &str) -> Vec<(&str, bool)> {
        let (mut at, mut out) = (0, Vec::new());
        while at < text.len() {
            let row = row(text.as_bytes(), at, b',', true).unwrap();
            out.push((&text[at..row.end], row.broken));
            at = row.next;
        }
        out
    }

    #[test]
    fn cells_are_read_with_and_without_marks() {
        assert_eq!(cells("a,b,,c"), ["a", "b", "", "c"]);
        assert_eq!(cells(""), [""]);
        assert_eq!(cells("a,"), ["a", ""]);
        assert_eq!(cells(r#""a,b","c ""d""",e"#), ["a,b", "c \"d\"", "e"]);
        assert_eq!(cells("\"a\nb\",c\r"), ["a\nb", "c"]);
        assert_eq!(cells("\"\"\",\"\"\""), ["\",\""]);
        assert_eq!(cells(r#""say "hi" now",b"#), [r#"say "hi" now"#, "b"]);
        assert_eq!(cells(r#""open,b,c"#), ["\"open", "b", "c"]);
        assert_eq!(cells(r#"a"b,"c""#), ["a\"b", "c"]);
        let blank: Vec<_> = Cells::blank("a  \"b c\" d ").collect();
        assert_eq!(blank, ["a", "b c", "d"]);
    }

    #[test]
    fn rows_span_lines_only_when_their_marks_work_out() {
        assert_eq!(rows("a,\"b\nc\"\nd"), [("a,\"b\nc\"", false), ("d", false)]);
        assert_eq!(rows("a,\"b\nc\nd"), [("a,\"b", true), ("c", false), ("d", false)]);
        assert_eq!(rows("a,\"b\nc,\"d\"\n"), [("a,\"b", true), ("c,\"d\"", false)]);
        assert_eq!(rows("a\"b\nc"), [("a\"b", false), ("c", false)]);
    }

    #[test]
    fn a_row_that_may_go_on_asks_for_more() {
        assert_eq!(row(b"a,\"b\nc", 0, b',', false), None);
        assert_eq!(row(b"a,\"b\"", 0, b',', false), None);
        assert_eq!(row(b"a,b", 0, b',', false), None);
        assert_eq!(row(b"a,b\n", 0, b',', false).map(|r| r.next), Some(4));
    }
}
