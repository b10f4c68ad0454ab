//! What is wrong with a rule, said with a code and a caret.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// Whether a problem keeps a rule from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rule runs; someone should look.
    Warning,
    /// The rule was not loaded.
    Error,
}

/// A problem of a rule file, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleProblem {
    /// Stable code for machines, e.g. `rule/regex`.
    pub code: &'static str,
    /// Whether the rule was left out.
    pub severity: Severity,
    /// The file, as it was given.
    pub path: String,
    /// The rule's title where it could be read, else empty.
    pub title: String,
    /// One sentence for a person.
    pub message: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters the caret covers; at least 1.
    pub width: usize,
    /// The text of that line, cut to what fits a screen.
    pub excerpt: String,
}

impl fmt::Display for RuleProblem {
    /// Several lines: what, where, the line of the file, a caret. Control characters of the file
    /// are not repeated.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        writeln!(f, "{severity}[{}]: {}", self.code, clean(&self.message))?;
        writeln!(f, "  --> {}:{}:{}", clean(&self.path), self.line, self.column)?;
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, " {margin} |")?;
        writeln!(f, " {number} | {}", clean(&self.excerpt))?;
        let indent = " ".repeat(self.column.saturating_sub(1));
        write!(f, " {margin} | {indent}{}", "^".repeat(self.width))
    }
}

/// The text without control characters, each replaced so that columns stay.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A problem before its place is known: what to look for in the text stands in `near`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) near: String,
    /// Line and column within the document, from 1, when the parser said them.
    pub(crate) place: Option<(usize, usize)>,
}

impl Fault {
    /// Makes one that is found by a text.
    pub(crate) fn new(code: &'static str, message: impl Into<String>, near: &str) -> Self {
        Self { code, message: message.into(), near: near.to_owned(), place: None }
    }

    /// Makes one whose place is known.
    pub(crate) fn at(
        code: &'static str,
        message: impl Into<String>,
        place: (usize, usize),
    ) -> Self {
        Self { code, message: message.into(), near: String::new(), place: Some(place) }
    }
}

/// Width of an excerpt in characters.
const EXCERPT: usize = 160;

/// Finds the place of a fault. `text` is the document, `first_line` the line of the file on which
/// it begins (from 0).
pub(crate) fn locate(
    fault: Fault,
    severity: Severity,
    path: &str,
    title: &str,
    text: &str,
    first_line: usize,
) -> RuleProblem {
    let (line, column, width) = match fault.place {
        Some((line, column)) => (line.max(1), column.max(1), 1),
        None => search(text, &fault.near),
    };
    let excerpt: String = text.lines().nth(line - 1).unwrap_or_default().chars().collect();
    let excerpt: String = excerpt.chars().take(EXCERPT).collect();
    let room = excerpt.chars().count();
    let column = column.min(room + 1);
    RuleProblem {
        code: fault.code,
        severity,
        path: path.to_owned(),
        title: title.to_owned(),
        message: fault.message,
        line: first_line + line,
        column,
        width: width.clamp(1, (room + 1).saturating_sub(column).max(1)),
        excerpt,
    }
}

/// Line, column and width of the first place where the text stands, comments left aside.
fn search(text: &str, near: &str) -> (usize, usize, usize) {
    let near = near.lines().next().unwrap_or_default();
    if near.is_empty() {
        return (1, 1, 1);
    }
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
        .find_map(|(at, line)| {
            let (before, _) = line.split_once(near)?;
            Some((at + 1, before.chars().count() + 1, near.chars().count()))
        })
        .unwrap_or((1, 1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_fault() {
        let text = "title: x\ndetection:\n  # foo\n  é: foo";
        let fault = Fault::new("rule/value", "bad\u{1b}[31m", "foo");
        let problem = locate(fault, Severity::Error, "a.yml", "x", text, 10);
        assert_eq!((problem.line, problem.column, problem.width), (14, 6, 3));
        let shown = problem.to_string();
        assert!(shown.contains("  --> a.yml:14:6\n"), "{shown}");
        assert!(shown.ends_with("    |      ^^^"), "{shown}");
        assert!(!shown.contains('\u{1b}'));
        let lost = locate(Fault::new("x", "", "none"), Severity::Error, "", "", "", 0);
        assert_eq!((lost.line, lost.column, lost.width), (1, 1, 1));
    }
}
