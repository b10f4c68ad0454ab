//! What the paths of a lens found in a record.

use model::Value;

use crate::live;

/// Something found. Captures of message patterns are texts inside a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Got<'r> {
    Value(&'r Value<'r>),
    Text(&'r str),
}

/// What the paths of a lens found in one record: for each slot nothing, or something.
#[derive(Debug, Default)]
pub(crate) struct Slots<'r> {
    places: Vec<Place>,
    found: Vec<Got<'r>>,
    /// The slots that have something, as bits.
    filled: Vec<u64>,
}

/// Where what a slot has stands among what was found.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// One more than its place; 0 when the slot has nothing.
    at: u16,
    /// How good a find it is; less is better.
    rank: u16,
}

impl<'r> Slots<'r> {
    /// So many slots that have nothing, in the memory of others.
    pub(crate) fn reuse(old: Slots<'_>, count: usize) -> Self {
        let Slots { mut places, mut found, mut filled } = old;
        places.clear();
        places.resize(count, Place::default());
        filled.clear();
        filled.resize(count.div_ceil(64), 0);
        found.clear();
        // There is nothing in it, but its memory goes along.
        let found = found.into_iter().map(|_| Got::Text("")).collect();
        Self { places, found, filled }
    }

    /// What a slot has.
    #[inline]
    pub(crate) fn get(&self, slot: u16) -> Option<Got<'r>> {
        let place = self.places.get(usize::from(slot))?.at;
        self.found.get(usize::from(place.checked_sub(1)?)).copied()
    }

    /// Gives a slot something, in place of what it has.
    pub(crate) fn put(&mut self, slot: u16, got: Got<'r>) {
        if let Some(place) = self.places.get_mut(usize::from(slot)) {
            place.rank = u16::MAX;
            self.offer(slot, got, 0);
        }
    }

    /// Gives a slot something when it has nothing, or something that is worse.
    pub(crate) fn offer(&mut self, slot: u16, got: Got<'r>, rank: u16) {
        let Some(place) = self.places.get_mut(usize::from(slot)) else { return };
        match place.at.checked_sub(1) {
            None => {
                self.found.push(got);
                // There are fewer slots than 2^16, and so there are fewer finds.
                *place = Place { at: self.found.len() as u16, rank };
                live::set(&mut self.filled, usize::from(slot));
            }
            Some(at) if rank < place.rank => {
                place.rank = rank;
                if let Some(found) = self.found.get_mut(usize::from(at)) {
                    *found = got;
                }
            }
            Some(_) => {}
        }
    }

    /// The slots that have something, as bits.
    pub(crate) fn filled(&self) -> &[u64] {
        &self.filled
    }
}
