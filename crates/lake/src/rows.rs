//! Events to columns.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use model::{Digest, LogSource, Micros, Provenance, Value};
use ocsf::{ColumnId, Event, Scalar};

use crate::cells::{Cells, Stuff};
use crate::error::Result;
use crate::schema::{Table, stored_columns};

/// Rows of `events` under construction: push events, then hand them to
/// [`RunWriter::write_events`](crate::RunWriter::write_events).
#[derive(Debug)]
pub struct EventRows {
    rows: usize,
    bytes: usize,
    shape: &'static Shape,
    /// The columns of [`Table::file_schema`].
    columns: Vec<Cells>,
    last_parcel: Option<(Digest, String)>,
}

/// What the columns of all rows have in common.
#[derive(Debug)]
struct Shape {
    schema: SchemaRef,
    stuff: Vec<Stuff>,
    /// Place of each OCSF column.
    places: Vec<usize>,
    /// Place of the first column that is not OCSF's.
    own: usize,
}

static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let (schema, stored) = (Table::Events.file_schema(), stored_columns());
    let place = |column: &ocsf::Column| stored.iter().position(|s| s.name == column.name);
    Shape {
        stuff: schema.fields().iter().filter_map(|f| Stuff::of(f.data_type())).collect(),
        places: ocsf::COLUMNS.iter().map(|c| place(c).unwrap_or(usize::MAX)).collect(),
        own: stored.len(),
        schema,
    }
});

/// The columns that are not OCSF's, in the order of the table's.
#[derive(Clone, Copy)]
enum Own {
    Extra,
    Native,
    RawData,
    RawBytes,
    Product,
    Category,
    Service,
    ParcelDigest,
    ParcelOffset,
    ParcelIndex,
    Parser,
    Definition,
    DefinitionVersion,
    ReceivedAt,
}

impl Default for EventRows {
    fn default() -> Self {
        Self::new()
    }
}

impl EventRows {
    /// No rows.
    pub fn new() -> Self {
        let shape = &*SHAPE;
        let columns = shape.stuff.iter().map(|stuff| Cells::new(*stuff)).collect();
        Self { rows: 0, bytes: 0, shape, columns, last_parcel: None }
    }

    /// No rows, with memory for as many as these.
    pub(crate) fn like(&self) -> Self {
        let columns = self.columns.iter().map(Cells::like).collect();
        Self { rows: 0, bytes: 0, shape: self.shape, columns, last_parcel: None }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// About how many bytes the values take in memory.
    pub fn approx_bytes(&self) -> usize {
        self.bytes
    }

    /// The columns of [`Table::file_schema`], in order.
    pub(crate) fn columns(&self) -> &[Cells] {
        &self.columns
    }

    /// Bytes of memory that are kept for values.
    pub(crate) fn capacity(&self) -> usize {
        self.columns.iter().map(Cells::capacity).sum()
    }

    /// Forgets the rows and keeps the memory, which is worth more than it looks: the system hands out
    /// every page of new memory cleared.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.bytes = 0;
        self.columns.iter_mut().for_each(Cells::clear);
    }

    /// Adds one event. `raw` are its exact bytes; where they are not UTF-8 they are kept twice,
    /// readable and exact. `native` are the source's own fields: where `raw` is their JSON, or where
    /// there is no `raw` and their JSON takes its place, they are not kept again.
    #[allow(clippy::too_many_arguments)]
    pub fn push(
        &mut self,
        event: &Event<'_>,
        provenance: &Provenance<'_>,
        received_at: Micros,
        native: &Value<'_>,
        raw: &[u8],
        logsource: &LogSource,
    ) {
        for (column, value) in event.core() {
            self.put(column, &value);
        }
        for (column, value) in event.values() {
            self.put(column, value);
        }
        if !event.extra().is_empty() {
            self.own(Own::Extra, |cells, row| cells.put_json(row, &Members(event.extra())));
        }
        if raw.is_empty() {
            self.own(Own::RawData, |cells, row| cells.put_json(row, native));
        } else if !(self.put_raw(raw) && raw_is_native(raw, native)) && !native.is_empty() {
            self.own(Own::Native, |cells, row| cells.put_json(row, native));
        }
        let parts = [
            (Own::Product, &logsource.product),
            (Own::Category, &logsource.category),
            (Own::Service, &logsource.service),
        ];
        for (own, part) in parts {
            if let Some(part) = part {
                self.own(own, |cells, row| cells.put_text(row, part));
            }
        }
        self.put_provenance(provenance, received_at);
        self.rows += 1;
    }

