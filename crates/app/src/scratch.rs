//! A folder for what a query cannot hold in memory. It goes with the query, however that ends; what a
//! killed one left goes with the next.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use tempfile::TempDir;

use crate::failure::{Failure, Kind, system};

const PREFIX: &str = "query-";
/// Held locked while the query lives: a lock that can be had belongs to a dead one.
const LOCK: &str = "lock";

/// The folder of one query.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one: in the data folder, or in the system's own place where the data folder is only to be
    /// read. None where there is no place at all: then nothing is spilled.
    pub(crate) fn of(data: &Path) -> Option<Self> {
        let own = data.join("tmp");
        sweep(&own);
        Self::below(&own).or_else(|_| Self::below(&std::env::temp_dir())).ok()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn below(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }
}

/// The right to write to a data folder: one process has it.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes it, or says that somebody else works there.
    pub(crate) fn take(data: &Path) -> Result<Self, Failure> {
        let open = || File::options().create(true).append(true).open(data.join(".lock"));
        let file = open().map_err(system("cannot lock the data folder"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let message = format!("{} is in use by another process", data.display());
                Err(Failure::new(Kind::System, message)
                    .hint("stop it, or name another folder with --data"))
            }
            Err(TryLockError::Error(error)) => Err(system("cannot lock the data folder")(error)),
        }
    }
}

/// Removes the folders of queries that are no more. What cannot be removed stays for the next time.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // A folder without a lock is being made this moment.
        let dead = || File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if ours && dead() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_dead_are_swept() {
        let data = tempfile::tempdir().unwrap();
        let alive = Scratch::of(data.path()).unwrap();
        let dead = data.path().join("tmp").join("query-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("spilled"), "evidence").unwrap();
        let other = Scratch::of(data.path()).unwrap();
        assert!(!dead.exists());
        assert!(alive.path().is_dir() && other.path().is_dir());
        fs::write(alive.path().join("spilled"), "evidence").unwrap();
        drop((alive, other));
        assert_eq!(fs::read_dir(data.path().join("tmp")).unwrap().count(), 0);
    }
}
