//! Reading a whole parcel at once: for tests, fuzzing and `normalize FILE`.

use model::{Flaw, Record};

use crate::{Chunker, Format, Limits, Sink};

/// All that was read from a parcel.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The format's name, or what the bytes look like when no format reads them.
    pub format: &'static str,
    /// The records, in the order of the bytes.
    pub records: Vec<Record<'static>>,
    /// What could not be read, the flaws of the records left out.
    pub flaws: Vec<Flaw>,
}

impl Sink for Reading {
    fn record(&mut self, record: Record<'_>) {
        self.records.push(Record {
            offset: record.offset,
            index: record.index,
            raw: record.raw.into_owned().into(),
            fields: record.fields.into_owned(),
            syntax: record.syntax,
            flaws: record.flaws,
        });
    }

    fn flaw(&mut self, flaw: Flaw) {
        self.flaws.push(flaw);
    }
}

/// Reads bytes that are all in memory.
pub fn read_all(bytes: &[u8], name: &str) -> Reading {
    read_with(bytes, name, Limits::default())
}

/// Reads bytes with limits other than the usual ones.
pub fn read_with(bytes: &[u8], name: &str, limits: Limits) -> Reading {
    drain(Chunker::new(bytes, name, limits))
}

/// Reads bytes as a format, whatever they look like.
pub fn read_as(bytes: &[u8], format: &'static dyn Format, limits: Limits) -> Reading {
    drain(Chunker::with_format(bytes, "", limits, format))
}

fn drain(chunker: std::io::Result<Chunker<&[u8]>>) -> Reading {
    let mut reading = Reading { format: "", records: Vec::new(), flaws: Vec::new() };
    // Reading from memory does not fail; were it to, what was read until then still counts.
    let Ok(mut chunker) = chunker else { return reading };
    while let Ok(Some(chunk)) = chunker.next() {
        chunk.reader.read(&chunk.bytes, chunk.offset, &mut reading);
    }
    reading.format = chunker.recognised().name();
    reading.flaws.extend(chunker.take_flaws());
    reading.flaws.sort_by_key(|flaw| flaw.offset);
    reading
}
