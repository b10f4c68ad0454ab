//! The writer: threads that take rows, hold a bounded part of them, and lay them down as Parquet files.
//! One takes events, the other everything else, so that findings need not wait for the last events.
//! Nothing that they write belongs to a table before the run commits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use arrow::record_batch::RecordBatch;

use crate::error::{LakeError, Result};
use crate::events::EventsWriter;
use crate::files::{Files, Written};
use crate::rows::EventRows;
use crate::schema::Table;
use crate::tables::BatchWriter;

/// Rows and batches that wait for a writer's thread.
const WAITING: usize = 4;
/// Rows of a batch of events that become rows of their own at a time.
const BATCH_ROWS: usize = 8_192;
/// Bytes of memory that rows which were written keep for those to come: those of a row group, with what
/// their columns have to spare.
const SPARE_BYTES: usize = 256 << 20;

enum Message {
    Rows(EventRows),
    Batch(Table, RecordBatch),
    Close,
}

/// The doors to the writer's threads. Clones are cheap; every worker has one.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    events: SyncSender<Message>,
    others: SyncSender<Message>,
    spare: Spare,
}

impl Sender {
    /// Takes rows of events and leaves empty ones.
    pub(crate) fn send_rows(&self, rows: &mut EventRows) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let empty = self.spare.take().unwrap_or_else(|| rows.like());
        let rows = std::mem::replace(rows, empty);
        Self::sent(&self.events, Message::Rows(rows))
    }

    pub(crate) fn send(&self, table: Table, batch: &RecordBatch) -> Result<()> {
        if table != Table::Events {
            return Self::sent(&self.others, Message::Batch(table, batch.clone()));
        }
        for from in (0..batch.num_rows()).step_by(BATCH_ROWS) {
            let mut rows = self.spare.take().unwrap_or_default();
            rows.push_batch(&batch.slice(from, BATCH_ROWS.min(batch.num_rows() - from)));
            self.send_rows(&mut rows)?;
            self.spare.give(rows);
        }
        Ok(())
    }

    /// Says that no more events come.
    pub(crate) fn end_events(&self) {
        // A failed send means that the thread has ended early: its own error says why.
        let _ = self.events.send(Message::Close);
    }

    fn sent(to: &SyncSender<Message>, message: Message) -> Result<()> {
        to.send(message)
            .map_err(|_| LakeError::Writer("it has ended; see its own error".to_owned()))
    }
}

/// Rows that were written, for the memory that they have: the system hands out every page of new memory
/// cleared, which took a tenth of the time of a run.
#[derive(Debug, Clone, Default)]
struct Spare(Arc<Mutex<Vec<EventRows>>>);

impl Spare {
    fn take(&self) -> Option<EventRows> {
        self.0.lock().ok().and_then(|mut spare| spare.pop())
    }

    fn give(&self, mut rows: EventRows) {
        rows.clear();
        if let Ok(mut spare) = self.0.lock() {
            let kept: usize = spare.iter().map(EventRows::capacity).sum();
            if kept + rows.capacity() <= SPARE_BYTES {
                spare.push(rows);
            }
        }
    }
}

/// The writer's threads. Dropped before they are finished, they end and remove what they wrote.
#[derive(Debug)]
pub(crate) struct Writer {
    sender: Sender,
    folder: PathBuf,
    abandoned: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Vec<Written>>>>,
}

impl Writer {
    /// Starts them. `folder` holds one folder for each table; file names begin with `prefix`.
    pub(crate) fn start(folder: &Path, prefix: &str, threads: usize) -> Result<Self> {
        let (abandoned, spare) = (Arc::new(AtomicBool::new(false)), Spare::default());
        let lay = || {
            let (sender, receiver) = sync_channel(WAITING);
            let work = Work {
                folder: folder.to_owned(),
                prefix: prefix.to_owned(),
                threads,
                abandoned: Arc::clone(&abandoned),
                spare: spare.clone(),
            };
            std::thread::Builder::new()
                .name("lake-writer".to_owned())
                .spawn(move || work.until_closed(&receiver))
                .map(|thread| (sender, thread))
                .map_err(LakeError::io("start a writer for", folder))
        };
        let ((events, one), (others, two)) = (lay()?, lay()?);
        let sender = Sender { events, others, spare: spare.clone() };
        let (folder, abandoned) = (folder.to_owned(), Arc::clone(&abandoned));
        Ok(Self { sender, folder, abandoned, threads: vec![one, two] })
    }

