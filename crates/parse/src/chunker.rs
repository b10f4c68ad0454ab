//! A stream of bytes to chunks that can be read on their own.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use model::{Flaw, FlawKind};

use crate::encoding::{self, Encoding, Utf16};
use crate::recognise::{self, Recognised};
use crate::{Cutter, Format, Head, Reader};

/// How many bytes of a parcel its format is recognised by.
pub(crate) const HEAD: usize = 64 * 1024;

/// What bounds the memory that reading takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that a chunk should have.
    pub chunk: usize,
    /// Bytes that a record may have; a longer one is skipped and said.
    pub record: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { chunk: 1024 * 1024, record: 16 * 1024 * 1024 }
    }
}

/// Bytes that hold whole records, and who reads them.
pub struct Chunk {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where they begin in the parcel.
    pub offset: u64,
    /// Reads them, on any thread.
    pub reader: Arc<dyn Reader>,
}

/// Cuts a stream into chunks. It holds [`Limits::record`] bytes at most, however long a record is.
pub struct Chunker<R> {
    input: Input<R>,
    /// Bytes that are read; those from `start` on are not cut yet.
    buffer: Vec<u8>,
    start: usize,
    /// Where the first byte that is not cut yet stands in the parcel.
    offset: u64,
    ended: bool,
    told_end: bool,
    limits: Limits,
    recognised: Recognised,
    cutter: Option<Box<dyn Cutter>>,
    flaws: Vec<Flaw>,
}

/// The stream, decoded where it has to be.
enum Input<R> {
    Plain(R),
    Utf16(Utf16<io::Chain<Cursor<Vec<u8>>, R>>),
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(read) => read.read(out),
            Self::Utf16(read) => read.read(out),
        }
    }
}

impl<R: Read> Chunker<R> {
    /// Reads the head of a parcel and recognises its format. `name` only breaks ties.
    pub fn new(read: R, name: &str, limits: Limits) -> io::Result<Self> {
        Self::open(read, name, limits, None)
    }

    /// Reads a parcel as what somebody says that it is.
    pub fn with_format(
        read: R,
        name: &str,
        limits: Limits,
        format: &'static dyn Format,
    ) -> io::Result<Self> {
        Self::open(read, name, limits, Some(Recognised::Format(format)))
    }

    fn open(
        mut read: R,
        name: &str,
        limits: Limits,
        known: Option<Recognised>,
    ) -> io::Result<Self> {
        let limits = Limits {
            chunk: limits.chunk.clamp(1, limits.record.max(1)),
            record: limits.record.max(1),
        };
        let mut buffer = Vec::new();
        let mut flaws = Vec::new();
        let mut ended = fill(&mut read, &mut buffer, HEAD)?;
        let (encoding, mark) = encoding::detect(&buffer);
        buffer.drain(..mark);
        let mut offset = mark as u64;
        let mut input = Input::Plain(read);
        if encoding != Encoding::Utf8 {
            if let Input::Plain(read) = input {
                let whole = Cursor::new(std::mem::take(&mut buffer)).chain(read);
                input = Input::Utf16(Utf16::new(whole, encoding));
            }
            offset = 0;
            ended = fill(&mut input, &mut buffer, HEAD)?;
            flaws.push(Flaw {
                offset: 0,
                kind: FlawKind::Encoding,
                message: "UTF-16 text: offsets are those of the text decoded to UTF-8".to_owned(),
                record_lost: false,
            });
        }
        let head = Head {
            bytes: buffer.get(..buffer.len().min(HEAD)).unwrap_or_default(),
            name,
            complete: ended && buffer.len() <= HEAD,
        };
        let recognised = known.unwrap_or_else(|| recognise::recognise(&head));
        let cutter = match recognised {
            Recognised::Format(format) => Some(format.open(&head)),
            Recognised::Binary(what) => {
                flaws.push(Flaw {
                    offset: 0,
                    kind: FlawKind::Unsupported,
                    message: format!("not read: it looks like {what}"),
                    record_lost: false,
                });
                None
            }
        };
        Ok(Self {
            input,
            buffer,
            start: 0,
            offset,
            ended,
            told_end: false,
            limits,
            recognised,
            cutter,
            flaws,
        })
    }

    /// What the parcel was taken for.
    pub fn recognised(&self) -> Recognised {
        self.recognised
    }

