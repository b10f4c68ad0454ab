//! Whether a body is envelopes, each with an event: what a sender must be told at once.

use serde::Deserialize;
use serde_json::value::RawValue;

/// What is wrong, and in which envelope, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is no JSON, or no object.
    Form(usize),
    /// It has no event.
    NoEvent(usize),
    /// Its event is blank.
    Blank(usize),
    /// Its indexed fields are no flat object.
    Fields(usize),
}

/// What is looked at, where it stands in the body; `null` is as good as nothing.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    fields: Option<&'a RawValue>,
}

/// Checks envelopes one behind the other, with or without white space between them, and counts them.
pub(super) fn events(body: &[u8]) -> Result<usize, Problem> {
    let mut number = 0;
    for envelope in serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>() {
        let form = |_| Problem::Form(number);
        let text = envelope.map_err(form)?.get();
        if !text.starts_with('{') {
            return Err(Problem::Form(number));
        }
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(form)?;
        let event = envelope.event.ok_or(Problem::NoEvent(number))?.get();
        let text = event.strip_prefix('"').and_then(|event| event.strip_suffix('"'));
        if text.is_some_and(|text| text.trim().is_empty()) {
            return Err(Problem::Blank(number));
        }
        if envelope.fields.is_some_and(|fields| !is_flat(fields.get())) {
            return Err(Problem::Fields(number));
        }
        number += 1;
    }
    if number == 0 { Err(Problem::Form(0)) } else { Ok(number) }
}

/// Whether an object's values are scalars or lists of them, as indexed fields are. The text is sound
/// JSON, so its brackets tell, without a value for each of them.
fn is_flat(json: &str) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' if depth == 0 => depth = 1,
            b'[' if depth == 1 => depth = 2,
            b'{' | b'[' => return false,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    json.starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_envelope_is_checked() {
        for (body, number) in [
            (r#"{"event":"a"}"#, 1),
            (r#"{"event":"a"}{"event":{"b":null}} {"event":0,"fields":{"x":["y{\"",1]}}"#, 3),
            ("{\"event\":\"a\"}\r\n{\"time\":1,\"event\":[1],\"fields\":null}\n", 2),
        ] {
            assert_eq!(events(body.as_bytes()), Ok(number), "{body}");
        }
        for (body, problem) in [
            ("x", Problem::Form(0)),
            ("  ", Problem::Form(0)),
            ("[1]", Problem::Form(0)),
            ("[1,{}]", Problem::Form(0)),
            (r#"{"event":"a"}{"event":"b""#, Problem::Form(1)),
            (r#"{"event":"a"}{"host":"b"}"#, Problem::NoEvent(1)),
            (r#"{"event":null}"#, Problem::NoEvent(0)),
            (r#"{"event":"a"}{"event":" "}"#, Problem::Blank(1)),
            (r#"{"event":"a","fields":{"x":{"y":1}}}"#, Problem::Fields(0)),
            (r#"{"event":"a","fields":{"x":[["y"]]}}"#, Problem::Fields(0)),
            (r#"{"event":"a","fields":"x"}"#, Problem::Fields(0)),
        ] {
            assert_eq!(events(body.as_bytes()), Err(problem), "{body}");
        }
    }
}
