//! The steps as the ledger does them, and how it is held against the model.

use super::*;

/// Takes a step in the ledger. `world` is as it was before.
pub(super) async fn in_ledger(house: &House, world: &World, step: &Step, now: i64) -> Outcome {
    let (alerts, incidents) = (house.ledger.alerts(), house.ledger.incidents());
    let (alice, now): (Actor, _) = (alice(), at(now));
    let kind = |error: LedgerError| error.kind();
    match step {
        Step::Alert(number, level, count) => {
            alerts.upsert(&[made(*number, *level, *count)], now).await.map(drop).map_err(kind)
        }
        Step::Triage(groups, level) => {
            let said = said(world, groups, *level);
            incidents.upsert(&said, now).await.map(drop).map_err(kind)
        }
        Step::Decide(number, status, level) => {
            let change = IncidentChange {
                status: Some(IncidentStatus::ALL[*status]),
                severity: Some(level.map(|l| Level::ALL[l])),
                ..IncidentChange::default()
            };
            let id = incident_id(*number);
            incidents.change(&alice, now, id, None, &change).await.map(drop).map_err(kind)
        }
        Step::Reopen(number) => {
            incidents.reopen(&alice, now, incident_id(*number), None).await.map(drop).map_err(kind)
        }
        Step::DecideAlert(number, status, level) => {
            let change = AlertChange {
                status: Some(ALERT_STATES[*status]),
                severity: Some(level.map(|l| Level::ALL[l])),
                ..AlertChange::default()
            };
            let id = alert_id(*number);
            alerts.change(&alice, now, id, None, &change).await.map(drop).map_err(kind)
        }
        Step::Add(number, some) => {
            let id = incident_id(*number);
            incidents.add_alerts(&alice, now, id, &ids(some)).await.map(drop).map_err(kind)
        }
        Step::Remove(number, some) => {
            let id = incident_id(*number);
            incidents.remove_alerts(&alice, now, id, &ids(some)).await.map(drop).map_err(kind)
        }
        Step::Release(some) => {
            incidents.release_alerts(&alice, now, &ids(some)).await.map_err(kind)
        }
        Step::Merge(source, target) => {
            let (source, target) = (incident_id(*source), incident_id(*target));
            incidents.merge(&alice, now, source, target).await.map(drop).map_err(kind)
        }
        Step::Undo(nth) => {
            let id = format!("m-{}", nth + 1).parse().unwrap();
            incidents.undo_merge(&alice, now, id).await.map(drop).map_err(kind)
        }
    }
}

pub(super) async fn compare(house: &House, world: &World) {
    for id in world.alerts.keys() {
        let row = house.ledger.alerts().get(*id, at(0)).await.unwrap();
        let seen = SeenAlert {
            level: row.level,
            count: row.alert.count,
            status: row.status,
            incident: row.incident_id,
            version: row.version,
            risen: row.risen(),
        };
        assert_eq!(seen, world.seen_alert(*id), "{id}");
    }
    for id in world.incidents.keys() {
        let row = house.ledger.incidents().get(*id).await.unwrap();
        let seen = SeenIncident {
            number: row.number,
            level: row.level,
            status: row.status,
            alerts: row.alert_count,
            told_by: row.told.incident_id.to_string(),
            merged_into: row.merged_into,
            version: row.version,
            risen: row.risen(),
        };
        let expected = world.seen_incident(*id);
        if row.merged_into.is_some() {
            // What a merged one would show is worked out when its merge is undone.
            assert_eq!((seen.number, seen.status), (expected.number, expected.status), "{id}");
            assert_eq!((seen.merged_into, seen.version), (expected.merged_into, expected.version));
        } else {
            assert_eq!(seen, expected, "{id}");
        }
    }
}

pub(super) async fn clear(house: &House) {
    for table in
        ["alert_entities", "alerts", "merges", "incidents", "counters", "audit", "audit_head"]
    {
        house.tamper(&format!("DELETE FROM {table}")).await;
    }
}
