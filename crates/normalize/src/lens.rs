//! One pass over a record fills a slot for each path that a definition mentions.
//!
//! The paths of a definition share a trie. The record is walked once along it, so that reading a
//! field later is an index into an array, and what no path names is never looked at. Where the names
//! of a map are of a known layout, the way through it is known, too: a [`Trail`].
//!
//! Names are compared blind to ASCII case: a warehouse or a forwarder that folds them is so common
//! that a definition should not have to say it twice. The exact spelling is preferred.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;

use model::Value;

use crate::folded::Folded;
use crate::layout::{Entries, Hashed, LayoutId, Layouts};
use crate::slots::{Got, Slots};
use crate::syntax::Step;

/// A set of paths, compiled.
#[derive(Debug, Default)]
pub(crate) struct Lens {
    nodes: Vec<Node>,
    slots: u16,
    /// Which slot a path has, by all the places in which it is looked for.
    known: HashMap<Vec<Vec<Step>>, u16>,
    /// Texts that mean that there is no value.
    absent: Box<[Box<str>]>,
    /// Their lengths, as bits.
    absent_lengths: u32,
}

#[derive(Debug, Default)]
struct Node {
    keys: Folded<u32>,
    any: Option<u32>,
    /// The slots that this path fills, each with its rank.
    slots: Vec<(u16, u16)>,
}

impl Node {
    fn leads(&self) -> bool {
        self.any.is_some() || !self.keys.is_empty()
    }
}

/// The ways through maps of known layouts, of one lens.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The layouts that it was made for.
    generation: u32,
    /// For each node, the way that was taken last.
    last: Vec<Option<(LayoutId, Range<u32>)>>,
    /// By node and layout.
    ways: HashMap<u64, Range<u32>, BuildHasherDefault<Hashed>>,
    turns: Vec<Turn>,
    /// Slots of the turns, each with its rank.
    slots: Vec<(u16, u16)>,
}

/// A member of a map that is worth a look.
#[derive(Debug, Clone)]
struct Turn {
    /// Its place in the map.
    place: u16,
    /// Whether its name is spelled as in the path.
    exact: bool,
    /// Whether paths go on from it.
    leads: bool,
    node: u32,
    /// In the trail's slots.
    slots: Range<u32>,
}

/// More slots than this in one definition are refused by the compiler.
pub(crate) const MAX_SLOTS: u16 = 4096;
/// And more steps than this, a step for each place that a path is looked for in.
const MAX_NODES: usize = 200_000;

impl Lens {
    pub(crate) fn new(absent: Vec<Box<str>>) -> Self {
        // A text of 32 bytes and more is always a value.
        let bit = |text: &str| u32::try_from(text.len()).ok().and_then(|n| 1u32.checked_shl(n));
        let absent_lengths =
            absent.iter().filter_map(|text| bit(text)).fold(0, |all, bit| all | bit);
        Self {
            nodes: vec![Node::default()],
            absent: absent.into(),
            absent_lengths,
            ..Self::default()
        }
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
                // Names that a definition spells in two ways are two: auditd has `uid`, a number, and
                // `UID`, a name.
                Step::Key(key) => match node.keys.get(key) {
                    Some((true, known)) => *known,
                    _ => {
                        node.keys.add(key, next);
                        next
                    }
                },
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
    /// room for another. The slots take the memory of old ones.
    pub(crate) fn fill<'r>(
        &self,
        record: &'r Value<'r>,
        known: Option<(&mut Layouts, &mut Trail)>,
        old: Slots<'_>,
    ) -> Slots<'r> {
        let slots = Slots::reuse(old, usize::from(self.slots));
        let mut walk = Walk { lens: self, known, slots };
        walk.visit(0, record, true);
        walk.slots
    }

    /// Says the nodes to which a member's name leads from a node, and whether it is spelled so. A name
    /// that itself holds dots (`id.orig_h`) is the path that it spells.
    #[inline]
    fn turns(&self, node: &Node, name: &str, mut say: impl FnMut(u32, bool)) {
        if let Some(any) = node.any {
            say(any, true);
        }
        if let Some((exact, child)) = node.keys.get(name) {
            say(*child, exact);
        } else if memchr::memchr(b'.', name.as_bytes()).is_some()
            && let Some((child, exact)) = self.dotted(node, name)
        {
            say(child, exact);
        }
    }

    fn dotted<'l>(&'l self, mut node: &'l Node, name: &str) -> Option<(u32, bool)> {
        let mut found = None;
        for (count, part) in name.split('.').enumerate() {
            let (same, next) = node.keys.get(part).filter(|_| count < 16)?;
            node = self.nodes.get(*next as usize)?;
            found = Some((*next, found.is_none_or(|(_, exact)| exact) && same));
        }
        found
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
        text.len() < 32
            && self.absent_lengths >> text.len() & 1 == 1
            && self.absent.iter().any(|word| **word == *text)
    }
}

