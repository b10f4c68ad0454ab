//! One function of a window, fed with the rows in their order. What it says of them comes out in the
//! same order, sooner or later: a moving count after the row, a share of the whole at the partition's
//! end.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef};
use arrow::compute::concat;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::WindowExpr;

use super::fold::Fold;
use super::frame::{Edges, Frame};
use super::held;
use super::runs::Cut;
use super::whole::Whole;

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
    Framed(Box<Framed>),
    /// By the engine, when the partition is whole.
    Whole(Whole),
}

/// An aggregate that goes from frame to frame.
#[derive(Debug)]
struct Framed {
    frame: Frame,
    edges: Edges,
    fold: Fold,
}

impl Calculation {
    pub(super) fn new(function: &Arc<dyn WindowExpr>, schema: &SchemaRef) -> Self {
        let way = match Framed::new(function.as_ref(), schema) {
            Some(framed) => Way::Framed(Box::new(framed)),
            None => Way::Whole(Whole::new(function, schema)),
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
            Way::Framed(framed) => {
                let values = framed.push(batch, partitions)?;
                self.say(values);
            }
            Way::Whole(whole) => {
                for values in whole.push(batch, partitions, memory)? {
                    self.say(Some(values));
                }
            }
        }
        Ok(())
    }

    /// No more rows.
    pub(super) fn finish(&mut self, memory: &MemoryReservation) -> Result<()> {
        let values = match &mut self.way {
            Way::Framed(framed) => framed.finish()?,
            Way::Whole(whole) => whole.finish(memory)?,
        };
        self.say(values);
        Ok(())
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
            Way::Framed(framed) => framed.edges.size() + framed.fold.size(),
            Way::Whole(whole) => whole.size(),
        };
        work + self.ready.iter().map(held::size).sum::<usize>()
    }
}

impl Framed {
    /// Nothing for a function that is no such aggregate, or whose frames are none of ours.
    fn new(function: &dyn WindowExpr, schema: &SchemaRef) -> Option<Self> {
        let (fold, frame) = (Fold::of(function)?, Frame::of(function, schema)?);
        Some(Self { frame, edges: Edges::default(), fold })
    }

    fn push(&mut self, batch: &RecordBatch, partitions: &Cut) -> Result<Option<ArrayRef>> {
        let keys = self.frame.keys(batch)?;
        let arguments = self.fold.arguments(batch)?;
        for (range, begins) in partitions.iter() {
            if begins {
                self.end()?;
            }
            self.edges.push(keys.get(range.clone()).unwrap_or_default());
            self.fold.push(&arguments, &range);
        }
        self.advance(false)?;
        self.edges.forget(&self.frame);
        self.fold.forget();
        self.fold.take()
    }

    fn finish(&mut self) -> Result<Option<ArrayRef>> {
        self.end()?;
        self.fold.take()
    }

    /// Ends a partition.
    fn end(&mut self) -> Result<()> {
        self.advance(true)?;
        self.edges = Edges::default();
        self.fold.restart();
        Ok(())
    }

    /// Says of all rows whose frames are known.
    fn advance(&mut self, ended: bool) -> Result<()> {
        while let Some(rows) = self.edges.next(&self.frame, ended) {
            self.fold.row(rows)?;
        }
        Ok(())
    }
}
