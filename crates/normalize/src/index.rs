//! Which definition a record belongs to.
//!
//! Every shape of every definition that may come from a parser is turned into bits: one for "this
//! path has a value", one for "this path has one of these words". A record is walked once, its bits
//! are set, and the first shape, best first, whose bits are all there and whose remaining
//! conditions hold is the answer. The order of shapes is by what they ask and then by name, so the
//! answer depends neither on the order of files nor on the records before.

use std::collections::HashMap;

use model::Record;

use crate::condition::{Condition, Op};
use crate::diagnostic::{Reporter, did_you_mean, nearest};
use crate::expr::{Expr, Names, Scene};
use crate::lens::Slot;
use crate::syntax::{Ast, Step};
use crate::words::Table;
use crate::yaml::{Kind, Node};

/// The parsers that a shape may name, which are the rows of the table in `parse`.
pub(crate) const PARSERS: [&str; 13] = [
    "evtx",
    "json",
    "syslog",
    "keyvalue",
    "cef",
    "leef",
    "delimited",
    "zeek",
    "weblog",
    "w3c",
    "auditd",
    "journal_export",
    "lines",
];

/// What a `recognise` block says, before it is built into an index.
#[derive(Debug, Clone)]
pub(crate) struct Recogniser {
    pub(crate) definition: usize,
    pub(crate) name: Box<str>,
    pub(crate) priority: i64,
    pub(crate) look_in: Vec<Vec<Step>>,
    pub(crate) aliases: HashMap<Box<str>, Ast>,
    pub(crate) node: Node,
}

/// The index: one part for each parser.
#[derive(Debug, Default)]
pub(crate) struct Index {
    parts: HashMap<&'static str, Part>,
}

#[derive(Debug)]
struct Part {
    names: crate::lens::Lens,
    probes: Vec<Probe>,
    shapes: Vec<Shape>,
    words: usize,
}

/// One path that is asked about.
#[derive(Debug)]
struct Probe {
    expr: Expr,
    present: Option<u32>,
    /// Word to the set of bits that it sets.
    table: Option<Table<u32>>,
    sets: Vec<Vec<u32>>,
}

#[derive(Debug)]
struct Shape {
    need: Box<[u64]>,
    rest: Condition,
    definition: usize,
    rank: (std::cmp::Reverse<i64>, std::cmp::Reverse<usize>, Box<str>),
}

/// A `recognise` block with its mistakes told; the parsers that it names.
pub(crate) fn check(node: &Node, names: &mut Names, reporter: &mut Reporter<'_>) -> Option<()> {
    let mut sound = true;
    for shape in node.items() {
        let Some(entries) = shape.as_map() else {
            let help = "recognise:\n  - parser: json\n    has: [a, b]\n    when: {c: word}";
            reporter.add("S006", shape.span, "a shape is a map", "this is not", help);
            return None;
        };
        for (key, value) in entries {
            if !["parser", "has", "lacks", "when"].contains(&key.text.as_str()) {
                let near = nearest(&key.text, ["parser", "has", "lacks", "when"].into_iter());
                let title = format!("`{}` is not a key of a shape", key.text);
                let help = match did_you_mean(&near) {
                    help if help.is_empty() => {
                        "a shape has `parser`, `has`, `lacks`, `when`".to_owned()
                    }
                    help => help,
                };
                reporter.add("S004", key.span, title, "here", help);
                sound = false;
            }
            if key.text == "parser" {
                for item in value.items() {
                    let name = item.as_text().unwrap_or_default();
                    if !PARSERS.contains(&name) {
                        let near = nearest(name, PARSERS.into_iter());
                        let help = match did_you_mean(&near) {
                            help if help.is_empty() => {
                                format!("the parsers are {}", PARSERS.join(", "))
                            }
                            help => help,
                        };
                        let title = format!("there is no parser `{name}`");
                        reporter.add("S016", item.span, title, "here", help);
                        sound = false;
                    }
                }
            }
        }
        if shape.get("parser").is_none() {
            let help = format!("name one or more of {}", PARSERS.join(", "));
            reporter.add("S003", shape.span, "a shape needs `parser`", "here", help);
            sound = false;
        }
        if shape.get("has").is_none() && shape.get("when").is_none() {
            let help = "without `has` or `when` it would take every record of its parser";
            reporter.add("S003", shape.span, "a shape needs `has` or `when`", "here", help);
            sound = false;
        }
        sound &= compile(shape, names, reporter).is_some();
    }
    sound.then_some(())
}

