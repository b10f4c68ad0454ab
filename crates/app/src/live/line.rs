//! The line: one thread that takes deliveries out of the log in order, some at a time, and carries them
//! through the pipeline, the correlations and triage to the ledger and the lake.
//!
//! One turn is: read what came since the last turn on every core, count it, conclude, write down what
//! was concluded. A turn under light load takes some milliseconds, so an alert is there well within a
//! second of its delivery; under heavy load turns grow until they pay for themselves.
//!
//! A turn that fails (a ledger that is locked, a full disk) is done again, and a process that died in
//! one does it again: everything that it writes is named by where it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use collect::wal::{Read, Reader};
use collect::{Delivery, Position};
use detect::{Detector, Hit, LiveCorrelator};
use lake::{FlawRow, Table, Tail};
use model::{Digest, Finding, FindingId, Micros};

use super::floor::Inner;
use super::reading::{self, Made, Numbered, parcel_digest};
use super::restore::Restored;
use super::saved::{Saved, Story};
use super::triaging::Triaging;
use super::watermark::Watermark;
use crate::failure::Failure;
use crate::investigate::from_lake;
use crate::stages::Stages;

/// Deliveries of one turn.
const DELIVERIES: usize = 2_000;
/// Bytes of one turn.
const BYTES: usize = 8 << 20;
/// How long the line sleeps when nothing comes: then it looks whether time alone changed something.
const IDLE: Duration = Duration::from_millis(500);
/// How long it waits before it does again what failed.
const RETRY: Duration = Duration::from_secs(1);
/// Events farther than this after their receipt have a wrong clock: correlations do not count them.
const AHEAD: Micros = Micros::from_seconds(86_400);

/// What was taken out of the log at once.
#[derive(Default)]
struct Gathered {
    deliveries: Vec<(Position, Delivery)>,
    /// What damage took.
    lost: Vec<FlawRow>,
    /// The last delivery that is among them, read or lost.
    through: Option<Position>,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.lost.is_empty()
    }
}

/// The thread's state.
pub(crate) struct Line {
    floor: Arc<Inner>,
    reader: Reader,
    stages: Arc<Stages>,
    detectors: Vec<Detector>,
    correlator: LiveCorrelator,
    /// Findings of correlations that may still change, as they were last told.
    open: BTreeMap<FindingId, Finding>,
    /// Findings that an earlier process told of, until all that it had read has been read again.
    standing: Option<(Position, Vec<Finding>)>,
    triaging: Triaging,
    watermark: Watermark,
    /// The last delivery that was read.
    through: Option<Position>,
}

impl Line {
    /// Stands where the last commit to the lake left off.
    pub(crate) fn new(floor: Arc<Inner>, reader: Reader, restored: Restored) -> Self {
        let Restored {
            stages,
            correlator,
            open,
            standing,
            caught_up,
            triaging,
            watermark,
            through,
        } = restored;
        let detectors = (0..floor.threads).map(|_| stages.rules.detector()).collect();
        let open = open.into_iter().map(|finding| (finding.finding_id, finding)).collect();
        let watermark = Watermark::at(watermark);
        floor.costs.renew(&stages.rules);
        Self {
            floor,
            reader,
            stages,
            detectors,
            correlator,
            open,
            standing: Some((caught_up, standing)),
            triaging,
            watermark,
            through,
        }
    }

    /// Works until the floor closes: then it reads what the log still holds and ends.
    pub(crate) fn run(mut self) {
        let mut failed = false;
        loop {
            let gathered = match self.gather() {
                Ok(gathered) => gathered,
                Err(error) => {
                    self.floor
                        .figures
                        .trouble("reading", &format!("the log cannot be read: {error}"));
                    failed = true;
                    std::thread::sleep(RETRY);
                    continue;
                }
            };
            if std::mem::take(&mut failed) {
                self.floor.figures.well("reading");
            }
            if gathered.is_empty() && self.floor.closing() {
                break;
            }
            let catching_up = self.standing.is_some();
            self.reload();
            if gathered.is_empty() {
                self.floor.pressure.nothing_waits();
            }
            let read = booked(&gathered.deliveries, self.floor.found);
            self.floor.pressure.turn_begins(Instant::now());
            self.turn(gathered);
            read.iter().for_each(|(sender, bytes)| self.floor.pressure.done(sender, *bytes));
            self.floor.pressure.turn_ends(read.values().sum(), Instant::now());
            if self.floor.keeper.wants(catching_up) {
                self.seal(false);
            }
        }
        self.lay_down_open();
        self.seal(true);
    }

    /// Hands over the findings that may still change, as they stand: whoever asks the lake of a floor that is
    /// closed finds them. The next start takes them out again.
    fn lay_down_open(&mut self) {
        let open: Vec<Finding> = self.open.values().cloned().collect();
        let mut tail = Tail::default();
        push(&mut tail, Table::Findings, &open, lake::findings_batch);
        if !tail.is_empty() && self.through.is_some() {
            self.floor.keeper.take(&tail, 0);
        }
    }

