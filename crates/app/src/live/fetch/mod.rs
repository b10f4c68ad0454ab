//! What the floor fetches by itself: one thread for each entry of `floor.toml`, from where the log and the
//! ledger say that it was left off.
//!
//! Where a thread goes on is a cursor, and it is saved in two steps. It is in the log in one frame with the
//! bytes, so after a crash neither is there without the other. The line brings it to the ledger before the
//! log may let go of the frame. What the log holds is the later word, so it is asked last.

mod config;
mod desk;
mod gauge;
mod services;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use collect::wal::Read;
use collect::{Delivery, Fetcher, Halt, Moment, Position};
use ledger::{Actor, Sender, SenderForm};

use self::config::{Config, Entry, Known};
use self::desk::LogDesk;
use self::gauge::Gauge;
use super::floor::{Floor, Inner, blocking, thread};
use super::from_ledger;
use crate::failure::{Failure, Kind};

pub use gauge::{FetcherStatus, LastError};

/// The file in the data folder that says what is fetched.
const FILE: &str = "floor.toml";
/// Ways by which senders are fetched.
const KINDS: [&str; 3] = ["tail", "bucket", "poll"];
/// How often a thread looks whether the floor closes.
const LOOK: Duration = Duration::from_millis(200);
/// How long the end waits for fetchers.
const LINGER: Duration = Duration::from_secs(5);
/// How long a fetcher rests that could not go on.
const REST: Duration = Duration::from_secs(5);

/// The threads that fetch.
#[derive(Default)]
pub(crate) struct Fetchers {
    stop: Arc<AtomicBool>,
    gauges: Mutex<Vec<Arc<Gauge>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Floor {
    /// Does what a file says, or `floor.toml` in the data folder where there is one: how people log in beside
    /// a password, and what is fetched from now on. Says of what.
    pub async fn configure(&self, file: Option<&Path>) -> Result<Vec<String>, Failure> {
        let own = self.0.options.data.join(FILE);
        let path = match file {
            Some(path) => path.to_owned(),
            None if own.is_file() => own,
            None => return Ok(Vec::new()),
        };
        let loaded = self.0.content.get();
        let (services, problems) = services::load(&loaded.content);
        for problem in problems {
            tracing::warn!(problem, "a service's definition has a mistake and is left out");
        }
        let definitions = loaded.stages.normalizer.definitions();
        let definition = |name: &str| definitions.iter().any(|known| *known.name == *name);
        let known = Known { definition: &definition, services: &services };
        let mut config = Config::read(&path, &known)?;
        self.0.sign_in.configure(std::mem::take(&mut config.sign_in));
        self.enrol(&config).await?;
        let inner = Arc::clone(&self.0);
        blocking(move || start(&inner, config)).await
    }

    /// Makes a sender of each entry, and shuts those off whose entry is gone.
    async fn enrol(&self, config: &Config) -> Result<(), Failure> {
        let actor = Actor::system(FILE);
        let senders = self.0.ledger.senders();
        let mut known: BTreeMap<String, Sender> = BTreeMap::new();
        loop {
            let offset = u32::try_from(known.len()).unwrap_or(u32::MAX);
            let page = senders.list(offset).await.map_err(from_ledger)?;
            let last = page.len() < 500;
            known.extend(page.into_iter().map(|sender| (sender.form.name.clone(), sender)));
            if last {
                break;
            }
        }
        let now = crate::now();
        for entry in &config.entries {
            let form = entry.form();
            match known.remove(&form.name) {
                None => drop(senders.add(&actor, now, &form).await.map_err(from_ledger)?),
                Some(sender) if !KINDS.contains(&sender.form.kind.as_str()) => {
                    let message = format!(
                        "{}: there is a sender `{}` that delivers by {}",
                        entry.place, form.name, sender.form.kind
                    );
                    return Err(
                        Failure::new(Kind::Usage, message).hint("give the entry another name")
                    );
                }
                Some(sender) => {
                    let form = SenderForm { rate_limit: sender.form.rate_limit, ..form };
                    let changed = senders.change(&actor, now, sender.sender_id, None, &form).await;
                    changed.map_err(from_ledger)?;
                }
            }
        }
        let gone = known
            .into_values()
            .filter(|sender| KINDS.contains(&sender.form.kind.as_str()) && sender.form.enabled);
        for sender in gone {
            let form = SenderForm { enabled: false, ..sender.form };
            let changed = senders.change(&actor, now, sender.sender_id, None, &form).await;
            changed.map_err(from_ledger)?;
        }
        Ok(())
    }

    /// How each of them does.
    pub fn fetchers(&self) -> Vec<FetcherStatus> {
        let gauges = self.0.fetchers.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.iter().map(|gauge| gauge.status(crate::now())).collect()
    }
}

impl Fetchers {
    /// Stops them and waits a while until they have. One that still waits for a service is left: nothing
    /// is taken of it any more.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        let until = Instant::now() + LINGER;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
            if thread.is_finished() {
                let _ended = thread.join();
            }
        }
    }
}

