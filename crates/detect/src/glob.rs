//! Sigma's wildcards: `*` for any run of characters, `?` for exactly one, and the place where
//! `windash` lets any dash stand.

use crate::ask::How;

/// The characters that Windows programs take for the dash of an option: hyphen, slash, en dash,
/// em dash, horizontal bar (pySigma, `SigmaWindowsDashModifier`).
pub(crate) const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// This text.
    Text(Box<str>),
    /// Any one character.
    One,
    /// Any one of [`DASHES`].
    Dash,
}

/// A pattern cut at its `*`s. Each run of steps stands together; between two runs anything may
/// stand, line ends included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Glob {
    /// At least one; an empty first or last run means that the pattern is open on that side.
    runs: Vec<Vec<Step>>,
}

impl Glob {
    /// Makes one of its runs.
    pub(crate) fn new(runs: Vec<Vec<Step>>) -> Self {
        Self { runs }
    }

    /// Opens the pattern at its beginning, as `contains` and `endswith` do.
    pub(crate) fn open_start(mut self) -> Self {
        if self.runs.first().is_some_and(|run| !run.is_empty()) {
            self.runs.insert(0, Vec::new());
        }
        self
    }

    /// Opens the pattern at its end, as `contains` and `startswith` do.
    pub(crate) fn open_end(mut self) -> Self {
        if self.runs.last().is_some_and(|run| !run.is_empty()) {
            self.runs.push(Vec::new());
        }
        self
    }

    /// Steps of the longest run: what may be tried at each place of a text.
    pub(crate) fn steps(&self) -> u64 {
        self.runs.iter().map(Vec::len).max().unwrap_or(0) as u64
    }

    /// The texts that must stand somewhere in whatever matches.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().flatten().filter_map(|step| match step {
            Step::Text(text) => Some(text.as_ref()),
            Step::One | Step::Dash => None,
        })
    }

    /// The same with its texts lower-cased.
    pub(crate) fn lower(mut self) -> Self {
        for step in self.runs.iter_mut().flatten() {
            if let Step::Text(text) = step {
                *text = text.to_lowercase().into();
            }
        }
        self
    }

    /// The same question without wildcards, when the only ones are `*` at the ends.
    pub(crate) fn as_text(&self) -> Option<(How, String)> {
        let text = |run: &[Step]| match run {
            [Step::Text(text)] => Some(text.to_string()),
            _ => None,
        };
        match self.runs.as_slice() {
            [only] => Some((How::Exact, text(only)?)),
            [before, after] if before.is_empty() && after.is_empty() => {
                Some((How::Contains, String::new()))
            }
            [before, last] if before.is_empty() => Some((How::Ends, text(last)?)),
            [first, after] if after.is_empty() => Some((How::Starts, text(first)?)),
            [before, middle, after] if before.is_empty() && after.is_empty() => {
                Some((How::Contains, text(middle)?))
            }
            _ => None,
        }
    }

    /// True when the whole text fits the pattern.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some((first, others)) = self.runs.split_first() else { return text.is_empty() };
        let Some(rest) = stands_at(first, text) else { return false };
        let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
        let mut rest = rest;
        for run in middle {
            match find(run, rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        ends_with(last, rest)
    }

    /// The pattern as a person writes it.
    pub(crate) fn spelled(&self) -> String {
        let mut out = String::new();
        for (at, run) in self.runs.iter().enumerate() {
            if at > 0 {
                out.push('*');
            }
            for step in run {
                match step {
                    Step::Text(text) => out.push_str(text),
                    Step::One => out.push('?'),
                    Step::Dash => out.push('-'),
                }
            }
        }
        out
    }
}

/// What is left of the text after the run, when the text begins with it.
fn stands_at<'t>(run: &[Step], text: &'t str) -> Option<&'t str> {
    run.iter().try_fold(text, |rest, step| match step {
        Step::Text(wanted) => rest.strip_prefix(wanted.as_ref()),
        Step::One => {
            let mut chars = rest.chars();
            chars.next().map(|_| chars.as_str())
        }
        Step::Dash => rest.strip_prefix(DASHES),
    })
}

/// What is left of the text after the first place where the run stands.
fn find<'t>(run: &[Step], text: &'t str) -> Option<&'t str> {
    match run.split_first() {
        None => Some(text),
        Some((Step::Text(wanted), others)) => {
            let mut from = text;
            while let Some((_, after)) = from.split_once(wanted.as_ref()) {
                if let Some(rest) = stands_at(others, after) {
                    return Some(rest);
                }
                let begin = from.len() - after.len() - wanted.len();
                let mut chars = from.get(begin..)?.chars();
                chars.next();
                from = chars.as_str();
            }
            None
        }
        Some(_) => text
            .char_indices()
            .filter_map(|(at, _)| text.get(at..))
            .find_map(|from| stands_at(run, from)),
    }
}

/// True when the text ends with the run.
fn ends_with(run: &[Step], text: &str) -> bool {
    let rest = run.iter().rev().try_fold(text, |rest, step| match step {
        Step::Text(wanted) => rest.strip_suffix(wanted.as_ref()),
        Step::One => {
            let mut chars = rest.chars();
            chars.next_back().map(|_| chars.as_str())
        }
        Step::Dash => rest.strip_suffix(DASHES),
    });
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str) -> Glob {
        let runs = pattern.split('*').map(|run| {
            let mut steps = Vec::new();
            let mut text = String::new();
            for c in run.chars() {
                let step = match c {
                    '?' => Step::One,
                    '~' => Step::Dash,
                    _ => {
                        text.push(c);
                        continue;
                    }
                };
                if !text.is_empty() {
                    steps.push(Step::Text(std::mem::take(&mut text).into()));
                }
                steps.push(step);
            }
            if !text.is_empty() {
                steps.push(Step::Text(text.into()));
            }
            steps
        });
        Glob::new(runs.collect())
    }

    #[test]
    fn wildcards_of_every_place() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "line\nline", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("*b*", "abc", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("*aab*", "aaab", true),
            ("*a?b*c", "aaxb-b..c", true),
            ("ab*bc", "abc", false),
            ("*~enc", "x /enc", true),
            ("*~enc", "x \u{2014}enc", true),
            ("*~enc", "x +enc", false),
            ("*a~b*", "a a-b", true),
            ("é*é", "é", false),
            ("*?", "", false),
        ] {
            assert_eq!(glob(pattern).matches(text), fits, "{pattern} on {text}");
        }
    }

    #[test]
    fn opening_adds_a_star_once() {
        assert_eq!(glob("a?b").open_start().open_end().spelled(), "*a?b*");
        assert_eq!(glob("*a*").open_start().open_end().spelled(), "*a*");
    }
}
