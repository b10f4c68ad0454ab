//! What is to be played: every record of recorded evidence, when it happened and how it is delivered.

use std::ops::ControlFlow;
use std::path::Path;

use collect::{Evidence, Found, Input, Limits};
use model::{Flaw, Record};
use normalize::{Context, Mapper, Normalizer};

use crate::failure::{Failure, Kind};

/// Bytes of records that are held; longer stories are not played.
const MOST: usize = 1 << 30;

/// Formats whose first lines say what the columns are: each delivery begins with them.
const HEADED: [&str; 3] = ["zeek", "delimited", "w3c"];

/// A file of the evidence.
pub(super) struct Part {
    /// Who delivers it: the folder that it lies in.
    pub(super) sender: String,
    /// What each delivery begins with.
    pub(super) head: Vec<u8>,
    /// Its lines go out as syslog.
    pub(super) syslog: bool,
}

/// A record.
pub(super) struct Note {
    /// When it happened, in microseconds since 1970.
    pub(super) at: i64,
    /// Its place in [`Score::parts`].
    pub(super) part: usize,
    pub(super) bytes: Vec<u8>,
}

/// The story, in the order in which it happened.
#[derive(Default)]
pub(super) struct Score {
    pub(super) parts: Vec<Part>,
    pub(super) notes: Vec<Note>,
    /// Parcels that could not be read whole, and flaws in the others.
    pub(super) unread: u64,
    pub(super) flaws: u64,
    size: usize,
}

impl Score {
    /// Reads everything that the inputs name.
    pub(super) fn read(
        normalizer: &Normalizer,
        inputs: &[Input],
        spool: &Path,
    ) -> Result<Self, Failure> {
        crate::investigate::missing(inputs)?;
        let mut score = Self::default();
        let mut mapper = normalizer.mapper();
        collect::walk(inputs, &Limits::default(), spool, crate::now(), &mut |found| {
            match found {
                Found::Evidence(evidence) => score.evidence(&evidence, inputs, &mut mapper),
                Found::Flaw(..) => score.unread += 1,
                Found::Container(..) => {}
            }
            if score.size > MOST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if score.size > MOST {
            let message = "there is more evidence than can be played: 1 GiB of records is the most";
            return Err(Failure::new(Kind::Usage, message));
        }
        if score.notes.is_empty() {
            return Err(Failure::new(Kind::Nothing, "there is no record to play"));
        }
        score.notes.sort_by_key(|note| note.at);
        Ok(score)
    }

    fn evidence(&mut self, evidence: &Evidence, inputs: &[Input], mapper: &mut Mapper<'_>) {
        let origin = &evidence.parcel.origin;
        let name = origin.rsplit('/').next().unwrap_or_default();
        let opened = evidence
            .open()
            .and_then(|stream| parse::Chunker::new(stream, name, parse::Limits::default()));
        let Ok(mut chunker) = opened else {
            self.unread += 1;
            return;
        };
        let parser = chunker.recognised().name();
        self.parts.push(Part {
            sender: sender(origin, inputs),
            head: Vec::new(),
            syslog: parser == "syslog",
        });
        let first = self.notes.len();
        while self.size <= MOST {
            match chunker.next() {
                Ok(Some(chunk)) => {
                    let mut sink = Sink {
                        score: self,
                        mapper,
                        evidence,
                        parser,
                        chunk: (&chunk.bytes, chunk.offset),
                    };
                    chunk.reader.read(&chunk.bytes, chunk.offset, &mut sink);
                }
                Ok(None) => break,
                Err(_) => {
                    self.unread += 1;
                    break;
                }
            }
        }
        self.place(first);
    }

    /// Places records without a time behind the one before them.
    fn place(&mut self, first: usize) {
        let notes = self.notes.get_mut(first..).unwrap_or_default();
        let Some(mut at) = notes.iter().map(|note| note.at).find(|at| *at != UNKNOWN) else {
            let begin = self.notes.iter().map(|note| note.at).find(|at| *at != UNKNOWN);
            let notes = self.notes.get_mut(first..).unwrap_or_default();
            notes.iter_mut().for_each(|note| note.at = begin.unwrap_or_default());
            return;
        };
        for note in notes {
            if note.at == UNKNOWN {
                note.at = at;
            }
            at = note.at;
        }
    }
}

/// Stands for a time that is not known yet.
const UNKNOWN: i64 = i64::MIN;

/// The folder below the input that a parcel lies in; of a parcel that lies in none, its name.
fn sender(origin: &str, inputs: &[Input]) -> String {
    let below = inputs.iter().find_map(|input| match input {
        Input::Path(path) => origin.strip_prefix(path.display().to_string().trim_end_matches('/')),
        Input::Stdin => None,
    });
    let below = below.unwrap_or(origin).trim_start_matches('/');
    let first = below.split(['/', '!']).next().unwrap_or_default();
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = first.chars().map(|c| if known(c) { c } else { '-' }).take(60).collect();
    if name.is_empty() { "evidence".to_owned() } else { name }
}

struct Sink<'s, 'm> {
    score: &'s mut Score,
    mapper: &'s mut Mapper<'m>,
    evidence: &'s Evidence,
    parser: &'static str,
    chunk: (&'s [u8], u64),
}

impl parse::Sink for Sink<'_, '_> {
    fn record(&mut self, record: Record<'_>) {
        let parcel = &self.evidence.parcel;
        let context = Context {
            parser: self.parser,
            received_at: parcel.received_at,
            modified: self.evidence.modified,
            origin: &parcel.origin,
            definition: None,
        };
        let normal = self.mapper.normalize(&record, &context);
        let at = if normal.time_found { normal.event.time.0 } else { UNKNOWN };
        let part = self.score.parts.len().saturating_sub(1);
        if let Some(part) = self.score.parts.last_mut()
            && part.head.is_empty()
            && HEADED.contains(&self.parser)
        {
            let (bytes, start) = self.chunk;
            let length = record.offset.saturating_sub(start) as usize;
            part.head = bytes.get(..length).unwrap_or_default().to_vec();
        }
        let bytes = match self.parser {
            // What is no text is delivered as the text that its fields are.
            "evtx" => serde_json::to_vec(&record.fields).unwrap_or_default(),
            _ => record.raw.trim_ascii_end().to_vec(),
        };
        if !bytes.is_empty() && self.score.size <= MOST {
            self.score.size += bytes.len();
            self.score.notes.push(Note { at, part, bytes });
        }
    }

    fn flaw(&mut self, _: Flaw) {
        self.score.flaws += 1;
    }
}
