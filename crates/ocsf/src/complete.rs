//! Completion: from what a source said to an event that the schema accepts, inventing nothing.
//!
//! The one place where evidence that does not quite fit is made to fit, by these rules:
//! - A value of the wrong type is rewritten when nothing is lost by it (`"443"` is 443). What cannot
//!   be rewritten, what the schema does not know and what its profiles do not allow is taken out and
//!   handed back as a leftover, which the event keeps under `unmapped`.
//! - A number of an enumeration gets its caption. A caption without a number gets its number. A word
//!   that the enumeration does not have becomes 99 Other with the word as caption.
//! - A required enumeration that the source says nothing of is 0 Unknown.
//! - A required name that follows from what is there is derived from it (see `derive`).
//! - A required plain text that is not there, in an object of which other things are known, is the
//!   word `Unknown`, which is OCSF's own for it.
//! - An object that still lacks something is taken out whole, as a leftover.
//! - A class that demands an actor, a device, a user or an endpoint of an event that names none gets
//!   one that is called `Unknown`. A class that still lacks something is not claimed: the event is
//!   written as a base event, whose activity names the class that it would have been.

use serde_json::{Map, Value as Json, json};

use crate::schema::{OTHER, UNKNOWN};
use crate::values::fit;
use crate::{Attribute, Class, Enumeration, ProfileSet, Requirement, Shape, Type};

/// The word for what is not known.
pub(crate) const UNKNOWN_WORD: &str = "Unknown";

/// Why an event cannot be of the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// A profile was used that demands what is not there: try again without it.
    Profile(ProfileSet),
    /// The class demands what is not there.
    Class,
}

/// The work on one event.
pub(crate) struct Completion<'c> {
    /// Profiles that may be used.
    allowed: ProfileSet,
    /// Profiles that attributes of the event brought in.
    pub(crate) used: ProfileSet,
    /// What did not fit, by path.
    pub(crate) left: Map<String, Json>,
    uid: &'c str,
    path: String,
}

impl<'c> Completion<'c> {
    pub(crate) fn new(allowed: ProfileSet, uid: &'c str) -> Self {
        let (used, left, path) = (ProfileSet::NONE, Map::new(), String::new());
        Self { allowed, used, left, uid, path }
    }

    /// Completes a whole event. `class_uid`, `category_uid` and `type_uid` must be there already.
    pub(crate) fn event(
        &mut self,
        class: &Class,
        tree: Map<String, Json>,
    ) -> Result<Map<String, Json>, Lack> {
        let mut event = self.attributes(&class.shape, tree);
        stand_in(class, &mut event, self.uid);
        Self::fill(&class.shape, &mut event);
        self.just_one(&class.shape, &mut event);
        for attribute in class.shape.attributes().filter(|a| is_lacking(a, &event)) {
            if attribute.profiles.is_empty() {
                return Err(Lack::Class);
            }
            let of_profile = attribute.profiles.and(self.used);
            if !of_profile.is_empty() {
                return Err(Lack::Profile(of_profile));
            }
        }
        if meets_constraints(&class.shape, &event) { Ok(event) } else { Err(Lack::Class) }
    }

    fn object(&mut self, shape: &Shape, map: Map<String, Json>) -> Option<Map<String, Json>> {
        if shape.is_free() {
            return (!map.is_empty()).then_some(map);
        }
        let used = self.used;
        let mut object = self.attributes(shape, map);
        if object.is_empty() {
            self.used = used;
            return None;
        }
        self.just_one(shape, &mut object);
        let given = object.len();
        derive(shape, &mut object, self.uid, &self.path);
        Self::fill(shape, &mut object);
        let lacks = shape.attributes().any(|a| a.profiles.is_empty() && is_lacking(a, &object));
        if lacks || !meets_constraints(shape, &object) {
            self.used = used;
            // What was derived and filled in comes after what was given.
            self.leave(Json::Object(object.into_iter().take(given).collect()));
            return None;
        }
        object.sort_keys();
        Some(object)
    }

    /// The attributes of the shape, each made to fit; the rest is left over.
    fn attributes(&mut self, shape: &Shape, mut map: Map<String, Json>) -> Map<String, Json> {
        self.captions(shape, &mut map);
        let mut out = Map::new();
        for (name, value) in map {
            let length = self.enter(&name);
            let attribute = shape.attribute(&name).filter(|a| a.is_in(self.allowed));
            match attribute {
                Some(attribute) => {
                    if let Some(value) = self.attribute(attribute, value) {
                        self.mark_used(attribute);
                        out.insert(name, value);
                    }
                }
                None => self.leave(value),
            }
            self.path.truncate(length);
        }
        out
    }

