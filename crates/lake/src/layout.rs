//! How each column of each row group is laid down: settings, and the choice between them by what the
//! column holds.

use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use deltalake::parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory};
use deltalake::parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use deltalake::parquet::basic::{Compression, Encoding, ZstdLevel};
use deltalake::parquet::errors::{ParquetError, Result};
use deltalake::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use deltalake::parquet::file::writer::SerializedFileWriter;
use deltalake::parquet::schema::types::ColumnPath;

use crate::parquet::PAGE_ROWS;
use crate::schema::Table;

/// Rows of a row group: what is read or skipped as one.
pub(crate) const GROUP_ROWS: usize = 131_072;

/// How a column's values are laid down. Which one is decided for each column of each row group, by
/// how often its values repeat: a dictionary of values that hardly repeat costs more than it saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Each value once, and numbers of them.
    Dictionary,
    /// Value after value: texts with their lengths apart, numbers with their bytes apart.
    Plain,
    /// There are none: one page of nulls, no filter.
    Empty,
}

impl Layout {
    /// Chooses by how many of the values are distinct.
    pub(crate) fn of(field: &Field, arrays: &[ArrayRef]) -> Self {
        if arrays.iter().all(|array| array.null_count() == array.len()) {
            return Self::Empty;
        }
        if SETTLED.contains(&field.name().as_str()) {
            return Self::Dictionary;
        }
        let mut sketch = Sketch::default();
        let filled = arrays.iter().filter(|array| array.null_count() < array.len());
        match field.data_type() {
            DataType::Utf8 => filled.for_each(|array| {
                let texts = array.as_string::<i32>();
                texts.iter().flatten().for_each(|text| {
                    sketch.add(rustc_hash::FxBuildHasher.hash_one(text));
                });
            }),
            DataType::Int64 => filled.for_each(|array| {
                let numbers = array.as_primitive::<Int64Type>();
                numbers.iter().flatten().for_each(|n| {
                    sketch.add(rustc_hash::FxBuildHasher.hash_one(n));
                });
            }),
            DataType::Timestamp(..) => filled.for_each(|array| {
                let times = array.as_primitive::<TimestampMicrosecondType>();
                times.iter().flatten().for_each(|time| {
                    sketch.add(rustc_hash::FxBuildHasher.hash_one(time));
                });
            }),
            _ => return Self::Dictionary,
        }
        let (values, distinct) = (sketch.values, sketch.distinct());
        let few = match field.data_type() {
            DataType::Utf8 => distinct * 10 < values * 6,
            _ => distinct <= 1_024 || distinct * 20 < values,
        };
        if few || values < 256 { Self::Dictionary } else { Self::Plain }
    }
}

/// Counts about how many values differ, by linear counting: of the bits that their hashes set, how
/// many stayed clear. (Whang, Vander-Zanden and Taylor, "A linear-time probabilistic counting
/// algorithm for database applications", 1990.) Within a few per cent up to [`GROUP_ROWS`] values.
struct Sketch {
    bits: Vec<u64>,
    values: usize,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { bits: vec![0; GROUP_ROWS / 64], values: 0 }
    }
}

impl Sketch {
    fn add(&mut self, hash: u64) {
        self.values += 1;
        // The high bits are the best mixed.
        let bit = (hash >> 40) as usize % (self.bits.len() * 64);
        if let Some(word) = self.bits.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    fn distinct(&self) -> usize {
        let all = (self.bits.len() * 64) as f64;
        let set: u32 = self.bits.iter().map(|word| word.count_ones()).sum();
        let clear = (all - f64::from(set)).max(1.0);
        ((all * (all / clear).ln()) as usize).min(self.values)
    }
}

/// The columns of a table's files: their settings, made once for all files of a run.
pub(crate) struct Columns {
    pub(crate) schema: SchemaRef,
    /// Settings of a file.
    pub(crate) file: Arc<WriterProperties>,
    settings: [(Layout, Arc<WriterProperties>); 3],
    factories: Vec<[OnceLock<ArrowRowGroupWriterFactory>; 3]>,
}

impl std::fmt::Debug for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Columns").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Columns {
    /// The columns of a table.
    pub(crate) fn of(table: Table) -> Self {
        let schema = table.file_schema();
        let mut file = properties(table, Layout::Dictionary);
        add_encoded_arrow_schema_to_metadata(&schema, &mut file);
        let settings = [Layout::Dictionary, Layout::Plain, Layout::Empty]
            .map(|layout| (layout, Arc::new(properties(table, layout))));
        let factories = schema.fields().iter().map(|_| Default::default()).collect();
        Self { schema, file: Arc::new(file), settings, factories }
    }

