//! Windows over the inputs of one group: what each says of its condition.

use model::Micros;
use rsigma_parser::WindowMode;

use super::input::{Input, Verdict};
use super::plan::{Correlation, Style};
use super::tally::Tally;

/// A window that moves along the inputs of a group.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Counts of the inputs from `low` up to `judged`.
    tally: Tally,
    low: usize,
    /// The first input that has no verdict yet.
    judged: usize,
}

impl Sweep {
    /// Gives a verdict on every input that has none.
    pub(super) fn run(&mut self, rule: &Correlation, inputs: &mut [Input]) {
        while let Some(input) = inputs.get(self.judged) {
            let at = self.judged;
            let before = at.checked_sub(1).and_then(|before| inputs.get(before));
            if rule.style != Style::Trailing
                && let (Some(before), Some(first)) = (before, inputs.get(self.low))
                && parted(rule, first.time, before.time, input.time)
            {
                self.tally.clear();
                self.low = at;
            }
            self.tally.add(rule, at, input);
            if rule.style == Style::Trailing {
                while let Some(oldest) = inputs.get(self.low)
                    && input.time.0.saturating_sub(oldest.time.0) > rule.span.0
                {
                    self.tally.remove(rule, oldest);
                    self.low += 1;
                }
            }
            let mut held = self.tally.held(rule, self.low);
            let mut begin = self.low;
            if rule.ordered() && rule.style == Style::Trailing {
                begin = self.tally.completed(self.low).unwrap_or(begin);
            } else if rule.ordered() && held.is_none() && at > self.low {
                // An order that was completed in this window stays completed.
                held = before.and_then(|before| before.verdict.held);
            }
            let verdict = Verdict { reach: (at - begin) as u32, held };
            if let Some(input) = inputs.get_mut(at) {
                input.verdict = verdict;
            }
            self.judged += 1;
        }
    }

    /// Takes the verdicts from a place on back, before something changes there.
    pub(super) fn retreat(&mut self, rule: &Correlation, inputs: &[Input], to: usize) {
        if to >= self.judged {
            return;
        }
        let low = first(rule, inputs, to);
        if rule.ordered() || (rule.style != Style::Trailing && low != self.low) {
            self.tally.clear();
            let window = inputs.iter().enumerate().take(to).skip(low);
            window.for_each(|(at, input)| self.tally.add(rule, at, input));
        } else {
            let gone = inputs.iter().take(self.judged).skip(to.max(self.low));
            gone.for_each(|input| self.tally.remove(rule, input));
            let back = inputs.iter().enumerate().take(self.low.min(to)).skip(low);
            back.for_each(|(at, input)| self.tally.add(rule, at, input));
        }
        (self.low, self.judged) = (low, to);
    }

    /// The first inputs are about to go. No window that is still to be judged begins with them.
    pub(super) fn forget(&mut self, rule: &Correlation, inputs: &[Input], count: usize) {
        if count >= self.judged {
            self.tally.clear();
        } else {
            let gone = inputs.iter().take(count).skip(self.low);
            gone.for_each(|input| self.tally.remove(rule, input));
            self.tally.shift(count);
        }
        self.low = self.low.saturating_sub(count);
        self.judged = self.judged.saturating_sub(count);
    }

    /// Stands where every input has the verdict that it was stored with.
    pub(super) fn resume(&mut self, rule: &Correlation, inputs: &[Input]) {
        self.judged = inputs.len().saturating_add(1);
        self.low = self.judged;
        self.tally.clear();
        self.retreat(rule, inputs, inputs.len());
    }
}

/// Where the window begins that ends right before a place.
fn first(rule: &Correlation, inputs: &[Input], end: usize) -> usize {
    let Some((at, last)) = end.checked_sub(1).and_then(|at| Some((at, inputs.get(at)?))) else {
        return 0;
    };
    if rule.style != Style::Trailing {
        return at.saturating_sub(last.verdict.reach as usize);
    }
    let within = |input: &&Input| last.time.0.saturating_sub(input.time.0) <= rule.span.0;
    end - inputs.iter().take(end).rev().take_while(within).count()
}

/// True when an input at `next` is in no window with one that began at `first` and goes on until
/// `last`.
pub(super) fn parted(rule: &Correlation, first: Micros, last: Micros, next: Micros) -> bool {
    next >= bound(rule, first, last)
}

/// The first instant at which an input is in no window with those from `first` to `last`.
pub(super) fn bound(rule: &Correlation, first: Micros, last: Micros) -> Micros {
    let after = |time: Micros, span: i64| time.0.saturating_add(span).saturating_add(1);
    Micros(match (rule.style, rule.window) {
        (Style::Trailing, _) => after(last, rule.span.0),
        (_, WindowMode::Tumbling) => {
            let span = rule.span.0.max(1);
            first.0.div_euclid(span).saturating_add(1).saturating_mul(span)
        }
        (_, WindowMode::Session) => after(last, rule.gap.0).min(after(first, rule.span.0.max(1))),
        (_, WindowMode::Sliding) => after(first, rule.span.0.max(1)),
    })
}
