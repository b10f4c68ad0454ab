//! The named functions of expressions: one ordered table.
//!
//! A function takes the value of its first argument and, beyond it, words that stand in the
//! definition. It never fails: what it cannot read has no value.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use model::{Micros, Value};
use regex::Regex;

use crate::clock::{self, Frame};
use crate::value::{Val, ip, split_port, text_int};

/// One row of the table.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// What the arguments after the first are.
    pub(crate) rest: &'static [Kind],
    /// How many of them may be left out.
    pub(crate) optional: usize,
    /// One line for the documentation.
    pub(crate) about: &'static str,
    /// `input → output`, for the documentation.
    pub(crate) example: &'static str,
    run: Run,
}

type Run = for<'r> fn(Val<'r>, &'r [Word]) -> Val<'r>;

/// The kinds of arguments after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Pattern,
    TimeFormat,
}

/// An argument after the first, read.
#[derive(Debug)]
pub(crate) enum Word {
    Text(Box<str>),
    Int(i64),
    Pattern(Regex),
    TimeFormat(clock::Format),
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    pub(crate) fn call<'r>(&self, value: Val<'r>, words: &'r [Word]) -> Val<'r> {
        if value.is_none() { Val::None } else { (self.run)(value, words) }
    }
}

/// A function by its name.
pub(crate) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

const fn f(
    name: &'static str,
    rest: &'static [Kind],
    optional: usize,
    about: &'static str,
    example: &'static str,
    run: Run,
) -> Function {
    Function { name, rest, optional, about, example, run }
}

use Kind::{Int, Pattern, Text, TimeFormat};

