//! Correlations over all hits at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Finding, Micros};

use super::changes::{Changes, Limits};
use super::engine::Engine;
use super::hit::Hit;
use super::plan::Correlation;

/// Runs all correlations; findings come sorted by time and id.
pub(crate) fn run(correlations: &[Correlation], hits: Vec<Hit>, limit: usize) -> Vec<Finding> {
    whole(correlations, hits, limit).1.new
}

/// Ids of the correlations that hold, silent ones included.
pub(crate) fn fired(correlations: &[Correlation], hits: Vec<Hit>, limit: usize) -> Vec<Arc<str>> {
    let (engine, _) = whole(correlations, hits, limit);
    let all = correlations.iter().zip(engine.held());
    all.filter(|(_, held)| **held).map(|(rule, _)| rule.info.id.clone()).collect()
}

/// A stream that is over: everything has come, and nothing more will.
fn whole(correlations: &[Correlation], hits: Vec<Hit>, limit: usize) -> (Engine, Changes) {
    let mut engine = Engine::new(correlations, Limits::NONE);
    for mut hits in by_rule(hits).into_values() {
        hits.truncate(limit);
        hits.into_iter().for_each(|hit| engine.feed(correlations, hit));
    }
    let changes = engine.advance(correlations, Micros(i64::MAX));
    (engine, changes)
}

/// Hits rule by rule in order of time, each event once.
pub(crate) fn by_rule(hits: Vec<Hit>) -> BTreeMap<u32, Vec<Hit>> {
    let mut by_rule: BTreeMap<u32, Vec<Hit>> = BTreeMap::new();
    for hit in hits {
        by_rule.entry(hit.rule).or_default().push(hit);
    }
    for hits in by_rule.values_mut() {
        hits.sort_unstable_by_key(|hit| (hit.time, hit.uid));
        hits.dedup_by_key(|hit| hit.uid);
    }
    by_rule
}
