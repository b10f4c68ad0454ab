//! What changed, told after it was committed, so that live pages need not ask again and again.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::words::words;

words! {
    /// What the ledger keeps.
    Kind {
        /// An alert.
        Alert = "alert",
        /// An incident.
        Incident = "incident",
        /// A merge of two incidents.
        Merge = "merge",
        /// A comment.
        Comment = "comment",
        /// A task.
        Task = "task",
        /// A suppression.
        Suppression = "suppression",
        /// A search that was given a name.
        Search = "search",
        /// A finding.
        Finding = "finding",
        /// A user.
        User = "user",
        /// A session.
        Session = "session",
        /// A token for the API.
        Token = "token",
        /// A second factor.
        Factor = "factor",
        /// A one-time link.
        Link = "link",
        /// One who delivers logs.
        Sender = "sender",
        /// A poller's saved position.
        Cursor = "cursor",
        /// A setting.
        Setting = "setting",
        /// An entry of the audit trail.
        Entry = "entry",
        /// Anything else that the application wants in the audit trail.
        Other = "other",
    }
}

/// One change that was committed. It says what to look at again and never what it now says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// What kind of thing.
    pub kind: Kind,
    /// Which one.
    pub id: String,
    /// Its revision (of alerts and incidents) or version: a lower one than is shown is old news.
    pub version: u64,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Something changed.
    Change(Change),
    /// The listener was too slow and missed some: look at everything again.
    Missed(u64),
}

/// A listener. It hears what is committed through this [`Ledger`](crate::Ledger) after it began to
/// listen; what another process writes to the same database it does not hear.
pub struct Changes(pub(crate) broadcast::Receiver<Change>);

impl Changes {
    /// The next news; none when the ledger was closed.
    pub async fn next(&mut self) -> Option<News> {
        match self.0.recv().await {
            Ok(change) => Some(News::Change(change)),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(News::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Changes")
    }
}
