//! The peer: parses JSON lines with serde_json and evaluates them with rsigma-eval, one engine for each
//! log source, on all cores. Nothing else: no normalisation, no correlation, nothing is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use model::LogSource;
use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;
use rsigma_parser::SigmaCollection;

/// Bytes that one thread takes at a time.
const PIECE: usize = 4 << 20;

/// Runs the peer over a folder of JSON lines and prints `events findings seconds`. `bloom` switches its filter
/// of needles on, which is off as it comes. Loading the rules
/// and building the engines is not in the time.
#[allow(clippy::print_stdout)]
pub(crate) fn run(rules: &[PathBuf], folder: &Path, bloom: bool) -> Result<(), String> {
    let rules = load(rules);
    let mut files = super::files(folder, "jsonl");
    files.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).map_or(0, |m| m.len())));
    let mut engines = Vec::new();
    for path in &files {
        engines.push(engine(&rules, &super::json::source_of(path), bloom)?);
    }
    let began = Instant::now();
    let (events, findings) = (AtomicU64::new(0), AtomicU64::new(0));
    for (path, engine) in files.iter().zip(&engines) {
        let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let pieces = pieces(&bytes);
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (seen, found) = evaluate(engine, piece);
                        events.fetch_add(seen, Ordering::Relaxed);
                        findings.fetch_add(found, Ordering::Relaxed);
                    }
                });
            }
        });
    }
    let took = began.elapsed().as_secs_f64();
    println!("{} {} {took:.3}", events.into_inner(), findings.into_inner());
    Ok(())
}

/// Whole lines, some megabytes at a time.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let reach = PIECE.min(rest.len());
        let end = rest
            .get(reach..)
            .and_then(|tail| tail.iter().position(|byte| *byte == b'\n'))
            .map_or(rest.len(), |at| reach + at + 1);
        let (piece, tail) = rest.split_at(end);
        out.push(piece);
        rest = tail;
    }
    out
}

fn evaluate(engine: &Engine, piece: &[u8]) -> (u64, u64) {
    let (mut events, mut findings) = (0, 0);
    for line in piece.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        events += 1;
        findings += engine.evaluate(&JsonEvent::borrow(&value)).len() as u64;
    }
    (events, findings)
}

/// The rules that rsigma-eval takes. Placeholders of `expand` need a pipeline, so those are left out,
/// as on our side.
fn load(roots: &[PathBuf]) -> SigmaCollection {
    let mut all = SigmaCollection::new();
    for path in roots.iter().flat_map(|root| super::files(root, "yml")) {
        let Ok(text) = fs::read_to_string(path) else { continue };
        if !text.contains("|expand")
            && let Ok(found) = rsigma_parser::parse_sigma_yaml(&text)
        {
            all.rules.extend(found.rules);
        }
    }
    all
}

/// An engine with the rules that a log source must see.
fn engine(all: &SigmaCollection, source: &LogSource, bloom: bool) -> Result<Engine, String> {
    let fits = |asked: &Option<String>, given: &Option<Arc<str>>| match asked {
        Some(asked) => given.as_deref() == Some(asked.as_str()),
        None => true,
    };
    let mut collection = SigmaCollection::new();
    let fitting = all.rules.iter().filter(|rule| {
        let asked = &rule.logsource;
        fits(&asked.product, &source.product)
            && fits(&asked.category, &source.category)
            && fits(&asked.service, &source.service)
    });
    collection.rules = fitting.cloned().collect();
    let mut engine = Engine::new();
    engine.set_bloom_prefilter(bloom);
    engine.add_collection(&collection).map_err(|e| e.to_string())?;
    Ok(engine)
}
