//! Which rows the frame of a row holds.
//!
//! ROWS, GROUPS and RANGE are one. Every row has a number as its key: its position, the ordinal of its
//! peers, or its time. Keys do not fall within a partition, and a frame holds the rows whose keys lie
//! between two distances from the row's own. Both edges of the frame only ever move forward, so that
//! all frames of a partition are found in one pass, without a search and without a scalar for each row.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_plan::WindowExpr;

use super::runs::Runs;

/// Farther from every value than any distance reaches: the key of null, whose peers are the nulls.
const NOWHERE: i128 = 1 << 120;

/// What a day has in nanoseconds, where there is no summer time.
const DAY: i128 = 86_400_000_000_000;

/// The shape of all frames of one function.
#[derive(Debug)]
pub(super) struct Frame {
    keys: Keys,
    /// From which distance on; from the partition's first row without one.
    start: Option<i128>,
    /// Up to which distance; to the partition's last row without one.
    end: Option<i128>,
}

/// What the keys of rows are.
#[derive(Debug)]
enum Keys {
    Position { next: i128 },
    Peers { runs: Runs, ordinal: i128 },
    Value { order: PhysicalSortExpr, unit: i128 },
}

impl Frame {
    /// The frame of a function; nothing when its edges are not distances between numbers.
    pub(super) fn of(function: &dyn WindowExpr, schema: &Schema) -> Option<Self> {
        let frame = function.get_window_frame();
        let start = match &frame.start_bound {
            WindowFrameBound::Preceding(distance) if distance.is_null() => None,
            bound => Some(signed(bound)?),
        };
        let end = match &frame.end_bound {
            WindowFrameBound::Following(distance) if distance.is_null() => None,
            bound => Some(signed(bound)?),
        };
        let near = [start, end].into_iter().all(|distance| distance.unwrap_or(0) == 0);
        let keys = match frame.units {
            WindowFrameUnits::Rows => Keys::Position { next: 0 },
            WindowFrameUnits::Range if !near => {
                let [order] = function.order_by() else { return None };
                let unit = unit(&order.expr.data_type(schema).ok()?)?;
                Keys::Value { order: order.clone(), unit }
            }
            WindowFrameUnits::Range | WindowFrameUnits::Groups => {
                let order = function.order_by().iter().map(|order| &order.expr);
                let of = function.partition_by().iter().chain(order).map(Arc::clone);
                Keys::Peers { runs: Runs::new(of.collect()), ordinal: 0 }
            }
        };
        Some(Self { keys, start, end })
    }

    /// The keys of the next batch's rows.
    pub(super) fn keys(&mut self, batch: &RecordBatch) -> Result<Vec<i128>> {
        let rows = batch.num_rows();
        match &mut self.keys {
            Keys::Position { next } => {
                let first = *next;
                *next += rows as i128;
                Ok((first..*next).collect())
            }
            Keys::Peers { runs, ordinal } => {
                let cut = runs.cut(batch)?;
                let mut keys = Vec::with_capacity(rows);
                for (peers, begins) in cut.iter() {
                    *ordinal += i128::from(begins);
                    keys.resize(peers.end, *ordinal);
                }
                Ok(keys)
            }
            Keys::Value { order, unit } => values(order, *unit, batch),
        }
    }
}

/// Numbers that grow from row to row, as the rows are sorted.
fn values(order: &PhysicalSortExpr, unit: i128, batch: &RecordBatch) -> Result<Vec<i128>> {
    let values = order.expr.evaluate(batch)?.into_array(batch.num_rows())?;
    let values = cast(&values, &DataType::Int64)?;
    let values = values.as_primitive::<Int64Type>();
    let unit = if order.options.descending { -unit } else { unit };
    let null = if order.options.nulls_first { -NOWHERE } else { NOWHERE };
    Ok(match values.null_count() {
        0 => values.values().iter().map(|value| i128::from(*value) * unit).collect(),
        _ => values.iter().map(|v| v.map_or(null, |v| i128::from(v) * unit)).collect(),
    })
}

/// A bound as a distance; behind is negative.
fn signed(bound: &WindowFrameBound) -> Option<i128> {
    match bound {
        WindowFrameBound::Preceding(distance) => Some(-number(distance)?),
        WindowFrameBound::CurrentRow => Some(0),
        WindowFrameBound::Following(distance) => number(distance),
    }
}

/// A distance in whole numbers or in nanoseconds. Months are none: they differ.
fn number(distance: &ScalarValue) -> Option<i128> {
    let number = match distance {
        ScalarValue::Int8(Some(n)) => i128::from(*n),
        ScalarValue::Int16(Some(n)) => i128::from(*n),
        ScalarValue::Int32(Some(n)) => i128::from(*n),
        ScalarValue::Int64(Some(n)) => i128::from(*n),
        ScalarValue::UInt64(Some(n)) => i128::from(*n),
        ScalarValue::IntervalMonthDayNano(Some(span)) if span.months == 0 => {
            i128::from(span.days) * DAY + i128::from(span.nanoseconds)
        }
        _ => return None,
    };
    (number >= 0).then_some(number)
}

