//! Times in the forms in which logs write them, read without allocation.
//!
//! Everything yields microseconds since 1970 UTC between the years 1 and 9999, or nothing.

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use model::{Micros, Value};

use crate::value::{Val, bare};

/// How a time is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    /// Any of the forms below, told apart by their look.
    Auto,
    /// `2026-11-22T13:00:00.123Z`, also with a blank for the `T`, with or without an offset.
    Rfc3339,
    /// A number since 1970; seconds, milli-, micro- or nanoseconds by its size.
    Unix,
    /// A number since 1970 of which this many make a second.
    UnixOf(i64),
    /// Windows: 100 nanoseconds since 1601.
    Filetime,
    /// `Nov 22 13:00:00`, the year taken from the context.
    Syslog,
    /// `22/Nov/2026:13:00:00 +0000`.
    Clf,
    /// A pattern in strftime's letters.
    Pattern(Box<str>),
}

/// The names of formats, for messages.
pub(crate) const NAMES: &[&str] = &[
    "auto", "rfc3339", "unix", "unix_s", "unix_ms", "unix_us", "unix_ns", "filetime", "syslog",
    "clf",
];

impl Format {
    /// Reads a name, or a pattern that holds a `%`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "auto" => Self::Auto,
            "rfc3339" => Self::Rfc3339,
            "unix" => Self::Unix,
            "unix_s" => Self::UnixOf(1),
            "unix_ms" => Self::UnixOf(1_000),
            "unix_us" => Self::UnixOf(1_000_000),
            "unix_ns" => Self::UnixOf(1_000_000_000),
            "filetime" => Self::Filetime,
            "syslog" => Self::Syslog,
            "clf" => Self::Clf,
            pattern if pattern.contains('%') => {
                // Letters that no time can be written with, no time can be read with.
                let any = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
                BrokenDownTime::from(&any).to_string(pattern).ok()?;
                Self::Pattern(pattern.into())
            }
            _ => return None,
        })
    }
}

/// What a time without year or zone is read by.
#[derive(Debug, Clone)]
pub(crate) struct Frame<'c> {
    /// The zone of times that name none.
    pub(crate) zone: &'c TimeZone,
    /// The latest that the record can be: a yearless time is in the year before it.
    pub(crate) latest: Micros,
}

const FIRST: i64 = -62_135_596_800_000_000; // 0001-01-01T00:00:00Z
const END: i64 = 253_402_300_799_999_999; // 9999-12-31T23:59:59.999999Z

/// Nothing outside the years 1 to 9999. The last hours of 9999, by which some products say "never",
/// are beyond what a time library can show in every zone and become the last that it can.
fn bounded(micros: i64) -> Option<Micros> {
    let last = Timestamp::MAX.as_second() * 1_000_000 - 1;
    (FIRST..=END).contains(&micros).then_some(Micros(micros.min(last)))
}

/// Reads a time in one format.
pub(crate) fn read(value: &Val<'_>, format: &Format, frame: &Frame<'_>) -> Option<Micros> {
    if let Val::Time(time) = value {
        return Some(*time);
    }
    let text = value.as_str().map(str::trim);
    match format {
        Format::Auto => match text {
            Some(text) => auto(text, frame),
            None => number(value, None),
        },
        Format::Rfc3339 => iso(text?, frame),
        Format::Unix => number(value, None),
        Format::UnixOf(per_second) => number(value, Some(*per_second)),
        Format::Filetime => {
            let ticks = value.int()?;
            bounded(ticks.checked_div(10)?.checked_sub(11_644_473_600_000_000)?)
        }
        Format::Syslog => syslog(text?, frame),
        Format::Clf => clf(text?, frame),
        Format::Pattern(pattern) => by_pattern(text?, pattern, frame),
    }
}

