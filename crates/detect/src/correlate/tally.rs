//! Running counts of a window, and whether a condition holds of them.
//!
//! Everything here is a function of the inputs in the window alone, never of how the window came
//! to hold them: a window may be moved back for an event that comes late, or built anew after a
//! restart, and says the same.

use std::collections::HashMap;
use std::sync::Arc;

use model::EventUid;
use rsigma_parser::{ConditionExpr, ConditionOperator, CorrelationType, Quantifier};

use super::input::{Counted, Input};
use super::plan::Correlation;
use super::sum::Exact;

/// A chain of inputs that follow the order of the parts.
#[derive(Debug, Clone, Copy)]
struct Link {
    /// Place of its first input.
    begin: usize,
    /// Its last event: one event is not two steps.
    last: EventUid,
}

/// The two chains that begin last, of different last events, so that one is always left for an
/// input of another event.
#[derive(Debug, Clone, Copy, Default)]
struct Best([Option<Link>; 2]);

impl Best {
    fn push(&mut self, new: Link) {
        self.0 = match self.0 {
            [Some(first), second] if first.last == new.last => {
                [Some(Link { begin: first.begin.max(new.begin), ..first }), second]
            }
            [Some(first), Some(second)] if new.begin < first.begin => {
                [Some(first), Some(if new.begin >= second.begin { new } else { second })]
            }
            [Some(first), None] if new.begin < first.begin => [Some(first), Some(new)],
            [first, _] => [Some(new), first],
        };
    }

    fn before(&self, event: EventUid) -> Option<Link> {
        self.0.into_iter().flatten().find(|link| link.last != event)
    }

    /// The first places are no more.
    fn shift(&mut self, places: usize) {
        let shifted = |link: Link| Some(Link { begin: link.begin.checked_sub(places)?, ..link });
        let [first, second] = self.0.map(|link| link.and_then(shifted));
        self.0 = if first.is_none() { [second, None] } else { [first, second] };
    }
}

/// Running counts of a window.
#[derive(Debug, Default)]
pub(super) struct Tally {
    count: usize,
    /// How many inputs of each part.
    parts: Vec<usize>,
    /// How often each value. Values come from evidence: a hash that an attacker cannot foresee.
    distinct: HashMap<Arc<str>, usize>,
    numbers: usize,
    sum: Exact,
    /// Numbers in order, for ranks.
    sorted: Vec<f64>,
    /// For orders: the best chains of each prefix of the parts.
    chains: Vec<Best>,
    /// Where the chain begins that the last input completed.
    complete: Option<usize>,
}

impl Tally {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes an input in; `at` is its place.
    pub(super) fn add(&mut self, rule: &Correlation, at: usize, input: &Input) {
        self.count += 1;
        self.parts.resize(rule.parts.len(), 0);
        if let Some(part) = self.parts.get_mut(input.part as usize) {
            *part += 1;
        }
        match &input.counted {
            Counted::Presence => {}
            Counted::Text(value) => match self.distinct.get_mut(value) {
                Some(count) => *count += 1,
                None => {
                    self.distinct.insert(value.clone(), 1);
                }
            },
            Counted::Number(number) => {
                self.numbers += 1;
                if ranks(rule) {
                    let place =
                        self.sorted.partition_point(|known| known.total_cmp(number).is_lt());
                    self.sorted.insert(place, *number);
                } else {
                    self.sum.add(*number);
                }
            }
        }
        if rule.ordered() {
            self.link(rule, at, input);
        }
    }

    /// Takes an input out.
    pub(super) fn remove(&mut self, rule: &Correlation, input: &Input) {
        self.count = self.count.saturating_sub(1);
        if let Some(part) = self.parts.get_mut(input.part as usize) {
            *part = part.saturating_sub(1);
        }
        match &input.counted {
            Counted::Presence => {}
            Counted::Text(value) => {
                if let Some(count) = self.distinct.get_mut(value) {
                    *count -= 1;
                    if *count == 0 {
                        self.distinct.remove(value);
                    }
                }
            }
            Counted::Number(number) => {
                self.numbers = self.numbers.saturating_sub(1);
                if ranks(rule) {
                    let place =
                        self.sorted.partition_point(|known| known.total_cmp(number).is_lt());
                    if place < self.sorted.len() {
                        self.sorted.remove(place);
                    }
                } else {
                    self.sum.remove(*number);
                }
            }
        }
    }

