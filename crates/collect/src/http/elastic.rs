//! Elasticsearch's API, as far as shippers use it: `_bulk`, single documents, and what they ask
//! before they begin.
//!
//! Shippers want to know whom they talk to (product, version, licence) and that their templates,
//! policies and pipelines are there. They are told so, and what they upload of these is taken and not
//! kept: how documents are laid out is decided here, not there.
//!
//! Source: Elasticsearch reference, "Bulk API", "Index API"; for the questions, the shippers' sources.

mod bulk;
mod facts;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::door::{Door, door};
use super::visit::{Deliver, Protocol, Receipt, Visit};

/// How the cluster presents itself.
#[derive(Debug, Clone)]
pub struct ElasticSettings {
    /// The version of Elasticsearch whose API is spoken. Shippers refuse to talk to one that is older
    /// than they are.
    pub version: String,
    /// The cluster's name.
    pub cluster: String,
}

impl Default for ElasticSettings {
    fn default() -> Self {
        Self { version: "8.19.0".to_owned(), cluster: "watchfloor".to_owned() }
    }
}

/// The protocol `elastic`.
pub(super) struct Elastic;

/// What shippers ask, by who asks it: Filebeat and its kin `/`, `_license`, `_ilm`, `_index_template`,
/// `_data_stream`, `_cat/templates`, `_ingest/pipeline`; Logstash `/`, `_license`, `_xpack`, templates and
/// whether its index is there; Vector `_cluster/health`, `/` and `_nodes`; Fluent Bit nothing; clients for
/// Python and JavaScript nothing, but every answer must name the product.
static DOORS: &[Door] = &[
    door("POST", "/_bulk"),
    door("PUT", "/_bulk"),
    door("POST", "/{index}/_bulk"),
    door("PUT", "/{index}/_bulk"),
    // With a type, as before version 8.
    door("POST", "/{index}/{type}/_bulk"),
    door("POST", "/{index}/_doc"),
    door("POST", "/{index}/_doc/{id}"),
    door("PUT", "/{index}/_doc/{id}"),
    door("POST", "/{index}/_create/{id}"),
    door("PUT", "/{index}/_create/{id}"),
    door("GET", "/"),
    door("GET", "/_license"),
    door("GET", "/_license/basic_status"),
    door("GET", "/_xpack"),
    door("GET", "/_cluster/health"),
    door("GET", "/_cluster/health/{index}"),
    door("GET", "/_cluster/settings"),
    door("GET", "/_nodes"),
    door("GET", "/_nodes/{*what}"),
    door("GET", "/_cat/{*what}"),
    door("GET", "/_ilm/status"),
    door("GET", "/_ilm/policy"),
    door("GET", "/_ilm/policy/{name}"),
    door("PUT", "/_ilm/policy/{name}"),
    door("GET", "/_ingest/pipeline"),
    door("GET", "/_ingest/pipeline/{name}"),
    door("PUT", "/_ingest/pipeline/{name}"),
    door("GET", "/_index_template/{name}"),
    door("PUT", "/_index_template/{name}"),
    door("GET", "/_component_template/{name}"),
    door("PUT", "/_component_template/{name}"),
    door("GET", "/_template/{name}"),
    door("PUT", "/_template/{name}"),
    door("GET", "/_data_stream/{name}"),
    door("PUT", "/_data_stream/{name}"),
    door("PUT", "/{index}"),
    door("HEAD", "/{index}"),
];

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'p> {
    Bulk { index: Option<&'p str> },
    Document { index: &'p str, id: Option<&'p str> },
    Fact,
}

fn place<'p>(visit: &Visit<'p>) -> Place<'p> {
    let mut parts = visit.path.split('/').skip(1);
    let parts = [(); 3].map(|()| parts.next());
    match parts {
        [Some("_bulk"), None, None] => Place::Bulk { index: None },
        [Some(index), Some("_bulk"), None] | [Some(index), Some(_), Some("_bulk")] => {
            Place::Bulk { index: Some(index) }
        }
        [Some(index), Some("_doc" | "_create"), id] => Place::Document { index, id },
        _ => Place::Fact,
    }
}

/// Whether a part of a path may name an index.
fn is_index(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('_') && name.len() <= 255
}

