//! Every definition under `content/sources` against its samples, found by walking.
//!
//! `WATCHFLOOR_WRITE_EVENTS=1` writes the expected events anew; read them before you commit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::fs;
use std::path::{Path, PathBuf};

use model::{Micros, Record};
use normalize::{Context, Normalizer, Sample, SourceText};

/// This room's folder, as cargo says when the test runs: a binary may be shared between checkouts.
fn room() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from)
}

/// Samples have no file time of their own: their yearless times are of the year 2026.
const SAMPLE_TIME: &str = "2026-12-31T23:59:59Z";

fn content() -> PathBuf {
    room().join("../../content/sources")
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(dir).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    all.sort();
    all
}

fn sources() -> Vec<SourceText> {
    let read = |dir: PathBuf| {
        let path = dir.join("source.yml");
        let text = fs::read_to_string(&path).ok()?;
        let name = dir.file_name()?.to_string_lossy().into_owned();
        Some(SourceText { path: format!("content/sources/{name}/source.yml"), name, text })
    };
    sorted(&content()).into_iter().filter_map(read).collect()
}

#[test]
fn every_definition_compiles() {
    let sources = sources();
    assert!(!sources.is_empty(), "no definitions under {}", content().display());
    let (normalizer, diagnostics) = Normalizer::compile(sources.clone());
    let shown: String = diagnostics.iter().map(ToString::to_string).collect();
    assert!(diagnostics.is_empty(), "{shown}");
    assert_eq!(normalizer.definitions().len(), sources.len());
}

#[test]
fn every_sample_becomes_what_is_expected() {
    let write = std::env::var_os("WATCHFLOOR_WRITE_EVENTS").is_some();
    let sources = sources();
    let (normalizer, diagnostics) = Normalizer::compile(sources.clone());
    let shown: String = diagnostics.iter().map(ToString::to_string).collect();
    assert!(diagnostics.is_empty(), "{shown}");
    let time: Micros = SAMPLE_TIME.parse().unwrap();
    let mut failures = Vec::new();
    let mut events = 0;
    for source in &sources {
        let samples = sorted(&content().join(&source.name).join("samples"));
        let samples: Vec<_> = samples
            .into_iter()
            .filter(|p| !p.to_string_lossy().ends_with(".events.json"))
            .collect();
        if samples.is_empty() {
            failures.push(format!("{} has no samples", source.name));
        }
        for path in samples {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let reading = parse::read_all(&fs::read(&path).unwrap(), &name);
            for flaw in &reading.flaws {
                failures.push(format!("{name}: {}", flaw.message));
            }
            let beside = path.with_extension("events.json");
            let records: &[Record<'_>] = &reading.records;
            let sample = Sample {
                name: name.clone(),
                records,
                context: Context {
                    parser: reading.format,
                    received_at: time,
                    modified: Some(time),
                    origin: &name,
                    definition: None,
                },
                expected: fs::read_to_string(&beside).ok(),
            };
            let result = normalizer.check_sample(source, &sample);
            events += result.actual.len();
            let strange = result.diagnostics.iter().find(|d| d.code == "S020");
            if let (true, Some(strange)) = (write, strange) {
                failures.push(strange.to_string());
                continue;
            }
            if write {
                let mut text = serde_json::to_string_pretty(&result.actual).unwrap();
                text.push('\n');
                fs::write(&beside, text).unwrap();
                if let Some(problem) = result.problems.first() {
                    eprintln!("{}/{name}: {problem}", source.name);
                }
                continue;
            }
            for diagnostic in &result.diagnostics {
                failures.push(diagnostic.to_string());
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(events > 0);
}

/// The page that people read lists every function, as the table says it.
#[test]
fn the_page_lists_every_function() {
    let page = room().join("../../docs/adding/source.md");
    let page = fs::read_to_string(page).unwrap();
    for (name, about, example) in Normalizer::functions() {
        let row = format!("| `{example}` | {about} |");
        assert!(page.contains(&row), "docs/adding/source.md lacks {name}:\n{row}");
    }
}
