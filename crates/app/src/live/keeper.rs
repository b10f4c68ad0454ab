//! The keeper: brings what was read to the lake, some time's worth in one commit, and lets go of it in
//! the log once it is there.
//!
//! What is not committed yet is the tail, which queries see too. A crash loses the tail and nothing
//! else: the log is read again from the last commit on, and makes the same rows with the same ids.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use collect::Position;
use collect::wal::Wal;
use lake::{Lake, RunRow, Table, Tail};

use super::saved::{self, Saved};
use crate::failure::Failure;
use crate::investigate::from_lake;

/// When a commit is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// When the oldest row that waits has waited for this long.
    pub(crate) age: Duration,
    /// When the rows take this much memory.
    pub(crate) bytes: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { age: Duration::from_secs(30), bytes: 96 << 20 }
    }
}

/// Times the memory of a commit that may wait while another is made, before the line has to wait. Under
/// a flood all of it is full: it is a fifth of what the floor takes then.
const BEHIND: usize = 1;
/// How long to wait after a commit that failed.
const RETRY: Duration = Duration::from_secs(5);
/// Commits after which small files are put together: often, so that it is little at a time.
const COMPACT: u64 = 10;
/// How often files that are part of no table any more go, and for how long they stay for those who read
/// them still.
const FREE: Duration = Duration::from_hours(1);
const SPARED: Duration = Duration::from_mins(30);

/// Conclusions as they stand, written anew into the lake with a commit.
pub(crate) type Conclusions = dyn Fn() -> Result<Vec<(Table, lake::RecordBatch)>, Failure> + Send;

/// Rows between two commits, and where everything stood behind them.
struct Part {
    tail: Tail,
    events: u64,
    saved: Saved,
}

#[derive(Default)]
struct State {
    /// What is being committed.
    sealed: Option<Part>,
    tail: Tail,
    events: u64,
    since: Option<Instant>,
    closing: bool,
    hurry: bool,
    /// What the last commit failed with.
    failure: Option<String>,
    commits: u64,
    /// How many commits there were when small files were last put together.
    tidied: u64,
    /// When the disk was last freed of old files.
    freed: Option<Instant>,
    committed: Option<Position>,
}

/// The tail, and when it becomes part of the lake.
pub(crate) struct Keeper {
    data: PathBuf,
    pace: Pace,
    state: Mutex<State>,
    changed: Condvar,
    /// Held by whoever opens the lake and the tail together, so that no row is in both or in neither.
    gate: RwLock<()>,
}

/// How the keeper is doing.
#[derive(Debug, Clone, Default, serde::Serialize, schemars::JsonSchema)]
pub struct KeeperHealth {
    /// Commits since the start.
    pub commits: u64,
    /// The number of the last delivery that is in the lake.
    pub committed: Option<u64>,
    /// Events that wait for a commit.
    pub waiting_events: u64,
    /// Bytes of memory that they take.
    pub waiting_bytes: u64,
    /// Why the last commit failed, when it did.
    pub failure: Option<String>,
}

