//! A process that writes the log is killed at any moment: what it acknowledged is there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;

use collect::wal::{Options, Read, Wal};
use collect::{Delivery, Position};
use model::Micros;

const FOLDER: &str = "WATCHFLOOR_TEST_WAL";

fn options() -> Options {
    Options { segment_bytes: 128 << 10, ..Options::default() }
}

fn delivery(text: &str) -> Delivery {
    Delivery {
        sender: "child".into(),
        format: "".into(),
        definition: None,
        tags: [].into(),
        origin: "a test".into(),
        received_at: Micros(0),
        flaws: vec![],
        cursor: None,
        bytes: text.to_owned().into(),
    }
}

/// Not a test: what the test below kills. It tells what was acknowledged.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let wal = Wal::open(folder, options()).unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let wal = &wal;
            scope.spawn(move || {
                for number in 0.. {
                    let noise = "noise ".repeat(number % 300);
                    let text = format!("{}/{thread}/{number} {noise}", std::process::id());
                    let receipt = wal.append_blocking(delivery(&text)).unwrap();
                    println!("\nACK {} {text}", receipt.position);
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let enough = acknowledged.len() + 20 + 70 * round;
        let mut hear = |line: String| {
            let Some(rest) = line.strip_prefix("ACK ") else { return };
            let (number, text) = rest.split_once(' ').unwrap();
            let before = acknowledged.insert(number.parse::<u64>().unwrap(), text.to_owned());
            assert_eq!(before, None, "{number} was given out twice");
        };
        let mut heard = 0;
        for line in lines.by_ref() {
            heard += usize::from(line.starts_with("ACK "));
            hear(line);
            if heard >= enough {
                break;
            }
        }
        child.kill().unwrap();
        // A line that was being printed may be torn, so its text is not whole.
        let mut rest: Vec<String> = lines.collect();
        rest.pop();
        rest.into_iter().for_each(&mut hear);
        child.wait().unwrap();

        let wal = Wal::open(folder.path(), options()).unwrap();
        let mut reader = wal.reader(Position::START);
        let mut found = BTreeMap::new();
        while let Some(read) = reader.try_next().unwrap() {
            let Read::Delivery(position, delivery) = read else { panic!("{read:?}") };
            let text = String::from_utf8(delivery.bytes.to_vec()).unwrap();
            assert_eq!(found.insert(position.0, text), None);
        }
        for (number, text) in &acknowledged {
            assert_eq!(found.get(number).map(|t| t.trim_end()), Some(text.trim_end()), "{number}");
        }
        assert!(found.len() <= acknowledged.len() + 5 * (round + 1), "more than was ever waiting");
    }
}
