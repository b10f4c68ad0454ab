//! The lake as others see it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::AsArray as _;
use datafusion::prelude::SessionContext;
use model::Digest;

use crate::delta;
use crate::error::Result;
use crate::place::Place;
use crate::provider::SnapshotTable;
use crate::run::{self, Run};
use crate::schema::Table;
use crate::tail::Tail;

/// A lake: a place with tables. Opening one reads nothing and makes nothing.
#[derive(Debug, Clone)]
pub struct Lake {
    pub(crate) place: Place,
    pub(crate) threads: usize,
    tail: Arc<Tail>,
}

impl Lake {
    /// The lake in a folder, or at `s3://bucket/prefix`.
    pub fn open(place: &str) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self { place: Place::read(place)?, threads, tail: Arc::default() })
    }

    /// How many threads encode columns beside the writer's own work.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// The same lake, whose readers also see rows that are not committed yet.
    #[must_use]
    pub fn with_tail(mut self, tail: Tail) -> Self {
        self.tail = Arc::new(tail);
        self
    }

    /// Where it lies, as a person would say it.
    pub fn place(&self) -> String {
        self.place.to_string()
    }

    /// Begins a run, or goes on with one that was cut short. Takes the writer's lock (local lakes),
    /// makes the tables that are missing, and clears away what killed runs left. `run_key` names the
    /// run: the same evidence with the same rules should give the same key.
    pub async fn run(&self, run_key: &str) -> Result<Run> {
        Run::begin(&self.place, run_key, self.threads).await
    }

    /// Takes back what a run left that was killed while it was committed, as the next run would. Until
    /// then a reader may see some of it.
    pub async fn mend(&self) -> Result<()> {
        run::prepare(&self.place, None).await.map(drop)
    }

    /// The newest version of a table, for the query engine; empty when it was never written.
    pub async fn provider(&self, table: Table) -> Result<Arc<SnapshotTable>> {
        let snapshot = match delta::open(&self.place, table).await? {
            Some(delta) => {
                let files = delta::files(&delta, table)?;
                SnapshotTable::new(table, Some(delta.object_store()), files)
            }
            None => SnapshotTable::new(table, None, Vec::new()),
        };
        Ok(Arc::new(snapshot.with_tail(self.tail.of(table))))
    }

    /// Digests of the parcels that whole runs have read: they need not be read again.
    pub async fn known_parcels(&self) -> Result<BTreeSet<Digest>> {
        let snapshot = self.provider(Table::Parcels).await?;
        if snapshot.rows() == Some(0) {
            return Ok(BTreeSet::new());
        }
        let context = SessionContext::new();
        if let Some(store) = snapshot.store() {
            context.register_object_store(snapshot.store_url()?.as_ref(), store);
        }
        let batches = context.read_table(snapshot)?.select_columns(&["digest"])?.collect().await?;
        let digests = batches
            .iter()
            .filter_map(|batch| batch.columns().first()?.as_string_view_opt())
            .flat_map(|column| column.iter().flatten())
            .filter_map(|text| text.parse().ok());
        Ok(digests.collect())
    }
}
