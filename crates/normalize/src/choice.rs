//! The first condition of a list that holds.
//!
//! Most lists of a definition tell records apart by the words of one field: Windows events by their
//! number, audit records by their operation. That field is looked up once, and only the conditions
//! that it leaves are tried.

use model::Value;

use crate::condition::{Condition, Op};
use crate::expr::{Expr, Scene};
use crate::folded::Folded;
use crate::value::{Val, bare};
use crate::words::Table;

/// What is known of a list of conditions.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// The field that tells most of them apart; none when too few ask for one.
    field: Option<Box<[u16]>>,
    words: Folded<usize>,
    ints: Vec<(i64, usize)>,
    /// The conditions that are left, in order. First those that are left by any other value, then those
    /// that are left when there is none.
    left: Vec<Box<[u32]>>,
}

/// Places in [`Choice::left`].
const OTHER: usize = 0;
const NOTHING: usize = 1;
/// Fewer conditions are tried one after the other.
const FEWEST: usize = 3;

impl Choice {
    pub(crate) fn new<'c>(conditions: impl Iterator<Item = &'c Condition> + Clone) -> Self {
        let Some(field) = field(conditions.clone()) else { return Self::default() };
        let tables: Vec<Option<&Table<()>>> =
            conditions.map(|condition| table(condition, field)).collect();
        let left = |fits: &dyn Fn(&Table<()>) -> bool| -> Box<[u32]> {
            let places = tables.iter().enumerate();
            let left = places.filter(|(_, table)| table.is_none_or(fits));
            left.map(|(place, _)| place as u32).collect()
        };
        let mut choice = Self {
            field: Some(field.into()),
            left: vec![left(&Table::has_globs), left(&|_| false)],
            ..Self::default()
        };
        for table in tables.iter().flatten() {
            for word in table.words() {
                if choice.words.get(word).is_none() {
                    choice.words.add(word, choice.left.len());
                    choice.left.push(left(&|table| table.text(word).is_some()));
                }
            }
            for number in table.ints() {
                if let Err(place) = choice.ints.binary_search_by_key(&number, |(n, _)| *n) {
                    choice.ints.insert(place, (number, choice.left.len()));
                    choice.left.push(left(&|table| table.int(number).is_some()));
                }
            }
        }
        choice
    }

    /// The place of the first that holds. `at` gives the condition of a place.
    pub(crate) fn first<'r>(
        &self,
        scene: &Scene<'_, 'r>,
        at: impl Fn(usize) -> Option<&'r Condition>,
    ) -> Option<usize> {
        match self.left(scene) {
            Some(left) => {
                let mut left = left.iter().map(|place| *place as usize);
                left.find(|place| at(*place).is_some_and(|condition| condition.holds(scene)))
            }
            None => {
                let mut all = (0..).map_while(|place| Some((place, at(place)?)));
                all.find(|(_, condition)| condition.holds(scene)).map(|(place, _)| place)
            }
        }
    }

    /// The conditions that the field leaves; nothing when it tells nothing.
    fn left(&self, scene: &Scene<'_, '_>) -> Option<&[u32]> {
        let known = |text: &str| self.words.get(text).map_or(OTHER, |(_, place)| *place);
        let place = match scene.slot(self.field.as_ref()?) {
            Val::None => NOTHING,
            Val::Text(text) => known(&text),
            Val::Ref(value) => match bare(value) {
                Value::Str(text) => known(text),
                Value::Int(n) => match self.ints.binary_search_by_key(n, |(n, _)| *n) {
                    Ok(at) => self.ints.get(at)?.1,
                    Err(_) => OTHER,
                },
                _ => return None,
            },
            _ => return None,
        };
        self.left.get(place).map(|left| &**left)
    }
}

