//! What stands on a page: which rows have a value, and the values in the encoding that was chosen.

use deltalake::parquet::basic::Encoding;

use super::encode;
use super::gather::{NONE, Values};
use super::part::Layout;
use crate::cells::Stuff;

/// The encoding of a column's values.
pub(super) fn encoding_of(stuff: Stuff, layout: Layout) -> Encoding {
    match (layout, stuff) {
        (Layout::Dictionary, _) => Encoding::RLE_DICTIONARY,
        (Layout::Plain, Stuff::Text | Stuff::Bytes) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        (Layout::Plain, Stuff::Int | Stuff::Long | Stuff::Time) => Encoding::DELTA_BINARY_PACKED,
        (Layout::Plain, Stuff::Double | Stuff::Bool) => Encoding::PLAIN,
    }
}

/// The values of a page that has no dictionary.
pub(super) fn spell(
    stuff: Stuff,
    encoding: Encoding,
    values: &Values<'_>,
    ids: &[u32],
    out: &mut Vec<u8>,
) {
    let numbers = ids.iter().map(|id| values.number(*id));
    match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => {
            encode::delta(ids.iter().map(|id| values.text(*id).len() as i64), out);
            ids.iter().for_each(|id| out.extend_from_slice(values.text(*id)));
        }
        Encoding::DELTA_BINARY_PACKED => encode::delta(numbers, out),
        _ => spell_plain(stuff, values, ids, out),
    }
}

/// Values as they are: texts with their lengths before them (PLAIN).
pub(super) fn spell_plain(stuff: Stuff, values: &Values<'_>, ids: &[u32], out: &mut Vec<u8>) {
    match stuff {
        Stuff::Text | Stuff::Bytes => ids.iter().for_each(|id| {
            let text = values.text(*id);
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text);
        }),
        Stuff::Int => ids.iter().for_each(|id| {
            out.extend_from_slice(&(values.number(*id) as i32).to_le_bytes());
        }),
        Stuff::Long | Stuff::Time | Stuff::Double => ids.iter().for_each(|id| {
            out.extend_from_slice(&values.number(*id).to_le_bytes());
        }),
        Stuff::Bool => encode::truths(ids.iter().map(|id| values.number(*id) != 0), out),
    }
}

/// Which rows of a page have a value.
pub(super) fn spell_levels(rows: &[u32], values: usize, levels: &mut Vec<u32>, out: &mut Vec<u8>) {
    if values == 0 || values == rows.len() {
        return with_length(out, |out| encode::run(rows.len(), u32::from(values > 0), 1, out));
    }
    levels.clear();
    levels.extend(rows.iter().map(|id| u32::from(*id != NONE)));
    with_length(out, |out| encode::hybrid(levels, 1, out));
}

/// A page on which no row has a value.
pub(super) fn spell_nothing(rows: usize, out: &mut Vec<u8>) {
    with_length(out, |out| encode::run(rows, 0, 1, out));
}

fn with_length(out: &mut Vec<u8>, spell: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    spell(out);
    let length = (out.len() - start - 4) as u32;
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&length.to_le_bytes());
    }
}
