//! Rules on a live floor: read, checked as they are written, saved, taken away, switched off and on.

use std::collections::BTreeSet;
use std::sync::Arc;

use detect::{Outline, RuleProblem, Rules, Severity};
use ledger::{Page, Paging};
use model::Level;
use schemars::JsonSchema;
use serde::Serialize;

use crate::access::{Caller, Permission};
use crate::failure::{Failure, Kind};
use crate::live::{
    Edit, Edited, Floor, RuleInForce, Switch, blocking, edit_rule, from_ledger, save_shut_off,
    saved, sound, switch_rule, version,
};
use crate::off::{RuleOff, word_on};

/// What a text that is not a file yet is called.
const UNSAVED: &str = "the text";

/// A rule with its text.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleText {
    /// The rule, and what it costs.
    pub rule: RuleInForce,
    /// The file that it stands in, as it is in force: Sigma, in YAML.
    pub text: String,
    /// The version of the text, for `expected` and `If-Match`.
    pub version: u64,
    /// The correlations that count it, directly or through others: while it is off or shut off they find
    /// nothing by it.
    pub counted_by: Vec<RuleNamed>,
}

/// A rule by its name.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleNamed {
    /// Its id.
    pub id: Arc<str>,
    /// Its title.
    pub title: Arc<str>,
}

/// A rule was switched off or on.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleSwitched {
    /// Who switched it off, when and why; none when it is on.
    pub off: Option<RuleOff>,
    /// How many rules are off now.
    pub rules_off: usize,
}

/// What was found out about a text.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleChecked {
    /// Mistakes, which keep a rule out, and oddities, which do not, in order of lines.
    pub problems: Vec<RuleProblem>,
    /// The rules that would load.
    pub rules: Vec<RuleSeen>,
}

/// A rule of a text that is not saved.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleSeen {
    /// Its id, or its title where it has none.
    pub id: Arc<str>,
    /// Its title.
    pub title: Arc<str>,
    /// How grave.
    pub level: Level,
    /// True for a correlation.
    pub correlation: bool,
    /// The file of the rule in force that has this id.
    pub stands_in: Option<Arc<str>>,
    /// Whether that one was saved on this floor: it would be changed. Any other is replaced, and stays where it is.
    pub saved_here: bool,
}

/// A rule was saved.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleSaved {
    /// The rule as it is in force now.
    #[serde(flatten)]
    pub rule: RuleText,
    /// How many rules are in force now.
    pub loaded: usize,
    /// What is odd about it and does no harm.
    pub warnings: Vec<RuleProblem>,
}

/// A rule was taken away.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleRemoved {
    /// The file of the rule of that id that is in force again, where there is one.
    pub in_force_again: Option<Arc<str>>,
    /// How many rules are in force now.
    pub loaded: usize,
}

impl Floor {
    fn all_rules(&self) -> Vec<RuleInForce> {
        let stages = self.0.stages();
        let mut all = self.0.costs.tell(&stages.rules, &stages.off);
        for rule in &mut all {
            rule.saved_here = saved(&self.0, &rule.info.path);
        }
        all
    }

    /// The rules in force, by id, with what they cost.
    pub fn rules(&self, caller: &Caller, paging: &Paging) -> Result<Page<RuleInForce>, Failure> {
        caller.may(Permission::Read)?;
        let by = |rule: &RuleInForce| format!("{}\u{1}{}", rule.info.id, rule.info.path);
        Page::of(self.all_rules(), "rules", paging, by).map_err(from_ledger)
    }

    /// A rule in force with its text.
    pub fn rule(&self, caller: &Caller, id: &str) -> Result<RuleText, Failure> {
        caller.may(Permission::Read)?;
        let rule = self.all_rules().into_iter().find(|rule| *rule.info.id == *id);
        let rule = rule.ok_or_else(|| Failure::new(Kind::NotFound, "no rule has that id"))?;
        let content = self.0.content.get();
        let mut texts = content.texts.rules().iter().rev();
        let text = texts.find(|text| text.path == *rule.info.path).map(|text| text.text.clone());
        let text = text.unwrap_or_default();
        let rules = &content.stages.rules;
        let counts = |info: &&detect::RuleInfo| {
            let counted = rules.counted_by(&info.id, &info.version).unwrap_or_default();
            counted.iter().any(|counted| **counted == *id)
        };
        let counted_by = rules.list().iter().filter(|info| info.correlation).filter(counts);
        let named = |info: &detect::RuleInfo| RuleNamed {
            id: Arc::clone(&info.id),
            title: Arc::clone(&info.title),
        };
        let counted_by = counted_by.map(named).collect();
        Ok(RuleText { rule, version: version(&text), text, counted_by })
    }

