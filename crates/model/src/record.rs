//! What a parser reads from a parcel: records, and the flaws beside them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Digest, EventUid, Value};

/// The field of a record under which what its event was delivered in is kept, as the sender spelled
/// it: the host, source and time that a shipper put beside the event. It is the last field. An
/// event that was wrapped twice has the outer envelope inside of the inner one.
pub const ENVELOPE: &str = "_envelope";

/// One record as its source spelled it. It borrows from the chunk of bytes that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// Where its bytes begin in the parcel.
    pub offset: u64,
    /// Which record it is among those that begin at the same offset (0 but for formats that pack
    /// several records into one value, such as `{"Records": […]}`).
    pub index: u32,
    /// Its exact bytes where the format has a textual form; the parser's rendering where it has none
    /// (EVTX). Empty when `fields` is a map and its JSON form is the rendering.
    pub raw: Cow<'a, [u8]>,
    /// Its fields, in the source's own spelling: always a map.
    pub fields: Value<'a>,
    /// The parser whose syntax the fields have, a row of `parse`'s table, when it is not the parcel's
    /// own: a line of syslog that was delivered inside of JSON is `syslog`.
    pub syntax: Option<&'static str>,
    /// What of it could not be read.
    pub flaws: Vec<Flaw>,
}

impl Record<'_> {
    /// The parser whose syntax the fields have, in a parcel of this parser.
    pub fn syntax_in<'p>(&self, parser: &'p str) -> &'p str {
        self.syntax.unwrap_or(parser)
    }
}

/// Where an event comes from: enough to find its bytes again and to name it for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provenance<'a> {
    /// The parcel.
    pub parcel: Digest,
    /// Byte offset of the record in the parcel.
    pub offset: u64,
    /// Position among the records at that offset.
    pub index: u32,
    /// Name of the parser (a row of `parse`'s table).
    pub parser: &'a str,
    /// Name of the source definition; empty when none knew the record.
    pub definition: &'a str,
    /// Its version.
    pub definition_version: u32,
}

impl Provenance<'_> {
    /// The event's id: parcel, offset and position alone, so that a better parser or definition
    /// re-reads the same event rather than a new one.
    pub fn event_uid(&self) -> EventUid {
        EventUid::of(&self.parcel, self.offset, self.index)
    }
}

/// Something in the bytes that could not be read, with its place. A flaw never stops the reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// Byte offset in the parcel.
    pub offset: u64,
    /// What kind of flaw.
    pub kind: FlawKind,
    /// One sentence for a person. It may quote evidence: whoever shows it escapes it.
    pub message: String,
    /// True when a whole record was lost, false when a record came out with a part missing.
    pub record_lost: bool,
}

/// The kinds of flaw, stable names for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlawKind {
    /// The bytes end in the middle of a record.
    Truncated,
    /// The bytes break the format's syntax.
    Syntax,
    /// A checksum or magic number is wrong.
    Corrupt,
    /// Text is not valid in its encoding.
    Encoding,
    /// A limit was reached: line length, nesting, members, expanded size, ratio, time.
    Limit,
    /// Encrypted, or locked by a password.
    Encrypted,
    /// A form that is known but not supported.
    Unsupported,
    /// A time that could not be read or makes no sense.
    Time,
    /// A name that would lead outside (archive members), not followed.
    UnsafePath,
    /// The system would not give the bytes.
    Io,
}

impl FlawKind {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Syntax => "syntax",
            Self::Corrupt => "corrupt",
            Self::Encoding => "encoding",
            Self::Limit => "limit",
            Self::Encrypted => "encrypted",
            Self::Unsupported => "unsupported",
            Self::Time => "time",
            Self::UnsafePath => "unsafe_path",
            Self::Io => "io",
        }
    }
}
