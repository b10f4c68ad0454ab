//! How long a record takes to become an event: `cargo run --release --example speed -- FILE…`.
//! Reads `content/sources` below the current folder; prints microseconds for each file and event.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, clippy::panic)]

mod shared;

use std::fs;
use std::time::{Duration, Instant};

/// Time that this thread has spent on a processor: other work on the machine does not count.
fn on_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok());
    nanos.map_or_else(|| panic!("no /proc/thread-self/schedstat"), Duration::from_nanos)
}

fn main() {
    let start = Instant::now();
    let normalizer = shared::normalizer();
    println!("{} definitions in {:?}", normalizer.definitions().len(), start.elapsed());
    for file in std::env::args().skip(1) {
        let (parser, records) = shared::records(&file);
        let context = shared::context(parser, &file);
        if records.is_empty() {
            continue;
        }
        let rounds = 400_000 / records.len() + 1;
        let mut values = 0;
        let start = on_cpu();
        for _ in 0..rounds {
            for record in &records {
                values += normalizer.normalize(record, &context).event.values().count();
            }
        }
        let events = (rounds * records.len()) as f64;
        let took = on_cpu().saturating_sub(start).as_secs_f64() * 1e6 / events;
        println!("{took:6.2} µs, {:5.1} values: {file}", values as f64 / events);
    }
}
