//! Parquet files as the lake wants them: settings, a row group written column by column, and the
//! statistics that go into the table's log.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use deltalake::parquet::arrow::ArrowSchemaConverter;
use deltalake::parquet::arrow::arrow_writer::{ArrowColumnChunk, compute_leaves};
use deltalake::parquet::errors::{ParquetError, Result};
use deltalake::parquet::file::metadata::ParquetMetaData;
use deltalake::parquet::file::statistics::Statistics;
use deltalake::parquet::file::writer::SerializedFileWriter;

use crate::cells::nulls;
use crate::layout::{Columns, Layout, held_bytes};
use crate::schema::Table;

/// Rows of a page.
pub(crate) const PAGE_ROWS: usize = 8_192;

/// A Parquet file that takes whole row groups.
pub(crate) struct GroupWriter {
    writer: SerializedFileWriter<File>,
    columns: Arc<Columns>,
}

impl GroupWriter {
    /// Begins a file.
    pub(crate) fn new(file: File, columns: &Arc<Columns>) -> Result<Self> {
        let parquet = ArrowSchemaConverter::new().convert(&columns.schema)?.root_schema_ptr();
        let settings = Arc::clone(&columns.file);
        let writer = SerializedFileWriter::new(file, parquet, settings)?;
        Ok(Self { writer, columns: Arc::clone(columns) })
    }

    /// Bytes written so far.
    pub(crate) fn bytes(&self) -> usize {
        self.writer.bytes_written()
    }

    /// Writes rows of `batches`, in the order of `rows`, as one row group. Columns are put in order,
    /// encoded and let go one by one, on `threads` threads, so that memory holds one uncompressed
    /// column for each thread beside the batches.
    pub(crate) fn group(
        &mut self,
        batches: &Batches,
        rows: &Rows<'_>,
        threads: usize,
    ) -> Result<()> {
        let chunks = encode(&self.columns, batches, rows, threads)?;
        let mut group = self.writer.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// Ends the file and brings it to the disk.
    pub(crate) fn close(mut self) -> Result<ParquetMetaData> {
        let metadata = self.writer.finish()?;
        self.writer.inner().sync_all()?;
        Ok(metadata)
    }
}

/// Batches of rows that become row groups, by column; the column with most bytes first, so that no
/// thread is left with a great column when the others have ended.
pub(crate) struct Batches {
    columns: Vec<Held>,
}

/// A column of some batches.
struct Held {
    at: usize,
    field: FieldRef,
    arrays: Vec<ArrayRef>,
    layout: Layout,
}

impl Batches {
    /// Looks at batches of a schema once, however many row groups they are shared among.
    pub(crate) fn new(schema: &Schema, batches: &[RecordBatch]) -> Self {
        let held = |(at, field): (usize, &FieldRef)| {
            let arrays: Vec<_> = batches
                .iter()
                .filter_map(|batch| batch.columns().get(at))
                .map(Arc::clone)
                .collect();
            let layout = Layout::of(field, &arrays);
            Held { at, field: Arc::clone(field), arrays, layout }
        };
        let mut columns: Vec<_> = schema.fields().iter().enumerate().map(held).collect();
        columns.sort_by_cached_key(|held| {
            std::cmp::Reverse(held.arrays.iter().map(held_bytes).sum::<usize>())
        });
        Self { columns }
    }
}

/// Which rows of some batches, in which order.
pub(crate) enum Rows<'a> {
    /// All of them as they stand.
    All,
    /// Batch and row.
    Picked(&'a [(usize, usize)]),
}

/// Every column of this lake has one leaf, and so one writer.
fn encode(
    columns: &Columns,
    batches: &Batches,
    rows: &Rows<'_>,
    threads: usize,
) -> Result<Vec<ArrowColumnChunk>> {
    let next = AtomicUsize::new(0);
    let run = || -> Result<Vec<(usize, ArrowColumnChunk)>> {
        let mut done = Vec::new();
        while let Some(held) = batches.columns.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((held.at, column(columns, held, rows)?));
        }
        Ok(done)
    };
    let mut done = if threads <= 1 {
        run()?
    } else {
        std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
            let mut all = run()?;
            for helper in helpers {
                let part = helper
                    .join()
                    .map_err(|_| ParquetError::General("a column's thread panicked".to_owned()))?;
                all.extend(part?);
            }
            Ok::<_, ParquetError>(all)
        })?
    };
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, chunk)| chunk).collect())
}

