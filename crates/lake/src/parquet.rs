//! Parquet files as the lake wants them: settings, a row group written column by column, and the
//! statistics that go into the table's log.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, SchemaRef};
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

/// The settings for a table.
pub(crate) fn properties(table: Table) -> WriterProperties {
    let zstd = |level| ZstdLevel::try_new(level).map_or(Compression::SNAPPY, Compression::ZSTD);
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("watchfloor ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(zstd(3))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS);
    if table != Table::Events {
        return builder.build();
    }
    builder = builder.set_writer_version(WriterVersion::PARQUET_1_0);
    let sought = |column: &&ocsf::Column| column.pivot && column.kind == ocsf::Kind::Text;
    for column in ocsf::COLUMNS.iter().filter(sought) {
        let path = ColumnPath::from(column.name);
        builder = builder
            .set_column_bloom_filter_fpp(path.clone(), 0.01)
            .set_column_bloom_filter_max_ndv(path, GROUP_ROWS as u64);
    }
    // Whole lines never repeat, and their least and greatest values tell nothing.
    for name in ["raw_data", "raw_bytes", "native", "ocsf_extra"] {
        let path = ColumnPath::from(name);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path.clone(), EnabledStatistics::None)
            .set_column_data_page_size_limit(path, 1 << 20);
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

/// A Parquet file that takes whole row groups.
pub(crate) struct GroupWriter {
    writer: SerializedFileWriter<File>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    groups: usize,
}

impl GroupWriter {
    /// Begins a file.
    pub(crate) fn new(file: File, schema: SchemaRef, table: Table) -> Result<Self> {
        let mut properties = properties(table);
        let parquet = ArrowSchemaConverter::new().convert(&schema)?;
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let writer =
            SerializedFileWriter::new(file, parquet.root_schema_ptr(), Arc::new(properties))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
        Ok(Self { writer, factory, schema, groups: 0 })
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
        let writers = self.factory.create_column_writers(self.groups)?;
        let chunks = encode(&self.schema, writers, batches, rows, threads)?;
        let mut group = self.writer.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.groups += 1;
        Ok(())
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

/// One column's job: its writers (one for each leaf) and the place of its result.
type Job = (usize, Vec<ArrowColumnWriter>);

fn encode(
    schema: &SchemaRef,
    writers: Vec<ArrowColumnWriter>,
    batches: &[RecordBatch],
    rows: &Rows<'_>,
    threads: usize,
) -> Result<Vec<ArrowColumnChunk>> {
    let mut writers = writers.into_iter();
    let jobs: Vec<Mutex<Option<Job>>> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, _)| Mutex::new(writers.next().map(|writer| (at, vec![writer]))))
        .collect();
    let next = AtomicUsize::new(0);
    let run = || -> Result<Vec<(usize, Vec<ArrowColumnChunk>)>> {
        let mut done = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let taken = job.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some((at, writers)) = taken else { continue };
            done.push((at, column(schema, at, writers, batches, rows)?));
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
    Ok(done.into_iter().flat_map(|(_, chunks)| chunks).collect())
}

fn column(
    schema: &SchemaRef,
    at: usize,
    mut writers: Vec<ArrowColumnWriter>,
    batches: &[RecordBatch],
    rows: &Rows<'_>,
) -> Result<Vec<ArrowColumnChunk>> {
    let Some(field) = schema.fields().get(at) else { return Ok(Vec::new()) };
    let arrays: Vec<&dyn Array> =
        batches.iter().filter_map(|batch| batch.columns().get(at)).map(AsRef::as_ref).collect();
    let empty = arrays.iter().all(|array| array.null_count() == array.len());
    let mut write = |array: &ArrayRef| -> Result<()> {
        for (leaf, writer) in compute_leaves(field, array)?.iter().zip(writers.iter_mut()) {
            writer.write(leaf)?;
        }
        Ok(())
    };
    match rows {
        Rows::Picked(picked) if empty => write(&nulls(field.data_type(), picked.len()))?,
        // Pieces of it, so that no piece of text grows past what 32-bit offsets can say.
        Rows::Picked(picked) => {
            for part in picked.chunks(PAGE_ROWS) {
                write(&interleave(&arrays, part)?)?;
            }
        }
        Rows::All => {
            for batch in batches {
                if let Some(array) = batch.columns().get(at) {
                    write(array)?;
                }
            }
        }
    }
    writers.into_iter().map(ArrowColumnWriter::close).collect()
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
