//! Where a value goes in an event, and what it must be to go there.

use std::borrow::Cow;
use std::sync::Arc;

use model::{Micros, Value};
use ocsf::{AttributeType, Class, ColumnId, Enumeration, Event, Scalar, Type};

use crate::clock::{self, Frame};
use crate::value::{Val, ip};

/// An attribute of OCSF, with its place in an event.
#[derive(Debug)]
pub(crate) struct Target {
    place: Place,
    form: Form,
    list: bool,
    /// Where the caption of an enumerated number goes.
    caption: Option<Place>,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Column(ColumnId),
    Extra(Arc<str>),
}

/// An attribute of an object in a list.
#[derive(Debug)]
pub(crate) struct Member {
    path: Box<[Box<str>]>,
    form: Form,
    list: bool,
    caption: Option<Box<[Box<str>]>>,
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Text,
    Int,
    Port,
    Long,
    Float,
    Bool,
    Time,
    DateTime,
    Ip,
    Mac,
    Email,
    Uuid,
    Numbers(&'static Enumeration),
    Words(&'static Enumeration),
    /// Anything.
    Json,
    /// An object of the schema: maps only.
    Object,
}

/// `Other`, of every enumeration of numbers.
const OTHER: i64 = 99;

impl Form {
    pub(crate) fn of(found: &AttributeType) -> Self {
        match (found.attribute.enumeration, found.attribute.ty) {
            (Some(e @ Enumeration::Numbers(_)), _) => Form::Numbers(e),
            (Some(e @ Enumeration::Words(_)), _) => Form::Words(e),
            (None, Type::Ip) => Form::Ip,
            (None, Type::Port) => Form::Port,
            (None, Type::Mac) => Form::Mac,
            (None, Type::Email) => Form::Email,
            (None, Type::Uuid) => Form::Uuid,
            (None, Type::Timestamp) => Form::Time,
            (None, Type::Datetime) => Form::DateTime,
            (None, Type::Object(id)) => {
                let free = id.get().is_some_and(|o| o.shape.is_free());
                if free { Form::Json } else { Form::Object }
            }
            (None, ty) => match ty.base() {
                Type::Boolean => Form::Bool,
                Type::Float => Form::Float,
                Type::Integer => Form::Int,
                Type::Long => Form::Long,
                Type::Json => Form::Json,
                _ => Form::Text,
            },
        }
    }

    /// What it wants, for messages.
    pub(crate) fn wants(self) -> &'static str {
        match self {
            Form::Text => "a text",
            Form::Int | Form::Long => "a whole number",
            Form::Port => "a port (0 to 65535)",
            Form::Float => "a number",
            Form::Bool => "true or false",
            Form::Time | Form::DateTime => "a time",
            Form::Ip => "an IP address",
            Form::Mac => "a MAC address",
            Form::Email => "an e-mail address",
            Form::Uuid => "a UUID",
            Form::Numbers(_) => "one of the enumeration's captions or numbers",
            Form::Words(_) => "one of the enumeration's words",
            Form::Json => "anything",
            Form::Object => "an object",
        }
    }

    /// A constant as it will be kept: captions as their numbers. An error when it cannot be held.
    pub(crate) fn settle(self, constant: &Value<'static>) -> Result<Value<'static>, ()> {
        let val = Val::Owned(constant.clone());
        let scalar = match self {
            Form::Numbers(e) => match number(e, val) {
                Some((number, None)) => Some(Scalar::Int(number)),
                _ => None,
            },
            form => form.fit(val),
        };
        match scalar {
            Some(Scalar::Int(n)) => Ok(Value::Int(n)),
            Some(_) => Ok(constant.clone()),
            None => Err(()),
        }
    }

    /// The value as the schema wants it; nothing when it cannot be. An enumerated number that the
    /// schema does not know becomes Other.
    fn fit(self, val: Val<'_>) -> Option<Scalar<'_>> {
        Some(match self {
            Form::Text => Scalar::Text(val.text().filter(|t| !t.is_empty())?),
            Form::Int | Form::Long => Scalar::Int(val.int()?),
            Form::Port => Scalar::Int(val.int().filter(|p| (0..=65535).contains(p))?),
            Form::Float => Scalar::Double(val.float()?),
            Form::Bool => Scalar::Bool(val.bool()?),
            Form::Time => Scalar::Time(time(&val)?),
            Form::DateTime => Scalar::Text(Cow::Owned(time(&val)?.to_string())),
            Form::Ip => Scalar::Text(ip(val.text()?)?),
            Form::Mac => Scalar::Text(mac(val.text()?)?),
            Form::Email => Scalar::Text(val.text().filter(|t| is_email(t))?),
            Form::Uuid => Scalar::Text(val.text().filter(|t| is_uuid(t))?),
            Form::Words(e) => Scalar::Text(Cow::Borrowed(e.word(&val.text()?)?)),
            Form::Json => Scalar::Json(val.value()?),
            Form::Object => match val.value()? {
                map @ Value::Map(_) => Scalar::Json(map),
                _ => return None,
            },
            Form::Numbers(e) => Scalar::Int(number(e, val)?.0),
        })
    }

    /// As [`Form::fit`], for an element of a list.
    fn item(self, val: Val<'_>) -> Option<Value<'_>> {
        self.fit(val).map(as_value)
    }
}

/// The number of a caption or a number; of what the enumeration does not know Other, with the source's
/// word.
fn number<'r>(e: &'static Enumeration, val: Val<'r>) -> Option<(i64, Option<Cow<'r, str>>)> {
    let known = match val.as_str() {
        Some(word) => e
            .number(word)
            .map(i64::from)
            .or_else(|| word.trim().parse::<i64>().ok().filter(|n| e.caption(*n).is_some())),
        None => val.int().filter(|n| e.caption(*n).is_some()),
    };
    if let Some(number) = known {
        return Some((number, None));
    }
    let word = val.text().filter(|t| !t.is_empty())?;
    // Some enumerations have no Other.
    let number = if e.caption(OTHER).is_some() { OTHER } else { 0 };
    e.caption(number).map(|_| (number, Some(word)))
}

fn time(val: &Val<'_>) -> Option<Micros> {
    let frame = Frame { zone: &jiff::tz::TimeZone::UTC, latest: Micros(i64::MIN) };
    clock::read(val, &clock::Format::Auto, &frame)
}

/// Twelve hexadecimal digits, in OCSF's spelling `01:23:45:67:89:AB`.
fn mac(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let bytes = text.as_bytes();
    let tidy = bytes.len() == 17
        && bytes.iter().enumerate().all(|(at, b)| match at % 3 {
            2 => matches!(b, b':' | b'-'),
            _ => b.is_ascii_hexdigit(),
        });
    if tidy {
        return Some(text);
    }
    let digits: Vec<u8> = bytes.iter().copied().filter(u8::is_ascii_hexdigit).collect();
    let others = bytes.iter().all(|b| b.is_ascii_hexdigit() || b".:-".contains(b));
    if digits.len() != 12 || !others || bytes.len() > 17 {
        return None;
    }
    let mut out = String::with_capacity(17);
    for (at, digit) in digits.iter().enumerate() {
        if at > 0 && at % 2 == 0 {
            out.push(':');
        }
        out.push(char::from(*digit));
    }
    Some(Cow::Owned(out))
}

/// What OCSF's `email_t` allows.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let Some((first, rest)) = domain.split_once('.') else { return false };
    let word = |t: &str, more: &[u8]| {
        !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    word(local, b"!#$%&'*+,-./=?^_`{|}~") && word(first, b"-") && word(rest, b"-.")
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

impl Target {
    /// A path of a class; the schema has been asked for it already.
    pub(crate) fn new(class: &Class, path: &str, found: &AttributeType) -> Self {
        let place = |path: &str| match ocsf::column(path) {
            Some(column) => Place::Column(column),
            None => Place::Extra(Arc::from(path)),
        };
        let caption = sibling(path, found)
            .filter(|caption| ocsf::resolve(class, caption).is_some())
            .map(|caption| place(&caption));
        Self {
            place: place(path),
            form: Form::of(found),
            list: found.list || found.fanned,
            caption,
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// True when both are one attribute.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.place == other.place
    }

    pub(crate) fn is_list(&self) -> bool {
        self.list
    }

    /// True when the event has all that could be put there: the first value stays.
    pub(crate) fn is_settled(&self, event: &Event<'_>) -> bool {
        let has = |place: &Place| match place {
            Place::Column(column) => event.has(*column),
            Place::Extra(_) => false,
        };
        has(&self.place) && self.caption.as_ref().is_none_or(has)
    }

    /// Gives the value to the event; false when it is none that the attribute can hold.
    pub(crate) fn put<'r>(&self, event: &mut Event<'r>, val: Val<'r>) -> bool {
        // The usual case: a text as it stands.
        if let (Form::Text, Val::Ref(Value::Str(text))) = (self.form, &val)
            && !self.list
            && !text.is_empty()
        {
            give(&self.place, event, Scalar::text(text));
            return true;
        }
        if self.list {
            let items = val.list().into_iter().filter_map(|v| self.form.item(v));
            let items: Vec<Value<'r>> = items.collect();
            let fits = !items.is_empty();
            if fits {
                give(&self.place, event, Scalar::Json(Value::List(items)));
            }
            return fits;
        }
        if let Form::Numbers(e) = self.form {
            return self.put_number(e, event, val);
        }
        let Some(scalar) = self.form.fit(val) else { return false };
        give(&self.place, event, scalar);
        true
    }

    fn put_number<'r>(&self, e: &'static Enumeration, event: &mut Event<'r>, val: Val<'r>) -> bool {
        let Some((number, word)) = number(e, val) else { return false };
        let caption = match (&self.caption, word) {
            (Some(place), Some(word)) => Some((place, word)),
            // Columns bring their caption along; what has no column does not.
            (Some(place @ Place::Extra(_)), None) => {
                e.caption(number).map(|caption| (place, Cow::Borrowed(caption)))
            }
            _ => None,
        };
        if let Some((place, word)) = caption {
            give(place, event, Scalar::Text(word));
        }
        give(&self.place, event, Scalar::Int(number));
        true
    }
}

#[inline]
fn give<'r>(place: &Place, event: &mut Event<'r>, scalar: Scalar<'r>) {
    match place {
        Place::Column(column) => event.set(*column, scalar),
        Place::Extra(path) => event.set_extra(Arc::clone(path), as_value(scalar)),
    }
}

fn as_value(scalar: Scalar<'_>) -> Value<'_> {
    match scalar {
        Scalar::Text(text) => Value::Str(text),
        Scalar::Int(n) => Value::Int(n),
        Scalar::Double(x) => Value::Float(x),
        Scalar::Bool(b) => Value::Bool(b),
        Scalar::Time(t) => Value::Int(t.millis()),
        Scalar::Json(value) => value,
    }
}

/// The path of the caption beside an enumerated number.
fn sibling(path: &str, found: &AttributeType) -> Option<String> {
    let name = found.attribute.sibling;
    if name.is_empty() {
        return None;
    }
    let parent = path.strip_suffix(found.attribute.name)?;
    Some(format!("{parent}{name}"))
}

impl Member {
    /// A path inside an element, of which the schema has been asked.
    pub(crate) fn new(path: &str, found: &AttributeType) -> Self {
        let steps = |path: &str| path.split('.').map(Into::into).collect();
        let caption = sibling(path, found).map(|caption| steps(&caption));
        Self { path: steps(path), form: Form::of(found), list: found.list, caption }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Puts the value into an object, with the objects between; false when it does not fit.
    pub(crate) fn put<'r>(
        &self,
        object: &mut Vec<(Cow<'r, str>, Value<'r>)>,
        val: Val<'r>,
    ) -> bool {
        if self.list {
            let items = val.list().into_iter().filter_map(|v| self.form.item(v));
            let items: Vec<Value<'r>> = items.collect();
            let fits = !items.is_empty();
            if fits {
                insert(object, &self.path, Value::List(items));
            }
            return fits;
        }
        let value = match self.form {
            Form::Numbers(e) => {
                let Some((number, word)) = number(e, val) else { return false };
                let word = word.or_else(|| e.caption(number).map(Cow::Borrowed));
                if let (Some(caption), Some(word)) = (&self.caption, word) {
                    insert(object, caption, Value::Str(word));
                }
                Some(Value::Int(number))
            }
            form => form.item(val),
        };
        let Some(value) = value else { return false };
        insert(object, &self.path, value);
        true
    }
}

fn insert<'r>(object: &mut Vec<(Cow<'r, str>, Value<'r>)>, path: &[Box<str>], value: Value<'r>) {
    let Some((first, rest)) = path.split_first() else { return };
    let place = object.iter_mut().find(|(k, _)| **k == **first);
    match (place, rest.is_empty()) {
        // The first value of an attribute stays.
        (Some((_, Value::Map(inner))), false) => insert(inner, rest, value),
        (Some(_), _) => {}
        (None, true) => object.push((Cow::Owned(first.to_string()), value)),
        (None, false) => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, value);
            object.push((Cow::Owned(first.to_string()), Value::Map(inner)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_strict() {
        assert!(
            is_email("a.b@c-d.org") && !is_email("a@b") && !is_email("a b@c.d") && !is_email("")
        );
        assert!(is_uuid("123e4567-e89b-12d3-a456-426614174000") && !is_uuid("123e4567"));
        assert_eq!(mac("0123.4567.89ab".into()), Some("01:23:45:67:89:ab".into()));
        assert_eq!(mac("01-23-45-67-89-AB".into()), Some("01-23-45-67-89-AB".into()));
        assert_eq!(mac("0123456789".into()), None);
        assert_eq!(mac("é".into()), None);
    }
}
