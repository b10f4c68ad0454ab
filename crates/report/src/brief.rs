//! The first page, the same in every form: what happened, how bad, what to do, what is not known.

use model::{Level, span_text};

use crate::document::{Case, Document, Moment};
use crate::text::{self, count, plural};

/// What the first page says. Texts are clean, not yet escaped.
pub(crate) struct Brief<'a> {
    /// The gravest severity; none without an incident.
    pub(crate) severity: Option<Level>,
    /// One line: how many, how grave.
    pub(crate) verdict: String,
    /// The gravest incident's title, when the document's own does not say it already.
    pub(crate) lead: Option<String>,
    /// What happened.
    pub(crate) what: Vec<String>,
    /// The steps that matter most, in time order; empty when there are too few to choose from.
    pub(crate) steps: Vec<(&'a Moment, String)>,
    /// How bad.
    pub(crate) how_bad: Vec<String>,
    /// What to do, most urgent first.
    pub(crate) actions: Vec<String>,
    /// What this report cannot see.
    pub(crate) gaps: Vec<String>,
}

/// Actions on the first page.
const ACTIONS: usize = 6;
/// Steps of the attack on the first page.
const STEPS: usize = 7;

/// What a severity asks of people.
pub(crate) fn urgency(level: Level) -> &'static str {
    match level {
        Level::Critical => "act now",
        Level::High => "act today",
        Level::Medium => "look into it this week",
        Level::Low | Level::Informational => "for the record",
    }
}

/// `Critical`, `High` …
pub(crate) fn level_caption(level: Level) -> &'static str {
    match level {
        Level::Critical => "Critical",
        Level::High => "High",
        Level::Medium => "Medium",
        Level::Low => "Low",
        Level::Informational => "Info",
    }
}

/// A mark that tells levels apart without colour.
pub(crate) fn level_mark(level: Level) -> &'static str {
    match level {
        Level::Critical => "◆",
        Level::High => "▲",
        Level::Medium => "■",
        Level::Low => "●",
        Level::Informational => "○",
    }
}

impl<'a> Brief<'a> {
    pub(crate) fn of(document: &'a Document) -> Self {
        let Some(case) = document.cases.first() else {
            return Self::quiet(document);
        };
        let incident = &case.incident;
        let others: Vec<&Case> = document.cases.iter().skip(1).collect();
        let count = document.incident_count.max(document.cases.len() as u64);
        let total = plural(count, "incident");
        let verdict = format!(
            "{total}{} {}: {}.",
            if others.is_empty() { "," } else { "; the gravest is" },
            level_caption(incident.severity).to_lowercase(),
            urgency(incident.severity),
        );
        let mut what = vec![text::clean(&incident.summary, text::PROSE)];
        if !others.is_empty() {
            let more: Vec<String> = others
                .iter()
                .take(3)
                .map(|case| {
                    format!(
                        "{} ({})",
                        text::clean(&case.incident.title, 140),
                        level_caption(case.incident.severity).to_lowercase(),
                    )
                })
                .collect();
            let rest = count as usize - 1 - more.len();
            let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
            what.push(format!("Beside it: {}{rest}.", more.join("; ")));
        }
        Self {
            severity: Some(incident.severity),
            verdict,
            lead: (!document.title.contains(&incident.title))
                .then(|| text::clean(&incident.title, 200)),
            what,
            steps: steps(&case.story).into_iter().map(|m| (m, told(m))).collect(),
            how_bad: how_bad(case),
            actions: actions(&document.cases),
            gaps: gaps(document),
        }
    }

    fn quiet(document: &'a Document) -> Self {
        let read = plural(document.events, "event");
        let loose = document.loose_alerts.len() as u64;
        let what = match (document.events, loose) {
            (0, _) => "No event could be read from the evidence, so nothing can be said about it."
                .to_owned(),
            (_, 0) => format!("{read} were read and none made a rule fire."),
            (_, n) => format!(
                "{read} were read. {} came up, none grave enough to be an incident by itself.",
                plural(n, "alert"),
            ),
        };
        Self {
            severity: None,
            verdict: "No incident was found.".to_owned(),
            lead: None,
            what: vec![what],
            steps: Vec::new(),
            how_bad: vec![
                "A quiet result is not proof that nothing happened: it means that the rules that were loaded saw nothing in what could be read.".to_owned(),
            ],
            actions: match (document.events, loose) {
                (0, _) => vec!["Check that the right folder was given, and read below why its files could not be read.".to_owned()],
                (_, 0) => vec!["If there is a reason to suspect something, hunt for it: see the evidence list for what is here and what is missing.".to_owned()],
                _ => vec!["Look through the alerts below once; close those that known work explains.".to_owned()],
            },
            gaps: gaps(document),
        }
    }
}

