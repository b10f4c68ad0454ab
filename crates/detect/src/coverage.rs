//! Which rules can fire at all, given the log sources that events have (`rules coverage`).

use std::collections::BTreeMap;

use model::{LogSource, Tactic, Technique};
use serde::Serialize;

use crate::rules::Rules;

/// Rules of one kind: how many there are, and how many can fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    /// Loaded.
    pub rules: usize,
    /// Of those, for a log source that some source definition yields.
    pub covered: usize,
}

impl Count {
    fn add(&mut self, covered: bool) {
        self.rules += 1;
        self.covered += usize::from(covered);
    }
}

/// What the loaded rules cover.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Coverage {
    /// All rules.
    pub all: Count,
    /// By ATT&CK tactic, in the order of an attack.
    pub tactics: Vec<(Tactic, Count)>,
    /// By ATT&CK technique.
    pub techniques: Vec<(Technique, Count)>,
    /// Log sources that rules want and no source definition yields, most wanted first.
    pub missing: Vec<(LogSource, usize)>,
}

impl Rules {
    /// Compares the rules with the log sources that events can have.
    pub fn coverage(&self, sources: &[LogSource]) -> Coverage {
        let mut coverage = Coverage::default();
        let mut tactics: BTreeMap<Tactic, Count> = BTreeMap::new();
        let mut techniques: BTreeMap<Technique, Count> = BTreeMap::new();
        let mut missing: BTreeMap<LogSource, usize> = BTreeMap::new();
        let seen = |rule: &LogSource| sources.iter().any(|s| crate::logsource::sees(rule, s));
        for info in self.list() {
            let wanted: Vec<&LogSource> = match &info.logsource {
                Some(source) => vec![source],
                None => self.counted(&info.id),
            };
            let covered = wanted.iter().all(|source| seen(source));
            coverage.all.add(covered);
            for tactic in &info.tactics {
                tactics.entry(*tactic).or_default().add(covered);
            }
            for technique in &info.techniques {
                techniques.entry(technique.clone()).or_default().add(covered);
            }
            if let (Some(source), false) = (&info.logsource, covered) {
                *missing.entry(source.clone()).or_default() += 1;
            }
        }
        coverage.tactics = tactics.into_iter().collect();
        coverage.techniques = techniques.into_iter().collect();
        coverage.missing = missing.into_iter().collect();
        coverage.missing.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        coverage
    }
}
