//! The rules of one log source, arranged so that an event is asked each question at most once
//! and most rules are never looked at.
//!
//! For each field there is a [`Lookup`] over the anchors of the rules (see [`crate::anchor`]):
//! a hash table of whole values, sorted prefixes and suffixes, one scan for needles, a table of
//! numbers. What a lookup finds names the few rules that may hold; those are evaluated as trees,
//! other questions being asked when they are needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::LogSource;
use rustc_hash::FxHashMap;

use crate::affixes::Affixes;
use crate::aliases;
use crate::anchor;
use crate::ask::{How, Order, Test};
use crate::expr::Expr;
use crate::folded::Folded;
use crate::logsource;
use crate::names::{Builder, Names, Target};
use crate::needles::Needles;
use crate::rarity::Rarity;
use crate::rule::Rule;
use crate::table::{Ask, KEYWORDS, Table};

/// An anchor that a lookup found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trigger {
    /// The program's number of the question.
    pub(crate) ask: u32,
    /// True when the find itself answers it; else it must still be asked.
    pub(crate) sure: bool,
}

/// The anchors of one field.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) exact: Folded<Box<[Trigger]>>,
    pub(crate) starts: Affixes<Trigger>,
    pub(crate) ends: Affixes<Trigger>,
    pub(crate) needles: Needles<Trigger>,
    pub(crate) numbers: FxHashMap<u64, Box<[Trigger]>>,
    /// Anchors that only asking can answer.
    pub(crate) present: Box<[Trigger]>,
    /// Regular expressions behind needles: asked outright when a value is not ASCII, because
    /// case folding beyond ASCII may hide the needle.
    pub(crate) patterns: Box<[Trigger]>,
}

/// A field of a program.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its number in the table.
    pub(crate) number: u32,
    /// Nothing when no anchor is asked of it.
    pub(crate) lookup: Option<Lookup>,
}

/// A question of a program.
#[derive(Debug)]
pub(crate) struct Question {
    /// Its number in the table.
    pub(crate) ask: u32,
    /// The program's number of its field.
    pub(crate) field: u32,
    /// The program's number of the other field, for comparisons of two.
    pub(crate) other: u32,
    /// True when a lookup answers it: what was not found does not hold.
    pub(crate) answered: bool,
    /// The rules that it anchors, by the program's numbers.
    pub(crate) rules: Box<[u32]>,
}

const EAGER: usize = 4;

/// The rules that see events of one log source.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) names: Names,
    pub(crate) fields: Vec<Field>,
    pub(crate) questions: Vec<Question>,
    /// The number of the rule, and its tree over the program's questions.
    pub(crate) rules: Vec<(u32, Expr)>,
    /// Rules that must always be looked at.
    pub(crate) always: Vec<u32>,
    /// The program's number of the field that stands for all text, when some rule wants it.
    pub(crate) keywords: Option<u32>,
}

impl Program {
    /// Arranges the rules that see the log source.
    pub(crate) fn new(
        rules: &[Rule],
        watched: &FxHashMap<u32, Box<[u32]>>,
        table: &Table,
        event: &LogSource,
    ) -> Self {
        let mut draft = Draft::default();
        for (number, rule) in rules.iter().enumerate() {
            let number = number as u32;
            if logsource::sees(&rule.logsource, event) {
                draft.rule(number, &rule.expr, table);
                for field in watched.get(&number).into_iter().flatten() {
                    draft.field(*field);
                }
            }
        }
        draft.finish(table, event)
    }
}

#[derive(Default)]
struct Draft {
    fields: Vec<u32>,
    field_numbers: FxHashMap<u32, u32>,
    questions: Vec<(u32, u32, u32)>,
    question_numbers: FxHashMap<u32, u32>,
    rules: Vec<(u32, Expr)>,
}

impl Draft {
    fn rule(&mut self, number: u32, expr: &Expr, table: &Table) {
        let local = expr.renumber(&mut |ask| self.question(ask, table));
        self.rules.push((number, local));
    }

    fn question(&mut self, ask: u32, table: &Table) -> u32 {
        if let Some(number) = self.question_numbers.get(&ask) {
            return *number;
        }
        let known = table.get(ask);
        let field = self.field(known.map_or(KEYWORDS, |ask| ask.field));
        let other = match known.map(|ask| &ask.test) {
            Some(Test::Other { field, .. }) => self.field(*field),
            _ => field,
        };
        let number = self.questions.len() as u32;
        self.questions.push((ask, field, other));
        self.question_numbers.insert(ask, number);
        number
    }

