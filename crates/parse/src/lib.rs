//! Syntax: bytes to records. One file for each format, one ordered table of them.
//!
//! A [`Chunker`] takes a stream of bytes, [`recognise`]s its format by content and lets the
//! format's [`Cutter`] decide where it may be cut. Cutting is sequential and cheap; each [`Chunk`]
//! is then read by its [`Reader`] on whatever thread is free. Records borrow from the chunk.
//!
//! Reading never fails: what cannot be read becomes a [`Flaw`](model::Flaw) with its offset, and the
//! reading goes on at the next line or element.
//!
//! This room knows no product, vendor or meaning; it does no I/O but for the `Read` that it is
//! given, reads no clock and spawns no thread.

mod chunker;
mod encoding;
mod fields;
mod format;
mod formats;
mod headed;
mod inner;
mod json;
mod line;
mod preamble;
mod reading;
mod recognise;
mod row;
mod seek;
mod timestamp;

pub use chunker::{Chunk, Chunker, Limits};
pub use format::{Cut, Cutter, Format, Head, Reader, Sink, Skip};
pub use formats::FORMATS;
pub use json::json_value;
pub use preamble::preamble;
pub use reading::{Reading, read_all, read_as, read_with};
pub use recognise::{Recognised, recognise};
