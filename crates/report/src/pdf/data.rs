//! What the template shows, as JSON: clean, short, in the order of the page.

use std::fmt::Write as _;

use model::{Alert, Entity, Level};
use serde_json::{Value, json};

use crate::attack::technique_name;
use crate::brief::{Brief, level_caption, level_mark, scope};
use crate::document::{Case, Document, Moment};
use crate::text::{self, bytes, count, plural};
use crate::timeline::Picture;

/// Incidents told in full; the rest are listed.
const CASES: usize = 6;
/// Rows shown of each list: paper is for reading. Where there are two, the first is for the gravest
/// incident and the second for the others.
const STORY: [usize; 2] = [60, 25];
const ALERTS: [usize; 2] = [80, 30];
const ROWS: usize = 60;
const PARCELS: usize = 250;
const ENTITIES: usize = 60;

/// Cleans texts for the page: what acts is spelled out, what no font shows is named by its code,
/// and long words may break.
struct Page<'a> {
    shows: &'a dyn Fn(char) -> bool,
}

impl Page<'_> {
    fn cell(&self, text: &str) -> String {
        self.fit(&text::clean(text, text::CELL))
    }

    fn short(&self, text: &str, most: usize) -> String {
        self.fit(&text::clean(text, most))
    }

    fn prose(&self, text: &str) -> String {
        self.fit(&text::clean(text, text::PROSE))
    }

    fn block(&self, text: &str, most: usize) -> String {
        let clean = text::clean_block(text, most);
        clean.lines().map(|line| self.fit(line)).collect::<Vec<_>>().join("\n")
    }

    /// A zero-width space lets a long word break: after punctuation, else every sixteen letters.
    fn fit(&self, clean: &str) -> String {
        const LONG: usize = 22;
        let mut out = String::with_capacity(clean.len());
        for word in clean.split_inclusive(' ') {
            let long = word.chars().count() > LONG;
            let mut run = 0;
            for c in word.chars() {
                if (self.shows)(c) || c == '\n' {
                    out.push(c);
                } else {
                    let _infallible = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                run += 1;
                let joint = !c.is_alphanumeric() && c != ' ' && run >= 4;
                if long && (joint || run >= 16) {
                    out.push('\u{200b}');
                    run = 0;
                }
            }
        }
        out
    }

    fn entity(&self, entity: &Entity) -> Value {
        json!({ "kind": entity.kind.name(), "name": self.short(&entity.value, 90) })
    }
}

/// The whole of it.
pub(super) fn of(document: &Document, shows: &dyn Fn(char) -> bool) -> Value {
    let page = Page { shows };
    let brief = Brief::of(document);
    let full = document.cases.iter().take(CASES).enumerate();
    let rest = document.cases.iter().skip(CASES);
    json!({
        "title": page.short(&document.title, 120),
        "running": model::shortened(&text::clean(&document.title, 120), 70),
        "scope": page.prose(&scope(document)),
        "made": document.generated_at.table(),
        "versions": document.versions.iter().map(|v| page.short(&format!("{} {}", v.name, v.version), 60)).collect::<Vec<_>>(),
        "levels": Level::ALL.map(level),
        "severity": brief.severity.map(Level::name),
        "verdict": page.prose(&brief.verdict),
        "lead": brief.lead.as_deref().map(|lead| page.short(lead, 160)),
        "risk": document.cases.first().map(|case| case.incident.risk),
        "what": brief.what.iter().map(|t| page.short(t, 900)).collect::<Vec<_>>(),
        "steps": brief.steps.iter().map(|(m, told)| json!({
            "time": m.time.written("%-d %b %H:%M"),
            "level": m.level.name(),
            "what": page.fit(told),
        })).collect::<Vec<_>>(),
        "how_bad": brief.how_bad.iter().map(|t| page.prose(t)).collect::<Vec<_>>(),
        "actions": brief.actions.iter().map(|t| step(&page, t)).collect::<Vec<_>>(),
        "gaps": brief.gaps.iter().map(|t| page.prose(t)).collect::<Vec<_>>(),
        "figures": document.figures.iter().take(12).map(|f| json!({
            "label": page.short(&f.label, 60),
            "value": page.short(&f.value, 24),
            "note": page.short(&f.note, 90),
        })).collect::<Vec<_>>(),
        "queries": document.figures.iter().filter(|f| !f.query.is_empty()).take(24).map(|f| json!({
            "label": page.short(&f.label, 60),
            "query": page.block(&f.query, 1_200),
        })).collect::<Vec<_>>(),
        "picture": Picture::of(document).map(|p| picture(&page, &p)),
        "cases": full.map(|(at, c)| case(&page, document, at + 1, c)).collect::<Vec<_>>(),
        "rest": list(document.cases.len().saturating_sub(CASES), rest.map(|c| other(&page, c)), ROWS),
        "loose": alerts(&page, &document.loose_alerts, ALERTS[0]),
        "attack": attack(&page, document),
        "entities": entities(&page, document),
        "indicators": indicators(&page, document),
        "evidence": evidence(&page, document),
        "unread": list(document.unread.len(), document.unread.iter().map(|u| json!({
            "origin": page.cell(&u.origin), "size": bytes(u.size), "why": page.short(&u.why, 300),
        })), ROWS),
        "flaw_line": (document.flaw_count > 0).then(|| format!(
            "{} in all; {} lost.", plural(document.flaw_count, "flaw"), plural(document.records_lost, "whole record"),
        )),
        "flaws": list(document.flaws.len(), document.flaws.iter().map(|row| json!({
            "origin": page.cell(&row.origin),
            "offset": count(row.flaw.offset),
            "kind": row.flaw.kind.name(),
            "what": page.short(&row.flaw.message, 300),
            "lost": row.flaw.record_lost,
        })), ROWS),
        "unrecognised": list(document.unrecognised.len(), document.unrecognised.iter().map(|row| json!({
            "origin": page.cell(&row.origin),
            "about": page.short(&format!("{}, read as {}", plural(row.records, "record"), row.parser), 90),
            "sample": page.block(&row.sample, 400),
        })), 20),
        "rules": rules(&page, document),
        "method": document.method.iter().map(|note| json!({
            "heading": page.cell(&note.heading), "text": page.prose(&note.text),
        })).collect::<Vec<_>>(),
        "limits": document.limits.iter().map(|t| page.prose(t)).collect::<Vec<_>>(),
    })
}

