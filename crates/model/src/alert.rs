//! What triage makes of findings: alerts, and the incidents that they form.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AlertId, Entity, FindingId, IncidentId, Level, Micros, Tactic, Technique};

/// Findings of one rule on one entity within one window, counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Hash of the rule, the entity and the first finding.
    pub alert_id: AlertId,
    /// The rule.
    pub rule_id: Arc<str>,
    /// Its title.
    pub rule_title: Arc<str>,
    /// What it looks for.
    pub description: Arc<str>,
    /// The entity that the findings share; none when the events named nobody.
    pub entity: Option<Entity>,
    /// Every entity of its findings, most frequent first, capped.
    pub entities: Vec<Entity>,
    /// How grave: the gravest of its findings.
    pub level: Level,
    /// How many findings.
    pub count: u64,
    /// Time of the first finding.
    pub first_time: Micros,
    /// Time of the last.
    pub last_time: Micros,
    /// The findings, in time order, capped; `count` says how many there were.
    pub finding_ids: Vec<FindingId>,
    /// Tactics of the rule.
    pub tactics: Vec<Tactic>,
    /// Techniques of the rule.
    pub techniques: Vec<Technique>,
    /// The source definition that the findings come from.
    pub source: Arc<str>,
    /// 0 to 100.
    pub risk: u32,
    /// What the risk is made of.
    pub risk_parts: Vec<RiskPart>,
    /// Why these findings are one alert, in a sentence.
    pub reason: String,
}

/// One addend of a risk score, shown to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RiskPart {
    /// What it stands for.
    pub name: String,
    /// What it adds (or, below zero, takes away).
    pub points: i32,
    /// Why, with the figures.
    pub why: String,
}

/// Alerts that belong together: they share entities and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Hash of its first alert's id.
    pub incident_id: IncidentId,
    /// A title that a person would give it.
    pub title: String,
    /// What happened, in a few sentences.
    pub summary: String,
    /// How grave.
    pub severity: Level,
    /// 0 to 100.
    pub risk: u32,
    /// What the risk is made of.
    pub risk_parts: Vec<RiskPart>,
    /// Its alerts, in time order.
    pub alert_ids: Vec<AlertId>,
    /// How many findings they hold.
    pub finding_count: u64,
    /// First event.
    pub first_time: Micros,
    /// Last event.
    pub last_time: Micros,
    /// Who and what, the most connected first.
    pub entities: Vec<Entity>,
    /// Tactics, in ATT&CK's order.
    pub tactics: Vec<Tactic>,
    /// Techniques, in the order in which they were first seen.
    pub techniques: Vec<Technique>,
    /// Sources that it was seen in.
    pub sources: Vec<Arc<str>>,
    /// Why these alerts are one incident: which entities tie them.
    pub reason: String,
    /// What to do next, most urgent first.
    pub next_steps: Vec<String>,
}

/// Why an alert is in its incident: what ties it to another alert there. The ties of an incident form
/// a tree whose root is its first alert, so every other alert has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tie {
    /// The alert.
    pub alert: AlertId,
    /// The alert of the same incident through which it belongs.
    pub to: AlertId,
    /// How strongly.
    pub strength: TieStrength,
    /// What both name, as `alert` spells it, the best anchors first. None where a person tied them.
    pub entities: Vec<Entity>,
    /// Microseconds from the end of the earlier one to the first event of the later one; 0 when they
    /// overlap.
    pub apart: u64,
}

/// How strongly two alerts are tied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TieStrength {
    /// By entities none of which would tie alone, such as a file hash beside a domain.
    Together,
    /// By a host, a user or an address, each of which ties alone.
    Alone,
    /// By a person's decision.
    Person,
}
