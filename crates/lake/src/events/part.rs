//! One column of one row group before it is written: which values lie on which page, which of them are
//! distinct, and so how they are best written.

use super::gather::{NONE, Values};
use super::plan::{Kind, Plan};

/// Rows of a page.
const PAGE_ROWS: usize = 8_192;
/// Bytes of a page of lines: a needle's line costs the reading of one.
const LINE_PAGE_BYTES: usize = 2 << 20;
/// Bytes of a dictionary; with more, values are written as they are.
const DICTIONARY_BYTES: usize = 8 << 20;

/// How a column's values are laid down. A dictionary of values that hardly repeat costs more than it
/// saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Each value once, and numbers of them.
    Dictionary,
    /// Value after value: texts with their lengths apart, numbers as differences.
    Plain,
}

/// A page's share of the part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) rows: usize,
    /// Rows that have a value.
    pub(super) values: usize,
    /// Its least and its greatest value, where they are asked for.
    pub(super) bounds: Option<(u32, u32)>,
}

/// The values of a part. The memory is kept from part to part.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) pages: Vec<Page>,
    /// The value of each row that has one: a place in the dictionary while there is one.
    pub(super) ids: Vec<u32>,
    /// Distinct values, in the order in which they come; empty when they are not told apart.
    pub(super) dictionary: Vec<u32>,
    /// The place in the dictionary of each value of the column.
    places: Vec<u32>,
    /// The last page on which each value of the dictionary was seen.
    seen: Vec<u32>,
}

impl Part {
    /// Begins a column.
    pub(super) fn begin(&mut self, values: &Values<'_>) {
        self.places.clear();
        self.places.resize(values.len(), NONE);
        self.dictionary.clear();
    }

    /// Takes up the values of a part by the numbers that they have in the column.
    pub(super) fn fill(&mut self, plan: &Plan, values: &Values<'_>, ids: &[u32], once: bool) {
        for value in self.dictionary.drain(..) {
            if let Some(place) = self.places.get_mut(value as usize) {
                *place = NONE;
            }
        }
        self.pages.clear();
        self.ids.clear();
        self.seen.clear();
        if plan.kind == Kind::Lines {
            return self.lines(values, ids);
        }
        for rows in ids.chunks(PAGE_ROWS) {
            let before = self.ids.len();
            let bounds = if rows.iter().all(|id| *id == NONE) {
                None
            } else if once {
                self.repeating(values, rows)
            } else {
                self.plain(values, rows)
            };
            let page = Page { rows: rows.len(), values: self.ids.len() - before, bounds };
            self.pages.push(page);
        }
    }

    /// A page of values that repeat: each distinct one is looked at once.
    fn repeating(&mut self, values: &Values<'_>, rows: &[u32]) -> Option<(u32, u32)> {
        let page = self.pages.len() as u32;
        let mut bounds = None;
        let mut last = (NONE, NONE);
        for id in rows.iter().copied().filter(|id| *id != NONE) {
            if id == last.0 {
                self.ids.push(last.1);
                continue;
            }
            let Some(place) = self.places.get_mut(id as usize) else { continue };
            if *place == NONE {
                *place = self.dictionary.len() as u32;
                self.dictionary.push(id);
                self.seen.push(NONE);
            }
            let seen = self.seen.get_mut(*place as usize);
            if seen.is_some_and(|seen| std::mem::replace(seen, page) != page) {
                widen(&mut bounds, id, values);
            }
            self.ids.push(*place);
            last = (id, *place);
        }
        bounds
    }

    fn plain(&mut self, values: &Values<'_>, rows: &[u32]) -> Option<(u32, u32)> {
        let mut bounds = None;
        for id in rows.iter().copied().filter(|id| *id != NONE) {
            widen(&mut bounds, id, values);
            self.ids.push(id);
        }
        bounds
    }

    fn lines(&mut self, values: &Values<'_>, rows: &[u32]) {
        let nothing = Page { rows: 0, values: 0, bounds: None };
        let (mut page, mut bytes) = (nothing, 0);
        for id in rows {
            if page.rows == PAGE_ROWS || bytes >= LINE_PAGE_BYTES {
                self.pages.push(page);
                (page, bytes) = (nothing, 0);
            }
            page.rows += 1;
            if *id != NONE {
                page.values += 1;
                bytes += values.text(*id).len();
                self.ids.push(*id);
            }
        }
        if page.rows > 0 {
            self.pages.push(page);
        }
    }

    /// Chooses by how many of the values are distinct. Where there is to be no dictionary, the values
    /// have the column's numbers from now on.
    pub(super) fn layout(&mut self, plan: &Plan, values: &Values<'_>) -> Layout {
        let (all, distinct) = (self.ids.len(), self.dictionary.len());
        if distinct == 0 {
            return Layout::Plain;
        }
        let few = if plan.stuff.is_text() {
            let bytes: usize = self.dictionary.iter().map(|id| values.text(*id).len()).sum();
            distinct * 10 < all * 6 && bytes <= DICTIONARY_BYTES
        } else {
            distinct <= 1_024 || distinct * 20 < all
        };
        if few || all < 256 {
            return Layout::Dictionary;
        }
        for id in &mut self.ids {
            *id = self.dictionary.get(*id as usize).copied().unwrap_or(NONE);
        }
        Layout::Plain
    }

    /// The least and the greatest of all values.
    pub(super) fn bounds(&self, values: &Values<'_>) -> Option<(u32, u32)> {
        let mut bounds = None;
        for (least, greatest) in self.pages.iter().filter_map(|page| page.bounds) {
            widen(&mut bounds, least, values);
            widen(&mut bounds, greatest, values);
        }
        bounds
    }
}

fn widen(bounds: &mut Option<(u32, u32)>, id: u32, values: &Values<'_>) {
    match bounds {
        None => *bounds = Some((id, id)),
        Some((least, _)) if values.is_less(id, *least) => *least = id,
        Some((_, greatest)) if values.is_less(*greatest, id) => *greatest = id,
        Some(_) => {}
    }
}
