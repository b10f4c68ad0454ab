//! Deliveries through the pipeline: what one turn of the line reads, all of it or nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use collect::{Delivery, Position, Tag};
use detect::{Detector, Hit};
use lake::{EventRows, FlawRow, RecordBatch, Table, Tail};
use model::{Digest, Finding, Flaw, FlawKind, Level, Parcel};

use crate::Meter;
use crate::failure::{Failure, Kind};
use crate::pipeline::{Book, Entry, Job, Outlet, Shared, Work, Worker};
use crate::stages::Stages;

/// A delivery that has its name.
pub(crate) struct Numbered {
    pub(crate) delivery: Delivery,
    /// What its events are named after: see [`parcel_digest`].
    pub(crate) digest: Digest,
}

/// The digest that names a delivery's events. The first delivery of some bytes is named by the bytes,
/// as a file would be; the same bytes delivered again are other events, so the place in the log is
/// part of their name.
pub(crate) fn parcel_digest(bytes: Digest, first: Position, position: Position) -> Digest {
    if first == position {
        return bytes;
    }
    let mut again = bytes.0.to_vec();
    again.extend_from_slice(b"delivered again as number ");
    again.extend_from_slice(&position.0.to_be_bytes());
    Digest::of(&again)
}

/// What came of a turn's deliveries.
#[derive(Default)]
pub(crate) struct Made {
    /// Rows for the lake: events, flaws, what no definition knew, parcels.
    pub(crate) tail: Tail,
    pub(crate) findings: Vec<Finding>,
    pub(crate) hits: Vec<Hit>,
    /// By sender and source definition (empty where none knew the record).
    pub(crate) heard: BTreeMap<(Arc<str>, String), Heard>,
    pub(crate) events: u64,
}

/// What was heard of a source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heard {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) flaws: u64,
    pub(crate) unrecognised: u64,
    pub(crate) received_at: model::Micros,
    pub(crate) last_event: Option<model::Micros>,
}

/// Where the workers of a turn leave what they make.
#[derive(Default)]
struct Gathered {
    tail: Mutex<Tail>,
    findings: Mutex<Vec<Finding>>,
}

impl Outlet for Gathered {
    fn events(&self, rows: &mut EventRows) -> Result<(), String> {
        let batch = rows.finish().map_err(|e| e.to_string())?;
        self.rows(Table::Events, batch)
    }

    fn rows(&self, table: Table, batch: RecordBatch) -> Result<(), String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).push(table, batch);
        Ok(())
    }

    fn found(&self, findings: &mut Vec<Finding>) -> Result<(), String> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).append(findings);
        Ok(())
    }
}

