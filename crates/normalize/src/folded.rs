//! Names found blind to ASCII case.

/// A bit that tells the cases apart, in every byte. Setting it makes a few signs alike, too.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// An open table of names. The names come from definitions and never from evidence, so evidence cannot
/// crowd it.
#[derive(Debug)]
pub(crate) struct Folded<T> {
    /// A power of two of places, each the number of an entry and one more; 0 is free.
    places: Vec<u32>,
    entries: Vec<Entry<T>>,
    /// Lengths of the names, as bits: most foreign names are told by their length alone.
    lengths: u64,
}

#[derive(Debug)]
struct Entry<T> {
    print: Print,
    name: Box<str>,
    to: T,
}

/// The length of a name, its first and its last bytes: all of a name of up to 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print {
    length: usize,
    head: u64,
    tail: u64,
}

impl Print {
    const WHOLE: usize = 16;

    #[inline]
    pub(crate) fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let (head, tail) = if let (Some(head), Some(tail)) =
            (bytes.first_chunk::<8>(), bytes.last_chunk())
        {
            (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
        } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk()) {
            (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail)))
        } else if let [first, .., last] = bytes {
            let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(0);
            (u64::from(*first), u64::from(middle) << 8 | u64::from(*last))
        } else {
            (bytes.first().map_or(0, |only| u64::from(*only)), 0)
        };
        Self { length: bytes.len(), head, tail }
    }

    #[inline]
    fn folded(self) -> Self {
        Self { head: self.head | FOLD, tail: self.tail | FOLD, ..self }
    }

    /// A hash; of a folded print one that is blind to case.
    #[inline]
    pub(crate) fn hash(self) -> u64 {
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let Self { length, head, tail } = self;
        let mixed = (tail.rotate_left(29) ^ length as u64).wrapping_mul(MIX);
        let mixed = (head ^ mixed).wrapping_mul(MIX);
        mixed ^ mixed >> 32
    }
}

impl<T> Default for Folded<T> {
    fn default() -> Self {
        Self { places: Vec::new(), entries: Vec::new(), lengths: 0 }
    }
}

impl<T> Folded<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What a name leads to, and whether it is spelled so: the exact spelling where there is one, else
    /// the first in another case.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<(bool, &T)> {
        if self.lengths & (1 << (name.len() & 63)) == 0 {
            return None;
        }
        let print = Print::of(name);
        let mask = self.places.len() - 1;
        let mut at = print.folded().hash() as usize & mask;
        let mut folded = None;
        while let Some(number) = self.places.get(at).and_then(|place| place.checked_sub(1)) {
            let entry = self.entries.get(number as usize)?;
            if entry.print == print && (print.length <= Print::WHOLE || *entry.name == *name) {
                return Some((true, &entry.to));
            }
            if folded.is_none()
                && entry.print.folded() == print.folded()
                && entry.name.eq_ignore_ascii_case(name)
            {
                folded = Some((false, &entry.to));
            }
            at = (at + 1) & mask;
        }
        folded
    }

    /// Its names, in the order of adding.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| &*entry.name)
    }

    /// Adds a name. One that is spelled so already comes first.
    pub(crate) fn add(&mut self, name: &str, to: T) {
        self.lengths |= 1 << (name.len() & 63);
        self.entries.push(Entry { print: Print::of(name), name: name.into(), to });
        // At most a third full, so that a foreign name meets a free place soon.
        let size = (self.entries.len() * 3).next_power_of_two();
        self.places = vec![0; size];
        for (number, entry) in self.entries.iter().enumerate() {
            let mut at = entry.print.folded().hash() as usize & (size - 1);
            while self.places.get(at).is_some_and(|place| *place != 0) {
                at = (at + 1) & (size - 1);
            }
            if let Some(place) = self.places.get_mut(at) {
                *place = number as u32 + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_found_in_any_case() {
        let long = "Microsoft-Windows-Security-Auditing";
        let names: Vec<&str> = (0..=long.len()).filter_map(|end| long.get(..end)).collect();
        let mut table = Folded::default();
        for (number, name) in names.iter().enumerate() {
            assert_eq!(table.get(name), None);
            table.add(name, number);
        }
        for (number, name) in names.iter().enumerate() {
            assert_eq!(table.get(name), Some((true, &number)));
            let folded = name.to_ascii_lowercase();
            assert_eq!(table.get(&folded), Some((folded == *name, &number)));
            // One byte off is another name, wherever it is.
            for at in 0..name.len() {
                let mut other = name.to_string();
                other.replace_range(at..=at, "#");
                assert_eq!(table.get(&other), None, "{other}");
            }
        }
    }

    #[test]
    fn the_exact_spelling_is_preferred() {
        let mut table = Folded::default();
        table.add("UID", 1);
        table.add("uid", 2);
        assert_eq!(table.get("uid"), Some((true, &2)));
        assert_eq!(table.get("Uid"), Some((false, &1)));
        // These differ in the bit that folds case, and are no letters.
        table.add("[a]", 3);
        assert_eq!(table.get("{a}"), None);
    }
}
