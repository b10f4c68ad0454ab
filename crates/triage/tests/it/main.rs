//! Triage from outside: a told story, the traps of gluing, and what must always hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod gluing;
mod make;
mod properties;
mod story;