    fn field(&mut self, field: u32) -> u32 {
        *self.field_numbers.entry(field).or_insert_with(|| {
            self.fields.push(field);
            self.fields.len() as u32 - 1
        })
    }

    /// Learns what logs are full of: each rule counts for what it spells.
    fn rarity(&self, table: &Table) -> Rarity {
        let mut rarity = Rarity::default();
        for (ask, _, _) in &self.questions {
            if let Some(Ask { field, test: Test::Text { .. } | Test::Number(..) }) = table.get(*ask)
            {
                rarity.learn_value(*field);
            }
        }
        for (_, expr) in &self.rules {
            expr.visit_asks(&mut |number| {
                let ask = self.questions.get(number as usize).and_then(|q| table.get(q.0));
                if let Some(Ask { test: Test::Text { text, .. }, .. }) = ask {
                    rarity.learn(text);
                }
            });
        }
        rarity
    }

    fn finish(self, table: &Table, event: &LogSource) -> Program {
        let rarity = self.rarity(table);
        let mut anchored: Vec<Vec<u32>> = vec![Vec::new(); self.questions.len()];
        let mut always = Vec::new();
        let mut rules = Vec::with_capacity(self.rules.len());
        for (at, (number, local)) in self.rules.iter().enumerate() {
            // Anchors are chosen over the table's numbers, then brought back to the program's.
            let global = local.renumber(&mut |ask| {
                self.questions.get(ask as usize).map_or(u32::MAX, |question| question.0)
            });
            match anchor::of(&global, table, &rarity) {
                Some(anchors) => {
                    for ask in anchors.asks {
                        let Some(number) = self.question_numbers.get(&ask) else { continue };
                        if let Some(rules) = anchored.get_mut(*number as usize) {
                            rules.push(at as u32);
                        }
                    }
                }
                None => always.push(at as u32),
            }
            let global = anchor::sorted(global, table, &rarity);
            let local = global
                .renumber(&mut |ask| self.question_numbers.get(&ask).copied().unwrap_or(u32::MAX));
            rules.push((*number, local));
        }
        let mut plans: Vec<Plan> = self.fields.iter().map(|_| Plan::default()).collect();
        let mut questions = Vec::with_capacity(self.questions.len());
        for (number, ((ask, field, other), rules)) in
            self.questions.iter().zip(anchored).enumerate()
        {
            let mut answered = false;
            let eager = table.get(*ask).is_some_and(|ask| match &ask.test {
                Test::Text { how, text, cased } => {
                    !cased && (*how != How::Contains || text.len() >= EAGER)
                }
                Test::Number(Order::Equal, _) => true,
                _ => false,
            });
            if (eager || !rules.is_empty())
                && let Some(plan) = plans.get_mut(*field as usize)
                && let Some(known) = table.get(*ask)
            {
                answered = plan.add(number as u32, known);
            }
            questions.push(Question {
                ask: *ask,
                field: *field,
                other: *other,
                answered,
                rules: rules.into(),
            });
        }
        let names = names(&self.fields, table, event);
        let fields = self
            .fields
            .iter()
            .zip(plans)
            .map(|(number, plan)| Field { number: *number, lookup: plan.finish(&rarity) })
            .collect();
        let keywords = self.field_numbers.get(&KEYWORDS).copied();
        Program { names, fields, questions, rules, always, keywords }
    }
}

/// The tree of the names of all fields, other names included.
fn names(fields: &[u32], table: &Table, event: &LogSource) -> Names {
    let windows = event.product.as_deref() == Some("windows");
    let mut builder = Builder::new();
    for (number, field) in fields.iter().enumerate() {
        if *field == KEYWORDS {
            continue;
        }
        let name = table.field_name(*field);
        let whole = Target { field: number as u32, part: aliases::Part::Whole };
        builder.add(name, whole);
        if windows {
            // XML attributes: `Provider_Name` is `<Provider Name="…">`.
            for (at, _) in name.match_indices('_') {
                let (element, attribute) = name.split_at(at);
                builder
                    .add_keys(&[element, "#attributes", attribute.trim_start_matches('_')], whole);
            }
        }
        for (other, part) in aliases::of(name, event) {
            builder.add(other, Target { field: number as u32, part });
        }
    }
    builder.finish()
}

