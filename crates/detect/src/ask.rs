//! What a rule asks of one field: the smallest thing that is true or false of an event.

use std::borrow::Cow;

use model::{Micros, Value};

use crate::budget::Budget;
use crate::glob::Glob;
use crate::leaves::Leaf;
use crate::network::Network;
use crate::regexes::Pattern;

/// How a text must stand in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum How {
    Exact,
    Starts,
    Ends,
    Contains,
}

impl How {
    /// True when `wanted` stands so in `text`.
    pub(crate) fn holds(self, text: &str, wanted: &str) -> bool {
        match self {
            How::Exact => text == wanted,
            How::Starts => text.starts_with(wanted),
            How::Ends => text.ends_with(wanted),
            How::Contains => memchr::memmem::find(text.as_bytes(), wanted.as_bytes()).is_some(),
        }
    }
}

/// How a number must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A number of a rule, compared by its bits so that equal questions are asked once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Number(u64);

impl Number {
    /// Takes a number; the two zeros are one.
    pub(crate) fn new(number: f64) -> Self {
        Self(if number == 0.0 { 0.0_f64.to_bits() } else { number.to_bits() })
    }

    /// The number.
    pub(crate) fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// A part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TimePart {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// Text; lower-cased unless `cased`.
    Text { how: How, text: Box<str>, cased: bool },
    /// Text with wildcards; lower-cased unless `cased`.
    Glob { glob: Glob, cased: bool },
    /// A regular expression, on the value as spelled.
    Pattern(Pattern),
    /// An address in a block.
    Network(Network),
    /// A number, or text that spells one.
    Number(Order, Number),
    /// A truth value, or text that spells one.
    Bool(bool),
    /// The field is there and is not null.
    Exists,
    /// The field is absent, null or empty text.
    Null,
    /// The value of another field.
    Other { how: How, field: u32, cased: bool },
    /// A part of a time.
    Time(TimePart, Number),
}

impl Test {
    /// The rule's side of it, for people.
    pub(crate) fn spelled(&self) -> String {
        match self {
            Test::Text { how, text, .. } => match how {
                How::Exact => text.to_string(),
                How::Starts => format!("{text}*"),
                How::Ends => format!("*{text}"),
                How::Contains => format!("*{text}*"),
            },
            Test::Glob { glob, .. } => glob.spelled(),
            Test::Pattern(pattern) => pattern.source().to_owned(),
            Test::Network(network) => network.to_string(),
            Test::Number(order, number) => {
                let sign = match order {
                    Order::Equal => "",
                    Order::Less => "< ",
                    Order::LessOrEqual => "<= ",
                    Order::Greater => "> ",
                    Order::GreaterOrEqual => ">= ",
                };
                format!("{sign}{}", number.get())
            }
            Test::Bool(wanted) => wanted.to_string(),
            Test::Exists => "exists".to_owned(),
            Test::Null => "null".to_owned(),
            Test::Other { .. } => "another field".to_owned(),
            Test::Time(part, number) => format!("{part:?} {}", number.get()).to_lowercase(),
        }
    }
}

/// One value of a field, as the event has it.
#[derive(Debug, Clone)]
pub(crate) enum Content<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Null,
    /// An empty list: there, but nothing in it.
    Hollow,
}

impl<'a> Content<'a> {
    /// Takes a scalar; lists and maps are the walker's business.
    pub(crate) fn of(value: &'a Value<'a>) -> Option<Self> {
        Some(match value {
            Value::Str(text) => Content::Text(Cow::Borrowed(text)),
            Value::Int(number) => Content::Int(*number),
            Value::UInt(number) => Content::Float(*number as f64),
            Value::Float(number) => Content::Float(*number),
            Value::Bool(truth) => Content::Bool(*truth),
            Value::Null => Content::Null,
            Value::List(_) | Value::Map(_) => return None,
        })
    }

