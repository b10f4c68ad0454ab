//! Tables for people. Evidence cannot act on the terminal: every cell is made inert. A table that
//! does not fit is narrowed, and one that cannot be narrowed enough is shown record by record.

use std::io::Write;

use arrow::array::Array as _;
use arrow::record_batch::RecordBatch;
use unicode_width::UnicodeWidthStr as _;

use super::{cell, failed};
use crate::answer::Answer;
use crate::error::HuntError;

/// Rows that are held to find the widths of columns; the rest keeps to them.
const SAMPLE: usize = 1_000;
/// Narrowest that a column is made.
const NARROW: usize = 12;
/// Characters of a cell where the width is not bounded.
const LONGEST: usize = 4_000;

/// How a table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableStyle {
    /// Columns of the terminal; a file has no bound.
    pub width: Option<usize>,
    /// Shows columns that have no value in any of the first rows.
    pub empty_columns: bool,
}

pub(crate) async fn write(
    answer: &mut Answer,
    out: &mut (dyn Write + Send),
    style: TableStyle,
) -> Result<u64, HuntError> {
    let schema = answer.schema();
    let mut held: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    while rows < SAMPLE {
        match answer.next().await? {
            Some(batch) => {
                rows += batch.num_rows();
                held.push(batch);
            }
            None => break,
        }
    }
    let shown: Vec<usize> = (0..schema.fields().len())
        .filter(|at| {
            let column = |batch: &RecordBatch| batch.columns().get(*at).cloned();
            let some = |batch| column(batch).is_some_and(|c| c.logical_null_count() < c.len());
            style.empty_columns || rows == 0 || held.iter().any(some)
        })
        .collect();
    let names: Vec<String> = shown
        .iter()
        .filter_map(|at| schema.fields().get(*at))
        .map(|field| model::inert(field.name()).into_owned())
        .collect();
    let mut layout = Layout::new(&names, &held, &shown, style.width);
    layout.head(out)?;
    let mut count = 0;
    for batch in &held {
        count += layout.batch(out, batch, &shown)?;
    }
    drop(held);
    while let Some(batch) = answer.next().await? {
        count += layout.batch(out, &batch, &shown)?;
    }
    layout.foot(out, count, answer.is_cut(), schema.fields().len() - shown.len())?;
    Ok(count)
}

struct Layout {
    names: Vec<String>,
    numbers: Vec<bool>,
    /// Width of each column; none when records are shown one below the other.
    widths: Option<Vec<usize>>,
    width: Option<usize>,
    record: u64,
}

impl Layout {
    fn new(names: &[String], held: &[RecordBatch], shown: &[usize], width: Option<usize>) -> Self {
        let mut widths: Vec<usize> = names.iter().map(|name| name.width()).collect();
        for batch in held {
            for (at, widest) in shown.iter().zip(&mut widths) {
                let Some(column) = batch.columns().get(*at) else { continue };
                for row in 0..batch.num_rows() {
                    *widest = (*widest).max(show(column.as_ref(), row).width());
                }
            }
        }
        let numbers = shown
            .iter()
            .map(|at| {
                let column = held.first().and_then(|batch| batch.columns().get(*at));
                column.is_some_and(|column| cell::is_number(column.data_type()))
            })
            .collect();
        let widths = match width {
            Some(width) => fit(widths, width),
            None => Some(widths),
        };
        Self { names: names.to_vec(), numbers, widths, width, record: 0 }
    }

    fn head(&self, out: &mut (dyn Write + Send)) -> Result<(), HuntError> {
        let Some(widths) = &self.widths else { return Ok(()) };
        let cells = self.names.iter().map(String::as_str);
        line(out, cells.zip(widths).zip(&self.numbers).map(|((text, w), n)| (text, *w, *n)))?;
        let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        writeln!(out, "{}", rules.join("  ")).map_err(failed)
    }