/// Reads deliveries with the given detectors, one thread for each.
pub(crate) fn read(
    stages: &Stages,
    detectors: &mut Vec<Detector>,
    deliveries: &[Numbered],
    meter: &Meter,
) -> Result<Made, Failure> {
    let gathered = Gathered::default();
    let shared = Shared { stages, meter, outlet: &gathered, min_level: Level::Informational };
    let mut fed = Fed::default();
    for (index, one) in deliveries.iter().enumerate() {
        fed.delivery(index, one);
    }
    let next = &AtomicUsize::new(0);
    let busy = detectors.len().min(fed.works.len()).max(1);
    let workers: Vec<Worker<'_>> =
        detectors.drain(..).map(|detector| Worker::new(&shared, detector)).collect();
    let works = fed.works.as_slice();
    let mut ended = Vec::with_capacity(workers.len());
    std::thread::scope(|scope| {
        let mut workers = workers.into_iter();
        let first = workers.next();
        let others: Vec<_> = (1..busy)
            .filter_map(|_| workers.next())
            .map(|worker| scope.spawn(move || turn(worker, works, next)))
            .collect();
        ended.extend(workers.map(|worker| (worker, Ok(()))));
        ended.extend(first.map(|worker| turn(worker, works, next)));
        for other in others {
            match other.join() {
                Ok(done) => ended.push(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    let mut made = Made::default();
    let mut book = Book::default();
    let mut failed = None;
    for (mut worker, done) in ended {
        failed = failed.or(done.err());
        book.add(std::mem::take(&mut worker.book));
        made.hits.extend(worker.detector.take_hits());
        detectors.push(worker.detector);
    }
    if let Some(failure) = failed {
        return Err(Failure::new(Kind::System, failure));
    }
    made.tail = gathered.tail.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.findings = gathered.findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    finish(&mut made, fed, &book, deliveries).map_err(crate::investigate::from_lake)?;
    Ok(made)
}

/// Does work until there is none left.
fn turn<'s>(
    mut worker: Worker<'s>,
    works: &[Work],
    next: &AtomicUsize,
) -> (Worker<'s>, Result<(), String>) {
    let mut done = Ok(());
    while let Some(work) = works.get(next.fetch_add(1, Ordering::Relaxed)) {
        done = done.and_then(|()| worker.take(work));
    }
    let done = done.and_then(|()| worker.finish());
    (worker, done)
}

/// Adds what only the end of a turn knows.
fn finish(made: &mut Made, fed: Fed, book: &Book, deliveries: &[Numbered]) -> lake::Result<()> {
    let mut parcels = book.parcels(&fed.entries);
    for (flaw, parcel) in fed.flaws.iter().zip(&fed.flawed) {
        if let Some(row) = parcels.get_mut(*parcel) {
            row.flaws += 1;
            row.lost += u64::from(flaw.flaw.record_lost);
            row.records += u64::from(flaw.flaw.record_lost);
        }
    }
    for (index, one) in deliveries.iter().enumerate() {
        let Some(row) = parcels.get(index) else { continue };
        made.events += row.events;
        let mut heard = |definition: &str, events: u64, of: Heard| {
            let entry = made.heard.entry((Arc::clone(&one.delivery.sender), definition.to_owned()));
            let entry = entry.or_default();
            entry.events += events;
            entry.bytes += of.bytes;
            entry.flaws += of.flaws;
            entry.unrecognised += of.unrecognised;
            entry.received_at = entry.received_at.max(one.delivery.received_at);
            entry.last_event = entry.last_event.max(row.span.map(|(_, last)| last));
        };
        let tally = book.tallies.get(&index);
        let known = tally.iter().flat_map(|tally| &tally.definitions);
        let mut recognised = 0;
        for (definition, events) in known {
            recognised += events;
            heard(definition, *events, Heard::default());
        }
        let of = Heard {
            bytes: row.parcel.size,
            flaws: row.flaws,
            unrecognised: row.events - recognised,
            ..Heard::default()
        };
        // Bytes and flaws belong to the delivery; they count to what most of it is.
        let most = tally.and_then(|t| t.definitions.iter().max_by_key(|(_, events)| **events));
        heard(most.map_or("", |(name, _)| name), 0, Heard { unrecognised: 0, ..of });
        if of.unrecognised > 0 {
            let unknown = Heard { unrecognised: of.unrecognised, ..Heard::default() };
            heard("", of.unrecognised, unknown);
        }
    }
    if !fed.flaws.is_empty() {
        made.tail.push(Table::Flaws, lake::flaws_batch(&fed.flaws)?);
    }
    let shapes = book.shapes();
    if !shapes.is_empty() {
        made.tail.push(Table::Unrecognised, lake::unrecognised_batch(&shapes)?);
    }
    if !parcels.is_empty() {
        made.tail.push(Table::Parcels, lake::parcels_batch(&parcels)?);
    }
    Ok(())
}

/// Deliveries cut into work.
#[derive(Default)]
struct Fed {
    works: Vec<Work>,
    entries: Vec<Entry>,
    flaws: Vec<FlawRow>,
    /// The parcel of each flaw, by its place.
    flawed: Vec<usize>,
}

impl Fed {
    fn delivery(&mut self, index: usize, one: &Numbered) {
        let Numbered { delivery, digest, .. } = one;
        let parcel = Parcel {
            digest: *digest,
            origin: delivery.origin.to_string(),
            size: delivery.bytes.len() as u64,
            received_at: delivery.received_at,
        };
        for flaw in &delivery.flaws {
            self.flaw(index, &parcel, flaw.clone());
        }
        let named = parse::FORMATS.iter().find(|format| format.name() == &*delivery.format);
        let limits = parse::Limits::default();
        let opened = match named {
            Some(format) => parse::Chunker::with_format(&delivery.bytes[..], "", limits, *format),
            None => parse::Chunker::new(&delivery.bytes[..], "", limits),
        };
        let (format, note) = match opened {
            Ok(mut chunker) => {
                let read = chunker.format().map(parse::Format::name);
                let job = Arc::new(Job {
                    parcel: parcel.clone(),
                    index,
                    modified: Some(delivery.received_at),
                    parser: read.unwrap_or_default(),
                    definition: delivery.definition.clone(),
                    labels: delivery.tags.iter().map(label).collect(),
                    known: false,
                });
                // From memory, so an error would only mean that there is no more.
                while let Ok(Some(chunk)) = chunker.next() {
                    self.works.push(Work { job: Arc::clone(&job), chunk });
                }
                for flaw in chunker.take_flaws() {
                    self.flaw(index, &parcel, flaw);
                }
                match read {
                    Some(name) => (name.to_owned(), String::new()),
                    None => {
                        let looks = chunker.recognised().name();
                        (String::new(), format!("not read: looks like {looks}"))
                    }
                }
            }
            Err(error) => {
                let flaw = Flaw {
                    offset: 0,
                    kind: FlawKind::Io,
                    message: format!("cannot be read: {error}"),
                    record_lost: true,
                };
                self.flaw(index, &parcel, flaw);
                (String::new(), "could not be read".to_owned())
            }
        };
        self.entries.push(Entry { parcel, format, note });
    }

    fn flaw(&mut self, index: usize, parcel: &Parcel, flaw: Flaw) {
        let row = FlawRow { parcel: Some(parcel.digest), origin: parcel.origin.clone(), flaw };
        self.flaws.push(row);
        self.flawed.push(index);
    }
}

/// A tag as it is written: `site=oslo`, or a name alone.
fn label(tag: &Tag) -> Arc<str> {
    match &*tag.value {
        "" => Arc::clone(&tag.name),
        value => format!("{}={value}", tag.name).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_come_again_are_other_events() {
        let bytes = Digest::of(b"heartbeat");
        let first = parcel_digest(bytes, Position(7), Position(7));
        let second = parcel_digest(bytes, Position(7), Position(9));
        let third = parcel_digest(bytes, Position(7), Position(10));
        assert_eq!(first, bytes);
        assert!(first != second && second != third && first != third);
        assert_eq!(second, parcel_digest(bytes, Position(7), Position(9)));
    }
}
