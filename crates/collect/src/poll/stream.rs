//! Streams without an end that a service names: each is read as it comes, and kept open for as long as it is
//! read.
//!
//! Every record has a number. The highest one of each partition is saved with the delivery that brought it,
//! and is what to ask for from there on: whether the service counts from that number or from the next one,
//! what was taken is known by it and not taken again.
//!
//! An answer says where a stream is and what to show there. So it is asked alone below the domains that the
//! definition names, over TLS, or on the host that named it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::inert;
use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use url::Url;

use super::ask::{self, Asker};
use super::definition::{Definition, StreamForm};
use super::lines::Gathered;
use super::template::Values;
use super::{DefinitionError, PIECE, PollOptions, Stop, backoff, find};
use crate::client::{Client, Flow, News, Request};
use crate::{Cursor, Desk, Fetcher, Halt, Moment, Piece, Rest, Secret};

/// Streams of one service.
const PARTITIONS: usize = 32;
/// Bytes of an answer that is no stream.
const ANSWER: usize = 64 << 10;
/// Pieces of streams that wait to be read.
const WAITING: usize = 16;
/// How long a stream may say nothing, not even that it lives.
const SILENCE: Duration = Duration::from_mins(5);
/// Bytes that one turn reads.
const TURN: usize = 4 * PIECE;
/// What a piece of a stream counts for at least.
const CHUNK: usize = 1 << 10;
/// The longest rest between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// So often in a row a stream may fail before the service is asked where it is.
const ATTEMPTS: u32 = 5;

/// Reads the streams that a service names.
pub struct Stream {
    asker: Asker,
    /// The highest number of each partition that was handed in.
    taken: BTreeMap<String, u64>,
    session: Option<Session>,
    failures: u32,
    next: Option<Instant>,
    /// Why there is no session.
    note: Option<String>,
}

/// What the service named, and what comes of it.
struct Session {
    tell: Sender<(usize, News)>,
    news: Receiver<(usize, News)>,
    /// What came while it was waited for.
    came: Option<(usize, News)>,
    /// Counts streams that were opened, so that nothing of one is taken for another's.
    opened: usize,
    partitions: Vec<Partition>,
}

/// One stream.
struct Partition {
    name: String,
    url: Url,
    token: Secret,
    refresh: Url,
    every: Duration,
    refresh_at: Instant,
    /// When the session is over.
    over: Instant,
    flow: Option<(usize, Flow)>,
    failures: u32,
    next: Instant,
    /// Why it does not come.
    down: Option<String>,
    /// Why its session could not be kept.
    unkept: Option<String>,
    gathered: Gathered,
}

/// What is saved of a partition.
#[derive(Serialize, Deserialize)]
struct Place {
    offset: Option<u64>,
}

impl Stream {
    /// Goes on where what was saved under this name says.
    pub fn new<'s>(
        options: PollOptions,
        client: Client,
        saved: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> Result<Self, DefinitionError> {
        let prefix = place_name(&options.name, "");
        let place = |(name, value): (&str, &str)| {
            let place: Place = serde_json::from_str(value).ok()?;
            Some((name.strip_prefix(&prefix)?.to_owned(), place.offset?))
        };
        let taken = saved.into_iter().filter_map(place).collect();
        let asker = Asker::new(options, client)?;
        Ok(Self { asker, taken, session: None, failures: 0, next: None, note: None })
    }

    /// Asks where the streams are.
    fn begin(
        &mut self,
        definition: &Definition,
        form: &StreamForm,
        now: Moment,
    ) -> Result<Session, Stop> {
        let settings = self.asker.options.settings.clone();
        let values = values(&settings);
        let answer = self.asker.ask(&definition.request, &values, None, now)?;
        find::refusal(answer.text()?, definition.errors.as_deref())?;
        let items = find::all(answer.text()?, &definition.records)?;
        if items.is_empty() {
            let why = "the service names no stream: another reader may use this name, or the last session \
                       is not over yet";
            return Err(why.to_owned().into());
        }
        if items.len() > PARTITIONS {
            return Err(format!("the service names {} streams", items.len()).into());
        }
        let own = ask::url(&definition.request, &values)?;
        let mut partitions: Vec<Partition> = Vec::new();
        for item in items {
            let partition = self.partition(form, item, (&own, &values), now.at)?;
            if partitions.iter().any(|other| other.name == partition.name) {
                let name = &partition.name;
                return Err(format!("the service names two streams of partition {name}").into());
            }
            partitions.push(partition);
        }
        let (tell, news) = channel(WAITING);
        Ok(Session { tell, news, came: None, opened: 0, partitions })
    }

