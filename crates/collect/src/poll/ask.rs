//! Asking: a request made of its form, with what proves who asks, and what its answer means.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use model::inert;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, LINK};
use serde_json::Value;
use url::Url;

use super::definition::{Auth, Definition, Method, RequestForm};
use super::template::Values;
use super::{DefinitionError, PollOptions, Stop, find};
use crate::client::{Answer, Client, Request, asked_to_wait};
use crate::{Moment, Secret};

/// Bytes of an answer.
const ANSWER: usize = 64 << 20;
/// A token is got anew so long before it is over.
const EARLY: Duration = Duration::from_mins(1);
/// A token of which it is not said how long it is good for.
const LIVES: u64 = 300;

/// Who asks, and what proves it.
pub(super) struct Asker {
    pub(super) options: PollOptions,
    pub(super) client: Client,
    token: Option<(Secret, Instant)>,
}

/// An answer that was given.
pub(super) struct Told {
    headers: HeaderMap,
    body: Bytes,
}

impl Told {
    pub(super) fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(&self.body).map_err(|_| "the answer is not text".to_owned())
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned()).filter(|value| !value.is_empty())
    }

    /// The target of the link that names the next page (RFC 8288).
    pub(super) fn link_next(&self) -> Option<String> {
        let all = self.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        all.flat_map(links).find(|(_, rel)| rel == "next").map(|(url, _)| url)
    }
}

