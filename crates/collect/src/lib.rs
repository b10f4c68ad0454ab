//! Parcels: evidence brought in from files, folders, archives, standard input and the network.
//!
//! [`walk`] goes through what a person named and hands out [`Evidence`], one parcel at a time, each
//! hashed (SHA-256) before anything parses it. Archives (zip, tar, gzip, zstd, bzip2, xz, nested)
//! are opened as they are met; a member's name is never used as a path on disk, so nothing an
//! archive says can be written anywhere. What could not be brought in is said as a
//! [`Flaw`](model::Flaw), never dropped.
//!
//! What comes over the network is a [`Delivery`]: [`sockets`] receive them, [`http`] is what senders say
//! over HTTP (the logic of their protocols, which a web layer mounts), and the [`Wal`](wal::Wal) keeps them
//! until they have been read. What is acknowledged is on the disk; what is not taken is refused. What the
//! house fetches by itself ([`tail`], [`poll`]) goes the same way, one [`Fetcher`] for each source, and where
//! it was left off goes into the log beside the bytes.
//!
//! This room knows no log format and no product: where the bytes come from, and nothing of what
//! they mean.

mod allowance;
mod body;
pub mod bucket;
mod budget;
mod client;
mod container;
mod delivery;
mod expand;
mod fetch;
pub mod http;
pub mod poll;
mod secret;
pub mod sockets;
pub mod tail;
mod wake;
pub mod wal;
mod walk;

pub use allowance::Allowance;
pub use body::Body;
pub use budget::Limits;
pub use client::{Client, ClientError};
pub use container::Container;
pub use delivery::{Clock, Cursor, Delivery, Full, Intake, Offer, Position, Receipt, Refusal, Tag};
pub use fetch::{Desk, Fetcher, Halt, Moment, Piece, Rest};
pub use secret::{Secret, SecretError, SecretSource};
pub use wake::Wake;
pub use walk::{Evidence, Found, Input, Survey, survey, walk};
