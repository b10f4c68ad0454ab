//! The named functions of expressions: one ordered table.
//!
//! A function takes the value of its first argument and, beyond it, words that stand in the
//! definition. It never fails: what it cannot read has no value.

use std::borrow::Cow;

use regex::Regex;

use crate::clock;
use crate::value::Val;

mod other;
mod text;
mod web;

/// One row of the table.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// What the arguments after the first are.
    pub(crate) rest: &'static [Kind],
    /// How many of them may be left out.
    pub(crate) optional: usize,
    /// One line for the documentation.
    pub(crate) about: &'static str,
    /// `input → output`, for the documentation.
    pub(crate) example: &'static str,
    run: Run,
    /// True where it reads a whole text, which is done once for a record.
    pub(crate) dear: bool,
}

// Each takes its value whole: most cut it or hand it on.
type Run = for<'r> fn(Val<'r>, &'r [Word]) -> Val<'r>;

/// The kinds of arguments after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Pattern,
    TimeFormat,
}

/// An argument after the first, read.
#[derive(Debug)]
pub(crate) enum Word {
    Text(Box<str>),
    Int(i64),
    Pattern(Regex),
    TimeFormat(clock::Format),
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    pub(crate) fn call<'r>(&self, value: Val<'r>, words: &'r [Word]) -> Val<'r> {
        if value.is_none() { Val::None } else { (self.run)(value, words) }
    }
}

/// A function by its name.
pub(crate) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

const fn f(
    name: &'static str,
    rest: &'static [Kind],
    optional: usize,
    about: &'static str,
    example: &'static str,
    run: Run,
) -> Function {
    Function { name, rest, optional, about, example, run, dear: false }
}

const fn dear(function: Function) -> Function {
    Function { dear: true, ..function }
}

use Kind::{Int, Pattern, Text, TimeFormat};