impl Keeper {
    pub(crate) fn new(data: PathBuf, pace: Pace, committed: Option<Position>) -> Self {
        Self {
            data,
            pace,
            state: Mutex::new(State { committed, ..State::default() }),
            changed: Condvar::new(),
            gate: RwLock::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the rows of one turn of the line. Waits while the lake is behind: the log then grows, and
    /// when it is full senders are told so.
    pub(crate) fn take(&self, tail: &Tail, events: u64) {
        let mut state = self.state();
        while state.tail.bytes() > self.pace.bytes * BEHIND
            && state.sealed.is_some()
            && !state.closing
        {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.tail.append(tail);
        state.events += events;
        state.since.get_or_insert_with(Instant::now);
    }

    /// True when the line should [`Keeper::seal`] what it handed over so far. What an earlier process
    /// left is old already: it is committed as it is read, so that a floor that dies again and again
    /// comes further each time.
    pub(crate) fn wants(&self, catching_up: bool) -> bool {
        let state = self.state();
        let old = state.since.is_some_and(|since| since.elapsed() >= self.pace.age);
        let due = catching_up || old || state.tail.bytes() >= self.pace.bytes || state.hurry;
        due && state.since.is_some() && state.sealed.is_none()
    }

    /// Seals what was handed over: the next commit. `saved` tells where everything stands now.
    pub(crate) fn seal(&self, saved: Saved) {
        let mut state = self.state();
        while state.sealed.is_some() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.since.take().is_some() {
            let tail = std::mem::take(&mut state.tail);
            let events = std::mem::take(&mut state.events);
            state.hurry = false;
            state.sealed = Some(Part { tail, events, saved });
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The lake with the tail, as of one moment. Keep the guard until the tables are open.
    pub(crate) fn lake(&self) -> Result<(Lake, RwLockReadGuard<'_, ()>), Failure> {
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let mut tail = state.sealed.as_ref().map(|part| part.tail.clone()).unwrap_or_default();
        tail.append(&state.tail);
        drop(state);
        Ok((crate::open_lake(&self.data)?.with_tail(tail), gate))
    }

    /// Asks for a commit now.
    pub(crate) fn hurry(&self) {
        self.state().hurry = true;
    }

    /// Ends [`Keeper::run`] after what is sealed.
    pub(crate) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    pub(crate) fn health(&self) -> KeeperHealth {
        let state = self.state();
        let sealed = state.sealed.as_ref();
        KeeperHealth {
            commits: state.commits,
            committed: state.committed.map(|position| position.0),
            waiting_events: state.events + sealed.map_or(0, |part| part.events),
            waiting_bytes: (state.tail.bytes() + sealed.map_or(0, |p| p.tail.bytes())) as u64,
            failure: state.failure.clone(),
        }
    }

    /// Commits what is sealed, until it is closed. Runs on a thread of its own.
    pub(crate) fn run(
        &self,
        runtime: &tokio::runtime::Handle,
        wal: &Wal,
        conclusions: &Conclusions,
    ) {
        while let Some((tail, events, saved)) = self.next() {
            while let Err(failure) = self.commit(runtime, wal, conclusions, (&tail, events, &saved))
            {
                tracing::error!(%failure, "a commit to the lake failed; it is tried again");
                let mut state = self.state();
                state.failure = Some(failure.message);
                if state.closing {
                    // The log still holds all of it.
                    return;
                }
                let waited = self.changed.wait_timeout_while(state, RETRY, |state| !state.closing);
                drop(waited);
            }
            self.tidy(runtime);
        }
    }

    /// Waits for something sealed; none at the end.
    fn next(&self) -> Option<(Tail, u64, Saved)> {
        let mut state = self.state();
        loop {
            if let Some(part) = &state.sealed {
                return Some((part.tail.clone(), part.events, part.saved.clone()));
            }
            if state.closing {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn commit(
        &self,
        runtime: &tokio::runtime::Handle,
        wal: &Wal,
        conclusions: &Conclusions,
        (tail, events, saved): (&Tail, u64, &Saved),
    ) -> Result<(), Failure> {
        let through = saved.through;
        saved.write(&self.data)?;
        let started_at = crate::now();
        let key = format!("live {through} {}", started_at.0);
        let run = runtime.block_on(crate::open_lake(&self.data)?.run(&key)).map_err(from_lake)?;
        let writer = run.writer();
        let put = |table, batch| writer.write(table, batch).map_err(from_lake);
        for (table, batch) in tail.batches() {
            put(table, batch.clone())?;
        }
        let concluded = conclusions()?;
        let anew: Vec<Table> = concluded.iter().map(|(table, _)| *table).collect();
        for (table, batch) in concluded {
            put(table, batch)?;
        }
        let row = RunRow {
            run_key: key,
            started_at,
            finished_at: crate::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: serde_json::json!({ "live": { "through": through.0 }, "events": events }),
        };
        put(Table::Runs, lake::runs_batch(&[row]).map_err(from_lake)?)?;
        drop(writer);
        {
            let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            runtime.block_on(run.commit_adding(&anew)).map_err(from_lake)?;
            let mut state = self.state();
            state.sealed = None;
            state.commits += 1;
            state.committed = Some(through);
            state.failure = None;
        }
        self.changed.notify_all();
        saved::forget_before(&self.data, through);
        if let Err(error) = wal.release(through.next()) {
            tracing::warn!(%error, "segments of the log that are not needed any more stay");
        }
        Ok(())
    }

    /// Puts small files together from time to time, and frees the disk of those that they were, on one
    /// core: the line has better use for the others.
    /// No row comes or goes by it, so that nobody who asks has to wait. It is no harm when it does not
    /// work.
    fn tidy(&self, runtime: &tokio::runtime::Handle) {
        let mut state = self.state();
        // Under a flood there is neither time nor memory for it.
        let flooded = state.tail.bytes() > self.pace.bytes / 2;
        let due = state.commits - state.tidied >= COMPACT && !state.closing && !flooded;
        if !due {
            return;
        }
        state.tidied = state.commits;
        let now = Instant::now();
        let free = state.freed.get_or_insert(now).elapsed() >= FREE;
        if free {
            state.freed = Some(now);
        }
        drop(state);
        let lake = match crate::open_lake(&self.data) {
            Ok(lake) => lake.with_threads(1),
            Err(failure) => {
                tracing::warn!(%failure, "small files stay apart");
                return;
            }
        };
        if let Err(error) = runtime.block_on(lake.compact_all()) {
            tracing::warn!(%error, "small files stay apart");
        }
        if !free {
            return;
        }
        match runtime.block_on(lake.vacuum_all(SPARED)) {
            Ok(files) => tracing::debug!(files, "old files of the lake are gone"),
            Err(error) => tracing::warn!(%error, "old files of the lake stay on the disk"),
        }
    }
}

/// The last delivery that is in the lake.
pub(crate) fn committed(data: &std::path::Path) -> Result<Option<Position>, Failure> {
    if !data.join("lake").is_dir() {
        return Ok(None);
    }
    let asker = crate::ask::Asker::open(data)?;
    let mut last = None;
    for row in asker.rows("SELECT summary FROM runs WHERE run_key LIKE 'live %'")? {
        let text = crate::tell::rows::text(&row, "summary");
        let summary: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        last = last.max(summary.pointer("/live/through").and_then(serde_json::Value::as_u64));
    }
    Ok(last.map(Position))
}
