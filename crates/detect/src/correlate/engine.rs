//! All correlations of a rule set at work: hits in, in any order; changes out.

use std::sync::Arc;

use model::{FindingId, Micros};
use rustc_hash::FxHashMap;

use super::changes::{Changes, Limits};
use super::group::{Effects, Look, Move};
use super::hit::Hit;
use super::input::Thing;
use super::lane::Lane;
use super::plan::{Correlation, Style, What};

/// What is known of the groups of all correlations. Needs to be handed the correlations for
/// whatever it does.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) lanes: Vec<Lane>,
    /// Which correlations count a rule, as which part.
    of_rule: FxHashMap<u32, Vec<(usize, u32)>>,
    /// Which correlations count a correlation, as which part.
    of_correlation: Vec<Vec<(usize, u32)>>,
    pub(super) limits: Limits,
    pub(super) watermark: Micros,
    /// Hits before this are late.
    pub(super) horizon: Micros,
    /// Findings of correlations that are no more, to be called settled.
    pub(super) orphans: Vec<FindingId>,
    /// For each correlation, whether it ever held.
    held: Vec<bool>,
}

impl Engine {
    pub(super) fn new(correlations: &[Correlation], limits: Limits) -> Self {
        let mut of_rule: FxHashMap<u32, Vec<(usize, u32)>> = FxHashMap::default();
        let mut of_correlation = vec![Vec::new(); correlations.len()];
        for (at, rule) in correlations.iter().enumerate() {
            for (number, part) in rule.parts.iter().enumerate() {
                match part.what {
                    What::Rule(rule) => of_rule.entry(rule).or_default().push((at, number as u32)),
                    What::Correlation(below) => {
                        if let Some(above) = of_correlation.get_mut(below) {
                            above.push((at, number as u32));
                        }
                    }
                }
            }
        }
        Self {
            lanes: correlations.iter().map(|_| Lane::default()).collect(),
            of_rule,
            of_correlation,
            limits,
            watermark: Micros(i64::MIN),
            horizon: Micros(i64::MIN),
            orphans: Vec::new(),
            held: vec![false; correlations.len()],
        }
    }

    pub(super) fn feed(&mut self, correlations: &[Correlation], hit: Hit) {
        let Some(counted) = self.of_rule.get(&hit.rule) else { return };
        let late = hit.time < self.horizon;
        let hit = Arc::new(hit);
        for (at, part) in counted {
            let (Some(rule), Some(lane)) = (correlations.get(*at), self.lanes.get_mut(*at)) else {
                continue;
            };
            if rule.fence.is_shut() {
                // Neither counted nor left out: somebody wants it so.
            } else if late {
                lane.left_out.late += 1;
            } else if lane.weight > self.limits.total.saturating_mul(2) {
                // Whoever feeds without ever asking.
                lane.left_out.shed += 1;
            } else {
                lane.offer(rule, *part, Thing::Hit(hit.clone()), Move::In);
            }
        }
    }

