//! Conditions: what `when` says about a record.
//!
//! A map is "all of these", a list "any of these". A key is an expression, after a last `|` an
//! operator; a value is one word or a list of words of which one must fit. Words are compared blind
//! to ASCII case; a field that is a list fits when one of its elements does.

use std::net::IpAddr;

use model::Value;
use regex::Regex;

use crate::diagnostic::{Reporter, Span, did_you_mean, nearest};
use crate::expr::{Expr, Scene, all, any, regex};
use crate::names::Names;
use crate::value::Val;
use crate::words::{Table, begins, ends, holds};
use crate::yaml::{Kind, Node};

/// A compiled condition.
#[derive(Debug)]
pub(crate) enum Condition {
    Always,
    All(Box<[Condition]>),
    Any(Box<[Condition]>),
    Not(Box<Condition>),
    Test(Box<Expr>, Op),
}

/// What is asked of a value.
#[derive(Debug)]
pub(crate) enum Op {
    Exists(bool),
    Is(Table<()>),
    StartsWith(Box<[Box<str>]>),
    EndsWith(Box<[Box<str>]>),
    Contains(Box<[Box<str>]>),
    Regex(Box<[Regex]>),
    Cidr(Box<[(u128, u32)]>),
    Compare(Comparison, f64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The operators, for messages.
const OPERATORS: [&str; 10] =
    ["startswith", "endswith", "contains", "re", "cidr", "exists", "lt", "lte", "gt", "gte"];

impl Condition {
    /// Whether it holds.
    pub(crate) fn holds<'r>(&'r self, scene: &Scene<'_, 'r>) -> bool {
        match self {
            Condition::Always => true,
            Condition::All(all) => all.iter().all(|c| c.holds(scene)),
            Condition::Any(any) => any.iter().any(|c| c.holds(scene)),
            Condition::Not(not) => !not.holds(scene),
            Condition::Test(expr, op) => op.fits(&expr.eval(scene)),
        }
    }

    /// Whether it may hold when none of its slots has a value, as [`Expr::needs`] says it.
    pub(crate) fn needs(&self, slots: &mut Vec<u16>) -> bool {
        match self {
            Condition::Always | Condition::Not(_) | Condition::Test(_, Op::Exists(false)) => true,
            Condition::All(parts) => all(parts, slots, Condition::needs),
            Condition::Any(parts) => any(parts, slots, Condition::needs),
            Condition::Test(expr, _) => expr.needs(slots),
        }
    }

    /// How much it asks: of two shapes that fit, the one that asks more knows the record better.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Condition::Always => 0,
            Condition::All(all) => all.iter().map(Condition::weight).sum(),
            Condition::Any(any) => any.iter().map(Condition::weight).min().unwrap_or(0),
            Condition::Not(_) | Condition::Test(..) => 1,
        }
    }
}

impl Op {
    pub(crate) fn fits(&self, val: &Val<'_>) -> bool {
        match self {
            Op::Exists(wanted) => val.is_none() != *wanted,
            _ => match val {
                Val::None => false,
                Val::Ref(Value::List(items)) | Val::Owned(Value::List(items)) => {
                    items.iter().any(|item| self.fits_one(&Val::Ref(item)))
                }
                one => self.fits_one(one),
            },
        }
    }

    fn fits_one(&self, val: &Val<'_>) -> bool {
        match self {
            Op::Exists(wanted) => *wanted,
            Op::Is(table) => table.val(val).is_some(),
            Op::StartsWith(words) => on_text(val, |t| words.iter().any(|w| begins(t, w))),
            Op::EndsWith(words) => on_text(val, |t| words.iter().any(|w| ends(t, w))),
            Op::Contains(words) => on_text(val, |t| words.iter().any(|w| holds(t, w))),
            Op::Regex(all) => on_text(val, |t| all.iter().any(|r| r.is_match(t))),
            Op::Cidr(nets) => on_text(val, |t| {
                let Ok(address) = t.trim().parse::<IpAddr>() else { return false };
                let bits = number(address);
                nets.iter().any(|(net, length)| prefix(bits, *length) == *net)
            }),
            Op::Compare(how, than) => val.float().is_some_and(|x| match how {
                Comparison::Less => x < *than,
                Comparison::AtMost => x <= *than,
                Comparison::More => x > *than,
                Comparison::AtLeast => x >= *than,
            }),
        }
    }
}

fn on_text(val: &Val<'_>, of: impl FnOnce(&str) -> bool) -> bool {
    match val.as_str() {
        Some(text) => of(text),
        None => val.clone().text().is_some_and(|t| of(&t)),
    }
}

/// An address as a number; IPv4 as IPv6 writes it.
fn number(address: IpAddr) -> u128 {
    u128::from(match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    })
}

fn prefix(bits: u128, length: u32) -> u128 {
    if length == 0 { 0 } else { bits >> (128 - length) << (128 - length) }
}

fn network(text: &str) -> Option<(u128, u32)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.trim().parse().ok()?;
    let length: u32 = length.trim().parse().ok()?;
    let (most, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    (length <= most).then(|| (prefix(number(address), length + before), length + before))
}

