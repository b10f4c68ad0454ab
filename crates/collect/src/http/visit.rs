//! A request from its head to its answer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, HeaderName, HeaderValue};
use http::request::Parts;

use super::PROTOCOLS;
use super::answer::{Answer, Refusal};
use super::decode::{BodyLimits, Decoder};
use super::door::Door;
use super::elastic::ElasticSettings;
use super::hec::HecSettings;
use super::query::Query;
use super::secret::Credential;
use crate::Position;

/// What the protocols are set to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How large bodies may be.
    pub limits: BodyLimits,
    /// Names of the formats that a sender may name.
    pub formats: Vec<&'static str>,
    /// Headers that may hold a secret and nothing else, for senders that cannot set `Authorization`.
    pub secret_headers: Vec<HeaderName>,
    /// Of the HTTP Event Collector.
    pub hec: HecSettings,
    /// Of Elasticsearch's API.
    pub elastic: ElasticSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: BodyLimits::default(),
            formats: Vec::new(),
            secret_headers: vec![HeaderName::from_static("x-watchfloor-token")],
            hec: HecSettings::default(),
            elastic: ElasticSettings::default(),
        }
    }
}

/// A way in which senders deliver over HTTP: one row of [`PROTOCOLS`], one file.
pub trait Protocol: Send + Sync {
    /// Its stable name.
    fn name(&self) -> &'static str;

    /// What it is, in one line for a person.
    fn about(&self) -> &'static str;

    /// Where its requests come in.
    fn doors(&self) -> &'static [Door];

    /// Whether a request at one of its doors is its own, where paths are shared with others.
    fn claims(&self, _: &Visit<'_>) -> bool {
        true
    }

    /// Who the sender claims to be.
    fn credential(&self, visit: &Visit<'_>) -> Result<Credential, Refusal> {
        Credential::usual(&visit.parts.headers, &visit.reception.settings.secret_headers)
    }

    /// The answer to what needs no body. Behind an open door anybody gets it, elsewhere those who are known.
    fn greeting(&self, _: &Visit<'_>) -> Option<Answer> {
        None
    }

    /// How the body is encoded as a whole; identity when nothing.
    fn encoding<'v>(&self, visit: &Visit<'v>) -> Option<&'v [u8]> {
        visit.parts.headers.get(CONTENT_ENCODING).map(http::HeaderValue::as_bytes)
    }

    /// How large a body may be.
    fn limits(&self, visit: &Visit<'_>) -> BodyLimits {
        visit.reception.settings.limits
    }

    /// Reads a body, decoded.
    fn receive(&self, visit: &Visit<'_>, body: Vec<u8>) -> Result<Receipt, Answer>;

    /// Says no.
    fn refuse(&self, visit: &Visit<'_>, refusal: &Refusal) -> Answer;
}

/// Where requests come in: the settings, and up to where deliveries are on the disk.
#[derive(Debug)]
pub struct Reception {
    pub(crate) settings: Settings,
    durable: AtomicU64,
}

/// What a request is, by its head.
#[derive(Debug)]
pub enum Opening<'r> {
    /// None of any protocol here.
    Elsewhere,
    /// Answered to anybody.
    Answer(Answer),
    /// A visit: its credential comes next.
    Visit(Visit<'r>),
}

impl Reception {
    /// A reception with these settings, of a log whose last delivery is this one.
    pub fn new(settings: Settings, last: Position) -> Self {
        Self { settings, durable: AtomicU64::new(last.0) }
    }

    /// Notes that a delivery is on the disk, and with it all that were taken before it.
    pub fn kept(&self, position: Position) {
        self.durable.fetch_max(position.0, Ordering::AcqRel);
    }

    /// The last delivery that is on the disk.
    pub(crate) fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    /// Looks at the head of a request.
    pub fn open<'r>(&'r self, parts: &'r Parts) -> Opening<'r> {
        let path = parts.uri.path();
        let mut other_method = None;
        for protocol in PROTOCOLS {
            let mut doors = protocol.doors().iter().filter(|door| door.leads(path)).peekable();
            let Some(first) = doors.peek().copied() else { continue };
            let query = Query::new(parts.uri.query());
            let path = path.trim_end_matches('/');
            let visit = Visit { protocol: *protocol, reception: self, parts, path, query };
            if !protocol.claims(&visit) {
                continue;
            }
            match doors.find(|door| door.takes(&parts.method)) {
                Some(door) if door.open => {
                    let greeting = protocol.greeting(&visit);
                    let answer = greeting.unwrap_or_else(|| visit.other_method());
                    return Opening::Answer(answer);
                }
                Some(_) => return Opening::Visit(visit),
                None if first.is_plain() => other_method = other_method.or(Some(visit)),
                None => {}
            }
        }
        match other_method {
            Some(visit) => Opening::Answer(visit.other_method()),
            None => Opening::Elsewhere,
        }
    }
}

/// A request whose protocol is known.
pub struct Visit<'r> {
    pub(crate) protocol: &'static dyn Protocol,
    pub(crate) reception: &'r Reception,
    pub(crate) parts: &'r Parts,
    /// The path without a slash at its end; empty for `/`.
    pub(crate) path: &'r str,
    pub(crate) query: Query,
}

