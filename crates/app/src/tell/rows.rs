//! Rows of an answer, read back as the nouns that were written.

use std::str::FromStr;
use std::sync::Arc;

use model::{
    Alert, Entity, EntityKind, Finding, FindingKind, Incident, Level, Match, MatchedField, Micros,
    RiskPart, Tactic, Technique, Window,
};
use serde_json::{Map, Value};

/// One row: column names to JSON values.
pub(crate) type Row = Map<String, Value>;

/// Text; empty when there is none.
pub(crate) fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn shared(row: &Row, column: &str) -> Arc<str> {
    Arc::from(text(row, column))
}

pub(crate) fn number(row: &Row, column: &str) -> u64 {
    row.get(column).and_then(Value::as_u64).unwrap_or_default()
}

/// A time, written as microseconds (`cast(… AS bigint)`) or as text.
pub(crate) fn time(row: &Row, column: &str) -> Micros {
    match row.get(column) {
        Some(Value::Number(n)) => Micros(n.as_i64().unwrap_or_default()),
        Some(Value::String(s)) => parse_time(s),
        _ => Micros::default(),
    }
}

fn parse_time(text: &str) -> Micros {
    if let Ok(time) = text.parse() {
        return time;
    }
    // The engine writes UTC without saying so.
    format!("{text}Z").parse().unwrap_or_default()
}

pub(crate) fn texts<'r>(row: &'r Row, column: &str) -> impl Iterator<Item = &'r str> {
    row.get(column).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Ids that can be read.
pub(crate) fn ids<T: FromStr>(row: &Row, column: &str) -> Vec<T> {
    texts(row, column).filter_map(|text| text.parse().ok()).collect()
}

pub(crate) fn level(row: &Row, column: &str) -> Level {
    Level::from_name(text(row, column)).unwrap_or_default()
}

/// An entity as `lake` writes it: `host:web-1`.
pub(crate) fn entity(text: &str) -> Option<Entity> {
    let (kind, value) = text.split_once(':')?;
    Some(Entity { kind: EntityKind::from_name(kind)?, value: Arc::from(value) })
}

fn tactics(row: &Row) -> Vec<Tactic> {
    texts(row, "tactics").filter_map(|name| Tactic::from_tag(&name.replace(' ', "-"))).collect()
}

fn techniques(row: &Row) -> Vec<Technique> {
    texts(row, "techniques").filter_map(Technique::from_tag).collect()
}

fn risk_parts(row: &Row) -> Vec<RiskPart> {
    serde_json::from_str(text(row, "risk_parts")).unwrap_or_default()
}

/// The fields that made a finding.
pub(crate) fn matched(row: &Row) -> Vec<MatchedField> {
    serde_json::from_str(text(row, "matched_fields")).unwrap_or_default()
}

/// A row of `matches`.
pub(crate) fn kept_match(row: &Row) -> Option<Match> {
    Some(Match {
        rule_id: shared(row, "rule_id"),
        rule_version: shared(row, "rule_version"),
        time: time(row, "time"),
        event_uid: text(row, "event_uid").parse().ok()?,
        fields: serde_json::from_str(text(row, "fields")).ok()?,
        entities: texts(row, "entities").filter_map(entity).collect(),
        source: shared(row, "source"),
        labels: texts(row, "labels").map(Arc::from).collect(),
    })
}

/// A row of `findings`.
pub(crate) fn finding(row: &Row) -> Option<Finding> {
    let kind = match text(row, "kind") {
        "correlation" => FindingKind::Correlation,
        _ => FindingKind::Sigma,
    };
    let window = row.get("window_group").filter(|group| group.is_string()).map(|_| Window {
        start: time(row, "window_start"),
        end: time(row, "window_end"),
        group: serde_json::from_str(text(row, "window_group")).unwrap_or_default(),
        count: number(row, "window_count"),
    });
    Some(Finding {
        finding_id: text(row, "finding_id").parse().ok()?,
        kind,
        rule_id: shared(row, "rule_id"),
        rule_version: shared(row, "rule_version"),
        rule_title: shared(row, "rule_title"),
        description: shared(row, "description"),
        level: level(row, "level"),
        time: time(row, "time"),
        event_uids: ids(row, "event_uids"),
        entities: texts(row, "entities").filter_map(entity).collect(),
        tactics: tactics(row),
        techniques: techniques(row),
        matched_fields: matched(row),
        window,
        source: shared(row, "source"),
        labels: texts(row, "labels").map(Arc::from).collect(),
    })
}

/// A row of `alerts`.
pub(crate) fn alert(row: &Row) -> Option<Alert> {
    Some(Alert {
        alert_id: text(row, "alert_id").parse().ok()?,
        rule_id: shared(row, "rule_id"),
        rule_title: shared(row, "rule_title"),
        description: shared(row, "description"),
        entity: entity(text(row, "entity")),
        entities: texts(row, "entities").filter_map(entity).collect(),
        level: level(row, "level"),
        count: number(row, "count"),
        first_time: time(row, "first_time"),
        last_time: time(row, "last_time"),
        finding_ids: ids(row, "finding_ids"),
        tactics: tactics(row),
        techniques: techniques(row),
        source: shared(row, "source"),
        risk: number(row, "risk") as u32,
        risk_parts: risk_parts(row),
        reason: text(row, "reason").to_owned(),
    })
}

/// A row of `incidents`.
pub(crate) fn incident(row: &Row) -> Option<Incident> {
    Some(Incident {
        incident_id: text(row, "incident_id").parse().ok()?,
        title: text(row, "title").to_owned(),
        summary: text(row, "summary").to_owned(),
        severity: level(row, "severity"),
        risk: number(row, "risk") as u32,
        risk_parts: risk_parts(row),
        alert_ids: ids(row, "alert_ids"),
        finding_count: number(row, "finding_count"),
        first_time: time(row, "first_time"),
        last_time: time(row, "last_time"),
        entities: texts(row, "entities").filter_map(entity).collect(),
        tactics: tactics(row),
        techniques: techniques(row),
        sources: texts(row, "sources").map(Arc::from).collect(),
        reason: text(row, "reason").to_owned(),
        next_steps: texts(row, "next_steps").map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_and_entities_of_every_spelling() {
        let row: Row = serde_json::from_value(serde_json::json!({
            "a": "2026-10-14T02:11:00Z", "b": "2026-10-14T02:11:00", "c": 1_791_943_860_000_000_i64,
        }))
        .unwrap();
        assert_eq!(time(&row, "a"), time(&row, "b"));
        assert_eq!(time(&row, "a"), time(&row, "c"));
        assert_eq!(time(&row, "missing"), Micros(0));
        let address = entity("address:2001:db8::1").unwrap();
        assert_eq!(&*address.value, "2001:db8::1");
        assert_eq!(entity("nothing"), None);
        assert_eq!(
            tactics(&serde_json::from_str(r#"{"tactics":["Defense Evasion"]}"#).unwrap()).len(),
            1
        );
    }
}
