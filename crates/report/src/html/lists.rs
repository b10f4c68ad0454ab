//! What stands behind the incidents: loose alerts, ATT&CK, entities, indicators, evidence, rules,
//! method.

use model::{Level, Tactic};

use super::case::{Id, alerts, more};
use super::writer::Html;
use super::{badge, class};
use crate::document::Document;
use crate::text::{self, bytes};

const ROWS: usize = 200;

/// The sections that this document has: id and name.
pub(super) fn contents(document: &Document) -> Vec<(&'static str, &'static str)> {
    let has = |yes: bool, id, name| yes.then_some((id, name));
    [
        has(!document.loose_alerts.is_empty(), "loose", "Other alerts"),
        has(!document.attack.is_empty(), "attack", "ATT&amp;CK"),
        has(!document.entities.is_empty(), "entities", "Entities"),
        has(!document.indicators.is_empty(), "indicators", "Indicators"),
        has(true, "evidence", "Evidence"),
        has(unread(document), "flaws", "What could not be read"),
        has(true, "rules", "Rules"),
        has(has_method(document), "method", "Method and limits"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn sections(html: &mut Html, document: &Document) {
    if !document.loose_alerts.is_empty() {
        html.raw("<section id=\"loose\"><h2>Alerts outside any incident</h2>");
        alerts(html, &Id("alerts-", 0), &document.loose_alerts, ROWS);
        html.raw("</section>");
    }
    attack(html, document);
    entities(html, document);
    indicators(html, document);
    evidence(html, document);
    if unread(document) {
        flaws(html, document);
    }
    rules(html, document);
    if has_method(document) {
        method(html, document);
    }
}

fn unread(document: &Document) -> bool {
    !(document.flaws.is_empty() && document.unread.is_empty() && document.unrecognised.is_empty())
}

fn has_method(document: &Document) -> bool {
    !(document.method.is_empty() && document.limits.is_empty())
}

fn open(html: &mut Html, head: &'static str) {
    html.raw("<div class=\"scroll\" tabindex=\"0\"><table data-sort><thead><tr>")
        .raw(head)
        .raw("</tr></thead><tbody>");
}

fn close(html: &mut Html, total: usize) {
    html.raw("</tbody></table></div>");
    more(html, total, ROWS, "p class=\"soft small\"", "p");
}

fn attack(html: &mut Html, document: &Document) {
    if document.attack.is_empty() {
        return;
    }
    html.raw("<section id=\"attack\"><h2>ATT&amp;CK</h2><ul class=\"matrix\" aria-label=\"The tactics of ATT&amp;CK; those seen are marked\">");
    for (tactic, _, _, caption) in Tactic::TABLE {
        let rows = || document.attack.iter().filter(|row| row.tactic == Some(tactic));
        match rows().map(|row| row.level).max() {
            None => {
                html.raw("<li>").raw(caption).raw("</li>");
            }
            Some(level) => {
                html.raw("<li class=\"seen ")
                    .raw(class(level))
                    .raw("\"><div class=\"name\">")
                    .raw(caption);
                html.raw("</div><div class=\"ids\">");
                for (at, technique) in
                    rows().filter_map(|row| row.technique.as_ref()).take(6).enumerate()
                {
                    html.raw(if at > 0 { " " } else { "" }).text(&technique.0);
                }
                html.raw("</div></li>");
            }
        }
    }
    html.raw("</ul>");
    open(
        html,
        "<th scope=\"col\">Tactic</th><th scope=\"col\">Technique</th><th scope=\"col\">Name</th><th scope=\"col\">Gravest</th><th scope=\"col\" class=\"num\">Alerts</th><th scope=\"col\" class=\"num\">Findings</th><th scope=\"col\">First</th>",
    );
    for row in document.attack.iter().take(ROWS) {
        html.raw("<tr><td>").raw(row.tactic.map_or("", Tactic::caption)).raw("</td><td><code>");
        html.text(row.technique.as_ref().map_or("", |t| &t.0))
            .raw("</code></td><td class=\"wide\">")
            .text(&row.name);
        level_cell(html, row.level);
        html.raw("<td class=\"num\">")
            .count(row.alerts)
            .raw("</td><td class=\"num\">")
            .count(row.findings);
        html.raw("</td><td class=\"time\">").text(&row.first.table()).raw("</td></tr>");
    }
    close(html, document.attack.len());
    html.raw("</section>");
}

fn level_cell(html: &mut Html, level: Level) {
    html.raw("</td><td data-key=\"").count(level as u64).raw("\">");
    badge(html, level);
    html.raw("</td>");
}

fn entities(html: &mut Html, document: &Document) {
    if document.entities.is_empty() {
        return;
    }
    html.raw("<section id=\"entities\"><h2>Entities</h2>");
    open(
        html,
        "<th scope=\"col\">Kind</th><th scope=\"col\">Name</th><th scope=\"col\">Gravest</th><th scope=\"col\" class=\"num\">Alerts</th><th scope=\"col\" class=\"num\">Incidents</th><th scope=\"col\">First</th><th scope=\"col\">Last</th>",
    );
    for row in document.entities.iter().take(ROWS) {
        html.raw("<tr><td>")
            .raw(row.entity.kind.name())
            .raw("</td><td class=\"wide mono\">")
            .text(&row.entity.value);
        level_cell(html, row.level);
        html.raw("<td class=\"num\">")
            .count(row.alerts)
            .raw("</td><td class=\"num\">")
            .count(row.incidents);
        html.raw("</td><td class=\"time\">")
            .text(&row.first.table())
            .raw("</td><td class=\"time\">")
            .text(&row.last.table());
        html.raw("</td></tr>");
    }
    close(html, document.entities.len());
    html.raw("</section>");
}

fn indicators(html: &mut Html, document: &Document) {
    if document.indicators.is_empty() {
        return;
    }
    html.raw("<section id=\"indicators\"><h2>Indicators</h2><p class=\"soft small\">Defanged: <code>[.]</code> stands for a dot, so that nobody opens one by mistake. The JSON form has them as they are.</p>");
    open(
        html,
        "<th scope=\"col\">Kind</th><th scope=\"col\">Indicator</th><th scope=\"col\" class=\"num\">Alerts</th><th scope=\"col\">First</th><th scope=\"col\">Last</th><th scope=\"col\">Seen as</th>",
    );
    for row in document.indicators.iter().take(ROWS) {
        html.raw("<tr><td>")
            .raw(row.kind.name())
            .raw("</td><td class=\"wide mono\">")
            .text(&row.defanged);
        if !row.names.is_empty() {
            html.raw("<details><summary>").count(row.names.len() as u64);
            html.raw(" names below it</summary>");
            for name in &row.names {
                html.raw("<div>").text(&text::defang(row.kind, name)).raw("</div>");
            }
            html.raw("</details>");
        }
        html.raw("</td><td class=\"num\">")
            .count(row.alerts)
            .raw("</td><td class=\"time\">")
            .text(&row.first.table());
        html.raw("</td><td class=\"time\">")
            .text(&row.last.table())
            .raw("</td><td class=\"wide\">")
            .text(&row.context);
        html.raw("</td></tr>");
    }
    close(html, document.indicators.len());
    html.raw("</section>");
}

fn evidence(html: &mut Html, document: &Document) {
    html.raw("<section id=\"evidence\"><h2>Evidence</h2>");
    if document.evidence.is_empty() {
        html.raw("<p>No file was read.</p></section>");
        return;
    }
    open(
        html,
        "<th scope=\"col\">Origin</th><th scope=\"col\" class=\"num\">Size</th><th scope=\"col\">Read as</th><th scope=\"col\" class=\"num\">Events</th><th scope=\"col\" class=\"num\">Flaws</th><th scope=\"col\">SHA-256</th>",
    );
    for row in document.evidence.iter().take(ROWS) {
        html.raw("<tr><td class=\"wide\">")
            .prose(&row.parcel.origin)
            .raw("</td><td class=\"num\" data-key=\"");
        html.count(row.parcel.size)
            .raw("\">")
            .text(&bytes(row.parcel.size))
            .raw("</td><td>")
            .text(&row.parser);
        if !row.definitions.is_empty() {
            html.raw("<br><span class=\"soft\">")
                .text(&text::source(&row.definitions.join(", ")))
                .raw("</span>");
        }
        html.raw("</td><td class=\"num\">")
            .count(row.events)
            .raw("</td><td class=\"num\">")
            .count(row.flaws);
        html.raw("</td><td class=\"digest\">")
            .text(&row.parcel.digest.to_string())
            .raw("</td></tr>");
    }
    close(html, document.evidence.len());
    html.raw("</section>");
}

fn flaws(html: &mut Html, document: &Document) {
    html.raw("<section id=\"flaws\"><h2>What could not be read</h2>");
    if !document.unread.is_empty() {
        html.raw("<h3>Not read at all</h3>");
        open(
            html,
            "<th scope=\"col\">Origin</th><th scope=\"col\" class=\"num\">Size</th><th scope=\"col\">Why</th>",
        );
        for row in document.unread.iter().take(ROWS) {
            html.raw("<tr><td class=\"wide\">")
                .text(&row.origin)
                .raw("</td><td class=\"num\">")
                .text(&bytes(row.size));
            html.raw("</td><td class=\"wide\">").prose(&row.why).raw("</td></tr>");
        }
        close(html, document.unread.len());
    }
    if !document.flaws.is_empty() {
        html.raw("<h3>Flaws</h3><p class=\"soft small\">")
            .text(&text::plural(document.flaw_count, "flaw"));
        html.raw(" in all; ")
            .text(&text::plural(document.records_lost, "whole record"))
            .raw(" lost.</p>");
        open(
            html,
            "<th scope=\"col\">Origin</th><th scope=\"col\" class=\"num\">Byte</th><th scope=\"col\">Kind</th><th scope=\"col\">What</th><th scope=\"col\">Record lost</th>",
        );
        for row in document.flaws.iter().take(ROWS) {
            html.raw("<tr><td class=\"wide\">")
                .text(&row.origin)
                .raw("</td><td class=\"num\">")
                .count(row.flaw.offset);
            html.raw("</td><td>")
                .raw(row.flaw.kind.name())
                .raw("</td><td class=\"wide\">")
                .text(&text::clean(&row.flaw.message, 400));
            html.raw("</td><td>")
                .raw(if row.flaw.record_lost { "yes" } else { "no" })
                .raw("</td></tr>");
        }
        close(html, document.flaws.len());
    }
    if !document.unrecognised.is_empty() {
        html.raw("<h3>Unrecognised</h3><p class=\"soft small\">Read, kept and searchable, but no source definition says what it means.</p>");
        for row in document.unrecognised.iter().take(40) {
            html.raw("<p><b>")
                .text(&row.origin)
                .raw("</b> <span class=\"soft\">")
                .text(&text::plural(row.records, "record"));
            html.raw(", read as ")
                .text(&row.parser)
                .raw("</span></p><pre>")
                .block(&row.sample, text::SAMPLE)
                .raw("</pre>");
        }
        more(html, document.unrecognised.len(), 40, "p class=\"soft small\"", "p");
    }
    html.raw("</section>");
}

fn rules(html: &mut Html, document: &Document) {
    let rules = &document.rules;
    html.raw("<section id=\"rules\"><h2>Rules</h2><p>")
        .text(&text::plural(rules.loaded, "rule"))
        .raw(" loaded, ");
    html.count(rules.fired)
        .raw(" fired, ")
        .count(rules.problems.len() as u64)
        .raw(" did not load.</p>");
    if !rules.sets.is_empty() {
        html.raw("<ul class=\"chips\">");
        for set in &rules.sets {
            html.raw("<li class=\"chip\"><b>")
                .text(&set.name)
                .raw("</b>")
                .text(&text::plural(set.rules, "rule"));
            html.raw(" ").text(&set.version).raw("</li>");
        }
        html.raw("</ul>");
    }
    if !rules.top.is_empty() {
        html.raw("<h3>Those that fired</h3>");
        open(
            html,
            "<th scope=\"col\">Rule</th><th scope=\"col\">Level</th><th scope=\"col\" class=\"num\">Findings</th><th scope=\"col\">Id</th>",
        );
        for row in rules.top.iter().take(ROWS) {
            html.raw("<tr><td class=\"wide\">").text(&row.title);
            level_cell(html, row.level);
            html.raw("<td class=\"num\">")
                .count(row.findings)
                .raw("</td><td class=\"mono\">")
                .text(&row.rule_id);
            html.raw("</td></tr>");
        }
        close(html, rules.top.len());
    }
    if !rules.problems.is_empty() {
        html.raw("<h3>Those that did not load</h3>");
        open(html, "<th scope=\"col\">File</th><th scope=\"col\">Why</th>");
        for row in rules.problems.iter().take(ROWS) {
            html.raw("<tr><td class=\"wide\">")
                .text(&row.path)
                .raw("</td><td class=\"wide\">")
                .text(&text::clean(&row.message, 400));
            html.raw("</td></tr>");
        }
        close(html, rules.problems.len());
    }
    html.raw("</section>");
}

fn method(html: &mut Html, document: &Document) {
    html.raw("<section id=\"method\"><h2>Method and limits</h2>");
    for note in &document.method {
        html.raw("<h3>").text(&note.heading).raw("</h3>").tagged("<p>", &note.text, "</p>");
    }
    if !document.limits.is_empty() {
        html.raw("<h3>Limits</h3><ul>");
        for limit in &document.limits {
            html.tagged("<li>", limit, "</li>");
        }
        html.raw("</ul>");
    }
    html.raw("</section>");
}
