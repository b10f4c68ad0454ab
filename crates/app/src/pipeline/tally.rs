//! What was counted on the way: parcel by parcel, added up over the workers.

use std::collections::BTreeMap;

use lake::{ParcelRow, UnrecognisedRow};
use model::{Micros, Parcel};

/// A parcel in the order of arrival, with what the feed knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) parcel: Parcel,
    /// The parser, the container, or nothing when it was not read.
    pub(crate) format: String,
    /// Why it was not read, or what else a person should know.
    pub(crate) note: String,
}

/// Counts of one parcel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) flaws: u64,
    pub(crate) records_lost: u64,
    pub(crate) definitions: BTreeMap<String, u64>,
    pub(crate) first: Option<Micros>,
    pub(crate) last: Option<Micros>,
}

impl Tally {
    /// Takes the time of an event into the span; time zero means that none was found.
    pub(crate) fn saw(&mut self, time: Micros) {
        if time.0 != 0 {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = Some(self.last.map_or(time, |last| last.max(time)));
        }
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.flaws += other.flaws;
        self.records_lost += other.records_lost;
        for (name, count) in other.definitions {
            *self.definitions.entry(name).or_default() += count;
        }
        other.first.into_iter().chain(other.last).for_each(|time| self.saw(time));
    }
}

/// Shapes that are listed one by one; past them, unknown records are only counted.
const SHAPES: usize = 2_000;

/// Counts of all parcels, and the shapes that no definition knew.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) tallies: BTreeMap<usize, Tally>,
    shapes: BTreeMap<(usize, String), UnrecognisedRow>,
}

impl Book {
    /// The counts of a parcel.
    pub(crate) fn of(&mut self, parcel: usize) -> &mut Tally {
        self.tallies.entry(parcel).or_default()
    }

    /// Counts a record that no definition knew, keeping the first of each shape as its sample.
    pub(crate) fn unrecognised(
        &mut self,
        parcel: usize,
        shape: &str,
        row: impl FnOnce() -> UnrecognisedRow,
    ) {
        let key = (parcel, shape.to_owned());
        if let Some(known) = self.shapes.get_mut(&key) {
            known.count += 1;
        } else if self.shapes.len() < SHAPES {
            self.shapes.insert(key, row());
        }
    }

    /// Adds what another worker counted.
    pub(crate) fn add(&mut self, other: Self) {
        for (parcel, tally) in other.tallies {
            self.of(parcel).add(tally);
        }
        for (key, row) in other.shapes {
            match self.shapes.get_mut(&key) {
                Some(known) => {
                    known.count += row.count;
                    // The same sample whichever thread came first.
                    if row.sample < known.sample {
                        known.sample = row.sample;
                    }
                }
                None => {
                    self.shapes.insert(key, row);
                }
            }
        }
    }

    /// The shapes, in order of parcels.
    pub(crate) fn shapes(&self) -> Vec<UnrecognisedRow> {
        self.shapes.values().cloned().collect()
    }

    /// The parcels as rows of the lake.
    pub(crate) fn parcels(&self, entries: &[Entry]) -> Vec<ParcelRow> {
        let nothing = Tally::default();
        let row = |(index, entry): (usize, &Entry)| {
            let tally = self.tallies.get(&index).unwrap_or(&nothing);
            ParcelRow {
                parcel: entry.parcel.clone(),
                format: entry.format.clone(),
                records: tally.events + tally.records_lost,
                events: tally.events,
                lost: tally.records_lost,
                flaws: tally.flaws,
                note: entry.note.clone(),
                span: tally.first.zip(tally.last),
            }
        };
        entries.iter().enumerate().map(row).collect()
    }
}
