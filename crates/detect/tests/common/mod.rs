//! What the tests over real data share: finding it, reading it, and a stand-in for the source
//! definitions, which live in another room.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use detect::{RuleText, View};
use model::{EventUid, Hasher, LogSource, Micros, Value};

/// The corpora, where they are; says so where they are not.
pub fn corpora(part: &str) -> Option<PathBuf> {
    let given = std::env::var_os("WATCHFLOOR_CORPORA").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/corpora"))
        .find(|folder| folder.is_dir());
    let found = given.or(beside).map(|root| root.join(part)).filter(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: there is no shared/corpora/{part} beside the repository");
    }
    found
}

/// Every file below a folder with one of the endings, sorted.
pub fn files(root: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if path.is_dir() {
                open.push(path);
            } else if endings.contains(&ending) {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

/// SigmaHQ's rules.
pub fn sigma_rules(sigma: &Path) -> Vec<RuleText> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(sigma).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("rules") && entry.path().is_dir() {
            for path in files(&entry.path(), &["yml", "yaml"]) {
                let text = std::fs::read_to_string(&path).unwrap();
                out.push(RuleText { path: path.display().to_string(), text });
            }
        }
    }
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

/// The records of an EVTX file, as `evtx_dump -o json` has them.
pub fn evtx(path: &Path) -> Vec<Value<'static>> {
    let Ok(mut parser) = evtx::EvtxParser::from_path(path) else { return Vec::new() };
    parser.records_json_value().flatten().map(|record| Value::from_json(record.data)).collect()
}

/// The records of a file of JSON lines, one object a line.
pub fn json_lines(path: &Path) -> Vec<Value<'static>> {
    let text = std::fs::read(path).unwrap_or_default();
    serde_json::Deserializer::from_slice(&text)
        .into_iter::<serde_json::Value>()
        .map_while(Result::ok)
        .map(Value::from_json)
        .collect()
}

/// Log source of a Windows event, in either the EVTX or a flat form.
pub fn windows(native: &Value<'_>) -> LogSource {
    let system = native.path("Event.System").unwrap_or(native);
    let channel = system.get("Channel").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let id = match system.get("EventID") {
        Some(Value::Map(map)) => {
            map.iter().find(|(key, _)| key == "#text").and_then(|(_, value)| value.as_i64())
        }
        Some(value) => value.as_i64(),
        None => None,
    };
    let id = id.unwrap_or(0);
    let kind = native
        .path("Event.EventData.EventType")
        .or_else(|| native.get("EventType"))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_lowercase();
    let (category, service) = match channel.as_str() {
        "microsoft-windows-sysmon/operational" => (sysmon(id, &kind), "sysmon"),
        "security" => (if id == 4688 { "process_creation" } else { "" }, "security"),
        "microsoft-windows-powershell/operational" | "powershellcore/operational" => match id {
            4103 => ("ps_module", "powershell"),
            4104 => ("ps_script", "powershell"),
            _ => ("", "powershell"),
        },
        "windows powershell" => match id {
            400 => ("ps_classic_start", "powershell-classic"),
            600 => ("ps_classic_provider_start", "powershell-classic"),
            _ => ("", "powershell-classic"),
        },
        other => ("", service(other)),
    };
    LogSource::new("windows", category, service)
}

fn sysmon(id: i64, kind: &str) -> &'static str {
    match id {
        1 => "process_creation",
        2 => "file_change",
        3 => "network_connection",
        4 | 16 => "sysmon_status",
        5 => "process_termination",
        6 => "driver_load",
        7 => "image_load",
        8 => "create_remote_thread",
        9 => "raw_access_thread",
        10 => "process_access",
        11 => "file_event",
        12 if kind.starts_with("delete") => "registry_delete",
        12 => "registry_add",
        13 => "registry_set",
        14 => "registry_rename",
        15 => "create_stream_hash",
        17 | 18 => "pipe_created",
        19..=21 => "wmi_event",
        22 => "dns_query",
        23 | 26 => "file_delete",
        25 => "process_tampering",
        27 => "file_block_executable",
        29 => "file_executable_detected",
        255 => "sysmon_error",
        _ => "",
    }
}

fn service(channel: &str) -> &'static str {
    const SERVICES: &[(&str, &str)] = &[
        ("system", "system"),
        ("application", "application"),
        ("dns server", "dns-server"),
        ("msexchange management", "msexchange-management"),
        ("microsoft-windows-windows defender/operational", "windefend"),
        ("microsoft-windows-taskscheduler/operational", "taskscheduler"),
        ("microsoft-windows-bits-client/operational", "bits-client"),
        ("microsoft-windows-codeintegrity/operational", "codeintegrity-operational"),
        ("microsoft-windows-dns-client/operational", "dns-client"),
        ("microsoft-windows-ntlm/operational", "ntlm"),
        ("microsoft-windows-wmi-activity/operational", "wmi"),
        ("microsoft-windows-printservice/admin", "printservice-admin"),
        ("microsoft-windows-printservice/operational", "printservice-operational"),
        ("microsoft-windows-appxdeploymentserver/operational", "appxdeployment-server"),
        (
            "microsoft-windows-terminalservices-localsessionmanager/operational",
            "terminalservices-localsessionmanager",
        ),
        ("microsoft-windows-windows firewall with advanced security/firewall", "firewall-as"),
        ("microsoft-windows-security-mitigations/kernel mode", "security-mitigations"),
        ("microsoft-windows-security-mitigations/user mode", "security-mitigations"),
        ("microsoft-windows-smbclient/security", "smbclient-security"),
        ("microsoft-windows-smbclient/connectivity", "smbclient-connectivity"),
        ("microsoft-windows-smbserver/connectivity", "smbserver-connectivity"),
        ("microsoft-windows-iis-configuration/operational", "iis-configuration"),
        ("microsoft-windows-shell-core/operational", "shell-core"),
        ("microsoft-windows-lsa/operational", "lsa-server"),
        ("microsoft-windows-capi2/operational", "capi2"),
        ("microsoft-windows-ldap-client/debug", "ldap"),
        ("openssh/operational", "openssh"),
        ("microsoft-windows-diagnosis-scripted/operational", "diagnosis-scripted"),
        ("microsoft-windows-applocker/exe and dll", "applocker"),
        ("microsoft-windows-applocker/msi and script", "applocker"),
        ("microsoft-windows-appmodel-runtime/admin", "appmodel-runtime"),
        ("microsoft-windows-appxpackaging/operational", "appxpackaging-om"),
        ("microsoft-windows-driverframeworks-usermode/operational", "driver-framework"),
    ];
    SERVICES.iter().find(|(known, _)| *known == channel).map_or("", |(_, service)| service)
}

/// Calls back with a view of a record.
pub fn with_view<T>(
    native: &Value<'_>,
    logsource: &LogSource,
    number: u64,
    back: impl FnOnce(&View<'_>) -> T,
) -> T {
    let source: Arc<str> = "test".into();
    let time = Micros(number as i64);
    let class = ocsf::class("base_event").unwrap();
    let event = ocsf::Event::new(class, time);
    back(&View {
        native,
        raw: b"",
        logsource,
        uid: EventUid::from(Hasher::new("test").number(number)),
        time,
        source: &source,
        labels: &[].into(),
        parser: "json",
        event: &event,
    })
}

/// What this thread has computed so far, where the system tells; else the time that went by. Tests of
/// what something costs must not fail because the machine is busy.
pub fn spent() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}
