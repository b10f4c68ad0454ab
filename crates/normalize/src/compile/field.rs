//! The `fields` of a class: targets checked against the schema, values against targets.

use model::Value;
use ocsf::{AttributeType, Class, Type};

use super::{Compiler, captions, unknown_keys};
use crate::condition::Condition;
use crate::diagnostic::{Span, did_you_mean, nearest};
use crate::expr::{Each, Expr, Mapping, Members, Yield};
use crate::names::Names;
use crate::syntax;
use crate::target::{Form, Member, Target};
use crate::words::Table;
use crate::yaml::{Key, Kind, Node};

/// What the engine itself sets, with the key that does it.
const RESERVED: [(&str, &str); 14] = [
    ("class_uid", "`class:` sets it"),
    ("class_name", "`class:` sets it"),
    ("category_uid", "`class:` sets it"),
    ("category_name", "`class:` sets it"),
    ("type_uid", "`class:` and `activity:` set it"),
    ("type_name", "`class:` and `activity:` set it"),
    ("activity_id", "write `activity:` beside `class:`"),
    ("activity_name", "write `activity:` beside `class:`"),
    ("severity_id", "write `severity:` beside `class:` or at the top"),
    ("severity", "write `severity:` beside `class:` or at the top"),
    ("time", "write `time:` at the top"),
    ("raw_data", "the engine keeps the record's text"),
    ("metadata.version", "the engine sets it"),
    ("metadata.uid", "the engine sets it"),
];

impl Compiler<'_, '_> {
    /// Compiles a map of paths to values, each of which the class must know.
    pub(super) fn fields(
        &mut self,
        node: &Node,
        class: &'static Class,
        out: &mut Vec<(Target, Expr)>,
    ) {
        let Some(entries) = node.as_map() else {
            let help = "fields:\n  actor.user.name: UserName";
            self.reporter.add("S006", node.span, "`fields` is a map", "this is not", help);
            return;
        };
        for (key, value) in entries {
            if let Some(found) = self.attribute(key, class) {
                self.field(key, value, class, &found, out);
            }
        }
    }

    /// As [`Compiler::fields`], leaving out what the class does not know.
    pub(super) fn common(
        &mut self,
        node: &Node,
        class: &'static Class,
        out: &mut Vec<(Target, Expr)>,
    ) {
        for (key, value) in node.as_map().unwrap_or_default() {
            let found = ocsf::resolve(class, &key.text);
            let reserved = RESERVED.iter().any(|(path, _)| *path == key.text);
            if let Some(found) = found.filter(|f| !f.fanned && !reserved) {
                self.field(key, value, class, &found, out);
            }
        }
    }

