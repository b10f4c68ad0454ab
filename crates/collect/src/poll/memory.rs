//! How far a service was asked, and what is known of what it said.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use model::Micros;
use serde::{Deserialize, Serialize};

use super::definition::Definition;
use crate::Cursor;

/// How far a service was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// Counts what is saved, so that the latest is known.
    number: u64,
    /// Everything that happened before it was asked for.
    through: Option<Micros>,
    /// The stretch that is being asked for.
    open: Option<Stretch>,
    /// Where a service that never comes to an end is to be asked next.
    url: Option<String>,
}

/// A stretch of time, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretch {
    pub(super) since: Micros,
    pub(super) until: Micros,
    /// It ends before it might, so another one follows at once.
    cut: bool,
    pub(super) cursor: Option<String>,
    pub(super) url: Option<String>,
}

/// Where the next page is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) url: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) endless: bool,
}

/// What a delivery brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    pub(super) ids: Vec<String>,
    /// The end of the stretch that was asked for.
    until: Micros,
}

impl Page {
    pub(super) fn of(stretch: &Stretch) -> Self {
        Self { ids: Vec::new(), until: stretch.until }
    }

    /// The same without what it brought.
    pub(super) fn emptied(&self) -> Self {
        Self { ids: Vec::new(), until: self.until }
    }
}

/// What is saved under one name.
#[derive(Serialize, Deserialize)]
struct Saved {
    state: State,
    page: Option<Page>,
}

/// The state with the pages that may come again.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) state: State,
    pages: BTreeMap<u64, Page>,
}

fn seconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

impl Memory {
    /// What was saved. What cannot be read is as if it had not been.
    pub(super) fn restore<'s>(saved: impl IntoIterator<Item = (&'s str, &'s str)>) -> Self {
        let mut memory = Self::default();
        for (_, value) in saved {
            let Ok(Saved { state, page }) = serde_json::from_str::<Saved>(value) else { continue };
            if let Some(page) = page {
                memory.pages.insert(state.number, page);
            }
            if state.number > memory.state.number {
                memory.state = state;
            }
        }
        memory
    }

    /// Ids that were taken and may come again.
    pub(super) fn ids(&self) -> HashSet<String> {
        self.pages.values().flat_map(|page| page.ids.iter().cloned()).collect()
    }

    /// True for what was taken and may come again.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.pages.values().any(|page| page.ids.iter().any(|known| known == id))
    }

    /// What to ask for now; none when there is nothing yet.
    pub(super) fn stretch(
        &self,
        definition: &Definition,
        back: Duration,
        now: Micros,
    ) -> Option<Stretch> {
        let state = &self.state;
        if state.url.is_some() {
            let since = state.through.unwrap_or(now);
            let url = state.url.clone();
            return Some(Stretch { since, until: now, cut: false, cursor: None, url });
        }
        if let Some(open) = &state.open {
            return Some(open.clone());
        }
        let window = definition.window();
        let back = i64::try_from(back.as_micros()).unwrap_or(i64::MAX);
        let begin = state.through.map(|through| through.0.saturating_sub(seconds(window.overlap)));
        let begin = begin.unwrap_or(now.0.saturating_sub(back));
        let oldest = window.oldest.map(|oldest| now.0.saturating_sub(seconds(oldest)));
        let since = begin.max(oldest.unwrap_or(i64::MIN)).max(0);
        let horizon = now.0.saturating_sub(seconds(window.settle));
        let span = window.span.map_or(i64::MAX, seconds);
        let until = horizon.min(since.saturating_add(span));
        let is_new = state.through.is_none_or(|through| until > through.0);
        (until > since && is_new).then_some(Stretch {
            since: Micros(since),
            until: Micros(until),
            cut: until < horizon,
            cursor: None,
            url: None,
        })
    }

    /// The state behind a page of a stretch, and whether there is more to ask for at once. `last` is the
    /// latest time on the page, and `full` says that a page without a next one was full.
    pub(super) fn behind(
        &self,
        stretch: &Stretch,
        next: Next,
        full: bool,
        last: Option<Micros>,
        any: bool,
    ) -> (State, bool, Option<String>) {
        let mut state = self.state.clone();
        state.number += 1;
        if next.endless {
            let more = any && next.url.is_some();
            state.through = state.through.max(last).or(Some(stretch.since));
            state.url = next.url;
            state.open = None;
            return (state, more, None);
        }
        if next.url.is_some() || next.cursor.is_some() {
            let open = Stretch { cursor: next.cursor, url: next.url, ..stretch.clone() };
            state.open = Some(open);
            return (state, true, None);
        }
        if full {
            let (since, note) = match last {
                Some(last) if last > stretch.since => (last, None),
                // A whole page of one instant: there is no way to ask for the others.
                _ => {
                    let note = format!("more happened at {} than can be asked for", stretch.since);
                    (Micros(stretch.since.0.saturating_add(1_000_000)), Some(note))
                }
            };
            state.open = Some(Stretch { since, ..stretch.clone() });
            return (state, true, note);
        }
        state.through = Some(stretch.until);
        state.open = None;
        (state, stretch.cut, None)
    }

    /// The stretch, or the endless list, is begun anew.
    pub(super) fn lose_page(&mut self) {
        self.state.url = None;
        if let Some(open) = &mut self.state.open {
            (open.cursor, open.url) = (None, None);
        }
    }

    /// A delivery was taken.
    pub(super) fn took(&mut self, state: State, page: Page) {
        self.pages.insert(state.number, page);
        self.state = state;
    }

    /// Names under which nothing is saved that may come again.
    pub(super) fn stale(&mut self, definition: &Definition, name: &str) -> Vec<String> {
        let through = self.state.through.map_or(i64::MIN, |through| through.0);
        let from = through.saturating_sub(seconds(definition.window().overlap));
        let now = self.state.number;
        let old = |number: u64, page: &Page| {
            // The latest is what goes on, whatever it brought.
            number != now && page.until.0 < from
        };
        let stale: Vec<u64> =
            self.pages.iter().filter(|(n, page)| old(**n, page)).map(|(n, _)| *n).collect();
        for number in &stale {
            self.pages.remove(number);
        }
        stale.iter().map(|number| page_name(name, *number)).collect()
    }
}

fn page_name(name: &str, number: u64) -> String {
    format!("{name}/p/{number}")
}

impl State {
    /// One more, for a part of a page: it changes nothing but what is known.
    pub(super) fn counted(&self) -> Self {
        Self { number: self.number + 1, ..self.clone() }
    }

    /// The same, numbered behind another.
    pub(super) fn after(self, other: &Self) -> Self {
        Self { number: other.number + 1, ..self }
    }

    /// What is saved with a delivery, or without one.
    pub(super) fn cursor(&self, name: &str, page: Option<&Page>) -> Cursor {
        let place = match page {
            Some(_) => page_name(name, self.number),
            None => format!("{name}/state"),
        };
        let saved = Saved { state: self.clone(), page: page.cloned() };
        // Text and numbers: it cannot fail.
        let value: Arc<str> = serde_json::to_string(&saved).unwrap_or_default().into();
        Cursor { name: place.into(), value }
    }
}
