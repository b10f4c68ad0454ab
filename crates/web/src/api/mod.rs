//! The API under `/api/v1`, one file for each kind of thing.

pub(crate) mod alerts;
pub(crate) mod auth;
pub(crate) mod hunt;
pub(crate) mod incidents;
pub(crate) mod live;
pub(crate) mod rules;
pub(crate) mod searches;
pub(crate) mod senders;
pub(crate) mod sign_in;
pub(crate) mod users;

use app::ledger::{Cursor, MAX_PAGE, Paging};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::Uri;
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::problem::Problem;

/// A JSON body; one that is not what is expected is a problem document.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(crate) struct Body<T>(pub(crate) T);

/// The query part of the address, likewise.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// The parts of the path that stand for something, likewise.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);

/// Which page of a list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// How many rows; 50 unless said.
    #[schemars(range(min = 1, max = MAX_PAGE))]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<Cursor>,
}

/// What narrows a list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whole {}

/// What narrows a list, and which page of it. A parameter that is not known is a mistake: a filter
/// that is misspelt would show everything.
#[derive(Debug)]
pub(crate) struct Listed<T>(pub(crate) T, pub(crate) Paging);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Listed<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs =
            parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let (page, rest): (Vec<_>, Vec<_>) =
            pairs.partition(|pair| matches!(pair.split('=').next(), Some("limit" | "after")));
        let PageQuery { limit, after } = read(&page)?;
        Ok(Self(read(&rest)?, Paging { limit, after }))
    }
}

/// Reads pairs as they stand in an address.
fn read<T: DeserializeOwned>(pairs: &[&str]) -> Result<T, Problem> {
    let uri = format!("/?{}", pairs.join("&"));
    let uri: Uri = uri.parse().map_err(|_| Problem::bad("the address cannot be read"))?;
    Ok(axum::extract::Query::try_from_uri(&uri)?.0)
}

/// A field that may be left out (leave it as it is), be null (take it away) or have a value.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Words with commas between them.
pub(crate) fn words(text: Option<&String>) -> impl Iterator<Item = &str> {
    text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|w| !w.is_empty())
}

/// Reads one word of a closed list.
pub(crate) fn word<T>(
    what: &str,
    text: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, Problem> {
    read(text)
        .ok_or_else(|| Problem::bad(format!("{what}: `{}` is not one of them", model::inert(text))))
}

/// Reads an id or a time that stands in a query.
pub(crate) fn parsed<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Problem::bad(format!("{what}: {error}")))
}