    /// Its number, or the number that its text spells.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Content::Int(number) => Some(*number as f64),
            Content::Float(number) => Some(*number),
            Content::Text(text) => number_of(text),
            _ => None,
        }
    }

    /// True for null and empty text.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Content::Null => true,
            Content::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    fn truth(&self) -> Option<bool> {
        match self {
            Content::Bool(truth) => Some(*truth),
            Content::Text(text) => {
                let is = |words: [&str; 3]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
                if is(["true", "1", "yes"]) {
                    Some(true)
                } else if is(["false", "0", "no"]) {
                    Some(false)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// Its text.
    pub(crate) fn shown(&self) -> String {
        match self {
            Content::Text(text) => text.to_string(),
            Content::Int(number) => number.to_string(),
            Content::Float(number) => number.to_string(),
            Content::Bool(truth) => truth.to_string(),
            Content::Null | Content::Hollow => String::new(),
        }
    }
}

/// Reads a number, refusing at the first byte what cannot be one.
pub(crate) fn number_of(text: &str) -> Option<f64> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) || text.len() > 400 {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

impl Test {
    /// About how many steps it takes to ask one value; expressions pay for themselves.
    fn steps(&self, leaf: &Leaf<'_>) -> u64 {
        let Content::Text(text) = &leaf.content else { return 4 };
        let length = text.len() as u64;
        match self {
            // Lower case, where it is wanted, is made once.
            Test::Text { how: How::Contains, .. } => 4 + length / 4,
            Test::Text { .. } | Test::Network(_) => 4 + length / 16,
            Test::Glob { glob, .. } => 4 + length.saturating_mul(glob.steps()) / 2,
            _ => 4,
        }
    }

    /// Asks one value, as far as the budget lets it. Questions about presence or other fields are
    /// answered by whoever knows the event.
    pub(crate) fn holds(&self, leaf: &Leaf<'_>, budget: &Budget) -> bool {
        if matches!(leaf.content, Content::Null | Content::Hollow) || !budget.pay(self.steps(leaf))
        {
            return false;
        }
        match self {
            Test::Text { how, text, cased: false } => how.holds(leaf.low(), text),
            Test::Text { how, text, cased: true } => how.holds(leaf.spelled(), text),
            Test::Glob { glob, cased: false } => glob.matches(leaf.low()),
            Test::Glob { glob, cased: true } => glob.matches(leaf.spelled()),
            Test::Pattern(pattern) => pattern.matches(leaf.spelled(), budget),
            Test::Network(network) => network.holds(leaf.spelled()),
            Test::Number(order, wanted) => leaf.content.number().is_some_and(|number| {
                let wanted = wanted.get();
                match order {
                    Order::Equal => (number - wanted).abs() < f64::EPSILON,
                    Order::Less => number < wanted,
                    Order::LessOrEqual => number <= wanted,
                    Order::Greater => number > wanted,
                    Order::GreaterOrEqual => number >= wanted,
                }
            }),
            Test::Bool(wanted) => leaf.content.truth() == Some(*wanted),
            Test::Time(part, wanted) => time_part(&leaf.content, *part)
                .is_some_and(|number| (number - wanted.get()).abs() < f64::EPSILON),
            Test::Exists => true,
            Test::Null | Test::Other { .. } => false,
        }
    }
}

/// A part of a value's time in UTC. Numbers are seconds, or milliseconds when they are too big
/// for seconds.
fn time_part(content: &Content<'_>, part: TimePart) -> Option<f64> {
    let seconds = |number: i64| {
        let seconds = if number > 1_000_000_000_000 { number / 1_000 } else { number };
        jiff::Timestamp::from_second(seconds).ok()
    };
    let instant = match content {
        Content::Int(number) => seconds(*number)?,
        Content::Float(number) => seconds(*number as i64)?,
        Content::Text(text) => match text.parse::<Micros>() {
            Ok(time) => jiff::Timestamp::from_microsecond(time.0).ok()?,
            Err(_) => text
                .parse::<jiff::civil::DateTime>()
                .ok()?
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()?
                .timestamp(),
        },
        _ => return None,
    };
    let zoned = instant.to_zoned(jiff::tz::TimeZone::UTC);
    Some(match part {
        TimePart::Minute => f64::from(zoned.minute()),
        TimePart::Hour => f64::from(zoned.hour()),
        TimePart::Day => f64::from(zoned.day()),
        TimePart::Week => f64::from(zoned.date().iso_week_date().week()),
        TimePart::Month => f64::from(zoned.month()),
        TimePart::Year => f64::from(zoned.year()),
    })
}
