//! A disk that fails when it is told to, and a log on it.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ::model::{FlawKind, Micros};
use bytes::Bytes;

use crate::wal::{Options, ProblemKind, Read, Wal};
use crate::{Delivery, Full, Position, Refusal, Tag};

/// How many of the next operations fail, and whether the writer may take its next batch.
#[derive(Default)]
pub(in crate::wal) struct Faults {
    writes: AtomicU32,
    no_space: AtomicU32,
    syncs: AtomicU32,
    stopped: Mutex<bool>,
    moved: Condvar,
}

impl Faults {
    pub(in crate::wal) fn new() -> Self {
        Self::default()
    }

    pub(in crate::wal) fn fail_write(&self) -> io::Result<()> {
        take(&self.no_space, io::ErrorKind::StorageFull)?;
        take(&self.writes, io::ErrorKind::Other)
    }

    pub(in crate::wal) fn fail_sync(&self) -> io::Result<()> {
        take(&self.syncs, io::ErrorKind::Other)
    }

    pub(super) fn fail_next_sync(&self) {
        self.syncs.store(1, SeqCst);
    }

    pub(in crate::wal) fn pass(&self) {
        let stopped = self.stopped.lock().unwrap();
        drop(self.moved.wait_while(stopped, |stopped| *stopped).unwrap());
    }

    /// Lets the writer take no batch until it is told to go on, so that what is appended meanwhile
    /// is one batch.
    fn stop(&self, stop: bool) {
        *self.stopped.lock().unwrap() = stop;
        self.moved.notify_all();
    }
}

fn take(count: &AtomicU32, kind: io::ErrorKind) -> io::Result<()> {
    match count.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
        Ok(_) => Err(io::Error::new(kind, "as the test asked")),
        Err(_) => Ok(()),
    }
}

pub(super) fn delivery(text: impl Into<Bytes>) -> Delivery {
    Delivery {
        sender: "firewall".into(),
        format: "syslog".into(),
        definition: Some("fortinet_fortigate".into()),
        tags: [Tag { name: "site".into(), value: "Basel".into() }].into(),
        origin: "syslog tcp 192.0.2.7".into(),
        received_at: Micros(1_790_000_000_000_000),
        flaws: vec![],
        cursor: None,
        bytes: text.into(),
    }
}

pub(super) fn small() -> Options {
    Options { segment_bytes: 16 << 10, quota_bytes: 1 << 20, ..Options::default() }
}

/// Everything that is in the log, and what is lost.
pub(super) fn all(wal: &Wal, from: Position) -> Vec<Read> {
    let mut reader = wal.reader(from);
    std::iter::from_fn(|| reader.try_next().unwrap()).collect()
}

pub(super) fn texts(reads: &[Read]) -> Vec<String> {
    let text = |read: &Read| match read {
        Read::Delivery(_, delivery) => String::from_utf8_lossy(&delivery.bytes).into_owned(),
        Read::Lost(problem) => format!("lost: {problem}"),
    };
    reads.iter().map(text).collect()
}

/// Appends deliveries so that they are written as one batch, and gives their results.
pub(super) fn together(wal: &Wal, deliveries: Vec<Delivery>) -> Vec<Result<u64, Refusal>> {
    let faults = &wal.0.shared.faults;
    faults.stop(true);
    let offers: Vec<_> = deliveries.into_iter().map(|delivery| wal.append(delivery)).collect();
    faults.stop(false);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut results = Vec::new();
        for offer in offers {
            results.push(offer.await.map(|receipt| receipt.position.0));
        }
        results
    })
}

/// A folder in memory where there is one: what is tested is what happens, not how long it takes.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn kinds(wal: &Wal) -> Vec<ProblemKind> {
    wal.health().problems.iter().map(|problem| problem.kind).collect()
}

/// Takes back that nothing is taken for a moment after a failure.
fn no_obstacle(wal: &Wal) {
    wal.0.shared.obstruct(None);
}

