//! One-time links: whoever holds one may do one thing once. The link holds a random token; here is its
//! digest.

use model::{Digest, Micros};
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::alerts::MAX_BATCH;
use crate::error::{LedgerError, Result};
use crate::ids::UserId;
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::sql::{Row, sql};
use crate::users::Role;
use crate::words::words;

words! {
    /// What a link is for.
    Purpose {
        /// Makes the first user, an admin.
        FirstAdmin = "first_admin",
        /// Makes a user of a role.
        Invitation = "invitation",
        /// Sets a user's password.
        PasswordReset = "password_reset",
    }
}

/// A link to be made.
#[derive(Clone)]
pub struct NewLink {
    /// SHA-256 of the token in it.
    pub digest: Digest,
    /// What it is for.
    pub purpose: Purpose,
    /// For whom, where there is a user already.
    pub user: Option<UserId>,
    /// What the user will be.
    pub role: Option<Role>,
    /// Until when.
    pub expires: Micros,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// What it is for.
    pub purpose: Purpose,
    /// For whom.
    pub user_id: Option<UserId>,
    /// What the user will be.
    pub role: Option<Role>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Micros,
    /// Until when.
    pub expires_at: Micros,
    /// When it was used.
    pub used_at: Option<Micros>,
}

/// One-time links.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a>(pub(crate) &'a Ledger);

impl Links<'_> {
    /// Makes one. Earlier ones for the same purpose and user, and for the first admin all, work no
    /// more.
    pub async fn add(self, actor: &Actor, now: Micros, new: &NewLink) -> Result<()> {
        if new.purpose == Purpose::PasswordReset && new.user.is_none() {
            return Err(LedgerError::invalid("user", "whose password is to be set?"));
        }
        let mut tx = self.0.begin().await?;
        if new.purpose != Purpose::Invitation {
            let mut query = sql("DELETE FROM links WHERE used_at IS NULL AND purpose = ");
            query.arg(new.purpose);
            if let Some(user) = new.user {
                query.push(" AND user_id = ").arg(user);
            }
            query.run(&mut tx).await?;
        }
        let query =
            sql("INSERT INTO links (digest, purpose, user_id, role, created_by, created_at, \
             expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)");
        let query = query.bind(new.digest).bind(new.purpose).bind(new.user);
        let query = query.bind(new.role.map(Role::name)).bind(&actor.name);
        query.bind(now).bind(new.expires).run(&mut tx).await?;
        let after = json!({ "purpose": new.purpose, "user": new.user, "role": new.role,
            "expires": new.expires });
        let object = (Kind::Link, new.purpose.name());
        tx.audit((actor, now), "link.add", object, (None, Some(after)));
        tx.commit().await
    }

    /// A link that still works, without using it.
    pub async fn peek(self, digest: Digest, now: Micros) -> Result<Option<Link>> {
        find(&mut *self.0.reader().await?, digest, now).await
    }

    /// Uses a link. It works once, for its purpose, until its time.
    pub async fn take(self, digest: Digest, purpose: Purpose, now: Micros) -> Result<Link> {
        let mut tx = self.0.begin().await?;
        let link = take(&mut tx, digest, purpose, now).await?;
        tx.commit().await?;
        Ok(link)
    }

    /// Forgets links that were used or have expired, some thousands at most; says how many.
    pub async fn prune(self, now: Micros) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let mut query = sql("DELETE FROM links WHERE digest IN (SELECT digest FROM links \
             WHERE used_at IS NOT NULL OR expires_at <= ");
        query.arg(now).push(" ORDER BY expires_at LIMIT ").arg(MAX_BATCH as u64).push(")");
        let gone = query.run(&mut tx).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// Uses a link.
pub(crate) async fn take(
    on: &mut AnyConnection,
    digest: Digest,
    purpose: Purpose,
    now: Micros,
) -> Result<Link> {
    let link = find(on, digest, now).await?.filter(|link| link.purpose == purpose);
    let link = link.ok_or_else(|| LedgerError::not_found(Kind::Link, purpose))?;
    let query = sql("UPDATE links SET used_at = $1 WHERE digest = $2");
    query.bind(now).bind(digest).run(on).await?;
    Ok(link)
}

async fn find(on: &mut AnyConnection, digest: Digest, now: Micros) -> Result<Option<Link>> {
    let query = sql("SELECT purpose, user_id, role, created_by, created_at, expires_at, used_at \
         FROM links WHERE digest = $1 AND used_at IS NULL AND expires_at > $2");
    query.bind(digest).bind(now).maybe(on).await?.map(|row| read(&row)).transpose()
}

fn read(row: &Row) -> Result<Link> {
    Ok(Link {
        purpose: row.get("purpose")?,
        user_id: row.opt("user_id")?,
        role: row.opt("role")?,
        created_by: row.get("created_by")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        used_at: row.opt("used_at")?,
    })
}
