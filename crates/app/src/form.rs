//! Forms that several parts of `floor.toml` share.

use std::path::PathBuf;

use collect::SecretSource;
use serde::Deserialize;

/// Where a secret is: `{ file = "…" }` or `{ env = "…" }`. It cannot stand in the file itself.
///
/// Untagged, because then a mistake is told without what was written in its place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a secret is { file = \"…\" } or { env = \"…\" }")]
pub(crate) enum SecretForm {
    File { file: PathBuf },
    Env { env: String },
}

impl SecretForm {
    pub(crate) fn source(&self) -> SecretSource {
        match self {
            Self::File { file } => SecretSource::File(file.clone()),
            Self::Env { env } => SecretSource::Environment(env.clone()),
        }
    }
}
