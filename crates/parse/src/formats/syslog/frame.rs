//! Where one syslog record ends and the next begins.

use model::FlawKind;

use super::header::priority;
use crate::line::Frame;
use crate::{seek, timestamp};

/// Lines that a record may have behind its first.
const MAX_LINES: usize = 256;

/// Bytes that a record may have behind its first line.
const MAX_BYTES: usize = 64 * 1024;

/// Bytes that a counted message may have; daemons stop at a tenth of it.
const MAX_COUNT: usize = 1024 * 1024;

/// True when a line goes on with the one before whatever it says.
pub(super) fn is_blank_led(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// True when a record begins with this line. It depends on the first bytes alone, so that it is as
/// true of a line that is not all there yet.
fn begins_record(line: &[u8]) -> bool {
    match line.first() {
        Some(b'<') => priority(line).is_some(),
        // What a crash leaves behind stands in front of a new line.
        Some(0) => true,
        Some(b'*' | b'.') => line.get(1..).is_some_and(|t| timestamp::leading(t).is_some()),
        Some(b'{') => line.starts_with(b"{\""),
        Some(b'%') => line.get(1).is_some_and(u8::is_ascii_uppercase),
        Some(b'C') => line.starts_with(b"CEF:"),
        Some(b'L') => line.starts_with(b"LEEF:"),
        Some(b'd') if line.starts_with(b"date=") => true,
        Some(b't') if line.starts_with(b"type=") => true,
        Some(b'n') if line.starts_with(b"node=") => true,
        _ => timestamp::leading(line).is_some(),
    }
}

/// The records of a chunk that begins with a record: a line that begins one, with the lines behind
/// it that do not, as far as the bounds reach. A line out of place is a record of its own. Where a
/// record begins, nothing before it matters.
pub(super) struct Records<'a> {
    chunk: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(chunk: &'a [u8]) -> Self {
        Self { chunk, at: 0 }
    }

    /// The line at `at`, without its end, and where the next one begins.
    fn line(&self, at: usize) -> (&'a [u8], usize) {
        let rest = self.chunk.get(at..).unwrap_or_default();
        match seek::find(b'\n', rest) {
            Some(end) => (rest.get(..end).unwrap_or_default(), at + end + 1),
            None => (rest, self.chunk.len()),
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let start = self.at;
        if start >= self.chunk.len() {
            return None;
        }
        let (first, mut next) = self.line(start);
        let mut end = start + first.len();
        if begins_record(first) {
            for _ in 0..MAX_LINES {
                if next >= self.chunk.len() {
                    break;
                }
                // The first byte settles most lines before their end is looked for.
                let front = self.chunk.get(next..(next + 64).min(self.chunk.len()));
                let front = front.and_then(|f| f.split(|&b| b == b'\n').next()).unwrap_or_default();
                if begins_record(front) {
                    break;
                }
                let (line, behind) = self.line(next);
                if next + line.len() - start > first.len() + MAX_BYTES {
                    break;
                }
                if !line.trim_ascii().is_empty() {
                    end = next + line.len();
                }
                next = behind;
            }
        }
        self.at = next;
        Some(Frame { start, end, flaw: None })
    }
}

/// How much of `window`, which begins with a record, is whole records.
pub(super) fn whole_records(window: &[u8], last: bool) -> usize {
    if last {
        return window.len();
    }
    // From the back: the last line that begins a record for certain.
    let mut end = window.len();
    for _ in 0..=MAX_LINES {
        let Some(newline) = seek::rfind(b'\n', window.get(..end).unwrap_or_default()) else {
            break;
        };
        if window.get(newline + 1..).is_some_and(begins_record) {
            return newline + 1;
        }
        end = newline;
    }
    // None in sight: from the front, all records but the last, which may go on.
    Records::new(window).last().map_or(0, |frame| frame.start)
}

/// True when a packet of syslog begins here: a priority and a time, with or without a version.
fn begins_packet(text: &[u8]) -> bool {
    let Some((_, skip)) = priority(text) else { return false };
    let rest = text.get(skip..).unwrap_or_default();
    let rest = rest.strip_prefix(b"1 ").unwrap_or(rest);
    timestamp::leading(rest).is_some()
}

/// True when the head is packets one behind the other, as a capture of UDP leaves them: most begin
/// in the middle of a line. Only then may one begin there, since text in a message could look so.
pub(super) fn is_packed(head: &[u8]) -> bool {
    let (mut inside, mut first) = (0, 0);
    let mut at = 0;
    while let Some(step) = seek::find(b'<', head.get(at..).unwrap_or_default()) {
        at += step;
        if begins_packet(head.get(at..).unwrap_or_default()) {
            let in_line = at > 0 && head.get(at - 1) != Some(&b'\n');
            *(if in_line { &mut inside } else { &mut first }) += 1;
        }
        at += 1;
    }
    inside >= 3 && inside > first
}

/// The packets of a chunk that begins with one.
pub(super) struct Packets<'a> {
    chunk: &'a [u8],
    at: usize,
}

impl<'a> Packets<'a> {
    pub(super) fn new(chunk: &'a [u8]) -> Self {
        Self { chunk, at: 0 }
    }
}

