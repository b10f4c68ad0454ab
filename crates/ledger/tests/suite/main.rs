//! The ledger's tests, each over SQLite and over a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr, clippy::too_many_lines, clippy::unused_async)]

mod access;
mod alerts;
mod audit;
mod common;
mod incidents;
mod machinery;
mod opening;
mod random;
mod searches;
mod suppressions;
