//! Documents built in code: what the application would fill in.

use model::{
    Alert, AlertId, Digest, Entity, EntityKind, EventUid, FindingId, Flaw, FlawKind, Hasher,
    Incident, IncidentId, Level, MatchedField, Micros, Parcel, RiskPart, Tactic, Technique,
    Vantage,
};
use report::{
    Bucket, Case, Document, EvidenceRow, Figure, FlawRow, Moment, Note, RuleCount, RuleFacts,
    RuleProblem, RuleSet, Span, Unread, Unrecognised, Version,
};

fn time(text: &str) -> Micros {
    format!("2026-11-{text}Z").parse().expect("a time")
}

pub(crate) fn entity(text: &str) -> Entity {
    let (kind, value) = text.split_once(':').expect("kind:value");
    Entity { kind: EntityKind::from_name(kind).expect("a kind"), value: value.into() }
}

/// Rule, level, tactics, techniques, source, first, last, findings, entities, parcel, what happened.
type Row = (
    &'static str,
    Level,
    &'static [Tactic],
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static str,
    u64,
    &'static [&'static str],
    usize,
    &'static str,
);

use Level::{Critical, High, Low, Medium};
use Tactic::*;

const MAYA: &str = "user:maya.lindqvist@meridian.example";
const WS: &str = "host:ws-fin-07";
const SPRAYER: &str = "address:203.0.113.77";
const KEY: &str = "user:akiaiosfodnn7example";

#[rustfmt::skip]
const ATTACK: &[Row] = &[
    ("Okta Password Spray From One Address", Medium, &[CredentialAccess], &["T1110.003"], "okta_system", "18T06:41:09", "18T07:12:44", 212, &[SPRAYER, MAYA], 0,
     "One address tries one password on 212 Okta accounts"),
    ("Okta MFA Prompts Refused, Then Approved", High, &[CredentialAccess, InitialAccess], &["T1621", "T1078.004"], "okta_system", "18T07:31:02", "18T07:44:51", 23, &[MAYA, SPRAYER], 0,
     "Maya Lindqvist refuses 22 sign-in prompts in 13 minutes and approves the 23rd"),
    ("Okta New MFA Factor After Suspicious Sign-In", High, &[Persistence], &["T1098.005"], "okta_system", "18T07:49:30", "18T07:49:30", 1, &[MAYA, SPRAYER], 0,
     "A new phone is enrolled as second factor"),
    ("Inbox Rule Hides Messages About Security", Medium, &[Stealth], &["T1564.008"], "m365_audit", "18T07:58:12", "18T07:58:12", 1, &[MAYA, SPRAYER], 1,
     "A mailbox rule moves every message that mentions “security” or “Okta” to the bin"),
    ("GitHub Personal Access Token Created From New Country", Medium, &[Persistence], &["T1098.001"], "github_audit", "18T08:20:45", "18T08:20:45", 1, &[MAYA, SPRAYER, "resource:meridian-robotics"], 2,
     "A GitHub token with all scopes is created"),
    ("GitHub Many Repositories Cloned In Minutes", High, &[Collection], &["T1213.003"], "github_audit", "18T08:22:10", "18T08:39:57", 64, &[MAYA, SPRAYER, "resource:meridian-robotics"], 2,
     "64 private repositories are cloned in 18 minutes, among them meridian-robotics/infra-live"),
    ("AWS Key Used From Address Never Seen Before", Medium, &[InitialAccess], &["T1078.004"], "aws_cloudtrail", "18T09:03:18", "18T11:40:00", 41, &[KEY, "address:198.51.100.23", "resource:arn:aws:iam::111122223333:user/ci-deploy"], 3,
     "An AWS key that lay in a cloned repository is used from a new address"),
    ("PowerShell Encoded Download Cradle", High, &[Execution], &["T1059.001", "T1105"], "windows_sysmon", "18T09:26:33", "18T09:31:20", 3, &[WS, "user:meridian\\maya.lindqvist", "domain:cdn-telemetry.example", "hash:9f2c1e6b0a4d7c83e5f1b2a3948d7c6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c"], 4,
     "PowerShell fetches and runs a script from cdn-telemetry.example"),
    ("LSASS Memory Dumped With Comsvcs", Critical, &[CredentialAccess], &["T1003.001"], "windows_sysmon", "18T09:33:47", "18T09:33:47", 1, &[WS, "user:meridian\\maya.lindqvist", "process:C:\\Windows\\System32\\rundll32.exe"], 4,
     "The passwords in memory of ws-fin-07 are written to a file"),
    ("DNS Beacon To Rare Domain", Medium, &[CommandAndControl], &["T1071.004"], "zeek_dns", "18T09:34:00", "19T02:10:05", 1_184, &["address:10.20.7.31", "domain:cdn-telemetry.example"], 5,
     "ws-fin-07 asks for cdn-telemetry.example every 50 seconds, day and night"),
    ("Remote Service Installed By Non-Administrator Host", High, &[LateralMovement, Execution], &["T1021.002", "T1569.002"], "windows_security", "18T10:02:11", "18T10:19:38", 4, &["host:srv-files-02", "user:meridian\\svc-backup", "address:10.20.7.31"], 6,
     "A service is installed on srv-files-02 from ws-fin-07 with the account svc-backup"),
    ("Windows Security Log Cleared", High, &[DefenseImpairment], &["T1685.005"], "windows_security", "18T10:22:05", "18T10:22:05", 1, &["host:srv-files-02", "user:meridian\\svc-backup"], 6,
     "The security log of srv-files-02 is cleared"),
    ("AWS Secrets Read In Bulk", High, &[CredentialAccess], &["T1555.006"], "aws_cloudtrail", "18T10:41:40", "18T10:43:02", 37, &[KEY, "address:198.51.100.23", "resource:arn:aws:iam::111122223333:user/ci-deploy"], 3,
     "37 secrets are read from AWS Secrets Manager in 82 seconds"),
    ("AWS CloudTrail Logging Stopped", Critical, &[DefenseImpairment], &["T1685.002"], "aws_cloudtrail", "18T10:55:29", "18T10:55:29", 1, &[KEY, "address:198.51.100.23", "resource:arn:aws:cloudtrail:eu-central-1:111122223333:trail/org"], 3,
     "The organisation's audit trail is stopped"),
    ("AWS S3 Bucket Read In Bulk By New Principal", High, &[Exfiltration], &["T1530", "T1567.002"], "aws_cloudtrail", "18T10:58:11", "18T11:39:55", 2_906, &[KEY, "address:198.51.100.23", "resource:arn:aws:s3:::meridian-customer-exports"], 3,
     "2,906 objects of the customer-export bucket are downloaded"),
    ("Kerberos Tickets Requested With Weak Encryption", Low, &[CredentialAccess], &["T1558.003"], "windows_security", "18T10:05:50", "18T10:06:31", 9, &["host:srv-dc-01", "user:meridian\\maya.lindqvist", "address:10.20.7.31"], 6,
     "Nine service tickets with weak encryption are requested from the domain controller"),
];

