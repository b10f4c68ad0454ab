//! The event as OCSF writes it: one nested JSON object that [`crate::check`] accepts.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use model::{EventUid, Value};
use serde_json::{Map, Number, Value as Json, json};

use crate::complete::{Completion, Lack, UNKNOWN_WORD};
use crate::event::{Event, Scalar};
use crate::schema::{Choice, OTHER, Step};
use crate::{Class, Enumeration, ProfileSet, VERSION, class_by_uid, resolve};

/// Native fields above this many bytes of JSON are not repeated under `unmapped`.
const UNMAPPED_BYTES: usize = 16 << 10;

/// What comes first in an event, for people who read one; the rest follows in order of name.
const FIRST: [&str; 14] = [
    "time",
    "class_uid",
    "class_name",
    "category_uid",
    "category_name",
    "activity_id",
    "activity_name",
    "type_uid",
    "type_name",
    "severity_id",
    "severity",
    "message",
    "status_id",
    "status",
];

/// And what comes last.
const LAST: [&str; 4] = ["metadata", "observables", "unmapped", "raw_data"];

/// What goes into an event that is written out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Export<'e> {
    /// The bytes that the event came from, for `raw_data`. What of them is not UTF-8 is written as
    /// U+FFFD.
    pub raw: &'e [u8],
    /// The source's own fields. Those whose values are nowhere in the event are added under
    /// `unmapped`; all of them stand for `raw` where that is empty.
    pub native: Option<&'e Value<'e>>,
    /// For readers that know the core schema alone: an event of a class that an extension brings
    /// (`win/registry_key_activity`) is written as a base event.
    pub core_only: bool,
}

impl Event<'_> {
    /// The whole event as OCSF JSON, which [`crate::check`] accepts whatever the event holds: what
    /// does not fit the schema is under `unmapped` (the rules: module `complete`). `raw` is the bytes
    /// that the event came from.
    pub fn to_json(&self, uid: EventUid, raw: &[u8]) -> Json {
        self.to_json_with(uid, &Export { raw, ..Export::default() })
    }

    /// As [`Event::to_json`], with a choice of what goes in.
    pub fn to_json_with(&self, uid: EventUid, export: &Export<'_>) -> Json {
        let uid = uid.to_string();
        let (class, completion, mut event) = self.complete(&uid, export.core_only);
        let mut left = completion.left;
        if let Some(native) = export.native {
            add_native(&mut left, native, &self.texts());
        }
        let observables = self.observables_in(&event);
        let profiles: Vec<_> = completion.used.names().collect();
        if let Some(metadata) = event.get_mut("metadata").and_then(Json::as_object_mut) {
            if !class.extension.is_empty() {
                let extension = json!([{ "name": class.extension, "version": VERSION }]);
                metadata.insert("extensions".to_owned(), extension);
            }
            if !profiles.is_empty() {
                metadata.insert("profiles".to_owned(), json!(profiles));
            }
            metadata.sort_keys();
        }
        if !observables.is_empty() {
            event.insert("observables".to_owned(), Json::Array(observables));
        }
        if !left.is_empty() {
            event.insert("unmapped".to_owned(), Json::Object(left));
        }
        let raw = match export.native {
            Some(native) if export.raw.is_empty() => Cow::Owned(value_to_json(native).to_string()),
            _ => String::from_utf8_lossy(export.raw),
        };
        if !raw.is_empty() {
            event.insert("raw_data".to_owned(), raw.into());
        }
        let activity = event.get("activity_id").and_then(Json::as_i64).unwrap_or_default();
        let caption = i32::try_from(activity).ok().and_then(|n| class.activity(n));
        let type_name = format!("{}: {}", class.caption, caption.unwrap_or(UNKNOWN_WORD));
        event.insert("type_uid".to_owned(), (i64::from(class.uid) * 100 + activity).into());
        event.insert("type_name".to_owned(), type_name.into());
        Json::Object(in_order(event))
    }

    /// Completes the event as its own class, or else as a base event.
    fn complete<'u>(
        &self,
        uid: &'u str,
        core_only: bool,
    ) -> (&'static Class, Completion<'u>, Map<String, Json>) {
        let base = class_by_uid(0).unwrap_or(self.class);
        let is_foreign = core_only && !self.class.extension.is_empty();
        let mut class = if is_foreign { base } else { self.class };
        let mut banned = ProfileSet::NONE;
        loop {
            let mut completion = Completion::new(class.profiles.without(banned), uid);
            match completion.event(class, self.tree(class, uid)) {
                Ok(event) => return (class, completion, event),
                Err(Lack::Profile(profile)) => banned = banned.or(profile),
                // A base event demands nothing that `tree` and completion do not bring.
                Err(Lack::Class) if class == base => return (class, completion, Map::new()),
                Err(Lack::Class) => class = base,
            }
        }
    }

    /// Everything that the event holds, nested as its paths say, not yet held against the schema.
    fn tree(&self, class: &Class, uid: &str) -> Map<String, Json> {
        let mut values: Vec<_> = self.values().collect();
        values.sort_unstable_by_key(|(column, _)| *column);
        let mut tree = Json::Object(self.head(class));
        for (column, value) in values {
            place(&mut tree, column.get().path, scalar_to_json(value));
        }
        for (path, value) in self.extra() {
            place(&mut tree, path, value_to_json(value));
        }
        for (path, value) in [("metadata.uid", uid), ("metadata.version", VERSION)] {
            place(&mut tree, path, value.into());
        }
        match tree {
            Json::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn head(&self, class: &Class) -> Map<String, Json> {
        let mut head = Map::new();
        let mut put = |name: &str, value: Json| head.insert(name.to_owned(), value);
        put("time", self.time.millis().into());
        put("class_uid", class.uid.into());
        put("class_name", class.caption.into());
        put("category_uid", class.category_uid.into());
        put("category_name", class.category_name.into());
        put("severity_id", self.severity.into());
        put("type_uid", self.type_uid().into());
        if *class == *self.class {
            put("activity_id", self.activity_id.into());
            self.activity_name.iter().for_each(|name| drop(put("activity_name", (**name).into())));
        } else {
            let would_be = format!("{}: {}", self.class.caption, self.activity_caption());
            put("activity_id", OTHER.into());
            put("activity_name", would_be.into());
        }
        head
    }

    fn observables_in(&self, event: &Map<String, Json>) -> Vec<Json> {
        static CAPTIONS: LazyLock<Option<&'static Enumeration>> = LazyLock::new(|| {
            resolve(class_by_uid(0)?, "observables[].type_id")?.attribute.enumeration
        });
        let observables = self.observables().into_iter().filter_map(|observable| {
            let (name, value) = locate(event, &observable.name)?;
            let caption = CAPTIONS.as_ref()?.caption(observable.type_id.into())?;
            let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let type_id = observable.type_id;
            Some((
                name.clone(),
                json!({ "name": name, "type": caption, "type_id": type_id, "value": written }),
            ))
        });
        // One attribute may be known by two paths: `resources[0].uid` is a column and in a list.
        let mut names = HashSet::new();
        observables.filter(|(name, _)| names.insert(name.clone())).map(|(_, o)| o).collect()
    }

    /// Every text and number of the event, as text: what of the native fields is already told.
    fn texts(&self) -> HashSet<Cow<'_, str>> {
        let text = |value| match value {
            &Scalar::Int(n) => Some(Cow::Owned(n.to_string())),
            Scalar::Text(text) => Some(Cow::Borrowed(&**text)),
            _ => None,
        };
        self.values().filter_map(|(_, value)| text(value)).collect()
    }
}

