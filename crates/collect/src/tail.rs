//! Files that grow: followed across rotation, each line handed in once.
//!
//! A file is known by device, inode and what it holds ([`place`]), never by its name. So a file that is
//! renamed is read to its end while the new one of its name is begun; one that is emptied in place is
//! begun again, and its copy goes on where it was left off; and a compressed one whose content was read
//! while it was plain gives only what was missing.
//!
//! Lines are handed in when they are whole. A last line without its end waits until nothing was written
//! for a while.

mod cut;
mod find;
mod packed;
mod place;
mod plain;
mod scan;

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Micros;
use serde::{Deserialize, Serialize};

pub use find::PatternError;
use find::Patterns;
use place::{FileId, Place, Stamp};

use crate::{Cursor, Desk, Fetcher, Halt, Moment, Rest, Wake};

/// Which part of these bytes (whole lines) everything behind them cannot be read without: names of
/// columns, directives. The flag says that the bytes are the front of a file; where they are not, the
/// part is one that takes the place of the front's.
pub type Preamble = Arc<dyn Fn(&[u8], bool) -> Option<Range<usize>> + Send + Sync>;

/// What a file is, by its front, when it cannot be followed line by line; none when it can.
pub type Unfit = Arc<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// What to follow.
#[derive(Clone)]
pub struct TailOptions {
    /// The name under which places are saved.
    pub name: Arc<str>,
    /// Files, folders (the files right in them) and patterns (`*`, `?`, `[a-z]`, `**`).
    pub paths: Vec<String>,
    /// Patterns of what is left out; without a `/` they are for the name alone.
    pub exclude: Vec<String>,
    /// At the very first start, only what is written from then on.
    pub from_end: bool,
    /// A last line without its end is taken when nothing was written for so long.
    pub settle: Duration,
    /// What is repeated in front of each piece of a file.
    pub preamble: Preamble,
    /// What is left alone.
    pub unfit: Unfit,
}

/// How long a file that looks copied, or is compressed, must stay as it is before it is judged.
const STEADY: Duration = Duration::from_secs(2);
/// A file without its name is let go when nothing was written to it for so long.
const LINGER: Duration = Duration::from_mins(1);
/// A file that nothing was written to for so long is closed, and opened again when it changes.
const IDLE: Duration = Duration::from_mins(10);
/// A file that is not to be found is looked for so long.
const LOST: Duration = Duration::from_hours(24);
/// How often the folders are looked through.
const SCAN: Duration = Duration::from_secs(1);
/// How often files are looked at when nothing wakes the thread.
const POLL: Duration = Duration::from_millis(500);
/// Places of files that are gone are of use for so long.
const REMEMBERED: Micros = Micros::from_seconds(30 * 86_400);
/// What is not seen to go wrong again is not told any more after so long.
const TROUBLED: Duration = Duration::from_mins(5);
/// So many states that an inode had before are saved with the present one.
const BEFORE: usize = 4;
/// Saved so that a second start is none of the first, even when there was no file.
const BEGUN: &str = "\"begun\"";
/// Files that are open at once; others are opened when they change.
const OPEN: usize = 512;
/// Files that are followed.
const FILES: usize = 20_000;
/// Places of files that are gone, by which copies and compressed files are known.
const PAST: usize = 10_000;

/// Follows files.
pub struct Tail {
    options: TailOptions,
    patterns: Patterns,
    files: BTreeMap<FileId, Watched>,
    /// Places of what is not followed any more, by the inodes that it had.
    past: VecDeque<(FileId, Place)>,
    /// Counts files that were taken up.
    taken_up: u64,
    /// Files that are left alone until they, or the file that they are a copy of, change.
    aside: BTreeMap<FileId, Aside>,
    /// Nothing was ever saved: this is the first start.
    fresh: bool,
    scanned: Option<Instant>,
    wake: Wake,
    /// What does not work, by path, and when it last did not.
    troubles: BTreeMap<PathBuf, (String, Instant)>,
    /// Saved places that are too old to be of use.
    stale: Vec<String>,
}

/// A file that is followed.
struct Watched {
    place: Place,
    kind: Kind,
    file: Option<File>,
    /// A pattern names it at present.
    named: bool,
    /// As it was when it was read last.
    read: Option<Stamp>,
    /// As the folder told of it last.
    told: Stamp,
    /// When it was last seen to change.
    changed: Instant,
    /// Since when it is not to be found.
    lost: Option<Instant>,
    /// Which of all files that were taken up it is: another number says that it holds something else.
    number: u64,
    /// Bytes that are there and were not taken.
    unread: u64,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Compressed. It may be one that no pattern names, and is then read only as far as it goes on with
    /// what was begun.
    Packed {
        only_to_go_on: bool,
    },
}

/// Why a file is left alone.
#[derive(Debug, Clone, Copy)]
struct Aside {
    stamp: Stamp,
    /// Since when it is as it is, and when it was seen first.
    since: Instant,
    first: Instant,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It holds what another file holds, which is still there and is followed.
    CopyOf(FileId, u64),
    /// It may be a copy that is still being written.
    Unsure,
    /// It is not read.
    NotRead,
}

