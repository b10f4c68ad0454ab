//! Syslog over a stream, RFC 6587: octet counting (`LENGTH SP MESSAGE`) and non-transparent framing
//! (a message ends with LF, or NUL as some senders have it). Which it is is told for each frame:
//! syslog begins with `<`, a count with a digit.

use bytes::{Buf, BytesMut};
use model::FlawKind;

/// Digits that a count may have.
const DIGITS: usize = 8;

/// Counts above this are not believed: they are text that begins with a number.
const BELIEVED: usize = 64 << 20;

/// A frame, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) text: BytesMut,
    pub(super) flaw: Option<(FlawKind, &'static str)>,
}

/// Takes a stream apart. It holds one message at most, and what was read behind it.
pub(super) struct Decoder {
    /// What was received and not taken apart yet.
    pub(super) buffer: BytesMut,
    /// The most that a message may have; what is longer is cut.
    limit: usize,
    state: State,
    /// True once a count was right: whoever counts, counts always.
    counted: bool,
}

#[derive(Clone, Copy)]
enum State {
    /// A frame begins here.
    Between,
    /// A line, which has no end in so many bytes.
    Line {
        seen: usize,
    },
    /// A message of a known length.
    Counted {
        length: usize,
    },
    /// The rest of a message that was cut.
    SkipCounted {
        left: usize,
    },
    SkipLine,
}

/// What a frame begins with.
enum Start {
    Count {
        length: usize,
        digits: usize,
    },
    Line,
    /// More bytes must come before it can be told.
    Unknown,
}

impl Decoder {
    pub(super) fn new(limit: usize) -> Self {
        let (buffer, state) = (BytesMut::new(), State::Between);
        Self { buffer, limit: limit.max(1), state, counted: false }
    }

    /// True when a message has begun and is not all there.
    pub(super) fn is_inside(&self) -> bool {
        !self.buffer.is_empty() || !matches!(self.state, State::Between)
    }

    /// The next message, if it is all there, or as much of it as is kept.
    pub(super) fn next(&mut self) -> Option<Message> {
        loop {
            match self.state {
                State::Between => self.begin()?,
                State::Line { seen } => return self.line(seen),
                State::Counted { length } => return self.count(length),
                State::SkipCounted { left } => {
                    let step = left.min(self.buffer.len());
                    self.buffer.advance(step);
                    self.state = State::SkipCounted { left: left - step };
                    if step < left {
                        return None;
                    }
                    self.state = State::Between;
                }
                State::SkipLine => {
                    let end = self.buffer.iter().position(|b| ends_line(*b));
                    self.buffer.advance(end.unwrap_or(self.buffer.len()));
                    end?;
                    self.state = State::Between;
                }
            }
        }
    }

    /// The stream is over, or nothing came for too long: what is left of a message.
    pub(super) fn finish(&mut self) -> Option<Message> {
        let state = std::mem::replace(&mut self.state, State::Between);
        let text = self.buffer.split();
        let flaw = match state {
            State::SkipCounted { .. } | State::SkipLine => return None,
            State::Counted { .. } => {
                Some((FlawKind::Truncated, "the stream ends inside this message"))
            }
            State::Between | State::Line { .. } => None,
        };
        (!text.is_empty()).then_some(Message { text, flaw })
    }

    /// Finds out what begins here.
    fn begin(&mut self) -> Option<()> {
        let ends = self.buffer.iter().position(|b| !ends_line(*b) && *b != b'\r');
        self.buffer.advance(ends.unwrap_or(self.buffer.len()));
        self.state = match start(&self.buffer, self.counted) {
            Start::Unknown => return None,
            Start::Line => State::Line { seen: 0 },
            Start::Count { length, digits } => {
                self.buffer.advance(digits + 1);
                self.counted = true;
                State::Counted { length }
            }
        };
        Some(())
    }

    fn line(&mut self, seen: usize) -> Option<Message> {
        let fresh = self.buffer.get(seen..).unwrap_or_default();
        let end = fresh.iter().position(|b| ends_line(*b)).map(|at| seen + at);
        if end.unwrap_or(self.buffer.len()) > self.limit {
            self.state = State::SkipLine;
            return Some(self.cut());
        }
        let Some(end) = end else {
            self.state = State::Line { seen: self.buffer.len() };
            return None;
        };
        let text = self.buffer.split_to(end);
        self.state = State::Between;
        let astray = self.counted && text.first() != Some(&b'<');
        let flaw = (FlawKind::Syntax, "neither a length nor a priority in front of this message");
        Some(Message { text, flaw: astray.then_some(flaw) })
    }

    fn count(&mut self, length: usize) -> Option<Message> {
        if length > self.limit && self.buffer.len() >= self.limit {
            self.state = State::SkipCounted { left: length - self.limit };
            return Some(self.cut());
        }
        if self.buffer.len() < length {
            return None;
        }
        self.state = State::Between;
        Some(Message { text: self.buffer.split_to(length), flaw: None })
    }

    fn cut(&mut self) -> Message {
        let text = self.buffer.split_to(self.limit.min(self.buffer.len()));
        Message {
            text,
            flaw: Some((FlawKind::Limit, "the message is too long; its end is cut off")),
        }
    }
}

fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\n' | 0)
}