/// Compiles a `when`; no node is no condition.
pub(crate) fn compile(
    node: Option<&Node>,
    names: &mut Names,
    reporter: &mut Reporter<'_>,
) -> Option<Condition> {
    let Some(node) = node else { return Some(Condition::Always) };
    match &node.kind {
        Kind::List(items) => {
            let any: Option<Vec<_>> =
                items.iter().map(|item| compile(Some(item), names, reporter)).collect();
            Some(Condition::Any(any?.into()))
        }
        Kind::Map(entries) => {
            let mut all = Vec::new();
            let mut sound = true;
            for (key, value) in entries {
                let part = match key.text.as_str() {
                    // Of a map, too, any one is enough, and of a list all.
                    "any" => compile(Some(value), names, reporter).map(|c| match c {
                        Condition::All(parts) => Condition::Any(parts),
                        other => other,
                    }),
                    "all" => compile(Some(value), names, reporter).map(|c| match c {
                        Condition::Any(parts) => Condition::All(parts),
                        other => other,
                    }),
                    "not" => {
                        compile(Some(value), names, reporter).map(|c| Condition::Not(Box::new(c)))
                    }
                    text => test(text, key.span, value, names, reporter),
                };
                sound &= part.is_some();
                all.extend(part);
            }
            if !sound {
                return None;
            }
            Some(match (all.len(), all.pop()) {
                (1, Some(one @ Condition::Test(..))) => one,
                (_, last) => {
                    all.extend(last);
                    Condition::All(all.into())
                }
            })
        }
        Kind::Scalar { .. } => {
            let help =
                "write `when: {field: word}`, `when: {field: [one, other]}` or a list of such maps";
            reporter.add(
                "S006",
                node.span,
                "a condition is a map or a list",
                "this is a text",
                help,
            );
            None
        }
    }
}

/// Splits the operator off a key.
pub(crate) fn operator(key: &str) -> (&str, Option<&str>) {
    match key.rsplit_once('|') {
        Some((field, word)) if word.chars().all(|c| c.is_ascii_lowercase()) => (field, Some(word)),
        _ => (key, None),
    }
}

fn test(
    key: &str,
    at: Span,
    value: &Node,
    names: &mut Names,
    reporter: &mut Reporter<'_>,
) -> Option<Condition> {
    let (field, operator) = operator(key);
    let expr = names.path(field, at, reporter)?;
    let words = words_of(value, reporter)?;
    let op = match operator {
        None if value.is_null() => Op::Exists(false),
        None => Op::Is(table(&words, reporter)),
        Some(operator) => asked(operator, at, value, &words, reporter)?,
    };
    Some(Condition::Test(Box::new(expr), op))
}

/// The words that a field is held against, with their places.
type Words<'n> = Vec<(&'n str, Span)>;

fn words_of<'n>(value: &'n Node, reporter: &mut Reporter<'_>) -> Option<Words<'n>> {
    let mut words = Vec::new();
    for item in value.items() {
        if let Some(text) = item.as_text() {
            words.push((text, item.inner()));
        } else {
            let label = format!("this is {}", item.what());
            let help = "`any:`, `all:` and `not:` hold conditions; a field holds words";
            reporter.add("S006", item.span, "a word or a list of words is expected", label, help);
            return None;
        }
    }
    Some(words)
}

fn table(words: &[(&str, Span)], reporter: &mut Reporter<'_>) -> Table<()> {
    let mut table = Table::new();
    for (word, at) in words {
        if !table.add(word, ()) {
            let title = format!("`{word}` is given twice");
            reporter.add("S005", *at, title, "again here", "keep one of them");
        }
    }
    table
}

/// What an operator asks.
fn asked(
    operator: &str,
    at: Span,
    value: &Node,
    words: &[(&str, Span)],
    reporter: &mut Reporter<'_>,
) -> Option<Op> {
    let texts = || words.iter().map(|(t, _)| (*t).into()).collect();
    Some(match operator {
        "startswith" => Op::StartsWith(texts()),
        "endswith" => Op::EndsWith(texts()),
        "contains" => {
            Op::Contains(words.iter().map(|(t, _)| t.to_ascii_lowercase().into()).collect())
        }
        "exists" => match words {
            [("true", _)] => Op::Exists(true),
            [("false", _)] => Op::Exists(false),
            _ => {
                reporter.add("S006", value.span, "`exists` is true or false", "not this", "");
                return None;
            }
        },
        "re" => {
            let mut all = Vec::new();
            for (word, at) in words {
                match regex(word) {
                    Ok(compiled) => all.push(compiled),
                    Err(why) => {
                        reporter.add("S010", *at, "a bad regular expression", why, "");
                        return None;
                    }
                }
            }
            Op::Regex(all.into())
        }
        "cidr" => {
            let mut nets = Vec::new();
            for (word, at) in words {
                if let Some(net) = network(word) {
                    nets.push(net);
                } else {
                    let help = "write it like 10.0.0.0/8 or fe80::/10";
                    reporter.add("S006", *at, "not a network", "this", help);
                    return None;
                }
            }
            Op::Cidr(nets.into())
        }
        how @ ("lt" | "lte" | "gt" | "gte") => {
            let than = match words {
                [(word, _)] => word.parse::<f64>().ok().filter(|x| x.is_finite()),
                _ => None,
            };
            let Some(than) = than else {
                reporter.add("S006", value.span, "one number is expected", "not this", "");
                return None;
            };
            let how = match how {
                "lt" => Comparison::Less,
                "lte" => Comparison::AtMost,
                "gt" => Comparison::More,
                _ => Comparison::AtLeast,
            };
            Op::Compare(how, than)
        }
        other => {
            let near = nearest(other, OPERATORS.into_iter());
            let help = match did_you_mean(&near) {
                help if help.is_empty() => format!("the operators are {}", OPERATORS.join(", ")),
                help => help,
            };
            reporter.add(
                "S016",
                at,
                format!("there is no operator `{other}`"),
                "in this key",
                help,
            );
            return None;
        }
    })
}
