//! OpenID Connect: the provider shows who somebody is (authorization code flow of OpenID Connect Core, with
//! PKCE, RFC 7636, and the issuer in the answer, RFC 9207), and where somebody logs out there (OpenID Connect
//! RP-Initiated Logout 1.0).
//!
//! What must be remembered between the two halves lies sealed in a cookie of the browser that began: so an
//! answer is of use in that browser alone, and nobody can fill the memory with logins that they never end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use collect::SecretSource;
use ledger::{Actor, Role, Secret, UserId};
use model::{Digest, Micros, inert, shortened};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::jwt::{Claims, Expected};
use super::outside::{KeySet, Outside, unavailable};
use super::{Visit, Vouched};
use crate::access::permission::highest;
use crate::access::{Caller, Token, proof};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, from_ledger};

/// As sessions name who came by a provider.
const FACTOR: &str = "oidc";
/// How long somebody may take at the provider.
const PATIENCE: Micros = Micros::from_seconds(600);
/// How long what the provider says of itself is believed.
const FRESH: Duration = Duration::from_hours(1);
/// Where a provider says it (OpenID Connect Discovery, 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// How long a logout here waits for what the provider says of itself.
const FAREWELL: Duration = Duration::from_secs(2);
/// Algorithms of ID tokens that are taken.
const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
/// Groups of somebody that are looked at.
const MOST_GROUPS: usize = 1_000;

/// A provider, as it is configured.
#[derive(Debug)]
pub(crate) struct OpenId {
    pub(super) called: String,
    /// As it names itself, to the letter.
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<SecretSource>,
    pub(super) scopes: Vec<String>,
    /// The claim that names somebody's groups; dots lead into objects.
    pub(super) groups: String,
    /// What members of a group are.
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) default_role: Option<Role>,
    /// Where the provider sends people back to.
    pub(super) back: String,
    /// Where it sends people who logged out there: the floor.
    pub(super) home: String,
    pub(super) outside: Outside,
    pub(super) found: Mutex<Option<(Instant, Arc<Found>)>>,
}

/// What a provider says of itself.
#[derive(Debug)]
pub(super) struct Found {
    authorization: Url,
    token: Url,
    userinfo: Option<Url>,
    /// Where people log out of it.
    end_session: Option<Url>,
    keys: KeySet,
    /// Whether it takes the secret in a header; else in the body.
    basic: bool,
    /// Whether its answers name it.
    names_itself: bool,
}

/// What is remembered until the provider answers.
#[derive(Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    /// Who links the provider's word to themselves; none who logs in.
    link: Option<UserId>,
    until: Micros,
}

/// A login that was begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Where the browser goes.
    pub url: String,
    /// What it keeps until it comes back.
    pub kept: String,
}

/// What comes back with a browser.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Returned {
    /// What the provider gives for a token.
    pub code: Option<String>,
    /// What it was given when the login was begun.
    pub state: Option<String>,
    /// Who it is (RFC 9207).
    pub iss: Option<String>,
    /// Why it gives none.
    pub error: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub enum Ended {
    /// They are in.
    In(Token, Box<Caller>),
    /// The provider's word is linked to the user who asked for it.
    Linked,
}

impl OpenId {
    pub(super) fn called(&self) -> &str {
        &self.called
    }

