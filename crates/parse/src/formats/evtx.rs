//! Windows event logs (EVTX): a header of 4 KiB, then chunks of 64 KiB that stand on their own.
//!
//! A record's fields are those of `evtx_dump -o json`. Every chunk is read alone, so that a damaged
//! one costs its own records and no more; records that the log has given up are recovered from the
//! slack of their chunk and marked with `recovered`, as `evtx_dump --recover-records` marks them.

mod slack;

use std::borrow::Cow;
use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;

use evtx::err::EvtxError;
use evtx::{ChunkFlags, EvtxChunk, EvtxChunkHeader, EvtxFileHeader, ParserSettings, checksum_ieee};
use model::{Flaw, FlawKind, Record, Value, inert, shortened};

use crate::json::parser::Parser;
use crate::{Cut, Cutter, Format, Head, Reader, Sink};
use slack::Slack;

const FILE_MAGIC: &[u8] = b"ElfFile\0";
const CHUNK_MAGIC: &[u8] = b"ElfChnk\0";
const RECORD_MAGIC: &[u8] = b"**\0\0";
const FILE_HEADER: usize = 4096;
const CHUNK: usize = 65536;
const CHUNK_HEADER: usize = 512;
const RECORD_HEADER: u64 = 24;
/// Characters of an error that are told.
const TOLD: usize = 240;

/// The format `evtx`.
pub(crate) struct Evtx;

impl Format for Evtx {
    fn name(&self) -> &'static str {
        "evtx"
    }

    fn about(&self) -> &'static str {
        "Windows event logs (EVTX)"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        if head.bytes.starts_with(FILE_MAGIC) {
            return 100;
        }
        // Its header may be damaged or missing; a chunk says in its own header how long that is.
        let sound = memchr::memmem::find_iter(head.bytes, CHUNK_MAGIC).any(|at| {
            let size = head.bytes.get(at + 40..).and_then(|rest| rest.first_chunk::<4>());
            size.is_some_and(|size| u32::from_le_bytes(*size) == 128)
        });
        if sound { 98 } else { 0 }
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        let settings =
            ParserSettings::default().indent(false).recover_records(true).validate_checksums(false);
        Box::new(Chunks { settings: Arc::new(settings), slack: Slack::default() })
    }
}

/// What stands at a place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// The file's header.
    Header,
    /// A chunk.
    Chunk,
    /// A chunk that was never used: nothing but NULs.
    Blank,
    /// Something else, up to the next chunk or as long as a chunk.
    Damaged,
    /// The bytes do not suffice to tell, or to read it.
    Short,
}

/// What stands at the front of `bytes`, and how long it is. `ends` says that a chunk follows them
/// rather than more of the same.
fn unit(bytes: &[u8], ends: bool) -> (Unit, usize) {
    if ends && bytes.len() < CHUNK && !bytes.starts_with(FILE_MAGIC) {
        return (Unit::Damaged, bytes.len());
    }
    if bytes.starts_with(FILE_MAGIC) {
        return (if bytes.len() < FILE_HEADER { Unit::Short } else { Unit::Header }, FILE_HEADER);
    }
    let Some(window) = bytes.get(..CHUNK) else { return (Unit::Short, bytes.len()) };
    if window.starts_with(CHUNK_MAGIC) {
        return (Unit::Chunk, CHUNK);
    }
    if window.iter().all(|b| *b == 0) {
        return (Unit::Blank, CHUNK);
    }
    // A file header that is damaged, or a file that was put together from pieces.
    match memchr::memmem::find(window, CHUNK_MAGIC) {
        Some(at) => (Unit::Damaged, at),
        None => (Unit::Damaged, CHUNK),
    }
}

/// Cuts between units.
struct Chunks {
    settings: Arc<ParserSettings>,
    slack: Slack,
}

