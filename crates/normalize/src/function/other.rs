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

/// The digests of `SHA1=…,MD5=…`, of a map `{md5: …}` or of one bare digest: (name, hex).
pub(super) fn digests<'v>(value: &'v Val<'_>) -> Vec<(Cow<'v, str>, Cow<'v, str>)> {
    let map = match value {
        Val::Ref(Value::Map(entries)) | Val::Owned(Value::Map(entries)) => Some(entries),
        _ => None,
    };
    if let Some(entries) = map {
        let entry =
            |(k, v): &'v (Cow<'_, str>, Value<'_>)| Some((Cow::Borrowed(&**k), v.to_text()?));
        return entries.iter().filter_map(entry).collect();
    }
    let Some(text) = value.as_str() else { return Vec::new() };
    let bare = |digest: &'v str| {
        let name = match digest.len() {
            32 => "MD5",
            40 => "SHA-1",
            64 => "SHA-256",
            128 => "SHA-512",
            _ => return None,
        };
        let hex = digest.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then_some((Cow::Borrowed(name), Cow::Borrowed(digest)))
    };
    text.split([',', ';', '|'])
        .filter_map(|part| match part.split_once(['=', ':']) {
            Some((name, digest)) => {
                let (name, digest) = (name.trim(), digest.trim());
                (!digest.is_empty()).then_some((Cow::Borrowed(name), Cow::Borrowed(digest)))
            }
            None => bare(part.trim()),
        })
        .collect()
}

/// OCSF's `algorithm_id` of a digest's name.
pub(super) fn algorithm(name: &str) -> (i64, Option<&'static str>) {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match plain.as_str() {
        "md5" => (1, Some("MD5")),
        "sha1" => (2, Some("SHA-1")),
        "sha256" => (3, Some("SHA-256")),
        "sha512" => (4, Some("SHA-512")),
        "ctph" | "ssdeep" => (5, Some("CTPH")),
        "tlsh" => (6, Some("TLSH")),
        "quickxorhash" => (7, Some("quickXorHash")),
        _ => (99, None),
    }
}

pub(super) fn hash<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let same = |name: &str| {
        let wanted = word(words, 0);
        name.eq_ignore_ascii_case(wanted) || {
            let (a, b) = (algorithm(name), algorithm(wanted));
            a.0 != 99 && a.0 == b.0
        }
    };
    let found = digests(&value).into_iter().find(|(name, _)| same(name));
    found.map_or(Val::None, |(_, digest)| Val::Text(Cow::Owned(digest.to_ascii_lowercase())))
}

pub(super) fn hashes<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let print = |(name, digest): (Cow<'_, str>, Cow<'_, str>)| {
        let (id, caption) = algorithm(&name);
        let caption = caption.map_or_else(|| Cow::Owned(name.to_string()), Cow::Borrowed);
        Value::Map(vec![
            (Cow::Borrowed("algorithm"), Value::Str(caption)),
            (Cow::Borrowed("algorithm_id"), Value::Int(id)),
            (Cow::Borrowed("value"), Value::Str(Cow::Owned(digest.to_ascii_lowercase()))),
        ])
    };
    let prints: Vec<Value<'r>> = digests(&value).into_iter().map(print).collect();
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
    value.text().and_then(|t| crate::xml::read(&t)).map_or(Val::None, Val::Owned)
}
