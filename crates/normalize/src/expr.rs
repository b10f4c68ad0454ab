//! Expressions: compiled against the slots of a lens, evaluated without copies.

use std::borrow::Cow;
use std::cell::OnceCell;

use model::{Record, Value};
use regex::Regex;

use crate::choice::Choice;
use crate::condition::Condition;
use crate::function::{Function, Word};
use crate::lens::{Lens, follow};
use crate::slots::{Got, Slots};
use crate::syntax::Step;
use crate::target::Member;
use crate::value::Val;
use crate::words::Table;

/// A compiled expression.
#[derive(Debug)]
pub(crate) enum Expr {
    /// The first of these slots that has a value.
    Slots(Box<[u16]>),
    /// As `Slots`, then steps into lists.
    Deep(Box<[u16]>, Box<[Step]>),
    /// A constant.
    Const(Value<'static>),
    /// The first that has a value.
    Either(Box<[Expr]>),
    /// Texts and values, joined; nothing when one of them is missing.
    Template(Box<[Expr]>),
    Call(Call),
    /// A call that is made once for a record.
    Shared(SharedCall),
    /// A word of the record in another word.
    Map(Box<Mapping>),
    /// The first whose condition holds.
    Cases(Choice, Box<[(Condition, Expr)]>),
    /// The elements of a list, each turned into a value.
    Each(Box<Each>),
    /// One object for a list, made of the record itself.
    Object(Box<(Condition, Members)>),
    /// What has a value of these, as a list.
    List(Box<[Expr]>),
    /// Something that the engine knows.
    Engine(Engine),
}

/// The attributes of an object.
pub(crate) type Members = Box<[(Member, Expr)]>;

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: &'static Function,
    pub(crate) value: Box<Expr>,
    pub(crate) words: Box<[Word]>,
    pub(crate) tail: Box<[Step]>,
}

/// A dear call that stands in several expressions.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) function: &'static Function,
    pub(crate) value: Expr,
    pub(crate) words: Box<[Word]>,
}

/// A shared call by its number, then steps into what it gave.
#[derive(Debug)]
pub(crate) struct SharedCall {
    pub(crate) number: u16,
    pub(crate) tail: Box<[Step]>,
    /// The slots that it needs; none when it needs none.
    pub(crate) needs: Option<Box<[u16]>>,
}

/// A shared call, and what it gave for a record once it was made.
#[derive(Debug)]
pub(crate) struct Cell<'r> {
    call: &'r Shared,
    made: OnceCell<Val<'r>>,
}

/// The shared calls of a record, none of them made yet.
pub(crate) fn cells(shared: &[Shared]) -> Vec<Cell<'_>> {
    shared.iter().map(|call| Cell { call, made: OnceCell::new() }).collect()
}

#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) from: Expr,
    pub(crate) table: Table<u32>,
    pub(crate) to: Box<[Expr]>,
    pub(crate) default: Option<Expr>,
    /// True where a word that the map does not know goes on as it is: the target makes Other of it.
    pub(crate) keep: bool,
}

#[derive(Debug)]
pub(crate) struct Each {
    pub(crate) list: Expr,
    pub(crate) lens: Lens,
    pub(crate) when: Condition,
    pub(crate) yields: Yield,
}

/// What an element becomes.
#[derive(Debug)]
pub(crate) enum Yield {
    One(Expr),
    Object(Members),
}

/// What the engine knows of a record; written with a `$`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The name of the message pattern that matched.
    Pattern,
    /// The parser that read the record.
    Parser,
    /// The file or stream that it came from.
    Origin,
    /// The record's text.
    Raw,
}

/// Bytes of a template's text that are set aside at first.
const TEMPLATE: usize = 80;

/// What is known while a record is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'s, 'r> {
    pub(crate) slots: &'s Slots<'r>,
    pub(crate) lens: &'s Lens,
    pub(crate) record: &'r Record<'r>,
    pub(crate) parser: &'s str,
    pub(crate) origin: &'s str,
    pub(crate) pattern: Option<&'r str>,
    pub(crate) cells: &'s [Cell<'r>],
}