    /// What an item of the answer says.
    fn partition(
        &self,
        form: &StreamForm,
        item: &RawValue,
        (own, values): (&Url, &Values<'_>),
        now: Instant,
    ) -> Result<Partition, String> {
        let said = |path: &str| {
            find::text(item, path).ok_or_else(|| format!("a stream of the answer has no `{path}`"))
        };
        let url = within(own, &form.domains, &said(&form.url)?)?;
        let mut refresh = within(own, &form.domains, &said(&form.refresh.url)?)?;
        for (name, text) in &form.refresh.query {
            let there = refresh.query_pairs().any(|(known, _)| known == *name);
            if let Some(value) = values.fill(text, None, |value| value).filter(|_| !there) {
                refresh.query_pairs_mut().append_pair(name, &value);
            }
        }
        let every = said(&form.refresh.every)?.parse::<u64>();
        let every = every.map_err(|_| format!("`{}` is no number", form.refresh.every))?;
        let every = Duration::from_secs(every.clamp(1, 86_400));
        let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(format!("a stream is of no partition: `{}`", inert(url.path())));
        }
        let gathered = Gathered::behind(self.taken.get(name).copied());
        Ok(Partition {
            name: name.to_owned(),
            token: Secret::new(said(&form.token)?),
            url,
            refresh,
            every,
            refresh_at: now + early(every),
            over: now + every,
            flow: None,
            failures: 0,
            next: now,
            down: None,
            unkept: None,
            gathered,
        })
    }

    /// Keeps sessions, opens what is not open, and takes what has come. True when there is more.
    fn read(
        &mut self,
        session: &mut Session,
        form: &StreamForm,
        now: Moment,
        desk: &mut dyn Desk,
    ) -> Result<bool, Stop> {
        for partition in &mut session.partitions {
            self.keep(partition, now)?;
            if partition.flow.is_none() && partition.next <= now.at {
                session.opened += 1;
                self.open(partition, (session.opened, &session.tell), form, now.at)?;
            }
        }
        let mut room = TURN;
        while room > 0 {
            let came = session.came.take().or_else(|| session.news.try_recv().ok());
            let Some((number, news)) = came else { break };
            let of = |partition: &&mut Partition| {
                partition.flow.as_ref().is_some_and(|(own, _)| *own == number)
            };
            let Some(partition) = session.partitions.iter_mut().find(of) else { continue };
            match news {
                News::Bytes(bytes) => {
                    room = room.saturating_sub(bytes.len().max(CHUNK));
                    partition.gathered.read(&bytes, &form.offset, now.at);
                    (partition.failures, partition.down) = (0, None);
                    self.failures = 0;
                    if partition.gathered.is_full() {
                        self.hand_in(partition, desk)?;
                    }
                }
                News::End(why) => {
                    partition.gathered.cut();
                    let quiet = partition.failures > 0 || partition.down.is_some();
                    let why = why.or_else(|| quiet.then(|| "it ended".to_owned()));
                    partition.fail(why, None, now.at);
                }
            }
        }
        for partition in &mut session.partitions {
            let due = partition.gathered.due().is_some_and(|due| due <= now.at);
            if due || partition.flow.is_none() {
                self.hand_in(partition, desk)?;
            }
        }
        Ok(room == 0)
    }

    /// Says to the service that a stream is still read, in time.
    fn keep(&mut self, partition: &mut Partition, now: Moment) -> Result<(), Stop> {
        if now.at >= partition.over {
            return Err(Stop::Lost(format!("the session of {} is over", partition.name)));
        }
        if now.at < partition.refresh_at {
            return Ok(());
        }
        let every = partition.every;
        match self.refresh(&partition.refresh, now) {
            Ok(()) => {
                partition.refresh_at = now.at + early(every);
                partition.over = now.at + every;
                partition.unkept = None;
            }
            Err(Stop::Service(why, asked)) => {
                let soon = (every / 20).max(Duration::from_secs(1));
                partition.unkept = Some(format!("its session is not kept: {why}"));
                partition.refresh_at = now.at + asked.unwrap_or(soon);
            }
            Err(stop) => return Err(stop),
        }
        Ok(())
    }

