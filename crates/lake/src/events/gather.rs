//! The values of one column of some batches, each distinct one numbered, in the order in which rows
//! are laid down.

use std::hash::BuildHasher as _;

use rustc_hash::FxBuildHasher;

use super::order::Ordered;
use super::plan::{Kind, Plan};
use crate::cells::{Cells, Stuff};

/// The number of no value.
pub(super) const NONE: u32 = u32::MAX;
/// Values after which it is seen whether a column's values repeat at all. Of values that are drawn from
/// so many that [`REPEATING`] of these many repeat, 131,072 have too few repetitions for a dictionary.
const TRIED: usize = 16_384;
/// One of how many of them must repeat.
const REPEATING: usize = 20;

/// A text: which batch, where it begins, how long it is.
#[derive(Debug, Clone, Copy)]
struct Span {
    batch: u32,
    start: u32,
    length: u32,
}

/// The values of a column. The memory is kept from column to column.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The number of each row's value, in the order in which rows are laid down.
    pub(super) ids: Vec<u32>,
    /// True when equal values have one number.
    pub(super) once: bool,
    spans: Vec<Span>,
    numbers: Vec<i64>,
    distinct: Distinct,
}

impl Gathered {
    /// Takes up the values of the plan's column.
    pub(super) fn fill(&mut self, plan: &Plan, ordered: &Ordered<'_>) {
        self.spans.clear();
        self.numbers.clear();
        self.ids.clear();
        self.ids.resize(ordered.places.len(), NONE);
        // The format has no dictionary of truth values.
        self.once = plan.kind == Kind::Usual && plan.stuff != Stuff::Bool;
        self.distinct.clear();
        let mut places = ordered.places.as_slice();
        let mut values = 0;
        for (at, batch) in ordered.batches.iter().enumerate() {
            let (own, rest) = places.split_at_checked(batch.len()).unwrap_or((places, &[]));
            places = rest;
            let Some(cells) = batch.columns().get(plan.at) else { continue };
            if plan.stuff.is_text() {
                self.texts(at as u32, own, cells, ordered, plan);
            } else {
                self.numbers(own, cells.rows().zip(cells.numbers()));
            }
            values += cells.values();
            let count = self.spans.len().max(self.numbers.len());
            if self.once && values >= TRIED && (values - count) * REPEATING < values {
                self.once = false;
            }
        }
    }

    fn texts(
        &mut self,
        batch: u32,
        places: &[u32],
        cells: &Cells,
        ordered: &Ordered<'_>,
        plan: &Plan,
    ) {
        let all = bytes_of(ordered, plan);
        let mut last = None;
        for (row, at) in cells.rows().zip(cells.spans()) {
            let next = self.spans.len() as u32;
            let id = match last {
                _ if !self.once => next,
                Some((ref same, id)) if *same == at => id,
                _ => {
                    let text = cells.bytes().get(at.clone()).unwrap_or_default();
                    self.distinct.number(FxBuildHasher.hash_one(text), next, |id| {
                        self.spans.get(id as usize).is_some_and(|s| text_of(&all, *s) == text)
                    })
                }
            };
            if id == next {
                let (start, length) = (at.start as u32, at.len() as u32);
                self.spans.push(Span { batch, start, length });
            }
            last = Some((at, id));
            put(&mut self.ids, places, row, id);
        }
    }

    fn numbers<'c>(&mut self, places: &[u32], numbers: impl Iterator<Item = (u32, &'c i64)>) {
        let mut last = None;
        for (row, number) in numbers {
            let next = self.numbers.len() as u32;
            let id = match last {
                _ if !self.once => next,
                Some((same, id)) if same == number => id,
                _ => self.distinct.number(FxBuildHasher.hash_one(number), next, |id| {
                    self.numbers.get(id as usize) == Some(number)
                }),
            };
            if id == next {
                self.numbers.push(*number);
            }
            last = Some((number, id));
            put(&mut self.ids, places, row, id);
        }
    }

    /// The values by their numbers.
    pub(super) fn values<'a>(&'a self, plan: &Plan, ordered: &'a Ordered<'_>) -> Values<'a> {
        let bytes = if plan.stuff.is_text() { bytes_of(ordered, plan) } else { Vec::new() };
        Values { bytes, spans: &self.spans, numbers: &self.numbers }
    }
}

