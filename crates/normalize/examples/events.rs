//! What files become: `cargo run --release --example events -- [--count | --native] FILE…`.
//!
//! Prints the events as lines of JSON; with `--count` how many of each kind, and what is wrong with
//! them; with `--native` the records as the parsers read them. Reads `content/sources` below the
//! current folder.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};

use model::{EventUid, Micros};
use normalize::{Context, Normalizer, SourceText};

fn main() -> io::Result<()> {
    let mut sources = Vec::new();
    for entry in fs::read_dir("content/sources")?.flatten() {
        let path = entry.path().join("source.yml");
        if let Ok(text) = fs::read_to_string(&path) {
            let name = entry.file_name().to_string_lossy().into_owned();
            sources.push(SourceText { name, path: path.display().to_string(), text });
        }
    }
    let (normalizer, diagnostics) = Normalizer::compile(sources);
    for diagnostic in diagnostics {
        eprintln!("{diagnostic}");
    }
    let (options, files): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let native = options.iter().any(|o| o == "--native");
    let count = options.iter().any(|o| o == "--count");
    let mut out = BufWriter::new(io::stdout().lock());
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut problems: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        let Ok(bytes) = fs::read(&file) else { continue };
        let reading = parse::read_all(&bytes, &file);
        let context = Context {
            parser: reading.format,
            received_at: Micros(0),
            modified: "2026-12-31T23:59:59Z".parse().ok(),
            origin: &file,
        };
        for record in &reading.records {
            if native {
                let fields = serde_json::to_string(&record.fields)?;
                writeln!(out, "{fields}")?;
                continue;
            }
            let made = normalizer.normalize(record, &context);
            let event = made.event.to_json(EventUid([0; 16]), &record.raw);
            if !count {
                writeln!(out, "{event}")?;
                continue;
            }
            let name = made.definition.map_or("-", |d| &*d.name);
            let text =
                |path: &str| event.pointer(path).map(ToString::to_string).unwrap_or_default();
            let sources: Vec<_> = made.logsources.iter().map(ToString::to_string).collect();
            let kind = format!(
                "{name} {} {} {} {}{}",
                text("/metadata/event_code"),
                text("/class_name"),
                text("/activity_name"),
                sources.join(" "),
                if made.time_found { "" } else { " no time" },
            );
            *kinds.entry(kind).or_default() += 1;
            for flaw in &made.flaws {
                *problems.entry(format!("{name}: {}", flaw.message)).or_default() += 1;
            }
            for problem in ocsf::check(&event) {
                let problem = format!("{name} {}: {problem}", text("/metadata/event_code"));
                *problems.entry(problem).or_default() += 1;
            }
        }
    }
    for (kind, n) in kinds {
        writeln!(out, "{n:7} {kind}")?;
    }
    for (problem, n) in problems {
        writeln!(out, "{n:7} PROBLEM {problem}")?;
    }
    out.flush()
}
