//! What people write on alerts and incidents: Markdown, kept as typed. An edit keeps what it replaced.

use model::{AlertId, Digest, IncidentId, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::error::{LedgerError, Result};
use crate::ids::CommentId;
use crate::incidents::{settle, touch, writable, writable_within};
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::page::{Page, Paging};
use crate::sql::{Row, sql};
use crate::text::body;
use crate::tx::Tx;

/// What a comment is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum On {
    /// An alert.
    Alert(AlertId),
    /// An incident.
    Incident(IncidentId),
}

impl On {
    fn kind(self) -> Kind {
        match self {
            Self::Alert(_) => Kind::Alert,
            Self::Incident(_) => Kind::Incident,
        }
    }

    fn id(self) -> String {
        match self {
            Self::Alert(id) => id.to_string(),
            Self::Incident(id) => id.to_string(),
        }
    }
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Comment {
    /// Its id.
    pub comment_id: CommentId,
    /// What it is on; an incident may since have been merged.
    pub on: On,
    /// Who wrote it.
    pub author: String,
    /// What it says: Markdown, as typed.
    pub body: String,
    /// When it was written.
    pub created_at: Micros,
    /// When it was last edited.
    pub edited_at: Option<Micros>,
    /// Counts what it said so far, from 1.
    pub version: u64,
}

/// What a comment said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// Which version it was.
    pub version: u64,
    /// What it said.
    pub body: String,
    /// Who replaced it.
    pub replaced_by: String,
    /// When.
    pub replaced_at: Micros,
}

/// Comments.
#[derive(Debug, Clone, Copy)]
pub struct Comments<'a>(pub(crate) &'a Ledger);

impl Comments<'_> {
    /// Writes one on an alert or on an open incident.
    pub async fn add(self, actor: &Actor, now: Micros, on: On, text: &str) -> Result<Comment> {
        let text = body("comment", text)?;
        let mut tx = self.0.begin().await?;
        if let On::Incident(id) = on {
            writable(&mut tx, id).await?;
        }
        let id = CommentId::next(&mut tx).await?;
        let query = sql("INSERT INTO comments (comment_id, object_kind, object_id, author, body, \
             created_at, version) VALUES ($1, $2, $3, $4, $5, $6, 1)");
        let query = query.bind(id).bind(on.kind()).bind(on.id()).bind(&actor.name);
        query.bind(text).bind(now).run(&mut tx).await?;
        let after = json!({ "comment": id, "sha256": Digest::of(text.as_bytes()) });
        tx.audit((actor, now), action(on, false), (on.kind(), on.id()), (None, Some(after)));
        tx.changed(Kind::Comment, id, 1);
        noticed(&mut tx, on, now).await?;
        let comment = fetch(&mut tx, id).await?;
        tx.commit().await?;
        Ok(comment)
    }

    /// Replaces what one says. Who may do so is for the caller to say.
    pub async fn edit(
        self,
        actor: &Actor,
        now: Micros,
        id: CommentId,
        expected: Option<u64>,
        text: &str,
    ) -> Result<Comment> {
        let text = body("comment", text)?;
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, id).await?;
        if let On::Incident(id) = before.on {
            writable_within(&mut tx, id).await?;
        }
        LedgerError::check_version((Kind::Comment, id), expected, before.version, &before)?;
        if before.body == text {
            return Ok(before);
        }
        let query = sql("INSERT INTO comment_edits (comment_id, version, body, replaced_by, \
             replaced_at) VALUES ($1, $2, $3, $4, $5)");
        let query = query.bind(id).bind(before.version).bind(&before.body);
        query.bind(&actor.name).bind(now).run(&mut tx).await?;
        let query = sql("UPDATE comments SET body = $1, edited_at = $2, version = version + 1 \
             WHERE comment_id = $3");
        query.bind(text).bind(now).bind(id).run(&mut tx).await?;
        let told = |text: &str| json!({ "comment": id, "sha256": Digest::of(text.as_bytes()) });
        let sides = (Some(told(&before.body)), Some(told(text)));
        let (on, version) = (before.on, before.version + 1);
        tx.audit((actor, now), action(on, true), (on.kind(), on.id()), sides);
        tx.changed(Kind::Comment, id, version);
        noticed(&mut tx, on, now).await?;
        let comment = fetch(&mut tx, id).await?;
        tx.commit().await?;
        Ok(comment)
    }

    /// Those on an alert, or on an incident and what was merged into it, the newest first.
    pub async fn list(self, on: On, paging: &Paging) -> Result<Page<Comment>> {
        let mut conn = self.0.snapshot().await?;
        let ids = match on {
            On::Alert(id) => vec![id.to_string()],
            On::Incident(id) => {
                settle::tree(&mut conn, id).await?.iter().map(ToString::to_string).collect()
            }
        };
        let mut query = sql(SELECT);
        query.push(" AND object_kind = ").arg(on.kind()).push(" AND object_id IN ").list(ids);
        paging.after(&mut query, "comments_n", "(comment_id)")?;
        query.push(" ORDER BY comment_id DESC LIMIT ").arg(i64::from(paging.limit()?) + 1);
        let rows = query.all(&mut conn).await?;
        let rows: Vec<Comment> = rows.iter().map(read).collect::<Result<_>>()?;
        paging.page("comments_n", rows, |comment| {
            (Vec::new(), comment.comment_id.number().to_string())
        })
    }

    /// What one said before, the latest first, 500 at most.
    pub async fn history(self, id: CommentId) -> Result<Vec<Edit>> {
        let query = sql("SELECT version, body, replaced_by, replaced_at FROM comment_edits \
             WHERE comment_id = $1 ORDER BY version DESC LIMIT 500");
        let rows = query.bind(id).all(&mut *self.0.reader().await?).await?;
        let edit = |row: &Row| {
            Ok(Edit {
                version: row.get("version")?,
                body: row.get("body")?,
                replaced_by: row.get("replaced_by")?,
                replaced_at: row.get("replaced_at")?,
            })
        };
        rows.iter().map(edit).collect()
    }
}