fn bytes_of<'a>(ordered: &'a Ordered<'_>, plan: &Plan) -> Vec<&'a [u8]> {
    let bytes = |batch: &'a crate::rows::EventRows| {
        batch.columns().get(plan.at).map_or(&[][..], |cells| cells.bytes())
    };
    ordered.batches.iter().map(bytes).collect()
}

fn text_of<'a>(bytes: &[&'a [u8]], span: Span) -> &'a [u8] {
    let start = span.start as usize;
    let batch = bytes.get(span.batch as usize).copied().unwrap_or_default();
    batch.get(start..start + span.length as usize).unwrap_or_default()
}

fn put(ids: &mut [u32], places: &[u32], row: u32, id: u32) {
    let place = places.get(row as usize).copied().unwrap_or(NONE);
    if let Some(slot) = ids.get_mut(place as usize) {
        *slot = id;
    }
}

/// The values of a column by their numbers.
pub(super) struct Values<'a> {
    bytes: Vec<&'a [u8]>,
    spans: &'a [Span],
    numbers: &'a [i64],
}

impl Values<'_> {
    /// No values.
    pub(super) fn nothing() -> Self {
        Self { bytes: Vec::new(), spans: &[], numbers: &[] }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len().max(self.numbers.len())
    }

    /// A text; empty in a column of numbers.
    pub(super) fn text(&self, id: u32) -> &[u8] {
        self.spans.get(id as usize).map_or(&[], |span| text_of(&self.bytes, *span))
    }

    /// A number; zero in a column of texts.
    pub(super) fn number(&self, id: u32) -> i64 {
        self.numbers.get(id as usize).copied().unwrap_or(0)
    }

    /// True when the first value is less than the second.
    pub(super) fn is_less(&self, a: u32, b: u32) -> bool {
        if self.spans.is_empty() {
            self.number(a) < self.number(b)
        } else {
            self.text(a) < self.text(b)
        }
    }
}

/// Numbers distinct values by their hashes: a table of open addresses that grows.
#[derive(Debug, Default)]
struct Distinct {
    /// A part of the hash, and the value's number.
    slots: Vec<(u32, u32)>,
    /// The memory of the next greater table.
    spare: Vec<(u32, u32)>,
    used: usize,
}

impl Distinct {
    const FIRST: usize = 1_024;
    /// Looks that a value is worth. Only values that were made to collide need more: they count as
    /// distinct, which costs their place in the dictionary and no time.
    const LOOKS: usize = 128;

    fn clear(&mut self) {
        self.slots.clear();
        self.slots.resize(Self::FIRST, (0, NONE));
        self.used = 0;
    }

    /// The number of a value that is there, or `next`, which it has from now on.
    fn number(&mut self, hash: u64, next: u32, mut is_same: impl FnMut(u32) -> bool) -> u32 {
        if (self.used + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let (tag, mask) = (hash as u32, self.slots.len().wrapping_sub(1));
        for look in 0..Self::LOOKS {
            let Some(slot) = self.slots.get_mut((tag as usize + look) & mask) else { break };
            if slot.1 == NONE {
                *slot = (tag, next);
                self.used += 1;
                break;
            }
            if slot.0 == tag && is_same(slot.1) {
                return slot.1;
            }
        }
        next
    }

    fn grow(&mut self) {
        let mask = (self.slots.len() * 4).max(Self::FIRST) - 1;
        self.spare.clear();
        self.spare.resize(mask + 1, (0, NONE));
        for (tag, id) in self.slots.iter().filter(|(_, id)| *id != NONE) {
            let mut at = *tag as usize & mask;
            while let Some(slot) = self.spare.get_mut(at) {
                if slot.1 == NONE {
                    *slot = (*tag, *id);
                    break;
                }
                at = (at + 1) & mask;
            }
        }
        std::mem::swap(&mut self.slots, &mut self.spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number_and_colliding_ones_end() {
        let mut distinct = Distinct::default();
        distinct.clear();
        let mut known: Vec<u64> = Vec::new();
        for value in (0..5_000).chain(0..5_000) {
            let next = known.len() as u32;
            let hash = FxBuildHasher.hash_one(value);
            let id = distinct.number(hash, next, |id| known.get(id as usize) == Some(&value));
            if id == next {
                known.push(value);
            }
            assert_eq!(known.get(id as usize), Some(&value));
        }
        assert_eq!(known.len(), 5_000);
        let mut looks = 0;
        for next in 0..10_000 {
            distinct.number(7, 5_000 + next, |_| {
                looks += 1;
                false
            });
        }
        assert!(looks <= 10_000 * Distinct::LOOKS);
    }
}
