//! A Sigma detection rule, compiled: who it is, which events it sees, what it asks of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{Level, LogSource, Tactic, Technique};
use rsigma_parser::{ConditionExpr, Detection, Detections, Quantifier, SigmaRule, SigmaValue};
use schemars::JsonSchema;
use serde::Serialize;

use crate::expr::{Expr, Members};
use crate::item::{self, Placeholders};
use crate::problem::Fault;
use crate::table::{ITSELF, KEYWORDS, Table};

/// What is known of a loaded rule; what `rules list` shows.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RuleInfo {
    /// Its id, or its title where it has none.
    pub id: Arc<str>,
    /// Its `name`, by which correlations may refer to it.
    pub name: Option<Arc<str>>,
    /// Its title.
    pub title: Arc<str>,
    /// What it looks for, in its author's words.
    pub description: Arc<str>,
    /// Hash of its text.
    pub version: Arc<str>,
    /// How grave.
    pub level: Level,
    /// The file that it came from.
    pub path: Arc<str>,
    /// The file of the rule that it replaces, being of the same id and loaded later.
    pub replaces: Option<Arc<str>>,
    /// Maturity, as the author says (`stable`, `test`, `experimental` …).
    pub status: Option<Arc<str>>,
    /// Which events it sees; `None` for a correlation.
    pub logsource: Option<LogSource>,
    /// All tags as written.
    pub tags: Vec<Arc<str>>,
    /// ATT&CK tactics among the tags.
    pub tactics: Vec<Tactic>,
    /// ATT&CK techniques among the tags.
    pub techniques: Vec<Technique>,
    /// What commonly sets it off without harm, as the author says.
    pub false_positives: Vec<Arc<str>>,
    /// True for a correlation.
    pub correlation: bool,
    /// False when it serves correlations alone and makes no finding by itself.
    pub speaks: bool,
}

/// A rule that can be run.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) info: Arc<RuleInfo>,
    pub(crate) logsource: LogSource,
    pub(crate) expr: Expr,
    pub(crate) fence: Fence,
}

/// Whether a loaded rule is shut off, or was switched off. Each holds by itself, and may be changed while the
/// rule runs on other threads.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    shut: AtomicBool,
    off: AtomicBool,
}

impl Fence {
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed) || self.is_off()
    }

    pub(crate) fn set(&self, shut: bool) {
        self.shut.store(shut, Ordering::Relaxed);
    }

    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    pub(crate) fn switch(&self, off: bool) {
        self.off.store(off, Ordering::Relaxed);
    }
}

/// Limits against rules that are written to exhaust: nodes of one rule's tree.
const MOST_NODES: usize = 200_000;

/// Compiles the detections and conditions of a rule. Several conditions are alternatives.
pub(crate) fn compile(
    table: &mut Table,
    placeholders: &Placeholders,
    detections: &Detections,
) -> Result<Expr, Fault> {
    let mut compiler = Compiler { table, placeholders, nodes: 0 };
    let named = compiler.named(&detections.named, KEYWORDS)?;
    if detections.timeframe.is_some() {
        let why = "`timeframe` belongs to the old aggregations; write a correlation rule";
        return Err(Fault::new("rule/condition", why, "timeframe"));
    }
    let mut conditions = Vec::new();
    for condition in &detections.conditions {
        conditions.push(compiler.condition(condition, &named)?);
    }
    if conditions.is_empty() {
        return Err(Fault::new("rule/condition", "there is no condition", "condition"));
    }
    Ok(Expr::any(conditions))
}

struct Compiler<'t> {
    table: &'t mut Table,
    placeholders: &'t Placeholders,
    nodes: usize,
}

type Named = BTreeMap<String, Expr>;

