//! The nouns of the watch floor, their typed ids, and what is always true of them.
//!
//! Every stage speaks in these words: a [`Parcel`] is brought in, [`Record`]s are read from it with
//! their [`Flaw`]s, events are made of records (crate `ocsf`), [`Finding`]s of events, [`Alert`]s of
//! findings, [`Incident`]s of alerts. Each noun names the one before it, so that any line of a
//! report walks back to the bytes.
//!
//! This room does no I/O, reads no clock and knows no format, product or vendor.

mod alert;
mod entity;
mod finding;
mod id;
mod inert;
mod logsource;
mod parcel;
mod record;
mod severity;
mod technique;
mod time;
mod value;
mod vantage;

pub use alert::{Alert, Incident, RiskPart, Tie, TieStrength};
pub use entity::{Entity, EntityKind};
pub use finding::{Finding, FindingKind, Match, MatchedField, Window};
pub use id::{
    AlertId, Digest, EventUid, FindingId, Hasher, IdError, IncidentId, UID_INDEXES, UID_OFFSETS,
};
pub use inert::{acts, inert, inert_json, shortened};
pub use logsource::LogSource;
pub use parcel::Parcel;
pub use record::{ENVELOPE, Flaw, FlawKind, Provenance, Record};
pub use severity::Level;
pub use technique::{Tactic, Technique};
pub use time::{Micros, TimeError, span_text};
pub use value::Value;
pub use vantage::Vantage;
