//! What both forms have in common: a LogRecord, where it comes from, and the record made of it.

use std::borrow::Cow;

use model::{Flaw, FlawKind, Value};

use crate::Sink;
use crate::fields::Fields;
use crate::inner::{Delivered, weight};

/// How many bytes the resources and scopes of a chunk may be multiplied to, for each of its own
/// bytes: they are said once and kept with each record.
const COPIES: usize = 256;

/// A LogRecord.
#[derive(Default)]
pub(super) struct LogRecord<'a> {
    pub(super) body: Value<'a>,
    pub(super) attributes: Fields<'a>,
    /// Whatever else it says, under the names of the JSON form.
    pub(super) said: Fields<'a>,
}

/// The resource and the scope of records.
#[derive(Default)]
pub(super) struct Origin<'a> {
    resource: Fields<'a>,
    scope: Fields<'a>,
    weight: usize,
}

impl<'a> Origin<'a> {
    pub(super) fn of(resource: Fields<'a>) -> Self {
        let mut origin = Self { resource, ..Self::default() };
        origin.weigh();
        origin
    }

    /// Goes on to another scope of the resource.
    pub(super) fn enter(&mut self, scope: Fields<'a>) {
        self.scope = scope;
        self.weigh();
    }

    fn weigh(&mut self) {
        let both = self.resource.iter().chain(&self.scope);
        self.weight = both.map(|(key, value)| key.len() + weight(value)).sum();
    }
}

/// What copies of origins may still take.
pub(super) struct Copies {
    left: Option<usize>,
}

impl Copies {
    /// For a chunk of this length.
    pub(super) fn new(length: usize) -> Self {
        Self { left: Some(length.saturating_mul(COPIES)) }
    }

    fn take(&mut self, weight: usize) -> Result<(), bool> {
        let Some(left) = self.left else { return Err(false) };
        self.left = left.checked_sub(weight);
        self.left.map(drop).ok_or(true)
    }
}

/// Where a LogRecord stands, and what is wrong with it.
pub(super) struct Placed<'a> {
    pub(super) raw: &'a [u8],
    pub(super) offset: u64,
    pub(super) flaws: Vec<Flaw>,
}

/// Makes a record of a LogRecord.
pub(super) fn emit<'a>(
    log: LogRecord<'a>,
    origin: &Origin<'a>,
    copies: &mut Copies,
    placed: Placed<'a>,
    sink: &mut dyn Sink,
) {
    let Placed { raw, offset, mut flaws } = placed;
    let LogRecord { body, attributes, said: mut envelope } = log;
    match copies.take(origin.weight) {
        Ok(()) => {
            for (name, fields) in [("resource", &origin.resource), ("scope", &origin.scope)] {
                if !fields.is_empty() {
                    envelope.push((Cow::Borrowed(name), Value::Map(fields.clone())));
                }
            }
        }
        Err(first) => {
            if first {
                let message = "the resource is too large to be kept with each of its records";
                let message = message.to_owned();
                flaws.push(Flaw { offset, kind: FlawKind::Limit, message, record_lost: false });
            }
        }
    }
    let mut delivered = Delivered { raw, offset, envelope, flaws };
    match body {
        Value::Str(text) if !text.trim().is_empty() => delivered.text(&text, attributes, sink),
        body if body.is_empty() => delivered.object(attributes, sink),
        body => {
            if !attributes.is_empty() {
                let attributes = (Cow::Borrowed("attributes"), Value::Map(attributes));
                delivered.envelope.insert(0, attributes);
            }
            delivered.event(body, sink);
        }
    }
}
