//! Expressions: compiled against the slots of a lens, evaluated without copies.

use std::borrow::Cow;
use std::collections::HashMap;

use model::{Record, Value};
use regex::Regex;

use crate::clock;
use crate::condition::Condition;
use crate::diagnostic::{Reporter, Span, did_you_mean, nearest};
use crate::function::{self, FUNCTIONS, Function, Kind as ArgKind, Word};
use crate::lens::{Got, Lens, Slot, follow};
use crate::syntax::{self, Ast, Step};
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
    /// A word of the record in another word.
    Map(Box<Mapping>),
    /// The first whose condition holds.
    Cases(Box<[(Condition, Expr)]>),
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
    function: &'static Function,
    value: Box<Expr>,
    words: Box<[Word]>,
    tail: Box<[Step]>,
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

const ENGINE: [(&str, Engine); 4] = [
    ("$pattern", Engine::Pattern),
    ("$parser", Engine::Parser),
    ("$origin", Engine::Origin),
    ("$raw", Engine::Raw),
];

/// Where names are resolved while expressions are compiled.
pub(crate) struct Names {
    pub(crate) lens: Lens,
    /// Where a path is looked for, best first; each is a path, the empty one the record itself.
    pub(crate) look_in: Vec<Vec<Step>>,
    /// Captures of message patterns: they come before fields of the same name.
    pub(crate) captures: HashMap<Box<str>, u16>,
    /// The definition's own names for expressions.
    pub(crate) aliases: HashMap<Box<str>, Ast>,
}

/// What is known while a record is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'s, 'r> {
    pub(crate) slots: &'s [Slot<'r>],
    pub(crate) lens: &'s Lens,
    pub(crate) record: &'r Record<'r>,
    pub(crate) parser: &'s str,
    pub(crate) origin: &'s str,
    pub(crate) pattern: Option<&'r str>,
}

impl<'r> Scene<'_, 'r> {
    fn slot(&self, slots: &[u16]) -> Val<'r> {
        for slot in slots {
            match self.slots.get(usize::from(*slot)).map(|s| s.got) {
                Some(Got::Value(value)) => return Val::Ref(value),
                Some(Got::Text(text)) => return Val::Text(Cow::Borrowed(text)),
                _ => {}
            }
        }
        Val::None
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
                let mut text = String::new();
                for piece in pieces {
                    match piece.eval(scene).text() {
                        Some(piece) => text.push_str(&piece),
                        None => return Val::None,
                    }
                }
                Val::Text(Cow::Owned(text))
            }
            Expr::Call(call) => scene.present(call.eval(scene)),
            Expr::Map(mapping) => mapping.eval(scene),
            Expr::Cases(cases) => cases
                .iter()
                .find(|(when, _)| when.holds(scene))
                .map_or(Val::None, |(_, value)| value.eval(scene)),
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

    /// The constant, when it is one.
    pub(crate) fn constant(&self) -> Option<&Value<'static>> {
        match self {
            Expr::Const(value) => Some(value),
            _ => None,
        }
    }
}

/// Alternatives that are all plain paths are one list of slots.
fn either(all: Vec<Expr>) -> Expr {
    if !all.iter().all(|e| matches!(e, Expr::Slots(_))) {
        return Expr::Either(all.into());
    }
    let slots = all.iter().flat_map(|e| match e {
        Expr::Slots(slots) => slots.iter().copied(),
        _ => [].iter().copied(),
    });
    Expr::Slots(slots.collect())
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

impl Call {
    fn eval<'r>(&'r self, scene: &Scene<'_, 'r>) -> Val<'r> {
        let out = self.function.call(self.value.eval(scene), &self.words);
        if self.tail.is_empty() {
            return out;
        }
        match out {
            Val::Ref(value) => dig(value, &self.tail),
            Val::Owned(value) => match dig(&value.into_owned(), &self.tail).value() {
                Some(value) => Val::Owned(value.into_owned()),
                None => Val::None,
            },
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
            slots: &[],
            lens: &self.lens,
            parser: scene.parser,
            origin: scene.origin,
            pattern: None,
        };
        let mut made = Vec::new();
        self.one(item, &scene, &mut made);
        made.into_iter().map(Value::into_owned).collect()
    }

    fn one<'r>(&'r self, item: &'r Value<'r>, scene: &Scene<'_, 'r>, out: &mut Vec<Value<'r>>) {
        if item.is_empty() {
            return;
        }
        let mut slots = vec![Slot::default(); self.lens.len()];
        self.lens.fill(item, &mut slots);
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