    fn refresh(&mut self, url: &Url, now: Moment) -> Result<(), Stop> {
        let settings = self.asker.options.settings.clone();
        let mut request = Request::get(url.clone());
        request.method = reqwest::Method::POST;
        request.body = Some(bytes::Bytes::new());
        request.header(ACCEPT, "application/json", false)?;
        self.asker.authorise(&mut request, &values(&settings), now)?;
        let answer = self.asker.reach(request)?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(self.asker.refused(&answer, true))
    }

    /// Opens a stream behind what came of it.
    fn open(
        &mut self,
        partition: &mut Partition,
        (number, tell): (usize, &Sender<(usize, News)>),
        form: &StreamForm,
        now: Instant,
    ) -> Result<(), Stop> {
        let settings = self.asker.options.settings.clone();
        let mut url = partition.url.clone();
        let from = partition.gathered.seen.unwrap_or_default();
        url.query_pairs_mut().append_pair(&form.from, &from.to_string());
        let mut request = Request::get(url);
        request.header(ACCEPT, "application/json", false)?;
        for (name, text) in &form.headers {
            let value = values(&settings).fill(text, Some(partition.token.expose()), |value| value);
            request.header(ask::header(name)?, &value.unwrap_or_default(), true)?;
        }
        let opened = match self.asker.client.open(request) {
            Ok(opened) if opened.status.is_success() => {
                let flow = opened.body.flow(number, SILENCE, tell.clone());
                partition.flow = Some((number, flow));
                return Ok(());
            }
            Ok(opened) => opened.whole(ANSWER),
            Err(error) => Err(error),
        };
        let (why, asked) = match opened {
            Err(error) => (error.to_string(), None),
            Ok(answer) => {
                let (why, asked) = match self.asker.refused(&answer, false) {
                    Stop::Service(why, asked) => (why, asked),
                    other => return Err(other),
                };
                let limited = answer.status == StatusCode::TOO_MANY_REQUESTS;
                if answer.status.is_client_error() && !limited && asked.is_none() {
                    // The session is over, or never was one.
                    return Err(Stop::Lost(why));
                }
                (why, asked)
            }
        };
        if partition.failures >= ATTEMPTS {
            return Err(Stop::Lost(why));
        }
        partition.fail(Some(why), asked, now);
        Ok(())
    }

    /// Hands in what waits, and with it how far the stream was read.
    fn hand_in(&mut self, partition: &mut Partition, desk: &mut dyn Desk) -> Result<(), Halt> {
        let Some((bytes, flaws)) = partition.gathered.take() else { return Ok(()) };
        let options = &self.asker.options;
        let offset = partition.gathered.seen;
        // A number: it cannot fail.
        let value = serde_json::to_string(&Place { offset }).unwrap_or_default().into();
        let cursor = Cursor { name: place_name(&options.name, &partition.name).into(), value };
        let mut url = partition.url.clone();
        url.set_query(None);
        let origin = format!("{} {url}", options.definition.name).into();
        desk.take(Piece { bytes: bytes.into(), origin, flaws, cursor })?;
        if let Some(offset) = offset {
            self.taken.insert(partition.name.clone(), offset);
        }
        Ok(())
    }

    fn failed(&mut self, stop: Stop, now: Instant) -> Result<Rest, Halt> {
        let (why, asked) = match stop {
            Stop::Halt(halt) => return Err(halt),
            Stop::Service(why, asked) => (why, asked),
            Stop::Lost(why) => (why, None),
        };
        let wait = asked.unwrap_or_else(|| backoff(self.failures));
        self.failures += 1;
        self.note = Some(why);
        self.next = Some(now + wait);
        Ok(self.rest(wait))
    }

    fn rest(&self, wait: Duration) -> Rest {
        let mut troubles: Vec<String> = self.note.iter().cloned().collect();
        let partitions = || self.session.iter().flat_map(|session| &session.partitions);
        for partition in partitions() {
            let said = partition.unkept.iter().chain(&partition.down);
            let said = said.chain(&partition.gathered.strange);
            troubles.extend(said.map(|why| format!("partition {}: {why}", partition.name)));
        }
        Rest { wait, behind: partitions().map(|p| p.gathered.waiting()).sum(), troubles }
    }
}

