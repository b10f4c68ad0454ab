//! The real program as a server on one data folder: started, killed, started again at the same places;
//! and its API, as an admin asks it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::Http;

const PASSWORD: &str = "correct horse battery";
/// How long a start may take.
const START: Duration = Duration::from_mins(3);

/// Where a floor is, whether or not it runs.
#[derive(Debug, Clone)]
pub struct Place {
    program: PathBuf,
    /// The data folder.
    pub data: PathBuf,
    pub(super) log: PathBuf,
    pub(super) http: SocketAddr,
    pub(super) relp: SocketAddr,
    pub(super) syslog: SocketAddr,
    /// Further arguments, in front of `serve` and behind it.
    pub(super) global: Vec<String>,
    pub(super) more: Vec<String>,
    /// Variables of its environment.
    pub(super) variables: Vec<(String, String)>,
}

/// A floor that runs. It is killed when this is dropped.
pub(super) struct Running {
    child: Child,
    opened: Value,
    /// How long it took until it was open.
    pub(super) took: Duration,
}

impl Place {
    /// A place for a floor whose data is in a folder, with its log beside it.
    pub fn new(program: &Path, data: &Path) -> Result<Self, String> {
        Ok(Self {
            program: program.to_owned(),
            data: data.to_owned(),
            log: data.with_extension("log"),
            http: free()?,
            relp: free()?,
            syslog: free()?,
            global: Vec::new(),
            more: Vec::new(),
            variables: Vec::new(),
        })
    }

    /// Starts it.
    pub(super) fn open(&self) -> Result<Running, String> {
        let began = Instant::now();
        let log = File::options().create(true).append(true).open(&self.log);
        let mut child = Command::new(&self.program)
            .args(&self.global)
            .args(["serve", "--plain", "--json"])
            .args(["--listen", &self.http.to_string(), "--relp", &self.relp.to_string()])
            .args(["--syslog-tcp", &self.syslog.to_string(), "--data"])
            .arg(&self.data)
            .args(&self.more)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.map_err(|e| format!("{}: {e}", self.log.display()))?)
            .spawn()
            .map_err(|e| format!("{}: {e}", self.program.display()))?;
        let out = child.stdout.take().ok_or("no standard output")?;
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(out).read_line(&mut line);
            let _nobody_waits = said.send(read.map(|_| line));
        });
        let line = heard.recv_timeout(START);
        let mut running = Running { child, opened: Value::Null, took: began.elapsed() };
        let line = match line {
            Ok(Ok(line)) if !line.is_empty() => line,
            _ => return Err(format!("it did not open: {}", self.last_words())),
        };
        running.opened = serde_json::from_str(&line).map_err(|e| format!("{line}: {e}"))?;
        Ok(running)
    }

    /// What it logged.
    pub(super) fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(super) fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<_> = said.lines().collect();
        lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
    }
}

