//! One function of a window, fed with the rows in their order. What it says of them comes out in the
//! same order, sooner or later: a moving count after the row, a share of the whole at the partition's
//! end.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, NullArray};
use arrow::compute::{concat, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::window::StandardWindowExpr;
use datafusion::physical_plan::WindowExpr;

use super::fold::Fold;
use super::frame::{Edges, Frame};
use super::held;
use super::runs::Cut;

/// A function of a window at work.
#[derive(Debug)]
pub(super) struct Calculation {
    way: Way,
    /// What it says of the rows whose turn has come.
    ready: VecDeque<ArrayRef>,
    rows: usize,
}

#[derive(Debug)]
enum Way {
    /// From frame to frame.
    Framed { frame: Frame, edges: Edges, fold: Fold },
    /// By the engine, when the partition is whole.
    Whole { function: Arc<dyn WindowExpr>, schema: SchemaRef, needs: Vec<bool>, pieces: Vec<RecordBatch> },
}

impl Calculation {
    pub(super) fn new(function: &Arc<dyn WindowExpr>, schema: &SchemaRef) -> Self {
        let fold = Fold::of(function.as_ref());
        let way = match fold.zip(Frame::of(function.as_ref(), schema)) {
            Some((fold, frame)) => Way::Framed { frame, edges: Edges::default(), fold },
            None => whole(function, schema),
        };
        Self { way, ready: VecDeque::new(), rows: 0 }
    }

    /// More rows, and where they begin another partition.
    pub(super) fn push(
        &mut self,
        batch: &RecordBatch,
        partitions: &Cut,
        memory: &MemoryReservation,
    ) -> Result<()> {
        match &mut self.way {
            Way::Framed { frame, edges, fold } => {
                let keys = frame.keys(batch)?;
                let arguments = fold.arguments(batch)?;
                for (at, range) in partitions.ranges.iter().enumerate() {
                    if at > 0 || !partitions.continues {
                        advance(frame, edges, fold, true)?;
                        *edges = Edges::default();
                        fold.restart();
                    }
                    edges.push(keys.get(range.clone()).unwrap_or_default());
                    fold.push(&arguments, range);
                }
                advance(frame, edges, fold, false)?;
                edges.forget(frame);
                fold.forget();
                let values = fold.take()?;
                self.say(values);
            }
            Way::Whole { schema, needs, .. } => {
                let narrow = narrow(batch, schema, needs)?;
                for (at, range) in partitions.ranges.iter().enumerate() {
                    if at > 0 || !partitions.continues {
                        let values = self.whole(memory)?;
                        self.say(values);
                    }
                    if let Way::Whole { pieces, .. } = &mut self.way {
                        pieces.push(narrow.slice(range.start, range.len()));
                    }
                }
            }
        }
        Ok(())
    }

    /// No more rows.
    pub(super) fn finish(&mut self, memory: &MemoryReservation) -> Result<()> {
        let values = match &mut self.way {
            Way::Framed { frame, edges, fold } => {
                advance(frame, edges, fold, true)?;
                let values = fold.take()?;
                *edges = Edges::default();
                fold.restart();
                values
            }
            Way::Whole { .. } => self.whole(memory)?,
        };
        self.say(values);
        Ok(())
    }

    /// Lets the engine look at the whole partition.
    fn whole(&mut self, memory: &MemoryReservation) -> Result<Option<ArrayRef>> {
        let Way::Whole { function, schema, pieces, .. } = &mut self.way else { return Ok(None) };
        let pieces = std::mem::take(pieces);
        let rows: usize = pieces.iter().map(RecordBatch::num_rows).sum();
        if rows == 0 {
            return Ok(None);
        }
        // One copy of the rows, and a scalar for each where the function looks at frames.
        let looks = looks_at_frames(function.as_ref())?;
        let copy = pieces.iter().map(held::batch_size).sum::<usize>();
        memory.try_grow(copy + if looks { rows * size_of::<ScalarValue>() } else { 0 })?;
        let partition = concat_batches(schema, &pieces)?;
        drop(pieces);
        match looks.then(|| Frame::of(function.as_ref(), schema)).flatten() {
            Some(frame) => from_frames(function.as_ref(), frame, &partition).map(Some),
            None => function.evaluate(&partition).map(Some),
        }
    }

    fn say(&mut self, values: Option<ArrayRef>) {
        if let Some(values) = values {
            self.rows += values.len();
            self.ready.push_back(values);
        }
    }

    /// Of how many rows it has something to say.
    pub(super) fn ready(&self) -> usize {
        self.rows
    }

    /// What it says of the next rows.
    pub(super) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        let (mut taken, mut missing) = (Vec::new(), rows);
        while missing > 0 {
            let Some(values) = self.ready.pop_front() else {
                return internal_err!("a window lost {missing} rows");
            };
            if values.len() > missing {
                self.ready.push_front(values.slice(missing, values.len() - missing));
            }
            let values = values.slice(0, missing.min(values.len()));
            missing -= values.len();
            taken.push(values);
        }
        self.rows -= rows;
        match taken.as_slice() {
            [one] => Ok(Arc::clone(one)),
            many => Ok(concat(&many.iter().map(AsRef::as_ref).collect::<Vec<_>>())?),
        }
    }

    /// Bytes that are held.
    pub(super) fn size(&self) -> usize {
        let work = match &self.way {
            Way::Framed { edges, fold, .. } => edges.size() + fold.size(),
            Way::Whole { pieces, .. } => pieces.iter().map(held::batch_size).sum(),
        };
        work + self.ready.iter().map(held::size).sum::<usize>()
    }
}

/// Says of all rows whose frames are known.
fn advance(frame: &Frame, edges: &mut Edges, fold: &mut Fold, ended: bool) -> Result<()> {
    while let Some(rows) = edges.next(frame, ended) {
        fold.row(rows)?;
    }
    Ok(())
}

/// A function that the engine works out. What its filter looks at, where it has one, is not to be
/// known: then it gets all columns.
fn whole(function: &Arc<dyn WindowExpr>, schema: &SchemaRef) -> Way {
    let known = function.as_any().is::<StandardWindowExpr>() || Fold::of(function.as_ref()).is_some();
    let all = function.all_expressions();
    let all = all.args.iter().chain(&all.partition_by_exprs).chain(&all.order_by_exprs);
    let used: Vec<usize> = all.flat_map(|e| collect_columns(e)).map(|column| column.index()).collect();
    let needs: Vec<bool> = (0..schema.fields().len()).map(|at| !known || used.contains(&at)).collect();
    let fields = schema.fields().iter().zip(&needs).map(|(field, needed)| match needed {
        true => Arc::clone(field),
        false => Arc::new(Field::new(field.name(), DataType::Null, true)),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Way::Whole { function: Arc::clone(function), schema, needs, pieces: Vec::new() }
}

/// The columns that are needed, in their places; nulls, which take no memory, in the others'.
fn narrow(batch: &RecordBatch, schema: &SchemaRef, needs: &[bool]) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(needs).map(|(column, needed)| match needed {
        true => held::compact(Arc::clone(column)),
        false => Arc::new(NullArray::new(batch.num_rows())),
    });
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect())?)
}

/// True when the engine works a function out frame by frame.
fn looks_at_frames(function: &dyn WindowExpr) -> Result<bool> {
    match function.as_any().downcast_ref::<StandardWindowExpr>() {
        Some(standard) => {
            Ok(standard.get_standard_func_expr().create_evaluator()?.uses_window_frame())
        }
        None => Ok(true),
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