#[rustfmt::skip]
const SCAN: &[Row] = &[
    ("Web Path Traversal Attempt", Medium, &[InitialAccess], &["T1190"], "web_access", "16T22:14:07", "16T22:51:36", 318, &["address:192.0.2.210", "domain:shop.meridian.example"], 7,
     "An address tries 318 paths outside the web root; every answer is 400 or 404"),
    ("Cloudflare WAF SQL Injection Blocked", Medium, &[InitialAccess], &["T1190"], "cloudflare_firewall", "16T22:15:30", "16T22:58:02", 1_207, &["address:192.0.2.210", "domain:shop.meridian.example"], 8,
     "The same address sends SQL injection; all 1,207 requests are blocked at the edge"),
];

#[rustfmt::skip]
const LOOSE: &[Row] = &[
    ("Sudo To Root By New User", Low, &[PrivilegeEscalation], &["T1548.003"], "linux_sudo", "17T13:20:00", "17T13:20:00", 1, &["host:build-03", "user:tomas.reyes"], 9,
     "A first use of sudo"),
    ("Kubernetes Pod Exec", Low, &[Execution], &["T1609"], "kubernetes_audit", "19T08:01:12", "19T08:14:40", 3, &["user:tomas.reyes", "resource:prod-eu/payments"], 9,
     "A shell in a pod"),
];

pub(crate) fn vantage(source: &str) -> Vantage {
    match source {
        "web_access" | "cloudflare_firewall" => Vantage::Site,
        _ => Vantage::Other,
    }
}

