//! Which fields made a rule hold, and on what values: worked out for hits alone.

use std::sync::Arc;

use model::{MatchedField, shortened};

use crate::ask::Test;
use crate::budget::Truth;
use crate::detector::Asker;
use crate::expr::Expr;
use crate::table::KEYWORDS;

/// Fields that one finding shows.
const MOST: usize = 16;
/// Characters of a value and of a pattern that a finding shows.
const WIDTH: usize = 400;

/// The questions that hold and that the rule wanted to hold, each with a value.
pub(crate) fn fields(expr: &Expr, asker: &mut Asker<'_, '_>) -> Vec<MatchedField> {
    let mut out = Vec::new();
    visit(expr, asker, &mut out);
    out
}

fn visit(expr: &Expr, asker: &mut Asker<'_, '_>, out: &mut Vec<MatchedField>) {
    if out.len() >= MOST {
        return;
    }
    match expr {
        Expr::Fixed(_) | Expr::Not(_) => {}
        Expr::Ask(ask) => {
            if asker.holds(expr) == Truth::Yes {
                ask_fields(*ask, asker, out);
            }
        }
        Expr::All(parts) | Expr::Any(parts) | Expr::AtLeast(_, parts) => {
            for part in parts {
                if asker.holds(part) == Truth::Yes {
                    visit(part, asker, out);
                }
            }
        }
        Expr::Members(number) => {
            if let Some(members) = asker.table().get_members(*number) {
                add(out, &members.field, "a member of the list", None);
            }
        }
    }
}

fn ask_fields(ask: u32, asker: &Asker<'_, '_>, out: &mut Vec<MatchedField>) {
    let Some((field, test, value)) = asker.witness(ask) else { return };
    let name = if field == KEYWORDS { "" } else { asker.table().field_name(field) };
    let pattern = match test {
        Test::Other { field, .. } => asker.table().field_name(*field).to_owned(),
        test => test.spelled(),
    };
    add(out, name, &value, Some(&pattern));
}

fn add(out: &mut Vec<MatchedField>, field: &str, value: &str, pattern: Option<&str>) {
    let short = |text: &str| Arc::from(shortened(text, WIDTH).as_ref());
    let new =
        MatchedField { field: field.into(), value: short(value), pattern: pattern.map(short) };
    if !out.contains(&new) && out.len() < MOST {
        out.push(new);
    }
}
