//! From a line of a rule (`Field|modifier: values`) to questions.

use rsigma_parser::value::{SpecialChar, StringPart};
use rsigma_parser::{FieldSpec, Modifier, SigmaString, SigmaValue};

use crate::ask::{How, Number, Order, Test, TimePart};
use crate::encode::{base64, base64_offsets, utf16};
use crate::expr::Expr;
use crate::glob::{DASHES, Glob, Step};
use crate::network::Network;
use crate::problem::Fault;
use crate::regexes::{Pattern, PatternError};
use crate::table::{KEYWORDS, Table};

/// Values for `%placeholder%`s of the `expand` modifier.
pub type Placeholders = std::collections::BTreeMap<String, Vec<String>>;

/// Turns the values of one line into a tree of questions about the field.
pub(crate) fn compile(
    table: &mut Table,
    placeholders: &Placeholders,
    field: u32,
    spec: &FieldSpec,
    values: &[SigmaValue],
) -> Result<Expr, Fault> {
    let near = spec.name.as_deref().unwrap_or_default();
    let has = |modifier| spec.has_modifier(modifier);
    check_modifiers(spec)?;
    let exists = Expr::Ask(table.ask(field, Test::Exists));
    if has(Modifier::Exists) {
        return Ok(match values.first() {
            Some(SigmaValue::Bool(false)) => Expr::Not(Box::new(exists)),
            Some(SigmaValue::String(text)) if matches!(text.original.as_str(), "false" | "no") => {
                Expr::Not(Box::new(exists))
            }
            _ => exists,
        });
    }
    if values.is_empty() {
        return Err(Fault::new("rule/value", "the list of values is empty", near));
    }
    let item = Item { field, spec, placeholders };
    let mut parts = Vec::with_capacity(values.len());
    for value in values {
        parts.push(item.value(table, value)?);
    }
    let whole = if has(Modifier::All) { Expr::all(parts) } else { Expr::any(parts) };
    Ok(if has(Modifier::Neq) { Expr::all(vec![exists, Expr::Not(Box::new(whole))]) } else { whole })
}

/// What stands before the value.
struct Item<'s> {
    field: u32,
    spec: &'s FieldSpec,
    placeholders: &'s Placeholders,
}

