//! The event: values for columns, cheap to fill and to read.

use core::net::{IpAddr, Ipv4Addr};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use model::{Entity, EntityKind, Micros, Value};

use crate::columns::CORE;
use crate::{COLUMNS, Class, ColumnId, Enumeration, classes};

/// One value of a column. It borrows from the record that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// For [`crate::Kind::Text`].
    Text(Cow<'a, str>),
    /// For [`crate::Kind::Int`] and [`crate::Kind::Long`].
    Int(i64),
    /// For [`crate::Kind::Double`].
    Double(f64),
    /// For [`crate::Kind::Bool`].
    Bool(bool),
    /// For [`crate::Kind::Time`].
    Time(Micros),
    /// For [`crate::Kind::Json`].
    Json(Value<'a>),
}

impl<'a> Scalar<'a> {
    /// Text that is borrowed.
    pub fn text(text: &'a str) -> Self {
        Scalar::Text(Cow::Borrowed(text))
    }

    /// The text, when it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when it is whole.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Scalar::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The text, or each text of a list.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let list = match self {
            Scalar::Json(Value::List(list)) => list.as_slice(),
            _ => &[],
        };
        self.as_str().into_iter().chain(list.iter().filter_map(Value::as_str))
    }
}

const WORDS: usize = COLUMNS.len().div_ceil(64);

/// True for paths that the event writes by itself, and for what stands below them.
fn is_own(path: &str) -> bool {
    fn head(path: &str) -> (&str, &str) {
        let end = path.bytes().position(|b| matches!(b, b'.' | b'['));
        path.split_at_checked(end.unwrap_or(path.len())).unwrap_or((path, ""))
    }
    match head(path) {
        ("metadata", rest) => {
            matches!(head(rest.get(1..).unwrap_or_default()).0, "uid" | "version" | "profiles")
        }
        (head, _) => matches!(
            head,
            "time"
                | "class_uid"
                | "class_name"
                | "category_uid"
                | "category_name"
                | "activity_id"
                | "activity_name"
                | "type_uid"
                | "type_name"
                | "severity_id"
                | "observables"
                | "unmapped"
                | "raw_data"
        ),
    }
}

