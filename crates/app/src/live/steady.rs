//! A clock that only goes forward, at one pace. The time of day can be set, back or by years; what is
//! measured by it would end at once, or never.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use model::Micros;

/// A jump of the time of day that is worth a word.
const JUMP: Duration = Duration::from_secs(30);

/// The time of day at the start, and what has passed since.
#[derive(Debug)]
pub(crate) struct Steady {
    began: Micros,
    at: Instant,
    /// How far the time of day was before this clock when it was last looked at.
    ahead: Mutex<i64>,
}

impl Steady {
    pub(crate) fn new(now: Micros) -> Self {
        Self { began: now, at: Instant::now(), ahead: Mutex::new(0) }
    }

    /// The time, as this clock has it.
    pub(crate) fn now(&self) -> Micros {
        let passed = i64::try_from(self.at.elapsed().as_micros()).unwrap_or(i64::MAX);
        Micros(self.began.0.saturating_add(passed))
    }

    /// How far the time of day was set since the last call, where that is much.
    pub(crate) fn jumped(&self, time_of_day: Micros) -> Option<Jump> {
        self.compare(time_of_day, self.now())
    }

    fn compare(&self, time_of_day: Micros, steady: Micros) -> Option<Jump> {
        let ahead = time_of_day.0.saturating_sub(steady.0);
        let mut before = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let by = ahead.saturating_sub(*before);
        if Duration::from_micros(by.unsigned_abs()) < JUMP {
            return None;
        }
        *before = ahead;
        Some(Jump(by))
    }
}

/// By how many microseconds the time of day was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jump(i64);

impl std::fmt::Display for Jump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.unsigned_abs().saturating_add(500_000) / 1_000_000;
        let way = if self.0 < 0 { "back" } else { "forward" };
        write!(
            f,
            "this machine's clock was set {way} by {seconds} seconds; what was received around then \
             has a wrong time of receipt"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_once_and_a_slow_one_is_not() {
        let clock = Steady::new(Micros::from_seconds(1_000));
        let told = |passed: i64, time_of_day: i64| {
            let steady = Micros::from_seconds(1_000 + passed);
            clock.compare(Micros(time_of_day), steady).map(|jump| jump.to_string())
        };
        let second = 1_000_000;
        assert_eq!(told(1, 1_006 * second), None, "five seconds ahead");
        let back = told(2, (1_002 - 7_200) * second);
        assert!(back.is_some_and(|text| text.contains("back by 7200 seconds")));
        assert_eq!(told(3, (1_003 - 7_201) * second), None, "what was told already");
        let forward = told(4, 1_004 * second - 3);
        assert!(
            forward.is_some_and(|text| text.contains("forward by 7200 seconds")),
            "to the nearest second: the two clocks are not read at one moment"
        );
    }

    #[test]
    fn it_goes_its_own_pace() {
        let clock = Steady::new(Micros::from_seconds(1_000));
        let first = clock.now();
        assert!(clock.jumped(Micros::from_seconds(90_000)).is_some());
        let second = clock.now();
        assert!(first <= second && second < Micros::from_seconds(90_000));
    }
}
