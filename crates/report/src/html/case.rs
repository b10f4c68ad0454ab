//! One incident: its head, its story, its risk, its steps, its alerts.

use model::{Alert, Incident, RiskPart, span_text};

use super::writer::Html;
use super::{badge, class, mark, picture, step};
use crate::attack::technique_name;
use crate::document::{Case, Document, Moment};
use crate::text;
use crate::timeline::Picture;

/// Moments of a story that are shown: of the gravest incident, and of the others.
const MOMENTS: [usize; 2] = [200, 50];
/// Rows of an alert table, likewise.
const ALERTS: [usize; 2] = [300, 100];
/// Rows of the table of other incidents.
const OTHERS: usize = 300;
/// Entities shown as chips.
const CHIPS: usize = 24;

pub(super) fn section(html: &mut Html, number: usize, document: &Document, case: &Case) {
    let incident = &case.incident;
    html.raw("<section id=\"incident-").count(number as u64).raw("\">");
    head(html, number, incident);
    // Alone, it is the picture that the timeline already shows.
    if document.cases.len() > 1
        && case.alerts.len() > 2
        && let Some(picture) = Picture::of_case(document, case)
    {
        html.raw("<h3>Timeline of this incident</h3>");
        picture::draw(html, &picture);
    }
    let [moments, rows] =
        [MOMENTS, ALERTS].map(|[first, other]| if number == 1 { first } else { other });
    story(html, &case.story, moments);
    html.raw("<h3>Next steps</h3><ol class=\"do\">");
    for next in &incident.next_steps {
        step(html, next);
    }
    html.raw("</ol>");
    names(html, incident);
    html.raw("<h3>Why risk ").count(u64::from(incident.risk)).raw(" of 100</h3>");
    risk(html, &incident.risk_parts);
    html.raw("<h3>Why it is one incident</h3>").tagged("<p>", &incident.reason, "</p>");
    html.raw("<h3>Alerts</h3>");
    let id = Id("alerts-", number as u64);
    alerts(html, &id, &case.alerts, rows);
    html.raw("</section>");
}

fn names(html: &mut Html, incident: &Incident) {
    html.raw("<h3>Who and what</h3><ul class=\"chips\">");
    for entity in incident.entities.iter().take(CHIPS) {
        html.raw("<li class=\"chip\"><b>").raw(entity.kind.name()).raw("</b><span class=\"mono\">");
        html.text(&text::clean(&entity.value, 90)).raw("</span></li>");
    }
    more(html, incident.entities.len(), CHIPS, "li class=\"chip\"", "li");
    html.raw("</ul>");
    if incident.techniques.is_empty() {
        return;
    }
    html.raw("<h3>Techniques, in order of first sight</h3><ul class=\"chips\">");
    for technique in incident.techniques.iter().take(CHIPS) {
        html.raw("<li class=\"chip\"><b class=\"mono\">").text(&technique.0).raw("</b>");
        html.text(&technique_name(&technique.0)).raw("</li>");
    }
    more(html, incident.techniques.len(), CHIPS, "li class=\"chip\"", "li");
    html.raw("</ul>");
}

