//! What a document can work out from its own incidents and alerts: the timeline, the entities, the
//! indicators and the ATT&CK table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Alert, Entity, EntityKind, IncidentId, Level, Micros, Tactic, Technique, Vantage};

use crate::attack::technique_name;
use crate::document::{AttackRow, Document, EntityRow, Indicator, Point};
use crate::text;

/// Rows kept of entities and indicators: more are never read on paper; the lake has them all.
const ROWS: usize = 500;

impl Document {
    /// Fills `timeline`, `entities`, `indicators` and `attack` from the cases and the loose alerts,
    /// each only when it is still empty, and puts the gravest case first.
    ///
    /// `vantage` says from where a source definition's events see the web.
    pub fn derive(&mut self, vantage: fn(&str) -> Vantage) {
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
            self.indicators = self.indicator_rows(vantage);
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
    /// an incident. Domains with many names below them are one: nobody blocks a tunnel name by name.
    fn indicator_rows(&self, vantage: fn(&str) -> Vantage) -> Vec<Indicator> {
        let own = self.own_sites(vantage);
        let telling: Vec<(&Alert, BTreeSet<&Entity>)> = self
            .alerts()
            .filter(|(alert, incident)| incident.is_some() && alert.level >= Level::Medium)
            .map(|(alert, _)| {
                (
                    alert,
                    alert.entities.iter().filter(|e| indicates(e, alert, &own, vantage)).collect(),
                )
            })
            .collect();
        let families = families(telling.iter().flat_map(|(_, entities)| entities).copied());
        let mut rows: BTreeMap<(EntityKind, &str), Indicator> = BTreeMap::new();
        for (alert, entities) in telling {
            let mut counted = BTreeSet::new();
            for entity in entities {
                let family = registered(entity).and_then(|above| families.get(above));
                let value = family.map_or(&*entity.value, |family| family.shared);
                let row = rows.entry((entity.kind, value)).or_insert_with(|| Indicator {
                    kind: entity.kind,
                    value: value.into(),
                    defanged: text::defang(entity.kind, value),
                    alerts: 0,
                    first: alert.first_time,
                    last: alert.last_time,
                    context: alert.rule_title.to_string(),
                    names: family.map(Family::names).unwrap_or_default(),
                });
                row.alerts += u64::from(counted.insert((entity.kind, value)));
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

    /// The sites that were asked, by the logs of who served them. An alert across several sources may
    /// name an attacker's domain beside them, so those that name more than one are not asked.
    fn own_sites(&self, vantage: fn(&str) -> Vantage) -> BTreeSet<&str> {
        let mut own = BTreeSet::new();
        let served = |alert: &Alert| vantage(&alert.source) == Vantage::Site;
        for (alert, _) in self.alerts().filter(|(alert, _)| served(alert)) {
            let mut domains = alert.entities.iter().filter(|e| e.kind == EntityKind::Domain);
            if let (Some(one), None) = (domains.next(), domains.next()) {
                own.insert(&*one.value);
            }
        }
        own
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

/// Names below one domain from which on they are told as that domain.
const BELOW: usize = 10;

/// Whether an entity of an alert is something to look for elsewhere. A site of one's own is not, nor is
/// the domain of a request that tries to get in.
fn indicates(
    entity: &Entity,
    alert: &Alert,
    own: &BTreeSet<&str>,
    vantage: fn(&str) -> Vantage,
) -> bool {
    match entity.kind {
        EntityKind::Domain | EntityKind::Url => {
            let inward = |t: &Tactic| matches!(t, Tactic::InitialAccess | Tactic::Reconnaissance);
            let asked = vantage(&alert.source) != Vantage::Other;
            let site = text::site(&entity.value);
            !own.contains(site) && !(asked && alert.tactics.iter().all(inward))
        }
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

/// Many names below one domain that somebody registered.
struct Family<'a> {
    /// The longest name that they share.
    shared: &'a str,
    names: BTreeSet<&'a str>,
}

impl Family<'_> {
    fn names(&self) -> Vec<Arc<str>> {
        self.names.iter().map(|name| Arc::from(*name)).collect()
    }
}

/// The part of a domain that somebody registered (the Public Suffix List).
fn registered(entity: &Entity) -> Option<&str> {
    (entity.kind == EntityKind::Domain).then(|| psl::domain_str(&entity.value))?
}

/// The domains that are told as one, by what was registered.
fn families<'a>(entities: impl Iterator<Item = &'a Entity>) -> BTreeMap<&'a str, Family<'a>> {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    for entity in entities {
        let Some(above) = registered(entity) else { continue };
        let name = &*entity.value;
        let family =
            families.entry(above).or_insert(Family { shared: name, names: BTreeSet::new() });
        family.shared = shared(family.shared, name);
        family.names.insert(name);
    }
    families.retain(|_, family| family.names.len() >= BELOW);
    families
}

/// The labels at the end that two names have in common.
fn shared<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.rsplit('.').zip(other.rsplit('.')).take_while(|(a, b)| a == b);
    let length: usize = same.map(|(label, _)| label.len() + 1).sum();
    let begin = (one.len() + 1).saturating_sub(length).min(one.len());
    one.get(begin..).unwrap_or(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_share_whole_labels() {
        assert_eq!(shared("a.t.evil.example", "b.t.evil.example"), "t.evil.example");
        assert_eq!(shared("evil.example", "b.evil.example"), "evil.example");
        assert_eq!(shared("b.evil.example", "evil.example"), "evil.example");
        assert_eq!(shared("xevil.example", "evil.example"), "example");
        assert_eq!(shared("evil.example", "evil.example"), "evil.example");
        assert_eq!(shared("evil.example", "evil.test"), "");
    }
}
