//! YAML as a tree that knows the place of each node. Bounded: size, depth, nodes, aliases.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as YamlSpan};

use crate::diagnostic::{Reporter, Span};

/// Larger definitions than this are refused, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Deeper nesting than this is refused.
const MAX_DEPTH: usize = 40;
/// More nodes than this, aliases expanded, are refused: the bomb with ten aliases of ten aliases.
const MAX_NODES: usize = 100_000;

/// A node with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Any scalar, as text; plain ones may be a number, a truth value or null.
    Scalar { text: String, plain: bool },
    /// Nodes in order.
    List(Vec<Node>),
    /// Named nodes in order; keys are scalars.
    Map(Vec<(Key, Node)>),
}

/// The key of a map entry with its place.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Node {
    pub(crate) fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A list's nodes, or the node itself: one and many are written alike.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(k, _)| k.text == key).map(|(_, v)| v)
    }

    /// True for an absent value: `key:` with nothing after it, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The place of its text: within the quotes, where it has some.
    pub(crate) fn inner(&self) -> Span {
        match &self.kind {
            Kind::Scalar { plain: false, .. } if self.span.width > 2 => {
                Span { column: self.span.column + 1, width: self.span.width - 2, ..self.span }
            }
            _ => self.span,
        }
    }

    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match self.kind {
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

struct Builder<'t, 'r> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    reporter: &'r mut Reporter<'t>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

/// Reads the first document of a text; mistakes go to the reporter.
pub(crate) fn read<'t>(text: &'t str, reporter: &mut Reporter<'t>) -> Option<Node> {
    if text.len() > MAX_BYTES {
        reporter.add(
            "S002",
            Span { line: 1, column: 1, width: 1 },
            format!("the file has {} bytes; a definition may have {MAX_BYTES}", text.len()),
            "",
            "split it into several definitions",
        );
        return None;
    }
    let mut builder =
        Builder { parser: Parser::new_from_str(text), reporter, anchors: HashMap::new(), nodes: 0 };
    loop {
        match builder.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd | Event::DocumentEnd, span) => {
                let span = place(span);
                builder.reporter.add("S001", span, "the file is empty", "", "");
                return None;
            }
            (event, span) => return builder.node(event, span, 0),
        }
    }
}

fn place(span: YamlSpan) -> Span {
    let width = if span.start.line() == span.end.line() {
        span.end.col().saturating_sub(span.start.col())
    } else {
        1
    };
    Span { line: span.start.line().max(1), column: span.start.col() + 1, width: width.max(1) }
}

impl<'t> Builder<'t, '_> {
    fn next(&mut self) -> Option<(Event<'t>, YamlSpan)> {
        match self.parser.next_event()? {
            Ok(event) => Some(event),
            Err(error) => {
                let mark = error.marker();
                let span = Span { line: mark.line().max(1), column: mark.col() + 1, width: 1 };
                let help = "texts that begin with one of @ ` % & * ! | > { [ or hold `: ` or ` #` \
                            stand in quotes";
                self.reporter.add("S001", span, "this is not YAML", error.info(), help);
                None
            }
        }
    }

    fn limit(&mut self, span: Span, what: &str) -> Option<Node> {
        self.reporter.add("S002", span, what, "here", "");
        None
    }

    fn node(&mut self, event: Event<'t>, span: YamlSpan, depth: usize) -> Option<Node> {
        let at = place(span);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return self.limit(at, "too many nodes, aliases counted each time");
        }
        if depth > MAX_DEPTH {
            return self.limit(at, "nested too deeply");
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let kind = Kind::Scalar { text: text.into_owned(), plain };
                (Node { span: at, kind }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (Node { span: at, kind: Kind::List(items) }, anchor)
            }
            Event::MappingStart(anchor, _) => {
                let entries = self.entries(depth)?;
                (Node { span: at, kind: Kind::Map(entries) }, anchor)
            }
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return self.limit(at, "an alias inside what it names");
                };
                self.nodes += count(&node);
                if self.nodes > MAX_NODES {
                    return self.limit(at, "too many nodes, aliases counted each time");
                }
                return Some(node);
            }
            _ => {
                self.reporter.add("S001", at, "this is not YAML", "unexpected here", "");
                return None;
            }
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Some(node)
    }

    fn entries(&mut self, depth: usize) -> Option<Vec<(Key, Node)>> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Some(entries),
                Event::Scalar(text, ..) => Key { text: text.into_owned(), span: place(span) },
                _ => {
                    let at = place(span);
                    self.reporter.add("S006", at, "a key must be a plain text", "this is not", "");
                    return None;
                }
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if let Some((first, _)) = entries.iter().find(|(k, _)| k.text == key.text) {
                let label = format!("already given in line {}", first.span.line);
                let code = if key.text.contains('.') { "S014" } else { "S005" };
                let title = format!("`{}` is given twice", key.text);
                self.reporter.add(code, key.span, title, label, "keep one of them");
            } else {
                entries.push((key, value));
            }
        }
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar { .. } => 0,
        Kind::List(items) => items.iter().map(count).sum(),
        Kind::Map(entries) => entries.iter().map(|(_, v)| 1 + count(v)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        let mut reporter = Reporter::new("t.yml", text);
        read(text, &mut reporter);
        reporter.found.iter().map(|d| d.code).collect()
    }

    #[test]
    fn bombs_and_cycles_are_refused() {
        use std::fmt::Write as _;
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let list = vec![format!("*a{}", i - 1); 10].join(", ");
            let _ = writeln!(bomb, "a{i}: &a{i} [{list}]");
        }
        assert_eq!(codes(&bomb), vec!["S002"]);
        assert_eq!(codes("a: &a [*a]"), vec!["S002"]);
        assert_eq!(codes(&"[".repeat(5000)).len(), 1);
        assert_eq!(codes(&"x".repeat(MAX_BYTES + 1)), vec!["S002"]);
        assert_eq!(codes(""), vec!["S001"]);
        assert_eq!(codes("a: b: c"), vec!["S001"]);
        assert_eq!(codes("a: 1\na: 2\n"), vec!["S005"]);
    }
}
