//! Requests that are carried out once, however often they are sent under one key.
//!
//! The keys and the answers lie in the ledger, so that a restart forgets none. An answer may hold a
//! token that is shown once, so answers lie sealed; a request may hold a password, so its digest is
//! made with a key that is not in the ledger.

use ledger::{Answer, LedgerError, Secret};
use model::Micros;

use crate::access::Caller;
use crate::failure::{Failure, Kind};
use crate::live::{Floor, from_ledger};

/// How long a key is known.
const KEPT: Micros = Micros::from_seconds(86_400);

/// What is known of a request that came under a key.
#[derive(Debug)]
pub enum Once {
    /// It is new: carry it out, then say what came of it.
    First(Ticket),
    /// It was answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body; none when it was too large to be kept.
        body: Option<Vec<u8>>,
    },
    /// It was begun then and has not ended.
    Begun(Micros),
    /// The key came with another request before.
    Reused,
}

/// A request that is being carried out under a key.
#[derive(Debug)]
pub struct Ticket {
    actor: String,
    name: String,
}

impl Floor {
    /// Looks up a request by the caller's key. `request` is all of it that matters.
    pub async fn once(
        &self,
        caller: &Caller,
        name: &str,
        request: &[&[u8]],
    ) -> Result<Once, Failure> {
        let actor = caller.actor();
        let actor = format!("{}:{}", actor.kind, actor.name);
        let now = crate::now();
        let times = (now, Micros(now.0.saturating_add(KEPT.0)));
        let digest = self.0.seal.digest(request);
        match self.0.ledger.idempotency().begin(&actor, name, digest, times).await {
            Ok(Answer::Fresh) => Ok(Once::First(Ticket { actor, name: name.to_owned() })),
            Ok(Answer::Begun(at)) => Ok(Once::Begun(at)),
            Ok(Answer::Done { status, body }) => {
                Ok(Once::Answered { status, body: self.0.seal.open(&Secret::new(body)) })
            }
            Ok(Answer::Full) => {
                let message = "too many idempotency keys are kept for you; each is kept for a day";
                Err(Failure::new(Kind::Throttled, message).hint("send the request without a key"))
            }
            Err(LedgerError::KeyReused) => Ok(Once::Reused),
            Err(error) => Err(from_ledger(error)),
        }
    }

    /// Keeps the answer for when the request is sent again.
    pub async fn answered(&self, ticket: Ticket, status: u16, body: &[u8]) -> Result<(), Failure> {
        let sealed = self.0.seal.close(body)?;
        let keys = self.0.ledger.idempotency();
        keys.finish(&ticket.actor, &ticket.name, status, sealed.expose()).await.map_err(from_ledger)
    }

    /// Forgets a request that could not be carried out, so that it can be sent again.
    pub async fn not_carried_out(&self, ticket: Ticket) -> Result<(), Failure> {
        let keys = self.0.ledger.idempotency();
        keys.abandon(&ticket.actor, &ticket.name).await.map_err(from_ledger)
    }
}
