//! Where senders deliver logs over HTTP, in the protocols that they speak. Acknowledged means that the
//! bytes are on the disk.
//!
//! What is said in which protocol is [`app::http`]'s to know; its table of doors is the table of routes
//! here. This stands in front of the other routes and lets pass what is no sender's.

#![allow(clippy::result_large_err)] // An answer is made once for each request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use app::http::{Answer, Credential, Deliver, Opening, Reception, Refusal, Settings, Visit};
use app::{Delivering, Floor, Load, Position};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Query;
use crate::caller;
use crate::json::Json;
use crate::problem::Problem;
use crate::receive;
use crate::room::Room;
use crate::routes::{Needs, Route, routes};

/// How long a sender may be silent in the middle of a body.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a body may take.
const WHOLE: Duration = Duration::from_mins(10);
/// Bytes of all bodies that are held at once.
const HELD: usize = 512 << 20;
/// Larger bodies are looked through where that holds up nobody else.
const LARGE: usize = 256 << 10;
/// Bytes of a refused body that are read past, and for how long.
const PASSED_OVER: usize = 64 << 10;
const SOON: Duration = Duration::from_secs(1);
/// Characters of what is said of a delivery.
const ORIGIN: usize = 512;

/// The house's own door, as the description of the API tells it. Those of others are described by
/// others.
pub(crate) const ROUTES: &[Route] = routes! {
    POST "/api/v1/ingest" Needs::Sender => receive::ingest,
        "Takes logs in any form that the program reads, plain or compressed (gzip, deflate, zstd)";
};

/// How a delivery is to be read, and what is said of it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct IngestQuery {
    /// The name of a format, such as `json` or `syslog`; told by the content unless said.
    format: Option<String>,
}

/// A delivery that was taken: it is on the disk.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Taken {
    /// Its number, in the order in which deliveries were taken.
    position: u64,
}

/// What the door takes and answers, as types from which the description is made. [`receive`](self::receive)
/// is in front of it and does the work.
async fn ingest(_: Query<IngestQuery>, _: Bytes) -> Result<Json<Taken>, Problem> {
    Err(Problem::bad("the receivers are not open"))
}

/// What receives.
pub(crate) struct Desk {
    floor: Floor,
    reception: Reception,
    room: Room,
}

impl Desk {
    pub(crate) fn new(floor: Floor) -> Self {
        let settings = Settings { formats: app::formats().collect(), ..Settings::default() };
        let reception = Reception::new(settings, floor.last_delivery());
        Self { floor, reception, room: Room::new(HELD) }
    }

    /// The answer to a sender's request. Both ways out are answers; the error is a refusal.
    async fn walk(&self, visit: &Visit<'_>, from: IpAddr, body: Body) -> Result<Answer, Answer> {
        let known = match visit.credential() {
            Ok(credential) => self.sender(visit, &credential).await,
            Err(refused) => Err(refused),
        };
        let sender = match known {
            Ok(sender) => sender,
            Err(refused) => {
                pass_over(body).await;
                return Err(refused);
            }
        };
        if let Some(answer) = visit.greeting() {
            return Ok(answer);
        }
        let mut held = self.room.enter();
        let body = tokio::time::timeout(WHOLE, self.body(visit, body, &mut held)).await;
        let body = body.unwrap_or_else(|_| Err(visit.refuse(&Refusal::Slow)))?;
        let mut receipt = if body.len() < LARGE {
            visit.receive(body)?
        } else {
            tokio::task::block_in_place(|| visit.receive(body))?
        };
        let mut last = Position::START;
        for deliver in receipt.take() {
            let load = load(visit, from, deliver);
            let kept = self.floor.deliver(&sender, load).await;
            last = kept.map_err(|refusal| visit.refuse(&said(&refusal)))?.position;
            self.reception.kept(last);
        }
        Ok(receipt.accepted(last))
    }

    /// The sender whose secret this is.
    async fn sender(
        &self,
        visit: &Visit<'_>,
        credential: &Credential,
    ) -> Result<Delivering, Answer> {
        match self.floor.sender_by_digest(credential.secret.digest()).await {
            Ok(Some(sender)) if sender.is_enabled() => Ok(sender),
            Ok(Some(_)) => Err(visit.refuse(&Refusal::DisabledCredential)),
            Ok(None) => Err(visit.refuse(&Refusal::UnknownCredential)),
            Err(failure) => {
                tracing::warn!(%failure, "a sender could not be looked up");
                Err(visit.refuse(&Refusal::Failed))
            }
        }
    }

