//! Answers to requests that came with an idempotency key, so that one that is sent again is answered
//! again and not carried out again.

use std::fmt;

use model::{Digest, Micros};

use crate::alerts::MAX_BATCH;
use crate::error::{LedgerError, Result};
use crate::ledger::Ledger;
use crate::sql::sql;
use crate::text::{MAX_BODY, key, line};

/// An actor has no more keys that are known.
pub const MAX_KEYS: u64 = 10_000;

/// What is known of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is new: carry it out, then [`Idempotency::finish`] or [`Idempotency::abandon`].
    Fresh,
    /// It was begun at this time and not finished: it is under way, or the program was stopped
    /// meanwhile and nobody knows.
    Begun(Micros),
    /// It is new, and the actor has too many keys for another one.
    Full,
    /// It was answered.
    Done {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
}

impl fmt::Debug for Answer {
    /// Without the body: an answer may hold a token that is shown once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.write_str("Fresh"),
            Self::Begun(at) => write!(f, "Begun({at})"),
            Self::Full => f.write_str("Full"),
            Self::Done { status, .. } => write!(f, "Done({status})"),
        }
    }
}

/// Idempotency keys. Each actor has their own.
#[derive(Debug, Clone, Copy)]
pub struct Idempotency<'a>(pub(crate) &'a Ledger);

impl Idempotency<'_> {
    /// Looks up a request by its key, and notes it when it is new or has expired. `request` is the
    /// digest of method, path and body: a known key with another one is
    /// [`LedgerError::KeyReused`].
    pub async fn begin(
        self,
        actor: &str,
        name: &str,
        request: Digest,
        (now, expires): (Micros, Micros),
    ) -> Result<Answer> {
        let (actor, name) = (key(actor), line("idempotency key", name)?);
        let mut tx = self.0.begin().await?;
        let query = sql("SELECT request, status, body, created_at FROM idempotency \
             WHERE actor = $1 AND name = $2 AND expires_at > $3");
        if let Some(row) = query.bind(&actor).bind(&name).bind(now).maybe(&mut tx).await? {
            if row.get::<Digest>("request")? != request {
                return Err(LedgerError::KeyReused);
            }
            let Some(status) = row.opt::<u32>("status")? else {
                return Ok(Answer::Begun(row.get("created_at")?));
            };
            let status = u16::try_from(status).unwrap_or_default();
            return Ok(Answer::Done { status, body: row.get("body")? });
        }
        let query =
            sql("SELECT COUNT(*) AS n FROM idempotency WHERE actor = $1 AND expires_at > $2");
        if query.bind(&actor).bind(now).one(&mut tx).await?.get::<u64>("n")? >= MAX_KEYS {
            return Ok(Answer::Full);
        }
        let query = sql("INSERT INTO idempotency (actor, name, request, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (actor, name) DO UPDATE SET \
             request = excluded.request, status = NULL, body = NULL, \
             created_at = excluded.created_at, expires_at = excluded.expires_at");
        let query = query.bind(&actor).bind(&name).bind(request).bind(now).bind(expires);
        query.run(&mut tx).await?;
        tx.commit().await?;
        Ok(Answer::Fresh)
    }

    /// Keeps the answer to a request that was begun. Of one that is too big (256 KiB) the status alone
    /// is kept.
    pub async fn finish(self, actor: &str, name: &str, status: u16, body: &str) -> Result<()> {
        let body = if body.len() > MAX_BODY { "" } else { body };
        let mut tx = self.0.begin().await?;
        let query = sql("UPDATE idempotency SET status = $1, body = $2 \
             WHERE actor = $3 AND name = $4 AND status IS NULL");
        let query = query.bind(i64::from(status)).bind(body).bind(key(actor));
        query.bind(name.trim()).run(&mut tx).await?;
        tx.commit().await
    }

    /// Forgets a request that was begun and not carried out, so that it can be sent again.
    pub async fn abandon(self, actor: &str, name: &str) -> Result<()> {
        let mut tx = self.0.begin().await?;
        let query = sql("DELETE FROM idempotency \
             WHERE actor = $1 AND name = $2 AND status IS NULL");
        query.bind(key(actor)).bind(name.trim()).run(&mut tx).await?;
        tx.commit().await
    }

    /// Forgets what has expired, some thousands at most; says how many.
    pub async fn prune(self, now: Micros) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let mut query = sql("DELETE FROM idempotency WHERE (actor, name) IN ( \
             SELECT actor, name FROM idempotency WHERE expires_at <= ");
        query.arg(now).push(" ORDER BY expires_at LIMIT ").arg(MAX_BATCH as u64).push(")");
        let gone = query.run(&mut tx).await?;
        tx.commit().await?;
        Ok(gone)
    }
}
