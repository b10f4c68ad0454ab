//! The audit trail: who did what, in a chain of hashes that shows when an entry was altered, taken
//! out or cut off.
//!
//! The hash of an entry is SHA-256 over the hash before it and every field of the entry, each with
//! its length, so that no two entries read alike ([`Entry::digest`]). Whoever can write to the
//! database can also write the whole chain anew: against that [`Audit::head`] is copied to a place
//! that they cannot reach, and [`Audit::verify`] says whether the chain still leads there.

use model::{Digest, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::AnyConnection;

use crate::actor::{Actor, ActorKind};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::page::{Page, Paging};
use crate::sql::{Row, Sql, sql, storable};
use crate::text::{begins, key, line};

/// The hash before the first entry.
const GENESIS: Digest = Digest([0; 32]);
/// What an entry keeps of a thing before or after, in bytes.
const MAX_SIDE: usize = 8 * 1024;
/// How many entries are verified at a time.
const STRIDE: i64 = 1_000;

/// One entry of the trail.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Entry {
    /// Its place: 1, 2, 3 …
    pub sequence: u64,
    /// When.
    pub at: Micros,
    /// Who, and from where.
    pub actor: Actor,
    /// What was done: `incident.merge`.
    pub action: String,
    /// To what kind of thing.
    pub kind: Kind,
    /// To which one.
    pub id: String,
    /// What changed, as it was.
    pub before: Option<Value>,
    /// What changed, as it is now.
    pub after: Option<Value>,
    /// The hash of the entry before.
    pub prev: Digest,
    /// Its own.
    pub hash: Digest,
}

/// Where the chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Head {
    /// Place of the last entry; 0 when there is none.
    pub sequence: u64,
    /// Its hash.
    pub hash: Digest,
}

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verified {
    /// How many entries hold.
    pub checked: u64,
    /// The first place where the chain is broken.
    pub broken: Option<Break>,
    /// Where the chain is said to end.
    pub head: Head,
}

/// A break of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Break {
    /// At which entry.
    pub sequence: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It is gone.
    Missing,
    /// Its fields do not give its hash.
    Altered,
    /// It does not follow the entry before.
    Unlinked,
    /// It stands after the end of the chain, or the end has another hash.
    Beyond,
    /// A field cannot be read at all.
    Unreadable,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this actor.
    pub actor: Option<String>,
    /// Of this action, or, ending in `.`, of all actions that begin so.
    pub action: Option<String>,
    /// On this thing.
    pub object: Option<(Kind, String)>,
    /// At or after.
    pub from: Option<Micros>,
    /// Before.
    pub to: Option<Micros>,
}

/// An entry before it has its place.
#[derive(Debug)]
pub(crate) struct Draft {
    at: Micros,
    actor: Actor,
    action: String,
    kind: Kind,
    id: String,
    before: Option<String>,
    after: Option<String>,
}

impl Draft {
    pub(crate) fn new(
        (actor, at): (&Actor, Micros),
        action: &str,
        (kind, id): (Kind, String),
        (before, after): (Option<Value>, Option<Value>),
    ) -> Self {
        let mut actor = actor.clone();
        actor.name = key(&actor.name);
        let side = |side: Option<Value>| side.map(|value| small(&value));
        let (before, after) = (side(before), side(after));
        Self { at, actor, action: key(action), kind, id: key(&id), before, after }
    }
}

/// A value as it is kept: of one that is too big its size and digest.
fn small(value: &Value) -> String {
    let text = storable(&value.to_string()).into_owned();
    if text.len() <= MAX_SIDE {
        return text;
    }
    json!({ "bytes": text.len(), "sha256": Digest::of(text.as_bytes()) }).to_string()
}

