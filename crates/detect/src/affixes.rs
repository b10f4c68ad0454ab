//! Which of many texts a value begins (or, read backwards, ends) with, in any ASCII case.

/// Prefixes, sorted, each knowing the longest other one that it begins with. The last entry not
/// after a value begins with every prefix of the value, so one binary search and a walk up finds
/// all of them.
#[derive(Debug)]
pub(crate) struct Affixes<T> {
    entries: Vec<Entry<T>>,
    backwards: bool,
}

#[derive(Debug)]
struct Entry<T> {
    text: Box<[u8]>,
    stands_for: Box<[T]>,
    /// The longest other entry that this one begins with.
    shorter: Option<u32>,
}

impl<T> Affixes<T> {
    /// Takes distinct texts, lower-cased; as suffixes when `backwards`.
    pub(crate) fn new(texts: Vec<(Box<str>, Box<[T]>)>, backwards: bool) -> Self {
        let mut entries: Vec<Entry<T>> = texts
            .into_iter()
            .map(|(text, stands_for)| {
                let mut text = text.into_boxed_bytes();
                if backwards {
                    text.reverse();
                }
                Entry { text, stands_for, shorter: None }
            })
            .collect();
        entries.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        let mut open: Vec<(u32, Box<[u8]>)> = Vec::new();
        for (at, entry) in entries.iter_mut().enumerate() {
            while open.pop_if(|(_, text)| !entry.text.starts_with(text)).is_some() {}
            entry.shorter = open.last().map(|(at, _)| *at);
            open.push((at as u32, entry.text.clone()));
        }
        Self { entries, backwards }
    }

    /// True when there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Says every affix of the text.
    pub(crate) fn find(&self, text: &[u8], found: &mut impl FnMut(&T)) {
        if self.entries.is_empty() {
            return;
        }
        let after = self.entries.partition_point(|entry| {
            let known = entry.text.iter().copied();
            if self.backwards {
                known.le(text.iter().rev().map(u8::to_ascii_lowercase))
            } else {
                known.le(text.iter().map(u8::to_ascii_lowercase))
            }
        });
        let mut next = after.checked_sub(1);
        let mut sure = false;
        while let Some(entry) = next.and_then(|at| self.entries.get(at)) {
            sure = sure || self.fits(&entry.text, text);
            if sure {
                entry.stands_for.iter().for_each(&mut *found);
            }
            next = entry.shorter.map(|at| at as usize);
        }
    }

    fn fits(&self, affix: &[u8], text: &[u8]) -> bool {
        if affix.len() > text.len() {
            return false;
        }
        if self.backwards {
            text.iter().rev().zip(affix).all(|(byte, known)| byte.eq_ignore_ascii_case(known))
        } else {
            text.get(..affix.len()).is_some_and(|head| head.eq_ignore_ascii_case(affix))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_search(
            texts in prop::collection::btree_set("[ab]{0,4}", 0..20),
            text in "[abcABC]{0,6}",
            backwards: bool,
        ) {
            let list = texts.iter().map(|t| (t.as_str().into(), [t.clone()].into())).collect();
            let affixes = Affixes::new(list, backwards);
            let mut found = Vec::new();
            affixes.find(text.as_bytes(), &mut |affix: &String| found.push(affix.clone()));
            found.sort();
            let text = text.to_lowercase();
            let fits = |t: &&String| {
                if backwards { text.ends_with(t.as_str()) } else { text.starts_with(t.as_str()) }
            };
            let wanted: Vec<String> = texts.iter().filter(fits).cloned().collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
