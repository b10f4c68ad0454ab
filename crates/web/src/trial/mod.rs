//! A floor with the whole server before it, and what it is put through in tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod attack;
mod once;
mod pages;
mod questions;
mod reports;
mod rules;
mod searches;
mod switches;
mod two;
mod who;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use app::access::{Caller, FirstAdmin, LoggedIn, Login, Token};
use app::{Content, Floor, FloorOptions, RuleChoice};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::caller::{CSRF, PLAIN_COOKIE};
use crate::routes::Route;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "correct horse battery";

/// A rule that finds the word `intruder` anywhere in a Kubernetes audit log.
const RULE: &str = "title: An intruder\nid: 6a2c9f7e-2f0e-4a8e-9d36-0a2f6c1c8d11\nstatus: test\n\
    description: Somebody says that they are one.\nlogsource:\n    product: kubernetes\n    \
    service: audit\ndetection:\n    words:\n        - intruder\n    condition: words\nlevel: high\n";

/// A line of such a log, about somebody.
fn line(who: &str) -> String {
    let event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
        "auditID": "ad797c9b-bdae-5fb3-88f9-65bb5849c1be", "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/mail/secrets/intruder", "verb": "get",
        "user": { "username": who, "groups": [who] }, "sourceIPs": ["192.0.2.7"],
        "userAgent": who,
        "objectRef": { "resource": "secrets", "namespace": "mail", "name": who },
        "responseStatus": { "metadata": {}, "code": 200 },
        "requestReceivedTimestamp": "2026-10-14T06:00:57.093441Z",
        "stageTimestamp": "2026-10-14T06:00:57.100441Z",
    });
    format!("{event}\n")
}

struct House {
    floor: Floor,
    router: Router,
    folder: tempfile::TempDir,
}

/// An answer of the server.
struct Said {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl House {
    async fn open() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap()).await
    }

    async fn in_folder(folder: tempfile::TempDir) -> Self {
        let rule = folder.path().join("rule.yml");
        std::fs::write(&rule, RULE).unwrap();
        let rules = RuleChoice { only_paths: true, paths: vec![rule], ..RuleChoice::default() };
        let options = FloorOptions {
            data: folder.path().join("data"),
            ledger: None,
            rules,
            content: None,
            threads: 1,
            log_bytes: 1 << 30,
        };
        let floor = Floor::open(&Content::built_in(), options).await.unwrap();
        let config = folder.path().join("floor.toml");
        std::fs::write(&config, "[sign_in]\nurl = \"http://localhost:8630\"\n").unwrap();
        floor.configure(Some(&config)).await.unwrap();
        if let Some(link) = floor.first_link().await.unwrap() {
            let first = FirstAdmin {
                link,
                login: "anna".into(),
                name: "Anna".into(),
                password: PASSWORD.into(),
                address: HERE,
            };
            floor.make_first_admin(first).await.unwrap();
        }
        let router = crate::server::router(floor.clone(), false, pages::PAGES.into());
        Self { floor, router, folder }
    }

    /// Stops and starts again.
    async fn again(self) -> Self {
        self.floor.close().await;
        let Self { floor, router, folder } = self;
        drop((floor, router));
        Self::in_folder(folder).await
    }

    async fn log_in(&self, login: &str, password: &str) -> (Token, Caller) {
        let login = Login {
            login: login.into(),
            password: password.into(),
            code: None,
            passkey: None,
            address: HERE,
            agent: String::new(),
        };
        match self.floor.log_in(login).await.unwrap() {
            LoggedIn::In(token, caller) => (token, *caller),
            LoggedIn::MoreNeeded(_) => panic!("no code was set up"),
        }
    }

    async fn status(&self, route: &Route, headers: &[(&str, &str)]) -> StatusCode {
        let path = route.path.replace("{id}", "x-1").replace("{name}", "none");
        self.send(route.method, &path, headers, Body::empty()).await.status()
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> axum::response::Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(HERE, 4711)));
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A request and its whole answer.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Said {
        let response = self.send(method, path, headers, body).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        Said { status: parts.status, headers: parts.headers, body: body.into() }
    }
}

/// The headers of a session.
struct Session {
    cookie: String,
    word: String,
}

impl Session {
    fn of(token: &Token) -> Self {
        Self { cookie: format!("{PLAIN_COOKIE}={}", token.expose()), word: token.csrf() }
    }

    fn headers(&self) -> [(&str, &str); 2] {
        [(header::COOKIE.as_str(), &self.cookie), (CSRF, &self.word)]
    }

    async fn json(&self, house: &House, method: &str, path: &str, body: &Value) -> Said {
        let [cookie, word] = self.headers();
        let headers = [cookie, word, ("content-type", "application/json")];
        house.ask(method, path, &headers, body.to_string()).await
    }

    async fn get(&self, house: &House, path: &str) -> Said {
        house.ask("GET", path, &self.headers(), Body::empty()).await
    }
}
