//! Functions on lists, numbers, times, digests and JSON.

#![allow(clippy::needless_pass_by_value)] // They have one signature, for the table.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use model::{Micros, Value};

use super::{Word, number, word};
use crate::clock::{self, Frame};
use crate::value::Val;

pub(super) fn bool_of<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    value.bool().map_or(Val::None, Val::Bool)
}

pub(super) fn duration_ms<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let seconds = value.float().or_else(|| value.as_str().and_then(spelled_duration));
    match seconds.map(|s| (s * 1000.0).round()) {
        Some(ms) if ms.abs() < 9.0e15 => Val::Int(ms as i64),
        _ => Val::None,
    }
}

/// Seconds of `1h2m3.5s`, `250ms`, `1d`, `01:02:03`, `PT1M3S`.
pub(super) fn spelled_duration(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.contains(':') {
        let parts = text.split(':').map(|p| p.parse::<f64>().ok());
        return parts
            .clone()
            .all(|p| p.is_some_and(f64::is_finite))
            .then(|| parts.flatten().fold(0.0, |sum, part| sum * 60.0 + part));
    }
    let mut total = 0.0;
    let mut rest = text.trim_start_matches(['P', 'T', 'p', 't']);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit.trim().to_ascii_lowercase().trim_end_matches('t') {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" | "sec" | "secs" => 1.0,
            "m" | "min" | "mins" => 60.0,
            "h" | "hr" | "hrs" => 3600.0,
            "d" | "day" | "days" => 86400.0,
            _ => return None,
        };
        total += amount.parse::<f64>().ok()? * unit;
        rest = tail;
    }
    Some(total)
}

pub(super) fn first<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    match value {
        Val::Ref(Value::List(items)) => items.first().map_or(Val::None, Val::Ref),
        Val::Owned(Value::List(items)) => items.into_iter().next().map_or(Val::None, Val::Owned),
        one => one,
    }
}

pub(super) fn last<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    match value {
        Val::Ref(Value::List(items)) => items.last().map_or(Val::None, Val::Ref),
        Val::Owned(Value::List(items)) => {
            items.into_iter().next_back().map_or(Val::None, Val::Owned)
        }
        one => one,
    }
}

pub(super) fn list<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    Val::Owned(Value::List(value.list().into_iter().filter_map(Val::value).collect()))
}

pub(super) fn length<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    Val::Int(match &value {
        Val::Ref(Value::List(items)) | Val::Owned(Value::List(items)) => items.len() as i64,
        other => match other.as_str() {
            Some(text) => text.chars().count() as i64,
            None => return Val::None,
        },
    })
}

/// Visits the digests of `SHA1=…,MD5=…`, of a map `{md5: …}` or of one bare digest: name and hex.
fn digests<T>(value: &Val<'_>, mut visit: impl FnMut(&str, &str) -> Option<T>) -> Option<T> {
    if let Val::Ref(Value::Map(entries)) | Val::Owned(Value::Map(entries)) = value {
        return entries.iter().find_map(|(name, digest)| visit(name, &digest.to_text()?));
    }
    let mut rest = value.as_str()?;
    loop {
        let end = memchr::memchr3(b',', b';', b'|', rest.as_bytes());
        let part = rest.get(..end.unwrap_or(rest.len()))?;
        let digest = match memchr::memchr2(b'=', b':', part.as_bytes()) {
            Some(at) => Some((part.get(..at)?.trim(), part.get(at + 1..)?.trim())),
            None => bare_name(part.trim()).map(|name| (name, part.trim())),
        };
        if let Some((name, digest)) = digest.filter(|(_, digest)| !digest.is_empty())
            && let Some(found) = visit(name, digest)
        {
            return Some(found);
        }
        rest = rest.get(end? + 1..)?;
    }
}

/// The algorithm of a digest that stands alone, by its length.
fn bare_name(digest: &str) -> Option<&'static str> {
    let name = match digest.len() {
        32 => "MD5",
        40 => "SHA-1",
        64 => "SHA-256",
        128 => "SHA-512",
        _ => return None,
    };
    digest.bytes().all(|b| b.is_ascii_hexdigit()).then_some(name)
}

