//! How the log is: what went wrong, and its figures.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use model::{Flaw, FlawKind};

use crate::{Position, Refusal};

/// Something that went wrong with what the log keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// Name of the segment's file.
    pub segment: String,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The numbers of the deliveries that cannot be read because of it. Some may never have been
    /// given out.
    pub lost: Option<RangeInclusive<u64>>,
    /// What the system said, where it said anything.
    pub detail: Option<String>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The log was not closed in order, and its last bytes were no whole frames. They are cut off.
    /// When the machine stopped in the middle of a write, they were never acknowledged.
    TornTail,
    /// Bytes that were synced are not those that were written. They are skipped.
    Corrupt,
    /// A segment whose header cannot be read: the file is put aside under another name.
    Header,
    /// A write failed. Nothing of it was acknowledged; the log goes on in a new segment.
    Write,
    /// A sync failed. Nothing since the last good one was acknowledged; the log goes on in a new
    /// segment.
    Sync,
    /// No segment could be begun.
    Begin,
}

impl Problem {
    /// True when deliveries that were acknowledged may be lost by it, and not only late or refused.
    pub fn is_loss(&self) -> bool {
        matches!(self.kind, ProblemKind::Corrupt | ProblemKind::Header)
    }

    /// The same as a flaw of the segment.
    pub fn flaw(&self) -> Flaw {
        let kind = match self.kind {
            ProblemKind::TornTail => FlawKind::Truncated,
            ProblemKind::Corrupt | ProblemKind::Header => FlawKind::Corrupt,
            ProblemKind::Write | ProblemKind::Sync | ProblemKind::Begin => FlawKind::Io,
        };
        let record_lost = self.lost.is_some() || self.kind == ProblemKind::Header;
        Flaw { offset: self.offset, kind, message: self.to_string(), record_lost }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, segment, offset, bytes, lost, detail } = self;
        match kind {
            ProblemKind::TornTail => write!(
                f,
                "{segment}: the last {bytes} bytes, from byte {offset}, are no whole deliveries and \
                 are cut off: the log was not closed in order"
            ),
            ProblemKind::Corrupt => {
                write!(f, "{segment}: {bytes} bytes from byte {offset} are damaged and are skipped")
            }
            ProblemKind::Header => write!(
                f,
                "{segment}: the header is damaged; its {bytes} bytes are put aside unread"
            ),
            ProblemKind::Write => {
                write!(f, "{segment}: {bytes} bytes could not be written at byte {offset}")
            }
            ProblemKind::Sync => {
                write!(f, "{segment}: {bytes} bytes from byte {offset} did not reach the disk")
            }
            ProblemKind::Begin => write!(f, "{segment}: the segment could not be begun"),
        }?;
        match lost {
            Some(lost) if lost.start() == lost.end() => {
                write!(f, "; delivery {} is lost", lost.start())?;
            }
            Some(lost) => write!(f, "; deliveries {} to {} are lost", lost.start(), lost.end())?,
            None => {}
        }
        detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

/// How the log is, now.
#[derive(Debug, Clone)]
pub struct Health {
    /// Why nothing is taken; none when all is well.
    pub obstacle: Option<Refusal>,
    /// The problems since it was opened, oldest first; only so many are kept.
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: u64,
}

/// The figures of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Deliveries taken since it was opened.
    pub appended: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes written for them.
    pub stored_bytes: u64,
    /// Deliveries refused.
    pub refused: u64,
    /// Writes that were synced.
    pub syncs: u64,
    /// How long half of them took at most (to an eighth).
    pub sync_p50: Duration,
    /// How long 99 of 100 took at most (to an eighth).
    pub sync_p99: Duration,
    /// Bytes that wait to be written.
    pub waiting_bytes: u64,
    /// Segments, and what they take on the disk.
    pub segments: u64,
    /// Bytes that they take on the disk.
    pub disk_bytes: u64,
    /// The last delivery that is on the disk.
    pub last: Position,
    /// The first that has not been released.
    pub oldest_unreleased: Position,
}

/// How many problems are kept.
const KEPT: usize = 1000;

/// The problems, each once.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kept: VecDeque<Problem>,
    count: u64,
}

impl Problems {
    /// Adds one. Several readers may come upon the same.
    pub(super) fn add(&mut self, problem: Problem) {
        if self.kept.contains(&problem) {
            return;
        }
        self.count += 1;
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(problem);
    }

    pub(super) fn list(&self) -> (Vec<Problem>, u64) {
        (self.kept.iter().cloned().collect(), self.count)
    }
}

/// Counts, as the writer and the callers add to them.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) appended: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) syncs: Histogram,
}

/// Buckets for each doubling.
const PARTS: u32 = 8;

/// Durations in buckets of an eighth of a doubling, from 8 µs to about an hour.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [AtomicU64; 240],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; 240] }
    }
}

impl Histogram {
    pub(super) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(u64::from(PARTS));
        let doubling = micros.ilog2() - PARTS.ilog2();
        let part = (micros >> doubling) as u32 - PARTS;
        let bucket = (doubling * PARTS + part) as usize;
        let last = self.buckets.len() - 1;
        if let Some(bucket) = self.buckets.get(bucket.min(last)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|b| b.load(Relaxed)).sum()
    }

    /// What this share of them took at most.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let wanted = ((self.count() as f64) * share).ceil() as u64;
        let mut seen = 0;
        for (number, bucket) in self.buckets.iter().enumerate() {
            seen += bucket.load(Relaxed);
            if seen >= wanted.max(1) {
                let (doubling, part) = (number as u32 / PARTS, number as u32 % PARTS);
                return Duration::from_micros(u64::from(PARTS + part + 1) << doubling);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn quantiles_are_within_an_eighth() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for micros in 1..=10_000 {
            histogram.add(Duration::from_micros(micros));
        }
        for (share, true_micros) in [(0.5, 5_000.0), (0.99, 9_900.0)] {
            let told = histogram.quantile(share).as_micros() as f64;
            assert!((1.0..1.15).contains(&(told / true_micros)), "{share}: {told}");
        }
        histogram.add(Duration::MAX);
        assert_eq!(histogram.count(), 10_001);
    }
}
