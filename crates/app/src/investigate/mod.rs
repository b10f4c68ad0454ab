//! The main job: evidence in; events, findings, alerts and incidents out, in one commit.
//!
//! One thread walks and cuts ([`feed`]), workers read, normalise and detect ([`worker`]), the lake's
//! own thread writes. When the evidence ends, correlations are worked out over what the workers kept,
//! and triage goes through the findings in time order ([`spill`]).

mod feed;
mod spill;
mod tally;
mod worker;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use collect::Input;
use detect::Hit;
use lake::{FlawRow, Run, RunRow, RunWriter, Table};
use model::{Alert, Finding, Hasher, Incident, Level, Micros};
use triage::{Policy, Triaged};

use self::feed::{Fed, Source, Work, feed};
use self::spill::{Sorted, Spill};
use self::tally::Book;
use self::worker::{Shared, Worker};
use crate::Meter;
use crate::failure::{Failure, Kind, system};
use crate::stages::Stages;

/// Findings in one batch of the lake.
const BATCH: usize = 4_096;

/// What to investigate, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files, folders, archives, standard input.
    pub inputs: Vec<Input>,
    /// The data folder.
    pub data: PathBuf,
    /// Findings below this are not kept.
    pub min_level: Level,
    /// Threads that parse and detect.
    pub threads: usize,
    /// The time of receipt.
    pub now: Micros,
}

/// What came of it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Outcome {
    /// Parcels that were read.
    pub parcels: u64,
    /// Parcels left out because an earlier run on this data folder has read them.
    pub known_parcels: u64,
    /// Events written.
    pub events: u64,
    /// Events that no source definition knew.
    pub unrecognised: u64,
    /// Flaws listed.
    pub flaws: u64,
    /// Records that were lost to flaws.
    pub records_lost: u64,
    /// Findings kept.
    pub findings: u64,
    /// Alerts that they form.
    pub alerts: u64,
    /// Incidents, the gravest first.
    pub incidents: Vec<Incident>,
    /// First and last event.
    pub span: Option<(Micros, Micros)>,
    /// Bytes of Parquet written.
    pub lake_bytes: u64,
    /// Rules loaded, and rules that did not load.
    pub rules: (usize, usize),
}

/// Runs an investigation into a data folder. Stopping the meter ends it without a trace in the lake.
pub fn investigate(stages: &Stages, options: &Options, meter: &Meter) -> Result<Outcome, Failure> {
    let spool = options.data.join("tmp");
    fs::create_dir_all(&spool).map_err(system("cannot make the data folder"))?;
    let survey = collect::survey(&options.inputs);
    Meter::add(&meter.bytes_total, survey.bytes);
    meter.enter("reading");
    let runtime = crate::runtime()?;
    let lake = crate::open_lake(&options.data)?;
    let run_key = run_key(stages, options);
    let run = runtime.block_on(lake.run(&run_key)).map_err(from_lake)?;
    let known = runtime.block_on(lake.known_parcels()).map_err(from_lake)?;

    let spill = Mutex::new(Spill::new(&spool));
    let shared =
        Shared { stages, meter, writer: run.writer(), spill: &spill, min_level: options.min_level };
    let source = Source { inputs: &options.inputs, spool: &spool, now: options.now, known: &known };
    let mut read = read_all(&source, &shared, options.threads)?;
    if meter.stopped() {
        return Err(Failure::new(Kind::Interrupted, "stopped; nothing was written to the lake")
            .hint("run the same command again to start over"));
    }
    if read.fed.entries.is_empty() && read.fed.known == 0 && run_has_nothing(&read.fed) {
        return Err(nothing(&read.fed));
    }

    meter.enter("detecting");
    let mut spill = spill.into_inner().map_err(|_| defect("a worker thread failed"))?;
    let mut correlated = stages.rules.correlate(std::mem::take(&mut read.hits));
    correlated.retain(|finding| finding.level >= options.min_level);
    Meter::add(&meter.findings, correlated.len() as u64);
    spill.add(&mut correlated).map_err(system("cannot keep findings"))?;

    meter.enter("triage");
    let findings = spill.count();
    let sorted = spill.sorted().map_err(system("cannot sort findings"))?;
    let triaged = triage_all(sorted, &run.writer())?;

    meter.enter("writing");
    let outcome = finish(&read.book, &read.fed, triaged, findings, stages);
    write_rest(&run, &read, &outcome.1, &outcome.0, &run_key, options)?;
    let committed = runtime.block_on(run.commit()).map_err(from_lake)?;
    Ok(Outcome { lake_bytes: committed.bytes, ..outcome.0 })
}

