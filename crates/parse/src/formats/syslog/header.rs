//! The header of one syslog record, in every shape that is met.

use model::Value;

use super::structured;
use crate::fields::{Fields, push};
use crate::{seek, timestamp};

/// A header that was read.
pub(super) struct Header<'a> {
    /// Its fields, those that are there.
    pub(super) fields: Fields<'a>,
    /// What is behind it.
    pub(super) message: &'a str,
    /// What is wrong with it.
    pub(super) problem: Option<&'static str>,
}

/// Reads the header of a record.
pub(super) fn read(text: &str) -> Header<'_> {
    let mut header = Header { fields: Vec::with_capacity(12), message: text, problem: None };
    header.read();
    header.message = header.message.trim_end_matches(['\r', '\n']);
    header
}

/// The number between the angle brackets and the length of the whole (`<34>` is 34 and 4).
pub(super) fn priority(text: &[u8]) -> Option<(u16, usize)> {
    if text.first() != Some(&b'<') {
        return None;
    }
    let digits = text.iter().skip(1).take(4).take_while(|b| b.is_ascii_digit()).count();
    let number = text.get(1..=digits)?;
    if !(1..=3).contains(&digits) || text.get(digits + 1) != Some(&b'>') {
        return None;
    }
    Some((number.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0')), digits + 2))
}

/// True when a line can only be syslog: a priority, or a timestamp with a program behind it.
pub(super) fn telling(line: &[u8]) -> bool {
    if priority(line).is_some() {
        return true;
    }
    let front = line.get(..line.len().min(512)).unwrap_or_default();
    let text = String::from_utf8_lossy(front);
    let Some(end) = timestamp::leading(front) else {
        return front.starts_with(b"%") && !read(&text).fields.is_empty();
    };
    let bsd = !front.first().is_some_and(u8::is_ascii_digit);
    let header = read(&text);
    let has = |name: &str| header.fields.iter().any(|(key, _)| key == name);
    let bounded = matches!(front.get(end), Some(b' ' | b':'));
    bounded
        && (has("procid")
            || has("appname")
            || has("msgid")
            || has("stream")
            || bsd && is_repeat(header.message))
}

/// What syslog daemons write instead of the same message again.
fn is_repeat(message: &str) -> bool {
    let text = message.trim_start_matches(['-', ' ']);
    text.starts_with("last message ") || text.starts_with("message repeated ")
}

impl<'a> Header<'a> {
    fn push(&mut self, name: &'static str, value: impl Into<Value<'a>>) {
        push(&mut self.fields, name, value);
    }

    fn text(&mut self, name: &'static str, text: &'a str) {
        if !text.is_empty() && text != "-" {
            self.push(name, text);
        }
    }

    /// Moves past `len` bytes of the message.
    fn skip(&mut self, len: usize) -> &'a str {
        let (front, back) = self.message.split_at_checked(len).unwrap_or((self.message, ""));
        self.message = back;
        front
    }

    fn skip_blanks(&mut self) {
        self.message = self.message.trim_start_matches([' ', '\t']);
    }

    /// The next word without moving.
    fn word(&self) -> &'a str {
        let end = seek::find(b' ', self.message.as_bytes()).unwrap_or(self.message.len());
        self.message.get(..end).unwrap_or_default()
    }

    fn read(&mut self) {
        if let Some((number, len)) = priority(self.message.as_bytes()) {
            self.push("priority", i64::from(number));
            self.push("facility", i64::from(number >> 3));
            self.push("severity", i64::from(number & 7));
            if number > 191 {
                self.problem = Some("the priority is above 191");
            }
            self.skip(len);
            if self.versioned() {
                return;
            }
            self.sequence();
        }
        self.plain();
    }

    /// RFC 5424 behind the priority; false (and nothing moved) when there is no version.
    fn versioned(&mut self) -> bool {
        let rest = self.message;
        let version = self.word();
        let known = (1..=2).contains(&version.len())
            && version.bytes().all(|b| b.is_ascii_digit())
            && !version.starts_with('0');
        let stamp = rest.get(version.len() + 1..).unwrap_or_default().as_bytes();
        let epoch = timestamp::leading_epoch(stamp);
        let stamped = stamp.starts_with(b"- ") || stamp.first().is_some_and(u8::is_ascii_digit);
        if !known
            || !stamped
            || (epoch.is_none() && !stamp.starts_with(b"- ") && timestamp::leading(stamp).is_none())
        {
            return false;
        }
        if let Ok(number) = version.parse::<i64>() {
            self.push("version", number);
        }
        self.skip(version.len() + 1);
        for name in ["timestamp", "hostname"] {
            let word = self.word();
            self.text(name, word);
            self.skip(word.len() + 1);
        }
        if epoch.is_some() {
            // Devices that write seconds here write free text behind the host.
            return true;
        }
        for name in ["appname", "procid", "msgid"] {
            let word = self.word();
            self.text(name, word);
            self.skip(word.len() + 1);
        }
        self.structured_data();
        self.skip_blanks();
        self.message = self.message.trim_start_matches('\u{feff}');
        true
    }

    fn structured_data(&mut self) {
        if self.message == "-" || self.message.starts_with("- ") {
            self.skip(2);
            return;
        }
        if !self.message.starts_with('[') {
            if !self.message.is_empty() {
                self.problem = Some("neither structured data nor - behind the message id");
            }
            return;
        }
        match structured::read(self.message) {
            Some((elements, rest)) => {
                self.push("structured_data", Value::Map(elements));
                self.message = rest;
            }
            None => self.problem = Some("the structured data is broken; it is left in the message"),
        }
    }

    /// Cisco's counter in front of the time (`29: `).
    fn sequence(&mut self) {
        let text = self.message;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=10).contains(&digits) || !text.get(digits..).is_some_and(|t| t.starts_with(": ")) {
            return;
        }
        if let Some(Ok(number)) = text.get(..digits).map(str::parse::<i64>) {
            self.push("sequence", number);
            self.skip(digits + 2);
            self.skip_blanks();
        }
    }

    /// Everything but RFC 5424: a timestamp if there is one, then host and tag as far as they can
    /// be told from the message.
    fn plain(&mut self) {
        if !self.timestamp("timestamp") {
            // `<189>29: router1: *Mar  1 18:48:50: %SYS-5-CONFIG_I: …`
            let origin = self.word();
            let behind = self.message.get(origin.len()..).unwrap_or_default().trim_start();
            let stamp = behind.trim_start_matches(['*', '.']);
            if origin.len() > 1
                && origin.ends_with(':')
                && timestamp::leading(stamp.as_bytes()).is_some()
            {
                self.text("hostname", origin.trim_end_matches(':'));
                self.message = behind;
                self.timestamp("timestamp");
                self.device();
            } else if self.fields.is_empty() {
                self.device();
            } else if !body_follows(self.message) && !self.device() {
                self.tag(false);
            }
            return;
        }
        if self.message.starts_with(':') {
            self.skip(1);
            self.skip_blanks();
            self.device();
            return;
        }
        self.skip_blanks();
        if self.stream() || is_repeat(self.message) || body_follows(self.message) || self.device() {
            return;
        }
        let word = self.word();
        if is_level(word) {
            self.push("severity", word);
            self.skip(word.len());
            self.skip_blanks();
            self.tag(true);
            return;
        }
        if self.tag(false) {
            return;
        }
        if !is_host(word) {
            return;
        }
        let host = word.strip_suffix(':').filter(|host| !host.contains(':'));
        self.text("hostname", host.unwrap_or(word));
        self.skip(word.len());
        self.skip_blanks();
        if let Some(rest) = self.message.strip_prefix(": ") {
            self.message = rest;
        }
        if !is_repeat(self.message) && !body_follows(self.message) && !self.device() {
            self.tag(true);
        }
    }

    /// Takes a timestamp; Cisco's marks for an unset clock (`*`, `.`) stay in front of it.
    fn timestamp(&mut self, name: &'static str) -> bool {
        let text = self.message;
        let mark = usize::from(text.starts_with(['*', '.']));
        let bytes = text.as_bytes().get(mark..).unwrap_or_default();
        let epoch = || timestamp::leading_epoch(bytes).filter(|_| !self.fields.is_empty());
        let Some(len) = timestamp::leading(bytes).or_else(epoch) else { return false };
        if !matches!(bytes.get(len), None | Some(b' ' | b':' | b'\t')) {
            return false;
        }
        let stamp = self.skip(mark + len);
        self.push(name, stamp.trim_start_matches(['*', '.']));
        true
    }

    /// What container runtimes write: `stdout F message`.
    fn stream(&mut self) -> bool {
        let text = self.message;
        let Some(rest) = text.strip_prefix("stdout ").or_else(|| text.strip_prefix("stderr "))
        else {
            return false;
        };
        let flag = rest.split(' ').next().unwrap_or_default();
        if !flag.split(':').next().is_some_and(|f| f == "F" || f == "P") {
            return false;
        }
        self.push("stream", text.get(..6).unwrap_or_default());
        self.push("stream_flag", flag);
        self.message = rest.get(flag.len() + 1..).unwrap_or_default();
        true
    }

    /// Network devices: an optional counter and device time, then `%ASA-6-302013: `.
    fn device(&mut self) -> bool {
        let (message, count) = (self.message, self.fields.len());
        self.message = message.strip_prefix(": ").unwrap_or(message);
        self.sequence();
        let given = self.fields.iter().any(|(name, _)| name == "timestamp");
        if self.timestamp(if given { "device_timestamp" } else { "timestamp" }) {
            self.message = self.message.trim_start_matches([':', ' ']);
        }
        if let Some(rest) = self.message.strip_prefix(": ") {
            self.message = rest;
        }
        let Some(code) = self.message.strip_prefix('%').and_then(|t| t.split([':', ' ']).next())
        else {
            self.message = message;
            self.fields.truncate(count);
            return false;
        };
        let mut parts = code.split('-');
        let level = parts.find(|part| matches!(part.as_bytes(), [b'0'..=b'7']));
        let facility = code.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
        let (Some(level), true, Some(_)) = (level, facility, parts.next()) else {
            self.message = message;
            self.fields.truncate(count);
            return false;
        };
        self.push("msgid", code);
        if !self.fields.iter().any(|(name, _)| name == "severity")
            && let Ok(level) = level.parse::<i64>()
        {
            self.push("severity", level);
        }
        self.skip(code.len() + 1);
        self.message = self.message.trim_start_matches([':', ' ']);
        true
    }

    /// `name[pid]: `, `name: `, `name[pid] <Level>: `; false (and nothing moved) when the next word
    /// is no such thing.
    fn tag(&mut self, behind_host: bool) -> bool {
        let text = self.message;
        let bytes = text.as_bytes();
        let window = bytes.get(..bytes.len().min(256)).unwrap_or_default();
        // Names of macOS processes hold blanks; those are only believed in front of a `[pid]`.
        let Some(end) = seek::find3(b':', b'[', b' ', window) else { return false };
        let end = match window.get(end) {
            Some(b' ') => match seek::find2(b'[', b':', window) {
                Some(open) if behind_host && spaced_name(window, open) => open,
                _ => return false,
            },
            _ => end,
        };
        if end == 0 || !window.get(..end).is_some_and(|name| name.iter().all(|b| is_name(*b))) {
            return false;
        }
        let (mut pid, mut at) = ("", end);
        if bytes.get(end) == Some(&b'[') {
            let inner = bytes.get(end + 1..).unwrap_or_default();
            let inner = inner.get(..inner.len().min(128)).unwrap_or_default();
            let Some(close) = seek::find(b']', inner) else { return false };
            pid = text.get(end + 1..end + 1 + close).unwrap_or_default();
            at = end + close + 2;
        }
        let behind = text.get(at..).unwrap_or_default();
        let mut level = None;
        let rest = if let Some(rest) = behind.strip_prefix(':') {
            // `http://`, `12:30` and a mere number are no tags.
            let number = window.get(..end).is_some_and(|n| n.iter().all(u8::is_ascii_digit));
            let follows = matches!(rest.as_bytes().first(), None | Some(b' ' | b'\t'));
            if pid.is_empty() && (number || !follows) {
                return false;
            }
            rest
        } else if let Some((word, rest)) = level_in_brackets(behind) {
            level = Some(word);
            rest
        } else if !pid.is_empty() && behind.starts_with(' ') {
            behind
        } else {
            return false;
        };
        self.push("appname", text.get(..end).unwrap_or_default());
        self.text("procid", pid);
        if let Some(level) = level {
            self.push("severity", level);
        }
        self.message = rest;
        self.skip_blanks();
        true
    }
}

