//! QRadar's Log Event Extended Format, versions 1.0 and 2.0, with or without a syslog prefix.
//!
//! `LEEF:1.0|vendor|product|version|event|` and attributes between tabs; 2.0 names the delimiter in
//! one more field (`^`, `0x7C`, `x09`). Writers of 1.0 are found with bars instead of tabs, and
//! relays that replace a tab by `#011` or blanks; all are read.

use std::borrow::Cow;

use model::{FlawKind, Value};

use crate::fields::{self, Fields, Pieces};
use crate::formats::{cef, syslog};
use crate::line::{self, Line};
use crate::{Cutter, Format, Head, Sink, seek};

/// The format `leef`.
pub(crate) struct Leef;

impl Format for Leef {
    fn name(&self) -> &'static str {
        "leef"
    }

    fn about(&self) -> &'static str {
        "Log Event Extended Format 1.0 and 2.0, with or without a syslog header"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        cef::sureness(fields::share(head, |line| find(line).is_some()))
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        line::cutter(read)
    }
}

/// Where `LEEF:1` begins, looked for in the first bytes of a line only.
fn find(line: &[u8]) -> Option<usize> {
    let front = line.get(..line.len().min(512)).unwrap_or_default();
    memchr::memmem::find_iter(front, b"LEEF:").find(|&at| {
        let bounded =
            at == 0 || matches!(front.get(at - 1), Some(b' ' | b'"' | b'>' | b'\t' | b':'));
        bounded && line.get(at + 5).is_some_and(u8::is_ascii_digit)
    })
}

fn read(mut line: Line<'_>, sink: &mut dyn Sink) {
    let at = find(line.text.as_bytes());
    let (prefix, event) = line.text.split_at(at.unwrap_or(0));
    let Some(mut fields) = fields(event) else {
        return sink.record(line.unread("not a LEEF event"));
    };
    if let Some(prefix) = syslog::prefix(prefix) {
        fields::push(&mut fields, "syslog", prefix);
    }
    if let Some((_, Value::Map(inner))) = fields.get(INNER)
        && fields::overflowed(inner)
    {
        line.flaw(FlawKind::Limit, fields::TOO_MANY);
    }
    sink.record(line.record(Value::Map(fields)));
}

/// Names of what stands between the bars.
const HEADER: [&str; 5] = ["leef_version", "vendor", "product", "product_version", "event_id"];

/// The place of the attributes among the fields.
const INNER: usize = HEADER.len();

/// Reads an event that begins with `LEEF:`; nothing when its header is not whole.
pub(crate) fn fields(text: &str) -> Option<Fields<'_>> {
    let mut rest = text.strip_prefix("LEEF:")?;
    let mut fields: Fields<'_> = Vec::with_capacity(7);
    for (index, name) in HEADER.into_iter().enumerate() {
        let (value, behind) = match rest.split_once('|') {
            Some(parts) => parts,
            None if index + 1 == HEADER.len() => (rest.trim_end(), ""),
            None => return None,
        };
        fields.push((Cow::Borrowed(name), Value::from(value)));
        rest = behind;
    }
    let second = text.get(5..).is_some_and(|version| version.starts_with('2'));
    let named = if second { rest.split_once('|') } else { None };
    let attributes = match named.and_then(|(name, behind)| Some((delimiter(name)?, behind))) {
        Some((delimiter, behind)) => split(behind, delimiter.encode_utf8(&mut [0; 4])),
        None => guessed(rest),
    };
    fields.push((Cow::Borrowed("attributes"), Value::Map(attributes)));
    Some(fields)
}

/// The delimiter that the sixth field of version 2.0 names; nothing when it names none, so that the
/// field is already the first attribute.
fn delimiter(name: &str) -> Option<char> {
    let hex = name.strip_prefix("0x").or_else(|| name.strip_prefix('x'));
    match hex.filter(|digits| (1..=4).contains(&digits.len())) {
        Some(digits) => char::from_u32(u32::from_str_radix(digits, 16).ok()?),
        None if name.is_empty() || name == "\\t" => Some('\t'),
        None => {
            let mut chars = name.chars();
            chars.next().filter(|_| chars.next().is_none())
        }
    }
}

/// Attributes whose delimiter nobody named.
fn guessed(text: &str) -> Fields<'_> {
    let bytes = text.as_bytes();
    if seek::find(b'\t', bytes).is_some() {
        split(text, "\t")
    } else if seek::find_text(b"#011", bytes).is_some() {
        split(text, "#011")
    } else if seek::find(b'|', bytes).is_some() {
        split(text, "|")
    } else {
        cef::extension(text)
    }
}

/// Splits at `delimiter`. A piece that is no pair belongs to the value before it, which held the
/// delimiter itself.
fn split<'a>(text: &'a str, delimiter: &str) -> Fields<'a> {
    let mut fields: Fields<'a> = Vec::with_capacity(32);
    let mut value_at = 0;
    let mut at = 0;
    let mut pieces = Pieces::new(text, delimiter);
    while let Some(rest) = pieces.rest() {
        if fields.len() >= fields::MAX {
            fields::push(&mut fields, fields::REST, rest);
            break;
        }
        let Some(piece) = pieces.next() else { break };
        let end = at + piece.len();
        match piece.split_once('=').map(|(key, value)| (key.trim(), value)) {
            Some((key, value)) if is_key(key) => {
                fields::push(&mut fields, key, value);
                value_at = end - value.len();
            }
            _ if piece.trim().is_empty() => {}
            _ => {
                if let Some((_, value)) = fields.last_mut() {
                    *value = Value::from(text.get(value_at..end).unwrap_or_default());
                } else {
                    fields::push(&mut fields, fields::LEAD, piece);
                    value_at = at;
                }
            }
        }
        at = end + delimiter.len();
    }
    fields
}

fn is_key(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 128
        && !word.bytes().any(|b| b.is_ascii_whitespace() || b == b'"')
}
