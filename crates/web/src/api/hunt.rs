//! Questions to the lake: SQL and saved hunts.

use app::{Answered, Asked, Floor, HuntAsked, Question};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Path};
use crate::caller::Came;
use crate::problem::Problem;

/// Rows of an answer, unless fewer are asked for.
const ROWS: usize = 100_000;

/// How an answer is bounded, and its form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Bounds {
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    /// `json` (an array), `ndjson` or `csv`.
    format: Option<String>,
}

impl Bounds {
    fn question(self) -> Result<(Question, &'static str), Problem> {
        let (form, kind) = match self.format.as_deref() {
            None | Some("json") => ("json", "application/json"),
            Some("ndjson") => ("ndjson", "application/x-ndjson"),
            Some("csv") => ("csv", "text/csv; charset=utf-8"),
            Some("parquet") => ("parquet", "application/vnd.apache.parquet"),
            Some(_) => return Err(Problem::bad("format: json, ndjson, csv or parquet")),
        };
        let question = Question {
            since: self.since,
            until: self.until,
            limit: Some(self.limit.unwrap_or(ROWS).min(ROWS)),
            tables: Vec::new(),
            form: form.to_owned(),
            width: None,
        };
        Ok((question, kind))
    }
}

/// A question in SQL.
#[derive(Debug, Deserialize)]
pub(crate) struct QueryBody {
    sql: String,
    #[serde(flatten)]
    bounds: Bounds,
}

pub(crate) async fn query(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<QueryBody>,
) -> Result<Response, Problem> {
    let (question, kind) = body.bounds.question()?;
    let (bytes, answered) = floor.ask(&came.caller, Asked { sql: body.sql, question }).await?;
    Ok(answer(bytes, answered, kind))
}

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
) -> Result<impl IntoResponse, Problem> {
    let hunts = floor.saved_hunts(&came.caller).await?;
    let told: Vec<Value> = hunts
        .iter()
        .map(|hunt| {
            let parameters: Vec<Value> = hunt
                .parameters
                .iter()
                .map(|p| json!({ "name": p.name, "about": p.about, "default": p.default }))
                .collect();
            json!({
                "name": hunt.name, "title": hunt.title, "explanation": hunt.explanation,
                "techniques": hunt.techniques, "parameters": parameters, "sql": hunt.sql,
            })
        })
        .collect();
    Ok(Json(json!({ "items": told })))
}

/// The parameters of a saved hunt.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HuntBody {
    set: std::collections::BTreeMap<String, String>,
    #[serde(flatten)]
    bounds: Bounds,
}

pub(crate) async fn run(
    State(floor): State<Floor>,
    came: Came,
    Path(name): Path<String>,
    Body(body): Body<HuntBody>,
) -> Result<Response, Problem> {
    let (question, kind) = body.bounds.question()?;
    let given = body.set.into_iter().collect();
    let (bytes, answered) =
        floor.run_hunt(&came.caller, HuntAsked { name, given, question }).await?;
    Ok(answer(bytes, answered, kind))
}

fn answer(bytes: Vec<u8>, answered: Answered, kind: &'static str) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(HeaderName::from_static("x-rows"), HeaderValue::from(answered.rows));
    let cut = HeaderValue::from_static(if answered.cut { "true" } else { "false" });
    headers.insert(HeaderName::from_static("x-rows-cut"), cut);
    response
}
