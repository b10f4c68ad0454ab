//! Who may deliver logs, how they show who they are, and what is expected of them.

use std::collections::BTreeSet;

use model::{Digest, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::error::{LedgerError, Result};
use crate::ids::SenderId;
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::sql::{Row, json as document, sql};
use crate::text::{line, maybe_line};
use crate::tx::Tx;

/// A sender has no more tokens at once: the old and the new, and some that nobody dares to remove.
pub const MAX_SENDER_TOKENS: u64 = 10;

/// A sender has no more ranges of addresses.
pub const MAX_NETWORKS: usize = 100;

/// What is said of a sender.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SenderForm {
    /// Its name, its own.
    pub name: String,
    /// By what way it delivers: `syslog`, `hec`, `logpush`.
    pub kind: String,
    /// Ranges of addresses from which it delivers over sockets (`192.0.2.0/24`), no other sender's.
    pub networks: Vec<String>,
    /// The name in its TLS certificate, its own.
    pub client_name: Option<String>,
    /// The source definition of what it sends, when it is known beforehand.
    pub definition: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Events a second that are taken from it.
    pub rate_limit: Option<u64>,
    /// Microseconds of silence that are an alarm.
    pub silent_after: Option<u64>,
    /// Whether anything is taken from it.
    pub enabled: bool,
}

/// A sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sender {
    /// Its id.
    pub sender_id: SenderId,
    /// What is said of it.
    #[serde(flatten)]
    pub form: SenderForm,
    /// When it was made.
    pub created_at: Micros,
    /// Counts changes, from 1.
    pub version: u64,
}

/// A sender that should have been heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silent {
    /// Which one.
    pub sender: Sender,
    /// When it was last heard; none when it never was.
    pub last_seen: Option<Micros>,
}

/// Senders.
#[derive(Debug, Clone, Copy)]
pub struct Senders<'a>(pub(crate) &'a Ledger);

