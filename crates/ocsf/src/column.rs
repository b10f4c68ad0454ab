//! What a column is, and how to find one.

use std::collections::HashMap;
use std::sync::LazyLock;

use model::EntityKind;

use crate::{COLUMNS, Class, Enumeration, classes, resolve};

/// A place in [`COLUMNS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub u16);

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number that OCSF calls an integer. Sources do not keep to 32 bits: store 64.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// Any number.
    Double,
    /// True or false.
    Bool,
    /// An instant, in microseconds since 1970 UTC (`timestamp_t`; OCSF itself writes milliseconds).
    Time,
    /// A list, a free object or any JSON at all, kept as JSON text.
    Json,
}

/// A column of the events table: one path of OCSF.
#[derive(Debug)]
pub struct Column {
    /// The column's name: the path with `_` for `.`, without `[0]`, and `_sha256` for
    /// `[sha-256].value`.
    pub name: &'static str,
    /// The path, as [`resolve`] reads it.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// True where people pivot on it: it is worth a bloom filter and statistics.
    pub pivot: bool,
    /// The `type_id` of the observable that it is.
    pub observable: Option<i32>,
    /// The kind of entity that it names.
    pub entity: Option<EntityKind>,
}

impl Column {
    pub(crate) const fn pivot(mut self) -> Self {
        self.pivot = true;
        self
    }

    pub(crate) const fn observable(mut self, type_id: i32) -> Self {
        self.observable = Some(type_id);
        self
    }

    pub(crate) const fn entity(mut self, kind: EntityKind) -> Self {
        self.entity = Some(kind);
        self
    }

    /// Every column with its id, in order.
    pub fn all() -> impl ExactSizeIterator<Item = (ColumnId, &'static Column)> {
        COLUMNS.iter().enumerate().map(|(n, column)| (ColumnId(n as u16), column))
    }

    /// The columns of one kind with their ids, in order.
    pub fn of_kind(kind: Kind) -> impl Iterator<Item = (ColumnId, &'static Column)> {
        Self::all().filter(move |(_, column)| column.kind == kind)
    }

    /// The values that it may have in a class, where they are enumerated.
    pub fn enumeration(&self, class: &Class) -> Option<&'static Enumeration> {
        resolve(class, self.path)?.attribute.enumeration
    }
}

impl ColumnId {
    /// The column.
    pub fn get(self) -> &'static Column {
        static NONE: Column = c("", "", Kind::Json);
        COLUMNS.get(usize::from(self.0)).unwrap_or(&NONE)
    }

    /// For a column of enumerated numbers (`status_id`), the column that carries the captions
    /// (`status`), where there is one.
    pub fn caption(self) -> Option<ColumnId> {
        INDEX.captions.get(usize::from(self.0))?.as_ref().map(|caption| caption.column)
    }

    /// The column of captions of such a column, and the enumeration that it has in the class (or in
    /// others, where the class has none). Classes differ in attributes of their own only, never in
    /// those of objects.
    pub(crate) fn captioned(self, class: &Class) -> Option<(ColumnId, &'static Enumeration)> {
        let caption = INDEX.captions.get(usize::from(self.0))?.as_ref()?;
        let own = caption.own.binary_search_by_key(&class.uid, |(uid, _)| *uid).ok();
        let own = own.and_then(|place| caption.own.get(place)).map(|(_, enumeration)| *enumeration);
        Some((caption.column, own.unwrap_or(caption.common)))
    }
}

/// The column of an OCSF path (`src_endpoint.ip`).
pub fn column(path: &str) -> Option<ColumnId> {
    INDEX.paths.get(path).copied()
}

/// The column of that name (`src_endpoint_ip`).
pub fn column_named(name: &str) -> Option<ColumnId> {
    INDEX.names.get(name).copied()
}

pub(crate) const fn c(name: &'static str, path: &'static str, kind: Kind) -> Column {
    Column { name, path, kind, pivot: false, observable: None, entity: None }
}

struct Index {
    paths: HashMap<&'static str, ColumnId>,
    names: HashMap<&'static str, ColumnId>,
    captions: Vec<Option<Caption>>,
}

/// Where the captions of a column of numbers go.
struct Caption {
    column: ColumnId,
    /// Of a class that has none of its own.
    common: &'static Enumeration,
    /// Of the classes that have one of their own, in order of `class_uid`.
    own: Box<[(u32, &'static Enumeration)]>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let paths: HashMap<_, _> = Column::all().map(|(id, column)| (column.path, id)).collect();
    let names = Column::all().map(|(id, column)| (column.name, id)).collect();
    let caption = |column: &Column| {
        let attribute = classes().iter().find_map(|class| resolve(class, column.path))?.attribute;
        let parent = column.path.strip_suffix(attribute.name)?;
        let sibling = paths.get(format!("{parent}{}", attribute.sibling).as_str())?;
        let own = classes()
            .iter()
            .filter_map(|class| Some((class.uid, class.attribute(column.path)?.enumeration?)))
            .collect();
        Some(Caption { column: *sibling, common: attribute.enumeration?, own })
    };
    let captions = COLUMNS.iter().map(caption).collect();
    Index { paths, names, captions }
});
