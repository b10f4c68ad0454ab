//! The tail: rows that were read and are not committed yet. Commits are dear and rows few at a time on a
//! live floor, so a query reads the tables and the tail together.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, StringViewArray, new_null_array};
use arrow::datatypes::{Schema, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use model::Micros;

use crate::schema::Table;

/// Rows by table, in the order in which they came. Cloning copies no row.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    batches: BTreeMap<Table, Vec<RecordBatch>>,
    bytes: usize,
}

impl Tail {
    /// Adds rows with columns of [`Table::file_schema`].
    pub fn push(&mut self, table: Table, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.bytes += batch.get_array_memory_size();
            self.batches.entry(table).or_default().push(batch);
        }
    }

    /// Adds all that another tail holds, behind what is here.
    pub fn append(&mut self, other: &Self) {
        for (table, batches) in &other.batches {
            self.batches.entry(*table).or_default().extend(batches.iter().cloned());
        }
        self.bytes += other.bytes;
    }

    /// Bytes of memory that the rows take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// True when there is no row.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The rows of a table.
    pub fn of(&self, table: Table) -> &[RecordBatch] {
        self.batches.get(&table).map(Vec::as_slice).unwrap_or_default()
    }

    /// All rows, table by table.
    pub fn batches(&self) -> impl Iterator<Item = (Table, &RecordBatch)> {
        self.batches.iter().flat_map(|(table, all)| all.iter().map(|batch| (*table, batch)))
    }
}

/// A batch as the table's files would give it: columns of the reader's types, and the day.
pub(crate) fn as_read(batch: &RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| -> Result<ArrayRef> {
        match batch.column_by_name(field.name()) {
            Some(column) => Ok(arrow::compute::cast(column, field.data_type())?),
            None if field.name() == "day" => Ok(days(batch)),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let rows =
        arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)?)
}

/// The day of each row.
fn days(batch: &RecordBatch) -> ArrayRef {
    let times = batch
        .column_by_name("time")
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let days: StringViewArray = match times {
        Some(times) => times.iter().map(|time| time.map(|time| Micros(time).day())).collect(),
        None => std::iter::repeat_n(None::<String>, batch.num_rows()).collect(),
    };
    Arc::new(days)
}
