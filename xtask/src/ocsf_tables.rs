//! Turns an OCSF schema export into the flat tables of `crates/ocsf/src/generated.rs`.
//!
//! The export is the JSON that schema.ocsf.io serves, as the PyPI package `ocsf-json-schema` bundles
//! it (`ocsf_json_schema/ocsf/1.8.0.json`). Names, types, requirements, enumerations, siblings,
//! profiles and constraints are taken; descriptions are not. Equal attributes and equal
//! enumerations are written once and referred to by number, which keeps the tables small.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

type Json = Map<String, Value>;

const OUT: &str = "crates/ocsf/src/generated.rs";

/// `cargo xtask ocsf EXPORT.json`.
#[allow(clippy::print_stdout)] // For people at a terminal.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let [path] = args else { return Err("expected the path of one schema export".to_owned()) };
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let export: Value = serde_json::from_str(&text).map_err(|e| format!("{path}: {e}"))?;
    let tables = Tables::read(&export)?;
    std::fs::write(OUT, tables.write()?).map_err(|e| format!("{OUT}: {e}"))?;
    println!(
        "{OUT}: {} classes, {} objects, {} attributes, {} enumerations",
        tables.classes.len(),
        tables.objects.len(),
        tables.attributes.len(),
        tables.enumerations.len()
    );
    Ok(())
}

/// What is written, gathered.
#[derive(Default)]
struct Tables {
    version: String,
    profiles: Vec<String>,
    objects: Vec<String>,
    shapes: Vec<String>,
    classes: Vec<String>,
    types: Vec<String>,
    attributes: Interned,
    enumerations: Interned,
}

/// Distinct lines, numbered in order of first sight.
#[derive(Default)]
struct Interned {
    lines: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Interned {
    fn place(&mut self, line: String) -> usize {
        let next = self.lines.len();
        *self.places.entry(line.clone()).or_insert_with(|| {
            self.lines.push(line);
            next
        })
    }

    fn len(&self) -> usize {
        self.lines.len()
    }
}

impl Tables {
    fn read(export: &Value) -> Result<Self, String> {
        let mut tables = Self { version: text(export, "version")?, ..Self::default() };
        tables.profiles = sorted(map(export, "profiles")?).map(|(name, _)| name.clone()).collect();
        let objects = map(export, "objects")?;
        tables.objects = sorted(objects).map(|(name, _)| name.clone()).collect();

        let types = export.pointer("/dictionary/types/attributes").ok_or("no types")?;
        for (name, def) in sorted(types.as_object().ok_or("types is not an object")?) {
            tables.types.push(type_line(name, def));
        }
        for (name, object) in sorted(objects) {
            let shape = tables.shape(name, object, &[])?;
            let observable = object.get("observable").and_then(Value::as_i64).unwrap_or(0);
            tables.shapes.push(format!("o({shape}, {observable})"));
        }
        let mut classes: Vec<_> = map(export, "classes")?.iter().collect();
        classes.sort_by_key(|(_, class)| class.get("uid").and_then(Value::as_i64));
        for (name, class) in classes {
            let line = tables.class(name, class)?;
            tables.classes.push(line);
        }
        Ok(tables)
    }

    fn class(&mut self, name: &str, class: &Value) -> Result<String, String> {
        let attributes = map(class, "attributes")?;
        let activities = attributes
            .get("activity_id")
            .and_then(|a| a.get("enum"))
            .ok_or_else(|| format!("{name} has no activities"))?;
        let activities = self.enumeration(activities, true)?;
        let category = attributes
            .get("category_uid")
            .and_then(|a| a.pointer("/enum"))
            .and_then(Value::as_object)
            .and_then(|e| e.values().next())
            .map_or(Ok(String::new()), |e| text(e, "caption"))?;
        // These three follow from the class itself; an enumeration each would be dead weight.
        let shape = self.shape(name, class, &["class_uid", "category_uid", "type_uid"])?;
        Ok(format!(
            "Class {{ uid: {}, name: {:?}, extension: {:?}, caption: {:?}, category_uid: {}, \
             category_name: {:?}, deprecated: {}, activities: numbers(E{activities}), profiles: ProfileSet({}), shape: {shape} }}",
            integer(class, "uid")?,
            name.rsplit('/').next().unwrap_or(name),
            name.rsplit_once('/').map_or("", |(extension, _)| extension),
            text(class, "caption")?,
            integer(class, "category_uid")?,
            category,
            class.get("@deprecated").is_some(),
            self.profile_set(class.get("profiles"))?,
        ))
    }

