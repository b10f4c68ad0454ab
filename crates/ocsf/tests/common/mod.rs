//! Random events, by walking the schema. The same seed gives the same events.

use std::borrow::Cow;
use std::sync::Arc;

use model::{Micros, Value};
use ocsf::{
    AttributeType, COLUMNS, Class, Column, Enumeration, Event, Kind, Scalar, Shape, Type, classes,
    resolve,
};
use serde_json::{Map, Value as Json, json};

/// A small generator of numbers (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize) % n.max(1)
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }
}

const TEXTS: &[&str] = &[
    "",
    "-",
    "alice",
    "1.2.3.4",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "fe80::1%eth0",
    "300.1.1.1",
    "1a2a3a4",
    "a@b.example",
    "root@localhost",
    "18:36:F3:98:4F:9A",
    "1836f3984f9a",
    "443",
    "-7",
    "70000",
    "true",
    "C:\\Windows\\System32\\cmd.exe",
    "/usr/bin/",
    "GET",
    "get",
    "PROPFIND",
    "Failure",
    "success",
    "Unknown",
    "Other",
    "123e4567-e89b-12d3-a456-426614174000",
    "2026-11-22T13:00:00Z",
    "2026-11-22T13:00:00.5+01:00",
    "QUJD",
    "=cmd()",
    "<script>",
    "\u{0}\u{7}",
    "é世界",
    "10.0.0.0/8",
    "https://a.example/b?c",
    "HKLM\\Software\\Run\\x",
    "SHA-256",
    "99",
    "1",
    "Windows",
    " 1.2.3.4 ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

fn any_text(dice: &mut Dice) -> String {
    (*dice.pick(TEXTS)).to_owned()
}

fn any_json(dice: &mut Dice, depth: usize) -> Json {
    match dice.below(if depth == 0 { 8 } else { 10 }) {
        0 => Json::Null,
        1 => json!(dice.one_in(2)),
        2 => json!(dice.below(120)),
        3 => json!(-(dice.below(9_000_000) as i64)),
        4 => json!(dice.below(100) as f64 / 4.0),
        5..8 => json!(any_text(dice)),
        8 => (0..dice.below(3)).map(|_| any_json(dice, depth - 1)).collect(),
        _ => {
            let names = ["name", "uid", "type_id", "ip", "value", "x", "type"];
            let pairs = (0..dice.below(4))
                .map(|_| ((*dice.pick(&names)).to_owned(), any_json(dice, depth - 1)));
            Json::Object(pairs.collect())
        }
    }
}

/// A value that the attribute likes, more or less.
fn value(dice: &mut Dice, ty: Type, of: Option<&Enumeration>, wrong: usize, depth: usize) -> Json {
    if wrong > 0 && dice.one_in(wrong) {
        return any_json(dice, 2);
    }
    match (of, ty, ty.base()) {
        (Some(Enumeration::Numbers(rows)), ..) => json!(dice.pick(rows).0),
        (Some(Enumeration::Words(rows)), ..) => json!(dice.pick(rows).0),
        (_, Type::Port, _) => json!(dice.below(65_536)),
        (.., Type::Integer | Type::Long) => json!(dice.below(2_000_000)),
        (.., Type::Float) => json!(dice.below(100) as f64 / 8.0),
        (.., Type::Boolean) => json!(dice.one_in(2)),
        (.., Type::Json) => any_json(dice, 2),
        (_, Type::Object(id), _) => {
            Json::Object(object(dice, &id.get().unwrap().shape, wrong, depth))
        }
        (_, Type::Ip, _) => json!("10.1.2.3"),
        (_, Type::Mac, _) => json!("18:36:F3:98:4F:9A"),
        (_, Type::Email, _) => json!("a@b.example"),
        (_, Type::Uuid, _) => json!("123e4567-e89b-12d3-a456-426614174000"),
        (_, Type::Datetime, _) => json!("2026-11-22T13:00:00Z"),
        (_, Type::Bytestring, _) => json!("QUJD"),
        _ => json!(format!("text {}", dice.below(1000))),
    }
}

/// An object with some of its attributes; `wrong` is one in how many goes amiss (0 none).
fn object(dice: &mut Dice, shape: &Shape, wrong: usize, depth: usize) -> Map<String, Json> {
    let mut map = Map::new();
    if depth == 0 {
        return map;
    }
    let count = shape.attributes().count();
    for attribute in shape.attributes() {
        let required = attribute.requirement == ocsf::Requirement::Required
            || shape.at_least_one.contains(&attribute.name);
        let chosen =
            if required { wrong == 0 || !dice.one_in(wrong) } else { dice.one_in(count / 3) };
        if !chosen || (attribute.name.ends_with("_dt") && !dice.one_in(4)) {
            continue;
        }
        let value = |dice: &mut Dice| {
            self::value(dice, attribute.ty, attribute.enumeration, wrong, depth - 1)
        };
        let value = if attribute.many && (wrong == 0 || !dice.one_in(wrong)) {
            Json::Array((0..=dice.below(2)).map(|_| value(dice)).collect())
        } else {
            value(dice)
        };
        map.insert(attribute.name.to_owned(), value);
    }
    if wrong > 0 && dice.one_in(wrong * 2) {
        map.insert("no_such_attribute".to_owned(), any_json(dice, 1));
    }
    map
}

/// An event that was written down by walking the schema, sound or not.
pub(crate) fn written_event(dice: &mut Dice) -> Json {
    let class = dice.pick(classes());
    let wrong = [0, 40, 400][dice.below(3)];
    let mut event = object(dice, &class.shape, wrong, 4);
    event.insert("class_uid".to_owned(), json!(class.uid));
    let activity = dice.pick(class.activities).0;
    if wrong == 0 || !dice.one_in(wrong) {
        event.insert("category_uid".to_owned(), json!(class.category_uid));
        event.insert("type_uid".to_owned(), json!(class.uid * 100 + activity as u32));
        event.insert("activity_id".to_owned(), json!(activity));
    }
    let profiles: Vec<_> =
        class.profiles.names().filter(|_| dice.one_in(3)).map(str::to_owned).collect();
    let metadata = json!({
        "version": ocsf::VERSION, "product": {"name": "p"}, "profiles": profiles,
    });
    event.insert("metadata".to_owned(), metadata);
    if let Some(Json::Array(list)) = event.get_mut("observables") {
        for observable in list.iter_mut().filter_map(Json::as_object_mut) {
            observable.insert("name".to_owned(), json!("metadata.version"));
            observable.insert("value".to_owned(), json!(ocsf::VERSION));
        }
    }
    Json::Object(event)
}

/// An event that was built as normalisation builds one, from values that are often wrong.
pub(crate) fn built_event(dice: &mut Dice) -> Event<'static> {
    let class = dice.pick(classes());
    let mut event = Event::new(class, Micros(dice.below(2_000_000_000) as i64 * 1_000_000));
    event.activity_id = match dice.below(10) {
        0 => 77,
        _ => dice.pick(class.activities).0,
    };
    event.activity_name = dice.one_in(4).then(|| Cow::Owned(any_text(dice)));
    event.severity = dice.below(8) as i32;
    let legal: Vec<_> =
        Column::all().filter(|(_, column)| resolve(class, column.path).is_some()).collect();
    for _ in 0..dice.below(30) {
        let (id, column) = if dice.one_in(8) {
            let place = dice.below(COLUMNS.len());
            Column::all().nth(place).unwrap()
        } else {
            *dice.pick(&legal)
        };
        let scalar = scalar(dice, class, column);
        event.set(id, scalar);
    }
    for _ in 0..dice.below(4) {
        if let Some((path, value)) = extra(dice, class) {
            event.set_extra(path, value);
        }
    }
    event
}

