//! Identities: as which user somebody comes in whom an identity provider vouches for. A provider's own
//! name for them, and neither their mail address nor their login there, says who they are: those change
//! hands.

use model::Micros;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::actor::Actor;
use crate::error::{LedgerError, Result};
use crate::ids::UserId;
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::sessions;
use crate::sql::{Row, sql};
use crate::text::line;
use crate::tx::Tx;
use crate::users::{self, NewUser, User};

/// A user has no more identities.
pub const MAX_IDENTITIES: u64 = 20;

/// Whom an identity provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Identity {
    /// The provider: its issuer (OpenID Connect Core, `iss`).
    pub issuer: String,
    /// The provider's own name for them, which never changes (`sub`).
    pub subject: String,
    /// As whom they come in.
    pub user_id: UserId,
    /// Since when.
    pub created_at: Micros,
    /// When they last came in so.
    pub used_at: Option<Micros>,
}

/// Identities.
#[derive(Debug, Clone, Copy)]
pub struct Identities<'a>(pub(crate) &'a Ledger);

impl Identities<'_> {
    /// As whom somebody comes in.
    pub async fn user(self, issuer: &str, subject: &str) -> Result<Option<User>> {
        let mut on = self.0.reader().await?;
        let query = sql("SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2");
        let row = query.bind(issuer).bind(subject).maybe(&mut on).await?;
        let Some(row) = row else { return Ok(None) };
        users::fetch(&mut on, row.get("user_id")?).await.map(Some)
    }

    /// Says as whom somebody comes in from now on.
    pub async fn link(
        self,
        actor: &Actor,
        now: Micros,
        user: UserId,
        identity: (&str, &str),
    ) -> Result<()> {
        let mut tx = self.0.begin().await?;
        users::fetch(&mut tx, user).await?;
        link(&mut tx, (actor, now), user, identity).await?;
        tx.commit().await
    }

    /// Takes all identities of a user away: they come in by none of them any more, and their sessions that
    /// began so end. Says how many there were.
    pub async fn unlink(self, actor: &Actor, now: Micros, user: UserId) -> Result<usize> {
        let mut tx = self.0.begin().await?;
        users::fetch(&mut tx, user).await?;
        let query = sql("SELECT issuer, subject FROM identities WHERE user_id = $1 \
             ORDER BY issuer, subject");
        let gone = query.bind(user).all(&mut tx).await?;
        sql("DELETE FROM identities WHERE user_id = $1").bind(user).run(&mut tx).await?;
        sessions::end_begun_by(&mut tx, user, "oidc").await?;
        for row in &gone {
            let (issuer, subject): (String, String) = (row.get("issuer")?, row.get("subject")?);
            let before = json!({ "issuer": issuer, "subject": subject });
            tx.audit((actor, now), "identity.unlink", (Kind::User, user), (Some(before), None));
        }
        tx.commit().await?;
        Ok(gone.len())
    }

    /// Makes a user of somebody who comes in for the first time.
    pub async fn add_user(
        self,
        actor: &Actor,
        now: Micros,
        new: &NewUser,
        identity: (&str, &str),
    ) -> Result<User> {
        let mut tx = self.0.begin().await?;
        let user = users::add(&mut tx, (actor, now), new).await?;
        link(&mut tx, (actor, now), user.user_id, identity).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Notes that somebody came in.
    pub async fn used(self, now: Micros, (issuer, subject): (&str, &str)) -> Result<()> {
        let mut tx = self.0.begin().await?;
        let query = sql("UPDATE identities SET used_at = $1 WHERE issuer = $2 AND subject = $3");
        query.bind(now).bind(issuer).bind(subject).run(&mut tx).await?;
        tx.commit().await
    }

    /// The identities of a user, the oldest first.
    pub async fn list(self, user: UserId) -> Result<Vec<Identity>> {
        let query = sql("SELECT issuer, subject, user_id, created_at, used_at FROM identities \
             WHERE user_id = $1 ORDER BY created_at, issuer, subject LIMIT 500");
        query.bind(user).all(&mut *self.0.reader().await?).await?.iter().map(read).collect()
    }
}

async fn link(
    tx: &mut Tx,
    (actor, now): (&Actor, Micros),
    user: UserId,
    (issuer, subject): (&str, &str),
) -> Result<()> {
    let (issuer, subject) = (line("issuer", issuer)?, line("subject", subject)?);
    let query = sql("SELECT COUNT(*) AS n, \
         COUNT(CASE WHEN issuer = $1 AND subject = $2 THEN 1 END) AS same FROM identities \
         WHERE user_id = $3 OR (issuer = $1 AND subject = $2)");
    let row = query.bind(&issuer).bind(&subject).bind(user).one(tx).await?;
    if row.get::<u64>("same")? > 0 {
        return Err(LedgerError::Exists { what: Kind::Factor, field: "identity" });
    }
    if row.get::<u64>("n")? >= MAX_IDENTITIES {
        let why = format!("a user may have {MAX_IDENTITIES} at most");
        return Err(LedgerError::invalid("identities", why));
    }
    let query = sql("INSERT INTO identities (issuer, subject, user_id, created_at) \
         VALUES ($1, $2, $3, $4)");
    query.bind(&issuer).bind(&subject).bind(user).bind(now).run(tx).await?;
    let after = json!({ "issuer": issuer, "subject": subject });
    tx.audit((actor, now), "identity.link", (Kind::User, user), (None, Some(after)));
    Ok(())
}

fn read(row: &Row) -> Result<Identity> {
    Ok(Identity {
        issuer: row.get("issuer")?,
        subject: row.get("subject")?,
        user_id: row.get("user_id")?,
        created_at: row.get("created_at")?,
        used_at: row.opt("used_at")?,
    })
}
