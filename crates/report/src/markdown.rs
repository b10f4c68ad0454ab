//! The document as Markdown (CommonMark with GitHub's tables), for tickets and wikis.
//!
//! Evidence is escaped so that it makes no markup, no link, no HTML and no table cell of its own.

use std::fmt::Write as _;

use model::Alert;

use crate::brief::{Brief, level_caption, scope};
use crate::document::{Case, Document};
use crate::text::{self, CELL, PROSE, clean, count};
use crate::{Form, RenderError};

/// The `markdown` form.
pub(crate) struct Markdown;

/// Incidents told in full; the rest are listed.
const CASES: usize = 20;
/// Rows shown of each list.
const ROWS: usize = 200;

impl Form for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn about(&self) -> &'static str {
        "Plain text with headings and tables, for tickets and wikis"
    }

    fn extension(&self) -> &'static str {
        "md"
    }

    fn media_type(&self) -> &'static str {
        "text/markdown; charset=utf-8"
    }

    fn render(&self, document: &Document) -> Result<Vec<u8>, RenderError> {
        let mut out = Writer(String::new());
        first_page(&mut out, document);
        for (at, case) in document.cases.iter().take(CASES).enumerate() {
            incident(&mut out, at + 1, case);
        }
        others(&mut out, document.cases.get(CASES..).unwrap_or_default());
        lists(&mut out, document);
        sources(&mut out, document);
        closing(&mut out, document);
        Ok(out.0.into_bytes())
    }
}

/// Markdown in the making. Whatever is not written here as a literal goes through `esc`.
struct Writer(String);

impl Writer {
    fn put(&mut self, args: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _infallible = self.0.write_fmt(args);
    }

    fn heading(&mut self, level: usize, text: &str) {
        self.put(format_args!("\n{} {}\n\n", "#".repeat(level), esc(&clean(text, CELL))));
    }

    fn paragraph(&mut self, text: &str) {
        self.put(format_args!("{}\n\n", esc(&clean(text, PROSE))));
    }

    fn item(&mut self, text: &str) {
        self.put(format_args!("- {}\n", esc(&clean(text, PROSE))));
    }

    fn gap(&mut self) {
        self.0.push('\n');
    }

    /// A table; nothing when it has no rows. Cells are clean and escaped here.
    fn table(&mut self, head: &[&str], rows: impl Iterator<Item = Vec<String>>, total: usize) {
        if total == 0 {
            return;
        }
        self.put(format_args!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len())));
        for row in rows.take(ROWS) {
            let cells: Vec<String> = row.iter().map(|cell| esc(&clean(cell, CELL))).collect();
            self.put(format_args!("| {} |\n", cells.join(" | ")));
        }
        if total > ROWS {
            self.put(format_args!(
                "\n{} more rows are left out here.\n",
                count((total - ROWS) as u64)
            ));
        }
        self.gap();
    }

    /// A block of text that nothing is read into.
    fn fenced(&mut self, kind: &str, text: &str) {
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        self.put(format_args!("{fence}{kind}\n{text}\n{fence}\n\n"));
    }
}

fn first_page(out: &mut Writer, document: &Document) {
    let brief = Brief::of(document);
    out.put(format_args!("# {}\n\n", esc(&clean(&document.title, CELL))));
    out.put(format_args!("**{}**\n\n", esc(&brief.verdict)));
    out.paragraph(&scope(document));
    for (heading, texts) in [("What happened", &brief.what), ("How bad it is", &brief.how_bad)] {
        out.heading(2, heading);
        if let (Some(lead), "What happened") = (&brief.lead, heading) {
            out.put(format_args!("**{}**\n\n", esc(lead)));
        }
        for text in texts {
            out.paragraph(text);
        }
        if heading == "What happened" && !brief.steps.is_empty() {
            for (moment, told) in &brief.steps {
                out.item(&format!("{}: {told}", moment.time.written("%-d %b %H:%M")));
            }
            out.gap();
        }
    }
    out.heading(2, "What to do");
    for (at, action) in brief.actions.iter().enumerate() {
        out.put(format_args!("{}. {}\n", at + 1, esc(&clean(action, PROSE))));
    }
    if !brief.gaps.is_empty() {
        out.heading(2, "What this report cannot see");
        brief.gaps.iter().for_each(|gap| out.item(gap));
    }
    if !document.figures.is_empty() {
        out.heading(2, "Key figures");
        out.table(
            &["Figure", "Value", "Note"],
            document.figures.iter().map(|f| vec![f.label.clone(), f.value.clone(), f.note.clone()]),
            document.figures.len(),
        );
    }
}

