//! A person's decision on an alert.

use model::{AlertId, Micros};
use serde_json::{Map, Value, json};

use crate::actor::Actor;
use crate::alerts::row::{AlertChange, AlertRow, Closed, Resolution, fetch, level_shown};
use crate::error::{LedgerError, Result};
use crate::news::Kind;
use crate::sql::sql;
use crate::text::maybe_line;
use crate::tx::Tx;

/// Carries out a decision; one that decides nothing new leaves no trace.
pub(crate) async fn change(
    tx: &mut Tx,
    (actor, now): (&Actor, Micros),
    (id, expected): (AlertId, Option<u64>),
    change: &AlertChange,
) -> Result<AlertRow> {
    let before = fetch(tx, id, now).await?;
    let before = before.ok_or_else(|| LedgerError::not_found(Kind::Alert, id))?;
    LedgerError::check_version((Kind::Alert, id), expected, before.version, &before)?;
    let mut after = before.clone();
    let mut over = None;
    if let Some(status) = change.status {
        after.status = status;
    }
    if let Some(owner) = &change.owner {
        after.owner = maybe_line("owner", owner.as_deref())?;
    }
    if let Some(severity) = change.severity {
        after.severity = severity;
        over = severity.map(|_| before.alert.level);
        after.level = level_shown(before.alert.level, severity, over);
    }
    if after == before {
        return Ok(before);
    }
    if after.status != before.status {
        after.closed = after.status.resolution().map(|_| Closed {
            at: now,
            by: actor.name.clone(),
            level: before.alert.level,
            count: before.alert.count,
        });
    }
    after.version += 1;
    after.revision += 1;
    after.changed_at = now;
    store(tx, &after).await?;
    if change.severity.is_some() {
        let query = sql("UPDATE alerts SET severity_over = $1 WHERE alert_id = $2");
        query.bind(over).bind(id).run(tx).await?;
    }
    tx.audit((actor, now), "alert.change", (Kind::Alert, id), sides(&before, &after));
    tx.changed(Kind::Alert, id, after.revision);
    Ok(after)
}

async fn store(tx: &mut Tx, row: &AlertRow) -> Result<()> {
    let closed = row.closed.as_ref();
    let query = sql("UPDATE alerts SET state = $1, resolution = $2, owner = $3, severity = $4, \
         shown_level = $5, closed_at = $6, closed_by = $7, closed_level = $8, closed_count = $9, \
         version = $10, revision = $11, changed_at = $12 WHERE alert_id = $13");
    let query = query
        .bind(row.status.state())
        .bind(row.status.resolution().map(Resolution::name))
        .bind(row.owner.as_deref())
        .bind(row.severity)
        .bind(row.level)
        .bind(closed.map(|c| c.at))
        .bind(closed.map(|c| c.by.as_str()))
        .bind(closed.map(|c| c.level))
        .bind(closed.map(|c| c.count))
        .bind(row.version)
        .bind(row.revision)
        .bind(row.changed_at)
        .bind(row.alert.alert_id);
    query.run(tx).await.map(drop)
}

/// What differs, before and after.
fn sides(before: &AlertRow, after: &AlertRow) -> (Option<Value>, Option<Value>) {
    let told = |row: &AlertRow| {
        [
            ("status", json!(row.status)),
            ("owner", json!(row.owner)),
            ("severity", json!(row.severity)),
        ]
    };
    differing(told(before), told(after))
}

/// The fields of two equal lists that differ, as two objects.
pub(crate) fn differing<const N: usize>(
    before: [(&str, Value); N],
    after: [(&str, Value); N],
) -> (Option<Value>, Option<Value>) {
    let (mut old, mut new) = (Map::new(), Map::new());
    for ((name, was), (_, is)) in before.into_iter().zip(after) {
        if was != is {
            old.insert(name.to_owned(), was);
            new.insert(name.to_owned(), is);
        }
    }
    (Some(Value::Object(old)), Some(Value::Object(new)))
}
