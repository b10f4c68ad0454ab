//! The main job: evidence in; events, findings, alerts and incidents out, in one commit.
//!
//! Two threads walk and cut ([`feed`]), workers read, normalise and detect ([`reading`],
//! [`crate::pipeline`]), the lake's own thread writes. When the evidence ends, correlations are worked
//! out over what the workers kept, and triage goes through the findings in time order ([`spill`]), those
//! of earlier runs on the same data folder among them ([`past`]).

mod feed;
mod past;
mod reading;
mod spill;
mod triaging;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use collect::Input;
use detect::{RuleCosts, Rules};
use lake::{EventRows, FlawRow, RecordBatch, Run, RunRow, RunWriter, Table};
use model::{Digest, Finding, Hasher, Incident, Level, Match, Micros};
use triage::Triaged;

use self::feed::{Fed, Source};
use self::past::{Again, Past};
pub use self::past::{Before, Changes};
use self::reading::{Read, read_all};
use self::spill::{Sorted, Spill};
use self::triaging::triage_all;
use crate::Meter;
use crate::content::Content;
use crate::failure::{Failure, Kind, system};
use crate::off::RuleOff;
use crate::pipeline::{Outlet, Tally};
use crate::scratch::FolderLock;
use crate::stages::{RuleChoice, Stages, Texts};

/// Findings or matches in one batch of the lake.
const BATCH: usize = 4_096;
/// Common entities that the run's own row names.
const COMMON: usize = 20;
/// What could not be had that the outcome names.
const REFUSED: usize = 5;
/// Rules that did not load that it names.
const PROBLEMS: usize = 200;

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
    /// Read evidence that the data folder knows again, for the rules alone: their findings take the
    /// place of those that the same rules made before.
    pub again: bool,
    /// The time of receipt.
    pub now: Micros,
}

/// What came of it. Findings, alerts and incidents are those of the whole data folder; the rest is of
/// this run.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Outcome {
    /// Parcels that were read.
    pub parcels: u64,
    /// Parcels left out because an earlier run on this data folder has read them.
    pub known_parcels: u64,
    /// Parcels that an earlier run has read and that were read again for the rules.
    pub parcels_again: u64,
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
    /// Rules that somebody switched off in the data folder: they did not look.
    pub rules_off: Vec<RuleOff>,
    /// Matches that correlations did not count because there were too many of a rule.
    pub hits_left_out: u64,
    /// What the data folder held before.
    pub before: Before,
    /// Rules that were given up on events because they would have taken too long, the most given up first.
    pub given_up: Vec<GivenUp>,
    /// What became of the incidents that it held.
    pub changes: Changes,
    /// What could not be had at all, the first few: where, and why.
    pub refused: Vec<String>,
    /// True when parcels were left out that had been read with other rules or definitions: these have
    /// not looked at them.
    pub rules_changed: bool,
}

/// A rule that was given up on some events: whether it matched them is not known.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GivenUp {
    /// The rule.
    pub rule_id: String,
    /// Its title.
    pub title: String,
    /// On how many events.
    pub events: u64,
}

/// Runs an investigation into a data folder. Stopping the meter ends it without a trace in the lake.
pub fn investigate(stages: &Stages, options: &Options, meter: &Meter) -> Result<Outcome, Failure> {
    missing(&options.inputs)?;
    let opened = open(&stages.digest, options, meter)?;
    look(opened, || stages, options, meter)
}

/// As [`investigate`], with content that is compiled while the data folder is opened: a person waits for
/// both. Refuses to do without a file or folder that was named.
pub fn load_and_investigate(
    content: &Content,
    choice: &RuleChoice,
    options: &Options,
    meter: &Meter,
) -> Result<(Stages, Outcome), Failure> {
    choice.check()?;
    missing(&options.inputs)?;
    let texts = Texts::gather(content, choice);
    let compiled = OnceLock::new();
    let outcome = std::thread::scope(|scope| {
        let compiling = scope.spawn(|| compiled.get_or_init(|| texts.compile()));
        let opened = open(texts.digest(), options, meter)?;
        let stages = || compiling.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        look(opened, stages, options, meter)
    })?;
    let stages = compiled.into_inner().ok_or_else(|| defect("the content was not compiled"))?;
    Ok((stages, outcome))
}

