//! Batches of the tables that are not `events`: from nouns to columns.

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, ListBuilder, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use model::{Alert, Digest, Finding, Flaw, Incident, Level, Match, Micros, Parcel, RiskPart};
use serde::Serialize;

use crate::error::Result;
use crate::schema::Table;

/// A parcel with what reading it gave.
#[derive(Debug, Clone)]
pub struct ParcelRow {
    /// The parcel.
    pub parcel: Parcel,
    /// The format that it was read as; empty when none.
    pub format: String,
    /// Records met: each is an event, or is lost to a flaw that is listed.
    pub records: u64,
    /// Events made of them.
    pub events: u64,
    /// Records lost to flaws.
    pub lost: u64,
    /// Flaws met.
    pub flaws: u64,
    /// What a person should know: why it was not read, what it looks like.
    pub note: String,
    /// First and last of the times that its records themselves tell.
    pub span: Option<(Micros, Micros)>,
}

/// A flaw with its place.
#[derive(Debug, Clone)]
pub struct FlawRow {
    /// The parcel; none when its bytes could not be had.
    pub parcel: Option<Digest>,
    /// Where the parcel came from.
    pub origin: String,
    /// The flaw.
    pub flaw: Flaw,
}

/// Records of one shape that no source definition knew.
#[derive(Debug, Clone)]
pub struct UnrecognisedRow {
    /// The parcel of the sample.
    pub parcel: Digest,
    /// Where it came from.
    pub origin: String,
    /// The parser that read them.
    pub parser: String,
    /// What makes them alike, such as their field names.
    pub shape: String,
    /// How many.
    pub count: u64,
    /// One of them.
    pub sample: String,
}

/// A run.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its key.
    pub run_key: String,
    /// When it began.
    pub started_at: Micros,
    /// When it ended.
    pub finished_at: Micros,
    /// The program's version.
    pub version: String,
    /// Figures of the run, as JSON.
    pub summary: serde_json::Value,
}

/// Matches as rows.
pub fn matches_batch(matches: &[Match]) -> Result<RecordBatch> {
    let all = matches;
    batch(
        Table::Matches,
        vec![
            texts(all.iter().map(|m| &m.rule_id)),
            texts(all.iter().map(|m| &m.rule_version)),
            times(all.iter().map(|m| Some(m.time))),
            shown(all.iter().map(|m| m.event_uid)),
            texts(all.iter().map(|m| json(&m.fields))),
            lists(all.iter().map(|m| m.entities.iter())),
            texts(all.iter().map(|m| &m.source)),
            lists(all.iter().map(|m| m.labels.iter().map(ToString::to_string))),
        ],
    )
}

/// Findings as rows.
pub fn findings_batch(findings: &[Finding]) -> Result<RecordBatch> {
    let all = findings;
    batch(
        Table::Findings,
        vec![
            shown(all.iter().map(|f| f.finding_id)),
            texts(all.iter().map(|f| f.kind.name())),
            texts(all.iter().map(|f| &f.rule_id)),
            texts(all.iter().map(|f| &f.rule_version)),
            texts(all.iter().map(|f| &f.rule_title)),
            texts(all.iter().map(|f| &f.description)),
            texts(all.iter().map(|f| f.level.name())),
            levels(all.iter().map(|f| f.level)),
            times(all.iter().map(|f| Some(f.time))),
            lists(all.iter().map(|f| f.event_uids.iter())),
            lists(all.iter().map(|f| f.entities.iter())),
            lists(all.iter().map(|f| f.tactics.iter().map(|t| t.caption()))),
            lists(all.iter().map(|f| f.techniques.iter())),
            texts(all.iter().map(|f| json(&f.matched_fields))),
            times(all.iter().map(|f| f.window.as_ref().map(|w| w.start))),
            times(all.iter().map(|f| f.window.as_ref().map(|w| w.end))),
            Arc::new(
                all.iter()
                    .map(|f| f.window.as_ref().map(|w| w.count as i64))
                    .collect::<Int64Array>(),
            ),
            optional_texts(all.iter().map(|f| f.window.as_ref().map(|w| json(&w.group)))),
            texts(all.iter().map(|f| &f.source)),
            lists(all.iter().map(|f| f.labels.iter().map(ToString::to_string))),
        ],
    )
}

/// Alerts as rows.
pub fn alerts_batch(alerts: &[Alert]) -> Result<RecordBatch> {
    let all = alerts;
    batch(
        Table::Alerts,
        vec![
            shown(all.iter().map(|a| a.alert_id)),
            texts(all.iter().map(|a| &a.rule_id)),
            texts(all.iter().map(|a| &a.rule_title)),
            texts(all.iter().map(|a| &a.description)),
            optional_texts(all.iter().map(|a| a.entity.as_ref().map(ToString::to_string))),
            lists(all.iter().map(|a| a.entities.iter())),
            texts(all.iter().map(|a| a.level.name())),
            levels(all.iter().map(|a| a.level)),
            longs(all.iter().map(|a| a.count)),
            times(all.iter().map(|a| Some(a.first_time))),
            times(all.iter().map(|a| Some(a.last_time))),
            lists(all.iter().map(|a| a.finding_ids.iter())),
            lists(all.iter().map(|a| a.tactics.iter().map(|t| t.caption()))),
            lists(all.iter().map(|a| a.techniques.iter())),
            texts(all.iter().map(|a| &a.source)),
            ints(all.iter().map(|a| a.risk)),
            texts(all.iter().map(|a| json::<[RiskPart]>(&a.risk_parts))),
            texts(all.iter().map(|a| &a.reason)),
        ],
    )
}

