//! Saved hunts: questions worth asking again, with what they look for and why. They are content:
//! `content/hunts/<slug>.yml`.

use std::collections::HashMap;

use datafusion::common::ScalarValue;
use model::{Micros, Technique};
use serde::Deserialize;

use crate::error::{HuntError, Kind};

/// A saved hunt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedHunt {
    /// Its name on the command line: lower-case words with `-` between.
    pub name: String,
    /// What it finds, in a line.
    pub title: String,
    /// Why it matters, what it looks at, what its false alarms are.
    pub explanation: String,
    /// ATT&CK techniques.
    pub techniques: Vec<Technique>,
    /// What can be set.
    pub parameters: Vec<Parameter>,
    /// The query; parameters stand in it as `$name`.
    pub sql: String,
}

/// Something that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, as in `$name`.
    pub name: String,
    /// What it means.
    pub about: String,
    /// What it may be.
    pub kind: ParameterKind,
    /// Its value when none is given; it must be given when there is none.
    pub default: Option<String>,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An instant in RFC 3339.
    Time,
    /// A span such as `1h`.
    Span,
}

/// A value for a place in a query.
pub type Value = ScalarValue;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    name: String,
    title: String,
    #[serde(default)]
    techniques: Vec<String>,
    explanation: String,
    #[serde(default)]
    parameters: Vec<ParameterForm>,
    sql: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterForm {
    name: String,
    #[serde(rename = "type")]
    kind: ParameterKind,
    about: String,
    default: Option<yaml_serde::Value>,
}

/// A mistake in the YAML, with the line that it stands in and a caret.
fn pointed(error: &yaml_serde::Error, text: &str) -> String {
    let Some(place) = error.location() else { return error.to_string() };
    let line = text.lines().nth(place.line().saturating_sub(1)).unwrap_or_default();
    let line: String =
        line.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let column = place.column().saturating_sub(1).min(line.chars().count());
    let (number, indent) = (place.line().to_string(), " ".repeat(column));
    let margin = " ".repeat(number.len());
    format!("{error}\n {number} | {line}\n {margin} | {indent}^")
}

impl SavedHunt {
    /// Reads the text of one file. `path` is for the message.
    pub fn read(path: &str, text: &str) -> Result<Self, HuntError> {
        let bad = |why: String| HuntError::new(Kind::Hunt, format!("{path}: {why}"));
        let form: FileForm =
            yaml_serde::from_str(text).map_err(|error| bad(pointed(&error, text)))?;
        let mut techniques = Vec::new();
        for text in &form.techniques {
            match Technique::from_tag(text) {
                Some(technique) => techniques.push(technique),
                None => return Err(bad(format!("`{text}` is not a technique such as T1059.001"))),
            }
        }
        let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if form.name.is_empty() || !form.name.chars().all(slug) {
            return Err(bad(format!("`{}` is not a name: use a-z, 0-9 and `-`", form.name)));
        }
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
        if file.rsplit_once('.').is_some_and(|(stem, _)| stem != form.name) {
            return Err(bad(format!("the file should be `{}.yml`, after its name", form.name)));
        }
        let mut parameters: Vec<Parameter> = Vec::new();
        for parameter in form.parameters {
            let default = parameter.default.as_ref().map(spell).transpose().map_err(&bad)?;
            let parameter = Parameter {
                name: parameter.name,
                about: parameter.about,
                kind: parameter.kind,
                default,
            };
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if parameter.name.is_empty() || !parameter.name.chars().all(word) {
                return Err(bad(format!("`{}` is not a parameter's name", parameter.name)));
            }
            if parameters.iter().any(|other| other.name == parameter.name) {
                return Err(bad(format!("the parameter `{}` is there twice", parameter.name)));
            }
            if let Some(default) = &parameter.default {
                parameter.value(default).map_err(|error| bad(error.message))?;
            }
            if !form.sql.contains(&format!("${}", parameter.name)) {
                return Err(bad(format!("the query does not use `${}`", parameter.name)));
            }
            parameters.push(parameter);
        }
        let (title, explanation, sql) = (form.title, form.explanation, form.sql);
        for (what, text) in [("title", &title), ("explanation", &explanation), ("sql", &sql)] {
            if text.trim().is_empty() {
                return Err(bad(format!("`{what}` is empty")));
            }
        }
        Ok(Self { name: form.name, title, explanation, techniques, parameters, sql })
    }