impl<'r> Scene<'_, 'r> {
    /// What the first of some slots has that has something.
    #[inline]
    pub(crate) fn slot(&self, slots: &[u16]) -> Val<'r> {
        for slot in slots {
            match self.slots.get(*slot) {
                Some(Got::Value(value)) => return Val::Ref(value),
                Some(Got::Text(text)) => return Val::Text(Cow::Borrowed(text)),
                None => {}
            }
        }
        Val::None
    }

    /// What a shared call gives, which is made when it is asked for first.
    fn shared(&self, call: &SharedCall) -> Val<'r> {
        let Some(cell) = self.cells.get(usize::from(call.number)) else { return Val::None };
        let Shared { function, value, words } = cell.call;
        match cell.made.get_or_init(|| function.call(value.eval(self), words)) {
            made if call.tail.is_empty() => made.clone(),
            Val::Ref(value) => dig(value, &call.tail),
            Val::Owned(value) => dig_owned(value, &call.tail),
            _ => Val::None,
        }
    }

    /// What a record has at a path; the words for nothing are nothing.
    fn present(&self, value: Val<'r>) -> Val<'r> {
        match &value {
            Val::Ref(v) if self.lens.is_absent(v) => Val::None,
            Val::Owned(v) if self.lens.is_absent(v) => Val::None,
            Val::Text(t) if self.lens.is_absent_text(t) => Val::None,
            _ => value,
        }
    }
}

impl Expr {
    /// The first value whose condition holds.
    pub(crate) fn cases(cases: Vec<(Condition, Expr)>) -> Self {
        Self::Cases(Choice::new(cases.iter().map(|(when, _)| when)), cases.into())
    }

    /// The value in a scene. Most values are slots, and most slots of an event are empty, so these are
    /// looked at where they are asked for.
    #[inline]
    pub(crate) fn eval<'r>(&'r self, scene: &Scene<'_, 'r>) -> Val<'r> {
        match self {
            Expr::Slots(slots) => scene.slot(slots),
            made => made.make(scene),
        }
    }

    /// The value of whatever is more than a slot.
    fn make<'r>(&'r self, scene: &Scene<'_, 'r>) -> Val<'r> {
        match self {
            Expr::Slots(slots) => scene.slot(slots),
            Expr::Deep(slots, steps) => slots
                .iter()
                .map(|slot| match scene.slot(&[*slot]) {
                    Val::Ref(value) => scene.present(dig(value, steps)),
                    _ => Val::None,
                })
                .find(|v| !v.is_none())
                .unwrap_or(Val::None),
            Expr::Const(Value::Str(text)) => Val::Text(Cow::Borrowed(text)),
            Expr::Const(value) => Val::Ref(value),
            Expr::Either(all) => {
                all.iter().map(|e| e.eval(scene)).find(|v| !v.is_none()).unwrap_or(Val::None)
            }
            Expr::Template(pieces) => {
                let mut text = String::with_capacity(TEMPLATE);
                for piece in pieces {
                    if !piece.eval(scene).write(&mut text) {
                        return Val::None;
                    }
                }
                Val::Text(Cow::Owned(text))
            }
            Expr::Call(call) => scene.present(call.eval(scene)),
            Expr::Shared(call) => scene.present(scene.shared(call)),
            Expr::Map(mapping) => mapping.eval(scene),
            Expr::Cases(choice, cases) => {
                let first = choice.first(scene, |at| cases.get(at).map(|(when, _)| when));
                let found = first.and_then(|at| cases.get(at));
                found.map_or(Val::None, |(_, value)| value.eval(scene))
            }
            Expr::Each(each) => each.eval(scene),
            Expr::Object(object) => {
                let (when, members) = &**object;
                let made = if when.holds(scene) { assemble(members, scene) } else { None };
                made.map_or(Val::None, Val::Owned)
            }
            Expr::List(items) => {
                let values = items.iter().flat_map(|e| e.eval(scene).list());
                let values: Vec<_> = values.filter_map(Val::value).collect();
                if values.is_empty() { Val::None } else { Val::Owned(Value::List(values)) }
            }
            Expr::Engine(engine) => match engine {
                Engine::Pattern => scene.pattern.map_or(Val::None, |p| Val::Text(Cow::Borrowed(p))),
                Engine::Parser => Val::Text(Cow::Owned(scene.parser.to_owned())),
                Engine::Origin => Val::Text(Cow::Owned(scene.origin.to_owned())),
                Engine::Raw => match std::str::from_utf8(&scene.record.raw) {
                    Ok(text) if !text.is_empty() => Val::Text(Cow::Borrowed(text)),
                    _ => Val::None,
                },
            },
        }
    }

    /// Offers the values of its alternatives, best first, until one is taken. An address that is
    /// none gives way to the next that is one.
    pub(crate) fn offer<'r>(
        &'r self,
        scene: &Scene<'_, 'r>,
        take: &mut dyn FnMut(Val<'r>) -> bool,
    ) -> bool {
        match self {
            Expr::Slots(slots) => slots.iter().any(|slot| match scene.slot(&[*slot]) {
                Val::None => false,
                val => take(val),
            }),
            Expr::Either(all) => all.iter().any(|one| one.offer(scene, take)),
            one => match one.eval(scene) {
                Val::None => false,
                val => take(val),
            },
        }
    }

    /// Whether it may have a value when none of its slots has one. Adds those slots: when it may not
    /// and they are all empty, it has no value.
    pub(crate) fn needs(&self, slots: &mut Vec<u16>) -> bool {
        match self {
            Expr::Slots(own) | Expr::Deep(own, _) => {
                slots.extend_from_slice(own);
                false
            }
            Expr::Const(_) | Expr::Engine(_) => true,
            Expr::Either(all) | Expr::List(all) => any(all, slots, Expr::needs),
            Expr::Template(pieces) => all(pieces, slots, Expr::needs),
            Expr::Call(call) => call.value.needs(slots),
            Expr::Shared(call) => {
                slots.extend(call.needs.iter().flatten());
                call.needs.is_none()
            }
            Expr::Map(mapping) => any(
                [Some(&mapping.from), mapping.default.as_ref()].iter().flatten(),
                slots,
                |expr, slots| expr.needs(slots),
            ),
            Expr::Cases(_, cases) => any(cases, slots, |(when, value), slots| {
                all([Err(when), Ok(value)], slots, |part, slots| match part {
                    Err(when) => when.needs(slots),
                    Ok(value) => value.needs(slots),
                })
            }),
            Expr::Each(each) => each.list.needs(slots),
            Expr::Object(object) => {
                let (when, members) = &**object;
                all([Err(when), Ok(members)], slots, |part, slots| match part {
                    Err(when) => when.needs(slots),
                    Ok(members) => any(members, slots, |(_, value), slots| value.needs(slots)),
                })
            }
        }
    }

    /// The constant, when it is one.
    pub(crate) fn constant(&self) -> Option<&Value<'static>> {
        match self {
            Expr::Const(value) => Some(value),
            _ => None,
        }
    }
}

