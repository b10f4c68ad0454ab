//! The story of an incident, alert by alert, each line with the way back to its bytes.

use std::collections::BTreeMap;

use model::{Alert, Digest, Entity, EntityKind, EventUid, Finding, FindingId, MatchedField};
use report::Moment;

use super::rows::{self, Row, text};
use crate::ask::Asker;
use crate::failure::Failure;

/// Alerts of one incident that are told one by one.
const STORY: usize = 300;

/// Parcels by the part of their digest that stands in an event's id.
pub(super) struct Places<'p>(BTreeMap<[u8; 8], (Digest, &'p str)>);

impl<'p> Places<'p> {
    pub(super) fn new(parcels: &'p [Row]) -> Self {
        let place = |row: &'p Row| {
            let digest: Digest = text(row, "digest").parse().ok()?;
            let start = digest.0.first_chunk::<8>().copied()?;
            Some((start, (digest, text(row, "origin"))))
        };
        // Where equal bytes lie in several places, the first origin told is the one that was read.
        let mut places = BTreeMap::new();
        for (start, told) in
            parcels.iter().filter(|row| text(row, "note").is_empty()).filter_map(place)
        {
            places.entry(start).or_insert(told);
        }
        Self(places)
    }
}

/// What an alert's first finding says, as far as its story tells it.
pub(super) struct First {
    pub(super) event: Option<EventUid>,
    pub(super) entities: Vec<Entity>,
    pub(super) matched: Vec<MatchedField>,
}

impl From<&Finding> for First {
    fn from(finding: &Finding) -> Self {
        Self {
            event: finding.event_uids.first().copied(),
            entities: finding.entities.clone(),
            matched: finding.matched_fields.clone(),
        }
    }
}

/// The alerts that a story tells one by one, in time order: the gravest.
pub(super) fn chosen(alerts: &[Alert]) -> Vec<&Alert> {
    let mut told: Vec<&Alert> = alerts.iter().collect();
    told.sort_by_key(|alert| (std::cmp::Reverse(alert.level), alert.first_time, alert.alert_id));
    told.truncate(STORY);
    told.sort_by_key(|alert| (alert.first_time, alert.alert_id));
    told
}

/// The first findings of alerts, as the lake has them.
pub(super) fn firsts(asker: &Asker, told: &[&Alert]) -> Result<Firsts, Failure> {
    let mut findings = Firsts::new();
    for part in told.chunks(100) {
        let ids: Vec<String> = part
            .iter()
            .filter_map(|alert| alert.finding_ids.first())
            .map(|id| format!("'{id}'"))
            .collect();
        if ids.is_empty() {
            continue;
        }
        let sql = format!(
            "SELECT finding_id, event_uids, entities, matched_fields FROM findings \
             WHERE finding_id IN ({})",
            ids.join(", ")
        );
        for row in asker.rows(&sql)? {
            let Ok(id) = text(&row, "finding_id").parse() else { continue };
            let first = First {
                event: rows::texts(&row, "event_uids").next().and_then(|text| text.parse().ok()),
                entities: rows::texts(&row, "entities").filter_map(rows::entity).collect(),
                matched: rows::matched(&row),
            };
            findings.insert(id, first);
        }
    }
    Ok(findings)
}

/// First findings by their ids.
pub(super) type Firsts = BTreeMap<FindingId, First>;

/// The story of an incident: each alert by its first finding.
pub(super) fn story(told: &[&Alert], findings: &Firsts, places: &Places<'_>) -> Vec<Moment> {
    let moment = |alert: &&Alert| {
        let finding = alert.finding_ids.first().and_then(|id| findings.get(id));
        let event = finding.and_then(|finding| finding.event);
        let place = event.map(model::EventUid::place);
        let parcel = place.and_then(|(start, ..)| places.0.get(&start));
        Moment {
            time: alert.first_time,
            what: sentence(alert, finding),
            entity: alert.entity.clone(),
            level: alert.level,
            tactic: alert.tactics.first().copied(),
            technique: alert.techniques.first().cloned(),
            rule_id: alert.rule_id.clone(),
            rule_title: alert.rule_title.clone(),
            source: alert.source.clone(),
            matched: finding.map(|finding| finding.matched.clone()).unwrap_or_default(),
            count: alert.count,
            alert_id: Some(alert.alert_id),
            event_uid: event,
            parcel: parcel.map(|(digest, _)| *digest),
            origin: parcel.map(|(_, origin)| (*origin).to_owned()).unwrap_or_default(),
            offset: parcel.and(place).map(|(_, offset, _)| offset),
        }
    };
    told.iter().map(moment).collect()
}

/// What happened, to or by whom, on which machine and from or to which address, as far as the alert's
/// first finding names them.
fn sentence(alert: &Alert, finding: Option<&First>) -> String {
    let entities = finding.map(|finding| finding.entities.as_slice()).unwrap_or_default();
    // The entity by which the alert is named goes before others of its kind.
    let first = |kind: EntityKind| {
        let anchor = alert.entity.as_ref().filter(|entity| entity.kind == kind);
        anchor.or_else(|| entities.iter().find(|entity| entity.kind == kind))
    };
    let name = |entity: &Entity| model::inert(&model::shortened(&entity.value, 60)).into_owned();
    let user = first(EntityKind::User).or_else(|| first(EntityKind::Email)).map(name);
    let host = first(EntityKind::Host).map(name);
    let address = first(EntityKind::Address).map(name);
    let place = match (user, host) {
        (Some(user), Some(host)) => format!("{user} on {host}"),
        (user, host) => user.or(host).unwrap_or_default(),
    };
    let who = match (place.as_str(), address) {
        ("", None) => match &alert.entity {
            Some(entity) => format!("{} {}", entity.kind.name(), name(entity)),
            None => return alert.rule_title.to_string(),
        },
        ("", Some(address)) => address,
        (_, None) => place,
        (_, Some(address)) => format!("{place}, {address}"),
    };
    format!("{} ({who})", alert.rule_title)
}
