//! One Delta table: open, create, commit. Everything that knows deltalake's calls is here and in
//! `keep.rs`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, StructType, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};

use crate::error::{LakeError, Result};
use crate::files::Written;
use crate::place::{Place, make_folder, sync};
use crate::schema::Table;

/// The table as it stands, or nothing where none was made yet.
pub(crate) async fn open(place: &Place, table: Table) -> Result<Option<DeltaTable>> {
    if let Some(folder) = place.folder()
        && !folder.join(table.name()).join("_delta_log").is_dir()
    {
        return Ok(None);
    }
    let url = place.table_url(table)?;
    let loaded = async { DeltaTableBuilder::from_url(url)?.load().await }.await;
    match loaded {
        Ok(delta) => {
            refuse_unknown(&delta, table)?;
            Ok(Some(delta))
        }
        Err(DeltaTableError::NotATable(_)) => Ok(None),
        Err(error) => Err(LakeError::delta("open", table.name())(error)),
    }
}

/// The files that the table held before `run` wrote to it, where that is not what it holds now.
pub(crate) async fn files_before(
    place: &Place,
    table: Table,
    delta: &DeltaTable,
    is_of_run: impl Fn(&LiveFile) -> bool,
) -> Result<Vec<LiveFile>> {
    let mut version = delta.version().unwrap_or_default();
    while version > 0 {
        version -= 1;
        let url = place.table_url(table)?;
        let loaded =
            async { DeltaTableBuilder::from_url(url)?.with_version(version).load().await }.await;
        let earlier = loaded.map_err(LakeError::delta("read", table.name()))?;
        let held = files(&earlier, table)?;
        if !held.iter().any(&is_of_run) {
            return Ok(held);
        }
    }
    Ok(Vec::new())
}

/// The table, made when there is none and widened when this version knows more columns.
pub(crate) async fn open_or_create(place: &Place, table: Table) -> Result<DeltaTable> {
    if let Some(delta) = open(place, table).await? {
        return widen(place, table, delta).await;
    }
    if let Some(folder) = place.folder() {
        make_folder(&folder.join(table.name()))?;
    }
    let url = place.table_url(table)?;
    let made = async {
        let schema: StructType = table.schema().as_ref().try_into_kernel()?;
        DeltaTableBuilder::from_url(url)?
            .build()?
            .create()
            .with_table_name(table.name())
            .with_columns(schema.fields().cloned())
            .with_partition_columns(table.partition_columns().iter().copied())
            .with_configuration([(
                "delta.dataSkippingStatsColumns",
                Some(table.log_statistics().join(",")),
            )])
            .await
    };
    let delta = made.await.map_err(LakeError::delta("create", table.name()))?;
    sync_log(place, table).await?;
    Ok(delta)
}

/// A number of the table's log by which a run says that it wrote here. Odd: committed. Even: taken
/// back. See `run.rs`.
pub(crate) async fn mark(delta: &DeltaTable, table: Table, run: &str) -> Result<Option<i64>> {
    let state = delta.snapshot().map_err(LakeError::delta("read", table.name()))?;
    state
        .transaction_version(delta.log_store().as_ref(), run)
        .await
        .map_err(LakeError::delta("read", table.name()))
}

/// Adds files, and takes others away, in one commit that carries the run's mark. All that it names
/// must be on the disk already.
pub(crate) async fn commit(
    place: &Place,
    table: Table,
    delta: &DeltaTable,
    adds: Vec<Add>,
    removes: Vec<deltalake::kernel::Remove>,
    change: Change<'_>,
) -> Result<()> {
    let mut properties = CommitProperties::default();
    let operation = match change {
        Change::Append { .. } | Change::TakeBack { .. } => {
            let mode = if removes.is_empty() { SaveMode::Append } else { SaveMode::Overwrite };
            DeltaOperation::Write { mode, partition_by: None, predicate: None }
        }
        Change::Delete => DeltaOperation::Delete { predicate: None },
        Change::Compact => DeltaOperation::Optimize { predicate: None, target_size: 0 },
    };
    if let Change::Append { run, mark } | Change::TakeBack { run, mark } = change {
        properties = properties.with_application_transaction(Transaction::new(run, mark));
    }
    let actions =
        adds.into_iter().map(Action::Add).chain(removes.into_iter().map(Action::Remove)).collect();
    let committed = async {
        CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(delta.snapshot()?), delta.log_store(), operation)
            .await
    };
    committed.await.map_err(LakeError::delta("commit to", table.name()))?;
    sync_log(place, table).await
}

