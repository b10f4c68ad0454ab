//! Message patterns: the shapes of a program's messages, each with the fields that it holds.
//!
//! ```text
//! Accepted <method> for <user> from <ip:ip> port <port:int>{ ssh2}{: <key:rest>}
//! ```
//! `<name>` is a word, `<name:class>` something else, `{…}` may be missing, `\` takes the meaning
//! off the next character. A pattern fits a whole message. It becomes a regular expression, which
//! reads any message in linear time; a literal that must be there is looked for first.

use std::fmt::Write as _;

use model::Value;
use regex::Regex;

use crate::diagnostic::{Reporter, Span, did_you_mean, nearest};
use crate::expr::{Expr, Scene, regex};
use crate::names::Names;
use crate::slots::Got;
use crate::value::{Val, bare};
use crate::yaml::{Kind, Node};

/// The classes of captures with the expressions that they stand for.
const CLASSES: [(&str, &str); 9] = [
    ("word", r"\S+"),
    ("int", r"-?\d+"),
    ("hex", r"(?:0[xX])?[0-9A-Fa-f]+"),
    ("ip", r"[0-9A-Fa-f:.]+(?:%\w+)?"),
    ("text", r".*?"),
    ("any", r".+"),
    ("rest", r".*"),
    ("quoted", r#"(?:[^"\\]|\\.)*"#),
    ("name", r"[\w.@$\\-]+"),
];

/// Longer messages are not matched, in bytes: they stay messages.
const MAX_MESSAGE: usize = 64 << 10;

/// The patterns of one expression.
#[derive(Debug)]
pub(crate) struct Patterns {
    from: Expr,
    shapes: Vec<Shape>,
    /// For each first byte, the shapes that may begin so, in order.
    by_first: Vec<Box<[u16]>>,
}

#[derive(Debug)]
struct Shape {
    name: Box<str>,
    prefix: Box<str>,
    needle: Option<memchr::memmem::Finder<'static>>,
    regex: Regex,
    /// Slot and group.
    captures: Box<[(u16, usize)]>,
}

impl Patterns {
    /// Matches and fills the slots of the captures; gives the name of the pattern that fitted.
    pub(crate) fn apply<'r>(
        &'r self,
        scene: &Scene<'_, 'r>,
        captured: &mut Vec<(u16, Got<'r>)>,
    ) -> Option<&'r str> {
        let text: &'r str = match self.from.eval(scene) {
            Val::Ref(value) => match bare(value) {
                Value::Str(text) => text,
                _ => return None,
            },
            Val::Text(std::borrow::Cow::Borrowed(text)) => text,
            _ => return None,
        };
        let text = text.trim_end();
        if text.len() > MAX_MESSAGE {
            return None;
        }
        let first = usize::from(*text.as_bytes().first()?);
        for at in self.by_first.get(first)? {
            let Some(shape) = self.shapes.get(usize::from(*at)) else { continue };
            if !text.starts_with(&*shape.prefix)
                || shape.needle.as_ref().is_some_and(|n| n.find(text.as_bytes()).is_none())
            {
                continue;
            }
            let mut places = shape.regex.capture_locations();
            if shape.regex.captures_read(&mut places, text).is_none() {
                continue;
            }
            for (slot, group) in &shape.captures {
                let found = places.get(*group).and_then(|(from, to)| text.get(from..to));
                let found = found.map(str::trim).filter(|t| !scene.lens.is_absent_text(t));
                if let Some(found) = found.filter(|t| !t.is_empty()) {
                    captured.push((*slot, Got::Text(found)));
                }
            }
            return Some(&shape.name);
        }
        None
    }
}