    /// Switches a rule off, wherever it comes from: it stays loaded and shown, and does not run until it is
    /// switched on again. What it has found stays.
    pub async fn switch_rule_off(
        &self,
        caller: &Caller,
        id: &str,
        reason: String,
    ) -> Result<RuleSwitched, Failure> {
        self.switch(caller, id, Switch::Off(reason)).await
    }

    /// Switches a rule on again.
    pub async fn switch_rule_on(
        &self,
        caller: &Caller,
        id: &str,
        reason: Option<String>,
    ) -> Result<RuleSwitched, Failure> {
        self.switch(caller, id, Switch::On(reason)).await
    }

    async fn switch(
        &self,
        caller: &Caller,
        id: &str,
        wanted: Switch,
    ) -> Result<RuleSwitched, Failure> {
        let actor = caller.may(Permission::Content)?.clone();
        let (floor, id) = (self.clone(), id.to_owned());
        blocking(move || {
            let loaded = switch_rule(&floor.0, &actor, &id, &wanted)?;
            let off = &loaded.stages.off;
            Ok(RuleSwitched { off: word_on(off, &id).cloned(), rules_off: off.len() })
        })
        .await
    }

    /// Lets a rule run again that was shut off because it took too long.
    pub async fn lift_rule(&self, caller: &Caller, id: &str) -> Result<(), Failure> {
        let actor = caller.may(Permission::Content)?;
        let known = self.0.costs.shut_off().into_iter().any(|shut| *shut.rule_id == *id);
        if !known {
            return Err(Failure::new(Kind::NotFound, "no rule of that id is shut off"));
        }
        self.note(actor, "rule.lift", id).await?;
        self.0.costs.lift(id);
        save_shut_off(&self.0).await
    }

    /// Reads a text as it would be read if it were saved, and says what is wrong or odd about it.
    pub async fn check_rule(&self, caller: &Caller, text: String) -> Result<RuleChecked, Failure> {
        caller.may(Permission::Content)?;
        sound(&text)?;
        let turn = Arc::clone(&self.0.checking).acquire_owned().await;
        let floor = self.clone();
        blocking(move || {
            let _turn = turn;
            Ok(floor.checked(&text))
        })
        .await
    }

    fn checked(&self, text: &str) -> RuleChecked {
        let (rules, mut problems) = self.compiled(text);
        let content = self.0.content.get();
        let own = detect::RuleText { path: UNSAVED.to_owned(), text: text.to_owned() };
        problems.extend(detect::lint(&[own], &crate::rules::logsources(&content.stages)));
        problems.retain(|problem| problem.path == UNSAVED && problem.code != "rule/duplicate");
        problems.sort_by(|a, b| {
            (a.line, a.column, a.code, &a.message).cmp(&(b.line, b.column, b.code, &b.message))
        });
        problems.dedup();
        let in_force = content.stages.rules.list();
        let seen = rules.list().iter().filter(|info| *info.path == *UNSAVED).map(|info| {
            let stands = in_force.iter().find(|known| known.id == info.id);
            RuleSeen {
                id: Arc::clone(&info.id),
                title: Arc::clone(&info.title),
                level: info.level,
                correlation: info.correlation,
                stands_in: stands.map(|stands| Arc::clone(&stands.path)),
                saved_here: stands.is_some_and(|stands| saved(&self.0, &stands.path)),
            }
        });
        RuleChecked { rules: seen.collect(), problems }
    }

    /// Compiles a text: by itself, or among all others when correlations are in it.
    fn compiled(&self, text: &str) -> (Rules, Vec<RuleProblem>) {
        let content = self.0.content.get();
        let own = detect::RuleText { path: UNSAVED.to_owned(), text: text.to_owned() };
        let outline = Outline::of(text);
        let mut all = match outline.correlations.is_empty() {
            true => Vec::new(),
            // Another version of the same rule would be counted beside it.
            false => {
                let ids: BTreeSet<&str> = outline.heads().map(|(id, _)| id.as_str()).collect();
                let list = content.stages.rules.list().iter();
                let mine =
                    list.filter(|info| ids.contains(&*info.id) && saved(&self.0, &info.path));
                let paths: BTreeSet<&str> = mine.map(|info| &*info.path).collect();
                let texts = content.texts.rules().iter();
                texts.filter(|text| !paths.contains(text.path.as_str())).cloned().collect()
            }
        };
        all.push(own);
        Rules::load_with(all, content.texts.placeholders())
    }

