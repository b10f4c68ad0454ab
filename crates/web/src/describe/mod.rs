//! What the API is, told from the code itself: OpenAPI 3.1.
//!
//! The table of [`routes`](crate::routes) says what there is and who may come; the types of each
//! handler's arguments say what it takes, and the type that it returns says what it answers
//! ([`parts`]). Nothing is written down twice, so the description cannot drift.

mod operation;
mod parts;

use serde_json::{Map, Value, json};

pub(crate) use operation::{Operation, Schemas};
pub(crate) use parts::{Answers, Created, Fresh, Items, NoContent, Takes, kept, tell};

use crate::caller::{COOKIE, CSRF};
use crate::receive;
use crate::routes::{Needs, ROUTES, Route};

/// The description, as a document of OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.0>).
pub fn openapi() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for route in ROUTES.iter().chain(receive::ROUTES) {
        let told = operation(route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_lowercase(), told);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Watchfloor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What people and programs do on a live floor. Times are RFC 3339 in UTC. \
                Lists come in pages: `next` of one is `after` of the following. What is not answered \
                is a problem document (RFC 9457).",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take(),
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": COOKIE,
                    "description": "The session of a person, as `POST /api/v1/login` gives it. Without TLS the cookie is \
                        named `watchfloor`." },
                "csrf": { "type": "apiKey", "in": "header", "name": CSRF,
                    "description": "The session's own word, `csrf` of `GET /api/v1/me`; changes carry it." },
                "token": { "type": "http", "scheme": "bearer",
                    "description": "A program's token, limited to its scopes." },
                "sender": { "type": "http", "scheme": "bearer",
                    "description": "The token of one who delivers logs." },
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut told = Operation::new(route, schemas);
    (route.tell)(&mut told);
    let (group, _) = route.name.split_once("::").unwrap_or((route.name, ""));
    let mut out = json!({
        "operationId": route.name.replace("::", "_"),
        "summary": route.about,
        "tags": [group],
        "security": security(route),
        "responses": told.responses(),
    });
    if let Some(map) = out.as_object_mut() {
        if let Needs::May(permission) | Needs::PersonMay(permission) = route.needs {
            map.insert(
                "description".into(),
                json!(format!("Takes the permission `{}`.", permission.name())),
            );
            map.insert("x-permission".into(), json!(permission.name()));
        }
        let parameters = told.parameters();
        if !parameters.is_empty() {
            map.insert("parameters".into(), json!(parameters));
        }
        if let Some(body) = told.body() {
            map.insert("requestBody".into(), body);
        }
    }
    out
}

/// Who may come, as alternatives.
fn security(route: &Route) -> Value {
    let session = match route.method {
        "GET" => json!({ "session": [] }),
        _ => json!({ "session": [], "csrf": [] }),
    };
    match route.needs {
        Needs::Nothing => json!([]),
        Needs::Sender => json!([{ "sender": [] }]),
        Needs::Person | Needs::PersonMay(_) => json!([session]),
        Needs::Anyone | Needs::May(_) => json!([{ "token": [] }, session]),
    }
}
