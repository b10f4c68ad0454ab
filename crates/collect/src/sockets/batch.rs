//! The messages of a delivery, each behind its length.
//!
//! A message that came whole stays whole: `LENGTH SP MESSAGE LF`, the octet counting of RFC 6587,
//! so that a line break inside a message begins no second one. The line break behind each is not
//! counted; it lets a reader see that the length is right, and a person read along.

use bytes::Bytes;
use model::{Flaw, FlawKind};

/// Flaws that a delivery carries; more are only counted.
const FLAWS: usize = 100;

/// Messages that are gathered.
#[derive(Default)]
pub(super) struct Batch {
    out: Vec<u8>,
    flaws: Vec<Flaw>,
    messages: u64,
    flaw_count: u64,
}

/// A batch that is complete.
pub(super) struct Packed {
    pub(super) bytes: Bytes,
    pub(super) flaws: Vec<Flaw>,
    pub(super) messages: u64,
    pub(super) flaw_count: u64,
}

impl Batch {
    /// Adds a message, without what ends it (CR, LF, NUL). One of which nothing is left is none.
    pub(super) fn push(&mut self, message: &[u8], flaw: Option<(FlawKind, &str)>) {
        let end = message.iter().rposition(|b| !matches!(b, b'\r' | b'\n' | 0));
        let message = message.get(..end.map_or(0, |end| end + 1)).unwrap_or_default();
        if let Some((kind, text)) = flaw {
            self.flaw_count += 1;
            if self.flaws.len() < FLAWS {
                let offset = self.out.len() as u64;
                let record_lost = message.is_empty();
                self.flaws.push(Flaw { offset, kind, message: text.to_owned(), record_lost });
            }
        }
        if message.is_empty() {
            return;
        }
        let mut digits = [0; 20];
        self.out.extend_from_slice(decimal(message.len(), &mut digits));
        self.out.push(b' ');
        self.out.extend_from_slice(message);
        self.out.push(b'\n');
        self.messages += 1;
    }

    /// True when there is nothing to deliver.
    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty() && self.flaws.is_empty()
    }

    /// Bytes of the delivery that this would be.
    pub(super) fn size(&self) -> usize {
        self.out.len()
    }

    /// The batch as it is; what comes next begins another.
    pub(super) fn pack(&mut self) -> Packed {
        let Self { out, flaws, messages, flaw_count } = std::mem::take(self);
        Packed { bytes: out.into(), flaws, messages, flaw_count }
    }
}

/// A number in decimal, in the end of `digits`.
fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start = at;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn counts_octets_and_leaves_trailers_out() {
        let mut batch = Batch::default();
        batch.push(b"<34>one\ntwo\r\n", None);
        batch.push(b"\r\n\0", None);
        batch.push("<1>ä".as_bytes(), Some((FlawKind::Limit, "cut")));
        let packed = batch.pack();
        assert_eq!(packed.bytes, "11 <34>one\ntwo\n5 <1>ä\n".as_bytes());
        assert_eq!((packed.messages, packed.flaw_count), (2, 1));
        assert_eq!((packed.flaws[0].offset, packed.flaws[0].record_lost), (15, false));
        assert!(batch.is_empty());
    }
}