fn scalar(dice: &mut Dice, class: &Class, column: &Column) -> Scalar<'static> {
    let at = resolve(class, column.path);
    let enumeration = at.and_then(|at| at.attribute.enumeration);
    match column.kind {
        Kind::Text => Scalar::Text(any_text(dice).into()),
        Kind::Int | Kind::Long => match enumeration {
            Some(Enumeration::Numbers(rows)) if !dice.one_in(5) => {
                Scalar::Int(dice.pick(rows).0.into())
            }
            _ => Scalar::Int(dice.below(100_000) as i64 - 5_000),
        },
        Kind::Double => Scalar::Double(dice.below(100) as f64 / 3.0),
        Kind::Bool => Scalar::Bool(dice.one_in(2)),
        Kind::Time => Scalar::Time(Micros(dice.below(2_000_000_000) as i64 * 1000)),
        Kind::Json => Scalar::Json(Value::from_json(match at {
            Some(at) if !dice.one_in(3) => list_value(dice, at),
            _ => any_json(dice, 3),
        })),
    }
}

fn list_value(dice: &mut Dice, at: AttributeType) -> Json {
    let wrong = [0, 10][dice.below(2)];
    let one = |dice: &mut Dice| value(dice, at.attribute.ty, at.attribute.enumeration, wrong, 3);
    if at.list { (0..=dice.below(3)).map(|_| one(dice)).collect() } else { one(dice) }
}

/// A legal path of two steps at most, with a value.
fn extra(dice: &mut Dice, class: &Class) -> Option<(Arc<str>, Value<'static>)> {
    let attributes: Vec<_> = class.shape.attributes().collect();
    let first = *dice.pick(&attributes);
    if ["metadata", "class_uid", "category_uid", "type_uid"].contains(&first.name) {
        return None;
    }
    let mut path = first.name.to_owned();
    if let Type::Object(id) = first.ty
        && dice.one_in(2)
    {
        let inner: Vec<_> = id.get()?.shape.attributes().collect();
        let second = inner.get(dice.below(inner.len()))?;
        path = format!("{path}{}.{}", if first.many { "[0]" } else { "" }, second.name);
    }
    let at = resolve(class, &path)?;
    let value = if dice.one_in(4) { any_json(dice, 3) } else { list_value(dice, at) };
    Some((path.into(), Value::from_json(value)))
}

#[allow(dead_code)] // Of the tests that share this, one does.
/// Spoils one place of an event: a value is taken out, put in, or replaced.
pub(crate) fn spoil(dice: &mut Dice, event: &mut Json) {
    match event {
        Json::Object(map) if !map.is_empty() && !dice.one_in(6) => {
            let place = dice.below(map.len());
            let name = map.keys().nth(place).unwrap().clone();
            if ["class_uid", "metadata"].contains(&name.as_str()) {
                return;
            }
            match dice.below(8) {
                0 => drop(map.remove(&name)),
                1 => drop(map.insert("name".to_owned(), any_json(dice, 1))),
                _ => spoil(dice, &mut map[&name]),
            }
        }
        Json::Array(list) if !list.is_empty() && !dice.one_in(4) => {
            let place = dice.below(list.len());
            spoil(dice, &mut list[place]);
        }
        other => *other = any_json(dice, 1),
    }
}
