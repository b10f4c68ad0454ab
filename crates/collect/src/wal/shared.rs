//! What the writer, the readers and the callers share.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::body::{self, Body, Encoder};
use super::faults::Faults;
use super::health::{Counts, Health, Metrics, Problem, Problems};
use super::recover::Recovered;
use super::segment::Segment;
use super::{Options, held};
use crate::{Delivery, Full, Position, Receipt, Refusal};

/// Bytes that are written at once, but for a single larger delivery.
const BATCH: u64 = 8 << 20;

/// Deliveries that may wait, however small.
const WAITING: usize = 1 << 16;

/// How long an obstacle is believed before somebody may try again.
const OBSTACLE: Duration = Duration::from_millis(250);

/// How long an obstacle is told of when nobody tries again. Not for good: what watches the health of
/// the floor may be what keeps its senders away.
const LINGER: Duration = Duration::from_secs(30);

pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) options: Options,
    encoder: Encoder,
    queue: Mutex<Queue>,
    work: Condvar,
    pub(super) segments: Mutex<BTreeMap<u64, Arc<Segment>>>,
    /// Number of the last delivery that is on the disk.
    pub(super) last: AtomicU64,
    released: AtomicU64,
    pub(super) counts: Counts,
    problems: Mutex<Problems>,
    /// True when the writer has ended: nothing more will come.
    closed: AtomicBool,
    /// Tells tasks that something came.
    pub(super) news: Notify,
    /// Tells threads: a number that goes up whenever something came.
    edition: Mutex<u64>,
    printed: Condvar,
    pub(super) faults: Faults,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Of what waits and of what is being written.
    bytes: u64,
    count: usize,
    closing: bool,
    obstacle: Option<(Refusal, Instant)>,
}

/// A delivery that waits to be written.
pub(super) struct Waiting {
    pub(super) body: Body,
    /// Bytes of the delivery itself.
    pub(super) bytes: u64,
    answer: Answer,
}

/// Who waits for a receipt. If nobody does any more, the delivery stands all the same.
pub(super) enum Answer {
    Task(oneshot::Sender<Result<Receipt, Refusal>>),
    Thread(mpsc::SyncSender<Result<Receipt, Refusal>>),
}

impl Waiting {
    pub(super) fn answer(self, result: Result<Receipt, Refusal>) {
        match self.answer {
            Answer::Task(answer) => drop(answer.send(result)),
            Answer::Thread(answer) => drop(answer.try_send(result)),
        }
    }
}

impl Shared {
    pub(super) fn new(folder: PathBuf, options: Options, recovered: Recovered) -> Self {
        let mut problems = Problems::default();
        recovered.problems.into_iter().for_each(|problem| problems.add(problem));
        Self {
            folder,
            options,
            encoder: Encoder::default(),
            queue: Mutex::default(),
            work: Condvar::new(),
            segments: Mutex::new(recovered.segments),
            last: AtomicU64::new(recovered.last),
            released: AtomicU64::new(0),
            counts: Counts::default(),
            problems: Mutex::new(problems),
            closed: AtomicBool::new(false),
            news: Notify::new(),
            edition: Mutex::new(0),
            printed: Condvar::new(),
            faults: Faults::new(),
        }
    }

    /// Puts a delivery in the queue, or refuses it.
    pub(super) fn submit(&self, delivery: Delivery, answer: Answer) -> Result<(), Refusal> {
        let submitted = self.try_submit(delivery, answer);
        if submitted.is_err() {
            self.counts.refused.fetch_add(1, Relaxed);
        }
        submitted
    }

    fn try_submit(&self, delivery: Delivery, answer: Answer) -> Result<(), Refusal> {
        let bytes = delivery.bytes.len() as u64;
        // Before the work of compressing it, and again when its size is known.
        self.may_wait(&held(&self.queue), 0)?;
        let body = self.encoder.encode(delivery, body::most_in(self.options.segment_bytes))?;
        let mut queue = held(&self.queue);
        let size = body.bytes.len() as u64;
        self.may_wait(&queue, size)?;
        queue.bytes += size;
        queue.count += 1;
        queue.waiting.push_back(Waiting { body, bytes, answer });
        drop(queue);
        self.work.notify_one();
        Ok(())
    }

    fn may_wait(&self, queue: &Queue, size: u64) -> Result<(), Refusal> {
        if queue.closing {
            return Err(Refusal::Closed);
        }
        if let Some((refusal, until)) = &queue.obstacle
            && Instant::now() < *until
        {
            return Err(refusal.clone());
        }
        let full = queue.bytes + size > self.options.queue_bytes || queue.count >= WAITING;
        if full && queue.count > 0 {
            let retry_after = Duration::from_millis(100);
            return Err(Refusal::Full { what: Full::Queue, retry_after });
        }
        Ok(())
    }

