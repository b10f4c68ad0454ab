//! Splunk's HTTP Event Collector.
//!
//! Events come as envelopes (`/services/collector`, `/event`) or as they are (`/raw`). A body that is
//! refused is refused whole. A sender that names a channel gets a number for its delivery and may ask
//! for it under `/ack`. The number is that of the delivery in the write-ahead log: a question is answered
//! by looking how far the log is on the disk, also after a restart, and nothing is remembered of channels.
//!
//! Source: "HTTP Event Collector REST API endpoints" and "Troubleshoot HTTP Event Collector" (the
//! table of codes), Splunk Enterprise.

mod check;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Refusal};
use super::door::{Door, door, open};
use super::secret::{Credential, Scheme};
use super::visit::{Deliver, Protocol, Receipt, Visit};
use check::Problem;

/// How the collector is set.
#[derive(Debug, Clone)]
pub struct HecSettings {
    /// Take a token from `?token=`: it ends up in the logs of whatever stands between.
    pub query_tokens: bool,
    /// Number deliveries of senders that name a channel, and answer under `/ack`.
    pub acknowledge: bool,
}

impl Default for HecSettings {
    fn default() -> Self {
        Self { query_tokens: false, acknowledge: true }
    }
}

/// The protocol `hec`.
pub(super) struct Hec;

/// Docker's logging driver knocks with OPTIONS before it starts.
static DOORS: &[Door] = &[
    door("POST", "/services/collector"),
    door("POST", "/services/collector/event"),
    door("POST", "/services/collector/event/1.0"),
    door("POST", "/services/collector/raw"),
    door("POST", "/services/collector/raw/1.0"),
    door("POST", "/services/collector/ack"),
    door("POST", "/services/collector/ack/1.0"),
    open("GET", "/services/collector/health"),
    open("GET", "/services/collector/health/1.0"),
    open("OPTIONS", "/services/collector"),
    open("OPTIONS", "/services/collector/event"),
    open("OPTIONS", "/services/collector/event/1.0"),
];

/// What stands under a path of the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Event,
    Raw,
    Ack,
    Health,
}

fn place(path: &str) -> Place {
    let path = path.strip_suffix("/1.0").unwrap_or(path);
    match path.rsplit('/').next() {
        Some("raw") => Place::Raw,
        Some("ack") => Place::Ack,
        Some("health") => Place::Health,
        _ => Place::Event,
    }
}

/// The collector's answers: code, status, text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Success,
    TokenDisabled,
    TokenRequired,
    InvalidAuthorization,
    InvalidToken,
    NoData,
    InvalidFormat,
    ServerError,
    Busy,
    ChannelMissing,
    InvalidChannel,
    EventRequired,
    EventBlank,
    AckDisabled,
    IndexedFields,
    QueryOff,
    Healthy,
    Closing,
}

impl Code {
    fn row(self) -> (u8, StatusCode, &'static str) {
        match self {
            Self::Success => (0, StatusCode::OK, "Success"),
            Self::TokenDisabled => (1, StatusCode::FORBIDDEN, "Token disabled"),
            Self::TokenRequired => (2, StatusCode::UNAUTHORIZED, "Token is required"),
            Self::InvalidAuthorization => (3, StatusCode::UNAUTHORIZED, "Invalid authorization"),
            Self::InvalidToken => (4, StatusCode::FORBIDDEN, "Invalid token"),
            Self::NoData => (5, StatusCode::BAD_REQUEST, "No data"),
            Self::InvalidFormat => (6, StatusCode::BAD_REQUEST, "Invalid data format"),
            Self::ServerError => (8, StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
            Self::Busy => (9, StatusCode::SERVICE_UNAVAILABLE, "Server is busy"),
            Self::ChannelMissing => (10, StatusCode::BAD_REQUEST, "Data channel is missing"),
            Self::InvalidChannel => (11, StatusCode::BAD_REQUEST, "Invalid data channel"),
            Self::EventRequired => (12, StatusCode::BAD_REQUEST, "Event field is required"),
            Self::EventBlank => (13, StatusCode::BAD_REQUEST, "Event field cannot be blank"),
            Self::AckDisabled => (14, StatusCode::BAD_REQUEST, "ACK is disabled"),
            Self::IndexedFields => {
                (15, StatusCode::BAD_REQUEST, "Error in handling indexed fields")
            }
            Self::QueryOff => {
                (16, StatusCode::BAD_REQUEST, "Query string authorization is not enabled")
            }
            Self::Healthy => (17, StatusCode::OK, "HEC is healthy"),
            Self::Closing => (23, StatusCode::SERVICE_UNAVAILABLE, "Server is shutting down"),
        }
    }

    fn answer(self) -> Answer {
        self.answer_with(Map::new())
    }

    fn answer_with(self, more: Map<String, Value>) -> Answer {
        let (code, status, text) = self.row();
        let mut body = Map::new();
        body.insert("text".to_owned(), text.into());
        body.insert("code".to_owned(), code.into());
        body.extend(more);
        Answer::json(status, &body)
    }
}

impl Protocol for Hec {
    fn name(&self) -> &'static str {
        "hec"
    }

