//! Events on their way to the disk: rows are held until they fill a row group, put in order, and laid
//! down column by column.
//!
//! Half of what `investigate` does with an event is this, so it is written for speed: rows lie in the
//! columns that the workers filled, each column is put in order, encoded and let go by itself, on all
//! cores, and the memory of the rows goes back to the workers.

mod bounds;
mod chunk;
mod encode;
mod gather;
pub(crate) mod merge;
mod order;
mod part;
mod plan;
mod press;
mod spell;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};

use deltalake::parquet::errors::{ParquetError, Result as ParquetResult};
use deltalake::parquet::file::writer::SerializedFileWriter;

use self::chunk::{Chunk, Encoder};
use self::order::Ordered;
use self::plan::Plans;
use crate::error::{LakeError, Result};
use crate::files::{Files, Written};
use crate::rows::EventRows;
use crate::schema::Table;

/// Rows of a row group: what is read or skipped as one.
pub(crate) const GROUP_ROWS: usize = 131_072;
/// Bytes that are held before a row group is written, whether or not it has all its rows.
const GROUP_BYTES: usize = 144 << 20;
/// A file is ended when it is larger than this.
const FILE_BYTES: usize = 256 << 20;
/// Days with a file of their own at a time; the next day ends the oldest file.
const OPEN_FILES: usize = 32;

/// Lays down the rows of `events`.
pub(crate) struct EventsWriter {
    plans: Plans,
    /// One for each thread.
    encoders: Vec<Encoder>,
    held: Vec<EventRows>,
    rows: usize,
    bytes: usize,
    files: Files,
    /// Open files by day.
    open: BTreeMap<String, Open>,
    opened: usize,
}

/// A file that row groups are added to.
struct Open {
    writer: SerializedFileWriter<File>,
    path: String,
    /// How many were opened before it.
    number: usize,
    /// Which columns it has. Those of which it has no value are left out, as the table format allows:
    /// what is said of three hundred empty columns is more than a small file's values.
    columns: Vec<bool>,
}

impl EventsWriter {
    /// A writer on `threads` threads.
    pub(crate) fn new(files: Files, threads: usize) -> Result<Self> {
        let made = || {
            let encoders = (0..threads.max(1)).map(|_| Encoder::new());
            Ok((Plans::new()?, encoders.collect::<ParquetResult<_>>()?))
        };
        let (plans, encoders) = made().map_err(failed)?;
        let (held, open) = (Vec::new(), BTreeMap::new());
        Ok(Self { plans, encoders, held, rows: 0, bytes: 0, files, open, opened: 0 })
    }

    /// Takes rows; writes a row group when enough are held. Gives back rows that were written, for
    /// their memory.
    pub(crate) fn push(&mut self, rows: EventRows) -> Result<Vec<EventRows>> {
        let mut done = Vec::new();
        if self.rows + rows.len() > GROUP_ROWS {
            done = self.flush()?;
        }
        self.rows += rows.len();
        self.bytes += rows.approx_bytes();
        self.held.push(rows);
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            done.append(&mut self.flush()?);
        }
        Ok(done)
    }

    /// Writes what is held, ends all files, and brings them to the disk.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>> {
        self.flush()?;
        while let Some((day, open)) = self.open.pop_first() {
            end(&mut self.files, day, open)?;
        }
        self.files.finish()
    }

    /// Removes what was written.
    pub(crate) fn abandon(self) {
        self.files.abandon();
    }

    fn flush(&mut self) -> Result<Vec<EventRows>> {
        (self.rows, self.bytes) = (0, 0);
        let batches = std::mem::take(&mut self.held);
        let ordered = Ordered::new(&batches)?;
        let mut columns = encode(&self.plans, &ordered, &mut self.encoders).map_err(failed)?;
        for (at, part) in ordered.parts.iter().enumerate() {
            let chunks = columns.iter_mut().map(|chunks| chunks.get_mut(at).and_then(Option::take));
            let chunks: Vec<_> = chunks.collect();
            self.write(&part.day, part.rows.len(), chunks)?;
        }
        Ok(batches)
    }

    /// Writes a row group of `rows` rows. One with a column that the day's file lacks begins another file.
    fn write(&mut self, day: &str, rows: usize, chunks: Vec<Option<Chunk>>) -> Result<()> {
        let plans = self.plans.columns.iter();
        let needed = plans.zip(&chunks).map(|(plan, chunk)| chunk.is_some() || !plan.may_lack());
        let mut needed: Vec<bool> = needed.collect();
        let lacks = |open: &Open| needed.iter().zip(&open.columns).any(|(n, has)| *n && !has);
        if self.open.get(day).is_some_and(lacks)
            && let Some(open) = self.open.remove(day)
        {
            needed.iter_mut().zip(&open.columns).for_each(|(needed, had)| *needed |= had);
            end(&mut self.files, day.to_owned(), open)?;
        }
        if !self.open.contains_key(day) {
            self.open_file(day, needed)?;
        }
        let Some(open) = self.open.get_mut(day) else { return Ok(()) };
        append(open, &self.plans, rows, chunks).map_err(failed)?;
        if open.writer.bytes_written() >= FILE_BYTES
            && let Some(open) = self.open.remove(day)
        {
            end(&mut self.files, day.to_owned(), open)?;
        }
        Ok(())
    }

    fn open_file(&mut self, day: &str, columns: Vec<bool>) -> Result<()> {
        if self.open.len() >= OPEN_FILES {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.number);
            if let Some(day) = oldest.map(|(day, _)| day.clone())
                && let Some(open) = self.open.remove(&day)
            {
                end(&mut self.files, day, open)?;
            }
        }
        let (file, path) = self.files.create(Some(day))?;
        let properties = self.plans.properties.clone();
        let schema = self.plans.schema_of(&columns);
        let writer = schema.and_then(|schema| SerializedFileWriter::new(file, schema, properties));
        let writer = writer.map_err(failed)?;
        let number = self.opened;
        self.opened += 1;
        self.open.insert(day.to_owned(), Open { writer, path, number, columns });
        Ok(())
    }
}

