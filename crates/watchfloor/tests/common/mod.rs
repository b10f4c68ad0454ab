//! The real program as a server, and curl as its client.
#![allow(dead_code)] // Each test file uses its part.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub(crate) struct Server {
    pub(crate) child: Child,
    /// What it said when it was open.
    pub(crate) opened: Value,
    jar: tempfile::TempDir,
}

pub(crate) const PASSWORD: &str = "correct horse battery";

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[], Stdio::inherit())
    }

    /// Starts it with more arguments, and its log somewhere.
    pub(crate) fn start_with(data: &Path, args: &[&str], log: impl Into<Stdio>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_watchfloor"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let opened = serde_json::from_str(&line).expect("the first line says where it listens");
        Self { child, opened, jar: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn url(&self) -> &str {
        self.opened["url"].as_str().unwrap()
    }

    /// A request by curl; the status and the body.
    pub(crate) fn curl(&self, path: &str, args: &[&str]) -> (u16, Value) {
        let (status, body) = self.text(path, args);
        let body = serde_json::from_str(&body).unwrap_or_else(|_| json!(body));
        (status, body)
    }

    /// A request by curl; the status and the body as text.
    pub(crate) fn text(&self, path: &str, args: &[&str]) -> (u16, String) {
        let url = format!("{}{path}", self.url());
        let jar = self.jar.path().join("jar");
        // The certificate is of the server's own making.
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--insecure", "--max-time", "60"])
            .args(["--write-out", "\n%{http_code}"])
            .arg("--cookie")
            .arg(&jar)
            .arg("--cookie-jar")
            .arg(&jar)
            .args(args)
            .arg(url)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || status != "000", "{path}: {errors}");
        (status.parse().unwrap_or_else(|_| panic!("{errors}")), body.to_owned())
    }

    pub(crate) fn post(&self, path: &str, word: &str, body: &Value) -> (u16, Value) {
        let header = format!("x-csrf-token: {word}");
        self.curl(path, &["--json", &body.to_string(), "--header", &header])
    }

    /// Logs the first admin in; the word that changes carry.
    pub(crate) fn log_in(&self) -> String {
        let login = json!({ "login": "anna", "password": PASSWORD });
        let (status, told) = self.post("/api/v1/login", "", &login);
        assert_eq!(status, 200, "{told}");
        assert_eq!(told["user"]["role"], "admin");
        told["csrf"].as_str().unwrap().to_owned()
    }

    /// Makes the first admin and logs them in.
    pub(crate) fn set_up(&self) -> String {
        let link = self.opened["first_link"].as_str().unwrap();
        let new = json!({ "link": link, "login": "anna", "name": "Anna", "password": PASSWORD });
        assert_eq!(self.post("/api/v1/setup", "", &new).0, 201);
        self.log_in()
    }

    /// Makes a sender; its token.
    pub(crate) fn sender(&self, word: &str, sender: &Value) -> String {
        let (status, made) = self.post("/api/v1/senders", word, sender);
        assert_eq!(status, 201, "{made}");
        made["token"].as_str().unwrap().to_owned()
    }

    /// Asks a path until the answer is the one that is waited for.
    pub(crate) fn until(&self, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let (status, told) = self.curl(path, &[]);
            if status == 200 && is_it(&told) {
                return told;
            }
            assert!(Instant::now() < deadline, "{path}: {told}");
        }
    }

    /// Asks in SQL until the answer is the one that is waited for.
    pub(crate) fn wait(&self, word: &str, sql: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let (status, rows) = self.post("/api/v1/query", word, &json!({ "sql": sql }));
            assert_eq!(status, 200, "{rows}");
            if is_it(&rows) {
                return rows;
            }
            assert!(Instant::now() < deadline, "{rows}");
        }
    }

    /// As a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}
