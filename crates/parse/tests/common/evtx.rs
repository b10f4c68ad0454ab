//! Writes event logs, so that the fixtures are our own and tests can damage them where they want.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::struct_field_names
)]

const FILE_HEADER: usize = 4096;
const CHUNK: usize = 65536;

/// An event as it is to stand in the log.
pub struct Event {
    pub id: u64,
    /// Microseconds since 1970.
    pub time: i64,
    pub event_id: u16,
    pub provider: &'static str,
    pub computer: &'static str,
    /// `<Data Name="…">…</Data>`; without a name where the name is empty.
    pub data: Vec<(&'static str, String)>,
}

/// A whole file of chunks.
pub fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut header = vec![0; FILE_HEADER];
    header[..8].copy_from_slice(b"ElfFile\0");
    header[16..24].copy_from_slice(&(chunks.len().saturating_sub(1) as u64).to_le_bytes());
    header[24..32].copy_from_slice(&1u64.to_le_bytes());
    header[32..36].copy_from_slice(&128u32.to_le_bytes());
    header[36..38].copy_from_slice(&1u16.to_le_bytes());
    header[38..40].copy_from_slice(&3u16.to_le_bytes());
    header[40..42].copy_from_slice(&(FILE_HEADER as u16).to_le_bytes());
    header[42..44].copy_from_slice(&(chunks.len() as u16).to_le_bytes());
    let sum = evtx::checksum_ieee(&header[..120]);
    header[124..128].copy_from_slice(&sum.to_le_bytes());
    chunks.iter().fold(header, |file, chunk| [file, chunk.clone()].concat())
}

/// A chunk. `stale` events are written behind the live ones, where the log no longer knows them.
pub fn chunk(events: &[Event], stale: &[Event]) -> Vec<u8> {
    let mut out = vec![0; 512];
    let mut last = 0;
    for event in events {
        last = out.len();
        record(&mut out, event);
    }
    let free = out.len();
    let ids = |f: fn(&Event) -> u64, e: Option<&Event>| e.map_or(0, f).to_le_bytes();
    out[..8].copy_from_slice(b"ElfChnk\0");
    out[8..16].copy_from_slice(&ids(|e| e.id, events.first()));
    out[16..24].copy_from_slice(&ids(|e| e.id, events.last()));
    out[24..32].copy_from_slice(&ids(|e| e.id, events.first()));
    out[32..40].copy_from_slice(&ids(|e| e.id, events.last()));
    out[40..44].copy_from_slice(&128u32.to_le_bytes());
    out[44..48].copy_from_slice(&(last as u32).to_le_bytes());
    out[48..52].copy_from_slice(&(free as u32).to_le_bytes());
    for event in stale {
        record(&mut out, event);
    }
    assert!(out.len() <= CHUNK, "too many events for a chunk");
    out.resize(CHUNK, 0);
    sign(&mut out);
    out
}

/// Writes the checksums of a chunk anew.
pub fn sign(chunk: &mut [u8]) {
    let free = u32::from_le_bytes(chunk[48..52].try_into().unwrap()) as usize;
    let sum = evtx::checksum_ieee(&chunk[512..free]);
    chunk[52..56].copy_from_slice(&sum.to_le_bytes());
    let sum = evtx::checksum_ieee(&[&chunk[..120], &chunk[128..512]].concat());
    chunk[124..128].copy_from_slice(&sum.to_le_bytes());
}

fn record(out: &mut Vec<u8>, event: &Event) {
    let start = out.len();
    out.extend_from_slice(b"**\0\0\0\0\0\0");
    out.extend_from_slice(&event.id.to_le_bytes());
    out.extend_from_slice(&filetime(event.time).to_le_bytes());
    instance(out, event);
    out.resize(out.len().next_multiple_of(8) + 4, 0);
    let size = (out.len() + 4 - start) as u32;
    out.extend_from_slice(&size.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&size.to_le_bytes());
}

fn filetime(micros: i64) -> u64 {
    (micros as u64 + 11_644_473_600_000_000) * 10
}

