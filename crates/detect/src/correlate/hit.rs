//! What is kept of a match until all events have been seen.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use model::{Entity, EventUid, Micros};

/// A match of a rule that some correlation refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The rule's number in its rule set.
    pub(crate) rule: u32,
    /// When the event happened.
    pub(crate) time: Micros,
    /// The event.
    pub(crate) uid: EventUid,
    /// Values of the fields that correlations group by or count, in the rule set's order.
    pub(crate) values: Box<[Option<Box<str>>]>,
    /// Who and what the event is about.
    pub(crate) entities: Arc<[Entity]>,
    /// Name of the event's source definition.
    pub(crate) source: Arc<str>,
    /// What the configuration says of everything that the event's sender sends.
    pub(crate) labels: Arc<[Arc<str>]>,
}

impl Hit {
    /// When the event happened.
    pub fn time(&self) -> Micros {
        self.time
    }
}

/// Hits by rule, bounded: of each rule the earliest, so that what is kept in the end does not
/// depend on how events were spread over threads.
#[derive(Debug, Default)]
pub(crate) struct HitStore {
    limit: usize,
    rules: BTreeMap<u32, Vec<Hit>>,
    left_out: u64,
    /// Entities seen, so that a flood of hits about one user holds that user once. Keys come from
    /// evidence: a hash that an attacker cannot foresee.
    entities: HashSet<Entity>,
}

/// Entities remembered before starting anew.
const MOST_ENTITIES: usize = 100_000;

impl HitStore {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(crate) fn push(&mut self, hit: Hit) {
        let hits = self.rules.entry(hit.rule).or_default();
        hits.push(hit);
        if hits.len() >= self.limit.saturating_mul(2) {
            self.left_out += prune(hits, self.limit);
        }
    }

    /// The same entities, sharing their text with those of earlier hits.
    pub(crate) fn shared(&mut self, entities: Vec<Entity>) -> Arc<[Entity]> {
        if self.entities.len() > MOST_ENTITIES {
            self.entities.clear();
        }
        let known = entities.into_iter().map(|entity| match self.entities.get(&entity) {
            Some(known) => known.clone(),
            None => {
                self.entities.insert(entity.clone());
                entity
            }
        });
        known.collect()
    }

    pub(crate) fn take(&mut self) -> Vec<Hit> {
        let mut out = Vec::new();
        for mut hits in std::mem::take(&mut self.rules).into_values() {
            self.left_out += prune(&mut hits, self.limit);
            out.append(&mut hits);
        }
        out
    }

    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// Keeps the earliest; says how many went.
fn prune(hits: &mut Vec<Hit>, limit: usize) -> u64 {
    let over = hits.len().saturating_sub(limit);
    if over > 0 && limit > 0 {
        hits.select_nth_unstable_by_key(limit - 1, |hit| (hit.time, hit.uid));
        hits.truncate(limit);
    }
    over as u64
}
