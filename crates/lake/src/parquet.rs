//! Parquet files as the lake wants them: settings, a row group written column by column, and the
//! statistics that go into the table's log.

use std::fs::File;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use deltalake::parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use deltalake::parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use deltalake::parquet::basic::{Compression, Encoding, ZstdLevel};
use deltalake::parquet::errors::{ParquetError, Result};
use deltalake::parquet::file::metadata::ParquetMetaData;
use deltalake::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use deltalake::parquet::file::statistics::Statistics;
use deltalake::parquet::file::writer::SerializedFileWriter;
use deltalake::parquet::schema::types::ColumnPath;

use crate::cells::nulls;
use crate::schema::Table;

/// Rows of a row group: what is read or skipped as one.
pub(crate) const GROUP_ROWS: usize = 131_072;
/// Rows of a page.
const PAGE_ROWS: usize = 8_192;

/// How a column's values are laid down. Which one is decided for each column of each row group, by
/// how often its values repeat: a dictionary of values that hardly repeat costs more than it saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Each value once, and numbers of them.
    Dictionary,
    /// Value after value: texts with their lengths apart, numbers with their bytes apart.
    Plain,
    /// There are none: one page of nulls, no filter.
    Empty,
}

/// The settings for a table.
fn properties(table: Table, layout: Layout) -> WriterProperties {
    let zstd = |level| ZstdLevel::try_new(level).map_or(Compression::SNAPPY, Compression::ZSTD);
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("watchfloor ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(zstd(LEVEL))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(if layout == Layout::Empty { GROUP_ROWS } else { PAGE_ROWS })
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_dictionary_enabled(layout == Layout::Dictionary);
    if layout == Layout::Plain {
        for field in table.file_schema().fields() {
            let (encoding, level) = match field.data_type() {
                DataType::Utf8 | DataType::Binary => {
                    (Encoding::DELTA_LENGTH_BYTE_ARRAY, LEVEL_HARD)
                }
                DataType::Int64 | DataType::Int32 => (Encoding::BYTE_STREAM_SPLIT, LEVEL),
                _ => continue,
            };
            let path = ColumnPath::from(field.name().as_str());
            builder = builder
                .set_column_encoding(path.clone(), encoding)
                .set_column_compression(path, zstd(level));
        }
    }
    if table != Table::Events || layout == Layout::Empty {
        return builder.build();
    }
    let sought = |column: &&ocsf::Column| column.pivot && column.kind == ocsf::Kind::Text;
    for column in ocsf::COLUMNS.iter().filter(sought) {
        // Who and what people ask for most is worth the larger filter.
        let wrong = if column.entity.is_some() { 0.01 } else { 0.1 };
        let path = ColumnPath::from(column.name);
        builder = builder
            .set_column_bloom_filter_fpp(path.clone(), wrong)
            .set_column_bloom_filter_max_ndv(path, GROUP_ROWS as u64);
    }
    // Whole lines never repeat, and their least and greatest values tell nothing.
    for name in LINES {
        let path = ColumnPath::from(name);
        builder = builder
            .set_column_compression(path.clone(), zstd(LEVEL_HARD))
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
            .set_column_statistics_enabled(path.clone(), EnabledStatistics::None)
            .set_column_data_page_size_limit(path, LINE_PAGE_BYTES);
    }
    // Numbers that grow from row to row.
    for name in ["time", "parcel_offset"] {
        let path = ColumnPath::from(name);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

/// Columns of whole lines.
const LINES: [&str; 4] = ["raw_data", "raw_bytes", "native", "ocsf_extra"];
/// How hard columns are compressed.
const LEVEL: i32 = 3;
/// How hard lines and other texts that do not repeat are compressed: they are most of a lake. Measured
/// on mixed JSON lines, level 8 makes 12 % less of them than level 3, for 4 µs an event.
const LEVEL_HARD: i32 = 8;
/// Bytes of a page of lines: a needle's line costs the reading of one.
const LINE_PAGE_BYTES: usize = 2 << 20;
/// Bytes of a dictionary; beyond them a column falls back to plain values.
const DICTIONARY_BYTES: usize = 8 << 20;

/// A Parquet file that takes whole row groups.
pub(crate) struct GroupWriter {
    writer: SerializedFileWriter<File>,
    factories: [(Layout, ArrowRowGroupWriterFactory); 3],
    schema: SchemaRef,
    groups: usize,
}

impl GroupWriter {
    /// Begins a file.
    pub(crate) fn new(file: File, schema: SchemaRef, table: Table) -> Result<Self> {
        let parquet = ArrowSchemaConverter::new().convert(&schema)?.root_schema_ptr();
        let mut settings = properties(table, Layout::Dictionary);
        add_encoded_arrow_schema_to_metadata(&schema, &mut settings);
        let writer = SerializedFileWriter::new(file, Arc::clone(&parquet), Arc::new(settings))?;
        let dictionary = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
        // A factory takes its settings from a file. Chunks do not care which file they end in, so
        // the other settings come from files that are never written.
        let other = |layout| {
            let settings = Arc::new(properties(table, layout));
            let file = SerializedFileWriter::new(std::io::sink(), Arc::clone(&parquet), settings)?;
            Ok::<_, ParquetError>(ArrowRowGroupWriterFactory::new(&file, Arc::clone(&schema)))
        };
        let factories = [
            (Layout::Dictionary, dictionary),
            (Layout::Plain, other(Layout::Plain)?),
            (Layout::Empty, other(Layout::Empty)?),
        ];
        Ok(Self { writer, factories, schema, groups: 0 })
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
        batches: &[RecordBatch],
        rows: &Rows<'_>,
        threads: usize,
    ) -> Result<()> {
        let writers = self.column_writers(batches)?;
        let chunks = encode(&self.schema, writers, batches, rows, threads)?;
        let mut group = self.writer.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.groups += 1;
        Ok(())
    }

    /// A writer for each column, with the layout that suits its values.
    fn column_writers(&self, batches: &[RecordBatch]) -> Result<Vec<ArrowColumnWriter>> {
        let layouts: Vec<Layout> = self
            .schema
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| layout(field.data_type(), &arrays_of(batches, at)))
            .collect();
        let mut writers: Vec<Option<ArrowColumnWriter>> = layouts.iter().map(|_| None).collect();
        for (layout, factory) in &self.factories {
            let made = factory.create_column_writers(self.groups)?;
            for ((wanted, slot), writer) in layouts.iter().zip(&mut writers).zip(made) {
                if wanted == layout {
                    *slot = Some(writer);
                }
            }
        }
        Ok(writers.into_iter().flatten().collect())
    }

    /// Ends the file and brings it to the disk.
    pub(crate) fn close(mut self) -> Result<ParquetMetaData> {
        let metadata = self.writer.finish()?;
        self.writer.inner().sync_all()?;
        Ok(metadata)
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
    schema: &SchemaRef,
    writers: Vec<ArrowColumnWriter>,
    batches: &[RecordBatch],
    rows: &Rows<'_>,
    threads: usize,
) -> Result<Vec<ArrowColumnChunk>> {
    let jobs: Vec<Mutex<Option<(usize, ArrowColumnWriter)>>> =
        writers.into_iter().enumerate().map(|job| Mutex::new(Some(job))).collect();
    let next = AtomicUsize::new(0);
    let run = || -> Result<Vec<(usize, ArrowColumnChunk)>> {
        let mut done = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let taken = job.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some((at, writer)) = taken else { continue };
            done.push((at, column(schema, at, writer, batches, rows)?));
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

fn column(
    schema: &SchemaRef,
    at: usize,
    mut writer: ArrowColumnWriter,
    batches: &[RecordBatch],
    rows: &Rows<'_>,
) -> Result<ArrowColumnChunk> {
    let Some(field) = schema.fields().get(at) else {
        return Err(ParquetError::General(format!("there is no column {at}")));
    };
    let arrays = arrays_of(batches, at);
    let mut write = |array: &ArrayRef| -> Result<()> {
        compute_leaves(field, array)?.iter().try_for_each(|leaf| writer.write(leaf))
    };
    match rows {
        Rows::Picked(picked) if arrays.iter().all(|array| array.null_count() == array.len()) => {
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

fn arrays_of(batches: &[RecordBatch], at: usize) -> Vec<ArrayRef> {
    batches.iter().filter_map(|batch| batch.columns().get(at)).map(Arc::clone).collect()
}

/// Chooses by how many of the values are distinct.
fn layout(data_type: &DataType, arrays: &[ArrayRef]) -> Layout {
    if arrays.iter().all(|array| array.null_count() == array.len()) {
        return Layout::Empty;
    }
    let (values, distinct) = match data_type {
        DataType::Utf8 => distinct(arrays, |array| {
            let texts = array.as_string::<i32>();
            texts.iter().flatten().map(|text| rustc_hash::FxBuildHasher.hash_one(text)).collect()
        }),
        DataType::Int64 => distinct(arrays, |array| {
            let numbers = array.as_primitive::<Int64Type>();
            numbers.iter().flatten().map(|n| n as u64).collect()
        }),
        _ => return Layout::Dictionary,
    };
    let few = match data_type {
        DataType::Utf8 => distinct * 10 < values * 6,
        _ => distinct <= 1_024 || distinct * 20 < values,
    };
    if few || values < 256 { Layout::Dictionary } else { Layout::Plain }
}

/// How many values some arrays hold, and how many different ones.
fn distinct(arrays: &[ArrayRef], keys: impl Fn(&ArrayRef) -> Vec<u64>) -> (usize, usize) {
    let mut values = 0;
    let mut seen = rustc_hash::FxHashSet::default();
    for array in arrays.iter().filter(|array| array.null_count() < array.len()) {
        let keys = keys(array);
        values += keys.len();
        seen.extend(keys);
    }
    (values, seen.len())
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
