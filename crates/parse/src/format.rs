//! The plug point: what a format must answer.

use std::sync::Arc;

use model::{Flaw, FlawKind, Record};

/// The beginning of a parcel: what recognition and headers are read from.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The first bytes, 64 KiB at most, without a byte order mark and already in UTF-8 when the
    /// parcel is UTF-16 text.
    pub bytes: &'a [u8],
    /// The parcel's name, which only ever breaks a tie: evidence is renamed all the time.
    pub name: &'a str,
    /// True when `bytes` is the whole parcel.
    pub complete: bool,
}

impl<'a> Head<'a> {
    /// The whole lines of the head, without their ends; the last one too when the head is complete
    /// or holds nothing else. Blank lines are left out.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let whole = match memchr::memrchr(b'\n', self.bytes) {
            Some(end) if !self.complete => self.bytes.get(..end).unwrap_or_default(),
            _ => self.bytes,
        };
        whole
            .split(|&b| b == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.trim_ascii().is_empty())
    }
}

/// A syntax that can be read: one row of [`FORMATS`](crate::FORMATS), one file in `formats/`.
pub trait Format: Send + Sync {
    /// Its stable name, as it stands in the `parser` column of the lake.
    fn name(&self) -> &'static str;

    /// What it is, in one line for a person.
    fn about(&self) -> &'static str;

    /// How sure it is that the parcel is its own: 0 not mine … 100 certain. It looks at the
    /// content; the name may only break a tie.
    fn sniff(&self, head: &Head<'_>) -> u8;

    /// Starts on a parcel.
    fn open(&self, head: &Head<'_>) -> Box<dyn Cutter>;

    /// How much of the front what follows cannot be read without: names of columns, directives.
    fn preamble(&self, _head: &Head<'_>) -> usize {
        0
    }
}

/// Decides where a stream may be cut. It runs on one thread over the whole stream, so it is cheap
/// and it is the one that keeps state (a CSV header, the place in an envelope).
pub trait Cutter: Send {
    /// How much of the front of `window` may be read on its own, and by whom. `take == 0` asks for
    /// more bytes; the same bytes are then seen again, so nothing may be remembered of them. When
    /// `last` is set the window ends with the stream and something must be taken.
    fn cut(&mut self, window: &[u8], last: bool) -> Cut;

    /// Called instead of [`cut`](Cutter::cut) when a record outgrew [`Limits::record`]: how much
    /// of the front of `window` still belongs to that record. Until it is `done` it is called again
    /// with the bytes that follow; what it takes is gone. By default a record ends with its line.
    ///
    /// [`Limits::record`]: crate::Limits::record
    fn skip(&mut self, window: &[u8], last: bool) -> Skip {
        match memchr::memchr(b'\n', window) {
            Some(at) => Skip { take: at + 1, done: true },
            None => Skip { take: window.len(), done: last },
        }
    }

    /// Called once, at the end of the stream: what is missing there, if anything.
    fn end(&mut self) -> Option<(FlawKind, &'static str)> {
        None
    }
}

/// The answer of [`Cutter::cut`].
pub struct Cut {
    /// Bytes from the front of the window; 0 when more are needed.
    pub take: usize,
    /// Who reads them.
    pub reader: Arc<dyn Reader>,
}

/// The answer of [`Cutter::skip`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// Bytes from the front of the window that belong to the record that is skipped.
    pub take: usize,
    /// True when the next record begins behind them.
    pub done: bool,
}

/// Reads a chunk. It holds what the cutter learned (a header) and nothing that changes.
pub trait Reader: Send + Sync {
    /// Pushes the records and flaws of `chunk`, which begins at byte `offset` of the parcel.
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink);
}

/// Takes what a reader finds, in the order of the bytes.
pub trait Sink {
    /// A record; it borrows from the chunk.
    fn record(&mut self, record: Record<'_>);
    /// A flaw that belongs to no record that came out.
    fn flaw(&mut self, flaw: Flaw);
}
