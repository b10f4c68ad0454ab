//! Single values: whether one is what its type demands, and how one is made so.

use std::collections::HashMap;
use std::sync::LazyLock;

use model::Micros;
use regex::Regex;
use serde_json::{Number, Value as Json};

use crate::schema::TypeRule;
use crate::{Attribute, Enumeration, Type};

/// A demand of the schema that a value does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    Type,
    Enumeration,
    Length,
    Range,
    Pattern,
}

/// Every demand of the attribute that one value (an element, where it is a list) does not meet.
/// Objects are not looked into.
pub(crate) fn misfits(attribute: &Attribute, value: &Json) -> Vec<Misfit> {
    let mut out = Vec::new();
    if !is_a(attribute.ty, value) {
        out.push(Misfit::Type);
    }
    if let Some(enumeration) = attribute.enumeration
        && !is_member(enumeration, value)
    {
        out.push(Misfit::Enumeration);
    }
    if let Some(rule) = attribute.ty.rule() {
        let text = value.as_str();
        if let (Some(text), Some(max)) = (text, rule.max_len)
            && text.chars().count() > max
        {
            out.push(Misfit::Length);
        }
        if let (Some(number), Some((low, high))) = (value.as_f64(), rule.range)
            && (number < low as f64 || number > high as f64)
        {
            out.push(Misfit::Range);
        }
        if text.is_some_and(|text| !matches_pattern(rule, text)) {
            out.push(Misfit::Pattern);
        }
    }
    out
}

fn is_a(ty: Type, value: &Json) -> bool {
    match ty.base() {
        Type::Boolean => value.is_boolean(),
        Type::Integer | Type::Long => whole(value),
        Type::Float => value.is_number(),
        Type::Json => true,
        Type::Object(_) => value.is_object(),
        _ => value.is_string(),
    }
}

fn whole(value: &Json) -> bool {
    value.as_i64().is_some()
        || value.as_u64().is_some()
        || value.as_f64().is_some_and(|x| x.fract() == 0.0)
}

fn is_member(enumeration: &Enumeration, value: &Json) -> bool {
    match enumeration {
        Enumeration::Numbers(_) => {
            let number = value
                .as_i64()
                .or_else(|| value.as_f64().filter(|x| x.fract() == 0.0).map(|x| x as i64));
            number.is_some_and(|n| enumeration.caption(n).is_some())
        }
        Enumeration::Words(rows) => rows.iter().any(|(word, _)| value.as_str() == Some(word)),
    }
}

fn matches_pattern(rule: &TypeRule, text: &str) -> bool {
    static PATTERNS: LazyLock<HashMap<&'static str, Option<Regex>>> = LazyLock::new(|| {
        let compile = |rule: &TypeRule| (rule.name, Regex::new(rule.pattern).ok());
        crate::generated::TYPES.iter().filter(|r| !r.pattern.is_empty()).map(compile).collect()
    });
    match PATTERNS.get(rule.name) {
        Some(Some(pattern)) => pattern.is_match(text),
        _ => true,
    }
}

/// Makes a value what the attribute demands, without loss: numbers become text where text is
/// wanted, decimal text a number where a number is, words take the schema's spelling. The value
/// comes back as it was when that cannot be done. Objects and lists are not looked into.
pub(crate) fn fit(attribute: &Attribute, value: Json) -> Result<Json, Json> {
    let fitted = match attribute.ty.base() {
        Type::Boolean => boolean(&value),
        Type::Integer | Type::Long if attribute.ty == Type::Timestamp => {
            integer(&value).or_else(|| instant(&value))
        }
        Type::Integer | Type::Long => integer(&value),
        Type::Float => float(&value),
        Type::Json | Type::Object(_) => None,
        _ => match attribute.enumeration {
            Some(words) => value.as_str().and_then(|w| words.word(w)).map(Json::from),
            None => text(&value),
        },
    };
    let fitted = fitted.unwrap_or(value);
    if misfits(attribute, &fitted).is_empty() { Ok(fitted) } else { Err(fitted) }
}

fn text(value: &Json) -> Option<Json> {
    match value {
        Json::Number(n) => Some(Json::String(n.to_string())),
        Json::Bool(b) => Some(Json::String(b.to_string())),
        _ => None,
    }
}

fn integer(value: &Json) -> Option<Json> {
    match value {
        Json::Number(n) if n.is_f64() => {
            n.as_f64().filter(|x| x.fract() == 0.0 && x.abs() < 9.0e15).map(|x| (x as i64).into())
        }
        Json::String(s) => s.trim().parse::<i64>().ok().map(Json::from),
        _ => None,
    }
}

fn instant(value: &Json) -> Option<Json> {
    value.as_str()?.parse::<Micros>().ok().map(|time| Json::from(time.millis()))
}

fn float(value: &Json) -> Option<Json> {
    let x: f64 = value.as_str()?.trim().parse().ok()?;
    Number::from_f64(x).map(Json::Number)
}

fn boolean(value: &Json) -> Option<Json> {
    match value {
        Json::String(s) if s.eq_ignore_ascii_case("true") => Some(Json::Bool(true)),
        Json::String(s) if s.eq_ignore_ascii_case("false") => Some(Json::Bool(false)),
        _ => None,
    }
}