/// The links of a header: targets and relations.
fn links(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((url, behind)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>'))
    {
        // Parameters reach to the next comma: that no relation holds one.
        let (parameters, after) = behind.split_once(',').unwrap_or((behind, ""));
        let rel = parameters.split(';').find_map(|p| p.trim().strip_prefix("rel="));
        found.push((url.to_owned(), rel.unwrap_or_default().trim_matches('"').to_lowercase()));
        rest = after;
    }
    found
}

impl Asker {
    pub(super) fn new(mut options: PollOptions, client: Client) -> Result<Self, DefinitionError> {
        options.definition.check(&options.settings)?;
        options.settings = options.definition.complete(&options.settings);
        Ok(Self { options, client, token: None })
    }

    /// Asks once what makes the other requests possible.
    pub(super) fn prepare(
        &mut self,
        definition: &Definition,
        values: &Values<'_>,
        now: Moment,
    ) -> Result<(), Stop> {
        let Some(prepare) = &definition.prepare else { return Ok(()) };
        let answer = self.send(&prepare.request, values, None, now)?;
        let text = String::from_utf8_lossy(&answer.body);
        let already = !prepare.already.is_empty() && text.contains(&prepare.already);
        if answer.status.is_success() || already {
            return Ok(());
        }
        Err(self.refused(&answer, false))
    }

    /// Asks, or goes on from a URL that the service gave.
    pub(super) fn ask(
        &mut self,
        form: &RequestForm,
        values: &Values<'_>,
        given: Option<&str>,
        now: Moment,
    ) -> Result<Told, Stop> {
        let answer = self.send(form, values, given, now)?;
        if answer.status.is_success() {
            return Ok(Told { headers: answer.headers, body: answer.body });
        }
        Err(self.refused(&answer, given.is_some() || values.cursor.is_some()))
    }

    fn send(
        &mut self,
        form: &RequestForm,
        values: &Values<'_>,
        given: Option<&str>,
        now: Moment,
    ) -> Result<Answer, Stop> {
        let own = url(form, values)?;
        let mut request = match given {
            None => Request::get(own),
            Some(given) => {
                let given: Url =
                    given.parse().map_err(|e| format!("the service gives no URL: {e}"))?;
                // What proves who asks is shown to nobody else.
                if given.origin() != own.origin() {
                    let host = given.host_str().unwrap_or_default();
                    return Err(
                        format!("the service points to another host, {}", inert(host)).into()
                    );
                }
                Request::get(given)
            }
        };
        request.header(ACCEPT, "application/json", false)?;
        if given.is_none() {
            if form.method == Method::Post {
                request.method = reqwest::Method::POST;
                request.body = Some(Bytes::new());
            }
            if let Some(body) = &form.body {
                request.header(CONTENT_TYPE, "application/json", false)?;
                request.body = Some(values.document(body).to_string().into());
            }
        }
        for (name, text) in &form.headers {
            if let Some(value) = values.fill(text, None, |value| value) {
                request.header(header(name)?, &value, false)?;
            }
        }
        self.authorise(&mut request, values, now)?;
        self.reach(request)
    }

    /// Sends a request as it is.
    pub(super) fn reach(&self, request: Request) -> Result<Answer, Stop> {
        let answer = self.client.ask(request, ANSWER);
        answer.map_err(|error| Stop::Service(error.to_string(), None))
    }

    /// Adds to a request what proves who asks.
    pub(super) fn authorise(
        &mut self,
        request: &mut Request,
        values: &Values<'_>,
        now: Moment,
    ) -> Result<(), Stop> {
        let definition = Arc::clone(&self.options.definition);
        match &definition.auth {
            Auth::Header(headers) => {
                let secret = self.options.secret.read().map_err(|error| error.to_string())?;
                for (name, text) in headers {
                    let value = values.fill(text, Some(secret.expose()), |value| value);
                    request.header(header(name)?, &value.unwrap_or_default(), true)?;
                }
            }
            Auth::Oauth2 { url, form } => {
                let live = self.token.as_ref().filter(|(_, until)| now.at < *until);
                let token = match live {
                    Some((token, _)) => token.clone(),
                    None => self.token(url, form, values, now)?,
                };
                request.header(AUTHORIZATION, &format!("Bearer {}", token.expose()), true)?;
            }
        }
        Ok(())
    }

    /// Gets a token for the client's secret.
    fn token(
        &mut self,
        place: &str,
        form: &std::collections::BTreeMap<String, String>,
        values: &Values<'_>,
        now: Moment,
    ) -> Result<Secret, Stop> {
        let secret = self.options.secret.read().map_err(|error| error.to_string())?;
        let place = values.fill(place, None, |value| value).unwrap_or_default();
        let place: Url =
            place.parse().map_err(|e| format!("the place of tokens is no URL: {e}"))?;
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for (name, text) in form {
            let value = values.fill(text, Some(secret.expose()), |value| value);
            body.append_pair(name, &value.unwrap_or_default());
        }
        let mut request = Request::get(place);
        request.method = reqwest::Method::POST;
        request.header(CONTENT_TYPE, "application/x-www-form-urlencoded", false)?;
        request.header(ACCEPT, "application/json", false)?;
        request.body = Some(body.finish().into());
        let answer = self.reach(request)?;
        if !answer.status.is_success() {
            let Stop::Service(why, wait) = self.refused(&answer, false) else {
                return Err("no token is given".to_owned().into());
            };
            return Err(Stop::Service(format!("no token is given: {why}"), wait));
        }
        let text = String::from_utf8_lossy(&answer.body);
        let token =
            find::text_in(&text, "access_token").ok_or("the answer holds no token".to_owned())?;
        let lives = find::text_in(&text, "expires_in").and_then(|text| text.parse().ok());
        let lives = Duration::from_secs(lives.unwrap_or(LIVES)).saturating_sub(EARLY);
        let token = Secret::new(token);
        self.token = Some((token.clone(), now.at + lives));
        Ok(token)
    }

    /// What an answer that is no success means. `going_on` says that it was asked to go on from something.
    pub(super) fn refused(&mut self, answer: &Answer, going_on: bool) -> Stop {
        let status = answer.status;
        if status == StatusCode::UNAUTHORIZED {
            // It may have been taken back; the next request gets another.
            self.token = None;
        }
        let said = said(&answer.body);
        let why = format!("the service answers {status}{said}");
        let spent = answer.headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0");
        let asked = asked_to_wait(&answer.headers, SystemTime::now());
        match status.as_u16() {
            429 | 503 => Stop::Service(why, asked),
            403 if spent || answer.headers.contains_key("retry-after") => Stop::Service(why, asked),
            400 | 404 | 410 | 422 if going_on => Stop::Lost(why),
            _ => Stop::Service(why, None),
        }
    }
}

/// The sentence in which an answer says what is wrong, where services usually put it.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let paths = ["errorSummary", "message", "error.message", "error_description", "errors"];
    let errors = find::all(&text, "errors").ok();
    let first = errors.and_then(|all| find::text(all.first()?, "message"));
    let said = first.or_else(|| paths.iter().find_map(|path| find::text_in(&text, path)));
    let said: String = said.unwrap_or_default().chars().take(300).collect();
    if said.is_empty() { said } else { format!(": {}", inert(&said)) }
}