    /// What the provider says of itself.
    async fn found(&self) -> Result<Arc<Found>, Failure> {
        let mut found = self.found.lock().await;
        if let Some((at, found)) = &*found
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(found));
        }
        let place = format!("{}{DISCOVERY}", self.issuer.trim_end_matches('/'));
        let place = Url::parse(&place).map_err(|_| unavailable("its issuer is no address"))?;
        let told = self.outside.document(&place).await?;
        let new = Arc::new(self.read(&told)?);
        *found = Some((Instant::now(), Arc::clone(&new)));
        Ok(new)
    }

    fn read(&self, told: &Value) -> Result<Found, Failure> {
        let text = |name: &str| told.get(name).and_then(Value::as_str);
        if text("issuer") != Some(self.issuer.as_str()) {
            return Err(unavailable("it says that it is another issuer than the one configured"));
        }
        let place = |name: &str| {
            let url = text(name).and_then(|text| Url::parse(text).ok());
            url.filter(super::config::is_sound)
        };
        let must = |name: &'static str| {
            place(name).ok_or_else(|| unavailable(&format!("it names no sound {name}")))
        };
        let methods = told.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let flag = "authorization_response_iss_parameter_supported";
        Ok(Found {
            authorization: must("authorization_endpoint")?,
            token: must("token_endpoint")?,
            userinfo: place("userinfo_endpoint"),
            end_session: place("end_session_endpoint"),
            keys: KeySet::new(must("jwks_uri")?),
            basic: methods.is_none_or(|all| all.iter().any(|one| one == "client_secret_basic")),
            names_itself: told.get(flag).and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    /// The address at the provider where a login begins.
    fn address(&self, found: &Found, flow: &Flow) -> String {
        let mut url = found.authorization.clone();
        let scopes: Vec<&str> =
            ["openid"].into_iter().chain(self.scopes.iter().map(String::as_str)).collect();
        let challenge = URL_SAFE_NO_PAD.encode(Digest::of(flow.verifier.as_bytes()).0);
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.back)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &flow.state)
            .append_pair("nonce", &flow.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        url.into()
    }

    /// The address at the provider where somebody logs out of it, when it names one. No ID token is kept
    /// that could say who: the provider asks them.
    fn farewell(&self, found: &Found) -> Option<String> {
        let mut url = found.end_session.clone()?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("post_logout_redirect_uri", &self.home);
        Some(url.into())
    }

    /// Gives a code for tokens: the ID token, and the one by which more is told.
    async fn exchange(
        &self,
        found: &Found,
        code: &str,
        flow: &Flow,
    ) -> Result<(String, Option<String>), Failure> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.back),
            ("code_verifier", &flow.verifier),
        ];
        let mut request = self.outside.post(&found.token);
        let secret = match &self.client_secret {
            Some(source) => Some(source.read().map_err(|error| {
                tracing::error!(%error, "the secret of the identity provider's client");
                Failure::new(Kind::System, "the floor cannot read its secret for the provider")
            })?),
            None => None,
        };
        match &secret {
            Some(secret) if found.basic => {
                // Both are encoded first (RFC 6749, 2.3.1).
                let encoded = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let (id, secret) = (encoded(&self.client_id), encoded(secret.expose()));
                request = request.basic_auth(id, Some(secret));
            }
            Some(secret) => {
                form.push(("client_id", &self.client_id));
                form.push(("client_secret", secret.expose()));
            }
            None => form.push(("client_id", &self.client_id)),
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let (status, told) = self.outside.ask(request.header(kind.0, kind.1).body(body)).await?;
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
        match (status, text("id_token")) {
            (StatusCode::OK, Some(token)) => Ok((token, text("access_token"))),
            (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED, _) => {
                let error = text("error").unwrap_or_default();
                let error = inert(&shortened(&error, 100)).into_owned();
                tracing::warn!(error, "the identity provider gives no token");
                Err(Failure::new(Kind::Unauthenticated, "the identity provider gives no token"))
            }
            (status, _) => Err(unavailable(&format!("it answers {status} and no ID token"))),
        }
    }

    /// Believes an ID token (OpenID Connect Core, 3.1.3.7).
    async fn believe(&self, found: &Found, token: &str, flow: &Flow) -> Result<Claims, Failure> {
        let wrong = |why: &str| {
            tracing::warn!(why, "an ID token is not believed");
            Failure::new(Kind::Unauthenticated, "what the identity provider says is not believed")
                .hint("the log says why")
        };
        let audiences = [self.client_id.clone()];
        let expected =
            Expected { issuer: &self.issuer, audiences: &audiences, algorithms: &ALGORITHMS };
        let claims = found.keys.believe(&self.outside, token, &expected).await?;
        let claims = claims.map_err(|unsound| wrong(&unsound.to_string()))?;
        if claims.text("nonce") != Some(flow.nonce.as_str()) {
            return Err(wrong("it answers another login"));
        }
        let several = claims.0.get("aud").and_then(Value::as_array).is_some_and(|a| a.len() > 1);
        match claims.0.get("azp").map(Value::as_str) {
            Some(Some(party)) if party == self.client_id => {}
            None if !several => {}
            _ => return Err(wrong("it was issued to another client")),
        }
        match claims.text("sub") {
            Some("") | None => Err(wrong("it names nobody")),
            Some(_) => Ok(claims),
        }
    }

    /// Adds what the provider tells of somebody beside the ID token.
    async fn more(&self, found: &Found, claims: &mut Claims, access: Option<&str>) {
        let (Some(url), Some(access)) = (&found.userinfo, access) else { return };
        let request = self.outside.get(url).bearer_auth(access);
        let Ok((StatusCode::OK, Value::Object(told))) = self.outside.ask(request).await else {
            tracing::warn!("the identity provider tells nothing beside the ID token");
            return;
        };
        // It must be of the same person (5.3.2), and changes nothing that is signed.
        if told.get("sub") != claims.0.get("sub") {
            tracing::warn!("the identity provider tells of somebody else");
            return;
        }
        for (name, value) in told {
            claims.0.entry(name).or_insert(value);
        }
    }

    fn vouched(&self, claims: &Claims) -> Vouched {
        let text = |name: &str| claims.text(name).filter(|text| !text.is_empty());
        let seen = claims.0.get("email_verified").is_none_or(|seen| seen == &Value::Bool(true));
        let email = text("email").filter(|_| seen);
        let subject = claims.text("sub").unwrap_or_default();
        let groups = groups(&claims.0, &self.groups);
        let roles = groups.iter().filter_map(|group| self.roles.get(*group).copied());
        let logins = [text("preferred_username"), email, Some(subject)];
        Vouched {
            issuer: self.issuer.clone(),
            subject: subject.to_owned(),
            logins: logins.into_iter().flatten().map(str::to_owned).collect(),
            name: text("name").map(|name| shortened(name, 200).into_owned()),
            email: email.map(str::to_owned),
            role: highest(roles).or(self.default_role),
            follows: !self.roles.is_empty(),
        }
    }
}

