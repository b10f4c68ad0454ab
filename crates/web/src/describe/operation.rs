//! One operation as it is being described, and the schemas that all of them share.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::once::KEY;
use crate::problem::Problem;
use crate::routes::{Needs, Route};

/// Where OpenAPI keeps schemas.
const PLACE: &str = "/components/schemas";

/// The schemas of everything that goes in and comes out. A type that does both is described for each
/// way; the two must agree.
pub(crate) struct Schemas {
    pub(super) taken: SchemaGenerator,
    pub(super) answered: SchemaGenerator,
}

impl Schemas {
    pub(crate) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = PLACE.into();
                settings.meta_schema = None;
            })
        };
        Self {
            taken: settings().for_deserialize().into_generator(),
            answered: settings().for_serialize().into_generator(),
        }
    }

    /// Those that go in and come out: what each is on either way.
    #[cfg(test)]
    pub(crate) fn both(&self) -> Vec<(&str, &Value, &Value)> {
        let answered = self.answered.definitions();
        let taken = self.taken.definitions().iter();
        let both = |(name, taken)| answered.get(name).map(|answered| (name, taken, answered));
        taken.filter_map(|(name, taken)| both((name.as_str(), taken))).collect()
    }

    /// All of them by name.
    pub(crate) fn take(mut self) -> Map<String, Value> {
        let mut all = self.taken.take_definitions(true);
        all.extend(self.answered.take_definitions(true));
        all.sort_keys();
        all
    }
}

/// What is known of an operation so far.
pub(crate) struct Operation<'s> {
    pub(super) schemas: &'s mut Schemas,
    route: &'s Route,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
}

impl<'s> Operation<'s> {
    pub(crate) fn new(route: &'s Route, schemas: &'s mut Schemas) -> Self {
        Self { schemas, route, parameters: Vec::new(), body: None, answers: BTreeMap::new() }
    }

    /// Whether it changes something.
    fn writes(&self) -> bool {
        self.route.method != "GET"
    }

    /// Whether it is carried out once under one key, if its answer can be kept.
    pub(super) fn once(&self) -> bool {
        self.writes() && !matches!(self.route.needs, Needs::Nothing | Needs::Sender)
    }

    /// The part of the path that stands for something.
    pub(crate) fn path(&mut self, schema: Schema) {
        let name = self.route.path.split(['{', '}']).nth(1).unwrap_or_default();
        self.parameters
            .push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }

    /// Each property of an object is a parameter of the query.
    pub(crate) fn query<T: JsonSchema>(&mut self) {
        let schema = T::json_schema(&mut self.schemas.taken);
        let properties = schema.get("properties").and_then(Value::as_object);
        let required = schema.get("required").and_then(Value::as_array);
        for (name, schema) in properties.into_iter().flatten() {
            let mut schema = schema.clone();
            let about = schema.as_object_mut().and_then(|map| map.remove("description"));
            never_null(&mut schema);
            let required = required.is_some_and(|names| names.iter().any(|n| n == name));
            let mut told =
                json!({ "name": name, "in": "query", "required": required, "schema": schema });
            if let (Some(map), Some(about)) = (told.as_object_mut(), about) {
                map.insert("description".into(), about);
            }
            self.parameters.push(told);
        }
    }

    /// A header that it takes.
    pub(crate) fn header(&mut self, told: Value) {
        self.parameters.push(told);
    }

    /// What it takes, in one or more media types.
    pub(crate) fn takes(&mut self, content: Value) {
        self.body = Some(json!({ "required": true, "content": content }));
    }

    /// What it answers with, by type.
    pub(crate) fn answered<T: JsonSchema>(&mut self) -> Schema {
        self.schemas.answered.subschema_for::<T>()
    }

    /// One of its answers.
    pub(crate) fn answers(&mut self, status: StatusCode, content: Option<Value>, headers: Value) {
        let mut told = json!({ "description": status.canonical_reason().unwrap_or_default() });
        if let Some(map) = told.as_object_mut() {
            if let Some(content) = content {
                map.insert("content".into(), content);
            }
            if headers.as_object().is_some_and(|headers| !headers.is_empty()) {
                map.insert("headers".into(), headers);
            }
        }
        self.answers.insert(status.as_u16(), told);
    }

    /// Something that may go wrong beside what follows from what the operation takes.
    pub(crate) fn goes_wrong(&mut self, status: StatusCode) {
        let schema = self.schemas.answered.subschema_for::<Problem>();
        let content = json!({ "application/problem+json": { "schema": schema } });
        self.answers(status, Some(content), json!({}));
    }

    /// What may go wrong: it follows from what the operation takes and who may come.
    pub(crate) fn problems(&mut self, kept: bool) {
        let route = self.route;
        let writes = self.writes();
        let takes = self.body.is_some();
        let may_be_wrong = takes || !self.parameters.is_empty();
        let known = route.needs != Needs::Nothing;
        let proves = known || !self.parameters.is_empty() || takes && writes;
        let possible = [
            (StatusCode::BAD_REQUEST, may_be_wrong || kept),
            (StatusCode::UNAUTHORIZED, proves),
            (StatusCode::FORBIDDEN, proves),
            (StatusCode::NOT_FOUND, writes || route.path.contains('{')),
            (StatusCode::CONFLICT, writes),
            (StatusCode::PAYLOAD_TOO_LARGE, takes || kept),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, takes),
            (StatusCode::UNPROCESSABLE_ENTITY, takes || kept),
            (StatusCode::TOO_MANY_REQUESTS, writes),
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::SERVICE_UNAVAILABLE, true),
        ];
        if kept {
            self.parameters.push(json!({
                "name": KEY, "in": "header", "required": false,
                "description": "Names this request. Sent again under the same key within 24 hours, it is \
                    answered again and not carried out again.",
                "schema": { "type": "string", "pattern": "^[0-9A-Za-z_-]{1,128}$" },
            }));
        }
        let schema = self.schemas.answered.subschema_for::<Problem>();
        for (status, _) in possible.into_iter().filter(|(_, possible)| *possible) {
            let waits =
                matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            let headers = match waits {
                true => json!({ "Retry-After": {
                    "description": "Seconds after which to come again.",
                    "schema": { "type": "string", "pattern": "^[0-9]+$" },
                } }),
                false => json!({}),
            };
            // An answer of its own with this status (`health` says 503) stays.
            if !self.answers.contains_key(&status.as_u16()) {
                let content = json!({ "application/problem+json": { "schema": schema } });
                self.answers(status, Some(content), headers);
            }
        }
    }

    pub(crate) fn parameters(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.parameters)
    }

    pub(crate) fn body(&mut self) -> Option<Value> {
        self.body.take()
    }

    pub(crate) fn responses(&mut self) -> Map<String, Value> {
        let answers = std::mem::take(&mut self.answers);
        answers.into_iter().map(|(status, told)| (status.to_string(), told)).collect()
    }
}

/// A parameter of a query is there or is not; there is no null in an address.
fn never_null(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    map.remove("default");
    if let Some(kinds) = map.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            map.insert("type".into(), kind);
        }
    }
    if let Some(Value::Array(mut either)) = map.remove("anyOf") {
        either.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
        match either.pop() {
            Some(Value::Object(only)) if either.is_empty() => map.extend(only),
            Some(last) => {
                either.push(last);
                map.insert("anyOf".into(), either.into());
            }
            None => {}
        }
    }
}