fn end(files: &mut Files, day: String, open: Open) -> Result<()> {
    let Open { mut writer, path, .. } = open;
    let metadata = writer.finish().map_err(failed)?;
    files.end(writer.inner(), path, Some(day), &metadata)
}

fn failed(error: ParquetError) -> LakeError {
    LakeError::parquet(Table::Events.name())(error)
}

/// Encodes all columns, on as many threads as there are encoders: the chunks of each column by part.
/// The column with most bytes comes first, so that no thread is left with a great one when the others
/// have ended.
fn encode(
    plans: &Plans,
    ordered: &Ordered<'_>,
    encoders: &mut [Encoder],
) -> ParquetResult<Vec<Vec<Option<Chunk>>>> {
    let weight = |at: usize| {
        let cells = ordered.batches.iter().filter_map(|batch| batch.columns().get(at));
        cells.map(|cells| cells.bytes().len() + cells.values() * 8).sum::<usize>()
    };
    let mut weighed: Vec<_> = plans.columns.iter().map(|plan| (weight(plan.at), plan)).collect();
    weighed.retain(|(weight, _)| *weight > 0);
    weighed.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let next = AtomicUsize::new(0);
    let run = |encoder: &mut Encoder| -> ParquetResult<Vec<_>> {
        let mut done = Vec::new();
        while let Some((_, plan)) = weighed.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((plan.at, encoder.column(plan, ordered)?));
        }
        Ok(done)
    };
    let done = std::thread::scope(|scope| -> ParquetResult<Vec<_>> {
        let Some((first, others)) = encoders.split_first_mut() else { return Ok(Vec::new()) };
        let helpers: Vec<_> =
            others.iter_mut().map(|encoder| scope.spawn(|| run(encoder))).collect();
        let mut all = run(first)?;
        for helper in helpers {
            let panicked = |_| ParquetError::General("a column's thread panicked".to_owned());
            all.extend(helper.join().map_err(panicked)??);
        }
        Ok(all)
    })?;
    let mut columns: Vec<Vec<_>> = plans.columns.iter().map(|_| Vec::new()).collect();
    for (at, chunks) in done {
        if let Some(column) = columns.get_mut(at) {
            *column = chunks;
        }
    }
    Ok(columns)
}

/// Appends a row group to a file.
fn append(
    open: &mut Open,
    plans: &Plans,
    rows: usize,
    chunks: Vec<Option<Chunk>>,
) -> ParquetResult<()> {
    let mut group = open.writer.next_row_group()?;
    let columns = plans.columns.iter().zip(chunks).zip(&open.columns);
    for ((plan, chunk), _) in columns.filter(|(_, has)| **has) {
        let Chunk { bytes, close } = chunk.map_or_else(|| chunk::empty(plan, rows), Ok)?;
        group.append_column(&bytes, close)?;
    }
    group.close()?;
    Ok(())
}

#[cfg(test)]
mod tests;
