//! Every route in one ordered table: method, path, who may come, and where it goes.

use app::Floor;
use app::access::Permission;
use axum::Router;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};

use crate::api::{alerts, auth, hunt, incidents, live, rules, searches, senders, sign_in, users};
use crate::caller::Came;
use crate::describe::Operation;
use crate::once;
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
    /// One who delivers logs; receivers ask for the token themselves.
    Sender,
}

/// A route.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    /// Its handler's name.
    pub(crate) name: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// Describes what it takes and answers.
    pub(crate) tell: fn(&mut Operation<'_>),
    /// Whether it changes something and its answer can be kept, so that it can be sent again under a
    /// key.
    pub(crate) kept: fn() -> bool,
    pub(crate) handler: fn(MethodFilter) -> MethodRouter<Floor>,
}

macro_rules! routes {
    ($($method:ident $path:literal $needs:expr => $handler:path, $about:literal;)+) => {
        &[$($crate::routes::Route {
            method: stringify!($method),
            path: $path,
            needs: $needs,
            name: stringify!($handler),
            about: $about,
            tell: |to| $crate::describe::tell(&$handler, to),
            kept: || stringify!($method) != "GET" && $crate::describe::kept(&$handler),
            handler: |filter| axum::routing::on(filter, $handler),
        }),+]
    };
}
pub(crate) use routes;

use Needs::{Anyone, May, Nothing, Person, PersonMay};
use Permission::{Audit, Content, Decide, Hunt, Read, Senders, Users};

