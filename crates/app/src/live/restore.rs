//! Beginning where an earlier process stopped, or where an investigation left the data folder.

use std::sync::Arc;

use collect::Position;
use detect::{Limits, LiveCorrelator};
use ledger::{IncidentFilter, IncidentOrder, Paging};
use model::{Finding, FindingId, Micros};
use triage::live::{Bounds, Mark};
use triage::{Decisions, Policy};

use super::floor::Inner;
use super::from_ledger;
use super::saved::{Saved, Story};
use super::triaging::Triaging;
use crate::ask::Asker;
use crate::failure::Failure;
use crate::stages::Stages;
use crate::tell::rows;

/// What correlations keep. Events with clocks far ahead are left out before they come there.
pub(crate) fn limits() -> Limits {
    Limits { ahead: Micros(i64::MAX), ..Limits::default() }
}

/// Rows of one page of the ledger.
const PAGE: u32 = 500;

/// What the line begins with.
pub(crate) struct Restored {
    pub(crate) stages: Arc<Stages>,
    pub(crate) correlator: LiveCorrelator,
    pub(crate) open: Vec<Finding>,
    /// Findings that the ledger was told of after the last commit.
    pub(crate) standing: Vec<Finding>,
    /// The delivery with which the line has read again all that was read before.
    pub(crate) caught_up: Position,
    pub(crate) triaging: Triaging,
    pub(crate) watermark: Micros,
    pub(crate) through: Option<Position>,
}

/// Brings what an investigation concluded to the ledger: people go on from there.
pub(crate) fn import(inner: &Inner) -> Result<(), Failure> {
    if !inner.options.data.join("lake").is_dir() {
        return Ok(());
    }
    let asker = Asker::open(&inner.options.data)?;
    let mut alerts = Vec::new();
    asker.each("SELECT * FROM alerts", |row| {
        alerts.extend(rows::alert(&row));
        Ok(())
    })?;
    let incidents = asker.rows("SELECT * FROM incidents")?;
    let incidents: Vec<_> = incidents.iter().filter_map(rows::incident).collect();
    let now = crate::now();
    inner.runtime.block_on(async {
        for part in alerts.chunks(1_000) {
            inner.ledger.alerts().upsert(part, now).await.map_err(from_ledger)?;
        }
        for part in incidents.chunks(100) {
            inner.ledger.incidents().upsert(part, now).await.map_err(from_ledger)?;
        }
        Ok(())
    })
}

/// Takes up what the last commit left.
pub(crate) fn restore(inner: &Inner, through: Option<Position>) -> Result<Restored, Failure> {
    let stages = inner.stages();
    let data = &inner.options.data;
    let saved = through.and_then(|through| Saved::read(data, through));
    if through.is_some() && saved.is_none() {
        tracing::error!("where the floor stood cannot be read: correlations and triage begin anew");
    }
    let (story, bytes) = match saved {
        Some(saved) => (saved.story, Some(saved.correlator)),
        None => (begun(), None),
    };
    if story.laid_down {
        take_up_open(inner, &story)?;
    }
    let rules = &stages.rules;
    let correlator = match bytes.map(|b| LiveCorrelator::restore(Arc::clone(rules), limits(), &b)) {
        Some(Ok(correlator)) => correlator,
        Some(Err(error)) => {
            tracing::error!(%error, "what correlations had counted cannot be read: they begin anew");
            LiveCorrelator::new(Arc::clone(rules), limits())
        }
        None => LiveCorrelator::new(Arc::clone(rules), limits()),
    };
    let standing = standing(inner, &story)?;
    let findings = taken(inner, &story)?;
    let live = triage::Live::restore(
        Policy::default(),
        Bounds::default(),
        Decisions::default(),
        &story.mark,
        findings,
    );
    Ok(Restored {
        stages,
        correlator,
        open: story.open,
        standing,
        caught_up: inner.wal.metrics().last,
        triaging: Triaging::new(live),
        watermark: story.watermark,
        through,
    })
}

/// Before the first delivery: whatever the lake holds was concluded by others.
fn begun() -> Story {
    // Nothing that is believed happened before 1970.
    let now = Micros(0);
    Story {
        watermark: now,
        mark: Mark { now, from: Micros(i64::MAX), ..Mark::default() },
        open: Vec::new(),
        laid_down: false,
    }
}

