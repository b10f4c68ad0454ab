//! Services that are asked from time to time. What is to be asked, and how answers come in pages, is a
//! description ([`Definition`]), and this is the one thing that reads it.
//!
//! Some services name streams without an end instead, which [`Stream`] reads; of the rest it is said here.
//!
//! A service is asked for a stretch of time, page by page. The next stretch begins some time before the end
//! of the last one, because services learn of events late; what comes twice by that is known by its id.
//! Where a service gives a cursor, it goes on from it also after a crash.
//!
//! What a page brought and how to go on travel together. Deliveries are numbered, and each is saved under
//! its number with the ids that it brought, so that no frame of the log carries more than its own.

mod ask;
mod definition;
mod find;
mod lines;
mod memory;
mod stream;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::Micros;
use serde_json::value::RawValue;

pub use definition::{Definition, DefinitionError};
pub use stream::Stream;

use crate::client::Client;
use crate::{Desk, Fetcher, Halt, Moment, Piece, Rest, SecretSource};
use ask::{Asker, Told};
use definition::{Each, Paging};
use memory::{Memory, Next, Page, State, Stretch};
use template::Values;

/// What to ask, and who asks.
#[derive(Clone)]
pub struct PollOptions {
    /// The name under which places are saved.
    pub name: Arc<str>,
    /// What is asked.
    pub definition: Arc<Definition>,
    /// What the definition leaves open.
    pub settings: BTreeMap<String, String>,
    /// The token, or the secret of the client.
    pub secret: SecretSource,
    /// How often to ask, when another time than the definition's is wanted.
    pub every: Option<Duration>,
    /// At the very first start, events of so long before.
    pub back: Duration,
}

/// The first and the longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(10));
/// Bytes of one delivery. A record may reach beyond.
const PIECE: usize = 8 << 20;
/// The largest record.
const RECORD: usize = 16 << 20;

/// What fetches from a service: asks it from time to time, or reads the streams that it names.
pub fn fetcher<'s>(
    options: PollOptions,
    client: Client,
    saved: impl IntoIterator<Item = (&'s str, &'s str)>,
) -> Result<Box<dyn Fetcher>, DefinitionError> {
    if options.definition.stream.is_some() {
        return Ok(Box::new(Stream::new(options, client, saved)?));
    }
    Ok(Box::new(Poll::new(options, client, saved)?))
}

/// How long to wait after so many failures in a row before the present one.
fn backoff(failures: u32) -> Duration {
    BACKOFF.0.saturating_mul(1 << failures.min(10)).min(BACKOFF.1)
}

/// Asks a service.
pub struct Poll {
    asker: Asker,
    memory: Memory,
    prepared: bool,
    failures: u32,
    next: Option<Instant>,
    /// What is missing, or strange, and no failure.
    note: Option<String>,
}

/// Why a turn could not go on.
enum Stop {
    Halt(Halt),
    /// The service does not answer as it should: what it says, and when it asks to be asked again.
    Service(String, Option<Duration>),
    /// What it is asked to go on from means nothing to it.
    Lost(String),
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Service(why, None)
    }
}

impl Poll {
    /// Goes on where what was saved under this name says.
    pub fn new<'s>(
        options: PollOptions,
        client: Client,
        saved: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> Result<Self, DefinitionError> {
        let memory = Memory::restore(saved);
        let asker = Asker::new(options, client)?;
        Ok(Self { asker, memory, prepared: false, failures: 0, next: None, note: None })
    }

    /// Asks for one page and hands it in. True when there is more to ask for at once.
    fn page(&mut self, now: Moment, desk: &mut dyn Desk) -> Result<bool, Stop> {
        let definition = Arc::clone(&self.asker.options.definition);
        let Some(stretch) = self.memory.stretch(&definition, self.asker.options.back, now.time)
        else {
            return Ok(false);
        };
        let settings = self.asker.options.settings.clone();
        let values = values(&definition, &settings, &stretch)?;
        if !self.prepared {
            self.asker.prepare(&definition, &values, now)?;
            self.prepared = true;
        }
        let answer = self.asker.ask(&definition.request, &values, stretch.url.as_deref(), now)?;
        find::refusal(answer.text()?, definition.errors.as_deref())?;
        let items = find::all(answer.text()?, &definition.records)?;
        let next = next(&definition, &answer, items.len())?;
        let full = matches!(definition.paging, Paging::Full { limit } if items.len() >= limit);
        let any = !items.is_empty();
        let mut records = items;
        if let Some(each) = &definition.each {
            for item in std::mem::take(&mut records) {
                self.place(&definition, each, item, (&stretch, &values), now, desk)?;
            }
        }
        let last = records.iter().filter_map(|record| find::time(record, &definition.time)).max();
        let (state, more, note) = self.memory.behind(&stretch, next, full, last, any);
        self.note = note;
        self.hand_in(&definition, &records, (Page::of(&stretch), state), desk)?;
        let stale = self.memory.stale(&definition, &self.asker.options.name);
        if !stale.is_empty() {
            desk.forget(&stale)?;
        }
        Ok(more)
    }

