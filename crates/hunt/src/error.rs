//! What went wrong with a query, for the person who wrote it: a plain sentence, the place, and what
//! might have been meant.

use std::fmt;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::functions::{FUNCTIONS, FunctionInfo};
use crate::window::CONSUMER;

/// Kinds of failure; the caller's exit code and tone follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The text is not SQL.
    Syntax,
    /// A table, column or function that is not there.
    Name,
    /// SQL that makes no sense: types that do not fit, columns that are not grouped …
    Meaning,
    /// A statement that is not allowed.
    Refused,
    /// A bound was reached: memory, disk, time.
    Limit,
    /// Something in the data that the query could not work on.
    Data,
    /// The lake could not be read.
    Lake,
    /// A saved hunt, or a value for its parameters, that does not fit.
    Hunt,
    /// A mistake in this program.
    Internal,
}

/// A place in the query's text, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
    /// How many characters are meant.
    pub length: u64,
}

/// A query that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuntError {
    /// What kind of failure.
    pub kind: Kind,
    /// One sentence.
    pub message: String,
    /// Where in the query.
    pub place: Option<Place>,
    /// What might help.
    pub hint: Option<String>,
}

impl HuntError {
    /// A failure with its sentence.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None, hint: None }
    }

    /// With what might help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As several lines with the place marked in the query's text.
    pub fn render(&self, sql: &str) -> String {
        use fmt::Write as _;
        let mut out = self.message.clone();
        if let Some(place) = self.place
            && let Some(line) = sql.lines().nth((place.line.max(1) - 1) as usize)
        {
            let number = place.line.to_string();
            let pad = " ".repeat(number.len());
            // What stands before the caret must be as wide as in the line above it.
            let before: String = line
                .chars()
                .take((place.column.max(1) - 1) as usize)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let caret = "^".repeat(place.length.clamp(1, 200) as usize);
            let shown = model::inert(line);
            let _ = write!(out, "\n{pad} |\n{number} | {shown}\n{pad} | {before}{caret}");
        }
        if let Some(hint) = &self.hint {
            let _ = write!(out, "\n{hint}");
        }
        out
    }
}

impl fmt::Display for HuntError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(place) = self.place {
            write!(f, " (line {}, column {})", place.line, place.column)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for HuntError {}

impl From<lake::LakeError> for HuntError {
    fn from(error: lake::LakeError) -> Self {
        Self::new(Kind::Lake, error.to_string())
    }
}

/// Names that could have been meant.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) tables: Vec<String>,
    pub(crate) functions: Vec<String>,
}

/// Puts an error of the engine into a sentence.
pub(crate) fn explain(error: DataFusionError, sql: &str, known: &Known) -> HuntError {
    let place = error.diagnostic().and_then(|diagnostic| diagnostic.span).map(|span| Place {
        line: span.start.line,
        column: span.start.column,
        length: match span.end.line == span.start.line {
            true => span.end.column.saturating_sub(span.start.column).max(1),
            false => 1,
        },
    });
    let mut told = tell(error, known);
    told.place = told.place.or(place).or_else(|| quoted(&told.message).and_then(|n| find(sql, n)));
    told
}