#[test]
fn what_is_appended_is_read_again_field_by_field() {
    let folder = folder();
    let mut sent = delivery("<34>1 - host app - - - ä");
    sent.cursor = Some(crate::Cursor { name: "tail/web".into(), value: "{\"offset\":7}".into() });
    sent.flaws.push(::model::Flaw {
        offset: 3,
        kind: FlawKind::Limit,
        message: "cut".to_owned(),
        record_lost: false,
    });
    let bare = Delivery { definition: None, format: "".into(), tags: [].into(), ..delivery("") };
    let long = delivery(vec![b'a'; 5000]);
    {
        let wal = Wal::open(folder.path(), small()).unwrap();
        for (number, each) in [&sent, &bare, &long].into_iter().enumerate() {
            let receipt = wal.append_blocking(each.clone()).unwrap();
            assert_eq!(receipt.position, Position(number as u64 + 1));
        }
        assert!(wal.metrics().stored_bytes < 2000, "five thousand times `a` are compressed");
    }
    let wal = Wal::open(folder.path(), small()).unwrap();
    let numbered = |number, each: &Delivery| Read::Delivery(Position(number), each.clone());
    let whole = [numbered(1, &sent), numbered(2, &bare), numbered(3, &long)];
    assert_eq!(all(&wal, Position::START), whole);
    assert_eq!(all(&wal, Position(3)), whole[2..]);
    assert_eq!(all(&wal, Position(4)), []);
    assert_eq!(wal.append_blocking(bare).unwrap().position, Position(4));
    assert_eq!(wal.health().problem_count, 0);
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_the_log_goes_on_elsewhere() {
    let folder = folder();
    let wal = Wal::open(folder.path(), small()).unwrap();
    wal.append_blocking(delivery("one")).unwrap();
    wal.0.shared.faults.syncs.store(1, SeqCst);
    let results = together(&wal, vec![delivery("two"), delivery("three")]);
    assert!(results.iter().all(|result| matches!(result, Err(Refusal::Disk(_)))), "{results:?}");
    assert!(matches!(wal.health().obstacle, Some(Refusal::Disk(_))));
    assert_eq!(kinds(&wal), [ProblemKind::Sync]);
    no_obstacle(&wal);
    let receipt = wal.append_blocking(delivery("four")).unwrap();
    assert_eq!(receipt.position, Position(4), "numbers of what failed are not given again");
    assert!(wal.health().obstacle.is_none());
    assert_eq!(texts(&all(&wal, Position::START)), ["one", "four"]);
    drop(wal);
    // The bytes of the failed batch are in the first segment, whole: they count no more.
    let wal = Wal::open(folder.path(), small()).unwrap();
    assert_eq!(texts(&all(&wal, Position::START)), ["one", "four"]);
    assert_eq!(wal.health().problem_count, 0);
}

#[test]
fn a_failed_write_is_refused_as_what_it_is() {
    let folder = folder();
    let wal = Wal::open(folder.path(), small()).unwrap();
    wal.0.shared.faults.no_space.store(1, SeqCst);
    let refused = wal.append_blocking(delivery("one")).unwrap_err();
    assert!(matches!(refused, Refusal::Full { what: Full::Disk, .. }), "{refused}");
    // For a moment nothing is tried.
    let refused = wal.append_blocking(delivery("one")).unwrap_err();
    assert!(matches!(refused, Refusal::Full { what: Full::Disk, .. }), "{refused}");
    no_obstacle(&wal);
    wal.0.shared.faults.writes.store(1, SeqCst);
    assert!(matches!(wal.append_blocking(delivery("one")), Err(Refusal::Disk(_))));
    no_obstacle(&wal);
    wal.append_blocking(delivery("one")).unwrap();
    assert_eq!(texts(&all(&wal, Position::START)), ["one"]);
    assert_eq!(kinds(&wal), [ProblemKind::Write, ProblemKind::Write]);
}

#[test]
fn a_full_queue_is_refused_at_once_and_nothing_accepted_is_dropped() {
    let folder = folder();
    let options = Options { queue_bytes: 3000, ..small() };
    let wal = Wal::open(folder.path(), options).unwrap();
    let faults = &wal.0.shared.faults;
    faults.stop(true);
    let mut offers = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let started = Instant::now();
    let refused = loop {
        let mut offer = Box::pin(wal.append(delivery(format!("message {}", offers.len()))));
        let now = runtime.block_on(async {
            tokio::select! { biased; now = &mut offer => Some(now), () = std::future::ready(()) => None }
        });
        match now {
            Some(refused) => break refused.unwrap_err(),
            None => offers.push(offer),
        }
    };
    assert!(matches!(refused, Refusal::Full { what: Full::Queue, .. }), "{refused}");
    assert!(refused.retry_after().is_some());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(wal.metrics().waiting_bytes <= 3000);
    faults.stop(false);
    let accepted = offers.len();
    for offer in offers {
        runtime.block_on(offer).unwrap();
    }
    assert_eq!(all(&wal, Position::START).len(), accepted);
    assert_eq!(wal.metrics().waiting_bytes, 0);
    assert_eq!(wal.metrics().refused, 1);
}

#[test]
fn the_quota_refuses_until_something_is_released() {
    let folder = folder();
    let options = Options { quota_bytes: 48 << 10, ..small() };
    let wal = Wal::open(folder.path(), options).unwrap();
    let mut kept = 0;
    let refused = loop {
        match wal.append_blocking(delivery(random(2000, kept))) {
            Ok(receipt) => kept = receipt.position.0,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, Refusal::Full { what: Full::Quota, .. }), "{refused}");
    assert!(kept >= 9, "three segments hold more than {kept}");
    assert!(wal.metrics().disk_bytes <= 48 << 10);
    assert_eq!(all(&wal, Position::START).len() as u64, kept);
    wal.release(Position(kept)).unwrap();
    assert_eq!(wal.metrics().segments, 1, "all but the newest are gone");
    assert_eq!(wal.metrics().oldest_unreleased, Position(kept));
    let receipt = wal.append_blocking(delivery("more")).unwrap();
    assert_eq!(receipt.position, Position(kept + 1));
    assert_eq!(texts(&all(&wal, Position(kept + 1))), ["more"]);
}

#[test]
fn what_is_too_large_never_gets_in() {
    let folder = folder();
    let wal = Wal::open(folder.path(), small()).unwrap();
    let refused = wal.append_blocking(delivery(vec![0; 16 << 10])).unwrap_err();
    assert!(matches!(refused, Refusal::TooLarge { .. }), "{refused}");
    assert!(refused.retry_after().is_none());
    // The largest that the limit allows fits, compressed or not.
    let Refusal::TooLarge { limit, .. } = refused else { return };
    let around = delivery("").sender.len() + 300;
    let largest = delivery(random(limit as usize - around, 1));
    wal.append_blocking(largest.clone()).unwrap();
    wal.append_blocking(largest).unwrap();
    assert_eq!(all(&wal, Position::START).len(), 2);
}

#[test]
fn one_log_at_a_time() {
    let folder = folder();
    let wal = Wal::open(folder.path(), small()).unwrap();
    let second = Wal::open(folder.path(), small()).err().unwrap();
    assert!(second.to_string().contains("in use"), "{second}");
    let mut reader = wal.reader(Position::START);
    wal.append_blocking(delivery("last")).unwrap();
    wal.close();
    assert!(matches!(wal.append_blocking(delivery("late")), Err(Refusal::Closed)));
    // A reader outlives the log, gives out what is there and then says that it is over.
    let second = Wal::open(folder.path(), small()).unwrap();
    let end = Duration::from_mins(1);
    assert_eq!(texts(&[reader.next_within(end).unwrap().unwrap()]), ["last"]);
    assert_eq!(reader.next_within(end).unwrap(), None);
    drop(second);
}

#[test]
fn readers_wait_for_what_comes() {
    let folder = folder();
    let wal = Wal::open(folder.path(), small()).unwrap();
    let count = 500;
    let follow = |mut reader: crate::wal::Reader| {
        thread::spawn(move || {
            let mut seen = Vec::new();
            while let Some(Read::Delivery(position, _)) =
                reader.next_within(Duration::from_mins(1)).unwrap()
            {
                seen.push(position.0);
            }
            seen
        })
    };
    let followers = [follow(wal.reader(Position::START)), follow(wal.reader(Position::START))];
    let mut reader = wal.reader(Position::START);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let task = runtime.spawn(async move {
        let mut seen = Vec::new();
        while let Some(Read::Delivery(position, _)) = reader.next().await.unwrap() {
            seen.push(position.0);
        }
        seen
    });
    for number in 0..count {
        wal.append_blocking(delivery(random(200, number))).unwrap();
    }
    wal.close();
    let whole: Vec<u64> = (1..=count).collect();
    assert_eq!(runtime.block_on(task).unwrap(), whole);
    for follower in followers {
        assert_eq!(follower.join().unwrap(), whole);
    }
}

#[test]
fn numbers_that_others_remember_are_not_given_again() {
    let folder = folder();
    let options = Options { after: Position(41), ..small() };
    let wal = Wal::open(folder.path(), options).unwrap();
    assert_eq!(wal.append_blocking(delivery("one")).unwrap().position, Position(42));
    drop(wal);
    let wal = Wal::open(folder.path(), small()).unwrap();
    assert_eq!(wal.append_blocking(delivery("two")).unwrap().position, Position(43));
    assert_eq!(texts(&all(&wal, Position::START)), ["one", "two"]);
}

/// Bytes that do not compress, always the same.
pub(super) fn random(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}