    /// Hands over what was read so far, with where everything stands. `laid_down` says that the findings that
    /// may still change are among it.
    fn seal(&mut self, laid_down: bool) {
        let Some(through) = self.through else { return };
        let story = Story {
            watermark: self.watermark.now(self.floor.steady.now()),
            open: self.open.values().cloned().collect(),
            laid_down,
            mark: self.triaging.mark(),
        };
        let correlator = self.correlator.snapshot();
        self.floor.keeper.seal(Saved { through, story, correlator });
    }

    /// Takes what is there, waiting a while for something.
    fn gather(&mut self) -> std::io::Result<Gathered> {
        let mut gathered = Gathered::default();
        let mut bytes = 0;
        let mut next = self.reader.next_within(IDLE)?;
        while let Some(read) = next {
            match read {
                Read::Delivery(position, delivery) => {
                    bytes += delivery.bytes.len();
                    gathered.through = Some(position);
                    gathered.deliveries.push((position, delivery));
                }
                Read::Lost(problem) => {
                    let lost = problem.lost.as_ref().map(|lost| Position(*lost.end()));
                    gathered.through = gathered.through.max(lost);
                    let origin = format!("write-ahead log, {}", problem.segment);
                    gathered.lost.push(FlawRow { parcel: None, origin, flaw: problem.flaw() });
                }
            }
            if gathered.deliveries.len() >= DELIVERIES || bytes >= BYTES {
                break;
            }
            // What has been taken out of the log is read first: the error comes again.
            next = match self.reader.try_next() {
                Err(error) if gathered.is_empty() => return Err(error),
                next => next.unwrap_or(None),
            };
        }
        Ok(gathered)
    }

    /// Takes up content that was loaded anew.
    fn reload(&mut self) {
        let stages = self.floor.stages();
        if !Arc::ptr_eq(&stages, &self.stages) {
            if let Err(error) = self.correlator.reload(Arc::clone(&stages.rules)) {
                tracing::error!(%error, "correlations begin anew with the new rules");
                let limits = super::restore::limits();
                self.correlator = LiveCorrelator::new(Arc::clone(&stages.rules), limits);
            }
            self.detectors = (0..self.floor.threads).map(|_| stages.rules.detector()).collect();
            self.floor.costs.renew(&stages.rules);
            self.stages = stages;
        }
    }

    /// One turn, done until it succeeds.
    fn turn(&mut self, gathered: Gathered) {
        let Gathered { deliveries, lost, through } = gathered;
        if let Some((_, first)) = deliveries.first() {
            self.floor.figures.reading.store(first.received_at.0, Ordering::Relaxed);
        }
        let cursors = cursors(&deliveries);
        let Some(numbered) = self.until_done("ledger", |line| line.number(&deliveries)) else {
            return;
        };
        drop(deliveries);
        let Some(mut made) = self.until_done("pipeline", |line| {
            let meter = &line.floor.meter;
            reading::read(&line.stages, &mut line.detectors, &numbered, meter)
        }) else {
            return;
        };
        let now = self.floor.steady.now();
        self.floor.costs.count(&mut self.detectors, made.events, now);
        let received = numbered.iter().map(|one| one.delivery.received_at).max();
        drop(numbered);
        if !lost.is_empty()
            && let Ok(rows) = lake::flaws_batch(&lost)
        {
            made.tail.push(Table::Flaws, rows);
        }
        self.count(&mut made, through.or(self.through), received.unwrap_or_else(crate::now), now);
        self.floor.figures.turn(&made, now);
        if self.until_done("ledger", Self::conclude).is_none()
            || self.until_done("ledger", |line| line.keep(&cursors)).is_none()
        {
            return;
        }
        if !made.tail.is_empty() {
            self.floor.keeper.take(&made.tail, made.events);
        }
        self.through = through.or(self.through);
        if let Some(through) = through {
            self.floor.read.send_replace(through);
        }
    }

