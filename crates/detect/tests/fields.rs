//! Where rules find their fields: Windows events by bare names, other names of web and DNS fields,
//! families of categories, the record's own line; and what a finding says of it. Filters too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use detect::{RuleText, Rules, View};
use model::{EventUid, Finding, Hasher, LogSource, Micros, Value};
use serde_json::json;

fn load(text: &str) -> Arc<Rules> {
    let file = RuleText { path: "t.yml".to_owned(), text: text.to_owned() };
    let (rules, problems) = Rules::load(vec![file]);
    assert!(problems.is_empty(), "{}", problems[0]);
    Arc::new(rules)
}

fn rule(logsource: &str, detection: &str) -> String {
    format!(
        "title: t\nid: t\nlevel: high\ntags: [attack.execution, attack.t1059.001]\nlogsource: {{{logsource}}}\ndetection:\n    a: {{{detection}}}\n    condition: a\n"
    )
}

fn findings(rules: &Arc<Rules>, source: &LogSource, event: &serde_json::Value) -> Vec<Finding> {
    let native = Value::from_json(event.clone());
    let mut findings = Vec::new();
    common::with_view(&native, source, 1, |view| rules.detector().evaluate(view, &mut findings));
    findings
}

#[test]
fn windows_events_by_bare_names() {
    let source = LogSource::new("windows", "", "system");
    let event = json!({"Event": {
        "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
        "System": {
            "Provider": {"#attributes": {"Name": "Service Control Manager", "Guid": "{555}"}},
            "EventID": {"#attributes": {"Qualifiers": 16384}, "#text": 7045},
            "Execution": {"#attributes": {"ProcessID": 4, "ThreadID": 8}},
            "Channel": "System", "Computer": "host.example"
        },
        "EventData": {
            "#attributes": {"Name": "Data"},
            "ServiceName": "evil", "Source Name": "Real-Time Protection", "New Value": "x = 0x1",
            "Data": {"#text": ["first", "second"]}
        },
        "RenderingInfo": {"#attributes": {"Culture": "en-US"}, "Message": "A service was installed", "Level": "Information"}
    }});
    for (detection, fires) in [
        ("EventID: 7045", true),
        ("EventID: '7045'", true),
        ("Provider_Name: 'Service Control Manager'", true),
        ("Provider_Guid: '{555}'", true),
        ("Execution_ProcessID: 4", true),
        ("ProcessID: 4", false),
        ("Channel: System", true),
        ("Computer|endswith: .example", true),
        ("ComputerName|startswith: host", true),
        ("servicename: EVIL", true),
        ("SourceName: 'Real-Time Protection'", true),
        ("Source_Name: 'Real-Time Protection'", true),
        ("NewValue|endswith: 0x1", true),
        ("Data|contains: second", true),
        ("Message|contains: installed", true),
        ("Event.System.Channel: System", true),
        ("Event.EventData.ServiceName: evil", true),
        ("Level: Information", false),
    ] {
        let rules = load(&rule("product: windows, service: system", detection));
        assert_eq!(!findings(&rules, &source, &event).is_empty(), fires, "{detection}");
    }
}

#[test]
fn user_data_is_the_events_own() {
    let source = LogSource::new("windows", "", "wmi");
    let event = json!({"Event": {
        "System": {"EventID": 5861},
        "UserData": {"Operation_ESStoConsumerBinding": {
            "#attributes": {"xmlns": "x"}, "Namespace": "//./root/subscription",
            "PossibleCause": {"Inner": "deep"}
        }}
    }});
    for detection in
        ["Namespace|contains: subscription", "Inner: deep", "PossibleCause|contains: deep"]
    {
        let rules = load(&rule("product: windows, service: wmi", detection));
        assert_eq!(findings(&rules, &source, &event).len(), 1, "{detection}");
    }
}

#[test]
fn the_security_logs_processes_are_processes() {
    let event = json!({"Event": {
        "System": {"EventID": 4688, "Channel": "Security"},
        "EventData": {"NewProcessName": "C:\\Windows\\System32\\cmd.exe", "SubjectUserName": "bob",
            "ParentProcessName": "C:\\Windows\\explorer.exe", "MandatoryLabel": "S-1-16-12288"}
    }});
    let both = LogSource::new("windows", "process_creation", "security");
    let rules = load(&rule(
        "product: windows, category: process_creation",
        "Image|endswith: '\\cmd.exe', ParentImage|endswith: '\\explorer.exe', User: bob, IntegrityLevel: S-1-16-12288",
    ));
    assert_eq!(findings(&rules, &both, &event).len(), 1);
    let rules = load(&rule("product: windows, service: security", "EventID: 4688"));
    assert_eq!(findings(&rules, &both, &event).len(), 1);
    let rules = load(&rule("product: windows, service: sysmon", "EventID: 4688"));
    assert_eq!(findings(&rules, &both, &event).len(), 0);
}

