//! The configurations of `docs/guide/senders.md`, word for word but for the addresses and the token, in the programs
//! that they are for.
//!
//! A part skips, saying so, where a program can neither be found nor unpacked from its Debian packages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "../../collect/tests/common/peers.rs"]
mod peers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::Server;
use peers::{Program, Running};
use serde_json::{Value, json};

/// Lines that each configuration sends.
const EACH: usize = 40;
/// A line break in the middle, and behind it what looks like a message of somebody else.
const BROKEN: &str = "broken\n<34>1 2026-03-01T10:00:00Z h su - - - forged";

/// The blocks of a section of the guide.
fn blocks(section: &str) -> Vec<String> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/senders.md");
    let guide = fs::read_to_string(guide).unwrap();
    let head = format!("\n## {section}\n");
    let (_, text) = guide.split_once(&head).expect("the guide has the section");
    let text = text.split("\n## ").next().unwrap();
    text.split("```\n").skip(1).step_by(2).map(str::to_owned).collect()
}

/// A floor that everything is sent to.
struct Floor {
    server: Server,
    data: tempfile::TempDir,
    word: String,
    token: String,
}

impl Floor {
    fn open() -> Self {
        let data = tempfile::tempdir().unwrap();
        let sockets = ["--relp-tls", "127.0.0.1:0", "--syslog-tls", "127.0.0.1:0"];
        let server = Server::start_with(data.path(), &sockets, Stdio::inherit());
        let word = server.set_up();
        let token = server.sender(&word, &json!({ "name": "web-1" }));
        Self { server, data, word, token }
    }

    /// A configuration of the guide as it is for this floor.
    fn here(&self, text: &str) -> String {
        let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
        let socket = |kind: &str| {
            let mut all = self.server.opened["sockets"].as_array().unwrap().iter();
            port(all.find(|socket| socket[0] == kind).unwrap()[1].as_str().unwrap())
        };
        let certificate = self.data.path().join("tls/certificate.pem");
        text.replace("example:8630", &format!("example:{}", port(self.server.url())))
            .replace("port=\"2514\"", &format!("port=\"{}\"", socket("relp-tls")))
            .replace("port=\"6514\"", &format!("port=\"{}\"", socket("syslog-tls")))
            .replace("port(6514)", &format!("port({})", socket("syslog-tls")))
            .replace("target=\"watchfloor.example\"", "target=\"127.0.0.1\"")
            .replace("watchfloor.example", "localhost")
            .replace("/etc/watchfloor/certificate.pem", certificate.to_str().unwrap())
            .replace("wfd_TOKEN", &self.token)
    }

    /// Waits until so many messages have come; what they say, in order.
    fn came(&self, count: usize) -> Vec<String> {
        let sql = "SELECT message FROM events ORDER BY 1";
        let rows =
            self.server.wait(&self.word, sql, |rows| rows.as_array().unwrap().len() >= count);
        let told = |row: &Value| row["message"].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(told).collect()
    }
}

fn lines(way: &str) -> Vec<String> {
    (0..EACH).map(|n| format!("line {way} {n:03}: Grüße \"quoted\" \\ [x] 100 %")).collect()
}

/// A folder to work in, with a file to read from.
fn work(way: &str, more: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.log");
    let more = more.iter().map(|line| (*line).to_owned());
    let lines: Vec<_> = lines(way).into_iter().chain(more).collect();
    fs::write(&input, lines.join("\n") + "\n").unwrap();
    (folder, input)
}

#[test]
fn rsyslog_as_the_guide_has_it() {
    let packages =
        ["libestr0", "libfastjson4", "librelp0", "rsyslog", "rsyslog-relp", "rsyslog-openssl"];
    let Some(rsyslog) = Program::find("rsyslogd", &packages) else { return };
    let floor = Floor::open();
    let blocks = blocks("rsyslog");
    let mut expected = Vec::new();
    for (way, block) in [("relp", &blocks[0]), ("tls", &blocks[1])] {
        let (folder, input) = work(way, &[]);
        let configuration = folder.path().join("rsyslog.conf");
        let text = format!(
            "global(workDirectory=\"{}\")\nmodule(load=\"imfile\" mode=\"inotify\")\n\
             input(type=\"imfile\" file=\"{}\" tag=\"app:\" escapeLF=\"off\")\n{}",
            folder.path().display(),
            input.display(),
            floor.here(block)
        );
        fs::write(&configuration, text).unwrap();
        let mut command = rsyslog.command();
        command.arg("-n").arg("-f").arg(&configuration).arg("-i").arg(folder.path().join("pid"));
        if let Some(root) = &rsyslog.root {
            command.arg("-M").arg(root.join("usr/lib/x86_64-linux-gnu/rsyslog"));
        }
        let running = Running(command.stdout(Stdio::null()).spawn().unwrap());
        expected.extend(lines(way));
        assert_eq!(floor.came(expected.len()), expected, "{way}");
        drop(running);
    }
    floor.server.stop();
}

#[test]
fn syslog_ng_as_the_guide_has_it() {
    let packages =
        ["libivykis0", "libnet1", "libpcre3", "libwrap0", "syslog-ng-core", "syslog-ng-mod-http"];
    let Some(syslog_ng) = Program::find("syslog-ng", &packages) else { return };
    let floor = Floor::open();
    let blocks = blocks("syslog-ng");
    let mut expected = Vec::new();
    for (way, block) in [("http", &blocks[0]), ("tls", &blocks[1])] {
        // The last line waits for another one.
        let (folder, input) = work(way, &[&format!("line {way} {BROKEN}"), "line never"]);
        let at = |name: &str| folder.path().join(name);
        let destination = block.split_whitespace().nth(1).unwrap();
        let text = format!(
            "@version: 3.38\nsource s {{ file(\"{}\" flags(no-parse) program-override(\"app\") \
             follow-freq(0.1) multi-line-mode(prefix-garbage) multi-line-prefix(\"^line\")); }};\n\
             {}\nlog {{ source(s); destination({destination}); }};\n",
            input.display(),
            // Where it keeps what waits, when it is not installed.
            floor.here(block).replace(
                "disk-buffer(",
                &format!("disk-buffer(dir(\"{}\") ", folder.path().display())
            ),
        );
        fs::write(at("syslog-ng.conf"), text).unwrap();
        let mut command = syslog_ng.command();
        command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(at("syslog-ng.conf"));
        for (flag, name) in
            [("--persist-file", "persist"), ("--control", "ctl"), ("--pidfile", "pid")]
        {
            command.arg(flag).arg(at(name));
        }
        if let Some(root) = &syslog_ng.root {
            command.arg("--module-path").arg(root.join("usr/lib/syslog-ng/3.38"));
        }
        let running = Running(command.spawn().unwrap());
        expected.extend(lines(way));
        // Over HTTP every line is a message; over TLS its length says where one ends.
        let within = if way == "http" { " " } else { "\n" };
        expected.push(format!("line {way} {}", BROKEN.replace('\n', within)));
        expected.sort_unstable();
        assert_eq!(floor.came(expected.len()), expected, "{way}");
        drop(running);
    }
    floor.server.stop();
}