fn incident(out: &mut Writer, number: usize, case: &Case) {
    let incident = &case.incident;
    out.heading(2, &format!("Incident {number}: {}", clean(&incident.title, 140)));
    out.paragraph(&format!(
        "{} · risk {} of 100 · {} to {} UTC · {}",
        level_caption(incident.severity),
        incident.risk,
        incident.first_time.table(),
        incident.last_time.table(),
        incident.incident_id,
    ));
    out.paragraph(&incident.summary);
    out.paragraph(&format!("Why it is one incident: {}", clean(&incident.reason, PROSE)));
    out.heading(3, "Next steps");
    incident.next_steps.iter().for_each(|step| out.item(step));
    out.heading(3, "Risk");
    out.table(
        &["Part", "Points", "Why"],
        incident
            .risk_parts
            .iter()
            .map(|p| vec![p.name.clone(), p.points.to_string(), p.why.clone()]),
        incident.risk_parts.len(),
    );
    if !case.story.is_empty() {
        out.heading(3, "What happened, in order");
        out.table(
            &["Time (UTC)", "Level", "What", "Who or what", "Technique", "Where it stands"],
            case.story.iter().map(|m| {
                let place = match (m.offset, m.event_uid) {
                    (Some(offset), Some(uid)) => {
                        format!("{} at byte {offset}, {uid}", clean(&m.origin, 80))
                    }
                    (Some(offset), None) => format!("{} at byte {offset}", clean(&m.origin, 80)),
                    (None, Some(uid)) => uid.to_string(),
                    (None, None) => clean(&m.origin, 80),
                };
                vec![
                    m.time.table(),
                    level_caption(m.level).to_owned(),
                    m.what.clone(),
                    m.entity.as_ref().map(ToString::to_string).unwrap_or_default(),
                    m.technique.as_ref().map(ToString::to_string).unwrap_or_default(),
                    place,
                ]
            }),
            case.story.len(),
        );
    }
    out.heading(3, "Alerts");
    alerts(out, &case.alerts);
}

/// Incidents that are not told in full.
fn others(out: &mut Writer, cases: &[Case]) {
    if cases.is_empty() {
        return;
    }
    out.heading(2, "Other incidents");
    out.table(
        &["Severity", "Risk", "Incident", "First (UTC)", "Last (UTC)", "Id"],
        cases.iter().map(|case| {
            let incident = &case.incident;
            vec![
                level_caption(incident.severity).to_owned(),
                incident.risk.to_string(),
                incident.title.clone(),
                incident.first_time.table(),
                incident.last_time.table(),
                incident.incident_id.to_string(),
            ]
        }),
        cases.len(),
    );
}

fn alerts(out: &mut Writer, alerts: &[Alert]) {
    out.table(
        &["First (UTC)", "Level", "Rule", "On", "Findings", "Risk"],
        alerts.iter().map(|a| {
            vec![
                a.first_time.table(),
                level_caption(a.level).to_owned(),
                a.rule_title.to_string(),
                a.entity.as_ref().map(ToString::to_string).unwrap_or_default(),
                count(a.count),
                a.risk.to_string(),
            ]
        }),
        alerts.len(),
    );
}

fn lists(out: &mut Writer, document: &Document) {
    if !document.loose_alerts.is_empty() {
        out.heading(2, "Alerts outside any incident");
        alerts(out, &document.loose_alerts);
    }
    if !document.entities.is_empty() {
        out.heading(2, "Entities");
        out.table(
            &["Kind", "Name", "Alerts", "Incidents", "First (UTC)", "Last (UTC)"],
            document.entities.iter().map(|e| {
                vec![
                    e.entity.kind.name().to_owned(),
                    e.entity.value.to_string(),
                    count(e.alerts),
                    count(e.incidents),
                    e.first.table(),
                    e.last.table(),
                ]
            }),
            document.entities.len(),
        );
    }
    if !document.indicators.is_empty() {
        out.heading(2, "Indicators (defanged)");
        out.table(
            &["Kind", "Indicator", "Alerts", "First (UTC)", "Seen as"],
            document.indicators.iter().map(|i| {
                vec![
                    i.kind.name().to_owned(),
                    i.shown(),
                    count(i.alerts),
                    i.first.table(),
                    i.context.clone(),
                ]
            }),
            document.indicators.len(),
        );
    }
    if !document.attack.is_empty() {
        out.heading(2, "ATT&CK");
        out.table(
            &["Tactic", "Technique", "Name", "Level", "Alerts", "First (UTC)"],
            document.attack.iter().map(|row| {
                vec![
                    row.tactic.map(|t| t.caption().to_owned()).unwrap_or_default(),
                    row.technique.as_ref().map(ToString::to_string).unwrap_or_default(),
                    row.name.clone(),
                    level_caption(row.level).to_owned(),
                    count(row.alerts),
                    row.first.table(),
                ]
            }),
            document.attack.len(),
        );
    }
}