fn column(columns: &Columns, held: &Held, rows: &Rows<'_>) -> Result<ArrowColumnChunk> {
    let Held { at, field, arrays, layout } = held;
    let mut writer = columns.writer(*at, *layout)?;
    let mut write = |array: &ArrayRef| -> Result<()> {
        compute_leaves(field, array)?.iter().try_for_each(|leaf| writer.write(leaf))
    };
    match rows {
        Rows::Picked(picked) if *layout == Layout::Empty => {
            write(&nulls(field.data_type(), picked.len()))?;
        }
        // Piece by piece, so that no piece of text grows past what 32-bit offsets can say.
        Rows::Picked(picked) => {
            let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            for part in picked.chunks(PAGE_ROWS) {
                write(&interleave(&arrays, part)?)?;
            }
        }
        Rows::All => arrays.iter().try_for_each(write)?,
    }
    writer.close()
}

/// The statistics of a file as Delta's log wants them, of the columns that may have them.
pub(crate) fn log_statistics(table: Table, metadata: &ParquetMetaData) -> String {
    use serde_json::{Map, Value, json};
    let schema = table.schema();
    let mut least = Map::new();
    let mut greatest = Map::new();
    let mut nulls = Map::new();
    for name in table.log_statistics() {
        let Ok(field) = schema.field_with_name(name) else { continue };
        let mut bounds: Option<(Bound, Bound)> = None;
        let mut null_count = Some(0);
        for group in metadata.row_groups() {
            let Some(chunk) = group.columns().iter().find(|c| c.column_path().string() == *name)
            else {
                continue;
            };
            let statistics = chunk.statistics();
            null_count = null_count
                .zip(statistics.and_then(Statistics::null_count_opt))
                .map(|(sum, n)| sum + n);
            if let Some((low, high)) = statistics.and_then(bounds_of) {
                bounds = Some(match bounds.take() {
                    None => (low, high),
                    Some((l, h)) => (l.min(low), h.max(high)),
                });
            }
        }
        let said = bounds.and_then(|(low, high)| {
            Some((low.json(field.data_type())?, high.json(field.data_type())?))
        });
        if let Some((low, high)) = said {
            least.insert((*name).to_owned(), low);
            greatest.insert((*name).to_owned(), high);
        }
        if let Some(count) = null_count {
            nulls.insert((*name).to_owned(), Value::from(count));
        }
    }
    json!({
        "numRecords": metadata.file_metadata().num_rows(),
        "minValues": least,
        "maxValues": greatest,
        "nullCount": nulls,
    })
    .to_string()
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Number(i64),
    Text(String),
}

impl Bound {
    /// As the log spells it; nothing for an instant that RFC 3339 cannot say.
    fn json(self, data_type: &DataType) -> Option<serde_json::Value> {
        match (self, data_type) {
            (Self::Number(n), DataType::Timestamp(..)) => {
                let text = model::Micros(n).to_string();
                text.parse::<model::Micros>().ok().map(|_| text.into())
            }
            (Self::Number(n), _) => Some(n.into()),
            (Self::Text(text), _) => Some(text.into()),
        }
    }
}

/// Exact bounds only: a text that was cut is none.
fn bounds_of(statistics: &Statistics) -> Option<(Bound, Bound)> {
    if !(statistics.min_is_exact() && statistics.max_is_exact()) {
        return None;
    }
    match statistics {
        Statistics::Int32(s) => {
            Some((Bound::Number((*s.min_opt()?).into()), Bound::Number((*s.max_opt()?).into())))
        }
        Statistics::Int64(s) => Some((Bound::Number(*s.min_opt()?), Bound::Number(*s.max_opt()?))),
        Statistics::ByteArray(s) => {
            let text =
                |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|t| Bound::Text(t.to_owned()));
            Some((text(s.min_opt()?.data())?, text(s.max_opt()?.data())?))
        }
        _ => None,
    }
}
