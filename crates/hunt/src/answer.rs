//! An answer: batches that come while the query runs. Dropping it ends the query.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use tokio::sync::mpsc::Receiver;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::engine::Engine;
use crate::error::{HuntError, Kind, Known, explain};

/// What the query's task sends.
pub(crate) type Batches = Receiver<Result<RecordBatch, DataFusionError>>;

/// The rows of an answer, batch by batch.
#[derive(Debug)]
pub struct Answer {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Batches,
    pub(crate) task: AbortHandle,
    pub(crate) sql: String,
    pub(crate) known: Known,
    pub(crate) left: Option<usize>,
    pub(crate) cut: bool,
    pub(crate) deadline: Option<Instant>,
    pub(crate) timeout: Option<Duration>,
    /// The threads must live as long as the query that they run.
    pub(crate) _engine: Arc<Engine>,
}

impl Answer {
    /// Its columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// True when there were more rows than the limit lets through. Known at the end.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The next rows; none at the end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, HuntError> {
        loop {
            let next = match self.deadline {
                Some(deadline) => {
                    match tokio::time::timeout_at(deadline, self.batches.recv()).await {
                        Ok(next) => next,
                        Err(_) => return Err(too_slow(self.timeout)),
                    }
                }
                None => self.batches.recv().await,
            };
            let batch = match next {
                None => return Ok(None),
                Some(Ok(batch)) => batch,
                Some(Err(error)) => return Err(explain(error, &self.sql, &self.known)),
            };
            let Some(left) = self.left.as_mut() else { return Ok(Some(batch)) };
            let rows = batch.num_rows().min(*left);
            self.cut |= rows < batch.num_rows();
            *left -= rows;
            if rows > 0 {
                return Ok(Some(batch.slice(0, rows)));
            }
        }
    }

    /// All of them.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, HuntError> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        Ok(batches)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn too_slow(timeout: Option<Duration>) -> HuntError {
    let seconds = timeout.unwrap_or_default().as_secs_f64();
    HuntError::new(Kind::Limit, format!("the query took longer than {seconds} s and was ended"))
        .hint("narrow it with --since and --until, or allow it more time")
}
