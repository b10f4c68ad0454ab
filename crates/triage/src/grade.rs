//! Whether something is graver than it was: what a person set aside must not rise in silence.

use model::{Alert, Incident, Level, Tactic};
use serde::{Deserialize, Serialize};

/// How grave an alert or an incident was when somebody decided on it: kept with the decision, for
/// [`rises`] to be asked of later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grade {
    /// Level of an alert, severity of an incident.
    pub level: Level,
    /// 0 to 100.
    pub risk: u32,
    /// Tactics seen.
    pub tactics: Vec<Tactic>,
}

impl From<&Alert> for Grade {
    fn from(alert: &Alert) -> Self {
        Self { level: alert.level, risk: alert.risk, tactics: alert.tactics.clone() }
    }
}

impl From<&Incident> for Grade {
    fn from(incident: &Incident) -> Self {
        Self { level: incident.severity, risk: incident.risk, tactics: incident.tactics.clone() }
    }
}

/// How something became graver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rise {
    /// What it was, when the level is higher now.
    pub level_from: Option<Level>,
    /// Points of risk added, when they carry it over the next multiple of [`RISK_STEP`].
    pub risk_by: Option<u32>,
    /// Tactics that had not been seen.
    pub tactics: Vec<Tactic>,
}

/// A risk that climbs past a multiple of this has risen. Single points come and go with the count of
/// findings.
pub const RISK_STEP: u32 = 20;

/// What rose between two looks; nothing when it is as grave as it was, or less. Whatever hides an
/// alert or an incident must let it through again when this says something.
pub fn rises(previous: &Grade, now: &Grade) -> Option<Rise> {
    let rise = Rise {
        level_from: (now.level > previous.level).then_some(previous.level),
        risk_by: (now.risk / RISK_STEP > previous.risk / RISK_STEP)
            .then(|| now.risk - previous.risk),
        tactics: now.tactics.iter().filter(|t| !previous.tactics.contains(t)).copied().collect(),
    };
    let rose = rise.level_from.is_some() || rise.risk_by.is_some() || !rise.tactics.is_empty();
    rose.then_some(rise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rises_is_said_and_what_falls_is_not() {
        let grade =
            |level, risk, tactics: &[Tactic]| Grade { level, risk, tactics: tactics.to_vec() };
        let before = grade(Level::Medium, 41, &[Tactic::Execution]);
        assert_eq!(rises(&before, &before), None);
        assert_eq!(rises(&before, &grade(Level::Low, 12, &[])), None);
        assert_eq!(rises(&before, &grade(Level::Medium, 59, &[Tactic::Execution])), None);
        let higher = rises(&before, &grade(Level::High, 61, &[Tactic::Impact]));
        let all = Rise {
            level_from: Some(Level::Medium),
            risk_by: Some(20),
            tactics: vec![Tactic::Impact],
        };
        assert_eq!(higher, Some(all));
        // A graver level behind a lower risk is a rise all the same.
        assert!(rises(&before, &grade(Level::High, 10, &[])).is_some());
    }
}