/// An id in the page: one of our words and a number.
pub(super) struct Id(pub(super) &'static str, pub(super) u64);

impl Id {
    pub(super) fn write(&self, html: &mut Html) {
        html.raw(self.0).count(self.1);
    }
}

fn head(html: &mut Html, number: usize, incident: &Incident) {
    html.raw("<div class=\"case-head\"><div><p class=\"eyebrow\">Incident ").count(number as u64);
    html.raw("</p><h2>").text(&incident.title).raw("</h2><p class=\"small soft\">");
    badge(html, incident.severity);
    html.raw(" ").text(&incident.first_time.table()).raw(" to ").text(&incident.last_time.table());
    if incident.last_time > incident.first_time {
        html.raw(" (")
            .text(&span_text(incident.last_time.0.abs_diff(incident.first_time.0)))
            .raw(")");
    }
    html.raw(" · <code>").text(&incident.incident_id.to_string()).raw("</code></p>");
    html.tagged("<p>", &incident.summary, "</p></div>");
    ring(html, incident);
    html.raw("</div>");
}

/// The risk as a ring: the arc is its part of 100.
pub(super) fn ring(html: &mut Html, incident: &Incident) {
    const ROUND: f64 = 2.0 * std::f64::consts::PI * 40.0;
    let risk = f64::from(incident.risk.min(100));
    html.raw("<svg class=\"ring ")
        .raw(class(incident.severity))
        .raw("\" viewBox=\"0 0 100 100\" role=\"img\" aria-label=\"Risk ");
    html.count(u64::from(incident.risk)).raw(" of 100\"><circle class=\"track\" cx=\"50\" cy=\"50\" r=\"40\" fill=\"none\" stroke-width=\"9\"/>");
    html.raw("<circle class=\"arc\" cx=\"50\" cy=\"50\" r=\"40\" fill=\"none\" stroke-width=\"9\" transform=\"rotate(-90 50 50)\" stroke-dasharray=\"");
    html.at(ROUND * risk / 100.0).raw(" ").at(ROUND).raw("\"/><text x=\"50\" y=\"56\">");
    html.count(u64::from(incident.risk))
        .raw("</text><text class=\"of\" x=\"50\" y=\"71\">risk</text></svg>");
}

fn story(html: &mut Html, story: &[Moment], most: usize) {
    if story.is_empty() {
        return;
    }
    html.raw("<h3>What happened, in order</h3><ol class=\"story\">");
    let mut day = String::new();
    for moment in story.iter().take(most) {
        let time = moment.time.table();
        let (date, second) = time.split_once(' ').unwrap_or((&time, ""));
        if date != day {
            html.raw("<li class=\"day\">").text(date).raw("</li>");
            date.clone_into(&mut day);
        }
        html.raw("<li class=\"moment\"><time datetime=\"")
            .text(&moment.time.to_string())
            .raw("\">")
            .text(second);
        html.raw("</time>");
        mark(html, moment.level);
        html.raw("<div><p class=\"what\">")
            .text(&text::clean(&moment.what, 400))
            .raw("</p><p class=\"by\">");
        if let Some(entity) = &moment.entity {
            html.raw("<span>").raw(entity.kind.name()).raw(" ").text(&entity.value).raw("</span>");
        }
        if let Some(technique) = &moment.technique {
            html.raw("<span>")
                .text(&technique.0)
                .raw(" ")
                .text(&technique_name(&technique.0))
                .raw("</span>");
        } else if let Some(tactic) = moment.tactic {
            html.raw("<span>").raw(tactic.caption()).raw("</span>");
        }
        html.raw("<span>").text(&text::source(&moment.source)).raw("</span>");
        if moment.count > 1 {
            html.raw("<span>").text(&text::plural(moment.count, "finding")).raw("</span>");
        }
        html.raw("</p><details><summary>Evidence</summary>");
        facts(html, moment);
        html.raw("</details></div></li>");
    }
    html.raw("</ol>");
    more(html, story.len(), most, "p class=\"soft small\"", "p");
}

/// What walks a line of the story back to its bytes.
fn facts(html: &mut Html, moment: &Moment) {
    html.raw("<dl class=\"facts\"><dt>Rule</dt><dd>")
        .text(&moment.rule_title)
        .raw(" <code>")
        .text(&moment.rule_id);
    html.raw("</code></dd>");
    for field in moment.matched.iter().take(8) {
        let name = if field.field.is_empty() { "any field" } else { field.field.as_ref() };
        html.raw("<dt>").text(name).raw("</dt><dd><code>").text(&field.value).raw("</code>");
        if let Some(pattern) = &field.pattern {
            html.raw(" <span class=\"soft\">matches</span> <code>").text(pattern).raw("</code>");
        }
        html.raw("</dd>");
    }
    if let Some(event) = moment.event_uid {
        html.raw("<dt>Event</dt><dd><code>").text(&event.to_string()).raw("</code></dd>");
    }
    if !moment.origin.is_empty() {
        html.raw("<dt>File</dt><dd><code>").text(&moment.origin).raw("</code>");
        if let Some(offset) = moment.offset {
            html.raw(", byte ").count(offset);
        }
        html.raw("</dd>");
    }
    if let Some(parcel) = moment.parcel {
        html.raw("<dt>SHA-256</dt><dd><code>").text(&parcel.to_string()).raw("</code></dd>");
    }
    html.raw("</dl>");
}

fn risk(html: &mut Html, parts: &[RiskPart]) {
    html.raw("<div class=\"parts\">");
    for part in parts {
        let width = f64::from(part.points.unsigned_abs().min(50)) * 2.0;
        html.raw("<span>").text(&part.name);
        html.raw("</span><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"track\" width=\"100\" height=\"10\" rx=\"4\"/><rect class=\"fill");
        html.raw(if part.points < 0 { " less" } else { "" })
            .raw("\" height=\"10\" rx=\"4\" width=\"")
            .at(width);
        html.raw("\"/></svg><span class=\"num\">").raw(if part.points < 0 { "−" } else { "+" });
        html.count(u64::from(part.points.unsigned_abs()))
            .raw("</span><span class=\"soft why\">")
            .prose(&part.why);
        html.raw("</span>");
    }
    html.raw("</div>");
}

/// A table of alerts with a filter of its own.
pub(super) fn alerts(html: &mut Html, id: &Id, alerts: &[Alert], most: usize) {
    if alerts.len() > 8 {
        html.raw("<p class=\"filter\"><input type=\"search\" placeholder=\"Filter alerts\" aria-label=\"Filter alerts\" data-filter=\"");
        id.write(html);
        html.raw("\"></p>");
    }
    html.raw("<div class=\"scroll\" tabindex=\"0\"><table data-sort id=\"");
    id.write(html);
    html.raw("\"><thead><tr><th scope=\"col\">First</th><th scope=\"col\">Level</th><th scope=\"col\">Rule</th><th scope=\"col\">On</th><th scope=\"col\">Source</th><th scope=\"col\" class=\"num\">Findings</th><th scope=\"col\" class=\"num\">Risk</th></tr></thead><tbody>");
    for alert in alerts.iter().take(most) {
        html.raw("<tr><td class=\"time\">")
            .text(&alert.first_time.table())
            .raw("</td><td data-key=\"");
        html.count(alert.level as u64).raw("\">");
        badge(html, alert.level);
        html.raw("</td><td class=\"wide\">")
            .text(&alert.rule_title)
            .raw("</td><td class=\"name\">");
        if let Some(entity) = &alert.entity {
            html.raw("<span class=\"soft\">")
                .raw(entity.kind.name())
                .raw("</span> ")
                .text(&entity.value);
        }
        html.raw("</td><td>")
            .text(&text::source(&alert.source))
            .raw("</td><td class=\"num\">")
            .count(alert.count);
        html.raw("</td><td class=\"num\">").count(u64::from(alert.risk)).raw("</td></tr>");
    }
    html.raw("</tbody></table></div>");
    more(html, alerts.len(), most, "p class=\"soft small\"", "p");
}

/// Incidents that are not told in full.
pub(super) fn others(html: &mut Html, cases: &[Case]) {
    if cases.is_empty() {
        return;
    }
    html.raw("<section id=\"incidents\"><h2>Other incidents</h2><div class=\"scroll\" tabindex=\"0\"><table data-sort><thead><tr><th scope=\"col\">Severity</th><th scope=\"col\" class=\"num\">Risk</th><th scope=\"col\">Incident</th><th scope=\"col\">First</th><th scope=\"col\">Last</th><th scope=\"col\" class=\"num\">Alerts</th><th scope=\"col\">Id</th></tr></thead><tbody>");
    for case in cases.iter().take(OTHERS) {
        let incident = &case.incident;
        html.raw("<tr><td data-key=\"").count(incident.severity as u64).raw("\">");
        badge(html, incident.severity);
        html.raw("</td><td class=\"num\">")
            .count(u64::from(incident.risk))
            .raw("</td><td class=\"wide\">");
        html.text(&incident.title)
            .raw("</td><td class=\"time\">")
            .text(&incident.first_time.table());
        html.raw("</td><td class=\"time\">")
            .text(&incident.last_time.table())
            .raw("</td><td class=\"num\">");
        html.count(incident.alert_ids.len() as u64).raw("</td><td class=\"digest\">");
        html.text(&incident.incident_id.to_string()).raw("</td></tr>");
    }
    html.raw("</tbody></table></div>");
    more(html, cases.len(), OTHERS, "p class=\"soft small\"", "p");
    html.raw("</section>");
}

/// Says how many rows are left out.
pub(super) fn more(
    html: &mut Html,
    total: usize,
    shown: usize,
    open: &'static str,
    close: &'static str,
) {
    if total > shown {
        html.raw("<").raw(open).raw(">and ").count((total - shown) as u64);
        html.raw(" more, in the JSON form and in the lake</").raw(close).raw(">");
    }
}
