//! `cargo xtask hostile`: damaged and malicious evidence through the whole program: no panic, no hang,
//! bounded memory, nothing written outside the data folder, and nothing lost without a word.

mod archives;
mod crafted;
mod damage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Dice, Ended, corpora, option, program, query, run, scratch, strings};
use crafted::Case;

/// What one parcel may take.
const EACH: Duration = Duration::from_secs(10);
/// Memory that no run may pass, in KiB.
const MEMORY: u64 = 1 << 20;
/// Files larger than this are not copied and damaged; their smaller brothers are.
const SAMPLE: u64 = 2 << 20;
/// Damaged copies that are investigated in one run.
const BATCH: usize = 100;
/// Damaged copies at least.
const COPIES: usize = 1_000;
/// Characters of a sentence about a flaw.
const SENTENCE: usize = 400;

/// `--copies N` (one of every sample, 1000 at least), `--only NAME` (crafted cases whose name has this in it, no copies),
/// `--seed N`, `--bin PATH`.
#[allow(clippy::print_stdout)]
pub(crate) fn hostile(args: &[String]) -> Result<(), String> {
    let ground = Ground::new(args)?;
    let number = |flag, or| option(args, flag).and_then(|n| n.parse().ok()).unwrap_or(or);
    let only = option(args, "--only");
    if only.is_none() {
        let samples = samples();
        let most = number("--copies", samples.len().max(COPIES) as u64) as usize;
        copies(&ground, &samples, most, Dice(number("--seed", 11)))?;
    }
    let mut failed = Vec::new();
    for case in crafted::cases().iter().filter(|case| only.is_none_or(|o| case.name.contains(o))) {
        match crafted(&ground, case) {
            Ok(line) => println!("{line}"),
            Err(error) => {
                println!("{:<22} FAILED {error}", case.name);
                failed.push(case.name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// Damaged copies of every sample, by the hundred.
#[allow(clippy::print_stdout)]
fn copies(
    ground: &Ground,
    samples: &[PathBuf],
    copies: usize,
    mut dice: Dice,
) -> Result<(), String> {
    let (mut peak, mut slowest) = (0, Duration::ZERO);
    let (mut events, mut flaws) = (0, 0);
    let all: Vec<&PathBuf> = samples.iter().cycle().take(copies).collect();
    for (round, part) in all.chunks(BATCH).enumerate() {
        let batch = ground.batch(&format!("copies-{round}"))?;
        for (n, sample) in part.iter().enumerate() {
            let bytes = fs::read(sample).map_err(|e| e.to_string())?;
            let name = sample.file_name().unwrap_or_default().to_string_lossy();
            let path = batch.join(format!("{n:03}-{name}"));
            fs::write(path, damage::damaged(bytes, &mut dice)).map_err(|e| e.to_string())?;
        }
        let seen = ground.investigate(&batch, EACH * part.len() as u32, None)?;
        peak = peak.max(seen.ended.peak_kib);
        slowest = slowest.max(seen.ended.took);
        events += seen.events;
        flaws += seen.flaws.len();
        fs::remove_dir_all(&batch).map_err(|e| e.to_string())?;
    }
    println!(
        "{copies} damaged copies of {} samples: {} MiB at most, slowest hundred {slowest:.1?}, \
         {events} events, {flaws} flaws",
        samples.len(),
        peak >> 10
    );
    Ok(())
}

fn samples() -> Vec<PathBuf> {
    let mut samples = Vec::new();
    let mut roots: Vec<PathBuf> =
        ["crates/parse/fixtures", "demo/evidence", "content/sources"].map(PathBuf::from).into();
    if let Some(corpora) = corpora() {
        roots.extend(["evtx", "sources", "sigma/regression_data"].map(|name| corpora.join(name)));
    }
    for root in roots {
        for (path, meta) in tree(&root) {
            if meta.is_file() && (1..=SAMPLE).contains(&meta.len()) {
                samples.push(path);
            }
        }
    }
    samples
}

/// Makes one crafted case, investigates it and holds it to what it promises; a line about it.
fn crafted(ground: &Ground, case: &Case) -> Result<String, String> {
    let batch = ground.batch(case.name)?;
    (case.make)(&batch).map_err(|e| format!("cannot be made: {e}"))?;
    let seen = ground.investigate(&batch, Duration::from_secs(case.seconds), case.meanwhile)?;
    if seen.events < case.events {
        return Err(format!("{} events, at least {} were expected", seen.events, case.events));
    }
    for (kind, part) in &case.says {
        if !seen.says(kind, part) {
            return Err(format!("nothing says `{part}` ({kind}): {}", seen.told()));
        }
    }
    fs::remove_dir_all(&batch).map_err(|e| e.to_string())?;
    Ok(format!(
        "{:<22} {:>7.1?} {:>5} MiB {:>8} events {:>6} flaws",
        case.name,
        seen.ended.took,
        seen.ended.peak_kib >> 10,
        seen.events,
        seen.flaws.len()
    ))
}

/// Where proofs run: a folder with the evidence, the data folder, and a home, a working folder and a
/// temporary folder in which nothing may appear.
struct Ground {
    program: PathBuf,
    folder: PathBuf,
}

impl Ground {
    fn new(args: &[String]) -> Result<Self, String> {
        let program = fs::canonicalize(program(args)?).map_err(|e| e.to_string())?;
        let folder = fs::canonicalize(scratch("hostile")?).map_err(|e| e.to_string())?;
        fs::create_dir(folder.join("elsewhere")).map_err(|e| e.to_string())?;
        Ok(Self { program, folder })
    }

    fn batch(&self, name: &str) -> Result<PathBuf, String> {
        let batch = self.folder.join("evidence").join(name);
        fs::create_dir_all(&batch).map_err(|e| e.to_string())?;
        Ok(batch)
    }

    /// Investigates a batch, with something going on `meanwhile`, and holds it to every bound.
    fn investigate(
        &self,
        batch: &Path,
        limit: Duration,
        meanwhile: Option<fn(&Path, &AtomicBool)>,
    ) -> Result<Seen, String> {
        let data = self.folder.join("data");
        let _may_not_exist = fs::remove_dir_all(&data);
        let before = self.all_but_data();
        let elsewhere = self.folder.join("elsewhere").display().to_string();
        let command = strings(&[
            "-C",
            &elsewhere,
            &format!("HOME={elsewhere}"),
            &format!("TMPDIR={elsewhere}"),
            &self.program.display().to_string(),
            "investigate",
            &batch.display().to_string(),
            "--data",
            &data.display().to_string(),
            "--json",
            "--no-report",
        ]);
        let over = AtomicBool::new(false);
        let ended = std::thread::scope(|scope| {
            if let Some(meanwhile) = meanwhile {
                let over = &over;
                scope.spawn(move || meanwhile(batch, over));
            }
            let ended = run(Path::new("env"), &command, &self.folder, limit);
            over.store(true, Ordering::Relaxed);
            ended
        })?;
        bounded(&ended, limit)?;
        if meanwhile.is_none() && self.all_but_data() != before {
            return Err("something was written outside the data folder".to_owned());
        }
        let seen = self.seen(&data, ended)?;
        if meanwhile.is_none() {
            nothing_vanished(batch, &seen)?;
        }
        sentences(&seen)?;
        Ok(seen)
    }

    /// Every path outside the data folder with its size and time of change.
    fn all_but_data(&self) -> BTreeMap<PathBuf, (u64, Option<SystemTime>)> {
        ["evidence", "elsewhere"]
            .iter()
            .flat_map(|name| tree(&self.folder.join(name)))
            .map(|(path, meta)| (path, (meta.len(), meta.modified().ok())))
            .collect()
    }

    /// What a run left in the data folder.
    fn seen(&self, data: &Path, ended: Ended) -> Result<Seen, String> {
        let mut seen = Seen { ended, events: 0, flaws: Vec::new(), origins: BTreeSet::new() };
        // When there was nothing to work on, the error says why and no data folder is left.
        if seen.ended.code != Some(0) {
            return Ok(seen);
        }
        let outcome: Value = serde_json::from_str(&seen.ended.out).map_err(|e| e.to_string())?;
        let told = |key: &str| outcome.pointer(&format!("/outcome/{key}")).and_then(Value::as_u64);
        seen.events = told("events").ok_or("no count of events")?;
        seen.flaws = query(&self.program, data, "SELECT origin, kind, message FROM flaws")?;
        if told("flaws") != Some(seen.flaws.len() as u64) {
            return Err(format!("{:?} flaws told, {} kept", told("flaws"), seen.flaws.len()));
        }
        let origins = "SELECT origin FROM parcels UNION SELECT origin FROM flaws";
        let rows = query(&self.program, data, origins)?;
        seen.origins = rows.iter().map(|row| text(row, "origin").to_owned()).collect();
        Ok(seen)
    }
}

/// What came of a run.
struct Seen {
    ended: Ended,
    events: u64,
    flaws: Vec<Value>,
    /// Everything that is listed, read or not.
    origins: BTreeSet<String>,
}

impl Seen {
    fn says(&self, kind: &str, part: &str) -> bool {
        let fits = |row: &Value| text(row, "kind") == kind && text(row, "message").contains(part);
        self.flaws.iter().any(fits) || (self.ended.code == Some(4) && self.ended.err.contains(part))
    }

    /// The first flaws, for a message.
    fn told(&self) -> String {
        let flaws: Vec<String> = self.flaws.iter().take(5).map(Value::to_string).collect();
        format!("{} {}", flaws.join(" "), self.ended.err)
    }
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// No panic, no hang, no surprising exit code, bounded memory.
fn bounded(ended: &Ended, limit: Duration) -> Result<(), String> {
    match ended.code {
        None => return Err(format!("still running after {limit:?}, or killed")),
        // Nothing to work on is an answer too.
        Some(0 | 4) => {}
        Some(code) => return Err(format!("exit code {code}: {}", ended.err)),
    }
    if ended.err.contains("panicked") {
        return Err(ended.err.clone());
    }
    if ended.peak_kib > MEMORY {
        return Err(format!("{} MiB of memory", ended.peak_kib >> 10));
    }
    Ok(())
}

/// Every file of the batch is listed as a parcel or as a flaw.
fn nothing_vanished(batch: &Path, seen: &Seen) -> Result<(), String> {
    if seen.ended.code != Some(0) {
        return Ok(());
    }
    let gone = tree(batch)
        .into_iter()
        .filter(|(_, meta)| !meta.is_dir())
        .find(|(path, _)| !seen.origins.contains(&path.display().to_string()));
    match gone {
        None => Ok(()),
        Some((path, _)) => Err(format!("nothing tells of {}", path.display())),
    }
}

/// Every flaw is told in one line that a person can read.
fn sentences(seen: &Seen) -> Result<(), String> {
    for row in &seen.flaws {
        let message = text(row, "message");
        let clear = !message.is_empty()
            && message.chars().count() <= SENTENCE
            && !message.chars().any(char::is_control)
            && !message.contains("a defect of the");
        if !clear {
            return Err(format!("not a clear sentence: {row}"));
        }
    }
    Ok(())
}

/// Everything below `root`, folders by name, links not followed.
fn tree(root: &Path) -> Vec<(PathBuf, fs::Metadata)> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(root).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(meta) = entry.metadata() else { continue };
        let folder = meta.is_dir();
        found.push((entry.path(), meta));
        if folder {
            found.extend(tree(&entry.path()));
        }
    }
    found
}
