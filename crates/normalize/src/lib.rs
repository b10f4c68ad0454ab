//! Meaning: a record of a known product becomes an OCSF event, by a source definition.
//!
//! A definition is content, not code: YAML that says how a product's records are recognised, what
//! Sigma calls their log source, where their time is, and for each OCSF class which field goes
//! where (`docs/adding/source.md`). [`Normalizer::compile`] turns definitions into plans once;
//! mistakes come back as [`Diagnostic`]s with a caret. A [`Mapper`], one for each thread, then walks
//! each record once and fills an event that borrows from it.
//!
//! This room does no I/O, reads no clock, and knows no vendor: what a vendor's field means stands
//! in `content/sources`.

mod check;
mod choice;
mod clock;
mod compile;
mod condition;
mod definition;
mod delivered;
mod diagnostic;
mod expr;
mod fallback;
mod folded;
mod function;
mod index;
mod layout;
mod lens;
mod live;
mod mapper;
mod names;
mod open;
mod pattern;
mod slots;
mod syntax;
mod target;
mod value;
mod words;
mod xml;
mod yaml;

use std::sync::Arc;

use model::{Flaw, LogSource, Micros, Record};

pub use check::{Sample, SampleResult, check_source, compare_events};
pub use definition::Definition;
pub use diagnostic::{CODES, Diagnostic};
pub use mapper::Mapper;

/// The text of a definition, as the caller found it.
#[derive(Debug, Clone)]
pub struct SourceText {
    /// The name of its folder.
    pub name: String,
    /// Where it was read, for messages.
    pub path: String,
    /// Its YAML.
    pub text: String,
}

/// Every definition, compiled. Immutable: threads share it.
#[derive(Debug, Default)]
pub struct Normalizer {
    definitions: Vec<Definition>,
    index: index::Index,
}

/// What is known of a record beside the record.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The parser that read its parcel: a row of the table in `parse`.
    pub parser: &'a str,
    /// When the parcel was brought in.
    pub received_at: Micros,
    /// When the file was last changed: the year of times that name none.
    pub modified: Option<Micros>,
    /// The file or stream it came from.
    pub origin: &'a str,
    /// The definition that its sender names: it reads what no definition recognises.
    pub definition: Option<&'a str>,
}

/// An event, and how it was made.
#[derive(Debug)]
pub struct Normalized<'r> {
    /// The event.
    pub event: ocsf::Event<'r>,
    /// The definition that knew the record.
    pub definition: Option<&'r Definition>,
    /// Its Sigma log source: the first of `logsources`.
    pub logsource: &'r Arc<LogSource>,
    /// All of its Sigma log sources: one, and more where rules of several kinds must see it.
    pub logsources: &'r [Arc<LogSource>],
    /// What of it could not be read.
    pub flaws: Vec<Flaw>,
    /// False when the record has no time of its own: the event has the parcel's.
    pub time_found: bool,
}

impl Normalizer {
    /// Compiles definitions. One with mistakes is told of and left out; the rest load. Of two with
    /// one name the later takes the place of the earlier: a user's folder overlays what is built in.
    pub fn compile(sources: Vec<SourceText>) -> (Self, Vec<Diagnostic>) {
        compile::all(sources)
    }

    /// Makes the event of a record. Never fails: what no definition knows becomes a base event.
    pub fn normalize<'r>(
        &'r self,
        record: &'r Record<'r>,
        context: &Context<'_>,
    ) -> Normalized<'r> {
        self.mapper().normalize(record, context)
    }

    /// What a thread maps many records with: cheaper than [`Normalizer::normalize`] for each.
    pub fn mapper(&self) -> Mapper<'_> {
        Mapper::new(self)
    }

    /// Every function of expressions, in order of name: name, what it does, an example.
    pub fn functions() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        function::FUNCTIONS.iter().map(|f| (f.name, f.about, f.example))
    }

    /// The definitions, in order of name.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }
}
