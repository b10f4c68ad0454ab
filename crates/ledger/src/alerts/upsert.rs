//! What triage says of alerts goes into their rows; what people decided stays.

use std::collections::BTreeSet;

use model::{Alert, Micros};

use crate::alerts::MAX_BATCH;
use crate::error::{LedgerError, Result};
use crate::incidents::settle::Dirty;
use crate::news::Kind;
use crate::sql::{json, sql};
use crate::text::{entity_key, key, search_text};
use crate::tx::Tx;

/// An alert keeps no more entities by which it is found.
const MAX_ENTITIES: usize = 200;

/// Triage's columns of a known alert are set where they differ. The level that is shown follows
/// [`level_shown`](crate::alerts::level_shown): a rise above what a person saw is not hidden.
const UPSERT: &str = "INSERT INTO alerts (alert_id, told, rule_id, rule_title, source, level, risk, \
     count, first_time, last_time, search, shown_level, created_at, changed_at, \
     state, pinned, version, revision) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $6, $12, $12, 'new', 0, 0, 1) \
     ON CONFLICT (alert_id) DO UPDATE SET told = excluded.told, rule_id = excluded.rule_id, \
     rule_title = excluded.rule_title, source = excluded.source, level = excluded.level, \
     risk = excluded.risk, count = excluded.count, first_time = excluded.first_time, \
     last_time = excluded.last_time, search = excluded.search, \
     shown_level = CASE WHEN alerts.severity IS NULL THEN excluded.level \
         WHEN excluded.level > alerts.severity_over AND excluded.level > alerts.severity \
         THEN excluded.level ELSE alerts.severity END, \
     revision = alerts.revision + 1, changed_at = excluded.changed_at \
     WHERE alerts.told <> excluded.told RETURNING revision, incident_id";

/// Takes over alerts; says how many are new or different.
pub(crate) async fn upsert(
    tx: &mut Tx,
    alerts: &[Alert],
    now: Micros,
    dirty: &mut Dirty,
) -> Result<u64> {
    if alerts.len() > MAX_BATCH {
        return Err(LedgerError::invalid("alerts", format!("may be {MAX_BATCH} at most")));
    }
    let mut changed = 0;
    for alert in alerts {
        let query = sql(UPSERT)
            .bind(alert.alert_id)
            .bind(json(alert)?)
            .bind(key(&alert.rule_id))
            .bind(&*alert.rule_title)
            .bind(key(&alert.source))
            .bind(alert.level)
            .bind(i64::from(alert.risk))
            .bind(alert.count)
            .bind(alert.first_time)
            .bind(alert.last_time)
            .bind(searched(alert))
            .bind(now);
        let Some(row) = query.maybe(tx).await? else { continue };
        changed += 1;
        entities(tx, alert).await?;
        dirty.extend(row.opt("incident_id")?);
        tx.changed(Kind::Alert, alert.alert_id, row.get("revision")?);
    }
    Ok(changed)
}

/// By which entities an alert is found.
pub(crate) fn found_by(alert: &Alert) -> BTreeSet<String> {
    alert.entity.iter().chain(&alert.entities).take(MAX_ENTITIES).map(entity_key).collect()
}

/// Writes anew by which entities the alert is found.
async fn entities(tx: &mut Tx, alert: &Alert) -> Result<()> {
    let keys = found_by(alert);
    sql("DELETE FROM alert_entities WHERE alert_id = $1").bind(alert.alert_id).run(tx).await?;
    if keys.is_empty() {
        return Ok(());
    }
    let mut query = sql("INSERT INTO alert_entities (alert_id, entity) VALUES ");
    for (nth, entity) in keys.into_iter().enumerate() {
        query.push(if nth == 0 { "(" } else { ", (" }).arg(alert.alert_id);
        query.push(", ").arg(entity).push(")");
    }
    query.run(tx).await.map(drop)
}

fn searched(alert: &Alert) -> String {
    let entities = alert.entities.iter().chain(&alert.entity).map(|entity| &*entity.value);
    let texts = [&*alert.rule_title, &*alert.rule_id, &*alert.source];
    search_text(texts.into_iter().chain(entities).chain([&*alert.description, &*alert.reason]))
}
