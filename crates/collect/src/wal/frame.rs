//! Frames: what a segment is made of behind its header.
//!
//! A frame is a head of 40 bytes and a body. All numbers are little-endian:
//!
//! | at | what |
//! |---|---|
//! | 0 | marker, by which a frame is found again behind damage |
//! | 4 | length of the body |
//! | 8 | number of the delivery |
//! | 16 | number of the first delivery that was written with it: what a later batch follows was synced |
//! | 24 | kind; three bytes of zero |
//! | 28 | length of the body before compression |
//! | 32 | CRC-32 of the body |
//! | 36 | CRC-32 of the segment's salt and the bytes before |
//!
//! The salt is secret and differs for every segment: text in a log cannot look like a head, so that
//! looking for the next head takes one pass and finds no forgery.

use bytes::{Buf, BufMut};

/// Bytes of a head.
pub(super) const HEAD: usize = 40;

/// Bytes that begin a head.
pub(super) const MARKER: [u8; 4] = [0xd7, b'W', b'F', 0x1a];

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A delivery as it is.
    Plain,
    /// A delivery, compressed with zstd.
    Zstd,
    /// Nothing: the log was closed in order, and everything before it was synced.
    Seal,
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) length: u32,
    pub(super) plain: u32,
    pub(super) sequence: u64,
    pub(super) batch: u64,
    pub(super) crc: u32,
}

impl Head {
    /// As bytes, for a segment with this salt.
    pub(super) fn written(&self, salt: u64) -> [u8; HEAD] {
        let kind = match self.kind {
            Kind::Plain => 1,
            Kind::Zstd => 2,
            Kind::Seal => 3u32,
        };
        let mut out = [0; HEAD];
        let mut rest = out.as_mut_slice();
        rest.put_slice(&MARKER);
        rest.put_u32_le(self.length);
        rest.put_u64_le(self.sequence);
        rest.put_u64_le(self.batch);
        rest.put_u32_le(kind);
        rest.put_u32_le(self.plain);
        rest.put_u32_le(self.crc);
        let crc = checksum(salt, out.get(..HEAD - 4).unwrap_or_default());
        if let Some(end) = out.last_chunk_mut() {
            *end = crc.to_le_bytes();
        }
        out
    }

    /// Reads the head that `bytes` begin with, when it is sound.
    pub(super) fn read(bytes: &[u8], salt: u64) -> Option<Self> {
        let whole: &[u8; HEAD] = bytes.first_chunk()?;
        let (front, crc) = whole.split_last_chunk()?;
        let mut rest = front.strip_prefix(&MARKER)?;
        if checksum(salt, front) != u32::from_le_bytes(*crc) {
            return None;
        }
        let length = rest.try_get_u32_le().ok()?;
        let sequence = rest.try_get_u64_le().ok()?;
        let batch = rest.try_get_u64_le().ok()?;
        let kind = match rest.try_get_u32_le().ok()? {
            1 => Kind::Plain,
            2 => Kind::Zstd,
            3 => Kind::Seal,
            _ => return None,
        };
        let plain = rest.try_get_u32_le().ok()?;
        let crc = rest.try_get_u32_le().ok()?;
        Some(Self { kind, length, plain, sequence, batch, crc })
    }
}

/// CRC-32 of a salt and bytes.
fn checksum(salt: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    const SAMPLE: Head =
        Head { kind: Kind::Zstd, length: 7, plain: 900, sequence: 12, batch: 11, crc: 5 };

    #[test]
    fn reads_what_it_writes_with_the_same_salt_alone() {
        let bytes = SAMPLE.written(3);
        assert_eq!(Head::read(&bytes, 3), Some(SAMPLE));
        assert_eq!(Head::read(&bytes, 4), None);
        assert_eq!(Head::read(bytes.get(..39).unwrap(), 3), None);
    }

    #[test]
    fn no_bit_may_differ() {
        for bit in 0..HEAD * 8 {
            let mut bytes = SAMPLE.written(3);
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::read(&bytes, 3), None, "bit {bit}");
        }
    }
}