    fn shape(&mut self, name: &str, def: &Value, plain: &[&str]) -> Result<String, String> {
        let mut places = Vec::new();
        for (attribute, def) in sorted(map(def, "attributes")?) {
            let line = self
                .attribute(attribute, def, plain.contains(&attribute.as_str()))
                .map_err(|e| format!("{name}.{attribute}: {e}"))?;
            places.push(self.attributes.place(line));
        }
        let constraints = def.get("constraints").and_then(Value::as_object);
        let names = |key: &str| constraints.and_then(|c| c.get(key)).cloned().unwrap_or_default();
        for known in constraints.iter().flat_map(|c| c.keys()) {
            if !["at_least_one", "just_one"].contains(&known.as_str()) {
                return Err(format!("{name}: constraint {known} is new"));
            }
        }
        Ok(format!(
            "s({name:?}, &{places:?}, &{}, &{})",
            name_list(&names("at_least_one")),
            name_list(&names("just_one"))
        ))
    }

    fn attribute(&mut self, name: &str, def: &Value, plain: bool) -> Result<String, String> {
        let ty = text(def, "type")?;
        let ty = match ty.as_str() {
            "object_t" => {
                let object = text(def, "object_type")?;
                let place = self.objects.binary_search(&object).map_err(|_| "unknown object")?;
                format!("Object(ObjectId({place}))")
            }
            scalar => type_name(scalar),
        };
        let enumeration = match def.get("enum").filter(|_| !plain) {
            Some(values) => {
                let numbers = !ty.starts_with("Text");
                format!("Some(E{})", self.enumeration(values, numbers)?)
            }
            None => "None".to_owned(),
        };
        let requirement = match text(def, "requirement")?.as_str() {
            "required" => "Required",
            "recommended" => "Recommended",
            "optional" => "Optional",
            other => return Err(format!("requirement {other} is new")),
        };
        let many = def.get("is_array").and_then(Value::as_bool).unwrap_or(false);
        let deprecated = def.get("@deprecated").is_some();
        let profiles = self.profile_set(def.get("profiles"))?;
        Ok(format!(
            "a({name:?}, {ty}, {requirement}, {many}, {deprecated}, {profiles}, {enumeration}, {:?}, {})",
            def.get("sibling").and_then(Value::as_str).unwrap_or(""),
            def.get("observable").and_then(Value::as_i64).unwrap_or(0),
        ))
    }

    fn enumeration(&mut self, values: &Value, numbers: bool) -> Result<usize, String> {
        let values = values.as_object().ok_or("an enumeration is not an object")?;
        let captions: Result<BTreeMap<_, _>, String> =
            values.iter().map(|(key, def)| Ok((key.clone(), text(def, "caption")?))).collect();
        let captions = captions?;
        let numeric: Option<BTreeMap<i64, &String>> =
            captions.iter().map(|(key, caption)| Some((key.parse().ok()?, caption))).collect();
        Ok(self.enumerations.place(if let Some(numbers) = numeric.filter(|_| numbers) {
            let rows: Vec<_> = numbers.iter().map(|(n, c)| format!("({n}, {c:?})")).collect();
            format!("Numbers(&[{}])", rows.join(", "))
        } else {
            let rows: Vec<_> = captions.iter().map(|(k, c)| format!("({k:?}, {c:?})")).collect();
            format!("Words(&[{}])", rows.join(", "))
        }))
    }

    fn profile_set(&self, names: Option<&Value>) -> Result<u16, String> {
        let names = names.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        names.iter().filter_map(Value::as_str).try_fold(0, |set, name| {
            let place = self
                .profiles
                .iter()
                .position(|profile| profile == name)
                .ok_or_else(|| format!("profile {name} is not defined"))?;
            Ok(set | 1 << place)
        })
    }

