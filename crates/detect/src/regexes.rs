//! Regular expressions of rules: bounded in size and in what they cost, and with the text that
//! whatever matches must hold, so that most values are refuted without running them.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use regex_automata::Input;
use regex_automata::meta::{BuildError, Config, Regex};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::budget::Budget;
use crate::guarded::{self, Guarded};

/// Bytes that one compiled expression may take. SigmaHQ has one that takes more than two megabytes.
pub(crate) const SIZE_LIMIT: usize = 10 << 20;

/// Steps that the engine may take at worst before another way is looked for.
const LITTLE: u64 = 1 << 18;
/// Steps that it may take at worst where the other way failed.
const MUCH: u64 = 1 << 24;

/// States of an expression that is compiled at its first text, for what it takes is far below the limit:
/// most expressions of a rule set never see a text that their needles let through.
const SMALL: u64 = 1 << 13;

/// An expression, compared by what it is compiled from.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    source: Arc<str>,
    regex: Arc<OnceLock<Option<Regex>>>,
    /// About how many states it has.
    states: u64,
    /// Made for the first long value.
    guarded: Arc<OnceLock<Option<Guarded>>>,
    /// Lower-cased text that every ASCII match holds; empty when there is none.
    needle: Box<str>,
}

/// Why an expression was refused.
pub(crate) enum PatternError {
    /// It breaks the syntax, or uses what a linear-time engine cannot do (look-around).
    Syntax(String),
    /// It would take more memory than one expression may.
    TooBig,
}

impl Pattern {
    /// Compiles an expression with its flags (`i`, `m`, `s`).
    pub(crate) fn new(
        source: &str,
        ignore_case: bool,
        multi_line: bool,
        dot_all: bool,
    ) -> Result<Self, PatternError> {
        let mut flags = String::new();
        for (on, flag) in [(ignore_case, 'i'), (multi_line, 'm'), (dot_all, 's')] {
            if on {
                flags.push(flag);
            }
        }
        let source =
            if flags.is_empty() { source.to_owned() } else { format!("(?{flags}){source}") };
        let hir = regex_syntax::parse(&source)
            .map_err(|error| PatternError::Syntax(last_line(&error.to_string())))?;
        let states = guarded::states(&hir).max(1);
        let regex = OnceLock::new();
        if states > SMALL {
            let _unset = regex.set(Some(compiled(&hir)?));
        }
        Ok(Self {
            source: source.into(),
            regex: Arc::new(regex),
            states,
            guarded: Arc::default(),
            needle: needle(&hir).into(),
        })
    }

    /// True when it matches anywhere in the text, as far as the budget lets it find out.
    pub(crate) fn matches(&self, text: &str, budget: &Budget) -> bool {
        let worst = (text.len() as u64).saturating_mul(self.states);
        if worst <= LITTLE {
            return budget.pay(16 + worst / 8) && self.is_match(text.into());
        }
        let found = self.found_guarded(text, budget);
        found.unwrap_or_else(|| {
            if worst > MUCH || !budget.pay(worst) {
                budget.give_up();
                return false;
            }
            self.is_match(text.into())
        })
    }

    fn is_match(&self, input: Input<'_>) -> bool {
        let regex =
            self.regex.get_or_init(|| compiled(&regex_syntax::parse(&self.source).ok()?).ok());
        regex.as_ref().is_some_and(|regex| regex.is_match(input))
    }

    /// What the way says that is never slow; nothing when it cannot tell.
    fn found_guarded(&self, text: &str, budget: &Budget) -> Option<bool> {
        let guarded = self.guarded.get_or_init(|| Guarded::new(&self.source)).as_ref()?;
        guarded.is_match(text, budget, |range| {
            let length = range.len() as u64;
            let afforded = budget.pay(length.saturating_mul(self.states));
            afforded.then(|| self.is_match(Input::new(text).range(range)))
        })
    }

    /// What it was compiled from, flags included.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Text that the lower-cased form of every ASCII match holds; empty when there is none.
    pub(crate) fn needle(&self) -> &str {
        &self.needle
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source().hash(state);
    }
}

fn compiled(hir: &Hir) -> Result<Regex, PatternError> {
    let limit = Config::new().nfa_size_limit(Some(SIZE_LIMIT));
    Regex::builder().configure(limit).build_from_hir(hir).map_err(|error| refused(&error))
}

fn refused(error: &BuildError) -> PatternError {
    if error.size_limit().is_some() {
        PatternError::TooBig
    } else {
        PatternError::Syntax(error.to_string())
    }
}

/// The parser draws its own caret over several lines; its last line says what is wrong.
fn last_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// The longest text that stands in every match, lower-cased.
fn needle(hir: &Hir) -> String {
    let mut search = Search::default();
    search.visit(hir);
    search.close();
    search.best
}

/// Walks the parts that must be there, in order, gluing neighbours together.
#[derive(Default)]
struct Search {
    run: String,
    best: String,
}

impl Search {
    fn visit(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) if text.is_ascii() => self.run.push_str(&text.to_ascii_lowercase()),
                _ => self.close(),
            },
            HirKind::Class(class) => match one_letter(class) {
                Some(letter) => self.run.push(letter),
                None => self.close(),
            },
            HirKind::Capture(capture) => self.visit(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.visit(part)),
            HirKind::Repetition(repetition) if repetition.min > 0 => {
                self.visit(&repetition.sub);
                if repetition.min != 1 || repetition.max != Some(1) {
                    self.close();
                }
            }
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Repetition(_) | HirKind::Alternation(_) => self.close(),
        }
    }

    fn close(&mut self) {
        if self.run.len() > self.best.len() {
            self.best = std::mem::take(&mut self.run);
        }
        self.run.clear();
    }
}

