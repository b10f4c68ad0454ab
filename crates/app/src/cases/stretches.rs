//! One search, one line in the audit trail: a page looks through a window in stretches and shows a table piece by
//! piece, each of which is a question. They name the search that they are of.
//!
//! Nobody is believed who says so. What leaves no line of its own asks the very same, by the same person or token,
//! as a question that left one within the hour; only the span of time, and the numbers behind `LIMIT` and
//! `OFFSET` at its end, may differ.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use ledger::Actor;
use model::{Hasher, Micros};

use crate::failure::{Failure, Kind};

/// Searches that are known.
const KNOWN: usize = 1_000;
/// Characters of a search's name.
const NAME: usize = 64;
/// For how long a line speaks for what follows.
const SPEAKS: Micros = Micros::from_seconds(3_600);

/// The searches of which a line was written lately.
#[derive(Debug, Default)]
pub(crate) struct Stretches(Mutex<VecDeque<([u8; 16], Micros)>>);

impl Stretches {
    /// Whether a question is a stretch of a search that has its line. If not, it is from now on.
    pub(crate) fn known(
        &self,
        actor: &Actor,
        search: &str,
        sql: &str,
        now: Micros,
    ) -> Result<bool, Failure> {
        if search.is_empty() || search.chars().count() > NAME {
            let message = format!("search: a name of 1 to {NAME} characters");
            return Err(Failure::new(Kind::Usage, message));
        }
        let mut of = Hasher::new("stretch of a search");
        let address = actor.address.map(|address| address.to_string()).unwrap_or_default();
        for part in [&actor.name, &address, search, stem(sql)] {
            of = of.part(part.as_bytes());
        }
        let key = of.finish();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, at)| now.0.saturating_sub(at.0) < SPEAKS.0 && at.0 <= now.0);
        if known.iter().any(|(one, _)| *one == key) {
            return Ok(true);
        }
        if known.len() >= KNOWN {
            known.pop_front();
        }
        known.push_back((key, now));
        Ok(false)
    }

    /// Its line could not be written.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A question without the numbers of rows at its end.
fn stem(sql: &str) -> &str {
    let without = |text, word| number_behind(text, word).unwrap_or(text);
    without(without(sql.trim_end(), "OFFSET"), "LIMIT")
}

/// What stands before ` WORD 12` at the end of a text.
fn number_behind<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let rest = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let head = rest.trim_end().strip_suffix(word)?;
    let cut = rest.len() < text.len() && rest.ends_with(char::is_whitespace);
    (cut && head.ends_with(char::is_whitespace)).then(|| head.trim_end())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_very_same_question_of_the_same_person_is_a_stretch() {
        let stretches = Stretches::default();
        let sql = "SELECT a FROM events WHERE b ORDER BY time";
        let at = |minutes: i64| Micros::from_seconds(60 * minutes);
        let ask = |who: &str, search: &str, sql: &str, minutes| {
            let actor = Actor::system(who);
            stretches.known(&actor, search, sql, at(minutes)).unwrap()
        };
        assert!(!ask("anna", "1", &format!("{sql} LIMIT 200"), 0));
        for (who, search, more, known) in [
            ("anna", "1", " LIMIT 17", true),
            ("anna", "1", "\n LIMIT 200 OFFSET 400 ", true),
            ("anna", "1", "", true),
            ("anna", "2", " LIMIT 200", false),
            ("ben", "1", " LIMIT 200", false),
            ("anna", "1", ", a LIMIT 200", false),
            ("anna", "1", " LIMIT (SELECT 1)", false),
            ("anna", "1", " LIMIT 1 + 2", false),
            ("anna", "1", "LIMIT 2", false),
            ("anna", "1", " OFFSET 1 LIMIT 2 ", false),
        ] {
            assert_eq!(
                ask(who, search, &format!("{sql}{more}"), 1),
                known,
                "{who} {search} {more}"
            );
        }
        assert!(ask("anna", "1", sql, 59));
        assert!(!ask("anna", "1", sql, 60), "an hour later it is another");
        assert!(stretches.known(&Actor::system("anna"), "", sql, at(0)).is_err());
        assert!(stretches.known(&Actor::system("anna"), &"x".repeat(65), sql, at(0)).is_err());
        for n in 0..2 * KNOWN {
            ask("eve", &n.to_string(), sql, 61);
        }
        assert_eq!(stretches.0.lock().unwrap().len(), KNOWN);
    }
}
