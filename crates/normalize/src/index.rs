//! Which definition a record belongs to.
//!
//! Every shape of every definition that may come from a parser is turned into bits: one for "this
//! path has a value", one for "this path has one of these words". A record is walked once, its bits
//! are set, and the first shape, best first, whose bits are all there and whose remaining
//! conditions hold is the answer. The order of shapes is by what they ask and then by name, so the
//! answer depends neither on the order of files nor on the records before. Only probes of paths that
//! the record has are asked, and only shapes of which the rarest bit is set are looked at.

use std::collections::HashMap;
use std::mem;

use model::Record;

use crate::condition::{Condition, Op};
use crate::diagnostic::{Reporter, did_you_mean, nearest};
use crate::expr::{self, Expr, Scene, Shared};
use crate::lens::{Lens, Trail};
use crate::live::{self, Awake, Live};
use crate::names::Names;
use crate::slots::Slots;
use crate::syntax::{Ast, Step};
use crate::words::Table;
use crate::yaml::{Kind, Node};
use crate::{Context, mapper};

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

/// The index: for each parser a part, in the order of [`PARSERS`], where shapes name the parser.
#[derive(Debug, Default)]
pub(crate) struct Index {
    parts: Vec<Option<Part>>,
}

/// What a thread remembers of the records of one parser.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    trail: Trail,
    probes: Awake,
    /// The bits that follow from which slots are filled, and the probes that must be asked beside.
    given: Vec<u64>,
    asked: Vec<u32>,
    shapes: Awake,
    bits: Vec<u64>,
}

#[derive(Debug)]
struct Part {
    lens: Lens,
    shared: Vec<Shared>,
    probes: Vec<Probe>,
    /// The probes by the slots that they look at.
    live_probes: Live,
    shapes: Vec<Shape>,
    /// The shapes by the rarest of the bits that they need.
    live_shapes: Live,
    /// How many bits there are.
    bits: usize,
}

/// One path that is asked about.
#[derive(Debug)]
struct Probe {
    expr: Expr,
    present: Option<u16>,
    /// Word to the set of bits that it sets.
    table: Option<Table<u32>>,
    sets: Vec<Vec<u16>>,
}

#[derive(Debug)]
struct Shape {
    need: Box<[u16]>,
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
        rest.push(Condition::Test(Box::new(path), Op::Exists(false)));
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
        let mut parts = Vec::new();
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
            parts.push(part.finish());
        }
        Self { parts }
    }

    /// The definition of a record.
    pub(crate) fn find<'r>(
        &'r self,
        record: &'r Record<'r>,
        context: &Context<'_>,
        memory: &mut mapper::Memory,
    ) -> Option<usize> {
        let parser = PARSERS.iter().position(|parser| *parser == context.parser)?;
        let part = self.parts.get(parser)?.as_ref()?;
        let mapper::Memory { layouts, slots, index, generation, .. } = memory;
        index.resize_with(self.parts.len(), Memory::default);
        let Memory { trail, probes, given, asked, shapes, bits } = index.get_mut(parser)?;
        trail.begin(*generation);
        let filled = part.lens.fill(&record.fields, Some((layouts, trail)), mem::take(slots));
        if !probes.knows(filled.filled()) {
            part.divide(part.live_probes.awake(filled.filled(), probes), given, asked);
        }
        let cells = expr::cells(&part.shared);
        let scene = Scene {
            slots: &filled,
            lens: &part.lens,
            record,
            parser: context.parser,
            origin: context.origin,
            pattern: None,
            cells: &cells,
        };
        bits.clone_from(given);
        for probe in asked.iter() {
            if let Some(probe) = part.probes.get(*probe as usize) {
                probe.mark(&scene, bits);
            }
        }
        let near = part.live_shapes.awake(bits, shapes).iter();
        let mut near = near.filter_map(|place| part.shapes.get(*place as usize));
        let has = |bit: &u16| live::has(bits, usize::from(*bit));
        let found = near.find_map(|shape| {
            let fits = shape.need.iter().all(has) && shape.rest.holds(&scene);
            fits.then_some(shape.definition)
        });
        *slots = Slots::reuse(filled, 0);
        found
    }
}

