//! Challenges that wait for their answer: each is answered once, soon, or never.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ledger::UserId;
use model::{Digest, Micros};

use crate::access::{Token, proof};
use crate::failure::Failure;

/// How long a challenge waits.
const PATIENCE: Micros = Micros::from_seconds(300);
/// Challenges that wait at once; past them the oldest is forgotten. Anybody may ask for one.
const MOST: usize = 10_000;
/// Bytes of a challenge (WebAuthn Level 3, 13.4.3 asks for 16 at least).
const CHALLENGE: usize = 32;
/// What the word begins with by which one is found again.
const PREFIX: &str = "wfw_";

/// What a challenge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// A user makes a passkey.
    Making(UserId),
    /// Whoever has a passkey comes in by it alone.
    Alone,
    /// A user shows one beside their password.
    Beside(UserId),
}

#[derive(Debug)]
struct Waiting {
    what: For,
    challenge: [u8; CHALLENGE],
    until: Micros,
}

/// Challenges that wait.
#[derive(Debug, Default)]
pub(super) struct Ceremonies(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<Digest, Waiting>,
    /// In the order in which they were made.
    order: BTreeMap<u64, Digest>,
    made: u64,
}

impl Ceremonies {
    /// Makes a challenge, and the word by which it is answered.
    pub(super) fn begin(&self, what: For) -> Result<(Token, [u8; CHALLENGE]), Failure> {
        let token = Token::make(PREFIX)?;
        let mut challenge = [0; CHALLENGE];
        proof::random(&mut challenge)?;
        let until = Micros(crate::now().0.saturating_add(PATIENCE.0));
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while inner.order.len() >= MOST
            && let Some((_, oldest)) = inner.order.pop_first()
        {
            inner.waiting.remove(&oldest);
        }
        inner.made += 1;
        let number = inner.made;
        inner.order.insert(number, token.digest());
        inner.waiting.insert(token.digest(), Waiting { what, challenge, until });
        Ok((token, challenge))
    }

    /// Takes the challenge of a word; none when there is none, it was answered, or it waited too long.
    pub(super) fn take(&self, word: &str) -> Option<(For, [u8; CHALLENGE])> {
        let digest = Token::presented(word).digest();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = inner.waiting.remove(&digest)?;
        inner.order.retain(|_, known| *known != digest);
        (waiting.until > crate::now()).then_some((waiting.what, waiting.challenge))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_challenge_is_answered_once_and_the_oldest_is_forgotten() {
        let ceremonies = Ceremonies::default();
        let (first, challenge) = ceremonies.begin(For::Alone).unwrap();
        assert_eq!(ceremonies.take(first.expose()), Some((For::Alone, challenge)));
        assert_eq!(ceremonies.take(first.expose()), None);
        assert_eq!(ceremonies.take("wfw_made_up"), None);
        let (oldest, _) = ceremonies.begin(For::Alone).unwrap();
        let (kept, _) = ceremonies.begin(For::Alone).unwrap();
        for _ in 0..MOST - 1 {
            ceremonies.begin(For::Alone).unwrap();
        }
        assert_eq!(ceremonies.take(oldest.expose()), None);
        assert!(ceremonies.take(kept.expose()).is_some());
    }
}
