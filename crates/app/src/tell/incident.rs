//! One incident of a live floor, told as a document: what the ledger says of it, and what the lake holds of its
//! time and its evidence.
//!
//! What people decided and the newest alerts are in the ledger, so their figures carry the request to the API
//! that gives them; what is counted over events carries its SQL.

use std::collections::BTreeMap;

use ledger::IncidentRow;
use model::{Alert, EntityKind, Finding, FindingId, Level};
use report::{Case, Document, Figure, Note, RuleCount, Span};

use super::method::{LastRun, limits, method};
use super::story::{First, Places, chosen, firsts, story};
use super::{grouped, tell_evidence, versions, volume};
use crate::ask::Asker;
use crate::failure::Failure;
use crate::stages::Stages;

/// An incident as the ledger has it.
pub(crate) struct Told {
    pub(crate) row: IncidentRow,
    /// Its alerts as they are shown.
    pub(crate) alerts: Vec<Alert>,
    /// How many more it has.
    pub(crate) left_out: u64,
    /// The first findings of its alerts, as far as the ledger still has them.
    pub(crate) findings: BTreeMap<FindingId, Finding>,
    /// What people have done about it, in sentences.
    pub(crate) work: String,
}

/// Tells of one incident.
pub(crate) fn of_incident(asker: &Asker, stages: &Stages, told: Told) -> Result<Document, Failure> {
    let Told { row, mut alerts, left_out, findings, work } = told;
    alerts.sort_by_key(|alert| (alert.first_time, alert.alert_id));
    let mut document = Document { generated_at: crate::now(), ..Document::default() };
    row.title().clone_into(&mut document.title);
    document.versions = versions(stages);
    document.delivered = true;
    let shown = chosen(&alerts);
    let mut first = firsts(asker, &shown)?;
    first.extend(findings.iter().map(|(id, finding)| (*id, First::from(finding))));
    let starts: std::collections::BTreeSet<[u8; 8]> = shown
        .iter()
        .filter_map(|alert| first.get(alert.finding_ids.first()?)?.event)
        .map(|event| event.place().0)
        .collect();
    let starts: Vec<String> =
        starts.iter().map(|start| format!("'{}'", crate::hex(start))).collect();
    let only = |column: &str| match starts.is_empty() {
        true => "false".to_owned(),
        false => format!("substr({column}, 1, 16) IN ({})", starts.join(", ")),
    };
    let of_parcels = format!("FROM parcels WHERE {}", only("digest"));
    let parcels = asker.rows(&format!("SELECT * {of_parcels} ORDER BY origin, digest"))?;
    let story = story(&shown, &first, &Places::new(&parcels));
    document.figures = figures(asker, &row, &alerts, &of_parcels)?;
    let run = LastRun::in_force(stages);
    let top = top(&alerts);
    document.rules = run.facts(top.len() as u64, top);
    document.cases = vec![case(&row, alerts, story)];
    document.volume = volume(asker, &document)?;
    tell_evidence(asker, &parcels, &only("parcel_digest"), &mut document)?;
    document.events = document.evidence.iter().map(|row| row.events).sum();
    let spans = document.evidence.iter().filter_map(|row| row.span);
    document.data_window = spans
        .reduce(|all, one| Span { first: all.first.min(one.first), last: all.last.max(one.last) });
    document.method = method(stages, &run);
    if let Some(collection) = document.method.first_mut() {
        "Every delivery was hashed with SHA-256 and brought to the disk before it was acknowledged, and \
         before anything read it. Listed are those that the story stands on."
            .clone_into(&mut collection.text);
    }
    document.method.push(Note { heading: "Work on the incident".to_owned(), text: work });
    document.limits = limits(&document, &run);
    document.limits.push(format!(
        "It tells how things stood on {} UTC; the floor goes on.",
        document.generated_at.written("%-d %B %Y, %H:%M")
    ));
    if left_out > 0 {
        document.limits.push(format!(
            "{} more alerts are in this incident; those that began last are told.",
            grouped(left_out)
        ));
    }
    document.derive(triage::vantage);
    Ok(document)
}