/// True when the message is of a format of its own, whose first word must not be taken for a tag.
fn body_follows(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'{') => true,
        Some(b'C') => text.starts_with("CEF:"),
        Some(b'L') => text.starts_with("LEEF:"),
        _ => false,
    }
}

/// True when a word may name a machine: a name, an address, a path of relays.
fn is_host(word: &str) -> bool {
    let known = |b: u8| {
        b.is_ascii_alphanumeric()
            || b >= 0x80
            || matches!(b, b'.' | b'-' | b'_' | b':' | b'/' | b'%' | b'@')
    };
    !word.is_empty() && word.len() <= 255 && word.bytes().all(known)
}

/// The word of ` <Notice>: ` or ` <Notice> `, and what follows.
fn level_in_brackets(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix(" <")?;
    let letters = inner.bytes().take(16).take_while(u8::is_ascii_alphabetic).count();
    let (word, rest) = inner.split_at_checked(letters)?;
    let rest = rest.strip_prefix('>')?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    (letters > 0 && matches!(rest.as_bytes().first(), None | Some(b' '))).then_some((word, rest))
}

/// Words for a severity that some files write in front of the program.
fn is_level(word: &str) -> bool {
    matches!(
        word,
        "EMERG"
            | "ALERT"
            | "CRIT"
            | "CRITICAL"
            | "FATAL"
            | "ERR"
            | "ERROR"
            | "WARNING"
            | "WARN"
            | "NOTICE"
            | "INFO"
            | "DEBUG"
            | "TRACE"
    )
}

fn is_name(b: u8) -> bool {
    b > b' ' && !matches!(b, b'"' | b'\'' | b'<' | b'>' | b'{' | b'}' | b'=' | b',' | b';' | 0x7f)
        || b == b' '
}

/// True when `Two Words[123]` stands in front of `open`.
fn spaced_name(window: &[u8], open: usize) -> bool {
    let digits = window
        .get(open + 1..)
        .unwrap_or_default()
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    let closed = window.get(open + 1 + digits) == Some(&b']')
        && matches!(window.get(open + 2 + digits), Some(b':' | b' '));
    let name = window.get(..open).unwrap_or_default();
    window.get(open) == Some(&b'[')
        && digits > 0
        && closed
        && open <= 48
        && name.split(|b| *b == b' ').count() <= 4
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'.' | b'-' | b'_'))
        && name.last() != Some(&b' ')
        && name.first().is_some_and(u8::is_ascii_uppercase)
}
