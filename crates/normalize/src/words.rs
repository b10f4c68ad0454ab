//! Tables from the words of a record to something, blind to ASCII case.

use model::Value;

use crate::folded::Folded;
use crate::value::{Val, bare, text_int};

/// Looks up words, whole numbers and truth values without spelling them out.
#[derive(Debug)]
pub(crate) struct Table<T> {
    words: Folded<T>,
    /// What words that are numbers lead to, in order of number.
    ints: Vec<(i64, T)>,
    /// Words that end in `*`, longest first.
    prefixes: Vec<(Box<str>, T)>,
    /// Words that begin with `*`, longest first.
    suffixes: Vec<(Box<str>, T)>,
}

impl<T: Copy> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            words: Folded::default(),
            ints: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
        }
    }

    /// Adds a word; `name.*` stands for all that begin so, `*.name` for all that end so.
    /// False when it was there already.
    pub(crate) fn add(&mut self, word: &str, to: T) -> bool {
        let globs = match (word.strip_suffix('*'), word.strip_prefix('*')) {
            (Some(rest), _) if word.len() > 1 => Some((&mut self.prefixes, rest)),
            (None, Some(rest)) if word.len() > 1 => Some((&mut self.suffixes, rest)),
            _ => None,
        };
        if let Some((globs, rest)) = globs {
            if globs.iter().any(|(w, _)| w.eq_ignore_ascii_case(rest)) {
                return false;
            }
            globs.push((rest.into(), to));
            globs.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
            return true;
        }
        if self.exact(word).is_some() {
            return false;
        }
        self.words.add(word, to);
        if let Some(n) = text_int(word)
            && let Err(place) = self.ints.binary_search_by_key(&n, |(n, _)| *n)
        {
            self.ints.insert(place, (n, to));
        }
        true
    }

    /// The words that are no globs.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.names()
    }

    /// The numbers that words spell.
    pub(crate) fn ints(&self) -> impl Iterator<Item = i64> {
        self.ints.iter().map(|(n, _)| *n)
    }

    /// True when words of which it knows only a part may lead somewhere.
    pub(crate) fn has_globs(&self) -> bool {
        !self.prefixes.is_empty() || !self.suffixes.is_empty()
    }

    fn exact(&self, word: &str) -> Option<T> {
        self.words.get(word).map(|(_, to)| *to)
    }

    /// What a text leads to.
    pub(crate) fn text(&self, word: &str) -> Option<T> {
        self.exact(word)
            .or_else(|| {
                let found = self.prefixes.iter().find(|(p, _)| begins(word, p));
                found.map(|(_, to)| *to)
            })
            .or_else(|| {
                let found = self.suffixes.iter().find(|(s, _)| ends(word, s));
                found.map(|(_, to)| *to)
            })
    }

    /// What a value leads to; nothing for lists and maps.
    pub(crate) fn value(&self, value: &Value<'_>) -> Option<T> {
        match bare(value) {
            Value::Str(text) => self.text(text),
            Value::Bool(b) => self.text(if *b { "true" } else { "false" }),
            Value::Int(n) => self.int(*n),
            other => match other.as_i64() {
                Some(n) => self.int(n),
                None => self.text(&other.to_text()?),
            },
        }
    }

    /// What a whole number leads to.
    pub(crate) fn int(&self, n: i64) -> Option<T> {
        if let Ok(place) = self.ints.binary_search_by_key(&n, |(n, _)| *n) {
            return self.ints.get(place).map(|(_, to)| *to);
        }
        if self.has_globs() { self.text(&n.to_string()) } else { None }
    }

    /// What an expression's value leads to.
    pub(crate) fn val(&self, val: &Val<'_>) -> Option<T> {
        match val {
            Val::Ref(value) => self.value(value),
            Val::Owned(value) => self.value(value),
            Val::Text(text) => self.text(text),
            Val::Int(n) => self.int(*n),
            Val::Bool(b) => self.text(if *b { "true" } else { "false" }),
            Val::Time(_) | Val::None => None,
        }
    }
}

/// True when a text begins so, in any ASCII case.
pub(crate) fn begins(text: &str, prefix: &str) -> bool {
    text.as_bytes().get(..prefix.len()).is_some_and(|t| t.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// True when a text ends so, in any ASCII case.
pub(crate) fn ends(text: &str, suffix: &str) -> bool {
    let from = text.len().checked_sub(suffix.len());
    from.and_then(|from| text.as_bytes().get(from..))
        .is_some_and(|t| t.eq_ignore_ascii_case(suffix.as_bytes()))
}

/// True when a text holds a needle, in any ASCII case. The needle is in lower case.
pub(crate) fn holds(text: &str, needle: &str) -> bool {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let Some(first) = needle.first() else { return true };
    let (low, high) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(low, high, text)
        .any(|at| text.get(at..at + needle.len()).is_some_and(|t| t.eq_ignore_ascii_case(needle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_blind_to_case() {
        let mut table = Table::new();
        assert!(table.add("Success", 1) && table.add("4624", 2) && table.add("user.*", 3));
        assert!(table.add("user.session.start", 4) && table.add("*.delete", 5));
        assert!(!table.add("SUCCESS", 9));
        assert_eq!(table.text("SUCCESS"), Some(1));
        assert_eq!(table.value(&Value::Int(4624)), Some(2));
        assert_eq!(table.value(&Value::Str("4624".into())), Some(2));
        assert_eq!(table.text("User.x"), Some(3));
        assert_eq!(table.text("user.session.start"), Some(4));
        assert_eq!(table.text("é.delete"), Some(5));
        assert_eq!(table.text("é"), None);
        assert!(holds("a FROM b", "from") && !holds("a", "from") && holds("a", ""));
    }
}
