//! Every route in one ordered table: method, path, who may come, and where it goes.

use app::Floor;
use app::access::Permission;
use axum::Router;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::api::{alerts, auth, hunt, incidents, live, senders, users};
use crate::caller::Came;
use crate::problem::Problem;

/// Who may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Anybody: it tells nothing, or checks a proof of its own.
    Nothing,
    /// Somebody who has shown who they are.
    Anyone,
    /// A person who is logged in: no token of a program.
    Person,
    /// Somebody with this permission.
    May(Permission),
    /// A person with this permission.
    PersonMay(Permission),
}

/// A route.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    handler: fn(MethodFilter) -> MethodRouter<Floor>,
}

macro_rules! routes {
    ($($method:ident $path:literal $needs:expr => $handler:path;)+) => {
        &[$(Route {
            method: stringify!($method),
            path: $path,
            needs: $needs,
            handler: |filter| on(filter, $handler),
        }),+]
    };
}

use Needs::{Anyone, May, Nothing, Person, PersonMay};
use Permission::{Audit, Content, Decide, Hunt, Read, Senders, Users};

/// All routes.
pub(crate) const ROUTES: &[Route] = routes! {
    GET "/api/v1/health" Nothing => live::health;
    POST "/api/v1/login" Nothing => auth::log_in;
    POST "/api/v1/setup" Nothing => auth::setup;
    POST "/api/v1/logout" Person => auth::log_out;
    GET "/api/v1/me" Anyone => auth::me;
    POST "/api/v1/me/password" Person => users::password;
    POST "/api/v1/me/totp" Person => users::enrol_code;
    POST "/api/v1/me/totp/confirm" Person => users::confirm_code;
    GET "/api/v1/me/sessions" Person => users::sessions;
    DELETE "/api/v1/me/sessions/{id}" Person => users::end_session;
    GET "/api/v1/me/tokens" Person => users::tokens;
    POST "/api/v1/me/tokens" Person => users::add_token;
    DELETE "/api/v1/me/tokens/{id}" Person => users::revoke_token;
    GET "/api/v1/users" May(Users) => users::list;
    POST "/api/v1/users" PersonMay(Users) => users::add;
    PATCH "/api/v1/users/{id}" PersonMay(Users) => users::change;
    GET "/api/v1/alerts" May(Read) => alerts::list;
    GET "/api/v1/alerts/facets" May(Read) => alerts::facets;
    POST "/api/v1/alerts/bulk" May(Decide) => alerts::bulk;
    GET "/api/v1/alerts/{id}" May(Read) => alerts::one;
    PATCH "/api/v1/alerts/{id}" May(Decide) => alerts::change;
    GET "/api/v1/alerts/{id}/findings" May(Read) => alerts::findings;
    GET "/api/v1/alerts/{id}/comments" May(Read) => alerts::comments;
    POST "/api/v1/alerts/{id}/comments" May(Decide) => alerts::comment;
    GET "/api/v1/suppressions" May(Read) => alerts::suppressions;
    POST "/api/v1/suppressions" May(Decide) => alerts::suppress;
    POST "/api/v1/suppressions/{id}/lift" May(Decide) => alerts::lift;
    GET "/api/v1/incidents" May(Read) => incidents::list;
    POST "/api/v1/incidents" May(Decide) => incidents::open;
    GET "/api/v1/incidents/{id}" May(Read) => incidents::one;
    PATCH "/api/v1/incidents/{id}" May(Decide) => incidents::change;
    POST "/api/v1/incidents/{id}/reopen" May(Decide) => incidents::reopen;
    POST "/api/v1/incidents/{id}/alerts" May(Decide) => incidents::move_alerts;
    POST "/api/v1/incidents/{id}/merge" May(Decide) => incidents::merge;
    POST "/api/v1/merges/{id}/undo" May(Decide) => incidents::undo_merge;
    GET "/api/v1/incidents/{id}/comments" May(Read) => incidents::comments;
    POST "/api/v1/incidents/{id}/comments" May(Decide) => incidents::comment;
    GET "/api/v1/incidents/{id}/tasks" May(Read) => incidents::tasks;
    POST "/api/v1/incidents/{id}/tasks" May(Decide) => incidents::add_task;
    PATCH "/api/v1/tasks/{id}" May(Decide) => incidents::change_task;
    POST "/api/v1/query" May(Hunt) => hunt::query;
    GET "/api/v1/hunts" May(Read) => hunt::list;
    POST "/api/v1/hunts/{name}" May(Hunt) => hunt::run;
    GET "/api/v1/rules" May(Read) => live::rules;
    POST "/api/v1/content/reload" May(Content) => live::reload;
    GET "/api/v1/senders" May(Read) => senders::list;
    POST "/api/v1/senders" May(Senders) => senders::add;
    PUT "/api/v1/senders/{id}" May(Senders) => senders::change;
    POST "/api/v1/senders/{id}/token" May(Senders) => senders::rotate;
    GET "/api/v1/sources" May(Read) => senders::sources;
    GET "/api/v1/status" May(Read) => live::status;
    GET "/api/v1/events" May(Read) => live::events;
    GET "/api/v1/audit" May(Audit) => live::audit;
    GET "/api/v1/audit/verify" May(Audit) => live::verify;
};

