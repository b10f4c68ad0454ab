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
        Test::Text { how, text, cased } => {
            if *cased && !text.is_ascii() {
                500.0
            } else {
                let chance = rarity.chance(text);
                match how {
                    How::Contains => chance.max(0.01),
                    // A whole value or an end of it stands where the same text stands within.
                    How::Starts | How::Ends => (chance * 0.6).max(0.01),
                    How::Exact if text.len() < 6 => 30.0,
                    How::Exact => (chance * 0.4).max(0.01),
                }
            }
        }
        Test::Glob { glob, cased } => {
            let texts = glob.texts().filter(|text| !*cased || text.is_ascii());
            texts.map(|text| rarity.chance(text)).fold(600.0, f32::min)
        }
        Test::Pattern(pattern) if pattern.needle().len() < 3 => 700.0,
        Test::Pattern(pattern) => rarity.chance(pattern.needle()),
        Test::Number(Order::Equal, _) => 15.0,
        Test::Network(_) => 200.0,
        Test::Number(..) | Test::Time(..) => 400.0,
        Test::Bool(_) => 500.0,
        Test::Other { .. } => 600.0,
        Test::Exists => 900.0,
    };
    // Any text of the event will do for a keyword.
    Some(if ask.field == KEYWORDS { chance * 5.0 } else { chance })
}
