//! What identity providers tell over HTTP: documents, bounded, and the keys with which they sign, which are
//! known for a while and asked for again when a token names one that is not among them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde_json::Value;
use tokio::sync::Mutex;

use super::jwt::{self, Claims, Expected, Keys, Unsound};
use crate::content::read_text;
use crate::failure::{Failure, Kind};

/// How long a provider may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a document.
const LONGEST: usize = 1 << 20;
/// How long keys are believed without asking again …
const FRESH: Duration = Duration::from_hours(1);
/// … and while the provider does not answer.
const STALE: Duration = Duration::from_hours(24);
/// How often keys are asked for at most: anybody can make up tokens.
const OFTEN: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 10 });

/// Asks providers.
#[derive(Debug, Clone)]
pub(crate) struct Outside(Client);

impl Outside {
    /// Trusts the authorities of the system, and those of a file beside them. Redirects are not followed: what
    /// proves who asks would go with them.
    pub(crate) fn new(authority: Option<&Path>) -> Result<Self, String> {
        let mut builder = Client::builder()
            .user_agent(concat!("watchfloor/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE);
        if let Some(path) = authority {
            let pem = read_text(path)?;
            let all = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
            let all = all.map_err(|error| format!("{}: {error}", path.display()))?;
            for certificate in all {
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn get(&self, url: &Url) -> RequestBuilder {
        self.0.get(url.clone())
    }

    pub(crate) fn post(&self, url: &Url) -> RequestBuilder {
        self.0.post(url.clone())
    }

    /// The answer to a request, as JSON.
    pub(crate) async fn ask(
        &self,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Value), Failure> {
        let request = request.header(ACCEPT, HeaderValue::from_static("application/json"));
        let mut response = request.send().await.map_err(silent)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(silent)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(unavailable("it answers with more than 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let told = serde_json::from_slice(&body).unwrap_or_default();
        Ok((status, told))
    }

    /// A document that must be there.
    pub(crate) async fn document(&self, url: &Url) -> Result<Value, Failure> {
        match self.ask(self.get(url)).await? {
            (StatusCode::OK, told @ Value::Object(_)) => Ok(told),
            (status, _) => Err(unavailable(&format!("it answers {status} and no document"))),
        }
    }
}

/// The provider does not do what it should. What it said goes to the log.
pub(crate) fn unavailable(why: &str) -> Failure {
    tracing::warn!(why, "an identity provider cannot be asked");
    let message = "the identity provider does not answer as it should";
    Failure::new(Kind::System, message).hint("try again; the log says what it answered")
}

fn silent(error: reqwest::Error) -> Failure {
    // Without the address, which may hold a code.
    let error = error.without_url();
    let mut why = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        why = format!("{why}: {inner}");
        source = inner.source();
    }
    unavailable(&why)
}

/// The keys of one who signs.
#[derive(Debug)]
pub(crate) struct KeySet {
    url: Url,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    keys: Arc<Keys>,
    /// When they were told.
    at: Instant,
    /// When they were last asked for.
    asked: Instant,
}

impl KeySet {
    pub(crate) fn new(url: Url) -> Self {
        Self { url, known: Mutex::default() }
    }

    /// Believes a token, or says why not. Keys that are not known yet are asked for.
    pub(crate) async fn believe(
        &self,
        outside: &Outside,
        token: &str,
        expected: &Expected<'_>,
    ) -> Result<Result<Claims, Unsound>, Failure> {
        let keys = self.keys(outside, None).await?;
        match jwt::verify(token, &keys, expected, crate::now()) {
            Err(Unsound::Key | Unsound::Signature) => {
                let newer = self.keys(outside, Some(&keys)).await?;
                Ok(jwt::verify(token, &newer, expected, crate::now()))
            }
            said => Ok(said),
        }
    }

    /// The keys; others than these, where these are not enough and it is time to ask again.
    async fn keys(&self, outside: &Outside, but: Option<&Arc<Keys>>) -> Result<Arc<Keys>, Failure> {
        // Held while they are asked for: whoever comes meanwhile waits for the same answer.
        let mut known = self.known.lock().await;
        if let Some(known) = &*known {
            let same = but.is_none_or(|but| !Arc::ptr_eq(but, &known.keys));
            if known.asked.elapsed() < OFTEN || (same && known.at.elapsed() < FRESH) {
                return Ok(Arc::clone(&known.keys));
            }
        }
        let asked = Instant::now();
        let told = outside.document(&self.url).await.map(|set| Keys::read(&set));
        match (told, known.as_mut()) {
            (Ok(keys), _) if !keys.is_empty() => {
                let keys = Arc::new(keys);
                *known = Some(Known { keys: Arc::clone(&keys), at: asked, asked });
                Ok(keys)
            }
            (_, Some(known)) if known.at.elapsed() < STALE => {
                known.asked = asked;
                Ok(Arc::clone(&known.keys))
            }
            (Ok(_), _) => Err(unavailable("it names no key that is taken")),
            (Err(failure), _) => Err(failure),
        }
    }
}