/// Of parts of which one is enough: every slot counts.
pub(crate) fn any<T>(
    parts: impl IntoIterator<Item = T>,
    slots: &mut Vec<u16>,
    mut needs: impl FnMut(T, &mut Vec<u16>) -> bool,
) -> bool {
    let mut may = false;
    for part in parts {
        may |= needs(part, slots);
    }
    may
}

/// Of parts that are all wanted: the slots of the first that has nothing without them are enough.
pub(crate) fn all<T>(
    parts: impl IntoIterator<Item = T>,
    slots: &mut Vec<u16>,
    mut needs: impl FnMut(T, &mut Vec<u16>) -> bool,
) -> bool {
    let before = slots.len();
    parts.into_iter().all(|part| {
        slots.truncate(before);
        needs(part, slots)
    })
}

/// Makes an object; nothing when none of its members has a value.
fn assemble<'r>(members: &'r [(Member, Expr)], scene: &Scene<'_, 'r>) -> Option<Value<'r>> {
    let mut object = Vec::with_capacity(members.len());
    for (member, expr) in members {
        expr.offer(scene, &mut |val| member.put(&mut object, val));
    }
    (!object.is_empty()).then_some(Value::Map(object))
}

/// Follows steps; `[]` fans out into a list.
fn dig<'r>(value: &'r Value<'r>, steps: &[Step]) -> Val<'r> {
    let mut at = value;
    for (done, step) in steps.iter().enumerate() {
        if *step == Step::Each {
            let rest = steps.get(done + 1..).unwrap_or_default();
            let items = match at {
                Value::List(items) => items.as_slice(),
                one => std::slice::from_ref(one),
            };
            let mut all = Vec::new();
            for item in items {
                match dig(item, rest) {
                    Val::None | Val::Ref(Value::Null) => {}
                    Val::Owned(Value::List(more)) => all.extend(more),
                    other => all.extend(other.value()),
                }
            }
            return if all.is_empty() { Val::None } else { Val::Owned(Value::List(all)) };
        }
        match follow(at, step) {
            Some(next) => at = next,
            None => return Val::None,
        }
    }
    Val::Ref(at)
}

