//! What the runners share: the definitions below the current folder, and the records of a file.
#![allow(dead_code)] // Each runner uses a part of it.

use std::fs;

use model::{Micros, Record};
use normalize::{Context, Normalizer, SourceText};

/// Compiles `content/sources` below the current folder; mistakes go to standard error.
pub(crate) fn normalizer() -> Normalizer {
    let mut sources = Vec::new();
    for entry in fs::read_dir("content/sources").expect("content/sources").flatten() {
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
    normalizer
}

/// The records of a file with the parser that read them. Of a row that wraps a record and what is
/// expected of it (`{log, expect}`) it is the record.
pub(crate) fn records(file: &str) -> (&'static str, Vec<Record<'static>>) {
    let reading = parse::read_all(&fs::read(file).expect("a file that can be read"), file);
    for flaw in &reading.flaws {
        eprintln!("{file}: {}", flaw.message);
    }
    let unwrap = |row: Record<'static>| match row.fields.get("log") {
        Some(log) if row.fields.get("expect").is_some() || row.fields.get("log_type").is_some() => {
            let raw = serde_json::to_vec(log).unwrap_or_default().into();
            Record { fields: log.clone().into_owned(), raw, ..row.clone() }
        }
        _ => row,
    };
    (reading.format, reading.records.into_iter().map(unwrap).collect())
}

/// A context with a fixed year for times that name none.
pub(crate) fn context<'c>(parser: &'c str, origin: &'c str) -> Context<'c> {
    let time = "2026-12-31T23:59:59Z".parse().unwrap_or(Micros(0));
    Context { parser, received_at: time, modified: Some(time), origin, definition: None }
}
