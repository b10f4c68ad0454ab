//! A JSON parser that keeps what is sound.
//!
//! It reads straight into [`Value`]s that borrow from the text. When the text breaks off or breaks
//! the syntax, it closes what is open and hands over what it has, with a [`Fault`] beside it: half
//! an event is worth more to a responder than none.

use std::borrow::Cow;

use model::{FlawKind, Value};

/// How deep lists and maps may be nested.
pub(crate) const DEPTH: usize = 128;

/// How many values one value may hold. A hostile record of 16 MiB could otherwise grow to half a
/// gigabyte of them.
pub(crate) const VALUES: usize = 1024 * 1024;

/// What is wrong, and where in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) kind: FlawKind,
    pub(crate) message: &'static str,
}

type Entry<'a> = (Cow<'a, str>, Value<'a>);

/// Reads values from a text, one after the other.
pub(crate) struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Set when reading cannot go on: everything unwinds and keeps what it has.
    broken: bool,
    faults: Vec<Fault>,
    /// How many values may still come.
    left: usize,
    /// Members of the open lists and maps. Kept here until their container closes, so that each
    /// container is allocated once, in its exact size.
    items: Vec<Value<'a>>,
    entries: Vec<Entry<'a>>,
    /// The keys of the value before, in their order: values that follow each other mostly have the
    /// same ones, and to see that a key is the expected one is less than to find its end.
    expected: Vec<&'a str>,
    /// Which of them comes next.
    next: usize,
}

