//! Deliveries: bytes that came in over the network, and the promise that they are taken.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{Flaw, Micros};
use serde::{Deserialize, Serialize};

/// A body of bytes that one sender sent, and what is known of it before anything reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Id of the sender: short, as the configuration names it.
    pub sender: Arc<str>,
    /// Name of the format as which the bytes are to be read (a row of `parse::FORMATS`); empty when
    /// it is to be recognised by content.
    pub format: Arc<str>,
    /// The source definition that the sender is bound to.
    pub definition: Option<Arc<str>>,
    /// What the configuration says of everything that this sender sends.
    pub tags: Arc<[Tag]>,
    /// Where it came from, as a person would say it: `syslog tcp 10.0.0.7`.
    pub origin: Arc<str>,
    /// When its last byte was received.
    pub received_at: Micros,
    /// What was wrong with it on the way in (a message that was cut …); offsets are into `bytes`.
    pub flaws: Vec<Flaw>,
    /// Where whoever fetched it goes on from once it is taken: it is on the disk with the bytes or not
    /// at all.
    pub cursor: Option<Cursor>,
    /// The bytes, decompressed.
    pub bytes: Bytes,
}

/// Where something that is fetched was left off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Whose place it is. Of two with one name the later one holds.
    pub name: Arc<str>,
    /// The place, as whoever fetches writes it.
    pub value: Arc<str>,
}

impl fmt::Debug for Delivery {
    /// Without the bytes: they are evidence, and may be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("sender", &self.sender)
            .field("format", &self.format)
            .field("origin", &self.origin)
            .field("received_at", &self.received_at)
            .field("flaws", &self.flaws.len())
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// A name and a value that the configuration gives to a sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Its name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Arc<str>,
}

/// A place in the log: the number of a delivery. Numbers go up, have gaps, and are never used twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Position(pub u64);

impl Position {
    /// Before everything.
    pub const START: Self = Self(0);

    /// The place behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The delivery is on the disk: it may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its number.
    pub position: Position,
}

/// The delivery was not taken. Nothing of it is kept, and its sender must be told.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// There is no room for it now.
    #[error("{what}; there may be room in {} ms", retry_after.as_millis())]
    Full {
        /// What is full.
        what: Full,
        /// When it makes sense to try again.
        retry_after: Duration,
    },
    /// The disk does not take it.
    #[error("the disk does not take it: {0}")]
    Disk(#[source] Arc<io::Error>),
    /// It is larger than any delivery may be: it will never be taken.
    #[error("a delivery of {bytes} bytes is more than the {limit} that are taken at once")]
    TooLarge {
        /// Its size, with what is said of it.
        bytes: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// The log takes nothing any more.
    #[error("the log is closed")]
    Closed,
}

impl Refusal {
    /// When it makes sense to offer the same delivery again; `None` when it never will.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { retry_after, .. } => Some(*retry_after),
            Self::Disk(_) => Some(Duration::from_secs(5)),
            Self::TooLarge { .. } | Self::Closed => None,
        }
    }
}

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// More waits to be written than may: the disk is slower than the senders.
    Queue,
    /// The log has reached its quota: what reads it is slower than the senders.
    Quota,
    /// What was taken before takes too long to be read.
    Reading,
    /// The disk is full.
    Disk,
    /// The sender has delivered as much as it may for now.
    Allowance,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "more waits to be written than the disk can take",
            Self::Quota => "the log has reached its quota",
            Self::Reading => "what was taken before has not been read yet",
            Self::Disk => "the disk is full",
            Self::Allowance => "the sender has delivered as much as it may for now",
        })
    }
}

/// The answer to an offer, when it is there.
pub type Offer<'i> = Pin<Box<dyn Future<Output = Result<Receipt, Refusal>> + Send + 'i>>;

/// Takes deliveries. A receipt means that the delivery is on the disk; a refusal that nothing of it
/// is kept.
pub trait Intake: Send + Sync {
    /// Offers a delivery. Deliveries offered one behind the other are taken in that order.
    fn offer(&self, delivery: Delivery) -> Offer<'_>;
}

/// What the time is: given by whoever starts a receiver.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;
