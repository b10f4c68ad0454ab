//! Searches that people keep, for themselves or for everybody.

use ledger::{NewSearch, Page, Paging, Search, SearchChange, SearchId};

use crate::access::{Caller, Permission};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, from_ledger};

impl Floor {
    /// The caller's own searches and those that others show to everybody.
    pub async fn searches(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Page<Search>, Failure> {
        caller.may(Permission::Hunt)?;
        let searches = self.0.ledger.searches();
        searches.list(caller.user.user_id, paging).await.map_err(from_ledger)
    }

    /// Keeps a search under a name. What everybody sees is for those who decide.
    pub async fn keep_search(&self, caller: &Caller, new: &NewSearch) -> Result<Search, Failure> {
        let actor = caller.may(Permission::Hunt)?;
        if new.shared {
            caller.may(Permission::Decide)?;
        }
        let searches = self.0.ledger.searches();
        let kept = searches.keep(actor, crate::now(), caller.user.user_id, new).await;
        kept.map_err(from_ledger)
    }

    /// Changes a search: one's own, or by an admin one that everybody sees.
    pub async fn change_search(
        &self,
        caller: &Caller,
        id: SearchId,
        expected: Option<u64>,
        change: &SearchChange,
    ) -> Result<Search, Failure> {
        let actor = caller.may(Permission::Hunt)?;
        let before = self.within_reach(caller, id).await?;
        if change.shared == Some(true) && !before.shared {
            caller.may(Permission::Decide)?;
        }
        let searches = self.0.ledger.searches();
        searches.change(actor, crate::now(), id, expected, change).await.map_err(from_ledger)
    }

    /// Removes a search, likewise.
    pub async fn remove_search(&self, caller: &Caller, id: SearchId) -> Result<(), Failure> {
        let actor = caller.may(Permission::Hunt)?;
        self.within_reach(caller, id).await?;
        self.0.ledger.searches().remove(actor, crate::now(), id).await.map_err(from_ledger)
    }

    /// A search that the caller may change. What another keeps for themselves is not there for them.
    async fn within_reach(&self, caller: &Caller, id: SearchId) -> Result<Search, Failure> {
        let search = self.0.ledger.searches().get(id).await.map_err(from_ledger)?;
        let own = search.owner_id == caller.user.user_id;
        if own || (search.shared && caller.may(Permission::Users).is_ok()) {
            return Ok(search);
        }
        if search.shared {
            let message = format!("the search is {}'s", search.owner);
            return Err(Failure::new(Kind::Denied, message)
                .hint("keep one of your own, under a name that you choose"));
        }
        let missing =
            ledger::LedgerError::NotFound { what: ledger::Kind::Search, id: id.to_string() };
        Err(from_ledger(missing))
    }
}
