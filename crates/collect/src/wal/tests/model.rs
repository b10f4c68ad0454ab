//! The log against a list: whatever is appended, however it ends, what was acknowledged is read
//! again, once, in order, and what is damaged is said.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::faults::{all, delivery, folder, random, small, texts, together};
use crate::Position;
use crate::wal::frame::MARKER;
use crate::wal::segment::DATA;
use crate::wal::{ProblemKind, Read, Wal};

/// What may happen to a log.
#[derive(Debug, Clone)]
enum Act {
    /// Deliveries of these sizes come at once.
    Append(Vec<usize>),
    /// They come, and the machine stops before they are synced: of what was written since the last
    /// sync any part may be there.
    Crash(Vec<usize>, Vec<Harm>),
    /// They come, and the disk does not take them.
    Fail(Vec<usize>),
    /// The log is closed and opened again.
    Reopen,
    /// This share of what is there is not needed any more.
    Release(f64),
}

/// What a crash does to bytes that were not synced: a place and a length, each a share of them.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Cut(f64),
    Zero(f64, f64),
    Garbage(f64, f64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let sizes = || vec(prop_oneof![0usize..40, 100..3000usize], 1..6);
    let share = || 0.0..1.0;
    let harm = prop_oneof![
        share().prop_map(Harm::Cut),
        (share(), share()).prop_map(|(at, length)| Harm::Zero(at, length)),
        (share(), share()).prop_map(|(at, length)| Harm::Garbage(at, length)),
    ];
    let act = prop_oneof![
        4 => sizes().prop_map(Act::Append),
        2 => (sizes(), vec(harm, 0..3)).prop_map(|(sizes, harms)| Act::Crash(sizes, harms)),
        1 => sizes().prop_map(Act::Fail),
        1 => Just(Act::Reopen),
        1 => (0.0..1.0).prop_map(Act::Release),
    ];
    vec(act, 1..12)
}

/// What is known of the log from outside.
struct Model {
    folder: TempDir,
    wal: Option<Wal>,
    /// By number: what was acknowledged.
    acknowledged: BTreeMap<u64, String>,
    /// What was sent and never acknowledged: it may be there, or not.
    unknown: Vec<String>,
    released: u64,
    /// The highest number that was ever seen.
    highest: u64,
    sent: u64,
}

impl Model {
    fn new() -> Self {
        let folder = folder();
        let wal = Some(Wal::open(folder.path(), small()).unwrap());
        let acknowledged = BTreeMap::new();
        let unknown = Vec::new();
        Self { folder, wal, acknowledged, unknown, released: 0, highest: 0, sent: 0 }
    }

    fn wal(&self) -> &Wal {
        self.wal.as_ref().unwrap()
    }

    fn text(&mut self, size: usize) -> String {
        self.sent += 1;
        let noise: String =
            random(size, self.sent).iter().map(|b| char::from(b'a' + b % 26)).collect();
        format!("{}:{noise}", self.sent)
    }

    fn append(&mut self, sizes: &[usize]) {
        let texts: Vec<_> = sizes.iter().map(|size| self.text(*size)).collect();
        let deliveries = texts.iter().map(|text| delivery(text.clone())).collect();
        for (text, result) in texts.into_iter().zip(together(self.wal(), deliveries)) {
            match result {
                Ok(number) => {
                    assert!(number > self.highest, "{number} was given before");
                    self.highest = number;
                    self.acknowledged.insert(number, text);
                }
                Err(_) => self.unknown.push(text),
            }
        }
    }

