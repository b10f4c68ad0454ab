//! The API of a real server put to schemathesis (PyPI), which makes requests from the description and
//! holds the answers against it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";
/// What is checked. Whether a request that fits its schema is taken is not among them: a password that
/// is easily guessed fits, and so does the cursor of another list.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method,\
    allow_header_conformance";
/// What is checked as well, by caller: it knows how to leave a token out of a request, but not the
/// session's cookie, which is sent each time.
const MORE: [(&str, &str); 3] = [
    ("token", ",negative_data_rejection,ignored_auth"),
    ("sender", ",negative_data_rejection"),
    ("nobody", ",negative_data_rejection"),
];

/// How much is tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Examples for each operation.
    pub examples: u32,
    /// Phases of schemathesis, with commas between them.
    pub phases: &'static str,
    /// Where the random choices begin.
    pub seed: u64,
    /// Callers to try as: all of [`CALLERS`] where none is named.
    pub callers: &'static [&'static str],
}

/// Who asks: a program with every scope, the session of an admin, a sender, and nobody.
pub const CALLERS: [&str; 4] = ["token", "session", "sender", "nobody"];

/// A server with an admin, and something in it.
struct Server {
    child: Child,
    url: String,
    link: String,
}

impl Server {
    fn start(program: &Path, data: &Path) -> Result<Self, String> {
        let mut child = Command::new(program)
            .args(["serve", "--plain", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("no standard output")?;
        BufReader::new(out).read_line(&mut line).map_err(|e| e.to_string())?;
        let told: Value = serde_json::from_str(&line).map_err(|e| format!("{line}: {e}"))?;
        Ok(Self { url: text(&told, "url"), link: text(&told, "first_link"), child })
    }

    fn curl(&self, path: &str, headers: &[String], body: &[&str]) -> Result<Value, String> {
        let headers = headers.iter().flat_map(|header| ["--header", header]);
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "--max-time", "60"])
            .args(headers)
            .args(body)
            .arg(format!("{}{path}", self.url))
            .output()
            .map_err(|e| format!("curl: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        match output.status.success() {
            true => serde_json::from_str(&text).map_err(|e| format!("{path}: {text}: {e}")),
            false => Err(format!("{path}: {text} {}", String::from_utf8_lossy(&output.stderr))),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Puts the program through it; gives one line of figures for each caller.
pub fn schemathesis(
    program: &Path,
    evidence: &Path,
    folder: &Path,
    trial: &Trial,
) -> Result<Vec<String>, String> {
    let server = Server::start(program, &folder.join("data"))?;
    let callers = callers(&server, folder, evidence)?;
    let mut figures = Vec::new();
    for (name, headers, only) in callers {
        if !trial.callers.contains(&name) {
            continue;
        }
        let mut command = Command::new("schemathesis");
        command
            .arg("run")
            .arg(format!("{}/api/v1/openapi.json", server.url))
            .args(["--phases", trial.phases, "--seed", &trial.seed.to_string()])
            .args(["--max-examples", &trial.examples.to_string(), "--request-timeout", "60"])
            .args(["--continue-on-failure", "--no-shrink", "--no-color", "--warnings", "off"])
            .current_dir(folder);
        // One never ends; the others would end the session with which the rest is asked.
        for path in ["/api/v1/events", "/api/v1/logout", "/api/v1/me/sessions/{id}"] {
            command.args(["--exclude-path", path]);
        }
        let more = MORE.iter().find(|(caller, _)| *caller == name).map_or("", |(_, more)| more);
        command.args(["--checks", &format!("{CHECKS}{more}")]);
        match only {
            Some(path) => command.args(["--include-path", path]),
            None => command.args(["--exclude-path", "/api/v1/ingest"]),
        };
        for header in &headers {
            command.args(["--header", header]);
        }
        let output = command.output().map_err(|e| {
            format!("schemathesis: {e}; it is on PyPI, and `./run test` installs it")
        })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        fs::write(folder.join(format!("{name}.log")), &text).map_err(|e| e.to_string())?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("as {name}:\n{text}\n{errors}"));
        }
        let summary = text.lines().find(|line| line.contains(" generated"));
        figures.push(format!("{name}: {}", summary.unwrap_or("no figures").trim()));
    }
    let health = server.curl("/api/v1/health", &[], &[])?;
    match health.get("well") == Some(&json!(true)) {
        true => Ok(figures),
        false => Err(format!("the floor is not well afterwards: {health}")),
    }
}

fn text(told: &Value, name: &str) -> String {
    told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A caller's name, the headers that it sends, and the one path that it asks for, if it is one.
type Asking = (&'static str, Vec<String>, Option<&'static str>);

/// Makes the admin, a token and a sender, and delivers something, so that there are alerts.
fn callers(server: &Server, folder: &Path, evidence: &Path) -> Result<Vec<Asking>, String> {
    let kind = "content-type: application/json".to_owned();
    let setup =
        json!({ "link": server.link, "login": "anna", "name": "Anna", "password": PASSWORD });
    server.curl("/api/v1/setup", std::slice::from_ref(&kind), &["--data", &setup.to_string()])?;
    let jar = folder.join("jar").display().to_string();
    let login = json!({ "login": "anna", "password": PASSWORD }).to_string();
    let body = ["--data", login.as_str(), "--cookie-jar", &jar];
    let me = server.curl("/api/v1/login", std::slice::from_ref(&kind), &body)?;
    let jar = fs::read_to_string(&jar).map_err(|e| e.to_string())?;
    let cookie = jar.lines().find_map(|line| line.split_once("\twatchfloor\t"));
    let cookie = format!("cookie: watchfloor={}", cookie.ok_or("no cookie")?.1.trim());
    let word = format!("x-csrf-token: {}", text(&me, "csrf"));
    let session = vec![cookie, word];
    let headers = [session.clone(), vec![kind]].concat();
    let token = json!({ "name": "trial", "scopes": me.get("permissions") }).to_string();
    let token = server.curl("/api/v1/me/tokens", &headers, &["--data", &token])?;
    let sender = json!({ "name": "trial" }).to_string();
    let sender = server.curl("/api/v1/senders", &headers, &["--data", &sender])?;
    let bearer = |made: &Value| vec![format!("Authorization: Bearer {}", text(made, "token"))];
    let (token, sender) = (bearer(&token), bearer(&sender));
    let delivery = format!("@{}", evidence.display());
    server.curl("/api/v1/ingest", &sender, &["--data-binary", &delivery])?;
    Ok(vec![
        ("token", token, None),
        ("session", session, None),
        ("sender", sender, Some("/api/v1/ingest")),
        ("nobody", Vec::new(), None),
    ])
}