fn action(on: On, edit: bool) -> &'static str {
    match (on, edit) {
        (On::Alert(_), false) => "alert.comment",
        (On::Alert(_), true) => "alert.comment_edit",
        (On::Incident(_), false) => "incident.comment",
        (On::Incident(_), true) => "incident.comment_edit",
    }
}

/// Tells whoever looks at the thing.
async fn noticed(tx: &mut Tx, on: On, now: Micros) -> Result<()> {
    let id = match on {
        On::Incident(id) => return touch(tx, id, now).await,
        On::Alert(id) => id,
    };
    let query = sql("UPDATE alerts SET revision = revision + 1, changed_at = $1 \
         WHERE alert_id = $2 RETURNING revision");
    let row = query.bind(now).bind(id).maybe(tx).await?;
    let row = row.ok_or_else(|| LedgerError::not_found(Kind::Alert, id))?;
    tx.changed(Kind::Alert, id, row.get("revision")?);
    Ok(())
}

const SELECT: &str = "SELECT comment_id, object_kind, object_id, author, body, created_at, \
     edited_at, version FROM comments WHERE 1 = 1";

async fn fetch(on: &mut AnyConnection, id: CommentId) -> Result<Comment> {
    let mut query = sql(SELECT);
    query.push(" AND comment_id = ").arg(id);
    let row = query.maybe(on).await?;
    row.as_ref().map_or_else(|| Err(LedgerError::not_found(Kind::Comment, id)), read)
}

fn read(row: &Row) -> Result<Comment> {
    let on = match row.get("object_kind")? {
        Kind::Alert => On::Alert(row.get("object_id")?),
        Kind::Incident => On::Incident(row.get("object_id")?),
        other => return Err(LedgerError::corrupt(format!("a comment on a {other}"))),
    };
    Ok(Comment {
        comment_id: row.get("comment_id")?,
        on,
        author: row.get("author")?,
        body: row.get("body")?,
        created_at: row.get("created_at")?,
        edited_at: row.opt("edited_at")?,
        version: row.get("version")?,
    })
}
