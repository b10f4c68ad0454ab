//! What the schema is made of, and how to look things up in it.

use crate::generated;

/// The version of OCSF that the tables describe.
pub const VERSION: &str = generated::VERSION;

/// A data type of OCSF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are OCSF's own: `ip_t` is `Ip`.
pub enum Type {
    Boolean,
    Bytestring,
    Datetime,
    Email,
    FileHash,
    FileName,
    FilePath,
    Float,
    Hostname,
    Integer,
    Ip,
    Json,
    Long,
    Mac,
    Port,
    ProcessName,
    RegKeyPath,
    ResourceUid,
    Subnet,
    Text,
    Timestamp,
    Url,
    Username,
    Uuid,
    Object(ObjectId),
}

/// What a type demands of its values.
#[derive(Debug)]
pub(crate) struct TypeRule {
    pub(crate) ty: Type,
    pub(crate) name: &'static str,
    pub(crate) base: Type,
    pub(crate) observable: u8,
    pub(crate) range: Option<(i64, i64)>,
    pub(crate) max_len: Option<usize>,
    pub(crate) pattern: &'static str,
}

impl Type {
    /// What the schema demands; nothing for objects.
    pub(crate) fn rule(self) -> Option<&'static TypeRule> {
        generated::TYPES.iter().find(|rule| rule.ty == self)
    }

    /// The type that says how a value is written: one of `Boolean`, `Float`, `Integer`, `Json`,
    /// `Long`, `Text` and objects.
    #[must_use]
    pub fn base(self) -> Self {
        self.rule().map_or(self, |rule| rule.base)
    }

    /// The schema's own name: `ip_t`, or the object's name.
    pub fn name(self) -> &'static str {
        match self {
            Type::Object(id) => id.get().map_or("object_t", |object| object.shape.name),
            _ => self.rule().map_or("", |rule| rule.name),
        }
    }
}

/// Which object a value is: a place in the table of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectId(pub(crate) u16);

impl ObjectId {
    /// The object.
    pub fn get(self) -> Option<&'static Object> {
        generated::OBJECTS.get(usize::from(self.0))
    }
}

/// Whether an attribute must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// It must.
    Required,
    /// It should.
    Recommended,
    /// It may.
    Optional,
}

/// The values that an attribute may have, each with its caption, in order of value.
#[derive(Debug, PartialEq, Eq)]
pub enum Enumeration {
    /// Numbers, as in every `*_id`.
    Numbers(&'static [(i32, &'static str)]),
    /// Words, as in `http_method`.
    Words(&'static [(&'static str, &'static str)]),
}

/// `Unknown` in nearly every enumeration of numbers.
pub(crate) const UNKNOWN: i32 = 0;
/// `Other`: the source's own word is in the caption.
pub(crate) const OTHER: i32 = 99;

impl Enumeration {
    /// The caption of a number.
    pub fn caption(&self, number: i64) -> Option<&'static str> {
        let Self::Numbers(rows) = self else { return None };
        let number = i32::try_from(number).ok()?;
        let place = rows.binary_search_by_key(&number, |(n, _)| *n).ok()?;
        rows.get(place).map(|(_, caption)| *caption)
    }

    /// The number of a caption, in any ASCII case.
    pub fn number(&self, caption: &str) -> Option<i32> {
        let Self::Numbers(rows) = self else { return None };
        rows.iter().find(|(_, c)| c.eq_ignore_ascii_case(caption)).map(|(n, _)| *n)
    }

    /// The word, spelled as the schema does, in any ASCII case.
    pub fn word(&self, word: &str) -> Option<&'static str> {
        let Self::Words(rows) = self else { return None };
        rows.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)).map(|(w, _)| *w)
    }
}

/// A set of profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProfileSet(pub(crate) u16);

impl ProfileSet {
    /// No profile.
    pub const NONE: Self = Self(0);

    /// True when there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of this one that the other does not have.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The first of them alone, in the order of names.
    #[must_use]
    pub fn first(self) -> Self {
        Self(self.0 & self.0.wrapping_neg())
    }

    /// The profile of that name.
    pub fn named(name: &str) -> Self {
        let place = generated::PROFILES.iter().position(|p| p.eq_ignore_ascii_case(name));
        Self(place.map_or(0, |place| 1 << place))
    }

    /// Their names, in order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let place =
            move |(n, name): (usize, &&'static str)| (self.0 >> n & 1 == 1).then_some(*name);
        generated::PROFILES.iter().enumerate().filter_map(place)
    }
}