pub(super) fn header(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("`{}` is no name of a header", inert(name)))
}

/// The URL of a request. What fills holes in it cannot change what else it says.
pub(super) fn url(form: &RequestForm, values: &Values<'_>) -> Result<Url, String> {
    let filled = values.fill(&form.url, None, |value| value).unwrap_or_default();
    let (base, path) = split(&form.url);
    let host = values.fill(base, None, |value| value).unwrap_or_default();
    let mut url: Url =
        host.parse().map_err(|error| format!("`{}` is no URL: {error}", inert(&filled)))?;
    let mut parts = url.path_segments_mut().map_err(|()| "no such URL can be asked".to_owned())?;
    parts.pop_if_empty();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let part = values.fill(part, None, |value| value).unwrap_or_default();
        if part == "." || part == ".." {
            return Err("a setting leads to another path".to_owned());
        }
        parts.push(&part);
    }
    drop(parts);
    for (name, value) in &form.query {
        let filled = match value {
            Value::String(text) => values.fill(text, None, |value| value),
            other => Some(other.to_string()),
        };
        if let Some(value) = filled {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
    Ok(url)
}

/// Host and path of a URL's form.
fn split(form: &str) -> (&str, &str) {
    let start = form.find("://").map_or(0, |at| at + 3);
    let rest = form.get(start..).unwrap_or_default();
    let end = start + rest.find('/').unwrap_or(rest.len());
    (form.get(..end).unwrap_or_default(), form.get(end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn links_name_what_they_lead_to() {
        let text = "<https://a/x?a=1,2>; rel=\"self\", <https://a/y?b=<>; rel=next";
        let found =
            links("<https://a/x?a=1%2C2>; rel=\"self\", <https://a/y>; type=\"t\"; rel=\"Next\"");
        assert_eq!(found[1], ("https://a/y".to_owned(), "next".to_owned()));
        assert!(links("nothing").is_empty() && links("<open").is_empty() && links(text).len() < 4);
    }

    #[test]
    fn what_fills_a_url_stays_where_it_is_put() {
        let settings = [("host", "api.example.com"), ("org", "a/../b?x=1#y")];
        let settings = settings.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        let values = Values {
            settings: &settings,
            since: "2026-10-14T02:11:00+00:00".into(),
            until: String::new(),
            cursor: None,
        };
        let form: RequestForm = serde_json::from_value(serde_json::json!({
            "url": "https://{host}/orgs/{org}/log",
            "query": { "phrase": "created:>={since}", "limit": 100, "after": "{cursor}" }
        }))
        .unwrap();
        let url = url(&form, &values).unwrap();
        assert_eq!(
            url.as_str(),
            "https://api.example.com/orgs/a%2F..%2Fb%3Fx=1%23y/log?\
             phrase=created%3A%3E%3D2026-10-14T02%3A11%3A00%2B00%3A00&limit=100"
        );
    }
}