/// Reads a time in whichever form it has.
pub(crate) fn auto(text: &str, frame: &Frame<'_>) -> Option<Micros> {
    let bytes = text.as_bytes();
    match bytes {
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-' | b'/', ..] => iso(text, frame),
        [b'0'..=b'9', _, b'/', b'A'..=b'Z' | b'a'..=b'z', ..] => clf(text, frame),
        [b'[', ..] => clf(text.trim_matches(['[', ']']), frame),
        [b'0'..=b'9' | b'-', ..]
            if bytes.iter().skip(1).all(|b| b.is_ascii_digit() || *b == b'.') =>
        {
            number(&Val::Text(text.into()), None)
        }
        [b'A'..=b'Z' | b'a'..=b'z', ..] => syslog(text, frame).or_else(|| words(text, frame)),
        [b'0'..=b'9', ..] => words(text, frame),
        _ => None,
    }
}

/// The forms of everyday programs: RFC 2822, ctime, US dates, dates with day first by name.
fn words(text: &str, frame: &Frame<'_>) -> Option<Micros> {
    const PATTERNS: [&str; 9] = [
        "%a, %d %b %Y %H:%M:%S %z",
        "%d %b %Y %H:%M:%S",
        "%a %b %d %H:%M:%S%.f %Y",
        "%b %d, %Y %I:%M:%S %p",
        "%b %d, %Y %H:%M:%S",
        "%b %d %Y %H:%M:%S",
        "%m/%d/%Y %I:%M:%S %p",
        "%m/%d/%Y %H:%M:%S",
        "%Y%m%dT%H%M%SZ",
    ];
    if text.len() > 64 {
        return None;
    }
    let text = text.strip_suffix(" GMT").or_else(|| text.strip_suffix(" UTC")).unwrap_or(text);
    PATTERNS.iter().find_map(|pattern| {
        by_pattern(text, pattern, frame)
            .or_else(|| by_pattern(text, pattern.strip_suffix(" %z")?, frame))
    })
}

/// A number since 1970. Its unit is told by its size: below 10^11 seconds (the year 5138), then
/// milliseconds, microseconds and nanoseconds.
fn number(value: &Val<'_>, per_second: Option<i64>) -> Option<Micros> {
    if let Some(n) = exact(value) {
        let per_second = per_second.unwrap_or(match n.unsigned_abs() {
            0..100_000_000_000 => 1,
            100_000_000_000..100_000_000_000_000 => 1_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000_000,
            _ => 1_000_000_000,
        });
        return bounded(if per_second > 1_000_000 {
            n.div_euclid(per_second / 1_000_000)
        } else {
            n.checked_mul(1_000_000 / per_second)?
        });
    }
    // Seconds with a fraction are read digit by digit: a float loses microseconds.
    if let Some(text) = value.as_str()
        && matches!(per_second, None | Some(1))
        && let Some((whole, fraction)) = text.split_once('.')
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && let Ok(seconds) = whole.parse::<i64>()
        && seconds.unsigned_abs() < 100_000_000_000
    {
        let part = micros_of(fraction.as_bytes());
        let part = if whole.starts_with('-') { -part } else { part };
        return bounded(seconds.checked_mul(1_000_000)?.checked_add(part)?);
    }
    let x = value.float()?;
    let per_second = per_second.map_or_else(
        || match x.abs() {
            x if x < 1e11 => 1.0,
            x if x < 1e14 => 1e3,
            x if x < 1e17 => 1e6,
            _ => 1e9,
        },
        |n| n as f64,
    );
    let micros = (x / per_second * 1e6).round();
    (micros.abs() < 9e18).then_some(micros as i64).and_then(bounded)
}

/// A whole number; a float or a text with a fraction is none.
fn exact(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Int(n) => Some(*n),
        Val::Text(text) => text.trim().parse().ok(),
        Val::Ref(value) => exact_value(bare(value)),
        Val::Owned(value) => exact_value(bare(value)),
        _ => None,
    }
}