    /// Fetches what is at a place that an answer names, unless that was done.
    fn place(
        &mut self,
        definition: &Definition,
        each: &Each,
        item: &RawValue,
        (stretch, values): (&Stretch, &Values<'_>),
        now: Moment,
        desk: &mut dyn Desk,
    ) -> Result<(), Stop> {
        let id = find::id(item, std::slice::from_ref(&each.id));
        if self.memory.knows(&id) {
            return Ok(());
        }
        let url = find::text(item, &each.url);
        let url = url.ok_or_else(|| format!("an item of the answer has no `{}`", each.url))?;
        let answer = self.asker.ask(&definition.request, values, Some(&url), now)?;
        let records = find::all(answer.text()?, "")?;
        let mut page = Page::of(stretch);
        page.ids.push(id);
        let state = self.memory.state.counted();
        Ok(self.hand_in(definition, &records, (page, state), desk)?)
    }

    /// Hands in what is new of a page, and with the last of it how to go on.
    fn hand_in(
        &mut self,
        definition: &Definition,
        records: &[&RawValue],
        (mut page, state): (Page, State),
        desk: &mut dyn Desk,
    ) -> Result<(), Halt> {
        let mut known = self.memory.ids();
        let mut bytes = Vec::new();
        let empty = page.emptied();
        for record in records {
            let id = find::id(record, &definition.id);
            let size = record.get().len();
            if !known.insert(id.clone()) {
                continue;
            }
            if size > RECORD {
                self.note = Some(format!("a record of {size} bytes was left out"));
                continue;
            }
            if !bytes.is_empty() && bytes.len() + size > PIECE {
                // The page is not over: should it be asked for again, these are known.
                let ids = std::mem::replace(&mut page, empty.clone());
                let counted = self.memory.state.counted();
                self.take(std::mem::take(&mut bytes), ids, counted, desk)?;
            }
            page.ids.push(id);
            bytes.extend_from_slice(record.get().as_bytes());
            bytes.push(b'\n');
        }
        let state = state.after(&self.memory.state);
        if !bytes.is_empty() {
            return self.take(bytes, page, state, desk);
        }
        desk.keep(state.cursor(&self.asker.options.name, None))?;
        self.memory.state = state;
        Ok(())
    }

    fn take(
        &mut self,
        bytes: Vec<u8>,
        page: Page,
        state: State,
        desk: &mut dyn Desk,
    ) -> Result<(), Halt> {
        let cursor = state.cursor(&self.asker.options.name, Some(&page));
        let origin = self.asker.options.definition.origin(&self.asker.options.settings).into();
        desk.take(Piece { bytes: bytes.into(), origin, flaws: Vec::new(), cursor })?;
        self.memory.took(state, page);
        Ok(())
    }
}

impl Fetcher for Poll {
    fn turn(&mut self, now: Moment, desk: &mut dyn Desk) -> Result<Rest, Halt> {
        if let Some(next) = self.next
            && now.at < next
        {
            let wait = next.saturating_duration_since(now.at);
            return Ok(Rest { wait, behind: 0, troubles: self.note.iter().cloned().collect() });
        }
        let every =
            self.asker.options.every.unwrap_or_else(|| self.asker.options.definition.every());
        let wait = match self.page(now, desk) {
            Ok(more) => {
                self.failures = 0;
                if more { Duration::ZERO } else { every }
            }
            Err(Stop::Halt(halt)) => return Err(halt),
            Err(stop) => {
                let doubled = backoff(self.failures);
                self.failures += 1;
                let (why, asked) = match stop {
                    Stop::Service(why, asked) => (why, asked),
                    Stop::Lost(why) => {
                        // The stretch is asked for from its beginning; what came of it is known.
                        self.memory.lose_page();
                        (why, None)
                    }
                    Stop::Halt(halt) => (halt.to_string(), None),
                };
                self.note = Some(why);
                asked.unwrap_or(doubled)
            }
        };
        self.next = Some(now.at + wait);
        Ok(Rest { wait, behind: 0, troubles: self.note.iter().cloned().collect() })
    }
}

fn values<'v>(
    definition: &Definition,
    settings: &'v BTreeMap<String, String>,
    stretch: &Stretch,
) -> Result<Values<'v>, String> {
    let written = |time: Micros| {
        let time = Timestamp::from_microsecond(time.0);
        time.map(|time| definition.time_form.write(time)).map_err(|error| error.to_string())
    };
    Ok(Values {
        settings,
        since: written(stretch.since)?,
        until: written(stretch.until)?,
        cursor: stretch.cursor.clone(),
    })
}

/// Where the next page is.
fn next(definition: &Definition, answer: &Told, items: usize) -> Result<Next, Stop> {
    let none = Next::default();
    Ok(match &definition.paging {
        Paging::None | Paging::Full { .. } => none,
        Paging::Link { endless } => Next { url: answer.link_next(), endless: *endless, ..none },
        Paging::Header { name } => Next { url: answer.header(name), ..none },
        Paging::Cursor { path } => {
            // Some give a cursor with the last, empty page as well.
            let cursor = find::text_in(answer.text()?, path).filter(|_| items > 0);
            Next { cursor: cursor.filter(|cursor| !cursor.is_empty()), ..none }
        }
    })
}
