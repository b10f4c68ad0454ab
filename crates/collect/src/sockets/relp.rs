//! RELP, the Reliable Event Logging Protocol, as a server: a message is answered when it is on the
//! disk, and its sender keeps it until then.
//!
//! A frame is `TRANSACTION SP COMMAND SP LENGTH [SP DATA] LF`. A client opens with offers (`open`),
//! sends messages (`syslog`) without waiting for each answer, as many as its window has, and ends
//! with `close`. The server answers each frame by its transaction with `rsp`, whose data begins with
//! `200 OK` or `500` and a reason, and may say `serverclose`. Written from the protocol's text
//! (librelp's `relp.html`).

use bytes::{Buf, BytesMut};
use model::FlawKind;

/// Bytes that may stand in front of the data: three words and their blanks.
const HEADER: usize = 9 + 1 + 32 + 1 + 9;

/// Lengths above this are an error.
const BELIEVED: usize = 128 << 20;

/// What a client asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Open,
    Syslog,
    Close,
    /// Something else, which is answered with an error.
    Unknown,
}

/// A frame. `cut` says that its data was longer than what is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) transaction: u32,
    pub(super) command: Command,
    pub(super) data: BytesMut,
    pub(super) flaw: Option<(FlawKind, &'static str)>,
}

/// Bytes that are no RELP. There is no way to go on behind them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Takes a stream apart.
pub(super) struct Decoder {
    pub(super) buffer: BytesMut,
    limit: usize,
    /// A frame whose data is too long, and how much of the data is still to be skipped.
    skipping: Option<(Frame, usize)>,
}

/// The words in front of the data.
struct Head {
    transaction: u32,
    command: Command,
    length: usize,
    /// Bytes that the words take, without what follows the length.
    bytes: usize,
}

impl Decoder {
    pub(super) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit: limit.max(1), skipping: None }
    }

    pub(super) fn is_inside(&self) -> bool {
        !self.buffer.is_empty() || self.skipping.is_some()
    }

    /// The next frame, if it is all there.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Broken> {
        if let Some((frame, left)) = self.skipping.take() {
            return self.skip(frame, left);
        }
        let Some(head) = head(&self.buffer)? else { return Ok(None) };
        // No data, no blank; but some send one.
        let blank = usize::from(head.length > 0 || self.buffer.get(head.bytes) == Some(&b' '));
        let begin = head.bytes + blank;
        let kept = head.length.min(self.limit);
        let whole = begin + head.length;
        let enough = if kept < head.length { begin + kept } else { whole + 1 };
        if self.buffer.len() < enough {
            return Ok(None);
        }
        if head.length > 0 && self.buffer.get(head.bytes) != Some(&b' ') {
            return Err(Broken);
        }
        self.buffer.advance(begin);
        let data = self.buffer.split_to(kept);
        let Head { transaction, command, .. } = head;
        let frame = Frame { transaction, command, data, flaw: None };
        if kept < head.length {
            let flaw = Some((FlawKind::Limit, "the message is too long; its end is cut off"));
            return self.skip(Frame { flaw, ..frame }, head.length - kept);
        }
        self.end(frame).map(Some)
    }

    fn skip(&mut self, frame: Frame, left: usize) -> Result<Option<Frame>, Broken> {
        let step = left.min(self.buffer.len());
        self.buffer.advance(step);
        if step < left || self.buffer.is_empty() {
            self.skipping = Some((frame, left - step));
            return Ok(None);
        }
        self.end(frame).map(Some)
    }

    /// Takes the line feed that ends a frame.
    fn end(&mut self, frame: Frame) -> Result<Frame, Broken> {
        if self.buffer.first() != Some(&b'\n') {
            return Err(Broken);
        }
        self.buffer.advance(1);
        Ok(frame)
    }
}

fn head(bytes: &[u8]) -> Result<Option<Head>, Broken> {
    let window = bytes.get(..bytes.len().min(HEADER + 1)).unwrap_or_default();
    let missing = || if bytes.len() > HEADER { Err(Broken) } else { Ok(None) };
    let mut at = 0;
    let mut words = [&b""[..]; 3];
    for (number, word) in words.iter_mut().enumerate() {
        let rest = window.get(at..).unwrap_or_default();
        let Some(end) = rest.iter().position(|b| matches!(b, b' ' | b'\n')) else {
            // What is there already must be right, or nothing would ever end it.
            let right = rest.iter().all(u8::is_ascii_alphanumeric);
            return if right { missing() } else { Err(Broken) };
        };
        if number < 2 && rest.get(end) != Some(&b' ') {
            return Err(Broken);
        }
        *word = rest.get(..end).unwrap_or_default();
        at += end + 1;
    }
    let [transaction, command, length] = words;
    let transaction = number(transaction).ok_or(Broken)?;
    let length = number(length).ok_or(Broken)? as usize;
    let named = (1..=32).contains(&command.len()) && command.iter().all(u8::is_ascii_alphabetic);
    if transaction == 0 || length > BELIEVED || !named {
        return Err(Broken);
    }
    let command = match command {
        b"open" => Command::Open,
        b"syslog" => Command::Syslog,
        b"close" => Command::Close,
        _ => Command::Unknown,
    };
    Ok(Some(Head { transaction, command, length, bytes: at - 1 }))
}

