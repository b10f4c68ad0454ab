//! How fast files are read: `cargo run --release -p parse --example speed -- [-t THREADS] [-g GB] FILE…`.
//! The files are read over and over until so many gigabytes have gone through.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use model::{Flaw, Record};
use parse::{Chunker, Limits, Sink};

#[derive(Default)]
struct Count {
    records: usize,
    flaws: usize,
}

impl Sink for Count {
    fn record(&mut self, record: Record<'_>) {
        self.records += 1;
        std::hint::black_box(&record);
    }
    fn flaw(&mut self, _: Flaw) {
        self.flaws += 1;
    }
}

fn main() {
    let (mut threads, mut gigabytes, mut files) = (1usize, 1.0f64, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-t" => threads = args.next().unwrap().parse().unwrap(),
            "-g" => gigabytes = args.next().unwrap().parse().unwrap(),
            path => files.push((path.to_owned(), std::fs::read(path).unwrap())),
        }
    }
    let size: usize = files.iter().map(|f| f.1.len()).sum();
    let rounds = ((gigabytes * 1e9) as usize / size.max(1)).max(1);
    let (records, flaws) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    let (send, receive) = std::sync::mpsc::sync_channel::<parse::Chunk>(2 * threads);
    let receive = std::sync::Mutex::new(receive);
    let mut cutting = std::time::Duration::ZERO;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut count = Count::default();
                loop {
                    let chunk = receive.lock().unwrap().recv();
                    let Ok(chunk) = chunk else { break };
                    chunk.reader.read(&chunk.bytes, chunk.offset, &mut count);
                }
                records.fetch_add(count.records, Ordering::Relaxed);
                flaws.fetch_add(count.flaws, Ordering::Relaxed);
            });
        }
        for _ in 0..rounds {
            for (name, bytes) in &files {
                let cut = Instant::now();
                let mut chunker = Chunker::new(&bytes[..], name, Limits::default()).unwrap();
                cutting += cut.elapsed();
                loop {
                    let cut = Instant::now();
                    let chunk = chunker.next().unwrap();
                    cutting += cut.elapsed();
                    let Some(chunk) = chunk else { break };
                    send.send(chunk).unwrap();
                }
            }
        }
        drop(send);
    });
    let seconds = start.elapsed().as_secs_f64();
    let gigabytes = (size * rounds) as f64 / 1e9;
    let records = records.into_inner();
    println!(
        "{gigabytes:.2} GB, {records} records, {} flaws, {threads} threads: {seconds:.2} s, {:.2} s/GB, \
         {:.2} µs a record; cutting {:.2} s/GB",
        flaws.into_inner(),
        seconds / gigabytes,
        seconds * 1e6 / records.max(1) as f64,
        cutting.as_secs_f64() / gigabytes,
    );
}
