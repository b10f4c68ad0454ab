//! What is remembered of a bucket: how far a pass has come, and which objects were taken.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Micros;
use serde::{Deserialize, Serialize};

use super::BucketOptions;
use super::list::Listed;

/// How far passes have come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// Objects that are older than that were there before the first start.
    pub(super) begin: Option<Micros>,
    /// Which bucket it is of, and which names in it: what is known of others says nothing.
    of: String,
    /// What is older than that needs no mark: it was taken. It never goes back.
    pub(super) horizon: Micros,
    /// Names up to this one need not be looked at: where names rise with time.
    pub(super) floor: Option<String>,
    /// Names up to this one were looked at in the pass that goes on.
    pub(super) reached: Option<String>,
    /// The latest time of an object in it.
    latest: Micros,
    /// The last name of the front of the pass that is older than anything that may come.
    old_front: Option<String>,
    /// Something in the pass was younger.
    young_seen: bool,
    #[serde(skip)]
    ascending: bool,
    #[serde(skip)]
    saved: Option<String>,
}

/// An object that was begun, or taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Its name, for a person who looks.
    pub(super) key: String,
    /// When it was put there.
    pub(super) modified: Micros,
    /// Bytes of its content that were taken, expanded.
    pub(super) offset: u64,
    /// Nothing more is to be taken of it.
    pub(super) done: bool,
    /// What it needs repeated in front of its later pieces: where, and how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) preamble: Option<(u64, u64)>,
}

impl Mark {
    pub(super) fn of(listed: &Listed) -> Self {
        let key = listed.key.clone();
        Self { key, modified: listed.modified, offset: 0, done: false, preamble: None }
    }
}

impl State {
    /// An object was looked at, and what had to be taken was.
    pub(super) fn passed(&mut self, listed: &Listed) {
        self.latest = self.latest.max(listed.modified);
        if listed.modified >= self.horizon {
            self.young_seen = true;
        } else if !self.young_seen {
            self.old_front = Some(listed.key.clone());
        }
        self.reached = Some(listed.key.clone());
    }

    /// A pass is over. `late` is how long after an object an older one may appear.
    pub(super) fn end_pass(&mut self, late: Duration) {
        let late = i64::try_from(late.as_micros()).unwrap_or(i64::MAX);
        self.horizon = self.horizon.max(Micros(self.latest.0.saturating_sub(late)));
        let front = self.old_front.take();
        if self.ascending {
            self.floor = front.max(self.floor.take());
        }
        (self.reached, self.young_seen) = (None, false);
    }

    /// The text to be saved, when it is another one than last time.
    pub(super) fn changed(&mut self) -> Option<String> {
        // Text and numbers: it cannot fail.
        let text = serde_json::to_string(self).unwrap_or_default();
        if self.saved.as_ref() == Some(&text) {
            return None;
        }
        self.saved = Some(text.clone());
        Some(text)
    }
}

pub(super) fn pass_name(name: &str) -> String {
    format!("{name}/pass")
}

pub(super) fn mark_name(name: &str, id: &str) -> String {
    format!("{name}/o/{id}")
}

/// What was saved. What cannot be read is as if it had not been.
pub(super) fn restore<'s>(
    options: &BucketOptions,
    saved: impl IntoIterator<Item = (&'s str, &'s str)>,
) -> (State, BTreeMap<String, Mark>) {
    let (pass, marks_below) = (pass_name(&options.name), mark_name(&options.name, ""));
    let mut state = State::default();
    let mut marks = BTreeMap::new();
    for (name, value) in saved {
        if name == pass {
            state = serde_json::from_str(value).unwrap_or_default();
        } else if let Some(id) = name.strip_prefix(&marks_below)
            && let Ok(mark) = serde_json::from_str(value)
        {
            marks.insert(id.to_owned(), mark);
        }
    }
    let of = format!("{} {} {}", options.endpoint, options.bucket, options.prefix);
    if state.of != of {
        state = State { of, ..State::default() };
    }
    state.ascending = options.ascending;
    (state, marks)
}
