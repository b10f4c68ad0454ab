//! How long a stream is waited for, and how much is kept of it. Every default is a judgement, said
//! here.

use std::time::Duration;

use model::Micros;
use serde::{Deserialize, Serialize};

use crate::policy::{Policy, micros};

/// Bounds of time and of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// A finding that comes no later than this after its time is put in order as if it had come in
    /// time. Fifteen minutes: three times what correlations wait for events.
    pub lateness: Duration,
    /// A correlation's finding may be changed or taken back for this long after its time, unless it
    /// is said to be settled before. One day; never more than `window`.
    pub changes: Duration,
    /// An alert is kept for this long after its last finding, and weighs for as long on which
    /// entities are common; longer while its incident goes on. Three days: a steady entity is told
    /// from a burst only over more than two. Never less than the policy's windows.
    pub window: Duration,
    /// When an entity is found to be common, alerts that it ties already stay tied for this long.
    /// One hour: long enough that nothing splits and merges while somebody reads it.
    pub hold: Duration,
    /// An entity that was common ties again when it was not found to be so for this long. One day.
    pub stay: Duration,
    /// An incident is closed as it stands when its first alert came this long ago; what comes after
    /// is another. Two weeks: by then people lead it.
    pub active_span: Duration,
    /// Alerts kept at once. Beyond, the incidents and alerts that were quiet for longest are closed
    /// early.
    pub alerts: usize,
    /// Findings whose order is kept at once. Beyond, the oldest are taken to be in order early.
    pub findings: usize,
    /// The same for one rule on one entity, so that a flood costs nobody else's order.
    pub line_findings: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        let hours = |n: u64| Duration::from_secs(n * 3600);
        Self {
            lateness: Duration::from_mins(15),
            changes: hours(24),
            window: hours(72),
            hold: hours(1),
            stay: hours(24),
            active_span: hours(14 * 24),
            alerts: 50_000,
            findings: 500_000,
            line_findings: 4_096,
        }
    }
}

impl Bounds {
    /// How long after its last finding an alert is quiet: nothing that comes in time can change it or
    /// tie to it.
    pub(super) fn quiet(&self, policy: &Policy) -> u64 {
        let windows = [self.window, policy.alert_window, policy.incident_gap, policy.join_gap];
        let longest = windows.into_iter().max().unwrap_or_default();
        micros(longest).saturating_add(micros(self.lateness))
    }

    /// How long the place of a finding is kept.
    pub(super) fn wait(&self, changes: bool) -> u64 {
        let lateness = micros(self.lateness);
        if changes { micros(self.changes.min(self.window)).max(lateness) } else { lateness }
    }
}

/// An instant some microseconds before another.
pub(super) fn before(time: Micros, by: u64) -> Micros {
    Micros(time.0.saturating_sub(i64::try_from(by).unwrap_or(i64::MAX)))
}

/// An instant some microseconds after another.
pub(super) fn after(time: Micros, by: u64) -> Micros {
    Micros(time.0.saturating_add(i64::try_from(by).unwrap_or(i64::MAX)))
}
