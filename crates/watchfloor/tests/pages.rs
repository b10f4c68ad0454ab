//! The pages in a browser before the real program: whole stories, then what axe-core says of every page.
//! They are told by `ui/tests`, with Debian's Chromium and Playwright.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

const CHROMIUM: &str = "/usr/bin/chromium";

/// A rule whose title is an attack on whoever reads it.
const RULE: &str = r#"title: "\"'><img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>"
id: 6a2c9f7e-2f0e-4a8e-9d36-0a2f6c1c8d11
status: test
description: Somebody says that they are an intruder.
logsource:
    product: kubernetes
    service: audit
detection:
    words:
        - intruder
    condition: words
level: high
"#;

/// The same, in everything that a rule says.
const HOSTILE_RULE: &str = r#"title: "intruder \"'><img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>"
id: 7a2c9f7e-2f0e-4a8e-9d36-0a2f6c1c8d11
status: test
author: <svg onload=window.pwned=1>
description: |
    <script>window.pwned=1</script> [x](javascript:window.pwned=1) </textarea></style><img src=x onerror=window.pwned=1>
references:
    - javascript:window.pwned=1
    - https://evil.example/"><script>window.pwned=1</script>
tags:
    - attack.t1098
    - <img src=x onerror=window.pwned=1>
falsepositives:
    - <iframe srcdoc="<script>parent.pwned=1</script>"></iframe>
logsource:
    product: kubernetes
    service: audit
detection:
    words:
        - intruder
    condition: words
level: high
"#;
const HOSTILE_HUNT: &str = r#"name: hostile
title: "\"'><img src=x onerror=\"window.pwned=1\">"
techniques: [T1136]
explanation: <script>window.pwned=1</script> [x](javascript:window.pwned=1)
sql: |
  SELECT time, actor_user_name, raw_data, '<img src=x onerror=window.pwned=1>' AS "<svg onload=window.pwned=1>"
  FROM events LIMIT 100
"#;

struct Floor(Child);

impl Drop for Floor {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

/// What is missing for the tests to run, when something is.
fn missing(ui: &Path) -> Option<String> {
    let has = |program: &str| {
        let told = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        told.is_ok_and(|status| status.success())
    };
    if !has("node") {
        return Some("Node.js is not installed (apt-get install nodejs npm)".into());
    }
    if !Path::new(CHROMIUM).exists() {
        return Some(format!("{CHROMIUM} is not installed (apt-get install chromium)"));
    }
    if !ui.join("node_modules/playwright-core").is_dir() {
        // What building the pages takes is there; what judging them takes comes now.
        let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
        let installed = Command::new("npm").args(arguments).current_dir(ui).status();
        if !installed.is_ok_and(|status| status.success()) {
            return Some("`npm ci` in ui/ failed".into());
        }
    }
    None
}

#[test]
fn the_stories_of_the_pages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ui = root.join("ui");
    if let Some(missing) = missing(&ui) {
        let required = std::env::var("WATCHFLOOR_PAGES").is_ok_and(|word| word == "required");
        assert!(!required, "{missing}");
        eprintln!("SKIPPED, the pages were not looked at: {missing}");
        return;
    }
    let unit = Command::new("npm").args(["test", "--silent"]).current_dir(&ui).status().unwrap();
    assert!(unit.success(), "the tests of the filter language");
    let types = Command::new("npm").args(["run", "--silent", "check"]).current_dir(&ui).status();
    assert!(types.unwrap().success(), "the types of the pages");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hostile.yml"), RULE).unwrap();
    let rule = folder.path().join("hostile.yml");
    let rule = rule.to_str().unwrap();
    let (_floor, opened) =
        open(&folder.path().join("floor"), &["--listen", "127.0.0.1:0", "--rules", rule]);
    let url = opened.get("url").and_then(Value::as_str).unwrap();
    for file in ["tests/stories.test.js", "tests/axe.test.js"] {
        tell(&ui, file, url, &opened);
    }

    hostile(&ui, folder.path());

    // The story kills and opens its floor itself.
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let failing = folder.path().join("failing");
    tell_with(&ui, "tests/failing.test.js", &url, &Value::Null, &failing);

    // A browser makes passkeys for a name, and before a certificate that it believes or for this machine.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://localhost:{port}");
    let data = folder.path().join("named");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("floor.toml"), format!("[sign_in]\nurl = \"{url}\"\n")).unwrap();
    let listen = format!("127.0.0.1:{port}");
    let (_named, opened) = open(&data, &["--plain", "--listen", &listen]);
    tell(&ui, "tests/passkeys.test.js", &url, &opened);
}

/// Everything that anybody can write, by somebody who means ill, before every page.
fn hostile(ui: &Path, folder: &Path) {
    let (data, tailed) = (folder.join("hostile"), folder.join("tailed"));
    let content = folder.join("content");
    for made in [&data, &tailed, &content.join("rules"), &content.join("hunts")] {
        std::fs::create_dir_all(made).unwrap();
    }
    std::fs::write(content.join("rules/hostile.yml"), HOSTILE_RULE).unwrap();
    std::fs::write(content.join("hunts/hostile.yml"), HOSTILE_HUNT).unwrap();
    let paths = tailed.display();
    let tail = format!("[[tail]]\nname = \"files\"\npaths = [\"{paths}\"]\nsettle = 1\n");
    std::fs::write(data.join("floor.toml"), tail).unwrap();
    let content = content.to_str().unwrap();
    let sockets = ["--syslog-tcp", "--syslog-tls", "--syslog-udp", "--relp", "--relp-tls"];
    let sockets = sockets.map(|flag| [flag, "127.0.0.1:0"]);
    let more = ["--listen", "127.0.0.1:0", "--content", content];
    let (_floor, opened) = open(&data, &[&more[..], sockets.as_flattened()].concat());
    let url = opened.get("url").and_then(Value::as_str).unwrap();
    tell_with(ui, "tests/hostile.test.js", url, &opened, folder);
}

/// Opens a floor; what it says of itself.
fn open(data: &Path, more: &[&str]) -> (Floor, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_watchfloor"))
        .args(["serve", "--json"])
        .args(more)
        .arg("--data")
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Floor(child), serde_json::from_str(&line).unwrap())
}

/// Has a file of stories told before a floor.
fn tell(ui: &Path, file: &str, url: &str, opened: &Value) {
    tell_with(ui, file, url, opened, ui);
}

/// The same, beside a folder: whose files the floor follows, or which a floor of the story's own has.
fn tell_with(ui: &Path, file: &str, url: &str, opened: &Value, beside: &Path) {
    let told = Command::new("node")
        .args(["--test", file])
        .current_dir(ui)
        .env("CHROMIUM", CHROMIUM)
        .env("FLOOR_URL", url)
        .env("FLOOR_LINK", opened.get("first_link").and_then(Value::as_str).unwrap_or_default())
        .env("FLOOR_OPENED", opened.to_string())
        .env("FLOOR_FOLDER", beside)
        .env(
            "FLOOR_SENDERS",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/senders.py"),
        )
        .env("FLOOR_PROGRAM", env!("CARGO_BIN_EXE_watchfloor"))
        .env("FLOOR_EVIDENCE", ui.join("../demo/evidence"))
        .status();
    assert!(told.unwrap().success(), "{file}: what it says stands above");
}