impl Item<'_> {
    fn has(&self, modifier: Modifier) -> bool {
        self.spec.has_modifier(modifier)
    }

    fn how(&self) -> How {
        // Keywords stand anywhere in a text.
        let keyword = self.field == KEYWORDS;
        if self.has(Modifier::StartsWith) {
            How::Starts
        } else if self.has(Modifier::EndsWith) {
            How::Ends
        } else if self.has(Modifier::Contains) || keyword {
            How::Contains
        } else {
            How::Exact
        }
    }

    fn ask(&self, table: &mut Table, test: Test) -> Expr {
        Expr::Ask(table.ask(self.field, test))
    }

    fn value(&self, table: &mut Table, value: &SigmaValue) -> Result<Expr, Fault> {
        if self.has(Modifier::Expand) {
            return self.expanded(table, value);
        }
        if let Some((part, _)) = TIME_PARTS.iter().find(|(_, modifier)| self.has(*modifier)) {
            let number = number_of(value)?;
            return Ok(self.ask(table, Test::Time(*part, number)));
        }
        if self.has(Modifier::FieldRef) {
            let name = text_of(value)?;
            let field = table.field(&name);
            let cased = self.has(Modifier::Cased);
            return Ok(self.ask(table, Test::Other { how: self.how(), field, cased }));
        }
        if self.has(Modifier::Re) {
            return self.regex(table, value);
        }
        if self.has(Modifier::Cidr) {
            let text = text_of(value)?;
            let network = Network::parse(&text).ok_or_else(|| {
                Fault::new("rule/cidr", format!("`{text}` is not an address block"), &text)
            })?;
            return Ok(self.ask(table, Test::Network(network)));
        }
        if let Some((order, _)) = ORDERS.iter().find(|(_, modifier)| self.has(*modifier)) {
            let number = number_of(value)?;
            return Ok(self.ask(table, Test::Number(*order, number)));
        }
        match value {
            SigmaValue::String(text) => self.string(table, text),
            SigmaValue::Integer(_) | SigmaValue::Float(_) if self.how() == How::Exact => {
                let number = number_of(value)?;
                Ok(self.ask(table, Test::Number(Order::Equal, number)))
            }
            SigmaValue::Integer(_) | SigmaValue::Float(_) => {
                let text = text_of(value)?;
                Ok(self.plain(table, &text))
            }
            SigmaValue::Bool(truth) => Ok(self.ask(table, Test::Bool(*truth))),
            SigmaValue::Null => Ok(self.ask(table, Test::Null)),
        }
    }

    fn regex(&self, table: &mut Table, value: &SigmaValue) -> Result<Expr, Fault> {
        let source = text_of(value)?;
        let pattern = Pattern::new(
            &source,
            self.has(Modifier::IgnoreCase),
            self.has(Modifier::Multiline),
            self.has(Modifier::DotAll),
        )
        .map_err(|error| {
            let why = match error {
                PatternError::Syntax(why) => why,
                PatternError::TooBig => "it would take more than ten megabytes".to_owned(),
            };
            Fault::new("rule/regex", format!("the expression cannot be used: {why}"), &source)
        })?;
        Ok(self.ask(table, Test::Pattern(pattern)))
    }

    /// `expand`: each `%name%` stands for the values that the name was given.
    fn expanded(&self, table: &mut Table, value: &SigmaValue) -> Result<Expr, Fault> {
        let source = match value {
            SigmaValue::String(text) => text.original.clone(),
            other => text_of(other)?,
        };
        let mut texts = vec![String::new()];
        let mut rest = source.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            let known = after.split_once('%');
            let Some((name, tail)) = known else { break };
            let values = self.placeholders.get(name).filter(|values| !values.is_empty());
            let Some(values) = values else {
                let why = format!("no values are given for the placeholder %{name}%");
                return Err(Fault::new("rule/placeholder", why, &source));
            };
            texts = texts
                .iter()
                .flat_map(|text| values.iter().map(move |v| format!("{text}{before}{v}")))
                .take(MOST_EXPANSIONS + 1)
                .collect();
            if texts.len() > MOST_EXPANSIONS {
                return Err(Fault::new("rule/placeholder", "too many combinations", &source));
            }
            rest = tail;
        }
        let parts: Result<Vec<Expr>, Fault> = texts
            .into_iter()
            .map(|text| self.string(table, &SigmaString::new(&format!("{text}{rest}"))))
            .collect();
        Ok(Expr::any(parts?))
    }

    /// Text: encodings first, then dashes, then wildcards.
    fn string(&self, table: &mut Table, text: &SigmaString) -> Result<Expr, Fault> {
        let encoded = [Modifier::Base64, Modifier::Base64Offset, Modifier::Utf16]
            .into_iter()
            .any(|modifier| self.has(modifier));
        let wide = self.has(Modifier::Wide);
        let big = self.has(Modifier::Utf16be);
        if encoded || wide || big {
            let plain = text.as_plain().unwrap_or_else(|| text.original.clone());
            let bytes = if wide || big || self.has(Modifier::Utf16) {
                utf16(&plain, big, self.has(Modifier::Utf16))
            } else {
                plain.clone().into_bytes()
            };
            if self.has(Modifier::Base64Offset) {
                let asks = base64_offsets(&bytes)
                    .into_iter()
                    .map(|text| self.text(table, How::Contains, &text))
                    .collect();
                return Ok(Expr::any(asks));
            }
            if self.has(Modifier::Base64) {
                return Ok(self.plain(table, &base64(&bytes)));
            }
            let spelled = String::from_utf8(bytes).map_err(|_| {
                Fault::new("rule/modifier", "utf16 makes sense before base64 alone", &plain)
            })?;
            return Ok(self.plain(table, &spelled));
        }
        let runs = runs(text, self.has(Modifier::WindAsh));
        if let Some(plain) = plain_of(&runs) {
            return Ok(self.plain(table, &plain));
        }
        if runs.iter().any(|run| run.len() > STEPS) {
            let message = format!("it has more than {STEPS} pieces without a `*` between them");
            return Err(Fault::new("rule/wildcards", message, &text.original));
        }
        let how = self.how();
        let mut glob = Glob::new(runs);
        if matches!(how, How::Contains | How::Ends) {
            glob = glob.open_start();
        }
        if matches!(how, How::Contains | How::Starts) {
            glob = glob.open_end();
        }
        if let Some((how, plain)) = glob.as_text() {
            return Ok(self.text(table, how, &plain));
        }
        let cased = self.has(Modifier::Cased);
        let glob = if cased { glob } else { glob.lower() };
        Ok(self.ask(table, Test::Glob { glob, cased }))
    }

    fn plain(&self, table: &mut Table, text: &str) -> Expr {
        self.text(table, self.how(), text)
    }

    fn text(&self, table: &mut Table, how: How, text: &str) -> Expr {
        let cased = self.has(Modifier::Cased);
        let text = if cased { text.into() } else { text.to_lowercase().into() };
        self.ask(table, Test::Text { how, text, cased })
    }
}

/// Texts that one value may become by `expand`.
const MOST_EXPANSIONS: usize = 10_000;

/// Texts, `?`s and dashes that may stand together without a `*`: in the worst case all of them are
/// tried at every place of a value, and values may be as long as an attacker likes.
const STEPS: usize = 256;

const TIME_PARTS: [(TimePart, Modifier); 6] = [
    (TimePart::Minute, Modifier::Minute),
    (TimePart::Hour, Modifier::Hour),
    (TimePart::Day, Modifier::Day),
    (TimePart::Week, Modifier::Week),
    (TimePart::Month, Modifier::Month),
    (TimePart::Year, Modifier::Year),
];

const ORDERS: [(Order, Modifier); 4] = [
    (Order::Greater, Modifier::Gt),
    (Order::GreaterOrEqual, Modifier::Gte),
    (Order::Less, Modifier::Lt),
    (Order::LessOrEqual, Modifier::Lte),
];

