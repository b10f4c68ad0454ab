//! Senders as they are in the field: rsyslog, syslog-ng's loggen, util-linux's logger.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]
#![allow(clippy::print_stdout)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use collect::Position;
use collect::sockets::{
    ClientCertificates, Known, Listen, Protocol, Sender, Senders, Tls, TlsFiles,
};
use collect::wal::Read;
use common::peers::{Program, Running, quiet};
use common::{Arrivals, PATIENCE, listen, start, with_tls};

fn rsyslog() -> Option<Program> {
    let packages =
        ["libestr0", "libfastjson4", "librelp0", "rsyslog", "rsyslog-relp", "rsyslog-openssl"];
    Program::find("rsyslogd", &packages)
}

fn loggen() -> Option<Program> {
    Program::find("loggen", &["syslog-ng-core"])
}

/// Lines of every kind that a log has.
fn lines(count: usize) -> Vec<String> {
    let line = |number| match number % 7 {
        0 => format!("line {number}: Ünïcödé, \"quotes\", \\, [brackets], 100 %"),
        1 => format!("line {number}: {}", "long ".repeat(1000) + "end"),
        2 => format!("<34>1 2026-03-01T10:00:00Z h su - - - line {number} looks like another"),
        3 => format!("{number} begins with a number"),
        4 => format!("line {number}: {{\"json\": [1, 2, {number}]}}"),
        5 => format!("line {number}:\ttabs\tand   blanks"),
        _ => format!("line {number}"),
    };
    (0..count).map(line).collect()
}

/// Has rsyslog read lines from a file and send them with this action.
fn rsyslog_sends(
    rsyslog: &Program,
    folder: &Path,
    lines: &[String],
    global: &str,
    action: &str,
) -> Running {
    let input = folder.join("in.log");
    fs::write(&input, lines.join("\n") + "\n").unwrap();
    let (work, input) = (folder.display(), input.display());
    let text = format!(
        "global(workDirectory=\"{work}\" maxMessageSize=\"64k\" {global})\n\
         module(load=\"imfile\" mode=\"inotify\")\n\
         input(type=\"imfile\" file=\"{input}\" tag=\"app:\" escapeLF=\"off\")\n\
         {action}\n"
    );
    let configuration = folder.join("rsyslog.conf");
    fs::write(&configuration, text).unwrap();
    let mut command = rsyslog.command();
    command.arg("-n").arg("-f").arg(&configuration).arg("-i").arg(folder.join("pid"));
    if let Some(root) = &rsyslog.root {
        command.arg("-M").arg(root.join("usr/lib/x86_64-linux-gnu/rsyslog"));
    }
    Running(command.stdout(Stdio::null()).spawn().unwrap())
}

const FORWARD: &str = "template=\"RSYSLOG_SyslogProtocol23Format\" \
    action.resumeRetryCount=\"-1\" action.resumeInterval=\"1\"";

/// Every line has come once, with its fields.
fn assert_all(arrivals: &Arrivals, lines: &[String]) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for message in &arrivals.messages {
        *times.entry(&message.text).or_default() += 1;
        assert_eq!(message.appname, "app", "{message:?}");
        assert!(!message.hostname.is_empty(), "{message:?}");
    }
    for line in lines {
        assert_eq!(times.remove(line.as_str()), Some(1), "{line}");
    }
    assert!(times.is_empty(), "what nobody sent: {times:?}");
}

/// Has rsyslog send to a listener, and looks at what comes.
async fn rsyslog_to(listen: Listen, global: &str, action: &str) {
    let Some(rsyslog) = rsyslog() else { return };
    let folder = common::folder();
    let wal = common::wal(&folder.path().join("wal"));
    let listener = start(listen, wal.clone()).await;
    let action = action.replace("PORT", &listener.address().port().to_string());
    let lines = lines(2000);
    let _running = rsyslog_sends(&rsyslog, folder.path(), &lines, global, &action);
    let mut arrivals = Arrivals::of(&wal);
    arrivals.count(lines.len()).await;
    let stats = listener.shutdown(PATIENCE).await;
    assert_eq!((stats.messages as usize, stats.flaws), (lines.len(), 0), "{stats:?}");
    assert_all(&arrivals, &lines);
}

fn omfwd(more: &str) -> String {
    format!("action(type=\"omfwd\" target=\"127.0.0.1\" port=\"PORT\" {FORWARD} {more})")
}

fn omrelp(more: &str) -> String {
    format!("action(type=\"omrelp\" target=\"127.0.0.1\" port=\"PORT\" {FORWARD} {more})")
}

#[tokio::test]
async fn rsyslog_over_udp() {
    rsyslog_to(listen(Protocol::SyslogUdp), "", &omfwd("protocol=\"udp\"")).await;
}

#[tokio::test]
async fn rsyslog_over_tcp() {
    rsyslog_to(listen(Protocol::SyslogTcp), "", &omfwd("protocol=\"tcp\"")).await;
}

