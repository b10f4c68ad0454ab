//! How the floor is, what changes on it, and the audit trail.

use ledger::{AuditFilter, Changes, Entry, Page, Paging, Verified};

use crate::access::{Caller, Permission};
use crate::failure::Failure;
use crate::live::{Floor, Status, from_ledger};

impl Floor {
    /// How the floor is.
    pub fn status_for(&self, caller: &Caller) -> Result<Status, Failure> {
        caller.may(Permission::Read)?;
        Ok(self.status())
    }

    /// Loads the content anew; says what has mistakes.
    pub async fn reload_for(&self, caller: &Caller) -> Result<Vec<String>, Failure> {
        let actor = caller.may(Permission::Content)?;
        self.note(actor, "content.reload", "content").await?;
        self.reload().await
    }

    /// Listens to what changes from now on.
    pub fn changes(&self, caller: &Caller) -> Result<Changes, Failure> {
        caller.may(Permission::Read)?;
        Ok(self.0.ledger.changes())
    }

    /// The audit trail, the newest first.
    pub async fn audit(
        &self,
        caller: &Caller,
        actor: Option<String>,
        action: Option<String>,
        paging: &Paging,
    ) -> Result<Page<Entry>, Failure> {
        caller.may(Permission::Audit)?;
        let filter = AuditFilter { actor, action, ..AuditFilter::default() };
        self.0.ledger.audit().list(&filter, paging).await.map_err(from_ledger)
    }

    /// Whether the audit trail is whole.
    pub async fn verify_audit(&self, caller: &Caller) -> Result<Verified, Failure> {
        caller.may(Permission::Audit)?;
        self.0.ledger.audit().verify(1, None).await.map_err(from_ledger)
    }
}
