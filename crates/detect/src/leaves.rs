//! The values of an event, found by the names that rules use.

use std::borrow::Cow;
use std::cell::OnceCell;

use model::Value;

use crate::aliases::Part;
use crate::ask::{Content, How};
use crate::budget::Budget;
use crate::names::{Names, Node, ROOT, Target};

/// No leaf.
const NONE: u32 = u32::MAX;

/// One value of a field.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    pub(crate) content: Content<'a>,
    /// Its text, lower-cased, once somebody asked.
    low: OnceCell<Box<str>>,
    /// The field's next value.
    next: u32,
}

impl<'a> Leaf<'a> {
    /// A value that is the only one.
    pub(crate) fn new(content: Content<'a>) -> Self {
        Self { content, low: OnceCell::new(), next: NONE }
    }

    /// Its text, lower-cased as `str::to_lowercase` does it.
    pub(crate) fn low(&self) -> &str {
        self.low.get_or_init(|| match &self.content {
            Content::Text(text) => text.to_lowercase().into(),
            other => other.shown().into(),
        })
    }

    /// Its text as spelled.
    pub(crate) fn spelled(&self) -> &str {
        match &self.content {
            Content::Text(text) => text,
            _ => self.low(),
        }
    }

    /// True when the other value stands so in this one, as far as the budget lets it be known.
    pub(crate) fn holds(&self, how: How, other: &Leaf<'_>, cased: bool, budget: &Budget) -> bool {
        let length = |leaf: &Leaf<'_>| match &leaf.content {
            Content::Text(text) => text.len() as u64,
            _ => 0,
        };
        if other.content.is_nothing() || !budget.pay(4 + (length(self) + length(other)) / 4) {
            return false;
        }
        if cased {
            how.holds(self.spelled(), other.spelled())
        } else {
            how.holds(self.low(), other.low())
        }
    }

    /// A text for comparisons that fold ASCII case themselves.
    pub(crate) fn foldable(&self) -> &str {
        match &self.content {
            Content::Text(text) if text.is_ascii() => text,
            _ => self.low(),
        }
    }
}

/// The values of one event.
#[derive(Debug, Default)]
pub(crate) struct Leaves<'a>(Vec<Leaf<'a>>);

/// A field's values: the first and the last of a chain of leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    first: u32,
    last: u32,
}

impl Chain {
    /// A field that the event does not have.
    pub(crate) const ABSENT: Self = Self { first: NONE, last: NONE };

    /// True when the event does not have the field.
    pub(crate) fn is_absent(self) -> bool {
        self.first == NONE
    }
}

impl<'a> Leaves<'a> {
    /// Empties it for an event with another lifetime; the memory is kept.
    pub(crate) fn recycle<'b>(mut self) -> Leaves<'b> {
        self.0.clear();
        // Collecting a mapped vector happens in place: an empty one keeps its allocation.
        let nothing = |_| Leaf::new(Content::Null);
        Leaves(self.0.into_iter().map(nothing).collect())
    }

    /// The leaves of a chain.
    pub(crate) fn chain(&self, chain: Chain) -> impl Iterator<Item = &Leaf<'a>> {
        let mut next = chain.first;
        std::iter::from_fn(move || {
            let leaf = self.0.get(next as usize)?;
            next = leaf.next;
            Some(leaf)
        })
    }

    /// Adds a value at the end of a chain.
    pub(crate) fn push(&mut self, chain: &mut Chain, content: Content<'a>) {
        let number = self.0.len() as u32;
        self.0.push(Leaf::new(content));
        match self.0.get_mut(chain.last as usize) {
            Some(last) => last.next = number,
            None => chain.first = number,
        }
        chain.last = number;
    }
}

/// Keys under which shippers and older parsers put the record proper. (A source definition says
/// the same by `look_in`, but rules run without one too.)
const ENVELOPES: [&str; 11] = [
    "body",
    "audit",
    "auditData",
    "data",
    "detail",
    "event",
    "extension",
    "properties",
    "syslog",
    "ExtraEventData",
    "attributes",
];

