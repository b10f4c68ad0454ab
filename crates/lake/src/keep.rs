//! Keeping a lake: fewer files, rows that must go, and the disk that they took.
//!
//! Each is one commit on one table, made under the writer's lock. Rows are written anew by the lake's
//! own writer, so settings and statistics stay what they are everywhere else. What a deleted row was
//! is said nowhere: not in the commit, and not in the statistics.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::prelude::{Expr, SessionConfig, SessionContext, ident, lit, not};
use deltalake::DeltaTable;
use deltalake::operations::vacuum::VacuumMode;
use futures::StreamExt as _;

use crate::delta::{self, Change, LiveFile, add_action};
use crate::error::{LakeError, Result};
use crate::files::Written;
use crate::lake::Lake;
use crate::place::WriterLock;
use crate::provider::SnapshotTable;
use crate::run::{KEPT_PREFIX, prepare};
use crate::schema::Table;
use crate::writer::TableWriter;

/// Files smaller than this are worth putting together.
const SMALL: u64 = 64 << 20;

/// Bytes of files that are put together at once: others come the next time.
const AT_ONCE: u64 = 128 << 20;

/// What was done to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Files that are no longer part of it.
    pub removed: usize,
    /// Files that took their place.
    pub added: usize,
    /// Rows that are gone.
    pub rows_gone: u64,
}

impl Lake {
    /// Puts small files of a day together, and gives days that have grown large enough files of
    /// their own. Only local lakes are rewritten.
    pub async fn compact(&self, table: Table) -> Result<Kept> {
        let (_lock, delta) = self.keeper(table).await?;
        let mut days: BTreeMap<Option<String>, Vec<LiveFile>> = BTreeMap::new();
        for file in delta::files(&delta, table)?.into_iter().filter(|file| file.size < SMALL) {
            days.entry(file.day.clone()).or_default().push(file);
        }
        let mut left = AT_ONCE;
        for files in days.values_mut() {
            files.sort_by_key(|file| file.size);
            files.retain(|file| {
                let rest = left.checked_sub(file.size);
                left = rest.unwrap_or(left);
                rest.is_some()
            });
        }
        days.retain(|_, files| files.len() > 1);
        let old: Vec<LiveFile> = days.into_values().flatten().collect();
        if old.is_empty() {
            return Ok(Kept::default());
        }
        let new = self.rewrite(table, &delta, &old, None).await?;
        self.replace(table, &delta, &old, &new, Change::Compact).await
    }

    /// Takes away the rows for which `gone` is true. They lie on the disk, out of reach of queries,
    /// until [`Lake::vacuum`].
    pub async fn delete(&self, table: Table, gone: Expr) -> Result<Kept> {
        let (_lock, delta) = self.keeper(table).await?;
        let mut old = Vec::new();
        for file in delta::files(&delta, table)? {
            let found = scan(table, &delta, vec![file.clone()])?.filter(gone.clone())?;
            if found.count().await? > 0 {
                old.push(file);
            }
        }
        if old.is_empty() {
            return Ok(Kept::default());
        }
        let before = rows_of(table, &delta, &old).await?;
        // `NOT` of null is null, and a row of which the condition says nothing stays.
        let stays = not(gone.is_true());
        let new = self.rewrite(table, &delta, &old, Some(stays)).await?;
        let after: u64 = new.iter().map(|file| file.rows).sum();
        let kept = self.replace(table, &delta, &old, &new, Change::Delete).await?;
        Ok(Kept { rows_gone: before.saturating_sub(after), ..kept })
    }

    /// As [`Lake::delete`], the rows whose column has one of these values.
    pub async fn delete_where(
        &self,
        table: Table,
        column: &str,
        values: &[String],
    ) -> Result<Kept> {
        if values.is_empty() {
            return Ok(Kept::default());
        }
        let values = values.iter().map(|value| lit(value.as_str())).collect();
        self.delete(table, ident(column).in_list(values, false)).await
    }

    /// Frees the disk of what no query of the newest version needs; older versions cannot be read
    /// any more. Returns how many files went.
    pub async fn vacuum(&self, table: Table) -> Result<usize> {
        let (_lock, delta) = self.keeper(table).await?;
        let vacuum = delta
            .vacuum()
            .with_retention_period(chrono::Duration::zero())
            .with_enforce_retention_duration(false)
            .with_mode(VacuumMode::Full);
        let (_, metrics) = vacuum.await.map_err(LakeError::delta("vacuum", table.name()))?;
        Ok(metrics.files_deleted.len())
    }

    async fn keeper(&self, table: Table) -> Result<(Option<WriterLock>, DeltaTable)> {
        let (lock, mut tables) = prepare(&self.place, None).await?;
        match tables.remove(&table) {
            Some(delta) => Ok((lock, delta)),
            None => Err(LakeError::Writer(format!("there is no table {}", table.name()))),
        }
    }

    /// Writes the rows of some files anew, those alone that stay.
    async fn rewrite(
        &self,
        table: Table,
        delta: &DeltaTable,
        old: &[LiveFile],
        stays: Option<Expr>,
    ) -> Result<Vec<Written>> {
        let Some(folder) = self.place.folder() else {
            return Err(LakeError::Place {
                place: self.place.to_string(),
                why: "only a lake in a folder can be rewritten".to_owned(),
            });
        };
        let mut rows = scan(table, delta, old.to_vec())?;
        if let Some(stays) = stays {
            rows = rows.filter(stays)?;
        }
        let version = delta.version().unwrap_or_default();
        let prefix = format!("{KEPT_PREFIX}{version:020}-");
        let mut writer = TableWriter::new(table, folder, &prefix, self.threads)?;
        let mut stream = rows.execute_stream().await?;
        while let Some(batch) = stream.next().await {
            writer.push(&as_written(table, &batch?)?)?;
        }
        writer.finish()
    }

    async fn replace(
        &self,
        table: Table,
        delta: &DeltaTable,
        old: &[LiveFile],
        new: &[Written],
        change: Change<'_>,
    ) -> Result<Kept> {
        let data_change = matches!(change, Change::Delete);
        let adds = new.iter().map(|file| add_action(file, data_change)).collect();
        let removes = old
            .iter()
            .map(|file| {
                let mut remove = file.remove.as_ref().clone();
                remove.data_change = data_change;
                remove
            })
            .collect();
        delta::commit(&self.place, table, delta, adds, removes, change).await?;
        Ok(Kept { removed: old.len(), added: new.len(), rows_gone: 0 })
    }
}

/// The rows of some files of a table.
fn scan(
    table: Table,
    delta: &DeltaTable,
    files: Vec<LiveFile>,
) -> Result<datafusion::dataframe::DataFrame> {
    let snapshot = SnapshotTable::new(table, Some(delta.object_store()), files);
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    context.register_object_store(snapshot.store_url()?.as_ref(), delta.object_store());
    Ok(context.read_table(Arc::new(snapshot))?)
}

async fn rows_of(table: Table, delta: &DeltaTable, files: &[LiveFile]) -> Result<u64> {
    Ok(scan(table, delta, files.to_vec())?.count().await? as u64)
}

/// A batch of a scan with the types that the writer takes.
fn as_written(table: Table, batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = table.file_schema();
    let columns = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => arrow::compute::cast(column, field.data_type()),
            None => Ok(arrow::array::new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}
