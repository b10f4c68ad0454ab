//! The write-ahead log: deliveries on the disk before they are acknowledged, in order, until what
//! reads them has done its work.
//!
//! One thread writes. What waits is written together and synced once, and then acknowledged; while
//! that sync runs, the next batch gathers. There is no timer: on an idle log a delivery waits for
//! its own sync alone. What waits is bounded, and so is the disk: what does not fit is refused at
//! once.
//!
//! A [`Reader`] gives deliveries out in order and waits for new ones; several may read.
//! [`Wal::release`] deletes what nobody needs any more. Deliveries are given out at least once: one
//! that was written whole but not acknowledged before a crash is given out as well.
//!
//! Layout on the disk: `segment.rs` and `frame.rs`. What a crash leaves: `recover.rs`.

mod body;
mod faults;
mod frame;
mod health;
mod reader;
mod recover;
mod scan;
mod segment;
mod shared;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

pub use health::{Health, Metrics, Problem, ProblemKind};
pub use reader::{Read, Reader};

use crate::{Delivery, Intake, Offer, Position, Receipt, Refusal};
use shared::{Answer, Shared};
use writer::Writer;

/// Bytes that a delivery may have in any log of usual segments, whatever is said of them.
pub const LARGEST: usize = 31 << 20;
const _: () = assert!(LARGEST < body::MOST, "what is said of a delivery has room beside it");

/// What bounds a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a segment: what is deleted at once, and what is reserved ahead.
    pub segment_bytes: u64,
    /// Bytes that the log may take on the disk.
    pub quota_bytes: u64,
    /// Bytes that may wait to be written.
    pub queue_bytes: u64,
    /// Numbers that something outside remembers: new ones are higher, even when the folder is empty.
    pub after: Position,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            quota_bytes: 16 << 30,
            queue_bytes: 64 << 20,
            after: Position::START,
        }
    }
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, writes to it.
    #[error("the log in {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be read or written.
    #[error("the log in {} cannot be opened: {source}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A log that is open. Clones are the same log; it is closed when the last one is dropped.
#[derive(Clone)]
pub struct Wal(Arc<Open>);

struct Open {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Wal {
    /// Opens the log in a folder, or begins one. What a crash left is mended, and told by
    /// [`Wal::health`].
    pub fn open(folder: impl Into<PathBuf>, options: Options) -> Result<Self, OpenError> {
        let folder = folder.into();
        open(&folder, options).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse(folder),
            _ => OpenError::Io { folder, source },
        })
    }

    /// Appends a delivery. It is in the queue, or refused, when this returns; the future tells when
    /// it is on the disk. Dropping the future takes nothing back.
    pub fn append(
        &self,
        delivery: Delivery,
    ) -> impl Future<Output = Result<Receipt, Refusal>> + Send + use<> {
        let (answer, receipt) = oneshot::channel();
        let submitted = self.0.shared.submit(delivery, Answer::Task(answer));
        async move {
            submitted?;
            receipt.await.unwrap_or(Err(Refusal::Closed))
        }
    }

    /// Appends a delivery and waits until it is on the disk. Not for tasks.
    pub fn append_blocking(&self, delivery: Delivery) -> Result<Receipt, Refusal> {
        let (answer, receipt) = mpsc::sync_channel(1);
        self.0.shared.submit(delivery, Answer::Thread(answer))?;
        receipt.recv().unwrap_or(Err(Refusal::Closed))
    }

    /// Reads deliveries from this one on, or from the first that is still there.
    pub fn reader(&self, from: Position) -> Reader {
        Reader::new(Arc::clone(&self.0.shared), from)
    }

    /// Says that deliveries before this one are not needed any more. Segments that hold no other are
    /// deleted.
    pub fn release(&self, before: Position) -> io::Result<()> {
        self.0.shared.release(before)
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.0.shared.health()
    }

    /// Its figures.
    pub fn metrics(&self) -> Metrics {
        self.0.shared.metrics()
    }

    /// Writes what waits, takes nothing more, and returns when the last byte is on the disk.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Intake for Wal {
    fn offer(&self, delivery: Delivery) -> Offer<'_> {
        Box::pin(self.append(delivery))
    }
}

impl Open {
    fn close(&self) {
        self.shared.stop();
        if let Some(writer) = held(&self.writer).take() {
            let _ended = writer.join();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

fn open(folder: &Path, options: Options) -> io::Result<Wal> {
    fs::create_dir_all(folder)?;
    let lock = File::options().create(true).append(true).open(folder.join("lock"))?;
    lock.try_lock()?;
    let recovered = recover::recover(folder)?;
    let next = recovered.next.max(options.after.0.saturating_add(1));
    let last = recovered.last;
    let shared = Arc::new(Shared::new(folder.to_owned(), options, recovered));
    let mut writer = Writer::new(Arc::clone(&shared), lock, next, last);
    // When it cannot be begun now (a full disk), what is there can still be read and released.
    writer.begin();
    let thread = thread::Builder::new().name("wal".to_owned()).spawn(move || writer.run())?;
    shared.last.fetch_max(last, Relaxed);
    Ok(Wal(Arc::new(Open { shared, writer: Mutex::new(Some(thread)) })))
}

/// Locks. A thread that panicked while it held the lock left nothing half done that matters.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