impl Protocol for Elastic {
    fn name(&self) -> &'static str {
        "elastic"
    }

    fn about(&self) -> &'static str {
        "Elasticsearch's _bulk, for Filebeat, Winlogbeat, Logstash, Fluent Bit, Vector"
    }

    fn doors(&self) -> &'static [Door] {
        DOORS
    }

    /// `/` is also where a browser begins, and a path of one part may be anybody's page.
    fn claims(&self, visit: &Visit<'_>) -> bool {
        let page = visit.header(ACCEPT).is_some_and(|accept| accept.contains("text/html"));
        match place(visit) {
            Place::Bulk { index } => index.is_none_or(is_index),
            Place::Document { index, .. } => is_index(index),
            Place::Fact => !page,
        }
    }

    fn greeting(&self, visit: &Visit<'_>) -> Option<Answer> {
        (place(visit) == Place::Fact).then(|| respond(visit, StatusCode::OK, &facts::answer(visit)))
    }

    fn receive(&self, visit: &Visit<'_>, body: Vec<u8>) -> Result<Receipt, Answer> {
        if body.trim_ascii().is_empty() {
            let refusal = Refusal::Broken("request body is required".to_owned());
            return Err(self.refuse(visit, &refusal));
        }
        let metadata = |index: Option<&str>| {
            let mut labels = visit.query.labels(&["pipeline"]);
            labels.extend(index.map(|index| ("index".to_owned(), index.to_owned())));
            labels
        };
        match place(visit) {
            Place::Bulk { index } => {
                let brief = visit.query.get("filter_path").is_some();
                let done = bulk::read(&body, index, brief)
                    .map_err(|refusal| self.refuse(visit, &refusal))?;
                let deliver = Deliver {
                    format: Some("bulk"),
                    events: Some(done.taken),
                    metadata: metadata(index),
                    body: body.into(),
                };
                let answer = dressed(visit, StatusCode::OK, done.answer);
                Ok(match done.taken {
                    0 => Receipt::nothing(answer),
                    _ => Receipt::of(vec![deliver], |_| answer),
                })
            }
            Place::Document { index, id } => {
                if !bulk::is_object(&body) {
                    let message = "failed to parse: no JSON object".to_owned();
                    return Err(self.refuse(visit, &Refusal::Broken(message)));
                }
                let id = id.map_or_else(|| bulk::id(&body, 0), str::to_owned);
                let answer =
                    respond(visit, StatusCode::CREATED, &Value::Object(bulk::item(index, &id)));
                let metadata = metadata(Some(index));
                let format = Some("json");
                let deliver = Deliver { format, events: Some(1), metadata, body: body.into() };
                Ok(Receipt::of(vec![deliver], |_| answer))
            }
            Place::Fact => Err(self.refuse(visit, &Refusal::Method)),
        }
    }

    fn refuse(&self, visit: &Visit<'_>, refusal: &Refusal) -> Answer {
        let kind = match refusal {
            Refusal::NoCredential
            | Refusal::OddCredential
            | Refusal::UnknownCredential
            | Refusal::DisabledCredential
            | Refusal::SecretInQuery => "security_exception",
            // Of the whole body, as a cluster under pressure says it: some shippers (Vector) come again for
            // that, and take a refusal of single items for the end of them.
            Refusal::Full { .. } | Refusal::Closing => "es_rejected_execution_exception",
            Refusal::TooLarge { .. } => "content_too_long_exception",
            Refusal::Failed => "exception",
            Refusal::Broken(_)
            | Refusal::Empty
            | Refusal::Encoding
            | Refusal::Slow
            | Refusal::Method => "illegal_argument_exception",
        };
        let status = refusal.status();
        let reason = refusal.message();
        let body = json!({
            "error": {
                "root_cause": [{"type": kind, "reason": reason}],
                "type": kind,
                "reason": reason,
            },
            "status": status.as_u16(),
        });
        respond(visit, status, &body).refusing(refusal)
    }
}

/// An answer as clients check it: the product's name, and the media type that they asked for.
fn respond(visit: &Visit<'_>, status: StatusCode, body: &Value) -> Answer {
    dressed(visit, status, serde_json::to_vec(body).unwrap_or_default())
}

fn dressed(visit: &Visit<'_>, status: StatusCode, body: Vec<u8>) -> Answer {
    let mut answer = Answer::bare(status).with_type("application/json");
    answer.body = body;
    answer.headers.insert("x-elastic-product", HeaderValue::from_static("Elasticsearch"));
    // `application/vnd.elasticsearch+json; compatible-with=8`
    let asked = visit.header(ACCEPT).unwrap_or_default();
    if asked.contains("vnd.elasticsearch+json") {
        let version = asked.split("compatible-with=").nth(1).and_then(|v| v.bytes().next());
        let media_type = match version {
            Some(b'7') => "application/vnd.elasticsearch+json;compatible-with=7",
            Some(b'9') => "application/vnd.elasticsearch+json;compatible-with=9",
            _ => "application/vnd.elasticsearch+json;compatible-with=8",
        };
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    if visit.parts.method == Method::HEAD {
        answer.body = Vec::new();
    }
    answer
}
