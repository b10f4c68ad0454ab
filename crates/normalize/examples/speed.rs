//! How long a record takes to become an event: `cargo run --release --example speed -- FILE…`.
//! Reads `content/sources` below the current folder; prints microseconds for each file and event.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::time::{Duration, Instant};

use model::Micros;
use normalize::{Context, Normalizer, SourceText};

/// Time that this thread has spent on a processor: other work on the machine does not count.
fn on_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok());
    nanos.map_or_else(|| panic!("no /proc/thread-self/schedstat"), Duration::from_nanos)
}

fn main() {
    let mut sources = Vec::new();
    for entry in fs::read_dir("content/sources").expect("content/sources").flatten() {
        let path = entry.path().join("source.yml");
        if let Ok(text) = fs::read_to_string(&path) {
            let name = entry.file_name().to_string_lossy().into_owned();
            sources.push(SourceText { name, path: path.display().to_string(), text });
        }
    }
    let start = Instant::now();
    let (normalizer, diagnostics) = Normalizer::compile(sources);
    println!("{} definitions in {:?}", normalizer.definitions().len(), start.elapsed());
    for diagnostic in diagnostics {
        println!("{diagnostic}");
    }
    for file in std::env::args().skip(1) {
        let reading = parse::read_all(&fs::read(&file).expect("a file"), &file);
        let context = Context {
            parser: reading.format,
            received_at: Micros(0),
            modified: None,
            origin: &file,
        };
        if reading.records.is_empty() {
            continue;
        }
        let rounds = 400_000 / reading.records.len() + 1;
        let mut values = 0;
        let start = on_cpu();
        for _ in 0..rounds {
            for record in &reading.records {
                values += normalizer.normalize(record, &context).event.values().count();
            }
        }
        let events = (rounds * reading.records.len()) as f64;
        let took = on_cpu().saturating_sub(start).as_secs_f64() * 1e6 / events;
        println!("{took:6.2} µs, {:5.1} values: {file}", values as f64 / events);
    }
}
