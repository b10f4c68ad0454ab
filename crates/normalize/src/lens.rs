//! One pass over a record fills a slot for each path that a definition mentions.
//!
//! The paths of a definition share a trie. The record is walked once along it, so that reading a
//! field later is an index into an array, and what no path names is never looked at.
//!
//! Names are compared blind to ASCII case: a warehouse or a forwarder that folds them is so common
//! that a definition should not have to say it twice. The exact spelling is preferred.

use std::collections::HashMap;
use std::hash::Hasher;

use model::Value;

use crate::syntax::Step;

/// What a path found, and how good a find it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slot<'r> {
    pub(crate) got: Got<'r>,
    /// The place that it was found in, in the order of places; an exact name before a folded one.
    rank: u16,
}

/// Something found. Captures of message patterns are texts inside a value.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Got<'r> {
    #[default]
    Nothing,
    Value(&'r Value<'r>),
    Text(&'r str),
}

/// A set of paths, compiled.
#[derive(Debug, Default)]
pub(crate) struct Lens {
    nodes: Vec<Node>,
    slots: u16,
    /// Which slot a path has, by all the places in which it is looked for.
    known: HashMap<Vec<Vec<Step>>, u16>,
    /// Texts that mean that there is no value.
    absent: Box<[Box<str>]>,
}

#[derive(Debug, Default)]
struct Node {
    keys: Keys,
    any: Option<u32>,
    /// The slots that this path fills, each with its rank.
    slots: Vec<(u16, u16)>,
}

/// More slots than this in one definition are refused by the compiler.
pub(crate) const MAX_SLOTS: u16 = 4096;
/// And more steps than this, a step for each place that a path is looked for in.
const MAX_NODES: usize = 200_000;

impl Lens {
    pub(crate) fn new(absent: Vec<Box<str>>) -> Self {
        let nodes = vec![Node::default()];
        Self { nodes, slots: 0, known: HashMap::new(), absent: absent.into() }
    }

    /// How many slots a record fills.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.slots)
    }

    /// True when there are more paths than a definition may have.
    pub(crate) fn is_full(&self) -> bool {
        self.slots > MAX_SLOTS || self.nodes.len() > MAX_NODES
    }

    /// A slot that only captures fill.
    pub(crate) fn loose(&mut self) -> u16 {
        let slot = self.slots;
        self.slots = self.slots.saturating_add(1);
        slot
    }

    /// The slot of a path that is looked for in several places, best first.
    pub(crate) fn slot(&mut self, places: &[Vec<Step>], path: &[Step]) -> u16 {
        // A path that begins with one of the places is meant from the record itself.
        let whole = places.iter().any(|place| !place.is_empty() && path.starts_with(place));
        let full: Vec<Vec<Step>> = if whole {
            vec![path.to_vec()]
        } else {
            places.iter().map(|place| place.iter().chain(path).cloned().collect()).collect()
        };
        if let Some(slot) = self.known.get(&full) {
            return *slot;
        }
        let slot = self.loose();
        for (rank, path) in full.iter().enumerate() {
            if let Some(node) = self.node(path) {
                node.slots.push((slot, rank as u16));
            }
        }
        self.known.insert(full, slot);
        slot
    }

    /// The node of a path, made where it is not there.
    fn node(&mut self, path: &[Step]) -> Option<&mut Node> {
        let mut at = 0usize;
        for step in path {
            let next = u32::try_from(self.nodes.len()).ok()?;
            let node = self.nodes.get_mut(at)?;
            let child = match step {
                Step::Key(key) => node.keys.insert(key, next),
                _ => *node.any.get_or_insert(next),
            };
            if child == next {
                self.nodes.push(Node::default());
            }
            at = child as usize;
        }
        self.nodes.get_mut(at)
    }

    /// Walks the record. The best place of a path wins, and there the first value; empty ones leave
    /// room for another.
    pub(crate) fn fill<'r>(&self, record: &'r Value<'r>, slots: &mut [Slot<'r>]) {
        if let Some(root) = self.nodes.first() {
            self.visit(root, record, true, slots);
        }
    }

    fn visit<'r>(&self, node: &Node, value: &'r Value<'r>, exact: bool, slots: &mut [Slot<'r>]) {
        if !node.slots.is_empty() && !self.is_absent(value) {
            for (slot, rank) in &node.slots {
                let rank = rank * 2 + u16::from(!exact);
                if let Some(slot) = slots.get_mut(usize::from(*slot))
                    && (matches!(slot.got, Got::Nothing) || rank < slot.rank)
                {
                    *slot = Slot { got: Got::Value(value), rank };
                }
            }
        }
        let Value::Map(entries) = value else { return };
        if node.keys.is_empty() && node.any.is_none() {
            return;
        }
        for (key, member) in entries {
            if let Some(any) = node.any.and_then(|n| self.nodes.get(n as usize)) {
                self.visit(any, member, exact, slots);
            }
            if let Some((same, child)) = node.keys.get(key) {
                if let Some(child) = self.nodes.get(child as usize) {
                    self.visit(child, member, exact && same, slots);
                }
            } else if memchr::memchr(b'.', key.as_bytes()).is_some() {
                self.dotted(node, key, member, exact, slots);
            }
        }
    }

    /// A key that itself holds dots (`id.orig_h`) is the path that it spells.
    fn dotted<'r>(
        &self,
        node: &Node,
        key: &str,
        value: &'r Value<'r>,
        exact: bool,
        slots: &mut [Slot<'r>],
    ) {
        let (mut node, mut exact) = (node, exact);
        for (count, part) in key.split('.').enumerate() {
            let next = node.keys.get(part).and_then(|(same, n)| {
                exact &= same;
                self.nodes.get(n as usize)
            });
            match next {
                Some(child) if count < 16 => node = child,
                _ => return,
            }
        }
        self.visit(node, value, exact, slots);
    }

    /// True for null and for the texts that the definition calls no value.
    pub(crate) fn is_absent(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Null => true,
            Value::Str(text) => self.is_absent_text(text),
            _ => false,
        }
    }

    /// As [`Lens::is_absent`], of a text.
    pub(crate) fn is_absent_text(&self, text: &str) -> bool {
        text.len() < 32 && self.absent.iter().any(|word| **word == *text)
    }
}