    pub(crate) fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Writes what is held and ends; says what lies on the disk. Senders that are still held write
    /// nothing more.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>> {
        self.sender.end_events();
        let _ = self.sender.others.send(Message::Close);
        let mut written = Vec::new();
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(files) => written.extend(files?),
                Err(_) => return Err(LakeError::Writer("it panicked".to_owned())),
            }
        }
        Ok(written)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        self.abandoned.store(true, Ordering::Release);
        // Wakes threads that wait. One whose queue is full looks at the flag by itself.
        let _ = self.sender.events.try_send(Message::Close);
        let _ = self.sender.others.try_send(Message::Close);
        for thread in self.threads.drain(..) {
            // A thread that was closed before leaves its files.
            for file in thread.join().ok().and_then(Result::ok).unwrap_or_default() {
                let folder = self.folder.join(file.table.name());
                let _ = std::fs::remove_file(folder.join(file.path));
            }
        }
    }
}

/// What a thread works with.
struct Work {
    folder: PathBuf,
    prefix: String,
    threads: usize,
    abandoned: Arc<AtomicBool>,
    spare: Spare,
}

impl Work {
    fn until_closed(self, receiver: &Receiver<Message>) -> Result<Vec<Written>> {
        let mut tables = BTreeMap::new();
        let taken = self.take(receiver, &mut tables);
        if taken.is_err() || self.is_over() {
            tables.into_values().for_each(TableWriter::abandon);
            return taken.map(|()| Vec::new());
        }
        let mut written = Vec::new();
        for table in tables.into_values() {
            written.extend(table.finish()?);
        }
        Ok(written)
    }

    fn take(
        &self,
        receiver: &Receiver<Message>,
        tables: &mut BTreeMap<Table, TableWriter>,
    ) -> Result<()> {
        while let Ok(message) = receiver.recv() {
            if self.is_over() {
                break;
            }
            match message {
                Message::Rows(rows) => {
                    let done = self.table(Table::Events, tables)?.push_rows(rows)?;
                    done.into_iter().for_each(|rows| self.spare.give(rows));
                }
                Message::Batch(table, batch) => self.table(table, tables)?.push(&batch)?,
                Message::Close => break,
            }
        }
        Ok(())
    }

    fn table<'t>(
        &self,
        table: Table,
        tables: &'t mut BTreeMap<Table, TableWriter>,
    ) -> Result<&'t mut TableWriter> {
        use std::collections::btree_map::Entry;
        match tables.entry(table) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let writer = TableWriter::new(table, &self.folder, &self.prefix, self.threads)?;
                Ok(new.insert(writer))
            }
        }
    }

    fn is_over(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}

/// Lays down the rows of one table.
pub(crate) enum TableWriter {
    /// Events.
    Events(Box<EventsWriter>),
    /// Anything else.
    Other(Box<BatchWriter>),
}

impl TableWriter {
    pub(crate) fn new(table: Table, folder: &Path, prefix: &str, threads: usize) -> Result<Self> {
        let files = Files::new(table, folder, prefix);
        Ok(match table {
            Table::Events => Self::Events(Box::new(EventsWriter::new(files, threads)?)),
            _ => Self::Other(Box::new(BatchWriter::new(files))),
        })
    }

    /// Takes rows.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Other(writer) => writer.push(batch),
            Self::Events(_) => {
                let mut rows = EventRows::new();
                rows.push_batch(batch);
                self.push_rows(rows).map(drop)
            }
        }
    }

    /// Takes rows of events; gives back those that were written, for their memory.
    fn push_rows(&mut self, rows: EventRows) -> Result<Vec<EventRows>> {
        match self {
            Self::Events(writer) => writer.push(rows),
            Self::Other(_) => Err(LakeError::Writer("rows of another table".to_owned())),
        }
    }

    /// Writes what is held, ends all files, and brings them and their names to the disk.
    pub(crate) fn finish(self) -> Result<Vec<Written>> {
        match self {
            Self::Events(writer) => writer.finish(),
            Self::Other(writer) => writer.finish(),
        }
    }

    fn abandon(self) {
        match self {
            Self::Events(writer) => writer.abandon(),
            Self::Other(writer) => writer.abandon(),
        }
    }
}
