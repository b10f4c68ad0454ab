//! Looking through the folders: which files are new, which moved, which are copies, which are gone.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use model::Micros;

use super::find::{self, Found};
use super::place::{self, FileId, HEAD, Place};
use super::{
    Aside, BEGUN, FILES, IDLE, Kind, LINGER, LOST, OPEN, STEADY, TROUBLED, Tail, Watched, Why,
};
use crate::container::{self, Container};
use crate::{Cursor, Desk, Halt};

/// Bytes that are compared at once.
const COMPARED: u64 = 256 << 10;
/// Bytes before the end in which the last line's beginning is looked for.
const LAST_LINE: u64 = 1 << 20;

/// What another file's place has to do with a file that is new.
enum Twin {
    /// Nothing.
    None,
    /// That file is there and holds the same; it is followed.
    Lives(FileId, u64),
    /// It is a copy, or another name, of what was left off there.
    GoesOn(Place),
    /// It may be a copy that is not yet whole.
    Unsure,
}

impl Tail {
    pub(super) fn scan(
        &mut self,
        now: Instant,
        time: Micros,
        desk: &mut dyn Desk,
    ) -> Result<(), Halt> {
        self.troubles.retain(|_, (_, at)| now.saturating_duration_since(*at) < TROUBLED);
        let (found, troubles) = self.patterns.find(FILES);
        for (path, what) in troubles {
            self.trouble(&path, now, what);
        }
        if self.fresh && self.options.from_end {
            let name = format!("{}/begun", self.options.name).into();
            desk.keep(Cursor { name, value: BEGUN.into() })?;
        }
        let folders = found.iter().filter_map(|file| file.path.parent());
        self.wake.watch(folders);
        for watched in self.files.values_mut() {
            watched.named = false;
        }
        for file in found {
            match self.files.get_mut(&file.id) {
                Some(watched) => watched.found(file, now),
                None => self.adopt(&file, now, desk)?,
            }
        }
        for watched in self.files.values_mut().filter(|w| !w.named && w.file.is_none()) {
            watched.lost.get_or_insert(now);
        }
        self.look_beside(now);
        self.let_go(now, time, desk)?;
        self.aside.retain(|_, aside| {
            aside.why == Why::NotRead || now.saturating_duration_since(aside.since) < LOST
        });
        self.fresh = false;
        Ok(())
    }