    /// Compiles what is to be tried: the rules of a text and those that its correlations count. What else had
    /// to be loaded is shut off.
    pub(super) fn to_try(&self, text: &str) -> Result<Rules, Failure> {
        let (rules, problems) = self.compiled(text);
        let mistake = |p: &&RuleProblem| p.path == UNSAVED && p.severity == Severity::Error;
        if let Some(mistake) = problems.iter().find(mistake) {
            let (line, column) = (mistake.line, mistake.column);
            let message = model::inert(&mistake.message);
            let message =
                format!("the rule has a mistake: line {line}, column {column}: {message}");
            return Err(Failure::new(Kind::Content, message));
        }
        let own = rules.list().iter().filter(|info| *info.path == *UNSAVED);
        let counted: BTreeSet<Arc<str>> = own
            .clone()
            .filter_map(|info| rules.counted_by(&info.id, &info.version))
            .flatten()
            .collect();
        if own.clone().next().is_none() {
            return Err(Failure::new(Kind::Content, "the text holds no rule"));
        }
        let others = rules.list().iter().filter(|info| *info.path != *UNSAVED);
        let others: BTreeSet<&str> =
            others.filter(|info| counted.contains(&info.id)).map(|info| &*info.path).collect();
        let content = self.0.content.get();
        let texts = content.texts.rules().iter();
        let mut small: Vec<_> =
            texts.filter(|text| others.contains(text.path.as_str())).cloned().collect();
        small.push(detect::RuleText { path: UNSAVED.to_owned(), text: text.to_owned() });
        // Correlations among correlations: what they count is in other files again.
        let (few, _) = Rules::load_with(small, content.texts.placeholders());
        let whole = own.clone().all(|info| {
            few.list().iter().any(|known| known.id == info.id && known.version == info.version)
        });
        let missing = counted.iter().any(|id| !few.list().iter().any(|known| known.id == *id));
        let chosen = if whole && !missing { few } else { rules };
        let plain = chosen.list().iter().filter(|info| !info.correlation);
        for info in plain.filter(|info| !Self::is_tried(info) && !counted.contains(&info.id)) {
            chosen.fence(&info.id, true);
        }
        Ok(chosen)
    }

    /// Whether a rule is one of the text that is tried.
    pub(super) fn is_tried(info: &detect::RuleInfo) -> bool {
        *info.path == *UNSAVED
    }

    /// Saves a rule on this floor. One that comes from elsewhere is not written over: the copy replaces it.
    pub async fn save_rule(
        &self,
        caller: &Caller,
        id: &str,
        expected: Option<u64>,
        text: String,
    ) -> Result<RuleSaved, Failure> {
        let edit = Edit { id: id.to_owned(), text: Some(text), expected };
        let Edited { loaded } = self.edit(caller, edit).await?;
        let rule = self.rule(caller, id)?;
        let problems = loaded.stages.rule_problems.iter();
        let warnings = problems.filter(|problem| *problem.path == *rule.rule.info.path).cloned();
        let loaded = loaded.stages.rules.list().len();
        Ok(RuleSaved { warnings: warnings.collect(), loaded, rule })
    }

    /// Takes a rule away that was saved on this floor. One that it replaced is in force again.
    pub async fn remove_rule(
        &self,
        caller: &Caller,
        id: &str,
        expected: Option<u64>,
    ) -> Result<RuleRemoved, Failure> {
        let edit = Edit { id: id.to_owned(), text: None, expected };
        let Edited { loaded } = self.edit(caller, edit).await?;
        let list = loaded.stages.rules.list();
        let again = list.iter().find(|info| *info.id == *id).map(|info| Arc::clone(&info.path));
        Ok(RuleRemoved { in_force_again: again, loaded: list.len() })
    }

    async fn edit(&self, caller: &Caller, edit: Edit) -> Result<Edited, Failure> {
        let actor = caller.may(Permission::Content)?.clone();
        let floor = self.clone();
        blocking(move || edit_rule(&floor.0, &actor, &edit)).await
    }
}