    /// Appends, then takes the files as they might have been before the last sync was done.
    fn crash(&mut self, sizes: &[usize], harms: &[Harm]) {
        let (before, from) = self.end();
        let acknowledged_before = self.acknowledged.clone();
        self.append(sizes);
        let (last, end) = self.end();
        let (from, first) = if last == before {
            (from, acknowledged_before.last_key_value().map_or(0, |(number, _)| number + 1))
        } else {
            (DATA, last)
        };
        let copied = folder();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            // What is being prepared may be renamed while it is copied.
            if path.extension().is_some_and(|e| e == "wal") {
                fs::copy(&path, copied.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let path = copied.path().join(format!("{last:020}.wal"));
        for harm in harms {
            harm.act(&path, from, end);
        }
        for text in self.acknowledged.split_off(&first).into_values() {
            self.unknown.push(text);
        }
        self.highest = self.acknowledged.last_key_value().map_or(0, |(number, _)| *number);
        self.folder = copied;
        self.wal = Some(Wal::open(self.folder.path(), small()).unwrap());
    }

    /// The newest segment, and where its synced bytes end.
    fn end(&self) -> (u64, u64) {
        let segments = self.wal().0.shared.segments.lock().unwrap();
        let (first, segment) = segments.last_key_value().unwrap();
        (*first, segment.extent().end)
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Append(sizes) => self.append(sizes),
            Act::Crash(sizes, harms) => self.crash(sizes, harms),
            Act::Fail(sizes) => {
                self.wal().0.shared.faults.fail_next_sync();
                self.append(sizes);
                // It failed for the first segment that was written: the rest may have got in.
                self.wal().0.shared.obstruct(None);
            }
            Act::Reopen => {
                self.wal = None;
                self.wal = Some(Wal::open(self.folder.path(), small()).unwrap());
            }
            Act::Release(share) => {
                let position = (self.highest as f64 * share) as u64;
                self.released = self.released.max(position);
                self.wal().release(Position(position)).unwrap();
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let mut wanted = self.acknowledged.range(self.released..).peekable();
        let mut before = 0;
        for read in all(self.wal(), Position(self.released)) {
            let Read::Delivery(position, delivery) = read else { panic!("{read:?}") };
            assert!(position.0 > before, "{position} comes again");
            before = position.0;
            let text = String::from_utf8(delivery.bytes.to_vec()).unwrap();
            match wanted.next_if(|(number, _)| **number == position.0) {
                Some((_, acknowledged)) => assert_eq!(&text, acknowledged),
                None => assert!(self.unknown.contains(&text), "{position} was never sent: {text}"),
            }
        }
        assert_eq!(wanted.next(), None, "what was acknowledged is gone");
        self.highest = self.highest.max(before);
        let problems = self.wal().health().problems;
        let corrupt = |kind| matches!(kind, ProblemKind::Corrupt | ProblemKind::Header);
        assert!(!problems.iter().any(|p| corrupt(p.kind)), "a crash damages nothing: {problems:?}");
    }
}

impl Harm {
    fn act(self, path: &Path, from: u64, end: u64) {
        let place = |share: f64| from + ((end - from) as f64 * share) as u64;
        let file = OpenOptions::new().write(true).open(path).unwrap();
        match self {
            Self::Cut(at) => file.set_len(place(at)).unwrap(),
            Self::Zero(at, length) | Self::Garbage(at, length) => {
                let at = place(at);
                let length = ((end - at) as f64 * length) as usize;
                let noise = random(length, at);
                let bytes = if matches!(self, Self::Zero(..)) { vec![0; length] } else { noise };
                file.write_all_at(&bytes, at).unwrap();
            }
        }
    }
}

/// A log of three segments that was closed in order.
fn closed() -> (TempDir, Vec<String>) {
    let folder = folder();
    let wal = Wal::open(folder.path(), small()).unwrap();
    let sent: Vec<_> = (0..24u8)
        .map(|n| format!("{n}:{}", char::from(b'a' + n).to_string().repeat(usize::from(n) * 40)))
        .map(|text| {
            text + &random(1800, 7).iter().map(|b| char::from(b'a' + b % 16)).collect::<String>()
        })
        .collect();
    for batch in sent.chunks(3) {
        together(&wal, batch.iter().map(|text| delivery(text.clone())).collect());
    }
    assert!(wal.metrics().segments >= 3);
    (folder, sent)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_survives_every_crash(acts in acts()) {
        let mut model = Model::new();
        for act in &acts {
            model.act(act);
        }
        model.append(&[10]);
        model.check();
    }

    #[test]
    fn damage_anywhere_is_said_and_takes_nothing_else(
        harms in vec((0usize..3, 0.0..1.0f64, 1usize..600, any::<u8>()), 1..4),
    ) {
        let (folder, sent) = closed();
        let mut files: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|e| e == "wal"));
        files.sort();
        for (file, share, length, change) in harms {
            let path = &files[file];
            let mut bytes = fs::read(path).unwrap();
            let at = (bytes.len() as f64 * share) as usize;
            let length = if change % 2 == 0 { 1 } else { length };
            bytes.iter_mut().skip(at).take(length).for_each(|b| *b ^= change.max(1));
            fs::write(path, bytes).unwrap();
        }
        let wal = Wal::open(folder.path(), small()).unwrap();
        let reads = all(&wal, Position::START);
        let (mut got, mut lost) = (Vec::new(), Vec::new());
        for read in &reads {
            match read {
                Read::Delivery(position, _) => got.push(position.0),
                Read::Lost(problem) => {
                    prop_assert!(problem.bytes > 0 || problem.lost.is_some());
                    lost.extend(problem.lost.clone().unwrap());
                }
            }
        }
        prop_assert!(got.is_sorted());
        let mut told = texts(&reads);
        told.retain(|text| !text.starts_with("lost: "));
        for (number, text) in got.iter().zip(&told) {
            prop_assert_eq!(text, &sent[*number as usize - 1], "what is read is what was sent");
        }
        let problems = wal.health().problems;
        let told = |kinds: &[ProblemKind]| problems.iter().any(|p| kinds.contains(&p.kind));
        let known = || got.iter().chain(&lost).copied();
        for number in 1..=sent.len() as u64 {
            let at_front = known().all(|known| known > number);
            let at_end = known().all(|known| known < number);
            prop_assert!(
                known().any(|known| known == number)
                    || at_front && told(&[ProblemKind::Header])
                    || at_end && told(&[ProblemKind::Header, ProblemKind::TornTail]),
                "{number} vanished: {problems:?}"
            );
        }
        let again = wal.append_blocking(delivery("again")).unwrap();
        prop_assert!(again.position.0 > sent.len() as u64);
        prop_assert_eq!(texts(&all(&wal, again.position)), ["again"]);
    }
}

#[test]
fn damage_in_the_middle_costs_one_delivery() {
    let (folder, sent) = closed();
    let path = folder.path().join("00000000000000000001.wal");
    let mut bytes = fs::read(&path).unwrap();
    let second = DATA as usize + 40;
    let at = bytes[second..].windows(4).position(|w| w == MARKER).unwrap() + second;
    bytes[at + 60] ^= 1;
    fs::write(&path, bytes).unwrap();
    let wal = Wal::open(folder.path(), small()).unwrap();
    let reads = all(&wal, Position::START);
    assert_eq!(reads.len(), sent.len());
    let Read::Lost(problem) = &reads[1] else { panic!("{:?}", reads[1]) };
    assert_eq!((problem.kind, problem.offset), (ProblemKind::Corrupt, at as u64));
    assert_eq!(problem.lost, Some(2..=2));
    assert!(problem.flaw().record_lost);
    // It is told once in the health, however many read it; nobody is told who does not want it.
    all(&wal, Position::START);
    assert_eq!(wal.health().problem_count, 1);
    assert!(matches!(all(&wal, Position(3))[0], Read::Delivery(Position(3), _)));
}
