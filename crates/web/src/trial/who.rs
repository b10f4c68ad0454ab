//! Who may do what.

use app::access::{NewApiToken, Permission, Token};
use app::ledger::Role;
use axum::http::{StatusCode, header};

use super::{House, PASSWORD};
use crate::caller::{CSRF, PLAIN_COOKIE};
use crate::routes::{Needs, ROUTES};

fn turned_away(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// Every route is tried by nobody, by the least of users, by a token with every scope and one with
/// none that it needs, and without the word against forged requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_is_for_those_that_its_row_names() {
    let house = House::open().await;
    let (admin, caller) = house.log_in("anna", PASSWORD).await;
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
            assert!(!turned_away(nobody) || route.path.contains("/login"), "{name}: {nobody}");
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
