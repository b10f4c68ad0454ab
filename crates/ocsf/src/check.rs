//! The validator: what of an event is not OCSF 1.8.0.
//!
//! The schema's own demands (types, requirements, enumerations, constraints, profiles) are read as
//! the JSON Schema that the PyPI package `ocsf-json-schema` makes of the same export; a test holds
//! the two verdicts against each other. One reading differs: `patch_state` demands one of
//! `device.os.sp_name` and the like, which that JSON Schema takes for a name with dots in it (and so
//! fails every such event); here it is a path.
//! The rest are demands of this house, which OCSF states in prose: a number of an enumeration has
//! its caption beside it, nothing is null, `type_uid` follows from class and activity, a profile is
//! one of the class's own, and an observable names an attribute that is there.

use std::fmt;

use serde_json::{Map, Value as Json};

use crate::schema::{Choice, OTHER, Step};
use crate::values::{Misfit, misfits};
use crate::{
    Attribute, Class, Enumeration, ProfileSet, Requirement, Shape, Type, VERSION, class_by_uid,
};

/// Something of an event that is not as OCSF wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: attribute names and places in lists with dots between; empty for the event itself.
    pub path: String,
    /// What kind of problem.
    pub kind: ProblemKind,
    /// What is wrong there, in a sentence. It may quote evidence: whoever shows it escapes it.
    pub message: String,
}

/// The kinds of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// `metadata.version` is not the version that is checked.
    Version,
    /// The event names no class of the schema.
    Class,
    /// A value of the wrong type.
    Type,
    /// A value that the enumeration does not have.
    Enumeration,
    /// Text that is longer than its type allows.
    Length,
    /// A number outside of what its type allows.
    Range,
    /// Text that does not look as its type demands.
    Pattern,
    /// A required attribute is not there.
    Missing,
    /// An attribute that the class or object does not have, or only with a profile that is not
    /// declared.
    Unknown,
    /// None of several attributes is there, of which one must be.
    AtLeastOne,
    /// Not exactly one of several attributes is there.
    JustOne,
    /// A caption is not there, or is not the caption of its number.
    Caption,
    /// A null.
    Null,
    /// `type_uid` does not follow from class and activity.
    TypeUid,
    /// A profile that does not exist, or that the class does not have.
    Profile,
    /// An observable whose name leads to nothing, or whose value is not what is there.
    Observable,
}

impl ProblemKind {
    /// True for the demands that the schema itself makes, false for those of this house.
    pub fn is_schema(self) -> bool {
        !matches!(
            self,
            Self::Caption | Self::Null | Self::TypeUid | Self::Profile | Self::Observable
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the event" } else { &self.path };
        write!(f, "{place}: {}", self.message)
    }
}

/// Everything about an event that is not OCSF 1.8.0; nothing when it is sound.
pub fn check(event: &Json) -> Vec<Problem> {
    let mut checker =
        Checker { profiles: ProfileSet::NONE, path: String::new(), problems: Vec::new() };
    let version = event.pointer("/metadata/version").and_then(Json::as_str);
    if version != Some(VERSION) {
        let message = format!("the version is {}, not {VERSION}", version.unwrap_or("not given"));
        checker.at("metadata.version", |c| c.say(ProblemKind::Version, message));
    }
    let uid = event.get("class_uid").and_then(Json::as_u64).and_then(|uid| uid.try_into().ok());
    let (Some(class), Some(map)) = (uid.and_then(class_by_uid), event.as_object()) else {
        checker.say(ProblemKind::Class, "class_uid names no class".to_owned());
        return checker.problems;
    };
    checker.profiles(class, event);
    checker.object(&class.shape, map);
    checker.classification(class, map);
    checker.observables(event);
    checker.problems
}

struct Checker {
    profiles: ProfileSet,
    path: String,
    problems: Vec<Problem>,
}

impl Checker {
    fn say(&mut self, kind: ProblemKind, message: String) {
        self.problems.push(Problem { path: self.path.clone(), kind, message });
    }

    fn at(&mut self, step: &str, run: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(step);
        run(self);
        self.path.truncate(length);
    }