/// The hash of an entry.
fn digest(prev: &Digest, sequence: i64, draft: &Draft) -> Digest {
    let address = draft.actor.address.map(|a| a.to_string());
    let parts: [Option<&[u8]>; 12] = [
        Some(b"watchfloor audit 1"),
        Some(&prev.0),
        Some(&sequence.to_be_bytes()),
        Some(&draft.at.0.to_be_bytes()),
        Some(draft.actor.kind.name().as_bytes()),
        Some(draft.actor.name.as_bytes()),
        address.as_deref().map(str::as_bytes),
        Some(draft.action.as_bytes()),
        Some(draft.kind.name().as_bytes()),
        Some(draft.id.as_bytes()),
        draft.before.as_deref().map(str::as_bytes),
        draft.after.as_deref().map(str::as_bytes),
    ];
    let mut hash = Sha256::new();
    for part in parts {
        match part {
            Some(bytes) => {
                hash.update([1]);
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
            None => hash.update([0]),
        }
    }
    Digest(hash.finalize().into())
}

/// Puts entries at the end of the chain.
pub(crate) async fn append(on: &mut AnyConnection, drafts: Vec<Draft>) -> Result<()> {
    if drafts.is_empty() {
        return Ok(());
    }
    let mut head = head(on).await?;
    for chunk in drafts.chunks(100) {
        let mut query =
            sql("INSERT INTO audit (sequence, at, actor_kind, actor, address, action, \
             object_kind, object_id, before, after, prev, hash) VALUES ");
        for (nth, draft) in chunk.iter().enumerate() {
            let sequence = head.sequence + 1;
            let hash = digest(&head.hash, sequence as i64, draft);
            query.push(if nth == 0 { "(" } else { ", (" }).arg(sequence).push(", ").arg(draft.at);
            query.push(", ").arg(draft.actor.kind).push(", ").arg(&draft.actor.name).push(", ");
            query.arg(draft.actor.address.map(|a| a.to_string())).push(", ").arg(&draft.action);
            query.push(", ").arg(draft.kind).push(", ").arg(&draft.id).push(", ");
            query.arg(draft.before.as_deref()).push(", ").arg(draft.after.as_deref()).push(", ");
            query.arg(head.hash.to_string()).push(", ").arg(hash.to_string()).push(")");
            head = Head { sequence, hash };
        }
        query.run(on).await?;
    }
    let query = sql("INSERT INTO audit_head (chain, sequence, hash) VALUES (1, $1, $2) \
         ON CONFLICT (chain) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash");
    query.bind(head.sequence).bind(head.hash.to_string()).run(on).await.map(drop)
}

async fn head(on: &mut AnyConnection) -> Result<Head> {
    let row = sql("SELECT sequence, hash FROM audit_head WHERE chain = 1").maybe(on).await?;
    row.map_or(Ok(Head { sequence: 0, hash: GENESIS }), |row| {
        Ok(Head { sequence: row.get("sequence")?, hash: hash(&row, "hash")? })
    })
}

fn hash(row: &Row, column: &'static str) -> Result<Digest> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| crate::LedgerError::corrupt(format!("column {column} is no digest")))
}

const COLUMNS: &str = "SELECT sequence, at, actor_kind, actor, address, action, object_kind, \
     object_id, before, after, prev, hash FROM audit WHERE 1 = 1";

fn entry(row: &Row) -> Result<Entry> {
    let side = |column| -> Result<Option<Value>> {
        row.opt::<String>(column)?.map(|_| row.json(column)).transpose()
    };
    Ok(Entry {
        sequence: row.get("sequence")?,
        at: row.get("at")?,
        actor: Actor {
            kind: row.get("actor_kind")?,
            name: row.get("actor")?,
            address: row.opt("address")?,
        },
        action: row.get("action")?,
        kind: row.get("object_kind")?,
        id: row.get("object_id")?,
        before: side("before")?,
        after: side("after")?,
        prev: hash(row, "prev")?,
        hash: hash(row, "hash")?,
    })
}

/// The entry as it was hashed, and its two hashes.
fn hashed(row: &Row) -> Result<(Draft, Digest, Digest)> {
    let kind: ActorKind = row.get("actor_kind")?;
    let actor = Actor { kind, name: row.get("actor")?, address: row.opt("address")? };
    let draft = Draft {
        at: row.get("at")?,
        actor,
        action: row.get("action")?,
        kind: row.get("object_kind")?,
        id: row.get("object_id")?,
        before: row.opt("before")?,
        after: row.opt("after")?,
    };
    Ok((draft, hash(row, "prev")?, hash(row, "hash")?))
}

/// The audit trail.
#[derive(Debug, Clone, Copy)]
pub struct Audit<'a>(pub(crate) &'a Ledger);