    /// Its format; none when it is binary of a kind that is not read.
    pub fn format(&self) -> Option<&'static dyn Format> {
        match self.recognised {
            Recognised::Format(format) => Some(format),
            Recognised::Binary(_) => None,
        }
    }

    /// The flaws that cutting found so far; readers tell theirs to their sink.
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }

    /// Hands those flaws over.
    pub fn take_flaws(&mut self) -> Vec<Flaw> {
        std::mem::take(&mut self.flaws)
    }

    /// The next chunk; none at the end. After an error it may be called again.
    #[allow(clippy::should_implement_trait)] // An iterator of results would hide that it resumes.
    pub fn next(&mut self) -> io::Result<Option<Chunk>> {
        let Some(mut cutter) = self.cutter.take() else { return Ok(None) };
        let chunk = self.cut(cutter.as_mut());
        self.cutter = Some(cutter);
        chunk
    }

    fn cut(&mut self, cutter: &mut dyn Cutter) -> io::Result<Option<Chunk>> {
        let mut want = self.limits.chunk;
        // What waits is moved to the front before more is read: not for every small chunk.
        if self.waiting().len() <= want / 2 {
            self.fill(want)?;
        }
        loop {
            // More may be there than is wanted at once.
            let waiting = self.waiting();
            let window = waiting.get(..want).unwrap_or(waiting);
            if window.is_empty() {
                self.end(cutter);
                return Ok(None);
            }
            let last = self.ended && window.len() == waiting.len();
            let cut = cutter.cut(window, last);
            if cut.take > 0 {
                let take = cut.take.min(window.len());
                return Ok(Some(self.take(take, cut.reader)));
            }
            if last || window.len() >= self.limits.record {
                self.skip(cutter)?;
                want = self.limits.chunk;
            } else if window.len() >= want {
                want = want.saturating_mul(2).min(self.limits.record);
            }
            self.fill(want)?;
        }
    }

    /// The bytes that are not cut yet.
    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Splits the front of what is waiting off as a chunk, copying the smaller part.
    fn take(&mut self, take: usize, reader: Arc<dyn Reader>) -> Chunk {
        let offset = self.offset;
        let bytes = if self.start == 0 && take * 2 > self.buffer.len() {
            let rest = self.buffer.split_off(take);
            std::mem::replace(&mut self.buffer, rest)
        } else {
            let bytes = self.waiting().get(..take).unwrap_or_default().to_vec();
            self.start += take;
            bytes
        };
        self.offset += take as u64;
        Chunk { bytes, offset, reader }
    }

    /// Lets a record go by that is too long to hold.
    fn skip(&mut self, cutter: &mut dyn Cutter) -> io::Result<()> {
        let first = self.offset;
        loop {
            self.fill(self.limits.chunk)?;
            let skip = cutter.skip(self.waiting(), self.ended);
            let take = skip.take.min(self.waiting().len());
            self.start += take;
            self.offset += take as u64;
            // A cutter that neither takes nor is done would loop for ever.
            if skip.done || take == 0 || (self.ended && self.waiting().is_empty()) {
                break;
            }
        }
        let message = format!(
            "a record of {} bytes is skipped: {} are the most that are held",
            self.offset - first,
            self.limits.record
        );
        self.flaws.push(Flaw { offset: first, kind: FlawKind::Limit, message, record_lost: true });
        Ok(())
    }

    /// Asks the cutter, once, what is missing at the end.
    fn end(&mut self, cutter: &mut dyn Cutter) {
        if !self.told_end {
            self.told_end = true;
            if let Some((kind, message)) = cutter.end() {
                let message = message.to_owned();
                self.flaws.push(Flaw { offset: self.offset, kind, message, record_lost: false });
            }
        }
    }

    fn fill(&mut self, want: usize) -> io::Result<()> {
        if !self.ended && self.waiting().len() < want {
            self.buffer.drain(..self.start);
            self.start = 0;
            self.ended = fill(&mut self.input, &mut self.buffer, want)?;
        }
        Ok(())
    }
}

/// Reads until `buffer` has `want` bytes; true when the stream ended before.
fn fill(read: &mut impl Read, buffer: &mut Vec<u8>, want: usize) -> io::Result<bool> {
    let missing = want.saturating_sub(buffer.len());
    buffer.reserve_exact(missing);
    let got = read.take(missing as u64).read_to_end(buffer)?;
    Ok(got < missing)
}
