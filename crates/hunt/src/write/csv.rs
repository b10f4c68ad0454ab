//! CSV after RFC 4180 that is safe to open in a spreadsheet: text that a spreadsheet would take for a
//! formula gets an apostrophe, and characters that act on a terminal are spelled out.

use std::borrow::Cow;
use std::io::Write;

use arrow::array::Array as _;

use super::{cell, failed};
use crate::answer::Answer;
use crate::error::HuntError;

pub(crate) async fn write(
    answer: &mut Answer,
    out: &mut (dyn Write + Send),
) -> Result<u64, HuntError> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    let schema = answer.schema();
    let names = schema.fields().iter().map(|field| safe(field.name()).into_owned());
    writer.write_record(names).map_err(failed)?;
    let mut rows = 0;
    while let Some(batch) = answer.next().await? {
        for row in 0..batch.num_rows() {
            for column in batch.columns() {
                let text = cell::text(column.as_ref(), row).unwrap_or_default();
                let text = match cell::is_number(column.data_type()) {
                    true => Cow::Borrowed(text.as_str()),
                    false => safe(&text),
                };
                writer.write_field(text.as_ref()).map_err(failed)?;
            }
            writer.write_record(None::<&[u8]>).map_err(failed)?;
            rows += 1;
        }
    }
    writer.flush().map_err(failed)?;
    Ok(rows)
}

/// Text that nothing runs: not a spreadsheet, not a terminal. Line feeds and tabs inside stay.
fn safe(text: &str) -> Cow<'_, str> {
    let starts = text.trim_start().chars().next().or_else(|| text.chars().next());
    let formula = matches!(
        starts,
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '|' | '%' | '＝' | '＋' | '－' | '＠')
    ) && text.len() > 1;
    let calm = |text: &str| -> String {
        let lines = text.split('\n').map(|line| {
            let cells: Vec<_> = line.split('\t').map(model::inert).collect();
            cells.join("\t")
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let calm_text = match model::inert(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(_) => Cow::Owned(calm(text)),
    };
    if formula { Cow::Owned(format!("'{calm_text}")) } else { calm_text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs() {
        let cases = [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            (" +1+1", "' +1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("＝1+1", "'＝1+1"),
            ("-", "-"),
            ("plain", "plain"),
            ("a\nb\tc", "a\nb\tc"),
            ("\x1b[2Jx", "\\x1b[2Jx"),
            ("\r=1", "'\\r=1"),
        ];
        for (text, expected) in cases {
            assert_eq!(safe(text), expected);
        }
    }
}
