//! Lists that the operator brings along: indicators, hosts, people. The operator names the file on the
//! command line, and it is read here; SQL itself never opens one.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;

use crate::error::{HuntError, Kind};
use crate::hunt::Hunt;

/// Bytes of a list.
const LARGEST: u64 = 1 << 30;
/// Rows of a batch: small enough for both threads to have some.
const BATCH_ROWS: usize = 16_384;

impl Hunt {
    /// Adds the table `name` from a file: CSV with a header (`.csv`, `.tsv`), or one value a line
    /// (any other name), in the column `value`. Every column is text.
    pub fn add_list(&mut self, name: &str, path: &Path) -> Result<usize, HuntError> {
        let fail = |why: String| {
            HuntError::new(Kind::Data, format!("cannot read the list {}: {why}", path.display()))
        };
        let file = File::open(path).map_err(|error| fail(error.to_string()))?;
        let size = file.metadata().map_err(|error| fail(error.to_string()))?.len();
        if size > LARGEST {
            return Err(fail("it is larger than a gibibyte".to_owned()));
        }
        let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        let mut reader = BufReader::new(file.take(LARGEST));
        let bom = reader.fill_buf().is_ok_and(|bytes| bytes.starts_with(b"\xef\xbb\xbf"));
        if bom {
            reader.consume(3);
        }
        let rows = match ending.as_deref() {
            Some("csv") => separated(reader, b','),
            Some("tsv") => separated(reader, b'\t'),
            _ => lines(reader),
        };
        let batches = rows.map_err(fail)?;
        let count = batches.iter().map(RecordBatch::num_rows).sum();
        let Some(schema) = batches.first().map(RecordBatch::schema) else {
            return Err(fail("it is empty".to_owned()));
        };
        let table = MemTable::try_new(schema, vec![batches])
            .map_err(|error| HuntError::new(Kind::Internal, error.to_string()))?;
        self.add(name, Arc::new(table))?;
        Ok(count)
    }
}

fn separated(reader: impl std::io::Read, separator: u8) -> Result<Vec<RecordBatch>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .trim(csv::Trim::Headers)
        .from_reader(reader);
    let mut names: Vec<String> = Vec::new();
    for name in reader.byte_headers().map_err(|error| error.to_string())? {
        let name = String::from_utf8_lossy(name).to_lowercase().replace([' ', '.', '-'], "_");
        if name.is_empty() || names.contains(&name) {
            return Err(format!("its header has a column `{name}` that is empty or there twice"));
        }
        names.push(name);
    }
    if names.is_empty() {
        return Err("it has no header".to_owned());
    }
    let mut rows = Rows::new(names);
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| error.to_string())? {
        rows.push(record.iter())?;
    }
    rows.finish()
}

fn lines(mut reader: impl std::io::BufRead) -> Result<Vec<RecordBatch>, String> {
    let mut rows = Rows::new(vec!["value".to_owned()]);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(|error| error.to_string())? == 0 {
            return rows.finish();
        }
        let value = line.trim_ascii();
        if !value.is_empty() && !value.starts_with(b"#") {
            rows.push(std::iter::once(value))?;
        }
    }
}

/// Rows of text on their way into batches.
#[allow(clippy::struct_field_names)] // It counts its rows.
struct Rows {
    schema: Arc<Schema>,
    columns: Vec<StringViewBuilder>,
    rows: usize,
    done: Vec<RecordBatch>,
}

impl Rows {
    fn new(names: Vec<String>) -> Self {
        let fields: Vec<_> =
            names.into_iter().map(|name| Field::new(name, DataType::Utf8View, true)).collect();
        let columns = fields.iter().map(|_| StringViewBuilder::new()).collect();
        Self { schema: Arc::new(Schema::new(fields)), columns, rows: 0, done: Vec::new() }
    }

    fn push<'v>(&mut self, mut values: impl Iterator<Item = &'v [u8]>) -> Result<(), String> {
        for column in &mut self.columns {
            match values.next().map(String::from_utf8_lossy).filter(|value| !value.is_empty()) {
                Some(value) => column.append_value(value),
                None => column.append_null(),
            }
        }
        self.rows += 1;
        if self.rows < BATCH_ROWS { Ok(()) } else { self.batch() }
    }

    fn batch(&mut self) -> Result<(), String> {
        self.rows = 0;
        let columns: Vec<ArrayRef> =
            self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        self.done.push(batch.map_err(|error| error.to_string())?);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<RecordBatch>, String> {
        if self.rows > 0 || self.done.is_empty() {
            self.batch()?;
        }
        Ok(self.done)
    }
}
