//! Reading a file that grows.

use std::fs::File;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use model::Flaw;

use super::cut::{self, Cut, LINE, PIECE, Text};
use super::find::Found;
use super::place::{self, FileId, HEAD, Place, SEAM, Stamp};

use super::{Preamble, Tail, Watched, Why, scan};
use crate::{Desk, Halt, Piece};

/// Pieces of one file in a turn: the others wait for theirs.
const ROUND: usize = 8;
/// Bytes of the front in which a preamble is looked for, and the most that it may have.
pub(super) const FRONT: u64 = 64 << 10;

/// What is to be handed in.
struct Next {
    bytes: Bytes,
    flaws: Vec<Flaw>,
    place: Place,
}

/// What a look at a file came to.
enum Look {
    Next(Box<Next>),
    /// NULs alone, which nobody wants.
    Over(Box<Place>),
    /// Nothing, or a line that goes on.
    Nothing,
}

impl Tail {
    /// Hands in what was written to a file; true when there is more.
    pub(super) fn read(
        &mut self,
        id: FileId,
        now: Instant,
        desk: &mut dyn Desk,
    ) -> Result<bool, Halt> {
        let Some(watched) = self.files.get_mut(&id) else { return Ok(false) };
        match watched.prepare(id, now) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => {
                let path = watched.place.path.clone();
                self.trouble(&path, now, format!("cannot be read: {error}"));
                return Ok(false);
            }
        }
        if watched.is_another() {
            self.begin_again(id);
            return Ok(true);
        }
        if let Some(what) = self.is_unfit(id) {
            let Some(watched) = self.files.remove(&id) else { return Ok(false) };
            let (path, stamp) = (watched.place.path, watched.read.unwrap_or(watched.told));
            self.trouble(&path, now, format!("is {what}, which is not followed"));
            self.set_aside(&Found { path, id, stamp }, now, Why::NotRead);
            return Ok(false);
        }
        for _ in 0..ROUND {
            let Some(watched) = self.files.get(&id) else { return Ok(false) };
            let last = now.saturating_duration_since(watched.changed) >= self.options.settle;
            let look = match watched.look(last, &self.options.preamble) {
                Ok(look) => look,
                Err(error) => {
                    let path = watched.place.path.clone();
                    self.trouble(&path, now, format!("cannot be read: {error}"));
                    return Ok(false);
                }
            };
            let place = match look {
                Look::Nothing => {
                    self.note_unread(id);
                    return Ok(false);
                }
                Look::Over(place) => *place,
                Look::Next(next) => {
                    let origin = scan::origin(&watched.place.path, watched.place.offset);
                    let cursor = self.cursor(id, &next.place);
                    let Next { bytes, flaws, place } = *next;
                    desk.take(Piece { bytes, origin: origin.into(), flaws, cursor })?;
                    place
                }
            };
            if let Some(watched) = self.files.get_mut(&id) {
                self.troubles.remove(&place.path);
                watched.place = place;
            }
        }
        self.note_unread(id);
        Ok(true)
    }

    /// What a file is that cannot be followed: asked of its front before anything of it is taken.
    fn is_unfit(&self, id: FileId) -> Option<String> {
        let watched = self.files.get(&id).filter(|watched| watched.place.offset == 0)?;
        let front = place::at(watched.file.as_ref()?, 0, FRONT).ok()?;
        if front.is_empty() { None } else { (self.options.unfit)(&front) }
    }

    /// Looks at a file anew, as at one that was never seen, and remembers where it was left off before.
    pub(super) fn begin_again(&mut self, id: FileId) {
        let Some(watched) = self.files.remove(&id) else { return };
        self.remember(id, watched.place);
        self.scanned = None;
    }

    fn note_unread(&mut self, id: FileId) {
        let Some(watched) = self.files.get_mut(&id) else { return };
        let size =
            watched.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |m| m.len());
        watched.unread = size.saturating_sub(watched.place.offset);
    }
}

impl Watched {
    /// Opens the file where that is needed; false when there is nothing to be done.
    fn prepare(&mut self, id: FileId, now: Instant) -> io::Result<bool> {
        if self.file.is_none() {
            if !self.named || self.read == Some(self.told) {
                return Ok(false);
            }
            let file = match File::open(&self.place.path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            };
            // Renamed since the folder was looked through: the next look tells.
            if FileId::of(&file.metadata()?) != id {
                return Ok(false);
            }
            self.file = Some(file);
        }
        let Some(file) = &self.file else { return Ok(false) };
        let stamp = Stamp::of(&file.metadata()?);
        if self.read != Some(stamp) {
            if self.read.is_some() {
                self.changed = now;
            }
            return Ok(true);
        }
        Ok(self.unread > 0)
    }

