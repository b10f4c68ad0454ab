//! `normalize`: files to OCSF events on a stream, nothing kept.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use collect::{Evidence, Found, Input, Limits};
use model::{Flaw, Provenance, Record, inert_json};
use normalize::{Context, Mapper, Normalizer};
use ocsf::Export;

use crate::failure::{Failure, system};

/// What came of it.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Converted {
    /// Records read.
    pub records: u64,
    /// Events written.
    pub events: u64,
    /// Events that no definition knew.
    pub unrecognised: u64,
    /// What could not be read: where, and the flaw. The first thousand.
    pub flaws: Vec<(String, Flaw)>,
    /// How many flaws there were.
    pub flaw_count: u64,
}

/// Flaws that are handed back; all are counted.
const FLAWS: usize = 1_000;

/// Writes the events of everything that the inputs name, one JSON object a line. `spool` holds
/// temporary files. With `extensions`, classes of OCSF extensions (`win`) are written as such; without,
/// as base events that every reader of the core schema understands.
pub fn convert(
    normalizer: &Normalizer,
    inputs: &[Input],
    extensions: bool,
    spool: &Path,
    out: &mut dyn Write,
) -> Result<Converted, Failure> {
    crate::investigate::missing(inputs)?;
    let mut converter = Converter {
        mapper: normalizer.mapper(),
        extensions,
        out,
        done: Converted::default(),
        failure: None,
    };
    collect::walk(inputs, &Limits::default(), spool, crate::now(), &mut |found| {
        match found {
            Found::Evidence(evidence) => converter.evidence(&evidence),
            Found::Container(..) => {}
            Found::Flaw(origin, flaw) => converter.flaw(&origin, flaw),
        }
        if converter.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match converter.failure {
        // The reader of a pipe had enough; that is no failure.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(converter.done),
        Some(error) => Err(system("cannot write events")(error)),
        None => Ok(converter.done),
    }
}

struct Converter<'c> {
    mapper: Mapper<'c>,
    extensions: bool,
    out: &'c mut dyn Write,
    done: Converted,
    failure: Option<io::Error>,
}

impl Converter<'_> {
    fn evidence(&mut self, evidence: &Evidence) {
        let origin = &evidence.parcel.origin;
        let name = origin.rsplit('/').next().unwrap_or_default();
        let opened = evidence
            .open()
            .and_then(|stream| parse::Chunker::new(stream, name, parse::Limits::default()));
        let mut chunker = match opened {
            Ok(chunker) => chunker,
            Err(error) => return self.flaw(origin, io_flaw(&error)),
        };
        let parser = chunker.recognised().name();
        loop {
            match chunker.next() {
                Ok(Some(chunk)) => {
                    let mut sink = Sink { converter: self, evidence, parser };
                    chunk.reader.read(&chunk.bytes, chunk.offset, &mut sink);
                }
                Ok(None) => break,
                Err(error) => {
                    self.flaw(origin, io_flaw(&error));
                    break;
                }
            }
            if self.failure.is_some() {
                return;
            }
        }
        for flaw in chunker.take_flaws() {
            self.flaw(origin, flaw);
        }
    }

    fn flaw(&mut self, origin: &str, flaw: Flaw) {
        self.done.flaw_count += 1;
        if self.done.flaws.len() < FLAWS {
            self.done.flaws.push((origin.to_owned(), flaw));
        }
    }
}

struct Sink<'s, 'c> {
    converter: &'s mut Converter<'c>,
    evidence: &'s Evidence,
    parser: &'static str,
}

impl parse::Sink for Sink<'_, '_> {
    fn record(&mut self, record: Record<'_>) {
        let parcel = &self.evidence.parcel;
        let context = Context {
            parser: self.parser,
            received_at: parcel.received_at,
            modified: self.evidence.modified,
            origin: &parcel.origin,
            definition: None,
        };
        let normal = self.converter.mapper.normalize(&record, &context);
        let (definition, definition_version) =
            normal.definition.map_or(("", 0), |d| (&*d.name, d.version));
        let provenance = Provenance {
            parcel: parcel.digest,
            offset: record.offset,
            index: record.index,
            parser: self.parser,
            definition,
            definition_version,
        };
        let done = &mut self.converter.done;
        done.records += 1;
        done.events += 1;
        done.unrecognised += u64::from(normal.definition.is_none());
        let export = Export {
            raw: &record.raw,
            native: Some(&record.fields),
            core_only: !self.converter.extensions,
        };
        let event = normal.event.to_json_with(provenance.event_uid(), &export);
        let written =
            serde_json::to_string(&event).map_err(io::Error::from).and_then(|mut text| {
                text.push('\n');
                self.converter.out.write_all(inert_json(&text).as_bytes())
            });
        if let Err(error) = written {
            self.converter.failure.get_or_insert(error);
        }
        for flaw in record.flaws.iter().cloned().chain(normal.flaws) {
            self.converter.flaw(&parcel.origin, flaw);
        }
    }

    fn flaw(&mut self, flaw: Flaw) {
        let origin = self.evidence.parcel.origin.clone();
        self.converter.flaw(&origin, flaw);
    }
}

fn io_flaw(error: &io::Error) -> Flaw {
    Flaw {
        offset: 0,
        kind: model::FlawKind::Io,
        message: format!("cannot be read: {error}"),
        record_lost: false,
    }
}