fn start(inner: &Arc<Inner>, config: Config) -> Result<Vec<String>, Failure> {
    let left_off = left_off(inner)?;
    let mut told = Vec::new();
    for entry in config.entries.into_iter().filter(|entry| entry.enabled) {
        let prefix = format!("{}/", entry.cursors());
        let saved: BTreeMap<&str, &str> = left_off
            .range(prefix.clone()..)
            .take_while(|(name, _)| name.starts_with(&prefix))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let fetcher = entry.fetcher(&saved, moment(), &inner.runtime)?;
        let gauge = Arc::new(Gauge::new(&entry));
        told.push(format!("{} {}", entry.kind(), entry.name));
        let desk = LogDesk::new(inner, &entry, Arc::clone(&gauge));
        let stop = Arc::clone(&inner.fetchers.stop);
        let running = Arc::clone(&gauge);
        let work = move || run(fetcher, desk, &running, &stop);
        let thread = thread(&format!("fetch {}", entry.name), work)?;
        let fetchers = &inner.fetchers;
        fetchers.gauges.lock().unwrap_or_else(PoisonError::into_inner).push(gauge);
        fetchers.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }
    Ok(told)
}

/// Where everything was left off: what the ledger knows, and over it what the log still holds.
fn left_off(inner: &Inner) -> Result<BTreeMap<String, String>, Failure> {
    let mut all = BTreeMap::new();
    for kind in KINDS {
        let prefix = format!("{kind}/");
        let known = inner.runtime.block_on(inner.ledger.cursors().below(&prefix));
        let known = known.map_err(from_ledger)?.into_iter();
        all.extend(known.map(|(name, saved)| (name, saved.value)));
    }
    let mut reader = inner.wal.reader(Position::START);
    let failed =
        |e: std::io::Error| Failure::new(Kind::System, format!("cannot read the log: {e}"));
    while let Some(read) = reader.try_next().map_err(failed)? {
        if let Read::Delivery(_, Delivery { cursor: Some(cursor), .. }) = read {
            all.insert(cursor.name.to_string(), cursor.value.to_string());
        }
    }
    Ok(all)
}

fn moment() -> Moment {
    Moment { at: Instant::now(), time: crate::now() }
}

fn run(mut fetcher: Box<dyn Fetcher>, mut desk: LogDesk, gauge: &Gauge, stop: &AtomicBool) {
    let _told = Told(gauge);
    while !stop.load(Ordering::Acquire) {
        let wait = match fetcher.turn(moment(), &mut desk) {
            Ok(rest) => {
                gauge.rests(rest.behind, rest.troubles, crate::now());
                rest.wait
            }
            Err(Halt::Closing) => return,
            Err(Halt::Failed(why)) => {
                gauge.rests(0, vec![why], crate::now());
                REST
            }
        };
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || stop.load(Ordering::Acquire) || fetcher.wait(left.min(LOOK)) {
                break;
            }
        }
    }
}

/// A thread that ends by a defect does not end in silence.
struct Told<'g>(&'g Gauge);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let what = "stopped by a defect of this program; it goes on at the next start";
            self.0.rests(0, vec![what.to_owned()], crate::now());
        }
    }
}

impl Entry {
    /// The name under which its places are saved.
    fn cursors(&self) -> String {
        format!("{}/{}", self.kind(), self.name)
    }
}
