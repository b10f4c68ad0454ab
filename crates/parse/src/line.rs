//! Lines: what most text formats are cut at, with what goes wrong in them.
//!
//! A line format gives one function over a [`Line`] and gets the rest from [`cutter`]: cutting at
//! line ends (LF, CRLF), invalid UTF-8 read lossily and said, runs of NULs that a crash leaves
//! behind, over-long lines skipped and said (by the [`Chunker`](crate::Chunker)).

use std::borrow::Cow;
use std::sync::Arc;

use model::{Flaw, FlawKind, Record, Value};

use crate::{Cut, Cutter, Reader, Sink};

/// One line, without its end. It is never blank.
pub(crate) struct Line<'a> {
    /// The text, control characters and all.
    pub(crate) text: &'a str,
    /// Its exact bytes.
    pub(crate) raw: &'a [u8],
    /// Where it begins in the parcel.
    pub(crate) offset: u64,
    /// What is wrong with it so far.
    pub(crate) flaws: Vec<Flaw>,
}

impl<'a> Line<'a> {
    /// Makes it a record. `fields` must be a map.
    pub(crate) fn record(self, fields: Value<'a>) -> Record<'a> {
        let Self { raw, offset, flaws, .. } = self;
        Record { offset, index: 0, raw: raw.into(), fields, syntax: None, flaws }
    }

    /// Makes it a record of the field `message`: what becomes of a line that its format cannot read.
    pub(crate) fn unread(mut self, problem: &str) -> Record<'a> {
        self.flaw(FlawKind::Syntax, problem);
        let fields = vec![(Cow::Borrowed("message"), Value::from(self.text))];
        self.record(Value::Map(fields))
    }

    /// Adds a flaw to the record that comes of it.
    pub(crate) fn flaw(&mut self, kind: FlawKind, message: impl Into<String>) {
        let message = message.into();
        self.flaws.push(Flaw { offset: self.offset, kind, message, record_lost: false });
    }
}

/// A reader that calls a function for each line.
pub(crate) struct LineReader<F>(pub(crate) F);

impl<F> Reader for LineReader<F>
where
    F: Fn(Line<'_>, &mut dyn Sink) + Send + Sync,
{
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        each_line(chunk, offset, sink, &self.0);
    }
}

/// A cutter that cuts at line ends and always gives the same reader.
pub(crate) struct LineCutter(pub(crate) Arc<dyn Reader>);

impl Cutter for LineCutter {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        Cut { take: whole_lines(window, last), reader: Arc::clone(&self.0) }
    }
}

/// The cutter of a format that has no state: one function, called for each line.
pub(crate) fn cutter(each: fn(Line<'_>, &mut dyn Sink)) -> Box<dyn Cutter> {
    Box::new(LineCutter(Arc::new(LineReader(each))))
}

/// How many bytes of `window` are whole lines: all of them when it is the last.
pub(crate) fn whole_lines(window: &[u8], last: bool) -> usize {
    if last { window.len() } else { memchr::memrchr(b'\n', window).map_or(0, |at| at + 1) }
}

/// A stretch of a chunk that becomes one [`Line`]: usually a line, sometimes several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Where it begins in the chunk.
    pub(crate) start: usize,
    /// Where it ends, its line end left out.
    pub(crate) end: usize,
    /// What framing found wrong with it.
    pub(crate) flaw: Option<(FlawKind, &'static str)>,
}

/// The lines of a chunk as frames.
pub(crate) struct Lines<'a> {
    ends: memchr::Memchr<'a>,
    start: usize,
    len: usize,
}

impl<'a> Lines<'a> {
    /// All lines of `chunk`, blank ones too.
    pub(crate) fn new(chunk: &'a [u8]) -> Self {
        Self { ends: memchr::memchr_iter(b'\n', chunk), start: 0, len: chunk.len() }
    }
}

impl Iterator for Lines<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let start = self.start;
        if start >= self.len {
            return None;
        }
        let end = self.ends.next().unwrap_or(self.len);
        self.start = end + 1;
        Some(Frame { start, end, flaw: None })
    }
}

/// Calls `each` for every line of `chunk` that is not blank.
pub(crate) fn each_line(
    chunk: &[u8],
    offset: u64,
    sink: &mut dyn Sink,
    each: &dyn Fn(Line<'_>, &mut dyn Sink),
) {
    each_frame(chunk, offset, Lines::new(chunk), sink, &mut |line, sink| each(line, sink));
}

/// Calls `each` for every frame of `chunk` that is not blank.
pub(crate) fn each_frame(
    chunk: &[u8],
    offset: u64,
    frames: impl Iterator<Item = Frame>,
    sink: &mut dyn Sink,
    each: &mut dyn FnMut(Line<'_>, &mut dyn Sink),
) {
    // One check of the whole chunk is far cheaper than one for each line.
    let sound = std::str::from_utf8(chunk).ok();
    for Frame { start, end, flaw } in frames {
        let raw = chunk.get(start..end).unwrap_or_default();
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        let text = sound.and_then(|s| s.get(start..start + raw.len()));
        let place = offset + start as u64;
        one_line(raw, text, place, sink, &mut |mut line, sink| {
            if let Some((kind, message)) = flaw {
                line.flaw(kind, message);
            }
            each(line, sink);
        });
    }
}

/// Calls `each` for one line, after mending what can be mended.
fn one_line(
    raw: &[u8],
    text: Option<&str>,
    offset: u64,
    sink: &mut dyn Sink,
    each: &mut dyn FnMut(Line<'_>, &mut dyn Sink),
) {
    let mut flaws = Vec::new();
    let mut flaw = |kind, message: &str, record_lost| {
        flaws.push(Flaw { offset, kind, message: message.to_owned(), record_lost });
    };
    let lossy;
    let text = if let Some(text) = text.or_else(|| std::str::from_utf8(raw).ok()) {
        text
    } else {
        flaw(FlawKind::Encoding, "the line is not valid UTF-8; what is not is replaced", false);
        lossy = String::from_utf8_lossy(raw);
        &lossy
    };
    let trimmed = text.trim_matches('\0');
    if trimmed.len() < text.len() {
        let lost = trimmed.trim_ascii().is_empty();
        flaw(FlawKind::Corrupt, "a run of NUL bytes, as a crash leaves them", false);
        if lost {
            for flaw in flaws {
                sink.flaw(flaw);
            }
            return;
        }
    }
    if !trimmed.trim_ascii().is_empty() {
        each(Line { text: trimmed, raw, offset, flaws }, sink);
    }
}