/// The beginning and the gravest moments, later tactics before earlier ones and no rule twice; told
/// in time order.
fn steps(story: &[Moment]) -> Vec<&Moment> {
    let mut chosen: Vec<&Moment> =
        story.iter().find(|moment| moment.level >= Level::Medium).into_iter().collect();
    let mut by_weight: Vec<&Moment> = story.iter().collect();
    by_weight.sort_by_key(|m| (std::cmp::Reverse((m.level, m.tactic)), m.time));
    for moment in by_weight {
        if chosen.len() < STEPS && !chosen.iter().any(|m| m.rule_id == moment.rule_id) {
            chosen.push(moment);
        }
    }
    chosen.sort_by_key(|moment| moment.time);
    if chosen.len() < 2 { Vec::new() } else { chosen }
}

/// What happened, and to whom where the sentence does not say so itself.
fn told(moment: &Moment) -> String {
    let what = text::clean(&moment.what, 160);
    match &moment.entity {
        Some(entity) if !what.to_lowercase().contains(&entity.value.to_lowercase()) => {
            format!("{what} ({})", model::shortened(&text::clean(&entity.value, 60), 40))
        }
        _ => what,
    }
}

fn how_bad(case: &Case) -> Vec<String> {
    let incident = &case.incident;
    let span = incident.last_time.0.abs_diff(incident.first_time.0);
    let line = format!(
        "Severity {}, risk {} of 100. It {}.",
        level_caption(incident.severity).to_lowercase(),
        incident.risk,
        if span >= 1_000_000 {
            format!("lasted {}", span_text(span))
        } else {
            "was over in a moment".to_owned()
        },
    );
    let mut out = vec![line];
    let why: Vec<String> = incident
        .risk_parts
        .iter()
        .filter(|part| part.points > 0)
        .take(5)
        .map(|part| text::clean(part.why.trim_end_matches('.'), 160))
        .collect();
    if !why.is_empty() {
        let mut why = why.join("; ");
        if let Some(first) = why.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        out.push(format!("What makes it so: {why}."));
    }
    out
}

fn actions(cases: &[Case]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let first =
        cases.first().into_iter().flat_map(|case| case.incident.next_steps.iter().take(ACTIONS));
    let others =
        cases.iter().skip(1).take(2).flat_map(|case| case.incident.next_steps.iter().take(1));
    for step in first.chain(others) {
        let step = text::clean(step, 400);
        if !out.contains(&step) {
            out.push(step);
        }
    }
    out
}

fn gaps(document: &Document) -> Vec<String> {
    let mut out = Vec::new();
    if !document.unread.is_empty() {
        out.push(format!(
            "{} could not be read at all.",
            plural(document.unread.len() as u64, "file")
        ));
    }
    if document.flaw_count > 0 {
        let lost = match document.records_lost {
            0 => "no record was lost to them".to_owned(),
            n => format!(
                "{} {} lost to them",
                plural(n, "record"),
                if n == 1 { "was" } else { "were" }
            ),
        };
        out.push(format!("{} in the evidence; {lost}.", plural(document.flaw_count, "flaw")));
    }
    let unknown: u64 = document.unrecognised.iter().map(|u| u.records).sum();
    if unknown > 0 {
        out.push(format!(
            "{} {} of a kind that no source definition knows; they are kept and can be searched, but few rules see them.",
            plural(unknown, "record"),
            if unknown == 1 { "is" } else { "are" },
        ));
    }
    let failed = document.rules.problems.len() as u64;
    if failed > 0 {
        out.push(format!("{} did not load.", plural(failed, "rule")));
    }
    out
}

/// `12,345 events from 14 files (1.2 MB) …`
pub(crate) fn scope(document: &Document) -> String {
    let files = match (document.evidence.len() as u64, document.delivered) {
        (n, false) => plural(n, "file"),
        (1, true) => "1 delivery".to_owned(),
        (n, true) => format!("{} deliveries", count(n)),
    };
    let size: u64 = document.evidence.iter().map(|row| row.parcel.size).sum();
    let rules = count(document.rules.loaded);
    match document.data_window {
        Some(span) => format!(
            "{} from {files} ({}), {} to {} UTC, looked at by {rules} rules.",
            plural(document.events, "event"),
            text::bytes(size),
            span.first.prose(),
            span.last.prose(),
        ),
        None => format!(
            "{} from {files} ({}), looked at by {rules} rules.",
            plural(document.events, "event"),
            text::bytes(size),
        ),
    }
}
