//! Which findings are one alert, how grave, and when alerts become an incident.
//!
//! 1. **Alerts** ([`alerts`](mod@alerts)): findings of one rule on one entity within a window, counted.
//! 2. **Ties** ([`ties`]): how strongly each entity connects two alerts. A host or a user ties
//!    alone, a domain only together with something else, `SYSTEM` and the office's DNS resolver
//!    not at all.
//! 3. **Incidents** ([`incidents`]): alerts tied by entities and time, gathered by union; low ones
//!    join but neither found nor bridge.
//! 4. **Risk** ([`risk`]), **words** ([`words`]) and **next steps** ([`steps`]): what a person reads.
//!
//! The same findings give the same alerts and incidents, in whatever order those of one instant
//! arrive. This room does no I/O, reads no clock and knows no vendor's field names.

mod alerts;
mod incidents;
mod policy;
mod risk;
mod steps;
mod ties;
mod words;

use model::{Alert, Entity, Finding, Incident};
use serde::{Deserialize, Serialize};

pub use policy::Policy;

/// What triage makes of findings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Triaged {
    /// Every alert, by first event.
    pub alerts: Vec<Alert>,
    /// Every incident, the gravest first: by severity, then by risk, then by first event.
    pub incidents: Vec<Incident>,
    /// Entities that would have tied alerts together but are too common to mean anything.
    pub common: Vec<CommonEntity>,
}

/// An entity that was not allowed to tie alerts together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonEntity {
    /// Which one.
    pub entity: Entity,
    /// In how many alerts it occurs.
    pub alerts: u64,
    /// Why it is taken to be common, in a sentence.
    pub why: String,
}

/// Makes alerts and incidents of `findings`, which come in time order (those of one instant in any
/// order). Memory grows with the number of alerts, never with the number of findings.
pub fn triage(findings: impl Iterator<Item = Finding>, policy: &Policy) -> Triaged {
    let mut drafts = alerts::Drafts::new(policy);
    for finding in findings {
        drafts.add(finding);
    }
    let drafts = drafts.finish();
    let ties = ties::Ties::weigh(&drafts, policy);
    let incidents = incidents::gather(&drafts, &ties, policy);
    let common = ties.common(&drafts);
    drop(ties);
    let alerts = drafts.into_iter().map(|draft| draft.into_alert(policy)).collect();
    Triaged { alerts, incidents, common }
}
