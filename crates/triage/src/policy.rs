//! What triage may be told: windows, ties, caps. Every default is a judgement, said here.

use std::time::Duration;

use model::{Entity, Level};
use serde::{Deserialize, Serialize};

/// How findings become alerts and alerts become incidents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// A finding joins an open alert of its rule and entity when it comes no later than this after
    /// the alert's last finding. One hour: a person reads a burst as one thing.
    pub alert_window: Duration,
    /// No alert is longer than this, however steady the findings. One day: a shift wants to see
    /// that it goes on. After the first, cuts lie at multiples of it since 1970: at midnight UTC.
    pub alert_span: Duration,
    /// Two alerts that share an entity are one incident when no more than this lies between them.
    /// One day: intruders sleep too.
    pub incident_gap: Duration,
    /// A low or informational alert joins an incident when it comes this close to an alert of that
    /// incident that shares an entity with it. Two hours: it is context, not evidence.
    pub join_gap: Duration,
    /// The lowest level that founds an incident. Below it, alerts only join one.
    pub found_level: Level,
    /// An entity is common, and ties nothing, only when it stands beside at least this many
    /// different hosts or users …
    pub common_neighbours: usize,
    /// … and in more than this share of all alerts (0 to 1).
    pub common_share: f64,
    /// Entities that the investigator knows to be shared by everybody: they tie nothing.
    pub common_entities: Vec<Entity>,
    /// Incidents with more alerts than this say so in their reason.
    pub large_incident: usize,
    /// Incidents longer than this say so in their reason.
    pub long_incident: Duration,
    /// Finding ids kept in an alert, earliest first; its `count` still counts all.
    pub finding_ids: usize,
    /// Entities kept in an alert; hosts and users are kept before the rest.
    pub alert_entities: usize,
    /// Entities kept in an incident, the most connected first.
    pub incident_entities: usize,
    /// Ties told of an incident, those of its earliest alerts.
    pub incident_ties: usize,
    /// Next steps kept in an incident, the most urgent first.
    pub next_steps: usize,
}

impl Default for Policy {
    fn default() -> Self {
        let hours = |n: u64| Duration::from_secs(n * 3600);
        Self {
            alert_window: hours(1),
            alert_span: hours(24),
            incident_gap: hours(24),
            join_gap: hours(2),
            found_level: Level::Medium,
            common_neighbours: 12,
            common_share: 0.10,
            common_entities: Vec::new(),
            large_incident: 500,
            long_incident: hours(14 * 24),
            finding_ids: 100,
            alert_entities: 32,
            incident_entities: 100,
            incident_ties: 5_000,
            next_steps: 20,
        }
    }
}

/// A duration in microseconds, the unit of `model::Micros`.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