fn sources(out: &mut Writer, document: &Document) {
    out.heading(2, "Evidence");
    out.table(
        &["Origin", "Size", "SHA-256", "Read as", "Events", "Flaws"],
        document.evidence.iter().map(|row| {
            let known = row.definitions.join(", ");
            vec![
                row.parcel.origin.clone(),
                text::bytes(row.parcel.size),
                row.parcel.digest.to_string(),
                if known.is_empty() {
                    row.parser.clone()
                } else {
                    format!("{}: {known}", row.parser)
                },
                count(row.events),
                count(row.flaws),
            ]
        }),
        document.evidence.len(),
    );
    if !document.unread.is_empty() {
        out.heading(3, "Not read");
        document.unread.iter().take(ROWS).for_each(|u| {
            out.item(&format!("{} ({}): {}", clean(&u.origin, CELL), text::bytes(u.size), u.why));
        });
    }
    if !document.flaws.is_empty() {
        out.heading(3, "Flaws");
        out.table(
            &["Origin", "Byte", "Kind", "What", "Record lost"],
            document.flaws.iter().map(|row| {
                vec![
                    row.origin.clone(),
                    count(row.flaw.offset),
                    row.flaw.kind.name().to_owned(),
                    row.flaw.message.clone(),
                    if row.flaw.record_lost { "yes" } else { "no" }.to_owned(),
                ]
            }),
            document.flaws.len(),
        );
    }
    if !document.unrecognised.is_empty() {
        out.heading(3, "Unrecognised");
        for row in document.unrecognised.iter().take(20) {
            out.paragraph(&format!(
                "{}: {} read as {}. A sample:",
                clean(&row.origin, CELL),
                text::plural(row.records, "record"),
                row.parser,
            ));
            out.fenced("text", &text::clean_block(&row.sample, text::SAMPLE));
        }
    }
}

fn closing(out: &mut Writer, document: &Document) {
    let rules = &document.rules;
    out.heading(2, "Rules");
    out.paragraph(&format!(
        "{} loaded, {} fired, {} did not load.",
        text::plural(rules.loaded, "rule"),
        count(rules.fired),
        count(rules.problems.len() as u64),
    ));
    rules.sets.iter().for_each(|set| {
        out.item(&format!(
            "{}: {} {}",
            clean(&set.name, CELL),
            text::plural(set.rules, "rule"),
            set.version
        ));
    });
    rules.problems.iter().take(50).for_each(|problem| {
        out.item(&format!("{}: {}", clean(&problem.path, CELL), problem.message));
    });
    if !document.method.is_empty() || !document.limits.is_empty() {
        out.heading(2, "Method and limits");
        for note in &document.method {
            out.put(format_args!(
                "**{}.** {}\n\n",
                esc(&clean(&note.heading, CELL)),
                esc(&clean(&note.text, PROSE)),
            ));
        }
        document.limits.iter().for_each(|limit| out.item(limit));
    }
    let queries: Vec<_> = document.figures.iter().filter(|f| !f.query.is_empty()).collect();
    if !queries.is_empty() {
        out.heading(2, "Queries behind the figures");
        for figure in queries {
            out.paragraph(&figure.label);
            out.fenced("sql", &text::clean_block(&figure.query, PROSE));
        }
    }
    let versions: Vec<String> =
        document.versions.iter().map(|v| format!("{} {}", v.name, v.version)).collect();
    out.paragraph(&format!(
        "Made {} UTC. {}. All times are UTC.",
        document.generated_at.table(),
        versions.join(", "),
    ));
}

/// Clean text as Markdown that shows just that text.
fn esc(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied();
    let wordy = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let digits = chars.iter().take_while(|c| c.is_ascii_digit()).count();
    for (i, c) in chars.iter().copied().enumerate() {
        let before = i.checked_sub(1).and_then(at);
        let escape = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '$' | '@' | '^' => {
                true
            }
            '_' => !(wordy(before) && wordy(at(i + 1))),
            ':' => at(i + 1) == Some('/'),
            // `www.` makes a link by itself; `1.` and `-` at the start make a list.
            '.' | ')' if i > 0 && i == digits => true,
            '.' => {
                i >= 3
                    && chars.get(i - 3..i).is_some_and(|w| w.iter().all(|c| matches!(c, 'w' | 'W')))
            }
            '-' | '+' | '=' => i == 0,
            _ => false,
        };
        if escape {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_makes_no_markup() {
        assert_eq!(esc("<script>[x](http://y)"), "\\<script\\>\\[x\\](http\\://y)");
        assert_eq!(esc("1. one | www.x.example"), "1\\. one \\| www\\.x.example");
        assert_eq!(esc("aws_cloudtrail _x_"), "aws_cloudtrail \\_x\\_");
        assert_eq!(esc("- =cmd()"), "\\- =cmd()");
    }
}