/// OCSF's `algorithm_id` of a digest's name, and its caption.
fn algorithm(name: &str) -> (i64, Option<&'static str>) {
    const KNOWN: [(&str, i64, &str); 8] = [
        ("md5", 1, "MD5"),
        ("sha1", 2, "SHA-1"),
        ("sha256", 3, "SHA-256"),
        ("sha512", 4, "SHA-512"),
        ("ctph", 5, "CTPH"),
        ("ssdeep", 5, "CTPH"),
        ("tlsh", 6, "TLSH"),
        ("quickxorhash", 7, "quickXorHash"),
    ];
    let plain = || name.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase());
    let known = KNOWN.iter().find(|(known, ..)| plain().eq(known.bytes()));
    known.map_or((99, None), |(_, id, caption)| (*id, Some(*caption)))
}

pub(super) fn hash<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let wanted = word(words, 0);
    let (id, _) = algorithm(wanted);
    let found = digests(&value, |name, digest| {
        let same = name.eq_ignore_ascii_case(wanted) || (id != 99 && algorithm(name).0 == id);
        same.then(|| digest.to_ascii_lowercase())
    });
    found.map_or(Val::None, |digest| Val::Text(Cow::Owned(digest)))
}

pub(super) fn hashes<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let mut prints: Vec<Value<'r>> = Vec::new();
    let _: Option<()> = digests(&value, |name, digest| {
        let (id, caption) = algorithm(name);
        let caption = caption.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed);
        prints.push(Value::Map(vec![
            (Cow::Borrowed("algorithm"), Value::Str(caption)),
            (Cow::Borrowed("algorithm_id"), Value::Int(id)),
            (Cow::Borrowed("value"), Value::Str(Cow::Owned(digest.to_ascii_lowercase()))),
        ]));
        None
    });
    if prints.is_empty() { Val::None } else { Val::Owned(Value::List(prints)) }
}

pub(super) fn hex_int<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let of = |t: &str| {
        let t = t.trim();
        let t = t.strip_prefix("0x").or_else(|| t.strip_prefix("0X")).unwrap_or(t);
        i64::from_str_radix(t, 16).ok()
    };
    value.text().and_then(|t| of(&t)).map_or(Val::None, Val::Int)
}

pub(super) fn int<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    value.int().map_or(Val::None, Val::Int)
}

pub(super) fn json<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    /// Longer texts are not opened, in bytes.
    const MOST: usize = 4 << 20;
    // What is already a list or a map needs no opening.
    if let Val::Ref(Value::Map(_) | Value::List(_)) | Val::Owned(Value::Map(_) | Value::List(_)) =
        value
    {
        return value;
    }
    let Some(text) = value.text().filter(|t| t.len() <= MOST) else { return Val::None };
    let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    json.map_or(Val::None, |json| Val::Owned(Value::from_json(json)))
}

pub(super) fn json_text<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let text = value.value().and_then(|v| serde_json::to_string(&v).ok());
    text.map_or(Val::None, |t| Val::Text(Cow::Owned(t)))
}

pub(super) fn scale<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let Some(by) = number(words, 0) else { return Val::None };
    match value.float().map(|x| (x * by as f64).round()) {
        Some(x) if x.abs() < 9.0e15 => Val::Int(x as i64),
        _ => Val::None,
    }
}

pub(super) fn time<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let format = match words.first() {
        Some(Word::TimeFormat(format)) => format,
        _ => &clock::Format::Auto,
    };
    // Without a context a yearless time has no year: such belong under `time:`.
    let frame = Frame { zone: &TimeZone::UTC, latest: Micros(i64::MIN) };
    clock::read(&value, format, &frame).map_or(Val::None, Val::Time)
}

pub(super) fn xml<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let read = match value.text() {
        Some(Cow::Borrowed(text)) => crate::xml::read(text),
        Some(Cow::Owned(text)) => crate::xml::read(&text).map(Value::into_owned),
        None => None,
    };
    read.map_or(Val::None, Val::Owned)
}
