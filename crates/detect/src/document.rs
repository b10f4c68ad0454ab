//! Rule files cut into documents, and read within limits.

use rsigma_parser::{CorrelationRule, FilterRule, SigmaCollection, SigmaRule, parse_sigma_yaml};

use crate::problem::Fault;

/// Bytes of one rule file; SigmaHQ's largest has 300,000.
const FILE_LIMIT: usize = 4 << 20;
/// Nodes that the documents of one file may unfold to when it uses anchors.
const NODE_LIMIT: usize = 200_000;

/// Brackets that one document may open: YAML's scanner takes quadratic time over those that are
/// open. SigmaHQ's rules have 124 at most.
const BRACKET_LIMIT: usize = 5_000;

/// One document of a rule file.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    /// Its text.
    pub(crate) text: &'t str,
    /// The line of the file on which it begins, from 0.
    pub(crate) first_line: usize,
    /// What stands in it.
    pub(crate) content: Result<Content, Fault>,
    /// What is odd about it but does no harm.
    pub(crate) warnings: Vec<Fault>,
}

/// What a document holds.
#[derive(Debug)]
pub(crate) enum Content {
    Rules(Vec<SigmaRule>),
    Correlations(Vec<CorrelationRule>),
    Filters(Vec<FilterRule>),
    /// Several kinds at once, when documents of a file build on each other (`action: global`).
    Mixed(Box<SigmaCollection>),
    /// Nothing but comments.
    Nothing,
}

/// Reads a file's documents. One that cannot be read does not keep the others from it.
pub(crate) fn read(text: &str) -> Vec<Document<'_>> {
    let whole = |content| Document { text, first_line: 0, content, warnings: Vec::new() };
    if text.len() > FILE_LIMIT {
        let why = format!("the file is larger than {} MiB", FILE_LIMIT >> 20);
        return vec![whole(Err(Fault::at("rule/limit", why, (1, 1))))];
    }
    if uses_anchors(text)
        && brackets(text) <= BRACKET_LIMIT
        && let Err(fault) = within_limits(text)
    {
        return vec![whole(Err(fault))];
    }
    let parts = if text.lines().any(|line| line.starts_with("action:")) {
        vec![(text, 0)]
    } else {
        cut(text)
    };
    parts
        .into_iter()
        .map(|(text, first_line)| {
            let (content, warnings) = parse(text);
            Document { text, first_line, content, warnings }
        })
        .collect()
}

fn brackets(text: &str) -> usize {
    text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count()
}

/// Cuts at lines that begin a document (`---`), each part with the line on which it begins.
fn cut(text: &str) -> Vec<(&str, usize)> {
    let mut parts = Vec::new();
    let (mut begin, mut begin_line, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marks = line.strip_prefix("---");
        if marks.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n', '\r', '#'])) {
            parts.push((text.get(begin..at).unwrap_or_default(), begin_line));
            // The marker stays as an empty line would: columns and lines need no correction.
            begin = at;
            begin_line = number;
        }
        at += line.len();
    }
    parts.push((text.get(begin..).unwrap_or_default(), begin_line));
    parts.retain(|(text, _)| {
        text.lines().any(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && line != "---"
        })
    });
    parts
}

fn parse(text: &str) -> (Result<Content, Fault>, Vec<Fault>) {
    if brackets(text) > BRACKET_LIMIT {
        let why = format!("it opens more than {BRACKET_LIMIT} brackets");
        return (Err(Fault::new("rule/limit", why, "[")), Vec::new());
    }
    let mut found = match parse_sigma_yaml(text) {
        Ok(found) => found,
        Err(error) => return (Err(explain(&error.to_string(), text)), Vec::new()),
    };
    let mut errors: Vec<Fault> = found.errors.iter().map(|e| explain(e, text)).collect();
    let count = (found.rules.len(), found.correlations.len(), found.filters.len());
    let content = match count {
        (0, 0, 0) => match errors.pop() {
            Some(fault) => Err(fault),
            None => Ok(Content::Nothing),
        },
        (_, 0, 0) => Ok(Content::Rules(std::mem::take(&mut found.rules))),
        (0, _, 0) => Ok(Content::Correlations(std::mem::take(&mut found.correlations))),
        (0, 0, _) => Ok(Content::Filters(std::mem::take(&mut found.filters))),
        _ => Ok(Content::Mixed(Box::new(found))),
    };
    (content, errors)
}

/// Gives the parser's sentence a code and a place.
fn explain(message: &str, text: &str) -> Fault {
    let quoted = message.split('\'').nth(1).unwrap_or_default();
    if message.starts_with("YAML parse error") {
        let place = yaml_serde::from_str::<yaml_serde::Value>(text)
            .err()
            .and_then(|error| error.location().map(|at| (at.line(), at.column())));
        let message = message.trim_start_matches("YAML parse error: ");
        let message = message.split(" at line ").next().unwrap_or(message);
        return Fault::at(
            "rule/yaml",
            format!("not valid YAML: {message}"),
            place.unwrap_or((1, 1)),
        );
    }
    if message.starts_with("Unknown modifier") {
        return Fault::new(
            "rule/modifier",
            format!("unknown modifier `{quoted}`"),
            &format!("|{quoted}"),
        );
    }
    if message.starts_with("`not` is not a value modifier") {
        let why = "`|not` does not exist; say `not` in the condition";
        return Fault::new("rule/modifier", why, "|not");
    }
    if message.starts_with("Condition parse error") {
        return condition(message, text);
    }
    if message.starts_with("Missing required field") {
        return Fault::new("rule/missing", format!("`{quoted}` is missing"), "");
    }
    let code = match message {
        m if m.starts_with("Invalid correlation rule") => "rule/correlation",
        m if m.starts_with("Invalid timespan") => "rule/correlation",
        m if m.starts_with("Invalid detection") => "rule/detection",
        m if m.starts_with("Invalid field specification") => "rule/field",
        m if m.starts_with("invalid") => "rule/value",
        _ => "rule/rule",
    };
    let near = if quoted.is_empty() { "correlation" } else { quoted };
    Fault::new(code, message.lines().next().unwrap_or(message), near)
}

