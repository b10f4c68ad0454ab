//! The live floor: the same data folder, alive. Deliveries come in and are acknowledged when they are on
//! the disk; one thread carries them through the pipeline
//! ([`line`](self::line)); one brings them to the lake ([`keeper`](self::keeper)); what is concluded
//! goes to the ledger at once, where people decide on it.

mod chores;
mod content;
mod costs;
mod fetch;
mod figures;
mod floor;
mod keeper;
mod line;
mod listeners;
mod own;
mod pressure;
mod reading;
mod restore;
mod saved;
mod steady;
mod switch;
mod triaging;
mod watermark;

pub(crate) use chores::save_shut_off;
pub use content::ContentRefused;
pub use costs::{Cost, RuleInForce, ShutOff};
pub use fetch::{FetcherStatus, LastError};
pub use figures::{LineHealth, Notice, Trouble};
pub(crate) use floor::blocking;
pub use floor::{Floor, FloorOptions, Status};
pub use keeper::KeeperHealth;
pub use listeners::{Socket, SocketFiles, SocketKind, SocketStatus};
pub(crate) use own::{Edit, Edited, edit as edit_rule, saved, sound, version};
pub(crate) use switch::{Switch, switch as switch_rule};

use crate::failure::{Failure, Kind};

/// Rows that the ledger gives at a time where a list is read from an offset on.
const ROWS: usize = 500;

/// The whole of a list that is read from an offset on.
pub(crate) async fn everything<T, F>(mut read: impl FnMut(u32) -> F) -> Result<Vec<T>, Failure>
where
    F: Future<Output = ledger::Result<Vec<T>>>,
{
    let mut all = Vec::new();
    loop {
        let rows = read(u32::try_from(all.len()).unwrap_or(u32::MAX)).await.map_err(from_ledger)?;
        let more = rows.len() == ROWS;
        all.extend(rows);
        if !more {
            return Ok(all);
        }
    }
}

/// A failure of the ledger, as whoever runs the floor is told of it.
fn trouble_of(error: ledger::LedgerError) -> Failure {
    let inside = error.inside().map(|inside| format!(" ({inside})")).unwrap_or_default();
    Failure::new(Kind::System, format!("{error}{inside}"))
}

/// A failure of the ledger, as a person is told of it. What lies behind it goes to the log.
pub(crate) fn from_ledger(error: ledger::LedgerError) -> Failure {
    use ledger::ErrorKind;
    if let Some(inside) = error.inside() {
        tracing::warn!(inside, "the ledger failed");
    }
    let kind = match error.kind() {
        _ if matches!(error, ledger::LedgerError::Conflict { .. }) => Kind::Outdated,
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::Conflict | ErrorKind::Closed => Kind::Conflict,
        ErrorKind::Invalid => Kind::Usage,
        ErrorKind::Busy | ErrorKind::Unavailable => Kind::System,
        ErrorKind::Corrupt => Kind::Defect,
    };
    Failure::new(kind, error.to_string())
}
