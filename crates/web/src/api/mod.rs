//! The API under `/api/v1`, one file for each kind of thing.

pub(crate) mod alerts;
pub(crate) mod auth;
pub(crate) mod hunt;
pub(crate) mod incidents;
pub(crate) mod live;
pub(crate) mod senders;
pub(crate) mod users;

use app::ledger::{Cursor, Paging};
use axum::extract::{FromRequest, FromRequestParts};
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
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PageQuery {
    limit: Option<u32>,
    after: Option<Cursor>,
}

impl PageQuery {
    pub(crate) fn paging(self) -> Paging {
        Paging { limit: self.limit, after: self.after }
    }
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
