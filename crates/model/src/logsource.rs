//! Sigma's log source: what kind of log an event came from.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The triple by which Sigma rules choose their events (Sigma specification, "Log source").
/// All lower case; a missing part is `None`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
pub struct LogSource {
    /// `windows`, `linux`, `aws`, `okta` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Arc<str>>,
    /// `process_creation`, `webserver`, `dns` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Arc<str>>,
    /// `security`, `sshd`, `cloudtrail` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Arc<str>>,
}

impl LogSource {
    /// Makes one, lower-casing what it is given; empty parts are missing parts.
    pub fn new(product: &str, category: &str, service: &str) -> Self {
        let part = |s: &str| (!s.is_empty()).then(|| Arc::from(s.to_lowercase()));
        Self { product: part(product), category: part(category), service: part(service) }
    }

    /// True when nothing is known.
    pub fn is_empty(&self) -> bool {
        self.product.is_none() && self.category.is_none() && self.service.is_none()
    }
}

impl std::fmt::Display for LogSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = |p: &Option<Arc<str>>| p.clone().unwrap_or_else(|| Arc::from("*"));
        write!(f, "{}/{}/{}", part(&self.product), part(&self.category), part(&self.service))
    }
}
