//! Instants. Events carry microseconds since 1970-01-01 UTC; nothing here reads a clock.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Microseconds since 1970-01-01T00:00:00Z, between the years 1 and 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub i64);

/// A time that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time in RFC 3339 form (2026-11-22T13:00:00Z)")]
pub struct TimeError(String);

impl Micros {
    /// From whole seconds; clamped at the ends of the range.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole milliseconds, rounded down: the unit of OCSF's `timestamp_t`.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The day, as `2026-11-22`.
    pub fn day(self) -> String {
        match Timestamp::from_microsecond(self.0) {
            Ok(t) => t.strftime("%Y-%m-%d").to_string(),
            Err(_) => "0000-00-00".to_owned(),
        }
    }

    /// For prose, in UTC: `2 November 2026, 09:14`.
    pub fn prose(self) -> String {
        self.written("%-d %B %Y, %H:%M")
    }

    /// For tables, in UTC: `2026-11-02 09:14:03`.
    pub fn table(self) -> String {
        self.written("%Y-%m-%d %H:%M:%S")
    }

    /// In a form of `strftime`; what is no date is written as a number of microseconds.
    pub fn written(self, form: &str) -> String {
        match Timestamp::from_microsecond(self.0) {
            Ok(t) => t.strftime(form).to_string(),
            Err(_) => self.to_string(),
        }
    }
}

/// A length of time in microseconds as people say it: `40 s`, `1 h 48 min`, `3 d 2 h`.
pub fn span_text(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, m) => format!("{m} min"),
        (0, h, 0) => format!("{h} h"),
        (0, h, m) => format!("{h} h {m} min"),
        (1, 0, _) => "24 h".to_owned(),
        (d, 0, _) => format!("{d} d"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

impl fmt::Display for Micros {
    /// RFC 3339 in UTC, with as many digits of a second as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(t) => fmt::Display::fmt(&t, f),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Micros {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<Timestamp>()
            .map(|t| Self(t.as_microsecond()))
            .map_err(|_| TimeError(text.chars().take(80).collect()))
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Micros {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["2026-11-22T13:00:00Z", "1999-12-31T23:59:59.000001Z"] {
            let time: Micros = text.parse().unwrap_or_default();
            assert_eq!(time.to_string(), text);
        }
        assert!("yesterday".parse::<Micros>().is_err());
        assert_eq!(Micros(-1).seconds(), -1);
        assert_eq!(Micros(i64::MAX).day(), "0000-00-00");
    }

    #[test]
    fn people_read_it() {
        let time: Micros = "2026-11-02T09:14:03.5Z".parse().unwrap_or_default();
        assert_eq!(time.prose(), "2 November 2026, 09:14");
        assert_eq!(time.table(), "2026-11-02 09:14:03");
        assert_eq!(Micros(i64::MAX).table(), "9223372036854775807 µs");
        assert_eq!(span_text(6_480_000_000), "1 h 48 min");
        assert_eq!(span_text(86_400_000_000), "24 h");
    }
}