/// A port that nobody listens on, below those that the system gives to clients: a client that tries a
/// port of those again and again while nobody listens comes to speak with itself.
fn free() -> Result<SocketAddr, String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 900) as u16 * 13;
    for _ in 0..2_000 {
        let port = 20_000 + (first - 20_000 + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("there is no free port".to_owned())
}

impl Running {
    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The word that makes the first admin.
    pub(super) fn first_link(&self) -> &str {
        self.opened.get("first_link").and_then(Value::as_str).unwrap_or_default()
    }

    /// As `kill -9` does.
    pub(super) fn kill(mut self) -> Result<(), String> {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(|e| e.to_string())
    }

    /// Asks it to stop, and waits until it has. How long that took.
    pub(super) fn stop(mut self) -> Result<Duration, String> {
        let began = Instant::now();
        let id = self.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        asked.map_err(|e| e.to_string())?;
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if status.success() {
            return Ok(began.elapsed());
        }
        Err(format!("asked to stop, it ended with {status}"))
    }

    /// Makes the first admin, and a token with which a program may do everything.
    pub(super) fn set_up(&self, place: &Place) -> Result<Api, String> {
        let mut api = Api { http: Http::new(place.http), headers: Vec::new() };
        let new = json!({ "link": self.first_link(), "login": "anna", "name": "Anna", "password": PASSWORD });
        api.post("/api/v1/setup", &new)?;
        let login = json!({ "login": "anna", "password": PASSWORD }).to_string();
        let json = [("content-type", "application/json")];
        let answer = api.http.ask("POST /api/v1/login", &json, login.as_bytes());
        let answer = answer.map_err(|e| e.to_string())?;
        let cookie = answer.header("set-cookie").and_then(|set| set.split(';').next());
        let cookie = cookie.ok_or("the login gave no cookie")?.to_owned();
        let me: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
        let word = me.get("csrf").and_then(Value::as_str).unwrap_or_default().to_owned();
        api.headers = vec![("cookie", cookie), ("x-csrf-token", word)];
        let token = json!({ "name": "proof", "scopes": me.get("permissions") });
        let made = api.post("/api/v1/me/tokens", &token)?;
        let token = made.get("token").and_then(Value::as_str).unwrap_or_default();
        api.headers = vec![("authorization", format!("Bearer {token}"))];
        Ok(api)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// The API, asked by a program that may do everything.
pub(super) struct Api {
    http: Http,
    headers: Vec<(&'static str, String)>,
}

impl Api {
    /// The same caller at another server.
    pub(super) fn at(&self, place: &Place) -> Self {
        Self { http: Http::new(place.http), headers: self.headers.clone() }
    }

    pub(super) fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// The status and the answer to a request.
    pub(super) fn ask(&mut self, line: &str, body: &[u8]) -> Result<(u16, Value), String> {
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("content-type", "application/json"));
        // A connection that the last server left behind is found out by using it.
        let answer = self.http.ask(line, &headers, body);
        let answer = answer.or_else(|_| self.http.ask(line, &headers, body));
        let answer = answer.map_err(|e| format!("{line}: {e}"))?;
        let text = String::from_utf8_lossy(&answer.body);
        let value = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
        Ok((answer.status, value))
    }

    fn sound(&mut self, line: &str, body: &[u8]) -> Result<Value, String> {
        match self.ask(line, body)? {
            (200..300, value) => Ok(value),
            (status, value) => Err(format!("{line}: {status} {value}")),
        }
    }

    pub(super) fn get(&mut self, path: &str) -> Result<Value, String> {
        self.sound(&format!("GET {path}"), &[])
    }

    pub(super) fn post(&mut self, path: &str, body: &Value) -> Result<Value, String> {
        self.sound(&format!("POST {path}"), body.to_string().as_bytes())
    }

    /// Makes a sender; its token.
    pub(super) fn sender(&mut self, name: &str) -> Result<String, String> {
        let made = self.post("/api/v1/senders", &json!({ "name": name }))?;
        Ok(made.get("token").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// The rows of a question.
    pub(super) fn query(&mut self, sql: &str) -> Result<Vec<Value>, String> {
        match self.post("/api/v1/query", &json!({ "sql": sql }))? {
            Value::Array(rows) => Ok(rows),
            other => Err(format!("{sql}: {other}")),
        }
    }

    /// Every item of a list that comes in pages.
    pub(super) fn list(&mut self, path: &str) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=500{after}"))?;
            let items = page.get("items").and_then(Value::as_array);
            all.extend(items.into_iter().flatten().cloned());
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Waits until everything that was taken has been read; how long that took.
    pub(super) fn caught_up(&mut self, within: Duration) -> Result<Duration, String> {
        let began = Instant::now();
        loop {
            let status = self.get("/api/v1/status")?;
            if status.pointer("/line/unread").and_then(Value::as_u64) == Some(0) {
                return Ok(began.elapsed());
            }
            if began.elapsed() > within {
                return Err(format!("after {within:?} it has not read everything: {status}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
