//! What holds for any findings.

use std::collections::{BTreeMap, BTreeSet};

use model::{AlertId, Finding, Level};
use proptest::prelude::*;
use triage::{Policy, Triaged, triage};

use crate::make::{With, finding, minute};

const NAMES: [&str; 14] = [
    "host:ws-001",
    "host:ws-002",
    "host:ws-003.corp.example",
    "host:ws-004",
    "user:alice",
    "user:bob",
    "user:SYSTEM",
    "user:administrator",
    "address:203.0.113.5",
    "address:10.0.0.1",
    "address:10.0.0.9",
    "domain:c2.example",
    "hash:9f2c",
    "resource:repo",
];

fn one() -> impl Strategy<Value = Finding> {
    let names = proptest::sample::subsequence(NAMES.to_vec(), 0..4);
    (0..6_usize, 0..5_usize, 0..4_000_i64, names, any::<bool>(), 0..1_000_u64).prop_map(
        |(rule, level, at, names, correlated, salt)| {
            // Coarse times, so that many fall together.
            let time = minute(at / 40 * 40);
            let mut one =
                finding(["A", "B", "C", "D", "E", "F"][rule], Level::ALL[level], time, &names);
            if correlated {
                one = one.correlated(minute(at / 40 * 40 - 30), &[("user", "alice")]);
            }
            one.finding_id.0[..8].copy_from_slice(&salt.to_be_bytes());
            one
        },
    )
}

fn some() -> impl Strategy<Value = Vec<Finding>> {
    proptest::collection::vec(one(), 0..120)
}

fn told(mut findings: Vec<Finding>, policy: &Policy) -> Triaged {
    findings.sort_by_key(|f| f.time);
    triage(findings.into_iter(), policy)
}

proptest! {
    #[test]
    fn order_within_an_instant_does_not_matter(findings in some(), seed in any::<u64>()) {
        let mut shuffled = findings.clone();
        let len = shuffled.len().max(1) as u64;
        for at in 0..shuffled.len() {
            let other = (seed.wrapping_mul(at as u64 * 2 + 1) >> 7) % len;
            shuffled.swap(at, other as usize);
        }
        let policy = Policy { finding_ids: 5, alert_entities: 3, ..Policy::default() };
        prop_assert_eq!(told(findings, &policy), told(shuffled, &policy));
    }

    #[test]
    fn every_finding_is_counted_once(findings in some()) {
        let total = findings.len() as u64;
        let told = told(findings, &Policy::default());
        prop_assert_eq!(told.alerts.iter().map(|a| a.count).sum::<u64>(), total);
        let ids: BTreeSet<AlertId> = told.alerts.iter().map(|a| a.alert_id).collect();
        prop_assert_eq!(ids.len(), told.alerts.len(), "alert ids are unique");
        let counts: BTreeMap<AlertId, u64> = told.alerts.iter().map(|a| (a.alert_id, a.count)).collect();
        let mut seen = BTreeSet::new();
        for incident in &told.incidents {
            let sum: u64 = incident.alert_ids.iter().map(|id| counts[id]).sum();
            prop_assert_eq!(sum, incident.finding_count);
            for id in &incident.alert_ids {
                prop_assert!(seen.insert(*id), "an alert is in one incident at most");
            }
        }
    }

    #[test]
    fn merging_is_transitive(findings in some()) {
        let policy = Policy { common_neighbours: usize::MAX, ..Policy::default() };
        let told = told(findings, &policy);
        let home: BTreeMap<AlertId, usize> = told
            .incidents
            .iter()
            .enumerate()
            .flat_map(|(at, i)| i.alert_ids.iter().map(move |id| (*id, at)))
            .collect();
        let grave: Vec<_> = told.alerts.iter().filter(|a| a.level >= Level::Medium).collect();
        for a in &grave {
            prop_assert!(home.contains_key(&a.alert_id));
            for b in &grave {
                let tie = a.entities.iter().any(|e| {
                    b.entities.contains(e)
                        && ["host:ws-001", "user:alice", "address:203.0.113.5"].contains(&e.to_string().as_str())
                });
                let gap = (b.first_time.0 - a.last_time.0).max(a.first_time.0 - b.last_time.0);
                if tie && gap <= 24 * 3_600_000_000 {
                    prop_assert_eq!(home[&a.alert_id], home[&b.alert_id]);
                }
            }
        }
    }

    #[test]
    fn large_incidents_say_so_and_scores_add_up(findings in some()) {
        let policy = Policy { large_incident: 3, ..Policy::default() };
        let told = told(findings, &policy);
        for incident in &told.incidents {
            let large = incident.alert_ids.len() > 3;
            prop_assert_eq!(incident.reason.contains("Unusually large"), large);
            let grave = told.alerts.iter().any(|a| a.level >= Level::Medium && incident.alert_ids.contains(&a.alert_id));
            prop_assert!(grave, "low alerts found nothing");
            let sum: i32 = incident.risk_parts.iter().map(|p| p.points).sum();
            prop_assert_eq!(sum, incident.risk as i32);
            prop_assert!(incident.risk <= 100 && !incident.title.is_empty() && !incident.next_steps.is_empty());
            prop_assert!(incident.first_time <= incident.last_time);
        }
        for alert in &told.alerts {
            prop_assert_eq!(alert.risk_parts.iter().map(|p| p.points).sum::<i32>(), alert.risk as i32);
        }
    }
}
