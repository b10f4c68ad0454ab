//! The least and the greatest value of a page or of a chunk, as Parquet says them.

use deltalake::parquet::data_type::ByteArray;
use deltalake::parquet::file::statistics::{Statistics, ValueStatistics};

use super::gather::Values;
use super::spell::spell_plain;
use crate::cells::Stuff;

/// Bytes of a bound; longer ones are cut.
const BOUND_BYTES: usize = 64;
/// The statistics of a chunk.
pub(super) fn statistics(
    stuff: Stuff,
    values: &Values<'_>,
    bounds: Option<(u32, u32)>,
    lacking: u64,
) -> Statistics {
    let lacking = Some(lacking);
    match stuff {
        Stuff::Text | Stuff::Bytes => {
            let (least, greatest) = (
                bounds.map(|(least, _)| least_of(stuff, values, least)),
                bounds.map(|(_, greatest)| greatest_of(stuff, values, greatest)),
            );
            let exact = (
                least.as_ref().is_none_or(|(_, exact)| *exact),
                greatest.as_ref().is_none_or(|(_, exact)| *exact),
            );
            let array = |bound: (Vec<u8>, bool)| ByteArray::from(bound.0);
            let said =
                ValueStatistics::new(least.map(array), greatest.map(array), None, lacking, false);
            said.with_min_is_exact(exact.0).with_max_is_exact(exact.1).into()
        }
        Stuff::Int => {
            let bound = |id| values.number(id) as i32;
            let (least, greatest) = bounds.map(|(l, g)| (bound(l), bound(g))).unzip();
            ValueStatistics::new(least, greatest, None, lacking, false).into()
        }
        Stuff::Long | Stuff::Time => {
            let bound = |id| values.number(id);
            let (least, greatest) = bounds.map(|(l, g)| (bound(l), bound(g))).unzip();
            ValueStatistics::new(least, greatest, None, lacking, false).into()
        }
        Stuff::Double => ValueStatistics::<f64>::new(None, None, None, lacking, false).into(),
        Stuff::Bool => ValueStatistics::<bool>::new(None, None, None, lacking, false).into(),
    }
}

/// The bytes of a lower bound, and whether they are all of it.
pub(super) fn least_of(stuff: Stuff, values: &Values<'_>, id: u32) -> (Vec<u8>, bool) {
    if !stuff.is_text() {
        return (number_of(stuff, values, id), true);
    }
    let text = values.text(id);
    let cut = cut(text);
    (cut.to_vec(), cut.len() == text.len())
}

/// The bytes of an upper bound, and whether they are all of it. A text that is cut stands below the
/// whole one, so its last character that has one after it becomes the next.
pub(super) fn greatest_of(stuff: Stuff, values: &Values<'_>, id: u32) -> (Vec<u8>, bool) {
    if !stuff.is_text() {
        return (number_of(stuff, values, id), true);
    }
    let whole = values.text(id);
    let cut = cut(whole);
    if cut.len() == whole.len() {
        return (whole.to_vec(), true);
    }
    let text = std::str::from_utf8(cut).unwrap_or_default();
    for (at, last) in text.char_indices().rev() {
        if let Some(next) = char::from_u32(last as u32 + 1) {
            let mut above = text.get(..at).unwrap_or_default().to_owned();
            above.push(next);
            return (above.into_bytes(), false);
        }
    }
    (whole.to_vec(), true)
}

/// The beginning of a text that a bound has place for, in whole characters.
fn cut(text: &[u8]) -> &[u8] {
    if text.len() <= BOUND_BYTES {
        return text;
    }
    let begins = |at: &usize| text.get(*at).is_some_and(|byte| *byte & 0xc0 != 0x80);
    let end = (0..=BOUND_BYTES).rev().find(begins).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

fn number_of(stuff: Stuff, values: &Values<'_>, id: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    spell_plain(stuff, values, &[id], &mut bytes);
    bytes
}
