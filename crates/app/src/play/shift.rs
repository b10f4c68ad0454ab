//! Moves the times that stand in a record's text, so that what happened once happens now.
//!
//! Known are what logs write: RFC 3339 and its everyday kin, the date of web logs
//! (`14/Oct/2026:06:07:41 +0000`), the date of RFC 3164 (`Oct 14 06:07:41`), and numbers of seconds,
//! milliseconds, microseconds and nanoseconds since 1970. Only times within the story are moved: the end
//! of a certificate and the birth of an account stay where they are. Lengths stay as they are.

use std::ops::RangeInclusive;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Which times are moved, and how far, all in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Shift {
    pub(super) within: RangeInclusive<i64>,
    pub(super) by: i64,
    /// The year of times that do not write theirs.
    pub(super) year: i64,
}

impl Shift {
    /// The text with its times moved.
    pub(super) fn text(&self, text: &[u8]) -> Vec<u8> {
        let mut out = text.to_vec();
        let mut at = 0;
        let mut before = b' ';
        while let Some(byte) = text.get(at).copied() {
            let rest = text.get(at..).unwrap_or_default();
            // A time does not begin in the middle of a word or of a number; `T` and `(` end a word.
            let begins = !(before.is_ascii_alphanumeric() || matches!(before, b'.' | b'-' | b'_'));
            let moved = match byte {
                _ if !begins => None,
                b'0'..=b'9' => {
                    self.iso(rest).or_else(|| self.web(rest)).or_else(|| self.number(rest))
                }
                b'A'..=b'Z' => self.bsd(rest),
                _ => None,
            };
            let step = moved.as_ref().map_or(1, Vec::len);
            if let (Some(moved), Some(place)) = (moved, out.get_mut(at..at + step)) {
                place.copy_from_slice(&moved);
            }
            before = text.get(at + step - 1).copied().unwrap_or(b' ');
            at += step;
        }
        out
    }

    fn moved(&self, micros: i64) -> Option<i64> {
        self.within.contains(&micros).then(|| micros + self.by)
    }

    /// `2026-10-14T06:07:41`, with a blank for the `T` too. What follows (fraction, zone) stays; the
    /// shift is one of whole seconds.
    fn iso(&self, text: &[u8]) -> Option<Vec<u8>> {
        let text = text.get(..19)?;
        let (date, clock) = (text.get(..10)?, text.get(11..)?);
        let [y @ .., b'-', m1, m2, b'-', d1, d2] = date else { return None };
        if !matches!(text.get(10)?, b'T' | b't' | b' ') {
            return None;
        }
        let day = days(number(y)?, number(&[*m1, *m2])?, number(&[*d1, *d2])?)?;
        let (day, clock) = civil(self.moved(day * DAY + time_of_day(clock)?)?, clock.len())?;
        let (y, m, d) = day;
        let mut out = format!("{y:04}-{m:02}-{d:02}").into_bytes();
        out.push(*text.get(10)?);
        out.extend(clock);
        Some(out)
    }

    /// `14/Oct/2026:06:07:41`.
    fn web(&self, text: &[u8]) -> Option<Vec<u8>> {
        let text = text.get(..20)?;
        let [d1, d2, b'/', month @ .., b'/', y1, y2, y3, y4, b':'] = text.get(..12)? else {
            return None;
        };
        let year = number(&[*y1, *y2, *y3, *y4])?;
        let day = days(year, month_of(month)?, number(&[*d1, *d2])?)?;
        let micros = self.moved(day * DAY + time_of_day(text.get(12..)?)?)?;
        let ((y, m, d), clock) = civil(micros, 8)?;
        let name = MONTHS.get(usize::try_from(m - 1).ok()?)?;
        let mut out = format!("{d:02}/{}/{y:04}:", String::from_utf8_lossy(*name)).into_bytes();
        out.extend(clock);
        Some(out)
    }

