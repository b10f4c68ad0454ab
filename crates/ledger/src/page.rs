//! Lists come in pages, and the next page begins after the last row of this one, wherever rows were
//! added meanwhile.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::error::{LedgerError, Result};
use crate::sql::Sql;
use crate::text::key;

/// No cursor is longer: a key of 400 bytes in hexadecimal, and the name of the list.
const MAX_CURSOR: usize = 900;
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// Its rows.
    pub items: Vec<T>,
    /// Where the next one begins; none when this is the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page of a whole list that is at hand, which comes in the order of its keys. Each row has a key
    /// of its own; of a long one the start and a digest count.
    pub fn of(
        mut items: Vec<T>,
        list: &'static str,
        paging: &Paging,
        by: impl Fn(&T) -> String,
    ) -> Result<Self> {
        let by = |item: &T| key(&by(item));
        items.sort_by_cached_key(by);
        if let Some(Cursor(text)) = &paging.after {
            let wrong = || LedgerError::invalid("after", "is not a cursor of this list");
            let hex = text.strip_prefix(list).and_then(|rest| rest.strip_prefix('.'));
            let last = hex.and_then(unhex).ok_or_else(wrong)?;
            items.retain(|item| by(item) > last);
        }
        let limit = paging.limit()? as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let cursor = |item: &T| {
            let mut text = format!("{list}.");
            for byte in by(item).bytes() {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
            Cursor(text)
        };
        let next = if more { items.last().map(cursor) } else { None };
        Ok(Self { items, next })
    }

    /// The same page of something else.
    pub fn map<U>(self, to: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(to).collect(), next: self.next }
    }
}

/// Text that was written in hexadecimal.
fn unhex(text: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    });
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
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

impl JsonSchema for Cursor {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Za-z._-]{1,900}$" })
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
        if text.len() <= MAX_CURSOR && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(LedgerError::invalid("after", "is not a cursor"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_list_at_hand_is_turned_page_by_page() {
        let long = "ü".repeat(5_000);
        let all = vec!["b".to_owned(), long.clone(), "a".to_owned(), "c d\u{1}e".to_owned()];
        let mut seen = Vec::new();
        let mut paging = Paging::first(1);
        loop {
            let page = Page::of(all.clone(), "words", &paging, Clone::clone).unwrap();
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            // As it comes back from outside.
            paging.after = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(seen, ["a".to_owned(), "b".to_owned(), "c d\u{1}e".to_owned(), long]);
        // A row that went away leaves its place; another list's cursor is refused.
        paging.after = Some("words.6161".parse().unwrap());
        let page = Page::of(all.clone(), "words", &paging, Clone::clone).unwrap();
        assert_eq!(page.items, ["b"]);
        for wrong in ["rules.61", "words", "words.", "words.6", "words.zz", "words.ff"] {
            paging.after = Some(wrong.parse().unwrap());
            let page = Page::of(all.clone(), "words", &paging, Clone::clone);
            assert_eq!(page.is_err(), wrong != "words.", "{wrong}");
        }
    }
}
