//! Events to columns.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use model::{LogSource, Micros, Provenance, Value};
use ocsf::{ColumnId, Event, Scalar};

use crate::cells::Cells;
use crate::error::Result;
use crate::schema::{Table, stored_columns};

/// Rows of `events` under construction: push events, then take the batch.
#[derive(Debug)]
pub struct EventRows {
    rows: usize,
    bytes: usize,
    /// Place in `columns` of each OCSF column.
    places: Vec<usize>,
    columns: Vec<Cells>,
    extra: Cells,
    native: Cells,
    raw_data: Cells,
    raw_bytes: Cells,
    logsource: [Cells; 3],
    parcel_digest: Cells,
    parcel_offset: Cells,
    parcel_index: Cells,
    parser: Cells,
    definition: Cells,
    definition_version: Cells,
    received_at: Cells,
    scratch: Vec<u8>,
    last_parcel: Option<(model::Digest, String)>,
}

impl Default for EventRows {
    fn default() -> Self {
        Self::new()
    }
}

impl EventRows {
    /// No rows.
    pub fn new() -> Self {
        let stored = stored_columns();
        let place = |column: &ocsf::Column| stored.iter().position(|s| s.name == column.name);
        let places = ocsf::COLUMNS.iter().map(|c| place(c).unwrap_or(usize::MAX)).collect();
        Self {
            rows: 0,
            bytes: 0,
            places,
            columns: stored.iter().map(|column| Cells::of(column.kind)).collect(),
            extra: Cells::text(),
            native: Cells::text(),
            raw_data: Cells::text(),
            raw_bytes: Cells::bytes(),
            logsource: [Cells::text(), Cells::text(), Cells::text()],
            parcel_digest: Cells::text(),
            parcel_offset: Cells::long(),
            parcel_index: Cells::int(),
            parser: Cells::text(),
            definition: Cells::text(),
            definition_version: Cells::int(),
            received_at: Cells::time(),
            scratch: Vec::new(),
            last_parcel: None,
        }
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
        let row = self.rows;
        for (column, value) in event.core() {
            self.put(row, column, &value);
        }
        for (column, value) in event.values() {
            self.put(row, column, value);
        }
        if !event.extra().is_empty() {
            self.put_extra(row, event.extra());
        }
        if raw.is_empty() {
            self.bytes += put_json(&mut self.raw_data, &mut self.scratch, row, native);
        } else if !(self.put_raw(row, raw) && raw_is_native(raw, native)) && !native.is_empty() {
            self.bytes += put_json(&mut self.native, &mut self.scratch, row, native);
        }
        let parts = [&logsource.product, &logsource.category, &logsource.service];
        for (cells, part) in self.logsource.iter_mut().zip(parts) {
            if let Some(part) = part {
                self.bytes += cells.put_text(row, part);
            }
        }
        self.put_provenance(row, provenance, received_at);
        self.rows += 1;
    }

    /// The rows as a batch with the columns of [`Table::file_schema`]; begins anew.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let schema = Table::Events.file_schema();
        let [product, category, service] = &mut self.logsource;
        let own = [
            &mut self.extra,
            &mut self.native,
            &mut self.raw_data,
            &mut self.raw_bytes,
            product,
            category,
            service,
            &mut self.parcel_digest,
            &mut self.parcel_offset,
            &mut self.parcel_index,
            &mut self.parser,
            &mut self.definition,
            &mut self.definition_version,
            &mut self.received_at,
        ];
        let arrays = self
            .columns
            .iter_mut()
            .chain(own)
            .zip(schema.fields())
            .map(|(cells, field)| cells.finish(rows, field.data_type()))
            .collect();
        Ok(RecordBatch::try_new(Arc::clone(&schema), arrays)?)
    }

    fn put(&mut self, row: usize, column: ColumnId, value: &Scalar<'_>) {
        let place = self.places.get(usize::from(column.0)).copied().unwrap_or(usize::MAX);
        let Some(cells) = self.columns.get_mut(place) else { return };
        self.bytes += match value {
            Scalar::Text(text) => cells.put_text(row, text),
            Scalar::Int(n) => cells.put_long(row, *n),
            Scalar::Double(x) => cells.put_double(row, *x),
            Scalar::Bool(b) => cells.put_bool(row, *b),
            Scalar::Time(time) => cells.put_long(row, time.0),
            Scalar::Json(value) => put_json(cells, &mut self.scratch, row, value),
        };
    }

    fn put_extra(&mut self, row: usize, extra: &[(Arc<str>, Value<'_>)]) {
        struct Members<'a>(&'a [(Arc<str>, Value<'a>)]);
        impl serde::Serialize for Members<'_> {
            fn serialize<S: serde::Serializer>(
                &self,
                s: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                s.collect_map(self.0.iter().map(|(path, value)| (path.as_ref(), value)))
            }
        }
        self.scratch.clear();
        if serde_json::to_writer(&mut self.scratch, &Members(extra)).is_ok()
            && let Ok(text) = std::str::from_utf8(&self.scratch)
        {
            self.bytes += self.extra.put_text(row, text);
        }
    }

    /// True when the bytes were text.
    fn put_raw(&mut self, row: usize, raw: &[u8]) -> bool {
        if let Ok(text) = std::str::from_utf8(raw) {
            self.bytes += self.raw_data.put_text(row, text);
            return true;
        }
        self.bytes += self.raw_data.put_text(row, &String::from_utf8_lossy(raw));
        self.bytes += self.raw_bytes.put_bytes(row, raw);
        false
    }

    fn put_provenance(&mut self, row: usize, provenance: &Provenance<'_>, received_at: Micros) {
        let digest = match self.last_parcel.take() {
            Some((parcel, text)) if parcel == provenance.parcel => (parcel, text),
            _ => (provenance.parcel, provenance.parcel.to_string()),
        };
        self.bytes += self.parcel_digest.put_text(row, &digest.1);
        self.last_parcel = Some(digest);
        self.bytes += self.parcel_offset.put_long(row, provenance.offset as i64);
        self.bytes += self.parcel_index.put_long(row, i64::from(provenance.index));
        self.bytes += self.parser.put_text(row, provenance.parser);
        if !provenance.definition.is_empty() {
            self.bytes += self.definition.put_text(row, provenance.definition);
            let version = i64::from(provenance.definition_version);
            self.bytes += self.definition_version.put_long(row, version);
        }
        self.bytes += self.received_at.put_long(row, received_at.0);
    }
}

fn put_json(cells: &mut Cells, scratch: &mut Vec<u8>, row: usize, value: &Value<'_>) -> usize {
    scratch.clear();
    match serde_json::to_writer(&mut *scratch, value) {
        Ok(()) => std::str::from_utf8(scratch).map_or(0, |text| cells.put_text(row, text)),
        Err(_) => 0,
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
