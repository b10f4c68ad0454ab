//! Fields whose text holds a record of its own: opened before anything is looked for.

use std::borrow::Cow;

use model::{Record, Value};
use ocsf::{Event, Scalar};

use crate::diagnostic::{Reporter, did_you_mean, nearest};
use crate::syntax::{self, Ast, Step};
use crate::xml;
use crate::yaml::Node;

/// A field to open.
#[derive(Debug)]
pub(crate) struct Open {
    path: Box<[Box<str>]>,
    how: How,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Json,
    Xml,
}

const HOW: [(&str, How); 2] = [("json", How::Json), ("xml", How::Xml)];

/// Longer texts are not opened, in bytes.
const MOST: usize = 4 << 20;

/// Compiles an `open` block: `{path: json}`.
pub(crate) fn compile(node: &Node, reporter: &mut Reporter<'_>) -> Vec<Open> {
    let Some(entries) = node.as_map() else {
        let help = "open:\n  AuditData: json";
        reporter.add("S006", node.span, "`open` is a map of paths", "this is not", help);
        return Vec::new();
    };
    let mut all = Vec::new();
    for (key, value) in entries {
        let name = value.as_text().unwrap_or_default();
        let Some((_, how)) = HOW.iter().find(|(n, _)| *n == name) else {
            let help = match did_you_mean(&nearest(name, HOW.iter().map(|(n, _)| *n))) {
                help if help.is_empty() => "a text is opened as `json` or `xml`".to_owned(),
                help => help,
            };
            let title = format!("a text cannot be opened as `{name}`");
            reporter.add("S016", value.inner(), title, "this", help);
            continue;
        };
        let keys = match syntax::alternatives(&key.text, key.span) {
            Ok(Ast::Path(path)) => path
                .steps
                .into_iter()
                .map(|step| match step {
                    Step::Key(key) => Some(key),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        if let Some(path) = keys {
            all.push(Open { path, how: *how });
        } else {
            let help = "write the field's names with dots between them";
            reporter.add("S007", key.span, "not a path of names", "this", help);
        }
    }
    all
}

/// The record with its fields opened; nothing when there is nothing to open.
pub(crate) fn apply<'a>(all: &[Open], record: &'a Record<'_>) -> Option<Record<'a>> {
    let closed = |open: &Open| {
        let mut at = &record.fields;
        for key in &open.path {
            at = at.get_ignore_case(key)?;
        }
        let text = at.as_str().filter(|t| t.len() <= MOST)?;
        match open.how {
            How::Json => serde_json::from_str(text.trim()).ok().map(Value::from_json),
            How::Xml => xml::read(text),
        }
    };
    let mut opened: Option<Value<'a>> = None;
    for open in all {
        let Some(inner) = closed(open) else { continue };
        put(opened.get_or_insert_with(|| record.fields.clone()), &open.path, inner);
    }
    Some(Record {
        offset: record.offset,
        index: record.index,
        raw: Cow::Borrowed(&record.raw),
        fields: opened?,
        syntax: record.syntax,
        flaws: Vec::new(),
    })
}

fn put<'a>(fields: &mut Value<'a>, path: &[Box<str>], inner: Value<'a>) {
    let (Some((first, rest)), Value::Map(entries)) = (path.split_first(), fields) else { return };
    let exact = entries.iter().position(|(k, _)| **k == **first);
    let place = exact.or_else(|| entries.iter().position(|(k, _)| k.eq_ignore_ascii_case(first)));
    if let Some((_, value)) = place.and_then(|at| entries.get_mut(at)) {
        if rest.is_empty() {
            *value = inner;
        } else {
            put(value, rest, inner);
        }
    }
}

/// A copy of an event that borrows nothing: of a record that was opened nothing stays.
pub(crate) fn own(event: &Event<'_>) -> Event<'static> {
    let mut owned = Event::new(event.class, event.time);
    owned.activity_id = event.activity_id;
    owned.activity_name = event.activity_name.as_ref().map(|n| Cow::Owned(n.to_string()));
    owned.severity = event.severity;
    for (column, value) in event.values() {
        let value = match value {
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.to_string())),
            Scalar::Int(n) => Scalar::Int(*n),
            Scalar::Double(x) => Scalar::Double(*x),
            Scalar::Bool(b) => Scalar::Bool(*b),
            Scalar::Time(t) => Scalar::Time(*t),
            Scalar::Json(json) => Scalar::Json(json.clone().into_owned()),
        };
        owned.set(column, value);
    }
    for (path, value) in event.extra() {
        owned.set_extra(path.clone(), value.clone().into_owned());
    }
    owned
}
