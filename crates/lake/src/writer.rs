//! The writer: a thread that takes batches of any table, holds a bounded part of them, and lays them
//! down as Parquet files. Nothing that it writes belongs to a table before the run commits.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use model::Micros;

use crate::error::{LakeError, Result};
use crate::layout::{Columns, GROUP_ROWS, held_bytes};
use crate::parquet::{Batches, GroupWriter, Rows, log_statistics};
use crate::place::{make_folder, sync};
use crate::schema::Table;

/// Bytes that are held before a row group is written, whether or not it has all its rows.
const GROUP_BYTES: usize = 96 << 20;
/// A file is ended when it is larger than this.
const FILE_BYTES: usize = 256 << 20;
/// A day with fewer rows in one go shares a file with other days: evidence that is thinly spread
/// over years, or dates that an attacker made up, must not become thousands of files.
const DAY_ROWS: usize = 2_048;
/// Days with a file of their own at a time; the next day ends the oldest file.
const OPEN_FILES: usize = 32;
/// The `day` of files that hold several days.
pub(crate) const VARIOUS: &str = "various";

/// A file that is on disk and waits for its commit.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) table: Table,
    /// Path below the table's folder.
    pub(crate) path: String,
    pub(crate) day: Option<String>,
    pub(crate) size: u64,
    pub(crate) rows: u64,
    pub(crate) statistics: String,
}

enum Message {
    Batch(Table, RecordBatch),
    Close,
}

/// The door to the writer's thread. Clones are cheap; every worker has one.
#[derive(Debug, Clone)]
pub(crate) struct Sender(SyncSender<Message>);

impl Sender {
    pub(crate) fn send(&self, table: Table, batch: RecordBatch) -> Result<()> {
        self.0
            .send(Message::Batch(table, batch))
            .map_err(|_| LakeError::Writer("it has ended; see its own error".to_owned()))
    }
}

/// The writer's thread. Dropped before it is finished, it ends and removes what it wrote.
#[derive(Debug)]
pub(crate) struct Writer {
    sender: Sender,
    abandoned: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Vec<Written>>>>,
}

impl Writer {
    /// Starts it. `folder` holds one folder for each table; file names begin with `prefix`.
    pub(crate) fn start(folder: PathBuf, prefix: String, threads: usize) -> Result<Self> {
        let (sender, receiver) = sync_channel(4);
        let abandoned = Arc::new(AtomicBool::new(false));
        let (at, flag) = (folder.clone(), Arc::clone(&abandoned));
        let thread = std::thread::Builder::new()
            .name("lake-writer".to_owned())
            .spawn(move || work(&folder, &prefix, threads, &receiver, &flag))
            .map_err(LakeError::io("start a writer for", at))?;
        Ok(Self { sender: Sender(sender), abandoned, thread: Some(thread) })
    }

    pub(crate) fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Writes what is held and ends; says what lies on the disk. Senders that are still held write
    /// nothing more.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>> {
        // A failed send means that the thread has ended early: its own error says why.
        let _ = self.sender.0.send(Message::Close);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(LakeError::Writer("it panicked".to_owned())),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.abandoned.store(true, Ordering::Release);
            // Wakes a thread that waits. One whose queue is full looks at the flag by itself.
            let _ = self.sender.0.try_send(Message::Close);
            let _ = thread.join();
        }
    }
}

fn work(
    folder: &Path,
    prefix: &str,
    threads: usize,
    receiver: &Receiver<Message>,
    abandoned: &AtomicBool,
) -> Result<Vec<Written>> {
    let mut tables: BTreeMap<Table, TableWriter> = BTreeMap::new();
    let taken = take(folder, prefix, threads, receiver, abandoned, &mut tables);
    let is_over = || abandoned.load(Ordering::Acquire);
    if let Err(error) = taken {
        tables.into_values().for_each(TableWriter::abandon);
        return Err(error);
    }
    let mut written = Vec::new();
    for table in tables.into_values() {
        if is_over() {
            table.abandon();
        } else {
            written.extend(table.finish()?);
        }
    }
    Ok(written)
}

fn take(
    folder: &Path,
    prefix: &str,
    threads: usize,
    receiver: &Receiver<Message>,
    abandoned: &AtomicBool,
    tables: &mut BTreeMap<Table, TableWriter>,
) -> Result<()> {
    while let Ok(Message::Batch(table, batch)) = receiver.recv() {
        if abandoned.load(Ordering::Acquire) {
            return Ok(());
        }
        tables
            .entry(table)
            .or_insert_with(|| TableWriter::new(table, folder, prefix, threads))
            .push(batch)?;
    }
    Ok(())
}

/// Lays down the rows of one table.
pub(crate) struct TableWriter {
    table: Table,
    folder: PathBuf,
    prefix: String,
    threads: usize,
    columns: Arc<Columns>,
    held: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    /// Open files by day (`None` for tables without partitions), with the path and the order of
    /// opening.
    open: BTreeMap<Option<String>, (GroupWriter, String, usize)>,
    files: usize,
    written: Vec<Written>,
}