/// The condition parser tells the place within the condition; the caret wants it in the file.
fn condition(message: &str, text: &str) -> Fault {
    let place = message.strip_prefix("Condition parse error at ").unwrap_or_default();
    let place = place.split_once(": ").map_or(place, |(place, _)| place);
    let within = place.split_once(':').and_then(|(line, column)| {
        Some((line.parse::<usize>().ok()?, column.parse::<usize>().ok()?))
    });
    let why = message.lines().rfind(|line| line.trim_start().starts_with('='));
    let why = why.map_or("it cannot be read", |line| line.trim_start().trim_start_matches("= "));
    let why = format!("condition: {why}");
    let lines: Vec<&str> = text.lines().collect();
    let header = lines.iter().position(|line| line.trim_start().starts_with("condition:"));
    let (Some(header), Some((line, column))) = (header, within) else {
        return Fault::new("rule/condition", why, "condition:");
    };
    let shown = lines.get(header).copied().unwrap_or_default();
    let begin = shown.split_once("condition:").map_or(0, |(before, after)| {
        let value = after.trim_start();
        before.len()
            + "condition:".len()
            + (after.len() - value.len())
            + usize::from(value.starts_with(['\'', '"']))
    });
    let column = if line == 1 { begin + column } else { column };
    Fault::at("rule/condition", why, (header + line, column))
}

/// Anchors let a small file stand for a huge one; few rules use them.
fn uses_anchors(text: &str) -> bool {
    let begins =
        |before: Option<char>| before.is_none_or(|c| c.is_whitespace() || ",[{".contains(c));
    text.char_indices().filter(|(_, c)| *c == '*').any(|(at, _)| {
        let (before, after) = text.split_at(at);
        begins(before.chars().next_back())
            && after.chars().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '_')
    }) && text.contains('&')
}

/// Reads a file's documents without keeping anything, counting nodes.
fn within_limits(text: &str) -> Result<(), Fault> {
    let budget = std::cell::Cell::new(NODE_LIMIT);
    for document in yaml_serde::Deserializer::from_str(text) {
        let read = serde::de::DeserializeSeed::deserialize(Counter(&budget), document);
        if budget.get() == 0 {
            let why = format!("its anchors unfold to more than {NODE_LIMIT} nodes");
            return Err(Fault::new("rule/limit", why, "&"));
        }
        if read.is_err() {
            // The parser proper will say what is wrong.
            return Ok(());
        }
    }
    Ok(())
}

/// Counts every node down from a budget; stops at nothing left.
#[derive(Clone, Copy)]
struct Counter<'b>(&'b std::cell::Cell<usize>);

impl Counter<'_> {
    fn spend<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.0.get().saturating_sub(1);
        self.0.set(left);
        if left == 0 { Err(E::custom("too many nodes")) } else { Ok(()) }
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Counter<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Counter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.spend()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.spend()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.spend()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.spend()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.spend()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.spend()
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.spend()
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.spend()?;
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.spend()?;
        while map.next_key_seed(self)?.is_some() {
            map.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.spend()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const RULE: &str = "title: t\nlogsource: {product: x}\ndetection: {a: {f: 1}, condition: a}\n";

    #[test]
    fn documents_keep_their_place() {
        let text = format!("# head\n---\n{RULE}---\ntitle: [\n---\n{RULE}");
        let documents = read(&text);
        let lines: Vec<usize> = documents.iter().map(|d| d.first_line).collect();
        assert_eq!(lines, [1, 5, 7]);
        assert!(documents[0].content.is_ok() && documents[2].content.is_ok());
        let fault = documents[1].content.as_ref().unwrap_err();
        assert_eq!(fault.code, "rule/yaml");
    }

    #[test]
    fn a_bomb_is_refused_and_a_plain_anchor_is_not() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for n in 1..9 {
            let list = vec![format!("*a{}", n - 1); 9].join(", ");
            bomb = format!("{bomb}a{n}: &a{n} [{list}]\n");
        }
        assert!(read(&bomb)[0].content.is_err());
        let flat = format!(
            "a: &a [{}]\nb: [{}]\n",
            vec!["x"; 1000].join(", "),
            vec!["*a"; 300].join(", ")
        );
        assert_eq!(read(&flat)[0].content.as_ref().unwrap_err().code, "rule/limit");
        let plain = RULE.replace("{f: 1}", "&x {f: 1}").replace("condition", "b: *x, condition");
        assert!(read(&plain)[0].content.is_ok());
    }

    #[test]
    fn a_condition_is_pointed_at() {
        let text = "title: t\ndetection:\n    a: {f: 1}\n    condition: a and (b\n";
        let documents = read(text);
        let fault = documents[0].content.as_ref().unwrap_err();
        assert_eq!((fault.code, fault.place), ("rule/condition", Some((4, 24))));
    }
}
