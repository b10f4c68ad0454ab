//! Keeping a lake: fewer files, rows that must go, and the disk that they took.
//!
//! Each is one commit on one table, made under the writer's lock. Rows are written anew by the lake's
//! own writer, so settings and statistics stay what they are everywhere else. What a deleted row was
//! is said nowhere: not in the commit, and not in the statistics.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use datafusion::prelude::{Expr, SessionConfig, SessionContext, ident, lit, not};
use deltalake::DeltaTable;
use deltalake::operations::vacuum::VacuumMode;
use futures::StreamExt as _;

use crate::delta::{self, Change, LiveFile, add_action};
use crate::error::{LakeError, Result};
use crate::events::merge::Merge;
use crate::files::{Files, Written};
use crate::lake::Lake;
use crate::place::WriterLock;
use crate::provider::SnapshotTable;
use crate::run::{KEPT_PREFIX, prepare};
use crate::schema::Table;
use crate::writer::TableWriter;

/// Files smaller than this are worth putting together.
const SMALL: u64 = 64 << 20;

/// Bytes of files that are written anew at once, and that are copied at once: others come the next time.
const ANEW_AT_ONCE: u64 = 8 << 20;
const COPIED_AT_ONCE: u64 = 256 << 20;

/// Rows of a file of events that is worth keeping as it is, or its bytes.
const THICK_ROWS: u64 = 16_384;
const THICK_BYTES: u64 = 4 << 20;

/// Files that are put together at once: those that are copied are open at the same time.
const FILES: usize = 256;