fn exact_value(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(n) => Some(*n),
        Value::UInt(n) => i64::try_from(*n).ok(),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The first six digits of a fraction, as microseconds.
fn micros_of(digits: &[u8]) -> i64 {
    let mut micros = 0;
    for place in 0..6 {
        let digit = digits.get(place).map_or(0, |b| i64::from(b - b'0'));
        micros = micros * 10 + digit;
    }
    micros
}

/// What a time says of its zone.
#[derive(Clone, Copy)]
enum Offset {
    Absent,
    /// East of UTC.
    Seconds(i64),
}

/// A cursor over the bytes of a time.
struct Cursor<'t> {
    bytes: &'t [u8],
}

impl Cursor<'_> {
    fn digits(&mut self, most: usize) -> Option<i64> {
        let mut n = 0i64;
        let mut seen = 0;
        while seen < most {
            match self.bytes.split_first() {
                Some((b @ b'0'..=b'9', rest)) => {
                    n = n * 10 + i64::from(b - b'0');
                    self.bytes = rest;
                    seen += 1;
                }
                _ => break,
            }
        }
        (seen > 0).then_some(n)
    }

    fn skip(&mut self, any: &[u8]) -> Option<()> {
        let (first, rest) = self.bytes.split_first()?;
        any.contains(first).then(|| self.bytes = rest)
    }

    fn blanks(&mut self) {
        while self.skip(b" ").is_some() {}
    }

    fn month(&mut self) -> Option<i64> {
        const MONTHS: [&[u8; 3]; 12] = [
            b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
            b"dec",
        ];
        let (name, rest) = self.bytes.split_at_checked(3)?;
        let place = MONTHS.iter().position(|m| name.eq_ignore_ascii_case(*m))?;
        self.bytes = rest;
        Some(place as i64 + 1)
    }

    /// `HH:MM[:SS[.fraction]]` as microseconds of the day.
    fn clock(&mut self) -> Option<i64> {
        let hour = self.digits(2)?;
        self.skip(b":")?;
        let minute = self.digits(2)?;
        let mut second = 0;
        let mut fraction = 0;
        if self.skip(b":").is_some() {
            second = self.digits(2)?;
            if self.skip(b".,").is_some() {
                let digits = self.bytes.iter().take_while(|b| b.is_ascii_digit()).count();
                let (head, rest) = self.bytes.split_at_checked(digits)?;
                fraction = micros_of(head);
                self.bytes = rest;
            }
        }
        // A leap second is the last of its minute.
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        Some(((hour * 60 + minute) * 60 + second.min(59)) * 1_000_000 + fraction)
    }

    /// `Z`, `+02:00`, `+0200`, `+02`, ` UTC`, or nothing at all.
    fn offset(&mut self) -> Option<Offset> {
        self.blanks();
        let sign = match self.bytes {
            [] => return Some(Offset::Absent),
            [b'Z' | b'z', rest @ ..]
            | [b'U', b'T', b'C', rest @ ..]
            | [b'G', b'M', b'T', rest @ ..] => {
                self.bytes = rest;
                return Some(Offset::Seconds(0));
            }
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.skip(b"+-")?;
        let hours = self.digits(2)?;
        let _ = self.skip(b":");
        let minutes = self.digits(2).unwrap_or(0);
        let seconds = sign * (hours * 3600 + minutes * 60);
        (hours < 24 && minutes < 60).then_some(Offset::Seconds(seconds))
    }

    fn end(&mut self) -> Option<()> {
        self.blanks();
        self.bytes.is_empty().then_some(())
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    const LENGTHS: [i64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let longest = *LENGTHS.get(usize::try_from(month - 1).ok()?)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if day < 1 || day > longest || (month == 2 && day == 29 && !leap) || !(1..=9999).contains(&year)
    {
        return None;
    }
    // Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn join(day: i64, clock: i64, offset: Offset, frame: &Frame<'_>) -> Option<Micros> {
    let local = day.checked_mul(86_400_000_000)?.checked_add(clock)?;
    match offset {
        Offset::Seconds(seconds) => bounded(local.checked_sub(seconds.checked_mul(1_000_000)?)?),
        Offset::Absent if *frame.zone == TimeZone::UTC => bounded(local),
        Offset::Absent => {
            let civil = Timestamp::from_microsecond(local).ok()?.to_zoned(TimeZone::UTC).datetime();
            in_zone(civil, frame)
        }
    }
}

fn in_zone(civil: DateTime, frame: &Frame<'_>) -> Option<Micros> {
    let zoned: Zoned = civil.to_zoned(frame.zone.clone()).ok()?;
    bounded(zoned.timestamp().as_microsecond())
}

/// RFC 3339 and its everyday relatives: `/` for `-`, a blank for the `T`, no seconds, no offset.
fn iso(text: &str, frame: &Frame<'_>) -> Option<Micros> {
    let mut at = Cursor { bytes: text.as_bytes() };
    let year = at.digits(4)?;
    at.skip(b"-/")?;
    let month = at.digits(2)?;
    at.skip(b"-/")?;
    let day = days(year, month, at.digits(2)?)?;
    if at.bytes.is_empty() {
        return join(day, 0, Offset::Absent, frame);
    }
    at.skip(b"Tt _")?;
    at.blanks();
    let clock = at.clock()?;
    let offset = at.offset()?;
    at.end()?;
    join(day, clock, offset, frame)
}

/// `22/Nov/2026:13:00:00 +0000`.
fn clf(text: &str, frame: &Frame<'_>) -> Option<Micros> {
    let mut at = Cursor { bytes: text.as_bytes() };
    let day = at.digits(2)?;
    at.skip(b"/- ")?;
    let month = at.month()?;
    at.skip(b"/- ")?;
    let day = days(at.digits(4)?, month, day)?;
    at.skip(b": ")?;
    let clock = at.clock()?;
    let offset = at.offset()?;
    at.end()?;
    join(day, clock, offset, frame)
}

/// `Nov 22 13:00:00`, also with a year before or after the clock and with a fraction. A time
/// without a year is the last such time that is not after the frame's latest (and one day: clocks
/// differ, and so do zones).
fn syslog(text: &str, frame: &Frame<'_>) -> Option<Micros> {
    const DAY: i64 = 86_400_000_000;
    let mut at = Cursor { bytes: text.as_bytes() };
    let month = at.month()?;
    at.skip(b" ")?;
    at.blanks();
    let day = at.digits(2)?;
    at.skip(b" ")?;
    at.blanks();
    let mut year = None;
    if let [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', ..] = at.bytes {
        year = at.digits(4);
        at.blanks();
    }
    let clock = at.clock()?;
    at.blanks();
    if let [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'] = at.bytes {
        year = at.digits(4);
    }
    let offset = at.offset()?;
    at.end()?;
    if let Some(year) = year {
        return join(days(year, month, day)?, clock, offset, frame);
    }
    let this_year = Timestamp::from_microsecond(frame.latest.0)
        .map_or(1970, |t| i64::from(t.to_zoned(TimeZone::UTC).year()));
    // Far enough back for a 29 February.
    (0..9).find_map(|back| {
        let time = join(days(this_year + 1 - back, month, day)?, clock, offset, frame)?;
        (time.0 <= frame.latest.0.saturating_add(DAY)).then_some(time)
    })
}

fn by_pattern(text: &str, pattern: &str, frame: &Frame<'_>) -> Option<Micros> {
    if text.len() > 128 {
        return None;
    }
    let parts = BrokenDownTime::parse(pattern, text).ok()?;
    if parts.offset().is_some() {
        return bounded(parts.to_timestamp().ok()?.as_microsecond());
    }
    let civil = parts.to_datetime().or_else(|_| parts.to_date().map(|d| d.at(0, 0, 0, 0))).ok()?;
    in_zone(civil, frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto_text(text: &str) -> String {
        let latest: Micros = "2026-03-01T00:00:00Z".parse().unwrap_or_default();
        let frame = Frame { zone: &TimeZone::UTC, latest };
        read(&Val::Text(text.into()), &Format::Auto, &frame)
            .map_or_else(|| "none".to_owned(), |t| t.to_string())
    }

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("2026-11-22T13:00:00Z", "2026-11-22T13:00:00Z"),
            ("2026-11-22T13:00:00.123456789Z", "2026-11-22T13:00:00.123456Z"),
            ("2026-11-22 13:00:00,5", "2026-11-22T13:00:00.5Z"),
            ("2026-11-22T13:00:00+02:00", "2026-11-22T11:00:00Z"),
            ("2026-11-22T13:00:00 -0130", "2026-11-22T14:30:00Z"),
            ("2026-11-22 13:00 UTC", "2026-11-22T13:00:00Z"),
            ("2026/11/22", "2026-11-22T00:00:00Z"),
            ("1763816400", "2025-11-22T13:00:00Z"),
            ("1763816400123", "2025-11-22T13:00:00.123Z"),
            ("1763816400123456", "2025-11-22T13:00:00.123456Z"),
            ("1763816400123456789", "2025-11-22T13:00:00.123456Z"),
            ("1763816400.000001", "2025-11-22T13:00:00.000001Z"),
            ("-1.5", "1969-12-31T23:59:58.5Z"),
            ("Feb  9 10:11:12", "2026-02-09T10:11:12Z"),
            ("Nov 22 10:11:12", "2025-11-22T10:11:12Z"),
            ("Mar  1 10:11:12", "2026-03-01T10:11:12Z"),
            ("Feb 29 10:11:12", "2024-02-29T10:11:12Z"),
            ("Nov 22 10:11:12.5 2019", "2019-11-22T10:11:12.5Z"),
            ("22/Nov/2026:13:00:00 +0100", "2026-11-22T12:00:00Z"),
            ("[22/Nov/2026:13:00:00 +0000]", "2026-11-22T13:00:00Z"),
            ("Sun, 22 Nov 2026 13:00:00 +0000", "2026-11-22T13:00:00Z"),
            ("Sun, 22 Nov 2026 13:00:00 GMT", "2026-11-22T13:00:00Z"),
            ("Sun Nov 22 13:00:00 2026", "2026-11-22T13:00:00Z"),
            ("Mon Feb 09 16:47:55.974089 2026", "2026-02-09T16:47:55.974089Z"),
            ("11/22/2026 1:00:00 PM", "2026-11-22T13:00:00Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-30T21:59:59.999999Z"),
            ("9999-12-31T23:59:59-14:00", "none"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00Z", "none"),
            ("2026-02-29T00:00:00Z", "none"),
            ("2026-13-01T00:00:00Z", "none"),
            ("2026-11-22T25:00:00Z", "none"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
            ("9223372036854775807", "2262-04-11T23:47:16.854775Z"),
            ("99999999999999999999999", "none"),
            ("", "none"),
            ("-", "none"),
            ("é", "none"),
            ("2026-11-22Té", "none"),
        ] {
            assert_eq!(auto_text(text), expected, "{text}");
        }
    }

    #[test]
    fn zones_patterns_and_ticks() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let frame = Frame { zone: &zone, latest: Micros(0) };
        let read = |text: &str, format: &str| {
            let format = Format::named(format);
            format
                .and_then(|f| read(&Val::Text(text.into()), &f, &frame))
                .map_or_else(|| "none".to_owned(), |t| t.to_string())
        };
        assert_eq!(read("2026-11-22 13:00:00", "rfc3339"), "2026-11-22T11:00:00Z");
        assert_eq!(read("22.11.2026 13:00", "%d.%m.%Y %H:%M"), "2026-11-22T11:00:00Z");
        assert_eq!(read("20261122", "%Y%m%d"), "2026-11-21T22:00:00Z");
        assert_eq!(read("133451232000000000", "filetime"), "2023-11-22T10:40:00Z");
        assert_eq!(read("100", "unix_ms"), "1970-01-01T00:00:00.1Z");
        assert_eq!(Format::named("%Y-%!"), None);
        assert_eq!(Format::named("yesterday"), None);
    }
}
