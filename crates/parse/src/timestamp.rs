//! How far a timestamp at the front of a line reaches. It is never read here, only found: what it
//! means is `normalize`'s business, and its spelling is kept.
//!
//! Known shapes: ISO 8601 and its cousins (`2024-03-01T10:00:00.5+01:00`, `2024/03/01 10:00:00,5`),
//! the BSD shape of syslog (`Mar  1 10:00:00`, with a weekday, a year before or behind the clock, a
//! fraction, a zone name), Cisco's year in front (`2024 Mar  1 10:00:00`).

/// The length of the timestamp that `text` begins with.
pub(crate) fn leading(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'0'..=b'9' => iso(text).or_else(|| year_first(text)),
        b'A'..=b'Z' | b'a'..=b'z' => bsd(text),
        _ => None,
    }
}

/// The timestamp that a line begins with, with or without a bracket around it.
pub(crate) fn at_front(line: &str) -> Option<&str> {
    let text = line.strip_prefix('[').unwrap_or(line);
    let end = leading(text.as_bytes()).or_else(|| clf(text.as_bytes()))?;
    text.get(..end)
}

/// The timestamp near the front of a line of no known shape: its first, second or third word, with
/// or without a bracket around it.
pub(crate) fn of_line(line: &str) -> Option<&str> {
    let mut rest = line;
    for _ in 0..3 {
        if let Some(stamp) = at_front(rest) {
            return Some(stamp);
        }
        rest = rest.split_once(' ').filter(|(word, _)| word.len() <= 32)?.1;
    }
    None
}

/// `29/Dec/2026:00:09:47 +1000`.
fn clf(text: &[u8]) -> Option<usize> {
    let day = digits(text, 0);
    let dated = (1..=2).contains(&day)
        && text.get(day) == Some(&b'/')
        && month(text, day + 1)
        && shaped(text, day + 4, b"/0000");
    let joined = matches!(text.get(day + 9), Some(b':' | b' '));
    (dated && joined && shaped(text, day + 10, b"00:00:00"))
        .then(|| offset(text, fraction(text, day + 18)))
}

/// The length of seconds since 1970 (`1700000000`, `1700000000.123`) in front of a space.
pub(crate) fn leading_epoch(text: &[u8]) -> Option<usize> {
    let whole = digits(text, 0);
    let end = if text.get(whole) == Some(&b'.') { digits(text, whole + 1) } else { whole };
    (whole == 10 && text.get(end) == Some(&b' ')).then_some(end)
}

/// The first place at or behind `at` that holds no digit.
fn digits(text: &[u8], at: usize) -> usize {
    let run = text.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    at + run
}

/// True when `text` has the shape of `shape` at `at`, where `0` stands for any digit.
fn shaped(text: &[u8], at: usize, shape: &[u8]) -> bool {
    text.get(at..at + shape.len()).is_some_and(|part| {
        part.iter().zip(shape).all(|(b, s)| if *s == b'0' { b.is_ascii_digit() } else { b == s })
    })
}

fn iso(text: &[u8]) -> Option<usize> {
    let separator = *text.get(4)?;
    let dated = matches!(separator, b'-' | b'/')
        && shaped(text, 0, &[b'0', b'0', b'0', b'0', separator, b'0', b'0', separator, b'0', b'0']);
    let joined = matches!(text.get(10)?, b'T' | b't' | b' ' | b'_');
    if !dated || !joined || !shaped(text, 11, b"00:00:00") {
        return None;
    }
    let end = fraction(text, 19);
    Some(offset(text, end))
}

/// Past a fraction of a second, if there is one.
fn fraction(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(b'.' | b',') => match digits(text, at + 1) {
            end if end > at + 1 => end,
            _ => at,
        },
        _ => at,
    }
}

/// Past `Z`, `+01:00`, `+0100`, `+01` or a zone name, with or without a space in front.
fn offset(text: &[u8], at: usize) -> usize {
    let spaced = at + usize::from(text.get(at) == Some(&b' '));
    match text.get(spaced) {
        Some(b'Z' | b'z') if spaced == at => at + 1,
        Some(b'+' | b'-') => {
            let sign = spaced + 1;
            if shaped(text, sign, b"00:00") {
                sign + 5
            } else if shaped(text, sign, b"0000") {
                sign + 4
            } else if spaced == at && shaped(text, sign, b"00") {
                sign + 2
            } else {
                at
            }
        }
        _ => zone(text, at),
    }
}

/// Zone names that devices write. A closed list: any other word may as well be a host or a level.
const ZONES: &[&[u8]] = &[
    b"UTC", b"GMT", b"CET", b"CEST", b"EET", b"EEST", b"WET", b"WEST", b"BST", b"IST", b"MSK",
    b"EST", b"EDT", b"CST", b"CDT", b"MST", b"MDT", b"PST", b"PDT", b"JST", b"KST", b"HKT", b"SGT",
    b"AEST", b"AEDT", b"ACST", b"AWST", b"NZST", b"NZDT",
];

/// Past a space and a zone name.
fn zone(text: &[u8], at: usize) -> usize {
    if text.get(at) != Some(&b' ') {
        return at;
    }
    let rest = text.get(at + 1..).unwrap_or_default();
    if !rest.first().is_some_and(u8::is_ascii_uppercase) {
        return at;
    }
    let end = rest.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let bounded = matches!(rest.get(end), None | Some(b' ' | b':' | b']' | b')'));
    let known = rest.get(..end).is_some_and(|word| ZONES.contains(&word));
    if bounded && known { at + 1 + end } else { at }
}

