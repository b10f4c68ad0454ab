//! A worker: chunk in, rows and findings out. Everything between borrows from the chunk.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use detect::{Detector, View};
use lake::{EventRows, FlawRow, RecordBatch, Table, UnrecognisedRow};
use model::{
    Finding, Flaw, FlawKind, Level, Micros, Parcel, Provenance, Record, Value, inert, shortened,
};
use normalize::{Context, Mapper};

use super::tally::Book;
use crate::Meter;
use crate::stages::Stages;

/// Rows after which a batch goes to the lake.
const ROWS: usize = 8_192;
/// Bytes after which it goes earlier.
const BYTES: usize = 16 << 20;
/// Flaws and findings after which they go on.
const HELD: usize = 1_024;
/// Characters of a sample of an unknown record.
const SAMPLE: usize = 600;

/// A parcel as a worker needs it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) parcel: Parcel,
    /// Place in the list of parcels.
    pub(crate) index: usize,
    pub(crate) modified: Option<Micros>,
    pub(crate) parser: &'static str,
    /// The source definition that its sender names.
    pub(crate) definition: Option<Arc<str>>,
    /// What the configuration says of everything that its sender sends.
    pub(crate) labels: Arc<[Arc<str>]>,
    /// True when the lake holds its events: only the rules look at it.
    pub(crate) known: bool,
}

/// A piece of work: a chunk of a parcel.
pub(crate) struct Work {
    pub(crate) job: Arc<Job>,
    pub(crate) chunk: parse::Chunk,
}

/// Where workers leave what they make. An `Err` is a failure of the lake or the disk, in a sentence.
pub(crate) trait Outlet: Sync {
    /// Takes rows of events, leaving none.
    fn events(&self, rows: &mut EventRows) -> Result<(), String>;
    /// Takes rows of another table of the lake.
    fn rows(&self, table: Table, batch: RecordBatch) -> Result<(), String>;
    /// Takes findings, leaving `findings` empty.
    fn found(&self, findings: &mut Vec<Finding>) -> Result<(), String>;
}

/// What all workers share.
pub(crate) struct Shared<'s> {
    pub(crate) stages: &'s Stages,
    pub(crate) meter: &'s Meter,
    pub(crate) outlet: &'s dyn Outlet,
    pub(crate) min_level: Level,
}

/// One thread's state.
pub(crate) struct Worker<'s> {
    shared: &'s Shared<'s>,
    mapper: Mapper<'s>,
    pub(crate) detector: Detector,
    pub(crate) book: Book,
    rows: EventRows,
    flaws: Vec<FlawRow>,
    findings: Vec<Finding>,
    events: u64,
    failure: Option<String>,
}

impl<'s> Worker<'s> {
    pub(crate) fn new(shared: &'s Shared<'s>, detector: Detector) -> Self {
        Self {
            shared,
            mapper: shared.stages.normalizer.mapper(),
            detector,
            book: Book::default(),
            rows: EventRows::new(),
            flaws: Vec::new(),
            findings: Vec::new(),
            events: 0,
            failure: None,
        }
    }

