//! Going through a segment frame by frame, past whatever damage there is.
//!
//! Memory is bounded by the largest body; every step moves forward; bytes that cannot be read count
//! as damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::body::MOST;
use super::frame::{HEAD, Head, MARKER};
use super::segment::DATA;

/// Bytes that are read at once, at least.
const WINDOW: usize = 256 << 10;

/// Bytes by which the rest of a window goes on where a disk does not give some of it.
const BLOCK: usize = 4096;

/// A place in a segment that moves forward.
pub(super) struct Scan {
    file: File,
    salt: u64,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step<'s> {
    /// A frame whose checksums are right.
    Frame(Head, &'s [u8]),
    /// Bytes that are no frame.
    Damage { from: u64, to: u64 },
    /// Nothing but zeros up to the end.
    End,
}

impl Scan {
    pub(super) fn new(file: File, salt: u64) -> Self {
        Self { file, salt, at: DATA, window: Vec::new(), window_at: 0 }
    }

    /// Where the next step begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Reads the next frame before `end`.
    pub(super) fn step(&mut self, end: u64) -> Step<'_> {
        let from = self.at;
        if from >= end {
            return Step::End;
        }
        let salt = self.salt;
        let Some(head) = Head::read(self.view(from, HEAD, end), salt) else {
            return self.resume(from, end);
        };
        let length = head.length as usize;
        let to = from + (HEAD + length) as u64;
        if length > MOST || to > end {
            return self.resume(from, end);
        }
        self.at = to;
        let body = self.view(from, HEAD + length, end).get(HEAD..).unwrap_or_default();
        if body.len() == length && crc32fast::hash(body) == head.crc {
            // The borrow checker wants the view anew.
            let body = self.view(from, HEAD + length, end).get(HEAD..).unwrap_or_default();
            return Step::Frame(head, body);
        }
        Step::Damage { from, to }
    }

    /// Moves on to the next sound head behind `from`, or to the end.
    fn resume(&mut self, from: u64, end: u64) -> Step<'_> {
        let salt = self.salt;
        let mut look = from + 1;
        let first = self.view(from, 1, end).first().copied();
        let mut behind_damage = if first.is_some_and(|b| b != 0) { look } else { from };
        while look < end {
            let view = self.view(look, WINDOW, end);
            if view.is_empty() {
                break;
            }
            if let Some(at) = next_head(view, salt) {
                self.at = look + at as u64;
                return Step::Damage { from, to: self.at };
            }
            if let Some(at) = view.iter().rposition(|b| *b != 0) {
                behind_damage = look + at as u64 + 1;
            }
            // A head may reach over the end of the view.
            let step = view.len().saturating_sub(HEAD - 1).max(1);
            look += step as u64;
        }
        self.at = end;
        if behind_damage > from { Step::Damage { from, to: behind_damage } } else { Step::End }
    }

    /// Up to `length` bytes from `at`, fewer only at the end.
    fn view(&mut self, at: u64, length: usize, end: u64) -> &[u8] {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = length.min(left);
        let offset = at.checked_sub(self.window_at).and_then(|o| usize::try_from(o).ok());
        let held = offset.filter(|o| o.saturating_add(want) <= self.window.len());
        let offset = held.unwrap_or_else(|| {
            self.fill(at, want.max(WINDOW).min(left));
            0
        });
        let stop = (offset + want).min(self.window.len());
        self.window.get(offset..stop).unwrap_or_default()
    }

    fn fill(&mut self, at: u64, length: usize) {
        self.window.clear();
        // One large body must not keep its room for good.
        self.window.shrink_to(length.max(WINDOW));
        self.window.resize(length, 0);
        self.window_at = at;
        let mut filled = 0;
        while let Some(rest) = self.window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let place = at + filled as u64;
            match self.file.read_at(rest, place) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // Not zeros: those would look like the end.
                    let block = BLOCK - (place % BLOCK as u64) as usize;
                    let block = block.min(rest.len());
                    filled +=
                        match self.file.read_at(rest.get_mut(..block).unwrap_or_default(), place) {
                            Ok(count) if count > 0 => count,
                            _ => {
                                rest.iter_mut().take(block).for_each(|b| *b = 0xff);
                                block
                            }
                        };
                }
            }
        }
        self.window.truncate(filled);
    }
}

/// Where the first sound head in `view` begins.
fn next_head(view: &[u8], salt: u64) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = view.get(at..)?;
        at += rest.iter().position(|b| *b == MARKER[0])?;
        if Head::read(view.get(at..)?, salt).is_some() {
            return Some(at);
        }
        at += 1;
    }
}