    /// A writer for a column's values. A factory takes its settings from a file and makes writers for
    /// all of its columns; so each column has a factory of its own, from a file of one column that is
    /// never written. Chunks do not care which file they end in.
    pub(crate) fn writer(&self, at: usize, layout: Layout) -> Result<ArrowColumnWriter> {
        let missing = || ParquetError::General(format!("there is no column {at}"));
        let place = self.settings.iter().position(|(known, _)| *known == layout);
        let settings = place.and_then(|place| self.settings.get(place)).ok_or_else(missing)?;
        let slots = self.factories.get(at).ok_or_else(missing)?;
        let slot = place.and_then(|place| slots.get(place)).ok_or_else(missing)?;
        let factory = match slot.get() {
            Some(factory) => factory,
            None => {
                let field = self.schema.fields().get(at).ok_or_else(missing)?;
                let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
                let parquet = ArrowSchemaConverter::new().convert(&schema)?.root_schema_ptr();
                let settings = Arc::clone(&settings.1);
                let file = SerializedFileWriter::new(std::io::sink(), parquet, settings)?;
                slot.get_or_init(|| ArrowRowGroupWriterFactory::new(&file, schema))
            }
        };
        factory.create_column_writers(0)?.pop().ok_or_else(missing)
    }
}

/// Bytes that a column holds in memory; shared nulls cost nothing.
pub(crate) fn held_bytes(array: &ArrayRef) -> usize {
    if array.null_count() == array.len() {
        return 0;
    }
    array.to_data().get_slice_memory_size().unwrap_or(0)
}

/// The settings for a table.
fn properties(table: Table, layout: Layout) -> WriterProperties {
    let zstd = |level| ZstdLevel::try_new(level).map_or(Compression::SNAPPY, Compression::ZSTD);
    let usual = if layout == Layout::Empty { Compression::UNCOMPRESSED } else { zstd(LEVEL) };
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("watchfloor ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(usual)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_statistics_enabled(match layout {
            // That there are only nulls is said once. Most columns of a group are empty, and every
            // reader reads what is said of all of them.
            Layout::Empty => EnabledStatistics::Chunk,
            _ => EnabledStatistics::Page,
        })
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
                // Rows are in order of one instant, and the others are near it.
                DataType::Timestamp(..) => (Encoding::DELTA_BINARY_PACKED, LEVEL),
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
    for name in GROWING {
        let path = ColumnPath::from(name);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

/// Columns of whole lines.
const LINES: [&str; 4] = ["raw_data", "raw_bytes", "native", "ocsf_extra"];
/// Columns of numbers that grow from row to row.
const GROWING: [&str; 2] = ["time", "parcel_offset"];
/// Columns whose layout is settled, whatever they hold.
const SETTLED: [&str; 6] =
    ["raw_data", "raw_bytes", "native", "ocsf_extra", "time", "parcel_offset"];
/// How hard columns are compressed.
const LEVEL: i32 = 3;
/// How hard lines and other texts that do not repeat are compressed: they are most of a lake. Measured
/// on mixed JSON lines, level 8 makes 12 % less of them than level 3, for 4 µs an event.
const LEVEL_HARD: i32 = 8;
/// Bytes of a page of lines: a needle's line costs the reading of one.
const LINE_PAGE_BYTES: usize = 2 << 20;
/// Bytes of a dictionary; beyond them a column falls back to plain values.
const DICTIONARY_BYTES: usize = 8 << 20;
