//! Opening a log that was written before: what is in it, where it really ends, and what is wrong.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{HEAD, Kind};
use super::health::{Problem, ProblemKind};
use super::scan::{Scan, Step};
use super::segment::{self, DATA, Extent, Header, Segment};

/// What was found.
pub(super) struct Recovered {
    pub(super) segments: BTreeMap<u64, Arc<Segment>>,
    /// The number for the next delivery.
    pub(super) next: u64,
    /// The last number that is in the log, or was.
    pub(super) last: u64,
    pub(super) problems: Vec<Problem>,
}

/// Reads a folder. Only the last segment is gone through: what the others have was synced, as far as
/// the header of the next one says, and is checked when it is read.
pub(super) fn recover(folder: &Path) -> io::Result<Recovered> {
    let mut problems = Vec::new();
    let mut highest = 0;
    let mut found = Vec::new();
    for (first, path) in list(folder)? {
        highest = highest.max(first);
        let file = File::open(&path)?;
        let size = file.metadata()?.len();
        match Header::of(&file).filter(|header| header.first == first) {
            Some(header) => found.push((header, path, file, size)),
            None => {
                highest = highest.max(first.saturating_add(room(size)));
                problems.push(put_aside(&path, size)?);
            }
        }
    }
    let mut segments = BTreeMap::new();
    let mut last = 0;
    let mut next = highest.max(1);
    let follows: Vec<u64> = found.iter().skip(1).map(|(header, ..)| header.follows).collect();
    for (number, (header, path, file, size)) in found.into_iter().enumerate() {
        last = last.max(header.follows);
        let extent = if let Some(follows) = follows.get(number) {
            Extent { end: size, last: *follows, sealed: true, size }
        } else {
            let tail = tail(file, header, size, &name(&path));
            next = next.max(tail.next);
            problems.extend(tail.problem);
            last = tail.last.unwrap_or(header.follows);
            cut(&path, tail.end);
            Extent { end: tail.end, last, sealed: true, size: tail.end }
        };
        segments.insert(header.first, Arc::new(Segment::new(path, header, extent)));
    }
    Ok(Recovered { segments, next: next.max(last + 1), last, problems })
}

/// The segments of a folder, in order. What was being prepared is removed.
fn list(folder: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path == segment::spare(folder) {
            fs::remove_file(&path)?;
        } else if let Some(first) = segment::number(&path) {
            found.insert(first, path);
        }
    }
    Ok(found)
}

/// Renames a file whose header is lost, so that a person may look at it.
fn put_aside(path: &Path, size: u64) -> io::Result<Problem> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".unreadable");
    fs::rename(path, &aside)?;
    Ok(Problem {
        kind: ProblemKind::Header,
        segment: name(path),
        offset: 0,
        bytes: size,
        lost: None,
        detail: None,
    })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Takes the room behind the last frame back. What it costs to fail is the room.
fn cut(path: &Path, end: u64) {
    let _longer = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(end));
}

/// How the last segment ends.
struct Tail {
    end: u64,
    /// The last delivery in it.
    last: Option<u64>,
    /// No number below this may be given out again.
    next: u64,
    problem: Option<Problem>,
}

/// Damage whose nature shows only later: frames of a later batch prove that it had been synced.
struct Doubt {
    from: u64,
    first_lost: u64,
}

/// Finds the end of the last segment: where its first damage is, unless frames behind that damage
/// were written after it had been synced. A whole batch that had no time to be synced is kept when
/// it is whole: taking what was not acknowledged is allowed, losing what was is not.
fn tail(file: File, header: Header, size: u64, name: &str) -> Tail {
    let mut scan = Scan::new(file, header.salt);
    let mut next = header.first;
    // Where what counts ends, and where it would if the doubt were lifted.
    let mut sound = (DATA.min(size), None);
    let mut behind = sound;
    let mut ruined = sound.0;
    let mut doubt: Option<Doubt> = None;
    loop {
        let head = match scan.step(size) {
            Step::Frame(head, _) => head,
            Step::Damage { from, to } => {
                let first_lost = behind.1.map_or(header.first, |last: u64| last.saturating_add(1));
                doubt.get_or_insert(Doubt { from, first_lost });
                ruined = to;
                continue;
            }
            Step::End => break,
        };
        if head.kind == Kind::Seal {
            next = next.max(head.sequence);
            let last = head.sequence.saturating_sub(1);
            behind = (scan.at(), (last >= header.first).then_some(last));
        } else {
            next = next.max(head.sequence.saturating_add(1));
            behind = (scan.at(), Some(head.sequence));
        }
        if doubt.as_ref().is_some_and(|doubt| head.batch > doubt.first_lost) {
            doubt = None;
        }
        if doubt.is_none() {
            sound = behind;
        }
    }
    let (end, last) = sound;
    let problem = doubt.map(|doubt| {
        let bytes = ruined.max(behind.0) - doubt.from;
        next = next.saturating_add(room(bytes));
        let (kind, segment) = (ProblemKind::TornTail, name.to_owned());
        Problem { kind, segment, offset: doubt.from, bytes, lost: None, detail: None }
    });
    Tail { end, last, next, problem }
}

/// As many deliveries as may have been in so many bytes: their numbers are not given out again.
fn room(bytes: u64) -> u64 {
    bytes / HEAD as u64
}