impl Senders<'_> {
    /// Makes one.
    pub async fn add(self, actor: &Actor, now: Micros, form: &SenderForm) -> Result<Sender> {
        let form = checked(form)?;
        let mut tx = self.0.begin().await?;
        own(&mut tx, &form, None).await?;
        let id = SenderId::next(&mut tx).await?;
        let query =
            sql("INSERT INTO senders (sender_id, name, kind, client_name, definition, tags, \
             rate_limit, silent_after, enabled, created_at, version, networks) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11)");
        let query = query.bind(id).bind(&form.name).bind(&form.kind);
        let query = query.bind(form.client_name.as_deref()).bind(form.definition.as_deref());
        let query = query.bind(document(&form.tags)?).bind(form.rate_limit).bind(form.silent_after);
        let query = query.bind(form.enabled).bind(now).bind(document(&form.networks)?);
        query.run(&mut tx).await?;
        tx.audit((actor, now), "sender.add", (Kind::Sender, id), (None, Some(json!(form))));
        tx.changed(Kind::Sender, id, 1);
        tx.commit().await?;
        Ok(Sender { sender_id: id, form, created_at: now, version: 1 })
    }

    /// Says anew what one is. `expected` is the version that it was decided on.
    pub async fn change(
        self,
        actor: &Actor,
        now: Micros,
        id: SenderId,
        expected: Option<u64>,
        form: &SenderForm,
    ) -> Result<Sender> {
        let form = checked(form)?;
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, id).await?;
        LedgerError::check_version((Kind::Sender, id), expected, before.version, &before)?;
        if before.form == form {
            return Ok(before);
        }
        own(&mut tx, &form, Some(id)).await?;
        let query =
            sql("UPDATE senders SET name = $1, kind = $2, client_name = $3, definition = $4, \
             tags = $5, rate_limit = $6, silent_after = $7, enabled = $8, networks = $9, \
             version = version + 1 WHERE sender_id = $10");
        let query = query.bind(&form.name).bind(&form.kind);
        let query = query.bind(form.client_name.as_deref()).bind(form.definition.as_deref());
        let query = query.bind(document(&form.tags)?).bind(form.rate_limit).bind(form.silent_after);
        let query = query.bind(form.enabled).bind(document(&form.networks)?).bind(id);
        query.run(&mut tx).await?;
        let after = fetch(&mut tx, id).await?;
        let sides = (Some(json!(before.form)), Some(json!(after.form)));
        tx.audit((actor, now), "sender.change", (Kind::Sender, id), sides);
        tx.changed(Kind::Sender, id, after.version);
        tx.commit().await?;
        Ok(after)
    }

    /// Gives it a token, by its digest. Those that it has stop working at `retire`, so that both work
    /// while it changes over; none lets them be.
    pub async fn add_token(
        self,
        actor: &Actor,
        now: Micros,
        id: SenderId,
        digest: Digest,
        retire: Option<Micros>,
    ) -> Result<()> {
        let mut tx = self.0.begin().await?;
        fetch(&mut tx, id).await?;
        let query = sql("DELETE FROM sender_tokens WHERE sender_id = $1 AND expires_at <= $2");
        query.bind(id).bind(now).run(&mut tx).await?;
        if let Some(retire) = retire {
            let query = sql("UPDATE sender_tokens SET expires_at = $1 WHERE sender_id = $2 \
                 AND (expires_at IS NULL OR expires_at > $1)");
            query.bind(retire).bind(id).run(&mut tx).await?;
        }
        let query = sql("SELECT COUNT(*) AS n, COUNT(CASE WHEN digest = $1 THEN 1 END) AS same \
             FROM sender_tokens WHERE sender_id = $2 OR digest = $1");
        let row = query.bind(digest).bind(id).one(&mut tx).await?;
        if row.get::<u64>("same")? > 0 {
            return Err(LedgerError::Exists { what: Kind::Token, field: "digest" });
        }
        if row.get::<u64>("n")? >= MAX_SENDER_TOKENS {
            let why = format!("a sender may have {MAX_SENDER_TOKENS} at once; revoke some");
            return Err(LedgerError::invalid("tokens", why));
        }
        let query =
            sql("INSERT INTO sender_tokens (digest, sender_id, created_at) VALUES ($1, $2, $3)");
        query.bind(digest).bind(id).bind(now).run(&mut tx).await?;
        let after = json!({ "others_retire": retire });
        tx.audit((actor, now), "sender.token", (Kind::Sender, id), (None, Some(after)));
        tx.commit().await
    }

    /// Takes all its tokens away at once; says how many it had.
    pub async fn revoke_tokens(self, actor: &Actor, now: Micros, id: SenderId) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        fetch(&mut tx, id).await?;
        let query = sql("DELETE FROM sender_tokens WHERE sender_id = $1").bind(id);
        let gone = query.run(&mut tx).await?;
        let before = json!({ "tokens": gone });
        tx.audit((actor, now), "sender.revoke", (Kind::Sender, id), (Some(before), None));
        tx.commit().await?;
        Ok(gone)
    }

    /// The sender that holds a token which works now. Whether it is enabled is for the caller to see.
    pub async fn by_token(self, digest: Digest, now: Micros) -> Result<Option<Sender>> {
        let mut query = sql(SELECT);
        query
            .push(" AND s.sender_id IN (SELECT t.sender_id FROM sender_tokens t WHERE t.digest = ");
        query.arg(digest).push(" AND (t.expires_at IS NULL OR t.expires_at > ").arg(now).push("))");
        let row = query.maybe(&mut *self.0.reader().await?).await?;
        row.as_ref().map(read).transpose()
    }

    /// The sender with this name in its TLS certificate.
    pub async fn by_client_name(self, name: &str) -> Result<Option<Sender>> {
        let mut query = sql(SELECT);
        query.push(" AND s.client_name = ").arg(name);
        let row = query.maybe(&mut *self.0.reader().await?).await?;
        row.as_ref().map(read).transpose()
    }

    /// One.
    pub async fn get(self, id: SenderId) -> Result<Sender> {
        fetch(&mut *self.0.reader().await?, id).await
    }

    /// All, in the order in which they were made, 500 from an offset on.
    pub async fn list(self, offset: u32) -> Result<Vec<Sender>> {
        let mut query = sql(SELECT);
        query.push(" ORDER BY s.sender_id LIMIT 500 OFFSET ").arg(i64::from(offset));
        query.all(&mut *self.0.reader().await?).await?.iter().map(read).collect()
    }

    /// Those that should have been heard by now, 500 at most: enabled, and silent for longer than they
    /// may be, counted from when they were made if they never were heard.
    pub async fn silent(self, now: Micros) -> Result<Vec<Silent>> {
        let mut query = sql("SELECT s.*, h.last_seen FROM senders s LEFT JOIN ( \
             SELECT sender, MAX(last_seen) AS last_seen FROM source_health GROUP BY sender \
             ) h ON h.sender = s.name WHERE s.enabled = 1 AND s.silent_after IS NOT NULL \
             AND COALESCE(h.last_seen, s.created_at) + s.silent_after < ");
        query.arg(now).push(" ORDER BY s.sender_id LIMIT 500");
        let rows = query.all(&mut *self.0.reader().await?).await?;
        let silent =
            |row: &Row| Ok(Silent { sender: read(row)?, last_seen: row.opt("last_seen")? });
        rows.iter().map(silent).collect()
    }
}

