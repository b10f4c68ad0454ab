//! Instants. Events carry microseconds since 1970-01-01 UTC; nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
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
}
