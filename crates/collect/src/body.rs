//! A parcel's bytes, wherever they lie while they are worked on.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use model::Digest;
use sha2::{Digest as _, Sha256};

use crate::budget::{Budget, Refusal};

/// Bytes that are read at a time while they are hashed.
const READ: usize = 128 << 10;

/// Where the bytes are.
#[derive(Debug, Clone)]
pub enum Body {
    /// In memory: small files and small archive members.
    Memory(Bytes),
    /// A file that a person named, as it was when it was hashed.
    File(PathBuf, Stamp),
    /// An unnamed temporary file, gone when the last holder lets go.
    Spool(Arc<File>),
}

/// Reading and seeking in one.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

impl Body {
    /// Opens the bytes from the start. Holders of the same body do not disturb each other.
    pub fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(Cursor::new(bytes.clone())),
            Self::File(path, stamp) => {
                Box::new(Stretch::new(Arc::new(File::open(path)?), stamp.size))
            }
            Self::Spool(file) => Box::new(Stretch::new(Arc::clone(file), file.metadata()?.len())),
        })
    }

    /// Whether the bytes may be others than those that were hashed: a file that was written to,
    /// replaced or taken away since.
    pub(crate) fn changed(&self) -> bool {
        match self {
            Self::Memory(_) | Self::Spool(_) => false,
            Self::File(path, stamp) => {
                fs::metadata(path).map_or(true, |meta| Stamp::of(&meta) != *stamp)
            }
        }
    }

    /// Up to `length` bytes from the start.
    pub(crate) fn head(&self, length: u64) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.open()?.take(length).read_to_end(&mut head)?;
        Ok(head)
    }
}

/// By what a file is known to be as it was: the system sets the time of change itself, on every
/// write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    size: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &fs::Metadata) -> Self {
        Self { size: meta.len(), inode: meta.ino(), changed: (meta.ctime(), meta.ctime_nsec()) }
    }
}

/// Reads the first bytes of a file at its own place (`pread`): clones of a body share no cursor, and
/// what is written behind the bytes that were hashed is not read.
struct Stretch {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Stretch {
    fn new(file: Arc<File>, end: u64) -> Self {
        Self { file, at: 0, end }
    }
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let count = self.file.read_at(buffer.get_mut(..length).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Stretch {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(by) => (self.at, by),
            SeekFrom::End(by) => (self.end, by),
        };
        self.at = base
            .checked_add_signed(by)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.at)
    }
}

/// A body with its size and digest.
pub(crate) struct Hashed {
    pub(crate) body: Body,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Why the bytes end early, when they do.
    pub(crate) cut_short: Option<Refusal>,
}

/// Hashes a named file, holding it in memory when it is small.
pub(crate) fn hash_file(path: &Path, in_memory: u64) -> io::Result<Hashed> {
    let mut file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    if stamp.size <= in_memory {
        let mut bytes = Vec::with_capacity(stamp.size as usize);
        Read::by_ref(&mut file).take(in_memory + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= in_memory {
            return Ok(in_memory_body(bytes, None));
        }
        // It grew while it was read: start again as a large file.
        file.seek(SeekFrom::Start(0))?;
    }
    let mut hasher = Sha256::new();
    let size = io::copy(&mut BufReader::with_capacity(READ, &mut file), &mut hasher)?;
    Ok(Hashed {
        // What grows while it is hashed is read as far as it was hashed.
        body: Body::File(path.to_owned(), Stamp { size, ..stamp }),
        digest: Digest(hasher.finalize().into()),
        size,
        cut_short: None,
    })
}

/// Takes a stream of unknown length: to memory while it is small, then to a temporary file. Reading
/// errors and reached limits cut it short; what came before them is kept.
pub(crate) fn spool(
    mut stream: impl Read,
    budget: &mut Budget<'_>,
    folder: &Path,
) -> io::Result<Hashed> {
    let mut held = Vec::new();
    let mut file: Option<File> = None;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ];
    let mut size = 0;
    let cut_short = loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => break None,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                break Some(Refusal {
                    kind: model::FlawKind::Corrupt,
                    message: format!("cannot be expanded past byte {size}: {error}"),
                });
            }
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        if let Err(refusal) = budget.bytes(count as u64) {
            break Some(refusal);
        }
        hasher.update(bytes);
        size += count as u64;
        match &mut file {
            Some(file) => file.write_all(bytes)?,
            None => held.extend_from_slice(bytes),
        }
        if file.is_none() && size > budget.limits().in_memory {
            let mut new = tempfile::tempfile_in(folder)?;
            new.write_all(&held)?;
            held = Vec::new();
            file = Some(new);
        }
    };
    Ok(match file {
        None => in_memory_body(held, cut_short),
        Some(file) => Hashed {
            body: Body::Spool(Arc::new(file)),
            digest: Digest(hasher.finalize().into()),
            size,
            cut_short,
        },
    })
}

fn in_memory_body(bytes: Vec<u8>, cut_short: Option<Refusal>) -> Hashed {
    Hashed {
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        body: Body::Memory(bytes.into()),
        cut_short,
    }
}
