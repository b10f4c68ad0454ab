//! Regular expressions of rules: bounded in size, and with the text that whatever matches must
//! hold, so that most values are refuted without running them.

use std::hash::{Hash, Hasher};

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

/// Bytes that one compiled expression may take. SigmaHQ has one that takes more than two megabytes.
const SIZE_LIMIT: usize = 10 << 20;

/// A compiled expression, compared by what it was compiled from.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: Regex,
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
        let regex =
            RegexBuilder::new(&source).size_limit(SIZE_LIMIT).build().map_err(
                |error| match error {
                    regex::Error::CompiledTooBig(_) => PatternError::TooBig,
                    other => PatternError::Syntax(last_line(&other.to_string())),
                },
            )?;
        let needle = regex_syntax::parse(&source).map(|hir| needle(&hir)).unwrap_or_default();
        Ok(Self { regex, needle: needle.into() })
    }

    /// True when it matches anywhere in the text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// What it was compiled from, flags included.
    pub(crate) fn source(&self) -> &str {
        self.regex.as_str()
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

/// The regex crate draws its own caret over several lines; its last line says what is wrong.
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
mod tests {
    use super::*;

    fn needle_of(source: &str) -> String {
        Pattern::new(source, false, false, false).map(|p| p.needle().to_owned()).unwrap_or_default()
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
            assert_eq!(needle_of(source), needle, "{source}");
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
