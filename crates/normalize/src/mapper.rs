//! What one thread maps records with.

use model::Record;

use crate::layout::Layouts;
use crate::lens::Trail;
use crate::slots::Slots;
use crate::{Context, Normalized, Normalizer, definition, delivered, fallback, index};

/// Maps records to events: one for each thread. It remembers what the last records looked like, so that
/// the next ones of their kind cost less. What comes out is what [`Normalizer::normalize`] gives.
#[derive(Debug)]
pub struct Mapper<'n> {
    normalizer: &'n Normalizer,
    memory: Memory,
}

/// What is kept from record to record. It is bounded.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) layouts: Layouts,
    /// Nothing but room.
    pub(crate) slots: Slots<'static>,
    pub(crate) index: Vec<index::Memory>,
    pub(crate) definitions: Vec<Option<Box<definition::Memory>>>,
    pub(crate) fallback: Trail,
    /// Of the layouts.
    pub(crate) generation: u32,
}

impl<'n> Mapper<'n> {
    pub(crate) fn new(normalizer: &'n Normalizer) -> Self {
        Self { normalizer, memory: Memory::default() }
    }

    /// Makes the event of a record. Never fails: what no definition knows becomes a base event.
    pub fn normalize<'r>(&mut self, record: &'r Record<'r>, context: &Context<'_>) -> Normalized<'r>
    where
        'n: 'r,
    {
        let Self { normalizer, memory } = self;
        let normalizer: &'n Normalizer = normalizer;
        memory.generation = memory.layouts.begin();
        let delivered = delivered::time(record, context.received_at);
        let context = &Context {
            parser: record.syntax_in(context.parser),
            modified: delivered.or(context.modified),
            ..*context
        };
        let named = || {
            let name = context.definition?;
            normalizer.definitions.iter().position(|definition| &*definition.name == name)
        };
        let found = normalizer.index.find(record, context, memory).or_else(named);
        let mut normal = match found.and_then(|at| Some((at, normalizer.definitions.get(at)?))) {
            Some((at, definition)) => definition.apply(record, context, at, memory),
            None => fallback::apply(record, context, memory),
        };
        normal.time_found |= delivered.is_some();
        normal
    }
}