/// Every function, in order of name.
pub(crate) static FUNCTIONS: &[Function] = &[
    f(
        "after",
        &[Text],
        0,
        "what stands after the first such text",
        "after(x, \"@\"): a@b@c → b@c",
        after,
    ),
    f(
        "after_last",
        &[Text],
        0,
        "what stands after the last such text",
        "after_last(x, \"/\"): a/b/c → c",
        after_last,
    ),
    f("base64", &[], 0, "the text that base64 stands for", "base64(x): aGk= → hi", base64),
    f(
        "basename",
        &[],
        0,
        "the last part of a path with / or \\",
        "basename(x): C:\\a\\b.exe → b.exe",
        basename,
    ),
    f(
        "before",
        &[Text],
        0,
        "what stands before the first such text; all of it when there is none",
        "before(x, \"@\"): a@b → a",
        before,
    ),
    f(
        "before_last",
        &[Text],
        0,
        "what stands before the last such text",
        "before_last(x, \"/\"): a/b/c → a/b",
        before_last,
    ),
    f(
        "bool",
        &[],
        0,
        "a truth value of true/false, yes/no, 1/0, T/F",
        "bool(x): T → true",
        bool_of,
    ),
    f("dirname", &[], 0, "a path without its last part", "dirname(x): /a/b → /a", dirname),
    f(
        "domain",
        &[],
        0,
        "the domain of DOMAIN\\user or user@domain",
        "domain(x): CORP\\eve → CORP",
        domain,
    ),
    f(
        "duration_ms",
        &[],
        0,
        "milliseconds of 1h2m3.5s, 250ms, 01:02:03, or of a number of seconds",
        "duration_ms(x): 1.5 → 1500",
        duration_ms,
    ),
    f("first", &[], 0, "the first element of a list", "first(x): [a, b] → a", first),
    f(
        "hash",
        &[Text],
        0,
        "one digest of a list of them",
        "hash(x, \"SHA256\"): MD5=…,SHA256=ab → ab",
        hash,
    ),
    f(
        "hashes",
        &[],
        0,
        "a list of digests as OCSF fingerprints",
        "hashes(x): MD5=…,SHA256=…",
        hashes,
    ),
    f(
        "hex_int",
        &[],
        0,
        "a number of hexadecimal digits, with or without 0x",
        "hex_int(x): 1f → 31",
        hex_int,
    ),
    f("host", &[], 0, "the host of host:port or of a URL", "host(x): [::1]:80 → ::1", host),
    f("int", &[], 0, "a whole number, also of text and of 0x…", "int(x): 0x1f → 31", int),
    f(
        "ip",
        &[],
        0,
        "an address; a port, brackets, a zone and ::ffff: are taken off",
        "ip(x): ::ffff:10.0.0.1 → 10.0.0.1",
        ip_of,
    ),
    f(
        "join",
        &[Text],
        0,
        "the elements of a list as one text",
        "join(x, \", \"): [a, b] → a, b",
        join,
    ),
    f("json", &[], 0, "what a text of JSON says; a path may follow", "json(x).a.b", json),
    f(
        "json_text",
        &[],
        0,
        "a list or a map as a text of JSON",
        "json_text(x): {a: 1} → {\"a\":1}",
        json_text,
    ),
    f("last", &[], 0, "the last element of a list", "last(x): [a, b] → b", last),
    f(
        "length",
        &[],
        0,
        "how many elements a list has, or characters a text",
        "length(x): [a, b] → 2",
        length,
    ),
    f("list", &[], 0, "a list of the value", "list(x): a → [a]", list),
    f("lower", &[], 0, "in lower case", "lower(x): AbC → abc", lower),
    f("port", &[], 0, "the port of host:port", "port(x): 1.2.3.4:443 → 443", port),
    f(
        "regex",
        &[Pattern],
        0,
        "the first group of a regular expression, or all that it matches",
        "regex(x, \"id=(\\d+)\")",
        regex,
    ),
    f(
        "replace",
        &[Text, Text],
        0,
        "with one text in place of another",
        "replace(x, \"-\", \":\")",
        replace,
    ),
    f("scale", &[Int], 0, "a number times another, rounded", "scale(x, 1000): 1.5 → 1500", scale),
    f(
        "split",
        &[Text, Int],
        1,
        "the parts between such texts: one by position (-1 is the last) or all",
        "split(x, \",\", 0): a,b → a",
        split,
    ),
    f(
        "strip",
        &[Text],
        1,
        "without blanks, or without these characters, at both ends",
        "strip(x, \"[]\"): [a] → a",
        strip,
    ),
    f(
        "strip_prefix",
        &[Text],
        0,
        "without this beginning, where it has it",
        "strip_prefix(x, \"u-\")",
        strip_prefix,
    ),
    f(
        "strip_suffix",
        &[Text],
        0,
        "without this end, where it has it",
        "strip_suffix(x, \".log\")",
        strip_suffix,
    ),
    f("text", &[], 0, "as text", "text(x): 5 → \"5\"", text),
    f(
        "time",
        &[TimeFormat],
        1,
        "a time in any usual form, or in the one that is named",
        "time(x, \"filetime\")",
        time,
    ),
    f("upper", &[], 0, "in upper case", "upper(x): get → GET", upper),
    f("url_host", &[], 0, "the host of a URL", "url_host(x): https://a.b:8/c?d → a.b", url_host),
    f(
        "url_path",
        &[],
        0,
        "the path of a URL, or of a request's target",
        "url_path(x): /c?d → /c",
        url_path,
    ),
    f("url_port", &[], 0, "the port that a URL names", "url_port(x): https://a.b:8/ → 8", url_port),
    f(
        "url_query",
        &[],
        0,
        "the query of a URL, or of a request's target",
        "url_query(x): /c?d=1 → d=1",
        url_query,
    ),
    f(
        "url_scheme",
        &[],
        0,
        "the scheme of a URL",
        "url_scheme(x): https://a.b/ → https",
        url_scheme,
    ),
    f("user", &[], 0, "the user of DOMAIN\\user or user@domain", "user(x): CORP\\eve → eve", user),
];

/// Applies a cut to a text without copying it where it is borrowed.
fn cut(value: Val<'_>, of: impl FnOnce(&str) -> Option<&str>) -> Val<'_> {
    match value.text() {
        None => Val::None,
        Some(Cow::Borrowed(text)) => of(text).map_or(Val::None, |t| Val::Text(Cow::Borrowed(t))),
        Some(Cow::Owned(text)) => {
            of(&text).map_or(Val::None, |t| Val::Text(Cow::Owned(t.to_owned())))
        }
    }
}

fn owned(value: Val<'_>, of: impl FnOnce(&str) -> Option<String>) -> Val<'_> {
    match value.text() {
        None => Val::None,
        Some(text) => of(&text).map_or(Val::None, |t| Val::Text(Cow::Owned(t))),
    }
}

fn word(words: &[Word], at: usize) -> &str {
    match words.get(at) {
        Some(Word::Text(text)) => text,
        _ => "",
    }
}

fn number(words: &[Word], at: usize) -> Option<i64> {
    match words.get(at) {
        Some(Word::Int(n)) => Some(*n),
        _ => None,
    }
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn after<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.split_once(word(words, 0)).and_then(|(_, rest)| filled(rest)))
}

fn after_last<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.rsplit_once(word(words, 0)).map_or(Some(t), |(_, rest)| filled(rest)))
}

