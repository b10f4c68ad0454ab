//! What can go wrong with the ledger: a sentence for whoever asked, and what lies behind it for
//! whoever runs it.

use serde::Serialize;
use serde_json::Value;

use crate::news::Kind;

/// The room's result.
pub type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// A failure of the ledger. `Display` is the sentence for whoever asked and tells nothing of the
/// machinery; [`LedgerError::inside`] is for whoever runs it. Neither holds a secret.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LedgerError {
    /// There is no such thing, or no longer.
    #[error("there is no {what} {id}")]
    NotFound {
        /// What was looked for.
        what: Kind,
        /// By which id.
        id: String,
    },
    /// Somebody else was first.
    #[error("{what} {id} has been changed meanwhile: expected version {expected}, it is {current}")]
    Conflict {
        /// What was to be changed.
        what: Kind,
        /// Which one.
        id: String,
        /// The version that the change was made for.
        expected: u64,
        /// The version that stands.
        current: u64,
        /// What stands now, as JSON.
        now: Box<Value>,
    },
    /// Something else has that name already.
    #[error("there is already a {what} with this {field}")]
    Exists {
        /// What was to be made.
        what: Kind,
        /// Which of its fields must be its own.
        field: &'static str,
    },
    /// An idempotency key came again with another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The incident is closed: it can be read, and reopened.
    #[error("incident {id} is closed; reopen it first")]
    Closed {
        /// The incident.
        id: String,
    },
    /// The incident lives on in another.
    #[error("incident {id} was merged into {into}; change that one, or undo the merge first")]
    Merged {
        /// The incident.
        id: String,
        /// Where it went.
        into: String,
    },
    /// The merge was undone before.
    #[error("merge {id} was undone already")]
    Undone {
        /// The merge.
        id: String,
    },
    /// What was asked for makes no sense.
    #[error("{field}: {why}")]
    Invalid {
        /// What is wrong.
        field: &'static str,
        /// Why, and what would be right.
        why: String,
    },
    /// The database is held by others, or does not answer, for longer than is worth waiting; try again.
    #[error("the ledger is busy; try again")]
    Busy {
        /// What the database said.
        inside: String,
    },
    /// The database cannot be reached, is full or refuses to work.
    #[error("the ledger is not available")]
    Unavailable {
        /// What the database said.
        inside: String,
    },
    /// What is stored is not what this program writes.
    #[error("the ledger holds something that it should not")]
    Corrupt {
        /// Where, and what.
        inside: String,
    },
}

/// The kinds of failure, by what one does about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Look for something else.
    NotFound,
    /// Look at what is there now, then decide again.
    Conflict,
    /// Reopen it, or go where it went.
    Closed,
    /// Ask differently.
    Invalid,
    /// Ask again.
    Busy,
    /// Mend the database's surroundings.
    Unavailable,
    /// Mend the database.
    Corrupt,
}

impl LedgerError {
    /// What kind it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Conflict { .. } | Self::Exists { .. } | Self::KeyReused | Self::Undone { .. } => {
                ErrorKind::Conflict
            }
            Self::Closed { .. } | Self::Merged { .. } => ErrorKind::Closed,
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
        }
    }

    /// What lies behind it, for the log; none where the sentence says all.
    pub fn inside(&self) -> Option<&str> {
        match self {
            Self::Busy { inside } | Self::Unavailable { inside } | Self::Corrupt { inside } => {
                Some(inside)
            }
            _ => None,
        }
    }

    pub(crate) fn not_found(what: Kind, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    pub(crate) fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid { field, why: why.into() }
    }

    /// Whether it spoils the whole transaction and not one of its items.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self.kind(), ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Corrupt)
    }

    /// Refuses a change that was decided on another version than the one that stands.
    pub(crate) fn check_version(
        (what, id): (Kind, impl ToString),
        expected: Option<u64>,
        current: u64,
        now: &impl Serialize,
    ) -> Result<()> {
        match expected {
            Some(expected) if expected != current => Err(Self::Conflict {
                what,
                id: id.to_string(),
                expected,
                current,
                now: Box::new(serde_json::to_value(now).unwrap_or_default()),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn corrupt(inside: impl Into<String>) -> Self {
        Self::Corrupt { inside: inside.into() }
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        let inside = error.to_string();
        match &error {
            sqlx::Error::Database(refused) => match refused.code().as_deref().map(meaning) {
                Some(ErrorKind::Busy) => Self::Busy { inside },
                Some(ErrorKind::Unavailable) => Self::Unavailable { inside },
                _ => Self::Corrupt { inside },
            },
            sqlx::Error::PoolTimedOut => Self::Busy { inside },
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::RowNotFound => Self::Corrupt { inside },
            _ => Self::Unavailable { inside },
        }
    }
}

/// What a database's code means: Postgres' have five characters (SQLSTATE), SQLite's are numbers up to
/// four digits whose low byte is the primary code.
fn meaning(code: &str) -> ErrorKind {
    if code.len() == 5 {
        return match code {
            // lock_not_available, query_canceled, serialization_failure, deadlock_detected.
            "55P03" | "57014" | "40001" | "40P01" => ErrorKind::Busy,
            // Connection, authorisation, resources, operator intervention, system.
            _ if ["08", "28", "3D", "53", "57", "58"]
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                ErrorKind::Unavailable
            }
            _ => ErrorKind::Corrupt,
        };
    }
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        // SQLITE_BUSY, SQLITE_LOCKED.
        5 | 6 => ErrorKind::Busy,
        // PERM, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, AUTH.
        3 | 7 | 8 | 9 | 10 | 13 | 14 | 23 => ErrorKind::Unavailable,
        // CORRUPT, NOTADB, and what this program should not have asked.
        _ => ErrorKind::Corrupt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_are_told_apart() {
        assert_eq!(meaning("5"), ErrorKind::Busy);
        assert_eq!(meaning("517"), ErrorKind::Busy);
        assert_eq!(meaning("55P03"), ErrorKind::Busy);
        assert_eq!(meaning("13"), ErrorKind::Unavailable);
        assert_eq!(meaning("53100"), ErrorKind::Unavailable);
        assert_eq!(meaning("26"), ErrorKind::Corrupt);
        assert_eq!(meaning("XX001"), ErrorKind::Corrupt);
    }
}
