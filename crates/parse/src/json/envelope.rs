//! Objects that only wrap a list of events: `{"Records": [ … ]}` and their like.
//!
//! Events have lists of objects too (`"resources": [{…}]`), so the name of the list is not enough:
//! what stands beside it must be the scalars of a header, not the maps of an event.

use model::Value;

use super::scan::{self, Item, Place};

/// How far into an object the decision may look. The rest of the object never changes it, so that
/// it is the same however the bytes were cut.
pub(crate) const LOOK: usize = 64 * 1024;

/// Names that vendors give to the list of events in a delivery or an answer of an API.
const LISTS: &[&str] = &[
    "records",
    "value",
    "events",
    "logevents",
    "data",
    "items",
    "entries",
    "results",
    "result",
    "logs",
    "resources",
    "rows",
    "alerts",
    "detections",
    "findings",
    "messages",
    "hits",
    "auditevents",
    "auditlogs",
    "activities",
    "incidents",
];

/// Maps that may stand beside the list: headers, paging.
const HEADERS: &[&str] = &[
    "meta",
    "metadata",
    "pagination",
    "paging",
    "page",
    "links",
    "_links",
    "result_info",
    "responsemetadata",
    "response_metadata",
    "header",
    "cursor",
    "_meta",
];

/// Scalars that only an event has, whatever list stands beside them: `LookupEvents` of CloudTrail puts
/// the resources of an event beside its name.
const OWN: &[&str] =
    &["eventid", "eventname", "eventtype", "event_id", "event_name", "event_type", "operationname"];

/// More scalars than this are an event's, not a header's.
const SCALARS: usize = 12;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// An event.
    Event,
    /// A wrapper; its list's elements begin at this place.
    Envelope(usize),
    /// The bytes do not suffice to tell.
    Short,
}

/// A cheap first question to a value that was read: may it be an envelope? When not, it is none.
pub(crate) fn may_be(value: &Value<'_>) -> bool {
    match value {
        Value::Map(entries) => entries.iter().any(|(_, value)| match value {
            Value::List(list) => matches!(list.first(), Some(Value::Map(_))),
            _ => false,
        }),
        _ => false,
    }
}

/// Tells what the object is that begins at `start`. `sole` says that it is all there is in the
/// parcel: then its list may have any name, if it holds nearly all of its bytes.
pub(crate) fn probe(bytes: &[u8], start: usize, sole: bool, last: bool) -> Probe {
    let limit = bytes.len().min(start.saturating_add(LOOK));
    let all = limit == bytes.len() && last;
    let seen = bytes.get(..limit).unwrap_or_default();
    let mut walk = Walk { bytes: seen, at: start + 1, start };
    match walk.object(sole) {
        Some(Verdict::Event) => Probe::Event,
        Some(Verdict::Envelope(at)) => Probe::Envelope(at),
        None if limit == start + LOOK || all => walk.undecided(sole),
        None => Probe::Short,
    }
}

/// Which of the tables hold a key.
struct Key {
    list: bool,
    header: bool,
    own: bool,
}

enum Verdict {
    Event,
    Envelope(usize),
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    start: usize,
}

