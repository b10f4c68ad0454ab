//! The questions of all rules, each kept once.

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::ask::Test;
use crate::expr::Members;

/// The field that stands for every text of an event: what keywords are looked for in.
pub(crate) const KEYWORDS: u32 = 0;
/// The field that stands for a list's member itself.
pub(crate) const ITSELF: u32 = 1;

/// A question with the field that it is asked of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    /// Number of the field.
    pub(crate) field: u32,
    /// The question.
    pub(crate) test: Test,
}

/// Fields and questions by number. Field names are one when they differ in ASCII case alone.
#[derive(Debug)]
pub(crate) struct Table {
    fields: Vec<Box<str>>,
    field_numbers: FxHashMap<Box<str>, u32>,
    asks: IndexSet<Ask, FxBuildHasher>,
    members: Vec<Members>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            fields: vec!["".into(), ".".into()],
            field_numbers: FxHashMap::default(),
            asks: IndexSet::default(),
            members: Vec::new(),
        }
    }
}

impl Table {
    /// The number of a field.
    pub(crate) fn field(&mut self, name: &str) -> u32 {
        let folded = name.to_ascii_lowercase();
        if let Some(number) = self.field_numbers.get(folded.as_str()) {
            return *number;
        }
        let number = self.fields.len() as u32;
        self.fields.push(name.into());
        self.field_numbers.insert(folded.into(), number);
        number
    }

    /// The number of a question.
    pub(crate) fn ask(&mut self, field: u32, test: Test) -> u32 {
        self.asks.insert_full(Ask { field, test }).0 as u32
    }

    /// The number of a question about a list's members.
    pub(crate) fn members(&mut self, members: Members) -> u32 {
        self.members.push(members);
        self.members.len() as u32 - 1
    }

    /// A field's name, in the spelling that came first.
    pub(crate) fn field_name(&self, number: u32) -> &str {
        self.fields.get(number as usize).map_or("", |name| name)
    }

    /// A question by its number.
    pub(crate) fn get(&self, ask: u32) -> Option<&Ask> {
        self.asks.get_index(ask as usize)
    }

    /// A question about members by its number.
    pub(crate) fn get_members(&self, number: u32) -> Option<&Members> {
        self.members.get(number as usize)
    }
}
