//! Expressions over long texts.
//!
//! The engine of the regex crate takes linear time, but its last resort takes as many steps for each
//! byte as the expression has states, and some have ten thousand. Where that could be much, a lazy
//! automaton of our own setting goes first: about a step a byte, or it gives up early.
//!
//! An automaton cannot tell where words end beyond ASCII. Where an expression asks for that, the same
//! expression without the question goes over the text: what it does not find is not there, and around
//! what it finds the engine looks closely.

use std::ops::Range;
use std::panic::{RefUnwindSafe, UnwindSafe};

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::pool::Pool;
use regex_automata::{Input, MatchError, MatchErrorKind};
use regex_syntax::hir::{Capture, Class, Hir, HirKind, Look, Repetition};

use crate::budget::Budget;
use crate::regexes::SIZE_LIMIT;

/// What it costs to find out that an automaton gives up: it fills its memory several times.
const VAIN: u64 = 1 << 22;
/// Bytes that the engine looks at beyond the longest match, so that it is not called for each byte.
const STRIDE: usize = 1_024;
/// Matches that may be longer are not looked at closely.
const REACH: usize = 4_096;

/// An expression made for long texts.
#[derive(Debug)]
pub(crate) struct Guarded {
    whole: Lazy,
    /// The expression without its questions about words beyond ASCII, where it has any.
    relaxed: Option<Lazy>,
    /// Bytes of the longest match, where that is known and not too many.
    reach: Option<usize>,
}

impl Guarded {
    /// Nothing when it would take too much memory.
    pub(crate) fn new(source: &str) -> Option<Self> {
        let hir = regex_syntax::parse(source).ok()?;
        let words = hir.properties().look_set().contains_word_unicode();
        let relaxed = if words { Some(Lazy::new(&relaxed(&hir))?) } else { None };
        let reach = hir.properties().maximum_len().filter(|length| *length <= REACH);
        Some(Self { whole: Lazy::new(&hir)?, relaxed, reach })
    }

    /// Whether it matches anywhere in the text; nothing when that cannot be told cheaply. `closely`
    /// runs the engine over a part of the text, as far as the budget goes.
    pub(crate) fn is_match(
        &self,
        text: &str,
        budget: &Budget,
        closely: impl Fn(Range<usize>) -> Option<bool>,
    ) -> Option<bool> {
        let over_once = (text.len() as u64).saturating_mul(2);
        if !budget.pay(over_once) {
            return Some(false);
        }
        match (self.whole.first_end(text, 0), &self.relaxed) {
            (Ok(end), _) => return Some(end.is_some()),
            (Err(error), Some(relaxed)) if matches!(error.kind(), MatchErrorKind::Quit { .. }) => {
                if !budget.pay(over_once) {
                    return Some(false);
                }
                if let Ok(answer) = self.around(relaxed, text, closely) {
                    return answer;
                }
            }
            (Err(_), _) => {}
        }
        budget.pay(VAIN);
        None
    }

    /// Looks closely around everything that the relaxed expression finds.
    fn around(
        &self,
        relaxed: &Lazy,
        text: &str,
        closely: impl Fn(Range<usize>) -> Option<bool>,
    ) -> Result<Option<bool>, MatchError> {
        let mut from = 0;
        while let Some(end) = relaxed.first_end(text, from)? {
            let Some(reach) = self.reach else { return Ok(None) };
            // Whatever matches is found by the relaxed one, so none that begins here ends earlier.
            let start = text.floor_char_boundary(end.saturating_sub(reach).max(from));
            let stop = text.ceil_char_boundary((end + reach + STRIDE).min(text.len()));
            match closely(start..stop) {
                Some(false) if stop < text.len() => from = text.floor_char_boundary(stop - reach),
                answer => return Ok(answer),
            }
        }
        Ok(Some(false))
    }
}

/// An automaton that is made while it runs, and that gives up rather than be slow.
#[derive(Debug)]
struct Lazy {
    dfa: DFA,
    caches: Pool<Cache, MakeCache>,
}

type MakeCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

impl Lazy {
    fn new(hir: &Hir) -> Option<Self> {
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().nfa_size_limit(Some(SIZE_LIMIT)))
            .build_from_hir(hir)
            .ok()?;
        let config = DFA::config()
            // As if all were ASCII; at a byte beyond it gives up.
            .unicode_word_boundary(true)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(3))
            // A state costs as many steps as the expression has states: it must be worth it.
            .minimum_bytes_per_state(Some((nfa.states().len() / 2).max(10)));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let made = dfa.clone();
        let make: MakeCache = Box::new(move || made.create_cache());
        Some(Self { dfa, caches: Pool::new(make) })
    }

    /// Where the match ends that ends first among those that begin at `from` or later.
    fn first_end(&self, text: &str, from: usize) -> Result<Option<usize>, MatchError> {
        let mut cache = self.caches.get();
        let input = Input::new(text).range(from..).earliest(true);
        let found = self.dfa.try_search_fwd(&mut cache, &input)?;
        Ok(found.map(|found| found.offset()))
    }
}

/// The expression without its questions about words beyond ASCII: it matches wherever the expression
/// does, and elsewhere too.
fn relaxed(hir: &Hir) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(relaxed).collect();
    match hir.kind() {
        HirKind::Look(
            Look::WordUnicode
            | Look::WordUnicodeNegate
            | Look::WordStartUnicode
            | Look::WordEndUnicode
            | Look::WordStartHalfUnicode
            | Look::WordEndHalfUnicode,
        ) => Hir::empty(),
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
        HirKind::Repetition(repetition) => {
            let sub = Box::new(relaxed(&repetition.sub));
            Hir::repetition(Repetition { sub, ..repetition.clone() })
        }
        HirKind::Capture(capture) => {
            let sub = Box::new(relaxed(&capture.sub));
            Hir::capture(Capture { sub, ..capture.clone() })
        }
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
    }
}

/// About how many states an expression takes.
pub(crate) fn states(hir: &Hir) -> u64 {
    let sum = |parts: &[Hir]| parts.iter().fold(0_u64, |sum, p| sum.saturating_add(states(p)));
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        // Ranges of characters are sequences of bytes; many ranges share most of theirs.
        HirKind::Class(Class::Unicode(class)) => {
            let bytes = class.iter().map(|range| range.end().len_utf8() as u64 - 1).sum::<u64>();
            1 + if bytes > 64 { bytes / 5 } else { bytes }
        }
        HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            states(&repetition.sub).saturating_add(1).saturating_mul(u64::from(times))
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) => sum(parts),
        HirKind::Alternation(parts) => sum(parts).saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_about_as_many_as_there_are() {
        for source in [
            r"foo.*barbaz",
            r"(?i)Foo\s+Task[0-9a-f]{8}",
            r"\w+@\w+\.(com|net|org)",
            r"[\x00-\x7f]{300}",
            r"(\p{L}|\d){40}é*",
            r"(?i)(one|two|three){2,30}",
            r"[^a-z]{20}",
            r"(?i)[a-z]{2,9}\P{Greek}",
        ] {
            let known = regex_syntax::parse(source).map(|hir| states(&hir)).unwrap_or_default();
            let nfa = thompson::NFA::new(source).map_or(0, |nfa| nfa.states().len() as u64);
            assert!(known * 3 >= nfa && known <= nfa * 3, "{source}: {known} for {nfa}");
        }
    }
}
