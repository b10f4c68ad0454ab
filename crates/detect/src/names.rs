//! The names of the fields that a set of rules asks for, as a tree that an event is walked
//! along: one look-up for each key of the event, whatever the number of rules. Parts of an event
//! that no rule names are not entered.

use rsigma_parser::fieldpath::{first_unescaped, unescape_brackets};
use rustc_hash::FxHashMap;

use crate::aliases::Part;
use crate::folded::Folded;

/// A place in the tree.
pub(crate) type Node = u32;

/// The place where every walk begins.
pub(crate) const ROOT: Node = 0;

/// A field that a place of the event gives a value to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// Number of the field.
    pub(crate) field: u32,
    /// Which part of the value.
    pub(crate) part: Part,
}

/// Collects names; [`Builder::finish`] makes the tree.
#[derive(Debug)]
pub(crate) struct Builder {
    children: FxHashMap<(Node, String), Node>,
    nodes: Vec<Place>,
}

/// The finished tree.
#[derive(Debug)]
pub(crate) struct Names {
    edges: Folded<Node>,
    nodes: Vec<Place>,
}

/// What is at a place of the tree.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The fields that take the value here.
    pub(crate) targets: Vec<Target>,
    /// True when names go on from here.
    pub(crate) goes_on: bool,
    /// True when a position in a list (`[0]`, `[-1]`) is named from here.
    pub(crate) indexed: bool,
}

/// Dots in a name beyond which keys that hold dots themselves are not guessed.
const MOST_DOTS: usize = 6;

impl Builder {
    pub(crate) fn new() -> Self {
        Self { children: FxHashMap::default(), nodes: vec![Place::default()] }
    }

    /// Adds a dotted name. Keys of events may hold dots themselves: `a.b.c` is found as
    /// `{"a": {"b.c": …}}` too.
    pub(crate) fn add(&mut self, name: &str, target: Target) {
        let mut parts = Vec::new();
        for part in name.split('.') {
            let open = first_unescaped(part, b'[').unwrap_or(part.len());
            let (key, indexes) = part.split_at(open);
            parts.push(unescape_brackets(key).to_ascii_lowercase());
            let indexes = indexes.split_inclusive(']').filter(|index| index.starts_with('['));
            parts.extend(indexes.map(str::to_owned));
        }
        self.add_parts(ROOT, &parts, target);
    }

    /// Adds a name given as its keys, which may hold dots.
    pub(crate) fn add_keys(&mut self, keys: &[&str], target: Target) {
        let mut node = ROOT;
        for key in keys {
            node = self.step(node, &key.to_ascii_lowercase());
        }
        self.land(node, target);
    }

    fn add_parts(&mut self, from: Node, parts: &[String], target: Target) {
        if parts.is_empty() {
            self.land(from, target);
            return;
        }
        let longest = if parts.len() > MOST_DOTS { 1 } else { parts.len() };
        for count in 1..=longest {
            let (head, tail) = parts.split_at(count);
            if count > 1 && head.iter().any(|part| part.starts_with('[')) {
                break;
            }
            let node = self.step(from, &head.join("."));
            self.add_parts(node, tail, target);
        }
    }

    fn step(&mut self, from: Node, key: &str) -> Node {
        if let Some(node) = self.children.get(&(from, key.to_owned())) {
            return *node;
        }
        let node = self.nodes.len() as Node;
        self.nodes.push(Place::default());
        self.children.insert((from, key.to_owned()), node);
        if let Some(place) = self.nodes.get_mut(from as usize) {
            place.goes_on = true;
            place.indexed |= key.starts_with('[');
        }
        node
    }

    fn land(&mut self, node: Node, target: Target) {
        if let Some(place) = self.nodes.get_mut(node as usize)
            && !place.targets.contains(&target)
        {
            place.targets.push(target);
        }
    }

    pub(crate) fn finish(self) -> Names {
        let mut edges: Vec<(Node, Box<str>, Node)> =
            self.children.into_iter().map(|((from, key), to)| (from, key.into(), to)).collect();
        edges.sort_unstable_by_key(|(_, _, to)| *to);
        Names { edges: Folded::new(edges), nodes: self.nodes }
    }
}

impl Names {
    /// The place that a key leads to, in any ASCII case.
    pub(crate) fn child(&self, from: Node, key: &str) -> Option<Node> {
        self.edges.get(from, key).copied()
    }

    /// What is at a place.
    pub(crate) fn place(&self, node: Node) -> Option<&Place> {
        self.nodes.get(node as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(field: u32) -> Target {
        Target { field, part: Part::Whole }
    }

    #[test]
    fn keys_of_any_case_and_with_dots() {
        let mut builder = Builder::new();
        builder.add("userIdentity.sessionContext.type", target(1));
        builder.add("Image", target(2));
        builder.add(r"args\[x\]", target(3));
        builder.add("list[0].id", target(4));
        let names = builder.finish();
        let walk = |keys: &[&str]| {
            let node = keys.iter().try_fold(ROOT, |node, key| names.child(node, key))?;
            names.place(node)?.targets.first().map(|target| target.field)
        };
        assert_eq!(walk(&["IMAGE"]), Some(2));
        assert_eq!(walk(&["useridentity", "SessionContext", "type"]), Some(1));
        assert_eq!(walk(&["userIdentity.sessionContext", "type"]), Some(1));
        assert_eq!(walk(&["userIdentity.sessionContext.type"]), Some(1));
        assert_eq!(walk(&["userIdentity"]), None);
        assert_eq!(walk(&["args[x]"]), Some(3));
        assert_eq!(walk(&["list", "[0]", "id"]), Some(4));
        assert_eq!(walk(&["imagf"]), None);
    }
}