/// Why a commit is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'a> {
    /// A run's rows, in the place of those that it takes away.
    Append {
        /// The run.
        run: &'a str,
        /// Its mark in this table.
        mark: i64,
    },
    /// Rows of a run that never ended.
    TakeBack {
        /// The run.
        run: &'a str,
        /// Its mark in this table.
        mark: i64,
    },
    /// Rows that must go. What they were is not said in the log.
    Delete,
    /// The same rows in fewer files.
    Compact,
}

/// A file for the log.
pub(crate) fn add_action(file: &Written, data_change: bool) -> Add {
    add(&file.path, file.day.as_ref(), file.size, Some(&file.statistics), data_change)
}

/// A file that was part of the table before, for the log.
pub(crate) fn add_again(file: &LiveFile) -> Add {
    add(&file.path, file.day.as_ref(), file.size, file.statistics.as_ref(), true)
}

fn add(
    path: &str,
    day: Option<&String>,
    size: u64,
    statistics: Option<&String>,
    data_change: bool,
) -> Add {
    let day = day.iter().map(|day| ("day".to_owned(), Some((*day).clone())));
    Add {
        path: path.to_owned(),
        partition_values: day.collect(),
        size: size as i64,
        modification_time: now_millis(),
        data_change,
        stats: statistics.cloned(),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

fn now_millis() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// Adds the columns that the table does not have yet.
async fn widen(place: &Place, table: Table, delta: DeltaTable) -> Result<DeltaTable> {
    let missing = async {
        let state = delta.snapshot()?;
        let known = state.schema();
        let wanted: StructType = table.schema().as_ref().try_into_kernel()?;
        let missing: Vec<_> =
            wanted.fields().filter(|field| known.field(field.name()).is_none()).cloned().collect();
        Ok::<_, DeltaTableError>(missing)
    };
    let missing = missing.await.map_err(LakeError::delta("read", table.name()))?;
    if missing.is_empty() {
        return Ok(delta);
    }
    let wider = delta
        .add_columns()
        .with_fields(missing)
        .await
        .map_err(LakeError::delta("add columns to", table.name()))?;
    sync_log(place, table).await?;
    Ok(wider)
}

/// A table that keeps deletions beside its files, or renames columns, would be read wrongly.
fn refuse_unknown(delta: &DeltaTable, table: Table) -> Result<()> {
    let state = delta.snapshot().map_err(LakeError::delta("read", table.name()))?;
    let refuse = |feature: &str| {
        Err(LakeError::Feature { table: table.name(), feature: feature.to_owned() })
    };
    let mapping = state.metadata().configuration().get("delta.columnMapping.mode");
    if mapping.is_some_and(|mode| mode != "none") {
        return refuse("column mapping");
    }
    if state.log_data().iter().any(|file| file.deletion_vector_descriptor().is_some()) {
        return refuse("deletion vectors");
    }
    Ok(())
}

/// Brings a local table's log to the disk: its newest files and the folder that names them.
async fn sync_log(place: &Place, table: Table) -> Result<()> {
    let Some(folder) = place.folder().map(Path::to_owned) else { return Ok(()) };
    // The disk takes its time, and other tables have something to do.
    tokio::task::spawn_blocking(move || {
        let table_folder = folder.join(table.name());
        let log = table_folder.join("_delta_log");
        let mut names = names_in(&log)?;
        names.sort_unstable();
        // A commit, its checkpoint and the pointer to it are the last names of three kinds.
        for name in names.iter().rev().take(4) {
            let path = log.join(name);
            if path.is_file() {
                sync(&path)?;
            }
        }
        sync(&log)?;
        sync(&table_folder)?;
        sync(&folder)
    })
    .await
    .map_err(|e| LakeError::Writer(e.to_string()))?
}

pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(LakeError::io("list", folder))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.collect())
}

/// Files of the table as it stands: path, size, day, statistics.
pub(crate) fn files(delta: &DeltaTable, table: Table) -> Result<Vec<LiveFile>> {
    let state = delta.snapshot().map_err(LakeError::delta("read", table.name()))?;
    let log = state.log_data();
    let files = log.iter().map(|file| LiveFile {
        path: file.object_store_path().to_string(),
        size: file.size() as u64,
        day: partition(&file.partition_values_map()),
        statistics: file.stats(),
        remove: Arc::new(file.remove_action(true)),
    });
    Ok(files.collect())
}

fn partition(values: &HashMap<String, Option<String>>) -> Option<String> {
    values.get("day").cloned().flatten()
}

/// A file that the table's newest version holds.
#[derive(Debug, Clone)]
pub(crate) struct LiveFile {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) day: Option<String>,
    pub(crate) statistics: Option<String>,
    pub(crate) remove: Arc<deltalake::kernel::Remove>,
}

impl LiveFile {
    /// The file's own name.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}
