//! Searches that people keep.

use app::Floor;
use app::ledger::{NewSearch, Search, SearchChange, SearchId};
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Body, Listed, Path, Whole};
use crate::caller::Came;
use crate::describe::{Created, Items, NoContent};
use crate::json::Json;
use crate::problem::Problem;
use crate::version::{IfMatch, Versioned};

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<Search>, Problem> {
    Ok(Json(floor.searches(&came.caller, &page).await?))
}

/// A search to be kept. One of the same name and owner is replaced.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchBody {
    #[schemars(length(min = 1, max = 300))]
    name: String,
    /// Where the pages show it: `/hunt`, and what narrows it.
    #[schemars(length(min = 5, max = 32_768), regex(pattern = r"^/hunt($|\?)"))]
    address: String,
    /// Whether everybody sees it, which takes the permission `decide`.
    #[serde(default)]
    shared: bool,
}

pub(crate) async fn keep(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<SearchBody>,
) -> Result<Created<Search>, Problem> {
    let SearchBody { name, address, shared } = body;
    let new = NewSearch { name, address, shared };
    Ok(Created(floor.keep_search(&came.caller, &new).await?))
}

/// A change of a search. What is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchChangeBody {
    expected: Option<u64>,
    #[schemars(length(min = 1, max = 300))]
    name: Option<String>,
    #[schemars(length(min = 5, max = 32_768), regex(pattern = r"^/hunt($|\?)"))]
    address: Option<String>,
    /// Whether everybody sees it, which takes the permission `decide`.
    shared: Option<bool>,
}

pub(crate) async fn change(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<SearchId>,
    tag: IfMatch,
    Body(body): Body<SearchChangeBody>,
) -> Result<Versioned<Search>, Problem> {
    let SearchChangeBody { expected, name, address, shared } = body;
    let change = SearchChange { name, address, shared };
    let expected = tag.expected(expected)?;
    let changed = floor.change_search(&came.caller, id, expected, &change).await;
    let search = changed.map_err(|failure| tag.refused(failure))?;
    Ok(Versioned(search.version, search))
}

pub(crate) async fn remove(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<SearchId>,
) -> Result<NoContent, Problem> {
    floor.remove_search(&came.caller, id).await?;
    Ok(NoContent)
}