/// Every function, in order of name.
#[rustfmt::skip] // One row, one line.
pub(crate) static FUNCTIONS: &[Function] = &[
    f("after", &[Text], 0, "what stands after the first such text", "after(x, \"@\"): a@b@c → b@c", text::after),
    f("after_last", &[Text], 0, "what stands after the last such text", "after_last(x, \"/\"): a/b/c → c", text::after_last),
    f("base64", &[], 0, "the text that base64 stands for", "base64(x): aGk= → hi", text::base64),
    f("basename", &[], 0, "the last part of a path with / or \\", "basename(x): C:\\a\\b.exe → b.exe", text::basename),
    f("before", &[Text], 0, "what stands before the first such text; all of it when there is none", "before(x, \"@\"): a@b → a", text::before),
    f("before_last", &[Text], 0, "what stands before the last such text", "before_last(x, \"/\"): a/b/c → a/b", text::before_last),
    f("bool", &[], 0, "a truth value of true/false, yes/no, 1/0, T/F", "bool(x): T → true", other::bool_of),
    f("dirname", &[], 0, "a path without its last part", "dirname(x): /a/b → /a", text::dirname),
    f("domain", &[], 0, "the domain of DOMAIN\\user or user@domain", "domain(x): CORP\\eve → CORP", text::domain),
    f("duration_ms", &[], 0, "milliseconds of 1h2m3.5s, 250ms, 01:02:03, or of a number of seconds", "duration_ms(x): 1.5 → 1500", other::duration_ms),
    f("first", &[], 0, "the first element of a list", "first(x): [a, b] → a", other::first),
    f("hash", &[Text], 0, "one digest of a list of them", "hash(x, \"SHA256\"): MD5=…,SHA256=ab → ab", other::hash),
    f("hashes", &[], 0, "a list of digests as OCSF fingerprints", "hashes(x): MD5=…,SHA256=…", other::hashes),
    f("hex_int", &[], 0, "a number of hexadecimal digits, with or without 0x", "hex_int(x): 1f → 31", other::hex_int),
    f("host", &[], 0, "the host of host:port or of a URL", "host(x): [::1]:80 → ::1", web::host),
    f("int", &[], 0, "a whole number, also of text and of 0x…", "int(x): 0x1f → 31", other::int),
    f("ip", &[], 0, "an address; a port, brackets, a zone and ::ffff: are taken off", "ip(x): ::ffff:10.0.0.1 → 10.0.0.1", web::ip_of),
    f("join", &[Text], 0, "the elements of a list as one text", "join(x, \", \"): [a, b] → a, b", text::join),
    dear(f("json", &[], 0, "what a text of JSON says; a path may follow", "json(x).a.b", other::json)),
    f("json_text", &[], 0, "a list or a map as a text of JSON", "json_text(x): {a: 1} → {\"a\":1}", other::json_text),
    f("last", &[], 0, "the last element of a list", "last(x): [a, b] → b", other::last),
    f("length", &[], 0, "how many elements a list has, or characters a text", "length(x): [a, b] → 2", other::length),
    f("list", &[], 0, "a list of the value", "list(x): a → [a]", other::list),
    f("lower", &[], 0, "in lower case", "lower(x): AbC → abc", text::lower),
    f("port", &[], 0, "the port of host:port", "port(x): 1.2.3.4:443 → 443", web::port),
    f("regex", &[Pattern], 0, "the first group of a regular expression, or all that it matches", "regex(x, \"id=(\\d+)\")", text::regex),
    f("replace", &[Text, Text], 0, "with one text in place of another", "replace(x, \"-\", \":\")", text::replace),
    f("scale", &[Int], 0, "a number times another, rounded", "scale(x, 1000): 1.5 → 1500", other::scale),
    f("split", &[Text, Int], 1, "the parts between such texts: one by position (-1 is the last) or all", "split(x, \",\", 0): a,b → a", text::split),
    f("strip", &[Text], 1, "without blanks, or without these characters, at both ends", "strip(x, \"[]\"): [a] → a", text::strip),
    f("strip_prefix", &[Text], 0, "without this beginning, where it has it", "strip_prefix(x, \"u-\")", text::strip_prefix),
    f("strip_suffix", &[Text], 0, "without this end, where it has it", "strip_suffix(x, \".log\")", text::strip_suffix),
    f("text", &[], 0, "as text", "text(x): 5 → \"5\"", text::text),
    f("time", &[TimeFormat], 1, "a time in any usual form, or in the one that is named", "time(x, \"filetime\")", other::time),
    f("upper", &[], 0, "in upper case", "upper(x): get → GET", text::upper),
    f("url_host", &[], 0, "the host of a URL", "url_host(x): https://a.b:8/c?d → a.b", web::url_host),
    f("url_path", &[], 0, "the path of a URL, or of a request's target", "url_path(x): /c?d → /c", web::url_path),
    f("url_port", &[], 0, "the port that a URL names", "url_port(x): https://a.b:8/ → 8", web::url_port),
    f("url_query", &[], 0, "the query of a URL, or of a request's target", "url_query(x): /c?d=1 → d=1", web::url_query),
    f("url_scheme", &[], 0, "the scheme of a URL", "url_scheme(x): https://a.b/ → https", web::url_scheme),
    f("user", &[], 0, "the user of DOMAIN\\user or user@domain", "user(x): CORP\\eve → eve", text::user),
    dear(f("xml", &[], 0, "what a text of XML says; a path may follow", "xml(x).Event.System", other::xml)),
];

