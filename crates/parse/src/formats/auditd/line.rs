//! One line of an audit log: its type, its event's id, its fields decoded.
//!
//! Values that a user can choose are quoted when they are harmless and hexadecimal when they are
//! not; which fields are so written is part of the interface (`ausearch -i` keeps the same list).

use std::borrow::Cow;

use model::Value;

use super::tables;
use crate::fields::{self, Fields};

/// A line that is an audit record.
#[derive(Debug)]
pub(super) struct AuditLine<'a> {
    /// The machine, when the log came from several.
    pub(super) node: Option<&'a str>,
    /// `SYSCALL`, `EXECVE` …
    pub(super) kind: Cow<'a, str>,
    /// The time as it is written, in seconds.
    pub(super) time: &'a str,
    /// The serial number.
    pub(super) serial: u64,
    /// The rest, in the line's order.
    pub(super) fields: Fields<'a>,
}

/// Finds an event's id without reading the line: node, and what stands in `audit(…)`.
pub(super) fn event_id(line: &str) -> Option<(Option<&str>, &str)> {
    let (node, rest) = head(line)?;
    let (_, rest) = split_kind(rest);
    Some((node, split_id(rest)?.0))
}

/// Reads a line; `None` when it is no audit record.
pub(super) fn parse(line: &str) -> Option<AuditLine<'_>> {
    let (node, rest) = head(line)?;
    let (kind, rest) = split_kind(rest);
    let (id, rest) = split_id(rest)?;
    let (time, serial) = id.split_once(':')?;
    let kind = kind_name(kind);
    let mut fields = Vec::new();
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    Pairs { kind: &kind, old: false }.read(rest, &mut fields, 0);
    Some(AuditLine { node, serial: serial.parse().ok()?, kind, time, fields })
}

/// Splits `node=` off.
fn head(line: &str) -> Option<(Option<&str>, &str)> {
    let line = line.trim_start();
    match line.strip_prefix("node=") {
        Some(rest) => rest.split_once(' ').map(|(node, rest)| (Some(node), rest)),
        None => Some((None, line)),
    }
}

/// Splits `type=` off, or the kernel's `audit:` in front of it.
fn split_kind(rest: &str) -> (&str, &str) {
    let rest = rest.strip_prefix("audit: ").unwrap_or(rest).trim_start();
    match rest.strip_prefix("type=").and_then(|r| r.split_once(' ')) {
        Some(split) => split,
        None => ("", rest),
    }
}

/// Splits `msg=audit(1733.123:45)` off: what is in the brackets, and what follows.
fn split_id(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix("msg=").unwrap_or(rest).strip_prefix("audit(")?;
    let (id, rest) = rest.split_once(')')?;
    let (time, serial) = id.split_once(':')?;
    // Nineteen digits fit in 64 bits whatever they are.
    let digits = |s: &str| (1..=19).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    let (seconds, fraction) = time.split_once('.')?;
    (digits(seconds) && digits(fraction) && digits(serial)).then_some((id, rest))
}

/// The name of a type that may be a number: `1400`, `UNKNOWN[1323]`.
fn kind_name(kind: &str) -> Cow<'_, str> {
    let number = kind.strip_prefix("UNKNOWN[").and_then(|k| k.strip_suffix(']')).unwrap_or(kind);
    match number.parse().ok().and_then(tables::record_type) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Borrowed(kind),
    }
}

/// Reads `key=value` pairs in all the spellings that occur.
struct Pairs<'k> {
    kind: &'k str,
    /// The word `old` stood before: the next key names the value that was.
    old: bool,
}

