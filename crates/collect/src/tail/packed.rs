//! Reading a compressed file, once: what a rotation left, or what was put there whole.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::time::{Duration, Instant};

use model::Flaw;

use super::cut::{self, Cut, LINE, PIECE, Text};
use super::find::{self, Found};
use super::place::{self, FileId, HEAD, Place, SEAM, Stamp};
use super::{Kind, LINGER, STEADY, Tail, Why, plain, scan};
use crate::budget::Budget;
use crate::container::{self, Container};
use crate::expand::decoder;
use crate::{Desk, Halt, Limits, Piece};

/// A file that breaks off may still be written; when it stays so, what is there is taken.
const BROKEN: Duration = LINGER;
/// Places that a content is held against.
const CANDIDATES: usize = 16;

/// How reading ended.
enum End {
    /// All of it was read.
    Whole,
    /// It breaks off, or does not expand any further.
    Broken(String),
}

/// A place that a content goes on from, and the file it belongs to while that is followed.
struct From {
    place: Place,
    lives: Option<FileId>,
}

impl Tail {
    /// Hands in what a compressed file holds and was not read before.
    pub(super) fn unpack(
        &mut self,
        id: FileId,
        now: Instant,
        desk: &mut dyn Desk,
    ) -> Result<(), Halt> {
        let Some(watched) = self.files.get(&id) else { return Ok(()) };
        let still = now.saturating_duration_since(watched.changed);
        if watched.place.packed == Some(watched.told) || still < STEADY {
            return Ok(());
        }
        if watched.read == Some(watched.told) && still < BROKEN {
            return Ok(());
        }
        let (path, kind) = (watched.place.path.clone(), watched.kind);
        let opened = File::open(&path).and_then(|file| Ok((Stamp::of(&file.metadata()?), file)));
        let (stamp, file) = match opened {
            Ok((stamp, file)) if stamp == watched.told => (stamp, file),
            // It changes, or is gone: the next look through the folder tells.
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !watched.named
                    && let Some(gone) = self.files.remove(&id)
                {
                    self.remember(id, gone.place);
                }
                return Ok(());
            }
            Err(error) => {
                self.trouble(&path, now, format!("cannot be read: {error}"));
                return Ok(());
            }
        };
        let found = Found { path, id, stamp };
        let front = place::at(&file, 0, container::HEAD).unwrap_or_default();
        if !matches!(Container::recognise(&front), Some(kind) if kind.is_one_stream()) {
            self.begin_again(id);
            return Ok(());
        }
        let from = match self.origin_of(&found, &file) {
            Ok(from) => from,
            Err(error) => {
                self.trouble(&found.path, now, format!("cannot be expanded: {error}"));
                None
            }
        };
        match (from, kind) {
            (Some(From { lives: Some(lives), .. }), _)
                if self.files.get(&lives).is_some_and(|w| w.named) =>
            {
                let number = self.files.get(&lives).map_or(0, |w| w.number);
                self.files.remove(&id);
                self.set_aside(&found, now, Why::CopyOf(lives, number));
                return Ok(());
            }
            (Some(from), _) => self.goes_on_packed(&found, from),
            (None, Kind::Packed { only_to_go_on: true }) => {
                self.files.remove(&id);
                self.set_aside(&found, now, Why::NotRead);
                return Ok(());
            }
            (None, _) => {}
        }
        let end = self.stream(&found, &file, still >= BROKEN, desk)?;
        if let Some(watched) = self.files.get_mut(&id) {
            watched.read = Some(stamp);
        }
        if let End::Broken(why) = end {
            self.trouble(&found.path, now, why);
            if still < BROKEN {
                return Ok(());
            }
        }
        let Some(watched) = self.files.get_mut(&id) else { return Ok(()) };
        watched.place.packed = Some(stamp);
        let place = watched.place.clone();
        desk.keep(self.cursor(id, &place))
    }

    /// Takes over from the file whose content this is.
    fn goes_on_packed(&mut self, found: &Found, from: From) {
        if let Some(lives) = from.lives
            && lives != found.id
            && let Some(original) = self.files.remove(&lives)
        {
            self.remember(lives, original.place);
        }
        if let Some(watched) = self.files.get_mut(&found.id) {
            let before = std::mem::take(&mut watched.place.before);
            watched.place = from.place.moved(found.path.clone(), true);
            watched.place.before = before;
        }
    }

    /// Where the content of a compressed file was left off, when it was begun.
    fn origin_of(&self, found: &Found, file: &File) -> io::Result<Option<From>> {
        let Some(own) = self.files.get(&found.id).map(|w| w.place.clone()) else { return Ok(None) };
        let mut head = vec![0; HEAD];
        let length = fill(&mut expanded(file)?, &mut head)?;
        head.truncate(length);
        let mut all = vec![From { place: own, lives: None }];
        let like = |place: &Place| find::related(&place.path, &found.path);
        let others = self.files.iter().filter(|(id, w)| **id != found.id && like(&w.place));
        all.extend(others.map(|(id, w)| From { place: w.place.clone(), lives: Some(*id) }));
        let past = self.past.iter().map(|(_, place)| place).filter(|place| like(place));
        all.extend(past.map(|place| From { place: place.clone(), lives: None }));
        all.retain(|from| from.place.begins(&head));
        all.sort_by_key(|from| std::cmp::Reverse(from.place.offset));
        for from in all.into_iter().take(CANDIDATES) {
            let mut stream = expanded(file)?;
            if let Ok(Some(last)) = skip(&mut stream, from.place.offset)
                && from.place.ends(&last)
            {
                return Ok(Some(from));
            }
        }
        Ok(None)
    }

    /// Expands a file from where it was left off and hands its lines in.
    /// What breaks off in the midst of a line is not taken while it may go on, unless that is `all`
    /// there will be.
    fn stream(
        &mut self,
        found: &Found,
        file: &File,
        all: bool,
        desk: &mut dyn Desk,
    ) -> Result<End, Halt> {
        let broken = |error: io::Error| End::Broken(format!("cannot be expanded further: {error}"));
        let limits = Limits::default();
        let mut budget = Budget::new(&limits, found.stamp.size);
        let Some(start) = self.files.get(&found.id).map(|w| w.place.clone()) else {
            return Ok(End::Whole);
        };
        let mut stream = match expanded(file) {
            Ok(stream) => stream,
            Err(error) => return Ok(broken(error)),
        };
        // The front is read apart: what is repeated and by what the content is known stand there.
        let mut front = Vec::new();
        let read = (&mut stream).take(plain::FRONT).read_to_end(&mut front);
        let mut end = read.err().map(broken);
        let text = Text::of(&front);
        let whole = |waiting: &mut Vec<u8>| {
            if !all {
                let lines = match cut::cut(waiting, text, false) {
                    Cut::Lines(lines) => lines,
                    Cut::Midst(_) | Cut::More => 0,
                };
                waiting.truncate(lines);
            }
        };
        let mut waiting = front.clone();
        if end.is_some() {
            whole(&mut waiting);
        }
        let mut skipped = 0;
        let mut place = start;
        while end.is_none() || !waiting.is_empty() {
            // What was taken before is passed over.
            let pass =
                usize::try_from(place.offset - skipped).unwrap_or(usize::MAX).min(waiting.len());
            waiting.drain(..pass);
            skipped += pass as u64;
            let behind = skipped < place.offset;
            let found_cut = match (behind, &end) {
                (true, Some(_)) => break,
                (true, None) => Cut::More,
                (false, ended) => cut::cut(&waiting, text, ended.is_some()),
            };
            let enough = waiting.len() >= PIECE || end.is_some();
            match found_cut {
                Cut::Lines(taken) if enough => {
                    let bytes: Vec<u8> = waiting.drain(..taken).collect();
                    place = self.hand_in(found, &place, &front, bytes, false, desk)?;
                    skipped = place.offset;
                }
                Cut::Midst(taken) => {
                    let bytes: Vec<u8> = waiting.drain(..taken).collect();
                    place = self.hand_in(found, &place, &front, bytes, true, desk)?;
                    skipped = place.offset;
                }
                _ if end.is_some() => break,
                _ => {
                    let want = if behind { PIECE } else { (waiting.len() * 2).clamp(PIECE, LINE) };
                    let before = waiting.len();
                    let room = want.saturating_sub(before).max(1) as u64;
                    match (&mut stream).take(room).read_to_end(&mut waiting) {
                        Ok(0) => end = Some(End::Whole),
                        Ok(count) => {
                            if let Err(refusal) = budget.bytes(count as u64) {
                                end = Some(End::Broken(refusal.message));
                            }
                        }
                        Err(error) => end = Some(broken(error)),
                    }
                    if let Some(End::Broken(_)) = &end {
                        whole(&mut waiting);
                    }
                }
            }
        }
        Ok(end.unwrap_or(End::Whole))
    }

    fn hand_in(
        &mut self,
        found: &Found,
        from: &Place,
        front: &[u8],
        bytes: Vec<u8>,
        midst: bool,
        desk: &mut dyn Desk,
    ) -> Result<Place, Halt> {
        let mut place = from.clone();
        let mut whole = match (from.offset, from.preamble, Text::of(front)) {
            (0, ..) => Vec::new(),
            (_, Some((start, length)), _) => {
                let part = usize::try_from(start).ok().zip(usize::try_from(start + length).ok());
                part.and_then(|(start, end)| front.get(start..end)).unwrap_or_default().to_vec()
            }
            (_, None, Text::Wide(mark)) => mark.to_vec(),
            _ => Vec::new(),
        };
        if from.offset == 0 {
            place.preamble = plain::front(&self.options.preamble, front);
        }
        let prefix = whole.len();
        whole.extend_from_slice(&bytes);
        let offset = from.offset + bytes.len() as u64;
        let seam = bytes.len().saturating_sub(SEAM);
        place.reach(
            offset,
            Some(front).filter(|_| !from.knows_head()),
            bytes.get(seam..).unwrap_or_default(),
        );
        let flaws: Vec<Flaw> =
            midst.then(|| cut::too_long(prefix + bytes.len())).into_iter().collect();
        let cursor = self.cursor(found.id, &place);
        let origin = scan::origin(&found.path, from.offset).into();
        desk.take(Piece { bytes: whole.into(), origin, flaws, cursor })?;
        if let Some(watched) = self.files.get_mut(&found.id) {
            watched.place = place.clone();
        }
        Ok(place)
    }
}

/// The content of a compressed file from its start.
fn expanded(file: &File) -> io::Result<Box<dyn Read>> {
    let front = place::at(file, 0, container::HEAD)?;
    let container = Container::recognise(&front);
    let container = container.ok_or_else(|| io::Error::other("it is not compressed any more"))?;
    decoder(
        container,
        BufReader::with_capacity(128 << 10, FromStart { file: file.try_clone()?, at: 0 }),
    )
}

/// Reads a file at a place of its own.
struct FromStart {
    file: File,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(&self.file, buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn fill(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Passes over so many bytes and gives the last ones; none when there are fewer.
fn skip(stream: &mut dyn Read, count: u64) -> io::Result<Option<Vec<u8>>> {
    let seam = count.min(SEAM as u64);
    let passed = io::copy(&mut stream.take(count - seam), &mut io::sink())?;
    let mut last = vec![0; usize::try_from(seam).unwrap_or(SEAM)];
    let filled = fill(stream, &mut last)?;
    Ok((passed == count - seam && filled as u64 == seam).then_some(last))
}
