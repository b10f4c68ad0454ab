//! How much may wait to be read. The log could hold hours of it; but alerts would come hours late, and
//! nobody would be told. So where what waits takes longer to read than [`WAIT`] at the pace at which the
//! line goes, senders that keep what they have are told to come again.
//!
//! A sender with little waiting is let in all the same: one that floods turns nobody else away. A line that
//! is stuck (its ledger is locked, say) turns nobody away either: then the log is there to take what comes,
//! up to its quota.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is taken is read within this time, as far as can be told.
const WAIT: Duration = Duration::from_secs(10);
/// So many bytes may wait however slow the line is.
const ALWAYS: u64 = 32 << 20;
/// A turn of the line that takes this long is stuck, not slow.
const STUCK: Duration = Duration::from_secs(5);
/// Turns of fewer bytes say little of the pace.
const TELLING: u64 = 256 << 10;
/// What the latest turn counts for in the pace.
const LATEST: f64 = 0.2;
/// How soon, and how late, a sender is told to come again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// What waits, by sender, and how fast it is read.
#[derive(Debug, Default)]
pub(crate) struct Pressure(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    unread: HashMap<Arc<str>, u64>,
    total: u64,
    /// Bytes a second while the line reads.
    pace: Option<f64>,
    /// When the turn that is under way began.
    turn: Option<Instant>,
}

impl Pressure {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books a delivery that is about to be taken, or says when to come again.
    pub(crate) fn book(&self, sender: &Arc<str>, bytes: u64, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        let over = state.wait().saturating_sub(WAIT);
        let stuck = state.turn.is_some_and(|began| now.saturating_duration_since(began) > STUCK);
        let fair = state.total / (2 * state.unread.len().max(1) as u64);
        let mine = state.unread.get(sender).copied().unwrap_or(0).saturating_add(bytes);
        if state.total > ALWAYS && !stuck && !over.is_zero() && mine > fair {
            return Err(over.clamp(AGAIN.0, AGAIN.1));
        }
        state.add(sender, bytes);
        Ok(())
    }

    /// Books a delivery of a sender that cannot come again.
    pub(crate) fn book_anyway(&self, sender: &Arc<str>, bytes: u64) {
        self.state().add(sender, bytes);
    }

    /// A delivery that was booked has been read, or was not taken after all.
    pub(crate) fn done(&self, sender: &str, bytes: u64) {
        let mut state = self.state();
        let Some(unread) = state.unread.get_mut(sender) else { return };
        let less = bytes.min(*unread);
        *unread -= less;
        if *unread == 0 {
            state.unread.remove(sender);
        }
        state.total = state.total.saturating_sub(less);
    }

    /// The line begins to read something.
    pub(crate) fn turn_begins(&self, now: Instant) {
        self.state().turn = Some(now);
    }

    /// The line has read so many bytes.
    pub(crate) fn turn_ends(&self, bytes: u64, now: Instant) {
        let mut state = self.state();
        let took = state.turn.take().map(|began| now.saturating_duration_since(began));
        let Some(took) = took.filter(|_| bytes >= TELLING) else { return };
        let pace = bytes as f64 / took.as_secs_f64().max(1e-6);
        state.pace = Some(state.pace.map_or(pace, |before| before + (pace - before) * LATEST));
    }

    /// There is nothing to read. What is booked all the same was never taken, and nobody said so.
    pub(crate) fn nothing_waits(&self) {
        let mut state = self.state();
        state.unread.clear();
        state.total = 0;
    }

    /// Bytes that wait.
    pub(crate) fn unread(&self) -> u64 {
        self.state().total
    }
}

impl State {
    fn add(&mut self, sender: &Arc<str>, bytes: u64) {
        *self.unread.entry(Arc::clone(sender)).or_default() += bytes;
        self.total = self.total.saturating_add(bytes);
    }

    /// How long it takes to read what waits.
    fn wait(&self) -> Duration {
        let seconds = self.pace.map_or(0.0, |pace| self.total as f64 / pace.max(1.0));
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A line that reads eight MiB a second, and a flood that is let in as far as it may.
    fn flooded() -> (Pressure, Arc<str>, Instant) {
        let (pressure, flood, now) = (Pressure::default(), Arc::from("flood"), Instant::now());
        pressure.turn_begins(now);
        pressure.turn_ends(8 * MIB, now + Duration::from_secs(1));
        while pressure.book(&flood, MIB, now).is_ok() {
            assert!(pressure.unread() < 1 << 40, "everything is let in");
        }
        (pressure, flood, now)
    }

    #[test]
    fn no_more_is_let_in_than_is_read_in_ten_seconds() {
        let (pressure, flood, now) = flooded();
        assert_eq!(pressure.unread(), 81 * MIB);
        assert_eq!(pressure.book(&flood, MIB, now), Err(AGAIN.0));
        for _ in 0..5 {
            pressure.done(&flood, MIB);
        }
        assert_eq!(pressure.book(&flood, MIB, now), Ok(()));
        pressure.nothing_waits();
        assert_eq!(pressure.unread(), 0);
        pressure.done(&flood, MIB);
        assert_eq!(pressure.unread(), 0);
    }

    #[test]
    fn a_quiet_sender_is_let_in_and_so_is_one_that_cannot_come_again() {
        let (pressure, flood, now) = flooded();
        let (quiet, udp) = (Arc::from("quiet"), Arc::from("udp"));
        assert_eq!(pressure.book(&quiet, MIB, now), Ok(()));
        pressure.book_anyway(&udp, 30 * MIB);
        assert!(pressure.book(&flood, 1, now).is_err());
    }

    #[test]
    fn a_line_that_is_stuck_turns_nobody_away() {
        let (pressure, flood, now) = flooded();
        pressure.turn_begins(now);
        assert!(pressure.book(&flood, 1, now + Duration::from_secs(4)).is_err());
        assert!(pressure.book(&flood, 1, now + Duration::from_secs(6)).is_ok());
    }
}