/// One attribute of a class or an object.
#[derive(Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub ty: Type,
    /// Whether it must be there (when one of its profiles is in use, if it has any).
    pub requirement: Requirement,
    /// True when it is a list of what `ty` says.
    pub many: bool,
    /// True when the schema advises against it.
    pub deprecated: bool,
    /// The profiles that bring it; none when it is always there.
    pub profiles: ProfileSet,
    /// The values that it may have.
    pub enumeration: Option<&'static Enumeration>,
    /// The attribute beside it that carries the caption of its value; empty when there is none.
    pub sibling: &'static str,
    pub(crate) observable: u8,
}

impl Attribute {
    /// True when it may be there while these profiles are in use.
    pub fn is_in(&self, profiles: ProfileSet) -> bool {
        self.profiles.is_empty() || !self.profiles.and(profiles).is_empty()
    }

    /// The `type_id` of an observable that names this attribute; none when it is not one.
    pub fn observable(&self) -> Option<i32> {
        let of_type = match self.ty {
            Type::Object(id) => id.get().map_or(0, |object| object.observable),
            _ => self.ty.rule().map_or(0, |rule| rule.observable),
        };
        let id = if self.observable == 0 { of_type } else { self.observable };
        (id != 0).then_some(i32::from(id))
    }
}

/// What classes and objects have in common.
#[derive(Debug)]
pub struct Shape {
    /// The schema's name: `network_endpoint`, `win/reg_key`.
    pub name: &'static str,
    /// Of these, one must be there at least.
    pub at_least_one: &'static [&'static str],
    /// Of these, exactly one must be there.
    pub just_one: &'static [&'static str],
    places: &'static [u16],
}

impl Shape {
    /// Its attributes, in order of name.
    pub fn attributes(&self) -> impl Iterator<Item = &'static Attribute> {
        self.places.iter().filter_map(|place| generated::ATTRIBUTES.get(usize::from(*place)))
    }

    /// An attribute by name.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        let at = |place: &u16| generated::ATTRIBUTES.get(usize::from(*place));
        let found =
            self.places.binary_search_by(|p| at(p).map_or("", |a| a.name).cmp(name)).ok()?;
        at(self.places.get(found)?)
    }

    /// True when anything may be in it (`unmapped`, `xattributes`).
    pub fn is_free(&self) -> bool {
        self.places.is_empty()
    }
}

/// An object of the schema.
#[derive(Debug)]
pub struct Object {
    /// Its attributes and constraints.
    pub shape: Shape,
    pub(crate) observable: u8,
}

/// An event class.
#[derive(Debug)]
pub struct Class {
    /// `class_uid`: 3002.
    pub uid: u32,
    /// `authentication`; classes of an extension without its prefix.
    pub name: &'static str,
    /// The extension that brings it (`win`); empty for the core.
    pub extension: &'static str,
    /// `class_name` in an event: `Authentication`.
    pub caption: &'static str,
    /// `category_uid`: 3.
    pub category_uid: u32,
    /// `category_name` in an event: `Identity & Access Management`; empty for the base event.
    pub category_name: &'static str,
    /// True when the schema advises against it.
    pub deprecated: bool,
    /// Every `activity_id` with its caption, in order.
    pub activities: &'static [(i32, &'static str)],
    /// The profiles that it may use.
    pub profiles: ProfileSet,
    /// Its attributes and constraints.
    pub shape: Shape,
}

impl PartialEq for Class {
    fn eq(&self, other: &Self) -> bool {
        self.uid == other.uid
    }
}

impl Class {
    /// The caption of an activity.
    pub fn activity(&self, id: i32) -> Option<&'static str> {
        let place = self.activities.binary_search_by_key(&id, |(n, _)| *n).ok()?;
        self.activities.get(place).map(|(_, caption)| *caption)
    }

    /// The activity of a caption, in any ASCII case.
    pub fn activity_named(&self, caption: &str) -> Option<i32> {
        self.activities.iter().find(|(_, c)| c.eq_ignore_ascii_case(caption)).map(|(n, _)| *n)
    }

    /// An attribute of the class by name, whatever profile brings it.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.shape.attribute(name)
    }
}

/// Every class, in order of `class_uid`.
pub fn classes() -> &'static [Class] {
    &generated::CLASSES
}

/// A class by its name (`authentication`, `win/registry_key_activity` with or without the
/// extension) or by its `class_uid` in decimal.
pub fn class(name_or_uid: &str) -> Option<&'static Class> {
    if let Ok(uid) = name_or_uid.parse() {
        return class_by_uid(uid);
    }
    let (extension, name) = name_or_uid.rsplit_once('/').unwrap_or(("", name_or_uid));
    classes().iter().find(|c| c.name == name && (extension.is_empty() || c.extension == extension))
}