    fn write(&self) -> Result<String, String> {
        let mut out = String::new();
        self.write_to(&mut out).map_err(|e| e.to_string())?;
        Ok(out)
    }

    fn write_to(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "//! The OCSF {} schema as tables. Written by `cargo xtask ocsf`: do not edit.\n",
            self.version
        )?;
        writeln!(out, "use crate::schema::Enumeration::{{Numbers, Words}};")?;
        writeln!(out, "use crate::schema::Requirement::{{Optional, Recommended, Required}};")?;
        writeln!(out, "use crate::schema::Type::*;")?;
        writeln!(
            out,
            "use crate::schema::{{Attribute, Class, Enumeration, Object, ObjectId, ProfileSet, TypeRule, a, numbers, o, s}};\n"
        )?;
        writeln!(out, "pub(crate) const VERSION: &str = {:?};\n", self.version)?;
        table(out, "PROFILES", "&str", self.profiles.iter().map(|p| format!("{p:?}")))?;
        table(out, "TYPES", "TypeRule", self.types.iter().cloned())?;
        for (place, line) in self.enumerations.lines.iter().enumerate() {
            writeln!(out, "static E{place}: &Enumeration = &{line};")?;
        }
        writeln!(out)?;
        table(out, "ATTRIBUTES", "Attribute", self.attributes.lines.iter().cloned())?;
        table(out, "OBJECTS", "Object", self.shapes.iter().cloned())?;
        table(out, "CLASSES", "Class", self.classes.iter().cloned())
    }
}

fn table(
    out: &mut String,
    name: &str,
    of: &str,
    lines: impl ExactSizeIterator<Item = String>,
) -> std::fmt::Result {
    writeln!(out, "pub(crate) static {name}: [{of}; {}] = [", lines.len())?;
    for line in lines {
        writeln!(out, "    {line},")?;
    }
    writeln!(out, "];\n")
}

/// A data type of the schema: `ip_t` is `Ip`.
fn type_name(name: &str) -> String {
    let camel = name.trim_end_matches("_t").split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |c| c.to_uppercase().chain(letters).collect())
    });
    match name {
        "string_t" => "Text".to_owned(),
        _ => camel.collect(),
    }
}

fn type_line(name: &str, def: &Value) -> String {
    let base = def.get("type").and_then(Value::as_str).unwrap_or(name);
    let range = def.get("range").and_then(Value::as_array).map_or("None".to_owned(), |ends| {
        let ends: Vec<_> = ends.iter().map(Value::to_string).collect();
        format!("Some(({}))", ends.join(", "))
    });
    let max = def.get("max_len").map_or("None".to_owned(), |n| format!("Some({n})"));
    let pattern = def.get("regex").and_then(Value::as_str).unwrap_or("");
    format!(
        "TypeRule {{ ty: {}, name: {name:?}, base: {}, observable: {}, range: {range}, max_len: {max}, pattern: {pattern:?} }}",
        type_name(name),
        type_name(base),
        def.get("observable").and_then(Value::as_i64).unwrap_or(0),
    )
}

fn name_list(names: &Value) -> String {
    let names = names.as_array().map_or(&[][..], Vec::as_slice);
    format!("{:?}", names.iter().filter_map(Value::as_str).collect::<Vec<_>>())
}

fn sorted(map: &Json) -> impl Iterator<Item = (&String, &Value)> {
    map.iter().collect::<BTreeMap<_, _>>().into_iter()
}

fn map<'a>(value: &'a Value, key: &str) -> Result<&'a Json, String> {
    value.get(key).and_then(Value::as_object).ok_or_else(|| format!("no object `{key}`"))
}

fn text(value: &Value, key: &str) -> Result<String, String> {
    value
        .get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| format!("no text `{key}`"))
}

fn integer(value: &Value, key: &str) -> Result<i64, String> {
    value.get(key).and_then(Value::as_i64).ok_or_else(|| format!("no number `{key}`"))
}
