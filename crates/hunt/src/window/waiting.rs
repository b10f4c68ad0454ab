//! Rows that wait for what a window says of them. Those that do not fit into memory wait on the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, SpillFile};
use datafusion::physical_plan::SpillManager;
use futures::StreamExt as _;

use super::held;

/// Batches in the order in which they came.
pub(super) struct Waiting {
    /// Rows of each batch that waits.
    rows: VecDeque<usize>,
    /// The oldest: those that are read back.
    reading: Option<SendableRecordBatchStream>,
    files: VecDeque<Arc<dyn SpillFile>>,
    /// The newest, with their sizes.
    batches: VecDeque<(RecordBatch, usize)>,
    memory: MemoryReservation,
    disk: SpillManager,
}

impl Waiting {
    pub(super) fn new(memory: MemoryReservation, disk: SpillManager) -> Self {
        let (rows, files, batches) = Default::default();
        Self { rows, reading: None, files, batches, memory, disk }
    }

    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows.push_back(batch.num_rows());
        let size = held::batch_size(&batch);
        let fits = self.memory.try_grow(size).is_ok();
        self.batches.push_back((batch, if fits { size } else { 0 }));
        if !fits {
            let batches: Vec<_> = self.batches.drain(..).map(|(batch, _)| batch).collect();
            let file = self.disk.spill_record_batch_and_finish(&batches, "window")?;
            self.files.extend(file);
            self.memory.free();
        }
        Ok(())
    }

    /// Rows of the oldest batch.
    pub(super) fn next_rows(&self) -> Option<usize> {
        self.rows.front().copied()
    }

    /// The oldest batch.
    pub(super) async fn pop(&mut self) -> Result<RecordBatch> {
        self.rows.pop_front();
        loop {
            if let Some(reading) = &mut self.reading {
                match reading.next().await {
                    Some(batch) => return batch,
                    None => self.reading = None,
                }
            }
            if let Some(file) = self.files.pop_front() {
                self.reading = Some(self.disk.read_spill_as_stream(file, None)?);
                continue;
            }
            let Some((batch, size)) = self.batches.pop_front() else {
                return internal_err!("a window lost a batch");
            };
            self.memory.shrink(size);
            return Ok(batch);
        }
    }
}
