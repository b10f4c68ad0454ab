//! How grave something is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sigma's five levels, in order. OCSF's `severity_id` is one more than the position.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth keeping, not worth a look by itself.
    #[default]
    Informational,
    /// Notable; seldom an attack by itself.
    Low,
    /// Should be looked at.
    Medium,
    /// Should be looked at soon.
    High,
    /// Look now.
    Critical,
}

impl Level {
    /// All levels, least grave first.
    pub const ALL: [Self; 5] =
        [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The stable name, as Sigma writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads Sigma's name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    /// OCSF `severity_id` (1 Informational … 5 Critical).
    pub fn severity_id(self) -> i32 {
        self as i32 + 1
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
