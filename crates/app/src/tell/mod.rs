//! The report: what the lake holds, asked in SQL and told as a `report::Document`.
//!
//! Every key figure is a row of [`FIGURES`] with the query that gives it, so that a reader can ask
//! again.

mod incident;
mod method;
pub(crate) mod rows;
mod story;

pub(crate) use self::incident::{Told, of_incident};
pub(crate) use self::rows::Row;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use model::{Alert, Digest, Flaw, FlawKind, Parcel};
use report::{
    Bucket, Case, Document, EvidenceRow, Figure, FlawRow, Span, Unread, Unrecognised, Version,
};

use self::method::{LastRun, limits, method, rule_facts};
use self::rows::{number, text, time};
use self::story::{Places, chosen, firsts, story};
use crate::ask::Asker;
use crate::failure::{Failure, Kind, system};
use crate::stages::Stages;

/// The key figures: what, and the query. A query gives one number in its first column.
const FIGURES: &[(&str, &str, &str)] = &[
    ("Events read", "from all evidence", "SELECT count(*) FROM events"),
    (
        "Sources",
        "kinds of log that were known",
        "SELECT count(DISTINCT definition) FROM events WHERE definition <> ''",
    ),
    ("Findings", "a rule matched", "SELECT count(*) FROM findings"),
    ("Alerts", "findings of one rule on one entity", "SELECT count(*) FROM alerts"),
    ("Incidents", "alerts that belong together", "SELECT count(*) FROM incidents"),
    ("High or critical", "alerts", "SELECT count(*) FROM alerts WHERE severity_id >= 4"),
    (
        "Techniques",
        "of MITRE ATT&CK seen in alerts",
        "SELECT count(DISTINCT t) FROM (SELECT unnest(techniques) AS t FROM alerts)",
    ),
    (
        "Accounts in incidents",
        "by name, whatever the domain",
        "SELECT count(DISTINCT split_part(split_part(e, '@', 1), '\\', -1)) FROM \
         (SELECT substr(e, 6) AS e FROM (SELECT unnest(entities) AS e FROM incidents) \
         WHERE starts_with(e, 'user:')) \
         WHERE NOT starts_with(e, 's-1-') AND translate(e, '0123456789', '') <> ''",
    ),
    (
        "Hosts in incidents",
        "names of web sites left out",
        "SELECT count(DISTINCT split_part(e, '.', 1)) FROM \
         (SELECT substr(e, 6) AS e FROM (SELECT unnest(entities) AS e FROM incidents) \
         WHERE starts_with(e, 'host:')) WHERE e NOT IN \
         (SELECT substr(e, 8) FROM (SELECT unnest(entities) AS e FROM incidents) \
         WHERE starts_with(e, 'domain:'))",
    ),
    (
        "Unknown records",
        "kept as base events",
        "SELECT count(*) FROM events WHERE definition = '' OR definition IS NULL",
    ),
    ("Flaws", "places that could not be read", "SELECT count(*) FROM flaws"),
];

/// Incidents that are told in full.
const CASES: usize = 50;
/// Alerts without an incident that are listed.
const LOOSE: usize = 300;
/// Flaws that are listed.
const FLAWS: usize = 300;
/// Bars of the volume under the timeline.
const BARS: u64 = 120;

/// Writes the report of a data folder in the named forms (all of them when none are named) and says
/// where the files lie, the one for people first.
pub fn write_reports(
    stages: &Stages,
    data: &Path,
    forms: &[String],
    out: Option<&Path>,
) -> Result<Vec<PathBuf>, Failure> {
    let chosen: Vec<&'static dyn report::Form> = if forms.is_empty() {
        report::FORMS.to_vec()
    } else {
        forms
            .iter()
            .map(|name| {
                report::form(name).ok_or_else(|| {
                    let known: Vec<_> = report::FORMS.iter().map(|f| f.name()).collect();
                    Failure::new(Kind::Usage, format!("there is no form `{}`", model::inert(name)))
                        .hint(format!("forms are {}", known.join(", ")))
                })
            })
            .collect::<Result<_, _>>()?
    };
    let document = document(stages, data)?;
    let folder = out.map_or_else(|| data.join("reports"), Path::to_owned);
    fs::create_dir_all(&folder).map_err(system("cannot make the folder for reports"))?;
    let mut written = Vec::new();
    for form in chosen {
        let bytes = form.render(&document).map_err(|error| {
            Failure::new(
                Kind::Defect,
                format!("cannot write the report as {}: {error}", form.name()),
            )
        })?;
        let path = folder.join(format!("report.{}", form.extension()));
        let partial = folder.join(format!(".report.{}.part", form.extension()));
        fs::write(&partial, bytes).map_err(system("cannot write the report"))?;
        fs::rename(&partial, &path).map_err(system("cannot write the report"))?;
        written.push(path);
    }
    Ok(written)
}

