//! Windows over the inputs of one group: where a condition holds.

use std::collections::BTreeMap;

use model::{EventUid, Micros};
use rsigma_parser::{ConditionExpr, ConditionOperator, CorrelationType, Quantifier, WindowMode};

use super::plan::Correlation;

/// What a window counts: a hit of one of the parts.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) time: Micros,
    /// The event that it is; of a correlation's firing, the last one.
    pub(super) event: Option<EventUid>,
    /// Which part it is of.
    pub(super) part: usize,
    /// The counted value, folded to lower case, where the kind counts values.
    pub(super) value: Option<Box<str>>,
}

/// A stretch of inputs over which the condition holds: first and last place, and the count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) count: f64,
}

/// Finds the stretches. Inputs are sorted by time.
pub(super) fn stretches(rule: &Correlation, inputs: &[Input]) -> Vec<Stretch> {
    // "At most so many" can only be said when a window is over.
    let closed = rule.bounds.iter().any(|(order, _)| {
        use ConditionOperator as Order;
        matches!(order, Order::Lt | Order::Lte | Order::Eq | Order::Neq)
    });
    let mut out: Vec<Stretch> = Vec::new();
    match rule.window {
        WindowMode::Sliding if !closed => sliding(rule, inputs, 0, &mut out),
        mode => {
            for (first, end) in chunks(rule, mode, inputs) {
                let chunk = inputs.get(first..end).unwrap_or_default();
                let mut tally = Tally::new(rule);
                let mut held = None;
                for (at, input) in chunk.iter().enumerate() {
                    tally.add(at, input);
                    held = tally.held(rule);
                }
                // An order that was completed stays completed.
                let held = if rule.kind == CorrelationType::TemporalOrdered {
                    let mut within = Vec::new();
                    sliding(rule, chunk, first, &mut within);
                    within.first().map(|stretch| stretch.count)
                } else {
                    held
                };
                if let (Some(count), Some(last)) = (held, end.checked_sub(1)) {
                    out.push(Stretch { first, last, count });
                }
            }
        }
    }
    out
}

/// A window that trails each input. Overlapping windows are one stretch.
fn sliding(rule: &Correlation, inputs: &[Input], offset: usize, out: &mut Vec<Stretch>) {
    let mut tally = Tally::new(rule);
    let mut first = 0;
    for (at, input) in inputs.iter().enumerate() {
        tally.add(at, input);
        while let Some(oldest) = inputs.get(first)
            && input.time.0.saturating_sub(oldest.time.0) > rule.span.0
        {
            tally.remove(oldest);
            first += 1;
        }
        tally.expire(first);
        let Some(count) = tally.held(rule) else { continue };
        let begin = tally.chain_begin().unwrap_or(first) + offset;
        match out.last_mut() {
            Some(stretch) if begin <= stretch.last => {
                stretch.last = at + offset;
                stretch.count = stretch.count.max(count);
            }
            _ => out.push(Stretch { first: begin, last: at + offset, count }),
        }
    }
}

/// Cuts inputs into windows that are judged when they are over.
fn chunks(rule: &Correlation, mode: WindowMode, inputs: &[Input]) -> Vec<(usize, usize)> {
    let span = rule.span.0.max(1);
    let mut out = Vec::new();
    let mut first = 0;
    for at in 1..=inputs.len() {
        let (Some(begin), Some(before)) = (inputs.get(first), inputs.get(at - 1)) else { break };
        let over = inputs.get(at).is_none_or(|next| match mode {
            WindowMode::Tumbling => next.time.0.div_euclid(span) != begin.time.0.div_euclid(span),
            WindowMode::Session => {
                next.time.0.saturating_sub(before.time.0) > rule.gap.0
                    || next.time.0.saturating_sub(begin.time.0) > span
            }
            WindowMode::Sliding => next.time.0.saturating_sub(begin.time.0) > span,
        });
        if over {
            out.push((first, at));
            first = at;
        }
    }
    out
}

/// A chain of inputs that follow the order of the parts.
#[derive(Debug, Clone, Copy)]
struct Link {
    /// Place of its first input.
    begin: usize,
    /// Its last event: one event is not two steps.
    last: Option<EventUid>,
}

/// The chain that begins latest, and the latest one that ends with another event.
#[derive(Debug, Clone, Copy, Default)]
struct Best([Option<Link>; 2]);

impl Best {
    fn push(&mut self, new: Link) {
        let [first, second] = self.0;
        let second = if first.is_some_and(|link| link.last == new.last) { second } else { first };
        self.0 = [Some(new), second];
    }

    fn before(&self, event: Option<EventUid>) -> Option<Link> {
        self.0.into_iter().flatten().find(|link| link.last != event)
    }

    fn expire(&mut self, first: usize) {
        self.0 = self.0.map(|link| link.filter(|link| link.begin >= first));
    }
}

/// Running counts of a window.
struct Tally<'r> {
    rule: &'r Correlation,
    count: usize,
    distinct: BTreeMap<Box<str>, usize>,
    parts: Vec<usize>,
    sum: f64,
    /// Numbers in order, for ranks.
    sorted: Vec<f64>,
    /// For orders: the best chains of each prefix of the parts.
    chains: Vec<Best>,
    /// True when the last input completed the order.
    complete: bool,
}