impl Names {
    /// Names of which none are captures, looked for in the value itself.
    pub(crate) fn plain(absent: Vec<Box<str>>) -> Self {
        Self {
            lens: Lens::new(absent),
            look_in: vec![Vec::new()],
            captures: HashMap::new(),
            aliases: HashMap::new(),
        }
    }

    /// Compiles the text of a value in `fields`.
    pub(crate) fn whole(
        &mut self,
        text: &str,
        at: Span,
        reporter: &mut Reporter<'_>,
    ) -> Option<Expr> {
        let ast = syntax::whole(text, at);
        self.finish(ast, reporter)
    }

    /// Compiles the text of `from`, `each` or of a condition's key.
    pub(crate) fn path(
        &mut self,
        text: &str,
        at: Span,
        reporter: &mut Reporter<'_>,
    ) -> Option<Expr> {
        let ast = syntax::alternatives(text, at);
        self.finish(ast, reporter)
    }

    fn finish(
        &mut self,
        ast: Result<Ast, syntax::Wrong>,
        reporter: &mut Reporter<'_>,
    ) -> Option<Expr> {
        match ast {
            Ok(ast) => self.compile(&ast, reporter),
            Err(wrong) => {
                let help = "paths look like `a.b`, `a[0].b`, `a[type=User].b`; other names stand \
                            in backticks, texts in quotes or after `=`";
                reporter.add(
                    "S007",
                    wrong.span,
                    "this expression cannot be read",
                    wrong.label,
                    help,
                );
                None
            }
        }
    }

    fn compile(&mut self, ast: &Ast, reporter: &mut Reporter<'_>) -> Option<Expr> {
        Some(match ast {
            Ast::Path(path) => return self.compile_path(path, reporter),
            Ast::Int(n) => Expr::Const(Value::Int(*n)),
            Ast::Float(x) => Expr::Const(Value::Float(*x)),
            Ast::Bool(b) => Expr::Const(Value::Bool(*b)),
            Ast::Text(text, at) => {
                if !text.contains(['{', '}']) {
                    return Some(Expr::Const(Value::Str(Cow::Owned(text.clone()))));
                }
                let inner = syntax::template(text, *at, 1);
                return self.finish(inner, reporter);
            }
            Ast::Template(pieces) => {
                let compile = |piece: &Ast| match piece {
                    Ast::Text(text, _) => Some(Expr::Const(Value::Str(Cow::Owned(text.clone())))),
                    other => self.compile(other, reporter),
                };
                Expr::Template(pieces.iter().map(compile).collect::<Option<_>>()?)
            }
            Ast::Either(all) => {
                either(all.iter().map(|a| self.compile(a, reporter)).collect::<Option<_>>()?)
            }
            Ast::Call { name, span, args, tail } => {
                return self.compile_call(name, *span, args, tail, reporter);
            }
        })
    }

