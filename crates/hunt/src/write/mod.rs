//! Answers written out: one ordered table of forms ([`Form::ALL`]), one file for each.

mod cell;
mod csv;
mod json;
mod parquet;
mod table;

use std::io::Write;

use crate::answer::Answer;
use crate::error::{HuntError, Kind};

pub use table::TableStyle;

/// A form of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people, in a terminal.
    Table,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180, safe to open in a spreadsheet.
    Csv,
    /// Parquet with the answer's own types.
    Parquet,
}

impl Form {
    /// All forms, in the order of the help.
    pub const ALL: [Self; 5] = [Self::Table, Self::Json, Self::Ndjson, Self::Csv, Self::Parquet];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// True when the limit on rows cut the answer.
    pub cut: bool,
}

/// Writes an answer in a form; `style` matters to tables alone.
pub async fn write(
    form: Form,
    answer: &mut Answer,
    out: &mut (dyn Write + Send),
    style: TableStyle,
) -> Result<Written, HuntError> {
    let rows = match form {
        Form::Table => table::write(answer, out, style).await?,
        Form::Json => json::write(answer, out, json::Shape::Array).await?,
        Form::Ndjson => json::write(answer, out, json::Shape::Lines).await?,
        Form::Csv => csv::write(answer, out).await?,
        Form::Parquet => parquet::write(answer, out).await?,
    };
    out.flush().map_err(failed)?;
    Ok(Written { rows, cut: answer.is_cut() })
}

fn failed(error: impl std::fmt::Display) -> HuntError {
    HuntError::new(Kind::Data, format!("cannot write the answer: {error}"))
}