/// The ASCII letter that a class of nothing but its two cases stands for. The long s and the
/// Kelvin sign, which fold to ASCII, are left aside: values that are not ASCII are never refuted
/// by a needle.
fn one_letter(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let mut letter = None;
    for range in class.iter() {
        if range.start() != range.end() {
            return None;
        }
        if range.start().is_ascii() {
            let lower = range.start().to_ascii_lowercase();
            if letter.is_some_and(|seen| seen != lower) {
                return None;
            }
            letter = Some(lower);
        }
    }
    letter
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(source: &str) -> Pattern {
        Pattern::new(source, false, false, false).unwrap_or_else(|_| panic!("{source}"))
    }

    #[test]
    fn needles_are_what_must_be_there() {
        for (source, needle) in [
            (r"foo.*barbaz", "barbaz"),
            (r"(?i)Foo\s+Task", "task"),
            (r"(foo|bar)", ""),
            (r"x(?:abc){2,3}y", "xabc"),
            (r"x(?:abc)?yz", "yz"),
            (r"^\\System32\\", r"\system32\"),
            (r"[0-9]{4}", ""),
            (r"a+b", "a"),
            (r"é", ""),
        ] {
            assert_eq!(pattern(source).needle(), needle, "{source}");
        }
    }

    #[test]
    fn long_texts_are_answered_as_short_ones() {
        for (source, text) in [
            (r"ab+c", "abbbc"),
            (r"(?i)^x.*Y$", "Xéy"),
            (r"\bword\b", "a word here"),
            (r"\bword\b", "é word"),
            (r"\bword\b", "éword"),
            (r"\bword\b", "wordé, word é"),
            (r"\Bord\b", "é word"),
            (r"\b\w{1,9}é\b", "café"),
            (r"(?s)a.c", "a\nc"),
            (r"[^\x00-\x7f]", "plain"),
            (r"(a|aa)+b$", "aaaaaa"),
        ] {
            let short = pattern(source).matches(text, &Budget::new());
            assert_eq!(short, regex::Regex::new(source).unwrap().is_match(text), "{source}");
            let far = format!("{}{text}", "-".repeat(10 << 20));
            let far = if source.contains('^') { format!("{text}{far}{text}") } else { far };
            let budget = Budget::new();
            let long = pattern(source).matches(&far, &budget);
            assert_eq!((long, budget.is_over()), (short, false), "{source} on {text}");
        }
    }

    /// Expressions of everything that a rule may say, words and their ends above all.
    fn sources() -> impl Strategy<Value = String> {
        let atom = prop::sample::select(vec![
            "a",
            "b",
            "word",
            "é",
            "к",
            " ",
            "-",
            "_",
            ".",
            r"\w",
            r"\W",
            r"\d",
            r"\s",
            "[a-c]",
            "[^a]",
            "[é-я]",
            r"\b",
            r"\B",
            r"\b{start}",
            r"\b{end}",
            r"\b{start-half}",
            r"\b{end-half}",
            r"(?-u:\b)",
            "^",
            "$",
            "(?m:^)",
            "(?m:$)",
            "(?i:WORD)",
            "(?s:.)",
            "",
        ]);
        let leaf = atom.prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                4 => prop::collection::vec(inner.clone(), 1..5).prop_map(|parts| parts.concat()),
                1 => prop::collection::vec(inner.clone(), 2..4)
                    .prop_map(|parts| format!("(?:{})", parts.join("|"))),
                1 => (inner, prop::sample::select(vec!["*", "+", "?", "{2}", "{0,3}", "{1,20}"]))
                    .prop_map(|(part, times)| format!("(?:{part}){times}")),
            ]
        })
    }

    fn texts() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a", "b", "c", "word", "WORD", "é", "к", " ", "-", "_", "1", "\n", "\u{200b}", "日本",
            "wordé", "é word", "\u{301}", ".",
        ]);
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn either_way_says_what_the_regex_crate_says(source in sources(), text in texts()) {
            let judge = regex::Regex::new(&source).unwrap();
            let pattern = pattern(&source);
            // The way of long texts, on a short one and on one that takes several windows.
            let far = format!("{}{text}{}", "é-".repeat(1_500), " ".repeat(500));
            for text in [text, far] {
                let truth = judge.is_match(&text);
                let budget = Budget::new();
                if let Some(found) = pattern.found_guarded(&text, &budget) {
                    prop_assert!(budget.is_over() || found == truth, "on {} bytes", text.len());
                }
                // Beyond the budget the answer is unknown.
                let budget = Budget::new();
                let found = pattern.matches(&text, &budget);
                prop_assert!(budget.is_over() || found == truth, "on {} bytes", text.len());
            }
        }
    }

    #[test]
    fn what_is_compiled_late_is_within_the_limit() {
        for part in [r"\w", r"[^a-z]", ".", r"(?s:.)", r"\p{Greek}", "(?:a|bc)", r"(?i)k", r"\d+"] {
            let hir = |times: u32| regex_syntax::parse(&format!("(?:{part}){{{times}}}")).unwrap();
            let most = (1..1_000).take_while(|times| guarded::states(&hir(*times)) <= SMALL).last();
            assert!(compiled(&hir(most.unwrap())).is_ok(), "{part}");
        }
    }

    #[test]
    fn bombs_and_look_around_are_refused() {
        let bomb = Pattern::new(r"(?:(?:\w{100}){100}){100}", false, false, false);
        assert!(matches!(bomb, Err(PatternError::TooBig)));
        let look = Pattern::new(r"(?=a)b", false, false, false);
        assert!(matches!(look, Err(PatternError::Syntax(why)) if why.contains("look-around")));
    }
}
