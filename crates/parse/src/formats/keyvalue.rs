//! Lines of `key=value`: logfmt, and the quoted pairs of firewalls and proxies.
//!
//! Writers differ in everything but the `=`. What is read: values in double quotes with `\"` and
//! `\\` escaped (other backslashes stay, so that `C:\new` survives); values without quotes up to the
//! next blank, with the words behind them that are no pair (`msg=login failed user=bob`); commas or
//! semicolons between pairs; netfilter's bare flags (`SYN`, `DF`) as `true`; text in front of the
//! first pair as `message`.

use std::borrow::Cow;

use model::{FlawKind, Value};

use crate::fields::{self, Fields};
use crate::line::{self, Line};
use crate::{Cutter, Format, Head, Sink, seek, timestamp};

/// The format `keyvalue`.
pub(crate) struct KeyValue;

impl Format for KeyValue {
    fn name(&self) -> &'static str {
        "keyvalue"
    }

    fn about(&self) -> &'static str {
        "key=value pairs on each line, quoted or not (logfmt, firewalls)"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        let (mut lines, mut like) = (0u32, 0u32);
        for line in head.lines().take(200) {
            lines += 1;
            let front = line.get(..line.len().min(4096)).unwrap_or_default();
            like += u32::from(pairs(&String::from_utf8_lossy(front)).convincing());
        }
        match like {
            0 => 0,
            n if n * 10 >= lines * 9 => 70,
            n if n * 4 >= lines * 3 => 50,
            _ => 0,
        }
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        line::cutter(read)
    }
}

fn read(mut line: Line<'_>, sink: &mut dyn Sink) {
    let pairs = pairs(line.text);
    if pairs.unclosed {
        line.flaw(FlawKind::Syntax, "a quotation mark is opened and never closed");
    }
    if fields::overflowed(&pairs.fields) {
        line.flaw(FlawKind::Limit, fields::TOO_MANY);
    }
    if pairs.count == 0 {
        line.flaw(FlawKind::Syntax, "no key=value pair in this line");
    }
    sink.record(line.record(Value::Map(pairs.fields)));
}

/// What [`pairs`] read from a text.
#[derive(Debug, Default)]
pub(crate) struct Pairs<'a> {
    /// The pairs in order; a text in front of them as `message`.
    pub(crate) fields: Fields<'a>,
    /// How many of the fields were spelled `key=value`.
    count: usize,
    /// Words that are part of no pair, in front of the first or between them.
    bare: usize,
    /// A quotation mark stays open.
    unclosed: bool,
}

impl Pairs<'_> {
    /// True when the text is made of pairs rather than prose with an equals sign in it.
    pub(crate) fn convincing(&self) -> bool {
        self.count >= 3 && self.bare <= self.count
            || self.count == 2 && self.bare == 0 && !self.unclosed
    }
}

/// True when `text` begins with `key=`: the cheap test before [`pairs`].
pub(crate) fn begins_with_pair(text: &str) -> bool {
    let key = key_len(text.as_bytes());
    key > 0 && text.as_bytes().get(key) == Some(&b'=')
}

/// How many bytes at the front may be a key.
fn key_len(text: &[u8]) -> usize {
    text.iter()
        .take(128)
        .take_while(|b| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'_' | b'.' | b'-' | b'/' | b'@' | b'$' | b'[' | b']' | b'*')
        })
        .count()
}

/// Flags that netfilter writes as bare words.
const FLAGS: &[&str] =
    &["DF", "MF", "CE", "SYN", "ACK", "FIN", "RST", "PSH", "URG", "ECE", "CWR", "SYNACK"];

/// Reads all pairs of `text` in one pass.
pub(crate) fn pairs(text: &str) -> Pairs<'_> {
    let mut scan = Scan::new(text);
    while scan.step() {
        if scan.out.fields.len() >= fields::MAX {
            scan.close_open(true);
            let rest = scan.slice(scan.at, text.len()).trim_ascii();
            fields::push(&mut scan.out.fields, fields::REST, rest);
            break;
        }
    }
    scan.finish()
}