/// The groups that a claim names: a list, or a single one.
fn groups<'c>(claims: &'c Map<String, Value>, path: &str) -> Vec<&'c str> {
    // A name with dots in it (`https://example.org/groups`) is a name first.
    let found = claims.get(path).or_else(|| {
        let mut parts = path.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    });
    match found {
        Some(Value::Array(all)) => all.iter().take(MOST_GROUPS).filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    }
}

impl Floor {
    /// Begins a login at the identity provider.
    pub async fn begin_openid(&self) -> Result<Begun, Failure> {
        self.begin_flow(None).await
    }

    /// Begins to link the provider's word for somebody to the caller.
    pub async fn begin_link(&self, caller: &Caller) -> Result<Begun, Failure> {
        caller.in_person()?;
        self.begin_flow(Some(caller.user.user_id)).await
    }

    /// Where a caller who came by the identity provider can log out there as well, when it names a place. A
    /// provider that does not answer holds up no logout.
    pub async fn farewell(&self, caller: &Caller) -> Option<String> {
        let session = caller.session.as_ref()?;
        session.factors.iter().find(|factor| *factor == FACTOR)?;
        let openid = self.0.sign_in.openid().ok()?;
        let found = tokio::time::timeout(FAREWELL, openid.found()).await.ok()?.ok()?;
        openid.farewell(&found)
    }

    async fn begin_flow(&self, link: Option<UserId>) -> Result<Begun, Failure> {
        let openid = self.0.sign_in.openid()?;
        let found = openid.found().await?;
        let random = || {
            let mut bytes = [0; 32];
            proof::random(&mut bytes).map(|()| URL_SAFE_NO_PAD.encode(bytes))
        };
        let until = Micros(crate::now().0.saturating_add(PATIENCE.0));
        let flow = Flow { state: random()?, nonce: random()?, verifier: random()?, link, until };
        let kept = serde_json::to_vec(&flow)
            .map_err(|e| Failure::new(Kind::Defect, format!("a login cannot be kept: {e}")))?;
        let kept = self.0.seal.close(&kept)?.expose().to_owned();
        Ok(Begun { url: openid.address(&found, &flow), kept })
    }

