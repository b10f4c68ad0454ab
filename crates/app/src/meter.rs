//! How far a long piece of work has come: counters that the work raises and a screen reads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters of one run. All may be read at any time from any thread.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes to read, as far as they are known. Grows when archives open.
    pub bytes_total: AtomicU64,
    /// Bytes read.
    pub bytes_done: AtomicU64,
    /// Parcels read to their end.
    pub parcels: AtomicU64,
    /// Events made.
    pub events: AtomicU64,
    /// Findings made.
    pub findings: AtomicU64,
    /// Set by the person to stop; the work ends at the next chunk.
    pub stop: AtomicBool,
    phase: Mutex<&'static str>,
}

impl Meter {
    /// Adds to a counter.
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// Reads a counter.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// What is being done now, in a word or two for a person.
    pub fn phase(&self) -> &'static str {
        self.phase.lock().map_or("", |phase| *phase)
    }

    /// Says what is being done now.
    pub fn enter(&self, phase: &'static str) {
        if let Ok(mut now) = self.phase.lock() {
            *now = phase;
        }
    }

    /// True once the person asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
