//! Where the rows of a sorted stream change: a partition ends, a group of peers ends.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, UInt64Array};
use arrow::compute::{concat, partition, take};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;

/// Runs of rows with equal values, across batches. Null equals null.
#[derive(Debug)]
pub(super) struct Runs {
    of: Vec<Arc<dyn PhysicalExpr>>,
    /// The values of the last row.
    last: Option<Vec<ArrayRef>>,
}

/// The runs of one batch.
#[derive(Debug)]
pub(super) struct Cut {
    ranges: Vec<Range<usize>>,
    /// True when the first run began in a batch before.
    continues: bool,
}

impl Cut {
    /// The rows of each run, and whether it begins with them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Range<usize>, bool)> {
        let begins = |at| at > 0 || !self.continues;
        self.ranges.iter().enumerate().map(move |(at, range)| (range.clone(), begins(at)))
    }
}

impl Runs {
    pub(super) fn new(of: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        Self { of, last: None }
    }

    /// The runs of the next batch, which has rows.
    pub(super) fn cut(&mut self, batch: &RecordBatch) -> Result<Cut> {
        let rows = batch.num_rows();
        let columns: Vec<ArrayRef> = self
            .of
            .iter()
            .map(|column| column.evaluate(batch)?.into_array(rows))
            .collect::<Result<_>>()?;
        let end = UInt64Array::from_value(rows.saturating_sub(1) as u64, 1);
        let end =
            columns.iter().map(|column| take(column, &end, None)).collect::<Result<_, _>>()?;
        let last = self.last.replace(end);
        if columns.is_empty() {
            // Nothing tells rows apart.
            return Ok(Cut {
                ranges: std::iter::once(0..rows).collect(),
                continues: last.is_some(),
            });
        }
        let continues = match last {
            None => false,
            Some(last) => {
                let seam = last.iter().zip(&columns);
                let seam = seam.map(|(last, next)| concat(&[last, &next.slice(0, 1)]));
                partition(&seam.collect::<Result<Vec<_>, _>>()?)?.len() == 1
            }
        };
        Ok(Cut { ranges: partition(&columns)?.ranges(), continues })
    }
}