#[test]
fn other_shippers_of_windows_events() {
    let source = LogSource::new("windows", "process_creation", "sysmon");
    let rules = load(&rule(
        "product: windows, category: process_creation",
        "CommandLine|contains: whoami, EventID: 1, Computer: h, Provider_Name: Microsoft-Windows-Sysmon",
    ));
    for event in [
        json!({"EventID": 1, "SourceName": "Microsoft-Windows-Sysmon", "Hostname": "h", "CommandLine": "whoami"}),
        json!({"winlog": {"event_id": 1, "computer_name": "h", "provider_name": "Microsoft-Windows-Sysmon",
            "event_data": {"CommandLine": "whoami"}}}),
        json!({"System": {"EventID": 1, "Computer": "h",
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}}}, "EventData": {"CommandLine": "whoami"}}),
    ] {
        assert_eq!(findings(&rules, &source, &event).len(), 1, "{event}");
    }
}

#[test]
fn envelopes_are_looked_into() {
    let source = LogSource::new("aws", "", "cloudtrail");
    let rules = load(&rule("product: aws", "eventName: StopLogging, userIdentity.type: Root"));
    let inner = json!({"eventName": "StopLogging", "userIdentity": {"type": "Root"}});
    for event in [
        inner.clone(),
        json!({"hostname": "h", "body_format": "json", "body": inner}),
        json!({"detail": inner}),
        json!({"body": {"detail": inner}}),
    ] {
        assert_eq!(findings(&rules, &source, &event).len(), 1, "{event}");
    }
    let other = json!({"other": inner});
    assert_eq!(findings(&rules, &source, &other).len(), 0, "not any map is an envelope");
    let windows = LogSource::new("windows", "", "system");
    let rules = load(&rule("product: windows", "EventID: 7045, ServiceName: evil"));
    let event = json!({"body": {"Event": {"System": {"EventID": 7045}, "EventData": {"ServiceName": "evil"}}}});
    assert_eq!(findings(&rules, &windows, &event).len(), 1);
}

#[test]
fn audit_records_are_processes_files_and_connections() {
    let event = json!({"type": ["SYSCALL", "EXECVE"], "exe": "/usr/bin/curl", "argc": 3, "a0": "curl",
        "a1": "-s", "a2": "http://x", "proctitle": "curl -s", "cwd": "/tmp",
        "records": [{"type": "PATH", "name": "/etc/cron.d/x"}], "laddr": "192.0.2.7", "lport": 443});
    for (category, detection) in [
        (
            "process_creation",
            "Image|endswith: /curl, CommandLine|contains: '-s http://', CurrentDirectory: /tmp",
        ),
        ("file_event", "Image|endswith: /curl, TargetFilename|startswith: /etc/cron.d/"),
        ("network_connection", "DestinationIp: 192.0.2.7, DestinationPort: 443"),
    ] {
        let rules = load(&rule(&format!("product: linux, category: {category}"), detection));
        let source = LogSource::new("linux", category, "auditd");
        assert_eq!(findings(&rules, &source, &event).len(), 1, "{category}");
    }
}

#[test]
fn web_fields_under_every_name() {
    let rules = load(&rule(
        "category: webserver",
        "cs-method: GET, cs-uri-query|contains: '../etc/passwd', sc-status: 200, cs-user-agent|contains: curl",
    ));
    let target = "/a?f=../etc/passwd";
    for (product, event) in [
        (
            "nginx",
            json!({"method": "GET", "target": target, "status": 200, "user_agent": "curl/8"}),
        ),
        (
            "suricata",
            json!({"http": {"http_method": "GET", "url": target, "status": 200, "http_user_agent": "curl/8"}}),
        ),
        (
            "cloudflare",
            json!({"ClientRequestMethod": "GET", "ClientRequestURI": target,
            "EdgeResponseStatus": 200, "ClientRequestUserAgent": "curl/8"}),
        ),
        (
            "iis",
            json!({"cs-method": "GET", "cs-uri-stem": "/a", "cs-uri-query": "f=../etc/passwd",
            "sc-status": "200", "cs(User-Agent)": "curl/8"}),
        ),
    ] {
        let source = LogSource::new(product, "webserver", "");
        assert_eq!(findings(&rules, &source, &event).len(), 1, "{product}");
    }
    let stem = load(&rule("category: webserver", "cs-uri-stem: /a"));
    let source = LogSource::new("nginx", "webserver", "");
    assert_eq!(findings(&stem, &source, &json!({"target": target})).len(), 1);
}

