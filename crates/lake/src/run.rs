//! A run: everything that one look at some evidence writes, all or nothing.
//!
//! Each table is committed once for a run, and the commit carries the run's id and a mark: odd when
//! the rows are there, even when they were taken back. What a run concluded takes the place of earlier
//! conclusions, which come back when it is taken back. So after a crash at any moment
//!
//! - the same run, started again, writes only the tables that it had not committed yet;
//! - another run first takes back what the broken one left, so that no event is there twice and no
//!   finding names an event that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use deltalake::DeltaTable;
use deltalake::kernel::Remove;
use model::Hasher;
use tokio::task::JoinSet;

use crate::delta::{self, Change, LiveFile, add_action, add_again};
use crate::error::{LakeError, Result};
use crate::files::Written;
use crate::place::{Place, WriterLock};
use crate::rows::EventRows;
use crate::schema::Table;
use crate::writer::{Sender, Writer};

/// What names of files begin with, before the run's id.
const FILE_PREFIX: &str = "run-";
/// What names of files begin with that were written anew, by compaction or deletion.
pub(crate) const KEPT_PREFIX: &str = "kept-";
/// Digits of a run's id.
const ID_DIGITS: usize = 32;

/// A run that is writing. Nothing of it can be queried before [`Run::commit`].
#[derive(Debug)]
pub struct Run {
    place: Place,
    id: String,
    tables: BTreeMap<Table, (DeltaTable, Option<i64>)>,
    writer: Writer,
    staging: Option<PathBuf>,
    _lock: Option<WriterLock>,
}

/// Writes rows for a run, from any thread.
#[derive(Debug, Clone)]
pub struct RunWriter {
    sender: Sender,
    committed: BTreeSet<Table>,
}

impl RunWriter {
    /// Writes a batch with the columns of [`Table::file_schema`]; one of events may lack some. Waits while the writer is behind.
    /// Rows of a table that this run has committed before are let go.
    pub fn write(&self, table: Table, batch: RecordBatch) -> Result<()> {
        if self.committed.contains(&table) {
            return Ok(());
        }
        self.sender.send(table, &batch)
    }

    /// Writes rows of events and leaves none. Waits while the writer is behind; rows of a run that has
    /// committed them before are let go.
    pub fn write_events(&self, rows: &mut EventRows) -> Result<()> {
        if self.committed.contains(&Table::Events) {
            rows.clear();
            return Ok(());
        }
        self.sender.send_rows(rows)
    }

    /// Says that no more events come: the last of them are laid down while the rest of the run is
    /// worked out. Later ones are refused.
    pub fn end_events(&self) {
        self.sender.end_events();
    }
}

impl Run {
    pub(crate) async fn begin(place: &Place, run_key: &str, threads: usize) -> Result<Self> {
        let id = run_id(run_key);
        let (lock, tables) = prepare(place, Some(&id)).await?;
        let mut marked = BTreeMap::new();
        for (table, delta) in tables {
            let mark = delta::mark(&delta, table, &id).await?;
            marked.insert(table, (delta, mark));
        }
        let (folder, staging) = match place.folder() {
            Some(folder) => (folder.to_owned(), None),
            None => {
                let staging =
                    std::env::temp_dir().join(format!("watchfloor-{}-{id}", std::process::id()));
                (staging.clone(), Some(staging))
            }
        };
        // A run that was taken back may write again: its files must not bear the old names.
        let again = marked.values().filter_map(|(_, mark)| *mark).max().unwrap_or(0);
        let writer = Writer::start(&folder, &format!("{FILE_PREFIX}{id}-{again}-"), threads)?;
        Ok(Self { place: place.clone(), id, tables: marked, writer, staging, _lock: lock })
    }

    /// True when this run's rows of the table are there already, from an earlier start of it.
    pub fn is_committed(&self, table: Table) -> bool {
        self.tables.get(&table).is_some_and(|(_, mark)| mark.is_some_and(is_committed))
    }

    /// True when the run is whole: there is nothing left to do.
    pub fn is_complete(&self) -> bool {
        self.is_committed(Table::Runs)
    }

    /// A door for rows; clone it for each thread.
    pub fn writer(&self) -> RunWriter {
        let committed = Table::ALL.into_iter().filter(|t| self.is_committed(*t)).collect();
        RunWriter { sender: self.writer.sender(), committed }
    }

    /// Ends the writer, brings every file to the disk, and commits: events first, so that nothing names
    /// an event that is not there; then the other tables at once; last the run itself, which says that it
    /// is whole. When it returns, a power cut takes nothing away.
    pub async fn commit(self) -> Result<Committed> {
        self.commit_replacing(Table::is_concluded).await
    }

    /// As [`Run::commit`], but of the tables of conclusions only those that `anew` names take the place
    /// of what stood; to the others rows are added. A live floor concludes bit by bit.
    pub async fn commit_adding(self, anew: &[Table]) -> Result<Committed> {
        self.commit_replacing(|table| anew.contains(&table)).await
    }

