//! Files that grow, as programs and logrotate treat them: every line comes once, whatever happens to the
//! files and whenever the process dies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use collect::tail::{Tail, TailOptions};
use collect::{Fetcher as _, Moment};
use common::shelf::Shelf;
use model::Micros;
use proptest::prelude::*;

/// A folder, what follows it, and a clock that is moved by hand.
struct House {
    folder: tempfile::TempDir,
    options: TailOptions,
    shelf: Shelf,
    tail: Tail,
    now: Moment,
}

/// What the `#` lines at the front say is needed by all that follows.
fn directives(bytes: &[u8], _first: bool) -> Option<std::ops::Range<usize>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let length: usize =
        text.split_inclusive('\n').take_while(|l| l.starts_with('#')).map(str::len).sum();
    (length > 0).then_some(0..length)
}

impl House {
    fn new(patterns: &[&str]) -> Self {
        Self::with(patterns, |_| {})
    }

    fn with(patterns: &[&str], change: impl FnOnce(&mut TailOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = TailOptions {
            name: "tail/test".into(),
            paths: patterns.iter().map(|p| format!("{}/{p}", folder.path().display())).collect(),
            exclude: Vec::new(),
            from_end: false,
            settle: Duration::from_secs(10),
            preamble: Arc::new(directives),
            unfit: Arc::new(|front| {
                front.starts_with(b"ElfFile").then(|| "an event log".to_owned())
            }),
        };
        change(&mut options);
        let now = Moment { at: Instant::now(), time: Micros(1_790_000_000_000_000) };
        let tail = Tail::new(options.clone(), [], now).unwrap();
        Self { folder, options, shelf: Shelf::default(), tail, now }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// As gzip does it: another file, and the plain one is gone.
    fn gzip(&self, name: &str) {
        let packed = File::create(self.path(&format!("{name}.gz"))).unwrap();
        let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        packed.write_all(&fs::read(self.path(name)).unwrap()).unwrap();
        packed.finish().unwrap();
        fs::remove_file(self.path(name)).unwrap();
    }

    /// As logrotate's copytruncate does it.
    fn copytruncate(&self, name: &str, copy: &str) {
        fs::copy(self.path(name), self.path(copy)).unwrap();
        File::options().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    fn pass(&mut self, seconds: u64) {
        self.now.at += Duration::from_secs(seconds);
        self.now.time.0 += seconds as i64 * 1_000_000;
    }

    /// Turns until there is nothing more to be done at once. False when the process died.
    fn turn(&mut self) -> bool {
        self.pass(1);
        for _ in 0..1000 {
            match self.tail.turn(self.now, &mut self.shelf) {
                Ok(rest) if rest.wait.is_zero() => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
        panic!("it does not come to rest");
    }

    /// The process died; another one takes its place.
    fn restart(&mut self) {
        self.shelf.lives = None;
        let saved: Vec<_> = self.shelf.cursors.values().cloned().collect();
        self.tail = Tail::new(self.options.clone(), saved.iter().map(|s| &**s), self.now).unwrap();
    }

    /// Lets everything that waits for quiet come about.
    fn settle(&mut self) {
        for _ in 0..4 {
            self.pass(31);
            self.turn();
        }
    }
}

#[test]
fn lines_come_once_and_only_when_they_are_whole() {
    let mut house = House::new(&["*.log"]);
    house.write("a.log", "one\ntwo\nthr");
    house.turn();
    assert_eq!(house.shelf.text(), "one\ntwo\n");
    house.restart();
    house.write("a.log", "ee\n");
    house.turn();
    house.write("later.log", "begins later\n");
    house.turn();
    assert_eq!(house.shelf.text(), "one\ntwo\nthree\nbegins later\n");
    let origins: Vec<_> = house.shelf.pieces.iter().map(|piece| piece.origin.clone()).collect();
    assert!(origins[1].ends_with("a.log from byte 8"), "{origins:?}");
    // A last line without its end is taken when nothing comes behind it for a while.
    house.write("a.log", "no end");
    house.turn();
    house.pass(7);
    house.turn();
    assert!(!house.shelf.text().contains("no end"));
    house.pass(3);
    house.turn();
    assert!(house.shelf.text().ends_with("no end"));
    house.restart();
    house.turn();
    assert_eq!(house.shelf.text().matches("no end").count(), 1);
}

#[test]
fn a_file_that_is_renamed_is_read_to_its_end_beside_the_new_one() {
    let mut house = House::new(&["app.log"]);
    house.write("app.log", "one\n");
    house.turn();
    house.rename("app.log", "app.log.1");
    // The program still writes to what it has open.
    house.write("app.log.1", "two\n");
    house.write("app.log", "three\n");
    house.turn();
    assert_eq!(BTreeSet::from_iter(house.shelf.lines()).len(), 3, "{:?}", house.shelf.lines());
    house.write("app.log.1", "four\n");
    house.turn();
    assert_eq!(house.shelf.lines().len(), 4);
    // Also when all of it happened while nobody looked.
    house.rename("app.log.1", "app.log.2");
    house.write("app.log", "five\n");
    house.rename("app.log", "app.log.1");
    house.write("app.log", "six\n");
    house.restart();
    house.turn();
    let lines = house.shelf.lines();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines.contains(&"five".to_owned()) && lines.contains(&"six".to_owned()));
}

#[test]
fn a_file_that_is_emptied_is_begun_again_and_its_copy_goes_on() {
    for (pattern, dies) in [("app.log*", false), ("app.log*", true), ("app.log", true)] {
        let mut house = House::new(&[pattern]);
        house.write("app.log", "one\n");
        house.turn();
        if dies {
            house.restart();
        }
        house.write("app.log", "two\n");
        if pattern == "app.log" {
            // Nothing names the copy, so what was not read by now is lost with the file.
            house.turn();
        }
        house.copytruncate("app.log", "app.log.1");
        house.write("app.log", "three, longer than what was there before\n");
        house.turn();
        if dies {
            house.restart();
        }
        house.settle();
        let mut lines = house.shelf.lines();
        lines.sort();
        assert_eq!(lines, ["one", "three, longer than what was there before", "two"], "{pattern}");
    }
}

#[test]
fn a_copy_of_a_file_that_is_still_there_is_not_read_twice() {
    let mut house = House::new(&["app.log*"]);
    house.write("app.log", "one\ntwo\n");
    house.turn();
    fs::copy(house.path("app.log"), house.path("app.log.bak")).unwrap();
    house.settle();
    house.restart();
    house.settle();
    assert_eq!(house.shelf.lines(), ["one", "two"]);
    // It begins alike and says something else: it is a file of its own.
    house.write("app.log.other", "one\nsomething else\n");
    house.settle();
    assert_eq!(house.shelf.lines(), ["one", "two", "one", "something else"]);
}

#[test]
fn what_was_read_while_it_was_plain_is_not_read_again_compressed() {
    for dies in [false, true] {
        let mut house = House::new(&["app.log*"]);
        house.write("app.log", "one\ntwo\n");
        house.turn();
        house.write("app.log", "three\nno end");
        house.rename("app.log", "app.log.1");
        house.gzip("app.log.1");
        house.write("app.log", "four\n");
        if dies {
            house.restart();
        }
        house.turn();
        house.settle();
        let mut lines = house.shelf.lines();
        lines.sort();
        assert_eq!(lines, ["four", "no end", "one", "three", "two"], "dies: {dies}");
        // It gets another name, as every day.
        house.rename("app.log.1.gz", "app.log.2.gz");
        house.settle();
        house.restart();
        house.settle();
        assert_eq!(house.shelf.lines().len(), 5);
    }
}

#[test]
fn the_rest_of_a_file_is_found_compressed_where_no_pattern_looks() {
    let mut house = House::new(&["app.log"]);
    house.write("app.log", "one\n");
    house.turn();
    house.write("app.log", "two\n");
    house.write("app.log.7", "of a time before us\n");
    house.gzip("app.log.7");
    house.rename("app.log", "app.log.1");
    house.gzip("app.log.1");
    house.write("app.log", "three\n");
    house.restart();
    house.turn();
    house.settle();
    let mut lines = house.shelf.lines();
    lines.sort();
    assert_eq!(lines, ["one", "three", "two"]);
}

#[test]
fn an_inode_that_is_used_again_is_another_file() {
    let mut house = House::new(&["*.log"]);
    house.write("a.log", "the old file\n");
    house.turn();
    // The same inode for certain: emptied and written while nobody looks, under another name.
    fs::write(house.path("a.log"), "the new file, longer\n").unwrap();
    house.rename("a.log", "b.log");
    house.restart();
    house.turn();
    assert_eq!(house.shelf.lines(), ["the old file", "the new file, longer"]);
}

#[test]
fn what_stands_in_front_of_a_file_stands_in_front_of_each_piece() {
    let mut house = House::new(&["conn.log"]);
    house.write("conn.log", "#fields a b\n");
    house.turn();
    house.write("conn.log", "#types x y\n1 2\n");
    house.turn();
    house.restart();
    house.write("conn.log", "3 4\n");
    house.turn();
    let last = house.shelf.pieces.last().unwrap();
    assert_eq!(&last.bytes[..], b"#fields a b\n#types x y\n3 4\n");
    house.write("conn.log", "#fields c d\n5 6\n");
    house.turn();
    house.write("conn.log", "7 8\n");
    house.turn();
    assert_eq!(&house.shelf.pieces.last().unwrap().bytes[..], b"#fields c d\n7 8\n");
}

#[test]
fn utf_16_is_cut_between_characters_and_keeps_its_mark() {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let mut house = House::new(&["w.log"]);
    house.write("w.log", [&[0xff, 0xfe][..], &wide("one\ntw")].concat());
    house.turn();
    house.write("w.log", wide("o\u{a0a}\nthree"));
    house.turn();
    let pieces: Vec<_> = house.shelf.pieces.iter().map(|p| p.bytes.to_vec()).collect();
    assert_eq!(pieces[0], [&[0xff, 0xfe][..], &wide("one\n")].concat());
    assert_eq!(pieces[1], [&[0xff, 0xfe][..], &wide("two\u{a0a}\n")].concat());
}

#[test]
fn a_line_without_end_is_bounded_and_nothing_of_it_is_lost() {
    let mut house = House::new(&["long.log"]);
    house.write("long.log", vec![b'x'; 40 << 20]);
    house.turn();
    house.write("long.log", "\nnext\n");
    house.turn();
    let sizes: Vec<_> = house.shelf.pieces.iter().map(|piece| piece.bytes.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 16 << 20), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), (40 << 20) + 6);
    let cut = house.shelf.pieces.iter().filter(|piece| !piece.flaws.is_empty()).count();
    assert_eq!(cut, 2, "{sizes:?}");
}

#[test]
fn nuls_where_a_writer_went_on_in_an_emptied_file_are_passed_over_and_said() {
    let mut house = House::new(&["app.log"]);
    house.write("app.log", "one\n");
    house.turn();
    fs::write(house.path("app.log"), b"\0\0\0\0two\n").unwrap();
    house.turn();
    let last = house.shelf.pieces.last().unwrap();
    assert_eq!((&last.bytes[..], last.flaws.len()), (&b"two\n"[..], 1));
}

#[test]
fn at_the_first_start_alone_the_end_may_be_the_beginning() {
    let mut house = House::with(&["*.log"], |options| options.from_end = true);
    house.write("old.log", "old\nhalf");
    house.turn();
    house.write("old.log", " a line\n");
    house.write("new.log", "new\n");
    house.restart();
    house.turn();
    let mut lines = house.shelf.lines();
    lines.sort();
    assert_eq!(lines, ["half a line", "new"]);
}

#[test]
fn what_is_not_followed_is_said() {
    let mut house = House::new(&["*"]);
    fs::write(house.path("a.zip"), b"PK\x03\x04and so on").unwrap();
    fs::write(house.path("system.evtx"), b"ElfFile\0\0\n").unwrap();
    fs::write(house.path("cut.gz"), &gzipped(b"one\ntwo\n")[..20]).unwrap();
    house.turn();
    house.pass(3);
    let rest = house.tail.turn(house.now, &mut house.shelf).unwrap();
    assert_eq!(rest.troubles.len(), 3, "{:?}", rest.troubles);
    // It is whole a little later.
    fs::write(house.path("cut.gz"), gzipped(b"one\ntwo\n")).unwrap();
    house.settle();
    assert_eq!(house.shelf.lines(), ["one", "two"]);
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_large_compressed_file_comes_in_pieces_and_goes_on_after_a_kill() {
    let mut house = House::new(&["big.gz"]);
    let mut text = String::new();
    for n in 0..200_000 {
        writeln!(text, "line number {n}").unwrap();
    }
    fs::write(house.path("big.gz"), gzipped(text.as_bytes())).unwrap();
    house.turn();
    house.pass(3);
    house.shelf.lives = Some(1);
    assert!(!house.turn(), "it is more than one piece");
    house.restart();
    house.settle();
    assert_eq!(house.shelf.text(), text);
}

/// What may happen to a log.
#[derive(Debug, Clone)]
enum Act {
    Write(usize),
    Half,
    Turn,
    Pass(u64),
    Rename,
    Empty,
    Compress,
    Kill(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        5 => (1usize..40).prop_map(Act::Write),
        2 => Just(Act::Half),
        6 => Just(Act::Turn),
        2 => (1u64..70).prop_map(Act::Pass),
        2 => Just(Act::Rename),
        2 => Just(Act::Empty),
        2 => Just(Act::Compress),
        3 => (0usize..3).prop_map(Act::Kill),
    ];
    proptest::collection::vec(act, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    /// A day in the life of `app.log`: whatever happens, each line comes once.
    #[test]
    fn every_line_comes_once(acts in acts()) {
        let mut house = House::new(&["app.log*"]);
        let (mut number, mut written, mut half, mut plain) = (0, BTreeSet::new(), false, 0);
        for act in acts {
            match act {
                Act::Write(count) => for _ in 0..count {
                    let line = if half { format!("line {number}") } else { number += 1; format!("line {number}") };
                    house.write("app.log", if half { "\n".to_owned() } else { format!("{line}\n") });
                    half = false;
                    written.insert(line);
                },
                // The half that waits for its end must not be taken for a line of its own.
                Act::Half if !half => {
                    number += 1;
                    house.write("app.log", format!("line {number}"));
                    half = true;
                }
                Act::Half => {}
                Act::Turn => { house.turn(); }
                // A half line that waits too long is taken as it is.
                Act::Pass(seconds) if !half => house.pass(seconds),
                Act::Pass(_) => house.pass(1),
                Act::Rename | Act::Empty if half || !house.path("app.log").exists() => {}
                Act::Rename => shift(&house, &mut plain, |house| house.rename("app.log", "app.log.1")),
                Act::Empty => shift(&house, &mut plain, |house| house.copytruncate("app.log", "app.log.1")),
                Act::Compress => if house.path("app.log.1").exists() {
                    house.gzip("app.log.1");
                },
                Act::Kill(lives) => {
                    house.shelf.lives = Some(lives);
                    house.turn();
                    house.restart();
                }
            }
        }
        if half {
            house.write("app.log", "\n");
            written.insert(format!("line {number}"));
        }
        house.settle();
        let mut lines = house.shelf.lines();
        lines.sort();
        let mut expected: Vec<_> = written.into_iter().collect();
        expected.sort();
        prop_assert_eq!(lines, expected);
    }
}

/// `app.log.1` becomes `.2` and so on, then `app.log` becomes `app.log.1`.
fn shift(house: &House, plain: &mut usize, last: impl FnOnce(&House)) {
    *plain += 1;
    for number in (1..=*plain).rev() {
        for ending in ["", ".gz"] {
            let from = format!("app.log.{number}{ending}");
            if house.path(&from).exists() {
                house.rename(&from, &format!("app.log.{}{ending}", number + 1));
            }
        }
    }
    last(house);
}

#[test]
fn it_is_woken_when_something_is_written() {
    let mut house = House::new(&["*.log"]);
    house.turn();
    let path = house.path("a.log");
    let writer = std::thread::spawn(move || fs::write(path, "one\n").unwrap());
    assert!(house.tail.wait(Duration::from_secs(20)));
    writer.join().unwrap();
    house.turn();
    assert_eq!(house.shelf.lines(), ["one"]);
}
