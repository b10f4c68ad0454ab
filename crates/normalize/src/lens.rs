//! One pass over a record fills a slot for each path that a definition mentions.
//!
//! The paths of a definition share a trie. The record is walked once along it, so that reading a
//! field later is an index into an array, and what no path names is never looked at.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use model::Value;

use crate::syntax::Step;

/// What a path found. Captures of message patterns are texts inside a value.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Slot<'r> {
    #[default]
    Empty,
    Value(&'r Value<'r>),
    Text(&'r str),
}

/// A set of paths, compiled.
#[derive(Debug, Default)]
pub(crate) struct Lens {
    nodes: Vec<Node>,
    slots: u16,
    /// Texts that mean that there is no value.
    absent: Box<[Box<str>]>,
}

#[derive(Debug, Default)]
struct Node {
    keys: HashMap<Box<str>, u32, BuildHasherDefault<Mix>>,
    any: Option<u32>,
    slot: Option<u16>,
    /// Lengths of the keys, as bits: most foreign keys are told by their length alone.
    lengths: u64,
}

/// More slots than this in one definition are refused by the compiler.
pub(crate) const MAX_SLOTS: u16 = 8192;

impl Lens {
    pub(crate) fn new(absent: Vec<Box<str>>) -> Self {
        Self { nodes: vec![Node::default()], slots: 0, absent: absent.into() }
    }

    /// How many slots a record fills.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.slots)
    }

    /// A slot that only captures fill.
    pub(crate) fn loose(&mut self) -> u16 {
        let slot = self.slots;
        self.slots = self.slots.saturating_add(1);
        slot
    }

    /// The slot of a path of keys; equal paths share one.
    pub(crate) fn slot(&mut self, path: &[Step]) -> u16 {
        let mut at = 0usize;
        for step in path {
            let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let Some(node) = self.nodes.get_mut(at) else { break };
            let child = match step {
                Step::Key(key) => {
                    node.lengths |= 1 << (key.len() & 63);
                    *node.keys.entry(key.clone()).or_insert(next)
                }
                _ => *node.any.get_or_insert(next),
            };
            if child == next {
                self.nodes.push(Node::default());
            }
            at = child as usize;
        }
        let fresh = self.slots;
        match self.nodes.get_mut(at) {
            Some(node) => {
                if let Some(slot) = node.slot {
                    slot
                } else {
                    node.slot = Some(fresh);
                    self.slots = self.slots.saturating_add(1);
                    fresh
                }
            }
            None => fresh,
        }
    }

    /// Walks the record. The first value of a path wins; empty ones leave room for a later one.
    pub(crate) fn fill<'r>(&self, record: &'r Value<'r>, slots: &mut [Slot<'r>]) {
        if let Some(root) = self.nodes.first() {
            self.visit(root, record, slots);
        }
    }

    fn visit<'r>(&self, node: &Node, value: &'r Value<'r>, slots: &mut [Slot<'r>]) {
        if let Some(slot) = node.slot
            && let Some(place @ Slot::Empty) = slots.get_mut(usize::from(slot))
            && !self.is_absent(value)
        {
            *place = Slot::Value(value);
        }
        let Value::Map(entries) = value else { return };
        if node.keys.is_empty() && node.any.is_none() {
            return;
        }
        for (key, member) in entries {
            if let Some(any) = node.any.and_then(|n| self.nodes.get(n as usize)) {
                self.visit(any, member, slots);
            }
            if node.lengths & (1 << (key.len() & 63)) != 0
                && let Some(child) = node.keys.get(&**key).and_then(|n| self.nodes.get(*n as usize))
            {
                self.visit(child, member, slots);
            }
            if memchr::memchr(b'.', key.as_bytes()).is_some() {
                self.dotted(node, key, member, slots);
            }
        }
    }

    /// A key that itself holds dots (`id.orig_h`) is the path that it spells.
    fn dotted<'r>(&self, node: &Node, key: &str, value: &'r Value<'r>, slots: &mut [Slot<'r>]) {
        let mut node = node;
        for (count, part) in key.split('.').enumerate() {
            if count > 16 {
                return;
            }
            match node.keys.get(part).and_then(|n| self.nodes.get(*n as usize)) {
                Some(child) => node = child,
                None => return,
            }
        }
        self.visit(node, value, slots);
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

/// A small multiplicative hash. The keys of the table come from definitions, never from evidence,
/// so evidence cannot make it collide with more than one lookup.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.mix(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
    }

    fn write_u8(&mut self, _: u8) {}

    fn write_u64(&mut self, n: u64) {
        self.mix(n);
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
        Step::Key(key) => value.path(key),
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
                v.path(key).and_then(Value::to_text).is_some_and(|t| t.eq_ignore_ascii_case(word))
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
