//! The structured data of RFC 5424: `[id name="value" …][…]`.

use std::borrow::Cow;

use model::Value;

use crate::fields::{self, Fields};
use crate::seek;

/// Reads `[id name="value" …][…]`; nothing when it is broken.
pub(super) fn read(text: &str) -> Option<(Fields<'_>, &str)> {
    let mut elements: Fields<'_> = Vec::with_capacity(2);
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('[') {
        let end = seek::find2(b' ', b']', inner.as_bytes())?;
        let (id, mut params) = inner.split_at_checked(end)?;
        let mut element: Fields<'_> = Vec::new();
        loop {
            params = params.trim_start_matches(' ');
            if let Some(behind) = params.strip_prefix(']') {
                rest = behind;
                break;
            }
            let (name, behind) = params.split_once('=')?;
            let (value, behind) = quoted(behind.strip_prefix('"')?)?;
            if name.len() > 128 || element.len() >= fields::MAX {
                return None;
            }
            add(&mut element, name, value);
            params = behind;
        }
        if elements.len() >= 256 {
            return None;
        }
        elements.push((Cow::Borrowed(id), Value::Map(element)));
    }
    matches!(rest.as_bytes().first(), None | Some(b' ')).then_some((elements, rest))
}

/// Adds a parameter. One that comes again (`ip="…" ip="…"`, which RFC 5424 allows) becomes a list.
fn add<'a>(element: &mut Fields<'a>, name: &'a str, value: Cow<'a, str>) {
    // Only so far back: a hostile element could have thousands.
    let given = element.iter_mut().take(32).find(|(key, _)| key == name);
    match given {
        None => fields::push_text(element, name, value),
        Some((_, Value::List(list))) => list.push(Value::Str(value)),
        Some((_, first)) => *first = Value::List(vec![std::mem::take(first), Value::Str(value)]),
    }
}

/// The value up to its closing quotation mark, and what is behind the mark. `\"`, `\\` and `\]` are
/// escapes, other backslashes stand for themselves.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let bytes = text.as_bytes();
    let mut owned = String::new();
    let (mut from, mut at) = (0, 0);
    loop {
        at += seek::find2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            let last = text.get(from..at)?;
            let rest = text.get(at + 1..)?;
            if from == 0 {
                return Some((Cow::Borrowed(last), rest));
            }
            owned.push_str(last);
            return Some((Cow::Owned(owned), rest));
        }
        if matches!(bytes.get(at + 1), Some(b'"' | b'\\' | b']')) {
            owned.push_str(text.get(from..at)?);
            from = at + 1;
        }
        at += 2;
    }
}