fn checked(form: &SenderForm) -> Result<SenderForm> {
    if form.tags.len() > 50 {
        return Err(LedgerError::invalid("tags", "may be 50 at most"));
    }
    if form.networks.len() > MAX_NETWORKS {
        return Err(LedgerError::invalid("networks", format!("may be {MAX_NETWORKS} at most")));
    }
    // Ten years: what is added to a time must stay one.
    if form.silent_after.is_some_and(|span| !(1_000_000..=315_360_000_000_000).contains(&span)) {
        return Err(LedgerError::invalid("silent_after", "expected a second to ten years"));
    }
    if form.rate_limit == Some(0) {
        return Err(LedgerError::invalid("rate_limit", "0 takes nothing: disable the sender"));
    }
    let tags: Result<Vec<String>> = form.tags.iter().map(|tag| line("tags", tag)).collect();
    let networks: Result<BTreeSet<String>> =
        form.networks.iter().map(|network| line("networks", network)).collect();
    Ok(SenderForm {
        name: line("name", &form.name)?,
        kind: line("kind", &form.kind)?,
        networks: networks?.into_iter().collect(),
        client_name: maybe_line("client_name", form.client_name.as_deref())?,
        definition: maybe_line("definition", form.definition.as_deref())?,
        tags: tags?,
        ..form.clone()
    })
}

/// Refuses a name or a range of addresses that another sender has.
async fn own(tx: &mut Tx, form: &SenderForm, but: Option<SenderId>) -> Result<()> {
    let mut query = sql("SELECT s.name FROM senders s WHERE (s.name = ");
    query.arg(&form.name).push(" OR s.client_name = ").arg(form.client_name.as_deref()).push(")");
    if let Some(but) = but {
        query.push(" AND s.sender_id <> ").arg(but);
    }
    if let Some(row) = query.maybe(tx).await? {
        let same_name = row.get::<String>("name")? == form.name;
        let field = if same_name { "name" } else { "client_name" };
        return Err(LedgerError::Exists { what: Kind::Sender, field });
    }
    if form.networks.is_empty() {
        return Ok(());
    }
    let mut query = sql("SELECT s.networks FROM senders s WHERE s.networks <> '[]'");
    if let Some(but) = but {
        query.push(" AND s.sender_id <> ").arg(but);
    }
    for row in query.all(tx).await? {
        if list(&row, "networks")?.iter().any(|network| form.networks.contains(network)) {
            return Err(LedgerError::Exists { what: Kind::Sender, field: "networks" });
        }
    }
    Ok(())
}

fn list(row: &Row, column: &'static str) -> Result<Vec<String>> {
    let list: Value = row.json(column)?;
    serde_json::from_value(list)
        .map_err(|error| LedgerError::corrupt(format!("column {column}: {error}")))
}

const SELECT: &str = "SELECT s.sender_id, s.name, s.kind, s.client_name, s.definition, s.tags, \
     s.rate_limit, s.silent_after, s.enabled, s.created_at, s.version, s.networks FROM senders s WHERE 1 = 1";

async fn fetch(on: &mut AnyConnection, id: SenderId) -> Result<Sender> {
    let mut query = sql(SELECT);
    query.push(" AND s.sender_id = ").arg(id);
    let row = query.maybe(on).await?;
    row.as_ref().map_or_else(|| Err(LedgerError::not_found(Kind::Sender, id)), read)
}

fn read(row: &Row) -> Result<Sender> {
    Ok(Sender {
        sender_id: row.get("sender_id")?,
        form: SenderForm {
            name: row.get("name")?,
            kind: row.get("kind")?,
            networks: list(row, "networks")?,
            client_name: row.opt("client_name")?,
            definition: row.opt("definition")?,
            tags: list(row, "tags")?,
            rate_limit: row.opt("rate_limit")?,
            silent_after: row.opt("silent_after")?,
            enabled: row.get("enabled")?,
        },
        created_at: row.get("created_at")?,
        version: row.get("version")?,
    })
}
