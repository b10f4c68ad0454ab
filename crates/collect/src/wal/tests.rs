//! What a crash, a failing disk or a flipped bit may do to the log, and what it may not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod faults;
mod model;

pub(super) use faults::Faults;
