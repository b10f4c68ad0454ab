//! How the report came about: the rules that looked, the way of working, and what it cannot see.

use report::{Document, Note, RuleCount, RuleFacts, RuleProblem, RuleSet};

use super::grouped;
use super::rows::{level, number, shared, text};
use crate::ask::Asker;
use crate::failure::Failure;
use crate::off::RuleOff;
use crate::stages::Stages;

/// Rules that were given up on events that a report names.
const GIVEN_UP: usize = 10;
/// Rules that were switched off that a report names.
const SWITCHED_OFF: usize = 20;

/// What the newest run says of itself: the rules that looked, not those that happen to be loaded now.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct LastRun {
    rules: u64,
    rules_not_loaded: u64,
    rule_sets: Vec<(String, u64)>,
    rule_problems: Vec<(String, String)>,
    hits_left_out: u64,
    given_up: Vec<GivenUp>,
    rules_off: Vec<RuleOff>,
    common: Vec<triage::CommonEntity>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct GivenUp {
    title: String,
    events: u64,
}

impl LastRun {
    /// The rules in force on a floor.
    pub(super) fn in_force(stages: &Stages) -> Self {
        let out = stages.rule_problems.iter().filter(|p| p.severity == detect::Severity::Error);
        let out: Vec<_> = out.map(|p| (p.path.clone(), p.message.clone())).collect();
        let sets = stages.rule_sets.iter();
        Self {
            rules: stages.rules.list().len() as u64,
            rules_not_loaded: out.len() as u64,
            rule_sets: sets.map(|(name, files)| (name.clone(), *files as u64)).collect(),
            rule_problems: out,
            rules_off: stages.off_here().cloned().collect(),
            ..Self::default()
        }
    }

    /// The rules that looked, and what of them fired most.
    pub(super) fn facts(&self, fired: u64, top: Vec<RuleCount>) -> RuleFacts {
        let sets = self.rule_sets.iter().map(|(name, rules)| RuleSet {
            name: name.clone(),
            rules: *rules,
            version: String::new(),
        });
        let problems = self
            .rule_problems
            .iter()
            .map(|(path, message)| RuleProblem { path: path.clone(), message: message.clone() });
        RuleFacts {
            loaded: self.rules,
            fired,
            sets: sets.collect(),
            problems: problems.collect(),
            top,
        }
    }

    pub(super) fn read(asker: &Asker) -> Result<Self, Failure> {
        let rows = asker.rows("SELECT summary FROM runs ORDER BY started_at DESC LIMIT 1")?;
        let summary = rows.first().map(|row| text(row, "summary")).unwrap_or_default();
        Ok(serde_json::from_str(summary).unwrap_or_default())
    }
}

pub(super) fn rule_facts(asker: &Asker, run: &LastRun) -> Result<RuleFacts, Failure> {
    let top = asker.rows(
        "SELECT rule_id, rule_title, level, count(*) AS findings FROM findings \
         GROUP BY rule_id, rule_title, level ORDER BY findings DESC, rule_title, rule_id LIMIT 40",
    )?;
    let top = top.iter().map(|row| RuleCount {
        rule_id: shared(row, "rule_id"),
        title: shared(row, "rule_title"),
        level: level(row, "level"),
        findings: number(row, "findings"),
    });
    let fired = asker.count("SELECT count(DISTINCT rule_id) FROM findings")?;
    Ok(run.facts(fired, top.collect()))
}

pub(super) fn method(stages: &Stages, run: &LastRun) -> Vec<Note> {
    let note = |heading: &str, text: String| Note { heading: heading.to_owned(), text };
    vec![
        note(
            "Collection",
            "Every file was hashed with SHA-256 before anything read it. Archives were opened within \
             limits on depth, members and expanded size; their members were hashed one by one."
                .to_owned(),
        ),
        note(
            "Reading",
            format!(
                "Formats were told by content, not by name. {} source definitions gave records their \
                 meaning as OCSF {} events; records that none of them knew were kept as base events.",
                stages.normalizer.definitions().len(),
                ocsf::VERSION
            ),
        ),
        note(
            "Detection",
            format!(
                "{} Sigma rules ran on the fields that the products themselves wrote. Correlations \
                 were worked out on event time.",
                grouped(run.rules.saturating_sub(run.rules_off.len() as u64))
            ),
        ),
        note(
            "Triage",
            "Findings of one rule on one entity within an hour of each other are one alert. Alerts \
             that share hosts, users or other telling entities within a day are one incident. The \
             parts of each risk score are shown beside it."
                .to_owned()
                + &too_common(&run.common),
        ),
    ]
}

/// Names what did not tie alerts together although it stands in many.
fn too_common(common: &[triage::CommonEntity]) -> String {
    if common.is_empty() {
        return String::new();
    }
    let names: Vec<String> = common
        .iter()
        .take(8)
        .map(|one| format!("{} {}", one.entity.kind.name(), model::inert(&one.entity.value)))
        .collect();
    format!(" Too common to tie anything: {}.", names.join(", "))
}

/// Names the rules that did not look because somebody wanted it so.
fn switched_off(off: &[RuleOff]) -> String {
    let named = off.iter().take(SWITCHED_OFF).map(|off| {
        let (title, by) = (model::inert(&off.title), model::inert(&off.by));
        let (reason, since) = (model::inert(&off.reason), off.since);
        format!("\u{201c}{title}\u{201d} by {by} at {since} ({reason})")
    });
    let named = named.collect::<Vec<_>>().join("; ");
    let rest = match off.len().checked_sub(SWITCHED_OFF) {
        Some(rest) if rest > 0 => format!("; and {rest} more"),
        _ => String::new(),
    };
    let count = match off.len() {
        1 => "1 rule was".to_owned(),
        many => format!("{} rules were", grouped(many as u64)),
    };
    format!("{count} switched off and did not look: {named}{rest}.")
}

pub(super) fn limits(document: &Document, run: &LastRun) -> Vec<String> {
    let mut limits = vec![
        "A rule shows what it was written to show. No finding does not mean no attack.".to_owned(),
    ];
    if document.records_lost > 0 {
        limits.push(format!(
            "{} records could not be read; what they said is not in this report.",
            grouped(document.records_lost)
        ));
    }
    if run.rules_not_loaded > 0 {
        limits.push(format!(
            "{} rules did not load and did not look at the evidence.",
            grouped(run.rules_not_loaded)
        ));
    }
    if !run.rules_off.is_empty() {
        limits.push(switched_off(&run.rules_off));
    }
    if run.hits_left_out > 0 {
        limits.push(format!(
            "Correlations did not count {} matches of rules that matched very often; the earliest \
             were counted.",
            grouped(run.hits_left_out)
        ));
    }
    for rule in run.given_up.iter().take(GIVEN_UP) {
        limits.push(format!(
            "The rule \u{201c}{}\u{201d} would have taken too long on {} events and was given up there: \
             whether it matches them is not known.",
            model::inert(&rule.title),
            grouped(rule.events)
        ));
    }
    if !document.unrecognised.is_empty() {
        let count: u64 = document.unrecognised.iter().map(|row| row.records).sum();
        limits.push(format!(
            "{} records come from sources that no definition knows; rules by log source did not see \
             them.",
            grouped(count)
        ));
    }
    limits
}
