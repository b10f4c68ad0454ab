//! A field's value as its source wrote it.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// JSON's shapes, borrowed from the bytes that were read where nothing had to be unescaped.
/// Maps keep the source's order and its spelling; a key may occur twice, and the first wins.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value<'a> {
    /// Nothing, said explicitly.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// A whole number above `i64::MAX`.
    UInt(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(Cow<'a, str>),
    /// Values in order.
    List(Vec<Value<'a>>),
    /// Named values in order.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The text, when it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }

    /// The number, when it is whole and fits, or text that spells one in decimal.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            Value::UInt(n) => i64::try_from(*n).ok(),
            Value::Float(x) if x.fract() == 0.0 && x.abs() < 9.0e15 => Some(*x as i64),
            Value::Str(s) => s.trim().parse().ok(),
            _ => None,
        }
    }

    /// The number, or text that spells one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::UInt(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            Value::Str(s) => s.trim().parse().ok().filter(|x: &f64| x.is_finite()),
            _ => None,
        }
    }

    /// Scalars as text (borrowed when they are text); nothing for null, lists and maps.
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Str(s) => Some(Cow::Borrowed(s)),
            Value::Int(n) => Some(Cow::Owned(n.to_string())),
            Value::UInt(n) => Some(Cow::Owned(n.to_string())),
            Value::Float(x) => Some(Cow::Owned(x.to_string())),
            Value::Bool(b) => Some(Cow::Borrowed(if *b { "true" } else { "false" })),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// A member of a map, by its exact name.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Value::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// A member by its name in any ASCII case; the exact spelling is preferred.
    pub fn get_ignore_case(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Value::Map(entries) => self.get(key).or_else(|| {
                entries.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v)
            }),
            _ => None,
        }
    }

    /// Walks a dotted path through maps. A key that itself holds dots (`"a.b"`) is found too.
    pub fn path(&self, path: &str) -> Option<&Value<'a>> {
        if let Some(found) = self.get(path) {
            return Some(found);
        }
        path.match_indices('.').find_map(|(at, _)| {
            let (head, tail) = path.split_at(at);
            self.get(head)?.path(tail.get(1..)?)
        })
    }

    /// True for null, empty text, an empty list and an empty map.
    pub fn is_empty(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Str(s) => s.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// Visits every text in it, depth first: what a keyword search runs on.
    pub fn visit_strings(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            Value::Str(s) => visit(s),
            Value::List(list) => list.iter().for_each(|v| v.visit_strings(visit)),
            Value::Map(entries) => entries.iter().for_each(|(_, v)| v.visit_strings(visit)),
            _ => {}
        }
    }

    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(b) => Value::Bool(b),
            Value::Int(n) => Value::Int(n),
            Value::UInt(n) => Value::UInt(n),
            Value::Float(x) => Value::Float(x),
            Value::Str(s) => Value::Str(Cow::Owned(s.into_owned())),
            Value::List(list) => Value::List(list.into_iter().map(Value::into_owned).collect()),
            Value::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(k, v)| (Cow::Owned(k.into_owned()), v.into_owned()))
                    .collect(),
            ),
        }
    }

    /// Takes over a `serde_json` value.
    pub fn from_json(json: serde_json::Value) -> Value<'static> {
        use serde_json::Value as J;
        match json {
            J::Null => Value::Null,
            J::Bool(b) => Value::Bool(b),
            J::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => Value::Int(i),
                (None, Some(u)) => Value::UInt(u),
                (None, None) => Value::Float(n.as_f64().unwrap_or(0.0)),
            },
            J::String(s) => Value::Str(Cow::Owned(s)),
            J::Array(list) => Value::List(list.into_iter().map(Value::from_json).collect()),
            J::Object(map) => Value::Map(
                map.into_iter().map(|(k, v)| (Cow::Owned(k), Value::from_json(v))).collect(),
            ),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(s: &'a str) -> Self {
        Value::Str(Cow::Borrowed(s))
    }
}

impl From<String> for Value<'_> {
    fn from(s: String) -> Self {
        Value::Str(Cow::Owned(s))
    }
}

impl From<i64> for Value<'_> {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => s.serialize_unit(),
            Value::Bool(b) => s.serialize_bool(*b),
            Value::Int(n) => s.serialize_i64(*n),
            Value::UInt(n) => s.serialize_u64(*n),
            Value::Float(x) => s.serialize_f64(*x),
            Value::Str(text) => s.serialize_str(text),
            Value::List(list) => {
                let mut seq = s.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|v| seq.serialize_element(v))?;
                seq.end()
            }
            Value::Map(entries) => {
                let mut map = s.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(k, v)| map.serialize_entry(k, v))?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_walk_maps_and_dotted_keys() {
        let json = serde_json::json!({"a": {"b.c": {"d": 1}}, "x.y": 2});
        let value = Value::from_json(json);
        assert_eq!(value.path("a.b.c.d"), Some(&Value::Int(1)));
        assert_eq!(value.path("x.y"), Some(&Value::Int(2)));
        assert_eq!(value.path("a.q"), None);
        assert_eq!(value.path("é.q"), None);
    }
}