    fn about(&self) -> &'static str {
        "Splunk's HTTP Event Collector"
    }

    fn doors(&self) -> &'static [Door] {
        DOORS
    }

    fn greeting(&self, visit: &Visit<'_>) -> Option<Answer> {
        if place(visit.path) == Place::Health {
            return Some(Code::Healthy.answer());
        }
        (visit.parts.method == Method::OPTIONS).then(|| Answer::bare(StatusCode::OK))
    }

    fn credential(&self, visit: &Visit<'_>) -> Result<Credential, Refusal> {
        match Credential::authorization(&visit.parts.headers)? {
            Some(found) if matches!(found.scheme, Scheme::Splunk | Scheme::Basic) => Ok(found),
            Some(_) => Err(Refusal::OddCredential),
            None => match visit.query.get("token") {
                None => Err(Refusal::NoCredential),
                Some(_) if !visit.reception.settings.hec.query_tokens => {
                    Err(Refusal::SecretInQuery)
                }
                Some(token) => Credential::new(Scheme::Query, None, token),
            },
        }
    }

    fn receive(&self, visit: &Visit<'_>, body: Vec<u8>) -> Result<Receipt, Answer> {
        let place = place(visit.path);
        let channel = channel(visit)?;
        if place == Place::Ack {
            return ask(visit, channel.is_some(), &body).map(Receipt::nothing);
        }
        if body.trim_ascii().is_empty() {
            return Err(Code::NoData.answer());
        }
        let (format, events) = match place {
            Place::Raw => (None, None),
            _ => {
                let events = check::events(&body).map_err(answer_to_problem)?;
                (Some("hec"), Some(events as u64))
            }
        };
        let numbered = channel.is_some() && visit.reception.settings.hec.acknowledge;
        let metadata = visit.query.labels(&["host", "source", "sourcetype", "index", "time"]);
        let deliver = Deliver { format, events, metadata, body: body.into() };
        Ok(Receipt::of(vec![deliver], move |at| {
            let number = numbered.then(|| ("ackId".to_owned(), at.0.into()));
            Code::Success.answer_with(number.into_iter().collect())
        }))
    }

    fn refuse(&self, _: &Visit<'_>, refusal: &Refusal) -> Answer {
        let code = match refusal {
            Refusal::NoCredential => Code::TokenRequired,
            Refusal::OddCredential => Code::InvalidAuthorization,
            Refusal::SecretInQuery => Code::QueryOff,
            Refusal::UnknownCredential => Code::InvalidToken,
            Refusal::DisabledCredential => Code::TokenDisabled,
            Refusal::Broken(_) | Refusal::Encoding => Code::InvalidFormat,
            Refusal::Empty => Code::NoData,
            Refusal::Full { .. } => Code::Busy,
            Refusal::Closing => Code::Closing,
            Refusal::Failed => Code::ServerError,
            Refusal::Method | Refusal::Slow | Refusal::TooLarge { .. } => {
                // What has no number in the table is told by the status.
                let status = refusal.status();
                let body = json!({"text": refusal.message(), "code": status.as_u16()});
                return Answer::json(status, &body).refusing(refusal);
            }
        };
        code.answer().refusing(refusal)
    }
}

fn answer_to_problem(problem: Problem) -> Answer {
    let (code, number) = match problem {
        Problem::Form(number) => (Code::InvalidFormat, number),
        Problem::NoEvent(number) => (Code::EventRequired, number),
        Problem::Blank(number) => (Code::EventBlank, number),
        Problem::Fields(number) => (Code::IndexedFields, number),
    };
    let more = Map::from_iter([("invalid-event-number".to_owned(), number.into())]);
    code.answer_with(more)
}

/// The channel that a request names, in its header or its query.
fn channel<'v>(visit: &'v Visit<'_>) -> Result<Option<&'v str>, Answer> {
    let header = visit.parts.headers.get("x-splunk-request-channel");
    let named = match header {
        Some(value) => Some(value.to_str().map_err(|_| Code::InvalidChannel.answer())?),
        None => visit.query.get("channel"),
    };
    let Some(named) = named else { return Ok(None) };
    // A GUID, by the book; some senders write others.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=128).contains(&named.len()) && named.bytes().all(plain) {
        Ok(Some(named))
    } else {
        Err(Code::InvalidChannel.answer())
    }
}

/// Bytes of a question: some hundred thousand numbers.
const QUESTION: usize = 1 << 20;

/// Answers which deliveries are on the disk.
fn ask(visit: &Visit<'_>, has_channel: bool, body: &[u8]) -> Result<Answer, Answer> {
    #[derive(serde::Deserialize)]
    struct Question {
        acks: Vec<u64>,
    }
    if !visit.reception.settings.hec.acknowledge {
        return Err(Code::AckDisabled.answer());
    }
    if !has_channel {
        return Err(Code::ChannelMissing.answer());
    }
    if body.len() > QUESTION {
        return Err(visit.refuse(&Refusal::TooLarge { limit: QUESTION as u64 }));
    }
    let question: Question =
        serde_json::from_slice(body).map_err(|_| Code::InvalidFormat.answer())?;
    let durable = visit.reception.durable();
    let is_kept = |id: u64| (1..=durable.0).contains(&id);
    let acks: Map<String, Value> =
        question.acks.into_iter().map(|id| (id.to_string(), is_kept(id).into())).collect();
    Ok(Answer::json(StatusCode::OK, &json!({"acks": acks})))
}
