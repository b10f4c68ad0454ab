//! What an aggregate says of each frame.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, Int64Array};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr};
use datafusion::physical_plan::WindowExpr;

use super::held;
use crate::functions::COUNT;

/// An aggregate that goes from frame to frame.
#[derive(Debug)]
pub(super) enum Fold {
    /// `count`, which needs no accumulator.
    Counted(Counted),
    /// Every other one: what enters a frame is added, what leaves it is taken back.
    Fed(Box<Fed>),
}

/// A count of the values in frames.
#[derive(Debug)]
pub(super) struct Counted {
    /// What must not be null to count; every row counts without it.
    of: Option<Arc<dyn PhysicalExpr>>,
    /// Which rows count, from `first` on; those before are in no frame any more.
    counts: Vec<bool>,
    first: usize,
    /// The last frame, and how many rows of it count.
    holds: Range<usize>,
    sum: i64,
    values: Vec<i64>,
}

/// An accumulator of the engine and what it is fed with.
#[derive(Debug)]
pub(super) struct Fed {
    function: AggregateFunctionExpr,
    /// True when rows leave the frames.
    slides: bool,
    accumulator: Option<Box<dyn Accumulator>>,
    pieces: VecDeque<Piece>,
    /// The rows of the partition that have come.
    rows: usize,
    /// The rows that the accumulator holds.
    holds: Range<usize>,
    /// True when the last value is that of the rows held.
    told: bool,
    /// Values, and for how many rows each stands.
    values: Vec<(ScalarValue, usize)>,
}

/// The arguments of some rows.
#[derive(Debug)]
struct Piece {
    rows: Range<usize>,
    arguments: Vec<ArrayRef>,
}

impl Fold {
    /// The aggregate of a window; nothing when it is none, or when some rows are filtered away.
    pub(super) fn of(window: &dyn WindowExpr) -> Option<Self> {
        let any = window.as_any();
        let plain = any.downcast_ref::<PlainAggregateWindowExpr>();
        let sliding = any.downcast_ref::<SlidingAggregateWindowExpr>();
        let (function, slides) = match (plain, sliding) {
            (Some(plain), _) => (plain.get_aggregate_expr(), false),
            (_, Some(sliding)) => (sliding.get_aggregate_expr(), true),
            _ => return None,
        };
        // The engine shows the FILTER of a window nowhere else.
        if !format!("{window:?}").ends_with("filter: None }") {
            return None;
        }
        let arguments = function.expressions();
        if function.fun().name() == COUNT
            && !function.is_distinct()
            && let [argument] = arguments.as_slice()
        {
            let literal = argument.downcast_ref::<Literal>();
            let of = match literal.is_some_and(|literal| !literal.value().is_null()) {
                true => None,
                false => Some(Arc::clone(argument)),
            };
            return Some(Self::Counted(Counted::new(of)));
        }
        Some(Self::Fed(Box::new(Fed {
            function: function.clone(),
            slides,
            accumulator: None,
            pieces: VecDeque::new(),
            rows: 0,
            holds: 0..0,
            told: false,
            values: Vec::new(),
        })))
    }

    /// The arguments of the next batch's rows.
    pub(super) fn arguments(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let evaluate =
            |of: &Arc<dyn PhysicalExpr>| of.evaluate(batch)?.into_array(batch.num_rows());
        match self {
            Self::Counted(counted) => counted.of.iter().map(evaluate).collect(),
            Self::Fed(fed) => {
                let of = fed.function.expressions();
                of.iter().map(|of| evaluate(of).map(held::compact)).collect()
            }
        }
    }

    /// More rows of the partition.
    pub(super) fn push(&mut self, arguments: &[ArrayRef], range: &Range<usize>) {
        let arguments = arguments.iter().map(|array| array.slice(range.start, range.len()));
        match self {
            Self::Counted(counted) => arguments.for_each(|array| match array.logical_nulls() {
                Some(nulls) => counted.counts.extend(nulls.iter()),
                None => counted.counts.extend(std::iter::repeat_n(true, array.len())),
            }),
            Self::Fed(fed) => {
                let rows = fed.rows..fed.rows + range.len();
                fed.rows = rows.end;
                fed.pieces.push_back(Piece { rows, arguments: arguments.collect() });
            }
        }
    }

    /// The value of the next row, whose frame this is.
    pub(super) fn row(&mut self, frame: Range<usize>) -> Result<()> {
        match self {
            Self::Counted(counted) => counted.row(frame),
            Self::Fed(fed) => return fed.row(frame),
        }
        Ok(())
    }

    /// Lets go of rows that no frame needs any more.
    pub(super) fn forget(&mut self) {
        match self {
            Self::Counted(counted) => counted.forget(),
            Self::Fed(fed) => {
                let needed = if fed.slides { fed.holds.start } else { fed.holds.end };
                while fed.pieces.front().is_some_and(|piece| piece.rows.end <= needed) {
                    fed.pieces.pop_front();
                }
            }
        }
    }

