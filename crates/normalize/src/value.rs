//! What an expression yields while a record is mapped: borrowed wherever it can be.

use std::borrow::Cow;

use model::{Micros, Value};

/// A value on its way from a record to an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Val<'r> {
    None,
    Ref(&'r Value<'r>),
    Text(Cow<'r, str>),
    Int(i64),
    Bool(bool),
    Time(Micros),
    Owned(Value<'r>),
}

/// The member by which `evtx_dump` and other XML readers carry an element's text.
const XML_TEXT: &str = "#text";

/// The text of an XML element that has attributes, else the value itself.
pub(crate) fn bare<'v, 'r>(value: &'v Value<'r>) -> &'v Value<'r> {
    match value {
        Value::Map(_) => value.get(XML_TEXT).unwrap_or(value),
        _ => value,
    }
}

impl<'r> Val<'r> {
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Val::None)
    }

    /// Text of a scalar; nothing of a list, a map or nothing.
    pub(crate) fn text(self) -> Option<Cow<'r, str>> {
        match self {
            Val::None => None,
            Val::Ref(value) => bare(value).to_text(),
            Val::Text(text) | Val::Owned(Value::Str(text)) => Some(text),
            Val::Int(n) => Some(Cow::Owned(n.to_string())),
            Val::Bool(b) => Some(Cow::Borrowed(if b { "true" } else { "false" })),
            Val::Time(t) => Some(Cow::Owned(t.to_string())),
            Val::Owned(value) => bare(&value).to_text().map(|t| Cow::Owned(t.into_owned())),
        }
    }

    /// Writes the text of a scalar; false of a list, a map or nothing.
    pub(crate) fn write(self, out: &mut String) -> bool {
        let number = match &self {
            Val::Int(n) => Some(*n),
            Val::Ref(value) => match bare(value) {
                Value::Int(n) => Some(*n),
                _ => None,
            },
            _ => None,
        };
        if let Some(number) = number {
            push_int(out, number);
            return true;
        }
        self.text().map(|text| out.push_str(&text)).is_some()
    }

    /// A text, borrowed for as long as the value is looked at; numbers are not spelled out.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Val::Ref(value) => bare(value).as_str(),
            Val::Text(text) => Some(text),
            Val::Owned(value) => bare(value).as_str(),
            _ => None,
        }
    }

    /// A whole number, or text that spells one: decimal, or hexadecimal after `0x`.
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Val::Int(n) => Some(*n),
            Val::Bool(b) => Some(i64::from(*b)),
            Val::Ref(value) => value_int(bare(value)),
            Val::Owned(value) => value_int(bare(value)),
            Val::Text(text) => text_int(text),
            Val::Time(_) | Val::None => None,
        }
    }

    /// Any number, or text that spells one.
    pub(crate) fn float(&self) -> Option<f64> {
        let of_text = |t: &str| t.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        match self {
            Val::Int(n) => Some(*n as f64),
            Val::Ref(value) => bare(value).as_f64().filter(|x| x.is_finite()),
            Val::Owned(value) => bare(value).as_f64().filter(|x| x.is_finite()),
            Val::Text(text) => of_text(text),
            Val::Bool(_) | Val::Time(_) | Val::None => None,
        }
    }

    /// A truth value, or a word that stands for one.
    pub(crate) fn bool(&self) -> Option<bool> {
        match self {
            Val::Bool(b) | Val::Ref(Value::Bool(b)) | Val::Owned(Value::Bool(b)) => Some(*b),
            _ => match self.as_str() {
                Some(word) => truth(word),
                None => self.int().and_then(|n| match n {
                    0 => Some(false),
                    1 => Some(true),
                    _ => None,
                }),
            },
        }
    }

    /// The elements of a list; a lone value is a list of one.
    pub(crate) fn list(self) -> Vec<Val<'r>> {
        match self {
            Val::None => Vec::new(),
            Val::Ref(Value::List(items)) => items.iter().map(Val::Ref).collect(),
            Val::Owned(Value::List(items)) => items.into_iter().map(Val::Owned).collect(),
            one => vec![one],
        }
    }

    /// As a value that can stand in a list or an object; nothing for nothing.
    pub(crate) fn value(self) -> Option<Value<'r>> {
        Some(match self {
            Val::None => return None,
            Val::Ref(value) => bare(value).clone(),
            Val::Text(text) => Value::Str(text),
            Val::Int(n) => Value::Int(n),
            Val::Bool(b) => Value::Bool(b),
            Val::Time(t) => Value::Int(t.millis()),
            Val::Owned(value) => value,
        })
    }
}