    fn attribute(&mut self, attribute: &Attribute, value: Json) -> Option<Json> {
        match (attribute.many, value) {
            (true, Json::Array(list)) => {
                let mut fitting = Vec::with_capacity(list.len());
                for (place, value) in list.into_iter().enumerate() {
                    let length = self.enter(&place.to_string());
                    fitting.extend(self.value(attribute, value));
                    self.path.truncate(length);
                }
                (!fitting.is_empty()).then_some(Json::Array(fitting))
            }
            (true, value) => self.value(attribute, value).map(|value| Json::Array(vec![value])),
            (false, Json::Array(mut list)) if attribute.ty != Type::Json && list.len() == 1 => {
                self.value(attribute, list.pop().unwrap_or_default())
            }
            (false, value) => self.value(attribute, value),
        }
    }

    fn value(&mut self, attribute: &Attribute, value: Json) -> Option<Json> {
        if is_nothing(&value) {
            return None;
        }
        match (attribute.ty, value) {
            (Type::Object(id), Json::Object(map)) => {
                self.object(&id.get()?.shape, map).map(Json::Object)
            }
            (_, value) => fit(attribute, value).map_err(|value| self.leave(value)).ok(),
        }
    }

    /// Brings every number of an enumeration and its caption into agreement.
    fn captions(&mut self, shape: &Shape, map: &mut Map<String, Json>) {
        for attribute in shape.attributes() {
            let Some(enumeration @ Enumeration::Numbers(_)) = attribute.enumeration else {
                continue;
            };
            if !map.contains_key(attribute.name) && !map.contains_key(attribute.sibling) {
                continue;
            }
            let Some(sibling) = shape.attribute(attribute.sibling) else { continue };
            let number = map.remove(attribute.name).filter(|v| !is_nothing(v));
            let caption = map.remove(sibling.name).filter(|v| !is_nothing(v));
            if number.is_none() && caption.is_none() {
                continue;
            }
            let pair = if attribute.many {
                pair_lists(enumeration, number.as_ref(), caption.as_ref())
            } else {
                pair(enumeration, number.as_ref(), caption.as_ref())
                    .map(|(number, caption)| (Json::from(number), Json::from(caption)))
            };
            if let Some((number, caption)) = pair {
                map.insert(attribute.name.to_owned(), number);
                map.insert(sibling.name.to_owned(), caption);
                continue;
            }
            for (name, value) in [(attribute.name, number), (sibling.name, caption)] {
                let length = self.enter(name);
                if let Some(value) = value {
                    self.leave(value);
                }
                self.path.truncate(length);
            }
        }
    }

    /// Fills what is required and can be said without knowing it, and the first enumeration of a
    /// choice of which nothing is there.
    fn fill(shape: &Shape, object: &mut Map<String, Json>) {
        for attribute in shape.attributes() {
            let wanted = attribute.profiles.is_empty() && is_lacking(attribute, object);
            if wanted && !fill_enumeration(shape, attribute, object) {
                let is_plain = matches!(attribute.ty, Type::Text | Type::FileName);
                if is_plain && !attribute.many {
                    object.insert(attribute.name.to_owned(), UNKNOWN_WORD.into());
                }
            }
        }
        if !meets_at_least_one(shape, object) {
            let mut choices = shape.at_least_one.iter().filter_map(|name| shape.attribute(name));
            choices.any(|attribute| fill_enumeration(shape, attribute, object));
        }
    }

    /// Of attributes that exclude each other, the first that is there stays.
    fn just_one(&mut self, shape: &Shape, object: &mut Map<String, Json>) {
        let mut there = shape.just_one.iter().filter(|name| object.contains_key(**name));
        there.next();
        let others: Vec<_> = there.copied().collect();
        for name in others {
            let length = self.enter(name);
            if let Some(value) = object.remove(name) {
                self.leave(value);
            }
            self.path.truncate(length);
        }
    }

    fn mark_used(&mut self, attribute: &Attribute) {
        if attribute.profiles.and(self.used).is_empty() {
            self.used = self.used.or(attribute.profiles.and(self.allowed).first());
        }
    }

    fn enter(&mut self, step: &str) -> usize {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(step);
        length
    }

    fn leave(&mut self, value: Json) {
        if !is_nothing(&value) {
            self.left.insert(self.path.clone(), value);
        }
    }
}

fn is_nothing(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(list) => list.is_empty(),
        Json::Object(map) => map.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}

fn is_lacking(attribute: &Attribute, object: &Map<String, Json>) -> bool {
    attribute.requirement == Requirement::Required && !object.contains_key(attribute.name)
}