/// As [`dig`], in what does not live as long as the record: what is found is copied.
fn dig_owned<'r>(value: &Value<'_>, steps: &[Step]) -> Val<'r> {
    dig(value, steps).value().map_or(Val::None, |found| Val::Owned(found.into_owned()))
}

impl Call {
    fn eval<'r>(&'r self, scene: &Scene<'_, 'r>) -> Val<'r> {
        let out = self.function.call(self.value.eval(scene), &self.words);
        if self.tail.is_empty() {
            return out;
        }
        match out {
            Val::Ref(value) => dig(value, &self.tail),
            Val::Owned(value) => dig_owned(&value, &self.tail),
            _ => Val::None,
        }
    }
}

impl Mapping {
    fn eval<'r>(&'r self, scene: &Scene<'_, 'r>) -> Val<'r> {
        let word = self.from.eval(scene);
        let found = self.table.val(&word).and_then(|at| self.to.get(at as usize));
        match (found, &self.default) {
            (Some(to), _) => to.eval(scene),
            (None, Some(default)) => default.eval(scene),
            (None, None) if self.keep => word,
            (None, None) => Val::None,
        }
    }
}

impl Each {
    fn eval<'r>(&'r self, scene: &Scene<'_, 'r>) -> Val<'r> {
        let mut out = Vec::new();
        match self.list.eval(scene) {
            Val::Ref(Value::List(items)) => {
                for item in items {
                    self.one(item, scene, &mut out);
                }
            }
            Val::Ref(one) => self.one(one, scene, &mut out),
            // A list that a function made lives only here: what is made of it is copied.
            Val::Owned(Value::List(items)) => {
                for item in items {
                    out.extend(self.owned(&item.into_owned(), scene));
                }
            }
            Val::Owned(one) => out.extend(self.owned(&one.into_owned(), scene)),
            Val::Text(text) => {
                out.extend(self.owned(&Value::Str(Cow::Owned(text.into_owned())), scene));
            }
            _ => {}
        }
        if out.is_empty() { Val::None } else { Val::Owned(Value::List(out)) }
    }

    fn owned(&self, item: &Value<'static>, scene: &Scene<'_, '_>) -> Vec<Value<'static>> {
        let record = Record {
            offset: scene.record.offset,
            index: scene.record.index,
            raw: Cow::Borrowed(b""),
            fields: Value::Null,
            syntax: None,
            flaws: Vec::new(),
        };
        let scene = Scene {
            record: &record,
            slots: &Slots::default(),
            lens: &self.lens,
            parser: scene.parser,
            origin: scene.origin,
            pattern: None,
            cells: &[],
        };
        let mut made = Vec::new();
        self.one(item, &scene, &mut made);
        made.into_iter().map(Value::into_owned).collect()
    }

    fn one<'r>(&'r self, item: &'r Value<'r>, scene: &Scene<'_, 'r>, out: &mut Vec<Value<'r>>) {
        if item.is_empty() {
            return;
        }
        let slots = self.lens.fill(item, None, Slots::default());
        let scene = Scene { slots: &slots, lens: &self.lens, ..*scene };
        if !self.when.holds(&scene) {
            return;
        }
        match &self.yields {
            Yield::One(expr) => out.extend(expr.eval(&scene).value()),
            Yield::Object(members) => out.extend(assemble(members, &scene)),
        }
    }
}

/// Longer patterns are refused, in bytes; and so are patterns that compile to more than this.
const MAX_PATTERN: usize = 4096;
const MAX_PROGRAM: usize = 1 << 20;

/// Compiles a regular expression within limits.
pub(crate) fn regex(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("longer than {MAX_PATTERN} bytes"));
    }
    let built = regex::RegexBuilder::new(pattern).size_limit(MAX_PROGRAM).build();
    built.map_err(|error| match error {
        regex::Error::Syntax(text) => {
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
        other => other.to_string(),
    })
}
