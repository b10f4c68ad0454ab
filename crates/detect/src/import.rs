//! Whether rule files from elsewhere may join a rule set (`rules import`).

use serde::Serialize;

use crate::problem::{RuleProblem, Severity};
use crate::rule::RuleInfo;
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
    /// It holds no rule.
    Empty,
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

/// Judges rule files that are to join those `present`. Correlations may count rules of both.
pub fn judge_import(present: &[RuleText], texts: &[RuleText]) -> Vec<Import> {
    let (old, _) = Rules::load(present.to_vec());
    let (all, problems) = Rules::load([present, texts].concat());
    texts
        .iter()
        .map(|text| {
            let own = |problem: &&RuleProblem| problem.path == text.path;
            let problems: Vec<RuleProblem> = problems.iter().filter(own).cloned().collect();
            let rules: Vec<&RuleInfo> =
                all.list().iter().filter(|info| *info.path == *text.path).collect();
            let before = |rule: &RuleInfo| old.list().iter().find(|info| info.id == rule.id);
            let changed = rules
                .iter()
                .find_map(|rule| before(rule).filter(|before| before.version != rule.version));
            let known = rules.iter().all(|rule| before(rule).is_some());
            let verdict = match changed {
                _ if problems.iter().any(|problem| problem.severity == Severity::Error) => {
                    Verdict::Refused
                }
                _ if rules.is_empty() => Verdict::Empty,
                Some(before) => Verdict::Replaces(before.path.to_string()),
                None if known => Verdict::Known,
                None => Verdict::New,
            };
            let titles = rules.iter().map(|info| info.title.to_string()).collect();
            Import { path: text.path.clone(), verdict, titles, problems }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, id: &str, value: &str) -> RuleText {
        let text = format!(
            "title: {id}\nid: {id}\nlogsource: {{product: x}}\ndetection:\n    a: {{f: {value}}}\n    condition: a\n"
        );
        RuleText { path: path.to_owned(), text }
    }

    #[test]
    fn every_verdict() {
        let present = [text("old/a", "one", "1"), text("old/b", "two", "1")];
        let new = [
            text("new/a", "one", "1"),
            text("new/b", "two", "2"),
            text("new/c", "three", "1"),
            RuleText { path: "new/d".to_owned(), text: "title: [".to_owned() },
            RuleText { path: "new/e".to_owned(), text: "# nothing".to_owned() },
        ];
        let verdicts: Vec<Verdict> =
            judge_import(&present, &new).into_iter().map(|import| import.verdict).collect();
        let wanted = [
            Verdict::Known,
            Verdict::Replaces("old/b".to_owned()),
            Verdict::New,
            Verdict::Refused,
            Verdict::Empty,
        ];
        assert_eq!(verdicts, wanted);
    }
}