fn meets_at_least_one(shape: &Shape, object: &Map<String, Json>) -> bool {
    let there = |path: &&str| {
        let mut steps = path.split('.');
        let first = steps.next().and_then(|name| object.get(name));
        steps.try_fold(first, |at, name| at.map(|at| at.get(name))).flatten().is_some()
    };
    shape.at_least_one.is_empty() || shape.at_least_one.iter().any(there)
}

fn meets_constraints(shape: &Shape, object: &Map<String, Json>) -> bool {
    let chosen = shape.just_one.iter().filter(|name| object.contains_key(**name)).count();
    meets_at_least_one(shape, object) && (shape.just_one.is_empty() || chosen == 1)
}

fn fill_enumeration(shape: &Shape, attribute: &Attribute, object: &mut Map<String, Json>) -> bool {
    let Some(enumeration @ Enumeration::Numbers(_)) = attribute.enumeration else { return false };
    let row = [UNKNOWN, OTHER].map(|n| (n, enumeration.caption(n.into())));
    let Some((number, caption)) = row.into_iter().find_map(|(n, c)| Some((n, c?))) else {
        return false;
    };
    let listed = |value: Json| if attribute.many { Json::Array(vec![value]) } else { value };
    object.insert(attribute.name.to_owned(), listed(number.into()));
    if let Some(sibling) = shape.attribute(attribute.sibling) {
        object.insert(sibling.name.to_owned(), listed(caption.into()));
    }
    true
}