    /// True when the file does not hold what was read of it: it was emptied in place, or has the inode of
    /// one that was deleted.
    fn is_another(&mut self) -> bool {
        let Some(file) = &self.file else { return false };
        let Ok(stamp) = file.metadata().map(|meta| Stamp::of(&meta)) else { return false };
        if self.read == Some(stamp) {
            return false;
        }
        self.read = Some(stamp);
        stamp.size < self.place.offset || !self.place.is_in(file).unwrap_or(true)
    }

    /// What may be handed in next. `last` says that nothing was written for a while.
    fn look(&self, last: bool, preamble: &Preamble) -> io::Result<Look> {
        let Some(file) = &self.file else { return Ok(Look::Nothing) };
        let offset = self.place.offset;
        let text = match offset {
            0 => None,
            _ => Some(Text::of(&place::at(file, 0, 2)?)),
        };
        let mut bytes = place::at(file, offset, PIECE as u64)?;
        let text_here = text.unwrap_or_else(|| Text::of(&bytes));
        let mut found = cut::cut(&bytes, text_here, last && bytes.len() < PIECE);
        if found == Cut::More && bytes.len() == PIECE {
            bytes = place::at(file, offset, LINE as u64)?;
            found = cut::cut(&bytes, text_here, last && bytes.len() < LINE);
        }
        let (taken, flaw) = match found {
            Cut::More => return Ok(Look::Nothing),
            Cut::Lines(taken) => (taken, false),
            Cut::Midst(taken) => (taken, true),
        };
        bytes.truncate(taken);
        let place = self.reached(file, &bytes, preamble)?;
        let nuls = cut::nuls(&bytes, text_here);
        if nuls == bytes.len() {
            return Ok(Look::Over(Box::new(place)));
        }
        let mut whole = match (text, self.place.preamble) {
            // What stands in front of a file stands in front of each of its pieces.
            (Some(_), Some((start, length))) if start + length <= offset => {
                place::at(file, start, length)?
            }
            (Some(Text::Wide(mark)), _) => mark.to_vec(),
            _ => Vec::new(),
        };
        whole.extend_from_slice(bytes.get(nuls..).unwrap_or_default());
        let mut flaws = Vec::new();
        if nuls > 0 {
            flaws.push(cut::passed_over(nuls as u64));
        }
        if flaw {
            flaws.push(cut::too_long(whole.len()));
        }
        Ok(Look::Next(Box::new(Next { bytes: whole.into(), flaws, place })))
    }

    /// The place behind these bytes.
    fn reached(&self, file: &File, bytes: &[u8], preamble: &Preamble) -> io::Result<Place> {
        let mut place = self.place.clone();
        let offset = place.offset + bytes.len() as u64;
        let first = offset.min(FRONT);
        let only_front =
            place.preamble.is_none_or(|(start, length)| start + length == place.offset);
        let head = match place.knows_head() && !(only_front && place.offset < FRONT) {
            true => None,
            false => Some(place::at(file, 0, first)?),
        };
        match &head {
            // As long as only the front was seen, more of it may tell more.
            Some(head) if only_front && place.offset < FRONT => {
                place.preamble = front(preamble, head);
            }
            _ if place.preamble.is_some() => {
                if let Some(range) =
                    preamble(bytes, false).filter(|range| range.len() as u64 <= FRONT)
                {
                    place.preamble = Some((place.offset + range.start as u64, range.len() as u64));
                }
            }
            _ => {}
        }
        let head = head.filter(|_| !place.knows_head());
        let last = match bytes.len() >= SEAM {
            true => None,
            false => {
                let from = offset.saturating_sub(SEAM as u64);
                Some(place::at(file, from, offset - from)?)
            }
        };
        let head = head.as_ref().map(|head| head.get(..HEAD).unwrap_or(head));
        place.reach(offset, head, last.as_deref().unwrap_or(bytes));
        Ok(place)
    }
}

/// Where the preamble stands in the front of a file.
pub(super) fn front(preamble: &Preamble, head: &[u8]) -> Option<(u64, u64)> {
    let range = preamble(head, true).filter(|range| range.len() as u64 <= FRONT)?;
    Some((range.start as u64, range.len() as u64))
}
