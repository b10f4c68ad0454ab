//! What a document can work out from its own incidents and alerts: the timeline, the entities, the
//! indicators and the ATT&CK table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{Alert, Entity, EntityKind, IncidentId, Level, Micros, Tactic, Technique};

use crate::attack::technique_name;
use crate::document::{AttackRow, Document, EntityRow, Indicator, Point};
use crate::text;

/// Rows kept of entities and indicators: more are never read on paper; the lake has them all.
const ROWS: usize = 500;

impl Document {
    /// Fills `timeline`, `entities`, `indicators` and `attack` from the cases and the loose alerts,
    /// each only when it is still empty, and puts the gravest case first.
    pub fn derive(&mut self) {
        self.cases.sort_by_key(|case| {
            let incident = &case.incident;
            let weight = std::cmp::Reverse((incident.severity, incident.risk));
            (weight, incident.first_time, incident.incident_id)
        });
        if self.timeline.is_empty() {
            self.timeline = self.points();
        }
        if self.entities.is_empty() {
            self.entities = self.entity_rows();
        }
        if self.indicators.is_empty() {
            self.indicators = self.indicator_rows();
        }
        if self.attack.is_empty() {
            self.attack = self.attack_rows();
        }
    }

    /// Every alert with the incident that it belongs to.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = (&Alert, Option<IncidentId>)> {
        let cased = self.cases.iter().flat_map(|case| {
            case.alerts.iter().map(move |alert| (alert, Some(case.incident.incident_id)))
        });
        cased.chain(self.loose_alerts.iter().map(|alert| (alert, None)))
    }

    fn points(&self) -> Vec<Point> {
        let mut points: Vec<Point> = self
            .alerts()
            .map(|(alert, incident)| Point {
                time: alert.first_time,
                until: alert.last_time,
                lane: alert.source.to_string(),
                level: alert.level,
                label: alert.rule_title.to_string(),
                count: alert.count,
                incident,
            })
            .collect();
        points.sort_by(|a, b| (a.time, &a.lane, &a.label).cmp(&(b.time, &b.lane, &b.label)));
        points
    }

    fn entity_rows(&self) -> Vec<EntityRow> {
        struct Seen {
            alerts: u64,
            incidents: BTreeSet<IncidentId>,
            first: Micros,
            last: Micros,
            level: Level,
        }
        let mut seen: BTreeMap<&Entity, Seen> = BTreeMap::new();
        for (alert, incident) in self.alerts() {
            for entity in alert.entities.iter().collect::<BTreeSet<_>>() {
                let row = seen.entry(entity).or_insert(Seen {
                    alerts: 0,
                    incidents: BTreeSet::new(),
                    first: alert.first_time,
                    last: alert.last_time,
                    level: alert.level,
                });
                row.alerts += 1;
                row.incidents.extend(incident);
                row.first = row.first.min(alert.first_time);
                row.last = row.last.max(alert.last_time);
                row.level = row.level.max(alert.level);
            }
        }
        let mut rows: Vec<EntityRow> = seen
            .into_iter()
            .map(|(entity, s)| EntityRow {
                entity: entity.clone(),
                alerts: s.alerts,
                incidents: s.incidents.len() as u64,
                first: s.first,
                last: s.last,
                level: s.level,
            })
            .collect();
        rows.sort_by(|a, b| {
            (b.incidents, b.alerts, &a.entity).cmp(&(a.incidents, a.alerts, &b.entity))
        });
        rows.truncate(ROWS);
        rows
    }

    /// Public addresses, domains, URLs and hashes of alerts that are medium or graver and belong to
    /// an incident.
    fn indicator_rows(&self) -> Vec<Indicator> {
        let mut rows: BTreeMap<&Entity, Indicator> = BTreeMap::new();
        let alerts =
            self.alerts().filter(|(a, incident)| incident.is_some() && a.level >= Level::Medium);
        for (alert, _) in alerts {
            for entity in
                alert.entities.iter().filter(|e| indicates(e, alert)).collect::<BTreeSet<_>>()
            {
                let row = rows.entry(entity).or_insert_with(|| Indicator {
                    kind: entity.kind,
                    value: entity.value.clone(),
                    defanged: text::defang(entity.kind, &entity.value),
                    alerts: 0,
                    first: alert.first_time,
                    last: alert.last_time,
                    context: alert.rule_title.to_string(),
                });
                row.alerts += 1;
                row.first = row.first.min(alert.first_time);
                row.last = row.last.max(alert.last_time);
            }
        }
        let mut rows: Vec<Indicator> = rows.into_values().collect();
        rows.sort_by(|a, b| {
            (a.kind, b.alerts, a.first, &a.value).cmp(&(b.kind, a.alerts, b.first, &b.value))
        });
        rows.truncate(ROWS);
        rows
    }

    fn attack_rows(&self) -> Vec<AttackRow> {
        let mut rows: BTreeMap<(Option<Tactic>, Option<&Technique>), AttackRow> = BTreeMap::new();
        for (alert, _) in self.alerts() {
            // A rule names tactics and techniques beside each other, not which belongs to which:
            // its techniques stand under the first tactic that it names.
            let tactic = alert.tactics.first().copied();
            let techniques: Vec<Option<&Technique>> = match alert.techniques.as_slice() {
                [] if tactic.is_none() => continue,
                [] => vec![None],
                list => list.iter().map(Some).collect(),
            };
            for technique in techniques {
                let row = rows.entry((tactic, technique)).or_insert_with(|| AttackRow {
                    tactic,
                    technique: technique.cloned(),
                    name: technique.map(|t| technique_name(&t.0)).unwrap_or_default(),
                    level: alert.level,
                    alerts: 0,
                    findings: 0,
                    first: alert.first_time,
                });
                row.level = row.level.max(alert.level);
                row.alerts += 1;
                row.findings += alert.count;
                row.first = row.first.min(alert.first_time);
            }
        }
        // Those without a tactic come last.
        let mut rows: Vec<AttackRow> = rows.into_values().collect();
        rows.sort_by_key(|row| (row.tactic.is_none(), row.tactic, row.first));
        rows
    }
}

/// Whether an entity of an alert is something to look for elsewhere. The domain of a request that
/// tries to get in is the victim's own.
fn indicates(entity: &Entity, alert: &Alert) -> bool {
    let inward = |t: &Tactic| matches!(t, Tactic::InitialAccess | Tactic::Reconnaissance);
    match entity.kind {
        EntityKind::Domain | EntityKind::Url => !alert.tactics.iter().all(inward),
        EntityKind::Hash => !entity.value.is_empty(),
        EntityKind::Address => match entity.value.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => {
                !(ip.is_private()
                    || ip.is_loopback()
                    || ip.is_link_local()
                    || ip.is_unspecified()
                    || ip.is_multicast()
                    || ip.is_broadcast())
            }
            Ok(IpAddr::V6(ip)) => {
                !(ip.is_loopback()
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local()
                    || ip.is_unspecified()
                    || ip.is_multicast())
            }
            Err(_) => false,
        },
        _ => false,
    }
}