/// The pass over one text. Every step goes forward, and a search for a closing quotation mark that
/// failed once is never made again: the work is linear.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Byte between pairs besides blanks, in texts without blanks (`a=1,b=2`).
    separator: Option<u8>,
    /// Where the value of the last field began, while words may still be added to it.
    open: Option<usize>,
    /// Where the text in front of the first pair ends.
    lead: usize,
    /// No closing quotation mark follows any more.
    spent: bool,
    out: Pairs<'a>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let separator = match seek::find2(b' ', b'\t', bytes) {
            Some(_) => None,
            None => seek::find2(b',', b';', bytes).and_then(|at| bytes.get(at).copied()),
        };
        let out = Pairs { fields: Vec::with_capacity(16), ..Pairs::default() };
        Scan { text, at: 0, separator, open: None, lead: 0, spent: false, out }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// One word or pair; false at the end.
    fn step(&mut self) -> bool {
        self.at += self
            .rest()
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b',' | b';'))
            .count();
        let rest = self.rest();
        if rest.is_empty() {
            return false;
        }
        let key = key_len(rest);
        if key > 0 && rest.get(key) == Some(&b'=') {
            self.pair(key);
        } else {
            self.word();
        }
        true
    }

    fn pair(&mut self, key_len: usize) {
        self.close_open(true);
        let key = self.slice(self.at, self.at + key_len);
        if self.out.count == 0 {
            self.lead = self.at;
        }
        self.out.count += 1;
        self.at += key_len + 1;
        let value = match self.rest().first() {
            Some(b'"') if !self.spent => self.quoted(),
            _ => None,
        };
        let value = value.unwrap_or_else(|| {
            self.open = Some(self.at);
            let start = self.at;
            self.at += self.unquoted_len();
            Value::from(self.slice(start, self.at))
        });
        self.out.fields.push((Cow::Borrowed(key), value));
    }

    fn unquoted_len(&self) -> usize {
        let rest = self.rest();
        let end = rest
            .iter()
            .position(|&b| matches!(b, b' ' | b'\t' | b'\n' | b'\r') || Some(b) == self.separator);
        end.unwrap_or(rest.len())
    }

    /// The value in quotation marks at `self.at`, past which it moves; nothing when they never
    /// close.
    fn quoted(&mut self) -> Option<Value<'a>> {
        let rest = self.rest();
        let mut at = 1;
        let mut escaped = false;
        // `C:\dir\"` ends at the mark, `say \"hi\"` does not: a backslash before an ordinary letter
        // shows that backslashes stand for themselves here.
        let mut literal = false;
        while let Some(step) = seek::find2(b'"', b'\\', rest.get(at..)?) {
            at += step;
            let next = rest.get(at + 1).copied();
            if rest.get(at) == Some(&b'\\') && !(literal && next == Some(b'"')) {
                match next {
                    Some(b'"' | b'\\') => {
                        escaped = true;
                        at += 2;
                        continue;
                    }
                    Some(b) => {
                        literal |= b.is_ascii_alphanumeric() && !b"nrtuxbf0".contains(&b);
                        at += 1;
                        continue;
                    }
                    None => break,
                }
            }
            let mark = at + usize::from(rest.get(at) == Some(&b'\\'));
            if matches!(rest.get(mark + 1), None | Some(b' ' | b'\t' | b',' | b';' | b'\r' | b'\n'))
            {
                let inner = self.slice(self.at + 1, self.at + mark);
                self.at += mark + 1;
                let unescape = escaped && !literal;
                return Some(Value::Str(if unescape { unescaped(inner) } else { inner.into() }));
            }
            at = mark + 1;
        }
        self.spent = true;
        self.out.unclosed = true;
        None
    }

    /// A word that is no pair.
    fn word(&mut self) {
        let start = self.at;
        self.at += self.unquoted_len().max(1);
        let word = self.slice(start, self.at);
        if self.out.count == 0 {
            self.out.bare += 1;
            return;
        }
        if FLAGS.contains(&word) || (self.open.is_none() && key_len(word.as_bytes()) == word.len())
        {
            self.close_open(false);
            self.out.fields.push((Cow::Borrowed(word), Value::Bool(true)));
            return;
        }
        self.out.bare += 1;
        match self.open {
            // The value goes on: one longer slice of the same text.
            Some(from) => self.set_last(self.slice(from, self.at)),
            None => self.out.fields.push((Cow::Borrowed("message"), Value::from(word))),
        }
    }

    /// Ends the value that words may be added to; a comma before the next pair is no part of it.
    fn close_open(&mut self, before_pair: bool) {
        let Some(from) = self.open.take() else { return };
        if before_pair
            && let Some((_, Value::Str(Cow::Borrowed(last)))) = self.out.fields.last()
            && let Some(cut) = last.strip_suffix([',', ';'])
        {
            self.set_last(self.slice(from, from + cut.len()));
        }
    }

    fn set_last(&mut self, text: &'a str) {
        if let Some((_, value)) = self.out.fields.last_mut() {
            *value = Value::from(text);
        }
    }

    fn finish(mut self) -> Pairs<'a> {
        let lead = if self.out.count == 0 { self.text } else { self.slice(0, self.lead) };
        let lead = lead.trim_matches([' ', '\t', ',', ';']);
        if !lead.is_empty() {
            let (stamp, message) = lead.split_at(timestamp::leading(lead.as_bytes()).unwrap_or(0));
            let fields = [("timestamp", stamp), ("message", message.trim_start())];
            let given = fields.into_iter().filter(|(_, text)| !text.is_empty());
            self.out.fields.splice(0..0, given.map(|(k, v)| (Cow::Borrowed(k), Value::from(v))));
        }
        self.out
    }
}

/// Replaces `\"` and `\\`; every other backslash stays.
fn unescaped(text: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = seek::find(b'\\', rest.as_bytes()) {
        let (front, back) = rest.split_at(at);
        out.push_str(front);
        let kept = match back.as_bytes().get(1) {
            Some(b'"' | b'\\') => 1,
            _ => 0,
        };
        out.push_str(back.get(kept..=kept).unwrap_or_default());
        rest = back.get(kept + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}
