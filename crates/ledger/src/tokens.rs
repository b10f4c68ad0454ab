//! Tokens for the API: a program that may come in as one of the users, for some things and until some
//! time. The program holds a random token; here is its digest.

use std::net::IpAddr;

use model::{Digest, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::error::{LedgerError, Result};
use crate::ids::{TokenId, UserId};
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::sql::{Row, json as document, sql};
use crate::text::line;
use crate::users::{self, User};

/// A user has no more tokens that work.
pub const MAX_TOKENS: u64 = 100;
/// A use is noted when the last one is this old.
const NOTED_EVERY: i64 = 60_000_000;

/// A token to be made.
#[derive(Clone)]
pub struct NewToken {
    /// SHA-256 of the token that the program holds.
    pub digest: Digest,
    /// As whom it comes in.
    pub user: UserId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Until when.
    pub expires: Option<Micros>,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ApiToken {
    /// Its id.
    pub token_id: TokenId,
    /// As whom it comes in.
    pub user_id: UserId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Micros,
    /// Until when it works.
    pub expires_at: Option<Micros>,
    /// When it was last used, to the minute.
    pub used_at: Option<Micros>,
    /// From where.
    pub used_from: Option<IpAddr>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
    /// By whom.
    pub revoked_by: Option<String>,
}

/// Tokens.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a>(pub(crate) &'a Ledger);

impl Tokens<'_> {
    /// Makes one.
    pub async fn add(self, actor: &Actor, now: Micros, new: &NewToken) -> Result<ApiToken> {
        let name = line("name", &new.name)?;
        if new.scopes.len() > 100 {
            return Err(LedgerError::invalid("scopes", "may be 100 at most"));
        }
        for scope in &new.scopes {
            line("scopes", scope)?;
        }
        let mut tx = self.0.begin().await?;
        users::fetch(&mut tx, new.user).await?;
        let query = sql("SELECT COUNT(*) AS n FROM api_tokens WHERE digest = $1").bind(new.digest);
        if query.one(&mut tx).await?.get::<u64>("n")? > 0 {
            return Err(LedgerError::Exists { what: Kind::Token, field: "digest" });
        }
        let query = sql("SELECT COUNT(*) AS n FROM api_tokens WHERE user_id = $1 \
             AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)");
        if query.bind(new.user).bind(now).one(&mut tx).await?.get::<u64>("n")? >= MAX_TOKENS {
            let why = format!("a user may have {MAX_TOKENS} at most; revoke some");
            return Err(LedgerError::invalid("tokens", why));
        }
        let id = TokenId::next(&mut tx).await?;
        let query =
            sql("INSERT INTO api_tokens (digest, token_id, user_id, name, scopes, created_at, \
             expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)");
        let query = query.bind(new.digest).bind(id).bind(new.user).bind(&name);
        query.bind(document(&new.scopes)?).bind(now).bind(new.expires).run(&mut tx).await?;
        let after = json!({ "user": new.user, "name": name, "scopes": new.scopes,
            "expires": new.expires });
        tx.audit((actor, now), "token.add", (Kind::Token, id), (None, Some(after)));
        let token = fetch(&mut tx, id).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Who comes with this token, when it still works and its user is not kept out.
    pub async fn check(
        self,
        digest: Digest,
        now: Micros,
        from: Option<IpAddr>,
    ) -> Result<Option<(ApiToken, User)>> {
        let mut query = sql(SELECT);
        query.push(" AND digest = ").arg(digest).push(" AND revoked_at IS NULL");
        query.push(" AND (expires_at IS NULL OR expires_at > ").arg(now).push(")");
        let mut on = self.0.reader().await?;
        let Some(row) = query.maybe(&mut on).await? else { return Ok(None) };
        let mut token = read(&row)?;
        let user = users::fetch(&mut on, token.user_id).await?;
        drop(on);
        if user.disabled {
            return Ok(None);
        }
        if token.used_at.is_none_or(|at| now.0.saturating_sub(at.0) >= NOTED_EVERY) {
            let query =
                sql("UPDATE api_tokens SET used_at = $1, used_from = $2 WHERE token_id = $3");
            let query = query.bind(now).bind(from.map(|a| a.to_string())).bind(token.token_id);
            if self.0.note(query).await? {
                (token.used_at, token.used_from) = (Some(now), from);
            }
        }
        Ok(Some((token, user)))
    }

    /// One.
    pub async fn get(self, id: TokenId) -> Result<ApiToken> {
        fetch(&mut *self.0.reader().await?, id).await
    }

    /// A user's, or everybody's, the newest first, 500 at most.
    pub async fn list(self, user: Option<UserId>) -> Result<Vec<ApiToken>> {
        let mut query = sql(SELECT);
        if let Some(user) = user {
            query.push(" AND user_id = ").arg(user);
        }
        query.push(" ORDER BY token_id DESC LIMIT 500");
        query.all(&mut *self.0.reader().await?).await?.iter().map(read).collect()
    }

    /// Makes one work no more.
    pub async fn revoke(self, actor: &Actor, now: Micros, id: TokenId) -> Result<ApiToken> {
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, id).await?;
        if before.revoked_at.is_some() {
            return Ok(before);
        }
        let query =
            sql("UPDATE api_tokens SET revoked_at = $1, revoked_by = $2 WHERE token_id = $3");
        query.bind(now).bind(&actor.name).bind(id).run(&mut tx).await?;
        tx.audit((actor, now), "token.revoke", (Kind::Token, id), (None, None));
        let after = fetch(&mut tx, id).await?;
        tx.commit().await?;
        Ok(after)
    }
}

const SELECT: &str = "SELECT token_id, user_id, name, scopes, created_at, expires_at, used_at, \
     used_from, revoked_at, revoked_by FROM api_tokens WHERE 1 = 1";

async fn fetch(on: &mut AnyConnection, id: TokenId) -> Result<ApiToken> {
    let mut query = sql(SELECT);
    query.push(" AND token_id = ").arg(id);
    let row = query.maybe(on).await?;
    row.as_ref().map_or_else(|| Err(LedgerError::not_found(Kind::Token, id)), read)
}

fn read(row: &Row) -> Result<ApiToken> {
    Ok(ApiToken {
        token_id: row.get("token_id")?,
        user_id: row.get("user_id")?,
        name: row.get("name")?,
        scopes: row.json("scopes")?,
        created_at: row.get("created_at")?,
        expires_at: row.opt("expires_at")?,
        used_at: row.opt("used_at")?,
        used_from: row.opt("used_from")?,
        revoked_at: row.opt("revoked_at")?,
        revoked_by: row.opt("revoked_by")?,
    })
}
