//! Alerts: what triage says of each, kept apart from what people decided on it, so that neither
//! overwrites the other however often triage says it again.

mod change;
mod list;
mod retract;
mod row;
mod upsert;

use model::{Alert, AlertId, Micros};

use crate::actor::Actor;
use crate::error::{LedgerError, Result};
use crate::incidents::settle;
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::page::{Page, Paging};

pub(crate) use change::differing;
pub use list::{AlertFilter, AlertOrder, Facets, InIncident, OwnedBy, RuleFacet, Suppressed};
pub(crate) use retract::retract;
pub use row::{AlertChange, AlertRow, AlertState, AlertStatus, Closed, Resolution};
pub(crate) use row::{closed, level_shown};
pub(crate) use upsert::{found_by, upsert};

/// No bulk action has more items.
pub const MAX_BULK: usize = 1_000;
/// No upsert has more items.
pub const MAX_BATCH: usize = 5_000;

/// One item of a bulk action: which alert, and the version that the decision was made on.
pub type BulkItem = (AlertId, Option<u64>);

/// Alerts.
#[derive(Debug, Clone, Copy)]
pub struct Alerts<'a>(pub(crate) &'a Ledger);

impl Alerts<'_> {
    /// Takes over what triage says: new alerts, and new words on known ones. What is said again
    /// changes nothing. Says how many alerts are new or different.
    pub async fn upsert(self, alerts: &[Alert], now: Micros) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let mut dirty = settle::Dirty::default();
        let changed = upsert(&mut tx, alerts, now, &mut dirty).await?;
        settle::refresh(&mut tx, dirty, now).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// One alert.
    pub async fn get(self, id: AlertId, now: Micros) -> Result<AlertRow> {
        let found = row::fetch(&mut *self.0.reader().await?, id, now).await?;
        found.ok_or_else(|| LedgerError::not_found(Kind::Alert, id))
    }

    /// Alerts by a filter.
    pub async fn list(
        self,
        filter: &AlertFilter,
        order: AlertOrder,
        paging: &Paging,
        now: Micros,
    ) -> Result<Page<AlertRow>> {
        list::list(&mut *self.0.reader().await?, filter, order, paging, now).await
    }

    /// How many alerts a filter leaves, by state, level, rule and owner. Each is counted as though
    /// the filter said nothing of it, so that a reader sees what else there would be.
    pub async fn facets(self, filter: &AlertFilter, now: Micros) -> Result<Facets> {
        list::facets(&mut *self.0.snapshot().await?, filter, now).await
    }

    /// A person's decision on an alert. `expected` is the version that it was made on; none takes
    /// whatever stands.
    pub async fn change(
        self,
        actor: &Actor,
        now: Micros,
        id: AlertId,
        expected: Option<u64>,
        change: &AlertChange,
    ) -> Result<AlertRow> {
        let mut tx = self.0.begin().await?;
        let row = change::change(&mut tx, (actor, now), (id, expected), change).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// The same decision on many alerts, [`MAX_BULK`] at most, in one transaction. Each has its own
    /// result: one that is gone or was changed by someone else does not hold up the others.
    pub async fn change_many(
        self,
        actor: &Actor,
        now: Micros,
        items: &[BulkItem],
        change: &AlertChange,
    ) -> Result<Vec<(AlertId, Result<AlertRow>)>> {
        if items.len() > MAX_BULK {
            let why = format!("may be {MAX_BULK} at most");
            return Err(LedgerError::invalid("alerts", why));
        }
        let mut tx = self.0.begin().await?;
        let mut done = Vec::with_capacity(items.len());
        for item in items {
            match change::change(&mut tx, (actor, now), *item, change).await {
                Err(error) if error.is_fatal() => return Err(error),
                result => done.push((item.0, result)),
            }
        }
        tx.commit().await?;
        Ok(done)
    }
}
