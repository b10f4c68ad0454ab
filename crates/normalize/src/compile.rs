//! From YAML to definitions, every mistake told with its place.

use std::collections::HashMap;
use std::sync::Arc;

use ocsf::{Class, Enumeration};

use crate::choice::Choice;
use crate::condition::{self, Condition};
use crate::definition::{ClassPlan, Definition, Maps, Plan};
use crate::diagnostic::{Diagnostic, Reporter, Span, did_you_mean, nearest};
use crate::expr::Expr;
use crate::fallback::base_class;
use crate::index::{self, Index, Recogniser};
use crate::live::Live;
use crate::names::Names;
use crate::syntax::{Ast, Step};
use crate::target::Form;
use crate::yaml::{self, Key, Kind, Node};
use crate::{Normalizer, SourceText, open, pattern};

mod field;
mod origin;

const KEYS: [&str; 20] = [
    "name",
    "version",
    "title",
    "vendor",
    "product",
    "about",
    "references",
    "priority",
    "no_value",
    "look_in",
    "names",
    "recognise",
    "open",
    "patterns",
    "logsource",
    "time",
    "severity",
    "maps",
    "sets",
    "fields",
];
const CLASS_KEYS: [&str; 6] = ["class", "when", "include", "activity", "severity", "fields"];

/// Compiles all; a later definition of a name takes the place of an earlier.
pub(crate) fn all(sources: Vec<SourceText>) -> (Normalizer, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut compiled: Vec<(Definition, Recogniser)> = Vec::new();
    for source in sources {
        let mut reporter = Reporter::new(&source.path, &source.text);
        let made = one(&source, &mut reporter);
        reporter.found.sort_by_key(|d| (d.line, d.column));
        found.append(&mut reporter.found);
        if let Some(made) = made {
            compiled.retain(|(definition, _)| definition.name != made.0.name);
            compiled.push(made);
        }
    }
    compiled.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    let mut definitions = Vec::new();
    let mut recognisers = Vec::new();
    for (place, (definition, mut recogniser)) in compiled.into_iter().enumerate() {
        recogniser.definition = place;
        definitions.push(definition);
        recognisers.push(recogniser);
    }
    let index = Index::build(&recognisers);
    (Normalizer { definitions, index }, found)
}

/// What the parts of a definition are compiled with.
struct Compiler<'c, 't> {
    names: Names,
    maps: Maps,
    sets: HashMap<Box<str>, Node>,
    patterns: Vec<String>,
    absent: Vec<Box<str>>,
    reporter: &'c mut Reporter<'t>,
}