/// The name that stands for the words of a command, for [`crate::aliases`].
pub(crate) const ARGUMENTS: &str = "$arguments";
/// Words of a command that are put together.
const MOST_ARGUMENTS: usize = 1_000;

/// How deep an event is entered.
const DEPTH: u32 = 128;

/// Walks an event along the names and hands each value to the fields that want it.
pub(crate) struct Walker<'n, F> {
    pub(crate) names: &'n Names,
    /// Called with a field and a value of it.
    pub(crate) found: F,
}

impl<'a, F: FnMut(u32, Content<'a>)> Walker<'_, F> {
    /// Walks a whole record. Rules name fields bare that a record carries within others: EVTX in
    /// `Event.System`, `Event.EventData` and `Event.UserData`, shippers in envelopes of theirs.
    pub(crate) fn record(&mut self, native: &'a Value<'a>) {
        let Value::Map(entries) = native else { return };
        self.map(ROOT, entries, DEPTH, false);
        self.envelopes(entries, 2);
        if let Some(node) = self.names.child(ROOT, ARGUMENTS) {
            self.arguments(node, entries);
        }
    }

    /// Fields within the envelopes of a record, to a depth of envelopes.
    fn envelopes(&mut self, entries: &'a [(Cow<'a, str>, Value<'a>)], depth: u32) {
        for (key, value) in entries {
            let Value::Map(inner) = value else { continue };
            let key = key.as_ref();
            match key {
                "Event" => inner.iter().for_each(|(key, value)| self.windows_part(key, value)),
                "EventData" | "System" | "UserData" => self.windows_part(key, value),
                "winlog" => {
                    for (key, value) in inner {
                        match key.as_ref() {
                            "event_data" => self.windows_part("EventData", value),
                            "user_data" => self.windows_part("UserData", value),
                            _ => {}
                        }
                    }
                }
                _ if ENVELOPES.contains(&key) && depth > 0 => {
                    self.map(ROOT, inner, DEPTH, false);
                    self.envelopes(inner, depth - 1);
                }
                _ => {}
            }
        }
    }

    /// The command line of an audit record, whose words stand in fields of their own.
    fn arguments(&mut self, node: Node, entries: &'a [(Cow<'a, str>, Value<'a>)]) {
        let word = |number: usize| {
            let name = format!("a{number}");
            let found = entries.iter().find(|(key, _)| *key == name.as_str());
            found.and_then(|(_, value)| value.to_text())
        };
        let count = entries.iter().find(|(key, _)| key == "argc").and_then(|(_, v)| v.as_i64());
        let count = usize::try_from(count.unwrap_or(0)).unwrap_or(0).min(MOST_ARGUMENTS);
        let words: Vec<Cow<'_, str>> = (0..count).map_while(word).collect();
        if let (false, Some(place)) = (words.is_empty(), self.names.place(node)) {
            self.give(&place.targets, &Content::Text(Cow::Owned(words.join(" "))));
        }
    }

    fn windows_part(&mut self, part: &str, value: &'a Value<'a>) {
        let Value::Map(entries) = value else { return };
        match part {
            "System" => self.map(ROOT, entries, DEPTH, false),
            "EventData" => self.map(ROOT, entries, DEPTH, true),
            "UserData" => self.user_data(entries, DEPTH),
            "RenderingInfo" => {
                let message = entries.iter().find(|(key, _)| key == "Message");
                if let Some((key, value)) = message {
                    self.entry(ROOT, key, value, DEPTH);
                }
            }
            _ => {}
        }
    }

    /// `UserData` holds maps of the provider's own naming: their fields are the event's.
    fn user_data(&mut self, entries: &'a [(Cow<'a, str>, Value<'a>)], depth: u32) {
        self.map(ROOT, entries, depth, true);
        if depth == 0 {
            return;
        }
        for (key, value) in entries {
            if let Value::Map(inner) = value
                && key != "#attributes"
            {
                self.user_data(inner, depth - 1);
            }
        }
    }

    /// `spaced`: names of Windows event data may hold spaces (`Source Name`), which rules leave
    /// out or write as `_`.
    fn map(&mut self, node: Node, map: &'a [(Cow<'a, str>, Value<'a>)], depth: u32, spaced: bool) {
        for (key, value) in map {
            self.entry(node, key, value, depth);
            if spaced && key.contains(' ') {
                self.entry(node, &key.replace(' ', ""), value, depth);
                self.entry(node, &key.replace(' ', "_"), value, depth);
            }
        }
    }

    fn entry(&mut self, node: Node, key: &str, value: &'a Value<'a>, depth: u32) {
        if let Some(child) = self.names.child(node, key) {
            self.value(child, value, depth);
        }
    }

    fn value(&mut self, node: Node, value: &'a Value<'a>, depth: u32) {
        let Some(place) = self.names.place(node) else { return };
        if depth == 0 {
            return;
        }
        match value {
            Value::Map(entries) => {
                if place.goes_on {
                    self.map(node, entries, depth - 1, false);
                }
                if !place.targets.is_empty() {
                    self.whole_map(&place.targets, value, entries);
                }
            }
            Value::List(list) => {
                if place.indexed {
                    self.indexed(node, list, depth - 1);
                }
                if list.is_empty() {
                    self.give(&place.targets, &Content::Hollow);
                }
                for member in list {
                    self.value(node, member, depth - 1);
                }
            }
            scalar => {
                if let Some(content) = Content::of(scalar) {
                    self.give(&place.targets, &content);
                }
            }
        }
    }

    /// A map where a rule wants a value: the text of an XML element with attributes, or else the
    /// map as JSON, so that `contains` finds what stands in it.
    fn whole_map(
        &mut self,
        targets: &[Target],
        value: &'a Value<'a>,
        entries: &'a [(Cow<'a, str>, Value<'a>)],
    ) {
        match entries.iter().find(|(key, _)| key == "#text") {
            Some((_, Value::List(list))) => {
                for content in list.iter().filter_map(Content::of) {
                    self.give(targets, &content);
                }
            }
            Some((_, text)) => {
                if let Some(content) = Content::of(text) {
                    self.give(targets, &content);
                }
            }
            None => {
                let deeper = !within(value, DEPTH);
                let text = if deeper { None } else { serde_json::to_string(value).ok() };
                let text = Cow::Owned(text.unwrap_or_default());
                self.give(targets, &Content::Text(text));
            }
        }
    }

    fn indexed(&mut self, node: Node, list: &'a [Value<'a>], depth: u32) {
        for (at, member) in list.iter().enumerate() {
            for key in [format!("[{at}]"), format!("[-{}]", list.len() - at)] {
                self.entry(node, &key, member, depth);
            }
        }
    }

    fn give(&mut self, targets: &[Target], content: &Content<'a>) {
        for target in targets {
            let content = match (target.part, content) {
                (Part::Whole, content) => content.clone(),
                (part, Content::Text(Cow::Borrowed(text))) => match part.of(text) {
                    Some(text) => Content::Text(text),
                    None => continue,
                },
                (part, Content::Text(text)) => match part.of(text) {
                    Some(text) => Content::Text(Cow::Owned(text.into_owned())),
                    None => continue,
                },
                _ => continue,
            };
            (self.found)(target.field, content);
        }
    }
}

/// True when a value nests no deeper.
fn within(value: &Value<'_>, depth: u32) -> bool {
    match value {
        Value::List(list) => depth > 0 && list.iter().all(|inner| within(inner, depth - 1)),
        Value::Map(map) => depth > 0 && map.iter().all(|(_, inner)| within(inner, depth - 1)),
        _ => true,
    }
}

/// Visits every text of an event: what keywords are looked for in.
pub(crate) fn texts<'a>(value: &'a Value<'a>, found: &mut impl FnMut(&'a str)) {
    texts_within(value, DEPTH, found);
}

fn texts_within<'a>(value: &'a Value<'a>, depth: u32, found: &mut impl FnMut(&'a str)) {
    match value {
        Value::Str(text) => found(text),
        Value::List(list) if depth > 0 => {
            for inner in list {
                texts_within(inner, depth - 1, found);
            }
        }
        Value::Map(map) if depth > 0 => {
            for (_, inner) in map {
                texts_within(inner, depth - 1, found);
            }
        }
        _ => {}
    }
}
