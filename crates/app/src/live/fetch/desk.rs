//! What fetchers hand their pieces to: the log, and for places without bytes the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use collect::{Cursor, Delivery, Desk, Full, Halt, Piece, Refusal, Tag};

use super::config::Entry;
use super::gauge::Gauge;
use super::{Inner, LOOK};

/// The shortest and longest waits before a piece is offered again.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

pub(super) struct LogDesk {
    inner: Arc<Inner>,
    stop: Arc<AtomicBool>,
    gauge: Arc<Gauge>,
    sender: Arc<str>,
    format: Arc<str>,
    definition: Option<Arc<str>>,
    tags: Arc<[Tag]>,
}

impl LogDesk {
    pub(super) fn new(inner: &Arc<Inner>, entry: &Entry, gauge: Arc<Gauge>) -> Self {
        let tag = |text: &String| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            Tag { name: name.into(), value: value.into() }
        };
        Self {
            inner: Arc::clone(inner),
            stop: Arc::clone(&inner.fetchers.stop),
            gauge,
            sender: entry.name.as_str().into(),
            format: entry.format.as_deref().unwrap_or_default().into(),
            definition: entry.definition.as_deref().map(Into::into),
            tags: entry.tags.iter().map(tag).collect(),
        }
    }

    /// Waits, and says when the floor closes meanwhile.
    fn sleep(&self, wait: Duration) -> Result<(), Halt> {
        let until = Instant::now() + wait;
        loop {
            if self.stop.load(Ordering::Acquire) {
                return Err(Halt::Closing);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

impl Desk for LogDesk {
    fn take(&mut self, piece: Piece) -> Result<(), Halt> {
        let delivery = Delivery {
            sender: Arc::clone(&self.sender),
            format: Arc::clone(&self.format),
            definition: self.definition.clone(),
            tags: Arc::clone(&self.tags),
            origin: piece.origin,
            received_at: crate::now(),
            flaws: piece.flaws,
            cursor: Some(piece.cursor),
            bytes: piece.bytes,
        };
        let (figures, pressure) = (&self.inner.figures, &self.inner.pressure);
        let bytes = delivery.bytes.len() as u64;
        loop {
            if self.stop.load(Ordering::Acquire) {
                return Err(Halt::Closing);
            }
            let booked = pressure.book(&self.sender, bytes, Instant::now());
            let offered = match booked {
                Ok(()) => {
                    let offered = self.inner.wal.append_blocking(delivery.clone());
                    if offered.is_err() {
                        pressure.done(&self.sender, bytes);
                    }
                    offered
                }
                Err(retry_after) => Err(Refusal::Full { what: Full::Reading, retry_after }),
            };
            match offered {
                Ok(_) => {
                    figures.deliveries.fetch_add(1, Ordering::Relaxed);
                    self.gauge.took(bytes, delivery.received_at);
                    return Ok(());
                }
                Err(Refusal::Closed) => return Err(Halt::Closing),
                Err(refusal) => {
                    figures.refused.fetch_add(1, Ordering::Relaxed);
                    let Some(wait) = refusal.retry_after() else {
                        return Err(Halt::Failed(refusal.to_string()));
                    };
                    self.gauge.waits(&refusal, crate::now());
                    self.sleep(wait.clamp(PATIENCE.0, PATIENCE.1))?;
                }
            }
        }
    }

    fn keep(&mut self, cursor: Cursor) -> Result<(), Halt> {
        let cursors = self.inner.ledger.cursors();
        let all = [(&*cursor.name, &*cursor.value)];
        let kept = self.inner.runtime.block_on(cursors.put(&all, crate::now()));
        kept.map_err(|error| Halt::Failed(format!("a place cannot be saved: {error}")))
    }

    fn forget(&mut self, names: &[String]) -> Result<(), Halt> {
        let cursors = self.inner.ledger.cursors();
        let forgotten = names
            .chunks(500)
            .try_for_each(|part| self.inner.runtime.block_on(cursors.remove(part)));
        forgotten.map_err(|error| Halt::Failed(format!("a place cannot be forgotten: {error}")))
    }
}
