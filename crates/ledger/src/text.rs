//! Text from outside: what is accepted of people, and bounded keys of what evidence says.

use model::{Digest, Entity};

use crate::error::{LedgerError, Result};
use crate::sql::storable;

/// The longest name, title or reason, in characters.
pub const MAX_LINE: usize = 300;
/// The longest comment, setting or saved position, in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// What a search looks through of one alert or incident, in bytes.
const MAX_SEARCH: usize = 16 * 1024;
/// Keys in an index are no longer, in bytes: Postgres refuses index rows above 2,704.
const MAX_KEY: usize = 400;

/// One line that a person wrote: not empty, not too long, no control characters.
pub(crate) fn line(field: &'static str, text: &str) -> Result<String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(LedgerError::invalid(field, "may not be empty")),
        n if n > MAX_LINE => {
            Err(LedgerError::invalid(field, format!("may have {MAX_LINE} characters at most")))
        }
        _ if text.chars().any(char::is_control) => {
            Err(LedgerError::invalid(field, "may not hold control characters"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// The same, where nothing may be said.
pub(crate) fn maybe_line(field: &'static str, text: Option<&str>) -> Result<Option<String>> {
    text.map(|text| line(field, text)).transpose()
}

/// A text that a person wrote, kept as typed.
pub(crate) fn body<'a>(field: &'static str, text: &'a str) -> Result<&'a str> {
    match text.len() {
        _ if text.trim().is_empty() => Err(LedgerError::invalid(field, "may not be empty")),
        n if n > MAX_BODY => {
            Err(LedgerError::invalid(field, format!("may have {MAX_BODY} bytes at most")))
        }
        _ if text.contains('\0') => Err(LedgerError::invalid(field, "may not hold NUL")),
        _ => Ok(text),
    }
}

/// A text by which rows are found, bounded: the start of a long one and its digest.
pub(crate) fn key(text: &str) -> String {
    let text = storable(text);
    if text.len() <= MAX_KEY {
        return text.into_owned();
    }
    let digest = Digest::of(text.as_bytes());
    format!("{}…{digest}", start(&text, MAX_KEY - 70))
}

/// An entity by which alerts are found.
pub(crate) fn entity_key(entity: &Entity) -> String {
    key(&entity.to_string())
}

/// What a search looks through: lower case, bounded.
pub(crate) fn search_text<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for part in parts {
        if out.len() >= MAX_SEARCH {
            break;
        }
        out.push_str(&start(part, MAX_SEARCH).to_lowercase());
        out.push('\n');
    }
    out.truncate(start(&out, MAX_SEARCH).len());
    out
}

/// Patterns for `LIKE … ESCAPE '\'`, one for each word of a search: all must be there.
pub(crate) fn patterns(search: &str) -> Result<Vec<String>> {
    if search.chars().count() > MAX_LINE {
        return Err(LedgerError::invalid(
            "text",
            format!("may have {MAX_LINE} characters at most"),
        ));
    }
    let pattern = |word: &str| format!("%{}%", literal(&word.to_lowercase()));
    Ok(search.split_whitespace().take(16).map(pattern).collect())
}

/// A pattern for what begins so.
pub(crate) fn begins(prefix: &str) -> String {
    format!("{}%", literal(prefix))
}

/// Text within a pattern, meaning itself.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The first bytes of a text, whole characters.
pub(crate) fn start(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_are_bounded_and_stay_apart() {
        let (one, two) = ("é".repeat(5_000), format!("{}x", "é".repeat(5_000)));
        assert!(key(&one).len() <= MAX_KEY);
        assert_ne!(key(&one), key(&two));
        assert_eq!(key("short"), "short");
    }

    #[test]
    fn a_search_is_taken_at_its_word() {
        assert_eq!(patterns("100% A_b").unwrap_or_default(), ["%100\\%%", "%a\\_b%"]);
        assert!(search_text(["é".repeat(MAX_SEARCH).as_str()]).len() <= MAX_SEARCH);
    }

    #[test]
    fn lines_are_lines() {
        assert_eq!(line("name", "  x y "), Ok("x y".to_owned()));
        assert!(line("name", "x\ny").is_err() && line("name", " ").is_err());
        assert!(line("name", &"x".repeat(MAX_LINE + 1)).is_err());
        assert!(body("body", "x\0").is_err());
    }
}
