//! The JSON form: `{"resourceLogs": [{"resource": …, "scopeLogs": [{"logRecords": [ … ]}]}]}`, one
//! value or, as collectors write to files, one in each line.

use std::borrow::Cow;

use model::{Flaw, FlawKind, Record, Value};

use super::record::{Copies, LogRecord, Origin, Placed, emit};
use crate::Sink;
use crate::fields::Fields;
use crate::formats::json::{Element, Manner};
use crate::json::scan::{self, Item, Place};

/// Each value is a request.
pub(super) static MANNER: Manner = Manner { emit: request, wrapped: false };

/// Where the log records stand in a request.
const PATH: [&str; 3] = ["resourceLogs", "scopeLogs", "logRecords"];

fn request(element: Element<'_>, sink: &mut dyn Sink) {
    let Element { raw, offset, value, mut flaws } = element;
    let is_request = matches!(value.get(PATH[0]), Some(Value::List(_)));
    let Value::Map(mut request) = value else {
        return strange(Element { raw, offset, value, flaws }, sink);
    };
    if !is_request {
        return strange(Element { raw, offset, value: Value::Map(request), flaws }, sink);
    }
    let resources = elements(&mut request, PATH[0]);
    let mut places = Vec::new();
    descend(raw, 0, &PATH, &mut places);
    let count: usize = resources.iter().map(|logs| count(logs, &PATH[1..])).sum();
    flaws.drain(..).for_each(|flaw| sink.flaw(flaw));
    let copies = Copies::new(raw.len());
    if count == places.len() {
        let mut logs = Logs { raw, offset, places: places.into_iter(), copies, sink };
        return resources.into_iter().for_each(|value| logs.resource(value));
    }
    // A value that is broken may hold less than its brackets promise: its records are counted.
    let mut sink = Counted { sink, next: 0 };
    let mut logs = Logs { raw, offset, places: Vec::new().into_iter(), copies, sink: &mut sink };
    resources.into_iter().for_each(|value| logs.resource(value));
}

/// A value that is something else.
fn strange(mut element: Element<'_>, sink: &mut dyn Sink) {
    let message = "no request for logs: it has no `resourceLogs`".to_owned();
    let kind = FlawKind::Syntax;
    element.flaws.push(Flaw { offset: element.offset, kind, message, record_lost: false });
    sink.record(element.record());
}

/// A walk through a request.
struct Logs<'a, 's> {
    raw: &'a [u8],
    offset: u64,
    /// Where the records stand that are still to come.
    places: std::vec::IntoIter<(usize, usize)>,
    copies: Copies,
    sink: &'s mut dyn Sink,
}

impl<'a> Logs<'a, '_> {
    fn resource(&mut self, value: Value<'a>) {
        let Value::Map(mut logs) = value else { return self.no_object("resourceLogs") };
        let scopes = elements(&mut logs, PATH[1]);
        let mut origin = Origin::of(entity(logs, "resource"));
        for scope in scopes {
            let Value::Map(mut logs) = scope else {
                self.no_object("scopeLogs");
                continue;
            };
            let records = elements(&mut logs, PATH[2]);
            origin.enter(entity(logs, "scope"));
            records.into_iter().for_each(|log| self.log_record(log, &origin));
        }
    }

    fn no_object(&mut self, what: &str) {
        let message = format!("an element of `{what}` that is no object");
        let kind = FlawKind::Syntax;
        self.sink.flaw(Flaw { offset: self.offset, kind, message, record_lost: true });
    }

    fn log_record(&mut self, value: Value<'a>, origin: &Origin<'a>) {
        let (start, end) = self.places.next().unwrap_or_default();
        let offset = self.offset + start as u64;
        let Value::Map(fields) = value else {
            let message = "a log record that is no object".to_owned();
            let kind = FlawKind::Syntax;
            return self.sink.flaw(Flaw { offset, kind, message, record_lost: true });
        };
        let mut log = LogRecord::default();
        for (key, value) in fields {
            match (&*key, value) {
                ("body", value) => log.body = any_value(value),
                ("attributes", Value::List(pairs)) => log.attributes = attributes(pairs),
                (_, value) if !value.is_empty() => log.said.push((key, value)),
                _ => {}
            }
        }
        let raw = self.raw.get(start..end).unwrap_or_default();
        let placed = Placed { raw, offset, flaws: Vec::new() };
        emit(log, origin, &mut self.copies, placed, self.sink);
    }
}

/// Numbers records that have no place of their own.
struct Counted<'s> {
    sink: &'s mut dyn Sink,
    next: u32,
}

impl Sink for Counted<'_> {
    fn record(&mut self, record: Record<'_>) {
        self.sink.record(Record { index: self.next, ..record });
        self.next = self.next.saturating_add(1);
    }

    fn flaw(&mut self, flaw: Flaw) {
        self.sink.flaw(flaw);
    }
}