    async fn commit_replacing(self, is_anew: impl Fn(Table) -> bool) -> Result<Committed> {
        let Self { place, id, tables, writer, staging, _lock } = self;
        let written = tokio::task::spawn_blocking(move || writer.finish())
            .await
            .map_err(|e| LakeError::Writer(e.to_string()))??;
        let mut rows = BTreeMap::new();
        for file in &written {
            if tables.get(&file.table).is_some_and(|(_, mark)| !mark.is_some_and(is_committed)) {
                *rows.entry(file.table).or_insert(0) += file.rows;
            }
        }
        let bytes = written.iter().map(|file| file.size).sum();
        let files = written.len();
        let share = Arc::new(Share { place, id, staging, written });
        let mut steps: [Vec<_>; 3] = Default::default();
        for (table, (delta, mark)) in tables {
            let [first, middle, last] = &mut steps;
            let step = match table {
                Table::Events => first,
                Table::Runs => last,
                _ => middle,
            };
            if !mark.is_some_and(is_committed) {
                let anew = is_anew(table);
                step.push((table, delta, mark.unwrap_or(0) + 1, anew));
            }
        }
        for step in steps {
            let mut committing = JoinSet::new();
            for (table, delta, mark, anew) in step {
                let share = Arc::clone(&share);
                committing.spawn(async move { share.commit(table, &delta, mark, anew).await });
            }
            while let Some(done) = committing.join_next().await {
                done.map_err(|e| LakeError::Writer(e.to_string()))??;
            }
        }
        if let Some(staging) = &share.staging {
            let _ = std::fs::remove_dir_all(staging);
        }
        Ok(Committed { rows, bytes, files })
    }
}

/// What the commits of all tables share.
struct Share {
    place: Place,
    id: String,
    staging: Option<PathBuf>,
    written: Vec<Written>,
}

impl Share {
    /// Commits the run's rows of one table, in the place of what it holds when they are concluded anew.
    async fn commit(&self, table: Table, delta: &DeltaTable, mark: i64, anew: bool) -> Result<()> {
        let mut adds = Vec::new();
        for file in self.written.iter().filter(|file| file.table == table) {
            if let Some(staging) = &self.staging {
                upload(staging, file, delta).await?;
            }
            adds.push(add_action(file, true));
        }
        let removes = if anew { removes(delta, table)? } else { Vec::new() };
        let change = Change::Append { run: &self.id, mark };
        delta::commit(&self.place, table, delta, adds, removes, change).await
    }
}

/// Takes away all that the table holds.
fn removes(delta: &DeltaTable, table: Table) -> Result<Vec<Remove>> {
    let files = delta::files(delta, table)?;
    Ok(files.into_iter().map(|file| file.remove.as_ref().clone()).collect())
}

/// What every writer begins with: the lock (local lakes), all tables, and nothing left of runs that
/// were killed, but for the one to be kept because it goes on.
pub(crate) async fn prepare(
    place: &Place,
    keep: Option<&str>,
) -> Result<(Option<WriterLock>, BTreeMap<Table, DeltaTable>)> {
    let lock = match place.folder() {
        Some(folder) => {
            crate::place::make_folder(folder)?;
            Some(WriterLock::take(folder)?)
        }
        None => None,
    };
    let mut opening = JoinSet::new();
    for table in Table::ALL {
        let place = place.clone();
        opening.spawn(async move { (table, delta::open_or_create(&place, table).await) });
    }
    let mut tables = BTreeMap::new();
    while let Some(opened) = opening.join_next().await {
        let (table, delta) = opened.map_err(|e| LakeError::Writer(e.to_string()))?;
        tables.insert(table, delta?);
    }
    take_back_broken(place, &mut tables, keep).await?;
    if place.folder().is_some() {
        for (table, delta) in &tables {
            remove_orphans(place, *table, delta).await?;
        }
    }
    Ok((lock, tables))
}

/// What a commit added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Rows by table.
    pub rows: BTreeMap<Table, u64>,
    /// Bytes of Parquet.
    pub bytes: u64,
    /// Files.
    pub files: usize,
}