/// Names of one node of the trie, found blind to ASCII case: an open table by a hash of the folded
/// name. The names come from definitions and never from evidence, so evidence cannot crowd it.
#[derive(Debug, Default)]
struct Keys {
    /// A power of two of places, each the number of an entry and one more; 0 is free.
    places: Vec<u32>,
    entries: Vec<(u64, Box<str>, u32)>,
    /// Lengths of the names, as bits: most foreign names are told by their length alone.
    lengths: u64,
}

impl Keys {
    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The node of a name and whether it is spelled so: the exact spelling where there is one, else
    /// the first in another case.
    fn get(&self, key: &str) -> Option<(bool, u32)> {
        if self.lengths & (1 << (key.len() & 63)) == 0 {
            return None;
        }
        let hash = hash_folded(key);
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        let mut folded = None;
        while let Some(entry) = self.places.get(at).and_then(|place| place.checked_sub(1)) {
            let (found, name, node) = self.entries.get(entry as usize)?;
            if *found == hash && **name == *key {
                return Some((true, *node));
            }
            if folded.is_none() && *found == hash && name.eq_ignore_ascii_case(key) {
                folded = Some((false, *node));
            }
            at = (at + 1) & mask;
        }
        folded
    }

    /// The node of a name, which is `fresh` when the name is new. Names that a definition spells in
    /// two ways are two: auditd has `uid`, a number, and `UID`, a name.
    fn insert(&mut self, key: &str, fresh: u32) -> u32 {
        if let Some((true, node)) = self.get(key) {
            return node;
        }
        self.lengths |= 1 << (key.len() & 63);
        self.entries.push((hash_folded(key), key.into(), fresh));
        // At most a third full, so that a foreign name meets a free place soon.
        let size = (self.entries.len() * 3).next_power_of_two();
        self.places = vec![0; size];
        for (number, (hash, ..)) in self.entries.iter().enumerate() {
            let mut at = *hash as usize & (size - 1);
            while self.places.get(at).is_some_and(|place| *place != 0) {
                at = (at + 1) & (size - 1);
            }
            if let Some(place) = self.places.get_mut(at) {
                *place = number as u32 + 1;
            }
        }
        fresh
    }
}

