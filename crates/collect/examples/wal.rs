//! Measures the write-ahead log: deliveries of 1, 50 and 500 events, from one sender and from many
//! at once. `cargo run --release -p collect --example wal -- FOLDER`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fmt::Write;
use std::time::{Duration, Instant};

use collect::Delivery;
use collect::wal::{Options, Wal};
use model::Micros;

/// How long each case runs.
const SPAN: Duration = Duration::from_secs(3);

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "/tmp/wal-measure".to_owned());
    println!("events  senders  appends/s   events/s   MB/s  answer p50  p99     sync p50  p99");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for events in [1, 50, 500] {
        for senders in [1, 16, 256] {
            let _old = std::fs::remove_dir_all(&folder);
            runtime.block_on(case(&folder, events, senders));
        }
    }
    let _old = std::fs::remove_dir_all(&folder);
}

async fn case(folder: &str, events: usize, senders: usize) {
    let wal = Wal::open(folder, Options::default()).unwrap();
    let mut text = String::new();
    for n in 0..events {
        let _never_fails = writeln!(
            text,
            "<134>1 2026-03-01T10:00:{:02}.{n:06}Z fw{} filterlog {} - - 4,,,1000000{n},em0,match,\
             block,in,4,0x0,,64,{n},0,DF,6,tcp,60,198.51.100.{},203.0.113.{},{},443,0,S,{}",
            n % 60,
            n % 7,
            1000 + n,
            n % 250,
            n % 33,
            1024 + n * 7,
            n * 104_729,
        );
    }
    let delivery = Delivery {
        sender: "firewall".into(),
        format: "syslog".into(),
        definition: None,
        tags: [].into(),
        origin: "syslog tcp 192.0.2.7".into(),
        received_at: Micros(0),
        flaws: vec![],
        cursor: None,
        bytes: text.into(),
    };
    let end = Instant::now() + SPAN;
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (wal, delivery) = (wal.clone(), delivery.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < end {
                    let started = Instant::now();
                    wal.append(delivery.clone()).await.unwrap();
                    times.push(started.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times.sort();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied();
    let millis = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1e3;
    let metrics = wal.metrics();
    let seconds = SPAN.as_secs_f64();
    println!(
        "{events:>6} {senders:>8} {:>10.0} {:>10.0} {:>6.1} {:>8.2} ms {:>6.2} {:>8.2} ms {:>6.2}",
        times.len() as f64 / seconds,
        (times.len() * events) as f64 / seconds,
        metrics.bytes as f64 / 1e6 / seconds,
        millis(at(0.5)),
        millis(at(0.99)),
        metrics.sync_p50.as_secs_f64() * 1e3,
        metrics.sync_p99.as_secs_f64() * 1e3,
    );
}