    /// The first places are no more.
    pub(super) fn shift(&mut self, places: usize) {
        self.chains.iter_mut().for_each(|best| best.shift(places));
    }

    /// An input of a part continues the best chain of the parts before it.
    fn link(&mut self, rule: &Correlation, at: usize, input: &Input) {
        let part = input.part as usize;
        self.chains.resize(rule.parts.len(), Best::default());
        let begin = match part.checked_sub(1) {
            None => Some(at),
            Some(before) => {
                let before = self.chains.get(before).and_then(|best| best.before(input.event));
                before.map(|link| link.begin)
            }
        };
        self.complete = begin.filter(|_| part + 1 == rule.parts.len());
        if let (Some(begin), Some(best)) = (begin, self.chains.get_mut(part)) {
            best.push(Link { begin, last: input.event });
        }
    }

    /// Where the chain begins that the last input completed, when that is not before `low`.
    pub(super) fn completed(&self, low: usize) -> Option<usize> {
        self.complete.filter(|begin| *begin >= low)
    }

    /// The count, when the condition holds of a window that begins at `low`.
    pub(super) fn held(&self, rule: &Correlation, low: usize) -> Option<f64> {
        let present = self.parts.iter().filter(|count| **count > 0).count() as f64;
        if let Some(formula) = &rule.formula
            && !self.formula(rule, formula)
        {
            return None;
        }
        let value = match rule.kind {
            CorrelationType::EventCount => self.count as f64,
            CorrelationType::ValueCount => self.distinct.len() as f64,
            CorrelationType::Temporal => present,
            CorrelationType::TemporalOrdered => return self.completed(low).map(|_| present),
            CorrelationType::ValueSum => self.sum.value(),
            CorrelationType::ValueAvg if self.numbers == 0 => return None,
            CorrelationType::ValueAvg => self.sum.value() / self.numbers as f64,
            CorrelationType::ValueMedian => rank(&self.sorted, 50.0)?,
            CorrelationType::ValuePercentile => rank(&self.sorted, rule.percentile)?,
        };
        let holds = rule.bounds.iter().all(|(order, bound)| match order {
            ConditionOperator::Lt => value < *bound,
            ConditionOperator::Lte => value <= *bound,
            ConditionOperator::Gt => value > *bound,
            ConditionOperator::Gte => value >= *bound,
            ConditionOperator::Eq => (value - bound).abs() < f64::EPSILON,
            ConditionOperator::Neq => (value - bound).abs() >= f64::EPSILON,
        });
        holds.then_some(value)
    }

    fn formula(&self, rule: &Correlation, formula: &ConditionExpr) -> bool {
        let here = |name: &str| {
            let mut parts = rule.parts.iter().zip(&self.parts);
            parts.any(|(part, count)| part.name == name && *count > 0)
        };
        match formula {
            ConditionExpr::Identifier(name) => here(name),
            ConditionExpr::Not(part) => !self.formula(rule, part),
            ConditionExpr::And(parts) => parts.iter().all(|part| self.formula(rule, part)),
            ConditionExpr::Or(parts) => parts.iter().any(|part| self.formula(rule, part)),
            ConditionExpr::Selector { quantifier, pattern } => {
                let parts = rule.parts.iter().map(|part| part.name.as_str());
                let chosen = parts.filter(|name| pattern.matches_detection_name(name));
                let (mut count, mut all) = (0_u64, 0_u64);
                for name in chosen {
                    all += 1;
                    count += u64::from(here(name));
                }
                match quantifier {
                    Quantifier::Any => count >= 1,
                    Quantifier::All => count == all,
                    Quantifier::Count(wanted) => count >= *wanted,
                }
            }
        }
    }
}

fn ranks(rule: &Correlation) -> bool {
    matches!(rule.kind, CorrelationType::ValueMedian | CorrelationType::ValuePercentile)
}

/// The value at a percentile, between neighbours in proportion.
fn rank(sorted: &[f64], percentile: f64) -> Option<f64> {
    let place = percentile / 100.0 * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(place.floor() as usize)?;
    let above = sorted.get(place.ceil() as usize).copied().unwrap_or(below);
    Some(below + (above - below) * place.fract())
}
