//! Ids of what people make: a prefix and a running number, short enough to be said aloud.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{LedgerError, Result};
use crate::sql::{Arg, Cell, FromCell, sql};
use crate::tx::Tx;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// What the written form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// The next one.
            pub(crate) async fn next(tx: &mut Tx) -> Result<Self> {
                next(tx, $prefix).await.map(Self)
            }

            /// The number alone.
            pub fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = LedgerError;

            fn from_str(text: &str) -> Result<Self> {
                let number = text.strip_prefix($prefix).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
                number.and_then(|n| n.parse().ok()).map(Self).ok_or_else(|| {
                    LedgerError::invalid("id", concat!("expected `", $prefix, "` and a number"))
                })
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

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let pattern = concat!("^", $prefix, "[0-9]{1,18}$");
                json_schema!({ "type": "string", "pattern": pattern })
            }
        }

        impl From<$name> for Arg {
            fn from(id: $name) -> Self {
                Self::from(id.0)
            }
        }

        impl From<Option<$name>> for Arg {
            fn from(id: Option<$name>) -> Self {
                Self::from(id.map(|id| id.0))
            }
        }

        impl FromCell for $name {
            fn from_cell(cell: Cell) -> Option<Self> {
                i64::from_cell(cell).map(Self)
            }
        }
    };
}

row_id!(
    /// A comment.
    CommentId, "c-"
);
row_id!(
    /// A task of an incident.
    TaskId, "t-"
);
row_id!(
    /// A merge of two incidents.
    MergeId, "m-"
);
row_id!(
    /// A suppression.
    SuppressionId, "s-"
);
row_id!(
    /// A search that was given a name.
    SearchId, "q-"
);
row_id!(
    /// A user.
    UserId, "u-"
);
row_id!(
    /// A session of a user.
    SessionId, "l-"
);
row_id!(
    /// A token for the API.
    TokenId, "k-"
);
row_id!(
    /// One who delivers logs.
    SenderId, "d-"
);

/// The next number of a kind.
pub(crate) async fn next(tx: &mut Tx, name: &'static str) -> Result<i64> {
    let query = sql("INSERT INTO counters (name, last) VALUES ($1, 1) \
         ON CONFLICT (name) DO UPDATE SET last = counters.last + 1 RETURNING last");
    query.bind(name).one(tx).await?.get("last")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_what_they_write() {
        assert_eq!("t-17".parse(), Ok(TaskId(17)));
        assert_eq!(TaskId(17).to_string(), "t-17");
        for wrong in ["", "t-", "t--1", "t-+1", "c-17", "t-99999999999999999999", "t-1 "] {
            assert!(wrong.parse::<TaskId>().is_err(), "{wrong}");
        }
    }
}