/// The text of a value that a modifier takes as it stands.
fn text_of(value: &SigmaValue) -> Result<String, Fault> {
    match value {
        SigmaValue::String(text) => Ok(text.as_plain().unwrap_or_else(|| text.original.clone())),
        SigmaValue::Integer(number) => Ok(number.to_string()),
        SigmaValue::Float(number) => Ok(number.to_string()),
        SigmaValue::Bool(truth) => Ok(truth.to_string()),
        SigmaValue::Null => Err(Fault::new("rule/value", "this modifier needs a text", "null")),
    }
}

fn number_of(value: &SigmaValue) -> Result<Number, Fault> {
    let number = match value {
        SigmaValue::Integer(number) => Some(*number as f64),
        SigmaValue::Float(number) => Some(*number),
        SigmaValue::String(text) => text.original.trim().parse().ok(),
        SigmaValue::Bool(_) | SigmaValue::Null => None,
    };
    number.map(Number::new).ok_or_else(|| {
        let near = value.to_string();
        Fault::new("rule/number", format!("`{near}` is not a number"), &near)
    })
}

/// Cuts a value at its `*`s, and marks the dashes of `windash`.
fn runs(text: &SigmaString, windash: bool) -> Vec<Vec<Step>> {
    let mut runs = vec![Vec::new()];
    for part in &text.parts {
        let Some(run) = runs.last_mut() else { break };
        match part {
            StringPart::Plain(text) if windash => dashes(text, run),
            StringPart::Plain(text) => run.push(Step::Text(text.as_str().into())),
            StringPart::Special(SpecialChar::WildcardSingle) => run.push(Step::One),
            StringPart::Special(SpecialChar::WildcardMulti) => runs.push(Vec::new()),
        }
    }
    runs
}

/// A dash or slash that begins a word (pySigma's `\B[-/]\b`) stands for any of [`DASHES`].
fn dashes(text: &str, run: &mut Vec<Step>) {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut plain = String::new();
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let begins_word = !before.is_some_and(word) && chars.peek().copied().is_some_and(word);
        if DASHES.contains(&c) && begins_word {
            if !plain.is_empty() {
                run.push(Step::Text(std::mem::take(&mut plain).into()));
            }
            run.push(Step::Dash);
        } else {
            plain.push(c);
        }
        before = Some(c);
    }
    if !plain.is_empty() {
        run.push(Step::Text(plain.into()));
    }
}

/// The whole text, when there is nothing but text.
fn plain_of(runs: &[Vec<Step>]) -> Option<String> {
    let [run] = runs else { return None };
    run.iter()
        .map(|step| match step {
            Step::Text(text) => Some(text.as_ref()),
            Step::One | Step::Dash => None,
        })
        .collect()
}

/// Refuses modifiers that contradict each other, so that no part of a rule is silently ignored.
fn check_modifiers(spec: &FieldSpec) -> Result<(), Fault> {
    use Modifier as M;
    let near = spec.name.as_deref().unwrap_or_default();
    let among = |set: &[Modifier]| -> Vec<String> {
        let given = spec.modifiers.iter().filter(|modifier| set.contains(modifier));
        given.map(|modifier| format!("|{modifier:?}").to_lowercase()).collect()
    };
    let refuse = |what: &[String], why: &str| {
        Err(Fault::new("rule/modifier", format!("{}: {why}", what.join(" and ")), near))
    };
    let strings = among(&[M::Contains, M::StartsWith, M::EndsWith]);
    let others = among(&[
        M::Re,
        M::Cidr,
        M::Exists,
        M::Gt,
        M::Gte,
        M::Lt,
        M::Lte,
        M::Minute,
        M::Hour,
        M::Day,
        M::Week,
        M::Month,
        M::Year,
    ]);
    let reference = among(&[M::FieldRef]);
    let operators: Vec<String> = match (strings.len(), reference.len()) {
        (1, 1) => [reference.clone(), others.clone()].concat(),
        _ => [strings, reference.clone(), others.clone()].concat(),
    };
    if operators.len() > 1 {
        return refuse(&operators, "only one of them can decide how values compare");
    }
    let widths = among(&[M::Wide, M::Utf16, M::Utf16be]);
    if widths.len() > 1 {
        return refuse(&widths, "a value has one UTF-16 form");
    }
    let encodings = among(&[M::Base64, M::Base64Offset]);
    if encodings.len() > 1 {
        return refuse(&encodings, "a value is encoded once");
    }
    let changes =
        among(&[M::Base64, M::Base64Offset, M::Wide, M::Utf16, M::Utf16be, M::WindAsh, M::Expand]);
    if !changes.is_empty() && others.len() + reference.len() > 0 {
        return refuse(&[changes, others, reference].concat(), "the first changes text alone");
    }
    let flags = among(&[M::IgnoreCase, M::Multiline, M::DotAll]);
    if !flags.is_empty() && !spec.has_modifier(M::Re) {
        return refuse(&flags, "a flag of |re, which is not there");
    }
    Ok(())
}