/// A data folder with a run begun in it.
struct Opened {
    runtime: tokio::runtime::Runtime,
    run: Run,
    run_key: String,
    past: Past,
    /// Parcels that need not be read again.
    known: BTreeSet<Digest>,
    spool: PathBuf,
    _lock: FolderLock,
}

/// Opens the data folder for a run with the content of this digest.
fn open(digest: &str, options: &Options, meter: &Meter) -> Result<Opened, Failure> {
    let spool = options.data.join("tmp");
    fs::create_dir_all(&spool).map_err(|error| {
        let folder = options.data.display();
        Failure::new(Kind::System, format!("cannot write to the data folder {folder}: {error}"))
            .hint("name another with --data")
    })?;
    let lock = FolderLock::take(&options.data)?;
    let survey = collect::survey(&options.inputs);
    Meter::add(&meter.bytes_total, survey.bytes);
    let runtime = crate::runtime()?;
    let lake = crate::open_lake(&options.data)?;
    let runs = past::runs(&options.data)?;
    let run_key = run_key(digest, options, runs);
    let run = runtime.block_on(lake.run(&run_key)).map_err(from_lake)?;
    let past = Past::read(&options.data, runs)?;
    // A run that was killed between its last commits has listed its parcels but is not done with them.
    let known = if run.is_committed(Table::Parcels) {
        BTreeSet::new()
    } else {
        runtime.block_on(lake.known_parcels()).map_err(from_lake)?
    };
    Ok(Opened { runtime, run, run_key, past, known, spool, _lock: lock })
}

/// Looks at the evidence. The stages are asked for when there is something to read.
fn look<'s>(
    opened: Opened,
    stages: impl FnOnce() -> &'s Stages,
    options: &Options,
    meter: &Meter,
) -> Result<Outcome, Failure> {
    let Opened { runtime, run, run_key, past, known, spool, _lock } = opened;
    let outlet = ToRun { writer: run.writer(), spill: Spill::new(&spool) };
    let source = Source {
        inputs: &options.inputs,
        spool: &spool,
        now: options.now,
        known: &known,
        again: options.again,
    };
    let (mut read, stages) =
        read_all(&source, stages, &outlet, options, meter).map_err(unharmed)?;
    if meter.stopped() {
        return Err(Failure::new(Kind::Interrupted, "stopped; nothing was written to the lake")
            .hint("run the same command again to start over"));
    }
    // Said every time, written once.
    let refused = refused(&read.fed);
    read.fed.flaws.retain(|flaw| !past.knows_flaw(flaw));
    let empty = read.fed.entries.iter().all(|entry| entry.parcel.size == 0);
    if empty && read.fed.known == 0 && read.fed.again.is_empty() {
        let origins = read.fed.entries.iter().take(3);
        return Err(origins.fold(nothing(&read.fed), |failure, entry| {
            failure.hint(format!("{} is empty", entry.parcel.origin))
        }));
    }
    if read.fed.entries.is_empty() && read.fed.again.is_empty() {
        return Ok(Outcome { refused, ..unchanged(&past, &read.fed, stages)? });
    }

    // The last events go to the disk while correlations are worked out.
    let writer = run.writer();
    writer.end_events();
    meter.enter("detecting");
    let sorted = detect_all(&mut read, outlet.spill, &past, stages, options, &writer, meter)?;
    meter.enter("triage");
    let (triaged, findings) = triage_all(sorted, &writer)?;

    meter.enter("writing");
    let outcome = finish(&read, &past, &triaged, findings, stages);
    write_rest(&run, &read, &triaged, &outcome, &run_key, stages, options)?;
    // While the last rows are laid down.
    drop((read, triaged.alerts));
    let committed = runtime.block_on(run.commit()).map_err(from_lake).map_err(unharmed)?;
    // Its threads give their memory back page by page as they end: nobody need wait for that.
    runtime.shutdown_background();
    let incidents = triaged.incidents;
    Ok(Outcome { lake_bytes: committed.bytes, incidents, refused, ..outcome })
}

/// The outcome of a run that met nothing new: what the data folder holds, which stays as it is.
fn unchanged(past: &Past, fed: &Fed, stages: &Stages) -> Result<Outcome, Failure> {
    Ok(Outcome {
        known_parcels: fed.known,
        flaws: fed.flaws.len() as u64,
        findings: past.before.findings,
        alerts: past.before.alerts,
        incidents: past.standing()?,
        rules: (stages.rules.list().len(), stages.rule_problems.len()),
        rules_off: stages.off_here().cloned().collect(),
        before: past.before,
        rules_changed: past.differs_from(&stages.digest),
        ..Outcome::default()
    })
}