#[tokio::test]
async fn rsyslog_over_tcp_counting_octets() {
    let action = omfwd("protocol=\"tcp\" TCP_Framing=\"octet-counted\"");
    rsyslog_to(listen(Protocol::SyslogTcp), "", &action).await;
}

#[tokio::test]
async fn rsyslog_over_relp() {
    let action = format!("module(load=\"omrelp\")\n{}", omrelp(""));
    rsyslog_to(listen(Protocol::Relp), "", &action).await;
}

/// Certificates as an administrator makes them.
fn certificates(folder: &Path) -> bool {
    let openssl = |args: &str| {
        let mut command = Command::new("openssl");
        quiet(command.args(args.split_whitespace()).current_dir(folder))
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let made =
        openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca -days 30"))
            && [("server", "localhost"), ("client", "sender.example.com")].iter().all(
                |(file, name)| {
                    openssl(&format!(
                        "req {key} -keyout {file}.key -out {file}.csr -subj /CN={name} \
                 -addext subjectAltName=DNS:{name}"
                    )) && openssl(&format!(
                        "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
                 -copy_extensions copy -days 30 -out {file}.pem"
                    ))
                },
            );
    if !made {
        eprintln!("skipped: there is no openssl that makes certificates");
    }
    made
}

/// A listener that asks for certificates, and knows the one that the client has.
fn asking(folder: &Path, protocol: Protocol) -> Listen {
    let file = |name: &str| folder.join(name);
    let clients = Some(ClientCertificates { issuers: file("ca.pem"), required: true });
    let (certificate, key) = (file("server.pem"), file("server.key"));
    let tls = Tls::new(TlsFiles { certificate, key, clients }).unwrap();
    let known = Known::Certificate("sender.example.com".into());
    let senders = Senders { known: vec![(known, Sender::named("sender"))], others: None };
    Listen { senders, ..with_tls(protocol, &Arc::new(tls)) }
}

#[tokio::test]
async fn rsyslog_over_tls() {
    let folder = common::folder();
    if !certificates(folder.path()) {
        return;
    }
    let at = folder.path().display();
    let global = format!(
        "defaultNetstreamDriverCAFile=\"{at}/ca.pem\" \
         defaultNetstreamDriverCertFile=\"{at}/client.pem\" \
         defaultNetstreamDriverKeyFile=\"{at}/client.key\""
    );
    let action = omfwd(
        "protocol=\"tcp\" TCP_Framing=\"octet-counted\" StreamDriver=\"ossl\" \
         StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\" \
         StreamDriverPermittedPeers=\"localhost\"",
    );
    rsyslog_to(asking(folder.path(), Protocol::SyslogTcp), &global, &action).await;
}

#[tokio::test]
async fn rsyslog_over_relp_and_tls() {
    let folder = common::folder();
    if !certificates(folder.path()) {
        return;
    }
    let at = folder.path().display();
    let action = omrelp(&format!(
        "tls=\"on\" tls.caCert=\"{at}/ca.pem\" tls.myCert=\"{at}/client.pem\" \
         tls.myPrivKey=\"{at}/client.key\" tls.authMode=\"name\" \
         tls.permittedPeer=[\"localhost\"]"
    ));
    let action = format!("module(load=\"omrelp\" tls.tlslib=\"openssl\")\n{action}");
    rsyslog_to(asking(folder.path(), Protocol::Relp), "", &action).await;
}

/// Has loggen send, and looks for every number that it gave.
async fn loggen_to(listen: Listen, args: &[&str]) {
    let Some(loggen) = loggen() else { return };
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let listener = start(listen, wal.clone()).await;
    let port = listener.address().port().to_string();
    let mut command = loggen.command();
    command.args(["--number", "5000", "--rate", "20000", "--interval", "30", "--size", "300"]);
    command.args(args).args(["127.0.0.1", &port]);
    let sent = tokio::task::spawn_blocking(move || quiet(&mut command)).await.unwrap();
    assert!(sent, "loggen failed");
    let mut arrivals = Arrivals::of(&wal);
    arrivals.count(5000).await;
    let stats = listener.shutdown(PATIENCE).await;
    assert_eq!((stats.messages, stats.flaws), (5000, 0), "{stats:?}");
    let number = |raw: &str| {
        let (_, rest) = raw.split_once("seq: ").unwrap();
        rest[..10].parse::<u64>().unwrap()
    };
    let numbers: BTreeSet<u64> = arrivals.raws().into_iter().map(number).collect();
    assert_eq!(numbers.len(), 5000, "each once");
}

#[tokio::test]
async fn loggen_over_udp() {
    loggen_to(listen(Protocol::SyslogUdp), &["--inet", "--dgram"]).await;
}

#[tokio::test]
async fn loggen_over_tcp() {
    loggen_to(listen(Protocol::SyslogTcp), &["--inet", "--stream"]).await;
}

#[tokio::test]
async fn loggen_over_tcp_counting_octets() {
    loggen_to(listen(Protocol::SyslogTcp), &["--inet", "--stream", "--syslog-proto"]).await;
}

/// loggen never reads: what a server says unasked would have its kernel reset the connection.
#[tokio::test]
async fn loggen_over_tls() {
    let folder = common::folder();
    if !certificates(folder.path()) {
        return;
    }
    let file = |name: &str| folder.path().join(name);
    let (certificate, key) = (file("server.pem"), file("server.key"));
    let tls = Tls::new(TlsFiles { certificate, key, clients: None }).unwrap();
    let listen = with_tls(Protocol::SyslogTcp, &Arc::new(tls));
    loggen_to(listen, &["--use-ssl"]).await;
}

#[tokio::test]
async fn logger_in_all_its_ways() {
    let Some(logger) = Program::find("logger", &["bsdutils"]) else { return };
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let tcp = start(listen(Protocol::SyslogTcp), wal.clone()).await;
    let udp = start(listen(Protocol::SyslogUdp), wal.clone()).await;
    let mut arrivals = Arrivals::of(&wal);
    let ways = [
        ("--udp", vec!["--rfc3164"]),
        ("--udp", vec!["--rfc5424"]),
        ("--tcp", vec!["--rfc3164"]),
        ("--tcp", vec!["--rfc5424", "--octet-count"]),
    ];
    for (number, (way, args)) in ways.iter().enumerate() {
        let listener = if *way == "--udp" { &udp } else { &tcp };
        let port = listener.address().port().to_string();
        let mut command = logger.command();
        command.args(["--server", "127.0.0.1", "--port", &port, way, "--tag", "app"]).args(args);
        command.arg(format!("message {number} by {way}"));
        assert!(quiet(&mut command), "{way} {args:?}");
        arrivals.count(number + 1).await;
        let message = arrivals.messages.last().unwrap();
        assert_eq!(message.text, format!("message {number} by {way}"));
        assert_eq!(message.appname, "app");
    }
}

const FOLDER: &str = "WATCHFLOOR_TEST_RECEIVER";

/// Not a test: the receiver that the test below kills. It tells how many different lines it has.
#[test]
fn receiver() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let (folder, port) = folder.rsplit_once(':').unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let wal = common::wal(Path::new(folder));
        let mut listen = listen(Protocol::Relp);
        listen.address.set_port(port.parse().unwrap());
        let _listener = start(listen, wal.clone()).await;
        let mut reader = wal.reader(Position::START);
        let mut seen = BTreeSet::new();
        while let Some(read) = reader.next().await.unwrap() {
            let Read::Delivery(_, delivery) = read else { panic!("{read:?}") };
            seen.extend(common::messages(&delivery).into_iter().map(|message| message.text));
            println!("\nHAS {}", seen.len());
        }
    });
}

