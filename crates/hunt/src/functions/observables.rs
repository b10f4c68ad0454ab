//! The observables of an event, made when they are asked for: every one of them stands in a column
//! already.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use ocsf::{Column, Kind};

use super::kit::{Arguments, Plain};

/// The columns whose values are observables, in order.
pub(crate) fn observable_columns() -> Vec<&'static Column> {
    ocsf::COLUMNS.iter().filter(|c| c.observable.is_some() && c.kind == Kind::Text).collect()
}

/// A function over those columns.
pub(crate) fn observables() -> ScalarUDF {
    Plain {
        name: "observables",
        takes: vec![DataType::Utf8View; observable_columns().len()],
        gives: DataType::Utf8View,
        body: spell,
    }
    .udf()
}

fn spell(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let columns = observable_columns();
    let texts = (0..columns.len()).map(|at| arguments.text(at)).collect::<Result<Vec<_>>>()?;
    let mut out = StringViewBuilder::with_capacity(arguments.rows());
    for row in 0..arguments.rows() {
        let found: Vec<_> = columns
            .iter()
            .zip(&texts)
            .filter_map(|(column, text)| {
                let value = text.iter().nth(row).flatten().filter(|value| !value.is_empty())?;
                Some(serde_json::json!({
                    "name": column.path,
                    "type_id": column.observable,
                    "value": value,
                }))
            })
            .collect();
        if found.is_empty() {
            out.append_null();
        } else {
            out.append_value(serde_json::Value::from(found).to_string());
        }
    }
    Ok(Arc::new(out.finish()))
}