/// Puts a value where its path says, unless something is there.
fn place(tree: &mut Json, path: &str, value: Json) {
    if value.is_null() {
        return;
    }
    let mut at = tree;
    for step in path.split('.') {
        let Some(step) = Step::read(step) else { return };
        if at.is_null() {
            *at = Json::Object(Map::new());
        }
        let Json::Object(map) = at else { return };
        at = map.entry(step.name).or_insert(Json::Null);
        let Some(choice) = step.choice else { continue };
        if at.is_null() {
            *at = Json::Array(Vec::new());
        }
        let Json::Array(list) = at else { return };
        let Some(element) = element(list, choice) else { return };
        at = element;
    }
    if at.is_null() {
        *at = value;
    }
}

/// The chosen element of a list, made when it is not there.
fn element<'l>(list: &'l mut Vec<Json>, choice: Choice<'_>) -> Option<&'l mut Json> {
    let place = match choice {
        Choice::At(place) => place,
        Choice::Every => return None,
        Choice::Algorithm(name) => {
            let number = algorithm(name)?;
            let is_it = |one: &Json| one.get("algorithm_id").and_then(Json::as_i64) == Some(number);
            let place = list.iter().position(is_it).unwrap_or(list.len());
            if place == list.len() {
                list.push(json!({ "algorithm_id": number }));
            }
            place
        }
    };
    // Definitions choose among the first few; a hole would be dropped on completion.
    if place == list.len() {
        list.push(Json::Null);
    }
    list.get_mut(place)
}