/// A file is put together with smaller ones when they are at least a fourth of it: so each of its rows is
/// moved a few times as a table grows, and not once for each commit.
const ALIKE: u64 = 4;

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
    /// Puts small files of a day together. Row groups that are large enough are copied as they are; rows
    /// of others are laid down anew, some at a time. Only local lakes are rewritten.
    pub async fn compact(&self, table: Table) -> Result<Kept> {
        let (_lock, delta) = self.keeper(table).await?;
        self.put_together(table, &delta).await
    }

    /// As [`Lake::compact`], every table. A table that cannot be kept is named in the log and does not
    /// hold up the others.
    pub async fn compact_all(&self) -> Result<()> {
        let (_lock, tables) = prepare(&self.place, None).await?;
        for (table, delta) in &tables {
            if let Err(error) = self.put_together(*table, delta).await {
                tracing::warn!(%error, table = table.name(), "small files stay apart");
            }
        }
        Ok(())
    }

    async fn put_together(&self, table: Table, delta: &DeltaTable) -> Result<Kept> {
        let mut days: BTreeMap<Option<String>, Vec<LiveFile>> = BTreeMap::new();
        for file in delta::files(delta, table)?.into_iter().filter(|file| file.size < SMALL) {
            days.entry(file.day.clone()).or_default().push(file);
        }
        let folder = self.folder()?;
        let mut copied = Files::new(table, folder, &kept_prefix(delta, "c"));
        let (mut thin, mut thick) = (Vec::new(), Vec::new());
        let (mut anew, mut copy) = (ANEW_AT_ONCE, COPIED_AT_ONCE);
        let merge = Merge::new()?;
        // One that cannot be read stays as it is.
        let look = |file: &LiveFile| {
            let taken = merge.take(&folder.join(table.name()).join(&file.path));
            taken.inspect_err(|error| tracing::warn!(%error, "a file stays as it is")).ok()
        };
        for (day, files) in days {
            let day = day.filter(|_| table == Table::Events);
            let (large, small): (Vec<_>, Vec<_>) =
                files.into_iter().partition(|file| day.is_some() && is_thick(file));
            let small = alike(small, &mut anew).into_iter();
            let small: Vec<_> =
                small.filter(|file| day.is_none() || look(file).is_some()).collect();
            if small.len() > 1 {
                thin.extend(small);
            }
            let large = alike(large, &mut copy).into_iter();
            let (taken, large): (Vec<_>, Vec<_>) =
                large.filter_map(|file| Some((look(&file)??, file))).unzip();
            if let Some(day) = day.filter(|_| large.len() > 1) {
                merge.merge(&mut copied, &day, &taken)?;
                thick.extend(large);
            }
        }
        let mut new = copied.finish()?;
        if !thin.is_empty() {
            new.extend(self.rewrite(table, delta, &thin, None).await?);
        }
        let old: Vec<LiveFile> = thin.into_iter().chain(thick).collect();
        if old.is_empty() {
            return Ok(Kept::default());
        }
        self.replace(table, delta, &old, &new, Change::Compact).await
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
        free(table, delta, Duration::ZERO).await
    }

    /// As [`Lake::vacuum`], every table, but for what was part of one within the last `spared`: a query
    /// that began before may still read it. A table that cannot be kept is named in the log.
    pub async fn vacuum_all(&self, spared: Duration) -> Result<usize> {
        let (_lock, tables) = prepare(&self.place, None).await?;
        let mut gone = 0;
        for (table, delta) in tables {
            match free(table, delta, spared).await {
                Ok(files) => gone += files,
                Err(error) => {
                    tracing::warn!(%error, table = table.name(), "old files stay on the disk");
                }
            }
        }
        Ok(gone)
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
        let folder = self.folder()?;
        let mut rows = scan(table, delta, old.to_vec())?;
        if let Some(stays) = stays {
            rows = rows.filter(stays)?;
        }
        let prefix = kept_prefix(delta, "");
        let mut writer = TableWriter::new(table, folder, &prefix, self.threads)?;
        let mut stream = rows.execute_stream().await?;
        while let Some(batch) = stream.next().await {
            writer.push(&as_written(table, &batch?)?)?;
        }
        writer.finish()
    }

    fn folder(&self) -> Result<&Path> {
        self.place.folder().ok_or_else(|| LakeError::Place {
            place: self.place.to_string(),
            why: "only a lake in a folder can be rewritten".to_owned(),
        })
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

async fn free(table: Table, delta: DeltaTable, spared: Duration) -> Result<usize> {
    let spared = chrono::Duration::from_std(spared).unwrap_or(chrono::Duration::MAX);
    let vacuum = delta
        .vacuum()
        .with_retention_period(spared)
        .with_enforce_retention_duration(false)
        .with_mode(VacuumMode::Full);
    let (_, metrics) = vacuum.await.map_err(LakeError::delta("vacuum", table.name()))?;
    Ok(metrics.files_deleted.len())
}

/// What names of files begin with that are made of those of a version of a table.
fn kept_prefix(delta: &DeltaTable, kind: &str) -> String {
    format!("{KEPT_PREFIX}{:020}-{kind}", delta.version().unwrap_or_default())
}

/// True when a file of events is large enough to be copied and read as it is. Others are better written anew,
/// many as one.
fn is_thick(file: &LiveFile) -> bool {
    let rows = file.statistics.as_deref().and_then(|statistics| {
        let statistics: serde_json::Value = serde_json::from_str(statistics).ok()?;
        statistics.get("numRecords")?.as_u64()
    });
    file.size >= THICK_BYTES || rows.is_some_and(|rows| rows >= THICK_ROWS)
}

/// The smallest files that are worth putting together, of no more than `left` bytes; none when each would
/// be alone.
fn alike(mut files: Vec<LiveFile>, left: &mut u64) -> Vec<LiveFile> {
    files.sort_by_key(|file| file.size);
    let sizes: Vec<u64> = files.iter().map(|file| file.size).collect();
    let chosen = run_of_alike(&sizes, *left);
    *left -= sizes.get(chosen.clone()).unwrap_or_default().iter().sum::<u64>();
    files.drain(chosen).collect()
}

/// Of sizes in order the first that are alike, as far as they fit. One that is alone among the small ones
/// waits for its like and holds up no others.
fn run_of_alike(sizes: &[u64], left: u64) -> Range<usize> {
    let (mut start, mut sum) = (0, 0);
    for (at, size) in sizes.iter().enumerate() {
        let count = at - start;
        if count == 1 && *size > sum * ALIKE {
            (start, sum) = (at, 0);
        } else if count > 1 && (count == FILES || *size > sum * ALIKE || sum + size > left) {
            return start..at;
        }
        if sum + size > left {
            return 0..0;
        }
        sum += size;
    }
    if sizes.len() - start < 2 { 0..0 } else { start..sizes.len() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_with_their_like() {
        let run = |sizes: &[u64]| run_of_alike(sizes, 1_000);
        assert_eq!(run(&[]), 0..0);
        assert_eq!(run(&[7]), 0..0);
        assert_eq!(run(&[7, 28]), 0..2);
        assert_eq!(run(&[7, 29]), 0..0);
        assert_eq!(run(&[7, 29, 29, 29]), 1..4);
        assert_eq!(run(&[1, 7, 40, 200]), 0..0);
        assert_eq!(run(&[7, 7, 7, 90]), 0..3);
        assert_eq!(run(&[400, 400, 400]), 0..2);
        assert_eq!(run(&[600, 600]), 0..0);
        assert_eq!(run(&[2_000, 2_000]), 0..0);
        assert_eq!(run(&vec![1; 2 * FILES]), 0..FILES);
    }
}
