//! The floor: an open data folder on which everything happens while it happens.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use collect::sockets::Listener;
use collect::wal::{self, Wal};
use collect::{Delivery, Full, Intake, Offer, Position, Refusal};
use ledger::Ledger;
use model::Micros;
use tokio::sync::Semaphore;

use super::content::{self, ContentRefused, InForce, Loaded, Wanted};
use super::costs::{Costs, ShutOff};
use super::fetch::{FetcherStatus, Fetchers};
use super::figures::{Figures, LineHealth, Notice, Trouble};
use super::keeper::{self, Conclusions, Keeper, KeeperHealth, Pace};
use super::line::Line;
use super::listeners::{SocketKind, SocketStatus};
use super::own;
use super::pressure::Pressure;
use super::steady::Steady;
use crate::Meter;
use crate::access::{Seal, SignIn};
use crate::cases::{AT_ONCE, Gate, Stretches};
use crate::content::Content;
use crate::failure::{Failure, Kind, system};
use crate::off::RuleOff;
use crate::scratch::FolderLock;
use crate::stages::{RuleChoice, Stages};

/// How often alerts and incidents are written into the lake.
const CONCLUSIONS: Duration = Duration::from_mins(5);

/// What a floor is opened with.
#[derive(Debug, Clone)]
pub struct FloorOptions {
    /// The data folder.
    pub data: PathBuf,
    /// Where the ledger is kept when not in the data folder: a `postgres://` URL or a path.
    pub ledger: Option<String>,
    /// Rules beside the built-in ones.
    pub rules: RuleChoice,
    /// The user's own content, watched for changes.
    pub content: Option<PathBuf>,
    /// Threads that read and detect.
    pub threads: usize,
    /// Bytes of disk that the write-ahead log may take.
    pub log_bytes: u64,
}

/// An open floor. Clones are the same floor.
#[derive(Clone)]
pub struct Floor(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) options: FloorOptions,
    pub(crate) threads: usize,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) wal: Wal,
    pub(crate) ledger: Ledger,
    pub(crate) keeper: Keeper,
    pub(crate) figures: Arc<Figures>,
    pub(crate) pressure: Arc<Pressure>,
    /// The last delivery that an earlier process took: those behind it are booked.
    pub(crate) found: Position,
    pub(crate) costs: Costs,
    pub(crate) listeners: Mutex<Vec<(SocketKind, Listener)>>,
    /// Held while sockets are told who is known, so that what was read last is said last.
    pub(crate) roster: tokio::sync::Mutex<()>,
    pub(crate) fetchers: Fetchers,
    pub(crate) gate: Gate,
    /// Turns to ask the lake.
    pub(crate) asking: Arc<Semaphore>,
    /// Searches that have their line in the audit trail.
    pub(crate) stretches: Stretches,
    /// Turns to check what people write.
    pub(crate) checking: Arc<Semaphore>,
    pub(crate) seal: Seal,
    /// Ways to log in beside a password.
    pub(crate) sign_in: SignIn,
    pub(crate) meter: Meter,
    pub(crate) started_at: Micros,
    pub(crate) steady: Steady,
    /// The last delivery that has been read and concluded upon.
    pub(crate) read: tokio::sync::watch::Sender<Position>,
    pub(crate) content: InForce,
    closing: AtomicBool,
    threads_of: Mutex<Vec<JoinHandle<()>>>,
    _lock: FolderLock,
}

impl Inner {
    /// The definitions and rules in force.
    pub(crate) fn stages(&self) -> Arc<Stages> {
        Arc::clone(&self.content.get().stages)
    }