/// How many of what distances are counted in one step of an ordered column is. Instants must be of a
/// zone whose days are all alike.
fn unit(data_type: &DataType) -> Option<i128> {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(1),
        DataType::Timestamp(unit, zone) => {
            let alike = zone.as_deref().is_none_or(|zone| matches!(zone, "UTC" | "+00:00"));
            alike.then_some(match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            })
        }
        _ => None,
    }
}

/// The edges of the frames of one partition. Rows are counted from the partition's first.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// The keys of the rows from `first` on; those before are not needed any more.
    keys: Vec<i128>,
    first: usize,
    /// The next row whose frame is asked for.
    next: usize,
    start: usize,
    end: usize,
}

impl Edges {
    pub(super) fn push(&mut self, keys: &[i128]) {
        self.keys.extend_from_slice(keys);
    }

    /// The frame of the next row. Nothing when there is no row, or when what follows may belong to its
    /// frame and the partition has not ended.
    pub(super) fn next(&mut self, frame: &Frame, ended: bool) -> Option<Range<usize>> {
        let own = self.key(self.next)?;
        match frame.end {
            Some(distance) => {
                let closed = loop {
                    match self.key(self.end) {
                        Some(key) if key <= own + distance => self.end += 1,
                        later => break later.is_some(),
                    }
                };
                if !closed && !ended {
                    return None;
                }
            }
            None if ended => self.end = self.first + self.keys.len(),
            None => return None,
        }
        if let Some(distance) = frame.start {
            while self.start < self.end && self.key(self.start).is_some_and(|k| k < own + distance)
            {
                self.start += 1;
            }
        }
        self.next += 1;
        Some(self.start..self.end)
    }

    /// Lets go of what no frame needs any more.
    pub(super) fn forget(&mut self, frame: &Frame) {
        let start = frame.start.map_or(self.next, |_| self.start);
        let spent = start.min(self.end).min(self.next) - self.first;
        // Moving the rest is worth it when the rest is the smaller part.
        if spent > self.keys.len() / 2 {
            self.keys.drain(..spent);
            self.first += spent;
        }
    }

    /// Bytes that are held.
    pub(super) fn size(&self) -> usize {
        self.keys.capacity() * size_of::<i128>()
    }

    fn key(&self, row: usize) -> Option<i128> {
        self.keys.get(row.checked_sub(self.first)?).copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    /// The frame of a row by the definition: every row is looked at.
    fn defined(
        keys: &[i128],
        row: usize,
        (start, end): (Option<i128>, Option<i128>),
    ) -> Vec<usize> {
        let within = |key: i128| {
            start.is_none_or(|d| key >= keys[row] + d) && end.is_none_or(|d| key <= keys[row] + d)
        };
        (0..keys.len()).filter(|at| within(keys[*at])).collect()
    }

    #[test]
    fn frames_are_what_is_defined_however_the_rows_come() {
        let mut keys: Vec<i128> = (0..400_i128).map(|n| n * n % 397 * 317).collect();
        keys.sort_unstable();
        assert!(keys.windows(2).any(|pair| pair[0] == pair[1]));
        let distances = [None, Some(-5_000), Some(-900), Some(0), Some(1_001), Some(70_000)];
        for (start, end) in distances.iter().flat_map(|s| distances.iter().map(move |e| (*s, *e))) {
            let frame = Frame { keys: Keys::Position { next: 0 }, start, end };
            for at_once in [1, 7, 400] {
                let (mut edges, mut found) = (Edges::default(), Vec::new());
                for piece in keys.chunks(at_once) {
                    edges.push(piece);
                    found.extend(std::iter::from_fn(|| edges.next(&frame, false)));
                    edges.forget(&frame);
                }
                found.extend(std::iter::from_fn(|| edges.next(&frame, true)));
                assert_eq!(found.len(), keys.len());
                for (row, found) in found.into_iter().enumerate() {
                    let rows: Vec<usize> = found.collect();
                    assert_eq!(rows, defined(&keys, row, (start, end)), "{start:?} {end:?} {row}");
                }
            }
        }
    }

    #[test]
    fn what_has_passed_is_let_go() {
        let frame = Frame { keys: Keys::Position { next: 0 }, start: Some(-10), end: Some(0) };
        let mut edges = Edges::default();
        for first in (0..100_000).step_by(100) {
            edges.push(&(first..first + 100).collect::<Vec<_>>());
            while edges.next(&frame, false).is_some() {}
            edges.forget(&frame);
            assert!(edges.keys.len() <= 200);
        }
    }
}