fn one<'t>(
    source: &'t SourceText,
    reporter: &mut Reporter<'t>,
) -> Option<(Definition, Recogniser)> {
    let root = yaml::read(&source.text, reporter)?;
    let Some(entries) = root.as_map() else {
        reporter.add(
            "S006",
            root.span,
            "a definition is a map",
            "this is not",
            "begin with `name: …`",
        );
        return None;
    };
    let known = || KEYS.into_iter().chain(["classes"]);
    unknown_keys(entries, known, "a definition", reporter);
    let name = required_text(&root, "name", reporter)?;
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        let at = root.get("name").map_or(root.span, Node::inner);
        reporter.add(
            "S006",
            at,
            "not a definition's name",
            "this",
            "lower case letters, digits and _",
        );
    } else if name != source.name {
        let at = root.get("name").map_or(root.span, Node::inner);
        let help = format!("the folder is called `{}`; name both alike", source.name);
        reporter.add("S016", at, "the name is not the folder's", "here", help);
    }
    let version = number(&root, "version", reporter);
    let title = required_text(&root, "title", reporter);
    let vendor = required_text(&root, "vendor", reporter);
    let product = required_text(&root, "product", reporter);
    let priority = number(&root, "priority", reporter).unwrap_or(0);
    let absent: Vec<Box<str>> = match root.get("no_value") {
        Some(node) => node.items().iter().filter_map(Node::as_text).map(Into::into).collect(),
        None => vec!["".into()],
    };
    let look_in = look_in(root.get("look_in"), reporter);
    let aliases = aliases(root.get("names"), reporter);
    let names = || Names {
        look_in: look_in.clone(),
        aliases: aliases.clone(),
        ..Names::sharing(absent.clone())
    };
    let mut compiler = Compiler {
        names: names(),
        maps: named(root.get("maps"), reporter),
        sets: named(root.get("sets"), reporter),
        patterns: Vec::new(),
        absent: absent.clone(),
        reporter,
    };
    let open = root.get("open").map(|node| open::compile(node, compiler.reporter));
    let patterns = compiler.patterns(root.get("patterns"));
    let recognise = compiler.recognise(&root, names())?;
    let times = compiler.times(root.get("time"));
    let (sources, logsources) = compiler.sources(root.get("logsource"));
    let severity = compiler.severity(root.get("severity"), base_class());
    let classes = compiler.classes(&root);
    if !compiler.reporter.found.is_empty() {
        return None;
    }
    let (lens, shared) = compiler.names.finish();
    let product_columns = || {
        Some([
            (ocsf::column("metadata.product.name")?, Arc::from(product?)),
            (ocsf::column("metadata.product.vendor_name")?, Arc::from(vendor?)),
        ])
    };
    let mut uids: Vec<&'static Class> = classes.iter().map(|c| c.class).collect();
    uids.sort_by_key(|c| c.uid);
    uids.dedup_by_key(|c| c.uid);
    let name: Arc<str> = name.into();
    let definition = Definition {
        name: Arc::clone(&name),
        version: version.and_then(|v| u32::try_from(v).ok()).unwrap_or(1),
        title: title?.into(),
        vendor: vendor?.into(),
        product: product?.into(),
        path: source.path.as_str().into(),
        logsources,
        classes: uids,
        plan: Plan {
            open: open.unwrap_or_default(),
            lens,
            shared,
            patterns,
            times,
            severity,
            source: Choice::new(sources.iter().map(|(when, _)| when)),
            sources,
            class: Choice::new(classes.iter().map(|class| &class.when)),
            classes,
            product: product_columns()?,
        },
    };
    let name = (&*name).into();
    let recogniser =
        Recogniser { definition: 0, name, priority, look_in, aliases, node: recognise };
    Some((definition, recogniser))
}

fn unknown_keys<'k, I: Iterator<Item = &'k str>>(
    entries: &[(Key, Node)],
    known: impl Fn() -> I,
    of: &str,
    reporter: &mut Reporter<'_>,
) {
    for (key, _) in entries {
        if !known().any(|k| k == key.text) {
            let help = match did_you_mean(&nearest(&key.text, known())) {
                help if help.is_empty() => {
                    format!("{of} has {}", known().collect::<Vec<_>>().join(", "))
                }
                help => help,
            };
            let title = format!("`{}` is not a key of {of}", key.text);
            reporter.add("S004", key.span, title, "here", help);
        }
    }
}

fn required_text<'n>(root: &'n Node, key: &str, reporter: &mut Reporter<'_>) -> Option<&'n str> {
    match root.get(key) {
        None => {
            let title = format!("the definition has no `{key}`");
            reporter.add("S003", root.span, title, "in this file", format!("add `{key}: …`"));
            None
        }
        Some(node) => {
            if let Some(text) = node.as_text().filter(|t| !t.is_empty()) {
                Some(text)
            } else {
                let title = format!("`{key}` must be a text");
                reporter.add("S006", node.span, title, format!("this is {}", node.what()), "");
                None
            }
        }
    }
}

fn number(root: &Node, key: &str, reporter: &mut Reporter<'_>) -> Option<i64> {
    let node = root.get(key)?;
    let number = node.as_text().and_then(|t| t.parse().ok());
    if number.is_none() {
        reporter.add(
            "S006",
            node.span,
            format!("`{key}` must be a whole number"),
            "this is not",
            "",
        );
    }
    number
}