/// The field that most of the conditions hold against words.
fn field<'c>(conditions: impl Iterator<Item = &'c Condition>) -> Option<&'c [u16]> {
    let mut counts: Vec<(&[u16], usize)> = Vec::new();
    for (slots, _) in conditions.flat_map(tests) {
        match counts.iter_mut().find(|(known, _)| *known == slots) {
            Some((_, count)) => *count += 1,
            None => counts.push((slots, 1)),
        }
    }
    // Of two that are asked for as often it is the first.
    counts.reverse();
    let (field, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (count >= FEWEST).then_some(field)
}

/// The words that a condition wants in a field.
fn table<'c>(condition: &'c Condition, field: &[u16]) -> Option<&'c Table<()>> {
    tests(condition).find(|(slots, _)| *slots == field).map(|(_, table)| table)
}

/// The tests for words in fields that must hold for a condition to hold.
fn tests(condition: &Condition) -> impl Iterator<Item = (&[u16], &Table<()>)> {
    let parts = match condition {
        Condition::All(parts) => parts,
        one => std::slice::from_ref(one),
    };
    parts.iter().filter_map(|part| match part {
        Condition::Test(expr, Op::Is(table)) => match &**expr {
            Expr::Slots(slots) => Some((&**slots, table)),
            _ => None,
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::borrow::Cow;

    use model::Record;

    use super::*;
    use crate::diagnostic::Reporter;
    use crate::names::Names;
    use crate::slots::Slots;
    use crate::{condition, yaml};

    /// Every choice is what trying one condition after the other gives.
    #[test]
    fn the_first_that_holds_is_chosen() {
        let mut reporter = Reporter::new("", "");
        let mut names = Names::plain(vec!["".into()]);
        let conditions: Vec<Condition> = [
            "{id: 1}",
            "{id: [2, 3], kind: a}",
            "{kind: b}",
            "{id: 'Start*'}",
            "{id: [2, START.now, '0x10']}",
            "{id|exists: false}",
            "{id: [4, '*.end'], not: {kind: b}}",
            "{any: [{id: 9}, {kind: c}]}",
            "{id: true}",
            "{id: 1}",
        ]
        .iter()
        .map(|text| {
            let node = yaml::read(text, &mut reporter).unwrap();
            condition::compile(Some(&node), &mut names, &mut reporter).unwrap()
        })
        .collect();
        let choice = Choice::new(conditions.iter());
        assert!(choice.field.is_some());
        let ids = [
            Value::Null,
            Value::Int(1),
            Value::Int(2),
            Value::Int(3),
            Value::Int(4),
            Value::Int(9),
            Value::Int(16),
            Value::UInt(2),
            Value::Float(3.0),
            Value::Bool(true),
            Value::from("1"),
            Value::from("2"),
            Value::from("start.NOW"),
            Value::from("START.later"),
            Value::from("the.end"),
            Value::from("TRUE"),
            Value::from(""),
            Value::List(vec![Value::from("x"), Value::Int(4)]),
            Value::Map(vec![("#text".into(), Value::Int(2))]),
            Value::Map(vec![("#text".into(), Value::from("start"))]),
        ];
        let mut chosen = Vec::new();
        for (id, kind) in ids.iter().flat_map(|id| ["a", "b", "c", "d"].map(|kind| (id, kind))) {
            let fields = vec![("id".into(), id.clone()), ("kind".into(), kind.into())];
            let record = Record {
                offset: 0,
                index: 0,
                raw: Cow::Borrowed(b""),
                fields: Value::Map(fields),
                syntax: None,
                flaws: Vec::new(),
            };
            let slots = names.lens.fill(&record.fields, None, Slots::default());
            let scene = Scene {
                slots: &slots,
                lens: &names.lens,
                record: &record,
                parser: "json",
                origin: "",
                pattern: None,
                cells: &[],
            };
            let plain = conditions.iter().position(|condition| condition.holds(&scene));
            assert_eq!(choice.first(&scene, |at| conditions.get(at)), plain, "{id:?} {kind}");
            chosen.extend(plain);
        }
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