impl Walk<'_> {
    fn space(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at)? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b => return Some(*b),
            }
        }
    }

    /// Walks the members. `None`: the bytes ended before the object did.
    fn object(&mut self, sole: bool) -> Option<Verdict> {
        let mut list: Option<(usize, usize, bool)> = None;
        let mut scalars = 0;
        loop {
            match self.space()? {
                b',' => self.at += 1,
                b'}' => {
                    let length = self.at - self.start;
                    return Some(match list {
                        Some((at, _, true)) => Verdict::Envelope(at),
                        // Any name will do for a list that is nearly everything.
                        Some((at, size, false))
                            if sole
                                && scalars <= 4
                                && size * 5 > length * 4
                                && several(self.bytes, at) =>
                        {
                            Verdict::Envelope(at)
                        }
                        _ => Verdict::Event,
                    });
                }
                b'"' => {
                    let Key { list: known, header, own } = self.key()?;
                    match self.space()? {
                        b'[' => {
                            let from = self.at + 1;
                            if self.first_of_list()? == b'{' {
                                if list.is_some() {
                                    return Some(Verdict::Event);
                                }
                                list = Some((from, 0, known));
                            }
                            self.value()?;
                            if let Some((at, size, _)) = &mut list
                                && *at == from
                            {
                                *size = self.at - from;
                            }
                        }
                        b'{' if !header && self.bytes.get(self.at + 1) != Some(&b'}') => {
                            return Some(Verdict::Event);
                        }
                        b'{' => self.value()?,
                        _ => {
                            scalars += 1;
                            if own || scalars > SCALARS {
                                return Some(Verdict::Event);
                            }
                            self.value()?;
                        }
                    }
                }
                _ => return Some(Verdict::Event),
            }
        }
    }

    /// Steps over a key and its colon.
    fn key(&mut self) -> Option<Key> {
        let end = scan::string_end(self.bytes, self.at + 1)?;
        let key = self.bytes.get(self.at + 1..end - 1).unwrap_or_default();
        let among = |names: &[&str]| names.iter().any(|n| key.eq_ignore_ascii_case(n.as_bytes()));
        let found = Key { list: among(LISTS), header: among(HEADERS), own: among(OWN) };
        self.at = end;
        if self.space()? == b':' {
            self.at += 1;
        }
        Some(found)
    }

    /// The first byte in the list that begins here.
    fn first_of_list(&self) -> Option<u8> {
        Walk { bytes: self.bytes, at: self.at + 1, start: 0 }.space()
    }

    /// Steps over a value.
    fn value(&mut self) -> Option<()> {
        let place = Place { in_list: true, wary: false };
        match scan::next(self.bytes, self.at, place, false) {
            Item::Value { end, .. } | Item::Broken { end, .. } | Item::Junk { end, .. } => {
                self.at = end;
                Some(())
            }
            _ => None,
        }
    }

    /// The object goes on beyond what is looked at: it stopped in the middle of some member.
    fn undecided(&mut self, sole: bool) -> Probe {
        // Where the walk stopped is the member that is so large.
        let Some(before) = self.bytes.get(..self.at) else { return Probe::Event };
        if self.bytes.get(self.at) != Some(&b'[') || self.first_of_list() != Some(b'{') {
            return Probe::Event;
        }
        let known = LISTS.iter().any(|name| ends_with_key(before, name));
        if known || (sole && several(self.bytes, self.at + 1)) {
            Probe::Envelope(self.at + 1)
        } else {
            Probe::Event
        }
    }
}

/// Whether `before` ends with the key `name` and its colon.
fn ends_with_key(before: &[u8], name: &str) -> bool {
    let key = before.trim_ascii_end();
    let key = key.strip_suffix(b":").unwrap_or(key).trim_ascii_end();
    let Some(key) = key.strip_suffix(b"\"") else { return false };
    let Some(at) = key.len().checked_sub(name.len()) else { return false };
    let (quote, key) = key.split_at(at);
    quote.ends_with(b"\"") && key.eq_ignore_ascii_case(name.as_bytes())
}

/// Whether the list whose elements begin at `at` has at least three objects that begin with the
/// same key, which events do and the small lists inside of an event rarely do.
fn several(bytes: &[u8], at: usize) -> bool {
    let place = Place { in_list: true, wary: false };
    let mut from = at;
    let mut first: Option<&[u8]> = None;
    for _ in 0..3 {
        let (start, end) = match scan::next(bytes, from, place, false) {
            Item::Value { start, end } => (start, end),
            // A third so long that it does not end here still counts.
            Item::Open { start } => (start, bytes.len()),
            _ => return false,
        };
        let element = bytes.get(start..end).unwrap_or_default();
        let key = element.split(|b| *b == b'"').nth(1).unwrap_or_default();
        if element.first() != Some(&b'{') || first.is_some_and(|f| f != key) {
            return false;
        }
        first = Some(key);
        from = end;
        if end == bytes.len() {
            return true;
        }
    }
    true
}
