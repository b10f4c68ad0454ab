//! How each fetcher does.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use collect::Refusal;
use model::{Micros, inert};
use schemars::JsonSchema;
use serde::Serialize;

use super::config::Entry;

/// Seconds over which rates are told.
const RATE_SECONDS: i64 = 60;

/// How a fetcher does.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FetcherStatus {
    /// The sender that it is.
    pub name: String,
    /// What it fetches from: `tail`, `bucket`, `poll`.
    pub kind: &'static str,
    /// Deliveries since the start.
    pub deliveries: u64,
    /// Bytes since the start.
    pub bytes: u64,
    /// Bytes a second over the last minute.
    pub bytes_per_second: f64,
    /// What is known to be there and was not fetched yet: bytes of files, objects of a bucket.
    pub behind: u64,
    /// When it last looked.
    pub last_look: Option<Micros>,
    /// When it last brought something.
    pub last_seen: Option<Micros>,
    /// What does not work at present.
    pub troubles: Vec<String>,
    /// What did not work last.
    pub last_error: Option<LastError>,
}

/// What did not work, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LastError {
    /// When.
    pub at: Micros,
    /// What.
    pub message: String,
}

pub(super) struct Gauge {
    inner: Mutex<Counted>,
}

struct Counted {
    status: FetcherStatus,
    /// Bytes by second.
    seconds: VecDeque<(i64, u64)>,
}

impl Gauge {
    pub(super) fn new(entry: &Entry) -> Self {
        let status = FetcherStatus {
            name: entry.name.clone(),
            kind: entry.kind(),
            deliveries: 0,
            bytes: 0,
            bytes_per_second: 0.0,
            behind: 0,
            last_look: None,
            last_seen: None,
            troubles: Vec::new(),
            last_error: None,
        };
        Self { inner: Mutex::new(Counted { status, seconds: VecDeque::new() }) }
    }

    fn inner(&self) -> MutexGuard<'_, Counted> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece was taken.
    pub(super) fn took(&self, bytes: u64, now: Micros) {
        let mut counted = self.inner();
        counted.status.deliveries += 1;
        counted.status.bytes += bytes;
        counted.status.last_seen = Some(now);
        let second = now.0.div_euclid(1_000_000);
        match counted.seconds.back_mut() {
            Some((last, sum)) if *last == second => *sum += bytes,
            _ => counted.seconds.push_back((second, bytes)),
        }
        while counted.seconds.front().is_some_and(|(first, _)| *first < second - RATE_SECONDS) {
            counted.seconds.pop_front();
        }
    }

    /// The log has no room.
    pub(super) fn waits(&self, refusal: &Refusal, now: Micros) {
        let message = format!("waits: {refusal}");
        self.inner().status.last_error = Some(LastError { at: now, message });
    }

    /// A turn is over. What begins to go wrong is logged once.
    pub(super) fn rests(&self, behind: u64, troubles: Vec<String>, now: Micros) {
        let mut counted = self.inner();
        let status = &mut counted.status;
        for trouble in &troubles {
            if !status.troubles.contains(trouble) {
                let (name, kind) = (&status.name, status.kind);
                tracing::warn!(kind, name, trouble = %inert(trouble), "cannot be fetched");
            }
        }
        if let Some(trouble) = troubles.first() {
            status.last_error = Some(LastError { at: now, message: trouble.clone() });
        }
        (status.behind, status.troubles, status.last_look) = (behind, troubles, Some(now));
    }

    pub(super) fn status(&self, now: Micros) -> FetcherStatus {
        let counted = self.inner();
        let first = now.0.div_euclid(1_000_000) - RATE_SECONDS;
        let recent = counted.seconds.iter().filter(|(second, _)| *second >= first);
        let bytes = recent.map(|(_, bytes)| *bytes).sum::<u64>();
        FetcherStatus {
            bytes_per_second: bytes as f64 / RATE_SECONDS as f64,
            ..counted.status.clone()
        }
    }
}