/// A class by its `class_uid`.
pub fn class_by_uid(uid: u32) -> Option<&'static Class> {
    let place = classes().binary_search_by_key(&uid, |class| class.uid).ok()?;
    classes().get(place)
}

/// What a path of a class leads to.
#[derive(Debug, Clone, Copy)]
pub struct AttributeType {
    /// The last attribute of the path.
    pub attribute: &'static Attribute,
    /// True when the path leads to a list: the last attribute is one and no element is chosen.
    pub list: bool,
    /// True when the path runs through all elements of a list (`answers[].rdata`).
    pub fanned: bool,
    /// The profiles that must be in use, where a step on the way is brought by one only.
    pub profiles: ProfileSet,
    /// True when a step on the way is deprecated.
    pub deprecated: bool,
}

/// Reads a path: which attribute of the class it names, or `None` when it names none.
///
/// A path is attribute names with dots between them. A list is stepped into with `[]` (every
/// element), `[0]` (that element) or, for lists of fingerprints, `[sha-256]` (the element of that
/// algorithm): `answers[].rdata`, `resources[0].uid`, `file.hashes[sha-256].value`.
pub fn resolve(class: &Class, path: &str) -> Option<AttributeType> {
    let mut shape = Some(&class.shape);
    let mut found: Option<AttributeType> = None;
    for step in path.split('.') {
        let step = Step::read(step)?;
        let attribute = shape?.attribute(step.name)?;
        if found.is_some_and(|f| f.list) || (step.choice.is_some() && !attribute.many) {
            return None;
        }
        shape = match attribute.ty {
            Type::Object(id) => id.get().map(|object| &object.shape),
            _ => None,
        };
        if let Some(Choice::Algorithm(name)) = step.choice {
            shape?.attribute("algorithm_id")?.enumeration?.number(name)?;
        }
        let before = found.unwrap_or(AttributeType {
            attribute,
            list: false,
            fanned: false,
            profiles: ProfileSet::NONE,
            deprecated: false,
        });
        found = Some(AttributeType {
            attribute,
            list: attribute.many && step.choice.is_none(),
            fanned: before.fanned || step.choice == Some(Choice::Every),
            profiles: before.profiles.or(attribute.profiles.first()),
            deprecated: before.deprecated || attribute.deprecated,
        });
    }
    found
}

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step<'p> {
    pub(crate) name: &'p str,
    pub(crate) choice: Option<Choice<'p>>,
}

/// Which elements of a list a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice<'p> {
    Every,
    At(usize),
    Algorithm(&'p str),
}

impl<'p> Step<'p> {
    pub(crate) fn read(step: &'p str) -> Option<Self> {
        let Some((name, choice)) = step.split_once('[') else {
            return (!step.is_empty()).then_some(Self { name: step, choice: None });
        };
        let choice = match choice.strip_suffix(']')? {
            "" => Choice::Every,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Choice::At(digits.parse().ok()?)
            }
            name => Choice::Algorithm(name),
        };
        Some(Self { name, choice: Some(choice) })
    }
}

// What the generated tables are written with: short, so that a table stays readable and quick to
// compile.

pub(crate) const fn s(
    name: &'static str,
    places: &'static [u16],
    at_least_one: &'static [&'static str],
    just_one: &'static [&'static str],
) -> Shape {
    Shape { name, at_least_one, just_one, places }
}

pub(crate) const fn o(shape: Shape, observable: u8) -> Object {
    Object { shape, observable }
}

pub(crate) const fn numbers(of: &Enumeration) -> &'static [(i32, &'static str)] {
    match of {
        Enumeration::Numbers(rows) => rows,
        Enumeration::Words(_) => &[],
    }
}

#[allow(clippy::too_many_arguments)] // A row of a table.
#[allow(clippy::fn_params_excessive_bools)]
pub(crate) const fn a(
    name: &'static str,
    ty: Type,
    requirement: Requirement,
    many: bool,
    deprecated: bool,
    profiles: u16,
    enumeration: Option<&'static Enumeration>,
    sibling: &'static str,
    observable: u8,
) -> Attribute {
    let profiles = ProfileSet(profiles);
    Attribute {
        name,
        ty,
        requirement,
        many,
        deprecated,
        profiles,
        enumeration,
        sibling,
        observable,
    }
}