fn alert(row: &Row) -> Alert {
    let (title, level, tactics, techniques, source, first, last, count, entities, ..) = *row;
    let risk = [3, 14, 38, 61, 83][level as usize];
    Alert {
        alert_id: AlertId::from(Hasher::new("alert").part(title.as_bytes())),
        rule_id: title.to_lowercase().replace(' ', "-").into(),
        rule_title: title.into(),
        description: format!("Looks for this: {}.", row.10).into(),
        entity: entities.first().map(|e| entity(e)),
        entities: entities.iter().map(|e| entity(e)).collect(),
        level,
        count,
        first_time: time(first),
        last_time: time(last),
        finding_ids: (0..count.min(3))
            .map(|n| FindingId::from(Hasher::new("finding").part(title.as_bytes()).number(n)))
            .collect(),
        tactics: tactics.to_vec(),
        techniques: techniques.iter().map(|t| Technique::from_tag(t).expect("a tag")).collect(),
        source: source.into(),
        risk,
        risk_parts: vec![RiskPart {
            name: "Rule level".to_owned(),
            points: risk as i32,
            why: format!("The rule is rated {level}."),
        }],
        reason: format!("{count} findings, each within 1 h of the one before."),
    }
}

const FILES: &[(&str, &str, &str, u64, u64, u64)] = &[
    ("evidence/okta/system-log-2026-11.json", "json", "okta_system", 48_211_034, 31_877, 0),
    (
        "evidence/m365/unified-audit.json.gz!/unified-audit.json",
        "json",
        "m365_audit",
        91_200_118,
        60_412,
        0,
    ),
    ("evidence/github/audit-export.json", "json", "github_audit", 12_874_220, 18_300, 0),
    (
        "evidence/aws/cloudtrail.tar.zst!/AWSLogs/111122223333/CloudTrail/eu-central-1/2026/11/18/0955Z.json",
        "json",
        "aws_cloudtrail",
        402_118_874,
        288_641,
        2,
    ),
    (
        "evidence/windows/ws-fin-07/Microsoft-Windows-Sysmon%4Operational.evtx",
        "evtx",
        "windows_sysmon",
        69_210_112,
        51_330,
        3,
    ),
    ("evidence/network/zeek/dns.log", "zeek", "zeek_dns", 210_004_551, 1_402_118, 0),
    (
        "evidence/windows/srv-files-02/Security.evtx",
        "evtx",
        "windows_security",
        20_975_616,
        8_204,
        1,
    ),
    ("evidence/web/nginx/access.log", "weblog", "web_access", 88_412_003, 402_800, 12),
    (
        "evidence/cloudflare/firewall_events.ndjson",
        "json",
        "cloudflare_firewall",
        31_204_777,
        20_144,
        0,
    ),
    ("evidence/linux/build-03/auth.log", "syslog", "linux_sudo", 3_112_004, 21_009, 0),
];

fn parcel(at: usize) -> Parcel {
    let (origin, _, _, size, ..) = FILES[at];
    Parcel {
        digest: Digest::of(origin.as_bytes()),
        origin: origin.to_owned(),
        size,
        received_at: time("20T08:00:00"),
    }
}

fn moment(row: &Row) -> Moment {
    let (title, level, tactics, techniques, source, first, _, count, entities, file, what) = *row;
    let parcel = parcel(file);
    let offset = 4_096 + title.len() as u64 * 7_919;
    Moment {
        time: time(first),
        what: what.to_owned(),
        entity: entities.first().map(|e| entity(e)),
        level,
        tactic: tactics.first().copied(),
        technique: techniques.first().and_then(|t| Technique::from_tag(t)),
        rule_id: title.to_lowercase().replace(' ', "-").into(),
        rule_title: title.into(),
        source: source.into(),
        matched: matched(source),
        count,
        alert_id: Some(AlertId::from(Hasher::new("alert").part(title.as_bytes()))),
        event_uid: Some(EventUid::of(&parcel.digest, offset, 0)),
        parcel: Some(parcel.digest),
        origin: parcel.origin,
        offset: Some(offset),
    }
}