/// A template with its definition in place, and its values.
fn instance(out: &mut Vec<u8>, event: &Event) {
    out.extend_from_slice(&[0x0F, 1, 1, 0, 0x0C, 1]);
    out.extend_from_slice(&(event.id as u32).to_le_bytes());
    let definition = out.len() + 4;
    out.extend_from_slice(&(definition as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[event.id as u8; 16]);
    let size = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[0x0F, 1, 1, 0]);
    event_element(out, event);
    out.push(0);
    let length = (out.len() - size - 4) as u32;
    out[size..size + 4].copy_from_slice(&length.to_le_bytes());

    let values: Vec<(u8, Vec<u8>)> = [
        (0x06, event.event_id.to_le_bytes().to_vec()),
        (0x11, filetime(event.time).to_le_bytes().to_vec()),
        (0x0A, event.id.to_le_bytes().to_vec()),
    ]
    .into_iter()
    .chain(event.data.iter().map(|(_, value)| (0x01, utf16(value))))
    .collect();
    out.extend_from_slice(&(values.len() as u32).to_le_bytes());
    for (kind, bytes) in &values {
        out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        out.extend_from_slice(&[*kind, 0]);
    }
    for (_, bytes) in &values {
        out.extend_from_slice(bytes);
    }
}

fn event_element(out: &mut Vec<u8>, event: &Event) {
    let xmlns = "http://schemas.microsoft.com/win/2004/08/events/event";
    element(out, "Event", &[("xmlns", Text::Literal(xmlns))], |out| {
        element(out, "System", &[], |out| {
            element(out, "Provider", &[("Name", Text::Literal(event.provider))], |_| {});
            element(out, "EventID", &[], |out| substitution(out, 0, 0x06));
            element(out, "TimeCreated", &[("SystemTime", Text::Value(1, 0x11))], |_| {});
            element(out, "EventRecordID", &[], |out| substitution(out, 2, 0x0A));
            element(out, "Channel", &[], |out| literal(out, "Security"));
            element(out, "Computer", &[], |out| literal(out, event.computer));
        });
        element(out, "EventData", &[], |out| {
            for (n, (name, _)) in event.data.iter().enumerate() {
                let named = [("Name", Text::Literal(name))];
                let attributes = if name.is_empty() { &[][..] } else { &named[..] };
                element(out, "Data", attributes, |out| substitution(out, 3 + n as u16, 0x01));
            }
        });
    });
}

/// The value of an attribute.
#[derive(Clone, Copy)]
enum Text<'a> {
    Literal(&'a str),
    Value(u16, u8),
}

fn element(
    out: &mut Vec<u8>,
    label: &str,
    attributes: &[(&str, Text<'_>)],
    content: impl FnOnce(&mut Vec<u8>),
) {
    out.push(if attributes.is_empty() { 0x01 } else { 0x41 });
    out.extend_from_slice(&0xFFFFu16.to_le_bytes());
    let size = out.len();
    out.extend_from_slice(&[0; 4]);
    name(out, label);
    if !attributes.is_empty() {
        let list = out.len();
        out.extend_from_slice(&[0; 4]);
        for (n, (key, value)) in attributes.iter().enumerate() {
            out.push(if n + 1 < attributes.len() { 0x46 } else { 0x06 });
            name(out, key);
            match value {
                Text::Literal(text) => literal(out, text),
                Text::Value(id, kind) => substitution(out, *id, *kind),
            }
        }
        let length = (out.len() - list - 4) as u32;
        out[list..list + 4].copy_from_slice(&length.to_le_bytes());
    }
    out.push(0x02);
    content(out);
    out.push(0x04);
    let length = (out.len() - size - 4) as u32;
    out[size..size + 4].copy_from_slice(&length.to_le_bytes());
}

/// A name, written where it is used.
fn name(out: &mut Vec<u8>, text: &str) {
    let at = out.len() + 4;
    out.extend_from_slice(&(at as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let hash = text.encode_utf16().fold(0u32, |h, c| h.wrapping_mul(65599).wrapping_add(c.into()));
    out.extend_from_slice(&(hash as u16).to_le_bytes());
    out.extend_from_slice(&(text.encode_utf16().count() as u16).to_le_bytes());
    out.extend_from_slice(&utf16(text));
    out.extend_from_slice(&[0, 0]);
}

fn literal(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&[0x05, 0x01]);
    out.extend_from_slice(&(text.encode_utf16().count() as u16).to_le_bytes());
    out.extend_from_slice(&utf16(text));
}

fn substitution(out: &mut Vec<u8>, id: u16, kind: u8) {
    out.push(0x0D);
    out.extend_from_slice(&id.to_le_bytes());
    out.push(kind);
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