/// Works out the correlations over all matches, and takes up what earlier runs found.
fn detect_all(
    read: &mut Read,
    spill: Spill,
    past: &Past,
    stages: &Stages,
    options: &Options,
    writer: &RunWriter,
    meter: &Meter,
) -> Result<Sorted, Failure> {
    let rules = &*stages.rules;
    let mut again = Again::new(rules, options.min_level, &read.fed.again);
    let mut hits = std::mem::take(&mut read.hits);
    let (earlier, foreign) = past.matches(&again)?;
    again.learn(&foreign);
    hits.extend(earlier);
    let (hits, left_out) = rules.settled(hits);
    read.hits_left_out += left_out;
    let mut batch: Vec<Match> = Vec::with_capacity(BATCH);
    let mut kept = foreign.into_iter().chain(rules.kept(&hits)).peekable();
    while kept.peek().is_some() {
        batch.clear();
        batch.extend(kept.by_ref().take(BATCH));
        let rows = lake::matches_batch(&batch).map_err(from_lake)?;
        writer.write(Table::Matches, rows).map_err(from_lake)?;
    }
    drop(kept);
    let mut correlated = rules.correlate(hits);
    correlated.retain(|finding| finding.level >= options.min_level);
    Meter::add(&meter.findings, correlated.len() as u64);
    spill.add(&mut correlated).map_err(system("cannot keep findings"))?;
    past.findings(&again, &spill)?;
    spill.sorted().map_err(system("cannot sort findings"))
}

/// Rows go to the run, findings wait for their order in time.
struct ToRun {
    writer: RunWriter,
    spill: Spill,
}

impl Outlet for ToRun {
    fn events(&self, rows: &mut EventRows) -> Result<(), String> {
        self.writer.write_events(rows).map_err(|e| e.to_string())
    }

    fn rows(&self, table: Table, batch: RecordBatch) -> Result<(), String> {
        self.writer.write(table, batch).map_err(|e| e.to_string())
    }

    fn found(&self, findings: &mut Vec<Finding>) -> Result<(), String> {
        self.spill.add(findings).map_err(|e| format!("cannot keep findings: {e}"))
    }
}

fn finish(read: &Read, past: &Past, triaged: &Triaged, findings: u64, stages: &Stages) -> Outcome {
    let Read { fed, book, hits_left_out, costs, .. } = read;
    let sum = |count: fn(&Tally) -> u64| book.tallies.values().map(count).sum::<u64>();
    let known: u64 = book.tallies.values().flat_map(|t| t.definitions.values()).sum();
    let events = sum(|tally| tally.events);
    let first = book.tallies.values().filter_map(|tally| tally.first).min();
    let last = book.tallies.values().filter_map(|tally| tally.last).max();
    let lost = fed.flaws.iter().filter(|row| row.flaw.record_lost).count() as u64;
    Outcome {
        parcels: fed.entries.len() as u64,
        known_parcels: fed.known,
        parcels_again: fed.again.len() as u64,
        events,
        unrecognised: events - known,
        flaws: sum(|tally| tally.flaws) + fed.flaws.len() as u64,
        records_lost: sum(|tally| tally.records_lost) + lost,
        findings,
        alerts: triaged.alerts.len() as u64,
        incidents: Vec::new(),
        span: first.zip(last),
        lake_bytes: 0,
        rules: (stages.rules.list().len(), stages.rule_problems.len()),
        rules_off: stages.off_here().cloned().collect(),
        hits_left_out: *hits_left_out,
        given_up: given_up(costs, &stages.rules),
        before: past.before,
        changes: past.changes(&triaged.incidents),
        refused: Vec::new(),
        rules_changed: fed.known > 0 && past.differs_from(&stages.digest),
    }
}

/// The rules that were given up on events, the most given up first.
fn given_up(costs: &RuleCosts, rules: &Rules) -> Vec<GivenUp> {
    let skipped = costs.list(rules).filter(|(_, cost)| cost.skipped > 0);
    let mut all: Vec<GivenUp> = skipped
        .map(|(rule, cost)| GivenUp {
            rule_id: rule.id.to_string(),
            title: rule.title.to_string(),
            events: cost.skipped,
        })
        .collect();
    all.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.rule_id.cmp(&b.rule_id)));
    all
}

