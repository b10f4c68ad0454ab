//! Second factors: time-based codes (RFC 6238) and passkeys (WebAuthn), as rows. Making and checking
//! them is done elsewhere.

use model::Micros;
use serde::Serialize;
use serde_json::json;

use crate::actor::Actor;
use crate::error::{LedgerError, Result};
use crate::ids::UserId;
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::secret::Secret;
use crate::sql::{Row, sql};
use crate::text::{body, line};
use crate::users;

/// A user has no more passkeys.
pub const MAX_PASSKEYS: u64 = 20;

/// What codes are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totp {
    /// The sealed secret.
    pub sealed: Secret,
    /// Whether the user has shown that they can make codes; until then it is no factor.
    pub confirmed: bool,
    /// The time step of the last code that was taken: no code of it or before is taken again.
    pub last_step: i64,
}

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passkey {
    /// The credential's id, as text.
    pub credential_id: String,
    /// Whose.
    pub user_id: UserId,
    /// What the user calls it.
    pub name: String,
    /// Public key and counter, as the checking library writes them: JSON.
    pub credential: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last used.
    pub used_at: Option<Micros>,
}

/// Second factors.
#[derive(Debug, Clone, Copy)]
pub struct Factors<'a>(pub(crate) &'a Ledger);

impl Factors<'_> {
    /// What a user's codes are made from.
    pub async fn totp(self, user: UserId) -> Result<Option<Totp>> {
        let query = sql("SELECT sealed, last_step, confirmed_at FROM totp WHERE user_id = $1");
        let row = query.bind(user).maybe(&mut *self.0.reader().await?).await?;
        row.map(|row| {
            Ok(Totp {
                sealed: Secret::new(row.get::<String>("sealed")?),
                confirmed: row.opt::<Micros>("confirmed_at")?.is_some(),
                last_step: row.get("last_step")?,
            })
        })
        .transpose()
    }

    /// Begins with a secret, in place of one that was there; it is not confirmed yet.
    pub async fn begin_totp(
        self,
        actor: &Actor,
        now: Micros,
        user: UserId,
        sealed: &Secret,
    ) -> Result<()> {
        let mut tx = self.0.begin().await?;
        users::fetch(&mut tx, user).await?;
        let query = sql("INSERT INTO totp (user_id, sealed, last_step, created_at) \
             VALUES ($1, $2, -1, $3) ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, \
             last_step = -1, created_at = excluded.created_at, confirmed_at = NULL");
        query.bind(user).bind(sealed.expose()).bind(now).run(&mut tx).await?;
        tx.audit((actor, now), "totp.begin", (Kind::User, user), (None, None));
        tx.commit().await
    }

    /// Takes the code of a time step, once: false when it or a later one was taken before. The first
    /// confirms the factor.
    pub async fn take_step(self, user: UserId, step: i64, now: Micros) -> Result<bool> {
        let mut tx = self.0.begin().await?;
        let query = sql("UPDATE totp SET last_step = $1, \
             confirmed_at = COALESCE(confirmed_at, $2) WHERE user_id = $3 AND last_step < $1");
        let taken = query.bind(step).bind(now).bind(user).run(&mut tx).await? == 1;
        tx.commit().await?;
        Ok(taken)
    }

    /// Takes the factor away.
    pub async fn remove_totp(self, actor: &Actor, now: Micros, user: UserId) -> Result<()> {
        let mut tx = self.0.begin().await?;
        if sql("DELETE FROM totp WHERE user_id = $1").bind(user).run(&mut tx).await? == 0 {
            return Err(LedgerError::not_found(Kind::Factor, user));
        }
        tx.audit((actor, now), "totp.remove", (Kind::User, user), (None, None));
        tx.commit().await
    }

    /// Adds a passkey.
    pub async fn add_passkey(
        self,
        actor: &Actor,
        now: Micros,
        user: UserId,
        (credential_id, name, credential): (&str, &str, &str),
    ) -> Result<()> {
        if credential_id.is_empty() || credential_id.len() > 2_000 {
            return Err(LedgerError::invalid("credential", "its id has 1 to 2,000 characters"));
        }
        let (name, credential) = (line("name", name)?, body("credential", credential)?);
        let mut tx = self.0.begin().await?;
        users::fetch(&mut tx, user).await?;
        let query = sql("SELECT COUNT(*) AS n, \
             COUNT(CASE WHEN credential_id = $1 THEN 1 END) AS same FROM passkeys \
             WHERE user_id = $2 OR credential_id = $1");
        let row = query.bind(credential_id).bind(user).one(&mut tx).await?;
        if row.get::<u64>("same")? > 0 {
            return Err(LedgerError::Exists { what: Kind::Factor, field: "credential" });
        }
        if row.get::<u64>("n")? >= MAX_PASSKEYS {
            let why = format!("a user may have {MAX_PASSKEYS} at most");
            return Err(LedgerError::invalid("passkeys", why));
        }
        let query =
            sql("INSERT INTO passkeys (credential_id, user_id, name, credential, created_at) \
             VALUES ($1, $2, $3, $4, $5)");
        let query = query.bind(credential_id).bind(user).bind(&name).bind(credential);
        query.bind(now).run(&mut tx).await?;
        let after = json!({ "name": name });
        tx.audit((actor, now), "passkey.add", (Kind::User, user), (None, Some(after)));
        tx.commit().await
    }

    /// A user's passkeys, the oldest first.
    pub async fn passkeys(self, user: UserId) -> Result<Vec<Passkey>> {
        let mut query = sql(SELECT);
        query
            .push(" AND user_id = ")
            .arg(user)
            .push(" ORDER BY created_at, credential_id LIMIT 500");
        query.all(&mut *self.0.reader().await?).await?.iter().map(read).collect()
    }

    /// The passkey of a credential.
    pub async fn passkey(self, credential_id: &str) -> Result<Option<Passkey>> {
        let mut query = sql(SELECT);
        query.push(" AND credential_id = ").arg(credential_id);
        let row = query.maybe(&mut *self.0.reader().await?).await?;
        row.as_ref().map(read).transpose()
    }

    /// Notes that a passkey was used, and what its credential reads now; false when it does not read any
    /// more what it read `before`: somebody used it meanwhile.
    pub async fn used_passkey(
        self,
        credential_id: &str,
        (before, credential): (&str, &str),
        now: Micros,
    ) -> Result<bool> {
        let credential = body("credential", credential)?;
        let mut tx = self.0.begin().await?;
        let query = sql("UPDATE passkeys SET credential = $1, used_at = $2 \
             WHERE credential_id = $3 AND credential = $4");
        let query = query.bind(credential).bind(now).bind(credential_id).bind(before);
        let used = query.run(&mut tx).await? == 1;
        tx.commit().await?;
        Ok(used)
    }

    /// Takes a passkey away.
    pub async fn remove_passkey(
        self,
        actor: &Actor,
        now: Micros,
        user: UserId,
        credential_id: &str,
    ) -> Result<()> {
        let mut tx = self.0.begin().await?;
        let query =
            sql("DELETE FROM passkeys WHERE credential_id = $1 AND user_id = $2 RETURNING name");
        let row = query.bind(credential_id).bind(user).maybe(&mut tx).await?;
        let row = row.ok_or_else(|| LedgerError::not_found(Kind::Factor, "passkey"))?;
        let before = json!({ "name": row.get::<String>("name")? });
        tx.audit((actor, now), "passkey.remove", (Kind::User, user), (Some(before), None));
        tx.commit().await
    }
}

const SELECT: &str = "SELECT credential_id, user_id, name, credential, created_at, used_at \
     FROM passkeys WHERE 1 = 1";

fn read(row: &Row) -> Result<Passkey> {
    Ok(Passkey {
        credential_id: row.get("credential_id")?,
        user_id: row.get("user_id")?,
        name: row.get("name")?,
        credential: row.get("credential")?,
        created_at: row.get("created_at")?,
        used_at: row.opt("used_at")?,
    })
}
