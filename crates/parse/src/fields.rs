//! What the text formats have in common: a list of named values, and how large it may grow.

use std::borrow::Cow;

use model::Value;

use crate::{Head, seek};

/// Named values in the order of the text.
pub(crate) type Fields<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// How many fields a record may have. A hostile line of 16 MiB could otherwise grow to half a
/// gigabyte of them; what is behind the last one is kept as text in [`REST`].
pub(crate) const MAX: usize = 4096;

/// The field that holds what was left unread when [`MAX`] was reached.
pub(crate) const REST: &str = "_rest";

/// What is said of a record that was cut off at [`MAX`].
pub(crate) const TOO_MANY: &str = "more fields than a record may have; the rest is kept as text";

/// The field that holds text in front of the first key.
pub(crate) const LEAD: &str = "_lead";

/// The field that holds the values of a row that no column of the header claims.
pub(crate) const EXTRA: &str = "_extra";

/// Adds a value under its name. It is inlined so that the value is written straight into the list:
/// one that is put together elsewhere and moved costs more than reading it did.
#[inline(always)]
#[allow(clippy::inline_always)] // Measured: a quarter to a half of the time of a short cell.
pub(crate) fn push<'a>(fields: &mut Fields<'a>, name: &'a str, value: impl Into<Value<'a>>) {
    fields.push((Cow::Borrowed(name), value.into()));
}

/// Adds a text that had to be put together.
pub(crate) fn push_owned<'a>(fields: &mut Fields<'a>, name: &'a str, text: String) {
    fields.push((Cow::Borrowed(name), Value::Str(Cow::Owned(text))));
}

/// Adds a text that may have had to be put together.
pub(crate) fn push_text<'a>(fields: &mut Fields<'a>, name: &'a str, text: Cow<'a, str>) {
    match text {
        Cow::Borrowed(text) => push(fields, name, text),
        Cow::Owned(text) => push_owned(fields, name, text),
    }
}

/// True when the last field says that the record was longer than [`MAX`] fields.
pub(crate) fn overflowed(fields: &Fields<'_>) -> bool {
    fields.last().is_some_and(|(name, _)| name == REST)
}

/// The share of the head's lines (the first 200 of them) that are `like` something, in percent.
pub(crate) fn share(head: &Head<'_>, like: impl Fn(&[u8]) -> bool) -> u32 {
    let (mut lines, mut hits) = (0u32, 0u32);
    for line in head.lines().take(200) {
        lines += 1;
        hits += u32::from(like(line));
    }
    hits * 100 / lines.max(1)
}

/// The pieces of a text between delimiters, which for one byte is much faster than `str::split`.
pub(crate) struct Pieces<'a, 'd> {
    rest: Option<&'a str>,
    delimiter: &'d str,
}

impl<'a, 'd> Pieces<'a, 'd> {
    /// The pieces of `text`; `delimiter` is not empty.
    pub(crate) fn new(text: &'a str, delimiter: &'d str) -> Self {
        Self { rest: Some(text), delimiter }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> Option<&'a str> {
        self.rest
    }
}

impl<'a> Iterator for Pieces<'a, '_> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        let end = match self.delimiter.as_bytes() {
            [byte] => seek::find(*byte, text.as_bytes()),
            bytes => seek::find_text(bytes, text.as_bytes()),
        };
        let Some(end) = end else {
            self.rest = None;
            return Some(text);
        };
        self.rest = text.get(end + self.delimiter.len()..);
        text.get(..end)
    }
}
