//! Where JSON values begin and end, without reading them: what cutting and resynchronising need.
//!
//! The cutter (which sees a window that grows) and the reader (which sees a chunk) must find the
//! same ends, so both ask here, and every answer depends on the bytes from the value's start alone.

/// A broken value is given up when it has not ended after this many bytes and another seems to
/// begin within them.
pub(crate) const PATIENCE: usize = 1024 * 1024;

/// Whether `line` opens a list and ends between two of its elements, as the first line of a list
/// does that is written one element a line: `[`, `{"Records": [`, `[{"n":1},`.
pub(crate) fn ends_in_list(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    if !matches!(line.last(), Some(b'[' | b',')) {
        return false;
    }
    let Some(mut at) = bracket(line, 0) else { return false };
    let mut depth = Depth::default();
    loop {
        match depth.step(line, at) {
            Step::To(next) | Step::Line(next) => at = next,
            Step::End(_) => return false,
            Step::Short => return depth.in_list() && !ends_in_string(line, at),
        }
    }
}

/// Indentation is compared up to this many bytes.
const INDENT: usize = 256;

/// How much of `bytes` may be cut off when only separators stand behind `from`: not the
/// indentation of the value that comes next.
pub(crate) fn separators(bytes: &[u8], from: usize, last: bool) -> usize {
    if last {
        return bytes.len();
    }
    let line = memchr::memrchr(b'\n', bytes).map_or(0, |n| n + 1);
    from.max(line).max(bytes.len().saturating_sub(INDENT))
}

/// Where a list or map begins, when that is what comes next behind `from`.
pub(crate) fn bracket(bytes: &[u8], from: usize) -> Option<usize> {
    let start = begin(bytes, from)?;
    matches!(bytes.get(start), Some(b'{' | b'[')).then_some(start)
}

/// White space, commas, and the record separator that JSON text sequences begin a value with.
fn is_separator(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b',' | 0x1E)
}

/// The first byte behind `from` that separates nothing.
fn begin(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let n = rest.iter().position(|b| !is_separator(*b))?;
    Some(from + n)
}

/// What comes next between values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// Only white space and commas up to the end of the bytes.
    Nothing,
    /// A value that does not end within the bytes.
    Open { start: usize },
    /// A whole value.
    Value { start: usize, end: usize },
    /// A value that never ended: another one begins where it is given up. `plain` says that the
    /// bytes up to there suffice to see it, or that wariness does.
    Broken { start: usize, end: usize, plain: bool },
    /// Bytes that begin no list or map, nor (in a list) a scalar.
    Junk { start: usize, end: usize },
    /// The end of the list whose elements are read.
    Close { at: usize },
}

/// Where values are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Among the elements of a list, rather than on their own.
    pub(crate) in_list: bool,
    /// Broken values were seen, so that the next one is given up as soon as another seems to begin.
    pub(crate) wary: bool,
}

/// The item at or behind `from`. `last` tells that nothing follows `bytes`.
pub(crate) fn next(bytes: &[u8], from: usize, place: Place, last: bool) -> Item {
    let Some(start) = begin(bytes, from) else { return Item::Nothing };
    let first = bytes.get(start).copied().unwrap_or_default();
    match first {
        b'{' | b'[' => container(bytes, start, place, last),
        b']' if place.in_list => Item::Close { at: start },
        b'}' if place.in_list => Item::Junk { start, end: start + 1 },
        b'"' if place.in_list => string_end(bytes, start + 1)
            .map_or(open(bytes, start, last), |end| Item::Value { start, end }),
        b']' | b'}' => strays(bytes, start, last),
        _ if place.in_list => scalar(bytes, start, last),
        _ => junk(bytes, start, last),
    }
}

/// Closing brackets that close nothing, however many.
fn strays(bytes: &[u8], start: usize, last: bool) -> Item {
    let rest = bytes.get(start..).unwrap_or_default();
    match rest.iter().position(|b| !matches!(b, b']' | b'}')) {
        Some(n) => Item::Junk { start, end: start + n },
        None if last => Item::Junk { start, end: bytes.len() },
        None => Item::Open { start },
    }
}

/// A value that does not end: open while more bytes may come, else all there is.
fn open(bytes: &[u8], start: usize, last: bool) -> Item {
    if last { Item::Value { start, end: bytes.len() } } else { Item::Open { start } }
}

/// A number or word in a list: up to its delimiter.
fn scalar(bytes: &[u8], start: usize, last: bool) -> Item {
    let rest = bytes.get(start..).unwrap_or_default();
    match rest.iter().position(|b| matches!(b, b',' | b']' | b'}' | b'{' | b'\n')) {
        Some(0) => Item::Junk { start, end: start + 1 },
        Some(n) => Item::Value { start, end: start + text_length(rest, n) },
        None => open(bytes, start, last),
    }
}

/// Text outside values: up to the end of its line, or to a bracket that may begin a value.
fn junk(bytes: &[u8], start: usize, last: bool) -> Item {
    let rest = bytes.get(start..).unwrap_or_default();
    match memchr::memchr3(b'\n', b'{', b'[', rest) {
        Some(n) => Item::Junk { start, end: start + text_length(rest, n) },
        None if last => Item::Junk { start, end: start + text_length(rest, rest.len()) },
        None => Item::Open { start },
    }
}

/// How much of `rest` is text, when something else begins at `n`: not the white space between, which
/// is the indentation of what begins.
fn text_length(rest: &[u8], n: usize) -> usize {
    let text = rest.get(..n).unwrap_or_default();
    let space = text.iter().rev().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
    (text.len() - space).max(1)
}

