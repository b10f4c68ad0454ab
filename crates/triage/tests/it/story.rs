//! A whole attack across six sources, with noise around it.

use model::{Finding, Level, Tactic};
use triage::{Policy, triage};

use crate::make::{With, finding, minute};

fn attack() -> Vec<Finding> {
    use Level::{Critical, High, Low, Medium};
    use Tactic::*;
    let maya = "email:maya@meridian.example";
    let mut all = vec![
        finding(
            "Okta Password Spray From One Address",
            Medium,
            minute(41),
            &["address:203.0.113.77"],
        )
        .tagged(CredentialAccess, "T1110.003")
        .from("okta_system")
        .correlated(minute(11), &[("client.ipAddress", "203.0.113.77")]),
        finding(
            "Okta New MFA Factor After Suspicious Sign-In",
            High,
            minute(109),
            &[maya, "address:203.0.113.77"],
        )
        .tagged(Persistence, "T1098.005")
        .from("okta_system"),
        finding(
            "GitHub Many Repositories Cloned In Minutes",
            High,
            minute(159),
            &["user:maya", "address:203.0.113.77", "resource:meridian"],
        )
        .tagged(Collection, "T1213.003")
        .from("github_audit"),
        finding(
            "PowerShell Encoded Download Cradle",
            High,
            minute(206),
            &["host:WS-FIN-07.corp.example", "user:MERIDIAN\\maya", "domain:cdn-telemetry.example"],
        )
        .tagged(Execution, "T1059.001"),
        finding(
            "LSASS Memory Dumped With Comsvcs",
            Critical,
            minute(213),
            &["host:ws-fin-07", "user:SYSTEM"],
        )
        .tagged(CredentialAccess, "T1003.001"),
        finding(
            "Remote Service Installed",
            High,
            minute(242),
            &[
                "host:srv-dc-01",
                "user:MERIDIAN\\svc-backup",
                "address:10.20.7.31",
                "host:ws-fin-07",
            ],
        )
        .tagged(LateralMovement, "T1021.002")
        .from("windows_security"),
        finding(
            "AWS CloudTrail Logging Stopped",
            Critical,
            minute(295),
            &[
                "user:arn:aws:iam::111122223333:user/maya",
                "user:AKIAIOSFODNN7EXAMPLE",
                "address:198.51.100.23",
            ],
        )
        .tagged(DefenseImpairment, "T1685.002")
        .from("aws_cloudtrail"),
        finding(
            "AWS S3 Bucket Read In Bulk",
            High,
            minute(298),
            &["user:AKIAIOSFODNN7EXAMPLE", "address:198.51.100.23"],
        )
        .tagged(Exfiltration, "T1530")
        .from("aws_cloudtrail"),
        // Context that would be no incident by itself.
        finding("Whoami Executed", Low, minute(207), &["host:ws-fin-07", "user:MERIDIAN\\maya"])
            .tagged(Discovery, "T1033"),
        // Another day's work elsewhere.
        finding("Sudo To Root By New User", Low, minute(30), &["host:build-03", "user:tomas"])
            .tagged(PrivilegeEscalation, "T1548.003")
            .from("linux_sudo"),
        finding(
            "Web Path Traversal Attempt",
            Medium,
            minute(60),
            &["address:192.0.2.210", "domain:shop.meridian.example"],
        )
        .tagged(InitialAccess, "T1190")
        .from("web_access"),
    ];
    for n in 0..22 {
        all.push(
            finding(
                "Okta MFA Prompts Refused",
                High,
                minute(91).max(minute(91 + n / 2)),
                &[maya, "address:203.0.113.77"],
            )
            .tagged(CredentialAccess, "T1621")
            .from("okta_system"),
        );
    }
    all.sort_by_key(|f| f.time);
    all
}

#[test]
fn one_attack_is_one_incident() {
    let told = triage(attack().into_iter(), &Policy::default());
    insta::assert_yaml_snapshot!(told.incidents);
}

#[test]
fn its_alerts_count_and_explain() {
    let told = triage(attack().into_iter(), &Policy::default());
    let prompts = told.alerts.iter().find(|a| a.rule_title.contains("Prompts")).unwrap();
    assert_eq!(prompts.count, 22);
    assert_eq!(
        prompts.reason,
        "22 findings of “Okta MFA Prompts Refused” on address 203.0.113.77, each within 1 h of the one before."
    );
    let spray = told.alerts.iter().find(|a| a.rule_title.contains("Spray")).unwrap();
    assert_eq!(spray.entity.as_ref().unwrap().to_string(), "address:203.0.113.77");
    assert_eq!(told.incidents.last().unwrap().alert_ids.len(), 1, "the scan stands alone");
    let sudo = told.alerts.iter().find(|a| a.rule_title.contains("Sudo")).unwrap();
    assert!(!told.incidents.iter().any(|i| i.alert_ids.contains(&sudo.alert_id)));
}

#[test]
fn nothing_gives_nothing() {
    assert_eq!(triage(std::iter::empty(), &Policy::default()), triage::Triaged::default());
}

#[test]
fn nobody_is_told_to_block_a_site_of_their_own() {
    use Level::High;
    let web = |rule, at, entities: &[&str]| {
        finding(rule, High, minute(at), entities)
            .tagged(Tactic::Execution, "T1059")
            .from("web_access")
    };
    let site = "domain:shop.meridian.example";
    let found = [
        web("Command In A Query", 60, &["address:192.0.2.210", site]),
        finding("Host Asks A Page", High, minute(61), &["address:192.0.2.210", site])
            .tagged(Tactic::Execution, "T1059")
            .from("zeek_http"),
        finding(
            "Web Shell Beacon",
            High,
            minute(62),
            &["address:192.0.2.210", "domain:c2.example"],
        )
        .tagged(Tactic::CommandAndControl, "T1071.001")
        .from("zeek_dns"),
        // One of its events is the site's, another is not.
        web("Command, Then A Download", 63, &["address:192.0.2.210", site, "domain:kit.example"])
            .correlated(minute(60), &[("c-ip", "192.0.2.210")]),
    ];
    let told = triage(found.into_iter(), &Policy::default());
    let steps = told.incidents.iter().flat_map(|incident| &incident.next_steps);
    let block: Vec<&String> = steps.filter(|step| step.starts_with("Block ")).collect();
    let [block] = block.as_slice() else { panic!("{block:?}") };
    assert!(block.contains("c2.example") && block.contains("kit.example"), "{block}");
    assert!(!block.contains("meridian"), "{block}");
}
