//! ArcSight's Common Event Format, with or without a syslog prefix.
//!
//! `CEF:0|vendor|product|version|id|name|severity|key=value key=value …`. A value may hold blanks
//! and, from careless writers, bare equals signs: a key is the word in front of a `=`, when it can
//! be one.

use std::borrow::Cow;

use model::{FlawKind, Value};

use crate::fields::{self, Fields};
use crate::formats::syslog;
use crate::line::{self, Line};
use crate::{Cutter, Format, Head, Sink, seek};

/// The format `cef`.
pub(crate) struct Cef;

impl Format for Cef {
    fn name(&self) -> &'static str {
        "cef"
    }

    fn about(&self) -> &'static str {
        "Common Event Format, with or without a syslog header"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        sureness(fields::share(head, |line| find(line).is_some()))
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        line::cutter(read)
    }
}

/// How sure it is when this share of the lines (in percent) are events of the format.
pub(crate) fn sureness(share: u32) -> u8 {
    match share {
        90.. => 94,
        51.. => 88,
        _ => 0,
    }
}

/// Where `CEF:0|` begins, looked for in the first bytes of a line only.
fn find(line: &[u8]) -> Option<usize> {
    let front = line.get(..line.len().min(512)).unwrap_or_default();
    memchr::memmem::find_iter(front, b"CEF:").find(|&at| {
        let bounded =
            at == 0 || matches!(front.get(at - 1), Some(b' ' | b'"' | b'>' | b'\t' | b':'));
        bounded && line.get(at + 4).is_some_and(u8::is_ascii_digit)
    })
}

fn read(mut line: Line<'_>, sink: &mut dyn Sink) {
    let at = find(line.text.as_bytes());
    let (prefix, event) = line.text.split_at(at.unwrap_or(0));
    let Some(mut fields) = fields(event) else {
        return sink.record(line.unread("not a CEF event"));
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
const HEADER: [&str; 7] = [
    "cef_version",
    "device_vendor",
    "device_product",
    "device_version",
    "signature_id",
    "name",
    "severity",
];

/// The place of the extension among the fields.
const INNER: usize = HEADER.len();

/// Reads an event that begins with `CEF:`; nothing when its header is not whole.
pub(crate) fn fields(text: &str) -> Option<Fields<'_>> {
    let mut rest = text.strip_prefix("CEF:")?;
    let mut fields = Vec::with_capacity(9);
    for (index, name) in HEADER.into_iter().enumerate() {
        let (value, behind) = match until_bar(rest) {
            Some(parts) => parts,
            // The bar behind the severity is often left out when nothing follows.
            None if index + 1 == HEADER.len() => (rest.trim_end(), ""),
            None => return None,
        };
        add(&mut fields, name, value);
        rest = behind;
    }
    fields.push((Cow::Borrowed("extension"), Value::Map(extension(rest))));
    Some(fields)
}

/// The text before the next bar that is not escaped, and what is behind it.
fn until_bar(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += seek::find2(b'|', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'|') {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        at += 2;
    }
}

/// Reads `key=value key=value …`. The search for each key goes back no further than the `=` before
/// it, so the work is linear.
pub(crate) fn extension(text: &str) -> Fields<'_> {
    let bytes = text.as_bytes();
    let mut fields: Fields<'_> = Vec::with_capacity(24);
    let mut open: Option<(&str, usize)> = None;
    let (mut at, mut floor) = (0, 0);
    while let Some(step) = seek::find2(b'=', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += step;
        if bytes.get(at) == Some(&b'\\') {
            at += 2;
            continue;
        }
        let before = bytes.get(floor..at).unwrap_or_default();
        let key_at = floor + seek::rfind(b' ', before).map_or(0, |space| space + 1);
        at += 1;
        floor = at;
        let key = text.get(key_at..at - 1).unwrap_or_default();
        // A `=` right behind the start of a value is part of it (`a==b`).
        let first = open.is_none() && fields.is_empty();
        let separate = first || bytes.get(key_at.wrapping_sub(1)) == Some(&b' ');
        if !separate || !is_key(key) {
            continue;
        }
        match open {
            Some((name, from)) => {
                add(&mut fields, name, text.get(from..key_at).unwrap_or_default());
            }
            None if key_at > 0 => {
                add(&mut fields, fields::LEAD, text.get(..key_at).unwrap_or_default());
            }
            None => {}
        }
        if fields.len() >= fields::MAX {
            open = Some((fields::REST, key_at));
            break;
        }
        open = Some((key, at));
    }
    match open {
        Some((name, from)) => add(&mut fields, name, text.get(from..).unwrap_or_default()),
        None if !text.trim().is_empty() => add(&mut fields, fields::LEAD, text),
        None => {}
    }
    fields
}

/// Adds a value without the blanks behind it.
fn add<'a>(fields: &mut Fields<'a>, name: &'a str, value: &'a str) {
    let value = value.trim_end();
    if seek::find(b'\\', value.as_bytes()).is_none() {
        fields::push(fields, name, value);
    } else {
        fields::push_owned(fields, name, unescaped(value));
    }
}

fn is_key(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 128
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'[' | b']'))
}

/// Resolves the escapes of the format: `\|`, `\=`, `\\`, `\n`, `\r`. Others stay as they are.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.as_str().chars().next() {
            Some(next @ ('|' | '=' | '\\')) => out.push(next),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            _ => {
                out.push('\\');
                continue;
            }
        }
        chars.next();
    }
    out
}