    fn batch(
        &mut self,
        out: &mut (dyn Write + Send),
        batch: &RecordBatch,
        shown: &[usize],
    ) -> Result<u64, HuntError> {
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = shown
                .iter()
                .filter_map(|at| batch.columns().get(*at))
                .map(|column| show(column.as_ref(), row))
                .collect();
            self.record += 1;
            match &self.widths {
                Some(widths) => {
                    let cells = cells.iter().map(String::as_str).zip(widths).zip(&self.numbers);
                    line(out, cells.map(|((text, width), number)| (text, *width, *number)))?;
                }
                None => self.tall(out, &cells)?,
            }
        }
        Ok(batch.num_rows() as u64)
    }

    /// One record, a line for each value that is there.
    fn tall(&self, out: &mut (dyn Write + Send), cells: &[String]) -> Result<(), HuntError> {
        let label = self.names.iter().map(|name| name.width()).max().unwrap_or(0);
        writeln!(out, "── {} ──", self.record).map_err(failed)?;
        let room = self.width.map_or(LONGEST, |width| width.saturating_sub(label + 2).max(20));
        for (name, text) in self.names.iter().zip(cells).filter(|(_, text)| !text.is_empty()) {
            let pad = " ".repeat(label - name.width());
            // A value too long for its line goes on below itself.
            for (number, piece) in pieces(text, room).into_iter().enumerate() {
                match number {
                    0 => writeln!(out, "{name}{pad}  {piece}"),
                    _ => writeln!(out, "{}  {piece}", " ".repeat(label)),
                }
                .map_err(failed)?;
            }
        }
        Ok(())
    }

    #[allow(clippy::unused_self)] // The head, the rows and the foot are one family.
    fn foot(
        &self,
        out: &mut (dyn Write + Send),
        count: u64,
        cut: bool,
        hidden: usize,
    ) -> Result<(), HuntError> {
        let rows = if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
        let more = if cut { ", and there are more" } else { "" };
        let columns = match hidden {
            0 => String::new(),
            1 => "; 1 column without a value is not shown".to_owned(),
            n => format!("; {n} columns without a value are not shown"),
        };
        writeln!(out, "({rows}{more}{columns})").map_err(failed)
    }
}

fn show(column: &dyn arrow::array::Array, row: usize) -> String {
    let text = cell::text(column, row).unwrap_or_default();
    model::shortened(&model::inert(&text), LONGEST).into_owned()
}

fn line<'c>(
    out: &mut (dyn Write + Send),
    cells: impl Iterator<Item = (&'c str, usize, bool)>,
) -> Result<(), HuntError> {
    let mut text = String::new();
    for (at, (cell, width, number)) in cells.enumerate() {
        if at > 0 {
            text.push_str("  ");
        }
        let cell = cut(cell, width);
        let pad = " ".repeat(width.saturating_sub(cell.width()));
        if number {
            text.push_str(&pad);
            text.push_str(&cell);
        } else {
            text.push_str(&cell);
            text.push_str(&pad);
        }
    }
    writeln!(out, "{}", text.trim_end()).map_err(failed)
}

/// Narrows the widest columns until the line fits; nothing when it would be unreadable.
fn fit(mut widths: Vec<usize>, width: usize) -> Option<Vec<usize>> {
    let gaps = widths.len().saturating_sub(1) * 2;
    let mut total: usize = widths.iter().sum::<usize>() + gaps;
    if total <= width {
        return Some(widths);
    }
    let least: usize = widths.iter().map(|w| (*w).min(NARROW)).sum::<usize>() + gaps;
    if least > width {
        return None;
    }
    while total > width {
        let widest = widths.iter().copied().max().unwrap_or(0);
        let below = widths.iter().copied().filter(|w| *w < widest).max().unwrap_or(0).max(NARROW);
        let wide = widths.iter().filter(|w| **w == widest).count();
        let step = (widest - below).max(1).min((total - width).div_ceil(wide));
        for w in widths.iter_mut().filter(|w| **w == widest) {
            *w -= step;
            total -= step;
        }
    }
    Some(widths)
}

/// A text cut to a width on the screen.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        out.push(c);
    }
    out.push('…');
    out
}

/// A text in pieces of a width.
fn pieces(text: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        let wide = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + wide > width {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_give_way() {
        assert_eq!(fit(vec![10, 50, 30], 70), Some(vec![10, 28, 28]));
        assert_eq!(fit(vec![5, 5], 80), Some(vec![5, 5]));
        assert_eq!(fit(vec![40; 30], 80), None);
        assert_eq!(cut("日本語テキスト", 7), "日本語…");
        assert_eq!(pieces("abcdef", 4), ["abcd", "ef"]);
    }
}
