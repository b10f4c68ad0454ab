//! Copies in slack. Whoever writes a log chunk by chunk from one buffer leaves in the slack of each
//! what stood there before: records of earlier chunks, which would be read twice.

use std::collections::HashSet;

use super::{CHUNK_HEADER, RECORD_MAGIC};

/// So many records are remembered; a gigabyte of logs has a quarter of a million.
const MOST: usize = 4_000_000;

/// The records that were seen so far in a file: their ids and times.
#[derive(Debug, Default)]
pub(super) struct Slack {
    seen: HashSet<(u64, u64)>,
}

impl Slack {
    /// Remembers the records of a chunk, and notes which of those in its slack were seen before.
    /// `at` is where the chunk begins in what the notes are about.
    pub(super) fn note_copies(&mut self, chunk: &[u8], at: usize, copies: &mut HashSet<usize>) {
        if self.seen.len() > MOST {
            self.seen.clear();
        }
        let mut place = CHUNK_HEADER;
        let free = number::<4>(chunk, 48).unwrap_or_default() as usize;
        let last = number::<8>(chunk, 32).unwrap_or_default();
        while place < free
            && let Some((key, size)) = record(chunk, place)
        {
            self.seen.insert(key);
            place += size;
            if key.0 == last {
                break;
            }
        }
        let slack = chunk.get(place..).unwrap_or_default();
        for hit in memchr::memmem::find_iter(slack, RECORD_MAGIC) {
            if let Some((key, _)) = record(chunk, place + hit)
                && !self.seen.insert(key)
            {
                copies.insert(at + place + hit);
            }
        }
    }
}

/// The id and time of the record at `place`, and its size.
fn record(chunk: &[u8], place: usize) -> Option<((u64, u64), usize)> {
    let header = chunk.get(place..place + 24)?;
    if !header.starts_with(RECORD_MAGIC) {
        return None;
    }
    let size = number::<4>(header, 4)? as usize;
    let key = (number::<8>(header, 8)?, number::<8>(header, 16)?);
    (size >= 28).then_some((key, size))
}

/// A number of `N` bytes, the low one first.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + N)?;
    Some(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}