    /// Adds the rows of a batch with columns of [`Table::file_schema`]; those that it lacks have no value.
    pub(crate) fn push_batch(&mut self, batch: &RecordBatch) {
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let place = self.shape.schema.index_of(field.name()).unwrap_or(usize::MAX);
            let Some(cells) = self.columns.get_mut(place) else { continue };
            self.bytes += cells.put_array(self.rows, array);
        }
        self.rows += batch.num_rows();
    }

    /// The rows as a batch with those columns of [`Table::file_schema`] of which any row has a value, for
    /// most of them have none; begins anew.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let fields = self.shape.schema.fields().iter();
        let used = self.columns.iter().zip(fields).filter(|(cells, _)| cells.values() > 0);
        let (fields, arrays): (Vec<_>, Vec<_>) = used
            .map(|(cells, field)| (Arc::clone(field), cells.array(self.rows, field.data_type())))
            .unzip();
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &rows);
        self.clear();
        Ok(batch?)
    }

    fn put(&mut self, column: ColumnId, value: &Scalar<'_>) {
        let place = self.shape.places.get(usize::from(column.0)).copied().unwrap_or(usize::MAX);
        let Some(cells) = self.columns.get_mut(place) else { return };
        let row = self.rows;
        self.bytes += match value {
            Scalar::Text(text) => cells.put_text(row, text),
            Scalar::Int(n) => cells.put_long(row, *n),
            Scalar::Double(x) => cells.put_double(row, *x),
            Scalar::Bool(b) => cells.put_bool(row, *b),
            Scalar::Time(time) => cells.put_long(row, time.0),
            Scalar::Json(value) => cells.put_json(row, value),
        };
    }

    fn own(&mut self, own: Own, put: impl FnOnce(&mut Cells, usize) -> usize) {
        if let Some(cells) = self.columns.get_mut(self.shape.own + own as usize) {
            self.bytes += put(cells, self.rows);
        }
    }

    /// True when the bytes were text.
    fn put_raw(&mut self, raw: &[u8]) -> bool {
        if let Ok(text) = std::str::from_utf8(raw) {
            self.own(Own::RawData, |cells, row| cells.put_text(row, text));
            return true;
        }
        let text = String::from_utf8_lossy(raw);
        self.own(Own::RawData, |cells, row| cells.put_text(row, &text));
        self.own(Own::RawBytes, |cells, row| cells.put_bytes(row, raw));
        false
    }

    fn put_provenance(&mut self, provenance: &Provenance<'_>, received_at: Micros) {
        let digest = match self.last_parcel.take() {
            Some((parcel, text)) if parcel == provenance.parcel => (parcel, text),
            _ => (provenance.parcel, provenance.parcel.to_string()),
        };
        self.own(Own::ParcelDigest, |cells, row| cells.put_text(row, &digest.1));
        self.last_parcel = Some(digest);
        let offset = provenance.offset as i64;
        self.own(Own::ParcelOffset, |cells, row| cells.put_long(row, offset));
        let index = i64::from(provenance.index);
        self.own(Own::ParcelIndex, |cells, row| cells.put_long(row, index));
        self.own(Own::Parser, |cells, row| cells.put_text(row, provenance.parser));
        if !provenance.definition.is_empty() {
            let version = i64::from(provenance.definition_version);
            self.own(Own::Definition, |cells, row| cells.put_text(row, provenance.definition));
            self.own(Own::DefinitionVersion, |cells, row| cells.put_long(row, version));
        }
        self.own(Own::ReceivedAt, |cells, row| cells.put_long(row, received_at.0));
    }
}

/// What has no column, as one object.
struct Members<'a>(&'a [(Arc<str>, Value<'a>)]);

impl serde::Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(path, value)| (path.as_ref(), value)))
    }
}

/// True when `raw` is the JSON object that `native` was read from: an object whose first member has
/// the name of the first field. It is a look at a few bytes and not a second parse; a text that
/// passes and is not JSON would have to be `{"name"…}` in another syntax, with that very field.
fn raw_is_native(raw: &[u8], native: &Value<'_>) -> bool {
    let Value::Map(fields) = native else { return false };
    // What was taken out of an envelope is arranged otherwise than the bytes.
    if fields.last().is_some_and(|(name, _)| name == model::ENVELOPE) {
        return false;
    }
    let Some(inner) = raw.trim_ascii().strip_prefix(b"{").and_then(|r| r.strip_suffix(b"}")) else {
        return false;
    };
    let inner = inner.trim_ascii_start();
    match fields.first() {
        None => inner.is_empty(),
        Some((name, _)) => inner
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            .and_then(|rest| rest.strip_prefix(b"\""))
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(b":")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_column_has_its_place() {
        let schema = Table::Events.file_schema();
        assert_eq!(SHAPE.stuff.len(), schema.fields().len());
        let places = [
            (Own::Extra, "ocsf_extra"),
            (Own::Native, "native"),
            (Own::RawData, "raw_data"),
            (Own::RawBytes, "raw_bytes"),
            (Own::Product, "logsource_product"),
            (Own::Category, "logsource_category"),
            (Own::Service, "logsource_service"),
            (Own::ParcelDigest, "parcel_digest"),
            (Own::ParcelOffset, "parcel_offset"),
            (Own::ParcelIndex, "parcel_index"),
            (Own::Parser, "parser"),
            (Own::Definition, "definition"),
            (Own::DefinitionVersion, "definition_version"),
            (Own::ReceivedAt, "received_at"),
        ];
        for (own, name) in places {
            assert_eq!(schema.index_of(name).unwrap(), SHAPE.own + own as usize, "{name}");
        }
    }
}