impl Pairs<'_> {
    fn read<'a>(&mut self, mut rest: &'a str, fields: &mut Fields<'a>, depth: u8) {
        loop {
            rest = rest.trim_start_matches([' ', '\x1d', ',']);
            if rest.is_empty() {
                return;
            }
            if fields.len() >= fields::MAX {
                fields.push((Cow::Borrowed(fields::REST), Value::from(rest)));
                return;
            }
            let end = rest.find(['=', ' ', '\x1d']).unwrap_or(rest.len());
            let (key, behind) = rest.split_at(end);
            rest = match behind.strip_prefix('=') {
                Some(value) if !key.is_empty() => self.pair(key, value, fields, depth),
                Some(value) => value,
                None => self.word(key, behind, fields),
            };
        }
    }

    /// A pair whose value begins `rest`; what follows it.
    fn pair<'a>(
        &mut self,
        key: &'a str,
        rest: &'a str,
        fields: &mut Fields<'a>,
        depth: u8,
    ) -> &'a str {
        let key = if std::mem::take(&mut self.old) {
            Cow::Owned(format!("old-{key}"))
        } else {
            Cow::Borrowed(key)
        };
        let (quote, inner) = match rest.as_bytes().first() {
            Some(b'"') => ('"', rest.get(1..).unwrap_or_default()),
            Some(b'\'') => ('\'', rest.get(1..).unwrap_or_default()),
            Some(b'{') => ('}', rest.get(1..).unwrap_or_default()),
            _ => {
                let end = rest.find([' ', '\x1d']).unwrap_or(rest.len());
                let (value, rest) = rest.split_at(end);
                let value = value.strip_suffix(',').unwrap_or(value);
                self.bare(key, value, fields);
                return rest;
            }
        };
        // The text of a message may itself hold quotes: it ends with the last one before what the
        // daemon added.
        let own = inner.split('\x1d').next().unwrap_or(inner);
        let end = if quote == '\'' && key == "msg" { own.rfind(quote) } else { own.find(quote) };
        let end = end.unwrap_or(own.len());
        let value = inner.get(..end).unwrap_or_default();
        let rest = inner.get(end..).map_or("", |r| r.strip_prefix(quote).unwrap_or(r));
        let nested = (quote == '\'' && key == "msg" || quote == '}') && value.contains('=');
        if nested && depth == 0 {
            self.read(value, fields, depth + 1);
        } else {
            fields.push((key, Value::from(value)));
        }
        rest
    }

    /// A value without quotes.
    fn bare<'a>(&self, key: Cow<'a, str>, value: &'a str, fields: &mut Fields<'a>) {
        if value == "(null)" {
            fields.push((key, Value::Null));
            return;
        }
        if key == "saddr" {
            address(value, fields);
        }
        let decoded = if is_encoded(self.kind, &key) { decode(value) } else { None };
        let value = match decoded {
            // Several keys of rules are joined by this.
            Some(text) if key == "key" && text.contains('\x01') => {
                Value::List(text.split('\x01').map(|k| Value::from(k.to_owned())).collect())
            }
            Some(text) => Value::from(text),
            None => Value::from(value),
        };
        fields.push((key, value));
    }

    /// A word that belongs to no pair: `old`, or those of `avc:  denied  { read } for …`.
    fn word<'a>(&mut self, word: &'a str, rest: &'a str, fields: &mut Fields<'a>) -> &'a str {
        match word {
            "old" => self.old = true,
            "denied" | "granted" => fields::push(fields, "seresult", word),
            "{" => {
                let (inner, rest) = rest.split_once('}').unwrap_or((rest, ""));
                fields::push(fields, "seperms", inner.trim());
                return rest;
            }
            _ => {}
        }
        rest
    }
}

/// Whether a bare value of this field is text in hexadecimal.
fn is_encoded(kind: &str, key: &str) -> bool {
    match key {
        "acct" | "cmd" | "comm" | "cwd" | "data" | "dir" | "exe" | "file" | "grp" | "key"
        | "name" | "new_group" | "new-disk" | "new-fs" | "ocomm" | "old-disk" | "old-fs"
        | "path" | "proctitle" | "unit" | "vm" | "watch" => true,
        _ => kind == "EXECVE" && argument(key).is_some(),
    }
}

