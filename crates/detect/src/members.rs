//! Questions about the members of a list (`field[any]:` and its kin, Sigma 3). Rare, so asked
//! plainly: paths are walked for each question.

use std::borrow::Cow;

use model::Value;
use rsigma_parser::ArrayQuantifier;

use crate::ask::{Content, Test};
use crate::expr::{Expr, Members};
use crate::leaves::Leaf;
use crate::table::{ITSELF, Table};

/// True when so many members of the list satisfy the body.
pub(crate) fn holds(members: &Members, value: &Value<'_>, table: &Table) -> bool {
    let mut found = Vec::new();
    resolve(value, &members.field, &mut found);
    let mut list: Vec<&Value<'_>> = Vec::new();
    for value in found {
        match value {
            Value::List(inner) => list.extend(inner),
            other => list.push(other),
        }
    }
    let holds = |member: &&Value<'_>| satisfies(&members.body, member, table);
    match members.quantifier {
        ArrayQuantifier::Any => list.iter().any(holds),
        ArrayQuantifier::All => !list.is_empty() && list.iter().all(holds),
        ArrayQuantifier::AllOrEmpty => list.iter().all(holds),
        ArrayQuantifier::None => !list.iter().any(holds),
    }
}

fn satisfies(expr: &Expr, member: &Value<'_>, table: &Table) -> bool {
    match expr {
        Expr::Fixed(truth) => *truth,
        Expr::Not(part) => !satisfies(part, member, table),
        Expr::All(parts) => parts.iter().all(|part| satisfies(part, member, table)),
        Expr::Any(parts) => parts.iter().any(|part| satisfies(part, member, table)),
        Expr::AtLeast(count, parts) => {
            parts.iter().filter(|part| satisfies(part, member, table)).count() >= *count as usize
        }
        Expr::Members(number) => {
            table.get_members(*number).is_some_and(|inner| holds(inner, member, table))
        }
        Expr::Ask(ask) => {
            let Some(ask) = table.get(*ask) else { return false };
            let values = values(member, ask.field, table);
            match &ask.test {
                Test::Exists => values.iter().any(|value| **value != Value::Null),
                Test::Null => values.iter().all(|value| match value {
                    Value::List(list) => !list.is_empty() && list.iter().all(Value::is_empty),
                    value => value.is_empty(),
                }),
                Test::Other { how, field, cased } => {
                    self::values(member, *field, table).iter().any(|other| {
                        text(other).is_some_and(|wanted| {
                            values.iter().any(|value| compare(value, *how, &wanted, *cased))
                        })
                    })
                }
                test => values.iter().any(|value| asks(test, value)),
            }
        }
    }
}

fn values<'v>(member: &'v Value<'v>, field: u32, table: &Table) -> Vec<&'v Value<'v>> {
    if field == ITSELF {
        return vec![member];
    }
    let mut found = Vec::new();
    resolve(member, table.field_name(field), &mut found);
    found
}

fn compare(value: &Value<'_>, how: crate::ask::How, wanted: &str, cased: bool) -> bool {
    let Some(text) = text(value) else { return false };
    if cased {
        how.holds(&text, wanted)
    } else {
        how.holds(&text.to_lowercase(), &wanted.to_lowercase())
    }
}

fn text<'v>(value: &'v Value<'_>) -> Option<Cow<'v, str>> {
    value.to_text()
}

fn asks(test: &Test, value: &Value<'_>) -> bool {
    match value {
        Value::List(list) => list.iter().any(|value| asks(test, value)),
        value => Content::of(value).is_some_and(|content| test.holds(&Leaf::new(content))),
    }
}

/// Every value at a dotted path, lists on the way standing for each of their members, keys in any
/// ASCII case, `[0]` and `[-1]` for places in a list.
fn resolve<'v>(value: &'v Value<'v>, path: &str, found: &mut Vec<&'v Value<'v>>) {
    if path.is_empty() {
        found.push(value);
        return;
    }
    match value {
        Value::List(list) => match path.strip_prefix('[').and_then(|p| p.split_once(']')) {
            Some((index, rest)) => {
                let index = index.parse::<i64>().unwrap_or(i64::MAX);
                let at = if index < 0 { index.saturating_add(list.len() as i64) } else { index };
                let member = usize::try_from(at).ok().and_then(|at| list.get(at));
                if let Some(member) = member {
                    resolve(member, rest.strip_prefix('.').unwrap_or(rest), found);
                }
            }
            None => list.iter().for_each(|member| resolve(member, path, found)),
        },
        Value::Map(entries) => {
            for (key, inner) in entries {
                let Some(head) = path.get(..key.len()) else { continue };
                if key.is_empty() || !head.eq_ignore_ascii_case(key) {
                    continue;
                }
                let rest = path.get(key.len()..).unwrap_or_default();
                match rest.strip_prefix('.') {
                    Some(rest) => resolve(inner, rest, found),
                    None if rest.is_empty() || rest.starts_with('[') => resolve(inner, rest, found),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fan_out_and_index() {
        let value = Value::from_json(serde_json::json!({
            "A": [{"b.c": 1}, {"b": {"C": 2}}, {"b": [{"c": 3}]}], "n": [[7, 8]]
        }));
        let get = |path: &str| {
            let mut found = Vec::new();
            resolve(&value, path, &mut found);
            found.iter().filter_map(|v| v.as_i64()).collect::<Vec<_>>()
        };
        assert_eq!(get("a.b.c"), [1, 2, 3]);
        assert_eq!(get("a[1].b.c"), [2]);
        assert_eq!(get("a[-1].b.c"), [3]);
        assert_eq!(get("n[0][1]"), [8]);
        assert_eq!(get("a[9].b"), [] as [i64; 0]);
        assert_eq!(get("ab"), [] as [i64; 0]);
    }
}
