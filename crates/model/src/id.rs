//! Typed identifiers. All are derived from what they name, never random: the same evidence gives
//! the same ids on every machine and after every crash.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// An id that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}: expected {expected}")]
pub struct IdError {
    what: &'static str,
    expected: &'static str,
    text: String,
}

/// SHA-256 of a parcel's bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes` held in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        read_hex(text).map(Self).ok_or_else(|| IdError {
            what: "SHA-256 digest",
            expected: "64 hexadecimal digits",
            text: text.chars().take(80).collect(),
        })
    }
}

/// Builds a derived id: length-prefixed parts into SHA-256, so that no two lists of parts collide
/// by running into each other.
#[derive(Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts a hash in a named domain (`"event"`, `"finding"` …).
    pub fn new(domain: &str) -> Self {
        Self(Sha256::new()).part(domain.as_bytes())
    }

    /// Adds one part.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, n: u64) -> Self {
        self.part(&n.to_le_bytes())
    }

    /// The first 16 bytes of the hash.
    pub fn finish(self) -> [u8; 16] {
        let full: [u8; 32] = self.0.finalize().into();
        let mut out = [0; 16];
        out.copy_from_slice(full.split_at(16).0);
        out
    }
}

macro_rules! derived_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// What the written form starts with.
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix).and_then(read_hex).map(Self).ok_or_else(|| IdError {
                    what: stringify!($name),
                    expected: concat!("`", $prefix, "` and 32 hexadecimal digits"),
                    text: text.chars().take(80).collect(),
                })
            }
        }

        impl From<Hasher> for $name {
            fn from(hasher: Hasher) -> Self {
                Self(hasher.finish())
            }
        }
    };
}

derived_id!(
    /// One event, named by its provenance (parcel, offset, position) and never by its content alone:
    /// two equal lines are two events. See [`EventUid::of`].
    EventUid, "e-"
);
derived_id!(
    /// One finding. A hash of the rule, its version, the group key, the window and the event ids.
    FindingId, "f-"
);
derived_id!(
    /// One alert: a rule on an entity within a window.
    AlertId, "a-"
);
derived_id!(
    /// One incident: alerts that share entities and time.
    IncidentId, "i-"
);

/// Offsets below this (one tebibyte) stand in an [`EventUid`] as they are.
pub const UID_OFFSETS: u64 = 1 << 40;
/// Positions below this stand in an [`EventUid`] as they are.
pub const UID_INDEXES: u32 = 1 << 24;

impl EventUid {
    /// The id of the record at `offset` and `index` of a parcel: eight bytes of the parcel's digest,
    /// five of the offset, three of the position. It is provenance itself and not a hash of it, so
    /// that a lake need not store it, can find an event by it without reading the others, and any
    /// SQL engine can spell it. Beyond [`UID_OFFSETS`] or [`UID_INDEXES`] it is a hash of all three.
    pub fn of(parcel: &Digest, offset: u64, index: u32) -> Self {
        if offset >= UID_OFFSETS || index >= UID_INDEXES {
            return Hasher::new("event")
                .part(&parcel.0)
                .number(offset)
                .number(u64::from(index))
                .into();
        }
        let [d0, d1, d2, d3, d4, d5, d6, d7, ..] = parcel.0;
        let [.., o0, o1, o2, o3, o4] = offset.to_be_bytes();
        let [_, i0, i1, i2] = index.to_be_bytes();
        Self([d0, d1, d2, d3, d4, d5, d6, d7, o0, o1, o2, o3, o4, i0, i1, i2])
    }

    /// What [`EventUid::of`] put in: the first eight bytes of the digest, the offset, the position.
    /// Means nothing for an id that is a hash.
    pub fn place(self) -> ([u8; 8], u64, u32) {
        let [d0, d1, d2, d3, d4, d5, d6, d7, o0, o1, o2, o3, o4, i0, i1, i2] = self.0;
        (
            [d0, d1, d2, d3, d4, d5, d6, d7],
            u64::from_be_bytes([0, 0, 0, o0, o1, o2, o3, o4]),
            u32::from_be_bytes([0, i0, i1, i2]),
        )
    }
}

macro_rules! serde_as_text {
    ($($name:ident $pattern:literal),*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(
    Digest "^[0-9a-fA-F]{64}$",
    EventUid "^e-[0-9a-fA-F]{32}$",
    FindingId "^f-[0-9a-fA-F]{32}$",
    AlertId "^a-[0-9a-fA-F]{32}$",
    IncidentId "^i-[0-9a-fA-F]{32}$"
);

/// Writes up to 32 bytes at once: a run writes hundreds of thousands of ids.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' - 10 + half };
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            (*high, *low) = (digit(byte >> 4), digit(byte & 15));
        }
    }
    let text = text.get(..bytes.len() * 2).and_then(|text| std::str::from_utf8(text).ok());
    f.write_str(text.ok_or(fmt::Error)?)
}

fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != N * 2 {
        return None;
    }
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    let mut out = [0; N];
    for (slot, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *slot = digit(*high)? << 4 | digit(*low)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_what_they_write() {
        let id = EventUid::from(Hasher::new("event").number(7).part(b"x"));
        assert_eq!(id.to_string().parse::<EventUid>(), Ok(id));
        assert!(id.to_string().parse::<AlertId>().is_err());
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        assert!(digest.to_string().starts_with("ba7816bf"));
    }

    #[test]
    fn event_uids_name_their_place() {
        let parcel = Digest::of(b"abc");
        let uid = EventUid::of(&parcel, 0x12_3456_789a, 7);
        assert_eq!(uid.to_string(), "e-ba7816bf8f01cfea123456789a000007");
        assert_eq!(uid.place().1, 0x12_3456_789a);
        assert_eq!(uid.place().2, 7);
        let far = [(UID_OFFSETS, 0), (UID_OFFSETS + 1, 0), (0, UID_INDEXES), (0, UID_INDEXES + 1)];
        let ids: std::collections::BTreeSet<_> =
            far.into_iter().map(|(offset, index)| EventUid::of(&parcel, offset, index)).collect();
        assert_eq!(ids.len(), far.len());
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let one = Hasher::new("d").part(b"ab").part(b"c").finish();
        let two = Hasher::new("d").part(b"a").part(b"bc").finish();
        assert_ne!(one, two);
    }
}