/// Writes a whole number: templates have many, and formatting takes its time.
fn push_int(out: &mut String, n: i64) {
    let mut digits = [0; 20];
    let (mut rest, mut count) = (n.unsigned_abs(), 0);
    for place in digits.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        out.push('-');
    }
    let digits = digits.get(digits.len() - count..);
    out.push_str(digits.and_then(|d| std::str::from_utf8(d).ok()).unwrap_or_default());
}

fn whole(x: f64) -> Option<i64> {
    (x.is_finite() && x.abs() < 9.0e15).then_some(x as i64)
}

fn value_int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Str(text) => text_int(text),
        Value::Float(x) => whole(*x),
        Value::Bool(b) => Some(i64::from(*b)),
        other => other.as_i64(),
    }
}

/// Decimal, or hexadecimal after `0x`; surrounding blanks are allowed.
pub(crate) fn text_int(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn truth(word: &str) -> Option<bool> {
    const YES: [&str; 6] = ["true", "yes", "1", "t", "on", "y"];
    const NO: [&str; 6] = ["false", "no", "0", "f", "off", "n"];
    let is = |words: &[&str]| words.iter().any(|w| w.eq_ignore_ascii_case(word));
    if is(&YES) {
        Some(true)
    } else if is(&NO) {
        Some(false)
    } else {
        None
    }
}

/// An address, tidied: surrounding blanks, brackets and an IPv6 zone are taken off, IPv4 in IPv6
/// becomes IPv4. Nothing when it is no address.
pub(crate) fn ip(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    use std::net::{IpAddr, Ipv4Addr};
    if text.len() > 64 {
        return None;
    }
    // The usual case: an IPv4 address just as it should be.
    if text.parse::<Ipv4Addr>().is_ok() {
        return Some(text);
    }
    let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
    let inner = inner.split('%').next().unwrap_or_default();
    Some(Cow::Owned(match inner.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => v6.to_string(),
        },
    }))
}

/// An address with its port taken off: `1.2.3.4:443`, `[::1]:443`, `1.2.3.4`.
pub(crate) fn split_port(text: &str) -> (&str, Option<&str>) {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[')
        && let Some((host, tail)) = rest.split_once(']')
    {
        return (host, tail.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_tidied_or_refused() {
        let tidy = |t: &str| ip(Cow::Borrowed(t)).map(Cow::into_owned).unwrap_or_default();
        assert_eq!(tidy("10.0.0.1"), "10.0.0.1");
        assert_eq!(tidy("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(tidy(" [fe80::1%eth0] "), "fe80::1");
        assert_eq!(tidy("2001:DB8::1"), "2001:db8::1");
        for bad in ["", "-", "LOCAL", "10.0.0.300", "1.2.3.4:80", "01.2.3.4", &"1".repeat(999)] {
            assert_eq!(tidy(bad), "", "{bad}");
        }
        assert_eq!(split_port("[::1]:443"), ("::1", Some("443")));
        assert_eq!(split_port("1.2.3.4:80"), ("1.2.3.4", Some("80")));
        assert_eq!(split_port("::1"), ("::1", None));
    }

    #[test]
    fn numbers_are_written() {
        for n in [0, 7, -7, 10, 1_234_567_890, i64::MIN, i64::MAX] {
            let mut text = "n ".to_owned();
            assert!(Val::Int(n).write(&mut text));
            assert_eq!(text, format!("n {n}"));
        }
        assert!(!Val::None.write(&mut String::new()));
    }

    #[test]
    fn numbers_and_truths_are_read() {
        assert_eq!(Val::Text("0x3e7".into()).int(), Some(999));
        assert_eq!(Val::Text("9".repeat(40).into()).int(), None);
        assert_eq!(Val::Owned(Value::Float(f64::NAN)).int(), None);
        assert_eq!(Val::Text("Yes".into()).bool(), Some(true));
        assert_eq!(Val::Text("maybe".into()).bool(), None);
    }
}
