//! Alerts and suppressions.

use ledger::{
    AlertChange, AlertFilter, AlertOrder, AlertRow, BulkItem, Comment, Facets, LedgerError,
    NewSuppression, On, Page, Paging, Suppression, SuppressionId,
};
use model::{AlertId, Finding};

use crate::access::{Caller, Permission};
use crate::failure::Failure;
use crate::live::{Floor, from_ledger};

impl Floor {
    /// Alerts by a filter.
    pub async fn alerts(
        &self,
        caller: &Caller,
        filter: &AlertFilter,
        order: AlertOrder,
        paging: &Paging,
    ) -> Result<Page<AlertRow>, Failure> {
        caller.may(Permission::Read)?;
        let alerts = self.0.ledger.alerts();
        alerts.list(filter, order, paging, crate::now()).await.map_err(from_ledger)
    }

    /// How many alerts a filter leaves, by state, level, rule and owner.
    pub async fn alert_facets(
        &self,
        caller: &Caller,
        filter: &AlertFilter,
    ) -> Result<Facets, Failure> {
        caller.may(Permission::Read)?;
        self.0.ledger.alerts().facets(filter, crate::now()).await.map_err(from_ledger)
    }

    /// One alert.
    pub async fn alert(&self, caller: &Caller, id: AlertId) -> Result<AlertRow, Failure> {
        caller.may(Permission::Read)?;
        self.0.ledger.alerts().get(id, crate::now()).await.map_err(from_ledger)
    }

    /// The findings of an alert, the latest first.
    pub async fn alert_findings(
        &self,
        caller: &Caller,
        id: AlertId,
        paging: &Paging,
    ) -> Result<Page<Finding>, Failure> {
        caller.may(Permission::Read)?;
        self.0.ledger.findings().of_alert(id, paging).await.map_err(from_ledger)
    }

    /// Decides on an alert, as it stood at the version that is expected.
    pub async fn change_alert(
        &self,
        caller: &Caller,
        id: AlertId,
        expected: Option<u64>,
        change: &AlertChange,
    ) -> Result<AlertRow, Failure> {
        let actor = caller.may(Permission::Decide)?;
        let alerts = self.0.ledger.alerts();
        alerts.change(actor, crate::now(), id, expected, change).await.map_err(from_ledger)
    }

    /// Decides the same on many alerts. Each has its own result.
    pub async fn change_alerts(
        &self,
        caller: &Caller,
        items: &[BulkItem],
        change: &AlertChange,
    ) -> Result<Vec<(AlertId, Result<AlertRow, LedgerError>)>, Failure> {
        let actor = caller.may(Permission::Decide)?;
        let alerts = self.0.ledger.alerts();
        alerts.change_many(actor, crate::now(), items, change).await.map_err(from_ledger)
    }

    /// Comments on an alert or an incident.
    pub async fn comments(
        &self,
        caller: &Caller,
        on: On,
        paging: &Paging,
    ) -> Result<Page<Comment>, Failure> {
        caller.may(Permission::Read)?;
        self.0.ledger.comments().list(on, paging).await.map_err(from_ledger)
    }

    /// Comments on an alert or an incident.
    pub async fn add_comment(
        &self,
        caller: &Caller,
        on: On,
        text: &str,
    ) -> Result<Comment, Failure> {
        let actor = caller.may(Permission::Decide)?;
        self.0.ledger.comments().add(actor, crate::now(), on, text).await.map_err(from_ledger)
    }

    /// Suppressions, those in force or all.
    pub async fn suppressions(
        &self,
        caller: &Caller,
        in_force: bool,
        paging: &Paging,
    ) -> Result<Page<Suppression>, Failure> {
        caller.may(Permission::Read)?;
        let suppressions = self.0.ledger.suppressions();
        suppressions.list(in_force, paging, crate::now()).await.map_err(from_ledger)
    }

    /// Hides alerts for a time. Those that rise above what was hidden show all the same.
    pub async fn suppress(
        &self,
        caller: &Caller,
        new: &NewSuppression,
    ) -> Result<Suppression, Failure> {
        let actor = caller.may(Permission::Decide)?;
        self.0.ledger.suppressions().add(actor, crate::now(), new).await.map_err(from_ledger)
    }

    /// Ends a suppression before its time.
    pub async fn lift_suppression(
        &self,
        caller: &Caller,
        id: SuppressionId,
    ) -> Result<Suppression, Failure> {
        let actor = caller.may(Permission::Decide)?;
        self.0.ledger.suppressions().lift(actor, crate::now(), id).await.map_err(from_ledger)
    }
}