    pub(crate) fn closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// How a floor is.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct Status {
    /// The program's version.
    pub version: &'static str,
    /// When the floor was opened.
    pub started_at: Micros,
    /// Now.
    pub now: Micros,
    /// True when nothing is in trouble.
    pub well: bool,
    /// What does not work at present.
    pub troubles: Vec<Trouble>,
    /// What happened since the start and is over.
    pub notices: Vec<Notice>,
    /// How far reading is with what was taken.
    pub line: LineHealth,
    /// Deliveries taken since the start, and refused.
    pub deliveries: u64,
    /// Deliveries that were refused, each said to its sender.
    pub refused: u64,
    /// Events read since the start.
    pub events: u64,
    /// Events a second over the last minute.
    pub events_per_second: f64,
    /// Findings of rules on single events since the start.
    pub findings: u64,
    /// Matches that correlations did not count: their clocks are a day or more ahead.
    pub matches_ahead: u64,
    /// Rules loaded, and files or rules that did not load.
    pub rules: usize,
    /// Rules that are shut off because they took too long.
    pub rules_shut_off: Vec<ShutOff>,
    /// Rules that people switched off.
    pub rules_off: Vec<RuleOff>,
    /// When the content in force was loaded.
    pub content_loaded_at: Micros,
    /// Mistakes in the content in force: each names its file, and where there is a place the line.
    pub content_problems: Vec<String>,
    /// A change of the content that has new mistakes: until they are mended, what was in force stays.
    pub content_refused: Option<ContentRefused>,
    /// Bytes that the write-ahead log takes, and may take.
    pub log_bytes: u64,
    /// The sockets.
    pub sockets: Vec<SocketStatus>,
    /// What is fetched.
    pub fetchers: Vec<FetcherStatus>,
    /// How the lake's keeper does.
    pub lake: KeeperHealth,
    /// The database of the ledger.
    pub ledger: String,
}

impl Floor {
    /// Opens a data folder and begins to work on what its log still holds. Must be called within the
    /// runtime on which the ledger and the lake are to work.
    pub async fn open(content: &Content, mut options: FloorOptions) -> Result<Self, Failure> {
        std::fs::create_dir_all(&options.data).map_err(system("cannot make the data folder"))?;
        let lock = FolderLock::take(&options.data)?;
        own::folder(&options.data)?;
        options.rules = options.rules.of_floor(&options.data);
        let content = InForce::new(Loaded::of(content.clone(), &options)?);
        let place = match &options.ledger {
            Some(text) => ledger::Place::parse(text).map_err(super::from_ledger)?,
            None => ledger::Place::in_folder(&options.data),
        };
        let ledger =
            Ledger::open(&place, &ledger::Options::default()).await.map_err(super::from_ledger)?;
        let data = options.data.clone();
        if data.join("lake").is_dir() {
            // What a killed commit left would be seen beside the same rows read from the log again.
            let mended = crate::open_lake(&data)?.mend().await;
            mended.map_err(crate::investigate::from_lake)?;
        }
        let committed = blocking(move || keeper::committed(&data)).await?;
        let wal_options = wal::Options {
            quota_bytes: options.log_bytes,
            after: committed.unwrap_or_default(),
            ..wal::Options::default()
        };
        let wal = Wal::open(options.data.join("wal"), wal_options)
            .map_err(|error| Failure::new(Kind::System, error.to_string()))?;
        let found = wal.metrics().last;
        let keeper = Keeper::new(options.data.clone(), Pace::default(), committed);
        let inner = Arc::new(Inner {
            threads: options.threads.max(1),
            runtime: tokio::runtime::Handle::current(),
            wal,
            ledger,
            keeper,
            figures: Arc::default(),
            pressure: Arc::default(),
            found,
            costs: Costs::default(),
            listeners: Mutex::default(),
            roster: tokio::sync::Mutex::default(),
            fetchers: Fetchers::default(),
            gate: Gate::default(),
            asking: Arc::new(Semaphore::new(AT_ONCE)),
            stretches: Stretches::default(),
            checking: Arc::new(Semaphore::new(1)),
            seal: Seal::of(&options.data)?,
            sign_in: SignIn::default(),
            meter: Meter::default(),
            started_at: crate::now(),
            steady: Steady::new(crate::now()),
            read: tokio::sync::watch::Sender::new(committed.unwrap_or_default()),
            content,
            closing: AtomicBool::new(false),
            threads_of: Mutex::default(),
            _lock: lock,
            options,
        });
        let floor = Self(inner);
        let starting = floor.clone();
        blocking(move || starting.start(committed)).await?;
        Ok(floor)
    }