    /// Values for the query: those given, the defaults for the rest. What is given must be a
    /// parameter and fit its kind.
    pub fn values(
        &self,
        given: &[(String, String)],
    ) -> Result<HashMap<String, ScalarValue>, HuntError> {
        let names: Vec<&str> = self.parameters.iter().map(|p| p.name.as_str()).collect();
        for (name, _) in given {
            if !names.contains(&name.as_str()) {
                let known = match names.as_slice() {
                    [] => "it takes none".to_owned(),
                    names => format!("it takes {}", names.join(", ")),
                };
                let message = format!("the hunt `{}` has no parameter `{name}`", self.name);
                return Err(HuntError::new(Kind::Hunt, message).hint(known));
            }
        }
        let mut values = HashMap::new();
        for parameter in &self.parameters {
            let text = given
                .iter()
                .rev()
                .find(|(name, _)| *name == parameter.name)
                .map(|(_, value)| value)
                .or(parameter.default.as_ref());
            let Some(text) = text else {
                let message = format!(
                    "the hunt `{}` needs `{}`: {}",
                    self.name, parameter.name, parameter.about
                );
                return Err(HuntError::new(Kind::Hunt, message));
            };
            values.insert(parameter.name.clone(), parameter.value(text)?);
        }
        Ok(values)
    }
}

impl Parameter {
    /// A text as a value of the parameter's kind.
    fn value(&self, text: &str) -> Result<ScalarValue, HuntError> {
        let bad = |expected: &str| {
            let message = format!("`{}` must be {expected}, not `{text}`", self.name);
            HuntError::new(Kind::Hunt, message)
        };
        match self.kind {
            ParameterKind::Text => Ok(ScalarValue::Utf8(Some(text.to_owned()))),
            ParameterKind::Integer => {
                let number = text.trim().parse().map_err(|_| bad("a whole number"))?;
                Ok(ScalarValue::Int64(Some(number)))
            }
            ParameterKind::Number => {
                let number: f64 = text.trim().parse().map_err(|_| bad("a number"))?;
                Ok(ScalarValue::Float64(Some(number)))
            }
            ParameterKind::Boolean => {
                let truth = text.trim().parse().map_err(|_| bad("`true` or `false`"))?;
                Ok(ScalarValue::Boolean(Some(truth)))
            }
            ParameterKind::Time => {
                let time: Micros =
                    text.trim().parse().map_err(|_| bad("a time such as 2026-11-22T13:00:00Z"))?;
                Ok(ScalarValue::TimestampMicrosecond(Some(time.0), Some("UTC".into())))
            }
            ParameterKind::Span => match crate::functions::read_span(text) {
                Some(_) => Ok(ScalarValue::Utf8(Some(text.to_owned()))),
                None => Err(bad("a span such as 15m, 1h or 7d")),
            },
        }
    }
}

fn spell(value: &yaml_serde::Value) -> Result<String, String> {
    match value {
        yaml_serde::Value::String(text) => Ok(text.clone()),
        yaml_serde::Value::Number(number) => Ok(number.to_string()),
        yaml_serde::Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err("a default is a text, a number, true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    const GOOD: &str = "
name: a-hunt
title: A hunt
techniques: [T1059.001]
explanation: Why.
parameters:
  - {name: n, type: integer, about: how many, default: 3}
  - {name: host, type: text, about: where}
sql: SELECT 1 WHERE 1 > $n AND 'x' = $host
";

    #[test]
    fn a_hunt_is_read_and_its_values_bound() {
        let hunt = SavedHunt::read("hunts/a-hunt.yml", GOOD).unwrap();
        let given = [("host".to_owned(), "x' OR 1=1 --".to_owned())];
        let values = hunt.values(&given).unwrap();
        assert_eq!(values["n"], ScalarValue::Int64(Some(3)));
        assert_eq!(values["host"], ScalarValue::Utf8(Some("x' OR 1=1 --".to_owned())));
        assert!(hunt.values(&[]).unwrap_err().message.contains("needs `host`"));
        let wrong = [("host".to_owned(), String::new()), ("n".to_owned(), "three".to_owned())];
        assert!(hunt.values(&wrong).unwrap_err().message.contains("whole number"));
        assert!(hunt.values(&[("who".to_owned(), String::new())]).is_err());
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            (GOOD.replace("T1059.001", "T1"), "not a technique"),
            (GOOD.replace("name: a-hunt", "name: A hunt"), "not a name"),
            (GOOD.replace("name: a-hunt", "name: b-hunt"), "the file should be"),
            (GOOD.replace("default: 3", "default: three"), "whole number"),
            (GOOD.replace("> $n", "> 0"), "does not use"),
            (GOOD.replace("name: host", "name: n"), "twice"),
            (GOOD.replace("title", "titel"), "titel"),
            (GOOD.replace("Why.", "''"), "empty"),
        ];
        for (text, expected) in cases {
            let error = SavedHunt::read("hunts/a-hunt.yml", &text).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