fn before<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.split_once(word(words, 0)).map_or(Some(t), |(head, _)| filled(head)))
}

fn before_last<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.rsplit_once(word(words, 0)).and_then(|(head, _)| filled(head)))
}

fn base64<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    owned(value, |t| String::from_utf8(decode_base64(t)?).ok())
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
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

fn basename<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| t.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().and_then(filled))
}

fn dirname<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| {
        let t = t.trim_end_matches(['/', '\\']);
        let at = t.rfind(['/', '\\'])?;
        t.get(..at.max(1))
    })
}

fn bool_of<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    value.bool().map_or(Val::None, Val::Bool)
}

fn user<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| {
        let t = t.rsplit_once('\\').map_or(t, |(_, user)| user);
        filled(t.split_once('@').map_or(t, |(user, _)| user))
    })
}

fn domain<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| match t.split_once('\\') {
        Some((domain, _)) => filled(domain),
        None => t.rsplit_once('@').and_then(|(_, domain)| filled(domain)),
    })
}

fn duration_ms<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let seconds = value.float().or_else(|| value.as_str().and_then(spelled_duration));
    match seconds.map(|s| (s * 1000.0).round()) {
        Some(ms) if ms.abs() < 9.0e15 => Val::Int(ms as i64),
        _ => Val::None,
    }
}

/// Seconds of `1h2m3.5s`, `250ms`, `1d`, `01:02:03`, `PT1M3S`.
fn spelled_duration(text: &str) -> Option<f64> {
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

fn first<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    match value {
        Val::Ref(Value::List(items)) => items.first().map_or(Val::None, Val::Ref),
        Val::Owned(Value::List(items)) => items.into_iter().next().map_or(Val::None, Val::Owned),
        one => one,
    }
}

fn last<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    match value {
        Val::Ref(Value::List(items)) => items.last().map_or(Val::None, Val::Ref),
        Val::Owned(Value::List(items)) => {
            items.into_iter().next_back().map_or(Val::None, Val::Owned)
        }
        one => one,
    }
}

fn list<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    Val::Owned(Value::List(value.list().into_iter().filter_map(Val::value).collect()))
}

fn length<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    Val::Int(match &value {
        Val::Ref(Value::List(items)) | Val::Owned(Value::List(items)) => items.len() as i64,
        other => match other.as_str() {
            Some(text) => text.chars().count() as i64,
            None => return Val::None,
        },
    })
}

fn join<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let texts: Vec<_> = value.list().into_iter().filter_map(Val::text).collect();
    if texts.is_empty() { Val::None } else { Val::Text(Cow::Owned(texts.join(word(words, 0)))) }
}

/// The digests of `SHA1=…,MD5=…`, of a map `{md5: …}` or of one bare digest: (name, hex).
fn digests<'v>(value: &'v Val<'_>) -> Vec<(Cow<'v, str>, Cow<'v, str>)> {
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
fn algorithm(name: &str) -> (i64, Option<&'static str>) {
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

fn hash<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
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

fn hashes<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
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

fn hex_int<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let of = |t: &str| {
        let t = t.trim();
        let t = t.strip_prefix("0x").or_else(|| t.strip_prefix("0X")).unwrap_or(t);
        i64::from_str_radix(t, 16).ok()
    };
    value.text().and_then(|t| of(&t)).map_or(Val::None, Val::Int)
}

fn int<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    value.int().map_or(Val::None, Val::Int)
}

fn ip_of<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let text = match value.text() {
        Some(Cow::Borrowed(text)) => {
            return match ip(Cow::Borrowed(text)) {
                Some(ip) => Val::Text(ip),
                None => ip(Cow::Borrowed(split_port(text).0)).map_or(Val::None, Val::Text),
            };
        }
        Some(Cow::Owned(text)) => text,
        None => return Val::None,
    };
    let found = ip(Cow::Borrowed(&text)).or_else(|| ip(Cow::Borrowed(split_port(&text).0)));
    found.map_or(Val::None, |t| Val::Text(Cow::Owned(t.into_owned())))
}