/// Hexadecimal to text, NULs to spaces; `None` when it is not hexadecimal.
fn decode(value: &str) -> Option<String> {
    let mut bytes = unhex(value)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn unhex(value: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    if value.is_empty() || !value.len().is_multiple_of(2) {
        return None;
    }
    value
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect()
}

/// The number in `a7` or `a7[2]`.
pub(super) fn argument(key: &str) -> Option<u32> {
    let digits = key.strip_prefix('a')?;
    let digits = digits.split_once('[').map_or(digits, |(digits, _)| digits);
    digits.parse().ok()
}

/// Joins arguments so long that they came in pieces: `a2_len=…`, `a2[0]=…`, `a2[1]=…`.
pub(super) fn join_pieces(fields: &mut Fields<'_>) {
    if !fields.iter().any(|(key, _)| key.contains('[')) {
        return;
    }
    let mut joined: Fields<'_> = Vec::with_capacity(fields.len());
    for (key, value) in std::mem::take(fields) {
        let Some((name, _)) = key.split_once('[') else {
            if !key.ends_with("_len") {
                joined.push((key, value));
            }
            continue;
        };
        let piece = value.as_str().unwrap_or_default();
        match joined.last_mut() {
            Some((last, Value::Str(text))) if last == name => text.to_mut().push_str(piece),
            _ => joined.push((Cow::Owned(name.to_owned()), Value::from(piece.to_owned()))),
        }
    }
    *fields = joined;
}

/// The address in a `sockaddr`, by the names that an enriched log gives its parts.
fn address(hex: &str, fields: &mut Fields<'_>) {
    let Some(bytes) = unhex(hex) else { return };
    let port = |high: u8, low: u8| Value::from(u16::from_be_bytes([high, low]).to_string());
    let (family, address, port) = match bytes.as_slice() {
        [1, 0, path @ ..] => {
            let path = path.strip_prefix(b"\0").unwrap_or(path);
            let path = path.split(|b| *b == 0).next().unwrap_or_default();
            let path = Value::from(String::from_utf8_lossy(path).into_owned());
            return fields.extend([
                (Cow::Borrowed("saddr_fam"), Value::from("local")),
                (Cow::Borrowed("path"), path),
            ]);
        }
        [2, 0, high, low, a, b, c, d, ..] => {
            let address = std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string();
            ("inet", address, port(*high, *low))
        }
        [10, 0, high, low, _, _, _, _, rest @ ..] => {
            let Some(octets) = rest.first_chunk::<16>() else { return };
            ("inet6", std::net::Ipv6Addr::from(*octets).to_string(), port(*high, *low))
        }
        _ => return,
    };
    fields.extend([
        (Cow::Borrowed("saddr_fam"), Value::from(family)),
        (Cow::Borrowed("laddr"), Value::from(address)),
        (Cow::Borrowed("lport"), port),
    ]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(line: &str) -> Vec<(String, String)> {
        let text = |v: &Value<'_>| serde_json::to_value(v).unwrap().to_string().replace('"', "");
        let mut line = parse(line).unwrap();
        join_pieces(&mut line.fields);
        line.fields.iter().map(|(k, v)| (k.to_string(), text(v))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn values_in_every_spelling() {
        let line = "type=USER_CMD msg=audit(1700000000.123:45): pid=7 msg='cwd=\"/root\" \
                    cmd=6C73202D6C61 exe=\"/usr/bin/sudo\" res=success'\x1dUID=\"ana\"";
        let expected = [
            ("pid", "7"),
            ("cwd", "/root"),
            ("cmd", "ls -la"),
            ("exe", "/usr/bin/sudo"),
            ("res", "success"),
            ("UID", "ana"),
        ];
        assert_eq!(read(line), pairs(&expected));
        let line = "type=SYSCALL msg=audit(1700000000.123:45): a0=63b2 comm=\"ls\" key=(null)";
        assert_eq!(read(line), pairs(&[("a0", "63b2"), ("comm", "ls"), ("key", "null")]));
    }

    #[test]
    fn arguments_are_decoded_and_joined() {
        let line = "type=EXECVE msg=audit(1700000000.123:45): argc=3 a0=\"sh\" a1=2D6300 \
                    a2_len=8 a2[0]=\"id;\" a2[1]=77686F";
        let expected = [("argc", "3"), ("a0", "sh"), ("a1", "-c"), ("a2", "id;who")];
        assert_eq!(read(line), pairs(&expected));
    }

    #[test]
    fn old_values_selinux_and_numbers_for_types() {
        let line = "type=LOGIN msg=audit(1337845201.174:94983): uid=0 old auid=1 new auid=2";
        assert_eq!(read(line), pairs(&[("uid", "0"), ("old-auid", "1"), ("auid", "2")]));
        let line = "audit: type=1400 audit(1170021493.977:293): avc:  denied  { read write } for  \
                    pid=13010 comm=\"pickup\" name=\"x\"";
        assert_eq!(parse(line).unwrap().kind, "AVC");
        let expected = [
            ("seresult", "denied"),
            ("seperms", "read write"),
            ("pid", "13010"),
            ("comm", "pickup"),
            ("name", "x"),
        ];
        assert_eq!(read(line), pairs(&expected));
    }

    #[test]
    fn addresses() {
        let head = "type=SOCKADDR msg=audit(1700000000.123:45): saddr=";
        let v4 = [("saddr_fam", "inet"), ("laddr", "192.0.2.7"), ("lport", "443")];
        let read_without_raw = |hex: &str| {
            let mut fields = read(&format!("{head}{hex}"));
            fields.pop();
            fields
        };
        assert_eq!(read_without_raw("020001BBC00002070000000000000000"), pairs(&v4));
        let v6 = "0A000035000000002001DB80000000000000000000000000100000000";
        assert_eq!(read_without_raw(v6), pairs(&[]));
        let local = [("saddr_fam", "local"), ("path", "/run/x")];
        assert_eq!(read_without_raw("01002F72756E2F7800"), pairs(&local));
    }

    #[test]
    fn what_is_no_audit_record() {
        for line in [
            "",
            "type=SYSCALL",
            "type=SYSCALL msg=audit(): x=1",
            "type=SYSCALL msg=audit(1337845201): x=1",
            "type=SYSCALL msg=audit(1.2:): x=1",
            "node=",
            "hello",
        ] {
            assert!(parse(line).is_none(), "{line}");
        }
    }
}
