//! What goes back to a sender, and why it may be no.

use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use super::decode::DecodeError;

/// An answer, whole: the web layer only writes it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Its headers, the content type among them.
    pub headers: HeaderMap,
    /// Its body; a HEAD request is answered without it.
    pub body: Vec<u8>,
    /// What follows the body (gRPC's status). None where there are no trailers.
    pub trailers: Option<HeaderMap>,
}

/// Why a delivery is not taken. Each protocol says it in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No credential was sent, where one is wanted.
    NoCredential,
    /// A credential in a form that the protocol does not know.
    OddCredential,
    /// A secret in the query, where that is not allowed.
    SecretInQuery,
    /// A credential that nobody has.
    UnknownCredential,
    /// A credential that was known and is switched off.
    DisabledCredential,
    /// The method is not one of this path's.
    Method,
    /// The body did not come in, in its time.
    Slow,
    /// The body is larger than is taken, as sent or decoded.
    TooLarge {
        /// The limit that it is over, in bytes; or how many times its size it may expand to.
        limit: u64,
    },
    /// The body is in an encoding that is not decoded.
    Encoding,
    /// The body breaks its encoding or its form.
    Broken(String),
    /// The body holds nothing.
    Empty,
    /// There is no room: the sender is to come again.
    Full {
        /// After this many seconds.
        retry_after: u32,
    },
    /// The server goes down: the sender is to come again.
    Closing,
    /// It could not be kept, for a reason of ours.
    Failed,
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge { limit } | DecodeError::Ratio { limit } => {
                Self::TooLarge { limit }
            }
            DecodeError::Unknown => Self::Encoding,
            DecodeError::Broken(message) => Self::Broken(message),
        }
    }
}

impl Refusal {
    /// The status that says it, where a protocol has no other.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoCredential | Self::OddCredential | Self::UnknownCredential => {
                StatusCode::UNAUTHORIZED
            }
            Self::SecretInQuery | Self::Broken(_) | Self::Empty => StatusCode::BAD_REQUEST,
            Self::DisabledCredential => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Full { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Closing | Self::Failed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A stable name for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::OddCredential => "odd_credential",
            Self::SecretInQuery => "secret_in_query",
            Self::UnknownCredential => "unknown_credential",
            Self::DisabledCredential => "disabled_credential",
            Self::Method => "method",
            Self::Slow => "slow",
            Self::TooLarge { .. } => "too_large",
            Self::Encoding => "encoding",
            Self::Broken(_) => "broken",
            Self::Empty => "empty",
            Self::Full { .. } => "full",
            Self::Closing => "closing",
            Self::Failed => "failed",
        }
    }

    /// One sentence for the person who runs the sender.
    pub fn message(&self) -> String {
        match self {
            Self::NoCredential => "a credential is wanted".to_owned(),
            Self::OddCredential => "the credential has no form that is known here".to_owned(),
            Self::SecretInQuery => "secrets in the query are not taken".to_owned(),
            Self::UnknownCredential => "nobody has this credential".to_owned(),
            Self::DisabledCredential => "this credential is switched off".to_owned(),
            Self::Method => "this path does not take the method".to_owned(),
            Self::Slow => "the body did not come in".to_owned(),
            Self::TooLarge { limit } => {
                format!("the body is larger than is taken (the limit is {limit})")
            }
            Self::Encoding => "the body may be gzip, deflate, zstd or plain".to_owned(),
            Self::Broken(message) => message.clone(),
            Self::Empty => "the body holds nothing".to_owned(),
            Self::Full { .. } => "there is no room now: come again".to_owned(),
            Self::Closing => "the server goes down: come again".to_owned(),
            Self::Failed => "it could not be kept: come again".to_owned(),
        }
    }

    /// After how many seconds the sender is to come again.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Full { retry_after } => Some(*retry_after),
            Self::Closing | Self::Failed => Some(5),
            _ => None,
        }
    }
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn bare(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Vec::new(), trailers: None }
    }

    /// An answer in JSON. What cannot be written as JSON is answered without a body.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let mut answer = Self::bare(status);
        answer.body = serde_json::to_vec(body).unwrap_or_default();
        answer.with_type("application/json")
    }

    pub(crate) fn with_type(mut self, media_type: &'static str) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self
    }

    /// Adds what every protocol's refusal has in common: when to come again, how to sign in.
    pub(crate) fn refusing(mut self, refusal: &Refusal) -> Self {
        if let Some(seconds) = refusal.retry_after() {
            self.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Basic realm=\"watchfloor\"");
            self.headers.insert(WWW_AUTHENTICATE, realm);
        }
        self
    }
}