fn json<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
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

fn json_text<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let text = value.value().and_then(|v| serde_json::to_string(&v).ok());
    text.map_or(Val::None, |t| Val::Text(Cow::Owned(t)))
}

/// ASCII alone would leave names of people as they are: full Unicode, borrowed when nothing changes.
fn lower<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    match value.text() {
        None => Val::None,
        Some(text) if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) => {
            Val::Text(text)
        }
        Some(text) => Val::Text(Cow::Owned(text.to_lowercase())),
    }
}

fn upper<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    match value.text() {
        None => Val::None,
        Some(text) if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_lowercase()) => {
            Val::Text(text)
        }
        Some(text) => Val::Text(Cow::Owned(text.to_uppercase())),
    }
}

fn port<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let found = value.text().and_then(|t| text_int(split_port(&t).1?));
    found.filter(|p| (0..=65535).contains(p)).map_or(Val::None, Val::Int)
}

fn host<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| {
        let t = t.split_once("://").map_or(t, |(_, rest)| rest);
        let t = t.split(['/', '?', '#']).next()?;
        let t = t.rsplit_once('@').map_or(t, |(_, host)| host);
        filled(split_port(t).0)
    })
}

fn regex<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let Some(Word::Pattern(pattern)) = words.first() else { return Val::None };
    cut(value, |t| {
        let found = pattern.captures(t)?;
        found.iter().skip(1).flatten().next().or_else(|| found.get(0)).map(|m| m.as_str())
    })
}

fn replace<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let (from, to) = (word(words, 0), word(words, 1));
    match value.text() {
        None => Val::None,
        Some(text) if from.is_empty() || !text.contains(from) => Val::Text(text),
        Some(text) => Val::Text(Cow::Owned(text.replace(from, to))),
    }
}

fn scale<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let Some(by) = number(words, 0) else { return Val::None };
    match value.float().map(|x| (x * by as f64).round()) {
        Some(x) if x.abs() < 9.0e15 => Val::Int(x as i64),
        _ => Val::None,
    }
}

fn split<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
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

fn strip<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| match words.first() {
        Some(Word::Text(chars)) => filled(t.trim_matches(|c| chars.contains(c))),
        _ => filled(t.trim()),
    })
}

fn strip_prefix<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| filled(t.strip_prefix(word(words, 0)).unwrap_or(t)))
}

fn strip_suffix<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    cut(value, |t| filled(t.strip_suffix(word(words, 0)).unwrap_or(t)))
}

fn text<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    value.text().map_or(Val::None, Val::Text)
}

fn time<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    let format = match words.first() {
        Some(Word::TimeFormat(format)) => format,
        _ => &clock::Format::Auto,
    };
    // Without a context a yearless time has no year: such belong under `time:`.
    let frame = Frame { zone: &TimeZone::UTC, latest: Micros(i64::MIN) };
    clock::read(&value, format, &frame).map_or(Val::None, Val::Time)
}

/// The parts of a URL: scheme, authority, path, query.
fn url(text: &str) -> (Option<&str>, Option<&str>, &str, Option<&str>) {
    let text = text.split('#').next().unwrap_or_default();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => (filled(scheme), rest),
        _ => (None, text),
    };
    let (before, query) = match rest.split_once('?') {
        Some((before, query)) => (before, filled(query)),
        None => (rest, None),
    };
    if scheme.is_none() {
        return (None, None, before, query);
    }
    let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
    (scheme, filled(authority), path, query)
}

fn url_scheme<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| url(t).0)
}

fn url_host<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| {
        let authority = url(t).1?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        filled(split_port(host).0)
    })
}

fn url_port<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    port(cut(value, |t| url(t).1), words)
}

fn url_path<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| filled(url(t).2))
}

