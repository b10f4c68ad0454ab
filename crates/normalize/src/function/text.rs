//! Functions that cut, join and respell texts.

#![allow(clippy::needless_pass_by_value)] // They have one signature, for the table.

use std::borrow::Cow;

use model::Value;

use super::{Word, cut, filled, number, owned, word};
use crate::value::Val;

pub(super) fn after<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.split_once(word(words, 0)).and_then(|(_, rest)| filled(rest)))
}

pub(super) fn after_last<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.rsplit_once(word(words, 0)).map_or(Some(t), |(_, rest)| filled(rest)))
}

pub(super) fn before<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.split_once(word(words, 0)).map_or(Some(t), |(head, _)| filled(head)))
}

pub(super) fn before_last<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.rsplit_once(word(words, 0)).and_then(|(head, _)| filled(head)))
}

pub(super) fn base64<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    owned(value, |t| String::from_utf8(decode_base64(t)?).ok())
}

pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut have) = (0u32, 0);
    for byte in text.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Some(out)
}

pub(super) fn basename<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().and_then(filled))
}

pub(super) fn dirname<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| {
        let t = t.trim_end_matches(['/', '\\']);
        let at = t.rfind(['/', '\\'])?;
        t.get(..at.max(1))
    })
}

pub(super) fn user<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| {
        let t = t.rsplit_once('\\').map_or(t, |(_, user)| user);
        filled(t.split_once('@').map_or(t, |(user, _)| user))
    })
}

pub(super) fn domain<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| match t.split_once('\\') {
        Some((domain, _)) => filled(domain),
        None => t.rsplit_once('@').and_then(|(_, domain)| filled(domain)),
    })
}

pub(super) fn join<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let texts: Vec<_> = value.list().into_iter().filter_map(Val::text).collect();
    if texts.is_empty() { Val::None } else { Val::Text(Cow::Owned(texts.join(word(words, 0)))) }
}

/// ASCII alone would leave names of people as they are: full Unicode, borrowed when nothing changes.
pub(super) fn lower<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    match value.text() {
        None => Val::None,
        Some(text) if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) => {
            Val::Text(text)
        }
        Some(text) => Val::Text(Cow::Owned(text.to_lowercase())),
    }
}

pub(super) fn upper<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    match value.text() {
        None => Val::None,
        Some(text) if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_lowercase()) => {
            Val::Text(text)
        }
        Some(text) => Val::Text(Cow::Owned(text.to_uppercase())),
    }
}

pub(super) fn regex<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let Some(Word::Pattern(pattern)) = words.first() else { return Val::None };
    cut(value, |t| {
        let found = pattern.captures(t)?;
        found.iter().skip(1).flatten().next().or_else(|| found.get(0)).map(|m| m.as_str())
    })
}

pub(super) fn replace<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let (from, to) = (word(words, 0), word(words, 1));
    match value.text() {
        None => Val::None,
        Some(text) if from.is_empty() || !text.contains(from) => Val::Text(text),
        Some(text) => Val::Text(Cow::Owned(text.replace(from, to))),
    }
}

pub(super) fn split<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let by = word(words, 0);
    match number(words, 1) {
        Some(at) => cut(value, |t| {
            let place = usize::try_from(at.unsigned_abs()).ok()?;
            let part = if at < 0 { t.rsplit(by).nth(place - 1) } else { t.split(by).nth(place) };
            part.map(str::trim).and_then(filled)
        }),
        None => match value.text() {
            Some(text) => {
                let part = |p: &str| Value::Str(Cow::Owned(p.trim().to_owned()));
                let parts = text.split(by).filter(|p| !p.trim().is_empty()).map(part).collect();
                Val::Owned(Value::List(parts))
            }
            None => Val::None,
        },
    }
}

pub(super) fn strip<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| match words.first() {
        Some(Word::Text(chars)) => filled(t.trim_matches(|c| chars.contains(c))),
        _ => filled(t.trim()),
    })
}

pub(super) fn strip_prefix<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| filled(t.strip_prefix(word(words, 0)).unwrap_or(t)))
}

pub(super) fn strip_suffix<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| filled(t.strip_suffix(word(words, 0)).unwrap_or(t)))
}

pub(super) fn text<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    value.text().map_or(Val::None, Val::Text)
}
