//! A function that the engine works out over a whole partition: `ntile`, `first_value`, an aggregate
//! with an uncommon frame.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::window::StandardWindowExpr;
use datafusion::physical_plan::WindowExpr;

use super::fold::Fold;
use super::frame::{Edges, Frame};
use super::held;
use super::runs::Cut;

/// The function and the rows of its partition that have come.
#[derive(Debug)]
pub(super) struct Whole {
    function: Arc<dyn WindowExpr>,
    schema: SchemaRef,
    /// Which columns it looks at.
    needs: Vec<bool>,
    pieces: Vec<RecordBatch>,
}

impl Whole {
    /// What the function's filter looks at, where it has one, is not to be known: then it gets all
    /// columns.
    pub(super) fn new(function: &Arc<dyn WindowExpr>, schema: &SchemaRef) -> Self {
        let known =
            function.as_any().is::<StandardWindowExpr>() || Fold::of(function.as_ref()).is_some();
        let all = function.all_expressions();
        let all = all.args.iter().chain(&all.partition_by_exprs).chain(&all.order_by_exprs);
        let used: Vec<usize> = all.flat_map(collect_columns).map(|column| column.index()).collect();
        let needs = (0..schema.fields().len()).map(|at| !known || used.contains(&at));
        let needs: Vec<bool> = needs.collect();
        let fields = schema.fields().iter().zip(&needs).map(|(field, needed)| match needed {
            true => Arc::clone(field),
            false => Arc::new(Field::new(field.name(), DataType::Null, true)),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { function: Arc::clone(function), schema, needs, pieces: Vec::new() }
    }

    /// More rows; what is said of each partition that they end.
    pub(super) fn push(
        &mut self,
        batch: &RecordBatch,
        partitions: &Cut,
        memory: &MemoryReservation,
    ) -> Result<Vec<ArrayRef>> {
        // The columns that are not needed are nulls, which take no memory.
        let columns =
            batch.columns().iter().zip(&self.needs).map(|(column, needed)| match needed {
                true => held::compact(Arc::clone(column)),
                false => Arc::new(NullArray::new(batch.num_rows())),
            });
        let narrow = RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())?;
        let mut said = Vec::new();
        for (range, begins) in partitions.iter() {
            if begins {
                said.extend(self.finish(memory)?);
            }
            self.pieces.push(narrow.slice(range.start, range.len()));
        }
        Ok(said)
    }

    /// Lets the engine look at the whole partition.
    pub(super) fn finish(&mut self, memory: &MemoryReservation) -> Result<Option<ArrayRef>> {
        let pieces = std::mem::take(&mut self.pieces);
        let rows: usize = pieces.iter().map(RecordBatch::num_rows).sum();
        if rows == 0 {
            return Ok(None);
        }
        // One copy of the rows, and a scalar for each where the function looks at frames.
        let looks = self.looks_at_frames()?;
        let copy = pieces.iter().map(held::batch_size).sum::<usize>();
        memory.try_grow(copy + if looks { rows * size_of::<ScalarValue>() } else { 0 })?;
        let partition = concat_batches(&self.schema, &pieces)?;
        drop(pieces);
        let function = self.function.as_ref();
        let values = match looks.then(|| Frame::of(function, &self.schema)).flatten() {
            Some(frame) => from_frames(function, frame, &partition),
            None => function.evaluate(&partition),
        };
        values.map(Some)
    }

    /// Bytes that are held.
    pub(super) fn size(&self) -> usize {
        self.pieces.iter().map(held::batch_size).sum()
    }

    /// True when the engine works the function out frame by frame.
    fn looks_at_frames(&self) -> Result<bool> {
        match self.function.as_any().downcast_ref::<StandardWindowExpr>() {
            Some(standard) => {
                Ok(standard.get_standard_func_expr().create_evaluator()?.uses_window_frame())
            }
            None => Ok(true),
        }
    }
}

/// A function that looks at frames (`first_value`), with our frames; all others as the engine does.
fn from_frames(
    function: &dyn WindowExpr,
    mut frame: Frame,
    partition: &RecordBatch,
) -> Result<ArrayRef> {
    let Some(standard) = function.as_any().downcast_ref::<StandardWindowExpr>() else {
        return function.evaluate(partition);
    };
    let mut evaluator = standard.get_standard_func_expr().create_evaluator()?;
    let values = function.evaluate_args(partition)?;
    let mut edges = Edges::default();
    edges.push(&frame.keys(partition)?);
    let frames = std::iter::from_fn(|| edges.next(&frame, true));
    let said = frames.map(|rows| evaluator.evaluate(&values, &rows));
    ScalarValue::iter_to_array(said.collect::<Result<Vec<_>>>()?)
}