fn look_in(node: Option<&Node>, reporter: &mut Reporter<'_>) -> Vec<Vec<Step>> {
    let Some(node) = node else { return vec![Vec::new()] };
    let mut places = Vec::new();
    for item in node.items() {
        let text = item.as_text().unwrap_or_default();
        if text.is_empty() || text == "$" {
            places.push(Vec::new());
            continue;
        }
        match crate::syntax::alternatives(text, item.span) {
            Ok(Ast::Path(path))
                if path.steps.iter().all(|s| matches!(s, Step::Key(_) | Step::Any)) =>
            {
                places.push(path.steps);
            }
            _ => {
                let help =
                    "write a path of names, like `Event.EventData`, or `$` for the record itself";
                reporter.add("S007", item.span, "not a place to look in", "this", help);
            }
        }
    }
    places
}

/// The definition's own names for expressions.
fn aliases(node: Option<&Node>, reporter: &mut Reporter<'_>) -> HashMap<Box<str>, Ast> {
    let mut aliases = HashMap::new();
    for (key, value) in named(node, reporter) {
        let text = value.as_text().unwrap_or_default();
        match crate::syntax::whole(text, value.inner()) {
            Ok(ast) => {
                aliases.insert(key, ast);
            }
            Err(wrong) => {
                let help = "names:\n  EventID: EventID | winlog.event_id";
                reporter.add(
                    "S007",
                    wrong.span,
                    "this expression cannot be read",
                    wrong.label,
                    help,
                );
            }
        }
    }
    aliases
}

/// The entries of `maps` or `sets`.
fn named(node: Option<&Node>, reporter: &mut Reporter<'_>) -> HashMap<Box<str>, Node> {
    let Some(node) = node else { return HashMap::new() };
    let Some(entries) = node.as_map() else {
        reporter.add("S006", node.span, "a map of names is expected", "this is not", "");
        return HashMap::new();
    };
    entries.iter().map(|(k, v)| (k.text.as_str().into(), v.clone())).collect()
}

impl Compiler<'_, '_> {
    fn patterns(&mut self, node: Option<&Node>) -> Vec<pattern::Patterns> {
        let Some(node) = node else { return Vec::new() };
        pattern::blocks(node)
            .iter()
            .filter_map(|block| {
                pattern::compile(block, &mut self.names, &mut self.patterns, self.reporter)
            })
            .collect()
    }

    /// The `recognise` block, checked on names of its own: captures are not known yet there.
    fn recognise(&mut self, root: &Node, mut names: Names) -> Option<Node> {
        let Some(node) = root.get("recognise") else {
            let help = "recognise:\n  - parser: json\n    has: [eventType, published]";
            self.reporter.add(
                "S003",
                root.span,
                "the definition has no `recognise`",
                "in this file",
                help,
            );
            return None;
        };
        let _ = index::check(node, &mut names, self.reporter);
        Some(node.clone())
    }

    fn condition(&mut self, node: Option<&Node>) -> Condition {
        if let Some(node) = node {
            self.known_patterns(node);
        }
        condition::compile(node, &mut self.names, self.reporter).unwrap_or(Condition::Always)
    }

    /// A misspelt pattern name in a condition would never hold, so it is told.
    fn known_patterns(&mut self, node: &Node) {
        match &node.kind {
            Kind::Map(entries) => {
                for (key, value) in entries {
                    if key.text != "$pattern" {
                        self.known_patterns(value);
                        continue;
                    }
                    for item in value.items() {
                        let name = item.as_text().unwrap_or_default();
                        if !name.contains('*') && !self.patterns.iter().any(|p| p == name) {
                            let near = nearest(name, self.patterns.iter().map(String::as_str));
                            let help = did_you_mean(&near);
                            let title = format!("there is no pattern `{name}`");
                            self.reporter.add(
                                "S016",
                                item.span,
                                title,
                                "not under `patterns`",
                                help,
                            );
                        }
                    }
                }
            }
            Kind::List(items) => items.iter().for_each(|item| self.known_patterns(item)),
            Kind::Scalar { .. } => {}
        }
    }

    fn severity(&mut self, node: Option<&Node>, class: &'static Class) -> Option<Expr> {
        let enumeration = class.attribute("severity_id")?.enumeration?;
        let expr = self.value(node?, Form::Numbers(enumeration))?;
        Some(expr)
    }

