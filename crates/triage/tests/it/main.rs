//! Triage from outside: a told story, the traps of gluing, and what must always hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// A told story is as long as it is.
#![allow(clippy::too_many_lines)]

mod gluing;
mod make;
mod properties;
mod story;