impl Fetcher for Stream {
    fn turn(&mut self, now: Moment, desk: &mut dyn Desk) -> Result<Rest, Halt> {
        let definition = Arc::clone(&self.asker.options.definition);
        let Some(form) = &definition.stream else { return Ok(self.rest(LOOK)) };
        let session = match self.session.take() {
            Some(session) => Ok(session),
            None => match self.next.filter(|next| now.at < *next) {
                Some(next) => return Ok(self.rest(next.saturating_duration_since(now.at))),
                None => self.begin(&definition, form, now),
            },
        };
        let mut session = match session {
            Ok(session) => session,
            Err(stop) => return self.failed(stop, now.at),
        };
        // Should the desk take nothing, the session is gone, and what it gathered comes again.
        match self.read(&mut session, form, now, desk) {
            Ok(more) => {
                let wait = if more { Duration::ZERO } else { session.wait(now.at) };
                (self.note, self.session) = (None, Some(session));
                Ok(self.rest(wait))
            }
            Err(Stop::Halt(halt)) => Err(halt),
            Err(stop) => {
                for partition in &mut session.partitions {
                    self.hand_in(partition, desk)?;
                }
                self.failed(stop, now.at)
            }
        }
    }

    fn wait(&mut self, within: Duration) -> bool {
        let Some(session) = &mut self.session else {
            std::thread::sleep(within);
            return false;
        };
        if session.came.is_none() {
            let next = async { timeout(within, session.news.recv()).await };
            session.came = self.asker.client.runtime().block_on(next).ok().flatten();
        }
        session.came.is_some()
    }
}

impl Session {
    /// How long there is nothing to do unless something comes.
    fn wait(&self, now: Instant) -> Duration {
        let times = self.partitions.iter().flat_map(|partition| {
            let again = partition.flow.is_none().then_some(partition.next);
            let due = partition.gathered.due();
            [again, due, Some(partition.refresh_at), Some(partition.over)].into_iter().flatten()
        });
        times.map(|time| time.saturating_duration_since(now)).fold(LOOK, Duration::min)
    }
}

impl Partition {
    /// It does not come: it is opened again later.
    fn fail(&mut self, why: Option<String>, asked: Option<Duration>, now: Instant) {
        self.flow = None;
        self.down = why;
        self.next = now + asked.unwrap_or_else(|| backoff(self.failures));
        self.failures += 1;
    }
}

/// When a session of such a length is kept on: there is time to try again.
fn early(every: Duration) -> Duration {
    every * 3 / 4
}

fn place_name(name: &str, partition: &str) -> String {
    format!("{name}/s/{partition}")
}

fn values(settings: &BTreeMap<String, String>) -> Values<'_> {
    Values { settings, since: String::new(), until: String::new(), cursor: None }
}

/// A URL of an answer, when it is one of the host that answered or below the domains of its makers.
fn within(own: &Url, domains: &[String], text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("the service gives no URL: {error}"))?;
    let host = url.host_str().unwrap_or_default();
    let is_below = |domain: &String| {
        host.strip_suffix(domain.as_str()).is_some_and(|front| front.ends_with('.'))
    };
    let is_makers = url.scheme() == "https" && url.port().is_none() && domains.iter().any(is_below);
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !is_plain || !(is_makers || url.origin() == own.origin()) {
        return Err(format!("the service points to another host, {}", inert(host)));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_shown_to_the_makers_alone() {
        let own: Url = "https://api.us-2.crowdstrike.com/sensors".parse().unwrap();
        let domains = ["crowdstrike.com".to_owned()];
        let goes = |text: &str| within(&own, &domains, text).is_ok();
        assert!(goes(
            "https://firehose.us-2.crowdstrike.com/sensors/entities/datafeed/v1/0?appId=x"
        ));
        assert!(goes("https://api.us-2.crowdstrike.com/refresh"));
        assert!(goes("https://Firehose.CrowdStrike.com:443/0"));
        for text in [
            "http://firehose.crowdstrike.com/0",
            "https://firehose.crowdstrike.com:8443/0",
            "https://firehose.crowdstrike.com.example.net/0",
            "https://evilcrowdstrike.com/0",
            "https://crowdstrike.com@example.net/0",
            "https://example.net/.crowdstrike.com",
            "https://user@firehose.crowdstrike.com/0",
            "https://169.254.169.254/0",
            "file:///etc/passwd",
            "data:,x",
            "",
        ] {
            assert!(!goes(text), "{text}");
        }
    }
}