    fn activity(&mut self, node: Option<&Node>, class: &'static Class) -> Option<Expr> {
        let enumeration = class.attribute("activity_id")?.enumeration?;
        self.value(node?, Form::Numbers(enumeration))
    }

    fn classes(&mut self, root: &Node) -> Vec<ClassPlan> {
        let mut plans: Vec<ClassPlan> = Vec::new();
        let mut closed: Option<Span> = None;
        let common = root.get("fields");
        let nodes = root.get("classes").map(Node::items).unwrap_or_default();
        for node in nodes {
            let Some(entries) = node.as_map() else {
                let help = "classes:\n  - class: authentication\n    fields: {…}";
                self.reporter.add("S006", node.span, "a class is a map", "this is not", help);
                continue;
            };
            unknown_keys(entries, || CLASS_KEYS.into_iter(), "a class", self.reporter);
            let Some(class) = self.class(node) else { continue };
            if let Some(first) = closed {
                let label = format!(
                    "the class in line {} has no `when` and takes every record",
                    first.line
                );
                self.reporter.add(
                    "S018",
                    node.span,
                    "no record can reach this class",
                    label,
                    "put it before",
                );
            }
            let when = self.condition(node.get("when"));
            if matches!(when, Condition::Always) {
                closed = closed.or(Some(node.span));
            }
            plans.push(self.class_plan(class, when, node, common));
        }
        if closed.is_none() {
            let mut fields = Vec::new();
            if let Some(common) = common {
                self.common(common, base_class(), &mut fields);
            }
            plans.push(ClassPlan {
                class: base_class(),
                when: Condition::Always,
                activity: None,
                severity: None,
                live: Live::new(&fields, |(_, value), slots| value.needs(slots)),
                fields,
            });
        }
        if let Some(common) = common {
            let used: Vec<&'static Class> = plans.iter().map(|p| p.class).collect();
            self.common_is_known(common, &used);
        }
        plans
    }

    fn class(&mut self, node: &Node) -> Option<&'static Class> {
        let Some((name, at)) = node.get("class").and_then(|n| Some((n.as_text()?, n.inner())))
        else {
            let help = "name an OCSF class, like `class: authentication`";
            self.reporter.add("S003", node.span, "a class needs `class`", "here", help);
            return None;
        };
        let class = ocsf::class(name);
        if class.is_none() {
            let help = did_you_mean(&nearest(name, ocsf::classes().iter().map(|c| c.name)));
            let title = format!("OCSF {} has no class `{name}`", ocsf::VERSION);
            self.reporter.add("S011", at, title, "not a class", help);
        }
        class
    }

    fn class_plan(
        &mut self,
        class: &'static Class,
        when: Condition,
        node: &Node,
        common: Option<&Node>,
    ) -> ClassPlan {
        let activity = self.activity(node.get("activity"), class);
        let severity = self.severity(node.get("severity"), class);
        let mut fields = Vec::new();
        if let Some(own) = node.get("fields") {
            self.fields(own, class, &mut fields);
        }
        for item in node.get("include").map(Node::items).unwrap_or_default() {
            let name = item.as_text().unwrap_or_default();
            if let Some(set) = self.sets.get(name).cloned() {
                self.fields(&set, class, &mut fields);
            } else {
                let near: Vec<_> = nearest(name, self.sets.keys().map(|k| &**k))
                    .into_iter()
                    .map(str::to_owned)
                    .collect();
                let near: Vec<&str> = near.iter().map(String::as_str).collect();
                let title = format!("there is no set `{name}`");
                self.reporter.add(
                    "S016",
                    item.span,
                    title,
                    "not under `sets`",
                    did_you_mean(&near),
                );
            }
        }
        if let Some(common) = common {
            self.common(common, class, &mut fields);
        }
        let live = Live::new(&fields, |(_, value), slots| value.needs(slots));
        ClassPlan { class, when, activity, severity, fields, live }
    }
}

/// The captions or words of an enumeration, for messages.
fn captions(of: &Enumeration) -> Vec<&'static str> {
    match of {
        Enumeration::Numbers(rows) => rows.iter().map(|(_, caption)| *caption).collect(),
        Enumeration::Words(rows) => rows.iter().map(|(word, _)| *word).collect(),
    }
}
