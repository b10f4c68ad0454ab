//! Whether rule files from elsewhere may join a rule set (`rules import`).

use serde::Serialize;

use crate::problem::{RuleProblem, Severity};
use crate::rules::{RuleText, Rules};

/// What is to become of a rule file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It brings rules that are not there yet.
    New,
    /// All its rules are there already, word for word.
    Known,
    /// It changes a rule that is there, in the file named.
    Replaces(String),
    /// It cannot be used; its problems say why.
    Refused,
}

/// The verdict on one rule file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// The file.
    pub path: String,
    /// What is to become of it.
    pub verdict: Verdict,
    /// Titles of the rules that it holds.
    pub titles: Vec<String>,
    /// What is wrong or odd about it.
    pub problems: Vec<RuleProblem>,
}

impl Rules {
    /// Judges rule files, each by itself but for correlations, which may count rules of any of
    /// them or of this set. `texts` come in the order in which they would be copied.
    pub fn judge_import(&self, texts: &[RuleText]) -> Vec<Import> {
        let (new, problems) = Rules::load(texts.to_vec());
        let known_reference = |problem: &RuleProblem| {
            problem.code == "rule/reference"
                && self.list().iter().any(|info| {
                    let named = |name: &str| problem.message.contains(&format!("`{name}`"));
                    named(&info.id) || named(&info.title) || info.name.as_deref().is_some_and(named)
                })
        };
        texts
            .iter()
            .map(|text| {
                let problems: Vec<RuleProblem> = problems
                    .iter()
                    .filter(|problem| problem.path == text.path && !known_reference(problem))
                    .cloned()
                    .collect();
                let rules: Vec<_> =
                    new.list().iter().filter(|info| *info.path == *text.path).collect();
                let old = |id: &str| self.list().iter().find(|info| *info.id == *id);
                let refused = problems.iter().any(|problem| problem.severity == Severity::Error);
                let changed = rules
                    .iter()
                    .find_map(|info| old(&info.id).filter(|old| old.version != info.version));
                let all_known =
                    !rules.is_empty() && rules.iter().all(|info| old(&info.id).is_some());
                let verdict = match changed {
                    _ if refused => Verdict::Refused,
                    Some(old) => Verdict::Replaces(old.path.to_string()),
                    None if all_known => Verdict::Known,
                    None => Verdict::New,
                };
                let titles = rules.iter().map(|info| info.title.to_string()).collect();
                Import { path: text.path.clone(), verdict, titles, problems }
            })
            .collect()
    }
}
