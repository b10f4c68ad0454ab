//! Where the ledger is kept.

use std::fmt;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use url::Url;

use crate::error::{LedgerError, Result};

/// Where the ledger is kept: a file beside the lake, or a Postgres that somebody else looks after.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of SQLite's. Its folder must be there.
    Sqlite(PathBuf),
    /// A database of Postgres', by its URL, which may hold a password.
    Postgres(Url),
}

impl Place {
    /// What a data folder has when nothing else is configured.
    pub const FILE: &'static str = "watchfloor.db";

    /// The file in a data folder.
    pub fn in_folder(data: &Path) -> Self {
        Self::Sqlite(data.join(Self::FILE))
    }

    /// Reads a `postgres://` URL or the path of a file.
    pub fn parse(text: &str) -> Result<Self> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            if text.is_empty() || text.contains("://") {
                return Err(LedgerError::invalid("ledger", "expected a path or a postgres:// URL"));
            }
            return Ok(Self::Sqlite(text.into()));
        }
        let url = text.parse::<Url>();
        url.map(Self::Postgres).map_err(|error| LedgerError::invalid("ledger", error.to_string()))
    }

    /// The address that the driver takes, made ready: the file is there, and only its owner reads it,
    /// because it holds what passwords are checked with.
    pub(crate) fn address(&self) -> Result<String> {
        let path = match self {
            Self::Postgres(url) => return Ok(url.to_string()),
            Self::Sqlite(path) => path,
        };
        let unavailable = |error: std::io::Error| LedgerError::Unavailable {
            inside: format!("{}: {error}", path.display()),
        };
        let path = std::path::absolute(path).map_err(unavailable)?;
        let mut how = OpenOptions::new();
        how.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
        how.open(&path).map_err(unavailable)?;
        let url = Url::from_file_path(&path)
            .map_err(|()| LedgerError::invalid("ledger", "is not the path of a file"))?;
        Ok(format!("sqlite://{}?mode=rw", url.path()))
    }
}

impl fmt::Display for Place {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                let host = url.host_str().unwrap_or("a local socket");
                write!(f, "Postgres on {host}, database {}", url.path().trim_start_matches('/'))
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let place = Place::parse("postgres://watch:hunter2@db.example/floor?options=x");
        let shown = format!("{place:?}");
        assert!(shown.contains("db.example") && shown.contains("floor"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("watch:"), "{shown}");
        assert!(Place::parse("mysql://x").is_err());
        assert_eq!(Place::parse("data/x.db"), Ok(Place::Sqlite("data/x.db".into())));
    }
}