/// Takes the elements of every list of this name out.
fn elements<'a>(fields: &mut Fields<'a>, name: &str) -> Vec<Value<'a>> {
    let mut all = Vec::new();
    for (key, value) in fields.iter_mut() {
        if let Value::List(list) = value
            && key == name
        {
            all.append(list);
        }
    }
    fields.retain(|(key, value)| key != name || !value.is_empty());
    all
}

/// How many log records there are below a value.
fn count(value: &Value<'_>, path: &[&str]) -> usize {
    let (Value::Map(fields), Some((name, deeper))) = (value, path.split_first()) else {
        return usize::from(path.is_empty());
    };
    let lists = fields.iter().filter(|(key, _)| key == name);
    lists
        .filter_map(|(_, value)| match value {
            Value::List(list) => Some(list),
            _ => None,
        })
        .flatten()
        .map(|value| count(value, deeper))
        .sum()
}

/// A resource or a scope, with what stands beside it: its attributes are its fields.
fn entity<'a>(logs: Fields<'a>, name: &str) -> Fields<'a> {
    let mut entity = Fields::new();
    for (key, value) in logs {
        let Value::Map(fields) = value else {
            if !value.is_empty() {
                entity.push((key, value));
            }
            continue;
        };
        if key != name {
            entity.push((key, Value::Map(fields)));
            continue;
        }
        for (key, value) in fields {
            match value {
                Value::List(pairs) if key == "attributes" => entity.extend(attributes(pairs)),
                Value::Int(0) => {}
                value if value.is_empty() => {}
                value => entity.push((key, value)),
            }
        }
    }
    entity
}

/// `[{"key": …, "value": …}]` as fields.
fn attributes(pairs: Vec<Value<'_>>) -> Fields<'_> {
    let mut fields = Fields::new();
    for pair in pairs {
        let Value::Map(members) = pair else { continue };
        let (mut key, mut value) = (Cow::Borrowed(""), Value::Null);
        for (name, member) in members {
            match (&*name, member) {
                ("key", Value::Str(text)) => key = text,
                ("value", any) => value = any_value(any),
                _ => {}
            }
        }
        fields.push((key, value));
    }
    fields
}

/// `{"stringValue": …}` and its like as a plain value.
fn any_value(any: Value<'_>) -> Value<'_> {
    let Value::Map(mut members) = any else { return any };
    // The last of them counts, as in protobuf.
    let Some((name, value)) = members.pop() else { return Value::Null };
    match (&*name, value) {
        // The JSON of protobuf writes long numbers as texts.
        ("intValue", Value::Str(digits)) => digits.parse().map_or(Value::Str(digits), Value::Int),
        ("arrayValue", Value::Map(mut list)) => {
            let values = elements(&mut list, "values");
            Value::List(values.into_iter().map(any_value).collect())
        }
        ("kvlistValue", Value::Map(mut list)) => {
            Value::Map(attributes(elements(&mut list, "values")))
        }
        (
            "stringValue" | "boolValue" | "intValue" | "doubleValue" | "bytesValue" | "arrayValue"
            | "kvlistValue",
            value,
        ) => value,
        // Some other object, which is kept as it is.
        (_, value) => {
            members.push((name, value));
            Value::Map(members)
        }
    }
}

/// Finds where the elements at the end of a path of lists stand, in the order of the bytes.
fn descend(bytes: &[u8], start: usize, path: &[&str], places: &mut Vec<(usize, usize)>) {
    let Some((name, deeper)) = path.split_first() else { return };
    if bytes.get(start) != Some(&b'{') {
        return;
    }
    let mut at = start + 1;
    while let Some(from) = begin(bytes, at).filter(|from| bytes.get(*from) == Some(&b'"')) {
        let Some(key_end) = scan::string_end(bytes, from + 1) else { return };
        let key = bytes.get(from + 1..key_end - 1).unwrap_or_default();
        let Some(colon) = begin(bytes, key_end).filter(|at| bytes.get(*at) == Some(&b':')) else {
            return;
        };
        let Some((value, end)) = value(bytes, colon + 1) else { return };
        if key == name.as_bytes() && bytes.get(value) == Some(&b'[') {
            let mut at = value + 1;
            while let Some((element, end)) = self::value(bytes, at) {
                match deeper {
                    [] => places.push((element, end)),
                    deeper => descend(bytes, element, deeper, places),
                }
                at = end;
            }
        }
        at = end;
    }
}

/// The first byte behind `from` that is neither white space nor a comma.
fn begin(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let skip = rest.iter().position(|b| !b.is_ascii_whitespace() && *b != b',')?;
    Some(from + skip)
}

/// Where the next value begins and ends.
fn value(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    match scan::next(bytes, from, Place { in_list: true, wary: false }, true) {
        Item::Value { start, end } => Some((start, end)),
        _ => None,
    }
}
