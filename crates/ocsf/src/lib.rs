//! The OCSF 1.8.0 schema as columns and types, and validation.
//!
//! Three things live here. The schema itself ([`class`], [`resolve`]), as static tables that
//! `cargo xtask ocsf` writes from the schema's JSON export. The columns of the lake ([`COLUMNS`]):
//! the few hundred OCSF paths that are worth a column of their own. And the [`Event`]: values for
//! those columns, cheap to fill, that can be written out as a whole OCSF event ([`Event::to_json`])
//! which passes [`check`], the validator.
//!
//! This room does no I/O and knows no product: which field of which product means what is said in a
//! source definition (`normalize`).

mod check;
mod column;
mod columns;
mod complete;
mod event;
#[rustfmt::skip]
#[allow(clippy::all, clippy::pedantic)] // Tables, written by a machine for a machine.
mod generated;
mod json;
mod observable;
mod schema;
mod values;

pub use check::{Problem, ProblemKind, check};
pub use column::{Column, ColumnId, Kind, column, column_named};
pub use columns::COLUMNS;
pub use event::{Event, Scalar};
pub use json::Export;
pub use observable::Observable;
pub use schema::{
    Attribute, AttributeType, Class, Enumeration, Object, ObjectId, ProfileSet, Requirement, Shape,
    Type, VERSION, class, class_by_uid, classes, resolve,
};
