//! Telemetry at rest: Delta tables on local disk or any S3-compatible store.
//!
//! A lake is a folder with one Delta table for each row of [`Table`]. A [`Run`] writes: batches go to
//! a thread that sorts them, lays them down as Parquet and, at the end, makes one commit for each
//! table: what was read is added, what was concluded takes the place of earlier conclusions. Readers take a [`SnapshotTable`] of one version and need no lock.
//!
//! This room knows no SQL (that is `hunt`), no rule and no format.

mod batches;
mod cells;
mod delta;
mod error;
mod events;
mod files;
mod keep;
mod lake;
mod place;
mod provider;
mod rows;
mod run;
mod schema;
mod statistics;
mod tables;
mod tail;
mod writer;

pub use arrow::record_batch::RecordBatch;
pub use batches::{
    FlawRow, ParcelRow, RunRow, UnrecognisedRow, alerts_batch, findings_batch, flaws_batch,
    incidents_batch, matches_batch, parcels_batch, runs_batch, unrecognised_batch,
};
pub use error::{LakeError, Result};
pub use keep::Kept;
pub use lake::Lake;
pub use provider::SnapshotTable;
pub use rows::EventRows;
pub use run::{Committed, Run, RunWriter};
pub use schema::{Table, data_type, instant};
pub use tail::Tail;
