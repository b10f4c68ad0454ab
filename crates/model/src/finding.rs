//! What detection says of events.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Entity, EventUid, FindingId, Hasher, Level, Micros, Tactic, Technique};

/// A rule that matched, on one event or (for correlations) on several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its id: see [`Finding::derive_id`].
    pub finding_id: FindingId,
    /// What kind of detection made it.
    pub kind: FindingKind,
    /// The rule's own id (a UUID in Sigma), or its title where it has none.
    pub rule_id: Arc<str>,
    /// Hash of the rule's text, so that a changed rule makes new findings.
    pub rule_version: Arc<str>,
    /// The rule's title.
    pub rule_title: Arc<str>,
    /// What the rule looks for, in its author's words.
    pub description: Arc<str>,
    /// How grave.
    pub level: Level,
    /// Event time: of the event, or of the last event of a correlation.
    pub time: Micros,
    /// The events, first to last.
    pub event_uids: Vec<EventUid>,
    /// Who and what it is about, taken from the events.
    pub entities: Vec<Entity>,
    /// ATT&CK tactics of the rule.
    pub tactics: Vec<Tactic>,
    /// ATT&CK techniques of the rule.
    pub techniques: Vec<Technique>,
    /// Which fields made it match, and on what value.
    pub matched_fields: Vec<MatchedField>,
    /// For correlations: the group key and the span.
    pub window: Option<Window>,
    /// Name of the source definition of its (first) event.
    pub source: Arc<str>,
    /// What the configuration says of everything that the senders of its events send: `site=oslo`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Arc<str>>,
}

/// What made a finding.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A Sigma rule on one event.
    Sigma,
    /// A Sigma correlation over several events.
    Correlation,
}

impl FindingKind {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sigma => "sigma",
            Self::Correlation => "correlation",
        }
    }
}

/// A field that made a rule match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct MatchedField {
    /// The field, as the event spells it; empty for a keyword found anywhere.
    pub field: Arc<str>,
    /// The value that was there, cut to a length that people read.
    pub value: Arc<str>,
    /// What the rule wanted of it, when the engine can say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Arc<str>>,
}

/// A rule that matched an event, as it is kept for the correlations that count it: they may have to
/// be worked out again when more evidence comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The rule's id.
    pub rule_id: Arc<str>,
    /// Hash of the rule's text.
    pub rule_version: Arc<str>,
    /// Event time.
    pub time: Micros,
    /// The event.
    pub event_uid: EventUid,
    /// The fields that correlations group by or count, with their values where the event has them.
    pub fields: Vec<(Arc<str>, Option<Box<str>>)>,
    /// Who and what the event is about.
    pub entities: Arc<[Entity]>,
    /// Name of the event's source definition.
    pub source: Arc<str>,
    /// What the configuration says of everything that the event's sender sends.
    pub labels: Arc<[Arc<str>]>,
}

/// The span of a correlation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Time of the first event.
    pub start: Micros,
    /// Time of the last event.
    pub end: Micros,
    /// The `group-by` fields and their values, in the rule's order.
    pub group: Vec<(Arc<str>, Arc<str>)>,
    /// What was counted, where something was: events, distinct values, a sum …
    pub count: u64,
}

impl Finding {
    /// A finding exists once: its id is a hash of rule, rule version, group key, window and events.
    pub fn derive_id(
        rule_id: &str,
        rule_version: &str,
        window: Option<&Window>,
        events: &[EventUid],
    ) -> FindingId {
        let mut hash =
            Hasher::new("finding").part(rule_id.as_bytes()).part(rule_version.as_bytes());
        if let Some(window) = window {
            for (field, value) in &window.group {
                hash = hash.part(field.as_bytes()).part(value.as_bytes());
            }
            hash = hash.number(window.start.0 as u64).number(window.end.0 as u64);
        }
        FindingId::from(events.iter().fold(hash, |hash, event| hash.part(&event.0)))
    }
}