fn tell(error: DataFusionError, known: &Known) -> HuntError {
    match error {
        DataFusionError::SQL(parser, _) => syntax(&parser.to_string()),
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            tell(*inner, known)
        }
        DataFusionError::Collection(all) => match all.into_iter().next() {
            Some(first) => tell(first, known),
            None => HuntError::new(Kind::Internal, "the engine failed and did not say why"),
        },
        DataFusionError::Shared(inner) => {
            let text = strip(&inner.to_string());
            match inner.as_ref() {
                DataFusionError::ResourcesExhausted(text) => exhausted(text),
                _ => HuntError::new(Kind::Data, text),
            }
        }
        DataFusionError::SchemaError(inner, _) => schema(*inner),
        DataFusionError::Plan(text) => plan(&text, known),
        DataFusionError::NotImplemented(text) => {
            if text.contains("single SQL statement") {
                return HuntError::new(Kind::Refused, "a hunt is one statement, and this is more")
                    .hint("remove what comes after the first `;`");
            }
            HuntError::new(Kind::Meaning, format!("this is not supported: {}", first_line(&text)))
        }
        DataFusionError::ResourcesExhausted(text) => exhausted(&text),
        DataFusionError::ArrowError(inner, _) => HuntError::new(Kind::Data, inner.to_string()),
        DataFusionError::Execution(text) => HuntError::new(Kind::Data, strip(&text)),
        DataFusionError::External(inner) => HuntError::new(Kind::Data, strip(&inner.to_string())),
        DataFusionError::ParquetError(inner) => HuntError::new(Kind::Lake, inner.to_string()),
        DataFusionError::ObjectStore(inner) => HuntError::new(Kind::Lake, inner.to_string()),
        DataFusionError::IoError(inner) => HuntError::new(Kind::Lake, inner.to_string()),
        other => HuntError::new(Kind::Internal, strip(&other.to_string())),
    }
}

/// Every consumer of memory is told with whether it can spill, so that word says nothing.
fn exhausted(text: &str) -> HuntError {
    if text.contains(&format!("{CONSUMER} needs")) {
        return HuntError::new(
            Kind::Limit,
            "a partition of a window has more rows than the query's memory can hold",
        )
        .hint("name more columns in PARTITION BY, or narrow it with --since and --until");
    }
    if text.contains("disk space") || text.contains("temporary") {
        return HuntError::new(Kind::Limit, "the query needs more room on disk than it may take")
            .hint("narrow it with --since and --until, or group by fewer columns");
    }
    HuntError::new(Kind::Limit, "the query needs more memory than it may take").hint(
        "narrow it with --since and --until, name the columns that you need, or group by fewer",
    )
}

fn syntax(text: &str) -> HuntError {
    let text = text.trim_start_matches("sql parser error: ").trim_start_matches("ParserError: ");
    let text = text.trim_matches('"');
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, at)) => {
            let mut numbers = at.split(", Column: ").map(|n| n.trim().parse::<u64>());
            let place = match (numbers.next(), numbers.next()) {
                (Some(Ok(line)), Some(Ok(column))) => Some(Place { line, column, length: 1 }),
                _ => None,
            };
            (message, place)
        }
        None => (text, None),
    };
    let mut error =
        HuntError::new(Kind::Syntax, format!("this is not SQL: {}", lower_first(message)));
    if text.contains("recursion limit") || text.contains("RecursionLimit") {
        error = HuntError::new(Kind::Limit, "the query is nested too deeply");
    }
    error.place = place;
    error
}

fn schema(error: SchemaError) -> HuntError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let names = valid_fields.iter().map(|column| column.name.clone());
            let near = nearest(&field.name, names);
            let error =
                HuntError::new(Kind::Name, format!("there is no column `{}` here", field.name));
            match near.as_slice() {
                [] => error.hint("DESCRIBE <table> lists the columns of a table"),
                near => error.hint(did_you_mean(near)),
            }
        }
        SchemaError::AmbiguousReference { field } => HuntError::new(
            Kind::Name,
            format!("`{}` is a column of more than one of these tables", field.name),
        )
        .hint("put the table's name before it"),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            HuntError::new(Kind::Name, format!("two columns have the name `{name}`"))
                .hint("give one of them another with AS")
        }
    }
}

