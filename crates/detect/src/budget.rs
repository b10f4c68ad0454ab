//! What evaluation may cost.
//!
//! A step is about a nanosecond of work, told from the lengths of texts and patterns and not from a
//! clock: what is skipped on one machine is skipped on every other. A question that costs more than
//! [`QUESTION`] on one event is not answered, a rule that costs more than [`RULE`] is not evaluated
//! further; either is counted, and what does not depend on the missing answer still holds.

use std::cell::Cell;

use crate::rule::RuleInfo;
use crate::rules::Rules;

/// Steps that one question may take on one event.
pub(crate) const QUESTION: u64 = 50_000_000;
/// Steps that one rule may take on one event.
pub(crate) const RULE: u64 = 100_000_000;

/// What is left of a question's steps.
#[derive(Debug)]
pub(crate) struct Budget {
    spent: Cell<u64>,
    over: Cell<bool>,
}

impl Budget {
    /// For one question.
    pub(crate) fn new() -> Self {
        Self { spent: Cell::new(0), over: Cell::new(false) }
    }

    /// Takes steps; false when there are not that many left, and then nothing may be done for them.
    pub(crate) fn pay(&self, steps: u64) -> bool {
        let spent = self.spent.get().saturating_add(steps);
        if spent > QUESTION {
            self.over.set(true);
        } else {
            self.spent.set(spent);
        }
        !self.over.get()
    }

    /// Gives up: nobody can tell the answer within the budget.
    pub(crate) fn give_up(&self) {
        self.over.set(true);
    }

    /// True when something was not done.
    pub(crate) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// What was taken.
    pub(crate) fn spent(&self) -> u64 {
        self.spent.get()
    }
}

/// A truth that may not be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    No,
    Yes,
    /// Finding out would cost too much.
    Unknown,
}

impl Truth {
    /// What an answer is worth when the budget may have ended before it.
    pub(crate) fn of(holds: bool, budget: &Budget) -> Self {
        match (holds, budget.is_over()) {
            (true, _) => Truth::Yes,
            (false, true) => Truth::Unknown,
            (false, false) => Truth::No,
        }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Truth::No => Truth::Yes,
            Truth::Yes => Truth::No,
            Truth::Unknown => Truth::Unknown,
        }
    }
}

/// True when at least so many of them hold, as far as it can be known.
pub(crate) fn at_least(count: usize, truths: impl Iterator<Item = Truth>) -> Truth {
    let (mut missing, mut unknown) = (count, 0);
    if missing == 0 {
        return Truth::Yes;
    }
    for truth in truths {
        missing -= usize::from(truth == Truth::Yes);
        unknown += usize::from(truth == Truth::Unknown);
        if missing == 0 {
            return Truth::Yes;
        }
    }
    if unknown >= missing { Truth::Unknown } else { Truth::No }
}

/// True when all of them hold, as far as it can be known.
pub(crate) fn all(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut all = Truth::Yes;
    for truth in truths {
        match truth {
            Truth::No => return Truth::No,
            Truth::Unknown => all = Truth::Unknown,
            Truth::Yes => {}
        }
    }
    all
}

/// What a rule cost, and what it gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleCost {
    /// Events on which it was evaluated: those of its log source with something in them that it
    /// cannot hold without.
    pub evaluated: u64,
    /// Events that it matched.
    pub matched: u64,
    /// Events on which it was given up, because it would have taken too many steps. It may have
    /// matched them.
    pub skipped: u64,
    /// Steps spent on its questions, about a nanosecond each. A question that several rules ask
    /// is put down to the first.
    pub steps: u64,
}

/// What each rule of a set cost since somebody last asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleCosts {
    /// By the rules' numbers.
    of: Vec<RuleCost>,
}

impl RuleCosts {
    pub(crate) fn of(&mut self, rule: u32) -> Option<&mut RuleCost> {
        let rule = rule as usize;
        if rule >= self.of.len() {
            self.of.resize(rule + 1, RuleCost::default());
        }
        self.of.get_mut(rule)
    }

    /// Takes over what another counted, and empties it.
    pub fn take(&mut self, other: &mut Self) {
        if self.of.len() < other.of.len() {
            self.of.resize(other.of.len(), RuleCost::default());
        }
        for (sum, one) in self.of.iter_mut().zip(&mut other.of) {
            let RuleCost { evaluated, matched, skipped, steps } = std::mem::take(one);
            sum.evaluated += evaluated;
            sum.matched += matched;
            sum.skipped += skipped;
            sum.steps += steps;
        }
    }

    /// The costs of the rules of the set that they were counted for, where there are any.
    pub fn list<'r>(
        &'r self,
        rules: &'r Rules,
    ) -> impl Iterator<Item = (&'r RuleInfo, RuleCost)> + 'r {
        self.of.iter().enumerate().filter_map(|(number, cost)| {
            let info = &rules.rule(number as u32)?.info;
            (*cost != RuleCost::default()).then_some((&**info, *cost))
        })
    }
}
