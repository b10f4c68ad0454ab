//! Reading an object: as a stream, expanded, in pieces that the log takes.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor as Bytewise, Read};
use std::rc::Rc;

use model::{Flaw, FlawKind};
use reqwest::StatusCode;
use reqwest::header::IF_MATCH;
use rusty_s3::{Credentials, S3Action as _};

use super::list::{Listed, SIGNED};
use super::state::{self, Mark};
use super::{Bucket, Stop, refused};
use crate::budget::Budget;
use crate::client::{Answer, Opened, Request};
use crate::container::{self, Container};
use crate::expand::decoder;
use crate::{Cursor, Desk, Halt, Limits, Piece};

/// Bytes of a piece. What an object holds is one document as often as lines, so a piece is as large as
/// the log takes it.
const PIECE: usize = 28 << 20;
/// Bytes at the front in which a preamble is looked for.
const FRONT: u64 = 64 << 10;

/// What became of an object.
enum Ended {
    /// All of it was taken.
    Whole,
    /// It cannot be read to its end, and will not be.
    Never(String),
    /// It may be read another time.
    Later(String),
}

impl Bucket {
    /// Takes an object from where it was left off.
    pub(super) fn take(
        &mut self,
        credentials: Option<&Credentials>,
        listed: &Listed,
        mut mark: Mark,
        desk: &mut dyn Desk,
    ) -> Result<(), Stop> {
        let action = self.place.get_object(credentials, &listed.key);
        let mut request = Request::get(action.sign(SIGNED));
        if !listed.version.is_empty() {
            let set = request.header(IF_MATCH, &listed.version, false);
            set.map_err(|error| Stop::Service(error, None))?;
        }
        let opened = self.client.open(request);
        let opened = opened.map_err(|error| Stop::Service(error.to_string(), None))?;
        match opened.status {
            status if status.is_success() => {}
            // Gone, or another one: the next pass sees what is there then.
            StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED => return Ok(()),
            StatusCode::FORBIDDEN => {
                let Stop::Service(why, _) = refused(&whole(opened)) else { return Ok(()) };
                self.trouble(&listed.key, why);
                return Ok(());
            }
            _ => return Err(refused(&whole(opened))),
        }
        match self.stream(listed, &mut mark, opened.body, desk)? {
            Ended::Later(why) => {
                return Err(Stop::Service(format!("{} breaks off: {why}", listed.key), None));
            }
            Ended::Never(why) => {
                self.trouble(&listed.key, why);
                mark.done = true;
                desk.keep(self.cursor(listed, &mark))?;
            }
            Ended::Whole if !mark.done => {
                mark.done = true;
                desk.keep(self.cursor(listed, &mark))?;
            }
            Ended::Whole => {}
        }
        self.marks.insert(listed.id(), mark);
        Ok(())
    }

    fn cursor(&self, listed: &Listed, mark: &Mark) -> Cursor {
        Cursor {
            name: state::mark_name(&self.options.name, &listed.id()).into(),
            // Text and numbers: it cannot fail.
            value: serde_json::to_string(mark).unwrap_or_default().into(),
        }
    }