fn level(level: Level) -> Value {
    json!({ "name": level.name(), "caption": level_caption(level), "mark": level_mark(level) })
}

/// Rows, and how many were left out.
fn list(total: usize, rows: impl Iterator<Item = Value>, most: usize) -> Value {
    json!({ "rows": rows.take(most).collect::<Vec<_>>(), "more": count(total.saturating_sub(most) as u64) })
}

fn step(page: &Page<'_>, step: &str) -> Value {
    let (words, csf) = text::split_csf(step);
    json!({ "text": page.short(words, 500), "csf": csf.map(|csf| page.cell(csf)) })
}

fn case(page: &Page<'_>, document: &Document, number: usize, case: &Case) -> Value {
    let incident = &case.incident;
    let [story, rows] =
        [STORY, ALERTS].map(|[first, other]| if number == 1 { first } else { other });
    let own = document.cases.len() > 1 && case.alerts.len() > 2;
    let span = model::span_text(incident.last_time.0.abs_diff(incident.first_time.0));
    json!({
        "number": number,
        "title": page.short(&incident.title, 200),
        "id": incident.incident_id.to_string(),
        "severity": incident.severity.name(),
        "risk": incident.risk,
        "when": format!("{} to {} UTC ({span})", incident.first_time.table(), incident.last_time.table()),
        "summary": page.prose(&incident.summary),
        "reason": page.prose(&incident.reason),
        "picture": own.then(|| Picture::of_case(document, case)).flatten().map(|p| picture(page, &p)),
        "story": list(case.story.len(), case.story.iter().map(|m| moment(page, m)), story),
        "steps": incident.next_steps.iter().take(20).map(|t| step(page, t)).collect::<Vec<_>>(),
        "entities": list(
            incident.entities.len(), incident.entities.iter().map(|e| page.entity(e)), 30,
        ),
        "techniques": list(incident.techniques.len(), incident.techniques.iter().map(|t| json!({
            "id": page.cell(&t.0), "name": technique_name(&t.0),
        })), 40),
        "parts": incident.risk_parts.iter().take(20).map(|part| json!({
            "name": page.short(&part.name, 60), "points": part.points, "why": page.short(&part.why, 200),
        })).collect::<Vec<_>>(),
        "alerts": alerts(page, &case.alerts, rows),
    })
}

/// An incident as a row.
fn other(page: &Page<'_>, case: &Case) -> Value {
    let incident = &case.incident;
    json!({
        "severity": incident.severity.name(),
        "risk": incident.risk,
        "title": page.cell(&incident.title),
        "id": incident.incident_id.to_string(),
        "first": incident.first_time.table(),
        "last": incident.last_time.table(),
        "alerts": count(incident.alert_ids.len() as u64),
    })
}

fn moment(page: &Page<'_>, moment: &Moment) -> Value {
    let mut by: Vec<String> = Vec::new();
    by.extend(
        moment.entity.as_ref().map(|e| page.short(&format!("{} {}", e.kind.name(), e.value), 90)),
    );
    by.extend(
        moment.technique.as_ref().map(|t| format!("{} {}", page.cell(&t.0), technique_name(&t.0))),
    );
    by.push(page.fit(&text::source(&moment.source)));
    by.extend((moment.count > 1).then(|| plural(moment.count, "finding")));
    let place = match (moment.origin.as_str(), moment.offset) {
        ("", _) => String::new(),
        (origin, Some(offset)) => format!("{}, byte {}", page.short(origin, 110), count(offset)),
        (origin, None) => page.short(origin, 110),
    };
    json!({
        "day": moment.time.written("%-d %B %Y"),
        "time": moment.time.written("%H:%M:%S"),
        "level": moment.level.name(),
        "what": page.short(&moment.what, 300),
        "by": by.join(" · "),
        "event": moment.event_uid.map(|uid| uid.to_string()),
        "place": place,
    })
}