/// Compiles one `patterns` block. The names of its patterns are added to `known`.
pub(crate) fn compile(
    node: &Node,
    names: &mut Names,
    known: &mut Vec<String>,
    reporter: &mut Reporter<'_>,
) -> Option<Patterns> {
    let (Some(from), Some(shapes)) = (node.get("from"), node.get("shapes")) else {
        let help = "patterns:\n  from: message\n  shapes:\n    name: \"Text <field> text\"";
        reporter.add("S003", node.span, "`patterns` needs `from` and `shapes`", "here", help);
        return None;
    };
    let (Some(text), Some(entries)) = (from.as_text(), shapes.as_map()) else {
        let help = "`from` is a path, `shapes` a map of names to patterns";
        reporter.add("S006", node.span, "the wrong kind of value", "here", help);
        return None;
    };
    let from_expr = names.path(text, from.inner(), reporter)?;
    if matches!(from_expr, Expr::Call(_) | Expr::Shared(_) | Expr::Template(_)) {
        let help = "a pattern reads a field as it stands";
        reporter.add("S006", from.span, "`from` must be a path", "this is not", help);
        return None;
    }
    let mut compiled = Vec::new();
    for (name, value) in entries {
        known.push(name.text.clone());
        let is_regex = value.get("regex");
        for item in is_regex.unwrap_or(value).items() {
            let Some(text) = item.as_text() else {
                let help = "write a text, a list of texts, or {regex: '…'}";
                reporter.add("S006", item.span, "not a pattern", "this", help);
                continue;
            };
            let parts = if is_regex.is_some() {
                Ok(Parts { regex: text.to_owned(), ..Parts::default() })
            } else {
                translate(text)
            };
            compiled.extend(shape(&name.text, parts, item.inner(), names, reporter));
        }
    }
    let mut by_first = vec![Vec::new(); 256];
    for (at, shape) in compiled.iter().enumerate() {
        match shape.prefix.as_bytes().first() {
            Some(first) => {
                by_first.get_mut(usize::from(*first)).into_iter().for_each(|b| b.push(at as u16));
            }
            None => by_first.iter_mut().for_each(|b| b.push(at as u16)),
        }
    }
    let by_first = by_first.into_iter().map(Vec::into_boxed_slice).collect();
    Some(Patterns { from: from_expr, shapes: compiled, by_first })
}

fn shape(
    name: &str,
    parts: Result<Parts, (usize, String)>,
    at: Span,
    names: &mut Names,
    reporter: &mut Reporter<'_>,
) -> Option<Shape> {
    let parts = match parts {
        Ok(parts) => parts,
        Err((column, why)) => {
            let at = Span { column: at.column + column, width: 1, ..at };
            let help = "`<field>`, `<field:class>`, `{may be missing}`, `\\<` for a `<`";
            reporter.add("S010", at, "this pattern cannot be read", why, help);
            return None;
        }
    };
    let regex = match regex(&format!("^(?s:{})\\s*$", parts.regex)) {
        Ok(regex) => regex,
        Err(why) => {
            reporter.add("S010", at, "a bad regular expression", why, "");
            return None;
        }
    };
    let mut captures = Vec::new();
    for (group, capture) in regex.capture_names().enumerate() {
        let Some(capture) = capture else { continue };
        let slot = if let Some(slot) = names.captures.get(capture) {
            *slot
        } else {
            let slot = names.lens.loose();
            names.captures.insert(capture.into(), slot);
            slot
        };
        captures.push((slot, group));
    }
    let needle =
        (parts.needle.len() > 3).then(|| memchr::memmem::Finder::new(&parts.needle).into_owned());
    Some(Shape {
        name: name.into(),
        prefix: parts.prefix.into(),
        needle,
        regex,
        captures: captures.into(),
    })
}

#[derive(Debug, Default)]
struct Parts {
    regex: String,
    prefix: String,
    /// The longest literal that must be there, beside the prefix.
    needle: String,
}

/// Turns a pattern into a regular expression; an error has its place in characters.
fn translate(pattern: &str) -> Result<Parts, (usize, String)> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut parts = Parts::default();
    let mut run = String::new();
    let mut open: Vec<usize> = Vec::new();
    let mut fixed = true;
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let literal = match c {
            '\\' => {
                at += 1;
                *chars.get(at).ok_or((at, "nothing follows this `\\`".to_owned()))?
            }
            '<' | '{' | '}' => {
                if fixed {
                    parts.prefix = std::mem::take(&mut run);
                    fixed = false;
                }
                if open.is_empty() && run.len() > parts.needle.len() {
                    parts.needle = std::mem::take(&mut run);
                }
                run.clear();
                match c {
                    '{' => {
                        open.push(at);
                        parts.regex.push_str("(?:");
                    }
                    '}' => {
                        open.pop().ok_or((at, "no `{` is open here".to_owned()))?;
                        parts.regex.push_str(")?");
                    }
                    _ => at = capture(&chars, at, &mut parts.regex)?,
                }
                at += 1;
                continue;
            }
            other => *other,
        };
        if open.is_empty() {
            run.push(literal);
        }
        parts.regex.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
        at += 1;
    }
    if let Some(open) = open.first() {
        return Err((*open, "this `{` is not closed".to_owned()));
    }
    if fixed {
        parts.prefix = run;
    } else if run.len() > parts.needle.len() {
        parts.needle = run;
    }
    Ok(parts)
}