    fn stream(
        &mut self,
        listed: &Listed,
        mark: &mut Mark,
        body: impl Read,
        desk: &mut dyn Desk,
    ) -> Result<Ended, Stop> {
        let cut_off = Rc::new(Cell::new(None));
        let mut body = Transfer { body, cut_off: Rc::clone(&cut_off) };
        let mut head = Vec::new();
        if let Err(error) = (&mut body).take(container::HEAD).read_to_end(&mut head) {
            return Ok(Ended::Later(error.to_string()));
        }
        let kind = Container::recognise(&head);
        let raw = Bytewise::new(head).chain(body);
        let content: Box<dyn Read + '_> = match kind {
            None => Box::new(raw),
            Some(kind) if !kind.is_one_stream() => {
                return Ok(Ended::Never(format!(
                    "is a {} archive, which is not read",
                    kind.name()
                )));
            }
            Some(kind) => match decoder(kind, BufReader::with_capacity(128 << 10, raw)) {
                Ok(content) => content,
                Err(error) => return Ok(Ended::Never(format!("cannot be expanded: {error}"))),
            },
        };
        let ended = self.pieces(listed, mark, content, desk)?;
        // A transfer that was cut off may succeed another time; what does not expand never will.
        Ok(match cut_off.take() {
            Some(why) => Ended::Later(why),
            None => ended,
        })
    }

    /// Hands in what a content holds behind the place that was reached.
    fn pieces(
        &mut self,
        listed: &Listed,
        mark: &mut Mark,
        mut content: impl Read,
        desk: &mut dyn Desk,
    ) -> Result<Ended, Stop> {
        let limits = Limits::default();
        let mut budget = Budget::new(&limits, listed.size);
        let mut front = Vec::new();
        if let Err(error) = (&mut content).take(FRONT).read_to_end(&mut front) {
            return Ok(Ended::Never(format!("cannot be expanded: {error}")));
        }
        if let Some(what) = (self.options.unfit)(&front).filter(|_| mark.offset == 0) {
            return Ok(Ended::Never(format!("is {what}, which is not read")));
        }
        let mut content = Bytewise::new(front.clone()).chain(content);
        if let Err(error) = io::copy(&mut (&mut content).take(mark.offset), &mut io::sink()) {
            return Ok(Ended::Never(format!("cannot be expanded: {error}")));
        }
        let mut waiting = Vec::new();
        loop {
            let before = waiting.len();
            let read = (&mut content).take((PIECE - before) as u64).read_to_end(&mut waiting);
            let spent =
                budget.bytes((waiting.len() - before) as u64).map_err(|refusal| refusal.message);
            let failed =
                read.err().map(|error| format!("cannot be read further: {error}")).or(spent.err());
            if let Some(message) = failed {
                // Whole lines are taken all the same, and what comes behind them is said to be missing.
                let lines = waiting.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                waiting.truncate(lines);
                let flaw = flaw(FlawKind::Truncated, &message, lines, true);
                self.hand_in(listed, mark, &front, &waiting, (vec![flaw], false), desk)?;
                return Ok(Ended::Never(message));
            }
            let last = waiting.len() < PIECE;
            let mut flaws = Vec::new();
            let taken = match (last, waiting.iter().rposition(|byte| *byte == b'\n')) {
                (true, _) => waiting.len(),
                (false, Some(end)) => end + 1,
                (false, None) => {
                    let message = format!("a line of more than {} MiB is cut here", PIECE >> 20);
                    flaws.push(flaw(FlawKind::Limit, &message, PIECE, false));
                    waiting.len()
                }
            };
            let rest = waiting.split_off(taken);
            self.hand_in(listed, mark, &front, &waiting, (flaws, last), desk)?;
            if last {
                return Ok(Ended::Whole);
            }
            waiting = rest;
        }
    }

    fn hand_in(
        &mut self,
        listed: &Listed,
        mark: &mut Mark,
        front: &[u8],
        bytes: &[u8],
        (flaws, last): (Vec<Flaw>, bool),
        desk: &mut dyn Desk,
    ) -> Result<(), Halt> {
        if bytes.is_empty() {
            return Ok(());
        }
        let at = mark.offset;
        let mut whole = Vec::with_capacity(bytes.len());
        if at == 0 {
            let range = (self.options.preamble)(front, true);
            mark.preamble = range.map(|range| (range.start as u64, range.len() as u64));
        } else if let Some((start, length)) = mark.preamble {
            let (start, end) = (start as usize, start.saturating_add(length) as usize);
            whole.extend_from_slice(front.get(start..end).unwrap_or_default());
        }
        whole.extend_from_slice(bytes);
        (mark.offset, mark.done) = (at + bytes.len() as u64, last);
        let place = format!("{}/{}", self.options.bucket, listed.key);
        let origin = match at {
            0 => format!("s3 {place}"),
            at => format!("s3 {place} from byte {at}"),
        };
        let cursor = self.cursor(listed, mark);
        desk.take(Piece { bytes: whole.into(), origin: origin.into(), flaws, cursor })?;
        self.marks.insert(listed.id(), mark.clone());
        Ok(())
    }
}

/// A body that remembers that it was cut off: a decoder says less of it.
struct Transfer<R> {
    body: R,
    cut_off: Rc<Cell<Option<String>>>,
}

impl<R: Read> Read for Transfer<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer);
        if let Err(error) = &read {
            self.cut_off.set(Some(error.to_string()));
        }
        read
    }
}

fn flaw(kind: FlawKind, message: &str, at: usize, record_lost: bool) -> Flaw {
    Flaw { offset: at as u64, kind, message: message.to_owned(), record_lost }
}

/// The whole of an answer that is no object.
fn whole(opened: Opened) -> Answer {
    let Opened { status, headers, body } = opened;
    let mut bytes = Vec::new();
    // What cannot be read of a refusal is not told.
    let _read = body.take(64 << 10).read_to_end(&mut bytes);
    Answer { status, headers, body: bytes.into() }
}
