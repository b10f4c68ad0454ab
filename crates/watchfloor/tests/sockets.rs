//! The real program and who sends over its sockets: known by address and by certificate, with what was said
//! of them, from one moment to the next.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use common::Server;
use serde_json::{Value, json};

/// An authority and a client's certificate, as an administrator makes them.
fn certificates(folder: &Path) {
    let openssl = |args: &str| {
        let mut command = Command::new("openssl");
        let made = command.args(args.split_whitespace()).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{args}: {}", String::from_utf8_lossy(&made.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca -days 30"));
    openssl(&format!(
        "req {key} -keyout client.key -out client.csr -subj /CN=x \
         -addext subjectAltName=DNS:gw7.branch.example"
    ));
    openssl(
        "x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy \
         -days 30 -out client.pem",
    );
}

/// Sends a line over TLS, with the client's certificate or none.
fn over_tls(folder: &Path, address: &str, shown: &[&str], text: &str) {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-quiet", "-no_ign_eof", "-connect", address]).args(shown);
    let client = client.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut client = client.stderr(Stdio::null()).spawn().unwrap();
    client.stdin.take().unwrap().write_all(line(text).as_bytes()).unwrap();
    client.wait().unwrap();
}

fn line(text: &str) -> String {
    format!(
        "<38>Mar  1 10:00:00 host sshd[7]: Failed password for {text} from 203.0.113.9 port 22 ssh2\n"
    )
}

/// Over UDP, from an address of this machine.
fn datagram(from: &str, to: &str, text: &str) {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.send_to(line(text).as_bytes(), to).unwrap();
}

#[test]
fn senders_are_known_by_their_address_and_their_certificate() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(folder.path());
    let authority = folder.path().join("ca.pem");
    let mut args = vec!["--client-authority", authority.to_str().unwrap()];
    for flag in ["--syslog-udp", "--syslog-tcp", "--syslog-tls"] {
        args.extend([flag, "127.0.0.1:0"]);
    }
    let server = Server::start_with(data.path(), &args, Stdio::inherit());
    let word = server.set_up();
    let sockets = server.opened["sockets"].as_array().unwrap();
    let [udp, tcp, tls] = [0, 1, 2].map(|n| sockets[n][1].as_str().unwrap());
    let firewalls = json!({ "name": "firewalls", "networks": ["127.9.8.7/16"],
        "tags": ["site=oslo"], "silent_after": 600 });
    let (status, made) = server.post("/api/v1/senders", &word, &firewalls);
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["sender"]["networks"], json!(["127.9.0.0/16"]), "{made}");
    assert_eq!(made["sender"]["kind"], "socket");
    let branches =
        json!({ "name": "branches", "client_name": "*.Branch.example", "tags": ["edge"] });
    server.sender(&word, &branches);
    for (wrong, status) in [
        (json!({ "name": "a", "networks": ["127.9.0.0/16"] }), 409),
        (json!({ "name": "a", "networks": ["127.9.0.0/33"] }), 400),
        (json!({ "name": "a", "client_name": "*.branch.EXAMPLE" }), 409),
    ] {
        let (said, told) = server.post("/api/v1/senders", &word, &wrong);
        assert_eq!(said, status, "{told}");
    }
    datagram("127.9.1.1", udp, "near");
    datagram("127.0.0.1", udp, "far");
    let shown = ["-cert", "client.pem", "-key", "client.key"];
    over_tls(folder.path(), tls, &shown, "certified");
    over_tls(folder.path(), tls, &[], "plain");
    TcpStream::connect(tcp).unwrap().write_all(line("tcp").as_bytes()).unwrap();
    let sql = "SELECT user_name AS who, metadata_labels AS labels FROM events ORDER BY 1";
    let rows = server.wait(&word, sql, |rows| rows.as_array().unwrap().len() == 5);
    let labels = |who: &str| {
        let all = rows.as_array().unwrap();
        all.iter().find(|row| row["who"] == who).unwrap_or_else(|| panic!("{rows}"))["labels"]
            .clone()
    };
    assert_eq!(labels("near"), json!(["site=oslo"]).to_string(), "{rows}");
    assert_eq!(labels("certified"), json!(["edge"]).to_string(), "{rows}");
    for who in ["far", "plain", "tcp"] {
        assert!(labels(who).is_null(), "{rows}");
    }
    let heard =
        server.until("/api/v1/sources", |told| told["items"].as_array().unwrap().len() == 5);
    let mut names: Vec<_> =
        heard["items"].as_array().unwrap().iter().map(|s| s["sender"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["branches", "firewalls", "syslog-tcp", "syslog-tls", "syslog-udp"]);

    // What is said of a sender holds at once: this one is turned off, and strangers over TCP are.
    let id = made["sender"]["sender_id"].as_str().unwrap();
    let off = json!({ "name": "firewalls", "networks": ["127.9.0.0/16"], "enabled": false });
    let header = format!("x-csrf-token: {word}");
    let path = format!("/api/v1/senders/{id}");
    let args = ["--request", "PUT", "--json", &off.to_string(), "--header", &header];
    assert_eq!(server.curl(&path, &args).0, 200);
    let strangers = json!({ "name": "syslog-tcp", "enabled": false });
    server.sender(&word, &strangers);
    datagram("127.9.1.1", udp, "never");
    let mut stream = TcpStream::connect(tcp).unwrap();
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap_or_default(), 0, "it is closed");
    let figure = |status: &Value, kind: &str, name: &str| {
        let all = status["sockets"].as_array().unwrap();
        all.iter().find(|socket| socket["kind"] == kind).unwrap()[name].as_u64().unwrap()
    };
    server.until("/api/v1/status", |status| {
        figure(status, "syslog-udp", "dropped") == 1
            && figure(status, "syslog-tcp", "turned_away") == 1
    });
    server.stop();
}
