//! Names: where paths, calls and words of a definition are resolved while it is compiled.

use std::borrow::Cow;
use std::collections::HashMap;

use model::Value;

use crate::clock;
use crate::diagnostic::{Reporter, Span, did_you_mean, nearest};
use crate::expr::{Call, Engine, Expr, Shared, SharedCall, regex};
use crate::function::{self, FUNCTIONS, Kind as ArgKind, Word};
use crate::lens::Lens;
use crate::syntax::{self, Ast, Step};

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
    /// Dear calls that several expressions may share, each with its text; none where expressions are
    /// evaluated for the elements of a list.
    pub(crate) shared: Option<Vec<(String, Shared)>>,
}

impl Names {
    /// Names of which none are captures, looked for in the value itself.
    pub(crate) fn plain(absent: Vec<Box<str>>) -> Self {
        Self {
            lens: Lens::new(absent),
            look_in: vec![Vec::new()],
            captures: HashMap::new(),
            aliases: HashMap::new(),
            shared: None,
        }
    }

    /// As [`Names::plain`], where dear calls are shared.
    pub(crate) fn sharing(absent: Vec<Box<str>>) -> Self {
        Self { shared: Some(Vec::new()), ..Self::plain(absent) }
    }

    /// What expressions are evaluated with: the lens and the shared calls.
    pub(crate) fn finish(self) -> (Lens, Vec<Shared>) {
        let shared = self.shared.unwrap_or_default();
        (self.lens, shared.into_iter().map(|(_, call)| call).collect())
    }

    /// Compiles the text of a value in `fields`.
    pub(crate) fn whole(
        &mut self,
        text: &str,
        at: Span,
        reporter: &mut Reporter<'_>,
    ) -> Option<Expr> {
        let ast = syntax::whole(text, at);
        self.read(ast, reporter)
    }

    /// Compiles the text of `from`, `each` or of a condition's key.
    pub(crate) fn path(
        &mut self,
        text: &str,
        at: Span,
        reporter: &mut Reporter<'_>,
    ) -> Option<Expr> {
        let ast = syntax::alternatives(text, at);
        self.read(ast, reporter)
    }

    fn read(
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
                return self.read(inner, reporter);
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
        let words = words.into();
        if let Some(shared) = self.shared.as_mut().filter(|_| function.dear) {
            let text = format!("{name} {value:?} {words:?}");
            let mut slots = Vec::new();
            let needs = (!value.needs(&mut slots)).then(|| slots.into());
            let known = shared.iter().position(|(known, _)| *known == text);
            let number = u16::try_from(known.unwrap_or(shared.len())).ok()?;
            if known.is_none() {
                shared.push((text, Shared { function, value: *value, words }));
            }
            return Some(Expr::Shared(SharedCall { number, tail: tail.into(), needs }));
        }
        Some(Expr::Call(Call { function, value, words, tail: tail.into() }))
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
