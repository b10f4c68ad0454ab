//! The journal export format of systemd: entries of `NAME=value` lines, a blank line between them.
//! A value with line ends stands behind its length: `NAME`, eight bytes, the value.
//!
//! A field that occurs several times becomes a list, as in the journal's JSON.

use std::borrow::Cow;
use std::sync::Arc;

use model::{Flaw, FlawKind, Record, Value};

use crate::fields::{self, Fields};
use crate::{Cut, Cutter, Format, Head, Limits, Reader, Sink, Skip};

/// The format `journal_export`.
pub(crate) struct JournalExport;

impl Format for JournalExport {
    fn name(&self) -> &'static str {
        "journal_export"
    }

    fn about(&self) -> &'static str {
        "the systemd journal's export format (journalctl -o export)"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        let begins = head.bytes.trim_ascii_start().starts_with(b"__");
        let stamp = b"__REALTIME_TIMESTAMP=";
        let dated = memchr::memmem::find_iter(head.bytes, stamp)
            .any(|at| at == 0 || head.bytes.get(at - 1) == Some(&b'\n'));
        if begins && dated { 96 } else { 0 }
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        Box::new(Entries)
    }
}

/// What stands at a place in an entry.
enum Item<'a> {
    /// A field, and the place behind it.
    Field(&'a [u8], &'a [u8], usize),
    /// The blank line behind an entry, and the place behind it.
    End(usize),
    /// The bytes do not suffice.
    Short,
    /// A line that is no field, and the place behind it.
    Stray(usize),
    /// A length that is wrong, so that nobody knows where the value ends.
    Bad,
}

/// What stands at `at`. `last` tells that nothing follows `bytes`.
fn item(bytes: &[u8], at: usize, last: bool) -> Item<'_> {
    let Some(rest) = bytes.get(at..) else { return Item::Short };
    let (line, behind) = match memchr::memchr(b'\n', rest) {
        Some(n) => (rest.get(..n).unwrap_or_default(), at + n + 1),
        None if last && !rest.is_empty() => (rest, bytes.len()),
        None => return Item::Short,
    };
    if line.is_empty() || line == b"\r" {
        return Item::End(behind);
    }
    if let Some(n) = memchr::memchr(b'=', line) {
        let (name, value) = line.split_at(n);
        let value = value.get(1..).unwrap_or_default();
        return if is_name(name) { Item::Field(name, value, behind) } else { Item::Stray(behind) };
    }
    if !is_name(line) {
        return Item::Stray(behind);
    }
    let Some(size) = bytes.get(behind..).and_then(|r| r.first_chunk::<8>()) else {
        return if last { Item::Bad } else { Item::Short };
    };
    let start = behind + 8;
    let size = usize::try_from(u64::from_le_bytes(*size)).unwrap_or(usize::MAX);
    if size > Limits::default().record {
        return Item::Bad;
    }
    match (bytes.get(start..start + size), bytes.get(start + size)) {
        (Some(value), Some(b'\n')) => Item::Field(line, value, start + size + 1),
        (Some(_), Some(_)) => Item::Bad,
        _ if last => Item::Bad,
        _ => Item::Short,
    }
}

/// Names are upper case; sixty-four bytes are the most that the journal takes.
fn is_name(name: &[u8]) -> bool {
    (1..=64).contains(&name.len())
        && name.iter().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// Where the entry that begins at `at` ends, whatever is in it; `None` when that is not to be seen.
fn entry_end(bytes: &[u8], mut at: usize, last: bool) -> Option<usize> {
    loop {
        match item(bytes, at, last) {
            Item::Field(_, _, behind) | Item::Stray(behind) => at = behind,
            Item::End(behind) => return Some(behind),
            Item::Bad => return resume(bytes, at, last),
            Item::Short if last => return Some(bytes.len()),
            Item::Short => return None,
        }
    }
}

/// Where reading goes on behind something that is no field: at the next blank line.
fn resume(bytes: &[u8], at: usize, last: bool) -> Option<usize> {
    match memchr::memmem::find(bytes.get(at..).unwrap_or_default(), b"\n\n") {
        Some(n) => Some(at + n + 2),
        None if last => Some(bytes.len()),
        None => None,
    }
}

/// Cuts between entries.
struct Entries;

impl Cutter for Entries {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        let mut take = 0;
        while take < window.len()
            && let Some(end) = entry_end(window, take, last)
        {
            take = end;
        }
        Cut { take, reader: Arc::new(EntryReader) }
    }

    fn skip(&mut self, window: &[u8], last: bool) -> Skip {
        match memchr::memmem::find(window, b"\n\n") {
            Some(n) => Skip { take: n + 2, done: true },
            None if last => Skip { take: window.len(), done: true },
            // The first half of a blank line may stand at the end.
            None => Skip { take: window.len().saturating_sub(1).max(1), done: false },
        }
    }
}

/// Reads entries.
struct EntryReader;

impl Reader for EntryReader {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let mut at = 0;
        while at < chunk.len() {
            let end = entry_end(chunk, at, true).unwrap_or(chunk.len()).max(at + 1);
            entry(chunk.get(at..end).unwrap_or_default(), offset + at as u64, sink);
            at = end;
        }
    }
}

/// Reads one entry.
fn entry(bytes: &[u8], offset: u64, sink: &mut dyn Sink) {
    let mut fields: Fields<'_> = Vec::new();
    let mut flaws = Vec::new();
    let mut flaw = |at: usize, kind, message: &str| {
        let message = message.to_owned();
        flaws.push(Flaw { offset: offset + at as u64, kind, message, record_lost: false });
    };
    let mut at = 0;
    while at < bytes.len() {
        match item(bytes, at, true) {
            Item::Field(name, value, behind) => {
                if fields.len() >= fields::MAX {
                    flaw(at, FlawKind::Limit, "more fields than are kept; the rest is left out");
                    break;
                }
                let text = String::from_utf8_lossy(value);
                if matches!(text, Cow::Owned(_)) {
                    flaw(at, FlawKind::Encoding, "not valid UTF-8; what is not is replaced");
                }
                add(&mut fields, String::from_utf8_lossy(name), Value::Str(text));
                at = behind;
            }
            Item::End(_) => break,
            Item::Stray(behind) => {
                flaw(at, FlawKind::Syntax, "a line that is no field is left out");
                at = behind;
            }
            Item::Bad | Item::Short => {
                let message = "a value whose length is wrong; the rest of the entry is left out";
                flaw(at, FlawKind::Syntax, message);
                break;
            }
        }
    }
    if fields.is_empty() {
        return flaws.into_iter().for_each(|f| sink.flaw(Flaw { record_lost: true, ..f }));
    }
    let raw = bytes.trim_ascii_end();
    let raw = Cow::Borrowed(bytes.get(..raw.len()).unwrap_or_default());
    sink.record(Record { offset, index: 0, raw, fields: Value::Map(fields), syntax: None, flaws });
}

/// Adds a value; values of one name become a list.
fn add<'a>(fields: &mut Fields<'a>, name: Cow<'a, str>, value: Value<'a>) {
    match fields.iter_mut().find(|(known, _)| *known == name) {
        None => fields.push((name, value)),
        Some((_, Value::List(list))) => list.push(value),
        Some((_, first)) => *first = Value::List(vec![std::mem::take(first), value]),
    }
}