    /// Begins with a file that is not known by its inode.
    fn adopt(&mut self, found: &Found, now: Instant, desk: &mut dyn Desk) -> Result<(), Halt> {
        if self.is_aside(found, now) {
            if let Some((_, at)) = self.troubles.get_mut(&found.path) {
                *at = now;
            }
            return Ok(());
        }
        let opened =
            File::open(&found.path).and_then(|file| Ok((place::at(&file, 0, HEAD as u64)?, file)));
        let (head, file) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.trouble(&found.path, now, format!("cannot be read: {error}"));
                return Ok(());
            }
        };
        let front = head.get(..container::HEAD as usize).unwrap_or(&head);
        let mut goes_on = false;
        let (mut place, kind) = match Container::recognise(front) {
            Some(archive @ (Container::Zip | Container::Tar)) => {
                let what = format!("is a {} archive, which is not followed", archive.name());
                self.trouble(&found.path, now, what);
                self.set_aside(found, now, Why::NotRead);
                return Ok(());
            }
            Some(_) => {
                let place = Place::start(found.path.clone()).moved(found.path.clone(), true);
                (place, Kind::Packed { only_to_go_on: false })
            }
            None => match self.twin(found, &file, &head) {
                Ok(Twin::None) => (Place::start(found.path.clone()), Kind::Plain),
                Ok(Twin::GoesOn(place)) => {
                    goes_on = true;
                    (place.moved(found.path.clone(), false), Kind::Plain)
                }
                Ok(Twin::Lives(id, number)) => {
                    self.set_aside(found, now, Why::CopyOf(id, number));
                    return Ok(());
                }
                Ok(Twin::Unsure) if !self.is_steady(found, now) => {
                    self.set_aside(found, now, Why::Unsure);
                    return Ok(());
                }
                Ok(Twin::Unsure) => (Place::start(found.path.clone()), Kind::Plain),
                Err(error) => {
                    self.trouble(&found.path, now, format!("cannot be read: {error}"));
                    return Ok(());
                }
            },
        };
        place.before = self.before(found.id);
        if goes_on {
            desk.keep(self.cursor(found.id, &place))?;
        }
        let mut watched = Watched::new(place, kind, found.stamp, now);
        watched.named = true;
        self.taken_up += 1;
        watched.number = self.taken_up;
        if self.fresh && self.options.from_end {
            self.begin_at_end(&mut watched, &file, found);
            desk.keep(self.cursor(found.id, &watched.place))?;
        }
        if kind == Kind::Plain {
            watched.file = Some(file);
        }
        self.aside.remove(&found.id);
        self.files.insert(found.id, watched);
        Ok(())
    }

    /// True when nothing has changed since it was set aside.
    fn is_aside(&self, found: &Found, now: Instant) -> bool {
        let Some(aside) = self.aside.get(&found.id) else { return false };
        aside.stamp == found.stamp
            && match aside.why {
                Why::NotRead => true,
                Why::Unsure => now.saturating_duration_since(aside.since) < STEADY,
                Why::CopyOf(id, number) => {
                    self.files.get(&id).is_some_and(|original| original.number == number)
                }
            }
    }

    fn is_steady(&self, found: &Found, now: Instant) -> bool {
        let long = |since: Instant| now.saturating_duration_since(since);
        self.aside.get(&found.id).is_some_and(|aside| {
            aside.stamp == found.stamp && long(aside.since) >= STEADY || long(aside.first) >= LINGER
        })
    }

    pub(super) fn set_aside(&mut self, found: &Found, now: Instant, why: Why) {
        let before = self.aside.get(&found.id);
        let first = before.map_or(now, |aside| aside.first);
        let same = before.filter(|aside| aside.stamp == found.stamp);
        let since = same.map_or(now, |aside| aside.since);
        self.aside.insert(found.id, Aside { stamp: found.stamp, since, first, why });
    }

    /// Whether a new file holds what another one holds or held.
    fn twin(&self, found: &Found, file: &File, head: &[u8]) -> io::Result<Twin> {
        let like = |place: &Place| find::related(&place.path, &found.path) && place.begins(head);
        let past = self.past.iter().map(|(_, place)| place);
        let mut past: Vec<Place> = past.filter(|place| like(place)).cloned().collect();
        for (id, watched) in self.files.iter().filter(|(_, w)| w.kind == Kind::Plain) {
            if !like(&watched.place) {
                continue;
            }
            let opened;
            let original = match &watched.file {
                Some(file) => Some(file),
                None => {
                    opened = File::open(&watched.place.path).ok();
                    opened
                        .as_ref()
                        .filter(|file| file.metadata().is_ok_and(|meta| FileId::of(&meta) == *id))
                }
            };
            match original {
                // It was emptied, or is gone: what is left of it is where it was left off.
                None => past.push(watched.place.clone()),
                Some(original) if !watched.place.is_in(original)? => {
                    past.push(watched.place.clone());
                }
                Some(original) => {
                    if same(original, file)? {
                        return Ok(Twin::Lives(*id, watched.number));
                    }
                }
            }
        }
        let mut unsure = false;
        let mut best: Option<Place> = None;
        for place in past {
            if found.stamp.size < place.offset {
                // A log of the same name that begins alike is the next one and no copy.
                unsure |= found.path != place.path;
            } else if best.as_ref().is_none_or(|best| best.offset < place.offset)
                && place.is_in(file)?
            {
                best = Some(place);
            }
        }
        Ok(match best {
            Some(place) => Twin::GoesOn(place),
            None if unsure => Twin::Unsure,
            None => Twin::None,
        })
    }

    /// Only what is written from now on: begins behind the last whole line.
    fn begin_at_end(&self, watched: &mut Watched, file: &File, found: &Found) {
        let size = found.stamp.size;
        if watched.kind != Kind::Plain {
            watched.place.packed = Some(found.stamp);
            return;
        }
        let from = size.saturating_sub(LAST_LINE);
        let Ok(last) = place::at(file, from, size - from) else { return };
        let whole = last.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let Ok(head) = place::at(file, 0, super::plain::FRONT) else { return };
        let offset = from + whole as u64;
        watched.place.preamble = super::plain::front(&self.options.preamble, &head);
        watched.place.reach(offset, Some(&head), last.get(..whole).unwrap_or_default());
    }

    /// Looks for files that were being read and that no pattern names any more: beside where they were.
    fn look_beside(&mut self, now: Instant) {
        let lost: Vec<FileId> = self
            .files
            .iter()
            .filter(|(_, w)| w.kind == Kind::Plain && w.place.offset > 0)
            .filter(|(_, w)| w.lost.is_some_and(|since| is_time(since, now)))
            .map(|(id, _)| *id)
            .take(100)
            .collect();
        for id in lost {
            let Some(path) = self.files.get(&id).map(|w| w.place.path.clone()) else { continue };
            let near = find::beside(&path);
            if let Some(found) = near.iter().find(|found| found.id == id) {
                if let Some(watched) = self.files.get_mut(&id)
                    && let Ok(file) = File::open(&found.path)
                {
                    watched.place.path.clone_from(&found.path);
                    watched.file = Some(file);
                    (watched.lost, watched.changed) = (None, now);
                }
                continue;
            }
            for found in near {
                if self.files.contains_key(&found.id) || self.is_aside(&found, now) {
                    continue;
                }
                if self.goes_on(id, &found, now) {
                    break;
                }
            }
        }
    }

    /// Takes a file that no pattern names for the one that is lost, when it goes on with it.
    fn goes_on(&mut self, lost: FileId, found: &Found, now: Instant) -> bool {
        let Ok(file) = File::open(&found.path) else { return false };
        let Ok(front) = place::at(&file, 0, container::HEAD) else { return false };
        match Container::recognise(&front) {
            Some(Container::Zip | Container::Tar) => false,
            Some(_) => {
                let kind = Kind::Packed { only_to_go_on: true };
                let place = Place::start(found.path.clone()).moved(found.path.clone(), true);
                self.files.insert(found.id, Watched::new(place, kind, found.stamp, now));
                false
            }
            None => {
                let Some(watched) = self.files.get(&lost) else { return false };
                if !watched.place.is_in(&file).unwrap_or(false) {
                    return false;
                }
                let place = watched.place.clone().moved(found.path.clone(), false);
                let mut watched = Watched::new(place, Kind::Plain, found.stamp, now);
                watched.file = Some(file);
                self.files.remove(&lost);
                self.files.insert(found.id, watched);
                true
            }
        }
    }

    /// Lets go of files that are over, and closes those that nothing happens to.
    fn let_go(&mut self, now: Instant, time: Micros, desk: &mut dyn Desk) -> Result<(), Halt> {
        let still = |watched: &Watched| now.saturating_duration_since(watched.changed);
        let over: Vec<FileId> = self
            .files
            .iter()
            .filter(|(_, w)| !w.named)
            .filter(|(_, w)| match (w.kind, w.lost, &w.file) {
                (Kind::Packed { .. }, ..) => still(w) >= LINGER && w.place.packed == Some(w.told),
                (_, _, Some(_)) => w.unread == 0 && still(w) >= LINGER.max(self.options.settle),
                (_, Some(since), None) => now.saturating_duration_since(since) >= LOST,
                _ => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            let Some(mut watched) = self.files.remove(&id) else { continue };
            watched.place.over = Some(time);
            if watched.place.offset > 0 {
                desk.keep(self.cursor(id, &watched.place))?;
            }
            self.remember(id, watched.place);
        }
        let mut open: Vec<(Instant, FileId)> = self
            .files
            .iter()
            .filter(|(_, w)| w.file.is_some() && w.named && w.unread == 0)
            .map(|(id, w)| (w.changed, *id))
            .collect();
        open.sort();
        let too_many = open.len().saturating_sub(OPEN);
        for (index, (changed, id)) in open.into_iter().enumerate() {
            if (index < too_many || now.saturating_duration_since(changed) >= IDLE)
                && let Some(watched) = self.files.get_mut(&id)
            {
                watched.file = None;
            }
        }
        Ok(())
    }
}