impl Cutter for Chunks {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        let mut take = 0;
        let mut copies = HashSet::new();
        loop {
            let rest = window.get(take..).unwrap_or_default();
            match unit(rest, false) {
                (Unit::Short, _) => break,
                (kind, size) => {
                    if matches!(kind, Unit::Chunk | Unit::Damaged) {
                        let chunk = rest.get(..size).unwrap_or_default();
                        self.slack.note_copies(chunk, take, &mut copies);
                    }
                    take += size;
                }
            }
        }
        if last {
            take = window.len();
        }
        let settings = Arc::clone(&self.settings);
        Cut { take, reader: Arc::new(EvtxReader { settings, last, copies }) }
    }
}

/// Reads headers and chunks.
struct EvtxReader {
    settings: Arc<ParserSettings>,
    /// The file ends with what it reads.
    last: bool,
    /// Where, in what it reads, slack holds copies of records that stand elsewhere in the file.
    copies: HashSet<usize>,
}

impl Reader for EvtxReader {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let mut at = 0;
        while let Some(rest) = chunk.get(at..)
            && !rest.is_empty()
        {
            let (unit, size) = unit(rest, !self.last);
            let place = offset + at as u64;
            let bytes = rest.get(..size).unwrap_or(rest);
            match unit {
                Unit::Blank => {}
                Unit::Header => header(bytes, place, sink),
                Unit::Chunk => self.chunk(bytes, at, place, sink),
                Unit::Damaged => self.damaged(bytes, at, place, sink),
                Unit::Short => self.short(bytes, at, place, sink),
            }
            at += size;
        }
    }
}

impl EvtxReader {
    /// Reads the records of a chunk, which begins at `at` of what is read.
    fn chunk(&self, bytes: &[u8], at: usize, offset: u64, sink: &mut dyn Sink) {
        let header = match EvtxChunkHeader::from_bytes(bytes) {
            Ok(header) => header,
            Err(e) => {
                return sink
                    .flaw(flaw(offset, format!("a chunk's header cannot be read: {}", tell(&e))));
            }
        };
        if let Some(message) = wrong_checksum(bytes, &header) {
            sink.flaw(Flaw { record_lost: false, ..flaw(offset, message.to_owned()) });
        }
        let mut chunk = match EvtxChunk::new(bytes, &header, Arc::clone(&self.settings)) {
            Ok(chunk) => chunk,
            Err(e) => {
                return sink.flaw(flaw(offset, format!("a chunk cannot be read: {}", tell(&e))));
            }
        };
        for record in chunk.iter() {
            match record {
                Ok(record) => {
                    let place = record.binxml_offset.saturating_sub(RECORD_HEADER) as usize;
                    if !record.recovered || !self.copies.contains(&(at + place)) {
                        emit(record, offset, sink);
                    }
                }
                Err(e) => sink.flaw(lost(&e, offset)),
            }
        }
    }

    /// A place where a chunk should begin. When only its magic is gone it is read all the same.
    fn damaged(&self, bytes: &[u8], at: usize, offset: u64, sink: &mut dyn Sink) {
        let has_records = bytes.get(CHUNK_HEADER..).is_some_and(|r| r.starts_with(RECORD_MAGIC));
        if bytes.len() == CHUNK && has_records {
            let message = "a chunk's header is damaged; what its records still say is read";
            sink.flaw(Flaw { record_lost: false, ..flaw(offset, message.to_owned()) });
            let mut mended = bytes.to_vec();
            if let Some(magic) = mended.get_mut(..CHUNK_MAGIC.len()) {
                magic.copy_from_slice(CHUNK_MAGIC);
            }
            return self.chunk(&mended, at, offset, sink);
        }
        let message = if offset == 0 {
            "the file's header is damaged; its chunks are read all the same".to_owned()
        } else {
            format!("{} bytes that are no chunk are skipped", bytes.len())
        };
        let record_lost = memchr::memmem::find(bytes, RECORD_MAGIC).is_some();
        sink.flaw(Flaw { record_lost, ..flaw(offset, message) });
    }