/// The end of the string whose opening quote stands before `from`. A raw line end ends it too: it
/// is not allowed in a string, so that the closing quote must be missing.
pub(crate) fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        let n = memchr::memchr3(b'"', b'\\', b'\n', rest)?;
        match rest.get(n) {
            Some(b'"') => return Some(at + n + 1),
            Some(b'\n') => return Some(at + n),
            // The escaped byte is never looked at, unless it ends the line.
            _ if rest.get(n + 1) == Some(&b'\n') => return Some(at + n + 1),
            _ => at += n + 2,
        }
    }
}

/// A list or map from its opening bracket on.
fn container(bytes: &[u8], start: usize, place: Place, last: bool) -> Item {
    let mut depth = Depth::default();
    let mut at = start;
    let mut next_value: Option<usize> = None;
    loop {
        if next_value.is_some() && (place.wary || depth.crossed || at - start > PATIENCE) {
            break;
        }
        match depth.step(bytes, at) {
            Step::To(next) => at = next,
            Step::Line(next) => {
                at = next;
                if next_value.is_none() && like(bytes, start, next) {
                    next_value = Some(next);
                }
            }
            // Brackets that closed the wrong ones: the end of something else.
            Step::End(_) if depth.crossed && next_value.is_some() => break,
            Step::End(end) => return Item::Value { start, end },
            Step::Short => {
                if last {
                    break;
                }
                return Item::Open { start };
            }
        }
    }
    match next_value {
        Some(end) => Item::Broken { start, end, plain: place.wary || depth.crossed },
        None => Item::Value { start, end: bytes.len() },
    }
}

/// Whether the line at `line` begins like the line on which the value at `start` begins: with the
/// same indentation and the same bracket.
fn like(bytes: &[u8], start: usize, line: usize) -> bool {
    let before = bytes.get(..start).unwrap_or_default();
    let indent = before.iter().rev().take(INDENT).take_while(|b| matches!(b, b' ' | b'\t')).count();
    let pattern = bytes.get(start - indent..=start).unwrap_or_default();
    bytes.get(line..).is_some_and(|rest| rest.starts_with(pattern))
}

/// How deep a scan stands; it can be kept while bytes come and go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    open: usize,
    in_string: bool,
    /// Which of the outermost 128 open brackets are square: one bit each.
    square: u128,
    /// A bracket closed one of the other kind.
    crossed: bool,
}

/// Where a scan got to.
enum Step {
    /// Here; go on.
    To(usize),
    /// At the first byte of a line; go on.
    Line(usize),
    /// Behind the value.
    End(usize),
    /// The bytes do not suffice.
    Short,
}

impl Depth {
    /// Inside one brace.
    pub(crate) fn inside() -> Self {
        Self { open: 1, ..Self::default() }
    }

    fn bit(&self) -> u128 {
        if self.open < 128 { 1 << self.open } else { 0 }
    }

    /// Whether the innermost open bracket is square.
    fn in_list(&self) -> bool {
        let within = self.open.checked_sub(1).filter(|at| *at < 128);
        within.is_some_and(|at| self.square & (1 << at) != 0)
    }

    fn enter(&mut self, square: bool) {
        let bit = self.bit();
        self.square = if square { self.square | bit } else { self.square & !bit };
        self.open += 1;
    }

    /// True when nothing is open any more.
    fn leave(&mut self, square: bool) -> bool {
        self.open = self.open.saturating_sub(1);
        let bit = self.bit();
        self.crossed |= bit != 0 && (self.square & bit != 0) != square;
        self.open == 0
    }

    fn step(&mut self, bytes: &[u8], at: usize) -> Step {
        let mut at = at;
        while let Some(b) = bytes.get(at) {
            at += 1;
            match b {
                b'"' => {
                    return match string_end(bytes, at) {
                        Some(end) => Step::To(end),
                        None => Step::Short,
                    };
                }
                b'{' | b'[' => self.enter(*b == b'['),
                b'}' | b']' if self.leave(*b == b']') => return Step::End(at),
                b'\n' => return Step::Line(at),
                _ => {}
            }
        }
        Step::Short
    }

    /// Steps over bytes that are not kept: how many of them were taken, and whether the value ended.
    pub(crate) fn pass(&mut self, bytes: &[u8], last: bool) -> (usize, bool) {
        let mut at = 0;
        loop {
            if self.in_string {
                match string_end(bytes, at) {
                    Some(end) => {
                        self.in_string = false;
                        at = end;
                    }
                    None => return (self.short(bytes), last),
                }
            }
            match self.step(bytes, at) {
                Step::To(next) | Step::Line(next) => at = next,
                Step::End(end) => return (end, true),
                Step::Short => {
                    self.in_string = ends_in_string(bytes, at);
                    return (if self.in_string { self.short(bytes) } else { bytes.len() }, last);
                }
            }
        }
    }

    /// A string goes on behind the bytes: a backslash at their very end must be seen again.
    fn short(&mut self, bytes: &[u8]) -> usize {
        self.in_string = true;
        let slashes = bytes.iter().rev().take_while(|b| **b == b'\\').count();
        // A window of one backslash has to be taken all the same.
        if slashes % 2 == 1 && bytes.len() > 1 { bytes.len() - 1 } else { bytes.len() }
    }
}

/// Whether bytes that hold no whole string behind `at` hold the beginning of one.
fn ends_in_string(bytes: &[u8], at: usize) -> bool {
    memchr::memchr(b'"', bytes.get(at..).unwrap_or_default()).is_some()
}