    /// Begins a partition.
    pub(super) fn restart(&mut self) {
        match self {
            Self::Counted(counted) => {
                counted.counts.clear();
                (counted.first, counted.holds, counted.sum) = (0, 0..0, 0);
            }
            Self::Fed(fed) => {
                fed.accumulator = None;
                fed.pieces.clear();
                (fed.rows, fed.holds, fed.told) = (0, 0..0, false);
            }
        }
    }

    /// The values of the rows since the last call.
    pub(super) fn take(&mut self) -> Result<Option<ArrayRef>> {
        match self {
            Self::Counted(counted) if counted.values.is_empty() => Ok(None),
            Self::Counted(counted) => {
                Ok(Some(Arc::new(Int64Array::from(std::mem::take(&mut counted.values)))))
            }
            Self::Fed(fed) => match std::mem::take(&mut fed.values).as_slice() {
                [] => Ok(None),
                [(value, rows)] => value.to_array_of_size(*rows).map(Some),
                many => {
                    let each = many.iter().flat_map(|(v, rows)| std::iter::repeat_n(v, *rows));
                    ScalarValue::iter_to_array(each.cloned()).map(Some)
                }
            },
        }
    }

    /// Bytes that are held.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Counted(counted) => {
                counted.counts.capacity() + counted.values.capacity() * size_of::<i64>()
            }
            Self::Fed(fed) => {
                let arrays = fed.pieces.iter().flat_map(|piece| &piece.arguments);
                let values = fed.values.capacity() * size_of::<(ScalarValue, usize)>();
                let own = fed.accumulator.as_ref().map_or(0, |accumulator| accumulator.size());
                arrays.map(held::size).sum::<usize>() + values + own
            }
        }
    }
}

impl Counted {
    fn new(of: Option<Arc<dyn PhysicalExpr>>) -> Self {
        Self { of, counts: Vec::new(), first: 0, holds: 0..0, sum: 0, values: Vec::new() }
    }

    fn row(&mut self, frame: Range<usize>) {
        if self.of.is_none() {
            self.values.push(frame.len() as i64);
            return;
        }
        self.sum += self.counting(self.holds.end.max(frame.start)..frame.end);
        self.sum -= self.counting(self.holds.start..self.holds.end.min(frame.start));
        self.holds = frame;
        self.values.push(self.sum);
    }

    /// How many of some rows count.
    fn counting(&self, rows: Range<usize>) -> i64 {
        let from = rows.start.saturating_sub(self.first);
        let until = rows.end.saturating_sub(self.first);
        let counts = self.counts.get(from..until).unwrap_or_default();
        counts.iter().map(|counts| i64::from(*counts)).sum()
    }

    fn forget(&mut self) {
        let spent = self.holds.start - self.first;
        // Moving the rest is worth it when the rest is the smaller part.
        if spent > self.counts.len() / 2 {
            self.counts.drain(..spent);
            self.first += spent;
        }
    }
}

impl Fed {
    fn row(&mut self, frame: Range<usize>) -> Result<()> {
        if self.told
            && self.holds == frame
            && let Some((_, rows)) = self.values.last_mut()
        {
            *rows += 1;
            return Ok(());
        }
        let mut accumulator = match self.accumulator.take() {
            Some(accumulator) => accumulator,
            None if self.slides => self.function.create_sliding_accumulator()?,
            None => self.function.create_accumulator()?,
        };
        let enters = self.holds.end.max(frame.start)..frame.end;
        let leaves = self.holds.start..self.holds.end.min(frame.start);
        for arguments in self.cut(enters) {
            accumulator.update_batch(&arguments)?;
        }
        if self.slides {
            for arguments in self.cut(leaves) {
                accumulator.retract_batch(&arguments)?;
            }
        }
        let value = match frame.is_empty() {
            true => self.function.default_value(self.function.field().data_type())?,
            false => accumulator.evaluate()?,
        };
        self.values.push((value, 1));
        (self.accumulator, self.holds, self.told) = (Some(accumulator), frame, true);
        Ok(())
    }

    /// The arguments of some rows, piece by piece.
    fn cut(&self, rows: Range<usize>) -> impl Iterator<Item = Vec<ArrayRef>> {
        let first = self.pieces.partition_point(|piece| piece.rows.end <= rows.start);
        let pieces = self.pieces.iter().skip(first);
        let until = rows.end;
        pieces.take_while(move |piece| piece.rows.start < until).filter_map(move |piece| {
            let from = piece.rows.start.max(rows.start);
            let length = piece.rows.end.min(rows.end).checked_sub(from).filter(|n| *n > 0)?;
            let at = from - piece.rows.start;
            Some(piece.arguments.iter().map(|array| array.slice(at, length)).collect())
        })
    }
}