/// The incident as it is shown: people's words and what is in it now go before triage's.
fn case(row: &IncidentRow, alerts: Vec<Alert>, story: Vec<report::Moment>) -> Case {
    let mut incident = row.told.clone();
    incident.incident_id = row.incident_id;
    row.title().clone_into(&mut incident.title);
    incident.severity = row.level;
    incident.risk = row.risk;
    incident.alert_ids = alerts.iter().map(|alert| alert.alert_id).collect();
    incident.finding_count = alerts.iter().map(|alert| alert.count).sum();
    (incident.first_time, incident.last_time) = (row.first_time, row.last_time);
    if incident.summary.is_empty() {
        incident.summary = format!(
            "A person opened this incident; {} {} in it.",
            grouped(row.alert_count),
            if row.alert_count == 1 { "alert is" } else { "alerts are" }
        );
    }
    Case { incident, alerts, story }
}

fn figures(
    asker: &Asker,
    row: &IncidentRow,
    alerts: &[Alert],
    of_parcels: &str,
) -> Result<Vec<Figure>, Failure> {
    let id = row.incident_id;
    let list = format!("GET /api/v1/alerts?incident={id}&suppressed=shown");
    let kinds = |kind: EntityKind| {
        let all = alerts.iter().flat_map(|alert| &alert.entities);
        let all = all.filter(|entity| entity.kind == kind).map(|entity| &entity.value);
        all.collect::<std::collections::BTreeSet<_>>().len() as u64
    };
    let techniques: std::collections::BTreeSet<_> =
        alerts.iter().flat_map(|alert| &alert.techniques).collect();
    let grave = alerts.iter().filter(|alert| alert.level >= Level::High).count() as u64;
    let findings = alerts.iter().map(|alert| alert.count).sum();
    let events = format!(
        "SELECT count(*) FROM events WHERE time >= '{}' AND time <= '{}'",
        row.first_time, row.last_time
    );
    let parcels = format!("SELECT count(*) {of_parcels}");
    let figure = |label: &str, note: &str, value: u64, query: &str| Figure {
        label: label.to_owned(),
        value: grouped(value),
        note: note.to_owned(),
        query: query.to_owned(),
    };
    Ok(vec![
        figure("Alerts", "findings of one rule on one entity", row.alert_count, &list),
        figure("High or critical", "alerts", grave, &list),
        figure("Findings", "a rule matched", findings, &list),
        figure("Techniques", "of MITRE ATT&CK seen in alerts", techniques.len() as u64, &list),
        figure("Accounts", "named by its alerts", kinds(EntityKind::User), &list),
        figure("Hosts", "named by its alerts", kinds(EntityKind::Host), &list),
        figure("Addresses", "named by its alerts", kinds(EntityKind::Address), &list),
        figure("Events of its time", "all sources together", asker.count(&events)?, &events),
        figure("Deliveries", "that its story stands on", asker.count(&parcels)?, &parcels),
    ])
}

/// The rules that found it, those that found most first.
fn top(alerts: &[Alert]) -> Vec<RuleCount> {
    let mut rules: BTreeMap<&str, RuleCount> = BTreeMap::new();
    for alert in alerts {
        let rule = rules.entry(&*alert.rule_id).or_insert_with(|| RuleCount {
            rule_id: alert.rule_id.clone(),
            title: alert.rule_title.clone(),
            level: alert.level,
            findings: 0,
        });
        rule.findings += alert.count;
        rule.level = rule.level.max(alert.level);
    }
    let mut top: Vec<_> = rules.into_values().collect();
    top.sort_by(|a, b| (b.findings, &a.title).cmp(&(a.findings, &b.title)));
    top
}
