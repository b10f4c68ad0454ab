//! Mistakes in a source definition, shown where they are: a code, a title and a caret.

use std::fmt;

use serde::Serialize;

/// One mistake in a text that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code, `S001` …; the table is [`CODES`].
    pub code: &'static str,
    /// What is wrong, in one line.
    pub title: String,
    /// The file, as the caller named it.
    pub path: String,
    /// Line of the mistake, from 1.
    pub line: usize,
    /// Column of the mistake in characters, from 1.
    pub column: usize,
    /// How many characters the caret underlines (at least 1).
    pub width: usize,
    /// The source line itself.
    pub span: String,
    /// What stands beside the caret.
    pub label: String,
    /// What to do about it; may be empty.
    pub help: String,
}

/// Every code with its meaning.
pub const CODES: &[(&str, &str)] = &[
    ("S001", "the file is not YAML"),
    ("S002", "a limit is exceeded"),
    ("S003", "a key is missing"),
    ("S004", "an unknown key"),
    ("S005", "a key is given twice"),
    ("S006", "the wrong kind of value"),
    ("S007", "an expression cannot be read"),
    ("S008", "an unknown function"),
    ("S009", "wrong arguments of a function"),
    ("S010", "a bad regular expression or message pattern"),
    ("S011", "an unknown OCSF class"),
    ("S012", "an unknown OCSF attribute"),
    ("S013", "a value that the OCSF attribute cannot hold"),
    ("S014", "a path is mapped twice"),
    ("S015", "a bad time format or zone"),
    ("S016", "a name that is not defined"),
    ("S018", "a class that no record can reach"),
    ("S019", "a sample disagrees with its expected events"),
    ("S020", "a sample is recognised as another source"),
];

/// A place in a text, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    /// From 1.
    pub(crate) line: usize,
    /// From 1.
    pub(crate) column: usize,
    /// At least 1 when shown.
    pub(crate) width: usize,
}

/// Gathers the mistakes of one text.
pub(crate) struct Reporter<'t> {
    path: &'t str,
    text: &'t str,
    pub(crate) found: Vec<Diagnostic>,
}

/// No file needs to hear more than this at once.
const MAX_DIAGNOSTICS: usize = 100;

impl<'t> Reporter<'t> {
    pub(crate) fn new(path: &'t str, text: &'t str) -> Self {
        Self { path, text, found: Vec::new() }
    }

    /// Adds a mistake at a place.
    pub(crate) fn add(
        &mut self,
        code: &'static str,
        span: Span,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.found.len() >= MAX_DIAGNOSTICS {
            return;
        }
        let line = self.text.lines().nth(span.line.saturating_sub(1)).unwrap_or_default();
        self.found.push(Diagnostic {
            code,
            title: title.into(),
            path: self.path.to_owned(),
            line: span.line,
            column: span.column,
            width: span.width.max(1),
            span: line.chars().take(400).collect(),
            label: label.into(),
            help: help.into(),
        });
    }
}

impl fmt::Display for Diagnostic {
    /// As rustc shows it. Control characters of the text are made harmless.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = self.line.to_string().len();
        writeln!(f, "error[{}]: {}", self.code, clean(&self.title))?;
        writeln!(f, "{:gutter$}--> {}:{}:{}", "", self.path, self.line, self.column)?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{} | {}", self.line, clean(&self.span))?;
        let before = self.column.saturating_sub(1);
        let room = self.span.chars().count().saturating_sub(before).max(1);
        let carets = "^".repeat(self.width.clamp(1, room));
        let label = clean(&self.label);
        writeln!(f, "{:gutter$} | {:before$}{carets} {label}", "", "")?;
        if !self.help.is_empty() {
            for (at, line) in self.help.lines().enumerate() {
                let begin = if at == 0 { "= help: " } else { "        " };
                writeln!(f, "{:gutter$} {begin}{}", "", clean(line))?;
            }
        }
        Ok(())
    }
}

/// Control characters, tabs too, become spaces: the caret stays in its column and a terminal safe.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The known names nearest to a misspelt one, best first, at most three.
pub(crate) fn nearest<'n>(wrong: &str, known: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let limit = (wrong.chars().count() / 3).max(2);
    let mut near: Vec<(usize, &str)> = known
        .map(|name| (distance(wrong, name), name))
        .filter(|(d, name)| *d <= limit || (wrong.len() > 3 && name.contains(wrong)))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// `did you mean …?`, or nothing.
pub(crate) fn did_you_mean(near: &[&str]) -> String {
    match near {
        [] => String::new(),
        [one] => format!("did you mean `{one}`?"),
        many => format!("did you mean one of `{}`?", many.join("`, `")),
    }
}

/// Levenshtein's distance, by characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (cb, above) in b.iter().zip(row.iter().skip(1)) {
            let cost = corner + usize::from(ca != *cb);
            left = cost.min(left + 1).min(above + 1);
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("lowr", ["lower", "upper", "ip"].into_iter()), vec!["lower"]);
    }
}
