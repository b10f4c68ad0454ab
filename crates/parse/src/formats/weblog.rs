//! Access logs of web servers: common, combined, with a virtual host in front, with more behind.
//!
//! `client ident user [time] "request" status bytes "referer" "user agent" …`. The request is
//! split as far as it is one; whatever was sent stays whole in `request`. `-` means no value and is
//! left out. Escapes stay as the server wrote them.

use model::Value;

use crate::fields::{self, Fields, push};
use crate::line::{self, Line};
use crate::{Cutter, Format, Head, Sink, seek};

/// The format `weblog`.
pub(crate) struct Weblog;

impl Format for Weblog {
    fn name(&self) -> &'static str {
        "weblog"
    }

    fn about(&self) -> &'static str {
        "access logs in the common or combined format (Apache, nginx)"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        match fields::share(head, |line| parts(&String::from_utf8_lossy(line)).is_some()) {
            80.. => 92,
            50.. => 70,
            _ => 0,
        }
    }

    fn open(&self, _: &Head<'_>) -> Box<dyn Cutter> {
        line::cutter(read)
    }
}

fn read(line: Line<'_>, sink: &mut dyn Sink) {
    let Some(parts) = parts(line.text) else {
        return sink.record(line.unread("not a line of an access log"));
    };
    sink.record(line.record(Value::Map(parts.fields())));
}

/// A line split at its fixed points.
struct Parts<'a> {
    /// Before the time: host names and users.
    front: &'a str,
    time: &'a str,
    request: &'a str,
    /// Behind the request: status, size and what the server was told to add.
    back: &'a str,
}

/// Splits a line; nothing when it is none of an access log.
fn parts(text: &str) -> Option<Parts<'_>> {
    let open = seek::find_text(b" [", text.as_bytes())?;
    let (front, rest) = (text.get(..open)?, text.get(open + 2..)?);
    let close = seek::find(b']', rest.as_bytes().get(..rest.len().min(64))?)?;
    let time = rest.get(..close)?;
    // `10/Oct/2000:13:55:36 -0700`, or ISO 8601 as some servers are told to write.
    let clock = seek::find(b':', time.as_bytes())?;
    if clock < 8 || !time.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let quoted = rest.get(close + 1..)?.trim_start_matches(' ').strip_prefix('"')?;
    let end = request_end(quoted)?;
    Some(Parts { front, time, request: quoted.get(..end)?, back: quoted.get(end + 1..)? })
}

/// The mark that closes the request: one that a status follows. Clients send marks of their own,
/// and not every server escapes them.
fn request_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += seek::find2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'\\') {
            at += 2;
            continue;
        }
        let status = match bytes.get(at + 1..)? {
            [b' ', b'-', b' ', ..] | [b' ', b'-'] | [] => true,
            [b' ', a, b, c, end @ ..] => {
                [a, b, c].into_iter().all(u8::is_ascii_digit) && matches!(end, [] | [b' ', ..])
            }
            _ => false,
        };
        if status {
            return Some(at);
        }
        at += 1;
    }
}

impl<'a> Parts<'a> {
    fn fields(self) -> Fields<'a> {
        let mut fields = Vec::with_capacity(14);
        self.front(&mut fields);
        push(&mut fields, "time", self.time);
        self.request(&mut fields);
        let mut back = Tokens(self.back);
        for name in ["status", "bytes"] {
            if let Some(token) = back.next().filter(|token| token.text != "-") {
                let value = token.text.parse().map_or(Value::from(token.text), Value::Int);
                push(&mut fields, name, value);
            }
        }
        // Only what stands in marks is a referer, a user agent or (nginx) the forwarding proxies.
        let mut names: &[&'static str] = &["referer", "user_agent", "x_forwarded_for"];
        let mut extra = Vec::new();
        for token in back {
            if let Some((name, others)) = names.split_first().filter(|_| token.quoted) {
                text(&mut fields, name, token.text);
                names = others;
            } else if extra.len() < fields::MAX {
                extra.push(Value::from(token.text));
                names = &[];
            }
        }
        if !extra.is_empty() {
            push(&mut fields, fields::EXTRA, Value::List(extra));
        }
        fields
    }

    /// `client ident user`, with a virtual host in front or with less than all.
    fn front(&self, fields: &mut Fields<'a>) {
        let (first, rest) = self.front.split_once(' ').unwrap_or((self.front, ""));
        let (second, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        let hosted = second.contains(['.', ':']) && behind.contains(' ');
        let (client, rest) = if hosted {
            text(fields, "vhost", first);
            (second, behind)
        } else {
            (first, rest)
        };
        text(fields, "client", client);
        match rest.split_once(' ') {
            Some((ident, user)) => {
                text(fields, "ident", ident);
                // A user's name may hold blanks.
                text(fields, "user", user);
            }
            None => text(fields, "user", rest),
        }
    }

    fn request(&self, fields: &mut Fields<'a>) {
        text(fields, "request", self.request);
        let Some((method, rest)) = self.request.split_once(' ') else { return };
        let known = |b: u8| b.is_ascii_uppercase() || matches!(b, b'-' | b'_');
        if method.is_empty() || method.len() > 24 || !method.bytes().all(known) {
            return;
        }
        push(fields, "method", method);
        match rest
            .rsplit_once(' ')
            .filter(|(_, protocol)| protocol.contains('/') && protocol.len() < 16)
        {
            Some((target, protocol)) if !protocol.starts_with('/') => {
                push(fields, "target", target);
                push(fields, "protocol", protocol);
            }
            _ => push(fields, "target", rest),
        }
    }
}

/// Adds a text that is there.
fn text<'a>(fields: &mut Fields<'a>, name: &'static str, text: &'a str) {
    if !text.is_empty() && text != "-" {
        push(fields, name, text);
    }
}

/// Words, and texts in quotation marks, between blanks.
struct Tokens<'a>(&'a str);

struct Token<'a> {
    text: &'a str,
    quoted: bool,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let rest = self.0.trim_start_matches(' ');
        if rest.is_empty() {
            return None;
        }
        if let Some(inner) = rest.strip_prefix('"') {
            // One that is never closed takes the rest, so nothing is searched twice.
            let end = quote_end(inner);
            self.0 = inner.get(end + 1..).unwrap_or_default();
            return Some(Token { text: inner.get(..end)?, quoted: true });
        }
        let end = seek::find(b' ', rest.as_bytes()).unwrap_or(rest.len());
        self.0 = rest.get(end..).unwrap_or_default();
        Some(Token { text: rest.get(..end)?, quoted: false })
    }
}

/// Where the mark is that closes a text: one that a blank or the end follows.
fn quote_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(step) = seek::find2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += step;
        if bytes.get(at) == Some(&b'\\') {
            at += 2;
        } else if matches!(bytes.get(at + 1), None | Some(b' ')) {
            return at;
        } else {
            at += 1;
        }
    }
    text.len()
}