fn matched(source: &str) -> Vec<MatchedField> {
    let field = |field: &str, value: &str, pattern: Option<&str>| MatchedField {
        field: field.into(),
        value: value.into(),
        pattern: pattern.map(Into::into),
    };
    match source {
        "windows_sysmon" => vec![
            field("Image", "C:\\Windows\\System32\\rundll32.exe", Some("*\\rundll32.exe")),
            field(
                "CommandLine",
                "rundll32.exe C:\\windows\\System32\\comsvcs.dll, MiniDump 712 C:\\Users\\Public\\d.bin full",
                Some("*comsvcs*MiniDump*"),
            ),
        ],
        "aws_cloudtrail" => vec![
            field("eventName", "StopLogging", Some("StopLogging")),
            field("userIdentity.accessKeyId", "AKIAIOSFODNN7EXAMPLE", None),
        ],
        "okta_system" => vec![
            field("eventType", "user.authentication.auth_via_mfa", None),
            field("outcome.result", "FAILURE", Some("FAILURE")),
        ],
        _ => vec![field("action", "observed", None)],
    }
}

struct Told {
    title: &'static str,
    summary: &'static str,
    severity: Level,
    risk: u32,
    parts: &'static [(&'static str, i32, &'static str)],
    reason: &'static str,
    steps: &'static [&'static str],
}

fn case(rows: &[Row], told: &Told) -> Case {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| row.5);
    let alerts: Vec<Alert> = rows.iter().map(|row| alert(row)).collect();
    let mut entities: Vec<Entity> = Vec::new();
    let mut techniques: Vec<Technique> = Vec::new();
    let mut sources = Vec::new();
    for alert in &alerts {
        entities.extend(
            alert.entities.iter().filter(|e| !entities.contains(e)).cloned().collect::<Vec<_>>(),
        );
        techniques.extend(
            alert
                .techniques
                .iter()
                .filter(|t| !techniques.contains(t))
                .cloned()
                .collect::<Vec<_>>(),
        );
        if !sources.contains(&alert.source) {
            sources.push(alert.source.clone());
        }
    }
    let mut tactics: Vec<Tactic> = alerts.iter().flat_map(|a| a.tactics.clone()).collect();
    tactics.sort();
    tactics.dedup();
    Case {
        incident: Incident {
            incident_id: IncidentId::from(Hasher::new("incident").part(told.title.as_bytes())),
            title: told.title.to_owned(),
            summary: told.summary.to_owned(),
            severity: told.severity,
            risk: told.risk,
            risk_parts: told
                .parts
                .iter()
                .map(|(name, points, why)| RiskPart {
                    name: (*name).to_owned(),
                    points: *points,
                    why: (*why).to_owned(),
                })
                .collect(),
            alert_ids: alerts.iter().map(|a| a.alert_id).collect(),
            finding_count: alerts.iter().map(|a| a.count).sum(),
            first_time: alerts.iter().map(|a| a.first_time).min().unwrap(),
            last_time: alerts.iter().map(|a| a.last_time).max().unwrap(),
            entities,
            tactics,
            techniques,
            sources,
            reason: told.reason.to_owned(),
            next_steps: told.steps.iter().map(|s| (*s).to_owned()).collect(),
        },
        alerts,
        story: rows.iter().map(|row| moment(row)).collect(),
    }
}

