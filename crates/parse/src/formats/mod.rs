//! The table of formats. A format is one file here, one row, one folder of fixtures.

mod auditd;
mod cef;
mod delimited;
mod evtx;
mod journal_export;
mod json;
mod keyvalue;
mod leef;
mod lines;
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