/// Asks the lake for everything that a report tells.
pub fn document(stages: &Stages, data: &Path) -> Result<Document, Failure> {
    let asker = Asker::open(data)?;
    let mut document = Document { generated_at: crate::now(), ..Document::default() };
    document.versions = versions(stages);
    document.figures = figures(&asker)?;
    document.events = asker.count("SELECT count(*) FROM events")?;
    document.data_window = window(&asker)?;
    let parcels = parcels(&asker)?;
    tell_incidents(&asker, &parcels, &mut document)?;
    document.volume = volume(&asker, &document)?;
    tell_evidence(&asker, &parcels, "true", &mut document)?;
    let run = LastRun::read(&asker)?;
    document.rules = rule_facts(&asker, &run)?;
    document.method = method(stages, &run);
    document.limits = limits(&document, &run);
    document.title = title(&document);
    document.derive(triage::vantage);
    Ok(document)
}

fn title(document: &Document) -> String {
    match document.cases.first() {
        None => "No incident found".to_owned(),
        Some(gravest) => gravest.incident.title.clone(),
    }
}

fn versions(stages: &Stages) -> Vec<Version> {
    let version = |name: &str, version: String| Version { name: name.to_owned(), version };
    vec![
        version("Watchfloor", env!("CARGO_PKG_VERSION").to_owned()),
        version("OCSF", ocsf::VERSION.to_owned()),
        version("Content", stages.digest.clone()),
    ]
}

fn figures(asker: &Asker) -> Result<Vec<Figure>, Failure> {
    FIGURES
        .iter()
        .map(|(label, note, query)| {
            Ok(Figure {
                label: (*label).to_owned(),
                value: grouped(asker.count(query)?),
                note: (*note).to_owned(),
                query: (*query).to_owned(),
            })
        })
        .collect()
}

/// A number with its thousands apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The span of the times that records themselves tell: a file's own time or that of its receipt stand
/// for those that tell none, and say nothing about what happened.
fn window(asker: &Asker) -> Result<Option<Span>, Failure> {
    let sql = "SELECT min(first_time) AS first, max(last_time) AS last FROM parcels \
               WHERE first_time > '1971-01-01'";
    Ok(asker.rows(sql)?.first().and_then(|row| span(row, "first", "last")))
}

fn span(row: &Row, first: &str, last: &str) -> Option<Span> {
    let span = Span { first: time(row, first), last: time(row, last) };
    (span.first.0 != 0).then_some(span)
}

fn parcels(asker: &Asker) -> Result<Vec<Row>, Failure> {
    asker.rows("SELECT * FROM parcels ORDER BY origin, digest")
}

/// A row of `parcels` as the noun.
fn parcel(row: &Row) -> Option<Parcel> {
    Some(Parcel {
        digest: text(row, "digest").parse().ok()?,
        origin: text(row, "origin").to_owned(),
        size: number(row, "size"),
        received_at: time(row, "received_at"),
    })
}

fn tell_incidents(asker: &Asker, parcels: &[Row], document: &mut Document) -> Result<(), Failure> {
    let incidents = asker.rows(&format!(
        "SELECT * FROM incidents \
         ORDER BY severity_id DESC, risk DESC, first_time, incident_id LIMIT {CASES}"
    ))?;
    document.incident_count = asker.count("SELECT count(*) FROM incidents")?;
    let alerts: BTreeMap<_, Alert> = asker
        .rows("SELECT * FROM alerts ORDER BY first_time, alert_id")?
        .iter()
        .filter_map(rows::alert)
        .map(|alert| (alert.alert_id, alert))
        .collect();
    let places = Places::new(parcels);
    let mut cased = std::collections::BTreeSet::new();
    for incident in incidents.iter().filter_map(rows::incident) {
        cased.extend(incident.alert_ids.iter().copied());
        let mut own: Vec<Alert> =
            incident.alert_ids.iter().filter_map(|id| alerts.get(id)).cloned().collect();
        own.sort_by_key(|alert| (alert.first_time, alert.alert_id));
        let told = chosen(&own);
        let story = story(&told, &firsts(asker, &told)?, &places);
        document.cases.push(Case { incident, alerts: own, story });
    }
    let mut loose: Vec<Alert> =
        alerts.into_values().filter(|alert| !cased.contains(&alert.alert_id)).collect();
    loose.sort_by_key(|a| {
        (std::cmp::Reverse(a.level), std::cmp::Reverse(a.risk), a.first_time, a.alert_id)
    });
    loose.truncate(LOOSE);
    loose.sort_by_key(|alert| (alert.first_time, alert.alert_id));
    document.loose_alerts = loose;
    Ok(())
}