/// Incidents as rows.
pub fn incidents_batch(incidents: &[Incident]) -> Result<RecordBatch> {
    let all = incidents;
    batch(
        Table::Incidents,
        vec![
            shown(all.iter().map(|i| i.incident_id)),
            texts(all.iter().map(|i| &i.title)),
            texts(all.iter().map(|i| &i.summary)),
            texts(all.iter().map(|i| i.severity.name())),
            levels(all.iter().map(|i| i.severity)),
            ints(all.iter().map(|i| i.risk)),
            texts(all.iter().map(|i| json::<[RiskPart]>(&i.risk_parts))),
            lists(all.iter().map(|i| i.alert_ids.iter())),
            longs(all.iter().map(|i| i.finding_count)),
            times(all.iter().map(|i| Some(i.first_time))),
            times(all.iter().map(|i| Some(i.last_time))),
            lists(all.iter().map(|i| i.entities.iter())),
            lists(all.iter().map(|i| i.tactics.iter().map(|t| t.caption()))),
            lists(all.iter().map(|i| i.techniques.iter())),
            lists(all.iter().map(|i| i.sources.iter())),
            texts(all.iter().map(|i| &i.reason)),
            lists(all.iter().map(|i| i.next_steps.iter())),
        ],
    )
}

/// Parcels as rows.
pub fn parcels_batch(parcels: &[ParcelRow]) -> Result<RecordBatch> {
    let all = parcels;
    batch(
        Table::Parcels,
        vec![
            shown(all.iter().map(|p| p.parcel.digest)),
            texts(all.iter().map(|p| &p.parcel.origin)),
            longs(all.iter().map(|p| p.parcel.size)),
            times(all.iter().map(|p| Some(p.parcel.received_at))),
            texts(all.iter().map(|p| &p.format)),
            longs(all.iter().map(|p| p.records)),
            longs(all.iter().map(|p| p.events)),
            longs(all.iter().map(|p| p.lost)),
            longs(all.iter().map(|p| p.flaws)),
            texts(all.iter().map(|p| &p.note)),
            times(all.iter().map(|p| p.span.map(|(first, _)| first))),
            times(all.iter().map(|p| p.span.map(|(_, last)| last))),
        ],
    )
}

/// Flaws as rows.
pub fn flaws_batch(flaws: &[FlawRow]) -> Result<RecordBatch> {
    let all = flaws;
    batch(
        Table::Flaws,
        vec![
            optional_texts(all.iter().map(|f| f.parcel.map(|digest| digest.to_string()))),
            texts(all.iter().map(|f| &f.origin)),
            longs(all.iter().map(|f| f.flaw.offset)),
            texts(all.iter().map(|f| f.flaw.kind.name())),
            texts(all.iter().map(|f| &f.flaw.message)),
            Arc::new(all.iter().map(|f| Some(f.flaw.record_lost)).collect::<BooleanArray>()),
        ],
    )
}

/// What was not recognised as rows.
pub fn unrecognised_batch(rows: &[UnrecognisedRow]) -> Result<RecordBatch> {
    let all = rows;
    batch(
        Table::Unrecognised,
        vec![
            shown(all.iter().map(|u| u.parcel)),
            texts(all.iter().map(|u| &u.origin)),
            texts(all.iter().map(|u| &u.parser)),
            texts(all.iter().map(|u| &u.shape)),
            longs(all.iter().map(|u| u.count)),
            texts(all.iter().map(|u| &u.sample)),
        ],
    )
}

/// Runs as rows.
pub fn runs_batch(runs: &[RunRow]) -> Result<RecordBatch> {
    let all = runs;
    batch(
        Table::Runs,
        vec![
            texts(all.iter().map(|r| &r.run_key)),
            times(all.iter().map(|r| Some(r.started_at))),
            times(all.iter().map(|r| Some(r.finished_at))),
            texts(all.iter().map(|r| &r.version)),
            texts(all.iter().map(|r| r.summary.to_string())),
        ],
    )
}

fn batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new(table.file_schema(), columns)?)
}

fn texts(values: impl Iterator<Item = impl AsRef<str>>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn optional_texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn longs(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|n| i64::try_from(n).unwrap_or(i64::MAX))))
}

fn ints(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values.map(|n| i32::try_from(n).unwrap_or(i32::MAX))))
}

fn levels(values: impl Iterator<Item = Level>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values.map(Level::severity_id)))
}

fn times(values: impl Iterator<Item = Option<Micros>>) -> ArrayRef {
    let times: TimestampMicrosecondArray = values.map(|time| time.map(|t| t.0)).collect();
    Arc::new(times.with_timezone("UTC"))
}

/// Texts as they show themselves, written straight into the column.
fn shown(values: impl Iterator<Item = impl Display>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.for_each(|value| show(&mut builder, &value));
    Arc::new(builder.finish())
}

fn show(builder: &mut StringBuilder, value: &impl Display) {
    // A column of texts takes whatever is written.
    let _ = write!(builder, "{value}");
    builder.append_value("");
}

fn lists(rows: impl Iterator<Item = impl Iterator<Item = impl Display>>) -> ArrayRef {
    let element = Field::new("element", DataType::Utf8, true);
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(element);
    for row in rows {
        row.for_each(|value| show(builder.values(), &value));
        builder.append(true);
    }
    Arc::new(builder.finish())
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
