//! How the floor is, what changes on it, and the audit trail.

use ledger::{AuditFilter, Changes, Entry, Page, Paging, Verified};

use crate::access::{Caller, Permission};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, RuleInForce, Status, from_ledger, save_shut_off};

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

    /// The rules in force, by id, with what they cost.
    pub fn rules(&self, caller: &Caller, paging: &Paging) -> Result<Page<RuleInForce>, Failure> {
        caller.may(Permission::Read)?;
        let all = self.0.costs.tell(&self.0.stages().rules);
        let by = |rule: &RuleInForce| format!("{}\u{1}{}", rule.info.id, rule.info.path);
        Page::of(all, "rules", paging, by).map_err(from_ledger)
    }

    /// Lets a rule run again that was shut off because it took too long.
    pub async fn lift_rule(&self, caller: &Caller, id: &str) -> Result<(), Failure> {
        let actor = caller.may(Permission::Content)?;
        let known = self.0.costs.shut_off().into_iter().any(|shut| *shut.rule_id == *id);
        if !known {
            return Err(Failure::new(Kind::NotFound, "no rule of that id is shut off"));
        }
        self.note(actor, "rule.lift", id).await?;
        self.0.costs.lift(id);
        save_shut_off(&self.0).await
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
