//! Buckets of S3 and what speaks like it: every object once, as it is put there.
//!
//! Names are in no order that tells what is new, and an object may be named earlier than one that was put
//! before it. So a bucket is looked through as a whole, pass by pass, and what was taken is marked object by
//! object. When a pass is over, its time says what needs a mark: nothing that is older than the latest
//! object by [`BucketOptions::late`], because nothing is put there any more with such a time. Where names
//! rise with time ([`BucketOptions::ascending`]), a pass begins behind the names that are that old.
//!
//! An object is one delivery as long as it may be: what it holds may be one document.

mod list;
mod object;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use glob::Pattern;
use model::Micros;
use rusty_s3::{Bucket as S3, Credentials, UrlStyle};
use url::Url;

use crate::client::{self, Client};
use crate::tail::{Preamble, Unfit};
use crate::{Cursor, Desk, Fetcher, Halt, Moment, Rest, SecretSource};
use list::Listed;
use state::{Mark, State};

/// What to fetch, and how to ask for it.
#[derive(Clone)]
pub struct BucketOptions {
    /// The name under which places are saved.
    pub name: Arc<str>,
    /// The bucket.
    pub bucket: String,
    /// Where it is: `https://s3.eu-central-1.amazonaws.com`, `https://ACCOUNT.r2.cloudflarestorage.com` …
    pub endpoint: Url,
    /// Its region; `auto` or anything where there are none.
    pub region: String,
    /// The bucket's name stands in the path, not in the name of the host.
    pub path_style: bool,
    /// What the names of objects begin with.
    pub prefix: String,
    /// Patterns of names that are left out.
    pub exclude: Vec<String>,
    /// Names rise with time.
    pub ascending: bool,
    /// At the very first start, only what is put there from then on.
    pub from_now: bool,
    /// How long after an object another one may appear with an earlier time.
    pub late: Duration,
    /// How often to look.
    pub every: Duration,
    /// Names that are asked for at once; 1,000 at most.
    pub page: usize,
    /// Who asks; none where everybody may.
    pub credentials: Option<BucketCredentials>,
    /// What is repeated in front of each piece of an object that is too large for one.
    pub preamble: Preamble,
    /// What is left alone.
    pub unfit: Unfit,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct BucketCredentials {
    /// The id of the key.
    pub key_id: String,
    /// The key.
    pub secret: SecretSource,
    /// The token of a session, where the key is a temporary one.
    pub token: Option<SecretSource>,
}

/// What cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// The endpoint or the bucket's name.
    #[error("the endpoint or the name of the bucket cannot be used: {0}")]
    Place(String),
    /// A pattern.
    #[error("`{pattern}` is no pattern: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The first and the longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(5));
/// Troubles that are told.
const TOLD: usize = 20;

/// Fetches objects.
pub struct Bucket {
    options: BucketOptions,
    place: S3,
    client: Client,
    exclude: Vec<Pattern>,
    state: State,
    /// Objects by the digest of name and version: what was taken, as far as it must be remembered.
    marks: BTreeMap<String, Mark>,
    /// What is wrong with single objects, by name.
    troubles: BTreeMap<String, String>,
    failures: u32,
    next: Option<Instant>,
}

/// Why a turn could not go on.
enum Stop {
    Halt(Halt),
    /// The service does not answer as it should: what it says, and when it asks to be asked again.
    Service(String, Option<Duration>),
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl Bucket {
    /// Goes on where what was saved under this name says.
    pub fn new<'s>(
        options: BucketOptions,
        client: Client,
        saved: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> Result<Self, BucketError> {
        let style = if options.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let (bucket, region) = (options.bucket.clone(), options.region.clone());
        let place = S3::new(options.endpoint.clone(), style, bucket, region)
            .map_err(|error| BucketError::Place(error.to_string()))?;
        let pattern = |text: &String| {
            let failed = |error: glob::PatternError| BucketError::Pattern {
                pattern: text.clone(),
                why: error.to_string(),
            };
            Pattern::new(text).map_err(failed)
        };
        let exclude = options.exclude.iter().map(pattern).collect::<Result<_, _>>()?;
        let (state, marks) = state::restore(&options, saved);
        Ok(Self {
            options,
            place,
            client,
            exclude,
            state,
            marks,
            troubles: BTreeMap::new(),
            failures: 0,
            next: None,
        })
    }

    fn credentials(&self) -> Result<Option<Credentials>, Stop> {
        let Some(credentials) = &self.options.credentials else { return Ok(None) };
        let read = |source: &SecretSource| {
            source.read().map_err(|error| Stop::Service(error.to_string(), None))
        };
        let (id, secret) = (credentials.key_id.clone(), read(&credentials.secret)?);
        Ok(Some(match &credentials.token {
            None => Credentials::new(id, secret.expose()),
            Some(token) => {
                let token = read(token)?;
                Credentials::new_with_token(id, secret.expose(), token.expose())
            }
        }))
    }

    /// Looks at one page of names and takes what is new. True when the pass goes on.
    fn page(&mut self, now: Moment, desk: &mut dyn Desk) -> Result<bool, Stop> {
        let credentials = self.credentials()?;
        let credentials = credentials.as_ref();
        if self.state.begin.is_none() {
            let begin = if self.options.from_now { now.time } else { Micros(0) };
            self.state.begin = Some(begin);
        }
        let after = self.state.reached.clone().or_else(|| self.state.floor.clone());
        let (page, more) = self.list(credentials, after.as_deref())?;
        for listed in page {
            self.object(credentials, &listed, desk)?;
            self.state.passed(&listed);
        }
        if more {
            self.keep(desk)?;
            return Ok(true);
        }
        self.end_pass(desk)?;
        Ok(false)
    }

    /// Takes an object that is new.
    fn object(
        &mut self,
        credentials: Option<&Credentials>,
        listed: &Listed,
        desk: &mut dyn Desk,
    ) -> Result<(), Stop> {
        let old = listed.modified < self.state.horizon || Some(listed.modified) < self.state.begin;
        let folder = listed.size == 0 || listed.key.ends_with('/');
        if old || folder || self.exclude.iter().any(|pattern| pattern.matches(&listed.key)) {
            return Ok(());
        }
        if listed.key.split('/').any(|part| part == "." || part == "..") {
            self.trouble(&listed.key, "cannot be asked for: no URL can name it");
            return Ok(());
        }
        let id = listed.id();
        let mark = self.marks.get(&id).cloned().unwrap_or_else(|| Mark::of(listed));
        if mark.done {
            return Ok(());
        }
        self.take(credentials, listed, mark, desk)
    }

    /// The whole bucket was looked through: time goes on, and marks that are not needed go.
    fn end_pass(&mut self, desk: &mut dyn Desk) -> Result<(), Halt> {
        let before = self.state.horizon;
        self.state.end_pass(self.options.late);
        self.keep(desk)?;
        let horizon = self.state.horizon;
        if horizon <= before {
            return Ok(());
        }
        let old: Vec<String> = self
            .marks
            .iter()
            .filter(|(_, mark)| mark.modified < horizon)
            .map(|(id, _)| id.clone())
            .collect();
        let names: Vec<String> =
            old.iter().map(|id| state::mark_name(&self.options.name, id)).collect();
        desk.forget(&names)?;
        for id in old {
            self.marks.remove(&id);
        }
        Ok(())
    }

    fn keep(&mut self, desk: &mut dyn Desk) -> Result<(), Halt> {
        let Some(value) = self.state.changed() else { return Ok(()) };
        desk.keep(Cursor { name: state::pass_name(&self.options.name).into(), value: value.into() })
    }

    fn trouble(&mut self, key: &str, what: impl Into<String>) {
        if self.troubles.len() < TOLD || self.troubles.contains_key(key) {
            self.troubles.insert(key.to_owned(), what.into());
        }
    }
}

impl Fetcher for Bucket {
    fn turn(&mut self, now: Moment, desk: &mut dyn Desk) -> Result<Rest, Halt> {
        if let Some(next) = self.next
            && now.at < next
        {
            let wait = next.saturating_duration_since(now.at);
            return Ok(Rest { wait, behind: 0, troubles: self.told(None) });
        }
        if self.state.reached.is_none() {
            self.troubles.clear();
        }
        let (wait, trouble) = match self.page(now, desk) {
            Ok(more) => {
                self.failures = 0;
                (if more { Duration::ZERO } else { self.options.every }, None)
            }
            Err(Stop::Halt(halt)) => return Err(halt),
            Err(Stop::Service(why, asked)) => {
                let doubled = BACKOFF.0.saturating_mul(1 << self.failures.min(10));
                self.failures += 1;
                (asked.unwrap_or_else(|| doubled.min(BACKOFF.1)), Some(why))
            }
        };
        self.next = Some(now.at + wait);
        Ok(Rest { wait, behind: 0, troubles: self.told(trouble) })
    }
}

impl Bucket {
    fn told(&self, first: Option<String>) -> Vec<String> {
        let objects = self.troubles.iter().map(|(key, what)| format!("{key}: {what}"));
        first.into_iter().chain(objects).collect()
    }
}

/// What an answer that is no success says: its status, and what S3's document names as the reason.
fn refused(answer: &client::Answer) -> Stop {
    let text = String::from_utf8_lossy(&answer.body);
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(part, _)| part.chars().take(200).collect::<String>())
    };
    let said = [part("Code"), part("Message"), part("Region").map(|r| format!("region {r}"))];
    let said: Vec<String> = said.into_iter().flatten().collect();
    let wait = client::asked_to_wait(&answer.headers, SystemTime::now());
    let wait = wait.filter(|_| matches!(answer.status.as_u16(), 429 | 503));
    Stop::Service(format!("the service answers {}: {}", answer.status, said.join(", ")), wait)
}
