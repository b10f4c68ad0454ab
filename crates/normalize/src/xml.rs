//! XML inside a field, read as the values that `evtx_dump` would make of it.
//!
//! `<Data Name="X">v</Data>` is the member `X`; other elements go by their name; attributes stand
//! under `#attributes`, text beside them under `#text`; what occurs twice is a list. Only what event
//! logs use is read: elements, attributes, text, CDATA, the five entities and character references.
//! Nothing is fetched or expanded, so there is nothing to blow up.

use std::borrow::Cow;

use model::Value;

/// Longer texts are not read, in bytes.
const MOST: usize = 1 << 20;
/// Deeper elements are not read.
const DEPTH: usize = 24;

type Members<'t> = Vec<(Cow<'t, str>, Value<'t>)>;

/// The outermost elements as a map; nothing when the text is no XML.
pub(crate) fn read(text: &str) -> Option<Value<'_>> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with('<') || text.len() > MOST {
        return None;
    }
    let mut reader = Reader { rest: text };
    let (members, _) = reader.content(0)?;
    (!members.is_empty()).then_some(Value::Map(members))
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn until(&mut self, mark: &str) -> Option<&'t str> {
        let (before, after) = self.rest.split_once(mark)?;
        self.rest = after;
        Some(before)
    }

    /// What stands in an element, up to its end tag or the end of the text.
    fn content(&mut self, depth: usize) -> Option<(Members<'t>, Cow<'t, str>)> {
        let mut members = Members::new();
        let mut text = Cow::Borrowed("");
        loop {
            let Some((before, after)) = self.rest.split_once('<') else {
                append(&mut text, unescape(self.rest));
                self.rest = "";
                return (depth == 0).then_some((members, text));
            };
            append(&mut text, unescape(before));
            self.rest = after;
            if let Some(cdata) = self.rest.strip_prefix("![CDATA[") {
                self.rest = cdata;
                append(&mut text, Cow::Borrowed(self.until("]]>")?));
            } else if let Some(comment) = self.rest.strip_prefix("!--") {
                self.rest = comment;
                self.until("-->")?;
            } else if self.rest.starts_with(['?', '!']) {
                self.until(">")?;
            } else if self.rest.starts_with('/') {
                self.until(">")?;
                return Some((members, text));
            } else {
                let (name, value) = self.element(depth)?;
                add(&mut members, name, value);
            }
        }
    }

    /// An element after its `<`.
    fn element(&mut self, depth: usize) -> Option<(Cow<'t, str>, Value<'t>)> {
        if depth >= DEPTH {
            return None;
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))?;
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let (attributes, closed) = self.attributes()?;
        let (mut members, text) =
            if closed { (Members::new(), Cow::Borrowed("")) } else { self.content(depth + 1)? };
        let mut name = Cow::Borrowed(name.rsplit_once(':').map_or(name, |(_, local)| local));
        let mut kept = Members::new();
        for (key, value) in attributes {
            if name == "Data" && key == "Name" {
                name = value;
            } else if key != "xmlns" && !key.starts_with("xmlns:") {
                kept.push((key.into(), Value::Str(value)));
            }
        }
        let text = trim(text);
        let has_text = !text.is_empty();
        if !kept.is_empty() {
            if has_text {
                members.insert(0, ("#text".into(), Value::Str(text.clone())));
            }
            members.insert(0, ("#attributes".into(), Value::Map(kept)));
        }
        let value = match (members.is_empty(), has_text) {
            (false, _) => Value::Map(members),
            (true, true) => Value::Str(text),
            (true, false) => Value::Null,
        };
        Some((name, value))
    }

    /// The attributes up to the `>`; true when the element is closed at once.
    #[allow(clippy::type_complexity)] // Names and values, once.
    fn attributes(&mut self) -> Option<(Vec<(&'t str, Cow<'t, str>)>, bool)> {
        let mut all = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix("/>") {
                self.rest = rest;
                return Some((all, true));
            }
            if let Some(rest) = self.rest.strip_prefix('>') {
                self.rest = rest;
                return Some((all, false));
            }
            let name = self.until("=")?.trim();
            self.rest = self.rest.trim_start();
            let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            self.rest = self.rest.get(1..)?;
            let value = self.until(if quote == '"' { "\"" } else { "'" })?;
            all.push((name, unescape(value)));
        }
    }
}

/// Adds to a text, which stays borrowed as long as it is one piece.
fn append<'t>(text: &mut Cow<'t, str>, more: Cow<'t, str>) {
    if text.is_empty() {
        *text = more;
    } else if !more.is_empty() {
        text.to_mut().push_str(&more);
    }
}

fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

fn add<'t>(members: &mut Members<'t>, name: Cow<'t, str>, value: Value<'t>) {
    match members.iter_mut().find(|(k, _)| *k == name) {
        Some((_, Value::List(items))) => items.push(value),
        Some((_, first)) => *first = Value::List(vec![std::mem::take(first), value]),
        None => members.push((name, value)),
    }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.bytes().take(12).position(|b| b == b';');
        let known = end.and_then(|end| Some((entity(after.get(..end)?)?, after.get(end + 1..)?)));
        let (c, tail) = known.unwrap_or(('&', after));
        out.push(c);
        rest = tail;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn json(text: &str) -> String {
        read(text).map_or_else(|| "none".to_owned(), |v| serde_json::to_string(&v).unwrap())
    }

    #[test]
    fn event_logs_are_read() {
        let text = "<?xml version='1.0'?><Event xmlns=\"http://x\"><System><Provider Name='P'/>\
            <EventID Qualifiers=\"0\">4688</EventID></System><EventData>\
            <Data Name=\"Cmd\">a &lt;b&gt; &#x41;&amp;c &bogus; &</Data><Data Name=\"Empty\"/>\
            <Data>x</Data><Data>y</Data><!-- <no> --><Raw><![CDATA[<z>]]></Raw></EventData></Event>";
        assert_eq!(
            json(text),
            "{\"Event\":{\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"P\"}},\
             \"EventID\":{\"#attributes\":{\"Qualifiers\":\"0\"},\"#text\":\"4688\"}},\
             \"EventData\":{\"Cmd\":\"a <b> A&c &bogus; &\",\"Empty\":null,\"Data\":[\"x\",\"y\"],\
             \"Raw\":\"<z>\"}}}"
        );
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in ["", "a", "<", "<a", "<a b", "<a b='", "<a>", "<a><b></a>", "<!--", "é<"] {
            let _ = read(text);
        }
        assert_eq!(json("<a>"), "none");
        assert_eq!(json(&"<a>".repeat(5000)), "none");
        assert_eq!(json("plain"), "none");
    }
}
