//! Lists come in pages, and the next page begins after the last row of this one, wherever rows were
//! added meanwhile.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{LedgerError, Result};
use crate::sql::Sql;

/// No page has more rows.
pub const MAX_PAGE: u32 = 500;

/// Which page of a list.
#[derive(Debug, Clone, Default)]
pub struct Paging {
    /// How many rows, 1 to [`MAX_PAGE`]; none stands for 50.
    pub limit: Option<u32>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

/// Where a page ended: text that callers hand back as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

/// One page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// Its rows.
    pub items: Vec<T>,
    /// Where the next one begins; none when this is the last.
    pub next: Option<Cursor>,
}

impl Paging {
    /// The first rows.
    pub fn first(limit: u32) -> Self {
        Self { limit: Some(limit), after: None }
    }

    /// How many rows.
    pub(crate) fn limit(&self) -> Result<u32> {
        match self.limit.unwrap_or(50) {
            limit @ 1..=MAX_PAGE => Ok(limit),
            _ => Err(LedgerError::invalid("limit", format!("expected 1 to {MAX_PAGE}"))),
        }
    }

    /// Adds the condition that rows come after the cursor, for a list that falls by `columns` (written
    /// `(a, b, id)`), of which all but the last are numbers. The list is named in its cursors, so that
    /// one of another list is refused.
    pub(crate) fn after(
        &self,
        query: &mut Sql,
        list: &'static str,
        columns: &'static str,
    ) -> Result<()> {
        let Some(Cursor(text)) = &self.after else { return Ok(()) };
        let wrong = || LedgerError::invalid("after", "is not a cursor of this list");
        let mut parts = text.split('.');
        if parts.next() != Some(list) {
            return Err(wrong());
        }
        let mut parts: Vec<&str> = parts.collect();
        let id = parts.pop().filter(|_| parts.len() + 1 == columns.split(',').count());
        let id = id.ok_or_else(wrong)?;
        query.push(" AND ").push(columns).push(" < (");
        for number in parts {
            query.arg(number.parse::<i64>().map_err(|_| wrong())?).push(", ");
        }
        // Ids of people's rows are numbers in the table, derived ones text.
        if list.ends_with("_n") {
            query.arg(id.parse::<i64>().map_err(|_| wrong())?).push(")");
        } else {
            query.arg(id).push(")");
        }
        Ok(())
    }

    /// Makes a page of one row more than the limit.
    pub(crate) fn page<T>(
        &self,
        list: &'static str,
        mut rows: Vec<T>,
        keys: impl Fn(&T) -> (Vec<i64>, String),
    ) -> Result<Page<T>> {
        let limit = self.limit()? as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let cursor = |row: &T| {
            let (numbers, id) = keys(row);
            let mut text = list.to_owned();
            for number in numbers {
                // Writing to a string cannot fail.
                let _ = write!(text, ".{number}");
            }
            Cursor(format!("{text}.{id}"))
        };
        let next = if more { rows.last().map(cursor) } else { None };
        Ok(Page { items: rows, next })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cursor {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        if text.len() <= 200 && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(LedgerError::invalid("after", "is not a cursor"))
    }
}
