//! The document: plain data, filled by the caller, rendered by the forms.
//!
//! Texts are given as they are; no caller needs to clean or escape. Lists are given whole; forms
//! cut what would not be read and say how much they left out.

use std::sync::Arc;

use model::{
    Alert, AlertId, Digest, Entity, EntityKind, EventUid, Flaw, Incident, IncidentId, Level,
    MatchedField, Micros, Parcel, Tactic, Technique,
};
use serde::{Deserialize, Serialize};

/// Name and version of the JSON form. The number changes when a reader of the old one would break.
pub const SCHEMA: &str = "watchfloor.report/1";

/// A whole report. What an older report's JSON does not name has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: String,
    /// What it is called on its first page.
    pub title: String,
    /// When it was made. PDF dates come from here.
    pub generated_at: Micros,
    /// What made it: watchfloor, OCSF, the rule set …
    pub versions: Vec<Version>,
    /// First and last event of all evidence; none when no event has a time.
    pub data_window: Option<Span>,
    /// How many events were read in all.
    pub events: u64,
    /// True when the evidence is what was delivered to a floor, and false when it is files.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delivered: bool,
    /// Key figures, each with the query that gives it, in the order in which they are shown.
    pub figures: Vec<Figure>,
    /// Incidents with what belongs to them, gravest first; may be the gravest of `incident_count`.
    pub cases: Vec<Case>,
    /// How many incidents there are in all; zero when `cases` holds them all.
    pub incident_count: u64,
    /// Alerts that belong to no incident.
    pub loose_alerts: Vec<Alert>,
    /// Points of the timeline picture.
    pub timeline: Vec<Point>,
    /// Events over time, the ground of the timeline picture; may be empty.
    pub volume: Vec<Bucket>,
    /// Who and what was seen.
    pub entities: Vec<EntityRow>,
    /// What to look for elsewhere.
    pub indicators: Vec<Indicator>,
    /// ATT&CK techniques seen.
    pub attack: Vec<AttackRow>,
    /// Every parcel that was read.
    pub evidence: Vec<EvidenceRow>,
    /// What of them could not be read; may be a sample of `flaw_count`.
    pub flaws: Vec<FlawRow>,
    /// How many flaws there are in all.
    pub flaw_count: u64,
    /// How many whole records were lost to them.
    pub records_lost: u64,
    /// Files that were not read at all, and why.
    pub unread: Vec<Unread>,
    /// What was read but no source definition knew.
    pub unrecognised: Vec<Unrecognised>,
    /// The rules that looked at the evidence.
    pub rules: RuleFacts,
    /// How the result was reached.
    pub method: Vec<Note>,
    /// What it cannot say.
    pub limits: Vec<String>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            title: "Incident report".to_owned(),
            generated_at: Micros::default(),
            versions: Vec::new(),
            data_window: None,
            events: 0,
            delivered: false,
            figures: Vec::new(),
            cases: Vec::new(),
            incident_count: 0,
            loose_alerts: Vec::new(),
            timeline: Vec::new(),
            volume: Vec::new(),
            entities: Vec::new(),
            indicators: Vec::new(),
            attack: Vec::new(),
            evidence: Vec::new(),
            flaws: Vec::new(),
            flaw_count: 0,
            records_lost: 0,
            unread: Vec::new(),
            unrecognised: Vec::new(),
            rules: RuleFacts::default(),
            method: Vec::new(),
            limits: Vec::new(),
        }
    }
}

/// A part of what made the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// `watchfloor`, `OCSF`, `Sigma rules` …
    pub name: String,
    /// Its version or digest.
    pub version: String,
}

/// A span of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First instant.
    pub first: Micros,
    /// Last instant.
    pub last: Micros,
}

/// A key figure that anyone can ask for again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What is counted: `Events read`.
    pub label: String,
    /// The figure as people read it: `1,204,311`, `4 h 12 min`.
    pub value: String,
    /// A few words more; may be empty.
    pub note: String,
    /// The SQL that gives it, or the request to the API; empty when none does.
    pub query: String,
}

/// An incident and what belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What triage says.
    pub incident: Incident,
    /// Its alerts, in time order.
    pub alerts: Vec<Alert>,
    /// The attack story, in time order.
    pub story: Vec<Moment>,
}

/// One line of an attack story, which walks back to its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub time: Micros,
    /// What happened, in a sentence.
    pub what: String,
    /// To or by whom.
    pub entity: Option<Entity>,
    /// How grave.
    pub level: Level,
    /// ATT&CK tactic.
    pub tactic: Option<Tactic>,
    /// ATT&CK technique.
    pub technique: Option<Technique>,
    /// The rule that saw it.
    pub rule_id: Arc<str>,
    /// Its title.
    pub rule_title: Arc<str>,
    /// The source definition.
    pub source: Arc<str>,
    /// The fields that made the rule match.
    pub matched: Vec<MatchedField>,
    /// How many findings of the same alert this line stands for.
    pub count: u64,
    /// Its alert.
    pub alert_id: Option<AlertId>,
    /// The event.
    pub event_uid: Option<EventUid>,
    /// The parcel that holds it.
    pub parcel: Option<Digest>,
    /// Where that parcel came from.
    pub origin: String,
    /// Byte offset of the record in the parcel.
    pub offset: Option<u64>,
}

