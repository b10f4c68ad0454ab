//! What triage makes of findings: alerts, and the incidents that they form.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AlertId, Entity, FindingId, IncidentId, Level, Micros, Tactic, Technique};

/// Findings of one rule on one entity within one window, counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskPart {
    /// What it stands for.
    pub name: String,
    /// What it adds (or, below zero, takes away).
    pub points: i32,
    /// Why, with the figures.
    pub why: String,
}

/// Alerts that belong together: they share entities and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
