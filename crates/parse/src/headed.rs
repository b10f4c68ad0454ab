//! Lines whose meaning is set by directives (`#Fields: …`) that may come again in mid-file.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::memmem;

use crate::line::{self, Line, whole_lines};
use crate::{Cut, Cutter, Reader, Sink};

/// How a format with directives works: its state, and what changes and uses it.
#[derive(Clone)]
pub(crate) struct Headed<H> {
    /// What the directives said so far.
    pub(crate) header: H,
    /// Takes in a line that begins with `#`.
    pub(crate) directive: fn(&mut H, &str),
    /// Reads any other line.
    pub(crate) row: fn(&H, Line<'_>, &mut dyn Sink),
}

/// Cuts at line ends and follows the directives, so that each chunk begins with the right header.
pub(crate) struct HeadedCutter<H>(pub(crate) Arc<Headed<H>>);

impl<H: Clone + Send + Sync + 'static> Cutter for HeadedCutter<H> {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        let take = whole_lines(window, last);
        let reader = Arc::new(HeadedReader(Arc::clone(&self.0)));
        let taken = window.get(..take).unwrap_or_default();
        let first = taken.first().filter(|b| **b == b'#').map(|_| 0);
        let others = memmem::find_iter(taken, b"\n#").map(|at| at + 1);
        for at in first.into_iter().chain(others) {
            let line = taken.get(at..).and_then(|t| t.split(|&b| b == b'\n').next());
            let headed = Arc::make_mut(&mut self.0);
            (headed.directive)(&mut headed.header, &text(line.unwrap_or_default()));
        }
        Cut { take, reader }
    }
}

/// The length of the directives in front, with the one line of another kind that may stand before them.
pub(crate) fn preamble(bytes: &[u8]) -> usize {
    let lines = || bytes.split_inclusive(|&b| b == b'\n');
    let first = lines().next().filter(|line| line.first() != Some(&b'#')).map_or(0, <[u8]>::len);
    let directives = bytes.get(first..).unwrap_or_default().split_inclusive(|&b| b == b'\n');
    let length: usize =
        directives.take_while(|line| line.first() == Some(&b'#')).map(<[u8]>::len).sum();
    if length == 0 { 0 } else { first + length }
}

/// The text of a directive: the same for the cutter, which follows it, and the reader.
fn text(line: &[u8]) -> Cow<'_, str> {
    let mut line = line;
    while let [rest @ .., b'\r' | 0] = line {
        line = rest;
    }
    String::from_utf8_lossy(line)
}

struct HeadedReader<H>(Arc<Headed<H>>);

impl<H: Clone + Send + Sync> Reader for HeadedReader<H> {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let mut header = Cow::Borrowed(&self.0.header);
        line::each_frame(chunk, offset, line::Lines::new(chunk), sink, &mut |line, sink| {
            if line.raw.first() == Some(&b'#') {
                (self.0.directive)(header.to_mut(), &text(line.raw));
            } else {
                (self.0.row)(&header, line, sink);
            }
        });
    }
}
