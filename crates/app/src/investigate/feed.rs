//! The feed: one thread walks the evidence and hashes it, another recognises each parcel and cuts it into chunks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use collect::{Evidence, Found, Input, Limits};
use lake::FlawRow;
use model::{Digest, Flaw, FlawKind, Micros, Parcel};

use crate::Meter;
use crate::pipeline::{Entry, Job, Work};

/// Parcels that are hashed before they are cut. Small ones of them are held in memory.
const AHEAD: usize = 4;

/// What the feed reports when everything has been handed out.
#[derive(Debug, Default)]
pub(crate) struct Fed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) flaws: Vec<FlawRow>,
    /// Parcels left out because an earlier run has read them.
    pub(crate) known: u64,
    /// Parcels that an earlier run has read and that were read again for the rules.
    pub(crate) again: BTreeSet<Digest>,
}

/// Where the feed takes from and what it must not read again.
pub(crate) struct Source<'s> {
    pub(crate) inputs: &'s [Input],
    pub(crate) spool: &'s Path,
    pub(crate) now: Micros,
    pub(crate) known: &'s BTreeSet<Digest>,
    /// Known parcels are read again, for the rules alone.
    pub(crate) again: bool,
}

/// Feeds the workers until the evidence ends, the person stops it, or nobody takes any more. While a
/// parcel is cut, the next ones are hashed: a large one would leave the workers waiting.
pub(crate) fn feed(source: &Source<'_>, meter: &Meter, work: &SyncSender<Work>) -> Fed {
    std::thread::scope(|scope| {
        let (send, found) = sync_channel(AHEAD);
        scope.spawn(move || {
            collect::walk(
                source.inputs,
                &Limits::default(),
                source.spool,
                source.now,
                &mut |found| {
                    let gone = meter.stopped() || send.send(found).is_err();
                    if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                },
            );
        });
        let mut feeder = Feeder { source, meter, work, seen: BTreeMap::new(), fed: Fed::default() };
        for found in found {
            if feeder.found(found).is_break() {
                break;
            }
        }
        feeder.fed
    })
}

struct Feeder<'f> {
    source: &'f Source<'f>,
    meter: &'f Meter,
    work: &'f SyncSender<Work>,
    /// Digest to origin: equal bytes are the same events, told once.
    seen: BTreeMap<Digest, String>,
    fed: Fed,
}

impl Feeder<'_> {
    fn found(&mut self, found: Found) -> ControlFlow<()> {
        match found {
            Found::Evidence(evidence) => return self.evidence(&evidence),
            Found::Container(parcel, kind) => self.container(parcel, kind.name()),
            Found::Flaw(origin, flaw) => {
                self.fed.flaws.push(FlawRow { parcel: None, origin, flaw });
            }
        }
        ControlFlow::Continue(())
    }

    fn container(&mut self, parcel: Parcel, kind: &str) {
        if !parcel.origin.contains("!/") {
            Meter::add(&self.meter.bytes_done, parcel.size);
        }
        if !self.source.known.contains(&parcel.digest) {
            self.enter(parcel, kind, "");
        }
    }

    fn evidence(&mut self, evidence: &Evidence) -> ControlFlow<()> {
        if self.meter.stopped() {
            return ControlFlow::Break(());
        }
        let parcel = evidence.parcel.clone();
        if parcel.origin.contains("!/") {
            Meter::add(&self.meter.bytes_total, parcel.size);
        }
        let size = parcel.size;
        let flow = self.read(parcel, evidence);
        Meter::add(&self.meter.parcels, 1);
        if let Read::Skipped = flow {
            Meter::add(&self.meter.bytes_done, size);
        }
        if let Read::Stopped = flow { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn read(&mut self, parcel: Parcel, evidence: &Evidence) -> Read {
        let known = self.source.known.contains(&parcel.digest);
        if known && !self.source.again {
            self.fed.known += 1;
            return Read::Skipped;
        }
        if known && !self.fed.again.insert(parcel.digest) {
            return Read::Skipped;
        }
        if parcel.size == 0 {
            self.enter(parcel, "", "empty");
            return Read::Skipped;
        }
        if let Some(first) = self.seen.get(&parcel.digest) {
            let note = format!("the same bytes as {first}; its events are told once");
            self.enter(parcel, "", &note);
            return Read::Skipped;
        }
        self.seen.insert(parcel.digest, parcel.origin.clone());
        let opened = evidence.open().and_then(|stream| {
            let name = parcel.origin.rsplit('/').next().unwrap_or_default();
            parse::Chunker::new(stream, name, parse::Limits::default())
        });
        let mut chunker = match opened {
            Ok(chunker) => chunker,
            Err(error) => {
                self.flaw(&parcel, io_flaw(0, &error));
                self.enter(parcel, "", "could not be read");
                return Read::Skipped;
            }
        };
        let Some(format) = chunker.format() else {
            let note = format!("not read: looks like {}", chunker.recognised().name());
            for flaw in chunker.take_flaws() {
                self.flaw(&parcel, flaw);
            }
            self.enter(parcel, "", &note);
            return Read::Skipped;
        };
        let job = Arc::new(Job {
            index: self.fed.entries.len(),
            modified: evidence.modified,
            parser: format.name(),
            definition: None,
            labels: [].into(),
            parcel: parcel.clone(),
            known,
        });
        self.enter(parcel, format.name(), "");
        let mut end = 0;
        let flow = loop {
            if self.meter.stopped() {
                break Read::Stopped;
            }
            match chunker.next() {
                Ok(Some(chunk)) => {
                    end = chunk.offset + chunk.bytes.len() as u64;
                    if self.work.send(Work { job: Arc::clone(&job), chunk }).is_err() {
                        break Read::Stopped;
                    }
                }
                Ok(None) => break Read::Whole,
                Err(error) => {
                    self.flaw(&job.parcel, io_flaw(end, &error));
                    break Read::Whole;
                }
            }
        };
        for flaw in chunker.take_flaws().into_iter().chain(evidence.changed()) {
            self.flaw(&job.parcel, flaw);
        }
        flow
    }

    fn enter(&mut self, parcel: Parcel, format: &str, note: &str) {
        if self.fed.again.contains(&parcel.digest) {
            return;
        }
        let entry = Entry { parcel, format: format.to_owned(), note: note.to_owned() };
        self.fed.entries.push(entry);
    }

    fn flaw(&mut self, parcel: &Parcel, flaw: Flaw) {
        if self.fed.again.contains(&parcel.digest) {
            return;
        }
        let row = FlawRow { parcel: Some(parcel.digest), origin: parcel.origin.clone(), flaw };
        self.fed.flaws.push(row);
    }
}

enum Read {
    Whole,
    Skipped,
    Stopped,
}

fn io_flaw(offset: u64, error: &std::io::Error) -> Flaw {
    Flaw {
        offset,
        kind: FlawKind::Io,
        message: format!("cannot be read past byte {offset}: {error}"),
        record_lost: false,
    }
}