    fn compile_path(&mut self, path: &syntax::Path, reporter: &mut Reporter<'_>) -> Option<Expr> {
        if let [Step::Key(name)] = path.steps.as_slice()
            && name.starts_with('$')
        {
            if let Some((_, engine)) = ENGINE.iter().find(|(n, _)| *n == &**name) {
                return Some(Expr::Engine(*engine));
            }
            let help = "the engine knows `$pattern`, `$parser`, `$origin`, `$raw`, and `$` for the \
                        record or element itself";
            reporter.add("S016", path.span, format!("unknown name `{name}`"), "this", help);
            return None;
        }
        if let [Step::Key(name)] = path.steps.as_slice()
            && let Some(alias) = self.aliases.remove(name)
        {
            // Inside its own meaning a name is the field of that name.
            let expr = self.compile(&alias, reporter);
            self.aliases.insert(name.clone(), alias);
            return expr;
        }
        let is_key = |s: &&Step| matches!(s, Step::Key(_) | Step::Any);
        let head: Vec<Step> = path.steps.iter().take_while(is_key).cloned().collect();
        let tail: Vec<Step> = path.steps.iter().skip(head.len()).cloned().collect();
        let mut slots = Vec::new();
        if let [Step::Key(name)] = head.as_slice() {
            slots.extend(self.captures.get(name).copied());
        }
        slots.push(self.lens.slot(&self.look_in, &head));
        if self.lens.is_full() {
            reporter.add("S002", path.span, "too many paths in one definition", "here", "");
            return None;
        }
        Some(if tail.is_empty() {
            Expr::Slots(slots.into())
        } else {
            Expr::Deep(slots.into(), tail.into())
        })
    }

    fn compile_call(
        &mut self,
        name: &str,
        span: Span,
        args: &[Ast],
        tail: &[Step],
        reporter: &mut Reporter<'_>,
    ) -> Option<Expr> {
        let Some(function) = function::named(name) else {
            let near = nearest(name, FUNCTIONS.iter().map(|f| f.name));
            let help = match did_you_mean(&near) {
                help if help.is_empty() => "docs/adding/source.md lists the functions".to_owned(),
                help => help,
            };
            let title = format!("there is no function `{name}`");
            reporter.add("S008", span, title, "not a function", help);
            return None;
        };
        let most = function.rest.len() + 1;
        let least = most - function.optional;
        if !(least..=most).contains(&args.len()) {
            let expected =
                if least == most { most.to_string() } else { format!("{least} to {most}") };
            let title = format!("`{name}` takes {expected} arguments, not {}", args.len());
            reporter.add("S009", span, title, "here", format!("as in {}", function.example));
            return None;
        }
        let (value, rest) = args.split_first()?;
        let value = Box::new(self.compile(value, reporter)?);
        let mut words = Vec::new();
        for (kind, arg) in function.rest.iter().zip(rest) {
            match read_word(*kind, arg) {
                Ok(word) => words.push(word),
                Err((code, why)) => {
                    let at = match arg {
                        Ast::Text(_, at) => *at,
                        Ast::Path(path) => path.span,
                        _ => span,
                    };
                    let title = format!("a wrong argument of `{name}`");
                    reporter.add(code, at, title, why, format!("as in {}", function.example));
                    return None;
                }
            }
        }
        Some(Expr::Call(Call { function, value, words: words.into(), tail: tail.into() }))
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

fn read_word(kind: ArgKind, arg: &Ast) -> Result<Word, (&'static str, String)> {
    let text = match (kind, arg) {
        (ArgKind::Int, Ast::Int(n)) => return Ok(Word::Int(*n)),
        (ArgKind::Int, _) => return Err(("S009", "a whole number is expected".to_owned())),
        (_, Ast::Text(text, _)) => text,
        _ => return Err(("S009", "a text in quotes is expected".to_owned())),
    };
    match kind {
        ArgKind::Pattern => regex(text).map(Word::Pattern).map_err(|why| ("S010", why)),
        ArgKind::TimeFormat => match clock::Format::named(text) {
            Some(format) => Ok(Word::TimeFormat(format)),
            None => {
                Err(("S015", format!("a pattern with % or one of {}", clock::NAMES.join(", "))))
            }
        },
        ArgKind::Text | ArgKind::Int => Ok(Word::Text(text.as_str().into())),
    }
}
