//! Ways to come in beside a password: an identity provider (OpenID Connect), Cloudflare Access, passkeys.
//! Each is off unless `floor.toml` says how it is done.
//!
//! Whoever comes in is a user of this floor all the same, with a role that is asked for each time. What
//! others vouch for only says which one.

mod ceremonies;
mod cloudflare;
mod config;
mod jwt;
mod openid;
mod outside;
mod passkeys;
mod webauthn;

use std::net::IpAddr;
use std::sync::OnceLock;

use ledger::{Actor, NewSession, NewUser, Role, User};
use model::{Micros, inert, shortened};

use self::ceremonies::Ceremonies;
use self::cloudflare::Cloudflare;
use self::openid::OpenId;
use self::webauthn::Party;
use super::{Caller, IDLE, SESSION, SESSION_PREFIX, Token};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, from_ledger};

pub(crate) use config::SignInForm;
pub use openid::{Begun, Ended, Returned};
pub use passkeys::{NewPasskey, PasskeyTold, Proof, Questioned};
pub use webauthn::{Answered, AnsweredResponse, Made, MadeResponse};

/// Ways to come in, as they are configured.
#[derive(Default)]
pub(crate) struct SignIn {
    configured: OnceLock<Configured>,
    ceremonies: Ceremonies,
}

/// What `floor.toml` says.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    pub(crate) party: Option<Party>,
    pub(crate) openid: Option<OpenId>,
    pub(crate) cloudflare: Option<Cloudflare>,
}

impl SignIn {
    /// Takes what is configured, once.
    pub(crate) fn configure(&self, configured: Configured) {
        let _again = self.configured.set(configured);
    }

    fn party(&self) -> Result<&Party, Failure> {
        let party = self.configured.get().and_then(|configured| configured.party.as_ref());
        party.ok_or_else(|| not_configured("passkeys"))
    }

    fn openid(&self) -> Result<&OpenId, Failure> {
        let openid = self.configured.get().and_then(|configured| configured.openid.as_ref());
        openid.ok_or_else(|| not_configured("an identity provider"))
    }

    fn cloudflare(&self) -> Result<&Cloudflare, Failure> {
        let access = self.configured.get().and_then(|configured| configured.cloudflare.as_ref());
        access.ok_or_else(|| not_configured("Cloudflare Access"))
    }
}

fn not_configured(what: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("logging in by {what} is not configured"))
        .hint("docs/guide/signing-in.md says how it is done in floor.toml")
}

/// Ways to log in.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct Ways {
    /// By login and password. There always is.
    pub password: bool,
    /// By an identity provider: what it is called.
    pub openid: Option<String>,
    /// By a token of Cloudflare Access.
    pub cloudflare_access: bool,
    /// By a passkey alone.
    pub passkey: bool,
}

/// Whom somebody else vouches for.
#[derive(Debug, Clone)]
struct Vouched {
    issuer: String,
    subject: String,
    /// What they are called there, best first.
    logins: Vec<String>,
    name: Option<String>,
    /// Where mail reaches them, when the provider has seen that it does.
    email: Option<String>,
    /// What they are to be, where that follows from what the provider says.
    role: Option<Role>,
    /// Whether that is asked for each time, or when they come for the first time alone.
    follows: bool,
}

/// From where somebody comes, and with which program.
#[derive(Debug, Clone)]
pub struct Visit {
    /// From where.
    pub address: IpAddr,
    /// With which program.
    pub agent: String,
}

impl Floor {
    /// Ways to log in, for a page that offers them.
    pub fn ways(&self) -> Ways {
        let configured = self.0.sign_in.configured.get();
        let openid = configured.and_then(|configured| configured.openid.as_ref());
        Ways {
            password: true,
            openid: openid.map(|openid| openid.called().to_owned()),
            cloudflare_access: configured.is_some_and(|configured| configured.cloudflare.is_some()),
            passkey: configured.is_some_and(|configured| configured.party.is_some()),
        }
    }