/// What the threads leave behind.
struct Read {
    fed: Fed,
    book: Book,
    hits: Vec<Hit>,
}

/// Runs the feed and the workers until the evidence ends.
fn read_all(source: &Source<'_>, shared: &Shared<'_>, threads: usize) -> Result<Read, Failure> {
    let threads = threads.max(1);
    let (send, receive) = sync_channel::<Work>(threads * 2);
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        let feeder = scope.spawn(move || feed(source, shared.meter, &send));
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| work(shared, &receive))).collect();
        let mut book = Book::default();
        let mut hits = Vec::new();
        let mut failure = None;
        for worker in workers {
            match worker.join() {
                Ok(Ok((counted, kept))) => {
                    book.add(counted);
                    hits.extend(kept);
                }
                Ok(Err(message)) => failure = Some(Failure::new(Kind::System, message)),
                Err(_) => failure = Some(defect("a worker thread failed")),
            }
        }
        let fed = feeder.join().map_err(|_| defect("the reading thread failed"))?;
        match failure {
            Some(failure) => Err(failure),
            None => Ok(Read { fed, book, hits }),
        }
    })
}

/// One worker's life: chunks until there are no more.
fn work(shared: &Shared<'_>, receive: &Mutex<Receiver<Work>>) -> Result<(Book, Vec<Hit>), String> {
    let mut worker = Worker::new(shared);
    let mut failed = None;
    loop {
        let next = receive.lock().map_err(|_| "a worker failed".to_owned())?.recv();
        let Ok(work) = next else { break };
        // After a failure the rest is let by, so that the feed is not left waiting.
        if failed.is_none()
            && let Err(failure) = worker.take(&work)
        {
            shared.meter.stop.store(true, std::sync::atomic::Ordering::Relaxed);
            failed = Some(failure);
        }
    }
    match failed {
        Some(failure) => Err(failure),
        None => {
            worker.finish()?;
            Ok((std::mem::take(&mut worker.book), worker.detector.take_hits()))
        }
    }
}

/// Sends findings to the lake and through triage, in time order, one at a time.
fn triage_all(sorted: Sorted, writer: &RunWriter) -> Result<Triaged, Failure> {
    let mut failure = None;
    let mut batch: Vec<Finding> = Vec::with_capacity(BATCH);
    let write = |batch: &mut Vec<Finding>| -> Result<(), Failure> {
        if !batch.is_empty() {
            let rows = lake::findings_batch(batch).map_err(from_lake)?;
            writer.write(Table::Findings, rows).map_err(from_lake)?;
            batch.clear();
        }
        Ok(())
    };
    let passing = sorted.map_while(|finding| {
        let next = finding.map_err(system("cannot read findings back")).and_then(|finding| {
            if batch.len() >= BATCH {
                write(&mut batch)?;
            }
            batch.push(finding.clone());
            Ok(finding)
        });
        match next {
            Ok(finding) => Some(finding),
            Err(error) => {
                failure = Some(error);
                None
            }
        }
    });
    let triaged = triage::triage(passing, &Policy::default());
    match failure {
        Some(failure) => Err(failure),
        None => write(&mut batch).map(|()| triaged),
    }
}

fn finish(
    book: &Book,
    fed: &Fed,
    triaged: Triaged,
    findings: u64,
    stages: &Stages,
) -> (Outcome, Vec<Alert>) {
    let sum = |count: fn(&tally::Tally) -> u64| book.tallies.values().map(count).sum::<u64>();
    let known: u64 = book.tallies.values().flat_map(|t| t.definitions.values()).sum();
    let events = sum(|tally| tally.events);
    let first = book.tallies.values().filter_map(|tally| tally.first).min();
    let last = book.tallies.values().filter_map(|tally| tally.last).max();
    let lost = fed.flaws.iter().filter(|row| row.flaw.record_lost).count() as u64;
    let outcome = Outcome {
        parcels: fed.entries.len() as u64,
        known_parcels: fed.known,
        events,
        unrecognised: events - known,
        flaws: sum(|tally| tally.flaws) + fed.flaws.len() as u64,
        records_lost: sum(|tally| tally.records_lost) + lost,
        findings,
        alerts: triaged.alerts.len() as u64,
        incidents: triaged.incidents,
        span: first.zip(last),
        lake_bytes: 0,
        rules: (stages.rules.list().len(), stages.rule_problems.len()),
    };
    (outcome, triaged.alerts)
}