fn month(text: &[u8], at: usize) -> bool {
    let Some(&[a, b, c]) = text.get(at..at + 3) else { return false };
    matches!(
        &[a.to_ascii_lowercase(), b.to_ascii_lowercase(), c.to_ascii_lowercase()],
        b"jan"
            | b"feb"
            | b"mar"
            | b"apr"
            | b"may"
            | b"jun"
            | b"jul"
            | b"aug"
            | b"sep"
            | b"oct"
            | b"nov"
            | b"dec"
    )
}

fn weekday(text: &[u8]) -> bool {
    matches!(text.get(..3), Some(b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun"))
}

/// Past a year and the space in front of it.
fn year(text: &[u8], at: usize) -> usize {
    let like = shaped(text, at, b" 0000")
        && matches!(text.get(at + 1..at + 3), Some(b"19" | b"20"))
        && matches!(text.get(at + 5..), Some([] | [b' ' | b']', ..] | [b':'] | [b':', b' ', ..]));
    if like { at + 5 } else { at }
}

fn bsd(text: &[u8]) -> Option<usize> {
    if month(text, 0) {
        return month_first(text, 0);
    }
    if !weekday(text) {
        return None;
    }
    let at = match text.get(3..5)? {
        [b',', b' '] => 5,
        [b' ', _] => 4,
        _ => return None,
    };
    if month(text, at) { month_first(text, at) } else { None }
}

fn year_first(text: &[u8]) -> Option<usize> {
    if shaped(text, 0, b"0000 ") && month(text, 5) { month_first(text, 5) } else { None }
}

/// `Mar  1 10:00:00` from `at`, and all that may follow it.
fn month_first(text: &[u8], at: usize) -> Option<usize> {
    let mut day = at + 3;
    if text.get(day) != Some(&b' ') {
        return None;
    }
    day += 1 + usize::from(text.get(day + 1) == Some(&b' '));
    let day_end = digits(text, day);
    if !(1..=2).contains(&(day_end - day)) {
        return None;
    }
    let day_end = day_end + usize::from(text.get(day_end) == Some(&b','));
    let clock = year(text, day_end);
    if text.get(clock) != Some(&b' ') {
        return None;
    }
    let hour = clock + 1;
    let hour_end = digits(text, hour);
    if !(1..=2).contains(&(hour_end - hour)) || !shaped(text, hour_end, b":00:00") {
        return None;
    }
    let end = fraction(text, hour_end + 6);
    // A year may stand on either side of the zone.
    let end = offset(text, end);
    let end = year(text, end);
    Some(offset(text, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_reaches_to_its_end_and_no_further() {
        for (stamp, rest) in [
            ("2024-03-01T10:00:00Z", " host"),
            ("2024-03-01T10:00:00.123456789+01:00", " host"),
            ("2024-03-01T10:00:00+0100", " host"),
            ("2024-03-01 10:00:00,123", " INFO x"),
            ("2024-03-01 10:00:00 +0000", " x"),
            ("2024/03/01 10:00:00 UTC", " x"),
            ("0000-00-00T00:00:00", " x"),
            ("9999-12-31T23:59:59Z", ""),
            ("Mar  1 10:00:00", " host"),
            ("Mar 1 10:00:00", " 10.0.0.1 x"),
            ("Mar 31 10:00:00.123", " host"),
            ("Mar 31 2024 10:00:00", " host"),
            ("Mar 31 10:00:00 2024", " host"),
            ("Mar  1 18:48:50.483 UTC", ": %SYS-5-CONFIG_I: x"),
            ("Fri Mar  1 10:00:00 2024", " host"),
            ("Fri Mar  1 10:00:00 CET 2024", " host"),
            ("2024 Mar  1 10:00:00 UTC", ": x"),
            ("Mar 11 09:39:39", ": --- last message repeated 5 times ---"),
            ("Mar 11 09:39:39", " INFO x"),
            ("Mar 11 09:39:39", " 20240 x"),
            ("Mar 11 09:39:39", " 2001:db8::1 x"),
            ("Mar 11 09:39:39 2026", ": x"),
        ] {
            let text = format!("{stamp}{rest}");
            assert_eq!(leading(text.as_bytes()), Some(stamp.len()), "{text}");
        }
    }

    #[test]
    fn the_first_words_of_a_line_may_be_one() {
        for (line, stamp) in [
            ("2026-03-01 10:00:00 status installed x", "2026-03-01 10:00:00"),
            ("[Mon Feb 09 16:47:55.974089 2026] [:error] x", "Mon Feb 09 16:47:55.974089 2026"),
            ("[03/Oct/2026:09:00:01 +0000] admin", "03/Oct/2026:09:00:01 +0000"),
            ("[2026-04-18 13:07:02 -0400] info x", "2026-04-18 13:07:02 -0400"),
            ("https 2026-01-11T16:55:20.356586Z app/x", "2026-01-11T16:55:20.356586Z"),
            ("worker 7: 2026-01-11T16:55:20Z x", "2026-01-11T16:55:20Z"),
        ] {
            assert_eq!(of_line(line), Some(stamp));
        }
        for line in ["", "no time", "a b c 2026-01-11T16:55:20Z", "[[2026-03-01 10:00:00", "é é é"]
        {
            assert_eq!(of_line(line), None, "{line}");
        }
    }

    #[test]
    fn what_only_begins_like_one_is_none() {
        for text in [
            "",
            "2",
            "2024-03-01",
            "2024-03-01Tx",
            "March 1",
            "Mar 1",
            "Mar 111 10:00:00",
            "Maritime",
            "Mon",
            "Monday 10:00:00",
            "2024-03/01 10:00:00",
            "Mar  1 10:0:00",
            "20240301 10:00:00",
        ] {
            assert_eq!(leading(text.as_bytes()), None, "{text}");
        }
        assert_eq!(leading_epoch(b"1700000000.123 host"), Some(14));
        assert_eq!(leading_epoch(b"17000000001 host"), None);
    }
}