/// Tells a count from a line. A line may begin with a number: a count is believed when a priority
/// follows it, or when there was one before.
fn start(bytes: &[u8], counted: bool) -> Start {
    let digits = bytes.iter().take(DIGITS + 1).take_while(|b| b.is_ascii_digit()).count();
    let number = bytes.get(..digits).unwrap_or_default();
    let behind = bytes.get(digits..).unwrap_or_default();
    if !bytes.is_empty() && (digits == 0 || digits > DIGITS || bytes.starts_with(b"0")) {
        return Start::Line;
    }
    match behind {
        [] | [b' '] => Start::Unknown,
        [b' ', next, ..] if *next == b'<' || counted => {
            let length = number.iter().fold(0, |n, b| n * 10 + usize::from(b - b'0'));
            if length <= BELIEVED { Start::Count { length, digits } } else { Start::Line }
        }
        _ => Start::Line,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The messages of a stream that comes in pieces of this size, with what is wrong with them.
    fn read(stream: &[u8], piece: usize, limit: usize) -> Vec<(String, Option<FlawKind>)> {
        let mut decoder = Decoder::new(limit);
        let mut messages = Vec::new();
        for piece in stream.chunks(piece) {
            decoder.buffer.extend_from_slice(piece);
            messages.extend(std::iter::from_fn(|| decoder.next()));
            assert!(decoder.buffer.len() <= limit + piece.len() + 16, "holds too much");
        }
        messages.extend(decoder.finish());
        let told = |m: Message| {
            (String::from_utf8_lossy(&m.text).into_owned(), m.flaw.map(|(kind, _)| kind))
        };
        messages.into_iter().map(told).collect()
    }

    fn texts(stream: &[u8]) -> Vec<String> {
        let whole = read(stream, stream.len().max(1), 1000);
        for piece in 1..stream.len() {
            assert_eq!(read(stream, piece, 1000), whole, "in pieces of {piece}");
        }
        whole.into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn both_framings_and_all_trailers() {
        assert_eq!(
            texts(b"<1>a\n<2>b\r\n<3>c\0<4>d\n\0<5>e"),
            ["<1>a", "<2>b\r", "<3>c", "<4>d", "<5>e"]
        );
        assert_eq!(texts(b"4 <1>a7 <2>b\nc\n5 <3>d\n"), ["<1>a", "<2>b\nc\n", "<3>d\n"]);
        // Some count and end the line as well; some do one after the other.
        assert_eq!(texts(b"4 <1>a\n4 <2>b\n<3>c\n4 <4>d"), ["<1>a", "<2>b", "<3>c", "<4>d"]);
        // Lines that begin with a number.
        assert_eq!(texts(b"2026 was a year\n12\n"), ["2026 was a year", "12"]);
        assert_eq!(texts(b"123456789 <1>a\n"), ["123456789 <1>a"]);
        assert_eq!(texts(b"99999999 <1>a\n"), ["99999999 <1>a"]);
        assert_eq!(texts(b"\n\n\0\r\n"), Vec::<String>::new());
    }

    #[test]
    fn who_counts_once_counts_always() {
        assert_eq!(texts(b"4 <1>a6 no pri4 <2>b"), ["<1>a", "no pri", "<2>b"]);
        let astray = read(b"4 <1>axx\n4 <2>b", 100, 100);
        let whole = |text: &str| (text.to_owned(), None);
        let wrong = ("xx".to_owned(), Some(FlawKind::Syntax));
        assert_eq!(astray, [whole("<1>a"), wrong, whole("<2>b")]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_next_is_whole() {
        let long = "x".repeat(50);
        for piece in [1, 7, 200] {
            let lines = read(format!("<1>{long}\n<2>b\n").as_bytes(), piece, 10);
            let cut = ("<1>xxxxxxx".to_owned(), Some(FlawKind::Limit));
            assert_eq!(lines, [cut.clone(), ("<2>b".to_owned(), None)], "{piece}");
            let counted = read(format!("53 <1>{long}4 <2>b").as_bytes(), piece, 10);
            assert_eq!(counted, [cut, ("<2>b".to_owned(), None)], "{piece}");
        }
    }

    #[test]
    fn what_breaks_off_is_said() {
        let ends = read(b"10 <1>abc", 100, 100);
        assert_eq!(ends, [("<1>abc".to_owned(), Some(FlawKind::Truncated))]);
        assert_eq!(read(b"10 ", 1, 100), [("10 ".to_owned(), None)]);
    }

    proptest! {
        #[test]
        fn counted_messages_come_out_as_they_went_in(
            messages in vec(vec(any::<u8>(), 1..60), 1..20), piece in 1usize..50,
        ) {
            let mut stream = Vec::new();
            let mut sent = Vec::new();
            for message in messages {
                let message = [b"<13>", message.as_slice()].concat();
                stream.extend_from_slice(format!("{} ", message.len()).as_bytes());
                stream.extend_from_slice(&message);
                sent.push((String::from_utf8_lossy(&message).into_owned(), None));
            }
            prop_assert_eq!(read(&stream, piece, 1000), sent);
        }

        #[test]
        fn any_bytes_are_bounded_and_end(bytes in vec(any::<u8>(), 0..3000), piece in 1usize..500) {
            read(&bytes, piece, 64);
        }
    }
}
