//! What a Parquet file tells of itself, as the table's log wants it.

use arrow::datatypes::DataType;
use deltalake::parquet::file::metadata::ParquetMetaData;
use deltalake::parquet::file::statistics::Statistics;

use crate::schema::Table;

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
                // A file leaves out columns of which it has no value.
                let rows = group.num_rows() as u64;
                null_count = null_count.map(|sum| sum + rows);
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