    /// Restores what was being counted and starts the threads.
    fn start(&self, committed: Option<Position>) -> Result<(), Failure> {
        let inner = &self.0;
        if committed.is_none() {
            super::restore::import(inner)?;
        }
        super::chores::recall_shut_off(inner)?;
        let off = inner.stages().off_here().count();
        if off > 0 {
            tracing::warn!(rules = off, "rules are switched off and look at nothing");
        }
        let restored = super::restore::restore(inner, committed)?;
        let reader = inner.wal.reader(committed.map_or(Position::START, collect::Position::next));
        let line = Line::new(Arc::clone(inner), reader, restored);
        let (keeping, chores, content) = (Arc::clone(inner), Arc::clone(inner), Arc::clone(inner));
        let mut threads = vec![
            thread("line", move || line.run())?,
            thread("keeper", move || {
                let conclusions = conclusions(&keeping);
                keeping.keeper.run(&keeping.runtime, &keeping.wal, &*conclusions);
            })?,
            thread("chores", move || super::chores::run(&chores))?,
            thread("content", move || content::watch(&content))?,
        ];
        inner.threads_of.lock().unwrap_or_else(PoisonError::into_inner).append(&mut threads);
        Ok(())
    }

    /// Takes nothing more, reads what was taken, commits it, and ends. What cannot be committed stays in
    /// the log for the next start.
    pub async fn close(&self) {
        self.stop_listening().await;
        let inner = Arc::clone(&self.0);
        let _ended = blocking(move || {
            inner.fetchers.stop();
            inner.wal.close();
            inner.closing.store(true, Ordering::Release);
            let mut threads = inner.threads_of.lock().unwrap_or_else(PoisonError::into_inner);
            // The line ends first, then the keeper commits what it left.
            let mut threads = threads.drain(..);
            if let Some(line) = threads.next() {
                let _ended = line.join();
            }
            inner.keeper.close();
            for thread in threads {
                let _ended = thread.join();
            }
            Ok(())
        })
        .await;
        self.0.ledger.close().await;
    }

    /// Loads the content anew, as a person wants it: the sound part comes into force between two turns of the
    /// line. Says what has mistakes.
    pub async fn reload(&self) -> Result<Vec<String>, Failure> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            content::change(&inner, Wanted::ByPerson)?;
            let problems = inner.content.get().problems.clone();
            for problem in &problems {
                tracing::warn!("a mistake in the content; the rest of it is in force:\n{problem}");
            }
            Ok(problems)
        })
        .await
    }

    /// Waits until a delivery has been read and what follows from it is in the ledger.
    pub async fn has_read(&self, position: Position) {
        let mut read = self.0.read.subscribe();
        // It fails only when the floor is gone, and the floor is here.
        let _read = read.wait_for(|at| *at >= position).await;
    }

    /// Asks for a commit to the lake, without waiting for it.
    pub fn hurry(&self) {
        self.0.keeper.hurry();
    }

    /// How it is.
    pub fn status(&self) -> Status {
        let inner = &self.0;
        let now = crate::now();
        let content = inner.content.get();
        let mut troubles = inner.figures.troubles();
        let lake = inner.keeper.health();
        if let Some(failure) = &lake.failure {
            let message = failure.clone();
            troubles.push(Trouble { part: "lake", since: now, times: 1, message });
        }
        let mut notices = inner.figures.notices();
        let log = inner.wal.health();
        for problem in &log.problems {
            let (since, message) = (inner.started_at, problem.to_string());
            if problem.is_loss() {
                troubles.push(Trouble { part: "log", since, times: 1, message });
            } else {
                notices.push(Notice { part: "log", at: since, message });
            }
        }
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started_at: inner.started_at,
            now,
            well: troubles.is_empty(),
            troubles,
            notices,
            line: self.line(now),
            deliveries: inner.figures.deliveries.load(Ordering::Relaxed),
            refused: inner.figures.refused.load(Ordering::Relaxed),
            events: inner.figures.events.load(Ordering::Relaxed),
            events_per_second: inner.figures.rate(inner.steady.now()),
            findings: inner.figures.findings.load(Ordering::Relaxed),
            matches_ahead: inner.figures.ahead.load(Ordering::Relaxed),
            rules: content.stages.rules.list().len(),
            rules_shut_off: inner.costs.shut_off(),
            rules_off: content.stages.off.clone(),
            content_loaded_at: content.at,
            content_problems: content.problems.clone(),
            content_refused: inner.content.refused(),
            log_bytes: inner.wal.metrics().disk_bytes,
            sockets: self.sockets(),
            fetchers: self.fetchers(),
            lake,
            ledger: inner.ledger.place().to_string(),
        }
    }
}