#[test]
fn a_receiver_that_is_killed_loses_nothing_that_relp_was_told_is_safe() {
    let Some(rsyslog) = rsyslog() else { return };
    let folder = common::folder();
    let wal = folder.path().join("wal");
    // A port that nobody has; somebody could take it, but that is not what happens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let count = 30_000;
    let lines: Vec<_> = (0..count).map(|n| format!("line {n} {}.", "x".repeat(n % 300))).collect();
    let action = format!("module(load=\"omrelp\")\n{}", omrelp(""));
    let action = action.replace("PORT", &port.to_string());
    let receive = || {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "receiver", "--nocapture"])
            .env(FOLDER, format!("{}:{port}", wal.display()))
            .stdout(Stdio::piped())
            .spawn();
        Running(child.unwrap())
    };
    let mut sending = None;
    let mut told = String::new();
    for enough in [1000, 6000, 15_000, count] {
        let mut receiver = receive();
        let heard = BufReader::new(receiver.0.stdout.take().unwrap()).lines();
        if sending.is_none() {
            sending = Some(rsyslog_sends(&rsyslog, folder.path(), &lines, "", &action));
        }
        let has = heard
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("HAS ")?.parse::<usize>().ok())
            .find(|has| *has >= enough);
        assert!(has.is_some(), "the receiver ended by itself");
        write!(told, "{} ", has.unwrap_or_default()).unwrap();
        // Dropped, it is killed.
    }
    drop(sending);
    let wal = common::wal(&wal);
    let mut reader = wal.reader(Position::START);
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(read) = reader.try_next().unwrap() {
        let Read::Delivery(_, delivery) = read else { panic!("{read:?}") };
        for message in common::messages(&delivery) {
            *times.entry(message.text).or_default() += 1;
        }
    }
    for line in &lines {
        assert!(times.contains_key(line), "{line} is lost");
    }
    assert_eq!(times.len(), count, "what nobody sent");
    // What was on the disk and not answered comes again: a window for each kill.
    let twice = times.values().filter(|times| **times > 1).count();
    assert!(twice <= 4 * 1000, "{twice} came more than once");
    assert!(
        told.split(' ').next() != Some("30000"),
        "nothing was left to come after a kill: {told}"
    );
}
