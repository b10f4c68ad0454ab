//! JSON text to [`Value`]s that borrow from it.
//!
//! `parser` reads one value, `scan` finds where values end without reading them, `envelope` tells
//! an object that is an event from one that only wraps a list of events, `shipper` from one that
//! only carries a line.

pub(crate) mod envelope;
pub(crate) mod parser;
pub(crate) mod scan;
pub(crate) mod shipper;

use model::{Flaw, FlawKind, Value};

use parser::Parser;

/// Reads a text that is one JSON value and nothing else. Offsets of the flaw are within `text`.
///
/// # Errors
/// The first thing that is not JSON, or is nested deeper than [`parser::DEPTH`]. Escapes that name
/// half a surrogate pair are read as U+FFFD and are no error.
pub fn json_value(text: &[u8]) -> Result<Value<'_>, Flaw> {
    let flaw = |at: usize, kind, message: &str| Flaw {
        offset: at as u64,
        kind,
        message: message.to_owned(),
        record_lost: true,
    };
    let text = std::str::from_utf8(text)
        .map_err(|e| flaw(e.valid_up_to(), FlawKind::Encoding, "not valid UTF-8"))?;
    let mut parser = Parser::new(text);
    let value = parser.value_at(0);
    let end = parser.skip_space();
    if let Some(fault) = parser.faults().iter().find(|f| f.kind != FlawKind::Encoding) {
        return Err(flaw(fault.at, fault.kind, fault.message));
    }
    if end < text.len() {
        return Err(flaw(end, FlawKind::Syntax, "text behind the JSON value"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn agrees_with_serde_json() {
        for text in [
            "null",
            " true ",
            "[]",
            "{}",
            "[1, -2, 0, 1.5, -0.25e2, 1E3, 18446744073709551615, 9223372036854775808]",
            r#"{"a": {"b": [1, {"c": "d"}]}, "e": "\"\\\/\b\f\n\r\té😀 é"}"#,
            "\t[\n\"a\" ,\r\n \"b\"]",
            r#""exactly 8" "#,
        ] {
            let ours = json_value(text.as_bytes()).unwrap();
            let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(ours, Value::from_json(theirs), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "tru",
            "nul",
            "NaN",
            "-",
            "01",
            "1.",
            "1e",
            ".5",
            "+1",
            "\"",
            "\"a",
            "\"\\q\"",
            "\"\\u12\"",
            "1 2",
            "{} x",
            "[1}",
            "{\"a\":1]",
            "-Infinity",
            "[\"a\nb\"]",
        ] {
            assert!(json_value(text.as_bytes()).is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn numbers_beyond_64_bits() {
        assert_eq!(json_value(b"-9223372036854775808").unwrap(), Value::Int(i64::MIN));
        assert_eq!(
            json_value(b"18446744073709551616").unwrap(),
            Value::Float(18_446_744_073_709_551_616.0)
        );
        assert_eq!(
            json_value(b"-9223372036854775809").unwrap(),
            Value::Float(-9_223_372_036_854_775_809.0)
        );
        assert_eq!(json_value(b"1e999").unwrap(), Value::from("1e999"));
    }

    #[test]
    fn depth_is_limited() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(json_value(deep(parser::DEPTH).as_bytes()).is_ok());
        let flaw = json_value(deep(100_000).as_bytes()).unwrap_err();
        assert_eq!((flaw.kind, flaw.offset), (FlawKind::Limit, parser::DEPTH as u64));
    }

    #[test]
    fn lone_surrogates_and_duplicate_keys() {
        assert_eq!(json_value(br#""a\ud800b""#).unwrap(), Value::from("a\u{FFFD}b"));
        assert_eq!(json_value(br#""\udc00\ud83d\ude00""#).unwrap(), Value::from("\u{FFFD}😀"));
        let value = json_value(br#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(value.get("a"), Some(&Value::Int(1)));
        let Value::Map(entries) = value else { panic!("a map") };
        assert_eq!(entries.len(), 2);
    }
}
