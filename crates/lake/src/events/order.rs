//! The order in which rows are laid down: by day, like beside like, and those in order of time.

use std::ops::Range;

use model::Micros;

use super::GROUP_ROWS;
use crate::error::{LakeError, Result};
use crate::rows::EventRows;
use crate::schema::Table;

/// A day with fewer rows in one go shares a file with other days: evidence that is thinly spread
/// over years, or dates that an attacker made up, must not become thousands of files.
const DAY_ROWS: usize = 2_048;
/// The `day` of files that hold several days.
const VARIOUS: &str = "various";

/// Rows that go into one row group of one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) day: String,
    /// Their places.
    pub(super) rows: Range<usize>,
}

/// Some batches of rows, with the order in which they are laid down.
pub(super) struct Ordered<'a> {
    pub(super) batches: &'a [EventRows],
    /// The place of each row of all batches.
    pub(super) places: Vec<u32>,
    pub(super) parts: Vec<Part>,
}

impl<'a> Ordered<'a> {
    /// Looks at the times and the kinds of all rows.
    pub(super) fn new(batches: &'a [EventRows]) -> Result<Self> {
        let rows = batches.iter().map(EventRows::len).sum::<usize>();
        let mut keyed: Vec<(i64, u32)> = Vec::with_capacity(rows);
        for batch in batches {
            let times = column(batch, "time")?.numbers();
            keyed.extend((keyed.len() as u32..).zip(times).map(|(row, time)| (*time, row)));
        }
        if keyed.len() != rows {
            return Err(LakeError::Writer("an event has no time".to_owned()));
        }
        if !keyed.is_sorted() {
            keyed.sort_unstable();
        }
        let kinds = kinds(batches)?;
        let mut places = vec![0; rows];
        let mut parts = Vec::new();
        for (day, days_rows) in days(&keyed) {
            let Some(part) = keyed.get_mut(days_rows.clone()) else { continue };
            // Like beside like, and each in order of time: the lines of one kind compress together,
            // and a query on one class skips the pages of the others.
            part.sort_by_key(|(_, row)| kinds.get(*row as usize));
            for (place, (_, row)) in (days_rows.start as u32..).zip(part) {
                if let Some(slot) = places.get_mut(*row as usize) {
                    *slot = place;
                }
            }
            let mut rest = days_rows;
            while !rest.is_empty() {
                let end = rest.end.min(rest.start + GROUP_ROWS);
                parts.push(Part { day: day.clone(), rows: rest.start..end });
                rest.start = end;
            }
        }
        Ok(Self { batches, places, parts })
    }
}

fn column<'a>(batch: &'a EventRows, name: &str) -> Result<&'a crate::cells::Cells> {
    let place = Table::Events.file_schema().index_of(name).ok();
    place
        .and_then(|place| batch.columns().get(place))
        .ok_or_else(|| LakeError::Writer(format!("there is no column `{name}`")))
}

/// Cuts rows in order of time by day. Neighbouring days that are small stay together, unless they are
/// one day.
fn days(rows: &[(i64, u32)]) -> Vec<(String, Range<usize>)> {
    let day = |at: usize| rows.get(at).map_or(0, |(time, _)| time.div_euclid(86_400_000_000));
    let small = |from: usize, to: usize| {
        let (first, last) = (day(from), day(to - 1));
        (if first == last { day_name(first) } else { VARIOUS.to_owned() }, from..to)
    };
    let mut cuts = Vec::new();
    let (mut mixed, mut start) = (0, 0);
    while let Some(rest) = rows.get(start..).filter(|rest| !rest.is_empty()) {
        let this = day(start);
        let length = rest.partition_point(|(t, _)| t.div_euclid(86_400_000_000) <= this).max(1);
        if length >= DAY_ROWS {
            if mixed < start {
                cuts.push(small(mixed, start));
            }
            cuts.push((day_name(this), start..start + length));
            mixed = start + length;
        }
        start += length;
    }
    if mixed < start {
        cuts.push(small(mixed, start));
    }
    cuts
}

/// What kind of event each row is: its class, then its source.
fn kinds(batches: &[EventRows]) -> Result<Vec<u32>> {
    let mut known: Vec<(i64, &[u8])> = Vec::new();
    let mut kinds: Vec<u32> = Vec::new();
    for batch in batches {
        let classes = column(batch, "class_uid")?.numbers();
        let sources = column(batch, "definition")?;
        let mut named = sources.rows().zip(sources.texts()).peekable();
        let mut last = None;
        for (row, class) in classes.iter().enumerate() {
            let name = named.next_if(|(at, _)| *at as usize == row).map_or(&[][..], |(_, n)| n);
            let kind = (*class, name);
            let number = match last {
                Some((number, same)) if same == kind => number,
                _ => known.iter().position(|other| *other == kind).unwrap_or_else(|| {
                    known.push(kind);
                    known.len() - 1
                }),
            };
            last = Some((number, kind));
            kinds.push(number as u32);
        }
    }
    let mut ranked: Vec<usize> = (0..known.len()).collect();
    ranked.sort_by_key(|number| known.get(*number));
    let mut ranks = vec![0; known.len()];
    for (rank, number) in ranked.into_iter().enumerate() {
        if let Some(slot) = ranks.get_mut(number) {
            *slot = rank as u32;
        }
    }
    for kind in &mut kinds {
        *kind = ranks.get(*kind as usize).copied().unwrap_or(0);
    }
    Ok(kinds)
}

fn day_name(day: i64) -> String {
    Micros(day.saturating_mul(86_400_000_000)).day()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_days_share_a_part() {
        let day = 86_400_000_000;
        let mut times = vec![(1, 0)];
        times.extend((1..).map(|n| (day + 7, n)).take(DAY_ROWS));
        times.extend([(2 * day, 9_998), (3 * day + 5, 9_999)]);
        let expected = [
            ("1970-01-01".to_owned(), 0..1),
            ("1970-01-02".to_owned(), 1..DAY_ROWS + 1),
            (VARIOUS.to_owned(), DAY_ROWS + 1..DAY_ROWS + 3),
        ];
        assert_eq!(days(&times), expected);
    }
}
