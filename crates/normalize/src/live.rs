//! Which entries of a list may have anything to say about a record.
//!
//! Definitions ask for hundreds of things of which a record has twenty. What has no value as long as its
//! slots are empty is found by the slots that are filled, and the rest is never looked at. Records of
//! one kind fill the same slots, so the last answer is kept.

/// The entries of a list by the keys that wake them.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// How many entries there are.
    count: usize,
    /// Entries that need no key.
    always: Box<[u32]>,
    /// For each key where its entries begin in `woken`, and behind them where the last ones end.
    starts: Box<[u32]>,
    woken: Box<[u32]>,
}

/// The last keys that were asked about, with the answer.
#[derive(Debug, Default)]
pub(crate) struct Awake {
    keys: Vec<u64>,
    entries: Vec<u32>,
    set: Vec<u64>,
}

impl Awake {
    /// True when these keys were the last.
    pub(crate) fn knows(&self, keys: &[u64]) -> bool {
        self.keys == keys && !keys.is_empty()
    }
}

impl Live {
    /// `needs` says of each entry whether it needs no key, and adds the keys of which one is enough.
    pub(crate) fn new<T>(
        entries: impl IntoIterator<Item = T>,
        needs: impl Fn(T, &mut Vec<u16>) -> bool,
    ) -> Self {
        let (mut count, mut always, mut pairs) = (0, Vec::new(), Vec::new());
        for entry in entries {
            let mut keys = Vec::new();
            if needs(entry, &mut keys) {
                always.push(count);
            } else {
                pairs.extend(keys.into_iter().map(|key| (usize::from(key), count)));
            }
            count += 1;
        }
        pairs.sort_unstable();
        pairs.dedup();
        let keys = pairs.last().map_or(0, |(key, _)| key + 1);
        let start = |key| pairs.partition_point(|(k, _)| *k < key) as u32;
        Self {
            count: count as usize,
            always: always.into(),
            starts: (0..=keys).map(start).collect(),
            woken: pairs.iter().map(|(_, entry)| *entry).collect(),
        }
    }

    /// The entries that some keys wake, in order. The keys are the bits of some words.
    pub(crate) fn awake<'a>(&self, keys: &[u64], last: &'a mut Awake) -> &'a [u32] {
        if last.knows(keys) {
            return &last.entries;
        }
        last.keys.clear();
        last.keys.extend_from_slice(keys);
        last.set.clear();
        last.set.resize(self.count.div_ceil(64), 0);
        let of_keys = bits(keys).filter_map(|key| {
            let [from, to] = self.starts.get(key..key + 2)? else { return None };
            self.woken.get(*from as usize..*to as usize)
        });
        for entry in of_keys.flatten().chain(&self.always) {
            set(&mut last.set, *entry as usize);
        }
        last.entries.clear();
        last.entries.extend(bits(&last.set).map(|entry| entry as u32));
        &last.entries
    }
}

/// Sets a bit of some words; one that they do not have is left out.
pub(crate) fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

/// True when a bit of some words is set.
pub(crate) fn has(words: &[u64], bit: usize) -> bool {
    words.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

/// The bits that are set in some words, in order.
fn bits(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(at, word)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(at * 64 + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_wake_entries_in_order() {
        let needs = |keys: &[u16], out: &mut Vec<u16>| {
            out.extend(keys);
            keys.is_empty()
        };
        let entries: [&[u16]; 4] = [&[7, 3], &[], &[3, 3], &[70]];
        let live = Live::new(entries, needs);
        let mut last = Awake::default();
        let mut awake = |keys: &[usize]| {
            let mut words = [0; 2];
            keys.iter().for_each(|key| set(&mut words, *key));
            let first = live.awake(&words, &mut last).to_vec();
            assert_eq!(live.awake(&words, &mut last), first, "the second time");
            first
        };
        assert_eq!(awake(&[]), [1]);
        assert_eq!(awake(&[3]), [0, 1, 2]);
        assert_eq!(awake(&[0, 7, 70, 127]), [0, 1, 3]);
        assert_eq!(awake(&[3]), [0, 1, 2]);
    }
}