impl Iterator for Packets<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let start = self.at;
        let rest = self.chunk.get(start..).filter(|rest| !rest.is_empty())?;
        let mut len = 1;
        while let Some(step) = seek::find(b'<', rest.get(len..).unwrap_or_default()) {
            len += step;
            if begins_packet(rest.get(len..).unwrap_or_default()) {
                break;
            }
            len += 1;
        }
        if !begins_packet(rest.get(len..).unwrap_or_default()) {
            len = rest.len();
        }
        self.at = start + len;
        let text = rest.get(..len).unwrap_or_default();
        Some(Frame { start, end: start + text.trim_ascii_end().len(), flaw: None })
    }
}

/// How much of `window` is whole packets: up to the last that begins in it.
pub(super) fn whole_packets(window: &[u8], last: bool) -> usize {
    if last {
        return window.len();
    }
    let mut end = window.len();
    while let Some(at) = seek::rfind(b'<', window.get(..end).unwrap_or_default()) {
        if at > 0 && begins_packet(window.get(at..).unwrap_or_default()) {
            return at;
        }
        end = at;
    }
    0
}

/// The count that a frame begins with, and where the message begins: `123 <34>…` is 123 and 4.
pub(super) fn octet_counted(bytes: &[u8]) -> Option<(usize, usize)> {
    let (count, skip) = count(bytes)?;
    priority(bytes.get(skip..)?)?;
    Some((count, skip))
}

/// The same of a message without a priority, which may as well be a line that begins with a number.
fn count(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = bytes.iter().take(8).take_while(|b| b.is_ascii_digit()).count();
    let number = bytes.get(..digits)?;
    if !(1..=7).contains(&digits)
        || number.first() == Some(&b'0')
        || bytes.get(digits) != Some(&b' ')
    {
        return None;
    }
    let count = number.iter().fold(0, |n, b| n * 10 + usize::from(b - b'0'));
    (count <= MAX_COUNT).then_some((count, digits + 1))
}

/// True when a stream of syslog is counted: it begins with a count and a priority, or every message
/// in its head, with or without a priority, is as long as its count and ends its line.
pub(super) fn is_counted(head: &[u8]) -> bool {
    if octet_counted(head).is_some() {
        return true;
    }
    let mut rest = head;
    while let Some((count, skip)) = count(rest) {
        match rest.split_at_checked(skip + count) {
            Some((_, behind)) if behind.first() == Some(&b'\n') => {
                rest = behind.get(1..).unwrap_or_default();
            }
            // The head ends inside of a message, which is not its first.
            None => return rest.len() < head.len(),
            Some(_) => return false,
        }
    }
    rest.is_empty() && !head.is_empty()
}

/// The frames at the front of a counted stream, and how much of `window` they take. A count is
/// believed when it reaches to another frame, the end of a line or the end of all; that of a message
/// without a priority when it reaches to the end of a line, behind which another count stands. A
/// line that no right count covers is a frame of its own, and the next may be counted again.
pub(super) fn counted(window: &[u8], last: bool) -> (usize, Vec<Frame>) {
    let mut frames = Vec::new();
    let mut at = 0;
    loop {
        let start = past_newlines(window, at);
        let rest = window.get(start..).unwrap_or_default();
        if rest.is_empty() {
            return (start, frames);
        }
        // A count and a priority need this many bytes to be seen whole.
        if !last && rest.len() < 13 {
            return (at, frames);
        }
        let counted = octet_counted(rest);
        let bare = if counted.is_none() { count(rest) } else { None };
        if let Some((count, skip)) = bare {
            let end = start + skip + count;
            let behind = window.get(end..).unwrap_or_default();
            if !last && behind.len() < 14 {
                return (at, frames);
            }
            let follows = behind.strip_prefix(b"\n");
            if follows.is_some_and(|rest| rest.is_empty() || self::count(rest).is_some()) {
                frames.push(Frame { start: start + skip, end, flaw: None });
                at = end + 1;
                continue;
            }
        }
        if let Some((count, skip)) = counted {
            let end = start + skip + count;
            if last && window.len() <= end {
                let flaw = (window.len() < end)
                    .then_some((FlawKind::Truncated, "the stream ends inside this message"));
                frames.push(Frame { start: start + skip, end: window.len(), flaw });
                return (window.len(), frames);
            }
            let behind = window.get(end..).unwrap_or_default();
            let follows = behind.get(past_newlines(behind, 0)..).unwrap_or_default();
            if !last && follows.len() < 13 {
                return (at, frames);
            }
            let closed = behind.first() == Some(&b'\n') || window.get(end - 1) == Some(&b'\n');
            if closed || follows.is_empty() || octet_counted(follows).is_some() {
                let message = window.get(start + skip..end).unwrap_or_default();
                let length = message.trim_ascii_end().len();
                frames.push(Frame { start: start + skip, end: start + skip + length, flaw: None });
                at = end;
                continue;
            }
        }
        let end = match seek::find(b'\n', rest) {
            Some(end) => start + end,
            None if last => window.len(),
            None => return (at, frames),
        };
        // A wrong count is no part of the message either.
        let flaw =
            counted.map(|_| (FlawKind::Syntax, "the count in front of the message is wrong"));
        frames.push(Frame { start: start + counted.map_or(0, |(_, skip)| skip), end, flaw });
        at = end;
    }
}

/// The first place at or behind `at` that is no line end.
fn past_newlines(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| matches!(b, b'\n' | b'\r' | 0)).count()
}