/// A walk over one record.
struct Walk<'w, 'r> {
    lens: &'w Lens,
    known: Option<(&'w mut Layouts, &'w mut Trail)>,
    slots: Slots<'r>,
}

impl<'r> Walk<'_, 'r> {
    fn visit(&mut self, at: u32, value: &'r Value<'r>, exact: bool) {
        let Some(node) = self.lens.nodes.get(at as usize) else { return };
        if !node.slots.is_empty() && !self.lens.is_absent(value) {
            offer(&mut self.slots, &node.slots, value, exact);
        }
        if let Value::Map(entries) = value
            && node.leads()
        {
            self.enter(at, entries, exact);
        }
    }

    fn enter(&mut self, at: u32, entries: &'r Entries<'r>, exact: bool) {
        let lens = self.lens;
        let Some(node) = lens.nodes.get(at as usize).filter(|_| !entries.is_empty()) else {
            return;
        };
        let Some(way) = self.way(at, node, entries) else {
            for (name, member) in entries {
                lens.turns(node, name, |node, same| self.visit(node, member, exact && same));
            }
            return;
        };
        for turn in way {
            let Some((_, trail)) = &self.known else { return };
            let Some(turn) = trail.turns.get(turn as usize) else { return };
            let Some((_, member)) = entries.get(usize::from(turn.place)) else { return };
            let exact = exact && turn.exact;
            let slots = trail.slots.get(turn.slots.start as usize..turn.slots.end as usize);
            let slots = slots.unwrap_or_default();
            if !slots.is_empty() && !lens.is_absent(member) {
                offer(&mut self.slots, slots, member, exact);
            }
            if let Value::Map(entries) = member
                && turn.leads
            {
                self.enter(turn.node, entries, exact);
            }
        }
    }

    /// The way from a node through a map whose layout is known.
    fn way(&mut self, at: u32, node: &Node, entries: &Entries<'_>) -> Option<Range<u32>> {
        let (layouts, trail) = self.known.as_mut()?;
        let last = trail.last.get(at as usize).and_then(Option::as_ref);
        let layout = layouts.of(entries, last.map(|(layout, _)| *layout))?;
        if let Some((known, way)) = last
            && *known == layout
        {
            return Some(way.clone());
        }
        let key = u64::from(at) << 32 | u64::from(layout.0);
        let way = match trail.ways.get(&key) {
            Some(way) => way.clone(),
            None => {
                let from = trail.turns.len() as u32;
                for (place, (name, _)) in entries.iter().enumerate() {
                    let place = u16::try_from(place).ok()?;
                    self.lens.turns(node, name, |at, exact| {
                        let Some(node) = self.lens.nodes.get(at as usize) else { return };
                        let start = trail.slots.len() as u32;
                        trail.slots.extend_from_slice(&node.slots);
                        let slots = start..trail.slots.len() as u32;
                        let leads = node.leads();
                        trail.turns.push(Turn { place, exact, leads, node: at, slots });
                    });
                }
                let way = from..trail.turns.len() as u32;
                trail.ways.insert(key, way.clone());
                way
            }
        };
        if trail.last.is_empty() {
            trail.last.resize(self.lens.nodes.len(), None);
        }
        if let Some(last) = trail.last.get_mut(at as usize) {
            *last = Some((layout, way.clone()));
        }
        Some(way)
    }
}

/// Gives the slots of a path what stands there.
#[inline]
fn offer<'r>(out: &mut Slots<'r>, slots: &[(u16, u16)], value: &'r Value<'r>, exact: bool) {
    for (slot, rank) in slots {
        out.offer(*slot, Got::Value(value), rank * 2 + u16::from(!exact));
    }
}

impl Trail {
    /// Forgets the ways through layouts that are forgotten.
    pub(crate) fn begin(&mut self, generation: u32) {
        if self.generation != generation {
            *self = Self { generation, ..Self::default() };
        }
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
            match lens.fill(&value, None, Slots::default()).get(slot) {
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