/// A lookup in the making. Ordered maps, so that the result never depends on hashing.
#[derive(Default)]
struct Plan {
    exact: BTreeMap<Box<str>, Vec<Trigger>>,
    starts: BTreeMap<Box<str>, Vec<Trigger>>,
    ends: BTreeMap<Box<str>, Vec<Trigger>>,
    needles: BTreeMap<Box<str>, Vec<Trigger>>,
    globs: Vec<(Vec<Box<str>>, Trigger)>,
    numbers: BTreeMap<u64, Vec<Trigger>>,
    present: Vec<Trigger>,
    patterns: Vec<Trigger>,
}

impl Plan {
    /// Adds an anchor. True when a lookup will answer it.
    fn add(&mut self, number: u32, ask: &Ask) -> bool {
        let sure = Trigger { ask: number, sure: true };
        let unsure = Trigger { ask: number, sure: false };
        match &ask.test {
            // The texts of an event are scanned for needles alone.
            Test::Text { how, .. } if ask.field == KEYWORDS && *how != How::Contains => {
                self.present.push(unsure);
                false
            }
            Test::Number(..) if ask.field == KEYWORDS => true,
            Test::Text { how, text, cased } if !*cased || text.is_ascii() => {
                let trigger = if *cased { unsure } else { sure };
                let key: Box<str> = text.to_lowercase().into();
                match how {
                    How::Exact => self.exact.entry(key).or_default().push(trigger),
                    How::Starts => self.starts.entry(key).or_default().push(trigger),
                    How::Ends => self.ends.entry(key).or_default().push(trigger),
                    How::Contains if key.is_empty() => {
                        self.present.push(unsure);
                        return false;
                    }
                    How::Contains => self.needles.entry(key).or_default().push(trigger),
                }
                !*cased
            }
            Test::Glob { glob, cased } => {
                let texts: Vec<Box<str>> = glob
                    .texts()
                    .filter(|text| !*cased || text.is_ascii())
                    .map(|text| text.to_lowercase().into())
                    .collect();
                if texts.is_empty() {
                    self.present.push(unsure);
                } else {
                    self.globs.push((texts, unsure));
                }
                false
            }
            Test::Pattern(pattern) if !pattern.needle().is_empty() => {
                self.needles.entry(pattern.needle().into()).or_default().push(unsure);
                self.patterns.push(unsure);
                false
            }
            Test::Number(Order::Equal, number) => {
                self.numbers.entry(number.get().to_bits()).or_default().push(sure);
                true
            }
            _ => {
                self.present.push(unsure);
                false
            }
        }
    }

    fn finish(mut self, rarity: &Rarity) -> Option<Lookup> {
        for (texts, trigger) in std::mem::take(&mut self.globs) {
            let rarest =
                texts.into_iter().min_by(|a, b| rarity.holding(a).total_cmp(&rarity.holding(b)));
            if let Some(text) = rarest {
                self.needles.entry(text).or_default().push(trigger);
            }
        }
        let empty = self.exact.is_empty()
            && self.starts.is_empty()
            && self.ends.is_empty()
            && self.needles.is_empty()
            && self.numbers.is_empty()
            && self.present.is_empty();
        if empty {
            return None;
        }
        let list = |map: BTreeMap<Box<str>, Vec<Trigger>>| -> Vec<(Box<str>, Box<[Trigger]>)> {
            map.into_iter().map(|(key, triggers)| (key, triggers.into())).collect()
        };
        Some(Lookup {
            exact: Folded::new(list(self.exact).into_iter().map(|(key, t)| (0, key, t))),
            starts: Affixes::new(list(self.starts), false),
            ends: Affixes::new(list(self.ends), true),
            needles: Needles::new(list(self.needles), rarity),
            numbers: self.numbers.into_iter().map(|(key, t)| (key, t.into())).collect(),
            present: self.present.into(),
            patterns: self.patterns.into(),
        })
    }
}

/// Programs by log source, made when the first event of it comes.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    made: Mutex<FxHashMap<LogSource, Arc<OnceLock<Arc<Program>>>>>,
}

impl Programs {
    /// The program for events of a log source.
    pub(crate) fn get(
        &self,
        rules: &[Rule],
        watched: &FxHashMap<u32, Box<[u32]>>,
        table: &Table,
        event: &LogSource,
    ) -> Arc<Program> {
        let place = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(made.entry(event.clone()).or_default())
        };
        // While one is made, those of other log sources are not held up.
        Arc::clone(place.get_or_init(|| Arc::new(Program::new(rules, watched, table, event))))
    }
}
