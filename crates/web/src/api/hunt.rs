//! Questions to the lake: SQL and saved hunts.

use std::collections::BTreeMap;

use app::{Answered, Asked, Floor, HuntAsked, Question, SavedHunt, Words};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::Technique;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Body, Listed, Path, Whole};
use crate::caller::Came;
use crate::describe::{Answers, Items, Operation};
use crate::json::Json;
use crate::problem::Problem;

/// Rows of an answer, unless fewer are asked for.
const ROWS: usize = 100_000;

/// The form of an answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowsForm {
    /// An array.
    #[default]
    Json,
    /// An object a line.
    Ndjson,
    /// With a head; cells that a spreadsheet would take for formulas are made text.
    Csv,
    /// A file of Apache Parquet.
    Parquet,
}

impl RowsForm {
    const ALL: [Self; 4] = [Self::Json, Self::Ndjson, Self::Csv, Self::Parquet];

    /// Its name to the engine, and its media type.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("json", "application/json"),
            Self::Ndjson => ("ndjson", "application/x-ndjson"),
            Self::Csv => ("csv", "text/csv; charset=utf-8"),
            Self::Parquet => ("parquet", "application/vnd.apache.parquet"),
        }
    }
}

/// A question in SQL, and how its answer is bounded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryBody {
    /// One statement that reads.
    #[schemars(length(min = 1))]
    sql: String,
    /// From when on: a time, a day, or a span back from now such as `7d`.
    since: Option<String>,
    /// Before when, likewise.
    until: Option<String>,
    /// Most rows, up to 100,000.
    #[schemars(range(min = 1, max = ROWS))]
    limit: Option<usize>,
    /// The search that it is a stretch of: a name of your making, 64 characters at most. Under one name the very
    /// same question over other spans of time, or for other rows (`LIMIT` and `OFFSET` at its end), is one line
    /// in the audit trail.
    #[schemars(length(min = 1, max = 64))]
    search: Option<String>,
    #[serde(default)]
    format: RowsForm,
}

/// The parameters of a saved hunt, and how its answer is bounded.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HuntBody {
    /// Its parameters.
    set: BTreeMap<String, String>,
    /// From when on: a time, a day, or a span back from now such as `7d`.
    since: Option<String>,
    /// Before when, likewise.
    until: Option<String>,
    /// Most rows, up to 100,000.
    #[schemars(range(min = 1, max = ROWS))]
    limit: Option<usize>,
    format: RowsForm,
}

fn question(
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    form: RowsForm,
) -> Result<Question, Problem> {
    let limit = limit.unwrap_or(ROWS);
    if !(1..=ROWS).contains(&limit) {
        return Err(Problem::bad(format!(
            "limit: 1 to {ROWS} rows; ask for more in several spans"
        )));
    }
    let form = form.names().0.to_owned();
    Ok(Question { since, until, limit: Some(limit), tables: Vec::new(), form, width: None })
}

pub(crate) async fn query(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<QueryBody>,
) -> Result<Rows, Problem> {
    let QueryBody { sql, since, until, limit, search, format } = body;
    let question = question(since, until, limit, format)?;
    let (bytes, answered) = floor.ask(&came.caller, Asked { sql, search, question }).await?;
    Ok(Rows { bytes, answered, form: format })
}

pub(crate) async fn words(State(floor): State<Floor>, came: Came) -> Result<Json<Words>, Problem> {
    Ok(Json(floor.words(&came.caller)?))
}

/// A saved hunt.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HuntTold {
    /// By what it is run.
    name: String,
    /// What it finds, in a line.
    title: String,
    /// Why it matters, what it looks at, what its false alarms are.
    explanation: String,
    /// ATT&CK techniques.
    techniques: Vec<Technique>,
    /// What can be set.
    parameters: Vec<ParameterTold>,
    /// The query; parameters stand in it as `$name`.
    sql: String,
}

/// Something that can be set.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ParameterTold {
    /// Its name, as in `$name`.
    name: String,
    /// What it means.
    about: String,
    /// Its value when none is given; it must be given when there is none.
    default: Option<String>,
}

impl From<SavedHunt> for HuntTold {
    fn from(hunt: SavedHunt) -> Self {
        let parameters = hunt.parameters.into_iter();
        let told = |p: app::HuntParameter| ParameterTold {
            name: p.name,
            about: p.about,
            default: p.default,
        };
        Self {
            name: hunt.name,
            title: hunt.title,
            explanation: hunt.explanation,
            techniques: hunt.techniques,
            parameters: parameters.map(told).collect(),
            sql: hunt.sql,
        }
    }
}

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<HuntTold>, Problem> {
    Ok(Json(floor.saved_hunts(&came.caller, &page)?.map(HuntTold::from)))
}

pub(crate) async fn run(
    State(floor): State<Floor>,
    came: Came,
    Path(name): Path<String>,
    Body(body): Body<HuntBody>,
) -> Result<Rows, Problem> {
    let HuntBody { set, since, until, limit, format } = body;
    let (given, question) = (set.into_iter().collect(), question(since, until, limit, format)?);
    let (bytes, answered) =
        floor.run_hunt(&came.caller, HuntAsked { name, given, question }).await?;
    Ok(Rows { bytes, answered, form: format })
}

/// Rows that were found.
pub(crate) struct Rows {
    bytes: Vec<u8>,
    answered: Answered,
    form: RowsForm,
}

impl IntoResponse for Rows {
    fn into_response(self) -> Response {
        let mut response = self.bytes.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.form.names().1));
        headers.insert(HeaderName::from_static("x-rows"), HeaderValue::from(self.answered.rows));
        let cut = HeaderValue::from_static(if self.answered.cut { "true" } else { "false" });
        headers.insert(HeaderName::from_static("x-rows-cut"), cut);
        response
    }
}

impl Answers for Rows {
    fn tell(to: &mut Operation<'_>) {
        let content: Map<String, Value> = RowsForm::ALL
            .into_iter()
            .map(|form| {
                let schema = match form {
                    RowsForm::Json => json!({ "type": "array", "items": { "type": "object" } }),
                    _ => json!({ "type": "string" }),
                };
                let kind = form.names().1.split(';').next().unwrap_or_default();
                (kind.to_owned(), json!({ "schema": schema }))
            })
            .collect();
        let headers = json!({
            "x-rows": { "description": "How many rows there are.",
                "schema": { "type": "integer" } },
            "x-rows-cut": { "description": "Whether there were more than the limit let through.",
                "schema": { "type": "string", "enum": ["true", "false"] } },
        });
        to.answers(StatusCode::OK, Some(content.into()), headers);
    }
}
