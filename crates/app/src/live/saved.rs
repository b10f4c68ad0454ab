//! Where the correlations and triage stood at a delivery: a file beside the lake, written before the
//! commit that goes as far. After a crash the line goes on from there.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use collect::Position;
use model::{Digest, Finding, Micros};
use serde::{Deserialize, Serialize};
use triage::live::Mark;

use crate::failure::{Failure, Kind, system};

/// The folder in the data folder.
const FOLDER: &str = "live";
/// The first line of the file.
const MAGIC: &[u8] = b"watchfloor live 1\n";
/// A file that is larger was not written by this program.
const LIMIT: u64 = 2 << 30;

/// Where everything stood.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    /// The last delivery that was read.
    pub(crate) through: Position,
    pub(crate) story: Story,
    /// [`detect::LiveCorrelator::snapshot`].
    pub(crate) correlator: Vec<u8>,
}

/// The part that is JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Story {
    pub(crate) watermark: Micros,
    /// Findings of correlations that may still change.
    pub(crate) open: Vec<Finding>,
    /// Whether the lake holds those too, as they stood when the floor was closed.
    #[serde(default)]
    pub(crate) laid_down: bool,
    pub(crate) mark: Mark,
}

impl Saved {
    /// Writes the file, to the disk.
    pub(crate) fn write(&self, data: &Path) -> Result<(), Failure> {
        let folder = data.join(FOLDER);
        let failed = || system("cannot save where the floor stands");
        fs::create_dir_all(&folder).map_err(failed())?;
        let story = serde_json::to_vec(&self.story)
            .map_err(|e| Failure::new(Kind::Defect, format!("cannot save the story: {e}")))?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(story.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&story);
        bytes.extend_from_slice(&self.correlator);
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(&digest.0);
        let path = path(data, self.through);
        let mut file = File::create(&path).map_err(failed())?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed())?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed())
    }

    /// Reads the file of a delivery; none when there is none that is whole.
    pub(crate) fn read(data: &Path, through: Position) -> Option<Self> {
        let mut bytes = Vec::new();
        let file = File::open(path(data, through)).ok()?;
        file.take(LIMIT).read_to_end(&mut bytes).ok()?;
        let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if Digest::of(body).0 != digest {
            return None;
        }
        let rest = body.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (story, correlator) = rest.split_at_checked(length)?;
        let story = serde_json::from_slice(story).ok()?;
        Some(Self { through, story, correlator: correlator.to_vec() })
    }
}

/// Removes the files of earlier deliveries, and of later ones that no commit reached.
pub(crate) fn forget_before(data: &Path, through: Position) {
    let keep = path(data, through);
    for entry in fs::read_dir(data.join(FOLDER)).into_iter().flatten().flatten() {
        if entry.path() != keep {
            let _gone = fs::remove_file(entry.path());
        }
    }
}

fn path(data: &Path, through: Position) -> PathBuf {
    data.join(FOLDER).join(format!("{}.state", through.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn what_was_saved_is_read_and_damage_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let story = Story { watermark: Micros(77), ..Story::default() };
        let saved = Saved { through: Position(9), story, correlator: vec![1, 2, 3] };
        saved.write(folder.path()).unwrap();
        let read = Saved::read(folder.path(), Position(9)).unwrap();
        assert_eq!((read.story.watermark, read.correlator), (Micros(77), vec![1, 2, 3]));
        assert!(Saved::read(folder.path(), Position(8)).is_none());
        let path = path(folder.path(), Position(9));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            fs::write(&path, bytes).unwrap();
            assert!(Saved::read(folder.path(), Position(9)).is_none(), "byte {at}");
        }
        forget_before(folder.path(), Position(10));
        assert!(!path.exists());
    }
}
