//! One way to speak SQL to both databases.
//!
//! A statement is made of literals of this program and of bound values, and of nothing else: text from
//! outside cannot get into it, because [`Sql::push`] takes `&'static str` alone. Placeholders are
//! `$1`, `$2` …, which both databases number alike. Values are whole numbers, text and bytes.

use std::borrow::Cow;
use std::fmt::Write;

use model::{AlertId, Digest, FindingId, IncidentId, Level, Micros};
use serde::de::DeserializeOwned;
use sqlx::any::{AnyArguments, AnyRow, AnyTypeInfoKind};
use sqlx::{AnyConnection, Arguments, AssertSqlSafe, Row as _, SqlSafeStr, ValueRef};

use crate::error::{LedgerError, Result};

/// A value to bind. A null keeps its type, which Postgres wants to know.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    /// A whole number.
    Int(Option<i64>),
    /// Text. NUL, which Postgres cannot store, becomes its picture.
    Text(Option<String>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A value that was read.
#[derive(Debug)]
pub(crate) enum Cell {
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What can be read from a cell.
pub(crate) trait FromCell: Sized {
    /// The value, or nothing when the cell holds something else.
    fn from_cell(cell: Cell) -> Option<Self>;
}

/// A statement with its values.
pub(crate) struct Sql {
    text: Cow<'static, str>,
    args: AnyArguments,
}

/// Starts a statement.
pub(crate) fn sql(text: &'static str) -> Sql {
    Sql { text: Cow::Borrowed(text), args: AnyArguments::default() }
}

impl Sql {
    /// Gives the next placeholder of the text its value.
    pub(crate) fn bind(mut self, value: impl Into<Arg>) -> Self {
        self.add(value.into());
        self
    }

    /// Adds to the text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds a placeholder to the text, with its value.
    pub(crate) fn arg(&mut self, value: impl Into<Arg>) -> &mut Self {
        self.add(value.into());
        let place = self.args.len();
        // Writing to a string cannot fail.
        let _ = write!(self.text.to_mut(), "${place}");
        self
    }

    /// Adds `(…, …)` with a placeholder for each value; `(NULL)`, which nothing is in, for none.
    pub(crate) fn list<T: Into<Arg>>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        let mut start = "(";
        for value in values {
            self.push(start).arg(value);
            start = ", ";
        }
        self.push(if start == "(" { "(NULL)" } else { ")" })
    }

    fn add(&mut self, value: Arg) {
        // Adding to `AnyArguments` cannot fail: it only keeps the value.
        let _ = match value {
            Arg::Int(number) => self.args.add(number),
            Arg::Text(text) => self.args.add(text),
            Arg::Bytes(bytes) => self.args.add(bytes),
        };
    }

    fn split(self) -> (sqlx::SqlStr, AnyArguments, bool) {
        match self.text {
            Cow::Borrowed(text) => (text.into_sql_str(), self.args, true),
            // Of varying text the database need not keep the plan.
            Cow::Owned(text) => (AssertSqlSafe(text).into_sql_str(), self.args, false),
        }
    }

    /// Carries it out and says how many rows it changed.
    pub(crate) async fn run(self, on: &mut AnyConnection) -> Result<u64> {
        let (text, args, keep) = self.split();
        let done =
            sqlx::query_with::<sqlx::Any, _>(text, args).persistent(keep).execute(on).await?;
        Ok(done.rows_affected())
    }

    /// All rows. Whoever asks sets a limit.
    pub(crate) async fn all(self, on: &mut AnyConnection) -> Result<Vec<Row>> {
        let (text, args, keep) = self.split();
        let rows =
            sqlx::query_with::<sqlx::Any, _>(text, args).persistent(keep).fetch_all(on).await?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The first row, if there is one.
    pub(crate) async fn maybe(self, on: &mut AnyConnection) -> Result<Option<Row>> {
        let (text, args, keep) = self.split();
        let query = sqlx::query_with::<sqlx::Any, _>(text, args).persistent(keep);
        Ok(query.fetch_optional(on).await?.map(Row))
    }

    /// The row that there always is.
    pub(crate) async fn one(self, on: &mut AnyConnection) -> Result<Row> {
        self.maybe(on).await?.ok_or_else(|| LedgerError::corrupt("a query gave no row"))
    }
}

/// A row that was read.
pub(crate) struct Row(AnyRow);

impl Row {
    /// A column that is never null.
    pub(crate) fn get<T: FromCell>(&self, column: &'static str) -> Result<T> {
        self.opt(column)?.ok_or_else(|| LedgerError::corrupt(format!("column {column} is null")))
    }

    /// A column that may be null.
    pub(crate) fn opt<T: FromCell>(&self, column: &'static str) -> Result<Option<T>> {
        let Some(cell) = self.cell(column)? else { return Ok(None) };
        let wrong = || LedgerError::corrupt(format!("column {column} holds what cannot be read"));
        T::from_cell(cell).map(Some).ok_or_else(wrong)
    }

    /// A document.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text)
            .map_err(|error| LedgerError::corrupt(format!("column {column}: {error}")))
    }

    fn cell(&self, column: &'static str) -> Result<Option<Cell>> {
        let raw = self.0.try_get_raw(column)?;
        if raw.is_null() {
            return Ok(None);
        }
        let kind = raw.type_info().kind();
        Ok(Some(match kind {
            AnyTypeInfoKind::Text => Cell::Text(self.0.try_get(column)?),
            AnyTypeInfoKind::Blob => Cell::Bytes(self.0.try_get(column)?),
            _ => Cell::Int(self.0.try_get(column)?),
        }))
    }
}

/// A document to store.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| LedgerError::invalid("document", error.to_string()))
}