impl<'r> Tally<'r> {
    fn new(rule: &'r Correlation) -> Self {
        Self {
            rule,
            count: 0,
            distinct: BTreeMap::new(),
            parts: vec![0; rule.parts.len()],
            sum: 0.0,
            sorted: Vec::new(),
            chains: vec![Best::default(); rule.parts.len()],
            complete: false,
        }
    }

    fn add(&mut self, at: usize, input: &Input) {
        self.count += 1;
        if let Some(part) = self.parts.get_mut(input.part) {
            *part += 1;
        }
        match self.rule.kind {
            CorrelationType::ValueCount => {
                if let Some(value) = &input.value {
                    *self.distinct.entry(value.clone()).or_default() += 1;
                }
            }
            CorrelationType::TemporalOrdered => self.link(at, input),
            _ => {
                if let Some(number) = number(input) {
                    self.sum += number;
                    if self.ranks() {
                        let place = self.sorted.partition_point(|known| *known < number);
                        self.sorted.insert(place, number);
                    }
                }
            }
        }
    }

    fn remove(&mut self, input: &Input) {
        self.count = self.count.saturating_sub(1);
        if let Some(part) = self.parts.get_mut(input.part) {
            *part = part.saturating_sub(1);
        }
        if let Some(value) = &input.value
            && let Some(count) = self.distinct.get_mut(value)
        {
            *count -= 1;
            if *count == 0 {
                self.distinct.remove(value);
            }
        }
        if let Some(number) = number(input) {
            self.sum -= number;
            let place = self.sorted.partition_point(|known| *known < number);
            if self.sorted.get(place).is_some_and(|known| known.total_cmp(&number).is_eq()) {
                self.sorted.remove(place);
            }
        }
    }

    fn ranks(&self) -> bool {
        matches!(self.rule.kind, CorrelationType::ValueMedian | CorrelationType::ValuePercentile)
    }

    /// An input of a part continues the best chain of the parts before it.
    fn link(&mut self, at: usize, input: &Input) {
        let begin = match input.part.checked_sub(1) {
            None => Some(at),
            Some(before) => {
                let before = self.chains.get(before).and_then(|best| best.before(input.event));
                before.map(|link| link.begin)
            }
        };
        self.complete = false;
        if let Some(begin) = begin
            && let Some(best) = self.chains.get_mut(input.part)
        {
            best.push(Link { begin, last: input.event });
            self.complete = input.part + 1 == self.rule.parts.len();
        }
    }

    /// Forgets chains that began before the window.
    fn expire(&mut self, first: usize) {
        for best in &mut self.chains {
            best.expire(first);
        }
    }

    /// Where the chain that was just completed begins.
    fn chain_begin(&self) -> Option<usize> {
        let Best([whole, _]) = self.chains.last()?;
        whole.filter(|_| self.complete).map(|link| link.begin)
    }

    /// The count, when the condition holds of it.
    fn held(&self, rule: &Correlation) -> Option<f64> {
        let present = self.parts.iter().filter(|count| **count > 0).count() as f64;
        if let Some(formula) = &rule.formula
            && !self.formula(formula)
        {
            return None;
        }
        let value = match rule.kind {
            CorrelationType::EventCount => self.count as f64,
            CorrelationType::ValueCount => self.distinct.len() as f64,
            CorrelationType::Temporal => present,
            CorrelationType::TemporalOrdered => {
                return self.chain_begin().map(|_| present);
            }
            CorrelationType::ValueSum => self.sum,
            CorrelationType::ValueAvg if self.count == 0 => return None,
            CorrelationType::ValueAvg => self.sum / self.count as f64,
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

    fn formula(&self, formula: &ConditionExpr) -> bool {
        let here = |name: &str| {
            let parts = self.rule.parts.iter().zip(&self.parts);
            parts.filter(|(part, _)| part.name == name).any(|(_, count)| *count > 0)
        };
        match formula {
            ConditionExpr::Identifier(name) => here(name),
            ConditionExpr::Not(part) => !self.formula(part),
            ConditionExpr::And(parts) => parts.iter().all(|part| self.formula(part)),
            ConditionExpr::Or(parts) => parts.iter().any(|part| self.formula(part)),
            ConditionExpr::Selector { quantifier, pattern } => {
                let chosen: Vec<bool> = self
                    .rule
                    .parts
                    .iter()
                    .filter(|part| pattern.matches_detection_name(&part.name))
                    .map(|part| here(&part.name))
                    .collect();
                let count = chosen.iter().filter(|here| **here).count() as u64;
                match quantifier {
                    Quantifier::Any => count >= 1,
                    Quantifier::All => count == chosen.len() as u64,
                    Quantifier::Count(wanted) => count >= *wanted,
                }
            }
        }
    }
}

fn number(input: &Input) -> Option<f64> {
    input.value.as_deref().and_then(crate::ask::number_of)
}

/// The value at a percentile, between neighbours in proportion.
fn rank(sorted: &[f64], percentile: f64) -> Option<f64> {
    let place = percentile / 100.0 * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(place.floor() as usize)?;
    let above = sorted.get(place.ceil() as usize).copied().unwrap_or(below);
    Some(below + (above - below) * place.fract())
}