/// Takes out of the lake the findings that may still change: it gets them again once nothing will. Done
/// twice it does no harm.
fn take_up_open(inner: &Inner, story: &Story) -> Result<(), Failure> {
    let lake = crate::open_lake(&inner.options.data)?;
    let ids: Vec<String> =
        story.open.iter().map(|finding| finding.finding_id.to_string()).collect();
    for ids in ids.chunks(1_000) {
        let taken = lake.delete_where(lake::Table::Findings, "finding_id", ids);
        inner.runtime.block_on(taken).map_err(crate::investigate::from_lake)?;
    }
    Ok(())
}

/// The findings that triage had taken, in time order: those of the lake, and those that were open.
fn taken(inner: &Inner, story: &Story) -> Result<Vec<Finding>, Failure> {
    let mut findings = story.open.clone();
    findings.retain(|finding| finding.time >= story.mark.from);
    if inner.options.data.join("lake").is_dir() && story.mark.from < Micros(i64::MAX) {
        let asker = Asker::open(&inner.options.data)?;
        let from = story.mark.from.max(Micros(0));
        let sql = format!("SELECT * FROM findings WHERE time >= to_timestamp_micros({})", from.0);
        asker.each(&sql, |row| {
            findings.extend(rows::finding(&row));
            Ok(())
        })?;
    }
    findings.sort_by_key(|finding| (finding.time, finding.finding_id));
    findings.dedup_by_key(|finding| finding.finding_id);
    Ok(findings)
}

/// Findings of correlations that the ledger was told of after the last commit.
fn standing(inner: &Inner, story: &Story) -> Result<Vec<Finding>, Failure> {
    let known: std::collections::BTreeSet<FindingId> =
        story.open.iter().map(|finding| finding.finding_id).collect();
    let reach = Micros(story.watermark.0.saturating_sub(86_400_000_000));
    let mut standing = Vec::new();
    let mut paging = Paging::first(PAGE);
    loop {
        let findings = inner.ledger.findings();
        let page = inner.runtime.block_on(findings.since(reach, &paging)).map_err(from_ledger)?;
        let correlations = page
            .items
            .into_iter()
            .filter(|finding| finding.window.is_some() && !known.contains(&finding.finding_id));
        standing.extend(correlations);
        match page.next {
            Some(next) => paging.after = Some(next),
            None => return Ok(standing),
        }
    }
}

/// Alerts and incidents as the ledger tells them, for the lake.
pub(crate) fn conclusions(inner: &Inner) -> Result<Vec<(lake::Table, lake::RecordBatch)>, Failure> {
    let now = crate::now();
    let (mut alerts, mut incidents) = (Vec::new(), Vec::new());
    let mut paging = Paging::first(PAGE);
    let filter = ledger::AlertFilter {
        suppressed: ledger::Suppressed::Shown,
        ..ledger::AlertFilter::default()
    };
    loop {
        let rows = inner.ledger.alerts();
        let page = rows.list(&filter, ledger::AlertOrder::Begun, &paging, now);
        let page = inner.runtime.block_on(page).map_err(from_ledger)?;
        alerts.extend(page.items.into_iter().map(|row| row.alert));
        match page.next {
            Some(next) => paging.after = Some(next),
            None => break,
        }
    }
    paging.after = None;
    loop {
        let rows = inner.ledger.incidents();
        let all = IncidentFilter::default();
        let page = rows.list(&all, IncidentOrder::Latest, &paging);
        let page = inner.runtime.block_on(page).map_err(from_ledger)?;
        incidents.extend(page.items.into_iter().map(|row| row.told));
        match page.next {
            Some(next) => paging.after = Some(next),
            None => break,
        }
    }
    let alerts = lake::alerts_batch(&alerts).map_err(crate::investigate::from_lake)?;
    let incidents = lake::incidents_batch(&incidents).map_err(crate::investigate::from_lake)?;
    Ok(vec![(lake::Table::Alerts, alerts), (lake::Table::Incidents, incidents)])
}