    /// `Oct 14 06:07:41`.
    fn bsd(&self, text: &[u8]) -> Option<Vec<u8>> {
        let text = text.get(..15)?;
        let month = month_of(text.get(..3)?)?;
        let [b' ', d1, d2, b' '] = text.get(3..7)? else { return None };
        let day = if *d1 == b' ' { number(&[*d2])? } else { number(&[*d1, *d2])? };
        let day = days(self.year, month, day)?;
        let micros = self.moved(day * DAY + time_of_day(text.get(7..)?)?)?;
        let ((_, m, d), clock) = civil(micros, 8)?;
        let name = MONTHS.get(usize::try_from(m - 1).ok()?)?;
        let mut out = format!("{} {d:2} ", String::from_utf8_lossy(*name)).into_bytes();
        out.extend(clock);
        Some(out)
    }

    /// Seconds (10 digits), milliseconds (13), microseconds (16) or nanoseconds (19) since 1970.
    fn number(&self, text: &[u8]) -> Option<Vec<u8>> {
        let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if text.get(length).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_') {
            return None;
        }
        let value = number(text.get(..length)?)?;
        let (micros, back): (i64, fn(i64, i64) -> i64) = match length {
            10 => (value * SECOND, |moved, _| moved / SECOND),
            13 => (value * 1000, |moved, _| moved / 1000),
            16 => (value, |moved, _| moved),
            19 => (value / 1000, |moved, was| moved * 1000 + was % 1000),
            _ => return None,
        };
        let moved = back(self.moved(micros)?, value).to_string().into_bytes();
        (moved.len() == length).then_some(moved)
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn month_of(name: &[u8]) -> Option<i64> {
    MONTHS.iter().position(|month| name == month.as_slice()).map(|at| at as i64 + 1)
}

/// `06:07:41` in microseconds.
fn time_of_day(text: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    let (h, m, s) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    (h < 24 && m < 60 && s < 60).then_some((h * 3600 + m * 60 + s) * SECOND)
}

/// Days since 1970 of a date (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(y: i64, m: i64, d: i64) -> Option<i64> {
    if !(1..=12).contains(&m) || !(1..=31).contains(&d) {
        return None;
    }
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let of_year = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
    let of_era = y.rem_euclid(400);
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// A date, as year, month and day, and a time of day as text of this many bytes.
fn civil(micros: i64, length: usize) -> Option<((i64, i64, i64), Vec<u8>)> {
    let days = micros.div_euclid(DAY) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let m = if month < 10 { month + 3 } else { month - 9 };
    let y = year + era * 400 + i64::from(m <= 2);
    let s = micros.rem_euclid(DAY) / SECOND;
    let clock = format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60).into_bytes();
    (clock.len() == length).then_some(((y, m, day), clock))
}

/// The year of a time.
pub(super) fn year(micros: i64) -> i64 {
    civil(micros, 8).map_or(1970, |((year, ..), _)| year)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifted(text: &str) -> String {
        // 2026-10-14 and the day after, moved by 50 days, one hour and a second.
        let first = 20_740 * DAY;
        let by = 50 * DAY + 3_601 * SECOND;
        let shift = Shift { within: first..=first + 2 * DAY, by, year: 2026 };
        String::from_utf8_lossy(&shift.text(text.as_bytes())).into_owned()
    }

    #[test]
    fn times_of_every_kind_are_moved() {
        for (was, is) in [
            ("2026-10-14T23:30:00.123Z x", "2026-12-04T00:30:01.123Z x"),
            ("\"2026-10-14 06:07:41\",", "\"2026-12-03 07:07:42\","),
            ("[14/Oct/2026:06:07:41 +0000]", "[03/Dec/2026:07:07:42 +0000]"),
            ("<34>Oct 14 06:07:41 host su:", "<34>Dec  3 07:07:42 host su:"),
            ("audit(1791966049.417:12)", "audit(1796289650.417:12)"),
            ("{\"t\":1791966049417}", "{\"t\":1796289650417}"),
            ("{\"t\": 1791966049417000001}", "{\"t\": 1796289650417000001}"),
        ] {
            assert_eq!(shifted(was), is);
        }
    }

    #[test]
    fn what_is_no_time_of_the_story_stays() {
        for text in [
            "2031-10-14T23:30:00Z",
            "2026-13-14T23:30:00Z",
            "id-1791966049417",
            "a1791966049417",
            "1791966049417abc",
            "17919660494179",
            "Oct 99 06:07:41",
            "é 2026-10-14",
        ] {
            assert_eq!(shifted(text), text);
        }
    }
}