    pub(super) fn advance(&mut self, correlations: &[Correlation], watermark: Micros) -> Changes {
        self.watermark = self.watermark.max(watermark);
        let back = self.watermark.0.saturating_sub(self.limits.lateness.0.max(0));
        self.horizon = self.horizon.max(Micros(back));
        let latest = Micros(self.watermark.0.saturating_add(self.limits.ahead.0.max(0)));
        let mut changes = Changes::default();
        changes.settled.append(&mut self.orphans);
        let horizons = self.horizons(correlations);
        for ((at, rule), horizon) in correlations.iter().enumerate().zip(horizons) {
            let above = self.of_correlation.get(at).map(Vec::as_slice).unwrap_or_default();
            let room = self.limits.group.max(rule.needs().saturating_mul(2));
            let tells = !above.is_empty();
            let look = Look { rule, horizon, latest, room, tells };
            let Some((lane, others)) = self.lanes.get_mut(at..).and_then(<[_]>::split_first_mut)
            else {
                break;
            };
            let mut effects = Effects::default();
            if rule.fence.is_shut() {
                changes.settled.extend(lane.forget());
                continue;
            }
            lane.look(&look, &mut effects);
            let room = self.limits.rule.max(rule.needs().saturating_mul(4));
            if lane.weight > room.min(self.limits.total) {
                let keep = room.min(self.limits.total) / 8 * 7;
                let far = reach(lane.distances(self.watermark), keep);
                lane.shed(&look, self.watermark, far, &mut effects);
            }
            if let Some(held) = self.held.get_mut(at) {
                *held |= effects.held;
            }
            for (upper, part) in above {
                let above = upper.checked_sub(at + 1).and_then(|place| others.get_mut(place));
                let (Some(lane), Some(rule)) = (above, correlations.get(*upper)) else { continue };
                let births = !rule.asks_presence();
                for (old, new) in &effects.told {
                    for (pulse, way) in [(old, Move::Out), (new, Move::In)] {
                        if let Some(pulse) = pulse.as_ref().filter(|pulse| pulse.birth || !births) {
                            lane.offer(rule, *part, Thing::Pulse(pulse.clone()), way);
                        }
                    }
                }
            }
            add(&mut changes, effects.changes);
        }
        self.shed(correlations, latest, &mut changes);
        changes.sort();
        changes
    }

    /// Of each correlation, up to when its inputs are certain.
    pub(super) fn horizons(&self, correlations: &[Correlation]) -> Vec<Micros> {
        let mut inputs: Vec<Micros> = Vec::with_capacity(correlations.len());
        let mut says: Vec<Micros> = Vec::with_capacity(correlations.len());
        for rule in correlations {
            let below = rule.parts.iter().map(|part| match part.what {
                What::Rule(_) => self.horizon,
                What::Correlation(below) => says.get(below).copied().unwrap_or(self.horizon),
            });
            let horizon = below.min().unwrap_or(self.horizon);
            inputs.push(horizon);
            // A window that is judged when it is over is dated by its last input.
            let lag = if rule.style == Style::Over { rule.span.0 } else { 0 };
            says.push(Micros(horizon.0.saturating_sub(lag)));
        }
        inputs
    }

    /// When everything together is too much, what lies farthest from the watermark goes.
    fn shed(&mut self, correlations: &[Correlation], latest: Micros, changes: &mut Changes) {
        if self.weight() <= self.limits.total {
            return;
        }
        let distances = self.lanes.iter().flat_map(|lane| lane.distances(self.watermark));
        let far = reach(distances, self.limits.total / 8 * 7);
        let horizons = self.horizons(correlations);
        for ((rule, lane), horizon) in correlations.iter().zip(&mut self.lanes).zip(horizons) {
            let mut effects = Effects::default();
            let look = Look { rule, horizon, latest, room: usize::MAX, tells: false };
            lane.shed(&look, self.watermark, far, &mut effects);
            add(changes, effects.changes);
        }
    }

    pub(super) fn weight(&self) -> usize {
        self.lanes.iter().map(|lane| lane.weight).sum()
    }

    /// Whether each correlation ever held.
    pub(super) fn held(&self) -> &[bool] {
        &self.held
    }
}

fn add(changes: &mut Changes, other: Changes) {
    changes.new.extend(other.new);
    changes.changed.extend(other.changed);
    changes.superseded.extend(other.superseded);
    changes.settled.extend(other.settled);
}

/// The distance up to which things weigh no more than `keep`.
fn reach(distances: impl Iterator<Item = (u64, usize)>, keep: usize) -> u64 {
    let mut all: Vec<(u64, usize)> = distances.collect();
    all.sort_unstable();
    let mut sum = 0_usize;
    let (mut nearer, mut here) = (None, None);
    for (distance, weight) in all {
        if here != Some(distance) {
            nearer = here;
            here = Some(distance);
        }
        sum = sum.saturating_add(weight);
        if sum > keep {
            // Things at one distance stay or go together, but never all that there is.
            return nearer.unwrap_or(distance);
        }
    }
    u64::MAX
}
