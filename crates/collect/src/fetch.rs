//! The plug point of what is fetched: files that grow, buckets, vendors' APIs.
//!
//! Nothing that is fetched is acknowledged to anybody, so it is the place where it was left off that
//! must not run ahead of the log, and must not fall behind either: bytes that are fetched twice would be
//! other events. So the place travels with the bytes, in one frame of the log, and counts from there on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::{Flaw, Micros};

use crate::Cursor;

/// Bytes that were fetched, whole records, and where to go on when they are taken.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The bytes.
    pub bytes: Bytes,
    /// Where they come from, as a person would say it.
    pub origin: Arc<str>,
    /// What was wrong with them; offsets are into `bytes`.
    pub flaws: Vec<Flaw>,
    /// Where to go on.
    pub cursor: Cursor,
}

/// Why a fetcher must stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The floor closes.
    #[error("the floor closes")]
    Closing,
    /// What was handed in will never be taken, or cannot be kept.
    #[error("{0}")]
    Failed(String),
}

/// What a fetcher hands its pieces to.
pub trait Desk {
    /// Takes a piece; it is on the disk when this returns. While there is no room it waits.
    fn take(&mut self, piece: Piece) -> Result<(), Halt>;

    /// Keeps a place that was reached without bytes. It is a convenience: when it is lost, something is
    /// looked at again and nothing comes of it.
    fn keep(&mut self, cursor: Cursor) -> Result<(), Halt>;

    /// Forgets places that are of no use any more.
    fn forget(&mut self, names: &[String]) -> Result<(), Halt>;
}

/// When it is: for measuring, and the time of day.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For measuring.
    pub at: Instant,
    /// The time of day.
    pub time: Micros,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// When it makes sense to look again.
    pub wait: Duration,
    /// Bytes, or items, that are known to be there and were not fetched yet.
    pub behind: u64,
    /// What does not work. The rest goes on.
    pub troubles: Vec<String>,
}

/// Something that fetches.
pub trait Fetcher: Send {
    /// Fetches what is there, a bounded part of it, and hands it in.
    fn turn(&mut self, now: Moment, desk: &mut dyn Desk) -> Result<Rest, Halt>;

    /// Waits; true when something happened meanwhile that makes another turn worth while.
    fn wait(&mut self, within: Duration) -> bool {
        std::thread::sleep(within);
        false
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