/// Events over the time of the incidents, or of everything when there are none.
fn volume(asker: &Asker, document: &Document) -> Result<Vec<Bucket>, Failure> {
    let first = document.cases.iter().map(|case| case.incident.first_time).min();
    let last = document.cases.iter().map(|case| case.incident.last_time).max();
    let span = match (first.zip(last), document.data_window) {
        (Some((first, last)), _) => Span { first, last },
        (None, Some(window)) => window,
        (None, None) => return Ok(Vec::new()),
    };
    let seconds = span.last.seconds().saturating_sub(span.first.seconds()).max(60) as u64;
    let step = [60, 300, 900, 3_600, 10_800, 21_600, 86_400, 604_800, 2_592_000]
        .into_iter()
        .find(|step| seconds / step <= BARS)
        .unwrap_or(31_536_000);
    let sql = format!(
        "SELECT date_bin(INTERVAL '{step} seconds', time) AS start, count(*) AS events FROM events \
         WHERE time >= '{}' AND time <= '{}' GROUP BY 1 ORDER BY 1",
        span.first, span.last
    );
    let bucket = |row: &Row| Bucket { start: time(row, "start"), events: number(row, "events") };
    Ok(asker.rows(&sql)?.iter().map(bucket).collect())
}

/// Tells of these parcels and what of them could not be read; `only` says in SQL which `parcel_digest` is meant.
fn tell_evidence(
    asker: &Asker,
    parcels: &[Row],
    only: &str,
    document: &mut Document,
) -> Result<(), Failure> {
    let by_parcel = asker.rows(&format!(
        "SELECT DISTINCT parcel_digest, definition FROM events WHERE {only} ORDER BY parcel_digest, definition"
    ))?;
    let mut known: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in &by_parcel {
        known.entry(text(row, "parcel_digest").to_owned()).or_default().push(row);
    }
    for row in parcels {
        let Some(parcel) = parcel(row) else { continue };
        let note = text(row, "note");
        if !note.is_empty() {
            document.unread.push(Unread {
                origin: parcel.origin.clone(),
                size: parcel.size,
                why: note.to_owned(),
            });
        }
        let own = known.get(&parcel.digest.to_string()).map(Vec::as_slice).unwrap_or_default();
        let own = if note.is_empty() { own } else { &[] };
        let names = own.iter().map(|row| text(row, "definition")).filter(|name| !name.is_empty());
        document.evidence.push(EvidenceRow {
            parser: text(row, "format").to_owned(),
            definitions: names.map(str::to_owned).collect(),
            events: number(row, "events"),
            flaws: number(row, "flaws"),
            span: span(row, "first_time", "last_time"),
            parcel,
        });
    }
    document.flaw_count = asker.count(&format!("SELECT count(*) FROM flaws WHERE {only}"))?;
    document.records_lost =
        asker.count(&format!("SELECT count(*) FROM flaws WHERE record_lost AND {only}"))?;
    let flaws = asker.rows(&format!(
        "SELECT * FROM flaws WHERE {only} ORDER BY record_lost DESC, origin, \"offset\" LIMIT {FLAWS}"
    ))?;
    document.flaws = flaws
        .iter()
        .map(|row| FlawRow {
            origin: text(row, "origin").to_owned(),
            parcel: text(row, "parcel_digest").parse().unwrap_or(Digest([0; 32])),
            flaw: Flaw {
                offset: number(row, "offset"),
                kind: flaw_kind(text(row, "kind")),
                message: text(row, "message").to_owned(),
                record_lost: row.get("record_lost").and_then(serde_json::Value::as_bool)
                    == Some(true),
            },
        })
        .collect();
    let unknown = asker.rows(&format!(
        "SELECT origin, parser, sum(\"count\") AS records, min(sample) AS sample FROM unrecognised \
         WHERE {only} GROUP BY origin, parser ORDER BY records DESC, origin LIMIT 200"
    ))?;
    document.unrecognised = unknown
        .iter()
        .map(|row| Unrecognised {
            origin: text(row, "origin").to_owned(),
            parser: text(row, "parser").to_owned(),
            records: number(row, "records"),
            sample: text(row, "sample").to_owned(),
        })
        .collect();
    Ok(())
}

fn flaw_kind(name: &str) -> FlawKind {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).unwrap_or(FlawKind::Syntax)
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_204_311), "1,204,311");
    }
}