impl TableWriter {
    pub(crate) fn new(table: Table, folder: &Path, prefix: &str, threads: usize) -> Self {
        Self {
            table,
            folder: folder.join(table.name()),
            prefix: prefix.to_owned(),
            threads,
            columns: Arc::new(Columns::of(table)),
            held: Vec::new(),
            rows: 0,
            bytes: 0,
            open: BTreeMap::new(),
            files: 0,
            written: Vec::new(),
        }
    }

    /// Takes rows; writes a row group when enough are held.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut rest = batch;
        while self.rows + rest.num_rows() > GROUP_ROWS {
            let fits = GROUP_ROWS - self.rows;
            self.hold(rest.slice(0, fits));
            rest = rest.slice(fits, rest.num_rows() - fits);
            self.flush()?;
        }
        self.hold(rest);
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Removes what was written. What cannot be removed goes when the lake is next written to.
    fn abandon(self) {
        let open = self.open.into_values().map(|(_, path, _)| path);
        for path in self.written.into_iter().map(|file| file.path).chain(open) {
            let _ = std::fs::remove_file(self.folder.join(path));
        }
    }

    /// Writes what is held, ends all files, and brings their names to the disk.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>> {
        self.flush()?;
        while let Some((day, (writer, path, _))) = self.open.pop_first() {
            self.end(day, writer, path)?;
        }
        let mut folders: Vec<PathBuf> = self
            .written
            .iter()
            .filter_map(|file| self.folder.join(&file.path).parent().map(Path::to_owned))
            .collect();
        folders.push(self.folder.clone());
        folders.sort();
        folders.dedup();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            sync(folder)?;
        }
        Ok(self.written)
    }

    fn hold(&mut self, batch: RecordBatch) {
        self.rows += batch.num_rows();
        self.bytes += batch.columns().iter().map(held_bytes).sum::<usize>();
        self.held.push(batch);
    }

    fn flush(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.held);
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if rows == 0 {
            return Ok(());
        }
        let columns = Batches::new(&self.columns.schema, &batches);
        if self.table.partition_columns().is_empty() {
            return self.group(None, &columns, &Rows::All);
        }
        let times = Times::of(self.table, &batches)?;
        let mut order = times.in_order();
        let kinds = Kinds::of(&batches);
        for (day, part) in times.days(&mut order) {
            // Like beside like, and each in order of time: the lines of one kind compress together,
            // and a query on one class skips the pages of the others.
            part.sort_by_key(|at| kinds.of_row(at));
            self.group(Some(day), &columns, &Rows::Picked(part))?;
        }
        Ok(())
    }

    fn group(&mut self, day: Option<String>, batches: &Batches, rows: &Rows<'_>) -> Result<()> {
        if !self.open.contains_key(&day) {
            if self.open.len() >= OPEN_FILES {
                let oldest =
                    self.open.iter().min_by_key(|(_, open)| open.2).map(|(d, _)| d.clone());
                if let Some(oldest) = oldest {
                    self.close(&oldest)?;
                }
            }
            let opened = self.open_file(day.as_deref())?;
            self.open.insert(day.clone(), opened);
        }
        let threads = self.threads;
        let mut full = false;
        if let Some((writer, ..)) = self.open.get_mut(&day) {
            writer.group(batches, rows, threads).map_err(LakeError::parquet(self.table.name()))?;
            full = writer.bytes() >= FILE_BYTES;
        }
        if full { self.close(&day) } else { Ok(()) }
    }

    fn open_file(&mut self, day: Option<&str>) -> Result<(GroupWriter, String, usize)> {
        let name = format!("{}{:05}.parquet", self.prefix, self.files);
        self.files += 1;
        let path = match day {
            Some(day) => format!("day={day}/{name}"),
            None => name,
        };
        let full = self.folder.join(&path);
        if let Some(parent) = full.parent() {
            make_folder(parent)?;
        }
        let file = File::create(&full).map_err(LakeError::io("create", &full))?;
        let writer =
            GroupWriter::new(file, &self.columns).map_err(LakeError::parquet(self.table.name()))?;
        Ok((writer, path, self.files))
    }

    #[allow(clippy::ref_option)] // The key of the map is an option.
    fn close(&mut self, day: &Option<String>) -> Result<()> {
        match self.open.remove(day) {
            Some((writer, path, _)) => self.end(day.clone(), writer, path),
            None => Ok(()),
        }
    }

    fn end(&mut self, day: Option<String>, writer: GroupWriter, path: String) -> Result<()> {
        let metadata = writer.close().map_err(LakeError::parquet(self.table.name()))?;
        let full = self.folder.join(&path);
        let size = std::fs::metadata(&full).map_err(LakeError::io("look at", &full))?.len();
        self.written.push(Written {
            table: self.table,
            path,
            day,
            size,
            rows: metadata.file_metadata().num_rows() as u64,
            statistics: log_statistics(self.table, &metadata),
        });
        Ok(())
    }
}

