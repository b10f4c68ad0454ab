//! Where a file was left off, and by what the file is known again.
//!
//! A name says little, because logs are rotated, and a device and inode say nothing once the inode is
//! used again. So the bytes decide: those at the front, and those right before the place that was
//! reached. Where both are what they were, the file is the one that was read.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use model::{Digest, Micros};
use serde::{Deserialize, Serialize};

/// Bytes at the front that a file is known by.
pub(super) const HEAD: usize = 1024;
/// Bytes before the place that a file is known by.
pub(super) const SEAM: usize = 256;

/// A file, while it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino() }
    }
}

/// By what a change of a file is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) size: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { size: meta.len(), modified: (meta.mtime(), meta.mtime_nsec()) }
    }
}

/// Some bytes, by their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Print {
    pub(super) length: u64,
    digest: Digest,
}

impl Default for Print {
    fn default() -> Self {
        Self::of(&[])
    }
}

impl Print {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len() as u64, digest: Digest::of(bytes) }
    }

    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        *self == Self::of(bytes)
    }
}

/// Where a file was left off. Offsets are into its content: what is compressed is counted expanded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Where it was last. A name that is not UTF-8 is saved as well as it can be.
    #[serde(serialize_with = "as_text")]
    pub(super) path: PathBuf,
    /// Everything before it has been taken.
    pub(super) offset: u64,
    head: Print,
    seam: Print,
    /// Where in the content the lines stand that what follows cannot be read without, and how long
    /// they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) preamble: Option<(u64, u64)>,
    /// It is compressed, and was read to its end when it looked so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) packed: Option<Stamp>,
    /// It is compressed: it is read by being expanded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) expanded: bool,
    /// Since when it is over: read to its end, and gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) over: Option<Micros>,
    /// What the same inode held before, the latest first: copies of it may turn up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) before: Vec<Place>,
}

impl Place {
    /// The beginning of a file.
    pub(super) fn start(path: PathBuf) -> Self {
        Self { path, ..Self::default() }
    }

    /// The same place in another file of the same content.
    pub(super) fn moved(self, path: PathBuf, expanded: bool) -> Self {
        Self { path, expanded, packed: None, over: None, before: Vec::new(), ..self }
    }

    /// Goes on over bytes that were taken. `last` are the last bytes before the new offset, `SEAM` of
    /// them where there are so many, and `head` the first ones of the content while they are not known.
    pub(super) fn reach(&mut self, offset: u64, head: Option<&[u8]>, last: &[u8]) {
        if let Some(head) = head {
            let known = head.len().min(HEAD).min(usize::try_from(offset).unwrap_or(HEAD));
            self.head = Print::of(head.get(..known).unwrap_or_default());
        }
        let from = last.len().saturating_sub(SEAM);
        self.seam = Print::of(last.get(from..).unwrap_or_default());
        self.offset = offset;
    }

    /// True when the front is known as far as it ever is.
    pub(super) fn knows_head(&self) -> bool {
        self.head.length >= HEAD as u64
    }

    /// True when content begins as this one did. An empty front is like no other.
    pub(super) fn begins(&self, content: &[u8]) -> bool {
        let length = usize::try_from(self.head.length).unwrap_or(usize::MAX);
        length > 0 && content.get(..length).is_some_and(|front| self.head.is_of(front))
    }

    /// True when these are the bytes right before the place.
    pub(super) fn ends(&self, last: &[u8]) -> bool {
        let length = usize::try_from(self.seam.length).unwrap_or(usize::MAX);
        let from = last.len().checked_sub(length);
        from.and_then(|from| last.get(from..)).is_some_and(|last| self.seam.is_of(last))
    }

    /// True when the file is the one that was left off here: it holds what was read of it.
    pub(super) fn is_in(&self, file: &File) -> io::Result<bool> {
        if self.offset == 0 {
            return Ok(true);
        }
        let head = at(file, 0, self.head.length)?;
        let seam = at(file, self.offset.saturating_sub(self.seam.length), self.seam.length)?;
        Ok(self.begins(&head) && self.ends(&seam))
    }
}

fn as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// Bytes of a file at a place; fewer where it ends.
pub(super) fn at(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
