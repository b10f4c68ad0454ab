//! An incident as a report: the same document and the same forms as `investigate` writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger::{
    AlertFilter, AlertOrder, InIncident, IncidentRow, LedgerError, On, Paging, Suppressed,
};
use model::{Alert, Finding, FindingId, IncidentId};

use super::trying::Waiting;
use crate::access::{Caller, Permission};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, blocking, from_ledger};
use crate::tell::{Told, of_incident};

/// Alerts that a report tells.
const ALERTS: usize = 2_000;
/// First findings that are looked up.
const FINDINGS: usize = 300;
/// Notes that are counted.
const NOTES: usize = 10_000;
/// Time for each of its questions.
const PATIENCE: Duration = Duration::from_secs(20);

/// A report of an incident, in one form.
#[derive(Debug, Clone)]
pub struct IncidentReport {
    /// The report.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
    /// A name for its file, of our making.
    pub file: String,
    /// What a browser may do for it (CSP 3).
    pub policy: String,
}

impl Floor {
    /// A report of an incident in the form of that name: `html`, `pdf`, `markdown`, `json`.
    pub async fn incident_report(
        &self,
        caller: &Caller,
        id: IncidentId,
        form: &str,
    ) -> Result<IncidentReport, Failure> {
        let actor = caller.may(Permission::Read)?;
        let form = report::form(form).ok_or_else(|| {
            Failure::new(Kind::Usage, format!("there is no form `{}`", model::inert(form)))
        })?;
        let row = self.0.ledger.incidents().get(id).await.map_err(from_ledger)?;
        let turn = self.turn()?;
        self.note(actor, "incident.report", &id.to_string()).await?;
        let alerts = self.alerts_of(id).await?;
        let left_out = row.alert_count.saturating_sub(alerts.len() as u64);
        let findings = self.first_findings(&alerts).await?;
        let work = self.work_on(&row).await?;
        let file = format!("incident-{}.{}", row.number, form.extension());
        let told = Told { row, alerts, left_out, findings, work };
        let floor = self.clone();
        let gone = Arc::new(AtomicBool::new(false));
        let _waiting = Waiting(Arc::clone(&gone));
        let bytes = blocking(move || {
            let _turn = turn;
            let asker = floor.asker_within(None, PATIENCE)?;
            let document = of_incident(&asker, &floor.0.stages(), told)?;
            if gone.load(Ordering::Acquire) {
                let message = "nobody waits for the report any more";
                return Err(Failure::new(Kind::Interrupted, message));
            }
            form.render(&document).map_err(|error| {
                let name = form.name();
                Failure::new(Kind::Defect, format!("cannot write the report as {name}: {error}"))
            })
        });
        let (media_type, policy) = (form.media_type(), form.policy());
        Ok(IncidentReport { bytes: bytes.await?, media_type, file, policy })
    }

    /// The alerts of an incident as they are shown, those that began last first, up to a bound.
    async fn alerts_of(&self, id: IncidentId) -> Result<Vec<Alert>, Failure> {
        let filter = AlertFilter {
            incident: InIncident::Is(id),
            suppressed: Suppressed::Shown,
            ..AlertFilter::default()
        };
        let mut paging = Paging { limit: Some(ledger::MAX_PAGE), after: None };
        let mut alerts = Vec::new();
        loop {
            let list = self.0.ledger.alerts();
            let page = list.list(&filter, AlertOrder::Begun, &paging, crate::now()).await;
            let page = page.map_err(from_ledger)?;
            alerts
                .extend(page.items.into_iter().map(|row| Alert { level: row.level, ..row.alert }));
            match page.next {
                Some(next) if alerts.len() < ALERTS => paging.after = Some(next),
                _ => break,
            }
        }
        alerts.truncate(ALERTS);
        Ok(alerts)
    }

    /// The first finding of each alert, as far as the ledger has it; the lake has the others.
    async fn first_findings(
        &self,
        alerts: &[Alert],
    ) -> Result<BTreeMap<FindingId, Finding>, Failure> {
        let mut findings = BTreeMap::new();
        for id in alerts.iter().filter_map(|alert| alert.finding_ids.first()).take(FINDINGS) {
            match self.0.ledger.findings().get(*id).await {
                Ok(finding) => drop(findings.insert(*id, finding)),
                Err(LedgerError::NotFound { .. }) => {}
                Err(error) => return Err(from_ledger(error)),
            }
        }
        Ok(findings)
    }

    /// What people have done about an incident, in sentences.
    async fn work_on(&self, row: &IncidentRow) -> Result<String, Failure> {
        let tasks = self.0.ledger.tasks().list(row.incident_id).await.map_err(from_ledger)?;
        let done = tasks.iter().filter(|task| task.done_at.is_some()).count();
        let tasks = tasks.len();
        let mut paging = Paging { limit: Some(ledger::MAX_PAGE), after: None };
        let mut notes = 0;
        loop {
            let list = self.0.ledger.comments();
            let page = list.list(On::Incident(row.incident_id), &paging).await;
            let page = page.map_err(from_ledger)?;
            notes += page.items.len();
            match page.next {
                Some(next) if notes < NOTES => paging.after = Some(next),
                _ => break,
            }
        }
        let status = row.status.name().replace('_', " ");
        let whose = match &row.owner {
            Some(owner) => format!("{} has it", model::inert(owner)),
            None => "nobody has it".to_owned(),
        };
        let closed = match &row.closed {
            Some(closed) => {
                format!(" It was closed by {} at {}.", model::inert(&closed.by), closed.at)
            }
            None => String::new(),
        };
        Ok(format!(
            "Incident {} is {status}; {whose}.{closed} Of {tasks} tasks {done} are done. {notes} notes were \
             written; they are on the floor and not in this report.",
            row.number
        ))
    }
}
