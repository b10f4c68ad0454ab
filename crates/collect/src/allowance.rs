//! How much a sender may deliver: so many events a second, whatever way they come in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest wait that is told at once, and the shortest.
const WAIT: (f64, f64) = (0.05, 60.0);

/// What each sender may still deliver, by name. Shared by all ways by which they deliver.
#[derive(Debug, Default)]
pub struct Allowance(Mutex<HashMap<String, Bucket>>);

/// Events that a sender may deliver at once, and when that was true.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Allowance {
    /// Takes events out of what a sender may deliver (`rate` events a second; no limit without one), or
    /// says how long to wait. A delivery that is larger than a second's allowance is taken when the
    /// allowance is whole, and paid for afterwards.
    pub fn spend(
        &self,
        sender: &str,
        rate: Option<u64>,
        events: u64,
        now: Instant,
    ) -> Result<(), Duration> {
        let Some(rate) = rate.map(|rate| rate.max(1) as f64) else { return Ok(()) };
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = spent.entry(sender.to_owned()).or_insert(Bucket { left: rate, at: now });
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
        bucket.left = (bucket.left + earned).min(rate);
        bucket.at = now;
        let need = (events as f64).min(rate);
        if bucket.left < need {
            let wait = ((need - bucket.left) / rate).clamp(WAIT.0, WAIT.1);
            return Err(Duration::from_secs_f64(wait));
        }
        bucket.left -= events as f64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_allowance_is_spent_and_earned_again() {
        let all = Allowance::default();
        let start = Instant::now();
        assert_eq!(all.spend("web", Some(100), 60, start), Ok(()));
        let wait = all.spend("web", Some(100), 60, start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(200));
        assert_eq!(all.spend("web", Some(100), 60, start + wait), Ok(()));
        // More than a second's worth goes through once, and is then paid for.
        assert_eq!(all.spend("web", Some(100), 250, start + Duration::from_secs(5)), Ok(()));
        assert!(all.spend("web", Some(100), 1, start + Duration::from_secs(6)).is_err());
        assert_eq!(all.spend("web", Some(100), 1, start + Duration::from_millis(6_600)), Ok(()));
    }
}