/// The number and the caption that say the same, of what a source gave; none when the enumeration
/// has no place for it.
fn pair(
    enumeration: &Enumeration,
    number: Option<&Json>,
    caption: Option<&Json>,
) -> Option<(i32, String)> {
    let word = |value: &Json| match value {
        Json::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let given = number.and_then(|n| match n {
        Json::String(text) => text.trim().parse().ok(),
        n => n.as_i64(),
    });
    let member = given.and_then(|n| Some((i32::try_from(n).ok()?, enumeration.caption(n)?)));
    let caption = caption.and_then(word);
    match (member, caption) {
        (Some((OTHER, other)), caption) => {
            Some((OTHER, caption.unwrap_or_else(|| other.to_owned())))
        }
        (Some((UNKNOWN, unknown)), Some(word)) if !word.eq_ignore_ascii_case(unknown) => {
            from_word(enumeration, word).or(Some((UNKNOWN, unknown.to_owned())))
        }
        (Some((n, caption)), _) => Some((n, caption.to_owned())),
        (None, Some(word)) => from_word(enumeration, word),
        (None, None) => from_word(enumeration, number.and_then(word)?),
    }
}

fn from_word(enumeration: &Enumeration, word: String) -> Option<(i32, String)> {
    if let Some(number) = enumeration.number(&word) {
        return Some((number, enumeration.caption(number.into())?.to_owned()));
    }
    enumeration.caption(OTHER.into()).map(|_| (OTHER, word))
}

fn pair_lists(
    enumeration: &Enumeration,
    numbers: Option<&Json>,
    captions: Option<&Json>,
) -> Option<(Json, Json)> {
    let elements = |value: Option<&Json>| match value {
        Some(Json::Array(list)) => list.clone(),
        Some(value) => vec![value.clone()],
        None => Vec::new(),
    };
    let (numbers, captions) = (elements(numbers), elements(captions));
    let count = if numbers.is_empty() { captions.len() } else { numbers.len() };
    let pairs: Vec<_> = (0..count)
        .filter_map(|place| pair(enumeration, numbers.get(place), captions.get(place)))
        .collect();
    let (numbers, captions): (Vec<i32>, Vec<String>) = pairs.into_iter().unzip();
    (!numbers.is_empty()).then(|| (json!(numbers), json!(captions)))
}

/// What of an object follows from the rest of it.
fn derive(shape: &Shape, map: &mut Map<String, Json>, uid: &str, path: &str) {
    let text = |map: &Map<String, Json>, name: &str| {
        map.get(name).and_then(Json::as_str).filter(|t| !t.is_empty()).map(str::to_owned)
    };
    let of_path = |map: &Map<String, Json>| text(map, "path").map(|path| last_part(&path));
    let nameless = !meets_at_least_one(shape, map);
    match shape.name {
        "file" | "win/reg_value" => set(map, "name", of_path),
        "process" | "process_entity" => {
            set(map, "name", |map| {
                let file = map.get("file").and_then(Json::as_object);
                file.and_then(|file| text(file, "name")).or_else(|| of_path(map))
            });
            // `uid` is the producer's own name for a process. Here: the process of this event.
            if nameless && shape.name == "process" {
                set(map, "uid", |_| Some(format!("{uid}/{path}")));
            }
        }
        "user" if nameless => set(map, "name", |map| {
            let names = ["email_addr", "full_name", "display_name", "uid_alt"];
            names.iter().find_map(|name| text(map, name))
        }),
        // An interface is known by its address on the wire.
        "network_endpoint" | "network_proxy" | "device" if nameless => {
            set(map, "interface_uid", |map| text(map, "mac"));
        }
        "os" => set(map, "name", |map| text(map, "type")),
        "finding_info" => set(map, "uid", |_| Some(uid.to_owned())),
        "metadata" if !map.contains_key("product") => {
            map.insert("product".to_owned(), json!({ "name": UNKNOWN_WORD }));
        }
        "url" if nameless => set(map, "url_string", |map| url(map, &text)),
        _ => {}
    }
}

fn set(
    map: &mut Map<String, Json>,
    name: &str,
    value: impl FnOnce(&Map<String, Json>) -> Option<String>,
) {
    if !map.contains_key(name)
        && let Some(value) = value(map)
    {
        map.insert(name.to_owned(), value.into());
    }
}

fn last_part(path: &str) -> String {
    let trimmed = path.trim_end_matches(['/', '\\']);
    let name = trimmed.rsplit(['/', '\\']).next().filter(|name| !name.is_empty());
    name.unwrap_or(path).to_owned()
}

fn url(
    map: &Map<String, Json>,
    text: &impl Fn(&Map<String, Json>, &str) -> Option<String>,
) -> Option<String> {
    let host = text(map, "hostname").or_else(|| text(map, "domain"));
    let mut url =
        text(map, "scheme").filter(|_| host.is_some()).map_or_else(String::new, |s| s + ":");
    url += &host.map_or_else(String::new, |host| format!("//{host}"));
    let port = map.get("port").filter(|_| !url.is_empty());
    url += &port.map_or_else(String::new, |port| format!(":{port}"));
    url += &text(map, "query_string").map_or_else(String::new, |query| format!("?{query}"));
    (!url.is_empty()).then_some(url)
}

/// Gives the class the objects that it demands and that the event can do without.
fn stand_in(class: &Class, event: &mut Map<String, Json>, uid: &str) {
    let wants = |event: &Map<String, Json>, name: &str| {
        let attribute = class.attribute(name);
        attribute.is_some_and(|a| a.profiles.is_empty() && is_lacking(a, event))
            || (class.shape.at_least_one.contains(&name)
                && !meets_at_least_one(&class.shape, event))
    };
    let product = event.get("metadata").and_then(|m| m.pointer("/product/name")).cloned();
    if wants(event, "finding_info") {
        event.insert("finding_info".to_owned(), json!({ "uid": uid }));
    }
    if wants(event, "device") {
        let device = json!({ "name": UNKNOWN_WORD, "type": UNKNOWN_WORD, "type_id": UNKNOWN });
        event.insert("device".to_owned(), device);
    }
    if wants(event, "actor") {
        event.insert("actor".to_owned(), json!({ "app_name": UNKNOWN_WORD }));
    }
    if wants(event, "user") {
        event.insert("user".to_owned(), json!({ "name": UNKNOWN_WORD }));
    }
    // A log-on is a log-on to the machine that tells of it, or else to the product that does.
    if class.name == "authentication" && !meets_at_least_one(&class.shape, event) {
        match endpoint_of_device(event) {
            Some(endpoint) => event.insert("dst_endpoint".to_owned(), endpoint),
            None => event.insert(
                "service".to_owned(),
                json!({ "name": product.unwrap_or_else(|| UNKNOWN_WORD.into()) }),
            ),
        };
    }
    // A machine that tells of traffic and names neither end of it is itself one end.
    if wants(event, "src_endpoint") {
        let of_device = endpoint_of_device(event).filter(|_| class.category_uid == 4);
        let endpoint = of_device.unwrap_or_else(|| json!({ "name": UNKNOWN_WORD }));
        event.insert("src_endpoint".to_owned(), endpoint);
    }
}

fn endpoint_of_device(event: &Map<String, Json>) -> Option<Json> {
    let device = event.get("device")?.as_object()?;
    let names = ["hostname", "ip", "name", "uid"];
    let known: Map<_, _> = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), device.get(*name)?.clone())))
        .filter(|(_, value)| value != UNKNOWN_WORD)
        .collect();
    (!known.is_empty()).then_some(Json::Object(known))
}