/// A hash of a text, blind to ASCII case: a bit that tells the cases apart is set in every byte,
/// which also makes a few signs alike. Eight bytes at a time; the last eight may overlap.
pub(crate) fn hash_folded(text: &str) -> u64 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    let bytes = text.as_bytes();
    let mut mix = Mix(bytes.len() as u64);
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        for word in words {
            mix.mix(u64::from_le_bytes(*word) | FOLD);
        }
        mix.mix(u64::from_le_bytes(*last) | FOLD);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        mix.mix((u64::from(first) << 32 | u64::from(last)) | FOLD);
    } else if let [first, .., last] = bytes {
        let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(0);
        mix.mix((u64::from(*first) << 16 | u64::from(middle) << 8 | u64::from(*last)) | FOLD);
    } else if let [only] = bytes {
        mix.mix(u64::from(*only) | FOLD);
    }
    mix.0
}

/// A small multiplicative hash, for tables whose keys come from definitions.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.mix(n);
    }

    fn write_i64(&mut self, n: i64) {
        self.mix(n as u64);
    }
}

impl Mix {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
    }
}

/// Follows steps from a value; `Each` is left to the caller.
pub(crate) fn follow<'r>(value: &'r Value<'r>, step: &Step) -> Option<&'r Value<'r>> {
    match step {
        Step::Key(key) => value.path(key).or_else(|| value.get_ignore_case(key)),
        Step::Any => match value {
            Value::Map(entries) => entries.first().map(|(_, v)| v),
            _ => None,
        },
        Step::At(position) => {
            // A lone value is a list of one: many sources write it so.
            let Value::List(list) = value else {
                return matches!(position, 0 | -1).then_some(value);
            };
            let index = usize::try_from(*position).ok().or_else(|| {
                list.len().checked_sub(usize::try_from(position.unsigned_abs()).ok()?)
            })?;
            list.get(index)
        }
        Step::Where(key, word) => {
            let is = |v: &&'r Value<'r>| {
                v.path(key)
                    .or_else(|| v.get_ignore_case(key))
                    .and_then(Value::to_text)
                    .is_some_and(|t| t.eq_ignore_ascii_case(word))
            };
            match value {
                Value::List(list) => list.iter().find(is),
                Value::Map(_) => Some(value).filter(is),
                _ => None,
            }
        }
        Step::Each => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.into())
    }

    #[test]
    fn names_are_blind_to_case_and_the_exact_one_wins() {
        let mut lens = Lens::new(vec!["".into(), "-".into()]);
        let here = vec![Vec::new()];
        let user = lens.slot(&here, &[key("actor"), key("userName")]);
        assert_eq!(lens.slot(&here, &[key("actor"), key("userName")]), user);
        let host = lens.slot(&here, &[key("id"), key("host")]);
        let any = lens.slot(&here, &[key("data"), Step::Any, key("x")]);
        let places = vec![vec![key("inner")], Vec::new()];
        let deep = lens.slot(&places, &[key("name")]);
        let number = lens.slot(&here, &[key("uid")]);
        let name = lens.slot(&here, &[key("UID")]);
        let found = |json: serde_json::Value, slot: u16| {
            let value = Value::from_json(json);
            let mut slots = vec![Slot::default(); lens.len()];
            lens.fill(&value, &mut slots);
            match slots.get(usize::from(slot)).map(|s| s.got) {
                Some(Got::Value(v)) => v.to_text().map(std::borrow::Cow::into_owned),
                _ => None,
            }
            .unwrap_or_default()
        };
        let both = serde_json::json!({"UID": "root", "uid": 0});
        assert_eq!((found(both.clone(), number), found(both, name)), ("0".into(), "root".into()));
        assert_eq!(found(serde_json::json!({"uid": 0}), name), "");
        assert_eq!(found(serde_json::json!({"Uid": 0}), number), "0");
        let json = serde_json::json!({"ACTOR": {"username": "a"}, "actor": {"userName": "b"}});
        assert_eq!(found(json, user), "b");
        let json = serde_json::json!({"actor": {"userName": "-"}, "ACTOR": {"username": "a"}});
        assert_eq!(found(json, user), "a");
        assert_eq!(found(serde_json::json!({"ID.Host": "h", "id": {"host": 1}}), host), "1");
        assert_eq!(found(serde_json::json!({"id.host": "h", "id": {"host": 1}}), host), "h");
        assert_eq!(found(serde_json::json!({"data": {"q": {"x": 5}}}), any), "5");
        let json = serde_json::json!({"name": "outer", "inner": {"NAME": "inner"}});
        assert_eq!(found(json, deep), "inner");
        assert_eq!(
            found(serde_json::json!({"name": "outer", "inner": {"name": ""}}), deep),
            "outer"
        );
    }
}
