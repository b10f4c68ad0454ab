//! What the floor says of itself: counters, and what is wrong right now.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Micros;
use schemars::JsonSchema;
use serde::Serialize;

use super::reading::{Heard, Made};

/// Seconds over which rates are told.
const RATE_SECONDS: i64 = 60;

/// By sender and source definition (empty where none knew the record).
pub(crate) type HeardOf = BTreeMap<(Arc<str>, String), Heard>;

/// Counters of a running floor.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) deliveries: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) findings: AtomicU64,
    /// Alerts and incidents that triage told of, again and again.
    pub(crate) told: AtomicU64,
    /// Matches with a clock that is not believed.
    pub(crate) ahead: AtomicU64,
    /// When the oldest delivery of the line's turn was received, in microseconds since 1970.
    pub(crate) reading: AtomicI64,
    inner: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// What was heard since it was last brought to the ledger.
    heard: HeardOf,
    /// Events by second.
    seconds: VecDeque<(i64, u64)>,
    /// What is wrong, by part: since when, how often, and the last sentence.
    troubles: BTreeMap<&'static str, Trouble>,
    /// What happened and is over, the latest last.
    notices: VecDeque<Notice>,
}

/// Notices that are kept.
const NOTICES: usize = 50;

/// Something that happened, that a person should know of, and that is over.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Notice {
    /// Which part of the floor.
    pub part: &'static str,
    /// When it was seen.
    pub at: Micros,
    /// What it was.
    pub message: String,
}

/// How far the line is with what was taken.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct LineHealth {
    /// The number of the last delivery that was read and concluded upon.
    pub read: u64,
    /// Deliveries that were taken and have not been read yet.
    pub unread: u64,
    /// Their bytes, as far as they were taken since the start.
    pub unread_bytes: u64,
    /// For how many seconds the oldest of what is being read has waited; 0 when everything was read.
    pub lag_seconds: f64,
}

/// Something that does not work at present.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Trouble {
    /// Which part of the floor.
    pub part: &'static str,
    /// Since when.
    pub since: Micros,
    /// How often it was tried.
    pub times: u64,
    /// What it says.
    pub message: String,
}

impl Figures {
    fn inner(&self) -> MutexGuard<'_, Told> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a turn of the line.
    pub(crate) fn turn(&self, made: &Made, now: Micros) {
        self.events.fetch_add(made.events, Ordering::Relaxed);
        self.findings.fetch_add(made.findings.len() as u64, Ordering::Relaxed);
        let mut told = self.inner();
        let second = now.0.div_euclid(1_000_000);
        match told.seconds.back_mut() {
            Some((last, events)) if *last == second => *events += made.events,
            _ => told.seconds.push_back((second, made.events)),
        }
        while told.seconds.front().is_some_and(|(first, _)| *first < second - RATE_SECONDS) {
            told.seconds.pop_front();
        }
        for (source, heard) in &made.heard {
            told.heard.entry(source.clone()).or_default().add(heard);
        }
    }

    /// Events a second over the last minute.
    pub(crate) fn rate(&self, now: Micros) -> f64 {
        let first = now.0.div_euclid(1_000_000) - RATE_SECONDS;
        let told = self.inner();
        let recent = told.seconds.iter().filter(|(second, _)| *second >= first);
        recent.map(|(_, events)| *events).sum::<u64>() as f64 / RATE_SECONDS as f64
    }

    /// Takes what was heard since the last time.
    pub(crate) fn take_heard(&self) -> HeardOf {
        std::mem::take(&mut self.inner().heard)
    }

    /// Puts back what could not be brought to the ledger.
    pub(crate) fn put_back(&self, heard: HeardOf) {
        let mut told = self.inner();
        for (source, heard) in heard {
            told.heard.entry(source).or_default().add(&heard);
        }
    }

    /// Something does not work. It is logged when it begins, and told until it works again.
    pub(crate) fn trouble(&self, part: &'static str, message: &str) {
        let mut told = self.inner();
        match told.troubles.get_mut(part) {
            Some(trouble) => {
                trouble.times += 1;
                message.clone_into(&mut trouble.message);
            }
            None => {
                tracing::error!(part, message, "the floor is in trouble; it goes on trying");
                let trouble =
                    Trouble { part, since: crate::now(), times: 1, message: message.to_owned() };
                told.troubles.insert(part, trouble);
            }
        }
    }

    /// It works again.
    pub(crate) fn well(&self, part: &'static str) {
        if let Some(trouble) = self.inner().troubles.remove(part) {
            tracing::info!(part, times = trouble.times, "works again");
        }
    }

    /// Remembers something that is over. It is logged.
    pub(crate) fn notice(&self, part: &'static str, message: String) {
        tracing::warn!(part, message, "something happened that is over");
        let mut told = self.inner();
        if told.notices.len() >= NOTICES {
            told.notices.pop_front();
        }
        told.notices.push_back(Notice { part, at: crate::now(), message });
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.inner().notices.iter().cloned().collect()
    }

    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.inner().troubles.values().cloned().collect()
    }
}

impl Heard {
    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.flaws += other.flaws;
        self.unrecognised += other.unrecognised;
        self.received_at = self.received_at.max(other.received_at);
        self.last_event = self.last_event.max(other.last_event);
    }
}
