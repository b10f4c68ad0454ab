//! A small lake with a few events of several classes, made here.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use hunt::{Between, Form, Hunt, HuntError, Limits, TableStyle};
use lake::{EventRows, Lake, Table};
use model::{
    Digest, Entity, EntityKind, Finding, FindingKind, Level, LogSource, Micros, Provenance, Value,
};
use ocsf::{Event, Scalar};

/// The instant that `ago` counts from.
pub(crate) const NOW: &str = "2026-11-22T12:00:00Z";

pub(crate) fn time(text: &str) -> Micros {
    text.parse().unwrap()
}

/// One event by class, time and columns; everything else follows from its place.
pub(crate) struct Made {
    pub(crate) class: &'static str,
    pub(crate) activity: &'static str,
    pub(crate) time: Micros,
    pub(crate) product: &'static str,
    pub(crate) fields: Vec<(&'static str, Scalar<'static>)>,
    pub(crate) native: serde_json::Value,
}

impl Made {
    pub(crate) fn new(class: &'static str, activity: &'static str, at: &str) -> Self {
        let native = serde_json::json!({"made": at});
        Self { class, activity, time: time(at), product: "test", fields: Vec::new(), native }
    }

    pub(crate) fn text(mut self, path: &'static str, value: &str) -> Self {
        self.fields.push((path, Scalar::Text(value.to_owned().into())));
        self
    }

    pub(crate) fn int(mut self, path: &'static str, value: i64) -> Self {
        self.fields.push((path, Scalar::Int(value)));
        self
    }

    pub(crate) fn native(mut self, native: serde_json::Value) -> Self {
        self.native = native;
        self
    }
}

pub(crate) fn parcel() -> Digest {
    Digest::of(b"made")
}

/// A lake with these events and findings.
pub(crate) async fn lake(events: Vec<Made>, findings: &[Finding]) -> (tempfile::TempDir, Lake) {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
    let run = lake.run("made").await.unwrap();
    let mut rows = EventRows::new();
    for (n, made) in events.into_iter().enumerate() {
        let class = ocsf::class(made.class).unwrap_or_else(|| panic!("class {}", made.class));
        let mut event = Event::new(class, made.time);
        event.activity_id = class.activity_named(made.activity).unwrap_or(0);
        for (path, value) in made.fields {
            let column = ocsf::column(path).unwrap_or_else(|| panic!("no column for {path}"));
            event.set(column, value);
        }
        let raw = made.native.to_string();
        let native = Value::from_json(made.native);
        let provenance = Provenance {
            parcel: parcel(),
            offset: n as u64 * 100,
            index: 0,
            parser: "json",
            definition: "made",
            definition_version: 1,
        };
        let source = LogSource::new(made.product, "", "");
        rows.push(&event, &provenance, time(NOW), &native, raw.as_bytes(), &source);
    }
    run.writer().write(Table::Events, rows.finish().unwrap()).unwrap();
    run.writer().write(Table::Findings, lake::findings_batch(findings).unwrap()).unwrap();
    run.commit().await.unwrap();
    (dir, lake)
}

pub(crate) fn finding(rule: &str, level: Level, event: usize, at: &str) -> Finding {
    let uid = model::EventUid::of(&parcel(), event as u64 * 100, 0);
    Finding {
        finding_id: Finding::derive_id(rule, "1", None, &[uid]),
        kind: FindingKind::Sigma,
        rule_id: rule.into(),
        rule_version: "1".into(),
        rule_title: Arc::from(rule),
        description: "".into(),
        level,
        time: time(at),
        event_uids: vec![uid],
        entities: vec![Entity::new(EntityKind::Host, "ws-1")],
        tactics: vec![],
        techniques: vec![],
        matched_fields: vec![],
        window: None,
        source: "made".into(),
        labels: vec![],
    }
}

pub(crate) async fn open(lake: &Lake) -> Hunt {
    Hunt::open(lake, Limits::default(), time(NOW)).await.unwrap()
}

pub(crate) async fn rows(hunt: &Hunt, sql: &str) -> Vec<RecordBatch> {
    match try_rows(hunt, sql).await {
        Ok(batches) => batches,
        Err(error) => panic!("{}\n{sql}", error.render(sql)),
    }
}

pub(crate) async fn try_rows(hunt: &Hunt, sql: &str) -> Result<Vec<RecordBatch>, HuntError> {
    hunt.query(sql, Between::default()).await?.collect().await
}

/// The answer as CSV without its header.
pub(crate) async fn csv(hunt: &Hunt, sql: &str) -> String {
    shown(hunt, sql, Form::Csv).await.split_once("\r\n").unwrap().1.replace("\r\n", "\n")
}

pub(crate) async fn shown(hunt: &Hunt, sql: &str, form: Form) -> String {
    let mut out = Vec::new();
    let mut answer = match hunt.query(sql, Between::default()).await {
        Ok(answer) => answer,
        Err(error) => panic!("{}\n{sql}", error.render(sql)),
    };
    hunt::write(form, &mut answer, &mut out, TableStyle::default()).await.unwrap();
    String::from_utf8_lossy(&out).into_owned()
}
