//! The end of an investigation: findings in time order, to the lake and through triage.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use lake::{RunWriter, Table};
use model::{Alert, Finding};
use triage::{Decisions, Drafted, Policy, Triaged};

use super::spill::Sorted;
use super::{BATCH, defect, from_lake};
use crate::failure::{Failure, system};

/// Batches of findings that wait for triage.
const AHEAD: usize = 2;

/// Sends findings to the lake and through triage, in time order and each once, and the alerts that they
/// form to the lake. Says how many findings there were. One thread brings them back, one lays them down,
/// and this one thinks.
pub(super) fn triage_all(sorted: Sorted, writer: &RunWriter) -> Result<(Triaged, u64), Failure> {
    let (bring, brought) = sync_channel(AHEAD);
    let (send, receive) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let bringer = scope.spawn(move || bring_back(sorted, &bring));
        let sender = scope.spawn(move || send_findings(&brought, writer, &send));
        let policy = Policy::default();
        let drafted = Drafted::new(receive.into_iter().flatten(), &policy);
        let triaged = std::thread::scope(|scope| {
            let alerts = scope.spawn(|| {
                let alerts = drafted.alerts();
                send_alerts(&alerts, writer).map(|()| alerts)
            });
            let triaged = drafted.incidents(&Decisions::default());
            let alerts = alerts.join().map_err(|_| defect("the thread of alerts failed"))??;
            Ok(Triaged { alerts, ..triaged })
        })?;
        let count = sender.join().map_err(|_| defect("the thread of findings failed"))??;
        bringer.join().map_err(|_| defect("the thread of findings failed"))??;
        Ok((triaged, count))
    })
}

/// Brings findings back in order, each once.
fn bring_back(sorted: Sorted, bring: &SyncSender<Vec<Finding>>) -> Result<(), Failure> {
    let mut last = None;
    let mut sorted = sorted.peekable();
    while sorted.peek().is_some() {
        let mut batch: Vec<Finding> = Vec::with_capacity(BATCH);
        while batch.len() < BATCH
            && let Some(finding) = sorted.next()
        {
            let finding = finding.map_err(system("cannot read findings back"))?;
            // What a killed run committed and this one found again stands side by side.
            if last.replace(finding.finding_id) != Some(finding.finding_id) {
                batch.push(finding);
            }
        }
        if bring.send(batch).is_err() {
            // Whoever takes them has failed, and says so itself.
            break;
        }
    }
    Ok(())
}

/// Sends findings to the lake and on. Says how many there were.
fn send_findings(
    brought: &Receiver<Vec<Finding>>,
    writer: &RunWriter,
    send: &SyncSender<Vec<Finding>>,
) -> Result<u64, Failure> {
    let mut count = 0;
    for batch in brought {
        if batch.is_empty() {
            continue;
        }
        count += batch.len() as u64;
        let rows = lake::findings_batch(&batch).map_err(from_lake)?;
        writer.write(Table::Findings, rows).map_err(from_lake)?;
        // It fails when triage has panicked, which says so itself.
        let _ = send.send(batch);
    }
    Ok(count)
}

fn send_alerts(alerts: &[Alert], writer: &RunWriter) -> Result<(), Failure> {
    for alerts in alerts.chunks(BATCH) {
        let rows = lake::alerts_batch(alerts).map_err(from_lake)?;
        writer.write(Table::Alerts, rows).map_err(from_lake)?;
    }
    Ok(())
}