    /// The body, decoded as it comes in.
    async fn body(
        &self,
        visit: &Visit<'_>,
        body: Body,
        held: &mut crate::room::Held<'_>,
    ) -> Result<Vec<u8>, Answer> {
        let mut decoder = visit.decoder()?;
        let mut chunks = body.into_data_stream();
        loop {
            let next = tokio::time::timeout(SILENCE, chunks.next()).await;
            let Some(chunk) = next.map_err(|_| visit.refuse(&Refusal::Slow))? else { break };
            let early = |_| visit.refuse(&Refusal::Broken("the body ends early".to_owned()));
            let chunk = chunk.map_err(early)?;
            decoder.push(&chunk).map_err(|error| visit.refuse(&error.into()))?;
            if !held.is_now(decoder.held()) {
                return Err(visit.refuse(&Refusal::Full { retry_after: 1 }));
            }
        }
        decoder.finish().map_err(|error| visit.refuse(&error.into()))
    }
}

/// Reads past what a refused sender still sends, where it is little: clients of HTTP/2 (curl 7) that are
/// answered before they have sent it all may see a broken stream and not the answer.
async fn pass_over(body: Body) {
    let read = async {
        let (mut chunks, mut left) = (body.into_data_stream(), PASSED_OVER);
        while let Some(Ok(chunk)) = chunks.next().await {
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    let _slow = tokio::time::timeout(SOON, read).await;
}

/// Takes what is a sender's, and lets the rest pass.
pub(crate) async fn receive(
    State(desk): State<Arc<Desk>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let from = caller::address(&parts);
    match split(&desk.reception, &parts) {
        None => next.run(Request::from_parts(parts, body)).await,
        Some(Err(answer)) => written(answer),
        Some(Ok(visit)) => {
            written(desk.walk(&visit, from, body).await.unwrap_or_else(|refused| refused))
        }
    }
}

/// A sender's visit, the answer to anybody, or nothing.
fn split<'r>(reception: &'r Reception, parts: &'r Parts) -> Option<Result<Visit<'r>, Answer>> {
    match reception.open(parts) {
        Opening::Elsewhere => None,
        Opening::Answer(answer) => Some(Err(answer)),
        Opening::Visit(visit) => Some(Ok(visit)),
    }
}

/// A delivery as the floor takes it. What the sender says of it becomes a part of where it came from.
fn load(visit: &Visit<'_>, from: IpAddr, deliver: Deliver) -> Load {
    let mut origin = format!("http {} {from}", visit.protocol().name());
    for (name, value) in &deliver.metadata {
        origin.push(' ');
        origin.push_str(name);
        origin.push('=');
        origin.push_str(&model::inert(value));
    }
    if let Some((end, _)) = origin.char_indices().nth(ORIGIN) {
        origin.truncate(end);
    }
    Load { format: deliver.format, events: deliver.events, origin, bytes: deliver.body }
}

/// Why the floor does not take a delivery, as protocols know it.
fn said(refusal: &app::Refusal) -> Refusal {
    match refusal {
        app::Refusal::Full { retry_after, .. } => {
            let seconds = retry_after.as_secs_f64().ceil() as u32;
            Refusal::Full { retry_after: seconds.max(1) }
        }
        app::Refusal::Disk(_) => Refusal::Failed,
        app::Refusal::TooLarge { limit, .. } => Refusal::TooLarge { limit: *limit },
        app::Refusal::Closed => Refusal::Closing,
    }
}

/// An answer on its way out.
fn written(answer: Answer) -> Response {
    let Answer { status, headers, body, trailers } = answer;
    let body = match trailers {
        None => Body::from(body),
        Some(trailers) => {
            let trailers = async move { Some(Ok::<HeaderMap, std::convert::Infallible>(trailers)) };
            Body::new(Full::from(body).with_trailers(trailers))
        }
    };
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::net::{Ipv4Addr, SocketAddr};

    use app::access::{Caller, FirstAdmin, LoggedIn, Login, NewApiToken, Permission};
    use app::http::{Door, PROTOCOLS, Protocol};
    use app::ledger::SenderForm;
    use app::{Content, FloorOptions, RuleChoice};
    use axum::extract::ConnectInfo;
    use axum::http::StatusCode;
    use tower::ServiceExt as _;

    use super::*;
    use crate::caller::{CSRF, PLAIN_COOKIE};

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn floor(folder: &tempfile::TempDir) -> Floor {
        let options = FloorOptions {
            data: folder.path().to_owned(),
            ledger: None,
            rules: RuleChoice { only_paths: true, ..RuleChoice::default() },
            content: None,
            threads: 1,
            log_bytes: 1 << 30,
        };
        Floor::open(&Content::built_in(), options).await.unwrap()
    }

    /// The first admin, as whoever is logged in and by a token that may do everything.
    async fn admin(floor: &Floor) -> (Caller, Vec<(&'static str, String)>, String) {
        let password = "correct horse battery";
        let first = FirstAdmin {
            link: floor.first_link().await.unwrap().unwrap(),
            login: "anna".into(),
            name: "Anna".into(),
            password: password.into(),
            address: HERE,
        };
        floor.make_first_admin(first).await.unwrap();
        let login = Login {
            login: "anna".into(),
            password: password.into(),
            code: None,
            passkey: None,
            address: HERE,
            agent: String::new(),
        };
        let LoggedIn::In(session, caller) = floor.log_in(login).await.unwrap() else {
            panic!("no code was set up")
        };
        let all = Permission::all().map(|p| p.name().to_owned()).collect();
        let new = NewApiToken { name: "t".into(), scopes: all, expires: None };
        let (token, _) = floor.add_api_token(&caller, new).await.unwrap();
        let session = vec![
            ("cookie", format!("{PLAIN_COOKIE}={}", session.expose())),
            (CSRF, session.csrf()),
        ];
        (*caller, session, token.expose().to_owned())
    }

    /// As the protocol's senders show a token.
    fn shown(protocol: &dyn Protocol, token: &str) -> Vec<(&'static str, String)> {
        let scheme = if protocol.name() == "hec" { "Splunk" } else { "Bearer" };
        vec![("authorization", format!("{scheme} {token}"))]
    }

    async fn knock(
        router: &axum::Router,
        door: &Door,
        headers: &[(&'static str, String)],
    ) -> Response {
        let part =
            |part: &str| if part.starts_with('{') { "x-1".to_owned() } else { part.to_owned() };
        let path: Vec<_> = door.path.split('/').map(part).collect();
        let mut request = Request::builder().method(door.method).uri(path.join("/"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(HERE, 4711)));
        router.clone().oneshot(request).await.unwrap()
    }

    /// Turned away, or let in and told that nothing was sent.
    fn turned_away(response: &Response) -> bool {
        let grpc = response.headers().get("grpc-status").and_then(|code| code.to_str().ok());
        matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            || matches!(grpc, Some("16" | "7"))
    }

    /// Every door of every protocol is tried by nobody, by a made-up token, by a person in two ways, by
    /// a sender, and by one who was switched off.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_door_is_for_senders_alone_unless_its_row_says_that_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let floor = floor(&folder).await;
        let (caller, session, person) = admin(&floor).await;
        let form = |name: &str, enabled| SenderForm {
            name: name.into(),
            kind: "http".into(),
            enabled,
            ..SenderForm::default()
        };
        let sender = floor.add_sender(&caller, &form("web", true)).await.unwrap().token;
        let off = floor.add_sender(&caller, &form("old", false)).await.unwrap().token;
        let router = crate::server::router(floor.clone(), false, [].into());
        for protocol in PROTOCOLS {
            for door in protocol.doors() {
                let name = format!("{}: {} {}", protocol.name(), door.method, door.path);
                let nobody = knock(&router, door, &[]).await;
                assert_eq!(turned_away(&nobody), !door.open, "{name} by nobody");
                if door.open {
                    assert_eq!(nobody.status(), StatusCode::OK, "{name}");
                    continue;
                }
                for token in ["wfd_made_up", &person, off.expose()] {
                    let answer = knock(&router, door, &shown(*protocol, token)).await;
                    assert!(turned_away(&answer), "{name} by {token}");
                }
                let answer = knock(&router, door, &session).await;
                assert!(turned_away(&answer), "{name} by a person");
                let answer = knock(&router, door, &shown(*protocol, sender.expose())).await;
                assert!(!turned_away(&answer), "{name} by a sender: {}", answer.status());
            }
        }
        assert_eq!(floor.last_delivery(), Position::START, "nobody delivered anything");
        floor.close().await;
    }

    /// No protocol takes a request that is for the API.
    #[test]
    fn doors_and_routes_are_apart() {
        let reception = Reception::new(Settings::default(), Position::START);
        for route in crate::routes::ROUTES {
            let request = axum::http::Request::builder().method(route.method).uri(route.path);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert!(split(&reception, &parts).is_none(), "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn what_a_sender_says_is_inert_and_bounded() {
        let reception = Reception::new(Settings::default(), Position::START);
        let uri = format!("/logpush?source=%1b%5b2J%0a{}", "x".repeat(900));
        let request = axum::http::Request::post(uri).body(()).unwrap();
        let (parts, ()) = request.into_parts();
        let Some(Ok(visit)) = split(&reception, &parts) else { panic!("nobody's") };
        let mut receipt = visit.receive(b"{\"a\":1}\n".to_vec()).unwrap();
        let load = load(&visit, HERE, receipt.take().remove(0));
        assert!(load.origin.starts_with("http logpush 127.0.0.1 source=\\x1b[2J\\nxxx"));
        assert_eq!(load.origin.len(), ORIGIN);
    }
}