    /// Ends a login with what came back from the provider. `kept` is what the browser kept.
    pub async fn end_openid(
        &self,
        returned: Returned,
        kept: Option<&str>,
        visit: Visit,
    ) -> Result<Ended, Failure> {
        let openid = self.0.sign_in.openid()?;
        let flow = kept.and_then(|kept| self.0.seal.open(&Secret::new(kept)));
        let flow = flow.and_then(|flow| serde_json::from_slice::<Flow>(&flow).ok());
        let flow = flow
            .filter(|flow| flow.until > crate::now())
            .filter(|flow| returned.state.as_deref() == Some(flow.state.as_str()))
            .ok_or_else(|| {
                let message = "this login was not begun in this browser, or too long ago";
                Failure::new(Kind::Denied, message).hint("begin again: GET /api/v1/login/openid")
            })?;
        let found = openid.found().await?;
        let from = returned.iss.as_deref();
        if from.is_some_and(|from| from != openid.issuer) || from.is_none() && found.names_itself {
            let message = "this answer is not from the identity provider that was asked";
            return Err(Failure::new(Kind::Denied, message));
        }
        let Some(code) = returned.code else {
            let error = returned.error.unwrap_or_default();
            let error = inert(&shortened(&error, 100)).into_owned();
            let message = format!("the identity provider did not let you in: {error}");
            return Err(Failure::new(Kind::Unauthenticated, message));
        };
        let (token, access) = openid.exchange(&found, &code, &flow).await?;
        let mut claims = openid.believe(&found, &token, &flow).await?;
        let lacks = |name: &str| groups(&claims.0, name).is_empty();
        if claims.text("preferred_username").is_none()
            || !openid.roles.is_empty() && lacks(&openid.groups)
        {
            openid.more(&found, &mut claims, access.as_deref()).await;
        }
        let vouched = openid.vouched(&claims);
        if let Some(user) = flow.link {
            let identity = (vouched.issuer.as_str(), vouched.subject.as_str());
            let user = self.0.ledger.users().get(user).await.map_err(from_ledger)?;
            let actor = Actor::person(&user.login, Some(visit.address));
            let identities = self.0.ledger.identities();
            let linked = identities.link(&actor, crate::now(), user.user_id, identity).await;
            return linked.map(|()| Ended::Linked).map_err(from_ledger);
        }
        let user = self.vouched(&vouched, visit.address).await?;
        let (token, caller) = self.let_in(user, vec![FACTOR.to_owned()], visit, None).await?;
        Ok(Ended::In(token, Box::new(caller)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_stand_where_the_configuration_says() {
        let claims = json!({ "groups": ["a", 7, "b"], "realm_access": { "roles": ["c"] },
            "https://example.org/groups": "d" });
        let claims = claims.as_object().unwrap();
        assert_eq!(groups(claims, "groups"), ["a", "b"]);
        assert_eq!(groups(claims, "realm_access.roles"), ["c"]);
        assert_eq!(groups(claims, "https://example.org/groups"), ["d"]);
        assert!(groups(claims, "none.at.all").is_empty());
    }

    #[test]
    fn a_logout_goes_where_the_provider_says() {
        let openid = OpenId {
            called: "Acme".into(),
            issuer: "https://login.example.org".into(),
            client_id: "the floor".into(),
            client_secret: None,
            scopes: Vec::new(),
            groups: "groups".into(),
            roles: BTreeMap::new(),
            default_role: None,
            back: "https://floor.example.org/api/v1/login/openid/callback".into(),
            home: "https://floor.example.org/".into(),
            outside: Outside::new(None).unwrap(),
            found: Mutex::default(),
        };
        let farewell = |place: Value| {
            let at = |path: &str| format!("https://login.example.org/{path}");
            let told = json!({ "issuer": "https://login.example.org", "jwks_uri": at("keys"),
                "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
                "end_session_endpoint": place });
            openid.farewell(&openid.read(&told).unwrap())
        };
        let asked =
            "client_id=the+floor&post_logout_redirect_uri=https%3A%2F%2Ffloor.example.org%2F";
        let place = farewell(json!("https://login.example.org/out?tenant=a"));
        let whole = format!("https://login.example.org/out?tenant=a&{asked}");
        assert_eq!(place.as_deref(), Some(whole.as_str()));
        for none in
            [json!(null), json!("javascript:alert(1)"), json!("http://login.example.org/out")]
        {
            assert_eq!(farewell(none.clone()), None, "{none}");
        }
    }
}