/// Text as it is stored: Postgres has no NUL.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{2400}"))
    } else {
        Cow::Borrowed(text)
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(Some(storable(text).into_owned()))
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        if text.contains('\0') { Self::from(text.as_str()) } else { Self::Text(Some(text)) }
    }
}

impl From<&String> for Arg {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Option<&str>> for Arg {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Text(None), Self::from)
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Text(None), Self::from)
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for Arg {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Arg {
    /// What does not fit stays at the end of the range: it is a count, and counts end there.
    fn from(number: u64) -> Self {
        Self::Int(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

impl From<Option<u64>> for Arg {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Int(None), Self::from)
    }
}

impl From<bool> for Arg {
    fn from(truth: bool) -> Self {
        Self::Int(Some(i64::from(truth)))
    }
}

impl From<Micros> for Arg {
    fn from(time: Micros) -> Self {
        Self::Int(Some(time.0))
    }
}

impl From<Option<Micros>> for Arg {
    fn from(time: Option<Micros>) -> Self {
        Self::Int(time.map(|t| t.0))
    }
}

impl From<Level> for Arg {
    fn from(level: Level) -> Self {
        Self::Int(Some(level as i64))
    }
}

impl From<Option<Level>> for Arg {
    fn from(level: Option<Level>) -> Self {
        Self::Int(level.map(|l| l as i64))
    }
}

impl From<Digest> for Arg {
    fn from(digest: Digest) -> Self {
        Self::Bytes(digest.0.to_vec())
    }
}

macro_rules! id_args {
    ($($id:ident),*) => {$(
        impl From<$id> for Arg {
            fn from(id: $id) -> Self {
                Self::Text(Some(id.to_string()))
            }
        }

        impl From<Option<$id>> for Arg {
            fn from(id: Option<$id>) -> Self {
                Self::Text(id.map(|id| id.to_string()))
            }
        }

        impl FromCell for $id {
            fn from_cell(cell: Cell) -> Option<Self> {
                String::from_cell(cell)?.parse().ok()
            }
        }
    )*};
}
id_args!(AlertId, FindingId, IncidentId);

impl FromCell for i64 {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Int(number) = cell { Some(number) } else { None }
    }
}

impl FromCell for u64 {
    fn from_cell(cell: Cell) -> Option<Self> {
        i64::from_cell(cell)?.try_into().ok()
    }
}

impl FromCell for u32 {
    fn from_cell(cell: Cell) -> Option<Self> {
        i64::from_cell(cell)?.try_into().ok()
    }
}

impl FromCell for bool {
    fn from_cell(cell: Cell) -> Option<Self> {
        i64::from_cell(cell).map(|number| number != 0)
    }
}

impl FromCell for Micros {
    fn from_cell(cell: Cell) -> Option<Self> {
        i64::from_cell(cell).map(Self)
    }
}

impl FromCell for Level {
    fn from_cell(cell: Cell) -> Option<Self> {
        Self::ALL.get(usize::try_from(i64::from_cell(cell)?).ok()?).copied()
    }
}

impl FromCell for String {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Text(text) = cell { Some(text) } else { None }
    }
}

impl FromCell for std::net::IpAddr {
    fn from_cell(cell: Cell) -> Option<Self> {
        String::from_cell(cell)?.parse().ok()
    }
}

impl FromCell for Digest {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Bytes(bytes) = cell { bytes.try_into().ok().map(Self) } else { None }
    }
}