    /// Does something until it succeeds; nothing when the floor closes before it does.
    fn until_done<T>(
        &mut self,
        part: &'static str,
        mut work: impl FnMut(&mut Self) -> Result<T, Failure>,
    ) -> Option<T> {
        let mut failed = false;
        loop {
            match work(self) {
                Ok(done) => {
                    if failed {
                        self.floor.figures.well(part);
                    }
                    return Some(done);
                }
                Err(failure) => {
                    self.floor.figures.trouble(part, &failure.message);
                    failed = true;
                    if self.floor.closing() {
                        // The log still holds what this turn did not finish.
                        return None;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    /// Names each delivery: see [`parcel_digest`].
    fn number(&mut self, deliveries: &[(Position, Delivery)]) -> Result<Vec<Numbered>, Failure> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let named: Vec<(Digest, u64)> = deliveries
            .iter()
            .map(|(position, delivery)| (Digest::of(&delivery.bytes), position.0))
            .collect();
        let ledger = &self.floor.ledger;
        let first = self
            .floor
            .runtime
            .block_on(ledger.deliveries().first_seen(&named, crate::now()))
            .map_err(super::trouble_of)?;
        let all = deliveries.iter().zip(named).zip(first);
        Ok(all
            .map(|(((position, delivery), (digest, _)), first)| Numbered {
                digest: parcel_digest(digest, Position(first), *position),
                delivery: delivery.clone(),
            })
            .collect())
    }

    /// Correlations and triage over what a turn made.
    fn count(&mut self, made: &mut Made, through: Option<Position>, received: Micros, now: Micros) {
        let latest_believed = Micros(received.0.saturating_add(AHEAD.0));
        let hits = std::mem::take(&mut made.hits);
        let (hits, ahead): (Vec<Hit>, Vec<Hit>) =
            hits.into_iter().partition(|hit| hit.time() <= latest_believed);
        self.floor.figures.ahead.fetch_add(ahead.len() as u64, Ordering::Relaxed);
        let times = || hits.iter().map(Hit::time).chain(made.findings.iter().map(|f| f.time));
        if let Some((earliest, latest)) = times().min().zip(times().max()) {
            self.watermark.saw(now, earliest, latest.min(latest_believed));
        }
        let kept: Vec<_> = self.stages.rules.kept(&hits).collect();
        push(&mut made.tail, Table::Matches, &kept, lake::matches_batch);
        self.correlator.feed(&self.stages.rules, hits);
        if let Some((_, standing)) = self.standing.take_if(|(until, _)| through >= Some(*until)) {
            self.correlator.recall(&standing);
        }
        let changes = self.correlator.advance(self.watermark.now(now));
        for finding in changes.new.iter().chain(&changes.changed) {
            self.open.insert(finding.finding_id, finding.clone());
        }
        let mut done = std::mem::take(&mut made.findings);
        for finding in &done {
            self.triaging.add(finding.clone());
        }
        self.triaging.correlated(&changes);
        for gone in &changes.superseded {
            self.open.remove(&gone.id);
        }
        // The lake gets a correlation's finding once nothing will change it.
        done.extend(changes.settled.iter().filter_map(|id| self.open.remove(id)));
        push(&mut made.tail, Table::Findings, &done, lake::findings_batch);
        self.triaging.advance(self.watermark.now(now));
        self.floor.figures.told.store(self.triaging.told, Ordering::Relaxed);
    }

    /// Brings to the ledger where fetchers go on: before the log lets go of the deliveries that say it.
    fn keep(&mut self, cursors: &BTreeMap<Arc<str>, Arc<str>>) -> Result<(), Failure> {
        if cursors.is_empty() {
            return Ok(());
        }
        let all: Vec<(&str, &str)> =
            cursors.iter().map(|(name, value)| (&**name, &**value)).collect();
        let floor = &self.floor;
        let kept = floor.runtime.block_on(floor.ledger.cursors().put(&all, crate::now()));
        kept.map_err(super::trouble_of)
    }

    /// Brings what triage says to the ledger.
    fn conclude(&mut self) -> Result<(), Failure> {
        let floor = Arc::clone(&self.floor);
        self.triaging.conclude(|conclusions| {
            floor
                .runtime
                .block_on(floor.ledger.conclude(conclusions, crate::now()))
                .map_err(super::trouble_of)
        })
    }
}

/// Bytes of deliveries that this process took, by sender.
fn booked(deliveries: &[(Position, Delivery)], found: Position) -> BTreeMap<Arc<str>, u64> {
    let mut booked = BTreeMap::new();
    for (_, delivery) in deliveries.iter().filter(|(position, _)| *position > found) {
        *booked.entry(Arc::clone(&delivery.sender)).or_default() += delivery.bytes.len() as u64;
    }
    booked
}

/// Where each fetcher goes on behind these deliveries.
fn cursors(deliveries: &[(Position, Delivery)]) -> BTreeMap<Arc<str>, Arc<str>> {
    let all = deliveries.iter().filter_map(|(_, delivery)| delivery.cursor.as_ref());
    all.map(|cursor| (Arc::clone(&cursor.name), Arc::clone(&cursor.value))).collect()
}

/// Adds rows that people would miss: a batch that cannot be made is a defect, and said.
fn push<T>(
    tail: &mut Tail,
    table: Table,
    rows: &[T],
    make: impl Fn(&[T]) -> lake::Result<lake::RecordBatch>,
) {
    if rows.is_empty() {
        return;
    }
    match make(rows).map_err(from_lake) {
        Ok(batch) => tail.push(table, batch),
        Err(failure) => {
            tracing::error!(%failure, table = table.name(), "rows could not be laid out");
        }
    }
}
