//! What comes of a stream, line by line: what is new of it is gathered until it is worth a delivery.

use std::time::{Duration, Instant};

use model::{Flaw, FlawKind, inert};
use serde_json::value::RawValue;

use super::{PIECE, find};

/// Bytes of a line.
const LINE: usize = 4 << 20;
/// The longest that a line waits for others.
const HOLD: Duration = Duration::from_secs(2);
/// Flaws of one delivery.
const FLAWS: usize = 1_000;

/// What came of a stream and was not handed in yet.
#[derive(Default)]
pub(super) struct Gathered {
    /// The highest number that came.
    pub(super) seen: Option<u64>,
    /// What is strange about what came.
    pub(super) strange: Option<String>,
    bytes: Vec<u8>,
    flaws: Vec<Flaw>,
    lines: u64,
    since: Option<Instant>,
    /// A line that is not whole yet.
    part: Vec<u8>,
    /// Bytes of a line that is too long to be kept.
    skipped: usize,
}

impl Gathered {
    /// What comes is behind this number.
    pub(super) fn behind(seen: Option<u64>) -> Self {
        Self { seen, ..Self::default() }
    }

    /// Takes bytes as they come, cut anywhere. `offset` is where a record says its number.
    pub(super) fn read(&mut self, bytes: &[u8], offset: &str, now: Instant) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            if self.skipped > 0 || self.part.len() + text.len() > LINE {
                self.skipped += self.part.len() + text.len();
                self.part = Vec::new();
            } else {
                self.part.extend_from_slice(text);
            }
            if whole && self.skipped > 0 {
                self.leave_out();
            } else if whole {
                let line = std::mem::take(&mut self.part);
                self.line(line.trim_ascii(), offset, now);
            }
        }
    }

    /// The stream broke off: what it was in the midst of comes again.
    pub(super) fn cut(&mut self) {
        self.part = Vec::new();
        self.skipped = 0;
    }

    fn leave_out(&mut self) {
        let size = std::mem::take(&mut self.skipped);
        let message = format!("a line of {size} bytes was left out: one has {LINE} at most");
        self.strange = Some(message.clone());
        if self.flaws.len() < FLAWS {
            let offset = self.bytes.len() as u64;
            self.flaws.push(Flaw { offset, kind: FlawKind::Limit, message, record_lost: true });
        }
    }

    fn line(&mut self, line: &[u8], offset: &str, now: Instant) {
        if line.is_empty() {
            // It says that the stream lives.
            return;
        }
        let text = std::str::from_utf8(line).unwrap_or_default();
        let raw: Option<&RawValue> = serde_json::from_str(text).ok();
        let number = raw.and_then(|raw| find::text(raw, offset)?.parse::<u64>().ok());
        match (number, self.seen) {
            (Some(number), Some(seen)) if number <= seen => {
                // The last one may come again; before it there is nothing to come.
                if number < seen {
                    let what = format!("a record of number {number} came behind {seen}");
                    self.strange = Some(format!("{what} and was left out"));
                }
                return;
            }
            (Some(number), _) => self.seen = Some(number),
            (None, _) => {
                if let Err(said) = find::refusal(text, Some("errors")) {
                    self.strange = Some(said);
                    return;
                }
                // It is evidence all the same.
                let front: String = text.chars().take(80).collect();
                self.strange = Some(format!("a line has no number: {}", inert(&front)));
            }
        }
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        self.lines += 1;
        self.since.get_or_insert(now);
    }

    /// Lines that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.lines
    }

    /// True when there is enough for a delivery.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= PIECE
    }

    /// When it is to be handed in, if anything is there.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + HOLD)
    }

    /// All that waits, with its flaws; none when nothing does.
    pub(super) fn take(&mut self) -> Option<(Vec<u8>, Vec<Flaw>)> {
        self.since.take()?;
        self.lines = 0;
        self.strange = None;
        Some((std::mem::take(&mut self.bytes), std::mem::take(&mut self.flaws)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn record(number: u64) -> String {
        format!(r#"{{"metadata": {{"offset": {number}}}, "event": {{"x": "ø"}}}}"#)
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = [1, 2, 2, 3, 1].map(record).join("\r\n\r\n") + "\n" + &record(4);
        for size in [1, 2, 7, text.len()] {
            let mut gathered = Gathered::behind(Some(1));
            for chunk in text.as_bytes().chunks(size) {
                gathered.read(chunk, "metadata.offset", Instant::now());
            }
            assert!(gathered.strange.as_deref().unwrap().contains("number 1 came behind 3"));
            gathered.cut();
            let bytes = gathered.take().unwrap().0;
            assert_eq!(
                String::from_utf8(bytes).unwrap(),
                [2, 3].map(|n| record(n) + "\n").concat()
            );
            // What was cut comes again, and nothing of the first half is in front of it.
            gathered.read((record(4) + "\n").as_bytes(), "metadata.offset", Instant::now());
            assert_eq!(gathered.take().unwrap().0, (record(4) + "\n").into_bytes());
            assert_eq!((gathered.seen, gathered.take()), (Some(4), None));
        }
    }

    #[test]
    fn a_line_without_an_end_takes_no_room() {
        let mut gathered = Gathered::behind(None);
        let now = Instant::now();
        gathered.read((record(1) + "\n").as_bytes(), "metadata.offset", now);
        let before = gathered.bytes.len();
        for _ in 0..8 {
            gathered.read(&vec![b'x'; 1 << 20], "metadata.offset", now);
            assert!(gathered.part.len() <= LINE);
        }
        gathered.read(b"\nno record\n", "metadata.offset", now);
        let (bytes, flaws) = gathered.take().unwrap();
        assert!(bytes.ends_with(b"\nno record\n") && bytes.len() < 200);
        assert_eq!((flaws[0].offset, flaws[0].record_lost), (before as u64, true));
        assert!(flaws[0].message.contains("8388608 bytes"), "{flaws:?}");
        gathered.read(br#"{"errors": [{"message": "no more"}]}"#, "metadata.offset", now);
        gathered.read(b"\n", "metadata.offset", now);
        assert_eq!(
            (gathered.strange.as_deref(), gathered.waiting()),
            (Some("the service says: no more"), 0)
        );
    }
}