impl Audit<'_> {
    /// Puts an entry into the trail for what the ledger does not see by itself: a login, an export,
    /// a hunt. `before` and `after` are small: what is bigger than 8 KiB is kept as its digest.
    pub async fn record(
        self,
        actor: &Actor,
        now: Micros,
        action: &str,
        (kind, id): (Kind, &str),
        (before, after): (Option<Value>, Option<Value>),
    ) -> Result<()> {
        let action = line("action", action)?;
        let mut tx = self.0.begin().await?;
        tx.audit_draft(Draft::new((actor, now), &action, (kind, id.to_owned()), (before, after)));
        tx.commit().await
    }

    /// Entries, the newest first.
    pub async fn list(self, filter: &AuditFilter, paging: &Paging) -> Result<Page<Entry>> {
        let mut query = sql(COLUMNS);
        if let Some(actor) = &filter.actor {
            query.push(" AND actor = ").arg(key(actor));
        }
        match filter.action.as_deref() {
            Some(prefix) if prefix.ends_with('.') => {
                query.push(" AND action LIKE ").arg(begins(prefix)).push(" ESCAPE '\\'");
            }
            Some(action) => {
                query.push(" AND action = ").arg(action);
            }
            None => {}
        }
        if let Some((kind, id)) = &filter.object {
            query.push(" AND object_kind = ").arg(*kind).push(" AND object_id = ").arg(key(id));
        }
        if let Some(from) = filter.from {
            query.push(" AND at >= ").arg(from);
        }
        if let Some(to) = filter.to {
            query.push(" AND at < ").arg(to);
        }
        page(query, paging, &mut *self.0.reader().await?).await
    }

    /// Where the chain ends: what is copied to where nobody who can write here can write.
    pub async fn head(self) -> Result<Head> {
        head(&mut *self.0.reader().await?).await
    }

    /// The hash of an entry, to compare with a head that was copied earlier.
    pub async fn hash_at(self, sequence: u64) -> Result<Option<Digest>> {
        let query = sql("SELECT hash FROM audit WHERE sequence = $1").bind(sequence);
        let row = query.maybe(&mut *self.0.reader().await?).await?;
        row.map(|row| hash(&row, "hash")).transpose()
    }

    /// Goes along the chain from entry `from` (1 is the first) to entry `to`, or to its end when
    /// there is none, and says where it is first broken. Memory does not grow with the chain.
    pub async fn verify(self, from: u64, to: Option<u64>) -> Result<Verified> {
        let mut on = self.0.snapshot().await?;
        let head = head(&mut on).await?;
        let (from, end) = (from.max(1), to.unwrap_or(head.sequence).min(head.sequence));
        let mut done = Verified { checked: 0, broken: None, head };
        let mut prev = Some(GENESIS);
        if from > 1 {
            let query = sql("SELECT hash FROM audit WHERE sequence = $1").bind(from - 1);
            prev = query.maybe(&mut on).await?.and_then(|row| hash(&row, "hash").ok());
        }
        let mut next = from;
        while next <= end && done.broken.is_none() {
            let mut query = sql(COLUMNS);
            query.push(" AND sequence >= ").arg(next).push(" AND sequence <= ").arg(end);
            query.push(" ORDER BY sequence LIMIT ").arg(STRIDE);
            let rows = query.all(&mut on).await?;
            if rows.is_empty() {
                done.broken = Some(Break { sequence: next, fault: Fault::Missing });
            }
            for row in &rows {
                match link(row, next, prev) {
                    Ok(hash) => prev = Some(hash),
                    Err(fault) => {
                        done.broken = Some(Break { sequence: next, fault });
                        break;
                    }
                }
                done.checked += 1;
                next += 1;
            }
        }
        if done.broken.is_none() && end == head.sequence {
            done.broken = beyond(&mut on, head, prev).await?;
        }
        Ok(done)
    }
}

/// Checks one entry and gives its hash.
fn link(row: &Row, place: u64, before: Option<Digest>) -> std::result::Result<Digest, Fault> {
    let sequence: i64 = row.get("sequence").map_err(|_| Fault::Unreadable)?;
    if sequence != place as i64 {
        return Err(Fault::Missing);
    }
    let (draft, prev, hash) = hashed(row).map_err(|_| Fault::Unreadable)?;
    if digest(&prev, sequence, &draft) != hash {
        return Err(Fault::Altered);
    }
    if before != Some(prev) {
        return Err(Fault::Unlinked);
    }
    Ok(hash)
}

/// Whether the chain ends where it is said to end.
async fn beyond(on: &mut AnyConnection, head: Head, last: Option<Digest>) -> Result<Option<Break>> {
    let query = sql("SELECT COUNT(*) AS n FROM audit WHERE sequence > $1 OR sequence < 1");
    let more: u64 = query.bind(head.sequence).one(on).await?.get("n")?;
    let lies = last.is_some_and(|last| last != head.hash);
    let place = if lies { head.sequence } else { head.sequence + 1 };
    Ok((more > 0 || lies).then_some(Break { sequence: place, fault: Fault::Beyond }))
}

/// A page of a query that is not yet ordered.
pub(crate) async fn page(
    mut query: Sql,
    paging: &Paging,
    on: &mut AnyConnection,
) -> Result<Page<Entry>> {
    paging.after(&mut query, "audit_n", "(sequence)")?;
    query.push(" ORDER BY sequence DESC LIMIT ").arg(i64::from(paging.limit()?) + 1);
    let rows: Vec<Entry> = query.all(on).await?.iter().map(entry).collect::<Result<_>>()?;
    paging.page("audit_n", rows, |entry| (Vec::new(), entry.sequence.to_string()))
}

/// Entries that may be shown on the timeline of several things of one kind.
pub(crate) fn of_objects(kind: Kind, ids: Vec<String>) -> Sql {
    let mut query = sql(COLUMNS);
    query.push(" AND object_kind = ").arg(kind).push(" AND object_id IN ").list(ids);
    query
}
