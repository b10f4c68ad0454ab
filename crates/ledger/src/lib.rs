//! What people decided: alerts, incidents, suppressions, users, senders and the audit trail, in one
//! SQL database.
//!
//! [`Ledger::open`] opens it: SQLite in the data folder, or a Postgres by URL; everything above
//! [`sql`] is the same for both. Each domain is one file with one handle: [`Ledger::alerts`],
//! [`Ledger::incidents`] and so on.
//!
//! - What triage says and what people decided are different columns, so that saying it again
//!   overwrites no decision ([`Alerts::upsert`], [`Incidents::upsert`], [`Ledger::conclude`]).
//! - A write that a person causes takes an [`Actor`] and puts its line into the audit trail in the
//!   same transaction ([`Audit`]).
//! - Whoever decides on something may say on which version; when another stands, the
//!   [`LedgerError::Conflict`] tells what.
//! - After a commit, [`Ledger::changes`] tells what changed.
//! - Every list has a limit and every batch a bound.
//!
//! This room reads no clock, makes no random number, hashes no password and opens no secret: times,
//! digests and hashes are passed in.

mod actor;
mod alerts;
mod attempts;
mod audit;
mod comments;
mod conclusions;
mod cursors;
mod deliveries;
mod error;
mod factors;
mod findings;
mod health;
mod idempotency;
mod identities;
mod ids;
mod incidents;
mod ledger;
mod links;
mod news;
mod page;
mod place;
mod positions;
mod schema;
mod searches;
mod secret;
mod senders;
mod sessions;
mod settings;
mod sql;
mod suppressions;
mod tasks;
mod text;
mod tokens;
mod tx;
mod users;
mod words;

pub use actor::{Actor, ActorKind};
pub use alerts::{
    AlertChange, AlertFilter, AlertOrder, AlertRow, AlertState, AlertStatus, Alerts, BulkItem,
    Closed, Facets, InIncident, MAX_BATCH, MAX_BULK, OwnedBy, Resolution, RuleFacet, Suppressed,
};
pub use attempts::{Attempts, Failures};
pub use audit::{Audit, AuditFilter, Break, Entry, Fault, Head, Verified};
pub use comments::{Comment, Comments, Edit, On};
pub use conclusions::Conclusions;
pub use cursors::{Cursors, Saved};
pub use deliveries::Deliveries;
pub use error::{ErrorKind, LedgerError, Result};
pub use factors::{Factors, MAX_PASSKEYS, Passkey, Totp};
pub use findings::Findings;
pub use health::{Health, Heard, SourceHealth};
pub use idempotency::{Answer, Idempotency, MAX_KEYS};
pub use identities::{Identities, Identity, MAX_IDENTITIES};
pub use ids::{
    CommentId, MergeId, SearchId, SenderId, SessionId, SuppressionId, TaskId, TokenId, UserId,
};
pub use incidents::{
    IncidentChange, IncidentFilter, IncidentOrder, IncidentRow, IncidentStatus, Incidents, Merge,
    NewIncident,
};
pub use ledger::{Engine, Ledger, Options};
pub use links::{Link, Links, NewLink, Purpose};
pub use news::{Change, Changes, Kind, News};
pub use page::{Cursor, MAX_PAGE, Page, Paging};
pub use place::Place;
pub use positions::Positions;
pub use searches::{MAX_ADDRESS, MAX_SEARCHES, NewSearch, Search, SearchChange, Searches};
pub use secret::Secret;
pub use senders::{MAX_NETWORKS, MAX_SENDER_TOKENS, Sender, SenderForm, Senders, Silent};
pub use sessions::{NewSession, Session, Sessions};
pub use settings::{Setting, Settings, Telling};
pub use suppressions::{MAX_SUPPRESSIONS, NewSuppression, Suppression, Suppressions};
pub use tasks::{MAX_TASKS, NewTask, Task, TaskChange, Tasks};
pub use text::{MAX_BODY, MAX_LINE};
pub use tokens::{ApiToken, MAX_TOKENS, NewToken, Tokens};
pub use users::{NewUser, Role, User, UserChange, Users};

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident: $handle:ident,)+) => {
        impl Ledger {
            $($(#[$doc])* pub fn $name(&self) -> $handle<'_> {
                $handle(self)
            })+
        }
    };
}

handles! {
    /// Alerts.
    alerts: Alerts,
    /// Incidents.
    incidents: Incidents,
    /// Tasks of incidents.
    tasks: Tasks,
    /// Comments on alerts and incidents.
    comments: Comments,
    /// Suppressions.
    suppressions: Suppressions,
    /// Searches that were given a name.
    searches: Searches,
    /// Recent findings.
    findings: Findings,
    /// Users.
    users: Users,
    /// Sessions of users.
    sessions: Sessions,
    /// Tokens for the API.
    tokens: Tokens,
    /// Second factors of users.
    factors: Factors,
    /// Whom identity providers vouch for.
    identities: Identities,
    /// One-time links.
    links: Links,
    /// Failed logins.
    attempts: Attempts,
    /// Who may deliver logs.
    senders: Senders,
    /// How well sources are heard.
    health: Health,
    /// Positions of pollers.
    cursors: Cursors,
    /// Settings.
    settings: Settings,
    /// Deliveries that came.
    deliveries: Deliveries,
    /// Idempotency keys.
    idempotency: Idempotency,
    /// Positions of the log's readers.
    positions: Positions,
    /// The audit trail.
    audit: Audit,
}