/// Neither headers nor the query are shown: secrets stand in them.
impl fmt::Debug for Visit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit")
            .field("protocol", &self.protocol.name())
            .field("method", &self.parts.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Visit<'_> {
    /// The protocol.
    pub fn protocol(&self) -> &'static dyn Protocol {
        self.protocol
    }

    /// Who the sender claims to be. The error is the answer.
    pub fn credential(&self) -> Result<Credential, Answer> {
        self.protocol.credential(self).map_err(|refusal| self.refuse(&refusal))
    }

    /// The answer to what is told without a body.
    pub fn greeting(&self) -> Option<Answer> {
        self.protocol.greeting(self)
    }

    /// Takes the body in. The error is the answer.
    pub fn decoder(&self) -> Result<Decoder, Answer> {
        let limits = self.protocol.limits(self);
        Decoder::new(self.protocol.encoding(self), limits).map_err(|e| self.refuse(&e.into()))
    }

    /// Reads a body, decoded. The error is the answer.
    pub fn receive(&self, body: Vec<u8>) -> Result<Receipt, Answer> {
        self.protocol.receive(self, body)
    }

    /// Says no, in the protocol's own words.
    pub fn refuse(&self, refusal: &Refusal) -> Answer {
        self.protocol.refuse(self, refusal)
    }

    /// Says that the path takes other methods, and which (RFC 9110, 15.5.6).
    fn other_method(&self) -> Answer {
        let mut answer = self.refuse(&Refusal::Method);
        let doors = self.protocol.doors().iter().filter(|door| door.leads(self.path));
        let methods: BTreeSet<&str> = doors.flat_map(Door::methods).collect();
        let methods: Vec<_> = methods.into_iter().collect();
        if let Ok(methods) = HeaderValue::from_str(&methods.join(", ")) {
            answer.headers.insert(ALLOW, methods);
        }
        answer
    }

    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }
}

/// What a sender delivered, and what it is told when that is on the disk.
pub struct Receipt {
    /// What is to be kept, in this order; nothing when the sender only tried whether anybody is there.
    pub deliver: Vec<Deliver>,
    accepted: Accepted,
}

/// Makes the answer to a delivery that is on the disk, of its number there.
type Accepted = Box<dyn FnOnce(Position) -> Answer + Send>;

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("deliver", &self.deliver).finish_non_exhaustive()
    }
}

impl Receipt {
    /// Of something that is to be kept.
    pub(crate) fn of(
        deliver: Vec<Deliver>,
        accepted: impl FnOnce(Position) -> Answer + Send + 'static,
    ) -> Self {
        Self { deliver, accepted: Box::new(accepted) }
    }

    /// Of nothing that is to be kept.
    pub(crate) fn nothing(answer: Answer) -> Self {
        Self { deliver: Vec::new(), accepted: Box::new(|_| answer) }
    }

    /// Takes out what is to be kept.
    pub fn take(&mut self) -> Vec<Deliver> {
        std::mem::take(&mut self.deliver)
    }

    /// The answer, once all of [`deliver`](Receipt::deliver) is on the disk, the last of it under this
    /// number; [`Position::START`] where there was nothing to be kept.
    pub fn accepted(self, at: Position) -> Answer {
        (self.accepted)(at)
    }
}

/// Bytes to be kept, and what is known of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Deliver {
    /// The format, by its name in `parse`'s table, where the protocol or the sender says it. Otherwise it
    /// is recognised by content.
    pub format: Option<&'static str>,
    /// How many events the protocol sees in it, where it looks.
    pub events: Option<u64>,
    /// What the sender says of the whole delivery: host, source, index.
    pub metadata: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Bytes,
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver")
            .field("format", &self.format)
            .field("events", &self.events)
            .field("metadata", &self.metadata)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}
