//! What a sender is told of each item of a `_bulk`.

use std::borrow::Cow;

use model::Digest;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::http::answer::Refusal;

/// Pairs of lines of one body. Shippers send some thousands; an answer is several times larger than the
/// smallest of items.
const ITEMS: usize = 200_000;
/// Bytes of an action: an index, an id, a pipeline.
const ACTION: usize = 16 << 10;

/// What came of a body.
pub(super) struct Done {
    /// How many documents are taken.
    pub(super) taken: u64,
    /// What the sender is told, in JSON.
    pub(super) answer: Vec<u8>,
}

/// What an action says of its document.
#[derive(Debug, Default, Deserialize)]
struct Target<'a> {
    #[serde(rename = "_index", borrow)]
    index: Option<Cow<'a, str>>,
    #[serde(rename = "_id", borrow)]
    id: Option<&'a RawValue>,
}

/// Reads the actions and looks whether each document is one. `brief` leaves out of the answer what
/// senders that filter it do not want.
///
/// # Errors
/// When a line that should be an action is none: then nobody knows what the rest is.
pub(super) fn read(body: &[u8], index: Option<&str>, brief: bool) -> Result<Done, Refusal> {
    if body.iter().filter(|byte| **byte == b'\n').count() > 2 * ITEMS {
        return Err(Refusal::TooLarge { limit: ITEMS as u64 });
    }
    let (mut items, mut count, mut taken) = (Vec::new(), 0u64, 0u64);
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let mut lines = body.split(|b| *b == b'\n').enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = at + 1;
        let broken = || Refusal::Broken(format!("Malformed action/metadata line [{number}]"));
        let (action, target) = action(line).ok_or_else(broken)?;
        let document = match action {
            "delete" => None,
            _ => {
                let none = || Refusal::Broken("the last action has no document".to_owned());
                Some(lines.next().ok_or_else(none)?.1)
            }
        };
        let result = match document {
            Some(document) if matches!(action, "index" | "create") => {
                if is_object(document) {
                    Ok(document)
                } else {
                    Err("failed to parse: no JSON object")
                }
            }
            _ => Err("this is not taken: documents are only added"),
        };
        let name = target.index.as_deref().or(index).unwrap_or("default");
        let id = given(target.id);
        let told = match result {
            Ok(_) if brief => json!({"status": 201}),
            Ok(document) => {
                let mut told = item(name, &id.unwrap_or_else(|| self::id(document, number)));
                told.insert("status".to_owned(), 201.into());
                Value::Object(told)
            }
            Err(reason) => {
                let kind = match action {
                    "index" | "create" => "document_parsing_exception",
                    _ => "illegal_argument_exception",
                };
                let error = json!({"type": kind, "reason": reason});
                json!({"_index": name, "_id": id, "status": 400, "error": error})
            }
        };
        taken += u64::from(result.is_ok());
        count += 1;
        items.extend_from_slice(if count == 1 { b"" } else { b"," });
        let told = Value::Object(Map::from_iter([(action.to_owned(), told)]));
        items.extend_from_slice(told.to_string().as_bytes());
    }
    let errors = taken < count;
    let mut answer = format!("{{\"took\":0,\"errors\":{errors},\"items\":[").into_bytes();
    answer.append(&mut items);
    answer.extend_from_slice(b"]}");
    Ok(Done { taken, answer })
}

/// The action of a line, and its target.
fn action(line: &[u8]) -> Option<(&'static str, Target<'_>)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase", deny_unknown_fields)]
    enum Action<'a> {
        #[serde(borrow)]
        Index(Target<'a>),
        #[serde(borrow)]
        Create(Target<'a>),
        #[serde(borrow)]
        Update(Target<'a>),
        #[serde(borrow)]
        Delete(Target<'a>),
    }
    if line.len() > ACTION {
        return None;
    }
    Some(match serde_json::from_slice(line).ok()? {
        Action::Index(target) => ("index", target),
        Action::Create(target) => ("create", target),
        Action::Update(target) => ("update", target),
        Action::Delete(target) => ("delete", target),
    })
}

/// The id that an action gives; a number is as good as a text.
fn given(id: Option<&RawValue>) -> Option<String> {
    let json = id?.get();
    serde_json::from_str::<String>(json).ok().or_else(|| (json != "null").then(|| json.to_owned()))
}

/// Whether a text is one JSON object.
pub(super) fn is_object(text: &[u8]) -> bool {
    let begins = text.trim_ascii_start().first() == Some(&b'{');
    begins && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// What is said of a document that was added.
pub(super) fn item(index: &str, id: &str) -> Map<String, Value> {
    let fields = [
        ("_index", index.into()),
        ("_id", id.into()),
        ("_version", 1.into()),
        ("result", "created".into()),
        ("_shards", json!({"total": 1, "successful": 1, "failed": 0})),
        ("_seq_no", 0.into()),
        ("_primary_term", 1.into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An id for a document that was given none: of its bytes and its place, so that a sender that looks
/// at it sees no two alike.
pub(super) fn id(document: &[u8], number: usize) -> String {
    let digest = Digest::of(document).to_string();
    format!("{}-{number}", digest.get(..16).unwrap_or_default())
}