/// What a shape asks: paths that are there, and the rest.
fn compile(
    shape: &Node,
    names: &mut Names,
    reporter: &mut Reporter<'_>,
) -> Option<(Vec<(Expr, String)>, Condition)> {
    let mut has = Vec::new();
    for item in shape.get("has").map(Node::items).unwrap_or_default() {
        let text = item.as_text().unwrap_or_default();
        has.push((names.path(text, item.inner(), reporter)?, text.to_owned()));
    }
    let mut rest = Vec::new();
    for item in shape.get("lacks").map(Node::items).unwrap_or_default() {
        let path = names.path(item.as_text().unwrap_or_default(), item.inner(), reporter)?;
        rest.push(Condition::Test(path, Op::Exists(false)));
    }
    match crate::condition::compile(shape.get("when"), names, reporter)? {
        Condition::Always => {}
        Condition::All(all) => rest.extend(all),
        other => rest.push(other),
    }
    Some((has, Condition::All(rest.into())))
}

impl Index {
    /// Builds the index of sound recognisers.
    pub(crate) fn build(recognisers: &[Recogniser]) -> Self {
        let mut parts = HashMap::new();
        for parser in PARSERS {
            let mut part = Builder::default();
            for recogniser in recognisers {
                for shape in recogniser.node.items() {
                    let parsers = shape.get("parser").map(Node::items).unwrap_or_default();
                    if parsers.iter().any(|p| p.as_text() == Some(parser)) {
                        part.add(recogniser, shape);
                    }
                }
            }
            if let Some(part) = part.finish() {
                parts.insert(parser, part);
            }
        }
        Self { parts }
    }

    /// The definition of a record.
    pub(crate) fn find<'r>(
        &'r self,
        record: &'r Record<'r>,
        parser: &str,
        origin: &str,
    ) -> Option<usize> {
        let part = self.parts.get(parser)?;
        let mut slots = vec![Slot::default(); part.names.len()];
        part.names.fill(&record.fields, &mut slots);
        let scene =
            Scene { slots: &slots, lens: &part.names, record, parser, origin, pattern: None };
        let mut bits = [0u64; MOST_WORDS];
        let bits = bits.get_mut(..part.words)?;
        for probe in &part.probes {
            probe.mark(&scene, bits);
        }
        let fits = |shape: &&Shape| {
            shape.need.iter().zip(bits.iter()).all(|(need, have)| need & !have == 0)
                && shape.rest.holds(&scene)
        };
        part.shapes.iter().find(fits).map(|shape| shape.definition)
    }
}

/// Enough for every probe of some hundred definitions; what asks for more waits in `rest`.
const MOST_WORDS: usize = 32;

impl Probe {
    fn mark<'r>(&'r self, scene: &Scene<'_, 'r>, bits: &mut [u64]) {
        let val = self.expr.eval(scene);
        if val.is_none() {
            return;
        }
        let mut set = |bit: u32| {
            if let Some(word) = bits.get_mut(bit as usize / 64) {
                *word |= 1 << (bit % 64);
            }
        };
        if let Some(bit) = self.present {
            set(bit);
        }
        if let Some(place) = self.table.as_ref().and_then(|t| t.val(&val)) {
            self.sets.get(place as usize).into_iter().flatten().for_each(|bit| set(*bit));
        }
    }
}

/// What is asked of one path.
struct Ask {
    /// The path, and where it is looked for.
    key: String,
    expr: Expr,
    present: Option<u32>,
    /// Sets of words, each with its bit.
    words: Vec<(Vec<String>, u32)>,
}

/// Builds the part of one parser.
#[derive(Default)]
struct Builder {
    names: Option<Names>,
    probes: Vec<Ask>,
    shapes: Vec<(Vec<u32>, Shape)>,
    bits: u32,
}

