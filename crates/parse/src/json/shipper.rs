//! Objects that only carry a line of text: what Filebeat, Fluent Bit, Vector, Logstash, container
//! runtimes and CloudWatch make of a line that they ship.
//!
//! Events have a `message` too, so the text is not enough: everything beside it must be what
//! shippers add. One key that is an event's own, and the object is the event.

use std::borrow::Cow;

use model::Value;

use crate::fields::Fields;

/// A text that an object may carry: where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The field at this place.
    Field(usize),
    /// `original` in the field at this place: what ECS keeps of a line that was taken apart.
    Original(usize),
}

/// Whether an object looks like one that carries a line.
pub(crate) fn may_carry(fields: &Fields<'_>) -> bool {
    let mut text = false;
    for (key, value) in fields {
        match key.as_ref() {
            "message" | "log" if value.as_str().is_some() => text = true,
            "event" => match value {
                Value::Map(event) if event.iter().all(|(key, _)| is_of_event(key)) => {
                    text |= original(value).is_some();
                }
                _ => return false,
            },
            key if is_beside(key) => {}
            _ => return false,
        }
    }
    text
}

/// Where the texts of such an object stand, best first.
pub(crate) fn spots(fields: &Fields<'_>) -> impl Iterator<Item = Spot> + use<> {
    let place = |name: &str| {
        let text =
            |(key, value): &(Cow<'_, str>, Value<'_>)| key == name && value.as_str().is_some();
        fields.iter().position(text).map(Spot::Field)
    };
    let event = fields.iter().position(|(key, value)| key == "event" && original(value).is_some());
    [place("message"), place("log"), event.map(Spot::Original)].into_iter().flatten()
}

/// The text at a spot.
pub(crate) fn text<'f>(fields: &'f Fields<'_>, spot: Spot) -> Option<&'f str> {
    match spot {
        Spot::Field(at) => fields.get(at)?.1.as_str(),
        Spot::Original(at) => original(&fields.get(at)?.1),
    }
}

/// Takes the text out; a second copy of it, which Logstash keeps, is taken out with it.
pub(crate) fn take<'a>(fields: &mut Fields<'a>, spot: Spot) -> Cow<'a, str> {
    let taken = match spot {
        Spot::Field(at) if at < fields.len() => fields.remove(at).1,
        Spot::Original(at) => fields.get_mut(at).map(|(_, e)| take_original(e)).unwrap_or_default(),
        Spot::Field(_) => Value::Null,
    };
    let Value::Str(text) = taken else { return Cow::Borrowed("") };
    for (_, value) in fields.iter_mut().filter(|(key, _)| key == "event") {
        if original(value) == Some(&*text) {
            take_original(value);
        }
    }
    fields.retain(|(key, value)| key != "event" || !value.is_empty());
    text
}

fn original<'v>(event: &'v Value<'_>) -> Option<&'v str> {
    event.get("original")?.as_str()
}

fn take_original<'a>(event: &mut Value<'a>) -> Value<'a> {
    let Value::Map(entries) = event else { return Value::Null };
    match entries.iter().position(|(key, _)| key == "original") {
        Some(at) => entries.remove(at).1,
        None => Value::Null,
    }
}

/// What shippers say of the event in ECS's `event`: nothing of what it means.
fn is_of_event(key: &str) -> bool {
    matches!(
        key,
        "original"
            | "created"
            | "ingested"
            | "module"
            | "dataset"
            | "timezone"
            | "sequence"
            | "hash"
    )
}

/// Names that shippers give to what they add, the first part of a dotted name.
fn is_beside(key: &str) -> bool {
    let first = key.split_once('.').map_or(key, |(first, _)| first);
    matches!(
        first,
        // Times, and what a stream is called.
        "@timestamp" | "timestamp" | "time" | "date" | "@version" | "@metadata" | "tags" | "tag"
            | "type" | "id" | "stream" | "logtag" | "_p" | "source_type" | "ingest_timestamp"
            // Where it was read.
            | "log" | "file" | "filename" | "path" | "filepath" | "source" | "offset" | "input"
            | "prospector" | "fileset" | "service" | "data_stream" | "index" | "pipeline"
            | "logGroup" | "logStream"
            // By whom, on what.
            | "agent" | "beat" | "ecs" | "elastic_agent" | "host" | "hostname" | "cloud" | "aws"
            | "gcp" | "azure" | "container" | "container_id" | "container_name" | "docker"
            | "kubernetes" | "orchestrator" | "fields" | "labels"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::json_value;

    fn fields(text: &str) -> Fields<'_> {
        match json_value(text.as_bytes()).unwrap() {
            Value::Map(fields) => fields,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_key_of_an_event_makes_it_an_event() {
        let carried =
            fields(r#"{"@timestamp":"t","message":"m","host":{"name":"h"},"log.level":1}"#);
        assert!(may_carry(&carried));
        for event in [
            r#"{"@timestamp":"t","message":"m","winlog":{"event_id":4624}}"#,
            r#"{"@timestamp":"t","message":"m","user":"u"}"#,
            r#"{"@timestamp":"t","message":"m","event":{"action":"login"}}"#,
            r#"{"@timestamp":"t","message":"m","event":"login"}"#,
            r#"{"@timestamp":"t","message":{"text":"m"},"host":"h"}"#,
            r#"{"@timestamp":"t","host":"h"}"#,
        ] {
            assert!(!may_carry(&fields(event)), "{event}");
        }
    }

    #[test]
    fn the_text_is_taken_out_with_its_copy() {
        let mut logstash = fields(r#"{"message":"m","event":{"original":"m"},"host":"h"}"#);
        let first = spots(&logstash).next().unwrap();
        assert_eq!((text(&logstash, first), first), (Some("m"), Spot::Field(0)));
        assert_eq!(take(&mut logstash, first), "m");
        assert_eq!(logstash, fields(r#"{"host":"h"}"#));

        let mut other = fields(r#"{"event":{"original":"a","module":"x"},"message":"b"}"#);
        assert_eq!(spots(&other).collect::<Vec<_>>(), [Spot::Field(1), Spot::Original(0)]);
        assert_eq!(take(&mut other, Spot::Original(0)), "a");
        assert_eq!(other, fields(r#"{"event":{"module":"x"},"message":"b"}"#));
    }
}