/// Writes everything that is known only at the end.
fn write_rest(
    run: &Run,
    read: &Read,
    alerts: &[Alert],
    outcome: &Outcome,
    run_key: &str,
    options: &Options,
) -> Result<(), Failure> {
    let writer = run.writer();
    let put = |table, batch: lake::Result<_>| {
        batch.and_then(|batch| writer.write(table, batch)).map_err(from_lake)
    };
    if !read.fed.flaws.is_empty() {
        put(Table::Flaws, lake::flaws_batch(&read.fed.flaws))?;
    }
    let shapes = read.book.shapes();
    if !shapes.is_empty() {
        put(Table::Unrecognised, lake::unrecognised_batch(&shapes))?;
    }
    if !alerts.is_empty() {
        put(Table::Alerts, lake::alerts_batch(alerts))?;
    }
    if !outcome.incidents.is_empty() {
        put(Table::Incidents, lake::incidents_batch(&outcome.incidents))?;
    }
    let mut parcels = read.book.parcels(&read.fed.entries);
    add_feed_flaws(&mut parcels, &read.fed.flaws);
    if !parcels.is_empty() {
        put(Table::Parcels, lake::parcels_batch(&parcels))?;
    }
    let summary = serde_json::json!({
        "events": outcome.events, "findings": outcome.findings, "alerts": outcome.alerts,
        "incidents": outcome.incidents.len(), "flaws": outcome.flaws,
        "known_parcels": outcome.known_parcels, "rules": outcome.rules.0,
        "rules_not_loaded": outcome.rules.1,
    });
    let row = RunRow {
        run_key: run_key.to_owned(),
        started_at: options.now,
        finished_at: crate::now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary,
    };
    put(Table::Runs, lake::runs_batch(&[row]))
}

/// Counts the flaws that the feed met to their parcels.
fn add_feed_flaws(parcels: &mut [lake::ParcelRow], flaws: &[FlawRow]) {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for digest in flaws.iter().filter_map(|row| row.parcel) {
        *counts.entry(digest).or_default() += 1;
    }
    for row in parcels {
        if !row.note.starts_with("the same bytes") {
            row.flaws += counts.get(&row.parcel.digest).copied().unwrap_or(0);
        }
    }
}

/// Names the run: the same inputs (paths, sizes, times of change) with the same content and options
/// are the same run.
fn run_key(stages: &Stages, options: &Options) -> String {
    let mut hasher = Hasher::new("run").part(stages.digest.as_bytes());
    hasher = hasher.number(options.min_level as u64);
    for input in &options.inputs {
        match input {
            Input::Path(path) => hasher = hash_path(hasher, path),
            // A stream cannot be looked at twice, so each is a run of its own.
            Input::Stdin => hasher = hasher.part(b"-").number(options.now.0 as u64),
        }
    }
    crate::hex(&hasher.finish())
}

fn hash_path(hasher: Hasher, path: &Path) -> Hasher {
    let Ok(meta) = fs::metadata(path) else {
        return hasher.part(path.as_os_str().as_encoded_bytes());
    };
    let changed = meta.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    let mut hasher = hasher
        .part(path.as_os_str().as_encoded_bytes())
        .number(meta.len())
        .number(changed.map_or(0, |t| t.as_micros() as u64));
    if meta.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                hasher = hash_path(hasher, &entry.path());
            }
        }
    }
    hasher
}

fn run_has_nothing(fed: &Fed) -> bool {
    fed.flaws.iter().all(|row| row.parcel.is_none())
}

fn nothing(fed: &Fed) -> Failure {
    let failure = Failure::new(Kind::Nothing, "there is no evidence in what was named");
    fed.flaws
        .iter()
        .take(3)
        .fold(failure, |failure, row| failure.hint(format!("{}: {}", row.origin, row.flaw.message)))
}

fn defect(message: &str) -> Failure {
    Failure::new(Kind::Defect, message).hint("this is a defect of watchfloor; please report it")
}

pub(crate) fn from_lake(error: lake::LakeError) -> Failure {
    Failure::new(Kind::System, error.to_string())
}
