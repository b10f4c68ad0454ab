//! What live triage says.

use model::{Alert, AlertId, IncidentId};
use serde::{Deserialize, Serialize};

use crate::Told;

/// What became of alerts and incidents since it was last asked. Whoever keeps them applies it in this
/// order: upserts are put in place by id, retracted ones go, closed ones stand.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Alerts that are new or say something else now, by first event.
    pub alerts: Vec<Alert>,
    /// Alerts that are no more.
    pub retracted_alerts: Vec<Retracted<AlertId>>,
    /// Incidents that are new or say something else now. One that was retracted before may stand
    /// again, when people undo what merged it.
    pub incidents: Vec<Told>,
    /// Incidents that are no more.
    pub retracted_incidents: Vec<Retracted<IncidentId>>,
    /// Alerts that nothing will change any more. They are forgotten here.
    pub closed_alerts: Vec<AlertId>,
    /// Incidents that nothing will change any more.
    pub closed_incidents: Vec<IncidentId>,
}

impl Changes {
    /// True when there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Something that is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Retracted<Id> {
    /// What it was called.
    pub id: Id,
    /// The one that has its findings or alerts now, or most of them. None when they are gone.
    pub successor: Option<Id>,
}

/// What could not be done as if everything had come in order and nothing were bounded. Counted since
/// the start; the batch over the lake knows better in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Left {
    /// Findings later than the allowed lateness, when their neighbours' order was not kept any more:
    /// they joined the alert around or next to them, or made one of their own.
    pub late: u64,
    /// Findings for an alert that was closed while it went on (too long or too many): left out.
    pub after_close: u64,
    /// Findings whose place in the order was let go early, because there were too many.
    pub early: u64,
    /// Findings that were changed or taken back when their place was not kept any more: the old form
    /// stands in its alert beside the new one, and counts.
    pub changed_late: u64,
    /// Findings left out because no more rules and entities could be kept apart.
    pub refused: u64,
    /// Alerts closed early, because there were too many.
    pub closed_early: u64,
    /// Incidents closed while they went on, because they had gone on for too long.
    pub closed_long: u64,
}

impl Left {
    /// True when all was as if nothing were bounded.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}
