//! The report's forms over three documents: a believable attack, an empty folder, hostile evidence.
//!
//! With `WATCHFLOOR_REPORT_OUT=DIR` every form of every document is also written there, to be
//! looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// Tests print what they measured or skipped.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod forms;
mod html;
mod indicators;
mod pdf;
mod sample;
