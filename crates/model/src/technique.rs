//! MITRE ATT&CK (Enterprise) tactics and technique ids.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The tactics, in the order in which an attack usually walks them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tactic {
    /// TA0043
    Reconnaissance,
    /// TA0042
    ResourceDevelopment,
    /// TA0001
    InitialAccess,
    /// TA0002
    Execution,
    /// TA0003
    Persistence,
    /// TA0004
    PrivilegeEscalation,
    /// TA0005, which was called Defense Evasion until version 19 split it.
    #[serde(alias = "defense-evasion")]
    Stealth,
    /// TA0112
    DefenseImpairment,
    /// TA0006
    CredentialAccess,
    /// TA0007
    Discovery,
    /// TA0008
    LateralMovement,
    /// TA0009
    Collection,
    /// TA0011
    CommandAndControl,
    /// TA0010
    Exfiltration,
    /// TA0040
    Impact,
}

impl Tactic {
    /// Every tactic with its ATT&CK id, its tag name in Sigma, and its caption.
    pub const TABLE: [(Self, &'static str, &'static str, &'static str); 15] = [
        (Self::Reconnaissance, "TA0043", "reconnaissance", "Reconnaissance"),
        (Self::ResourceDevelopment, "TA0042", "resource-development", "Resource Development"),
        (Self::InitialAccess, "TA0001", "initial-access", "Initial Access"),
        (Self::Execution, "TA0002", "execution", "Execution"),
        (Self::Persistence, "TA0003", "persistence", "Persistence"),
        (Self::PrivilegeEscalation, "TA0004", "privilege-escalation", "Privilege Escalation"),
        (Self::Stealth, "TA0005", "stealth", "Stealth"),
        (Self::DefenseImpairment, "TA0112", "defense-impairment", "Defense Impairment"),
        (Self::CredentialAccess, "TA0006", "credential-access", "Credential Access"),
        (Self::Discovery, "TA0007", "discovery", "Discovery"),
        (Self::LateralMovement, "TA0008", "lateral-movement", "Lateral Movement"),
        (Self::Collection, "TA0009", "collection", "Collection"),
        (Self::CommandAndControl, "TA0011", "command-and-control", "Command and Control"),
        (Self::Exfiltration, "TA0010", "exfiltration", "Exfiltration"),
        (Self::Impact, "TA0040", "impact", "Impact"),
    ];

    /// Reads a Sigma tag (`attack.initial-access`, `attack.initial_access`) or an id (`TA0001`).
    /// `defense-evasion`, retired by ATT&CK 19, is read as the tactic that kept its id.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let tag = tag.strip_prefix("attack.").unwrap_or(tag).to_lowercase().replace('_', "-");
        if tag == "defense-evasion" {
            return Some(Self::Stealth);
        }
        Self::TABLE
            .iter()
            .find(|(_, id, name, _)| *name == tag || id.eq_ignore_ascii_case(&tag))
            .map(|row| row.0)
    }

    /// Its name for people.
    pub fn caption(self) -> &'static str {
        Self::TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.3)
    }

    /// Its ATT&CK id.
    pub fn id(self) -> &'static str {
        Self::TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

/// A technique or sub-technique id, upper case: `T1059`, `T1059.001`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Technique(pub Arc<str>);

impl Technique {
    /// Reads a Sigma tag (`attack.t1059.001`) or a bare id; `None` when it is neither.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let id = tag.strip_prefix("attack.").unwrap_or(tag).to_uppercase();
        let digits = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
        let (main, sub) = match id.split_once('.') {
            Some((main, sub)) => (main, Some(sub)),
            None => (id.as_str(), None),
        };
        let sound = main.strip_prefix('T').is_some_and(|d| digits(d, 4))
            && sub.is_none_or(|s| digits(s, 3));
        sound.then(|| Self(id.as_str().into()))
    }
}

impl std::fmt::Display for Technique {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_every_spelling() {
        assert_eq!(Tactic::from_tag("attack.defense_evasion"), Some(Tactic::Stealth));
        assert_eq!(Tactic::from_tag("attack.defense-impairment"), Some(Tactic::DefenseImpairment));
        assert_eq!(Tactic::from_tag("attack.initial_access"), Some(Tactic::InitialAccess));
        assert_eq!(Tactic::from_tag("TA0010"), Some(Tactic::Exfiltration));
        assert_eq!(Tactic::from_tag("attack.t1059"), None);
        let technique = Technique::from_tag("attack.t1059.001").map(|t| t.0.to_string());
        assert_eq!(technique.as_deref(), Some("T1059.001"));
        assert_eq!(Technique::from_tag("attack.g0016"), None);
        assert_eq!(Technique::from_tag("attack.t10é9"), None);
    }
}
