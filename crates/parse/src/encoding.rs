//! Byte order marks, and UTF-16 text made UTF-8 as it streams by.

use std::io::{self, Read};

/// How the text of a parcel is encoded, as its first bytes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8, or something that is not text.
    Utf8,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
}

/// The encoding, and how many bytes its mark takes.
pub(crate) fn detect(head: &[u8]) -> (Encoding, usize) {
    match head {
        [0xEF, 0xBB, 0xBF, ..] => (Encoding::Utf8, 3),
        // A UTF-32 mark begins like one of UTF-16; nobody writes logs in it.
        [0xFF, 0xFE, 0, 0, ..] => (Encoding::Utf8, 0),
        [0xFF, 0xFE, ..] => (Encoding::Utf16Le, 2),
        [0xFE, 0xFF, ..] => (Encoding::Utf16Be, 2),
        _ => (unmarked(head), 0),
    }
}

/// Text without a mark is UTF-16 when nearly every other byte is NUL and the rest is printable.
fn unmarked(head: &[u8]) -> Encoding {
    let sample = head.get(..head.len().min(512)).unwrap_or_default();
    if sample.len() < 16 {
        return Encoding::Utf8;
    }
    let pairs = sample.chunks_exact(2);
    let total = pairs.len();
    let printable = |b: u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let count = |want: fn(u8, u8) -> (u8, u8)| {
        sample
            .chunks_exact(2)
            .filter(|pair| match pair {
                [a, b] => {
                    let (nul, text) = want(*a, *b);
                    nul == 0 && printable(text)
                }
                _ => false,
            })
            .count()
    };
    if count(|a, b| (b, a)) * 10 >= total * 9 {
        Encoding::Utf16Le
    } else if count(|a, b| (a, b)) * 10 >= total * 9 {
        Encoding::Utf16Be
    } else {
        Encoding::Utf8
    }
}

/// A reader of UTF-16 that gives UTF-8. Lone surrogates come out as U+FFFD.
pub(crate) struct Utf16<R> {
    inner: R,
    big_endian: bool,
    /// Bytes read and not decoded yet: an odd one, or a high surrogate.
    pending: Vec<u8>,
    decoded: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Utf16<R> {
    /// Reads from `inner`, which stands behind the byte order mark.
    pub(crate) fn new(inner: R, encoding: Encoding) -> Self {
        Self {
            inner,
            big_endian: encoding == Encoding::Utf16Be,
            pending: Vec::new(),
            decoded: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    /// Decodes the next piece of the input.
    fn refill(&mut self) -> io::Result<()> {
        self.decoded.clear();
        self.given = 0;
        let before = self.pending.len();
        let read = self.inner.by_ref().take(32 * 1024).read_to_end(&mut self.pending)?;
        self.ended = read == 0;
        if self.ended && before == 0 {
            return Ok(());
        }
        let mut units: Vec<u16> = self
            .pending
            .chunks_exact(2)
            .map(|pair| match (pair, self.big_endian) {
                ([a, b], true) => u16::from_be_bytes([*a, *b]),
                ([a, b], false) => u16::from_le_bytes([*a, *b]),
                _ => 0,
            })
            .collect();
        let mut keep = self.pending.len() % 2;
        if !self.ended && units.last().is_some_and(|unit| (0xD800..0xDC00).contains(unit)) {
            units.pop();
            keep += 2;
        }
        let mut buffer = [0; 4];
        for unit in char::decode_utf16(units) {
            let c = unit.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.decoded.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
        }
        if self.ended {
            if keep > 0 {
                self.decoded.extend_from_slice("\u{FFFD}".as_bytes());
            }
            self.pending.clear();
        } else {
            self.pending.drain(..self.pending.len() - keep);
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.decoded.len() && !self.ended {
            self.refill()?;
        }
        let ready = self.decoded.get(self.given..).unwrap_or_default();
        let n = ready.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..n), ready.get(..n)) {
            to.copy_from_slice(from);
        }
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
        let mut decoded = Vec::new();
        let _ = Utf16::new(bytes, encoding).read_to_end(&mut decoded);
        decoded
    }

    #[test]
    fn utf16_comes_out_as_utf8_however_it_is_cut() {
        let text = "{\"a\": \"é😀\"}\n".repeat(9_000);
        for (encoding, big) in [(Encoding::Utf16Le, false), (Encoding::Utf16Be, true)] {
            let bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() })
                .collect();
            let ascii = bytes.get(..14).unwrap_or_default().repeat(9);
            assert_eq!(detect(&ascii).0, encoding);
            assert_eq!(decode(&bytes, encoding), text.as_bytes());
        }
    }

    #[test]
    fn odd_bytes_and_lone_surrogates_are_replaced() {
        assert_eq!(
            decode(&[0x41, 0, 0x00, 0xD8, 0x42], Encoding::Utf16Le),
            "A\u{FFFD}\u{FFFD}".as_bytes()
        );
        assert_eq!(decode(&[], Encoding::Utf16Le), b"");
        assert_eq!(detect(b"plain text of one line").0, Encoding::Utf8);
    }
}
