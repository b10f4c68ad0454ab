//! Texts with holes: `{since}`, `{until}`, `{cursor}`, `{secret}`, and what an entry sets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What is put into the holes.
pub(super) struct Values<'v> {
    pub(super) settings: &'v BTreeMap<String, String>,
    pub(super) since: String,
    pub(super) until: String,
    pub(super) cursor: Option<String>,
}

/// The names that every definition may use.
pub(super) const NAMES: [&str; 4] = ["since", "until", "cursor", "secret"];

/// The holes of a text, in order.
pub(super) fn holes(text: &str) -> Vec<&str> {
    let parts = text.split('{').skip(1);
    let names = parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name);
    names.filter(|name| is_name(name)).collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl Values<'_> {
    fn value(&self, name: &str, secret: Option<&str>) -> Option<String> {
        match name {
            "since" => Some(self.since.clone()),
            "until" => Some(self.until.clone()),
            "cursor" => self.cursor.clone(),
            "secret" => secret.map(str::to_owned),
            name => self.settings.get(name).cloned(),
        }
    }

    /// The text, filled; none when something is missing, which for the first page is the cursor.
    pub(super) fn fill(
        &self,
        text: &str,
        secret: Option<&str>,
        spell: fn(String) -> String,
    ) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            out.push_str(before);
            match behind.split_once('}') {
                Some((name, after)) if is_name(name) => {
                    out.push_str(&spell(self.value(name, secret)?));
                    rest = after;
                }
                _ => {
                    out.push('{');
                    rest = behind;
                }
            }
        }
        out.push_str(rest);
        Some(out)
    }

    /// A document with every text in it filled; members that miss something are left out.
    pub(super) fn document(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                self.fill(text, None, |value| value).map_or(Value::Null, Value::String)
            }
            Value::Array(all) => {
                Value::Array(all.iter().map(|value| self.document(value)).collect())
            }
            Value::Object(members) => {
                let filled =
                    members.iter().map(|(name, value)| (name.clone(), self.document(value)));
                let there = filled.filter(|(_, value)| !value.is_null());
                Value::Object(there.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    #[test]
    fn holes_are_filled_and_what_misses_something_is_left_out() {
        let settings = BTreeMap::from([("org".to_owned(), "a\"b/c".to_owned())]);
        let mut values =
            Values { settings: &settings, since: "S".into(), until: "U".into(), cursor: None };
        let plain = |text: &str, values: &Values<'_>| values.fill(text, None, |value| value);
        assert_eq!(plain("x {since}..{until} {Org} {", &values).unwrap(), "x S..U {Org} {");
        assert_eq!(plain("after {cursor}", &values), None);
        let form = json!({ "query": "query { viewer { x } }", "at": ["{org}"], "after": "{cursor}", "limit": 5 });
        let filled = values.document(&form);
        assert_eq!(
            filled,
            json!({ "query": "query { viewer { x } }", "at": ["a\"b/c"], "limit": 5 })
        );
        values.cursor = Some("C".into());
        assert_eq!(values.document(&form)["after"], "C");
        assert_eq!(holes("{org} { x } {since}"), ["org", "since"]);
    }
}