/// Reads `<name:class>` and gives the place of its `>`.
fn capture(chars: &[char], from: usize, out: &mut String) -> Result<usize, (usize, String)> {
    let slash = |at: usize| chars.get(at) == Some(&'/');
    let mut to = from + 1;
    let mut in_regex = false;
    loop {
        match chars.get(to) {
            None => return Err((from, "this `<` is not closed".to_owned())),
            Some('/') if chars.get(to - 1) == Some(&':') => in_regex = true,
            Some('>') if !in_regex || slash(to - 1) => break,
            _ => {}
        }
        to += 1;
    }
    let inside: String = chars.get(from + 1..to).unwrap_or_default().iter().collect();
    let (name, class) = inside.split_once(':').unwrap_or((&inside, "word"));
    let wrong = |why: String| Err((from, why));
    let is_name = |n: &str| {
        n.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !is_name(name) {
        return wrong(format!("`{name}` is not a field name (letters, digits, _)"));
    }
    let own = class.strip_prefix('/').and_then(|c| c.strip_suffix('/'));
    let expression = match own {
        Some(own) => own,
        None => {
            if let Some((_, expression)) = CLASSES.iter().find(|(n, _)| *n == class) {
                expression
            } else {
                let near = nearest(class, CLASSES.iter().map(|(n, _)| *n));
                let all = CLASSES.map(|(n, _)| n).join(", ");
                return wrong(format!(
                    "there is no class `{class}`; {}there are {all} and /regex/",
                    did_you_mean(&near).replace('?', "? ")
                ));
            }
        }
    };
    let done = if name == "_" {
        write!(out, "(?:{expression})")
    } else {
        write!(out, "(?P<{name}>{expression})")
    };
    done.map(|()| to).map_err(|_| (from, String::new()))
}

/// True when a node could be a `patterns` block or a list of them.
pub(crate) fn blocks(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pattern: &str, text: &str) -> String {
        let parts = translate(pattern).unwrap();
        let regex = Regex::new(&format!("^(?s:{})\\s*$", parts.regex)).unwrap();
        assert!(text.starts_with(&parts.prefix) || regex.captures(text).is_none());
        let Some(found) = regex.captures(text) else { return "none".to_owned() };
        let named = |n: &str| found.name(n).map(|m| format!("{n}={}", m.as_str()));
        let all: Vec<String> = regex.capture_names().flatten().filter_map(named).collect();
        all.join(" ")
    }

    #[test]
    fn messages_are_read() {
        let p =
            "Accepted <method> for <user:any> from <ip:ip> port <port:int>{ ssh2}{: <key:rest>}";
        assert_eq!(
            read(p, "Accepted publickey for root from ::1 port 22 ssh2: RSA SHA256:x"),
            "method=publickey user=root ip=::1 port=22 key=RSA SHA256:x"
        );
        assert_eq!(
            read(p, "Accepted password for a from 1.2.3.4 port 9"),
            "method=password user=a ip=1.2.3.4 port=9"
        );
        // A user name made to look like the rest of the message does not move the address.
        assert_eq!(
            read(p, "Accepted password for x from 6.6.6.6 port 1 from 1.2.3.4 port 9"),
            "method=password user=x from 6.6.6.6 port 1 ip=1.2.3.4 port=9"
        );
        assert_eq!(read("a \\<<x:/[a-c]+/>\\>", "a <abc>"), "x=abc");
        assert_eq!(read("a", "b"), "none");
        assert_eq!(translate("Failed <x> from <y>").unwrap().needle, " from ");
    }

    #[test]
    fn mistakes_have_a_place() {
        assert_eq!(translate("a <b").unwrap_err().0, 2);
        assert_eq!(translate("a {b").unwrap_err().0, 2);
        assert_eq!(translate("a}").unwrap_err().0, 1);
        assert!(translate("<a:wrd>").unwrap_err().1.contains("did you mean `word`?"));
        assert_eq!(translate("<a-b>").unwrap_err().0, 0);
        assert_eq!(translate("a\\").unwrap_err().0, 2);
    }
}