fn url_query<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| url(t).3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(name: &str, text: &str, words: &[Word]) -> String {
        let words: &[Word] = words;
        let out = named(name).unwrap().call(Val::Text(Cow::Borrowed(text)), words);
        match out.value() {
            Some(value) => serde_json::to_string(&value).unwrap().trim_matches('"').to_owned(),
            None => "none".to_owned(),
        }
    }

    fn t(text: &str) -> Word {
        Word::Text(text.into())
    }

    #[test]
    fn the_table_is_sorted_and_documented() {
        assert!(FUNCTIONS.is_sorted_by_key(|f| f.name));
        assert!(FUNCTIONS.iter().all(|f| f.example.contains(f.name) && !f.about.is_empty()));
    }

    #[test]
    fn functions_do_what_they_say() {
        assert_eq!(run("after", "a@b@c", &[t("@")]), "b@c");
        assert_eq!(run("after_last", "a/b/c", &[t("/")]), "c");
        assert_eq!(run("before", "ab", &[t("@")]), "ab");
        assert_eq!(run("before_last", "ab", &[t("@")]), "none");
        assert_eq!(run("base64", "aGk=", &[]), "hi");
        assert_eq!(run("base64", "/w==", &[]), "none");
        assert_eq!(run("basename", "C:\\a\\b.exe", &[]), "b.exe");
        assert_eq!(run("basename", "/", &[]), "none");
        assert_eq!(run("dirname", "/a", &[]), "/");
        assert_eq!(run("dirname", "/a/b/", &[]), "/a");
        assert_eq!(run("domain", "CORP\\eve", &[]), "CORP");
        assert_eq!(run("domain", "eve", &[]), "none");
        assert_eq!(run("user", "CORP\\eve", &[]), "eve");
        assert_eq!(run("user", "eve@x.org", &[]), "eve");
        assert_eq!(run("duration_ms", "1h2m3.5s", &[]), "3723500");
        assert_eq!(run("duration_ms", "01:02:03", &[]), "3723000");
        assert_eq!(run("duration_ms", "250ms", &[]), "250");
        assert_eq!(run("duration_ms", "soon", &[]), "none");
        assert_eq!(run("hash", "MD5=AA,SHA256=BB", &[t("sha-256")]), "bb");
        assert!(run("hashes", "IMPHASH=00", &[]).contains("\"algorithm_id\":99"));
        assert_eq!(run("hex_int", "1f", &[]), "31");
        assert_eq!(run("host", "http://u:p@a.b:80/c", &[]), "a.b");
        assert_eq!(run("ip", "[::ffff:1.2.3.4]:80", &[]), "1.2.3.4");
        assert_eq!(run("ip", "1.2.3.4:80", &[]), "1.2.3.4");
        assert_eq!(run("ip", "LOCAL", &[]), "none");
        assert_eq!(run("json", "{\"a\":[1]}", &[]), "{\"a\":[1]}");
        assert_eq!(run("json", "{", &[]), "none");
        assert_eq!(run("lower", "ÄB", &[]), "äb");
        assert_eq!(run("port", "1.2.3.4:99999", &[]), "none");
        assert_eq!(
            run("regex", "id=42;", &[Word::Pattern(Regex::new("id=(\\d+)").unwrap())]),
            "42"
        );
        assert_eq!(run("scale", "1.5", &[Word::Int(1000)]), "1500");
        assert_eq!(run("split", "a, b", &[t(",")]), "[\"a\",\"b\"]");
        assert_eq!(run("split", "a, b", &[t(","), Word::Int(-1)]), "b");
        assert_eq!(run("strip", "[a]", &[t("[]")]), "a");
        assert_eq!(run("url_host", "https://u@a.b:8/c?d", &[]), "a.b");
        assert_eq!(run("url_port", "https://a.b:8/c?d", &[]), "8");
        assert_eq!(run("url_path", "/c?d", &[]), "/c");
        assert_eq!(run("url_query", "/c?d=1#e", &[]), "d=1");
        assert_eq!(run("url_path", "/go?to=http://x/", &[]), "/go");
    }

    #[test]
    fn no_function_minds_nonsense() {
        let nonsense =
            ["", "\\", "@", "/", ":", "[", "]:", "é", "://", "P", "=", "\u{0}", "-1", "=,=,"];
        for function in FUNCTIONS {
            let words: Vec<Word> = function
                .rest
                .iter()
                .map(|kind| match kind {
                    Kind::Text => t(""),
                    Kind::Int => Word::Int(i64::MIN),
                    Kind::Pattern => Word::Pattern(Regex::new("(x)?").unwrap()),
                    Kind::TimeFormat => Word::TimeFormat(clock::Format::Auto),
                })
                .collect();
            for text in nonsense {
                run(function.name, text, &words);
            }
        }
    }
}
