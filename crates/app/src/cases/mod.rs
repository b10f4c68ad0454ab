//! What people and programs do on a live floor: each use case once, with its permission. The change and
//! its line in the audit trail are one transaction of the ledger.

mod alerts;
mod asking;
mod floor;
mod incidents;
mod once;
mod reporting;
mod rules;
mod searches;
mod senders;
mod stretches;
mod trying;
mod words;

pub(crate) use asking::AT_ONCE;
pub use asking::{Asked, HuntAsked};
pub use once::{Once, Ticket};
pub use reporting::IncidentReport;
pub use rules::{RuleChecked, RuleNamed, RuleRemoved, RuleSaved, RuleSeen, RuleSwitched, RuleText};
pub use senders::{Delivering, Load, SenderMade};
pub(crate) use senders::{Gate, tags};
pub(crate) use stretches::Stretches;
pub use trying::{RuleOnTrial, RuleTried};
pub use words::{ColumnWord, FunctionWord, TechniqueWord, Words};
