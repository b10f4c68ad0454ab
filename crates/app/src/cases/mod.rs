//! What people and programs do on a live floor: each use case once, with its permission. The change and
//! its line in the audit trail are one transaction of the ledger.

mod alerts;
mod asking;
mod floor;
mod incidents;
mod once;
mod searches;
mod senders;
mod words;

pub(crate) use asking::AT_ONCE;
pub use asking::{Asked, HuntAsked};
pub use once::{Once, Ticket};
pub(crate) use senders::Gate;
pub use senders::{Delivering, Load, SenderMade};
pub use words::{ColumnWord, FunctionWord, RuleText, TechniqueWord, Words};