/// All routes.
pub(crate) const ROUTES: &[Route] = routes! {
    GET "/api/v1/health" Nothing => live::health, "Whether the floor works, for a load balancer";
    GET "/api/v1/openapi.json" Nothing => live::openapi, "This description";
    GET "/api/v1/login" Nothing => sign_in::ways, "Ways to log in";
    POST "/api/v1/login" Nothing => auth::log_in,
        "Logs in: gives a session as a cookie, and its word against forged requests";
    GET "/api/v1/login/openid" Nothing => sign_in::begin_openid,
        "Goes to the identity provider to log in";
    GET "/api/v1/login/openid/callback" Nothing => sign_in::end_openid,
        "Comes back from the identity provider: gives a session as a cookie";
    POST "/api/v1/login/access" Nothing => sign_in::by_access,
        "Logs in by the token of Cloudflare Access in `Cf-Access-Jwt-Assertion`";
    POST "/api/v1/login/passkey/begin" Nothing => sign_in::begin_passkey_login,
        "The question to a passkey by which somebody logs in";
    POST "/api/v1/login/passkey" Nothing => sign_in::by_passkey, "Logs in by a passkey alone";
    POST "/api/v1/setup" Nothing => auth::setup,
        "Makes the first admin by the one-time word that the first start prints";
    POST "/api/v1/logout" Person => auth::log_out,
        "Ends the session; says where one that began at an identity provider can be ended there as well";
    GET "/api/v1/me" Anyone => auth::me, "Who the caller is and what they may do";
    POST "/api/v1/me/password" Person => users::password,
        "Sets the caller's password; their other sessions end";
    POST "/api/v1/me/totp" Person => users::enrol_code, "Begins to set up an authenticator";
    POST "/api/v1/me/totp/confirm" Person => users::confirm_code,
        "Ends the setting up of an authenticator with its first code";
    POST "/api/v1/me/openid" Person => sign_in::begin_link,
        "Begins to link an identity provider's word to the caller";
    GET "/api/v1/me/identities" Person => sign_in::identities,
        "Whom identity providers vouch for as the caller";
    GET "/api/v1/me/passkeys" Person => sign_in::passkeys, "The caller's passkeys";
    POST "/api/v1/me/passkeys/begin" Person => sign_in::begin_passkey,
        "The question to an authenticator that is to make a passkey";
    POST "/api/v1/me/passkeys" Person => sign_in::add_passkey, "Takes a passkey that was made";
    DELETE "/api/v1/me/passkeys/{id}" Person => sign_in::remove_passkey,
        "Takes one of the caller's passkeys away";
    GET "/api/v1/me/sessions" Person => users::sessions, "The caller's sessions";
    DELETE "/api/v1/me/sessions/{id}" Person => users::end_session,
        "Ends a session: one's own, or by an admin anybody's";
    GET "/api/v1/me/tokens" Person => users::tokens, "The caller's tokens for programs";
    POST "/api/v1/me/tokens" Person => users::add_token,
        "Makes a token for a program; it is shown this once";
    DELETE "/api/v1/me/tokens/{id}" Person => users::revoke_token,
        "Revokes a token: one's own, or by an admin anybody's";
    GET "/api/v1/users" May(Users) => users::list, "All users";
    POST "/api/v1/users" PersonMay(Users) => users::add, "Makes a user";
    PATCH "/api/v1/users/{id}" PersonMay(Users) => users::change,
        "Changes a user: name, mail, role, whether they are kept out";
    DELETE "/api/v1/users/{id}/factors" PersonMay(Users) => sign_in::remove_factors,
        "Takes all second factors of a user away who has lost them";
    GET "/api/v1/users/{id}/identities" PersonMay(Users) => sign_in::identities_of,
        "Whom identity providers vouch for as a user";
    DELETE "/api/v1/users/{id}/identities" PersonMay(Users) => sign_in::unlink,
        "Unlinks a user from identity providers: they come in by none any more, and sessions that began so end";
    GET "/api/v1/alerts" May(Read) => alerts::list, "Alerts by a filter";
    GET "/api/v1/alerts/facets" May(Read) => alerts::facets,
        "How many alerts a filter leaves, by state, level, rule and owner";
    POST "/api/v1/alerts/bulk" May(Decide) => alerts::bulk,
        "Decides the same on many alerts; each has its own result";
    GET "/api/v1/alerts/{id}" May(Read) => alerts::one, "An alert";
    PATCH "/api/v1/alerts/{id}" May(Decide) => alerts::change,
        "Decides on an alert: status, owner, severity";
    GET "/api/v1/alerts/{id}/findings" May(Read) => alerts::findings,
        "The findings of an alert, the latest first";
    GET "/api/v1/alerts/{id}/comments" May(Read) => alerts::comments, "Comments on an alert";
    POST "/api/v1/alerts/{id}/comments" May(Decide) => alerts::comment,
        "Comments on an alert, in Markdown";
    GET "/api/v1/suppressions" May(Read) => alerts::suppressions,
        "Suppressions: those in force, or all";
    POST "/api/v1/suppressions" May(Decide) => alerts::suppress,
        "Hides alerts for a time, never a rise in severity";
    POST "/api/v1/suppressions/{id}/lift" May(Decide) => alerts::lift,
        "Ends a suppression before its time";
    GET "/api/v1/incidents" May(Read) => incidents::list, "Incidents by a filter";
    POST "/api/v1/incidents" May(Decide) => incidents::open, "Opens an incident by hand";
    GET "/api/v1/incidents/{id}" May(Read) => incidents::one, "An incident";
    PATCH "/api/v1/incidents/{id}" May(Decide) => incidents::change,
        "Decides on an incident: status, owner, severity, title";
    POST "/api/v1/incidents/{id}/reopen" May(Decide) => incidents::reopen,
        "Opens a closed incident again";
    POST "/api/v1/incidents/{id}/alerts" May(Decide) => incidents::move_alerts,
        "Puts alerts into an incident and takes others out";
    POST "/api/v1/incidents/{id}/merge" May(Decide) => incidents::merge,
        "Makes an incident part of another; it can be undone";
    GET "/api/v1/incidents/{id}/merges" May(Read) => incidents::merges,
        "The merges that an incident took part in";
    POST "/api/v1/merges/{id}/undo" May(Decide) => incidents::undo_merge, "Undoes a merge";
    GET "/api/v1/incidents/{id}/report" May(Read) => incidents::report,
        "A report of an incident: HTML, PDF, Markdown or JSON";
    GET "/api/v1/incidents/{id}/comments" May(Read) => incidents::comments,
        "Comments on an incident";
    POST "/api/v1/incidents/{id}/comments" May(Decide) => incidents::comment,
        "Comments on an incident, in Markdown";
    GET "/api/v1/incidents/{id}/tasks" May(Read) => incidents::tasks, "The tasks of an incident";
    POST "/api/v1/incidents/{id}/tasks" May(Decide) => incidents::add_task,
        "Adds a task to an incident";
    PATCH "/api/v1/tasks/{id}" May(Decide) => incidents::change_task,
        "Changes a task: title, assignee, due, done";
    POST "/api/v1/query" May(Hunt) => hunt::query, "Asks all events in SQL";
    GET "/api/v1/words" May(Read) => hunt::words,
        "What a question can name: the columns of events, and functions";
    GET "/api/v1/hunts" May(Read) => hunt::list, "The saved hunts";
    POST "/api/v1/hunts/{name}" May(Hunt) => hunt::run, "Runs a saved hunt";
    GET "/api/v1/searches" May(Hunt) => searches::list,
        "The caller's searches that were given a name, and those that others show to everybody";
    POST "/api/v1/searches" May(Hunt) => searches::keep,
        "Keeps a search under a name; everybody sees it only where `decide` allows it";
    PATCH "/api/v1/searches/{id}" May(Hunt) => searches::change,
        "Changes a search: one's own, or by an admin one that everybody sees";
    DELETE "/api/v1/searches/{id}" May(Hunt) => searches::remove,
        "Removes a search: one's own, or by an admin one that everybody sees";
    GET "/api/v1/rules" May(Read) => rules::list, "The rules in force, and what each costs";
    GET "/api/v1/rules/{id}" May(Read) => rules::one, "A rule in force, with its text";
    PUT "/api/v1/rules/{id}" May(Content) => rules::save,
        "Saves a rule on this floor, where it replaces one of the same id; it is in force at once";
    DELETE "/api/v1/rules/{id}" May(Content) => rules::remove,
        "Takes a rule away that was saved on this floor; one that it replaced is in force again";
    POST "/api/v1/rules/{id}/off" May(Content) => rules::off,
        "Switches a rule off, wherever it comes from: it stays loaded and does not run";
    POST "/api/v1/rules/{id}/on" May(Content) => rules::on, "Switches a rule on again";
    POST "/api/v1/rules/{id}/lift" May(Content) => rules::lift,
        "Lets a rule run again that was shut off because it took too long";
    POST "/api/v1/content/rules/check" May(Content) => rules::check,
        "Says what is wrong or odd about a rule's text, line by line";
    POST "/api/v1/content/rules/test" May(Content) => rules::test,
        "Tries a rule's text on the events of a window; nothing is saved and no alert is made";
    POST "/api/v1/content/reload" May(Content) => live::reload,
        "Loads rules, definitions and hunts anew; says what has mistakes";
    GET "/api/v1/senders" May(Read) => senders::list, "Who may deliver logs";
    POST "/api/v1/senders" May(Senders) => senders::add,
        "Makes a sender and its token, which is shown this once";
    PUT "/api/v1/senders/{id}" May(Senders) => senders::change, "Says anew what a sender is";
    POST "/api/v1/senders/{id}/token" May(Senders) => senders::rotate,
        "Gives a sender another token, which is shown this once";
    GET "/api/v1/sources" May(Read) => senders::sources, "How well each source is heard";
    GET "/api/v1/status" May(Read) => live::status, "How the floor is";
    GET "/api/v1/events" May(Read) => live::events,
        "What changes, as it changes: server-sent events";
    GET "/api/v1/audit" May(Audit) => live::audit, "The audit trail, the newest first";
    GET "/api/v1/audit/verify" May(Audit) => live::verify, "Whether the audit trail is whole";
};

/// The router of all routes. Who may not come is turned away before anything of the request is read.
pub(crate) fn router(floor: &Floor) -> Router<Floor> {
    ROUTES.iter().fold(Router::new(), |router, route| {
        let check = middleware::from_fn_with_state((floor.clone(), route), check);
        router.route(route.path, (route.handler)(route.filter()).route_layer(check))
    })
}

impl Route {
    pub(crate) fn filter(&self) -> MethodFilter {
        match self.method {
            "GET" => MethodFilter::GET,
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            "PATCH" => MethodFilter::PATCH,
            _ => MethodFilter::DELETE,
        }
    }
}

/// Lets a request pass when its caller is one whom the route is for.
async fn check(
    State((floor, route)): State<(Floor, &'static Route)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let needs = route.needs;
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
    parts.extensions.insert(came.clone());
    let request = Request::from_parts(parts, body);
    if (route.kept)() {
        return once::carry_out(floor, came, request, next).await;
    }
    Ok(next.run(request).await)
}
