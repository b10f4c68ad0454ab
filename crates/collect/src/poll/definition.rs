//! What is asked of a service, and how it answers: content, not code.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::template::{NAMES, Values, holes};

/// What is asked of a service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name: that of the folder.
    pub name: String,
    /// What it is, for a person.
    pub title: String,
    /// Where the service's makers describe it.
    pub about: String,
    /// What an entry must set, and what that is.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// What settings are when an entry does not say.
    #[serde(default)]
    pub defaults: BTreeMap<String, String>,
    pub(super) auth: Auth,
    /// Asked once after the start; an answer that it was asked before is as good.
    pub(super) prepare: Option<Prepare>,
    pub(super) request: RequestForm,
    /// Where the records are: `result`, `data.zones[].events`; the answer itself when empty.
    #[serde(default)]
    pub(super) records: String,
    /// The answer names places, and the records are there.
    pub(super) each: Option<Each>,
    /// What a record is known by.
    #[serde(default)]
    pub(super) id: Vec<String>,
    /// When a record happened.
    pub(super) time: String,
    /// Where an answer that looks good says that it is none.
    pub(super) errors: Option<String>,
    #[serde(default)]
    pub(super) paging: Paging,
    /// What is polled has one.
    #[serde(default)]
    window: Option<Window>,
    #[serde(default)]
    pub(super) time_form: TimeForm,
    /// Seconds. What is polled has it.
    #[serde(default)]
    every: Option<u64>,
    /// The answer names streams, and the records come in them.
    #[serde(default)]
    pub(super) stream: Option<StreamForm>,
}

/// What an answer says of streams without an end: records of JSON, one a line, between empty lines.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamForm {
    /// Where an item says where its stream is. The last part of the path is the partition.
    pub(super) url: String,
    /// Where it says what proves who reads it: `{secret}` of `headers`.
    pub(super) token: String,
    pub(super) headers: BTreeMap<String, String>,
    /// Where a record says its number in the stream.
    pub(super) offset: String,
    /// The parameter that asks for what comes from a number on.
    pub(super) from: String,
    /// Domains of the service's makers: a stream is below one of them, or on the host that named it.
    #[serde(default)]
    pub(super) domains: Vec<String>,
    pub(super) refresh: Refresh,
}

/// How the session of a stream is kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    /// Where an item says what to ask, by POST.
    pub(super) url: String,
    /// Where it says within how many seconds.
    pub(super) every: String,
    /// Parameters, added where the URL does not have them.
    #[serde(default)]
    pub(super) query: BTreeMap<String, String>,
}

/// How it is shown who asks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Auth {
    /// In a header: `SSWS {secret}`.
    Header(BTreeMap<String, String>),
    /// By a token that is given for a client's id and secret (RFC 6749, 4.4).
    Oauth2 { url: String, form: BTreeMap<String, String> },
}

/// A request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestForm {
    #[serde(default)]
    pub(super) method: Method,
    pub(super) url: String,
    #[serde(default)]
    pub(super) query: Map<String, Value>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<Value>,
}

/// What an answer says of a place where records are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Each {
    /// Its URL.
    pub(super) url: String,
    /// What it is known by.
    pub(super) id: String,
}

/// A request that prepares others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prepare {
    pub(super) request: RequestForm,
    /// What an answer that is no success says when it was prepared before.
    #[serde(default)]
    pub(super) already: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    #[default]
    Get,
    Post,
}

/// Where the next page is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Paging {
    /// There is one page.
    #[default]
    None,
    /// In a `Link` header with `rel="next"` (RFC 8288). An endless one is there at the end as well, and is
    /// what to ask next time.
    Link {
        #[serde(default)]
        endless: bool,
    },
    /// In a header of its own.
    Header { name: String },
    /// In the answer: a cursor that goes into `{cursor}`.
    Cursor { path: String },
    /// Nowhere: a page of so many records is asked for again from the time of its last one.
    Full { limit: usize },
}

/// Which stretch of time is asked for at once. All in seconds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    /// The longest stretch.
    pub(super) span: Option<u64>,
    /// How far the next stretch reaches back into the last one.
    pub(super) overlap: u64,
    /// How old the end of a stretch is at least.
    #[serde(default)]
    pub(super) settle: u64,
    /// How far back may be asked at all.
    pub(super) oldest: Option<u64>,
}