    /// Reads a chunk. An `Err` is a failure of the lake or the disk, in a sentence.
    pub(crate) fn take(&mut self, work: &Work) -> Result<(), String> {
        let Work { job, chunk } = work;
        let read = catch_unwind(AssertUnwindSafe(|| {
            let mut sink = Reading { worker: self, job };
            chunk.reader.read(&chunk.bytes, chunk.offset, &mut sink);
        }));
        if read.is_err() {
            let flaw = Flaw {
                offset: chunk.offset,
                kind: FlawKind::Unsupported,
                message: format!(
                    "a defect of the {} parser stopped it in these {} bytes; what it read before \
                     that was kept. Please report it",
                    job.parser,
                    chunk.bytes.len()
                ),
                record_lost: true,
            };
            self.flaw(job, flaw);
        }
        Meter::add(&self.shared.meter.bytes_done, chunk.bytes.len() as u64);
        Meter::add(&self.shared.meter.events, std::mem::take(&mut self.events));
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.hand_on(HELD),
        }
    }

    /// Hands on whatever is left.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        self.write_rows();
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.hand_on(1),
        }
    }

    /// Hands on flaws and findings when there are at least this many.
    fn hand_on(&mut self, at_least: usize) -> Result<(), String> {
        if self.flaws.len() >= at_least {
            let batch = lake::flaws_batch(&self.flaws).map_err(|e| e.to_string())?;
            self.shared.outlet.rows(Table::Flaws, batch)?;
            self.flaws.clear();
        }
        if self.findings.len() >= at_least {
            Meter::add(&self.shared.meter.findings, self.findings.len() as u64);
            self.shared.outlet.found(&mut self.findings)?;
        }
        Ok(())
    }

    fn write_rows(&mut self) {
        if self.rows.is_empty() || self.failure.is_some() {
            return;
        }
        self.failure = self.shared.outlet.events(&mut self.rows).err();
    }

    fn flaw(&mut self, job: &Job, flaw: Flaw) {
        if job.known {
            return;
        }
        let tally = self.book.of(job.index);
        tally.flaws += 1;
        tally.records_lost += u64::from(flaw.record_lost);
        let parcel = Some(job.parcel.digest);
        self.flaws.push(FlawRow { parcel, origin: job.parcel.origin.clone(), flaw });
    }

    fn record(&mut self, job: &Job, record: &Record<'_>) {
        let shared = self.shared;
        let context = Context {
            parser: job.parser,
            received_at: job.parcel.received_at,
            modified: job.modified,
            origin: &job.parcel.origin,
            definition: job.definition.as_deref(),
        };
        let mut normal = self.mapper.normalize(record, &context);
        label(&mut normal.event, &job.labels);
        let (definition, definition_version) =
            normal.definition.map_or(("", 0), |d| (&*d.name, d.version));
        let provenance = Provenance {
            parcel: job.parcel.digest,
            offset: record.offset,
            index: record.index,
            parser: job.parser,
            definition,
            definition_version,
        };
        let before = self.findings.len();
        let view = View {
            native: &record.fields,
            raw: &record.raw,
            logsource: normal.logsource,
            uid: provenance.event_uid(),
            time: normal.event.time,
            source: normal.definition.map_or(&shared.stages.unknown_source, |d| &d.name),
            labels: &job.labels,
            parser: record.syntax_in(job.parser),
            event: &normal.event,
        };
        self.detector.evaluate(&view, &mut self.findings);
        for logsource in normal.logsources.iter().skip(1) {
            self.evaluate_again(&View { logsource, ..view }, before);
        }
        if shared.min_level > Level::Informational {
            let mut kept = before;
            while let Some(finding) = self.findings.get(kept) {
                if finding.level < shared.min_level {
                    self.findings.swap_remove(kept);
                } else {
                    kept += 1;
                }
            }
        }
        self.events += 1;
        if job.known {
            return;
        }
        self.rows.push(
            &normal.event,
            &provenance,
            job.parcel.received_at,
            &record.fields,
            &record.raw,
            normal.logsource,
        );
        let tally = self.book.of(job.index);
        tally.events += 1;
        if normal.time_found {
            tally.saw(normal.event.time);
        }
        if let Some(definition) = normal.definition {
            match tally.definitions.get_mut(&*definition.name) {
                Some(count) => *count += 1,
                None => {
                    tally.definitions.insert(definition.name.to_string(), 1);
                }
            }
        } else {
            self.unrecognised(job, record);
        }
        for flaw in record.flaws.iter().cloned().chain(normal.flaws) {
            self.flaw(job, flaw);
        }
        if self.rows.len() >= ROWS || self.rows.approx_bytes() >= BYTES {
            self.write_rows();
        }
    }

    /// Looks at the same event as another kind of log. A rule that asks for less than either kind sees
    /// it twice and finds the same thing, which is one finding.
    fn evaluate_again(&mut self, view: &View<'_>, first: usize) {
        let known = self.findings.len();
        self.detector.evaluate(view, &mut self.findings);
        let mut at = known;
        while let Some(finding) = self.findings.get(at) {
            let earlier = self.findings.get(first..known).unwrap_or_default();
            if earlier.iter().any(|other| other.finding_id == finding.finding_id) {
                self.findings.swap_remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn unrecognised(&mut self, job: &Job, record: &Record<'_>) {
        let shape = shape(record);
        self.book.unrecognised(job.index, &shape, || UnrecognisedRow {
            parcel: job.parcel.digest,
            origin: job.parcel.origin.clone(),
            parser: record.syntax_in(job.parser).to_owned(),
            shape: shape.clone(),
            count: 1,
            sample: sample(record),
        });
    }
}

/// Adds labels to those that an event's own source gave it.
fn label<'a>(event: &mut ocsf::Event<'a>, labels: &'a [Arc<str>]) {
    static COLUMN: LazyLock<Option<ocsf::ColumnId>> =
        LazyLock::new(|| ocsf::column("metadata.labels"));
    let Some(column) = COLUMN.filter(|_| !labels.is_empty()) else { return };
    let mut all: Vec<Value<'a>> = match event.remove(column) {
        Some(ocsf::Scalar::Json(Value::List(own))) => own,
        Some(ocsf::Scalar::Json(own)) => vec![own],
        Some(ocsf::Scalar::Text(own)) => vec![Value::Str(own)],
        _ => Vec::new(),
    };
    let own = all.len();
    for label in labels {
        if !all.iter().take(own).any(|known| known.as_str() == Some(label)) {
            all.push(Value::Str(Cow::Borrowed(label)));
        }
    }
    event.set(column, ocsf::Scalar::Json(Value::List(all)));
}

/// What makes records alike: the names of their fields, the first two dozen of them.
fn shape(record: &Record<'_>) -> String {
    let model::Value::Map(fields) = &record.fields else { return String::new() };
    let mut shape = String::new();
    for (name, _) in fields.iter().take(24) {
        if !shape.is_empty() {
            shape.push(' ');
        }
        shape.push_str(&shortened(name, 40));
    }
    shape
}

fn sample(record: &Record<'_>) -> String {
    let text = if record.raw.is_empty() {
        serde_json::to_string(&record.fields).unwrap_or_default()
    } else {
        let head = record.raw.get(..4 * SAMPLE).unwrap_or(&record.raw);
        String::from_utf8_lossy(head).into_owned()
    };
    inert(&shortened(&text, SAMPLE)).into_owned()
}

/// A worker reading a chunk of one parcel.
struct Reading<'r, 's> {
    worker: &'r mut Worker<'s>,
    job: &'r Arc<Job>,
}

impl parse::Sink for Reading<'_, '_> {
    fn record(&mut self, record: Record<'_>) {
        self.worker.record(self.job, &record);
    }

    fn flaw(&mut self, flaw: Flaw) {
        self.worker.flaw(self.job, flaw);
    }
}