    /// The end of a file that was cut off.
    fn short(&self, bytes: &[u8], at: usize, offset: u64, sink: &mut dyn Sink) {
        if bytes.iter().all(|b| *b == 0) {
            return;
        }
        let message =
            format!("the file ends in the middle: {} bytes of a chunk or header", bytes.len());
        sink.flaw(Flaw { kind: FlawKind::Truncated, ..flaw(offset, message) });
        if bytes.starts_with(CHUNK_MAGIC) && bytes.len() > CHUNK_HEADER {
            let mut padded = bytes.to_vec();
            padded.resize(CHUNK, 0);
            self.chunk(&padded, at, offset, sink);
        }
    }
}

/// Says what is wrong with the file's header. Nothing in it is needed to read the chunks.
fn header(bytes: &[u8], offset: u64, sink: &mut dyn Sink) {
    let message = match EvtxFileHeader::from_bytes(bytes) {
        Ok(header) if header.validate_checksum() => return,
        Ok(_) => "the file's header does not match its checksum".to_owned(),
        Err(e) => format!("the file's header cannot be read: {}", tell(&e)),
    };
    sink.flaw(Flaw { record_lost: false, ..flaw(offset, message) });
}

/// What the checksums of a chunk say, when they do not match.
fn wrong_checksum(bytes: &[u8], header: &EvtxChunkHeader) -> Option<&'static str> {
    if header.flags.contains(ChunkFlags::NO_CRC32) {
        return None;
    }
    let summed = [bytes.get(..120)?, bytes.get(128..CHUNK_HEADER)?].concat();
    if checksum_ieee(&summed) != header.header_chunk_checksum {
        return Some(
            "a chunk's header does not match its checksum; its records are read all the same",
        );
    }
    let records = bytes.get(CHUNK_HEADER..header.free_space_offset as usize);
    if records.is_none_or(|records| checksum_ieee(records) != header.events_checksum) {
        return Some("a chunk's records do not match its checksum; they are read all the same");
    }
    None
}

/// Gives a record to the sink.
fn emit(record: evtx::EvtxRecord<'_>, chunk: u64, sink: &mut dyn Sink) {
    let offset = chunk + record.binxml_offset.saturating_sub(RECORD_HEADER);
    let recovered = record.recovered;
    let rendered = match record.into_json() {
        Ok(rendered) => rendered,
        // What looked like a stale record was none.
        Err(_) if recovered => return,
        Err(e) => return sink.flaw(flaw(offset, format!("a record cannot be read: {}", tell(&e)))),
    };
    let mut parser = Parser::new(&rendered.data);
    let mut fields = parser.value_at(0);
    let mut flaws = Vec::new();
    if let Some(fault) = parser.faults().first() {
        flaws.push(Flaw { record_lost: false, ..flaw(offset, fault.message.to_owned()) });
    }
    if recovered && let Value::Map(entries) = &mut fields {
        entries.insert(0, (Cow::Borrowed("recovered"), Value::Bool(true)));
        let message = "recovered from slack space: the log had given this record up";
        flaws.push(Flaw { record_lost: false, ..flaw(offset, message.to_owned()) });
    }
    sink.record(Record { offset, index: 0, raw: Cow::Borrowed(&[]), fields, syntax: None, flaws });
}

/// The flaw of a record that cannot be read, at its place where the error knows it.
fn lost(error: &EvtxError, chunk: u64) -> Flaw {
    let at = match error {
        EvtxError::FailedToReadRecordAt { offset, .. } => *offset,
        _ => 0,
    };
    flaw(chunk + at, format!("a record cannot be read: {}", tell(error)))
}

fn flaw(offset: u64, message: String) -> Flaw {
    Flaw { offset, kind: FlawKind::Corrupt, message, record_lost: true }
}

/// An error with its causes. What it quotes of the log is made inert and short.
fn tell(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    inert(&shortened(&text, TOLD)).into_owned()
}
