//! What is stored to check secrets with. This room makes none of it and opens none of it.

use std::fmt;

/// A password's hash (a PHC string) or a sealed secret: kept and handed back as it is, and never
/// shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What it says. Whoever calls this sees to it that nobody else does.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
