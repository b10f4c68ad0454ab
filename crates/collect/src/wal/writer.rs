//! The thread that writes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::frame::{HEAD, Head, Kind};
use super::health::{Problem, ProblemKind};
use super::held;
use super::segment::{self, DATA, Extent, Header, Segment};
use super::shared::{Shared, Waiting};
use crate::{Full, Position, Receipt, Refusal};

/// What the buffer for a batch keeps of its room.
const BUFFER: usize = 8 << 20;

/// When senders should try again after the disk or the quota was full: somebody must read first.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Held as long as the log may be written to.
    _lock: File,
    active: Option<Active>,
    spare: Option<JoinHandle<io::Result<File>>>,
    /// Number for the next delivery.
    next: u64,
    /// Number of the last that was synced.
    last: u64,
    buffer: Vec<u8>,
}

/// The segment that is written to.
struct Active {
    segment: Arc<Segment>,
    file: File,
    at: u64,
}

/// Says that the writer has ended, also when it panics.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended();
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, lock: File, next: u64, last: u64) -> Self {
        let buffer = Vec::new();
        Self { shared, _lock: lock, active: None, spare: None, next, last, buffer }
    }

    /// Begins a segment of its own: what an earlier process wrote is never written to.
    pub(super) fn begin(&mut self) {
        if let Err(refusal) = self.roll() {
            self.shared.obstruct(Some(refusal));
        }
    }

    pub(super) fn run(mut self) {
        let _ended = Ended(Arc::clone(&self.shared));
        while let Some(batch) = self.shared.batch() {
            self.write(batch);
        }
        self.close();
    }

    /// Writes a batch, a segment at a time.
    fn write(&mut self, batch: Vec<Waiting>) {
        let mut batch = batch.into_iter().peekable();
        while let Some(first) = batch.peek() {
            if !self.fits(frame_bytes(first))
                && let Err(refusal) = self.roll()
            {
                self.shared.obstruct(Some(refusal.clone()));
                for waiting in batch {
                    self.shared.settle(waiting, Err(refusal.clone()));
                }
                return;
            }
            let mut group = Vec::new();
            let mut bytes = 0;
            while let Some(waiting) = batch.next_if(|w| self.fits(bytes + frame_bytes(w))) {
                bytes += frame_bytes(&waiting);
                group.push(waiting);
            }
            self.commit(group);
        }
    }

    /// True when the active segment has room for so many bytes, and a seal behind them.
    fn fits(&self, bytes: u64) -> bool {
        let size = self.shared.options.segment_bytes;
        self.active.as_ref().is_some_and(|active| active.at + bytes + HEAD as u64 <= size)
    }

    /// Writes and syncs deliveries that fit in the active segment, then acknowledges them.
    fn commit(&mut self, group: Vec<Waiting>) {
        let Some(active) = &mut self.active else { return };
        let first = self.next;
        self.next += group.len() as u64;
        self.buffer.clear();
        for (sequence, waiting) in (first..).zip(&group) {
            let body = &waiting.body;
            let length = body.bytes.len() as u32;
            let (kind, plain, crc) = (body.kind, body.plain, body.crc);
            let head = Head { kind, length, plain, sequence, batch: first, crc };
            self.buffer.extend_from_slice(&head.written(active.segment.header.salt));
            self.buffer.extend_from_slice(&body.bytes);
        }
        let started = Instant::now();
        if let Err((kind, error)) = active.persist(&self.shared, &self.buffer) {
            self.poisoned(kind, error, group);
            return;
        }
        self.shared.counts.syncs.add(started.elapsed());
        active.at += self.buffer.len() as u64;
        let last = self.next - 1;
        active.segment.change(|extent| (extent.end, extent.last) = (active.at, last));
        self.last = last;
        let shared = &self.shared;
        shared.last.store(last, Relaxed);
        shared.counts.stored.fetch_add(self.buffer.len() as u64, Relaxed);
        shared.counts.appended.fetch_add(group.len() as u64, Relaxed);
        shared.counts.bytes.fetch_add(group.iter().map(|w| w.bytes).sum(), Relaxed);
        shared.obstruct(None);
        shared.announce();
        for (sequence, waiting) in (first..).zip(group) {
            shared.settle(waiting, Ok(Receipt { position: Position(sequence) }));
        }
        self.buffer.shrink_to(BUFFER);
        self.prepare_next();
    }

    /// A write or a sync failed. What the system holds of it is unknown, so the segment ends at its
    /// last good sync, and nobody is told that the rest is safe.
    fn poisoned(&mut self, kind: ProblemKind, error: io::Error, group: Vec<Waiting>) {
        if let Some(active) = self.active.take() {
            active.segment.change(|extent| extent.sealed = true);
            self.shared.report(Problem {
                kind,
                segment: active.segment.name(),
                offset: active.at,
                bytes: self.buffer.len() as u64,
                lost: None,
                detail: Some(error.to_string()),
            });
        }
        let refusal = refusal(error);
        self.shared.obstruct(Some(refusal.clone()));
        for waiting in group {
            self.shared.settle(waiting, Err(refusal.clone()));
        }
    }

    /// Ends the active segment, if there is one, and begins the next.
    fn roll(&mut self) -> Result<(), Refusal> {
        if let Some(active) = self.active.take() {
            let trimmed = active.file.set_len(active.at).is_ok();
            active.segment.change(|extent| {
                extent.sealed = true;
                extent.size = if trimmed { active.at } else { extent.size };
            });
        }
        let size = self.shared.options.segment_bytes;
        if self.shared.disk_bytes() + size > self.shared.options.quota_bytes {
            return Err(Refusal::Full { what: Full::Quota, retry_after: RETRY });
        }
        let header = Header::new(self.next, self.last);
        let begun = self.spare().and_then(|file| {
            let path = segment::begin(&self.shared.folder, &file, &header)?;
            Ok((path, file))
        });
        let (path, file) = begun.map_err(|error| self.not_begun(&header, error))?;
        // As if its last delivery were the one before its first: it has none yet.
        let extent = Extent { end: DATA, last: self.last, sealed: false, size };
        let segment = Arc::new(Segment::new(path, header, extent));
        held(&self.shared.segments).insert(header.first, Arc::clone(&segment));
        self.active = Some(Active { segment, file, at: DATA });
        Ok(())
    }

    fn not_begun(&self, header: &Header, error: io::Error) -> Refusal {
        let path: PathBuf = segment::path(&self.shared.folder, header.first);
        let refusal = refusal(error);
        if let Refusal::Disk(error) = &refusal {
            self.shared.report(Problem {
                kind: ProblemKind::Begin,
                segment: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                offset: 0,
                bytes: 0,
                lost: None,
                detail: Some(error.to_string()),
            });
        }
        refusal
    }

    /// The file that was prepared, or a new one.
    fn spare(&mut self) -> io::Result<File> {
        match self.spare.take().map(JoinHandle::join) {
            Some(Ok(Ok(file))) => Ok(file),
            _ => segment::prepare(&self.shared.folder, self.shared.options.segment_bytes),
        }
    }

    /// Has the next segment prepared when this one is half full: filling it takes a while.
    fn prepare_next(&mut self) {
        let size = self.shared.options.segment_bytes;
        let half = self.active.as_ref().is_some_and(|active| active.at > size / 2);
        if !half
            || self.spare.is_some()
            || self.shared.disk_bytes() + size > self.shared.options.quota_bytes
        {
            return;
        }
        let folder = self.shared.folder.clone();
        let thread = thread::Builder::new().name("wal-prepare".to_owned());
        self.spare = thread.spawn(move || segment::prepare(&folder, size)).ok();
    }

    /// Seals the active segment, so that every byte of it is known to have been synced.
    fn close(&mut self) {
        if let Some(spare) = self.spare.take() {
            let _prepared = spare.join();
            let _gone = fs::remove_file(segment::spare(&self.shared.folder));
        }
        let Some(active) = self.active.take() else { return };
        let (kind, sequence) = (Kind::Seal, self.next);
        let crc = crc32fast::hash(&[]);
        let head = Head { kind, length: 0, plain: 0, sequence, batch: sequence, crc };
        let seal = head.written(active.segment.header.salt);
        let end = active.at + HEAD as u64;
        let sealed = active
            .persist(&self.shared, &seal)
            .map_err(|(_, error)| error)
            .and_then(|()| active.file.set_len(end))
            .and_then(|()| active.file.sync_all());
        // Without the seal the next start says that the log was not closed in order.
        let size = if sealed.is_ok() { end } else { self.shared.options.segment_bytes };
        active.segment.change(|extent| (extent.sealed, extent.size) = (true, size));
    }
}

impl Active {
    /// Writes bytes behind what is there and syncs them.
    fn persist(&self, shared: &Shared, bytes: &[u8]) -> Result<(), (ProblemKind, io::Error)> {
        let write = || {
            shared.faults.fail_write()?;
            self.file.write_all_at(bytes, self.at)
        };
        let sync = || {
            shared.faults.fail_sync()?;
            self.file.sync_data()
        };
        write().map_err(|error| (ProblemKind::Write, error))?;
        sync().map_err(|error| (ProblemKind::Sync, error))
    }
}

fn frame_bytes(waiting: &Waiting) -> u64 {
    (HEAD + waiting.body.bytes.len()) as u64
}

/// What senders are told of an error.
fn refusal(error: io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Refusal::Full { what: Full::Disk, retry_after: RETRY }
        }
        _ => Refusal::Disk(Arc::new(error)),
    }
}
