//! Where a lake lies: a local folder, or a bucket of any S3-compatible store.
//!
//! S3 goes through `object_store` alone. Deltalake's own `s3` feature would bring a whole SDK along;
//! all that is wanted of it is a put that fails when the name is taken.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use deltalake::logstore::{
    LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore,
    logstore_factories, object_store_factories,
};
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use url::Url;

use crate::error::{LakeError, Result};
use crate::schema::Table;

/// The place of a lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder, by its absolute path.
    Local(PathBuf),
    /// `s3://bucket/prefix/`. Endpoint, region and keys come from the usual variables
    /// (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID` …).
    Remote(Url),
}

impl Place {
    /// Reads a folder's name or an address.
    pub(crate) fn read(text: &str) -> Result<Self> {
        if let Some((scheme, _)) = text.split_once("://") {
            let bad = |why: String| LakeError::Place { place: text.to_owned(), why };
            let mut url = Url::parse(text).map_err(|e| bad(e.to_string()))?;
            return match scheme {
                "file" => url
                    .to_file_path()
                    .map(Self::Local)
                    .map_err(|()| bad("not a local path".to_owned())),
                "s3" if url.has_host() => {
                    if !url.path().ends_with('/') {
                        url.set_path(&format!("{}/", url.path()));
                    }
                    register_s3();
                    Ok(Self::Remote(url))
                }
                "s3" => Err(bad("the bucket is missing".to_owned())),
                _ => Err(bad(format!("`{scheme}` is not supported"))),
            };
        }
        let path = Path::new(text);
        std::path::absolute(path).map(Self::Local).map_err(LakeError::io("find", path))
    }

    /// The folder, when it is local.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            Self::Remote(_) => None,
        }
    }

    /// The address of a table.
    pub(crate) fn table_url(&self, table: Table) -> Result<Url> {
        let bad = |why: &str| LakeError::Place { place: self.to_string(), why: why.to_owned() };
        match self {
            Self::Local(path) => Url::from_directory_path(path.join(table.name()))
                .map_err(|()| bad("the path is not absolute")),
            Self::Remote(url) => {
                url.join(&format!("{}/", table.name())).map_err(|_| bad("the address has no path"))
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Remote(url) => write!(f, "{url}"),
        }
    }
}

/// The one writer of a local lake. The system lets go of the lock when the process ends, however it
/// ends, so a lock is never stale; what the file says is for the person who meets it.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(".writer.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(LakeError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = (&file).take(200).read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "it does not say who it is".to_owned(),
                    said => said.to_owned(),
                };
                return Err(LakeError::Locked { place: folder.display().to_string(), holder });
            }
            Err(TryLockError::Error(source)) => {
                return Err(LakeError::Io { doing: "lock", path, source });
            }
        }
        let said = format!("process {}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(said.as_bytes()))
            .map_err(LakeError::io("write", &path))?;
        Ok(Self { _file: file })
    }
}

/// Makes a folder and its parents.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(LakeError::io("make the folder", path))
}

/// Brings a file or a folder's list of names to the disk. `object_store` never does.
pub(crate) fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(LakeError::io("sync", path))
}

/// An S3-compatible store for deltalake.
struct S3;

impl ObjectStoreFactory for S3 {
    fn parse_url_opts(
        &self,
        url: &Url,
        _config: &StorageConfig,
    ) -> deltalake::DeltaResult<(ObjectStoreRef, object_store::path::Path)> {
        let store = AmazonS3Builder::from_env()
            .with_url(url.as_str())
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .build()?;
        Ok((Arc::new(store), object_store::path::Path::from_url_path(url.path())?))
    }
}

impl LogStoreFactory for S3 {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> deltalake::DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}

fn register_s3() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Ok(scheme) = Url::parse("s3://") {
            object_store_factories().insert(scheme.clone(), Arc::new(S3));
            logstore_factories().insert(scheme, Arc::new(S3));
        }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn folders_and_addresses() {
        assert!(matches!(Place::read("some/where").unwrap(), Place::Local(p) if p.is_absolute()));
        let s3 = Place::read("s3://bucket/a/b").unwrap();
        assert_eq!(s3.table_url(Table::Events).unwrap().as_str(), "s3://bucket/a/b/events/");
        for bad in ["gopher://x", "s3://", "http://[broken"] {
            assert!(Place::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_writer_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let lock = WriterLock::take(dir.path()).unwrap();
        let refused = WriterLock::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(lock);
        WriterLock::take(dir.path()).unwrap();
    }
}
