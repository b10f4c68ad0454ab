//! The names in maps, remembered from record to record.
//!
//! Records of one kind have the same names in the same order. A sequence of names that came twice is
//! learnt as a layout; from then on, where something stands in such a map is known by its place, and
//! all that is left to do is to see that the names are those. What is remembered changes nothing but
//! the time that it takes, and is bounded: evidence may bring a new sequence with every record.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use model::Value;

use crate::folded::Print;

/// The members of a map.
pub(crate) type Entries<'r> = [(Cow<'r, str>, Value<'r>)];

/// Number of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayoutId(pub(crate) u32);

/// Maps of more members than this are not learnt.
const MOST_NAMES: usize = 256;
/// When there are so many layouts, or so many bytes of names, all are forgotten.
const MOST_LAYOUTS: usize = 1024;
const MOST_BYTES: usize = 1 << 20;
/// Sequences that came once and are waited for.
const WAITING: usize = 256;

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is known of layouts.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    known: Vec<Layout>,
    by_hash: HashMap<u64, LayoutId, BuildHasherDefault<Hashed>>,
    bytes: usize,
    /// Hashes of sequences that came once.
    waiting: Vec<u64>,
    /// Where the maps of the present record lie in memory, with what they were found to be.
    seen: Vec<(usize, Option<LayoutId>)>,
    /// How often all was forgotten.
    generation: u32,
}

#[derive(Debug)]
struct Layout {
    /// All names, one after the other, and where each ends.
    names: Vec<u8>,
    ends: Box<[u32]>,
}

impl Layout {
    fn is_of(&self, entries: &Entries<'_>) -> bool {
        let mut at = 0;
        entries.len() == self.ends.len()
            && entries.iter().zip(&self.ends).all(|((name, _), end)| {
                let own = self.names.get(at..*end as usize);
                at = *end as usize;
                own == Some(name.as_bytes())
            })
    }
}

impl Layouts {
    /// Begins a record. The number that comes back grows when all layouts were forgotten.
    pub(crate) fn begin(&mut self) -> u32 {
        self.seen.clear();
        if self.known.len() >= MOST_LAYOUTS || self.bytes >= MOST_BYTES {
            *self = Self { generation: self.generation.wrapping_add(1), ..Self::default() };
        }
        self.generation
    }

    /// The layout of a map, when it has one. `guess` is looked at first.
    pub(crate) fn of(
        &mut self,
        entries: &Entries<'_>,
        guess: Option<LayoutId>,
    ) -> Option<LayoutId> {
        let address = entries.as_ptr().addr();
        if let Some((_, found)) = self.seen.iter().find(|(seen, _)| *seen == address) {
            return *found;
        }
        let found = guess.filter(|id| self.is(*id, entries)).or_else(|| self.find(entries));
        self.seen.push((address, found));
        found
    }

    fn is(&self, id: LayoutId, entries: &Entries<'_>) -> bool {
        self.known.get(id.0 as usize).is_some_and(|layout| layout.is_of(entries))
    }

    fn find(&mut self, entries: &Entries<'_>) -> Option<LayoutId> {
        if entries.len() > MOST_NAMES {
            return None;
        }
        let hash = entries.iter().fold(entries.len() as u64, |hash, (name, _)| {
            (hash.rotate_left(7) ^ Print::of(name).hash()).wrapping_mul(MIX)
        });
        if let Some(id) = self.by_hash.get(&hash) {
            return Some(*id).filter(|id| self.is(*id, entries));
        }
        if self.waiting.is_empty() {
            self.waiting.resize(WAITING, 0);
        }
        let waiting = self.waiting.get_mut((hash >> 32) as usize % WAITING)?;
        if std::mem::replace(waiting, hash) != hash || self.known.len() >= MOST_LAYOUTS {
            return None;
        }
        let mut names = Vec::new();
        let end = |(name, _): &(Cow<'_, str>, Value<'_>)| {
            names.extend_from_slice(name.as_bytes());
            names.len() as u32
        };
        let ends: Box<[u32]> = entries.iter().map(end).collect();
        self.bytes += names.len() + ends.len() * size_of::<u32>();
        let id = LayoutId(self.known.len() as u32);
        self.known.push(Layout { names, ends });
        self.by_hash.insert(hash, id);
        Some(id)
    }
}

/// Keys that are hashes already.
#[derive(Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(MIX);
        self.0 ^= self.0 >> 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(names: &[&str]) -> Vec<(Cow<'static, str>, Value<'static>)> {
        names.iter().map(|name| (Cow::Owned((*name).to_owned()), Value::Null)).collect()
    }

    #[test]
    fn what_came_twice_is_known() {
        let mut layouts = Layouts::default();
        let mut of = |names: &[&str], guess| {
            layouts.begin();
            layouts.of(&map(names), guess)
        };
        assert_eq!(of(&["a", "bc"], None), None);
        let first = of(&["a", "bc"], None);
        assert!(first.is_some());
        assert_eq!(of(&["a", "bc"], first), first);
        // The same letters, cut in another way; a part; more; another order.
        for other in [&["ab", "c"][..], &["a"], &["a", "bc", "d"], &["bc", "a"], &["A", "bc"]] {
            assert_eq!(of(other, first), None, "{other:?}");
            let second = of(other, first);
            assert!(second.is_some() && second != first, "{other:?}");
        }
        assert_eq!(of(&["a", "bc"], None), first);
    }

    #[test]
    fn memory_is_bounded() {
        let mut layouts = Layouts::default();
        let mut most = 0;
        for number in 0..3 * MOST_LAYOUTS {
            for _ in 0..2 {
                layouts.begin();
                layouts.of(&map(&[&format!("name {number}")]), None);
            }
            most = most.max(layouts.known.len());
        }
        assert_eq!((most, layouts.generation), (MOST_LAYOUTS, 2));
        let many: Vec<String> = (0..=MOST_NAMES).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut of = || {
            layouts.begin();
            layouts.of(&map(&many), None)
        };
        assert_eq!((of(), of()), (None, None));
    }
}
