//! A transaction that writes: what it changes, what it tells, and what it puts into the audit trail
//! are committed together or not at all.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use model::Micros;
use serde_json::Value;
use sqlx::{Any, AnyConnection, Transaction};
use tokio::sync::broadcast;

use crate::actor::Actor;
use crate::audit::{self, Draft};
use crate::error::Result;
use crate::news::{Change, Kind};

/// The one writer's transaction. Dropped without [`Tx::commit`], it is taken back.
pub(crate) struct Tx {
    inner: Transaction<'static, Any>,
    /// The latest version of each thing that changed.
    changes: BTreeMap<(Kind, String), u64>,
    drafts: Vec<Draft>,
    feed: broadcast::Sender<Change>,
}

impl Tx {
    pub(crate) fn new(inner: Transaction<'static, Any>, feed: broadcast::Sender<Change>) -> Self {
        Self { inner, changes: BTreeMap::new(), drafts: Vec::new(), feed }
    }

    /// Will be told when it is committed.
    pub(crate) fn changed(&mut self, kind: Kind, id: impl ToString, version: u64) {
        self.changes.insert((kind, id.to_string()), version);
    }

    /// Will stand in the audit trail.
    pub(crate) fn audit(
        &mut self,
        (actor, now): (&Actor, Micros),
        action: &'static str,
        (kind, id): (Kind, impl ToString),
        (before, after): (Option<Value>, Option<Value>),
    ) {
        self.drafts.push(Draft::new((actor, now), action, (kind, id.to_string()), (before, after)));
    }

    /// Will stand in the audit trail, by a name that the application chose.
    pub(crate) fn audit_draft(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    /// Makes it last, then tells.
    pub(crate) async fn commit(mut self) -> Result<()> {
        audit::append(&mut self.inner, std::mem::take(&mut self.drafts)).await?;
        self.inner.commit().await?;
        for ((kind, id), version) in self.changes {
            // Nobody listening is no failure.
            let _ = self.feed.send(Change { kind, id, version });
        }
        Ok(())
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