/// A place as it is saved.
#[derive(Serialize, Deserialize)]
struct Saved {
    #[serde(flatten)]
    id: FileId,
    #[serde(flatten)]
    place: Place,
}

impl Tail {
    /// Goes on where places that were saved under this name say.
    pub fn new<'s>(
        options: TailOptions,
        saved: impl IntoIterator<Item = &'s str>,
        now: Moment,
    ) -> Result<Self, PatternError> {
        let patterns = Patterns::new(&options.paths, &options.exclude)?;
        let mut tail = Self {
            wake: Wake::new(patterns.folders()),
            options,
            patterns,
            files: BTreeMap::new(),
            past: VecDeque::new(),
            taken_up: 0,
            aside: BTreeMap::new(),
            fresh: true,
            scanned: None,
            troubles: BTreeMap::new(),
            stale: Vec::new(),
        };
        for text in saved {
            tail.fresh = false;
            if text == BEGUN {
                continue;
            }
            match serde_json::from_str::<Saved>(text) {
                Ok(saved) => tail.restore(saved, now),
                Err(error) => {
                    let what = format!("a saved place cannot be read: {error}");
                    tail.trouble(Path::new(""), now.at, what);
                }
            }
        }
        Ok(tail)
    }

    fn restore(&mut self, saved: Saved, now: Moment) {
        let Saved { id, place } = saved;
        for before in place.before.iter().rev() {
            self.remember(id, before.clone());
        }
        if let Some(since) = place.over {
            match now.time.0.saturating_sub(since.0) > REMEMBERED.0 {
                true => self.stale.push(self.cursor_name(id)),
                false => self.remember(id, place),
            }
            return;
        }
        let kind = match place.expanded {
            true => Kind::Packed { only_to_go_on: false },
            false => Kind::Plain,
        };
        let told = place.packed.unwrap_or_default();
        let lost = Some(now.at);
        self.files.insert(id, Watched { lost, ..Watched::new(place, kind, told, now.at) });
    }

    /// Remembers the place of what is not followed any more.
    fn remember(&mut self, id: FileId, mut place: Place) {
        place.before = Vec::new();
        if place.offset > 0 {
            self.past.push_back((id, place));
        }
        if self.past.len() > PAST {
            self.past.pop_front();
        }
    }

    fn cursor(&self, id: FileId, place: &Place) -> Cursor {
        let saved = Saved { id, place: place.clone() };
        Cursor {
            name: self.cursor_name(id).into(),
            // Text, numbers and lists of them: it cannot fail.
            value: serde_json::to_string(&saved).unwrap_or_default().into(),
        }
    }

    /// What an inode held before, the latest first: the next place of it is saved in their place.
    fn before(&self, id: FileId) -> Vec<Place> {
        let all = self.past.iter().rev().filter(|(past, _)| *past == id);
        all.map(|(_, place)| place.clone()).take(BEFORE).collect()
    }

    fn cursor_name(&self, id: FileId) -> String {
        format!("{}/{:x}-{:x}", self.options.name, id.device, id.inode)
    }

    fn trouble(&mut self, path: &Path, now: Instant, what: impl Into<String>) {
        self.troubles.insert(path.to_owned(), (what.into(), now));
    }
}

impl Watched {
    fn new(place: Place, kind: Kind, told: Stamp, now: Instant) -> Self {
        Self {
            place,
            kind,
            file: None,
            named: false,
            read: None,
            told,
            changed: now,
            lost: None,
            number: 0,
            unread: 0,
        }
    }
}

impl Fetcher for Tail {
    fn turn(&mut self, now: Moment, desk: &mut dyn Desk) -> Result<Rest, Halt> {
        if !self.stale.is_empty() {
            desk.forget(&std::mem::take(&mut self.stale))?;
        }
        let (now, time) = (now.at, now.time);
        if self.scanned.is_none_or(|last| now.saturating_duration_since(last) >= SCAN)
            || self.wake.take_structural()
        {
            self.scan(now, time, desk)?;
            self.scanned = Some(now);
        }
        let mut more = false;
        // What is plain goes first: a compressed file may hold the same lines.
        let ids: Vec<(FileId, Kind)> = self.files.iter().map(|(id, w)| (*id, w.kind)).collect();
        for (id, _) in ids.iter().filter(|(_, kind)| *kind == Kind::Plain) {
            more |= self.read(*id, now, desk)?;
        }
        for (id, _) in ids.iter().filter(|(_, kind)| *kind != Kind::Plain) {
            self.unpack(*id, now, desk)?;
        }
        Ok(Rest {
            wait: if more { Duration::ZERO } else { POLL },
            behind: self.files.values().map(|watched| watched.unread).sum(),
            troubles: self
                .troubles
                .iter()
                .take(20)
                .map(|(path, (what, _))| said(path, what))
                .collect(),
        })
    }

    fn wait(&mut self, within: Duration) -> bool {
        self.wake.wait(within)
    }
}

fn said(path: &Path, what: &str) -> String {
    match path.as_os_str().is_empty() {
        true => what.to_owned(),
        false => format!("{}: {what}", path.display()),
    }
}
