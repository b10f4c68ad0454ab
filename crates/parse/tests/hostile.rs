//! Input made to hurt: endless lines, endless nesting, endless junk. Memory stays bounded and the
//! sound records around it are read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::Read;

use model::{Flaw, FlawKind, Record};
use parse::{Chunker, Limits, Sink, read_all};

/// Bytes that are made as they are read.
struct Made<'a> {
    before: &'a [u8],
    piece: &'a [u8],
    length: u64,
    after: &'a [u8],
    at: u64,
}

impl Read for Made<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let before = self.before.len() as u64;
        for (n, slot) in out.iter_mut().enumerate() {
            *slot = if self.at < before {
                self.before[self.at as usize]
            } else if self.at < before + self.length {
                self.piece[((self.at - before) % self.piece.len() as u64) as usize]
            } else if let Some(b) = self.after.get((self.at - before - self.length) as usize) {
                *b
            } else {
                return Ok(n);
            };
            self.at += 1;
        }
        Ok(out.len())
    }
}

#[derive(Default)]
struct Count {
    records: usize,
    flaws: Vec<Flaw>,
    largest: usize,
}

impl Sink for Count {
    fn record(&mut self, record: Record<'_>) {
        self.records += 1;
        self.flaws.extend(record.flaws);
    }
    fn flaw(&mut self, flaw: Flaw) {
        self.flaws.push(flaw);
    }
}

fn read(before: &str, piece: &str, length: u64, after: &str) -> Count {
    let (before, piece, after) = (before.as_bytes(), piece.as_bytes(), after.as_bytes());
    let made = Made { before, piece, length, after, at: 0 };
    let mut chunker = Chunker::new(made, "x", Limits::default()).unwrap();
    let mut count = Count::default();
    while let Some(chunk) = chunker.next().unwrap() {
        count.largest = count.largest.max(chunk.bytes.len());
        chunk.reader.read(&chunk.bytes, chunk.offset, &mut count);
    }
    count.flaws.extend(chunker.take_flaws());
    count
}

const LONG: u64 = 20 * 1024 * 1024;

#[test]
fn an_endless_line_is_passed_over() {
    let good = "{\"n\":1}\n{\"n\":2}\n";
    for (piece, tail) in [("a", "\"}\n"), ("\\\\", "\"}\n"), ("a\\\"", "\"}\n")] {
        let count = read(&(good.to_owned() + "{\"m\":\""), piece, LONG, &(tail.to_owned() + good));
        assert_eq!(count.records, 4, "{piece}");
        assert_eq!(count.flaws.len(), 1, "{piece}");
        assert_eq!((count.flaws[0].kind, count.flaws[0].offset), (FlawKind::Limit, 16));
        assert!(count.largest <= Limits::default().record);
    }
    // An endless line behind one of syslog takes nothing with it.
    let sound = "Oct 14 02:11:09 web1 sshd[4711]: Failed password for root from 203.0.113.9\n";
    let count = read(sound, "a", LONG, &format!("\n{sound}"));
    assert_eq!((count.records, count.flaws.len()), (2, 1));
    assert_eq!(count.flaws[0].offset, sound.len() as u64);
    let count = read("one\ntwo\n", "three ", LONG, "\nfour\n");
    assert_eq!((count.records, count.flaws.len()), (3, 1));
}

#[test]
fn an_endless_element_is_passed_over() {
    let count = read("[{\"n\":1},{\"m\":[", "[1,\"]\\\"\"],", LONG / 10 * 10, "0]},{\"n\":2}]");
    assert_eq!(count.records, 2, "{:?}", count.flaws);
    assert_eq!(count.flaws.len(), 1);
    let count = read("{\"Records\":[{\"n\":1},{\"m\":\"", "x", LONG, "\"},{\"n\":2}],\"a\":1}");
    assert_eq!(count.records, 2, "{:?}", count.flaws);
}

#[test]
fn an_endless_list_on_one_line_is_streamed() {
    let element = "{\"n\":1,\"m\":\"some text\"},";
    let length = LONG / element.len() as u64 * element.len() as u64;
    for before in ["[", "{\"Records\":["] {
        let count = read(before, element, length, "{}]");
        assert_eq!(count.records as u64, length / element.len() as u64 + 1);
        assert!(count.largest <= Limits::default().chunk);
    }
}

#[test]
fn endless_nesting() {
    for piece in ["[", "{\"a\":", "[{\"a\":[", "{\"a\":\"b\",\"c\":"] {
        let count = read("", piece, 18_000_000 / piece.len() as u64 * piece.len() as u64, "");
        assert!(!count.flaws.is_empty(), "{piece}");
        assert!(count.records <= 1, "{piece}");
    }
    // In a line among lines.
    let text = format!("{{\"n\":1}}\n{}\n{{\"n\":3}}\n{{\"n\":4}}\n", "[".repeat(100_000));
    let reading = read_all(text.as_bytes(), "x");
    assert_eq!(reading.records.len(), 3);
    assert_eq!(reading.flaws[0].kind, FlawKind::Limit);
}

#[test]
fn a_million_values_are_the_most() {
    let text = format!("{{\"n\":1}}\n{{\"a\":[{}0]}}\n{{\"n\":2}}\n", "0,".repeat(1_500_000));
    let reading = read_all(text.as_bytes(), "x");
    assert_eq!(reading.records.len(), 3);
    assert_eq!(reading.records[1].flaws[0].kind, FlawKind::Limit);
}

#[test]
fn broken_elements_cost_linear_work() {
    // Each opens a bracket that it does not close: looked at naively, each runs to the end.
    let piece = "  {\n    \"n\": [1\n  },\n";
    let count = read("[\n", piece, 4_000_000 / piece.len() as u64 * piece.len() as u64, "{}]");
    assert!(count.records > 180_000, "{}", count.records);
}
