//! Finding things in answers, as they are spelled: a record is evidence, so its bytes stay what they were.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{Hasher, Micros, inert};
use serde_json::value::RawValue;

fn member<'a>(raw: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let members: BTreeMap<String, &'a RawValue> = serde_json::from_str(raw.get()).ok()?;
    members.get(name).copied()
}

fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    if raw.get() == "null" {
        return Some(Vec::new());
    }
    serde_json::from_str(raw.get()).ok()
}

/// The elements of the list at a path; `a.b[].c` goes through every element of `b`. An empty path is the
/// answer itself.
pub(super) fn all<'a>(text: &'a str, path: &str) -> Result<Vec<&'a RawValue>, String> {
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let mut at = vec![raw];
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, each) = match part.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (part, false),
        };
        let mut next = Vec::new();
        for raw in at {
            let found = member(raw, name).ok_or_else(|| format!("the answer has no `{path}`"))?;
            match each {
                false => next.push(found),
                true => next.extend(elements(found).ok_or_else(|| format!("`{name}` is no list"))?),
            }
        }
        at = next;
    }
    let mut records = Vec::new();
    for raw in at {
        records.extend(elements(raw).ok_or_else(|| format!("`{path}` is no list in the answer"))?);
    }
    Ok(records)
}

/// What stands at a path as text: a text, or a number as it is spelled.
pub(super) fn text(raw: &RawValue, path: &str) -> Option<String> {
    let mut at = raw;
    for part in path.split('.') {
        at = member(at, part)?;
    }
    match serde_json::from_str::<serde_json::Value>(at.get()).ok()? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(_) => Some(at.get().to_owned()),
        _ => None,
    }
}

pub(super) fn text_in(answer: &str, path: &str) -> Option<String> {
    text(serde_json::from_str(answer).ok()?, path)
}

/// When a record says that it happened: RFC 3339, or seconds or milliseconds since 1970.
pub(super) fn time(record: &RawValue, path: &str) -> Option<Micros> {
    let text = text(record, path)?;
    if let Ok(number) = text.parse::<i64>() {
        let factor = if number > 100_000_000_000 { 1_000 } else { 1_000_000 };
        return number.checked_mul(factor).map(Micros);
    }
    let zoned = if text.ends_with('Z') || text.get(10..).is_some_and(|t| t.contains(['+', '-'])) {
        text
    } else {
        format!("{text}Z")
    };
    zoned.parse::<Timestamp>().ok().map(|time| Micros(time.as_microsecond()))
}

/// By what a record is known again: its ids, or where it has none all of it.
pub(super) fn id(record: &RawValue, paths: &[String]) -> String {
    let ids: Option<Vec<String>> = paths.iter().map(|path| text(record, path)).collect();
    let hash = match ids.filter(|ids| !ids.is_empty()) {
        Some(ids) => ids.iter().fold(Hasher::new("polled"), |hash, id| hash.part(id.as_bytes())),
        None => Hasher::new("polled as a whole").part(record.get().as_bytes()),
    };
    let mut text = crate::fetch::hex(&hash.finish());
    // Eighty bits tell a million records apart.
    text.truncate(20);
    text
}

/// What an answer of a service that says `200` to everything names as an error.
pub(super) fn refusal(answer: &str, path: Option<&str>) -> Result<(), String> {
    let Some(path) = path else { return Ok(()) };
    let Ok(errors) = all(answer, path) else { return Ok(()) };
    match errors.first() {
        None => Ok(()),
        Some(first) => {
            let said = text(first, "message").unwrap_or_else(|| first.get().to_owned());
            let said: String = said.chars().take(300).collect();
            Err(format!("the service says: {}", inert(&said)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn records_are_found_as_they_are_spelled() {
        let answer = r#"{"data": {"zones": [{"events": [{"id": 12345678901234567890123, "x": 1.0}]}, {"events": null}]}}"#;
        let found = all(answer, "data.zones[].events").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].get(), r#"{"id": 12345678901234567890123, "x": 1.0}"#);
        assert_eq!(text(found[0], "id").unwrap(), "12345678901234567890123");
        assert_eq!(all("[1, 2]", "").unwrap().len(), 2);
        assert!(all("{}", "result").unwrap_err().contains("no `result`"));
        assert!(all("<html>", "").unwrap_err().contains("no JSON"));
        let ids = |text: &str| id(all(text, "").unwrap()[0], &["a".into(), "b".into()]);
        assert_eq!(ids(r#"[{"a": "1", "b": "2"}]"#), ids(r#"[{"b":"2","c":0,"a":"1"}]"#));
        assert_ne!(ids(r#"[{"a": "1"}]"#), ids(r#"[{"a": "1", "c": 0}]"#));
        let time = |text: &str| time(all(text, "").unwrap()[0], "t").unwrap().0;
        assert_eq!(time(r#"[{"t": "2026-10-14T02:11:00.5Z"}]"#), 1_791_943_860_500_000);
        assert_eq!(time(r#"[{"t": "2026-10-14T02:11:00"}]"#), time(r#"[{"t": 1791943860}]"#));
        assert_eq!(time(r#"[{"t": 1791943860000}]"#), time(r#"[{"t": 1791943860}]"#));
    }

    #[test]
    fn an_error_in_a_good_answer_is_one() {
        let said = |text: &str| refusal(text, Some("errors"));
        assert!(
            said(r#"{"errors": [{"message": "limit \u001b[31m"}]}"#).unwrap_err().contains("limit")
        );
        assert!(said(r#"{"errors": null}"#).is_ok() && said(r#"{"errors": []}"#).is_ok());
        assert!(said(r#"{"result": []}"#).is_ok() && refusal("{}", None).is_ok());
    }
}