impl Compiler<'_> {
    /// Compiles named detections in the order of their names, so that numbering never depends on
    /// a hash map. `bare` is the field that items without a name ask of.
    fn named(&mut self, named: &HashMap<String, Detection>, bare: u32) -> Result<Named, Fault> {
        let sorted: BTreeMap<&String, &Detection> = named.iter().collect();
        let mut out = Named::new();
        for (name, detection) in sorted {
            out.insert(name.clone(), self.detection(detection, bare)?);
        }
        Ok(out)
    }

    fn detection(&mut self, detection: &Detection, bare: u32) -> Result<Expr, Fault> {
        let empty = |kind: &str| Fault::new("rule/detection", format!("an empty {kind}"), "");
        match detection {
            Detection::AllOf(items) => {
                if items.is_empty() {
                    return Err(empty("map asks nothing and would match everything"));
                }
                let mut parts = Vec::with_capacity(items.len());
                for line in items {
                    let field = match &line.field.name {
                        Some(name) => self.table.field(name),
                        None => bare,
                    };
                    let expr = item::compile(
                        self.table,
                        self.placeholders,
                        field,
                        &line.field,
                        &line.values,
                    )?;
                    self.count(line.values.len())?;
                    parts.push(expr);
                }
                Ok(Expr::all(parts))
            }
            Detection::AnyOf(parts) if parts.is_empty() => Err(empty("list can never match")),
            Detection::AnyOf(parts) => Ok(Expr::any(self.each(parts, bare)?)),
            Detection::And(parts) => Ok(Expr::all(self.each(parts, bare)?)),
            Detection::Keywords(values) => self.keywords(values, bare),
            Detection::ArrayMatch { field, quantifier, body } => {
                let body = self.detection(body, ITSELF)?;
                let members =
                    Members { field: field.as_str().into(), quantifier: *quantifier, body };
                Ok(Expr::Members(self.table.members(members)))
            }
            Detection::Conditional { named, condition } => {
                let named = self.named(named, bare)?;
                self.condition(condition, &named)
            }
        }
    }

    fn each(&mut self, parts: &[Detection], bare: u32) -> Result<Vec<Expr>, Fault> {
        parts.iter().map(|part| self.detection(part, bare)).collect()
    }

    fn keywords(&mut self, values: &[SigmaValue], bare: u32) -> Result<Expr, Fault> {
        self.count(values.len())?;
        let words: Vec<SigmaValue> = values
            .iter()
            .map(|value| match value {
                SigmaValue::Integer(_) | SigmaValue::Float(_) | SigmaValue::Bool(_) => {
                    SigmaValue::from_raw_string(&value.to_string())
                }
                other => other.clone(),
            })
            .collect();
        let spec = rsigma_parser::FieldSpec::new(None, Vec::new());
        item::compile(self.table, self.placeholders, bare, &spec, &words)
    }

    fn condition(&mut self, condition: &ConditionExpr, named: &Named) -> Result<Expr, Fault> {
        self.count(1)?;
        match condition {
            ConditionExpr::Identifier(name) => {
                let found = named.get(name).cloned().ok_or_else(|| {
                    let why = format!("the condition names `{name}`, which is not a detection");
                    Fault::new("rule/condition", why, name)
                })?;
                let mut asks = 0;
                found.visit_asks(&mut |_| asks += 1);
                self.count(asks)?;
                Ok(found)
            }
            ConditionExpr::Not(part) => Ok(Expr::Not(Box::new(self.condition(part, named)?))),
            ConditionExpr::And(parts) => Ok(Expr::all(self.conditions(parts, named)?)),
            ConditionExpr::Or(parts) => Ok(Expr::any(self.conditions(parts, named)?)),
            ConditionExpr::Selector { quantifier, pattern } => {
                let chosen: Vec<Expr> = named
                    .iter()
                    .filter(|(name, _)| pattern.matches_detection_name(name))
                    .map(|(_, expr)| expr.clone())
                    .collect();
                if chosen.is_empty() {
                    let near = pattern.to_string();
                    let why = format!("`{quantifier} of {near}` fits no detection");
                    return Err(Fault::new("rule/condition", why, &near));
                }
                let mut asks = 0;
                for expr in &chosen {
                    expr.visit_asks(&mut |_| asks += 1);
                }
                self.count(asks)?;
                Ok(match quantifier {
                    Quantifier::Any => Expr::any(chosen),
                    Quantifier::All => Expr::all(chosen),
                    Quantifier::Count(count) => {
                        Expr::AtLeast(u32::try_from(*count).unwrap_or(u32::MAX), chosen.into())
                    }
                })
            }
        }
    }

    fn conditions(&mut self, parts: &[ConditionExpr], named: &Named) -> Result<Vec<Expr>, Fault> {
        parts.iter().map(|part| self.condition(part, named)).collect()
    }

    fn count(&mut self, nodes: usize) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES {
            let why = format!("the rule asks more than {MOST_NODES} questions");
            return Err(Fault::new("rule/limit", why, "detection"));
        }
        Ok(())
    }
}

/// What a rule says of itself, given its file and the hash of its text.
pub(crate) fn info(rule: &SigmaRule, path: &Arc<str>, version: Arc<str>) -> RuleInfo {
    let logsource = &rule.logsource;
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let text = |text: &Option<String>| Arc::from(text.as_deref().unwrap_or_default().trim());
    RuleInfo {
        id: rule.id.as_deref().unwrap_or(&rule.title).into(),
        name: rule.name.as_deref().map(Arc::from),
        title: rule.title.as_str().into(),
        description: text(&rule.description),
        version,
        level: rule.level.map(level).unwrap_or_default(),
        path: path.clone(),
        replaces: None,
        status: rule.status.map(|status| format!("{status:?}").to_lowercase().into()),
        logsource: Some(LogSource::new(
            &part(&logsource.product),
            &part(&logsource.category),
            &part(&logsource.service),
        )),
        tags: rule.tags.iter().map(|tag| tag.as_str().into()).collect(),
        tactics: tactics(&rule.tags),
        techniques: techniques(&rule.tags),
        false_positives: rule.falsepositives.iter().map(|text| text.as_str().into()).collect(),
        correlation: false,
        speaks: true,
    }
}

/// Sigma's level in the model's words.
pub(crate) fn level(level: rsigma_parser::Level) -> Level {
    Level::from_name(level.as_str()).unwrap_or_default()
}

/// ATT&CK tactics among tags, each once, in the order of the rule.
pub(crate) fn tactics(tags: &[String]) -> Vec<Tactic> {
    let mut out = Vec::new();
    for tactic in tags.iter().filter_map(|tag| Tactic::from_tag(tag)) {
        if !out.contains(&tactic) {
            out.push(tactic);
        }
    }
    out
}

/// ATT&CK techniques among tags, each once, in the order of the rule.
pub(crate) fn techniques(tags: &[String]) -> Vec<Technique> {
    let mut out = Vec::new();
    for technique in tags.iter().filter_map(|tag| Technique::from_tag(tag)) {
        if !out.contains(&technique) {
            out.push(technique);
        }
    }
    out
}
