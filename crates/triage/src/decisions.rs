//! What people decided of incidents: the machine's grouping never undoes it.

use model::{AlertId, IncidentId};
use serde::{Deserialize, Serialize};

/// What people decided and did not take back. An incident is named by the id under which it was
/// told; when an id was retracted since, its successor is as good.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Decisions {
    /// Alerts that are in an incident, or are not, whatever ties them. Of several that put one alert
    /// into incidents the last holds.
    pub pins: Vec<Pin>,
    /// Incidents that are one.
    pub merges: Vec<Merge>,
}

/// Where an alert belongs by a person's hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pin {
    /// The alert.
    pub alert: AlertId,
    /// The incident that it is in, or is not in.
    pub incident: IncidentId,
    /// Whether it is.
    pub belongs: bool,
}

/// Two incidents that are one by a person's hand, until it is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Merge {
    /// The one that goes.
    pub from: IncidentId,
    /// The one that takes its alerts and keeps its id.
    pub into: IncidentId,
}

impl Decisions {
    /// True when nobody decided anything.
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.merges.is_empty()
    }

    /// Follows an alert that took the findings of another, and the incident that is named after it.
    pub(crate) fn follow(&mut self, old: (AlertId, IncidentId), new: (AlertId, IncidentId)) {
        let incident = |id: &mut IncidentId| {
            if *id == old.1 {
                *id = new.1;
            }
        };
        for pin in &mut self.pins {
            if pin.alert == old.0 {
                pin.alert = new.0;
            }
            incident(&mut pin.incident);
        }
        for merge in &mut self.merges {
            incident(&mut merge.from);
            incident(&mut merge.into);
        }
    }
}
