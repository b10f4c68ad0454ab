//! Text from evidence, made safe to show.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Evidence may carry escapes that move a terminal's cursor, set its title or turn text around.
/// Every such character becomes visible: `\n`, `\t`, `\x1b`, `\u{202e}`. What is harmless stays as
/// it is, so most text is only borrowed. See [`acts`] for what is covered.
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if acts(c) && u32::from(c) < 0x100 => {
                let _infallible = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if acts(c) => {
                let _infallible = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// JSON text whose strings hold nothing that [`acts`], for the machine the same value: such a
/// character is written as its escape (`\u202e`). Outside of its strings JSON has none but line
/// breaks and indentation, and those stay.
pub fn inert_json(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| matches!(c, '\n' | '\r' | '\t') || !acts(c);
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmless(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _infallible = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

/// True for characters that do something rather than show something: the C0 and C1 controls, DEL,
/// the line and paragraph separators, the bidirectional controls of UAX #9, the tag characters, and
/// what is there without being seen (soft hyphen, zero-width space, word joiner, fillers). The
/// zero-width joiner is left alone: it makes one picture of several emoji.
pub fn acts(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180b}'..='\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The first `limit` characters of a text, with an ellipsis when there were more.
pub fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_that_acts_is_left() {
        let hostile = "a\x1b[31mred\x07\u{202e}gpj.exe\u{9b}2J\r\n";
        let shown = inert(hostile);
        assert_eq!(shown, "a\\x1b[31mred\\x07\\u{202e}gpj.exe\\x9b2J\\r\\n");
        assert!(!shown.chars().any(acts));
        assert!(matches!(inert("Grüße, 世界 👩‍💻"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_is_the_same_value_and_inert() {
        let value = serde_json::json!({"a\u{202e}": "\u{9b}2J\x1b[m\x7f\u{e0041}\n", "b": ["ü", "\u{feff}"]});
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = inert_json(&text);
            assert!(!shown.chars().any(|c| acts(c) && c != '\n'), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
        assert!(matches!(inert_json("{\n  \"a\": \"ü\"\n}"), Cow::Borrowed(_)));
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(shortened("日本語", 2), "日本…");
        assert_eq!(shortened("ab", 2), "ab");
    }
}