const INTRUSION: Told = Told {
    title: "Data theft after an MFA prompt attack: maya.lindqvist@meridian.example on ws-fin-07 and 2 more hosts",
    summary: "From 18 November 2026, 06:41 to 19 November 2026, 02:10 UTC (19 h 28 min), 16 alerts (4,490 findings) concern maya.lindqvist@meridian.example on ws-fin-07 and 2 more hosts, seen in 7 kinds of source (okta system, m365 audit, github audit and 4 more). It begins with “Okta Password Spray From One Address” (Credential Access) and ends with “AWS S3 Bucket Read In Bulk By New Principal” (Exfiltration). The gravest alert, rated critical, is “LSASS Memory Dumped With Comsvcs” at 18 November 2026, 09:33.",
    severity: Critical,
    risk: 100,
    parts: &[
        ("Gravest rule", 45, "The gravest alert is rated critical."),
        ("Other grave rules", 9, "9 different rules rated high or critical fired."),
        ("Tactics walked", 20, "9 of 15 ATT&CK tactics were seen."),
        ("Techniques", 12, "20 different techniques were seen."),
        ("Spread", 9, "3 hosts and 3 users are named."),
        ("Seen by several sources", 8, "7 kinds of source agree."),
        ("Correlations", 12, "3 alerts come from rules over several events."),
        ("Volume", 3, "4,490 findings."),
        ("Assets", 4, "srv-dc-01 looks like a domain controller."),
        ("Cap", -22, "A score ends at 100."),
    ],
    reason: "15 alerts, each within 24 h of another that shares an entity with it. Shared, with the number of alerts: user maya.lindqvist@meridian.example (9), address 203.0.113.77 (6), user akiaiosfodnn7example (4), address 198.51.100.23 (4), address 10.20.7.31 (3) and 3 more. 1 alert below medium joined: by itself it would not be an incident.",
    steps: &[
        "Isolate ws-fin-07, srv-files-02 and srv-dc-01 from the network; leave power on, so that memory can be captured. [RS.MI-01]",
        "Deactivate and rotate access key AKIAIOSFODNN7EXAMPLE, and list everything that it did since 18 November 2026, 06:41 UTC. [RS.MI-01]",
        "Revoke all sessions and tokens of maya.lindqvist@meridian.example and meridian\\svc-backup, reset the passwords and require a phishing-resistant second factor. [RS.MI-01]",
        "Search for every other host and user that dealt with 203.0.113.77 and 198.51.100.23, then block at the edge. [RS.MI-01]",
        "Block cdn-telemetry.example at the DNS resolver and the proxy. [RS.MI-01]",
        "Capture memory and disk of ws-fin-07 and srv-files-02 before anything is cleaned, and keep the evidence of this report unchanged under its SHA-256. [RS.AN-07]",
        "Ask maya.lindqvist@meridian.example by telephone which prompts were approved, and remove factors and devices enrolled since 18 November 2026, 06:41 UTC. [RS.AN-03]",
        "Treat every credential used or kept on ws-fin-07 as stolen: reset those accounts; if a domain controller is among them, reset krbtgt twice. [RS.MI-02]",
        "Establish what left: which data, how much, to whom, since 18 November 2026, 06:41 UTC; tell counsel now, for notification periods may be running. [RS.AN-08]",
        "Turn logging and protection back on where they were switched off or cleared; read silence since then as unknown, not as quiet. [DE.CM-09]",
    ],
};

const SCANNING: Told = Told {
    title: "Exploitation of a public service: 192.0.2.210",
    summary: "From 16 November 2026, 22:14 to 22:58 UTC (43 min), 2 alerts (1,525 findings) concern 192.0.2.210, seen in nginx access and cloudflare firewall. It begins with “Web Path Traversal Attempt” (Initial Access) and ends with “Cloudflare WAF SQL Injection Blocked” (Initial Access).",
    severity: Medium,
    risk: 31,
    parts: &[
        ("Gravest rule", 18, "The gravest alert is rated medium."),
        ("Seen by several sources", 4, "2 kinds of source agree."),
        ("Volume", 3, "1,525 findings."),
        ("Correlations", 6, "1 alert comes from a rule over several events."),
    ],
    reason: "2 alerts, each within 24 h of another that shares an entity with it. Shared, with the number of alerts: address 192.0.2.210 (2) and domain shop.meridian.example (2).",
    steps: &[
        "Read the events behind “Web Path Traversal Attempt” and decide whether known work explains them; if so, say which and close. [RS.MA-02]",
        "Search for every other host and user that dealt with 192.0.2.210, then block at the edge. [RS.MI-01]",
    ],
};

