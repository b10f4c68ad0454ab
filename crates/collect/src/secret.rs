//! Secrets that other services ask for: named in the configuration, read when they are needed, and told
//! nowhere.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

/// A secret. It has no text form but [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Makes one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file; blanks and line ends around the secret are no part of it.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
}

/// A secret that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret in {place} cannot be read: {why}")]
pub struct SecretError {
    /// Where it should be.
    pub place: String,
    /// What is wrong.
    pub why: String,
}

/// The largest secret: a private key has some thousand bytes.
const MOST: u64 = 64 << 10;

impl SecretSource {
    /// Reads it, anew each time: secrets are rotated while programs run.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let failed = |why: String| SecretError { place: self.place(), why };
        let text = match self {
            Self::File(path) => {
                let mut text = String::new();
                let file = File::open(path).map_err(|e| failed(e.to_string()))?;
                file.take(MOST).read_to_string(&mut text).map_err(|e| failed(e.to_string()))?;
                text
            }
            Self::Environment(name) => std::env::var(name).map_err(|e| failed(e.to_string()))?,
        };
        match text.trim() {
            "" => Err(failed("it is empty".to_owned())),
            secret => Ok(Secret::new(secret)),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Environment(name) => format!("the variable {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_is_read_anew_and_told_nowhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = SecretSource::File(file.path().to_owned());
        assert!(source.read().unwrap_err().to_string().ends_with("it is empty"));
        std::fs::write(file.path(), "  swordfish\r\n").unwrap();
        let secret = source.read().unwrap();
        assert_eq!(secret.expose(), "swordfish");
        assert!(!format!("{secret:?} {source:?}").contains("swordfish"));
        assert!(SecretSource::Environment("NO_SUCH_VARIABLE".into()).read().is_err());
    }
}