#[test]
fn keywords_see_the_records_own_line() {
    let rules = load(
        "title: k\nid: k\nlogsource: {product: linux}\ndetection: {k: [segfault at], condition: k}\n",
    );
    let native = Value::from_json(json!({"appname": "kernel", "message": "nothing"}));
    let source = LogSource::new("linux", "", "syslog");
    let name: Arc<str> = "".into();
    let event = ocsf::Event::new(ocsf::class("base_event").unwrap(), Micros(0));
    for (parser, raw, fires) in [
        ("syslog", &b"Jan 1 kernel: Segfault AT 0"[..], 1),
        ("json", &b"{\"segfault at\": 1}"[..], 0),
        ("syslog", &b"Jan 1 kernel: fine \xff"[..], 0),
    ] {
        let view = View {
            native: &native,
            raw,
            logsource: &source,
            uid: EventUid::from(Hasher::new("t")),
            time: Micros(0),
            source: &name,
            labels: &[].into(),
            parser,
            event: &event,
        };
        let mut findings = Vec::new();
        rules.detector().evaluate(&view, &mut findings);
        assert_eq!(findings.len(), fires, "{parser}");
        for finding in findings {
            assert_eq!(&*finding.matched_fields[0].field, "");
        }
    }
}

#[test]
fn a_finding_says_what_matched() {
    let rules = load(&rule(
        "product: p",
        "Image|endswith: [\\a.exe, \\b.exe], cmd|contains|all: [one, two], n|gt: 5, x: null",
    ));
    let source = LogSource::new("p", "", "");
    let event = json!({"image": "C:\\B.exe", "cmd": "One TWO", "n": 7});
    let found = findings(&rules, &source, &event);
    let finding = &found[0];
    let mut shown: Vec<String> = finding
        .matched_fields
        .iter()
        .map(|m| format!("{}={} ({})", m.field, m.value, m.pattern.as_deref().unwrap_or("")))
        .collect();
    shown.sort();
    let wanted = [
        "Image=C:\\B.exe (*\\b.exe)",
        "cmd=One TWO (*one*)",
        "cmd=One TWO (*two*)",
        "n=7 (> 5)",
        "x= (null)",
    ];
    assert_eq!(shown, wanted);
    assert_eq!(finding.tactics, [model::Tactic::Execution]);
    assert_eq!(finding.techniques[0].to_string(), "T1059.001");
    assert_eq!(finding.level, model::Level::High);
    let uid = finding.event_uids[0];
    let id = Finding::derive_id("t", &finding.rule_version, None, &[uid]);
    assert_eq!(finding.finding_id, id);
    let changed = load(&rule("product: p", "n: 7"));
    assert_ne!(findings(&changed, &source, &event)[0].rule_version, finding.rule_version);
}

#[test]
fn filters_narrow_the_rules_that_they_name() {
    let filter = |target: &str, source: &str| {
        format!(
            "---\ntitle: f\nlogsource: {{{source}}}\nfilter:\n    rules: {target}\n    selection: {{User|startswith: adm}}\n    condition: not selection\n"
        )
    };
    let source = LogSource::new("p", "", "");
    let event = json!({"n": 7, "User": "ADM_bob"});
    let count = |filter: &str| {
        let text = format!("{}{filter}", rule("product: p", "n: 7"));
        let file = RuleText { path: "t.yml".to_owned(), text };
        let (rules, problems) = Rules::load(vec![file]);
        (findings(&Arc::new(rules), &source, &event).len(), problems.len())
    };
    assert_eq!(count(""), (1, 0));
    assert_eq!(count(&filter("[t]", "product: p")), (0, 0));
    assert_eq!(count(&filter("any", "product: p")), (0, 0));
    assert_eq!(count(&filter("[other]", "product: p")), (1, 1), "a filter of nothing is said");
    assert_eq!(count(&filter("any", "product: q")), (1, 1));
    assert_eq!(count(&filter("any", "product: p, service: s")), (1, 1));
}

#[test]
fn coverage_counts_what_can_fire() {
    let text = [
        rule("product: p", "n: 7"),
        rule("product: q", "n: 7").replace("id: t", "id: u"),
        "title: c\nid: c\ncorrelation: {type: temporal, rules: [t, u], timespan: 1m, group-by: [x]}\n".to_owned(),
    ]
    .join("---\n");
    let rules = load(&text);
    let coverage = rules.coverage(&[LogSource::new("p", "c", "s")]);
    assert_eq!((coverage.all.rules, coverage.all.covered), (3, 1));
    assert_eq!(coverage.tactics[0].1.covered, 1);
    assert_eq!(coverage.missing, [(LogSource::new("q", "", ""), 1)]);
}