/// How times are written in requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimeForm {
    /// `2026-10-14T02:11:00.000Z`
    #[default]
    Millis,
    /// `2026-10-14T02:11:00Z`
    Seconds,
    /// `2026-10-14T02:11:00`, in UTC.
    Bare,
}

impl TimeForm {
    pub(super) fn write(self, time: Timestamp) -> String {
        match self {
            Self::Millis => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            Self::Seconds => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Self::Bare => time.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        }
    }
}

/// What is wrong with a definition, or with what an entry sets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DefinitionError(String);

impl Definition {
    /// How often to ask.
    pub fn every(&self) -> Duration {
        Duration::from_secs(self.every.unwrap_or_default().max(1))
    }

    /// Which stretch of time is asked for at once; of a stream there is none.
    pub(super) fn window(&self) -> &Window {
        const NONE: Window = Window { span: None, overlap: 0, settle: 0, oldest: None };
        self.window.as_ref().unwrap_or(&NONE)
    }

    /// Whether settings are those that it asks for, and every hole in it has something to fill it.
    pub fn check(&self, settings: &BTreeMap<String, String>) -> Result<(), DefinitionError> {
        for (name, what) in &self.settings {
            let set = settings.get(name).or_else(|| self.defaults.get(name));
            match set.map(|value| value.trim()) {
                None | Some("") => {
                    return Err(DefinitionError(format!("settings lack `{name}`: {what}")));
                }
                Some(value) if value.chars().any(char::is_control) => {
                    return Err(DefinitionError(format!("settings: `{name}` is no line of text")));
                }
                Some(_) => {}
            }
        }
        if let Some(name) = settings.keys().find(|name| !self.settings.contains_key(*name)) {
            let known: Vec<_> = self.settings.keys().map(String::as_str).collect();
            let name = model::inert(name);
            let known = known.join(", ");
            return Err(DefinitionError(format!("settings: `{name}` is none of {known}")));
        }
        if self.stream.is_none() && (self.window.is_none() || self.every.is_none()) {
            let lacks = format!("{}: `window` and `every` are missing", self.name);
            return Err(DefinitionError(lacks));
        }
        let known = |hole: &str| NAMES.contains(&hole) || self.settings.contains_key(hole);
        match self.texts().iter().flat_map(|text| holes(text)).find(|hole| !known(hole)) {
            Some(hole) => Err(DefinitionError(format!("{}: nothing fills {{{hole}}}", self.name))),
            None => Ok(()),
        }
    }

    /// Settings with what is set when an entry does not say.
    pub fn complete(&self, settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut all = self.defaults.clone();
        all.extend(settings.iter().map(|(name, value)| (name.clone(), value.trim().to_owned())));
        all
    }

    /// Where records come from, for a person: the service's host and what was asked.
    pub(super) fn origin(&self, settings: &BTreeMap<String, String>) -> String {
        let none = String::new();
        let values = Values { settings, since: none.clone(), until: none, cursor: None };
        let url = values.fill(&self.request.url, None, |value| value).unwrap_or_default();
        format!("{} {url}", self.name)
    }

    fn texts(&self) -> Vec<&str> {
        let mut texts = vec![self.request.url.as_str()];
        texts.extend(self.request.query.values().filter_map(Value::as_str));
        texts.extend(self.request.headers.values().map(String::as_str));
        match &self.auth {
            Auth::Header(headers) => texts.extend(headers.values().map(String::as_str)),
            Auth::Oauth2 { url, form } => {
                texts.push(url);
                texts.extend(form.values().map(String::as_str));
            }
        }
        if let Some(prepare) = &self.prepare {
            texts.push(&prepare.request.url);
            texts.extend(prepare.request.query.values().filter_map(Value::as_str));
        }
        if let Some(stream) = &self.stream {
            texts.extend(stream.headers.values().map(String::as_str));
            texts.extend(stream.refresh.query.values().map(String::as_str));
        }
        texts
    }
}
