//! Incidents: alerts that belong together, and what people decide on them as a whole.
//!
//! Triage names an incident after its first alert, so when an earlier one comes to light, triage's
//! incident gets another name. Here the old name stays, with all that people wrote under it, and the
//! new one is merged into it; likewise when triage finds that two incidents are one. A person who
//! knows better undoes the merge. See `docs/adr/0007-ledger.md`.

mod change;
mod links;
mod list;
mod merge;
mod row;
pub(crate) mod settle;
mod upsert;

use model::{AlertId, Incident, IncidentId, Micros};

use crate::actor::Actor;
use crate::audit::{self, Entry};
use crate::error::{LedgerError, Result};
use crate::ids::MergeId;
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::page::{Page, Paging};

pub use change::{IncidentChange, NewIncident};
pub use list::{IncidentFilter, IncidentOrder};
pub use merge::Merge;
pub use row::{IncidentRow, IncidentStatus};
pub(crate) use row::{touch, writable, writable_within};
pub(crate) use upsert::upsert;

/// Incidents.
#[derive(Debug, Clone, Copy)]
pub struct Incidents<'a>(pub(crate) &'a Ledger);

impl Incidents<'_> {
    /// Takes over what triage says. Each incident comes with all of its alerts, which the ledger must
    /// know. What people decided stays. Says how many incidents are new or told differently.
    pub async fn upsert(self, incidents: &[Incident], now: Micros) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let mut dirty = settle::Dirty::default();
        let changed = upsert(&mut tx, incidents, now, &mut dirty).await?;
        settle::refresh(&mut tx, dirty, now).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// One incident. One that was merged says into which.
    pub async fn get(self, id: IncidentId) -> Result<IncidentRow> {
        let found = row::fetch(&mut *self.0.reader().await?, id).await?;
        found.ok_or_else(|| LedgerError::not_found(Kind::Incident, id))
    }

    /// Incidents by a filter. Those that were merged into others are not listed, nor those that triage
    /// emptied before anybody wrote to them.
    pub async fn list(
        self,
        filter: &IncidentFilter,
        order: IncidentOrder,
        paging: &Paging,
    ) -> Result<Page<IncidentRow>> {
        list::list(&mut *self.0.reader().await?, filter, order, paging).await
    }

    /// Opens one by hand, with these alerts in it.
    pub async fn open(self, actor: &Actor, now: Micros, new: &NewIncident) -> Result<IncidentRow> {
        let mut tx = self.0.begin().await?;
        let row = change::open(&mut tx, (actor, now), new).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// A person's decision. `expected` is the version that it was made on.
    pub async fn change(
        self,
        actor: &Actor,
        now: Micros,
        id: IncidentId,
        expected: Option<u64>,
        change: &IncidentChange,
    ) -> Result<IncidentRow> {
        let mut tx = self.0.begin().await?;
        let row = change::change(&mut tx, (actor, now), (id, expected), change).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Opens a closed one again: until then it is read-only.
    pub async fn reopen(
        self,
        actor: &Actor,
        now: Micros,
        id: IncidentId,
        expected: Option<u64>,
    ) -> Result<IncidentRow> {
        let mut tx = self.0.begin().await?;
        let row = change::reopen(&mut tx, (actor, now), (id, expected)).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Puts alerts into it, whatever triage says of them from now on.
    pub async fn add_alerts(
        self,
        actor: &Actor,
        now: Micros,
        id: IncidentId,
        alerts: &[AlertId],
    ) -> Result<IncidentRow> {
        let mut tx = self.0.begin().await?;
        links::add(&mut tx, (actor, now), id, alerts).await?;
        self.finish(tx, id).await
    }

    /// Takes alerts out of it, and out of whatever triage would put them in from now on.
    pub async fn remove_alerts(
        self,
        actor: &Actor,
        now: Micros,
        id: IncidentId,
        alerts: &[AlertId],
    ) -> Result<IncidentRow> {
        let mut tx = self.0.begin().await?;
        links::remove(&mut tx, (actor, now), id, alerts).await?;
        self.finish(tx, id).await
    }

    /// Takes back what a person said of where alerts belong: they go where triage puts them.
    pub async fn release_alerts(
        self,
        actor: &Actor,
        now: Micros,
        alerts: &[AlertId],
    ) -> Result<()> {
        let mut tx = self.0.begin().await?;
        links::release(&mut tx, (actor, now), alerts).await?;
        tx.commit().await
    }

    /// Merges one incident into another: its alerts, comments and tasks are shown there. It keeps
    /// what is its own, so that [`Incidents::undo_merge`] gives both back, also after triage has
    /// changed either.
    pub async fn merge(
        self,
        actor: &Actor,
        now: Micros,
        source: IncidentId,
        target: IncidentId,
    ) -> Result<Merge> {
        let mut tx = self.0.begin().await?;
        let merge = merge::merge(&mut tx, (actor, now), source, target).await?;
        tx.commit().await?;
        Ok(merge)
    }

    /// Undoes a merge, a person's or triage's, in whatever order they were made.
    pub async fn undo_merge(self, actor: &Actor, now: Micros, id: MergeId) -> Result<Merge> {
        let mut tx = self.0.begin().await?;
        let merge = merge::undo(&mut tx, (actor, now), id).await?;
        tx.commit().await?;
        Ok(merge)
    }

    /// The merges that an incident took part in, the newest first, 500 at most.
    pub async fn merges(self, id: IncidentId) -> Result<Vec<Merge>> {
        merge::of(&mut *self.0.reader().await?, id).await
    }

    /// What was decided on it and on those that were merged into it, the newest first.
    pub async fn timeline(self, id: IncidentId, paging: &Paging) -> Result<Page<Entry>> {
        let mut on = self.0.snapshot().await?;
        let tree = settle::tree(&mut on, id).await?;
        let ids = tree.iter().map(ToString::to_string).collect();
        audit::page(audit::of_objects(Kind::Incident, ids), paging, &mut on).await
    }

    async fn finish(self, mut tx: crate::tx::Tx, id: IncidentId) -> Result<IncidentRow> {
        let row = row::must(&mut tx, id).await?;
        tx.commit().await?;
        Ok(row)
    }
}
