//! How long reading takes, and making events of what was read, on one thread:
//! `cargo run --release --example speed -- FILE…`. Reads `content/sources` below the current folder;
//! prints microseconds an event for each file, and for all of them by their events.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, clippy::panic)]

mod shared;

use std::fs;
use std::time::{Duration, Instant};

use model::{Flaw, Record};
use normalize::{Context, Mapper};
use parse::{Chunk, Chunker, Limits, Sink};

/// Events that are gone through at least: the clock ticks every few milliseconds.
const EVENTS: usize = 200_000;

/// Time that this thread has spent on a processor: other work on the machine does not count.
fn on_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok());
    nanos.map_or_else(|| panic!("no /proc/thread-self/schedstat"), Duration::from_nanos)
}

/// Counts records and, with a mapper, the values of their events.
struct Count<'n, 'c> {
    mapper: Option<(Mapper<'n>, Context<'c>)>,
    events: usize,
    values: usize,
}

impl Sink for Count<'_, '_> {
    fn record(&mut self, record: Record<'_>) {
        self.events += 1;
        if let Some((mapper, context)) = &mut self.mapper {
            self.values += mapper.normalize(&record, context).event.values().count();
        }
    }

    fn flaw(&mut self, _: Flaw) {}
}

impl Count<'_, '_> {
    /// Reads the chunks over and over; microseconds an event.
    fn time(&mut self, chunks: &[Chunk]) -> f64 {
        let start = on_cpu();
        while self.events < EVENTS {
            let before = self.events;
            for chunk in chunks {
                chunk.reader.read(&chunk.bytes, chunk.offset, self);
            }
            if self.events == before {
                return 0.0;
            }
        }
        on_cpu().saturating_sub(start).as_secs_f64() * 1e6 / self.events as f64
    }
}

fn main() {
    let start = Instant::now();
    let normalizer = shared::normalizer();
    println!("{} definitions in {:?}", normalizer.definitions().len(), start.elapsed());
    println!(" parse  normalize  values");
    let (mut parse, mut normalize, mut all) = (0.0, 0.0, 0.0);
    for file in std::env::args().skip(1) {
        let bytes = fs::read(&file).expect("a file that can be read");
        let mut chunker = Chunker::new(&*bytes, &file, Limits::default()).expect("a chunker");
        let mut chunks = Vec::new();
        while let Ok(Some(chunk)) = chunker.next() {
            chunks.push(chunk);
        }
        let parser = chunker.recognised().name();
        let mut plain = Count { mapper: None, events: 0, values: 0 };
        let reading = plain.time(&chunks);
        let mapper = Some((normalizer.mapper(), shared::context(parser, &file)));
        let mut mapped = Count { mapper, events: 0, values: 0 };
        let making = mapped.time(&chunks) - reading;
        let values = mapped.values as f64 / mapped.events.max(1) as f64;
        println!("{reading:6.2} {making:10.2} {values:7.1} {parser} {file}");
        let mut once = Count { mapper: None, events: 0, values: 0 };
        chunks.iter().for_each(|chunk| chunk.reader.read(&chunk.bytes, chunk.offset, &mut once));
        let events = once.events as f64;
        (parse, normalize, all) =
            (parse + reading * events, normalize + making * events, all + events);
    }
    println!("{:6.2} {:10.2}         all {all} events", parse / all, normalize / all);
}