    fn profiles(&mut self, class: &Class, event: &Json) {
        let names = event.pointer("/metadata/profiles").and_then(Json::as_array);
        for name in names.into_iter().flatten().filter_map(Json::as_str) {
            let profile = ProfileSet::named(name);
            self.profiles = self.profiles.or(profile);
            if profile.and(class.profiles).is_empty() {
                let message = format!("`{name}` is no profile of {}", class.name);
                self.at("metadata.profiles", |c| c.say(ProblemKind::Profile, message));
            }
        }
    }

    fn object(&mut self, shape: &Shape, map: &Map<String, Json>) {
        if shape.is_free() {
            return;
        }
        let profiles = self.profiles;
        for (name, value) in map {
            let attribute = shape.attribute(name).filter(|a| a.is_in(profiles));
            self.at(name, |c| match attribute {
                Some(attribute) => c.attribute(attribute, value),
                None => c.unknown(shape, name),
            });
        }
        for attribute in shape.attributes().filter(|a| a.is_in(profiles)) {
            if attribute.requirement == Requirement::Required && !map.contains_key(attribute.name) {
                self.say(ProblemKind::Missing, format!("`{}` is required", attribute.name));
            }
            if let Some(Enumeration::Numbers(_)) = attribute.enumeration {
                self.caption(shape, attribute, map);
            }
        }
        self.constraints(shape, map);
    }

    fn unknown(&mut self, shape: &Shape, name: &str) {
        let brought = shape.attribute(name).map(|a| a.profiles.names().collect::<Vec<_>>());
        let message = match brought {
            Some(profiles) => format!("only with the profile {}", profiles.join(" or ")),
            None => format!("{} has no such attribute", shape.name),
        };
        self.say(ProblemKind::Unknown, message);
    }

    fn constraints(&mut self, shape: &Shape, map: &Map<String, Json>) {
        let there = |path: &&&str| {
            let mut steps = path.split('.');
            let first = steps.next().and_then(|name| map.get(name));
            steps.try_fold(first, |at, name| at.map(|at| at.get(name))).flatten().is_some()
        };
        if !shape.at_least_one.is_empty() && !shape.at_least_one.iter().any(|path| there(&path)) {
            let message = format!("one of {} must be there", shape.at_least_one.join(", "));
            self.say(ProblemKind::AtLeastOne, message);
        }
        if !shape.just_one.is_empty() && shape.just_one.iter().filter(there).count() != 1 {
            let message = format!("exactly one of {} must be there", shape.just_one.join(", "));
            self.say(ProblemKind::JustOne, message);
        }
    }

    fn attribute(&mut self, attribute: &Attribute, value: &Json) {
        if !attribute.many {
            return self.value(attribute, value);
        }
        match value.as_array() {
            Some(list) => {
                for (place, value) in list.iter().enumerate() {
                    self.at(&place.to_string(), |c| c.value(attribute, value));
                }
            }
            None => self.say(ProblemKind::Type, "not a list".to_owned()),
        }
    }

    fn value(&mut self, attribute: &Attribute, value: &Json) {
        if value.is_null() {
            self.say(ProblemKind::Null, "null".to_owned());
        }
        for misfit in misfits(attribute, value) {
            let shown: String = value.to_string().chars().take(80).collect();
            let (kind, what) = match misfit {
                Misfit::Type => (ProblemKind::Type, "not of type"),
                Misfit::Enumeration => (ProblemKind::Enumeration, "not a value that is listed for"),
                Misfit::Length => (ProblemKind::Length, "too long for"),
                Misfit::Range => (ProblemKind::Range, "out of range for"),
                Misfit::Pattern => (ProblemKind::Pattern, "not in the form of"),
            };
            self.say(kind, format!("{shown} is {what} {}", attribute.ty.name()));
        }
        if let (Type::Object(id), Some(map)) = (attribute.ty, value.as_object())
            && let Some(object) = id.get()
        {
            self.object(&object.shape, map);
        }
    }

    fn caption(&mut self, shape: &Shape, attribute: &Attribute, map: &Map<String, Json>) {
        let (number, caption) = (map.get(attribute.name), map.get(attribute.sibling));
        if number.is_none() && caption.is_none() {
            return;
        }
        let Some(sibling) = shape.attribute(attribute.sibling).filter(|s| s.is_in(self.profiles))
        else {
            return;
        };
        let sound = match (number, caption) {
            (Some(Json::Array(numbers)), Some(Json::Array(captions))) => {
                numbers.len() == captions.len()
                    && numbers.iter().zip(captions).all(|(n, c)| is_caption(attribute, n, c))
            }
            (Some(number), Some(caption)) => is_caption(attribute, number, caption),
            _ => false,
        };
        if !sound {
            let message = format!("not the caption of `{}`", attribute.name);
            self.at(sibling.name, |c| c.say(ProblemKind::Caption, message));
        }
    }

