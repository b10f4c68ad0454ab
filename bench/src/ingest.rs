//! The measurement of ingest: `investigate` against the peer over the same JSON lines, over EVTX, and
//! its time and memory as the evidence grows. Medians; ours and the peer's runs take turns.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use normalize::{Normalizer, SourceText};

/// Longest that one run may take.
const LIMIT: Duration = Duration::from_mins(20);
/// Megabytes of each kind of evidence.
const SMALL: u64 = 100;
const MIDDLE: u64 = 500;
const GREAT: u64 = 1_000;

/// Median time in seconds and the greatest peak in MiB of some runs, with the events of the last.
struct Measured {
    seconds: f64,
    peak: u64,
    events: f64,
}

pub(crate) fn run(corpora: &Path, args: &[String]) -> Result<(), String> {
    let program = xtask::program(args)?;
    let rounds = xtask::option(args, "--rounds").and_then(|n| n.parse().ok()).unwrap_or(5);
    let folder = xtask::scratch("ingest")?;
    let rules = xtask::sigma_rules(corpora);
    let place = |name: &str| folder.join(name);
    for megabytes in [SMALL, MIDDLE, GREAT] {
        make_json(corpora, &place(&format!("json-{megabytes}")), megabytes * 1_000_000)?;
        make_evtx(corpora, &place(&format!("evtx-{megabytes}")), megabytes * 1_000_000)?;
    }
    let ours = |name: &str, rounds| -> Result<Measured, String> {
        measure(rounds, || investigate(&program, &rules, &place(name), &folder))
    };
    println!("evidence            seconds  events/s  MB/s  peak MiB");
    let rate = |one: &Measured| one.events / one.seconds;
    let mut shares = Vec::new();
    for megabytes in [MIDDLE, GREAT] {
        let (mut mine, mut plain, mut filtered) = (Vec::new(), Vec::new(), Vec::new());
        let evidence = place(&format!("json-{megabytes}"));
        for _ in 0..rounds {
            mine.push(investigate(&program, &rules, &evidence, &folder)?);
            plain.push(peer(&evidence, &folder, &[])?);
            filtered.push(peer(&evidence, &folder, &["--bloom"])?);
        }
        let (mine, plain, filtered) = (middle(mine), middle(plain), middle(filtered));
        row(&format!("json {megabytes} MB"), megabytes, &mine);
        row(&format!("peer {megabytes} MB"), megabytes, &plain);
        row("peer, filter on", megabytes, &filtered);
        shares.push((megabytes, rate(&mine) / rate(&plain), rate(&mine) / rate(&filtered)));
    }
    for (kind, megabytes) in [("json", SMALL), ("evtx", SMALL), ("evtx", MIDDLE), ("evtx", GREAT)] {
        let measured = ours(&format!("{kind}-{megabytes}"), rounds)?;
        row(&format!("{kind} {megabytes} MB"), megabytes, &measured);
    }
    for (megabytes, plain, filtered) in shares {
        println!(
            "events a second of investigate over {megabytes} MB, as a share of the peer's: {plain:.2}; \
             with its filter on: {filtered:.2}"
        );
    }
    Ok(())
}

fn row(name: &str, megabytes: u64, measured: &Measured) {
    let Measured { seconds, peak, events } = measured;
    let (rate, speed) = (events / seconds, megabytes as f64 / seconds);
    println!("{name:<18} {seconds:8.2} {rate:9.0} {speed:5.0} {peak:9}");
}

fn measure(
    rounds: usize,
    mut once: impl FnMut() -> Result<Measured, String>,
) -> Result<Measured, String> {
    let runs: Result<Vec<_>, _> = (0..rounds).map(|_| once()).collect();
    runs.map(middle)
}

/// The median of the times, the greatest of the peaks.
fn middle(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let peak = runs.iter().map(|run| run.peak).max().unwrap_or(0);
    let at = runs.len() / 2;
    let median = runs.into_iter().nth(at);
    median.map_or(Measured { seconds: 0.0, peak, events: 0.0 }, |run| Measured { peak, ..run })
}

/// The whole of `investigate`, its start and the loading of the rules included; the report left out.
fn investigate(
    program: &Path,
    rules: &[PathBuf],
    evidence: &Path,
    folder: &Path,
) -> Result<Measured, String> {
    let data = folder.join("data");
    if data.exists() {
        fs::remove_dir_all(&data).map_err(|e| e.to_string())?;
    }
    let mut args = xtask::strings(&["investigate", "--json", "--no-report", "--no-builtin-rules"]);
    for rules in rules {
        args.extend(["--rules".to_owned(), rules.display().to_string()]);
    }
    args.extend(["--data".to_owned(), data.display().to_string()]);
    args.push(evidence.display().to_string());
    let ended = xtask::run(program, &args, folder, LIMIT)?;
    if ended.code != Some(0) {
        return Err(format!("investigate failed: {}", ended.err));
    }
    let told: serde_json::Value = serde_json::from_str(&ended.out).map_err(|e| e.to_string())?;
    let events = told
        .pointer("/outcome/events")
        .and_then(serde_json::Value::as_f64)
        .ok_or("investigate does not say how many events it read")?;
    Ok(Measured { seconds: ended.took.as_secs_f64(), peak: ended.peak_kib >> 10, events })
}

/// The peer in a process of its own; its time is what it says, without the loading of the rules.
fn peer(evidence: &Path, folder: &Path, options: &[&str]) -> Result<Measured, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut args = vec!["peer".to_owned(), evidence.display().to_string()];
    args.extend(xtask::strings(options));
    let ended = xtask::run(&program, &args, folder, LIMIT)?;
    let mut told = ended.out.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
    match (told.next(), told.next(), told.next()) {
        (Some(events), Some(_), Some(seconds)) => {
            Ok(Measured { seconds, peak: ended.peak_kib >> 10, events })
        }
        _ => Err(format!("the peer failed: {}", ended.err)),
    }
}

/// JSON lines out of every JSON and EVTX sample of a known source.
pub(crate) fn make_json(corpora: &Path, folder: &Path, bytes: u64) -> Result<(u64, u64), String> {
    let mut files = evtx_files(corpora);
    files.extend(xtask::files(&corpora.join("sources")));
    let records = super::json::records(&files, &normalizer()?);
    if records.is_empty() {
        return Err("the corpora hold no JSON or EVTX record of a known source".to_owned());
    }
    super::json::make(&records, folder, bytes).map_err(|e| e.to_string())
}

pub(crate) fn make_evtx(corpora: &Path, folder: &Path, bytes: u64) -> Result<(), String> {
    super::evtx::make(&evtx_files(corpora), folder, bytes).map_err(|e| e.to_string())
}

fn evtx_files(corpora: &Path) -> Vec<PathBuf> {
    super::files(corpora, "evtx")
}

fn normalizer() -> Result<Normalizer, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../content/sources");
    let mut sources = Vec::new();
    for path in super::files(&root, "yml") {
        let name = path.parent().and_then(Path::file_name).unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(|e| e.to_string())?;
        sources.push(SourceText { name, path: path.display().to_string(), text });
    }
    let (normalizer, mistakes) = Normalizer::compile(sources);
    match mistakes.first() {
        Some(mistake) => Err(mistake.to_string()),
        None => Ok(normalizer),
    }
}
