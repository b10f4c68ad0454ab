//! The table of formats. A format is one file here, one row, one folder of fixtures.

mod auditd;
mod bulk;
mod cef;
mod delimited;
mod evtx;
mod hec;
mod journal_export;
mod json;
mod keyvalue;
mod leef;
pub(crate) mod lines;
mod otlp;
mod syslog;
mod w3c;
mod weblog;
mod zeek;

use crate::Format;

pub(crate) use auditd::audit_fields;

/// Every format, in the order in which ties are decided. `lines` is last: it takes any text.
pub static FORMATS: &[&dyn Format] = &[
    &evtx::Evtx,
    &journal_export::JournalExport,
    &otlp::Otlp,
    &hec::Hec,
    &bulk::Bulk,
    &json::Json,
    &auditd::Auditd,
    &zeek::Zeek,
    &w3c::W3c,
    &cef::Cef,
    &leef::Leef,
    &weblog::Weblog,
    &syslog::Syslog,
    &delimited::Delimited,
    &keyvalue::KeyValue,
    &lines::Lines,
];

/// Those that a single event is written in, without a header that others share: what a text inside
/// of another format may be. In the same order.
pub(crate) static EVENTS: &[&dyn Format] = &[
    &json::Json,
    &auditd::Auditd,
    &cef::Cef,
    &leef::Leef,
    &weblog::Weblog,
    &syslog::Syslog,
    &keyvalue::KeyValue,
];

/// The one of them whose event goes on in the lines that follow it.
pub(crate) static CONTINUED: &dyn Format = &syslog::Syslog;
