//! A client of a floor, by its own interfaces and nothing else.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::failure::{Failure, Kind};

/// Bytes of an answer that are read.
const ANSWER: usize = 8 << 20;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pages of a list that are read at once.
const PAGES: usize = 100;
/// How often a delivery that finds no room is tried again.
const TRIES: u32 = 100;

/// A floor, as one who is logged in sees it.
pub(super) struct Api {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    url: String,
    cookie: String,
    csrf: String,
}

impl Api {
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(crate::failure::system("cannot start the runtime"))?;
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Failure::new(Kind::System, error.to_string()))?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { runtime, client, url, cookie: String::new(), csrf: String::new() })
    }

    /// Makes the first admin and logs in as them.
    pub(super) fn begin(&mut self, link: &str, login: &str, password: &str) -> Result<(), Failure> {
        let form = serde_json::json!({
            "link": link, "login": login, "name": "Demonstration", "password": password
        });
        self.ask("/api/v1/setup", Some(&form))?;
        self.log_in(login, password)
    }

    /// Logs in.
    pub(super) fn log_in(&mut self, login: &str, password: &str) -> Result<(), Failure> {
        let form = serde_json::json!({ "login": login, "password": password });
        let answer = self.ask("/api/v1/login", Some(&form))?;
        text(&answer.told, "/csrf").clone_into(&mut self.csrf);
        self.cookie = answer.cookie;
        Ok(())
    }

    /// Makes a sender; its token.
    pub(super) fn sender(&self, name: &str) -> Result<String, Failure> {
        let form = serde_json::json!({ "name": name });
        let answer = self.ask("/api/v1/senders", Some(&form))?;
        Ok(text(&answer.told, "/token").to_owned())
    }

    /// The rows of a list, from its beginning to the page on which `known` holds of every row.
    pub(super) fn list(
        &self,
        path: &str,
        known: impl Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, Failure> {
        let mut rows = Vec::new();
        let mut after = String::new();
        for _ in 0..PAGES {
            let mut told = self.ask(&format!("{path}{after}"), None)?.told;
            let Some(Value::Array(items)) = told.get_mut("items").map(Value::take) else { break };
            let all_known = items.iter().all(&known);
            rows.extend(items);
            match text(&told, "/next") {
                next if !all_known && !next.is_empty() => after = format!("&after={next}"),
                _ => break,
            }
        }
        Ok(rows)
    }

    /// How many events the floor has read.
    pub(super) fn events(&self) -> Result<u64, Failure> {
        Ok(number(&self.ask("/api/v1/status", None)?.told, "/events"))
    }

    /// Delivers, and comes again when there is no room.
    pub(super) fn deliver(&self, token: &str, body: &[u8]) -> Result<(), Failure> {
        let url = format!("{}/api/v1/ingest", self.url);
        for _ in 0..TRIES {
            let request = self.client.post(&url).bearer_auth(token).body(body.to_vec());
            let answer = self.answer(request)?;
            match answer.status {
                200 => return Ok(()),
                429 | 503 => std::thread::sleep(answer.after),
                _ => return Err(answer.refusal()),
            }
        }
        Err(Failure::new(Kind::Throttled, "the floor has no room, and did not get any"))
    }

    fn ask(&self, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.url);
        let request = match body {
            Some(body) => {
                let request = self.client.post(&url).header("content-type", "application/json");
                request.header("x-csrf-token", &self.csrf).body(body.to_string())
            }
            None => self.client.get(&url),
        };
        let answer = self.answer(request.header("cookie", &self.cookie))?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(answer.refusal()) }
    }

    fn answer(&self, request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
        let unheard = |error: reqwest::Error| {
            let url = model::inert(&self.url);
            Failure::new(Kind::System, format!("{url} does not answer: {}", error.without_url()))
        };
        self.runtime.block_on(async {
            let mut answer = request.send().await.map_err(unheard)?;
            let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
            let cookie = header("set-cookie").and_then(|text| text.split(';').next());
            let cookie = cookie.unwrap_or_default().to_owned();
            let after = header("retry-after").and_then(|text| text.parse().ok()).unwrap_or(1u64);
            let status = answer.status().as_u16();
            let mut text = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(unheard)? {
                text.extend_from_slice(&piece);
                if text.len() > ANSWER {
                    let message = "the floor's answer is larger than a floor's answers are";
                    return Err(Failure::new(Kind::System, message));
                }
            }
            let told = serde_json::from_slice(&text).unwrap_or_default();
            let after = Duration::from_secs(after.clamp(1, 30));
            Ok(Answer { status, told, cookie, after })
        })
    }
}

/// The text at a place (RFC 6901); empty when there is none.
pub(super) fn text<'v>(value: &'v Value, place: &str) -> &'v str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a place; zero when there is none.
pub(super) fn number(value: &Value, place: &str) -> u64 {
    value.pointer(place).and_then(Value::as_u64).unwrap_or_default()
}

/// What a floor answered.
struct Answer {
    status: u16,
    told: Value,
    cookie: String,
    /// When to come again.
    after: Duration,
}

impl Answer {
    fn refusal(&self) -> Failure {
        let Self { status, told, .. } = self;
        let detail =
            told["detail"].as_str().or(told["title"].as_str()).unwrap_or("no reason given");
        let detail = model::inert(detail);
        Failure::new(Kind::System, format!("the floor refused ({status}): {detail}"))
    }
}

/// Sends lines of syslog over TCP, each with its length before it (RFC 6587).
pub(super) struct Syslog(TcpStream);

impl Syslog {
    pub(super) fn to(address: SocketAddr) -> Result<Self, Failure> {
        let open = || {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Self(stream))
        };
        open().map_err(|error: std::io::Error| {
            Failure::new(Kind::System, format!("{address} takes no syslog: {error}"))
        })
    }

    /// Sends a line; one without a priority gets that of `auth.info`.
    pub(super) fn send(&mut self, line: &[u8]) -> Result<(), Failure> {
        let priority: &[u8] = if line.starts_with(b"<") { b"" } else { b"<38>" };
        let mut frame = format!("{} ", priority.len() + line.len()).into_bytes();
        frame.extend_from_slice(priority);
        frame.extend_from_slice(line);
        self.0.write_all(&frame).map_err(crate::failure::system("cannot send syslog"))
    }
}