    /// What waits, as far as it is written at once; none when the log is closed and all is written.
    pub(super) fn batch(&self) -> Option<Vec<Waiting>> {
        let mut queue = held(&self.queue);
        while queue.waiting.is_empty() {
            if queue.closing {
                return None;
            }
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop(queue);
        self.faults.pass();
        let mut queue = held(&self.queue);
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(next) = queue.waiting.front() {
            bytes += next.body.bytes.len() as u64;
            if bytes > BATCH && !batch.is_empty() {
                break;
            }
            batch.extend(queue.waiting.pop_front());
        }
        Some(batch)
    }

    /// Tells who waited, and gives the room in the queue back.
    pub(super) fn settle(&self, waiting: Waiting, result: Result<Receipt, Refusal>) {
        let mut queue = held(&self.queue);
        queue.bytes = queue.bytes.saturating_sub(waiting.body.bytes.len() as u64);
        queue.count = queue.count.saturating_sub(1);
        drop(queue);
        if result.is_err() {
            self.counts.refused.fetch_add(1, Relaxed);
        }
        waiting.answer(result);
    }

    /// Remembers why nothing can be written, or that it can again.
    pub(super) fn obstruct(&self, refusal: Option<Refusal>) {
        held(&self.queue).obstacle = refusal.map(|refusal| (refusal, Instant::now() + OBSTACLE));
    }

    /// Takes nothing more; what waits is still written.
    pub(super) fn stop(&self) {
        held(&self.queue).closing = true;
        self.work.notify_all();
    }

    /// The writer has ended, however it did. What still waits is told so by being dropped.
    pub(super) fn ended(&self) {
        self.stop();
        held(&self.queue).waiting.clear();
        self.closed.store(true, Relaxed);
        self.announce();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Wakes those who wait for deliveries.
    pub(super) fn announce(&self) {
        *held(&self.edition) += 1;
        self.printed.notify_all();
        self.news.notify_waiters();
    }

    pub(super) fn edition(&self) -> u64 {
        *held(&self.edition)
    }

    /// Waits until there is another edition than this one, or the time is over.
    pub(super) fn wait(&self, seen: u64, within: Duration) {
        let edition = held(&self.edition);
        let waited = self.printed.wait_timeout_while(edition, within, |edition| *edition == seen);
        drop(waited);
    }

    pub(super) fn report(&self, problem: Problem) {
        held(&self.problems).add(problem);
    }

    pub(super) fn release(&self, before: Position) -> io::Result<()> {
        self.released.fetch_max(before.0, Relaxed);
        let mut segments = held(&self.segments);
        let mut deleted = false;
        // The newest stays: it says which numbers were given out.
        while segments.len() > 1
            && let Some((first, segment)) = segments.first_key_value()
            && segment.extent().sealed
            && segment.extent().last < before.0
        {
            let first = *first;
            match fs::remove_file(&segment.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => segments.remove(&first),
            };
            deleted = true;
        }
        drop(segments);
        if deleted {
            self.obstruct(None);
        }
        Ok(())
    }

    /// What the segments take on the disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        held(&self.segments).values().map(|segment| segment.extent().size).sum()
    }

    pub(super) fn health(&self) -> Health {
        let (problems, problem_count) = held(&self.problems).list();
        let queue = held(&self.queue);
        let recent = queue.obstacle.as_ref().filter(|(_, until)| Instant::now() < *until + LINGER);
        let obstacle = recent.map(|(refusal, _)| refusal.clone());
        drop(queue);
        Health { obstacle, problems, problem_count }
    }

    pub(super) fn metrics(&self) -> Metrics {
        let counts = &self.counts;
        let segments = held(&self.segments);
        let first = segments.keys().next().copied().unwrap_or_default();
        let count = segments.len() as u64;
        drop(segments);
        Metrics {
            appended: counts.appended.load(Relaxed),
            bytes: counts.bytes.load(Relaxed),
            stored_bytes: counts.stored.load(Relaxed),
            refused: counts.refused.load(Relaxed),
            syncs: counts.syncs.count(),
            sync_p50: counts.syncs.quantile(0.5),
            sync_p99: counts.syncs.quantile(0.99),
            waiting_bytes: held(&self.queue).bytes,
            segments: count,
            disk_bytes: self.disk_bytes(),
            last: Position(self.last.load(Relaxed)),
            oldest_unreleased: Position(self.released.load(Relaxed).max(first)),
        }
    }
}