impl Floor {
    /// How far reading is.
    fn line(&self, now: Micros) -> LineHealth {
        let read = self.0.read.borrow().0;
        let unread = self.0.wal.metrics().last.0.saturating_sub(read);
        let since = self.0.figures.reading.load(Ordering::Relaxed);
        let waited = now.0.saturating_sub(since).max(0) as f64 / 1e6;
        let lag_seconds = if unread == 0 { 0.0 } else { waited };
        LineHealth { read, unread, unread_bytes: self.0.pressure.unread(), lag_seconds }
    }
}

/// What deliveries come in by. It holds the log and not the floor, so that sockets, which hold it, do not
/// keep the floor open.
#[derive(Clone)]
pub(crate) struct Door {
    wal: Wal,
    figures: Arc<Figures>,
    pressure: Arc<Pressure>,
    /// Whether those who come by it keep what is refused.
    patient: bool,
}

impl Floor {
    /// The door of this floor, for senders that keep what is refused, or for such as do not.
    pub(crate) fn door(&self, patient: bool) -> Door {
        let (figures, pressure) = (Arc::clone(&self.0.figures), Arc::clone(&self.0.pressure));
        Door { wal: self.0.wal.clone(), figures, pressure, patient }
    }
}

impl Intake for Door {
    fn offer(&self, delivery: Delivery) -> Offer<'_> {
        let (sender, bytes) = (Arc::clone(&delivery.sender), delivery.bytes.len() as u64);
        let booked = match self.patient {
            true => self.pressure.book(&sender, bytes, Instant::now()),
            false => {
                self.pressure.book_anyway(&sender, bytes);
                Ok(())
            }
        };
        // In the queue when this returns: deliveries are taken in the order in which they are offered.
        let offered = booked.map(|()| self.wal.append(delivery));
        Box::pin(async move {
            let offered = match offered {
                Ok(offered) => {
                    let offered = offered.await;
                    if offered.is_err() {
                        self.pressure.done(&sender, bytes);
                    }
                    offered
                }
                Err(retry_after) => Err(Refusal::Full { what: Full::Reading, retry_after }),
            };
            let counter = match &offered {
                Ok(_) => &self.figures.deliveries,
                Err(_) => &self.figures.refused,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            offered
        })
    }
}

/// Alerts and incidents as the ledger has them, for the lake: whoever asks it in SQL later finds them
/// there without the ledger. They are written when they changed, from time to time and at the end.
fn conclusions(inner: &Arc<Inner>) -> Box<Conclusions> {
    let inner = Arc::clone(inner);
    let last = Mutex::new((0, None::<Instant>));
    Box::new(move || {
        let told = inner.figures.told.load(Ordering::Relaxed);
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = last.1.is_some_and(|at| at.elapsed() < CONCLUSIONS) && !inner.closing();
        if told == last.0 || recent {
            return Ok(Vec::new());
        }
        let concluded = super::restore::conclusions(&inner)?;
        *last = (told, Some(Instant::now()));
        Ok(concluded)
    })
}

pub(super) fn thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Failure> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(system("cannot start a thread"))
}

/// Does work that blocks, away from the tasks.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| {
        Err(Failure::new(Kind::Defect, format!("a part of the program failed: {error}")))
    })
}
