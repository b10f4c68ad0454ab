//! JSON: for machines, so nothing is changed; only nulls are left out, and what would act on a
//! terminal is escaped.

use std::io::Write;

use arrow::array::Array as _;
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value};

use super::{cell, failed};
use crate::answer::Answer;
use crate::error::HuntError;

/// How the objects stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// In one array.
    Array,
    /// One a line.
    Lines,
}

pub(crate) async fn write(
    answer: &mut Answer,
    out: &mut (dyn Write + Send),
    shape: Shape,
) -> Result<u64, HuntError> {
    let mut rows = 0;
    if shape == Shape::Array {
        out.write_all(b"[").map_err(failed)?;
    }
    while let Some(batch) = answer.next().await? {
        for row in 0..batch.num_rows() {
            let before: &[u8] = match (shape, rows) {
                (Shape::Lines, _) => b"",
                (Shape::Array, 0) => b"\n",
                (Shape::Array, _) => b",\n",
            };
            out.write_all(before).map_err(failed)?;
            let text = object(&batch, row).to_string();
            out.write_all(model::inert_json(&text).as_bytes()).map_err(failed)?;
            if shape == Shape::Lines {
                out.write_all(b"\n").map_err(failed)?;
            }
            rows += 1;
        }
    }
    if shape == Shape::Array {
        out.write_all(if rows == 0 { b"]\n" } else { b"\n]\n" }).map_err(failed)?;
    }
    Ok(rows)
}

/// A row without its nulls: an event has a few dozen of some three hundred columns.
fn object(batch: &RecordBatch, row: usize) -> Value {
    let schema = batch.schema();
    let members: Map<_, _> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(_, column)| column.is_valid(row))
        .map(|(field, column)| (field.name().clone(), cell::json(column.as_ref(), row)))
        .collect();
    Value::Object(members)
}
