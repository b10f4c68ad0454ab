//! Observables: what of an event people pivot on, each with the path at which it stands.

use core::net::IpAddr;
use std::borrow::Cow;

use model::Value;

use crate::{Attribute, Event, Kind, Scalar, Type, resolve};

/// Something in an event that people pivot on (OCSF `observable`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observable<'e> {
    /// The path of the attribute that holds it, as [`resolve`] reads it.
    pub name: Cow<'static, str>,
    /// OCSF `observable.type_id`.
    pub type_id: i32,
    /// Its value.
    pub value: &'e str,
}

/// What is worth pivoting on among the elements of lists, by `type_id`: host names, addresses (IP,
/// MAC, e-mail), user names, URLs, hashes, resources. Ports and process ids are not.
const OF_LISTS: [i32; 8] = [1, 2, 3, 4, 5, 6, 8, 10];

/// An event may hold a list of any length; the observables of one list end here.
const MOST_OF_A_LIST: usize = 64;

impl Event<'_> {
    /// What people pivot on: first the columns, in column order, then what stands in lists
    /// (`answers`, `resources`, `email.to` …), each path once.
    pub fn observables(&self) -> Vec<Observable<'_>> {
        let mut values: Vec<_> = self.values().collect();
        values.sort_unstable_by_key(|(id, _)| *id);
        let mut out = Vec::new();
        for (id, value) in &values {
            let column = id.get();
            if let (Some(type_id), Some(value)) = (column.observable, value.as_str())
                && !value.is_empty()
            {
                out.push(Observable { name: Cow::Borrowed(column.path), type_id, value });
            }
        }
        for (id, value) in values {
            let column = id.get();
            if column.kind == Kind::Json
                && let Scalar::Json(value) = value
                && let Some(at) = resolve(self.class, column.path)
            {
                let before = out.len();
                walk(at.attribute, at.list, value, column.path, &mut out);
                out.truncate(before + MOST_OF_A_LIST);
            }
        }
        out
    }
}

/// Finds the observables in a value of the attribute.
fn walk<'e>(
    attribute: &Attribute,
    list: bool,
    value: &'e Value<'_>,
    path: &str,
    out: &mut Vec<Observable<'e>>,
) {
    match (value, attribute.ty) {
        (Value::List(elements), _) if list => {
            for (place, value) in elements.iter().enumerate().take(MOST_OF_A_LIST) {
                walk(attribute, false, value, &format!("{path}[{place}]"), out);
            }
        }
        (Value::Map(entries), Type::Object(id)) => {
            let Some(object) = id.get() else { return };
            for (name, value) in entries {
                if let Some(inner) = object.shape.attribute(name) {
                    walk(inner, inner.many, value, &format!("{path}.{name}"), out);
                }
            }
        }
        (Value::Str(text), ty) if !list && !text.is_empty() => {
            // An answer's data is an address, a name or anything else; an address speaks for itself.
            let is_address = ty == Type::Text && text.parse::<IpAddr>().is_ok();
            let type_id = if is_address { Some(2) } else { attribute.observable() };
            if let Some(type_id) = type_id.filter(|id| OF_LISTS.contains(id))
                && !out.iter().any(|known| known.name == path)
            {
                out.push(Observable { name: Cow::Owned(path.to_owned()), type_id, value: text });
            }
        }
        _ => {}
    }
}
