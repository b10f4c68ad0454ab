//! Questions about the members of a list (`field[any]:` and its kin, Sigma 3). Rare, so asked
//! plainly: paths are walked for each question.

use model::Value;
use rsigma_parser::ArrayQuantifier;

use crate::ask::{Content, How, Test};
use crate::budget::{self, Budget, Truth};
use crate::expr::{Expr, Members};
use crate::leaves::Leaf;
use crate::table::{Ask, ITSELF, Table};

/// True when so many members of the list satisfy the body, as far as the budget lets it be known.
pub(crate) fn holds(members: &Members, value: &Value<'_>, table: &Table, budget: &Budget) -> Truth {
    Walk { table, budget }.holds(members, value)
}

/// Questions about one event.
struct Walk<'w> {
    table: &'w Table,
    budget: &'w Budget,
}

impl Walk<'_> {
    fn holds(&self, members: &Members, value: &Value<'_>) -> Truth {
        let mut found = Vec::new();
        resolve(value, &members.field, self.budget, &mut found);
        let mut list: Vec<&Value<'_>> = Vec::new();
        for value in found {
            match value {
                Value::List(inner) => list.extend(inner),
                other => list.push(other),
            }
        }
        if self.budget.is_over() {
            return Truth::Unknown;
        }
        let each = list.iter().map(|member| self.satisfies(&members.body, member));
        match members.quantifier {
            ArrayQuantifier::Any => budget::at_least(1, each),
            ArrayQuantifier::All if list.is_empty() => Truth::No,
            ArrayQuantifier::All | ArrayQuantifier::AllOrEmpty => budget::all(each),
            ArrayQuantifier::None => !budget::at_least(1, each),
        }
    }

    fn satisfies(&self, expr: &Expr, member: &Value<'_>) -> Truth {
        if !self.budget.pay(4) {
            return Truth::Unknown;
        }
        match expr {
            Expr::Fixed(true) => Truth::Yes,
            Expr::Fixed(false) => Truth::No,
            Expr::Not(part) => !self.satisfies(part, member),
            Expr::All(parts) => budget::all(parts.iter().map(|part| self.satisfies(part, member))),
            Expr::Any(parts) => {
                budget::at_least(1, parts.iter().map(|part| self.satisfies(part, member)))
            }
            Expr::AtLeast(count, parts) => {
                let each = parts.iter().map(|part| self.satisfies(part, member));
                budget::at_least(*count as usize, each)
            }
            Expr::Members(number) => {
                let inner = self.table.get_members(*number);
                inner.map_or(Truth::No, |inner| self.holds(inner, member))
            }
            Expr::Ask(ask) => {
                let holds = self.table.get(*ask).is_some_and(|ask| self.ask(ask, member));
                Truth::of(holds, self.budget)
            }
        }
    }

    fn ask(&self, ask: &Ask, member: &Value<'_>) -> bool {
        let values = self.values(member, ask.field);
        match &ask.test {
            Test::Exists => values.iter().any(|value| **value != Value::Null),
            Test::Null => values.iter().all(|value| match value {
                Value::List(list) => !list.is_empty() && list.iter().all(Value::is_empty),
                value => value.is_empty(),
            }),
            Test::Other { how, field, cased } => self.values(member, *field).iter().any(|other| {
                other.to_text().is_some_and(|wanted| {
                    values.iter().any(|value| self.compare(value, *how, &wanted, *cased))
                })
            }),
            test => values.iter().any(|value| self.test(test, value)),
        }
    }

    fn values<'v>(&self, member: &'v Value<'v>, field: u32) -> Vec<&'v Value<'v>> {
        if field == ITSELF {
            return vec![member];
        }
        let mut found = Vec::new();
        resolve(member, self.table.field_name(field), self.budget, &mut found);
        found
    }

    fn compare(&self, value: &Value<'_>, how: How, wanted: &str, cased: bool) -> bool {
        let Some(text) = value.to_text() else { return false };
        if !self.budget.pay(4 + (text.len() + wanted.len()) as u64) {
            return false;
        }
        if cased {
            how.holds(&text, wanted)
        } else {
            how.holds(&text.to_lowercase(), &wanted.to_lowercase())
        }
    }

    fn test(&self, test: &Test, value: &Value<'_>) -> bool {
        match value {
            Value::List(list) => list.iter().any(|value| self.test(test, value)),
            value => Content::of(value)
                .is_some_and(|content| test.holds(&Leaf::new(content), self.budget)),
        }
    }
}

/// Every value at a dotted path, lists on the way standing for each of their members, keys in any
/// ASCII case, `[0]` and `[-1]` for places in a list.
fn resolve<'v>(value: &'v Value<'v>, path: &str, budget: &Budget, found: &mut Vec<&'v Value<'v>>) {
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
                    resolve(member, rest.strip_prefix('.').unwrap_or(rest), budget, found);
                }
            }
            None if budget.pay(list.len() as u64) => {
                list.iter().for_each(|member| resolve(member, path, budget, found));
            }
            None => {}
        },
        Value::Map(entries) if budget.pay(4 * entries.len() as u64) => {
            for (key, inner) in entries {
                let Some(head) = path.get(..key.len()) else { continue };
                if key.is_empty() || !head.eq_ignore_ascii_case(key) {
                    continue;
                }
                let rest = path.get(key.len()..).unwrap_or_default();
                match rest.strip_prefix('.') {
                    Some(rest) => resolve(inner, rest, budget, found),
                    None if rest.is_empty() || rest.starts_with('[') => {
                        resolve(inner, rest, budget, found);
                    }
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
            resolve(&value, path, &Budget::new(), &mut found);
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