/// The router of all routes. Who may not come is turned away before anything of the request is read.
pub(crate) fn router(floor: &Floor) -> Router<Floor> {
    ROUTES.iter().fold(Router::new(), |router, route| {
        let filter = match route.method {
            "GET" => MethodFilter::GET,
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            "PATCH" => MethodFilter::PATCH,
            _ => MethodFilter::DELETE,
        };
        let check = middleware::from_fn_with_state((floor.clone(), route.needs), check);
        router.route(route.path, (route.handler)(filter).route_layer(check))
    })
}

/// Lets a request pass when its caller is one whom the route is for.
async fn check(
    State((floor, needs)): State<(Floor, Needs)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if needs == Needs::Nothing {
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let came = Came::from_request_parts(&mut parts, &floor).await?;
    if let Needs::Person | Needs::PersonMay(_) = needs {
        came.caller.in_person()?;
    }
    if let Needs::May(permission) | Needs::PersonMay(permission) = needs {
        came.caller.may(permission)?;
    }
    parts.extensions.insert(came);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use app::access::{FirstAdmin, LoggedIn, Login, NewApiToken, Token};
    use app::ledger::Role;
    use app::{Content, FloorOptions, RuleChoice};
    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use axum::http::{StatusCode, header};
    use tower::ServiceExt as _;

    use super::*;
    use crate::caller::{CSRF, PLAIN_COOKIE};

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    struct House {
        floor: Floor,
        router: Router,
        _folder: tempfile::TempDir,
    }

    impl House {
        async fn open() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let options = FloorOptions {
                data: folder.path().to_owned(),
                ledger: None,
                rules: RuleChoice { only_paths: true, ..RuleChoice::default() },
                content: None,
                threads: 1,
                log_bytes: 1 << 30,
            };
            let floor = Floor::open(&Content::built_in(), options).await.unwrap();
            let first = FirstAdmin {
                link: floor.first_link().await.unwrap().unwrap(),
                login: "anna".into(),
                name: "Anna".into(),
                password: "correct horse battery".into(),
                address: HERE,
            };
            floor.make_first_admin(first).await.unwrap();
            let router = crate::server::router(floor.clone(), false);
            Self { floor, router, _folder: folder }
        }

        async fn log_in(&self, login: &str, password: &str) -> (Token, app::access::Caller) {
            let login = Login {
                login: login.into(),
                password: password.into(),
                code: None,
                address: HERE,
                agent: String::new(),
            };
            match self.floor.log_in(login).await.unwrap() {
                LoggedIn::In(token, caller) => (token, *caller),
                LoggedIn::CodeNeeded => panic!("no code was set up"),
            }
        }

        async fn status(&self, route: &Route, headers: &[(&str, &str)]) -> StatusCode {
            let path = route.path.replace("{id}", "x-1").replace("{name}", "none");
            let mut request = Request::builder().method(route.method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let mut request = request.body(Body::empty()).unwrap();
            let from = SocketAddr::new(HERE, 4711);
            request.extensions_mut().insert(ConnectInfo(from));
            self.router.clone().oneshot(request).await.unwrap().status()
        }
    }

    fn turned_away(status: StatusCode) -> bool {
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    /// Every route is tried by nobody, by the least of users, by a token with every scope and one with
    /// none that it needs, and without the word against forged requests.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_route_is_for_those_that_its_row_names() {
        let house = House::open().await;
        let (admin, caller) = house.log_in("anna", "correct horse battery").await;
        let viewing = "viewing password 1";
        let vera = ("vera".to_owned(), "Vera".to_owned(), Role::Viewer, viewing.to_owned());
        house.floor.add_user(&caller, vera.0, vera.1, vera.2, vera.3).await.unwrap();
        let (viewer, _) = house.log_in("vera", viewing).await;
        let new = |scopes: Vec<String>| NewApiToken { name: "t".into(), scopes, expires: None };
        let all = Permission::all().map(|p| p.name().to_owned()).collect();
        let (full, _) = house.floor.add_api_token(&caller, new(all)).await.unwrap();
        let (narrow, _) =
            house.floor.add_api_token(&caller, new(vec!["deliver".into()])).await.unwrap();
        let cookie = |token: &Token| format!("{PLAIN_COOKIE}={}", token.expose());
        let bearer = |token: &Token| format!("Bearer {}", token.expose());
        for route in ROUTES {
            let name = format!("{} {}", route.method, route.path);
            let nobody = house.status(route, &[]).await;
            if route.needs == Needs::Nothing {
                assert!(!turned_away(nobody) || route.path.ends_with("/login"), "{name}: {nobody}");
                continue;
            }
            assert_eq!(nobody, StatusCode::UNAUTHORIZED, "{name}");
            let made_up = house.status(route, &[("authorization", "Bearer wfk_made_up")]).await;
            assert_eq!(made_up, StatusCode::UNAUTHORIZED, "{name}");
            if route.path == "/api/v1/events" || route.path == "/api/v1/logout" {
                // One never ends, the other ends the session.
                continue;
            }
            let (session, word) = (cookie(&admin), admin.csrf());
            let as_admin = [(header::COOKIE.as_str(), session.as_str()), (CSRF, word.as_str())];
            let may = house.status(route, &as_admin).await;
            assert!(!turned_away(may), "{name} as admin: {may}");
            if route.method != "GET" {
                let forged = house.status(route, &as_admin[..1]).await;
                assert_eq!(forged, StatusCode::FORBIDDEN, "{name} without the word");
            }
            let by_token = house.status(route, &[("authorization", &bearer(&full))]).await;
            let person = matches!(route.needs, Needs::Person | Needs::PersonMay(_));
            assert_eq!(turned_away(by_token), person, "{name} by token: {by_token}");
            let by_narrow = house.status(route, &[("authorization", &bearer(&narrow))]).await;
            assert_eq!(
                turned_away(by_narrow),
                route.needs != Needs::Anyone,
                "{name} by a narrow token"
            );
            let (session, word) = (cookie(&viewer), viewer.csrf());
            let as_viewer = [(header::COOKIE.as_str(), session.as_str()), (CSRF, word.as_str())];
            let status = house.status(route, &as_viewer).await;
            let allowed = match route.needs {
                Needs::May(p) | Needs::PersonMay(p) => p.is_of(Role::Viewer),
                _ => true,
            };
            assert_eq!(!turned_away(status), allowed, "{name} as viewer: {status}");
        }
        house.floor.close().await;
    }
}