/// Writes everything that is known only at the end.
fn write_rest(
    run: &Run,
    read: &Read,
    triaged: &Triaged,
    outcome: &Outcome,
    run_key: &str,
    stages: &Stages,
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
    if !triaged.incidents.is_empty() {
        put(Table::Incidents, lake::incidents_batch(&triaged.incidents))?;
    }
    let mut parcels = read.book.parcels(&read.fed.entries);
    add_feed_flaws(&mut parcels, &read.fed.flaws);
    if !parcels.is_empty() {
        put(Table::Parcels, lake::parcels_batch(&parcels))?;
    }
    let problems: Vec<_> =
        stages.rule_problems.iter().take(PROBLEMS).map(|p| (&p.path, &p.message)).collect();
    let common: Vec<_> = triaged.common.iter().take(COMMON).collect();
    let given_up: Vec<_> = outcome.given_up.iter().take(PROBLEMS).collect();
    let summary = serde_json::json!({
        "content": stages.digest, "events": outcome.events, "findings": outcome.findings,
        "alerts": outcome.alerts, "incidents": triaged.incidents.len(), "flaws": outcome.flaws,
        "known_parcels": outcome.known_parcels, "parcels_again": outcome.parcels_again,
        "rules": outcome.rules.0, "rules_not_loaded": outcome.rules.1,
        "hits_left_out": outcome.hits_left_out, "given_up": given_up, "changes": outcome.changes, "common": common,
        "rule_sets": stages.rule_sets, "rule_problems": problems,
        "rules_off": outcome.rules_off,
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
    let mut counts: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for row in flaws {
        if let Some(digest) = row.parcel {
            let (flaws, lost) = counts.entry(digest).or_default();
            *flaws += 1;
            *lost += u64::from(row.flaw.record_lost);
        }
    }
    for row in parcels {
        if !row.note.starts_with("the same bytes") {
            let (flaws, lost) = counts.get(&row.parcel.digest).copied().unwrap_or_default();
            row.flaws += flaws;
            row.lost += lost;
            row.records += lost;
        }
    }
}

/// Names the run: the same inputs (paths, sizes, times of change) with the same content and options
/// after as many runs are the same run.
fn run_key(digest: &str, options: &Options, runs: u64) -> String {
    let mut hasher = Hasher::new("run").part(digest.as_bytes());
    hasher = hasher.number(options.min_level as u64).number(u64::from(options.again)).number(runs);
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

/// Refuses to begin when nothing of what was named is there: a typing error must not leave a data
/// folder behind.
pub(crate) fn missing(inputs: &[Input]) -> Result<(), Failure> {
    let mut hints = Vec::new();
    for input in inputs {
        match input {
            Input::Stdin => return Ok(()),
            Input::Path(path) => match fs::metadata(path) {
                Ok(_) => return Ok(()),
                Err(error) => hints.push(format!("{}: {error}", path.display())),
            },
        }
    }
    let failure = Failure::new(Kind::Nothing, "there is no evidence in what was named");
    Err(hints.into_iter().take(3).fold(failure, Failure::hint))
}

/// What never became a parcel, as far as the last screen tells it.
fn refused(fed: &Fed) -> Vec<String> {
    let refused = fed.flaws.iter().filter(|row| row.parcel.is_none());
    refused.take(REFUSED).map(|row| format!("{}: {}", row.origin, row.flaw.message)).collect()
}

fn nothing(fed: &Fed) -> Failure {
    let failure = Failure::new(Kind::Nothing, "there is no evidence in what was named");
    let told = |row: &FlawRow| format!("{}: {}", row.origin, row.flaw.message);
    fed.flaws.iter().take(3).map(told).fold(failure, Failure::hint)
}

/// Says that a run that the system broke off did no harm.
fn unharmed(failure: Failure) -> Failure {
    if failure.kind != Kind::System {
        return failure;
    }
    failure.hint("what the data folder held is as it was; mend this and run the same command again")
}

fn defect(message: &str) -> Failure {
    Failure::new(Kind::Defect, message).hint("this is a defect of watchfloor; please report it")
}

pub(crate) fn from_lake(error: lake::LakeError) -> Failure {
    Failure::new(Kind::System, error.to_string())
}
