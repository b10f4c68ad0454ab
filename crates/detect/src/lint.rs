//! What is odd about rules that load all the same (`rules check`).

use std::collections::BTreeMap;

use model::{LogSource, Tactic, Technique};
use rsigma_parser::{ConditionExpr, CorrelationRule, Detections, SigmaRule};

use crate::document::{self, Content};
use crate::problem::{Fault, RuleProblem, Severity, locate};
use crate::rules::RuleText;

/// Looks at every rule of the files. `known` are the log sources that events can have: a rule for
/// another can never fire. Give none to leave that question out.
pub fn lint(texts: &[RuleText], known: &[LogSource]) -> Vec<RuleProblem> {
    let mut problems = Vec::new();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for file in texts {
        for document in document::read(&file.text) {
            let mut faults: Vec<(String, Fault)> = Vec::new();
            let (rules, correlations) = match document.content {
                Ok(Content::Rules(rules)) => (rules, Vec::new()),
                Ok(Content::Correlations(rules)) => (Vec::new(), rules),
                Ok(Content::Mixed(all)) => (all.rules, all.correlations),
                _ => continue,
            };
            for rule in &rules {
                for fault in of_rule(rule, known) {
                    faults.push((rule.title.clone(), fault));
                }
                faults.extend(twice(&mut ids, rule.id.as_ref(), &rule.title, &file.path));
            }
            for rule in &correlations {
                for fault in of_correlation(rule) {
                    faults.push((rule.title.clone(), fault));
                }
                faults.extend(twice(&mut ids, rule.id.as_ref(), &rule.title, &file.path));
            }
            problems.extend(faults.into_iter().map(|(title, fault)| {
                let (text, line) = (document.text, document.first_line);
                locate(fault, Severity::Warning, &file.path, &title, text, line)
            }));
        }
    }
    problems.sort_by(|a, b| (&a.path, a.line, a.code).cmp(&(&b.path, b.line, b.code)));
    problems
}

/// What a rule file holds, as far as it can be read: ids (or titles where there is none) and titles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// Rules on single events.
    pub rules: Vec<(String, String)>,
    /// Correlations.
    pub correlations: Vec<(String, String)>,
    /// How many filters, which narrow rules of other files.
    pub filters: usize,
}

impl Outline {
    /// Looks at a file's text.
    pub fn of(text: &str) -> Self {
        let mut outline = Self::default();
        let head = |id: Option<String>, title: String| (id.unwrap_or_else(|| title.clone()), title);
        for document in document::read(text) {
            let (rules, correlations, filters) = match document.content {
                Ok(Content::Rules(rules)) => (rules, Vec::new(), 0),
                Ok(Content::Correlations(rules)) => (Vec::new(), rules, 0),
                Ok(Content::Filters(filters)) => (Vec::new(), Vec::new(), filters.len()),
                Ok(Content::Mixed(all)) => (all.rules, all.correlations, all.filters.len()),
                _ => continue,
            };
            outline.rules.extend(rules.into_iter().map(|rule| head(rule.id, rule.title)));
            let correlations = correlations.into_iter().map(|rule| head(rule.id, rule.title));
            outline.correlations.extend(correlations);
            outline.filters += filters;
        }
        outline
    }

    /// All that have an id: rules, then correlations.
    pub fn heads(&self) -> impl Iterator<Item = &(String, String)> {
        self.rules.iter().chain(&self.correlations)
    }
}

fn twice(
    ids: &mut BTreeMap<String, String>,
    id: Option<&String>,
    title: &str,
    path: &str,
) -> Option<(String, Fault)> {
    let id = id?;
    match ids.insert(id.clone(), path.to_owned()) {
        Some(other) if other != path => {
            let why = format!("the id is taken by a rule in {other}");
            Some((title.to_owned(), Fault::new("lint/duplicate-id", why, id)))
        }
        _ => None,
    }
}

fn of_rule(rule: &SigmaRule, known: &[LogSource]) -> Vec<Fault> {
    let mut faults =
        common(rule.id.as_deref(), rule.level.is_some(), rule.description.as_deref(), &rule.tags);
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let l = &rule.logsource;
    let source = LogSource::new(&part(&l.product), &part(&l.category), &part(&l.service));
    if source.is_empty() {
        let why = "without a log source the rule is tried on every event";
        faults.push(Fault::new("lint/logsource", why, "logsource"));
    } else if !known.is_empty() && !known.iter().any(|event| crate::logsource::sees(&source, event))
    {
        let why = format!("no source definition yields events of {source}");
        faults.push(Fault::new("lint/logsource", why, "logsource"));
    }
    faults.extend(unused(&rule.detection));
    faults
}

fn of_correlation(rule: &CorrelationRule) -> Vec<Fault> {
    let mut faults =
        common(rule.id.as_deref(), rule.level.is_some(), rule.description.as_deref(), &rule.tags);
    if rule.group_by.is_empty() {
        let why = "without group-by the hits of everybody are counted together";
        faults.push(Fault::new("lint/group-by", why, "correlation"));
    }
    faults
}

fn common(id: Option<&str>, level: bool, description: Option<&str>, tags: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    match id {
        None => {
            let why = "without an id findings go by the title, and a changed title makes new ones";
            faults.push(Fault::new("lint/id", why, "title"));
        }
        Some(id) if !is_uuid(id) => {
            faults.push(Fault::new("lint/id", "the id is not a UUID", id));
        }
        Some(_) => {}
    }
    if !level {
        let why = "without a level the rule counts as informational";
        faults.push(Fault::new("lint/level", why, "title"));
    }
    if description.is_none_or(|text| text.trim().is_empty()) {
        let why = "without a description nobody knows at night what to do";
        faults.push(Fault::new("lint/description", why, "title"));
    }
    for tag in tags {
        let Some(name) = tag.strip_prefix("attack.") else { continue };
        let group = name.starts_with(['g', 's']) && name.get(1..).is_some_and(all_digits);
        if !group && Technique::from_tag(tag).is_none() && Tactic::from_tag(tag).is_none() {
            let why = format!("`{tag}` is no ATT&CK tactic, technique, group or software");
            faults.push(Fault::new("lint/tag", why, tag));
        }
    }
    faults
}

fn all_digits(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_uuid(id: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = id.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

/// Detections that no condition uses.
fn unused(detections: &Detections) -> Vec<Fault> {
    let mut names: Vec<&String> = detections.named.keys().collect();
    names.sort();
    let used = |name: &str| detections.conditions.iter().any(|condition| uses(condition, name));
    names
        .into_iter()
        .filter(|name| !used(name))
        .map(|name| {
            let why = format!("no condition uses `{name}`");
            Fault::new("lint/unused", why, &format!("{name}:"))
        })
        .collect()
}

fn uses(condition: &ConditionExpr, name: &str) -> bool {
    match condition {
        ConditionExpr::Identifier(wanted) => wanted == name,
        ConditionExpr::Not(part) => uses(part, name),
        ConditionExpr::And(parts) | ConditionExpr::Or(parts) => {
            parts.iter().any(|part| uses(part, name))
        }
        ConditionExpr::Selector { pattern, .. } => pattern.matches_detection_name(name),
    }
}
