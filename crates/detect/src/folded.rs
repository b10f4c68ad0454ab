//! A table whose keys match in any ASCII case, asked without lower-casing what is asked.

/// Keys in families, so that one table serves many small ones.
#[derive(Debug)]
pub(crate) struct Folded<T> {
    /// Open addressing: number of an entry plus one, or nothing.
    slots: Vec<u32>,
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    family: u32,
    /// Lower-cased.
    key: Box<str>,
    value: T,
}

impl<T> Folded<T> {
    /// Takes distinct keys, lower-cased, with their families.
    pub(crate) fn new(entries: impl IntoIterator<Item = (u32, Box<str>, T)>) -> Self {
        let entries: Vec<Entry<T>> =
            entries.into_iter().map(|(family, key, value)| Entry { family, key, value }).collect();
        let mut slots = vec![0_u32; (entries.len() * 4).next_power_of_two().max(4)];
        let mask = slots.len() - 1;
        for (number, entry) in entries.iter().enumerate() {
            let mut at = hash(entry.family, &entry.key) as usize & mask;
            while slots.get(at).is_some_and(|slot| *slot != 0) {
                at = (at + 1) & mask;
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = number as u32 + 1;
            }
        }
        Self { slots, entries }
    }

    /// True when it has no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key, given in any ASCII case.
    pub(crate) fn get(&self, family: u32, key: &str) -> Option<&T> {
        let mask = self.slots.len() - 1;
        let mut at = hash(family, key) as usize & mask;
        loop {
            let number = self.slots.get(at).copied().unwrap_or(0).checked_sub(1)?;
            let entry = self.entries.get(number as usize)?;
            if entry.family == family && entry.key.eq_ignore_ascii_case(key) {
                return Some(&entry.value);
            }
            at = (at + 1) & mask;
        }
    }
}

/// Folds ASCII case away by setting the bit in which it differs; other bytes that this makes
/// equal are told apart by the comparison that follows.
fn hash(family: u32, key: &str) -> u64 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = (u64::from(family) ^ key.len() as u64).wrapping_mul(MIX);
    let (whole, rest) = key.as_bytes().as_chunks::<8>();
    for chunk in whole {
        hash = (hash.rotate_left(23) ^ (u64::from_le_bytes(*chunk) | FOLD)).wrapping_mul(MIX);
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    hash = (hash.rotate_left(23) ^ (u64::from_le_bytes(last) | FOLD)).wrapping_mul(MIX);
    hash >> 32 ^ hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_case_finds_and_nothing_else_does() {
        let keys = ["", "image", "@", "`", "[", "{", "command line of some length"];
        let table = Folded::new(keys.iter().enumerate().map(|(n, key)| (7, (*key).into(), n)));
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(table.get(7, &key.to_uppercase()), Some(&number), "{key}");
            assert_eq!(table.get(8, key), None);
        }
        assert_eq!(table.get(7, "imagf"), None);
        assert!(!table.is_empty());
    }
}