/// An OCSF event: a class and values for columns.
///
/// Filling one allocates nothing but the list of values: names are places in [`COLUMNS`], values
/// borrow from the record.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// Its class.
    pub class: &'static Class,
    /// The activity, of the class's own list (0 Unknown, 99 Other).
    pub activity_id: i32,
    /// The source's own word for the activity; written out when `activity_id` is 99.
    pub activity_name: Option<Cow<'a, str>>,
    /// When it happened.
    pub time: Micros,
    /// `severity_id`: 0 Unknown, 1 Informational … 5 Critical, 6 Fatal, 99 Other.
    pub severity: i32,
    values: Vec<(ColumnId, Scalar<'a>)>,
    extra: Vec<(Arc<str>, Value<'a>)>,
    present: [u64; WORDS],
}

impl<'a> Event<'a> {
    /// An event of a class that has no values yet: activity Unknown, severity Informational.
    pub fn new(class: &'static Class, time: Micros) -> Self {
        Self {
            class,
            activity_id: 0,
            activity_name: None,
            time,
            severity: 1,
            values: Vec::with_capacity(32),
            extra: Vec::new(),
            present: [0; WORDS],
        }
    }

    /// Gives a column its value. The first value stays: a later one is dropped (see
    /// [`Event::replace`]). A number of an enumeration brings its caption along (`status_id` 2 sets
    /// `status` to `Failure`). The columns that every event has (`time`, `severity_id` …) are fields
    /// and are not set here.
    pub fn set(&mut self, column: ColumnId, value: Scalar<'a>) {
        if self.mark(column) {
            if let Scalar::Int(number) = value {
                self.set_caption(column, number);
            }
            self.values.push((column, value));
        }
    }

    /// Gives a column its value in place of the one that it has.
    pub fn replace(&mut self, column: ColumnId, value: Scalar<'a>) {
        self.remove(column);
        if let Some(caption) = column.caption() {
            self.remove(caption);
        }
        self.set(column, value);
    }

    /// Takes a column's value away.
    pub fn remove(&mut self, column: ColumnId) -> Option<Scalar<'a>> {
        let place = self.values.iter().position(|(c, _)| *c == column)?;
        if let Some(word) = self.present.get_mut(usize::from(column.0) / 64) {
            *word &= !(1 << (column.0 % 64));
        }
        Some(self.values.remove(place).1)
    }

    /// The value of a column.
    pub fn get(&self, column: ColumnId) -> Option<&Scalar<'a>> {
        if !self.has(column) {
            return None;
        }
        self.values.iter().find(|(c, _)| *c == column).map(|(_, value)| value)
    }

    /// True when the column has a value.
    pub fn has(&self, column: ColumnId) -> bool {
        let word = self.present.get(usize::from(column.0) / 64).copied().unwrap_or(0);
        word >> (column.0 % 64) & 1 == 1
    }

    /// The values that were set, in the order of setting.
    pub fn values(&self) -> impl Iterator<Item = (ColumnId, &Scalar<'a>)> {
        self.values.iter().map(|(column, value)| (*column, value))
    }

    /// The values of the columns that every event has, which [`Event::values`] leaves out: the first
    /// ten of [`COLUMNS`], in their order.
    pub fn core(&self) -> [(ColumnId, Scalar<'_>); CORE] {
        let mut place = 0;
        [
            Scalar::Time(self.time),
            Scalar::Int(i64::from(self.class.uid)),
            Scalar::text(self.class.caption),
            Scalar::Int(i64::from(self.class.category_uid)),
            Scalar::text(self.class.category_name),
            Scalar::Int(i64::from(self.activity_id)),
            Scalar::text(self.activity_caption()),
            Scalar::Int(self.type_uid()),
            Scalar::Int(i64::from(self.severity)),
            Scalar::text(self.severity_caption()),
        ]
        .map(|value| {
            place += 1;
            (ColumnId(place - 1), value)
        })
    }

    /// `type_uid`: `class_uid * 100 + activity_id`.
    pub fn type_uid(&self) -> i64 {
        i64::from(self.class.uid) * 100 + i64::from(self.activity_id)
    }

    /// `activity_name`: the caption of the activity, or the source's own word when it is Other.
    pub fn activity_caption(&self) -> &str {
        let caption = self.class.activity(self.activity_id).unwrap_or("Unknown");
        match &self.activity_name {
            Some(word) if self.activity_id == crate::schema::OTHER => word,
            _ => caption,
        }
    }

    /// `severity`: the caption of the severity.
    pub fn severity_caption(&self) -> &'static str {
        /// All classes have the same list.
        static CAPTIONS: LazyLock<Option<&'static Enumeration>> =
            LazyLock::new(|| classes().first()?.attribute("severity_id")?.enumeration);
        CAPTIONS.and_then(|e| e.caption(i64::from(self.severity))).unwrap_or("Unknown")
    }

    /// Gives a value to an OCSF path that has no column of its own. The path is written as
    /// [`crate::resolve`] reads it; the units are OCSF's (times in milliseconds). What the event
    /// writes by itself (`class_uid`, `metadata.profiles`, `observables` …) is not set.
    pub fn set_extra(&mut self, path: Arc<str>, value: Value<'a>) {
        if !is_own(&path) && !self.extra.iter().any(|(p, _)| *p == path) {
            self.extra.push((path, value));
        }
    }

    /// The paths that have no column, with their values.
    pub fn extra(&self) -> &[(Arc<str>, Value<'a>)] {
        &self.extra
    }

    /// Who and what the event is about: the columns that name an entity, each entity once, in column
    /// order. Of a user, a machine or a resource that is known by several names (`name`, `uid` …) the
    /// one that people use best is taken.
    pub fn entities(&self) -> Vec<Entity> {
        let mut named: Vec<_> = self
            .values()
            .filter_map(|(id, value)| Some((id, id.get().entity?, value)))
            .flat_map(|(id, kind, value)| value.texts().map(move |text| (id, kind, text)))
            .filter(|(_, kind, text)| is_telling(*kind, text))
            .collect();
        named.sort_by_key(|(id, ..)| *id);
        let mut out: Vec<Entity> = Vec::with_capacity(named.len());
        for (id, kind, text) in &named {
            let (parent, rank) = name_rank(id.get().path);
            let better = |(other, k, _): &&(ColumnId, EntityKind, &str)| {
                let (p, r) = name_rank(other.get().path);
                k == kind && p == parent && r < rank
            };
            if named.iter().any(|row| better(&row)) {
                continue;
            }
            let entity = Entity::new(*kind, text);
            if !out.contains(&entity) {
                out.push(entity);
            }
        }
        out
    }

    fn mark(&mut self, column: ColumnId) -> bool {
        let place = usize::from(column.0);
        let bit = 1 << (place % 64);
        match self.present.get_mut(place / 64) {
            Some(word) if place >= CORE && place < COLUMNS.len() && *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }

    fn set_caption(&mut self, column: ColumnId, number: i64) {
        if let Some((sibling, enumeration)) = column.captioned(self.class)
            && let Some(caption) = enumeration.caption(number)
            && number != i64::from(crate::schema::OTHER)
            && self.mark(sibling)
        {
            self.values.push((sibling, Scalar::text(caption)));
        }
    }
}

/// The object that a path names something of, and how good a name the last step is (less is better,
/// a host name or the only name there is best).
fn name_rank(path: &str) -> (&str, u8) {
    let (parent, last) = path.rsplit_once('.').unwrap_or(("", path));
    let rank = match last {
        "name" => 1,
        "uid" => 2,
        _ => 0,
    };
    (parent, rank)
}

/// False for the words by which sources say that there is nothing, for what does not look like the
/// kind at all, and for addresses that name no machine in particular.
fn is_telling(kind: EntityKind, text: &str) -> bool {
    let nothing = ["-", "--", "n/a", "none", "null", "(null)", "unknown", "undefined", "*"];
    let text = text.trim();
    if text.is_empty() || nothing.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return false;
    }
    let is_anybody = |ip: IpAddr| {
        ip.is_unspecified() || ip.is_loopback() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
    };
    match kind {
        EntityKind::Address => text.parse().is_ok_and(|ip| !is_anybody(ip)),
        EntityKind::Host => {
            !text.eq_ignore_ascii_case("localhost") && !text.parse().is_ok_and(is_anybody)
        }
        EntityKind::Email => text.contains('@'),
        _ => true,
    }
}