/// The believable one: an intrusion across seven kinds of source, and a scan beside it.
pub(crate) fn attack() -> Document {
    let figure = |label: &str, value: &str, note: &str, query: &str| Figure {
        label: label.to_owned(),
        value: value.to_owned(),
        note: note.to_owned(),
        query: query.to_owned(),
    };
    let mut document = Document {
        title: "Meridian Robotics, November 2026".to_owned(),
        generated_at: time("20T08:12:41"),
        versions: vec![
            Version { name: "watchfloor".to_owned(), version: "0.1.0".to_owned() },
            Version { name: "OCSF".to_owned(), version: "1.8.0".to_owned() },
        ],
        data_window: Some(Span { first: time("14T00:00:02"), last: time("19T23:59:57") }),
        events: 2_304_835,
        figures: vec![
            figure("Events read", "2,304,835", "from 10 files", "SELECT count(*) FROM events"),
            figure("Findings", "6,019", "18 rules fired", "SELECT count(*) FROM findings"),
            figure("Alerts", "20", "2 outside any incident", "SELECT count(*) FROM alerts"),
            figure("Incidents", "2", "1 critical, 1 medium", "SELECT severity, count(*) FROM incidents GROUP BY severity"),
            figure("Time inside", "19 h 28 min", "first to last event of the gravest incident", "SELECT last_time - first_time FROM incidents ORDER BY risk DESC LIMIT 1"),
            figure("Objects downloaded", "2,906", "from meridian-customer-exports", "SELECT count(*)\nFROM api_activity\nWHERE api_operation = 'GetObject'\n  AND src_endpoint_ip = '198.51.100.23'"),
        ],
        cases: vec![case(ATTACK, &INTRUSION), case(SCAN, &SCANNING)],
        loose_alerts: LOOSE.iter().map(alert).collect(),
        volume: volume(),
        evidence: (0..FILES.len())
            .map(|at| {
                let (_, parser, definition, _, events, flaws) = FILES[at];
                EvidenceRow {
                    parcel: parcel(at),
                    parser: parser.to_owned(),
                    definitions: vec![definition.to_owned()],
                    events,
                    flaws,
                    span: Some(Span { first: time("14T00:00:02"), last: time("19T23:59:57") }),
                }
            })
            .collect(),
        flaws: vec![
            flaw(4, 1_114_112, FlawKind::Corrupt, "chunk 17 has a wrong checksum; 3 records were recovered from it", false),
            flaw(6, 20_905_984, FlawKind::Truncated, "the last chunk ends in the middle of a record", true),
            flaw(7, 44_120_887, FlawKind::Encoding, "12 lines are not valid UTF-8; the bytes were replaced", false),
        ],
        flaw_count: 18,
        records_lost: 1,
        unread: vec![Unread {
            origin: "evidence/laptop/backup-maya.zip".to_owned(),
            size: 1_204_887_331,
            why: "the archive is encrypted and no password was given".to_owned(),
        }],
        unrecognised: vec![Unrecognised {
            origin: "evidence/misc/badge-reader.csv".to_owned(),
            parser: "delimited".to_owned(),
            records: 4_512,
            sample: "2026-11-18 06:58:11;DOOR-3;MLINDQVIST;GRANTED\n2026-11-18 06:58:40;DOOR-3;TREYES;GRANTED".to_owned(),
        }],
        rules: RuleFacts {
            loaded: 3_818,
            fired: 20,
            sets: vec![
                RuleSet { name: "built in".to_owned(), rules: 64, version: "0.1.0".to_owned() },
                RuleSet { name: "rules/sigmahq".to_owned(), rules: 3_754, version: String::new() },
            ],
            problems: vec![RuleProblem {
                path: "rules/sigmahq/windows/broken.yml".to_owned(),
                message: "line 14: `condition` names a selection that is not there: `selection_imag`".to_owned(),
            }],
            top: ATTACK
                .iter()
                .map(|row| RuleCount {
                    rule_id: row.0.to_lowercase().replace(' ', "-").into(),
                    title: row.0.into(),
                    level: row.1,
                    findings: row.7,
                })
                .collect(),
        },
        method: vec![
            Note {
                heading: "Reading".to_owned(),
                text: "Every file was hashed before anything read it, then recognised by its content and read into records. Each record became one event in OCSF 1.8.0 and keeps its own fields, its bytes and its place in the file.".to_owned(),
            },
            Note {
                heading: "Detection".to_owned(),
                text: "Sigma rules ran on each source's own fields. A finding names the rule, the event and the fields that made it match.".to_owned(),
            },
            Note {
                heading: "Triage".to_owned(),
                text: "Findings of one rule on one entity within an hour are one alert. Alerts that share a host, a user or an address within a day are one incident. Two entities were too common to tie anything: 10.20.0.53 and svc-monitoring.".to_owned(),
            },
        ],
        limits: vec![
            "Rules see what they were written for. What no rule describes is in the lake and must be hunted.".to_owned(),
            "Clocks of the sources were taken as they are; no correction was made.".to_owned(),
        ],
        ..Document::default()
    };
    document.derive(vantage);
    document
}

fn flaw(file: usize, offset: u64, kind: FlawKind, message: &str, record_lost: bool) -> FlawRow {
    let parcel = parcel(file);
    FlawRow {
        origin: parcel.origin,
        parcel: parcel.digest,
        flaw: Flaw { offset, kind, message: message.to_owned(), record_lost },
    }
}