    /// A common field that no class of the definition knows is a mistake.
    pub(super) fn common_is_known(&mut self, node: &Node, used: &[&'static Class]) {
        for (key, _) in node.as_map().unwrap_or_default() {
            let reserved = RESERVED.iter().any(|(path, _)| *path == key.text);
            let known = used.iter().any(|class| ocsf::resolve(class, &key.text).is_some());
            if reserved || !known {
                let class = used.first().copied().unwrap_or(crate::fallback::base_class());
                self.attribute(key, class);
            }
        }
    }

    fn field(
        &mut self,
        key: &Key,
        value: &Node,
        class: &'static Class,
        found: &AttributeType,
        out: &mut Vec<(Target, Expr)>,
    ) {
        let target = Target::new(class, &key.text, found);
        // An included or common field stands in where the class's own has no value; where it could
        // not (the enumerations of classes differ), the class's own is enough.
        let spare = out.iter().any(|(own, _)| own.is_same(&target));
        let told = self.reporter.found.len();
        let expr = if target.is_list() {
            self.list(value, class, &key.text, found)
        } else if let Form::Object = target.form() {
            let title = format!("`{}` is an object of OCSF", key.text);
            let help = format!("map its attributes: `{}.…`", key.text);
            self.reporter.add("S013", key.span, title, "it holds attributes, not a value", help);
            None
        } else {
            self.value(value, target.form())
        };
        if spare {
            self.reporter.found.truncate(told);
        }
        out.extend(expr.map(|expr| (target, expr)));
    }

    /// Asks the schema for a path.
    fn attribute(&mut self, key: &Key, class: &'static Class) -> Option<AttributeType> {
        if let Some((_, why)) = RESERVED.iter().find(|(path, _)| *path == key.text) {
            let title = format!("`{}` is not mapped", key.text);
            self.reporter.add("S012", key.span, title, "the engine fills it", *why);
            return None;
        }
        match ocsf::resolve(class, &key.text) {
            Some(found) if found.fanned => {
                let list = key.text.split("[]").next().unwrap_or_default();
                let help = format!("write `{list}: {{each: …, fields: {{…}}}}`");
                let title = "a list is filled with `each`";
                self.reporter.add("S013", key.span, title, "`[]` is not for this side", help);
                None
            }
            Some(found) => Some(found),
            None => {
                let (span, help) = where_lost(key, class);
                let title = format!("`{}` is not an attribute of {}", key.text, class.name);
                self.reporter.add("S012", span, title, "OCSF does not know this", help);
                None
            }
        }
    }

    /// The value of an attribute that is a list.
    fn list(
        &mut self,
        node: &Node,
        class: &'static Class,
        path: &str,
        found: &AttributeType,
    ) -> Option<Expr> {
        if node.get("each").is_some() {
            return self.each(node, class, path);
        }
        let form = Form::of(found);
        match &node.kind {
            Kind::List(items) => {
                let one = |item: &Node| match item.get("fields") {
                    // An object of constants and paths is a list of one made in place.
                    Some(_) => self.object(item, class, path),
                    None => self.value(item, form),
                };
                let items: Vec<Expr> = items.iter().filter_map(one).collect();
                Some(Expr::List(items.into()))
            }
            Kind::Map(_) if node.get("fields").is_some() => self.object(node, class, path),
            _ => self.value(node, form),
        }
    }

    /// `{each: list, when: …, fields: {…}}` or `{each: list, value: …}`.
    fn each(&mut self, node: &Node, class: &'static Class, path: &str) -> Option<Expr> {
        let known = || ["each", "when", "fields", "value"].into_iter();
        unknown_keys(node.as_map()?, known, "`each`", self.reporter);
        let each = node.get("each")?;
        let list = if let Some(text) = each.as_text() {
            self.names.path(text, each.inner(), self.reporter)?
        } else {
            self.reporter.add("S006", each.span, "`each` is a path to a list", "this is not", "");
            return None;
        };
        let outer = std::mem::replace(&mut self.names, Names::plain(self.absent.clone()));
        let when = self.condition(node.get("when"));
        let yields = self.yields(node, class, path);
        let inner = std::mem::replace(&mut self.names, outer);
        Some(Expr::Each(Box::new(Each { list, lens: inner.lens, when, yields: yields? })))
    }

    /// One object, its fields read from the record itself: an `each` over nothing but the record.
    fn object(&mut self, node: &Node, class: &'static Class, path: &str) -> Option<Expr> {
        unknown_keys(node.as_map()?, || ["when", "fields"].into_iter(), "an object", self.reporter);
        let when = self.condition(node.get("when"));
        let members = self.members(node.get("fields")?, class, path)?;
        Some(Expr::Object(Box::new((when, members))))
    }

    fn yields(&mut self, node: &Node, class: &'static Class, path: &str) -> Option<Yield> {
        match (node.get("fields"), node.get("value")) {
            (Some(fields), None) => self.members(fields, class, path).map(Yield::Object),
            (None, Some(value)) => {
                let form = ocsf::resolve(class, path).map_or(Form::Text, |f| Form::of(&f));
                self.value(value, form).map(Yield::One)
            }
            _ => {
                let help = "resources: {each: target, fields: {uid: id, name: displayName}}";
                self.reporter.add(
                    "S003",
                    node.span,
                    "`each` needs `fields` or `value`",
                    "here",
                    help,
                );
                None
            }
        }
    }

    fn members(&mut self, fields: &Node, class: &'static Class, path: &str) -> Option<Members> {
        let mut members = Vec::new();
        for (key, value) in fields.as_map()? {
            let full = format!("{path}[].{}", key.text);
            // Objects that OCSF leaves free take any name.
            let Some(found) = ocsf::resolve(class, &full) else {
                let parent = ocsf::resolve(class, path).map(|f| f.attribute.ty);
                let shape = match parent {
                    Some(Type::Object(id)) => id.get().map(|o| &o.shape),
                    _ => None,
                };
                let near = shape.map(|s| nearest(&key.text, s.attributes().map(|a| a.name)));
                let help = did_you_mean(&near.unwrap_or_default());
                let title = format!("`{}` is not an attribute of the elements of {path}", key.text);
                self.reporter.add("S012", key.span, title, "OCSF does not know this", help);
                continue;
            };
            let member = Member::new(&key.text, &found);
            let expr = if found.list {
                self.list(value, class, &full, &found)
            } else {
                self.value(value, member.form())
            };
            members.extend(expr.map(|expr| (member, expr)));
        }
        Some(members.into())
    }

    /// The value of an attribute that is none.
    pub(super) fn value(&mut self, node: &Node, form: Form) -> Option<Expr> {
        match &node.kind {
            Kind::Scalar { text, plain } => {
                // A caption stands for itself: `activity: Logon`.
                if let Form::Numbers(e) = form
                    && captions(e).contains(&text.as_str())
                {
                    let caption = Expr::Const(Value::Str(text.clone().into()));
                    return self.fits(caption, form, node.span);
                }
                let constant = if *plain { syntax::constant(text) } else { None };
                let expr = match constant {
                    Some(_) => self.names.path(text, node.inner(), self.reporter)?,
                    None => self.names.whole(text, node.inner(), self.reporter)?,
                };
                self.fits(expr, form, node.span)
            }
            Kind::List(items) => {
                let all: Option<Vec<Expr>> = items.iter().map(|i| self.value(i, form)).collect();
                Some(Expr::List(all?.into()))
            }
            Kind::Map(entries) => {
                let has = |key| node.get(key).is_some();
                if has("from") {
                    self.mapping(node, form)
                } else if has("if") {
                    self.choice(node, form)
                } else if let Some(cases) = node.get("cases") {
                    self.cases(cases, form)
                } else if let Some(first) = node.get("first") {
                    let all: Option<Vec<Expr>> =
                        first.items().iter().map(|i| self.value(i, form)).collect();
                    Some(Expr::Either(all?.into()))
                } else {
                    let help = "a value is a text, {from, map, default}, {if, then, else}, {cases}, {first}, \
                                {each, fields}; a template in braces stands in quotes";
                    let span = entries.first().map_or(node.span, |(k, _)| k.span);
                    self.reporter.add("S006", span, "not a value", "this map", help);
                    None
                }
            }
        }
    }

    fn mapping(&mut self, node: &Node, form: Form) -> Option<Expr> {
        let known = || ["from", "map", "default"].into_iter();
        unknown_keys(node.as_map()?, known, "a map of words", self.reporter);
        let from = node.get("from")?;
        let from = self.value(from, Form::Json)?;
        // Numbers have an Other that carries the source's word; other attributes have no such thing.
        let keep = matches!(form, Form::Numbers(_));
        let mut table = Table::new();
        let mut to = Vec::new();
        let map = if let Some(map) = node.get("map") {
            match map.as_text() {
                Some(name) => {
                    if let Some(map) = self.maps.get(name) {
                        map.clone()
                    } else {
                        let title = format!("there is no map `{name}`");
                        let names: Vec<&str> = self.maps.keys().map(|k| &**k).collect();
                        let help = did_you_mean(&nearest(name, names.into_iter()));
                        self.reporter.add("S016", map.span, title, "not under `maps`", help);
                        return None;
                    }
                }
                None => map.clone(),
            }
        } else {
            self.reporter.add(
                "S003",
                node.span,
                "`from` needs `map`",
                "here",
                "from: x\nmap: {word: caption}",
            );
            return None;
        };
        for (key, value) in map.as_map().unwrap_or_default() {
            let expr = self.word(value, form)?;
            let place = u32::try_from(to.len()).unwrap_or(0);
            to.push(expr);
            if !table.add(&key.text, place) {
                let title = format!("`{}` is given twice", key.text);
                self.reporter.add(
                    "S005",
                    key.span,
                    title,
                    "case does not count",
                    "keep one of them",
                );
            }
        }
        let default = match node.get("default") {
            Some(default) => Some(self.word(default, form)?),
            None => None,
        };
        Some(Expr::Map(Box::new(Mapping { from, table, to: to.into(), default, keep })))
    }

    /// What stands in a map: a word, never a path.
    fn word(&mut self, node: &Node, form: Form) -> Option<Expr> {
        let Some(text) = node.as_text() else {
            self.reporter.add(
                "S006",
                node.span,
                "a word is expected",
                format!("this is {}", node.what()),
                "",
            );
            return None;
        };
        let value = match (&node.kind, syntax::constant(text)) {
            (Kind::Scalar { plain: true, .. }, Some(syntax::Ast::Int(n))) => Value::Int(n),
            (Kind::Scalar { plain: true, .. }, Some(syntax::Ast::Bool(b))) => Value::Bool(b),
            (Kind::Scalar { plain: true, .. }, Some(syntax::Ast::Float(x))) => Value::Float(x),
            _ => Value::Str(text.to_owned().into()),
        };
        self.fits(Expr::Const(value), form, node.span)
    }

    fn choice(&mut self, node: &Node, form: Form) -> Option<Expr> {
        unknown_keys(
            node.as_map()?,
            || ["if", "then", "else"].into_iter(),
            "a choice",
            self.reporter,
        );
        let when = self.condition(node.get("if"));
        let Some(then) = node.get("then") else {
            self.reporter.add("S003", node.span, "`if` needs `then`", "here", "");
            return None;
        };
        let mut cases = vec![(when, self.value(then, form)?)];
        if let Some(otherwise) = node.get("else") {
            cases.push((Condition::Always, self.value(otherwise, form)?));
        }
        Some(Expr::cases(cases))
    }

    fn cases(&mut self, node: &Node, form: Form) -> Option<Expr> {
        let mut cases = Vec::new();
        for item in node.items() {
            let entries = item.as_map().unwrap_or_default();
            unknown_keys(entries, || ["when", "value"].into_iter(), "a case", self.reporter);
            let Some(value) = item.get("value") else {
                let help = "cases:\n  - {when: {a: b}, value: =Success}\n  - {value: =Failure}";
                self.reporter.add("S003", item.span, "a case needs `value`", "here", help);
                return None;
            };
            let when = self.condition(item.get("when"));
            cases.push((when, self.value(value, form)?));
        }
        Some(Expr::cases(cases))
    }

    /// Constants are held against the attribute here and now; captions become numbers.
    fn fits(&mut self, expr: Expr, form: Form, at: Span) -> Option<Expr> {
        if let Expr::Either(all) = expr {
            let all: Option<Vec<Expr>> = all.into_iter().map(|e| self.fits(e, form, at)).collect();
            return Some(Expr::Either(all?.into()));
        }
        let Some(constant) = expr.constant() else { return Some(expr) };
        if let Ok(settled) = form.settle(constant) {
            Some(Expr::Const(settled))
        } else {
            let shown = constant.to_text().unwrap_or_default().into_owned();
            let near = match form {
                Form::Numbers(e) | Form::Words(e) => {
                    let all = captions(e);
                    match did_you_mean(&nearest(&shown, all.iter().copied())) {
                        help if help.is_empty() => {
                            let some: Vec<&str> = all.iter().copied().take(40).collect();
                            format!("it may be {}", some.join(", "))
                        }
                        help => help,
                    }
                }
                _ => String::new(),
            };
            let title = format!("the attribute cannot hold `{shown}`");
            self.reporter.add("S013", at, title, format!("it wants {}", form.wants()), near);
            None
        }
    }
}

/// Which step of a path is unknown, and what it may have meant.
fn where_lost(key: &Key, class: &'static Class) -> (Span, String) {
    let mut shape = Some(&class.shape);
    let mut column = key.span.column;
    for step in key.text.split('.') {
        let name = step.split('[').next().unwrap_or_default();
        let span = Span { column, width: step.chars().count().max(1), ..key.span };
        let Some(of) = shape else {
            return (span, "what stands before it has no attributes".to_owned());
        };
        let Some(attribute) = of.attribute(name) else {
            let near = nearest(name, of.attributes().map(|a| a.name));
            let help = match did_you_mean(&near) {
                help if help.is_empty() => {
                    let kind = if of.name == class.name { "classes" } else { "objects" };
                    let version = ocsf::VERSION;
                    format!("see https://schema.ocsf.io/{version}/{kind}/{}", of.name)
                }
                help => help,
            };
            return (span, help);
        };
        if attribute.many && !step.contains('[') && key.text.len() > step.len() {
            let chosen = "it is a list: choose an element, `[0]`, or fill it with `each`";
            return (span, chosen.to_owned());
        }
        shape = match attribute.ty {
            Type::Object(id) => id.get().map(|o| &o.shape),
            _ => None,
        };
        column += step.chars().count() + 1;
    }
    (key.span, String::new())
}