/// Keys that are expected, at most.
const EXPECTED: usize = 256;
/// Keys that a value may leave out before what follows is expected no more.
const LEFT_OUT: usize = 8;

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            broken: false,
            faults: Vec::new(),
            left: VALUES,
            items: Vec::new(),
            entries: Vec::new(),
            expected: Vec::new(),
            next: 0,
        }
    }

    /// Reads the value that begins at or behind `at`. What went wrong is in [`Self::faults`].
    pub(crate) fn value_at(&mut self, at: usize) -> Value<'a> {
        self.at = at;
        self.broken = false;
        self.left = VALUES;
        self.next = 0;
        self.faults.clear();
        self.skip_space();
        self.value(0)
    }

    /// Reads the value that begins at `at`, as if the text ended at `end`.
    pub(crate) fn value_within(&mut self, at: usize, end: usize) -> Value<'a> {
        let whole = self.bytes;
        self.bytes = whole.get(..end).unwrap_or(whole);
        let value = self.value_at(at);
        self.bytes = whole;
        value
    }

    /// What went wrong with the last value.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// True when the last value has no known end, because it is broken.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The place behind the last value.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Steps over white space; the place behind it.
    pub(crate) fn skip_space(&mut self) -> usize {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Notes what is wrong; reading goes on.
    fn note(&mut self, at: usize, kind: FlawKind, message: &'static str) {
        // One of a kind is enough: hostile text has millions.
        if !self.faults.iter().any(|f| f.message == message) {
            self.faults.push(Fault { at, kind, message });
        }
    }

    /// Gives up on the value.
    fn fail(&mut self, message: &'static str) {
        let ended = self.at >= self.bytes.len();
        let kind = if ended { FlawKind::Truncated } else { FlawKind::Syntax };
        let message = if ended { "the text ends in the middle of a value" } else { message };
        self.note(self.at, kind, message);
        self.broken = true;
    }

    fn value(&mut self, depth: usize) -> Value<'a> {
        if self.left == 0 {
            self.note(self.at, FlawKind::Limit, "more than a million values; the rest is left out");
            self.broken = true;
            return Value::Null;
        }
        self.left -= 1;
        match self.peek() {
            Some(b'"') => match self.string() {
                Some(text) => Value::Str(text),
                None => Value::Null,
            },
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(depth),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'N' | b'I') => self.not_finite(),
            _ => {
                self.fail("a JSON value was expected");
                Value::Null
            }
        }
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Value<'a> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            value
        } else {
            self.fail("a JSON value was expected");
            Value::Null
        }
    }

    /// `NaN` and `Infinity`, as some writers put them: no JSON, but no reason to lose the rest.
    fn not_finite(&mut self) -> Value<'a> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(word) = [&b"NaN"[..], b"Infinity"].into_iter().find(|w| rest.starts_with(w))
        else {
            self.fail("a JSON value was expected");
            return Value::Null;
        };
        self.note(self.at, FlawKind::Syntax, "NaN and Infinity are no JSON numbers; read as null");
        self.at += word.len();
        Value::Null
    }

    /// Steps into a container: false when it would be too deep.
    fn enter(&mut self, depth: usize) -> bool {
        if depth >= DEPTH {
            self.note(
                self.at,
                FlawKind::Limit,
                "nested deeper than 128 levels; the rest is left out",
            );
            self.broken = true;
            return false;
        }
        self.at += 1;
        self.skip_space();
        true
    }

    /// Whether the container ends behind a comma, as people write by hand.
    fn closes(&mut self, bracket: u8) -> bool {
        self.skip_space();
        let closes = self.peek() == Some(bracket);
        if closes {
            self.note(self.at, FlawKind::Syntax, "a comma that nothing follows is passed over");
            self.at += 1;
        }
        closes
    }

    fn list(&mut self, depth: usize) -> Value<'a> {
        if !self.enter(depth) {
            return Value::Null;
        }
        let base = self.items.len();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Value::List(Vec::new());
        }
        loop {
            let value = self.value(depth + 1);
            if !self.broken || !value.is_empty() {
                self.items.push(value);
            }
            if self.broken {
                break;
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    if self.closes(b']') {
                        break;
                    }
                }
                Some(b']') => {
                    self.at += 1;
                    break;
                }
                _ => {
                    self.fail("a comma or a closing bracket was expected");
                    break;
                }
            }
        }
        Value::List(self.items.drain(base..).collect())
    }

    fn map(&mut self, depth: usize) -> Value<'a> {
        if !self.enter(depth) {
            return Value::Null;
        }
        let base = self.entries.len();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Value::Map(Vec::new());
        }
        while let Some(key) = self.key() {
            let value = self.value(depth + 1);
            if !self.broken || !value.is_empty() {
                self.entries.push((key, value));
            }
            if self.broken {
                break;
            }
            // Nearly always the next key follows at once.
            if let Some([b',', b'"']) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
                self.at += 1;
                continue;
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    if self.closes(b'}') {
                        break;
                    }
                }
                Some(b'}') => {
                    self.at += 1;
                    break;
                }
                _ => {
                    self.fail("a comma or a closing brace was expected");
                    break;
                }
            }
        }
        Value::Map(self.entries.drain(base..).collect())
    }

    /// A key and its colon.
    fn key(&mut self) -> Option<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            self.fail("a quoted key was expected");
            return None;
        }
        let key = match self.expected_key() {
            Some(key) => Cow::Borrowed(key),
            None => self.new_key()?,
        };
        if self.peek() != Some(b':') {
            self.skip_space();
            if self.peek() != Some(b':') {
                self.fail("a colon was expected");
                return None;
            }
        }
        self.at += 1;
        if self.peek() != Some(b'"') {
            self.skip_space();
        }
        Some(key)
    }

    /// The key that is expected, when it stands here.
    #[inline]
    fn expected_key(&mut self) -> Option<&'a str> {
        let key = *self.expected.get(self.next)?;
        let rest = self.bytes.get(self.at + 1..)?;
        if rest.get(key.len()) != Some(&b'"') || !rest.starts_with(key.as_bytes()) {
            return None;
        }
        self.at += key.len() + 2;
        self.next += 1;
        Some(key)
    }

    /// A key that is not the expected one. It is expected in the next value.
    fn new_key(&mut self) -> Option<Cow<'a, str>> {
        let key = self.string()?;
        if let Cow::Borrowed(text) = key {
            let later = self.expected.get(self.next..).unwrap_or_default();
            let place = later.iter().take(LEFT_OUT).position(|expected| *expected == text);
            if let Some(left_out) = place {
                self.next += left_out;
            } else if let Some(other) = self.expected.get_mut(self.next) {
                *other = text;
            } else if self.expected.len() < EXPECTED {
                self.expected.push(text);
            }
            self.next += 1;
        }
        Some(key)
    }

    fn number(&mut self, depth: usize) -> Value<'a> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let first = self.peek();
        let (whole, digits) = self.digits();
        if digits == 0 || (digits > 1 && first == Some(b'0')) {
            self.fail("a number that JSON does not know");
            return Value::Null;
        }
        let mut is_float = false;
        if self.peek() == Some(b'.') {
            self.at += 1;
            is_float = true;
            if self.digits().1 == 0 {
                self.fail("a number that JSON does not know");
                return Value::Null;
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            is_float = true;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits().1 == 0 {
                self.fail("a number that JSON does not know");
                return Value::Null;
            }
        }
        if depth > 0 && self.at == self.bytes.len() {
            // Nobody knows how many digits are missing.
            self.fail("");
            return Value::Null;
        }
        let whole = if is_float { None } else { whole };
        match (whole, negative) {
            (Some(n), false) => i64::try_from(n).map_or(Value::UInt(n), Value::Int),
            (Some(n), true) if n <= 1 << 63 => Value::Int((n as i64).wrapping_neg()),
            _ => {
                let text = self.text.get(start..self.at).unwrap_or_default();
                match text.parse::<f64>() {
                    Ok(x) if x.is_finite() => Value::Float(x),
                    _ => Value::from(text),
                }
            }
        }
    }

    /// Steps over digits: their value when it fits in 64 bits, and how many there were.
    fn digits(&mut self) -> (Option<u64>, usize) {
        let start = self.at;
        let mut value = Some(0u64);
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = match value {
                // Nineteen digits always fit.
                Some(v) if self.at - start < 19 => Some(v * 10 + u64::from(digit - b'0')),
                Some(v) => v.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0'))),
                None => None,
            };
            self.at += 1;
        }
        (value, self.at - start)
    }

    /// A string, from its opening quote on.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at + 1;
        let end = start + run(self.bytes.get(start..).unwrap_or_default());
        self.at = end;
        if self.bytes.get(end) == Some(&b'"') {
            self.at += 1;
            return self.text.get(start..end).map(Cow::Borrowed);
        }
        self.long_string(start)
    }

    /// A string with escapes or control characters; `self.at` stands at the first of them.
    fn long_string(&mut self, start: usize) -> Option<Cow<'a, str>> {
        let mut text = String::new();
        let mut copied = start;
        let mut borrowed = true;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let tail = self.text.get(copied..self.at).unwrap_or_default();
                    self.at += 1;
                    if borrowed {
                        return Some(Cow::Borrowed(tail));
                    }
                    text.push_str(tail);
                    return Some(Cow::Owned(text));
                }
                Some(b'\\') => {
                    text.push_str(self.text.get(copied..self.at).unwrap_or_default());
                    borrowed = false;
                    self.escape(&mut text);
                    copied = self.at;
                }
                // A line end is where a broken string is known to be broken. Other control
                // characters break JSON's rules too, but their meaning is plain.
                Some(b'\n') | None => {
                    self.fail("a line ends in the middle of a string");
                    return None;
                }
                Some(_) => self.at += 1,
            }
            self.at += run(self.bytes.get(self.at..).unwrap_or_default());
        }
    }

    /// An escape, from its backslash on.
    fn escape(&mut self, text: &mut String) {
        let start = self.at;
        let plain = match self.bytes.get(start + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => {
                if let Some(c) = self.unicode_escape() {
                    text.push(c);
                    return;
                }
                return self.unknown_escape(text);
            }
            _ => return self.unknown_escape(text),
        };
        self.at += 2;
        text.push(plain);
    }

    /// Writers that do not escape (`"C:\Users"`) mean the backslash that they write.
    fn unknown_escape(&mut self, text: &mut String) {
        self.note(
            self.at,
            FlawKind::Syntax,
            "an escape that JSON does not know is kept as it stands",
        );
        text.push('\\');
        self.at += 1;
    }

    /// `\uXXXX`, or two of them that make a pair.
    fn unicode_escape(&mut self) -> Option<char> {
        let start = self.at;
        let unit = self.hex(start + 2)?;
        self.at = start + 6;
        if let Some(c) = char::from_u32(unit) {
            return Some(c);
        }
        let low = (self.bytes.get(start + 6..start + 8) == Some(b"\\u"))
            .then(|| self.hex(start + 8))
            .flatten()
            .filter(|low| (0xDC00..0xE000).contains(low));
        if let (0xD800..0xDC00, Some(low)) = (unit, low) {
            self.at = start + 12;
            return char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
        }
        self.note(start, FlawKind::Encoding, "half a surrogate pair is read as U+FFFD");
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        let all = digits.bytes().all(|b| b.is_ascii_hexdigit());
        all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    }
}