/// The id of a run: the key may hold paths, which do not belong in a log or a file name.
pub(crate) fn run_id(run_key: &str) -> String {
    let bytes = Hasher::new("run").part(run_key.as_bytes()).finish();
    bytes.iter().fold(String::with_capacity(ID_DIGITS), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn is_committed(mark: i64) -> bool {
    mark % 2 == 1
}

/// The run that a file's name tells of.
fn run_of(name: &str) -> Option<&str> {
    name.strip_prefix(FILE_PREFIX)?.get(..ID_DIGITS)
}

/// True for files of this lake's own writer.
pub(crate) fn is_ours(name: &str) -> bool {
    run_of(name).is_some() || name.starts_with(KEPT_PREFIX)
}

/// Takes back the rows of runs, other than `keep`, that committed some tables and not the last one.
async fn take_back_broken(
    place: &Place,
    tables: &mut BTreeMap<Table, DeltaTable>,
    keep: Option<&str>,
) -> Result<()> {
    let mut broken: BTreeSet<String> = BTreeSet::new();
    for (table, delta) in tables.iter() {
        for file in delta::files(delta, *table)? {
            if let Some(run) = run_of(file.name())
                && Some(run) != keep
            {
                broken.insert(run.to_owned());
            }
        }
    }
    let Some(runs) = tables.get(&Table::Runs) else { return Ok(()) };
    let mut whole = BTreeSet::new();
    for run in &broken {
        if delta::mark(runs, Table::Runs, run).await?.is_some_and(is_committed) {
            whole.insert(run.clone());
        }
    }
    for run in broken.difference(&whole) {
        tracing::warn!(run, "a run ended before it was whole: its rows are taken back");
        for (table, delta) in tables.iter_mut() {
            let Some(mark) = delta::mark(delta, *table, run).await? else { continue };
            if !is_committed(mark) {
                continue;
            }
            let is_of_run = |file: &LiveFile| run_of(file.name()) == Some(run.as_str());
            let live = delta::files(delta, *table)?;
            let removes =
                live.iter().filter(|f| is_of_run(f)).map(|f| f.remove.as_ref().clone()).collect();
            let back = if table.is_concluded() {
                delta::files_before(place, *table, delta, is_of_run).await?
            } else {
                Vec::new()
            };
            // A run that only added left what was there before where it was.
            let gone = |file: &&LiveFile| !live.iter().any(|other| other.path == file.path);
            let adds = back.iter().filter(gone).map(add_again).collect();
            let change = Change::TakeBack { run, mark: mark + 1 };
            delta::commit(place, *table, delta, adds, removes, change).await?;
            delta.update_state().await.map_err(LakeError::delta("read", table.name()))?;
        }
    }
    Ok(())
}

/// Removes files that a killed run left and no version of the table names. Only under the lock.
async fn remove_orphans(place: &Place, table: Table, delta: &DeltaTable) -> Result<()> {
    use futures::TryStreamExt as _;
    let Some(folder) = place.folder().map(|folder| folder.join(table.name())) else {
        return Ok(());
    };
    let mut found = Vec::new();
    for name in delta::names_in(&folder)? {
        if name.starts_with("day=") {
            let inner = delta::names_in(&folder.join(&name))?;
            found.extend(inner.into_iter().map(|file| format!("{name}/{file}")));
        } else {
            found.push(name);
        }
    }
    found.retain(|path| is_ours(path.rsplit('/').next().unwrap_or(path)));
    if found.is_empty() {
        return Ok(());
    }
    let live = delta::files(delta, table)?;
    let mut named: BTreeSet<String> = live.into_iter().map(|LiveFile { path, .. }| path).collect();
    let log_store = delta.log_store();
    let state = delta.snapshot().map_err(LakeError::delta("read", table.name()))?;
    let tombstones: Vec<_> = state
        .all_tombstones(log_store.as_ref())
        .map_ok(|tombstone| tombstone.path().to_string())
        .try_collect()
        .await
        .map_err(LakeError::delta("read", table.name()))?;
    named.extend(tombstones);
    for path in found.into_iter().filter(|path| !named.contains(path)) {
        let full = folder.join(&path);
        tracing::info!(path = %full.display(), "removing a file that a killed run left");
        std::fs::remove_file(&full).map_err(LakeError::io("remove", &full))?;
    }
    Ok(())
}

/// Carries a staged file to the table's store.
async fn upload(staging: &std::path::Path, file: &Written, delta: &DeltaTable) -> Result<()> {
    use object_store::ObjectStoreExt as _;
    use tokio::io::AsyncReadExt as _;
    let full = staging.join(file.table.name()).join(&file.path);
    let mut source = tokio::fs::File::open(&full).await.map_err(LakeError::io("open", &full))?;
    let store = delta.object_store();
    let target = object_store::path::Path::from(file.path.as_str());
    let fail = |e: object_store::Error| LakeError::delta("upload to", file.table.name())(e.into());
    if file.size <= 8 << 20 {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).await.map_err(LakeError::io("read", &full))?;
        store.put(&target, bytes.into()).await.map_err(fail)?;
    } else {
        let mut parts = object_store::buffered::BufWriter::new(store, target);
        tokio::io::copy(&mut source, &mut parts).await.map_err(LakeError::io("upload", &full))?;
        tokio::io::AsyncWriteExt::shutdown(&mut parts)
            .await
            .map_err(LakeError::io("upload", &full))?;
    }
    tokio::fs::remove_file(&full).await.map_err(LakeError::io("remove", &full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_its_run() {
        let id = run_id("some evidence");
        assert_eq!(id.len(), ID_DIGITS);
        assert_eq!(run_of(&format!("{FILE_PREFIX}{id}-0-00000.parquet")), Some(id.as_str()));
        assert_eq!(run_of("part-0.parquet"), None);
        assert_eq!(run_of("run-short"), None);
    }
}