impl Part {
    /// Divides the probes that are awake: what follows from that, and what must be asked of the values.
    fn divide(&self, awake: &[u32], given: &mut Vec<u64>, asked: &mut Vec<u32>) {
        given.clear();
        given.resize(self.bits.div_ceil(64), 0);
        asked.clear();
        for number in awake {
            let Some(probe) = self.probes.get(*number as usize) else { continue };
            let plain = matches!(probe.expr, Expr::Slots(_));
            if let (true, Some(bit)) = (plain, probe.present) {
                live::set(given, usize::from(bit));
            }
            if !plain || probe.table.is_some() {
                asked.push(*number);
            }
        }
    }
}

impl Probe {
    fn mark<'r>(&'r self, scene: &Scene<'_, 'r>, bits: &mut [u64]) {
        let val = self.expr.eval(scene);
        if val.is_none() {
            return;
        }
        if let Some(bit) = self.present {
            live::set(bits, usize::from(bit));
        }
        if let Some(place) = self.table.as_ref().and_then(|t| t.val(&val)) {
            let set = self.sets.get(place as usize);
            set.into_iter().flatten().for_each(|bit| live::set(bits, usize::from(*bit)));
        }
    }
}

/// What is asked of one path.
struct Ask {
    /// The path, and where it is looked for.
    key: String,
    expr: Expr,
    present: Option<u16>,
    /// Sets of words, each with its bit.
    words: Vec<(Vec<String>, u16)>,
}

/// Builds the part of one parser.
#[derive(Default)]
struct Builder {
    names: Option<Names>,
    probes: Vec<Ask>,
    shapes: Vec<Shape>,
    bits: u16,
}

impl Builder {
    fn add(&mut self, of: &Recogniser, shape: &Node) {
        let names = self.names.get_or_insert_with(|| Names::sharing(vec!["".into()]));
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
        let bits: Option<Box<[u16]>> =
            need.into_iter().map(|(key, words, expr)| self.bit(key, words, expr)).collect();
        let rank = (std::cmp::Reverse(of.priority), std::cmp::Reverse(weight), of.name.clone());
        // Of more shapes than there are bits for, the later are not known.
        let Some(need) = bits else { return };
        self.shapes.push(Shape { need, rest, definition: of.definition, rank });
    }

    fn bit(&mut self, key: String, words: Option<Vec<String>>, expr: Expr) -> Option<u16> {
        let fresh = self.bits;
        let place = self.probes.iter().position(|ask| ask.key == key).unwrap_or_else(|| {
            self.probes.push(Ask { key, expr, present: None, words: Vec::new() });
            self.probes.len() - 1
        });
        let ask = self.probes.get_mut(place)?;
        let found = match &words {
            None => ask.present,
            Some(words) => ask.words.iter().find(|(w, _)| w == words).map(|(_, bit)| *bit),
        };
        if found.is_none() {
            self.bits = fresh.checked_add(1)?;
            match words {
                None => ask.present = Some(fresh),
                Some(words) => ask.words.push((words, fresh)),
            }
        }
        Some(found.unwrap_or(fresh))
    }

    fn finish(self) -> Option<Part> {
        let probes: Vec<Probe> = self.probes.into_iter().map(probe).collect();
        let mut shapes = self.shapes;
        shapes.sort_by(|a, b| a.rank.cmp(&b.rank));
        let bits = usize::from(self.bits);
        let mut wanted = vec![0; bits];
        for bit in shapes.iter().flat_map(|shape| &shape.need) {
            wanted.get_mut(usize::from(*bit)).into_iter().for_each(|count| *count += 1);
        }
        let rarest = |shape: &Shape, bits: &mut Vec<u16>| {
            let bit = shape.need.iter().min_by_key(|bit| wanted.get(usize::from(**bit)));
            bits.extend(bit);
            bit.is_none()
        };
        let (lens, shared) = self.names?.finish();
        Some(Part {
            lens,
            shared,
            live_probes: Live::new(&probes, |probe, slots| probe.expr.needs(slots)),
            probes,
            live_shapes: Live::new(&shapes, rarest),
            shapes,
            bits,
        })
    }
}

fn probe(ask: Ask) -> Probe {
    let mut by_word: Vec<(String, Vec<u16>)> = Vec::new();
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
    let sets: Vec<Vec<u16>> = by_word.into_iter().map(|(_, bits)| bits).collect();
    Probe { expr: ask.expr, present: ask.present, table: (!sets.is_empty()).then_some(table), sets }
}