    fn classification(&mut self, class: &Class, map: &Map<String, Json>) {
        let number = |name: &str| map.get(name).and_then(Json::as_i64);
        let uid = i64::from(class.uid);
        if let Some(category) = map.get("category_uid")
            && whole(category) != Some(i64::from(class.category_uid))
        {
            let message = format!("the category of {} is {}", class.name, class.category_uid);
            self.at("category_uid", |c| c.say(ProblemKind::Enumeration, message));
        }
        if let Some(type_uid) = map.get("type_uid") {
            let activity = whole(type_uid).map(|n| n - uid * 100);
            let activity = activity.and_then(|n| i32::try_from(n).ok());
            if activity.and_then(|n| class.activity(n)).is_none() {
                let message = "not a type of the class".to_owned();
                self.at("type_uid", |c| c.say(ProblemKind::Enumeration, message));
            }
        }
        let activity = number("activity_id").unwrap_or_default();
        if number("type_uid") != Some(uid * 100 + activity) {
            let message = "type_uid is not class_uid * 100 + activity_id".to_owned();
            self.at("type_uid", |c| c.say(ProblemKind::TypeUid, message));
        }
        let activity = i32::try_from(activity).ok().and_then(|n| class.activity(n));
        let type_name = activity.map(|activity| format!("{}: {activity}", class.caption));
        let captions = [
            ("class_name", Some(class.caption)),
            ("category_name", Some(class.category_name)),
            ("type_name", type_name.as_deref()),
        ];
        for (name, caption) in captions {
            if caption.is_some() && map.get(name).and_then(Json::as_str) != caption {
                let message = format!("not {:?}", caption.unwrap_or_default());
                self.at(name, |c| c.say(ProblemKind::Caption, message));
            }
        }
    }

    fn observables(&mut self, event: &Json) {
        let list = event.get("observables").and_then(Json::as_array);
        for (place, observable) in list.into_iter().flatten().enumerate() {
            let name = observable.get("name").and_then(Json::as_str).unwrap_or_default();
            let found = at_path(event, name);
            let value = observable.get("value").and_then(Json::as_str);
            let message = if found.is_empty() {
                format!("`{name}` is not in the event")
            } else if value.is_some_and(|v| !found.iter().any(|there| is_written(there, v))) {
                format!("the value of `{name}` is another")
            } else {
                continue;
            };
            self.at(&format!("observables.{place}"), |c| c.say(ProblemKind::Observable, message));
        }
    }
}

fn is_caption(attribute: &Attribute, number: &Json, caption: &Json) -> bool {
    let Some(caption) = caption.as_str() else { return false };
    match number.as_i64() {
        // What is not a member is told elsewhere.
        None => true,
        Some(number) if number == i64::from(OTHER) => !caption.is_empty(),
        Some(number) => {
            attribute.enumeration.and_then(|e| e.caption(number)).is_none_or(|c| c == caption)
        }
    }
}

fn is_written(value: &Json, text: &str) -> bool {
    match value {
        Json::String(there) => there == text,
        other => format!("{other}") == text,
    }
}

fn whole(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0).map(|x| x as i64))
}

/// What an observable's name leads to. Lists are stepped through in the three ways that OCSF allows:
/// `resources.uid`, `resources[].uid`, `resources[0].uid`.
pub(crate) fn at_path<'j>(event: &'j Json, path: &str) -> Vec<&'j Json> {
    let mut found = vec![event];
    for step in path.split('.') {
        let Some(step) = Step::read(step) else { return Vec::new() };
        let named = found.iter().flat_map(|at| match at {
            Json::Array(list) => list.as_slice(),
            at => std::slice::from_ref(*at),
        });
        let named = named.filter_map(|at| at.get(step.name));
        found = match step.choice {
            Some(Choice::At(place)) => named.filter_map(|at| at.get(place)).collect(),
            Some(Choice::Every) => named.filter_map(Json::as_array).flatten().collect(),
            Some(Choice::Algorithm(_)) => Vec::new(),
            None => named.collect(),
        };
    }
    found
}