/// The `algorithm_id` of a fingerprint's algorithm.
fn algorithm(name: &str) -> Option<i64> {
    // One object of the schema has algorithms to choose by.
    static ALGORITHMS: LazyLock<Option<&'static Enumeration>> = LazyLock::new(|| {
        resolve(class_by_uid(0)?, "raw_data_hash.algorithm_id")?.attribute.enumeration
    });
    ALGORITHMS.as_ref()?.number(name).map(i64::from)
}

/// Where a column's path leads in a finished event: its name as OCSF writes it, and the value.
fn locate<'j>(event: &'j Map<String, Json>, path: &str) -> Option<(String, &'j Json)> {
    let mut name = String::with_capacity(path.len());
    let mut at: Option<&Json> = None;
    for text in path.split('.') {
        let step = Step::read(text)?;
        let separator = if name.is_empty() { "" } else { "." };
        name.push_str(separator);
        name.push_str(step.name);
        let value = match at {
            None => event.get(step.name)?,
            Some(at) => at.get(step.name)?,
        };
        let place = match step.choice {
            None => {
                at = Some(value);
                continue;
            }
            Some(Choice::At(place)) => place,
            Some(Choice::Every) => return None,
            Some(Choice::Algorithm(wanted)) => value.as_array()?.iter().position(|one| {
                let algorithm = one.get("algorithm").and_then(Json::as_str);
                algorithm.is_some_and(|algorithm| algorithm.eq_ignore_ascii_case(wanted))
            })?,
        };
        name.push('[');
        name.push_str(&place.to_string());
        name.push(']');
        at = Some(value.get(place)?);
    }
    at.filter(|value| !value.is_object() && !value.is_array()).map(|value| (name, value))
}

/// Adds the native fields that the event does not tell already to the leftovers.
fn add_native(left: &mut Map<String, Json>, native: &Value<'_>, told: &HashSet<Cow<'_, str>>) {
    let Some(Json::Object(rest)) = untold(native, told) else { return };
    let mut room = UNMAPPED_BYTES;
    for (name, value) in rest {
        let size = name.len() + value.to_string().len();
        if size <= room && !left.contains_key(&name) {
            room -= size;
            left.insert(name, value);
        }
    }
}

/// What of a native value is not told already. Short values (`1`, `-`) tell nothing by being equal.
fn untold(value: &Value<'_>, told: &HashSet<Cow<'_, str>>) -> Option<Json> {
    match value {
        Value::Null => None,
        Value::Map(entries) => {
            let mut map = Map::new();
            for (name, value) in entries {
                if let Some(value) = untold(value, told)
                    && !map.contains_key(&**name)
                {
                    map.insert(name.clone().into_owned(), value);
                }
            }
            (!map.is_empty()).then_some(Json::Object(map))
        }
        Value::List(list) => {
            let list: Vec<_> = list.iter().filter_map(|value| untold(value, told)).collect();
            (!list.is_empty()).then_some(Json::Array(list))
        }
        scalar => {
            let text = scalar.to_text()?;
            let is_told = text.is_empty() || (text.len() > 3 && told.contains(&text));
            (!is_told).then(|| value_to_json(scalar))
        }
    }
}

fn in_order(mut event: Map<String, Json>) -> Map<String, Json> {
    event.sort_keys();
    let mut out = Map::with_capacity(event.len());
    let mut last = Map::new();
    for name in FIRST {
        if let Some(value) = event.shift_remove(name) {
            out.insert(name.to_owned(), value);
        }
    }
    for name in LAST {
        if let Some(value) = event.shift_remove(name) {
            last.insert(name.to_owned(), value);
        }
    }
    out.extend(event);
    out.extend(last);
    out
}

fn scalar_to_json(value: &Scalar<'_>) -> Json {
    match value {
        Scalar::Text(text) => Json::String(text.clone().into_owned()),
        Scalar::Int(n) => Json::from(*n),
        Scalar::Double(x) => Number::from_f64(*x).map_or(Json::Null, Json::Number),
        Scalar::Bool(b) => Json::Bool(*b),
        Scalar::Time(time) => Json::from(time.millis()),
        Scalar::Json(value) => value_to_json(value),
    }
}

/// A native value as JSON. Of a name that occurs twice the first stays.
fn value_to_json(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(n) => Json::from(*n),
        Value::UInt(n) => Json::from(*n),
        Value::Float(x) => Number::from_f64(*x).map_or(Json::Null, Json::Number),
        Value::Str(text) => Json::String(text.clone().into_owned()),
        Value::List(list) => Json::Array(list.iter().map(value_to_json).collect()),
        Value::Map(entries) => {
            let mut map = Map::with_capacity(entries.len());
            for (name, value) in entries {
                if !map.contains_key(&**name) {
                    map.insert(name.clone().into_owned(), value_to_json(value));
                }
            }
            Json::Object(map)
        }
    }
}
