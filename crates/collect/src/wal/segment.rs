//! Segments: the files of the log.
//!
//! A segment begins with two copies of its header, a block of 4 KiB each, so that no single damaged
//! block takes it all; frames follow from byte 8,192. It is filled with zeros before it is used, as
//! far as it may ever grow: writing to it then changes no file system structure, which makes a sync
//! cheaper, and the room for it is certain.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::{Buf, BufMut};

use super::held;

/// Where frames begin.
pub(super) const DATA: u64 = 8192;

const COPIES: [u64; 2] = [0, 4096];
const MAGIC: [u8; 8] = *b"WFLOG\0\r\n";
const VERSION: u32 = 1;
const HEADER: usize = 40;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// What heads of its frames are salted with.
    pub(super) salt: u64,
    /// The number that its first delivery has, if it gets one.
    pub(super) first: u64,
    /// The last number that was synced before it was begun: what older segments have behind that
    /// was never acknowledged.
    pub(super) follows: u64,
}

impl Header {
    pub(super) fn new(first: u64, follows: u64) -> Self {
        // The standard library's hasher is keyed by the system's random numbers.
        let salt = RandomState::new().build_hasher().finish();
        Self { salt, first, follows }
    }

    fn written(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        let mut rest = out.as_mut_slice();
        rest.put_slice(&MAGIC);
        rest.put_u32_le(VERSION);
        rest.put_u64_le(self.salt);
        rest.put_u64_le(self.first);
        rest.put_u64_le(self.follows);
        let crc = crc32fast::hash(out.get(..HEADER - 4).unwrap_or_default());
        if let Some(end) = out.last_chunk_mut() {
            *end = crc.to_le_bytes();
        }
        out
    }

    fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let (front, crc) = bytes.split_last_chunk()?;
        if crc32fast::hash(front) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut rest = front.strip_prefix(&MAGIC)?;
        if rest.try_get_u32_le().ok()? != VERSION {
            return None;
        }
        Some(Self {
            salt: rest.try_get_u64_le().ok()?,
            first: rest.try_get_u64_le().ok()?,
            follows: rest.try_get_u64_le().ok()?,
        })
    }

    /// Reads the header of a file, from whichever copy is sound.
    pub(super) fn of(file: &File) -> Option<Self> {
        COPIES.iter().find_map(|at| {
            let mut bytes = [0; HEADER];
            file.read_exact_at(&mut bytes, *at).ok()?;
            Self::read(&bytes)
        })
    }

    fn write_to(&self, file: &File) -> io::Result<()> {
        for at in COPIES {
            file.write_all_at(&self.written(), at)?;
        }
        Ok(())
    }
}

/// How far a segment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where its synced frames end.
    pub(super) end: u64,
    /// The number of the last delivery that is synced in it; less than its first when there is none.
    pub(super) last: u64,
    /// True when nothing will be written to it any more.
    pub(super) sealed: bool,
    /// What the file takes on the disk.
    pub(super) size: u64,
}

/// A segment of the log, for everybody who reads it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    extent: Mutex<Extent>,
}

impl Segment {
    pub(super) fn new(path: PathBuf, header: Header, extent: Extent) -> Self {
        Self { path, header, extent: Mutex::new(extent) }
    }

    pub(super) fn extent(&self) -> Extent {
        *held(&self.extent)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Extent)) {
        change(&mut held(&self.extent));
    }

    /// The file's name, for a person.
    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The path of the segment that begins with a number. Names sort as numbers do.
pub(super) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.wal"))
}

/// The number in a segment's name.
pub(super) fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".wal")?;
    (name.len() == 20 && name.bytes().all(|b| b.is_ascii_digit())).then(|| name.parse().ok())?
}

/// Where a segment is made before it has a number.
pub(super) fn spare(folder: &Path) -> PathBuf {
    folder.join("next.tmp")
}

/// Makes a file of zeros that a segment may become. When that fails nothing is left of it.
pub(super) fn prepare(folder: &Path, size: u64) -> io::Result<File> {
    let path = spare(folder);
    let filled = fill(&path, size);
    if filled.is_err() {
        let _gone = fs::remove_file(&path);
    }
    filled
}

fn fill(path: &Path, size: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // What is in it is for nobody else.
    options.read(true).write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    let zeros = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(1 << 20)];
    let mut left = size;
    while left > 0 {
        let part = zeros.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(&zeros);
        file.write_all(part)?;
        left -= part.len() as u64;
    }
    file.sync_all()?;
    Ok(file)
}

/// Makes a prepared file the segment that its header says: when it has its name it is whole.
pub(super) fn begin(folder: &Path, file: &File, header: &Header) -> io::Result<PathBuf> {
    header.write_to(file)?;
    file.sync_all()?;
    let path = path(folder, header.first);
    fs::rename(spare(folder), &path)?;
    sync_folder(folder)?;
    Ok(path)
}

/// Brings the names in a folder to the disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn either_copy_of_the_header_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let header = Header::new(7, 5);
        let file = prepare(folder.path(), 16 << 10).unwrap();
        let path = begin(folder.path(), &file, &header).unwrap();
        assert_eq!(number(&path), Some(7));
        for broken in COPIES {
            header.write_to(&file).unwrap();
            file.write_all_at(&[0xff; 4096], broken).unwrap();
            assert_eq!(Header::of(&file), Some(header));
        }
        file.write_all_at(&[0xff; 8192], 0).unwrap();
        assert_eq!(Header::of(&file), None);
    }

    #[test]
    fn other_files_are_no_segments() {
        for name in ["lock", "1.wal", "0000000000000000000x.wal", "00000000000000000001.wal.bad"] {
            assert_eq!(number(Path::new(name)), None, "{name}");
        }
        assert_eq!(number(Path::new("99999999999999999999.wal")), None);
    }
}
