//! The wire format of protobuf: tags, numbers, and bytes with their length in front.
//!
//! A message is walked field by field, each with its place. What ends too early is handed out as far
//! as it goes, and the walk then says so.
//!
//! Source: "Encoding", protobuf.dev. Groups, which no current message has, are not read.

use model::FlawKind;

/// A message, or anything else that has its length in front. It iterates over its fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) bytes: &'a [u8],
    /// Where its first byte stands in what is read.
    pub(super) start: usize,
    at: usize,
    /// Why the walk ended, when it was not at the end.
    broken: Option<Broken>,
}

/// What is wrong with a message, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) kind: FlawKind,
    pub(super) message: &'static str,
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// Where it begins in what is read.
    pub(super) place: usize,
    pub(super) number: u32,
    pub(super) value: Wire<'a>,
}

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// A text, bytes or a message.
    Message(Message<'a>),
}

const SHORT: &str = "the message ends in the middle of a field";

impl<'a> Message<'a> {
    /// A message of these bytes, which begin at `start`.
    pub(super) fn new(bytes: &'a [u8], start: usize) -> Self {
        Self { bytes, start, at: 0, broken: None }
    }

    /// Why the walk ended, when it was not at the end of the message.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.broken
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn fail(&mut self, kind: FlawKind, message: &'static str) {
        self.broken = Some(Broken { at: self.start + self.at, kind, message });
    }

    fn varint(&mut self) -> Option<u64> {
        match varint(self.rest()) {
            Ok((number, len)) => {
                self.at += len;
                Some(number)
            }
            Err(true) => {
                self.fail(FlawKind::Truncated, SHORT);
                None
            }
            Err(false) => {
                self.fail(FlawKind::Corrupt, "a number of more than 64 bits");
                None
            }
        }
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        match self.rest().first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Some(*bytes)
            }
            None => {
                self.fail(FlawKind::Truncated, SHORT);
                None
            }
        }
    }

    fn inner(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let start = self.start + self.at;
        let rest = self.rest();
        let bytes = rest.get(..length).unwrap_or(rest);
        self.at += bytes.len();
        if bytes.len() < length {
            self.fail(FlawKind::Truncated, SHORT);
        }
        Some(Message::new(bytes, start))
    }
}

#[allow(clippy::copy_iterator)] // A copy begins anew where the message does.
impl<'a> Iterator for Message<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.broken.is_some() || self.rest().is_empty() {
            return None;
        }
        let tag = self.at;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|n| (1..1 << 29).contains(n));
        let value = match (number, key & 7) {
            (Some(_), 0) => Wire::Varint(self.varint()?),
            (Some(_), 1) => Wire::Fixed64(u64::from_le_bytes(self.fixed()?)),
            (Some(_), 2) => Wire::Message(self.inner()?),
            (Some(_), 5) => Wire::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => {
                self.at = tag;
                self.fail(FlawKind::Corrupt, "these bytes are no field of a protobuf message");
                return None;
            }
        };
        Some(Field { place: self.start + tag, number: number.unwrap_or_default(), value })
    }
}

/// A number of seven bits a byte, and its length. The error says whether more bytes may help.
pub(super) fn varint(bytes: &[u8]) -> Result<(u64, usize), bool> {
    let mut number = 0u64;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7F);
        if place == 9 && part > 1 {
            return Err(false);
        }
        number |= part << (7 * place);
        if byte & 0x80 == 0 {
            return Ok((number, place + 1));
        }
    }
    Err(bytes.len() < 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(varint(&[0]), Ok((0, 1)));
        assert_eq!(varint(&[0xAC, 0x02, 9]), Ok((300, 2)));
        let most = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
        assert_eq!(varint(&most), Ok((u64::MAX, 10)));
        assert_eq!(varint(&[0x80, 0x80]), Err(true));
        assert_eq!(varint(&[0xFF; 10]), Err(false));
        assert_eq!(varint(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2]), Err(false));
    }

    #[test]
    fn what_is_cut_off_is_handed_out_and_then_said() {
        let mut message = Message::new(&[0x08, 5, 0x12, 4, b'a', b'b'], 100);
        assert!(matches!(message.next().unwrap().value, Wire::Varint(5)));
        let Wire::Message(text) = message.next().unwrap().value else { panic!() };
        assert_eq!((text.bytes, text.start), (&b"ab"[..], 104));
        assert!(message.next().is_none());
        let broken = message.broken().unwrap();
        assert_eq!((broken.at, broken.kind), (106, FlawKind::Truncated));
    }

    #[test]
    fn what_is_no_field_ends_the_walk_at_its_place() {
        for bytes in [&[0x08, 1, 0x0B][..], &[0x08, 1, 0x00, 1], &[0x08, 1, 0x0F]] {
            let mut message = Message::new(bytes, 0);
            assert!(message.next().is_some() && message.next().is_none());
            assert_eq!(message.broken().map(|b| (b.at, b.kind)), Some((2, FlawKind::Corrupt)));
        }
    }
}