/// Applies a cut to a text without copying it where it is borrowed.
fn cut(value: Val<'_>, of: impl FnOnce(&str) -> Option<&str>) -> Val<'_> {
    match value.text() {
        None => Val::None,
        Some(Cow::Borrowed(text)) => of(text).map_or(Val::None, |t| Val::Text(Cow::Borrowed(t))),
        Some(Cow::Owned(text)) => {
            of(&text).map_or(Val::None, |t| Val::Text(Cow::Owned(t.to_owned())))
        }
    }
}

fn owned(value: Val<'_>, of: impl FnOnce(&str) -> Option<String>) -> Val<'_> {
    match value.text() {
        None => Val::None,
        Some(text) => of(&text).map_or(Val::None, |t| Val::Text(Cow::Owned(t))),
    }
}

fn word(words: &[Word], at: usize) -> &str {
    match words.get(at) {
        Some(Word::Text(text)) => text,
        _ => "",
    }
}

fn number(words: &[Word], at: usize) -> Option<i64> {
    match words.get(at) {
        Some(Word::Int(n)) => Some(*n),
        _ => None,
    }
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(name: &str, text: &str, words: &[Word]) -> String {
        let words: &[Word] = words;
        let out = named(name).unwrap().call(Val::Text(Cow::Borrowed(text)), words);
        match out.value() {
            Some(value) => serde_json::to_string(&value).unwrap().trim_matches('"').to_owned(),
            None => "none".to_owned(),
        }
    }

    fn t(text: &str) -> Word {
        Word::Text(text.into())
    }

    #[test]
    fn the_table_is_sorted_and_documented() {
        assert!(FUNCTIONS.is_sorted_by_key(|f| f.name));
        assert!(FUNCTIONS.iter().all(|f| f.example.contains(f.name) && !f.about.is_empty()));
    }

    #[test]
    fn functions_do_what_they_say() {
        assert_eq!(run("after", "a@b@c", &[t("@")]), "b@c");
        assert_eq!(run("after_last", "a/b/c", &[t("/")]), "c");
        assert_eq!(run("before", "ab", &[t("@")]), "ab");
        assert_eq!(run("before_last", "ab", &[t("@")]), "none");
        assert_eq!(run("base64", "aGk=", &[]), "hi");
        assert_eq!(run("base64", "/w==", &[]), "none");
        assert_eq!(run("basename", "C:\\a\\b.exe", &[]), "b.exe");
        assert_eq!(run("basename", "/", &[]), "none");
        assert_eq!(run("dirname", "/a", &[]), "/");
        assert_eq!(run("dirname", "/a/b/", &[]), "/a");
        assert_eq!(run("domain", "CORP\\eve", &[]), "CORP");
        assert_eq!(run("domain", "eve", &[]), "none");
        assert_eq!(run("user", "CORP\\eve", &[]), "eve");
        assert_eq!(run("user", "eve@x.org", &[]), "eve");
        assert_eq!(run("duration_ms", "1h2m3.5s", &[]), "3723500");
        assert_eq!(run("duration_ms", "01:02:03", &[]), "3723000");
        assert_eq!(run("duration_ms", "250ms", &[]), "250");
        assert_eq!(run("duration_ms", "soon", &[]), "none");
        assert_eq!(run("hash", "MD5=AA,SHA256=BB", &[t("sha-256")]), "bb");
        assert!(run("hashes", "IMPHASH=00", &[]).contains("\"algorithm_id\":99"));
        assert_eq!(run("hex_int", "1f", &[]), "31");
        assert_eq!(run("host", "http://u:p@a.b:80/c", &[]), "a.b");
        assert_eq!(run("ip", "[::ffff:1.2.3.4]:80", &[]), "1.2.3.4");
        assert_eq!(run("ip", "1.2.3.4:80", &[]), "1.2.3.4");
        assert_eq!(run("ip", "LOCAL", &[]), "none");
        assert_eq!(run("json", "{\"a\":[1]}", &[]), "{\"a\":[1]}");
        assert_eq!(run("json", "{", &[]), "none");
        assert_eq!(run("lower", "ÄB", &[]), "äb");
        assert_eq!(run("port", "1.2.3.4:99999", &[]), "none");
        assert_eq!(
            run("regex", "id=42;", &[Word::Pattern(Regex::new("id=(\\d+)").unwrap())]),
            "42"
        );
        assert_eq!(run("scale", "1.5", &[Word::Int(1000)]), "1500");
        assert_eq!(run("split", "a, b", &[t(",")]), "[\"a\",\"b\"]");
        assert_eq!(run("split", "a, b", &[t(","), Word::Int(-1)]), "b");
        assert_eq!(run("strip", "[a]", &[t("[]")]), "a");
        assert_eq!(run("url_host", "https://u@a.b:8/c?d", &[]), "a.b");
        assert_eq!(run("url_port", "https://a.b:8/c?d", &[]), "8");
        assert_eq!(run("url_path", "/c?d", &[]), "/c");
        assert_eq!(run("url_query", "/c?d=1#e", &[]), "d=1");
        assert_eq!(run("url_path", "/go?to=http://x/", &[]), "/go");
    }

    #[test]
    fn no_function_minds_nonsense() {
        let nonsense =
            ["", "\\", "@", "/", ":", "[", "]:", "é", "://", "P", "=", "\u{0}", "-1", "=,=,"];
        let pattern = Regex::new("(x)?").unwrap();
        for function in FUNCTIONS {
            let words: Vec<Word> = function
                .rest
                .iter()
                .map(|kind| match kind {
                    Kind::Text => t(""),
                    Kind::Int => Word::Int(i64::MIN),
                    Kind::Pattern => Word::Pattern(pattern.clone()),
                    Kind::TimeFormat => Word::TimeFormat(clock::Format::Auto),
                })
                .collect();
            for text in nonsense {
                run(function.name, text, &words);
            }
        }
    }
}
