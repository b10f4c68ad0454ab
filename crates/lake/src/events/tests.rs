//! What is written comes back, as the library's own reader reads it, and what is said of it is true.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryArray, BooleanArray, Float64Array, Int32Array, Int64Array,
    StringArray, TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use deltalake::parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use deltalake::parquet::file::metadata::PageIndexPolicy;
use deltalake::parquet::file::page_index::column_index::ColumnIndexMetaData;
use deltalake::parquet::file::properties::ReaderProperties;
use deltalake::parquet::file::reader::{FileReader as _, SerializedFileReader};
use deltalake::parquet::file::serialized_reader::ReadOptionsBuilder;

use super::*;

const DAY: i64 = 86_400_000_000;

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % n
    }
}

/// Rows in which every kind of column is empty, full, constant, repeating, distinct or nearly empty
/// somewhere, over two days and some scattered ones.
fn made(rows: usize) -> RecordBatch {
    let mut dice = Dice(5);
    let schema = Table::Events.file_schema();
    let columns = schema.fields().iter().enumerate().map(|(at, field)| -> ArrayRef {
        let name = field.name().as_str();
        let mut numbers: Vec<Option<i64>> = (0..rows as i64)
            .map(|row| match at % 8 {
                0 => None,
                1 => Some(7),
                2 => Some(dice.below(5) as i64),
                3 => Some(dice.below(1 << 40) as i64 - (1 << 39)),
                4 => (dice.below(500) == 0).then(|| row * 3),
                5 => (dice.below(2) == 0).then(|| dice.below(3_000) as i64),
                6 => Some([i64::MIN, i64::MAX, 0][dice.below(3) as usize] ^ row),
                _ => (row > 9_000).then_some(row),
            })
            .collect();
        match name {
            "time" => {
                numbers = (0..rows)
                    .map(|row| match row % 10 {
                        0..=4 => dice.below(DAY as u64) as i64,
                        5..=8 => DAY + dice.below(DAY as u64) as i64,
                        _ => dice.below(40) as i64 * DAY * 30 - DAY * 600,
                    })
                    .map(Some)
                    .collect();
            }
            "class_uid" => {
                numbers = (0..rows).map(|_| Some(3_000 + dice.below(4) as i64)).collect();
            }
            "parcel_offset" => numbers = (0..rows as i64).map(Some).collect(),
            _ => {}
        }
        let text = |n: &i64| match (name, n % 16) {
            ("raw_data", _) => format!("{{\"a\":{n},\"pad\":\"{}\"}}", "x".repeat(600)),
            (_, 0) => format!("é{n}{}", "ü".repeat(40)),
            (_, 1) => format!("{}{n}", "\u{10ffff}".repeat(17)),
            _ => format!("{n}"),
        };
        let texts = numbers.iter().map(|n| n.as_ref().map(text));
        match field.data_type() {
            DataType::Utf8 => Arc::new(texts.collect::<StringArray>()),
            DataType::Binary => {
                let bytes: Vec<_> =
                    texts.map(|t| t.map(|t| [t.as_bytes(), b"\xff"].concat())).collect();
                Arc::new(bytes.iter().map(Option::as_deref).collect::<BinaryArray>())
            }
            DataType::Int32 => {
                Arc::new(numbers.iter().map(|n| n.map(|n| n as i32)).collect::<Int32Array>())
            }
            DataType::Int64 => Arc::new(numbers.into_iter().collect::<Int64Array>()),
            DataType::Float64 => Arc::new(
                numbers.iter().map(|n| n.map(|n| n as f64 / 3.0)).collect::<Float64Array>(),
            ),
            DataType::Boolean => {
                Arc::new(numbers.iter().map(|n| n.map(|n| n % 2 == 0)).collect::<BooleanArray>())
            }
            _ => {
                let times: TimestampMicrosecondArray = numbers.into_iter().collect();
                Arc::new(times.with_timezone("UTC"))
            }
        }
    });
    let columns = columns.collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

fn write(folder: &Path, batch: &RecordBatch) -> Vec<Written> {
    let mut writer = EventsWriter::new(Files::new(Table::Events, folder, "t-"), 2).unwrap();
    for from in (0..batch.num_rows()).step_by(5_000) {
        let mut rows = EventRows::new();
        rows.push_batch(&batch.slice(from, 5_000.min(batch.num_rows() - from)));
        writer.push(rows).unwrap();
    }
    writer.finish().unwrap()
}

/// A batch with the columns that its file leaves out.
fn whole(batch: &RecordBatch) -> RecordBatch {
    let schema = Table::Events.file_schema();
    let columns = schema.fields().iter().map(|field| {
        let empty = || new_null_array(field.data_type(), batch.num_rows());
        batch.column_by_name(field.name()).cloned().unwrap_or_else(empty)
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

/// The row groups of a file.
fn read(path: &Path) -> Vec<RecordBatch> {
    let read = |group| {
        let file = File::open(path).unwrap();
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
        if group >= reader.metadata().num_row_groups() {
            return None;
        }
        let reader = reader.with_batch_size(GROUP_ROWS).with_row_groups(vec![group]);
        let batches: Vec<_> = reader.build().unwrap().map(|batch| whole(&batch.unwrap())).collect();
        Some(concat_batches(&Table::Events.file_schema(), &batches).unwrap())
    };
    (0..).map_while(read).collect()
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).unwrap();
    match column.as_primitive_opt::<Int64Type>() {
        Some(numbers) => numbers.values().to_vec(),
        None => column.as_primitive::<TimestampMicrosecondType>().values().to_vec(),
    }
}

#[test]
fn what_is_written_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let batch = made(40_000);
    let written = write(folder.path(), &batch);
    let days: std::collections::BTreeSet<_> =
        written.iter().map(|file| file.day.clone().unwrap()).collect();
    assert_eq!(days.into_iter().collect::<Vec<_>>(), ["1970-01-01", "1970-01-02", "various"]);
    let paths = written.iter().map(|file| folder.path().join("events").join(&file.path));
    let groups: Vec<_> = paths.flat_map(|path| read(&path)).collect();
    assert!(groups.len() > written.len(), "one file has several row groups");
    for group in &groups {
        let order = numbers(group, "class_uid").into_iter().zip(numbers(group, "time"));
        let kinds = group.column_by_name("definition").unwrap().as_string::<i32>().clone();
        let order = order.zip(&kinds).map(|((class, time), name)| (class, name, time));
        assert!(order.is_sorted(), "like beside like, each in order of time");
    }
    let all = concat_batches(&batch.schema(), &groups).unwrap();
    let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
    let offsets = numbers(&all, "parcel_offset");
    order.sort_by_key(|row| offsets[*row as usize]);
    let all = take_record_batch(&all, &UInt32Array::from(order)).unwrap();
    assert_eq!(all.num_rows(), batch.num_rows());
    for (at, field) in batch.schema().fields().iter().enumerate() {
        assert_eq!(all.column(at), batch.column(at), "{}", field.name());
    }
}

#[test]
fn what_is_said_of_pages_and_filters_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let (mut bounded, mut filtered) = (0, 0);
    for file in write(folder.path(), &made(20_000)) {
        let path = folder.path().join("events").join(&file.path);
        let properties = ReaderProperties::builder().set_read_bloom_filter(true).build();
        let options =
            ReadOptionsBuilder::new().with_reader_properties(properties).with_page_index().build();
        let reader =
            SerializedFileReader::new_with_options(File::open(&path).unwrap(), options).unwrap();
        for (number, rows) in read(&path).iter().enumerate() {
            let (of_bounds, of_filters) = check_group(&reader, number, rows);
            bounded += of_bounds;
            filtered += of_filters;
        }
    }
    assert!(bounded > 10_000 && filtered > 10, "{bounded} {filtered}");
}

/// Holds what is said of a row group's texts against the texts; counts the texts that lie within said
/// bounds, and the filters.
fn check_group(
    reader: &SerializedFileReader<File>,
    number: usize,
    rows: &RecordBatch,
) -> (usize, usize) {
    let metadata = reader.metadata();
    let group = reader.get_row_group(number).unwrap();
    let (mut bounded, mut filtered) = (0, 0);
    let columns = metadata.file_metadata().schema_descr().columns().iter();
    for (at, column) in columns.enumerate() {
        let array = rows.column_by_name(column.name()).unwrap();
        let Some(texts) = array.as_string_opt::<i32>() else { continue };
        if let Some(filter) = group.get_column_bloom_filter(at) {
            filtered += 1;
            assert!(texts.iter().flatten().all(|text| filter.check(text)));
            let wrong = (0..1_000).filter(|n| filter.check(format!("no {n}").as_str())).count();
            assert!(wrong < 250, "{wrong} wrong answers");
        }
        let ColumnIndexMetaData::BYTE_ARRAY(index) = &metadata.column_index().unwrap()[number][at]
        else {
            continue;
        };
        let pages = metadata.offset_index().unwrap()[number][at].page_locations();
        let begins = pages.iter().map(|page| page.first_row_index as usize);
        let ends = begins.clone().skip(1).chain([rows.num_rows()]);
        for (page, (begin, end)) in begins.zip(ends).enumerate() {
            let on_page = (begin..end).filter(|row| texts.is_valid(*row));
            let lacking = end - begin - on_page.clone().count();
            assert_eq!(index.null_count(page), Some(lacking as i64));
            for text in on_page.map(|row| texts.value(row).as_bytes()) {
                bounded += 1;
                assert!(index.min_value(page).unwrap() <= text);
                assert!(index.max_value(page).unwrap() >= text);
            }
        }
    }
    (bounded, filtered)
}

/// Rows of one day with a value in one more column.
fn narrow(name: &str, rows: usize) -> EventRows {
    let schema = Table::Events.file_schema();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "time" => Arc::new(TimestampMicrosecondArray::from(vec![7; rows]).with_timezone("UTC")),
            "class_uid" => {
                arrow::compute::cast(&Int64Array::from(vec![3_001; rows]), field.data_type())
                    .unwrap()
            }
            own if own == name => Arc::new(StringArray::from(vec!["a"; rows])),
            _ => new_null_array(field.data_type(), rows),
        }
    });
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
    let mut made = EventRows::new();
    made.push_batch(&batch);
    made
}

#[test]
fn a_file_leaves_out_columns_of_which_it_has_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventsWriter::new(Files::new(Table::Events, folder.path(), "t-"), 2).unwrap();
    for name in ["native", "native", "raw_data", "native"] {
        writer.push(narrow(name, 3_000)).unwrap();
        writer.flush().unwrap();
    }
    let files: Vec<_> = writer
        .finish()
        .unwrap()
        .into_iter()
        .map(|file| {
            let path = folder.path().join("events").join(&file.path);
            let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
            let schema = reader.metadata().file_metadata().schema_descr();
            let names: Vec<_> = schema.columns().iter().map(|c| c.name().to_owned()).collect();
            (reader.num_row_groups(), names.join(" "))
        })
        .collect();
    let expected = [(2, "time class_uid native"), (2, "time class_uid native raw_data")];
    assert_eq!(files, expected.map(|(groups, names)| (groups, names.to_owned())));
}