/// The times of all rows of some batches.
struct Times {
    times: Vec<Vec<i64>>,
    /// True when the rows are in order of time as they stand.
    sorted: bool,
}

impl Times {
    fn of(table: Table, batches: &[RecordBatch]) -> Result<Self> {
        let name = table.time_column().unwrap_or("time");
        let times: Vec<Vec<i64>> = batches
            .iter()
            .map(|batch| {
                batch
                    .column_by_name(name)
                    .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
                    .map(|column| column.values().to_vec())
                    .ok_or_else(|| LakeError::Writer(format!("a batch has no column `{name}`")))
            })
            .collect::<Result<_>>()?;
        let sorted = times.iter().flatten().is_sorted();
        Ok(Self { times, sorted })
    }

    /// Batch and row of every row, in order of time.
    fn in_order(&self) -> Vec<(usize, usize)> {
        let mut keyed: Vec<(i64, u32, u32)> = Vec::new();
        for (batch, times) in self.times.iter().enumerate() {
            keyed.extend(
                times.iter().enumerate().map(|(row, time)| (*time, batch as u32, row as u32)),
            );
        }
        if !self.sorted {
            keyed.sort_unstable();
        }
        keyed.into_iter().map(|(_, batch, row)| (batch as usize, row as usize)).collect()
    }

    fn day(&self, at: Option<&(usize, usize)>) -> i64 {
        at.and_then(|(batch, row)| self.times.get(*batch)?.get(*row))
            .map_or(0, |time| time.div_euclid(86_400_000_000))
    }

    /// Cuts rows in order of time by day. Neighbouring days that are small stay together, unless
    /// they are one day.
    fn days<'a>(&self, order: &'a mut [(usize, usize)]) -> Vec<(String, &'a mut [(usize, usize)])> {
        let mut cuts: Vec<(String, usize)> = Vec::new();
        let (mut mixed, mut start) = (0, 0);
        let small = |from: usize, to: usize, order: &[(usize, usize)]| {
            let (first, last) = (self.day(order.get(from)), self.day(order.get(to - 1)));
            let name = if first == last { day_name(first) } else { VARIOUS.to_owned() };
            (name, to - from)
        };
        while start < order.len() {
            let day = self.day(order.get(start));
            let rest = order.get(start..).unwrap_or_default();
            let length = rest.partition_point(|at| self.day(Some(at)) <= day).max(1);
            if length >= DAY_ROWS {
                if mixed < start {
                    cuts.push(small(mixed, start, order));
                }
                cuts.push((day_name(day), length));
                mixed = start + length;
            }
            start += length;
        }
        if mixed < order.len() {
            cuts.push(small(mixed, order.len(), order));
        }
        let mut rest = order;
        let mut parts = Vec::with_capacity(cuts.len());
        for (name, length) in cuts {
            let (part, after) = rest.split_at_mut(length);
            parts.push((name, part));
            rest = after;
        }
        parts
    }
}

/// What kind of event each row is: its class, then its source.
struct Kinds(Vec<Vec<(i64, u32)>>);

impl Kinds {
    fn of(batches: &[RecordBatch]) -> Self {
        let mut sources: Vec<String> = Vec::new();
        let kinds = batches.iter().map(|batch| {
            let classes =
                batch.column_by_name("class_uid").and_then(|c| c.as_primitive_opt::<Int64Type>());
            let names = batch.column_by_name("definition").and_then(|c| c.as_string_opt::<i32>());
            let kind = |row: usize| {
                let class = classes.map_or(0, |classes| classes.value(row));
                let name = names.filter(|n| n.is_valid(row)).map_or("", |names| names.value(row));
                let source = sources.iter().position(|known| known == name).unwrap_or_else(|| {
                    sources.push(name.to_owned());
                    sources.len() - 1
                });
                (class, source as u32)
            };
            (0..batch.num_rows()).map(kind).collect()
        });
        Self(kinds.collect())
    }

    fn of_row(&self, (batch, row): &(usize, usize)) -> (i64, u32) {
        self.0.get(*batch).and_then(|kinds| kinds.get(*row)).copied().unwrap_or_default()
    }
}

fn day_name(day: i64) -> String {
    Micros(day.saturating_mul(86_400_000_000)).day()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn small_days_share_a_part() {
        let day = 86_400_000_000;
        let mut times = vec![3 * day + 5, 1, 2 * day];
        times.extend(std::iter::repeat_n(day + 7, DAY_ROWS));
        let times = Times { sorted: times.is_sorted(), times: vec![times] };
        let mut order = times.in_order();
        let parts: Vec<_> =
            times.days(&mut order).into_iter().map(|(day, rows)| (day, rows.len())).collect();
        let expected = [("1970-01-01", 1), ("1970-01-02", DAY_ROWS), (VARIOUS, 2)];
        assert_eq!(parts, expected.map(|(day, rows)| (day.to_owned(), rows)));
    }
}