impl Builder {
    fn add(&mut self, of: &Recogniser, shape: &Node) {
        let names = self.names.get_or_insert_with(|| Names::plain(vec!["".into()]));
        names.look_in.clone_from(&of.look_in);
        names.aliases.clone_from(&of.aliases);
        // Mistakes were told when the definition was read.
        let mut silent = Reporter::new("", "");
        let mut need = Vec::new();
        // Two definitions may mean different things by one name.
        let of_name = if of.aliases.is_empty() { "" } else { &of.name };
        let scope = format!("{of_name}{:?}", of.look_in);
        let mut weight = 0;
        for item in shape.get("has").map(Node::items).unwrap_or_default() {
            let text = item.as_text().unwrap_or_default();
            let Some(expr) = names.path(text, item.inner(), &mut silent) else { return };
            need.push((format!("{scope}{text}"), None, expr));
            weight += 1;
        }
        let mut rest = shape.clone();
        if let Kind::Map(entries) = &mut rest.kind {
            entries.retain(|(k, _)| k.text != "has");
            for (key, value) in entries.iter_mut().filter(|(k, _)| k.text == "when") {
                let _ = key;
                let Kind::Map(tests) = &mut value.kind else { continue };
                tests.retain(|(key, value)| {
                    let words: Option<Vec<String>> =
                        value.items().iter().map(|v| v.as_text().map(str::to_lowercase)).collect();
                    let special = matches!(key.text.as_str(), "any" | "all" | "not")
                        || crate::condition::operator(&key.text).1.is_some()
                        || key.text.starts_with('$')
                        || value.is_null();
                    let words = words.filter(|w| !special && w.iter().all(|w| !w.contains('*')));
                    let Some(mut words) = words else { return true };
                    let Some(expr) = names.path(&key.text, key.span, &mut silent) else {
                        return true;
                    };
                    // A list of values would have to be fanned out: that is the condition's work.
                    if !matches!(expr, Expr::Slots(_)) {
                        return true;
                    }
                    words.sort();
                    need.push((format!("{scope}{}", key.text), Some(words), expr));
                    weight += 1;
                    false
                });
            }
        }
        let Some((_, rest)) = compile(&rest, names, &mut silent) else { return };
        weight += rest.weight();
        let bits = need.into_iter().map(|(key, words, expr)| self.bit(key, words, expr)).collect();
        let rank = (std::cmp::Reverse(of.priority), std::cmp::Reverse(weight), of.name.clone());
        self.shapes
            .push((bits, Shape { need: Box::new([]), rest, definition: of.definition, rank }));
    }

    fn bit(&mut self, key: String, words: Option<Vec<String>>, expr: Expr) -> u32 {
        let fresh = self.bits;
        let place = self.probes.iter().position(|ask| ask.key == key).unwrap_or_else(|| {
            self.probes.push(Ask { key, expr, present: None, words: Vec::new() });
            self.probes.len() - 1
        });
        let Some(ask) = self.probes.get_mut(place) else { return fresh };
        let found = match &words {
            None => ask.present,
            Some(words) => ask.words.iter().find(|(w, _)| w == words).map(|(_, bit)| *bit),
        };
        found.unwrap_or_else(|| {
            match words {
                None => ask.present = Some(fresh),
                Some(words) => ask.words.push((words, fresh)),
            }
            self.bits += 1;
            fresh
        })
    }

    fn finish(self) -> Option<Part> {
        let words = (self.bits as usize).div_ceil(64).min(MOST_WORDS);
        let probes = self.probes.into_iter().map(probe).collect();
        let mut shapes: Vec<Shape> = self
            .shapes
            .into_iter()
            .map(|(bits, shape)| {
                let mut need = vec![0u64; words];
                for bit in bits {
                    if let Some(word) = need.get_mut(bit as usize / 64) {
                        *word |= 1 << (bit % 64);
                    }
                }
                Shape { need: need.into(), ..shape }
            })
            .collect();
        shapes.sort_by(|a, b| a.rank.cmp(&b.rank));
        Some(Part { names: self.names?.lens, probes, shapes, words })
    }
}

fn probe(ask: Ask) -> Probe {
    let mut by_word: Vec<(String, Vec<u32>)> = Vec::new();
    for (set, bit) in &ask.words {
        for word in set {
            match by_word.iter_mut().find(|(w, _)| w == word) {
                Some((_, bits)) => bits.push(*bit),
                None => by_word.push((word.clone(), vec![*bit])),
            }
        }
    }
    let mut table = Table::new();
    for (place, (word, _)) in by_word.iter().enumerate() {
        table.add(word, place as u32);
    }
    let sets: Vec<Vec<u32>> = by_word.into_iter().map(|(_, bits)| bits).collect();
    Probe { expr: ask.expr, present: ask.present, table: (!sets.is_empty()).then_some(table), sets }
}