/// Length of the run that holds no quote, no backslash and no control character. Eight bytes at a
/// time: most strings are short, so that a call to a wider search costs more than it saves.
fn run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let x = u64::from_le_bytes(*eight);
        let quote = zero(x ^ (ONES * 0x22));
        let backslash = zero(x ^ (ONES * 0x5C));
        let control = x.wrapping_sub(ONES * 0x20) & !x;
        let hit = (quote | backslash | control) & HIGH;
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values read one after the other are what each is alone, whatever keys were expected.
    #[test]
    fn expected_keys_change_nothing() {
        let values = [
            r#"{"a":1,"b":{"c":2,"d":[{"e":3},{"e":4}]},"f":"g"}"#,
            r#"{"a":1,"b":{"c":2,"d":[{"e":3},{"e":4}]},"f":"g"}"#,
            r#"{"a":1,"b":{"d":[{"e":3}],"c":2},"f":"g","h":null}"#,
            r#"{ "a" : 1 , "b" : { "c" : 2 } , "f" : "g" }"#,
            r#"{"aa":1,"b\"":{"c":2},"\u0061":"g","a":5}"#,
            r#"{"f":1,"a":2,"b":3,"é":4}"#,
            r#"{"a":1,"a":2,"a":3}"#,
            r#"{"a":1,"b":{"c":2,"d":[{"e":3},{"e":4}]},"f":"g"}"#,
            r#"{"a":1,"b"#,
            r#"{"a":1,"b":2}"#,
        ];
        let text = values.join("\n");
        let mut parser = Parser::new(&text);
        let mut at = 0;
        for value in values {
            let mut alone = Parser::new(value);
            assert_eq!(parser.value_within(at, at + value.len()), alone.value_at(0), "{value}");
            assert_eq!(parser.at() - at, alone.at(), "{value}");
            at += value.len() + 1;
        }
    }

    #[test]
    fn keys_beyond_those_that_are_expected_are_read() {
        let object = |from: usize| {
            let members = (from..from + 2 * EXPECTED).map(|n| format!("\"key {n}\":{n}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        let (first, second) = (object(0), object(3));
        let text = format!("{first}\n{second}");
        let mut parser = Parser::new(&text);
        assert_eq!(parser.value_within(0, first.len()), Parser::new(&first).value_at(0));
        assert_eq!(parser.value_at(first.len() + 1), Parser::new(&second).value_at(0));
        assert!(parser.expected.len() <= EXPECTED);
    }
}