    /// Begins a session of a user who has shown who they are by these factors.
    pub(super) async fn let_in(
        &self,
        user: User,
        factors: Vec<String>,
        visit: Visit,
        until: Option<Micros>,
    ) -> Result<(Token, Caller), Failure> {
        if user.disabled {
            return Err(Failure::new(Kind::Denied, "this user is kept out"));
        }
        let now = crate::now();
        let token = Token::make(SESSION_PREFIX)?;
        let latest = Micros(now.0 + SESSION.0);
        let new = NewSession {
            digest: token.digest(),
            user: user.user_id,
            factors,
            address: Some(visit.address),
            agent: visit.agent,
            idle: IDLE.0,
            expires: until.map_or(latest, |until| until.min(latest)),
        };
        let session = self.0.ledger.sessions().begin(now, &new).await.map_err(from_ledger)?;
        let actor = Actor::person(&user.login, Some(visit.address));
        self.note(&actor, "login", &user.login).await?;
        let caller = Caller { user, session: Some(session), scopes: None, actor };
        Ok((token, caller))
    }

    /// The user whom somebody else vouches for; made when they come for the first time and what they are to
    /// be is known.
    async fn vouched(&self, vouched: &Vouched, address: IpAddr) -> Result<User, Failure> {
        let identities = self.0.ledger.identities();
        let identity = (vouched.issuer.as_str(), vouched.subject.as_str());
        let found = identities.user(identity.0, identity.1).await.map_err(from_ledger)?;
        if let Some(user) = found {
            identities.used(crate::now(), identity).await.map_err(from_ledger)?;
            return self.as_vouched(user, vouched, address).await;
        }
        let role = vouched.role.ok_or_else(|| nobody(vouched))?;
        let mut taken = None;
        for login in &vouched.logins {
            let new = NewUser {
                login: login.clone(),
                name: vouched.name.clone().unwrap_or_else(|| login.clone()),
                email: vouched.email.clone(),
                role,
                password: None,
            };
            let actor = Actor::person(login, Some(address));
            match identities.add_user(&actor, crate::now(), &new, identity).await {
                Ok(user) => return Ok(user),
                // Not one that is there already: names are no proof. Not one that cannot be a login.
                Err(ledger::LedgerError::Exists { .. }) => {
                    taken = Some(login);
                    break;
                }
                Err(ledger::LedgerError::Invalid { .. }) => {}
                Err(error) => return Err(from_ledger(error)),
            }
        }
        let Some(login) = taken else { return Err(nobody(vouched)) };
        let message = format!("there is a user `{}` already who logs in otherwise", inert(login));
        Err(Failure::new(Kind::Conflict, message)
            .hint("log in as this user and link the two: POST /api/v1/me/openid"))
    }

    /// Gives a user the role that follows from what the provider says. One who also has a password was made
    /// here, and has the role that an admin gave.
    async fn as_vouched(
        &self,
        user: User,
        vouched: &Vouched,
        address: IpAddr,
    ) -> Result<User, Failure> {
        if user.has_password || user.disabled || !vouched.follows {
            return Ok(user);
        }
        let role = vouched.role.ok_or_else(|| nobody(vouched))?;
        if role == user.role {
            return Ok(user);
        }
        let change = ledger::UserChange { role: Some(role), ..ledger::UserChange::default() };
        let actor = Actor::person(&user.login, Some(address));
        let users = self.0.ledger.users();
        match users.change(&actor, crate::now(), user.user_id, None, &change).await {
            Ok(user) => Ok(user),
            // There is always an admin.
            Err(ledger::LedgerError::Invalid { why, .. }) => {
                tracing::warn!(login = %inert(&user.login), why, "a role stays as it was");
                Ok(user)
            }
            Err(error) => Err(from_ledger(error)),
        }
    }
}

fn nobody(vouched: &Vouched) -> Failure {
    let who = vouched.logins.first().unwrap_or(&vouched.subject);
    tracing::warn!(
        issuer = %inert(&shortened(&vouched.issuer, 200)),
        who = %inert(&shortened(who, 200)),
        "somebody who is nobody here was turned away"
    );
    Failure::new(Kind::Denied, "the identity provider knows you, and you are nobody here")
        .hint("ask an admin of this floor to let you in")
}
