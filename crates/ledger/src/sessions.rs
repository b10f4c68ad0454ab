//! Sessions: a person who has come in. The browser holds a random token; here is its digest.

use std::net::IpAddr;

use model::{Digest, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::alerts::MAX_BATCH;
use crate::error::{LedgerError, Result};
use crate::ids::{SessionId, UserId};
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::sql::{Row, sql};
use crate::text::start;
use crate::users::{self, User};

/// A visit is noted when the last one is this old, so that reading does not write each time.
const NOTED_EVERY: i64 = 60_000_000;

/// A session to be made.
#[derive(Clone)]
pub struct NewSession {
    /// SHA-256 of the token that the browser holds.
    pub digest: Digest,
    /// Whose.
    pub user: UserId,
    /// How the person proved who they are: `password`, `totp`, `passkey`, `oidc`.
    pub factors: Vec<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// With which program.
    pub agent: String,
    /// Ends when nobody comes for so long, in microseconds.
    pub idle: i64,
    /// Ends then in any case.
    pub expires: Micros,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Session {
    /// Its id, by which it can be ended.
    pub session_id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// How the person proved who they are.
    pub factors: Vec<String>,
    /// From where it was begun.
    pub address: Option<IpAddr>,
    /// With which program.
    pub agent: String,
    /// When it was begun.
    pub created_at: Micros,
    /// The last visit, to the minute.
    pub seen_at: Micros,
    /// Ends when nobody comes by then.
    pub idle_at: Micros,
    /// Ends then in any case.
    pub expires_at: Micros,
}

/// Sessions.
#[derive(Debug, Clone, Copy)]
pub struct Sessions<'a>(pub(crate) &'a Ledger);

impl Sessions<'_> {
    /// Begins one. The login itself is the application's to record.
    pub async fn begin(self, now: Micros, new: &NewSession) -> Result<Session> {
        let mut tx = self.0.begin().await?;
        if users::fetch(&mut tx, new.user).await?.disabled {
            return Err(LedgerError::invalid("user", "is disabled"));
        }
        let id = SessionId::next(&mut tx).await?;
        let idle = Micros(now.0.saturating_add(new.idle)).min(new.expires);
        let query = sql(
            "INSERT INTO sessions (digest, session_id, user_id, factors, address, agent, \
             created_at, seen_at, idle_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)",
        );
        let query = query.bind(new.digest).bind(id).bind(new.user);
        let query = query.bind(crate::sql::json(&new.factors)?);
        let query = query.bind(new.address.map(|a| a.to_string())).bind(start(&new.agent, 300));
        query.bind(now).bind(idle).bind(new.expires).run(&mut tx).await?;
        let session = fetch(&mut tx, id).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Who comes with this token: a session that has not ended, of a user who is not kept out. It
    /// lasts for `idle` microseconds from now, and no longer than its absolute end.
    pub async fn check(
        self,
        digest: Digest,
        now: Micros,
        idle: i64,
    ) -> Result<Option<(Session, User)>> {
        let mut query = sql(SELECT);
        query.push(" AND digest = ").arg(digest).push(" AND idle_at > ").arg(now);
        query.push(" AND expires_at > ").arg(now);
        let mut on = self.0.reader().await?;
        let Some(row) = query.maybe(&mut on).await? else { return Ok(None) };
        let mut session = read(&row)?;
        let user = users::fetch(&mut on, session.user_id).await?;
        drop(on);
        if user.disabled {
            return Ok(None);
        }
        if now.0.saturating_sub(session.seen_at.0) >= NOTED_EVERY {
            let idle_at = Micros(now.0.saturating_add(idle)).min(session.expires_at);
            let query = sql("UPDATE sessions SET seen_at = $1, idle_at = $2 WHERE digest = $3");
            if self.0.note(query.bind(now).bind(idle_at).bind(digest)).await? {
                (session.seen_at, session.idle_at) = (now, idle_at);
            }
        }
        Ok(Some((session, user)))
    }

    /// Those of a user that have not ended, the newest first, 500 at most.
    pub async fn list(self, user: UserId, now: Micros) -> Result<Vec<Session>> {
        let mut query = sql(SELECT);
        query.push(" AND user_id = ").arg(user).push(" AND idle_at > ").arg(now);
        query.push(" ORDER BY session_id DESC LIMIT 500");
        query.all(&mut *self.0.reader().await?).await?.iter().map(read).collect()
    }

    /// Ends one by its token: logging out.
    pub async fn end(self, actor: &Actor, now: Micros, digest: Digest) -> Result<()> {
        let mut tx = self.0.begin().await?;
        let mut query = sql(SELECT);
        query.push(" AND digest = ").arg(digest);
        if let Some(row) = query.maybe(&mut tx).await? {
            let id: SessionId = row.get("session_id")?;
            sql("DELETE FROM sessions WHERE digest = $1").bind(digest).run(&mut tx).await?;
            tx.audit((actor, now), "session.end", (Kind::Session, id), (None, None));
        }
        tx.commit().await
    }

    /// Ends one by its id: somebody else's, or one's own on another machine.
    pub async fn revoke(self, actor: &Actor, now: Micros, id: SessionId) -> Result<()> {
        let mut tx = self.0.begin().await?;
        fetch(&mut tx, id).await?;
        sql("DELETE FROM sessions WHERE session_id = $1").bind(id).run(&mut tx).await?;
        tx.audit((actor, now), "session.revoke", (Kind::Session, id), (None, None));
        tx.commit().await
    }

    /// Ends all of a user, but for one. Says how many.
    pub async fn revoke_all(
        self,
        actor: &Actor,
        now: Micros,
        user: UserId,
        but: Option<Digest>,
    ) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let ended = end_all(&mut tx, user, but).await?;
        let after = serde_json::json!({ "ended": ended });
        tx.audit((actor, now), "session.revoke_all", (Kind::User, user), (None, Some(after)));
        tx.commit().await?;
        Ok(ended)
    }

    /// Forgets those that have ended, some thousands at most; says how many.
    pub async fn prune(self, now: Micros) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let mut query = sql("DELETE FROM sessions WHERE session_id IN ( \
             SELECT session_id FROM sessions WHERE idle_at <= ");
        query.arg(now).push(" ORDER BY idle_at LIMIT ").arg(MAX_BATCH as u64).push(")");
        let gone = query.run(&mut tx).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// Ends all of a user, but for one.
pub(crate) async fn end_all(
    on: &mut AnyConnection,
    user: UserId,
    but: Option<Digest>,
) -> Result<u64> {
    let mut query = sql("DELETE FROM sessions WHERE user_id = ");
    query.arg(user);
    if let Some(but) = but {
        query.push(" AND digest <> ").arg(but);
    }
    query.run(on).await
}

/// Ends those of a user that began by this factor.
pub(crate) async fn end_begun_by(
    on: &mut AnyConnection,
    user: UserId,
    factor: &str,
) -> Result<u64> {
    let mut query = sql("DELETE FROM sessions WHERE user_id = ");
    query.arg(user).push(" AND factors LIKE ").arg(format!("%\"{factor}\"%"));
    query.run(on).await
}

const SELECT: &str = "SELECT session_id, user_id, factors, address, agent, created_at, seen_at, \
     idle_at, expires_at FROM sessions WHERE 1 = 1";

async fn fetch(on: &mut AnyConnection, id: SessionId) -> Result<Session> {
    let mut query = sql(SELECT);
    query.push(" AND session_id = ").arg(id);
    let row = query.maybe(on).await?;
    row.as_ref().map_or_else(|| Err(LedgerError::not_found(Kind::Session, id)), read)
}

fn read(row: &Row) -> Result<Session> {
    Ok(Session {
        session_id: row.get("session_id")?,
        user_id: row.get("user_id")?,
        factors: row.json("factors")?,
        address: row.opt("address")?,
        agent: row.get("agent")?,
        created_at: row.get("created_at")?,
        seen_at: row.get("seen_at")?,
        idle_at: row.get("idle_at")?,
        expires_at: row.get("expires_at")?,
    })
}
