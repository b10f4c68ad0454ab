//! Who a sender claims to be, and the secret by which it claims it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};
use model::Digest;

use super::answer::Refusal;

/// A secret that a sender showed. It is never written out: what is kept of secrets, and looked up,
/// is their digest, so that neither a log nor the time that a comparison takes tells of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its SHA-256, by which it is known.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How a credential was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Splunk TOKEN`
    Splunk,
    /// `Authorization: Bearer TOKEN`
    Bearer,
    /// `Authorization: Basic …`; the password is the secret.
    Basic,
    /// `Authorization: ApiKey …`, Elasticsearch's; the key is the secret, its id the user.
    ApiKey,
    /// A header of its own that holds the secret and nothing else.
    Header,
    /// `?token=…`
    Query,
}

/// Who a sender claims to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// How it was sent.
    pub scheme: Scheme,
    /// The user's name, or the id of the key, where there is one.
    pub user: Option<String>,
    /// The secret.
    pub secret: Secret,
}

/// Longer credentials are none.
const LONGEST: usize = 4096;

impl Credential {
    pub(crate) fn new(scheme: Scheme, user: Option<String>, secret: &str) -> Result<Self, Refusal> {
        if secret.is_empty() || secret.len() > LONGEST {
            return Err(Refusal::OddCredential);
        }
        Ok(Self { scheme, user, secret: Secret::new(secret) })
    }

    /// Reads the `Authorization` header: nothing when there is none.
    pub(crate) fn authorization(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
        let value = value.to_str().map_err(|_| Refusal::OddCredential)?.trim();
        let (scheme, rest) = value.split_once(' ').ok_or(Refusal::OddCredential)?;
        let rest = rest.trim();
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let credential = if is("Splunk") {
            Self::new(Scheme::Splunk, None, rest)
        } else if is("Bearer") {
            Self::new(Scheme::Bearer, None, rest)
        } else if is("Basic") {
            pair(rest).and_then(|(user, secret)| Self::new(Scheme::Basic, Some(user), &secret))
        } else if is("ApiKey") {
            match pair(rest) {
                Ok((user, secret)) => Self::new(Scheme::ApiKey, Some(user), &secret),
                Err(_) => Self::new(Scheme::ApiKey, None, rest),
            }
        } else {
            Err(Refusal::OddCredential)
        };
        credential.map(Some)
    }

    /// The credential of a request in any usual form: the header `Authorization`, or one of these
    /// headers with the secret alone.
    pub(crate) fn usual(headers: &HeaderMap, own: &[HeaderName]) -> Result<Self, Refusal> {
        if let Some(credential) = Self::authorization(headers)? {
            return Ok(credential);
        }
        let value = own.iter().find_map(|name| headers.get(name)).ok_or(Refusal::NoCredential)?;
        let value = value.to_str().map_err(|_| Refusal::OddCredential)?;
        Self::new(Scheme::Header, None, value.trim())
    }
}

/// `user:secret` in base64.
fn pair(text: &str) -> Result<(String, String), Refusal> {
    if text.len() > LONGEST {
        return Err(Refusal::OddCredential);
    }
    let bytes = STANDARD.decode(text).map_err(|_| Refusal::OddCredential)?;
    let text = String::from_utf8(bytes).map_err(|_| Refusal::OddCredential)?;
    let (user, secret) = text.split_once(':').ok_or(Refusal::OddCredential)?;
    Ok((user.to_owned(), secret.to_owned()))
}
