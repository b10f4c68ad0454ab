//! A definition held against its samples: the pure core of `sources check`.

use std::fmt::Write as _;

use model::{EventUid, Record};
use serde_json::Value as Json;

use crate::diagnostic::{Diagnostic, Reporter, Span};
use crate::{Context, Normalizer, SourceText};

/// A sample as the caller read it: the records that the parser made, and the events that lie
/// beside it.
#[derive(Debug)]
pub struct Sample<'s> {
    /// The name of its file.
    pub name: String,
    /// What the parser read.
    pub records: &'s [Record<'s>],
    /// By which parser, when, from where.
    pub context: Context<'s>,
    /// The text of `NAME.events.json`: a list of OCSF events. `None` when there is no such file.
    pub expected: Option<String>,
}

/// What came of a sample.
#[derive(Debug)]
pub struct SampleResult {
    /// The name of its file.
    pub name: String,
    /// The events as they are, for a file of expected events.
    pub actual: Vec<Json>,
    /// Where they differ from what is expected, a line each: `[0].actor.user.name: expected …`.
    pub differences: Vec<String>,
    /// Problems of the events by the schema, a line each.
    pub problems: Vec<String>,
    /// The mistakes as they are shown.
    pub diagnostics: Vec<Diagnostic>,
}

impl SampleResult {
    /// True when the sample is recognised, agrees with what is expected and passes the schema.
    pub fn passed(&self) -> bool {
        self.diagnostics.is_empty()
    }
}

/// What is the run's and not the definition's, or follows from the rest, is left out of a
/// comparison: the schema's check holds the observables against the attributes that they name.
const LEFT_OUT: [&str; 5] =
    ["observables", "raw_data", "metadata.uid", "metadata.logged_time", "metadata.processed_time"];

/// More differences than this are counted, not shown.
const MOST: usize = 40;

/// Compiles a definition beside others and runs its samples. `others` are the definitions that
/// could take its records away.
pub fn check_source(
    source: &SourceText,
    others: Vec<SourceText>,
    samples: &[Sample<'_>],
) -> (Vec<Diagnostic>, Vec<SampleResult>) {
    let mut texts: Vec<SourceText> = others.into_iter().filter(|o| o.name != source.name).collect();
    texts.push(source.clone());
    let (normalizer, found) = Normalizer::compile(texts);
    let found: Vec<Diagnostic> = found.into_iter().filter(|d| d.path == source.path).collect();
    if !found.is_empty() {
        return (found, Vec::new());
    }
    (found, samples.iter().map(|sample| normalizer.check_sample(source, sample)).collect())
}

impl Normalizer {
    /// Runs one sample of a definition.
    pub fn check_sample(&self, source: &SourceText, sample: &Sample<'_>) -> SampleResult {
        let mut reporter = Reporter::new(&source.path, &source.text);
        let top = Span { line: 1, column: 1, width: 1 };
        let mut problems = Vec::new();
        let mut actual = Vec::new();
        for (at, record) in sample.records.iter().enumerate() {
            let made = self.normalize(record, &sample.context);
            let by = made.definition.map_or("no definition", |d| &*d.name);
            if by != source.name {
                let title = format!("record {at} of {} is recognised as {by}", sample.name);
                let help =
                    "look at `recognise`; a shape that asks more, or a higher `priority`, wins";
                reporter.add("S020", top, title, "not as this definition", help);
            }
            for flaw in &made.flaws {
                problems.push(format!("[{at}]: {}", flaw.message));
            }
            let mut event = made.event.to_json(EventUid([0; 16]), &record.raw);
            for problem in ocsf::check(&event) {
                problems.push(format!("[{at}]: {problem}"));
            }
            for path in LEFT_OUT {
                remove(&mut event, path);
            }
            actual.push(event);
        }
        for problem in problems.iter().take(MOST) {
            reporter.add(
                "S019",
                top,
                format!("{}: {problem}", sample.name),
                "the event is not sound",
                "",
            );
        }
        let differences = match &sample.expected {
            None => vec![format!("there is no {}", expected_name(&sample.name))],
            Some(text) => match serde_json::from_str::<Vec<Json>>(text) {
                Ok(expected) => compare_events(&expected, &actual),
                Err(error) => vec![format!("{}: {error}", expected_name(&sample.name))],
            },
        };
        if !differences.is_empty() {
            let shown = differences.iter().take(MOST).fold(String::new(), |mut all, line| {
                let _ = write!(all, "\n  {line}");
                all
            });
            let more = differences.len().saturating_sub(MOST);
            let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
            let title = format!("{} does not become what is expected", sample.name);
            reporter.add("S019", top, title, "", format!("the differences are:{shown}{more}"));
        }
        SampleResult {
            name: sample.name.clone(),
            actual,
            differences,
            problems,
            diagnostics: reporter.found,
        }
    }
}

/// The file of expected events beside a sample: `a.json` has `a.events.json`.
fn expected_name(sample: &str) -> String {
    let stem = sample.rsplit_once('.').map_or(sample, |(stem, _)| stem);
    format!("{stem}.events.json")
}

fn remove(event: &mut Json, path: &str) {
    match path.split_once('.') {
        None => {
            if let Some(object) = event.as_object_mut() {
                object.shift_remove(path);
            }
        }
        Some((head, rest)) => {
            if let Some(inner) = event.get_mut(head) {
                remove(inner, rest);
            }
        }
    }
}

/// Where two lists of events differ, a line for each place. The order of members does not count.
pub fn compare_events(expected: &[Json], actual: &[Json]) -> Vec<String> {
    let mut out = Vec::new();
    if expected.len() != actual.len() {
        out.push(format!("expected {} events, there are {}", expected.len(), actual.len()));
    }
    for (at, (e, a)) in expected.iter().zip(actual).enumerate() {
        let mut e = e.clone();
        for path in LEFT_OUT {
            remove(&mut e, path);
        }
        compare(&format!("[{at}]"), &e, a, &mut out);
    }
    out
}

fn compare(path: &str, expected: &Json, actual: &Json, out: &mut Vec<String>) {
    match (expected, actual) {
        (Json::Object(e), Json::Object(a)) => {
            for (key, value) in e {
                match a.get(key) {
                    Some(other) => compare(&format!("{path}.{key}"), value, other, out),
                    None => out.push(format!("{path}.{key}: expected {value}, it is missing")),
                }
            }
            for (key, value) in a.iter().filter(|(key, _)| !e.contains_key(*key)) {
                out.push(format!("{path}.{key}: {value} is not expected"));
            }
        }
        (Json::Array(e), Json::Array(a)) if e.len() == a.len() => {
            for (at, (e, a)) in e.iter().zip(a).enumerate() {
                compare(&format!("{path}[{at}]"), e, a, out);
            }
        }
        (e, a) if e == a => {}
        (e, a) => out.push(format!("{path}: expected {e}, it is {a}")),
    }
}