/// A mark on the timeline picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// When it begins.
    pub time: Micros,
    /// When it ends; the same for what has no length.
    pub until: Micros,
    /// The lane on which it stands: a source or a tactic.
    pub lane: String,
    /// How grave.
    pub level: Level,
    /// What it is, in a few words.
    pub label: String,
    /// How many findings it stands for.
    pub count: u64,
    /// Its incident.
    pub incident: Option<IncidentId>,
}

/// Events in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Where the stretch begins; it ends where the next begins.
    pub start: Micros,
    /// How many events.
    pub events: u64,
}

/// Who or what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityRow {
    /// Which.
    pub entity: Entity,
    /// In how many alerts.
    pub alerts: u64,
    /// In how many incidents.
    pub incidents: u64,
    /// First seen in an alert.
    pub first: Micros,
    /// Last seen in an alert.
    pub last: Micros,
    /// The gravest of those alerts.
    pub level: Level,
}

/// Something to look for elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indicator {
    /// What it is.
    pub kind: EntityKind,
    /// Exactly as it is, for machines.
    pub value: Arc<str>,
    /// Safe to print and to mail, for people: `198.51.100[.]7`.
    pub defanged: String,
    /// In how many alerts.
    pub alerts: u64,
    /// First seen.
    pub first: Micros,
    /// Last seen.
    pub last: Micros,
    /// Where it was seen, in a few words.
    pub context: String,
    /// Of a domain below which many names were seen, those names; else nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Arc<str>>,
}

impl Indicator {
    /// What people read: safe to print and to mail.
    pub(crate) fn shown(&self) -> String {
        match self.names.len() {
            0 => self.defanged.clone(),
            many => format!("{} and {many} names below it", self.defanged),
        }
    }
}

/// A technique that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttackRow {
    /// The tactic under which the rules name it; none when they name only the technique.
    pub tactic: Option<Tactic>,
    /// The technique; none when they name only the tactic.
    pub technique: Option<Technique>,
    /// Its name in ATT&CK; empty when unknown.
    pub name: String,
    /// The gravest alert that names it.
    pub level: Level,
    /// How many alerts.
    pub alerts: u64,
    /// How many findings.
    pub findings: u64,
    /// First seen.
    pub first: Micros,
}

/// A parcel and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRow {
    /// Origin, size and digest.
    pub parcel: Parcel,
    /// The parser that read it.
    pub parser: String,
    /// The source definitions that knew its records.
    pub definitions: Vec<String>,
    /// How many events.
    pub events: u64,
    /// How many flaws.
    pub flaws: u64,
    /// First and last event.
    pub span: Option<Span>,
}

/// A flaw and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlawRow {
    /// Where the parcel came from.
    pub origin: String,
    /// The parcel.
    pub parcel: Digest,
    /// What is wrong.
    pub flaw: Flaw,
}

/// A file that was not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Where it came from.
    pub origin: String,
    /// Its size in bytes.
    pub size: u64,
    /// Why, in a sentence.
    pub why: String,
}

/// Records that no source definition knew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrecognised {
    /// Where they came from.
    pub origin: String,
    /// The syntax in which they were read.
    pub parser: String,
    /// How many.
    pub records: u64,
    /// One of them.
    pub sample: String,
}

/// The rules that looked at the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuleFacts {
    /// How many were loaded.
    pub loaded: u64,
    /// How many of them fired.
    pub fired: u64,
    /// Where they came from.
    pub sets: Vec<RuleSet>,
    /// Those that did not load, and why.
    pub problems: Vec<RuleProblem>,
    /// Those that fired, most findings first.
    pub top: Vec<RuleCount>,
}

/// A folder or set of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSet {
    /// `built in`, or the folder.
    pub name: String,
    /// How many rules it brought.
    pub rules: u64,
    /// Version or digest; may be empty.
    pub version: String,
}

/// A rule that did not load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleProblem {
    /// Its file.
    pub path: String,
    /// What is wrong with it, in a sentence.
    pub message: String,
}

/// A rule and how often it fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// Its id.
    pub rule_id: Arc<str>,
    /// Its title.
    pub title: Arc<str>,
    /// Its level.
    pub level: Level,
    /// How many findings.
    pub findings: u64,
}

/// A heading and a paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// A few words.
    pub heading: String,
    /// Plain text.
    pub text: String,
}