fn number(digits: &[u8]) -> Option<u32> {
    let right = (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    right.then(|| digits.iter().fold(0, |n, b| n * 10 + u32::from(b - b'0')))
}

/// The versions that a server of ours speaks.
const VERSIONS: std::ops::RangeInclusive<u32> = 0..=1;

/// The answer to an `open`, and whether the session is open by it.
pub(super) fn open(offers: &[u8]) -> (String, bool) {
    let offers = String::from_utf8_lossy(offers);
    let offer = |wanted: &str| {
        let pairs = offers.lines().filter_map(|line| line.split_once('='));
        pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value.trim()).next()
    };
    let Some(version) = offer("relp_version").and_then(|v| v.parse::<u32>().ok()) else {
        return ("500 no relp_version is offered".to_owned(), false);
    };
    if !offer("commands").is_some_and(|c| c.split(',').any(|c| c.trim() == "syslog")) {
        return ("500 the command syslog is not offered".to_owned(), false);
    }
    let version = version.clamp(*VERSIONS.start(), *VERSIONS.end());
    let answer =
        format!("200 OK\nrelp_version={version}\nrelp_software=watchfloor\ncommands=syslog");
    (answer, true)
}

/// Adds the answer to a transaction.
pub(super) fn answer(out: &mut Vec<u8>, transaction: u32, data: &str) {
    let blank = if data.is_empty() { "" } else { " " };
    out.extend_from_slice(format!("{transaction} rsp {}{blank}{data}\n", data.len()).as_bytes());
}

/// Says that the server ends the session.
pub(super) const SERVER_CLOSE: &[u8] = b"0 serverclose 0\n";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn read(stream: &[u8], piece: usize) -> Result<Vec<(u32, Command, String, bool)>, Broken> {
        let mut decoder = Decoder::new(20);
        let mut frames = Vec::new();
        for piece in stream.chunks(piece) {
            decoder.buffer.extend_from_slice(piece);
            while let Some(frame) = decoder.next()? {
                let data = String::from_utf8_lossy(&frame.data).into_owned();
                frames.push((frame.transaction, frame.command, data, frame.flaw.is_some()));
            }
            assert!(decoder.buffer.len() <= 20 + HEADER + piece.len(), "holds too much");
        }
        Ok(frames)
    }

    #[test]
    fn frames() {
        let stream = b"1 open 5 a=b\nc\n2 syslog 3 x\ny\n3 syslog 25 0123456789012345678901234\n\
            4 starttls 0\n999999999 close 0 \n";
        let frame = |number, command, data: &str| (number, command, data.to_owned(), false);
        let whole = [
            frame(1, Command::Open, "a=b\nc"),
            frame(2, Command::Syslog, "x\ny"),
            (3, Command::Syslog, "01234567890123456789".to_owned(), true),
            frame(4, Command::Unknown, ""),
            frame(999_999_999, Command::Close, ""),
        ];
        for piece in 1..=stream.len() {
            assert_eq!(read(stream, piece).unwrap(), whole, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_relp() {
        for stream in [
            "GET / HTTP/1.1\r\n",
            "0 syslog 0\n",
            "1 syslog 999999999 x",
            "1 syslog 2 abc\n",
            "1 syslog\n",
            "1 sys-log 0\n",
            "1234567890 syslog 0\n",
            "\n1 syslog 0\n",
            "\u{16}\u{3}\u{1}",
            &"1".repeat(100),
        ] {
            assert_eq!(read(stream.as_bytes(), 100), Err(Broken), "{stream}");
        }
    }

    #[test]
    fn answers() {
        let (answer_text, open_now) = open(b"relp_version=7\nrelp_software=x\ncommands=a,syslog");
        assert!(open_now && answer_text.starts_with("200 OK\nrelp_version=1\n"), "{answer_text}");
        assert!(!open(b"commands=syslog").1);
        assert!(!open(b"relp_version=0\ncommands=eventlog").1);
        let mut out = Vec::new();
        answer(&mut out, 12, "200 OK");
        answer(&mut out, 13, "");
        assert_eq!(out, b"12 rsp 6 200 OK\n13 rsp 0\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_bounded_and_end(bytes in vec(any::<u8>(), 0..300), piece in 1usize..50) {
            let _broken = read(&bytes, piece);
            let numbered = [b"1 syslog 30 ", bytes.as_slice()].concat();
            let _broken = read(&numbered, piece);
        }
    }
}