/// Hourly counts with a day's rhythm.
fn volume() -> Vec<Bucket> {
    (0..144_i64)
        .map(|hour| {
            let of_day = hour % 24;
            let busy = if (7..19).contains(&of_day) { 15 - (of_day - 13).abs() } else { 4 };
            Bucket {
                start: Micros(time("14T00:00:00").0 + hour * 3_600_000_000),
                events: (busy * 1_600 + (hour * 7_919) % 2_300) as u64,
            }
        })
        .collect()
}

/// Sixty incidents of three hundred alerts each: more than anybody reads.
pub(crate) fn many() -> Document {
    let mut document = attack();
    let first = document.cases[0].clone();
    document.cases = (0..60)
        .map(|n| {
            let mut case = first.clone();
            case.incident.incident_id = IncidentId::from(Hasher::new("incident").number(n));
            case.alerts = first.alerts.iter().cycle().take(300).cloned().collect();
            case.story = first.story.iter().cycle().take(300).cloned().collect();
            case
        })
        .collect();
    document.timeline.clear();
    document.derive(vantage);
    document
}

/// A folder in which nothing was found.
pub(crate) fn empty() -> Document {
    Document {
        title: "Incident report".to_owned(),
        generated_at: time("20T08:12:41"),
        versions: vec![Version { name: "watchfloor".to_owned(), version: "0.1.0".to_owned() }],
        ..Document::default()
    }
}

/// A sample by its name.
pub(crate) fn named(name: &str) -> Document {
    match name {
        "attack" => attack(),
        "empty" => empty(),
        "hostile" => hostile(),
        "many" => many(),
        _ => panic!("no sample is called {name}"),
    }
}

/// Texts that try every door.
pub(crate) const HOSTILE: &[&str] = &[
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m",
    "invoice\u{202e}gpj.exe\u{2066}\u{200f}",
    "=cmd|'/c calc'!A1",
    "[click](javascript:alert(3)) ![x](http://evil.example/p.png) <http://evil.example>",
    "#set page(width: 1pt) #import \"x.typ\" $ x^2 $ `raw` *bold* _it_ @ref <label> #eval(\"1\")",
    "]]> --> </style></script></textarea></title></svg> <!-- {{7*7}} ${7*7} %s%n",
    "\" onmouseover=\"alert(4)\" x='",
    "zalgo e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}",
    "| a | b |\n|---|---|\n# heading\n- list\n1. one\n```\nfence",
    "世界 Привет שלום 👩‍💻 \u{0}\u{1}\u{7f}\u{fffe}",
    "",
];

/// The same shape as [`attack`], every text of which is hostile, one of them ten megabytes long.
pub(crate) fn hostile() -> Document {
    let mut value = serde_json::to_value(attack()).expect("a document");
    let mut n = 0;
    poison(&mut value, "", &mut n);
    let mut document: Document = serde_json::from_value(value).expect("the same shape");
    "A".repeat(10_000_000).clone_into(&mut document.unrecognised[0].sample);
    document.cases[0].story[0].what = "B".repeat(10_000_000);
    document.cases[0].incident.entities[0].value = "c".repeat(100_000).into();
    document.generated_at = Micros(i64::MAX);
    document.cases[0].alerts[0].first_time = Micros(i64::MIN);
    document.timeline[0].time = Micros(i64::MIN);
    document.timeline[1].time = Micros(i64::MAX);
    document
}

/// Puts hostile text wherever the type is free text.
fn poison(value: &mut serde_json::Value, key: &str, n: &mut usize) {
    const TYPED: &[&str] = &[
        "schema",
        "level",
        "severity",
        "kind",
        "tactic",
        "tactics",
        "technique",
        "techniques",
        "digest",
        "parcel",
        "event_uid",
        "alert_id",
        "alert_ids",
        "incident",
        "incident_id",
        "finding_ids",
    ];
    match value {
        serde_json::Value::String(s) => {
            let time = s.parse::<Micros>().is_ok();
            if !TYPED.contains(&key) && !time {
                HOSTILE[*n % HOSTILE.len()].clone_into(s);
                *n += 1;
            }
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(|v| poison(v, key, n)),
        serde_json::Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                // A parcel may be a digest or the noun itself.
                let key = if value.is_object() { "" } else { key.as_str() };
                poison(value, key, n);
            }
        }
        _ => {}
    }
}
