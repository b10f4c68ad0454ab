//! When an entity is taken to be common, and when no longer.
//!
//! The batch weighs once, with all evidence before it. A stream would weigh at every moment, and an
//! entity near the limit would tie and untie by the minute. So:
//! - found to be common, it ties no alert that comes after. What it tied before stays tied for the
//!   policy's hold, and comes apart then, once, if nothing else ties it;
//! - it ties again only when it was not found to be common for a whole stay.
//!
//! When an incident closes, it is weighed as the batch does it: with all that is known then.

use std::collections::BTreeSet;

use model::Micros;

use super::bounds::{Bounds, after};
use crate::policy::micros;
use crate::ties::{Book, Judged};

/// Takes up a judgement; the keys whose strength changes by it.
pub(super) fn take_up(
    book: &mut Book,
    found: &[(u32, bool)],
    now: Micros,
    bounds: &Bounds,
) -> Vec<u32> {
    let mut shifted = Vec::new();
    for (key, steady) in found {
        let judged = match book.judged().get(key) {
            Some(judged) => Judged { last: now, steady: *steady, ..*judged },
            None => {
                shifted.push(*key);
                Judged { since: now, last: now, steady: *steady, held: true }
            }
        };
        book.set_judged(*key, Some(judged));
    }
    let judged: Vec<(u32, Judged)> = book.judged().iter().map(|(key, j)| (*key, *j)).collect();
    for (key, judged) in judged {
        if now > after(judged.last, micros(bounds.stay)) {
            book.set_judged(key, None);
            shifted.push(key);
        } else if judged.held && now >= after(judged.since, micros(bounds.hold)) {
            book.set_judged(key, Some(Judged { held: false, ..judged }));
            shifted.push(key);
        }
    }
    shifted
}

/// When a judgement that stands changes by itself.
pub(super) fn due(book: &Book, bounds: &Bounds) -> Option<Micros> {
    let each = |judged: &Judged| {
        let stays = after(judged.last, micros(bounds.stay).saturating_add(1));
        let held = after(judged.since, micros(bounds.hold));
        if judged.held { held.min(stays) } else { stays }
    };
    book.judged().values().map(each).min()
}

/// The keys that would have another strength if only what is found now counted.
pub(super) fn differ(book: &Book, found: &[(u32, bool)]) -> BTreeSet<u32> {
    let mut keys: BTreeSet<u32> = BTreeSet::new();
    for (key, judged) in book.judged() {
        let now = found.binary_search_by_key(key, |(key, _)| *key).is_ok();
        if judged.held || !now {
            keys.insert(*key);
        }
    }
    let missing = found.iter().filter(|(key, _)| !book.judged().contains_key(key));
    keys.extend(missing.map(|(key, _)| *key));
    keys
}
