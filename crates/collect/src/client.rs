//! The way out: requests to other services over HTTP, one at a time, with everything about the answer
//! bounded. For threads, not for tasks.
//!
//! Redirects are not followed (what proves who asks would go with them), and no error names a URL, which
//! may be a signed one.

use std::io::{self, Read};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf as _, Bytes};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use url::Url;

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(15);
/// How long an answer may be silent.
const SILENCE: Duration = Duration::from_mins(1);
/// What is said of one that is silent for longer.
const SILENT: &str = "nothing came for too long";
/// Bytes of an answer that says that something went wrong.
const ERROR: usize = 64 << 10;
/// Nobody is made to wait longer than that.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What goes wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The client cannot be made as it is configured.
    #[error("{0}")]
    Setup(String),
    /// No answer came, or it broke off.
    #[error("no answer: {0}")]
    Transport(String),
    /// The answer is larger than any should be.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

/// A request. What proves who asks stands in its headers.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

impl Request {
    pub(crate) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: None }
    }

    /// Adds a header; none whose value could not stand in one.
    pub(crate) fn header(
        &mut self,
        name: HeaderName,
        value: &str,
        secret: bool,
    ) -> Result<(), String> {
        let value = HeaderValue::from_str(value);
        let mut value =
            value.map_err(|_| format!("the value of {name} cannot stand in a header"))?;
        value.set_sensitive(secret);
        self.headers.insert(name, value);
        Ok(())
    }
}

/// An answer, all of it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer whose body is read as it comes.
pub(crate) struct Opened {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// A body on its way. Reading it blocks.
pub(crate) struct Body {
    response: reqwest::Response,
    runtime: Handle,
    chunk: Bytes,
}

/// What came of a body.
pub(crate) enum News {
    Bytes(Bytes),
    /// It is over; why, when it broke off.
    End(Option<String>),
}

/// A body that is read as it comes and told to a channel, until this is dropped.
pub(crate) struct Flow(AbortHandle);

impl Drop for Flow {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Opened {
    /// Reads the body, `most` bytes of it.
    pub(crate) fn whole(self, most: usize) -> Result<Answer, ClientError> {
        let Self { status, headers, mut body } = self;
        let most = if status.is_success() { most } else { ERROR };
        let mut bytes = Vec::new();
        let read = (&mut body).take(most as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| ClientError::Transport(error.to_string()))?;
        if bytes.len() > most {
            if status.is_success() {
                return Err(ClientError::TooLarge(most));
            }
            bytes.truncate(most);
        }
        Ok(Answer { status, headers, body: bytes.into() })
    }
}

impl Body {
    /// Tells what comes under a number. While the channel is full nothing is read, and after so long a
    /// silence it is over.
    pub(crate) fn flow(
        self,
        number: usize,
        silence: Duration,
        to: mpsc::Sender<(usize, News)>,
    ) -> Flow {
        let Self { mut response, runtime, .. } = self;
        let task = runtime.spawn(async move {
            loop {
                let news = match timeout(silence, response.chunk()).await {
                    Ok(Ok(Some(bytes))) => News::Bytes(bytes),
                    Ok(Ok(None)) => News::End(None),
                    Ok(Err(error)) => News::End(Some(words(error))),
                    Err(_) => News::End(Some(SILENT.to_owned())),
                };
                let over = matches!(news, News::End(_));
                if to.send((number, news)).await.is_err() || over {
                    return;
                }
            }
        });
        Flow(task.abort_handle())
    }
}

/// Asks other services.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    /// Makes one that works on a runtime. `authority` is a certificate in PEM of an authority that is
    /// trusted beside those of the system.
    pub fn new(runtime: Handle, authority: Option<&[u8]>) -> Result<Self, ClientError> {
        let setup = |error: reqwest::Error| ClientError::Setup(words(error));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("watchfloor/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT);
        if let Some(pem) = authority {
            let all = reqwest::Certificate::from_pem_bundle(pem).map_err(setup)?;
            if all.is_empty() {
                return Err(ClientError::Setup(
                    "the file of the authority holds no certificate".into(),
                ));
            }
            for certificate in all {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self { http: builder.build().map_err(setup)?, runtime })
    }

    /// Asks, and reads the answer, `most` bytes of it.
    pub(crate) fn ask(&self, request: Request, most: usize) -> Result<Answer, ClientError> {
        self.open(request)?.whole(most)
    }

    /// On what it works.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Asks, and leaves the body to be read.
    pub(crate) fn open(&self, request: Request) -> Result<Opened, ClientError> {
        let Request { method, url, headers, body } = request;
        let mut builder = self.http.request(method, url).headers(headers);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        let sent = self.runtime.block_on(async { timeout(SILENCE, builder.send()).await });
        let sent = sent.map_err(|_| ClientError::Transport(SILENT.to_owned()))?;
        let response = sent.map_err(|error| ClientError::Transport(words(error)))?;
        Ok(Opened {
            status: response.status(),
            headers: response.headers().clone(),
            body: Body { response, runtime: self.runtime.clone(), chunk: Bytes::new() },
        })
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let response = &mut self.response;
            let next = self.runtime.block_on(async { timeout(SILENCE, response.chunk()).await });
            let next = next.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, SILENT))?;
            match next.map_err(|error| io::Error::other(words(error)))? {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let count = self.chunk.len().min(buffer.len());
        self.chunk.split_to(count).copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

/// An error with what lies behind it, and without a URL.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut inside = std::error::Error::source(&error);
    while let Some(error) = inside {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        inside = error.source();
    }
    text
}

/// How long an answer asks to wait: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), or the time
/// at which the allowance is renewed, in seconds since 1970 (`X-Rate-Limit-Reset`, `X-RateLimit-Reset`,
/// `X-RateLimit-RetryAfter`) when nothing is left of it.
pub(crate) fn asked_to_wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let until = |seconds: u64| {
        let at = UNIX_EPOCH + Duration::from_secs(seconds);
        at.duration_since(now).unwrap_or_default() + Duration::from_secs(1)
    };
    let after = text("retry-after").map(str::trim).and_then(|text| match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => date(text).map(until),
    });
    let renewed = || {
        let names = ["x-rate-limit-reset", "x-ratelimit-reset", "x-ratelimit-retryafter"];
        let reset = names.iter().find_map(|name| text(name)?.trim().parse::<u64>().ok());
        reset.map(until)
    };
    after.or_else(renewed).map(|wait| wait.min(LONGEST_WAIT))
}

/// Seconds since 1970 of a date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(text: &str) -> Option<u64> {
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(date.timestamp().as_second()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_say_how_long_to_wait() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        let wait = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            asked_to_wait(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", "7")]), Some(7));
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), Some(8));
        assert_eq!(wait(&[("x-rate-limit-reset", "784111800")]), Some(31));
        assert_eq!(wait(&[("x-ratelimit-reset", "784111700")]), Some(1));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "99999999")]), Some(3_600));
    }
}
