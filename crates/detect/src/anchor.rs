//! Which questions to watch for a rule: a set such that the rule cannot hold unless one of them
//! does. A rule whose anchors all fail is never looked at.

use crate::ask::{How, Order, Test};
use crate::expr::Expr;
use crate::rarity::Rarity;
use crate::table::{KEYWORDS, Table};

/// Anchors with a guess at how often (in a thousand events) one of them holds.
#[derive(Debug, Clone)]
pub(crate) struct Anchors {
    pub(crate) chance: f32,
    pub(crate) asks: Vec<u32>,
}

/// The best anchors of a tree; `None` when it may hold though every question fails.
pub(crate) fn of(expr: &Expr, table: &Table, rarity: &Rarity) -> Option<Anchors> {
    match expr {
        Expr::Fixed(true) | Expr::Not(_) | Expr::Members(_) | Expr::AtLeast(0, _) => None,
        Expr::Fixed(false) => Some(Anchors { chance: 0.0, asks: Vec::new() }),
        Expr::Ask(ask) => {
            let chance = chance(*ask, table, rarity)?;
            Some(Anchors { chance, asks: vec![*ask] })
        }
        Expr::All(parts) => parts
            .iter()
            .filter_map(|part| of(part, table, rarity))
            .min_by(|a, b| a.chance.total_cmp(&b.chance)),
        Expr::Any(parts) => union(parts.iter().map(|part| of(part, table, rarity))),
        Expr::AtLeast(count, parts) => {
            // So many hold that one of any (all - count + 1) does: leave the likeliest out.
            let mut all: Vec<Option<Anchors>> =
                parts.iter().map(|part| of(part, table, rarity)).collect();
            let weight = |a: &Option<Anchors>| a.as_ref().map_or(f32::INFINITY, |a| a.chance);
            all.sort_by(|a, b| weight(a).total_cmp(&weight(b)));
            let keep = (all.len() + 1).saturating_sub(*count as usize);
            all.truncate(keep);
            union(all.into_iter())
        }
    }
}

fn union(parts: impl Iterator<Item = Option<Anchors>>) -> Option<Anchors> {
    let mut whole = Anchors { chance: 0.0, asks: Vec::new() };
    for part in parts {
        let part = part?;
        whole.chance += part.chance;
        whole.asks.extend(part.asks);
    }
    whole.asks.sort_unstable();
    whole.asks.dedup();
    Some(whole)
}

/// How often a question holds, in a thousand events; `None` when it may hold of an absent field.
fn chance(ask: u32, table: &Table, rarity: &Rarity) -> Option<f32> {
    let ask = table.get(ask)?;
    let chance = match &ask.test {
        Test::Null => return None,
        Test::Text { text, cased, .. } if *cased && !text.is_ascii() => 500.0,
        Test::Text { how: How::Contains, text, .. } => rarity.holding(text),
        // A whole value or an end of it stands where the same text stands within.
        Test::Text { text, .. } => (rarity.holding(text) * 0.5).max(rarity.being(ask.field)),
        // What a find does not answer costs an answer.
        Test::Glob { glob, cased } => {
            let texts = glob.texts().filter(|text| !*cased || text.is_ascii());
            texts.map(|text| rarity.holding(text)).fold(500.0, f32::min) * 2.0
        }
        Test::Pattern(pattern) => rarity.holding(pattern.needle()) * 3.0,
        Test::Number(Order::Equal, _) => rarity.being(ask.field),
        Test::Network(_) => 200.0,
        Test::Number(..) | Test::Time(..) => 400.0,
        Test::Bool(_) => 500.0,
        Test::Other { .. } => 600.0,
        Test::Exists => 900.0,
    };
    // Any text of the event will do for a keyword.
    Some(if ask.field == KEYWORDS { chance * 5.0 } else { chance })
}

/// The same tree with what refutes it soonest first.
pub(crate) fn sorted(expr: Expr, table: &Table, rarity: &Rarity) -> Expr {
    let weigh = |parts: Box<[Expr]>| -> Vec<(f32, Expr)> {
        let parts = parts.into_iter().map(|part| sorted(part, table, rarity));
        parts.map(|part| (likelihood(&part, table, rarity), part)).collect()
    };
    let strip = |parts: Vec<(f32, Expr)>| parts.into_iter().map(|(_, part)| part).collect();
    match expr {
        Expr::Not(part) => Expr::Not(Box::new(sorted(*part, table, rarity))),
        Expr::All(parts) => {
            let mut parts = weigh(parts);
            parts.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            Expr::All(strip(parts))
        }
        Expr::Any(parts) => {
            let mut parts = weigh(parts);
            parts.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            Expr::Any(strip(parts))
        }
        other => other,
    }
}

/// A guess at how often (in a thousand) a tree holds.
fn likelihood(expr: &Expr, table: &Table, rarity: &Rarity) -> f32 {
    let each = |part: &Expr| likelihood(part, table, rarity);
    let chance = match expr {
        Expr::Fixed(truth) => f32::from(u8::from(*truth)) * 1000.0,
        Expr::Ask(ask) => chance(*ask, table, rarity).unwrap_or(500.0),
        // Filters hold seldom, and are long: they come last.
        Expr::Not(_) | Expr::Members(_) => 1000.0,
        Expr::All(parts) => parts.iter().map(each).fold(1000.0, f32::min),
        Expr::Any(parts) | Expr::AtLeast(_, parts) => parts.iter().map(each).sum(),
    };
    chance.min(1000.0)
}
