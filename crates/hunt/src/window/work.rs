//! A window at work on one stream of sorted rows.

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{BaselineMetrics, SpillMetrics};
use datafusion::physical_plan::{SpillManager, WindowExpr};
use futures::StreamExt as _;
use futures::stream::Peekable;

use super::calculation::Calculation;
use super::runs::Runs;
use super::waiting::Waiting;

/// How the pool knows what a window cannot do without; [`crate::error`] does too.
pub(crate) const CONSUMER: &str = "window";

/// The state of the work.
pub(super) struct Work {
    input: Peekable<SendableRecordBatchStream>,
    ended: bool,
    partitions: Runs,
    calculations: Vec<Calculation>,
    memory: MemoryReservation,
    waiting: Waiting,
    schema: SchemaRef,
    metrics: BaselineMetrics,
}

impl Work {
    /// Waits for the first rows. What sorts them needs no more memory then, and only then does the
    /// window ask for its share.
    pub(super) async fn begin(
        input: SendableRecordBatchStream,
        functions: &[Arc<dyn WindowExpr>],
        schema: SchemaRef,
        context: &TaskContext,
        (metrics, spilled): (BaselineMetrics, SpillMetrics),
    ) -> Self {
        let of = functions.first().map(|function| function.partition_by().to_vec());
        let narrow = input.schema();
        let mut input = input.peekable();
        Pin::new(&mut input).peek().await;
        let calculations = functions.iter().map(|function| Calculation::new(function, &narrow));
        let pool = context.memory_pool();
        let rows = MemoryConsumer::new("rows of a window").with_can_spill(true).register(pool);
        let disk = SpillManager::new(context.runtime_env(), spilled, narrow.clone());
        Self {
            ended: false,
            partitions: Runs::new(of.unwrap_or_default()),
            calculations: calculations.collect(),
            memory: MemoryConsumer::new(CONSUMER).register(pool),
            waiting: Waiting::new(rows, disk),
            input,
            schema,
            metrics,
        }
    }

    /// The next rows with what the window says of them.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(rows) = self.waiting.next_rows() {
                let ready = self.calculations.iter().map(Calculation::ready).min().unwrap_or(rows);
                if rows <= ready {
                    return self.tell(rows).await.map(Some);
                }
            }
            if self.ended {
                return Ok(None);
            }
            match self.input.next().await.transpose()? {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => self.take(batch)?,
                None => self.end()?,
            }
        }
    }

    fn take(&mut self, batch: RecordBatch) -> Result<()> {
        let compute = self.metrics.elapsed_compute().clone();
        let _timer = compute.timer();
        let partitions = self.partitions.cut(&batch)?;
        for calculation in &mut self.calculations {
            calculation.push(&batch, &partitions, &self.memory)?;
        }
        self.memory.try_resize(self.calculations.iter().map(Calculation::size).sum())?;
        self.waiting.push(batch)
    }

    fn end(&mut self) -> Result<()> {
        let compute = self.metrics.elapsed_compute().clone();
        let _timer = compute.timer();
        self.ended = true;
        for calculation in &mut self.calculations {
            calculation.finish(&self.memory)?;
        }
        self.memory.try_resize(self.calculations.iter().map(Calculation::size).sum())
    }

    async fn tell(&mut self, rows: usize) -> Result<RecordBatch> {
        let batch = self.waiting.pop().await?;
        let mut columns = batch.columns().to_vec();
        for calculation in &mut self.calculations {
            columns.push(calculation.take(rows)?);
        }
        self.metrics.record_output(rows);
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}