fn alerts(page: &Page<'_>, alerts: &[Alert], most: usize) -> Value {
    let rows = alerts.iter().map(|alert| {
        json!({
            "time": alert.first_time.table(),
            "level": alert.level.name(),
            "rule": page.cell(&alert.rule_title),
            "on": alert.entity.as_ref().map(|e| page.entity(e)),
            "source": page.fit(&text::source(&alert.source)),
            "count": count(alert.count),
            "risk": alert.risk,
        })
    });
    list(alerts.len(), rows, most)
}

fn picture(page: &Page<'_>, picture: &Picture) -> Value {
    let round = |x: f64| (x * 10_000.0).round() / 10_000.0;
    json!({
        "lanes": picture.lanes.iter().map(|lane| page.cell(lane)).collect::<Vec<_>>(),
        "marks": picture.marks.iter().map(|m| json!({
            "x": round(m.x), "until": round(m.until), "lane": m.lane, "level": m.level.name(), "size": round(m.radius()),
        })).collect::<Vec<_>>(),
        "ticks": picture.ticks.iter().map(|t| json!({ "x": round(t.x), "label": t.label, "day": t.day })).collect::<Vec<_>>(),
        "bars": picture.bars.iter().map(|b| json!({ "x": round(b.x), "width": round(b.width), "height": round(b.height) })).collect::<Vec<_>>(),
        "outside": (picture.outside > 0).then(|| plural(picture.outside as u64, "alert")),
    })
}

fn attack(page: &Page<'_>, document: &Document) -> Value {
    let tactics = model::Tactic::TABLE.iter().map(|(tactic, _, _, caption)| {
        let rows = || document.attack.iter().filter(|row| row.tactic == Some(*tactic));
        let ids: Vec<String> =
            rows().filter_map(|row| row.technique.as_ref()).take(6).map(|t| page.cell(&t.0)).collect();
        json!({ "caption": caption, "level": rows().map(|row| row.level).max().map(Level::name), "ids": ids })
    });
    json!({
        "tactics": if document.attack.is_empty() { Vec::new() } else { tactics.collect::<Vec<_>>() },
        "table": list(document.attack.len(), document.attack.iter().map(|row| json!({
            "tactic": row.tactic.map_or("", model::Tactic::caption),
            "id": row.technique.as_ref().map(|t| page.cell(&t.0)),
            "name": page.cell(&row.name),
            "level": row.level.name(),
            "alerts": count(row.alerts),
            "first": row.first.table(),
        })), ROWS),
    })
}

fn entities(page: &Page<'_>, document: &Document) -> Value {
    let rows = document.entities.iter().map(|row| {
        json!({
            "kind": row.entity.kind.name(),
            "name": page.cell(&row.entity.value),
            "level": row.level.name(),
            "alerts": count(row.alerts),
            "incidents": count(row.incidents),
            "first": row.first.table(),
            "last": row.last.table(),
        })
    });
    list(document.entities.len(), rows, ENTITIES)
}

fn indicators(page: &Page<'_>, document: &Document) -> Value {
    let rows = document.indicators.iter().map(|row| {
        json!({
            "kind": row.kind.name(),
            "value": page.cell(&row.shown()),
            "alerts": count(row.alerts),
            "first": row.first.table(),
            "context": page.short(&row.context, 100),
        })
    });
    list(document.indicators.len(), rows, ROWS)
}

fn evidence(page: &Page<'_>, document: &Document) -> Value {
    let rows = document.evidence.iter().map(|row| {
        let known = text::source(&row.definitions.join(", "));
        json!({
            "origin": page.short(&row.parcel.origin, 300),
            "digest": row.parcel.digest.to_string(),
            "size": bytes(row.parcel.size),
            "parser": page.short(&row.parser, 40),
            "known": page.fit(&known),
            "events": count(row.events),
            "flaws": count(row.flaws),
        })
    });
    list(document.evidence.len(), rows, PARCELS)
}

fn rules(page: &Page<'_>, document: &Document) -> Value {
    let rules = &document.rules;
    json!({
        "line": format!(
            "{} loaded, {} fired, {} did not load.",
            plural(rules.loaded, "rule"), count(rules.fired), count(rules.problems.len() as u64),
        ),
        "sets": rules.sets.iter().take(20).map(|set| {
            page.short(&format!("{}: {} {}", set.name, plural(set.rules, "rule"), set.version), 120)
        }).collect::<Vec<_>>(),
        "top": list(rules.top.len(), rules.top.iter().map(|row| json!({
            "title": page.cell(&row.title), "level": row.level.name(), "count": count(row.findings),
        })), 40),
        "problems": list(rules.problems.len(), rules.problems.iter().map(|row| json!({
            "path": page.cell(&row.path), "why": page.short(&row.message, 300),
        })), 40),
    })
}
