//! Making hostile text fit to be shown, the same in every form.
//!
//! Evidence holds terminal escapes, characters that turn the reading direction, invisible ones, and
//! strings of ten megabytes. Here they become visible ([`model::inert`]) and short. Escaping for HTML, Markdown or the
//! typesetter comes after, in the form.

use model::{EntityKind, acts, inert};

/// Characters kept of a name or a cell.
pub const CELL: usize = 160;
/// Characters kept of a sentence or a paragraph.
pub const PROSE: usize = 2_000;
/// Characters kept of a sample of evidence.
pub const SAMPLE: usize = 600;

/// One line of at most `most` characters: white space folded, what acts spelled out (`\x1b`,
/// `\u{202e}`), the rest left out with a word of how much.
pub fn clean(text: &str, most: usize) -> String {
    shorten(text, most, false)
}

/// The same, with line breaks and indentation kept.
pub fn clean_block(text: &str, most: usize) -> String {
    shorten(text, most, true)
}

/// From how many missing bytes on it is said how many.
const TOLD: usize = 200;

/// How many combining marks may stand on one letter.
const MARKS: usize = 3;

fn shorten(text: &str, most: usize, lines: bool) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    let (mut used, mut marks) = (0, 0);
    for (at, c) in text.char_indices() {
        if used >= most {
            let left = text.len() - at;
            let told =
                if left < TOLD { String::new() } else { format!(" ({} more)", bytes(left as u64)) };
            return format!("{}…{told}", out.trim_end());
        }
        let combining =
            matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}');
        marks = if combining { marks + 1 } else { 0 };
        match c {
            '\n' if lines => {
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
            }
            '\r' if lines => continue,
            ' ' | '\t' if lines => out.push(' '),
            '\n' | '\r' | '\t' | ' ' => {
                if out.is_empty() || out.ends_with([' ', '\n']) {
                    continue;
                }
                out.push(' ');
            }
            _ if marks > MARKS => continue,
            c if acts(c) => out.push_str(&inert(c.encode_utf8(&mut [0; 4]))),
            c => out.push(c),
        }
        used += 1;
    }
    out.truncate(out.trim_end().len());
    out
}

/// `1,204,311`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `3 incidents`, `1 incident`.
pub fn plural(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{} {noun}s", count(n)) }
}

/// `1.2 MB`, in powers of 1,000.
pub fn bytes(n: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or("B");
    if unit == 0 || value >= 99.5 {
        format!("{value:.0} {name}")
    } else {
        format!("{value:.1} {name}")
    }
}

/// An indicator that no mail program makes clickable and nobody opens by mistake.
pub fn defang(kind: EntityKind, value: &str) -> String {
    let value = clean(value, CELL * 4);
    match kind {
        EntityKind::Address => value.replace('.', "[.]").replace(':', "[:]"),
        EntityKind::Domain => value.replace('.', "[.]"),
        EntityKind::Email => value.replace('@', "[@]").replace('.', "[.]"),
        EntityKind::Url => {
            let (scheme, rest) = match value.split_once("://") {
                Some((scheme, rest)) => (Some(scheme), rest),
                None => (None, value.as_str()),
            };
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            let host = host.replace('.', "[.]").replace('@', "[@]");
            match scheme {
                Some(scheme) => {
                    let scheme = scheme.to_ascii_lowercase().replace("http", "hxxp");
                    format!("{scheme}[://]{host}{path}")
                }
                None => format!("{host}{path}"),
            }
        }
        _ => value,
    }
}

/// The host that a domain or URL names.
pub(crate) fn site(value: &str) -> &str {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = host.rsplit('@').next().unwrap_or(host);
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// A next step and the CSF subcategory that stands in brackets at its end.
pub(crate) fn split_csf(step: &str) -> (&str, Option<&str>) {
    let step = step.trim_end();
    let tail = step.strip_suffix(']').and_then(|rest| rest.rsplit_once(" ["));
    match tail {
        Some((text, csf)) if csf.len() <= 12 && csf.contains('.') => (text, Some(csf)),
        _ => (step, None),
    }
}

/// The name of a source definition, for people: `aws_cloudtrail` reads `aws cloudtrail`.
pub fn source(name: &str) -> String {
    clean(&name.replace(['_', '/'], " "), 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_spelled_out() {
        assert_eq!(clean("a\u{1b}[31mred\u{202e}txt.exe", 99), "a\\x1b[31mred\\u{202e}txt.exe");
        assert_eq!(clean("  two\r\n\tlines  ", 99), "two lines");
        assert_eq!(clean_block("two\r\nlines", 99), "two\nlines");
        assert_eq!(clean("\0\u{9b}\u{200b}", 99), "\\x00\\x9b\\u{200b}");
    }

    #[test]
    fn long_text_says_how_much_is_missing() {
        let long = "A".repeat(10_000_000);
        assert_eq!(clean(&long, 3), "AAA… (10.0 MB more)");
        assert_eq!(clean(&format!("e{}x", "\u{301}".repeat(1000)), 9), "e\u{301}\u{301}\u{301}x");
    }

    #[test]
    fn indicators_lose_their_teeth() {
        assert_eq!(defang(EntityKind::Address, "198.51.100.7"), "198[.]51[.]100[.]7");
        assert_eq!(
            defang(EntityKind::Url, "https://a.example/x.php?u=b.c"),
            "hxxps[://]a[.]example/x.php?u=b.c"
        );
        assert_eq!(defang(EntityKind::Email, "a@b.example"), "a[@]b[.]example");
        assert_eq!(defang(EntityKind::Hash, "d41d8cd9"), "d41d8cd9");
    }

    #[test]
    fn a_site_is_what_is_asked() {
        assert_eq!(site("a.example"), "a.example");
        assert_eq!(site("https://user:word@a.example:8443/x?u=b@c/d"), "a.example");
        assert_eq!(site("http://a.example?x"), "a.example");
        assert_eq!(site("/only/a/path"), "");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(count(1_204_311), "1,204,311");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_234_567), "1.2 MB");
        assert_eq!(plural(1, "event"), "1 event");
    }
}
