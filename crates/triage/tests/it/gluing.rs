//! What everybody shares must not glue everything into one incident.

use model::{Finding, Level};
use triage::{Policy, Triaged, triage};

use crate::make::{entity, finding, minute};

fn told(mut findings: Vec<Finding>, policy: &Policy) -> Triaged {
    findings.sort_by_key(|f| f.time);
    triage(findings.into_iter(), policy)
}

fn pair(shared: &[&str]) -> usize {
    let with = |own: &str| {
        let mut all = vec![own.to_owned()];
        all.extend(shared.iter().map(|s| (*s).to_owned()));
        all
    };
    let (a, b) = (with("host:alpha-ws"), with("host:beta-ws"));
    let names =
        |list: &[String]| list.iter().map(String::as_str).map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (names(&a), names(&b));
    let refs = |list: &[String]| list.to_vec();
    let one = refs(&a);
    let two = refs(&b);
    let findings = vec![
        finding(
            "Rule A",
            Level::High,
            minute(0),
            &one.iter().map(String::as_str).collect::<Vec<_>>(),
        ),
        finding(
            "Rule B",
            Level::High,
            minute(9),
            &two.iter().map(String::as_str).collect::<Vec<_>>(),
        ),
    ];
    told(findings, &Policy::default()).incidents.len()
}

#[test]
fn some_names_tie_and_some_do_not() {
    for apart in [
        &["user:SYSTEM"][..],
        &["user:NT AUTHORITY\\LOCAL SERVICE"],
        &["user:ALPHA$"],
        &["address:127.0.0.1"],
        &["address:::1"],
        &["address:10.0.0.1"],
        &["address:192.168.1.254"],
        &["address:8.8.8.8"],
        &["address:fe80::1"],
        &["host:localhost"],
        &["user:administrator"],
        &["domain:update.vendor.example"],
        &["hash:9f2c"],
        &["process:C:\\Windows\\System32\\cmd.exe"],
        &["user:administrator", "hash:9f2c"],
        &["domain:a.example", "url:https://a.example/x"],
    ] {
        assert_eq!(pair(apart), 2, "{apart:?} must not tie");
    }
    for tied in [
        &["user:CORP\\alice"][..],
        &["address:203.0.113.7"],
        &["address:10.20.7.31"],
        &["email:alice@corp.example"],
        &["hash:9f2c", "domain:c2.example"],
        &["user:root", "resource:111122223333"],
    ] {
        assert_eq!(pair(tied), 1, "{tied:?} must tie");
    }
}

#[test]
fn an_account_is_known_by_its_names() {
    let findings = vec![
        finding("A", Level::High, minute(0), &["user:CORP\\alice"]),
        finding("B", Level::High, minute(1), &["email:alice@corp.example", "host:x.corp.example"]),
        finding("C", Level::High, minute(2), &["user:arn:aws:sts::1:assumed-role/Admin/alice"]),
        finding("D", Level::High, minute(3), &["host:x"]),
        finding("E", Level::High, minute(3), &["host:xy1.corp.example"]),
        finding("F", Level::High, minute(3), &["host:XY1"]),
    ];
    let told = told(findings, &Policy::default());
    let sizes: Vec<usize> = told.incidents.iter().map(|i| i.alert_ids.len()).collect();
    // `x` is too short a label to stand for `x.corp.example`.
    assert_eq!(sizes.iter().sum::<usize>(), 6);
    assert!(sizes.contains(&3) && sizes.contains(&2) && sizes.contains(&1), "{sizes:?}");
}

#[test]
fn a_resolver_beside_everybody_ties_nobody() {
    let findings: Vec<Finding> = (0..40)
        .map(|n| {
            let host = format!("host:ws-{n:03}");
            finding("Odd DNS Answer", Level::High, minute(n), &[&host, "address:10.20.0.53"])
        })
        .collect();
    let told = told(findings, &Policy::default());
    assert_eq!(told.incidents.len(), 40);
    let [common] = told.common.as_slice() else { panic!("{:?}", told.common) };
    assert_eq!(common.entity, entity("address:10.20.0.53"));
    assert_eq!(common.why, "it stands beside 12 or more hosts and users (in 40 of 40 alerts)");
}

#[test]
fn an_intruder_on_forty_hosts_in_an_hour_is_one_incident() {
    let findings: Vec<Finding> = (0..40)
        .map(|n| {
            let host = format!("host:srv-{n:03}");
            finding("Remote Service", Level::High, minute(n), &[&host, "user:CORP\\adm.kim"])
        })
        .collect();
    assert_eq!(told(findings, &Policy::default()).incidents.len(), 1);
}

#[test]
fn an_office_address_seen_all_week_ties_nobody() {
    let day = 24 * 60;
    let findings: Vec<Finding> = (0..7)
        .flat_map(|d| (0..20).map(move |n| (d, n)))
        .map(|(d, n)| {
            let user = format!("user:person{n:02}");
            finding(
                "Impossible Travel",
                Level::Medium,
                minute(d * day + n * 17),
                &[&user, "address:203.0.113.9"],
            )
        })
        .collect();
    let told = told(findings, &Policy::default());
    assert_eq!(told.incidents.len(), 20, "one for each person");
    assert!(told.common[0].why.contains("all through the evidence"));
}

#[test]
fn what_the_investigator_names_ties_nobody() {
    let policy =
        Policy { common_entities: vec![entity("address:203.0.113.9")], ..Policy::default() };
    let findings = vec![
        finding("A", Level::High, minute(0), &["host:one-ws", "address:203.0.113.9"]),
        finding("B", Level::High, minute(1), &["host:two-ws", "address:203.0.113.9"]),
    ];
    assert_eq!(told(findings, &policy).incidents.len(), 2);
}

#[test]
fn low_alerts_join_but_neither_found_nor_bridge() {
    let findings = vec![
        finding("Grave A", Level::High, minute(0), &["host:one-ws"]),
        finding("Grave B", Level::High, minute(5), &["host:two-ws"]),
        finding("Low Bridge", Level::Low, minute(6), &["host:one-ws", "host:two-ws"]),
        finding("Low Alone", Level::Low, minute(7), &["host:three-ws"]),
        finding("Low Late", Level::Low, minute(600), &["host:one-ws"]),
    ];
    let told = told(findings, &Policy::default());
    assert_eq!(told.incidents.len(), 2);
    let mut sizes: Vec<usize> = told.incidents.iter().map(|i| i.alert_ids.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2]);
    assert!(told.incidents.iter().any(|i| i.reason.contains("1 alert below medium joined")));
}

#[test]
fn time_apart_is_incidents_apart() {
    let day = 24 * 60;
    let findings = vec![
        finding("A", Level::High, minute(0), &["host:one-ws"]),
        finding("A", Level::High, minute(30), &["host:one-ws"]),
        finding("A", Level::High, minute(day), &["host:one-ws"]),
        finding("A", Level::High, minute(3 * day), &["host:one-ws"]),
    ];
    let told = told(findings, &Policy::default());
    let counts: Vec<u64> = told.alerts.iter().map(|a| a.count).collect();
    assert_eq!(counts, [2, 1, 1]);
    assert_eq!(told.incidents.len(), 2);
}