fn plan(text: &str, known: &Known) -> HuntError {
    let text = first_line(text);
    if let Some(rest) = text.strip_prefix("table '") {
        let full = rest.split('\'').next().unwrap_or(rest);
        let name = full.rsplit('.').next().unwrap_or(full);
        let error = HuntError::new(Kind::Name, format!("there is no table `{name}`"));
        return match nearest(name, known.tables.iter().cloned()).as_slice() {
            [] => error.hint("SHOW TABLES lists what is there"),
            near => error.hint(did_you_mean(near)),
        };
    }
    if let Some(rest) = text.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next().unwrap_or(rest);
        return no_function(name, known);
    }
    if let Some(rest) = text.strip_prefix("table function '") {
        let name = rest.split('\'').next().unwrap_or(rest);
        return no_function(name, known);
    }
    if let Some(function) = misused(&text) {
        let call = function.call;
        return HuntError::new(Kind::Meaning, format!("these arguments do not fit `{call}`"))
            .hint(format!("for example: {}", function.example));
    }
    if text.starts_with("DDL not")
        || text.starts_with("DML not")
        || text.starts_with("Statement not")
    {
        return HuntError::new(Kind::Refused, "a hunt reads the lake and changes nothing");
    }
    HuntError::new(Kind::Meaning, strip(&text))
}

/// The function of ours whose arguments the engine complains of, in one of its many ways to.
fn misused(text: &str) -> Option<&'static FunctionInfo> {
    let about = ["No function matches", "Unexpected argument type"];
    about.iter().find(|complaint| text.contains(*complaint))?;
    let mut names = text.split('\'').skip(1).step_by(2);
    names.find_map(|name| {
        FUNCTIONS.iter().find(|function| {
            let called = function.call.split('(').next().unwrap_or_default();
            // One row tells of the whole family of JSON functions.
            called == name || (called == "json_get_str" && name.starts_with("json_"))
        })
    })
}

fn no_function(name: &str, known: &Known) -> HuntError {
    let error = HuntError::new(Kind::Name, format!("there is no function `{name}`"));
    match nearest(name, known.functions.iter().cloned()).as_slice() {
        [] => error,
        near => error.hint(did_you_mean(near)),
    }
}

fn did_you_mean(near: &[String]) -> String {
    let quoted: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
    format!("did you mean {}?", quoted.join(" or "))
}

/// Up to three names like the one given, the most alike first.
fn nearest(name: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let name = name.to_lowercase();
    let mut scored: Vec<(usize, String)> = names
        .filter_map(|other| {
            let lower = other.to_lowercase();
            let distance = strsim::osa_distance(&name, &lower);
            let related = name.len() > 1
                && (lower.ends_with(&format!("_{name}")) || lower.starts_with(&format!("{name}_")));
            let close = distance <= (name.chars().count() / 3).max(1);
            (close || related).then_some((if close { distance } else { 100 + distance }, other))
        })
        .collect();
    scored.sort();
    scored.dedup();
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// What stands between the first two backquotes of a sentence of ours.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1).filter(|name| !name.is_empty())
}

/// Where a name stands in the query, in any case, as a word.
fn find(sql: &str, name: &str) -> Option<Place> {
    let wanted = name.to_lowercase();
    for (number, line) in sql.lines().enumerate() {
        let lower = line.to_lowercase();
        for (at, _) in lower.match_indices(&wanted) {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let before = lower.get(..at).and_then(|text| text.chars().next_back());
            let after = lower.get(at + wanted.len()..).and_then(|text| text.chars().next());
            if !before.is_some_and(word) && !after.is_some_and(word) {
                return Some(Place {
                    line: number as u64 + 1,
                    column: lower.get(..at).map_or(0, |text| text.chars().count()) as u64 + 1,
                    length: name.chars().count() as u64,
                });
            }
        }
    }
    None
}

/// Without the engine's own preambles.
fn strip(text: &str) -> String {
    let mut text = text;
    loop {
        let shorter = [
            "Error during planning: ",
            "Execution error: ",
            "External error: ",
            "Arrow error: ",
            "Optimizer rule 'simplify_expressions' failed\ncaused by\n",
            "type_coercion\ncaused by\n",
        ]
        .iter()
        .find_map(|preamble| text.strip_prefix(preamble));
        match shorter {
            Some(rest) => text = rest,
            None => return first_line(text),
        }
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.split("..........").next().unwrap_or(line).trim().to_owned()
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