impl Watched {
    fn found(&mut self, found: Found, now: Instant) {
        (self.named, self.lost) = (true, None);
        if self.told != found.stamp {
            (self.told, self.changed) = (found.stamp, now);
        }
        if self.place.path != found.path {
            self.place.path = found.path;
        }
        if let Kind::Packed { only_to_go_on } = &mut self.kind {
            *only_to_go_on = false;
        }
    }
}

/// What is lost is looked for at once and often at first, then once a minute.
fn is_time(since: Instant, now: Instant) -> bool {
    let gone = now.saturating_duration_since(since);
    gone < LINGER || gone.as_secs().is_multiple_of(60)
}

/// True when one file holds the beginning of the other.
fn same(one: &File, other: &File) -> io::Result<bool> {
    let mut at = 0;
    loop {
        let (a, b) = (place::at(one, at, COMPARED)?, place::at(other, at, COMPARED)?);
        let common = a.len().min(b.len());
        if a.get(..common) != b.get(..common) {
            return Ok(false);
        }
        if (common as u64) < COMPARED {
            return Ok(true);
        }
        at += COMPARED;
    }
}

/// A path as it stands in an origin.
pub(super) fn origin(path: &Path, offset: u64) -> String {
    format!("file {} from byte {offset}", path.display())
}
