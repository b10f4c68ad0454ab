//! Rules that people switched off: one file in the content folder of a data folder, so that everything that
//! loads rules for that folder leaves out the same, and says so.
//!
//! A rule is named by its id: another version of it, or a copy that replaces it, stays off. A file that
//! cannot be read switches nothing off, and is told as a mistake of the content.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Micros;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::content::read_text;

/// A rule that a person switched off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleOff {
    /// The rule.
    pub rule_id: Arc<str>,
    /// What it was called then.
    #[serde(default)]
    pub title: Arc<str>,
    /// Since when.
    pub since: Micros,
    /// Who switched it off.
    pub by: Arc<str>,
    /// Why, in their words.
    pub reason: Arc<str>,
}

/// All that are off in a data folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Off {
    text: String,
    rules: Vec<RuleOff>,
}

/// The file of a data folder.
pub(crate) fn place(data: &Path) -> PathBuf {
    data.join("content/rules-off.json")
}

impl Off {
    /// Reads the file. Without one nothing is off.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            _ => {}
        }
        let text = read_text(path)?;
        let rules = serde_json::from_str(&text).map_err(|error| {
            let path = path.display();
            format!("{path}: what is switched off cannot be read, and is on: {error}")
        })?;
        Ok(Self { text, rules })
    }

    /// The same with one rule more, or with another word on one.
    pub(crate) fn with(&self, off: RuleOff) -> Self {
        let mut rules = self.without(&off.rule_id).rules;
        rules.push(off);
        rules.sort_by(|a, b| a.rule_id.cmp(&b.rule_id));
        Self::of(rules)
    }

    /// The same with one rule less.
    pub(crate) fn without(&self, id: &str) -> Self {
        Self::of(self.rules.iter().filter(|off| *off.rule_id != *id).cloned().collect())
    }

    fn of(rules: Vec<RuleOff>) -> Self {
        let text = serde_json::to_string_pretty(&rules).unwrap_or_default() + "\n";
        Self { text, rules }
    }

    /// The file's text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn rules(&self) -> &[RuleOff] {
        &self.rules
    }
}

/// The word on a rule, when it is off.
pub(crate) fn word_on<'o>(off: &'o [RuleOff], id: &str) -> Option<&'o RuleOff> {
    off.iter().find(|off| *off.rule_id == *id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_says_what_it_was_told_and_a_broken_one_switches_nothing_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("off.json");
        assert_eq!(Off::read(&path).unwrap().rules(), []);
        let off = |id: &str, reason: &str| RuleOff {
            rule_id: id.into(),
            title: "A \"title\"\n".into(),
            since: Micros(1_792_303_200_000_000),
            by: "anna".into(),
            reason: reason.into(),
        };
        let all = Off::default().with(off("b", "noisy")).with(off("a", "noisy"));
        let all = all.with(off("b", "a scanner of ours"));
        std::fs::write(&path, all.text()).unwrap();
        let read = Off::read(&path).unwrap();
        assert_eq!(read.rules(), [off("a", "noisy"), off("b", "a scanner of ours")]);
        assert_eq!(read.without("a").rules(), [off("b", "a scanner of ours")]);
        for broken in ["", "{}", "[{\"rule_id\": \"a\"}]", "[1]"] {
            std::fs::write(&path, broken).unwrap();
            assert!(Off::read(&path).unwrap_err().contains("off.json"), "{broken}");
        }
    }
}
