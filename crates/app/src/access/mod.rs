//! Who may come in, and what they may do. A [`Caller`] is somebody who has shown who they are; every use
//! case of the floor takes one and asks it for the [`Permission`] that it needs.

mod permission;
mod proof;
mod sign_in;
mod users;

use std::net::IpAddr;
use std::time::Duration;

use ledger::{Actor, Links, NewLink, NewUser, Purpose, Role, Session, User};
use model::{Digest, Micros};
use tokio::sync::Semaphore;

pub use permission::Permission;
pub(crate) use proof::Seal;
pub use proof::Token;
pub use sign_in::{
    Answered, AnsweredResponse, Begun, Ended, Made, MadeResponse, NewPasskey, PasskeyTold, Proof,
    Questioned, Returned, Visit, Ways,
};
pub(crate) use sign_in::{Configured, SignIn, SignInForm};
pub use users::{Enrolment, NewApiToken};

use crate::failure::{Failure, Kind};
use crate::live::{Floor, blocking, from_ledger};

/// A session ends when nobody comes for so long.
const IDLE: Micros = Micros::from_seconds(8 * 3_600);
/// A session ends after so long in any case.
const SESSION: Micros = Micros::from_seconds(7 * 86_400);
/// The link for the first admin works for so long.
const FIRST_LINK: Micros = Micros::from_seconds(86_400);
/// Failures are counted together when no more than this lies between them.
const WINDOW: Micros = Micros::from_seconds(900);
/// Failures of one login after which one has to wait.
const PATIENCE: u64 = 5;
/// Failures from one address after which one has to wait: several people may sit behind it.
const ADDRESS_PATIENCE: u64 = 20;
/// Seconds that one waits first, and at most.
const FIRST_WAIT: i64 = 4;
const LONGEST_WAIT: i64 = 900;
/// Passwords that are checked at once: each takes 19 MiB and a core.
const CHECKS: usize = 2;
/// What tokens of sessions and of programs begin with.
const SESSION_PREFIX: &str = "wfs_";
const API_PREFIX: &str = "wfk_";

static CHECKING: Semaphore = Semaphore::const_new(CHECKS);

/// Somebody who has shown who they are.
#[derive(Debug, Clone)]
pub struct Caller {
    /// As whom.
    pub user: User,
    /// The session of a browser.
    pub session: Option<Session>,
    /// What the token of a program is limited to.
    scopes: Option<Vec<Permission>>,
    actor: Actor,
}

impl Caller {
    /// Goes on when the caller has a permission.
    pub fn may(&self, permission: Permission) -> Result<&Actor, Failure> {
        let scoped = self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&permission));
        if scoped && permission.is_of(self.user.role) {
            return Ok(&self.actor);
        }
        let message = match scoped {
            true => format!("the role {} may not do this", self.user.role.name()),
            false => "this token may not do this".to_owned(),
        };
        Err(Failure::new(Kind::Denied, message)
            .hint(format!("it takes the permission `{}`", permission.name())))
    }

    /// Goes on when the caller is a person in a session: a token cannot make tokens or change passwords.
    pub fn in_person(&self) -> Result<&Actor, Failure> {
        match self.session {
            Some(_) => Ok(&self.actor),
            None => Err(Failure::new(Kind::Denied, "this takes a person who is logged in")),
        }
    }

    /// What the caller may do.
    pub fn permissions(&self) -> Vec<Permission> {
        Permission::all().filter(|permission| self.may(*permission).is_ok()).collect()
    }

    /// Who it is, for the audit trail.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}

/// What a person gives to log in.
#[derive(Clone)]
pub struct Login {
    /// The login name.
    pub login: String,
    /// The password.
    pub password: String,
    /// The code of their authenticator, where they have one.
    pub code: Option<String>,
    /// What one of their passkeys answers, where they have some.
    pub passkey: Option<Proof>,
    /// From where.
    pub address: IpAddr,
    /// With which program.
    pub agent: String,
}

/// What came of it.
#[derive(Debug)]
pub enum LoggedIn {
    /// They are in.
    In(Token, Box<Caller>),
    /// The password is right, and something else is needed too.
    MoreNeeded(Box<More>),
}

/// What is needed beside a password that is right: either of both that there are.
#[derive(Debug)]
pub struct More {
    /// The code of an authenticator.
    pub code: bool,
    /// The answer of a passkey to this question.
    pub passkey: Option<Questioned>,
}

/// The first admin to be.
#[derive(Clone)]
pub struct FirstAdmin {
    /// The token of the one-time link.
    pub link: Token,
    /// The login name.
    pub login: String,
    /// The person's name.
    pub name: String,
    /// The password.
    pub password: String,
    /// From where.
    pub address: IpAddr,
}

impl Floor {
    /// The token of a one-time link that makes the first admin; none when there are users. Each call
    /// makes the link before it useless.
    pub async fn first_link(&self) -> Result<Option<Token>, Failure> {
        let ledger = &self.0.ledger;
        if !ledger.users().none_yet().await.map_err(from_ledger)? {
            return Ok(None);
        }
        let now = crate::now();
        let token = Token::make("wfl_")?;
        let link = NewLink {
            digest: token.digest(),
            purpose: Purpose::FirstAdmin,
            user: None,
            role: Some(Role::Admin),
            expires: Micros(now.0 + FIRST_LINK.0),
        };
        let links: Links<'_> = ledger.links();
        links.add(&Actor::system("start"), now, &link).await.map_err(from_ledger)?;
        Ok(Some(token))
    }

    /// Makes the first admin by the one-time link.
    pub async fn make_first_admin(&self, first: FirstAdmin) -> Result<User, Failure> {
        proof::check_password(&first.login, &first.password)?;
        let password = first.password.clone();
        let hash = checked(move || proof::hash_password(&password)).await?;
        let new = NewUser {
            login: first.login.clone(),
            name: first.name,
            email: None,
            role: Role::Admin,
            password: Some(hash),
        };
        let actor = Actor::person(&first.login, Some(first.address));
        let users = self.0.ledger.users();
        users.add_first(&actor, crate::now(), first.link.digest(), &new).await.map_err(from_ledger)
    }

    /// Lets a person in by password and, where they have an authenticator, its code.
    pub async fn log_in(&self, login: Login) -> Result<LoggedIn, Failure> {
        let ledger = &self.0.ledger;
        let now = crate::now();
        let (of_login, of_address) = ledger
            .attempts()
            .failures(&login.login, login.address, now, WINDOW.0)
            .await
            .map_err(from_ledger)?;
        for (failures, patience) in [(of_login, PATIENCE), (of_address, ADDRESS_PATIENCE)] {
            throttle(failures.count, patience, failures.last_at, now)?;
        }
        let found = ledger.users().for_login(&login.login).await.map_err(from_ledger)?;
        let (user, hash) = match found {
            Some((user, hash)) => (Some(user), hash),
            None => (None, None),
        };
        let password = login.password.clone();
        let right = checked(move || Ok(proof::verify_password(hash.as_ref(), &password))).await?;
        let Some(user) = user.filter(|user| right && !user.disabled) else {
            return self.refused(&login, now).await;
        };
        let totp = ledger.factors().totp(user.user_id).await.map_err(from_ledger)?;
        let totp = totp.filter(|totp| totp.confirmed);
        let second = match (&login.code, &login.passkey, totp) {
            (Some(code), _, Some(totp)) => {
                let step = proof::code_step(&self.0.seal, &totp.sealed, code, now);
                let taken = match step {
                    Some(step) => {
                        let factors = ledger.factors();
                        factors.take_step(user.user_id, step, now).await.map_err(from_ledger)?
                    }
                    None => false,
                };
                taken.then_some(Some("totp"))
            }
            (_, Some(proof), _) => {
                self.shown_beside(&user, proof).await?.then_some(Some("passkey"))
            }
            (_, None, totp) => {
                let passkey = self.passkey_beside(&user).await?;
                if totp.is_some() || passkey.is_some() {
                    let more = More { code: totp.is_some(), passkey };
                    return Ok(LoggedIn::MoreNeeded(Box::new(more)));
                }
                Some(None)
            }
        };
        let Some(second) = second else { return self.refused(&login, now).await };
        ledger.attempts().forget(&login.login).await.map_err(from_ledger)?;
        let factors = ["password"].into_iter().chain(second).map(str::to_owned).collect();
        let visit = Visit { address: login.address, agent: login.agent };
        let (token, caller) = self.let_in(user, factors, visit, None).await?;
        Ok(LoggedIn::In(token, Box::new(caller)))
    }

    async fn refused(&self, login: &Login, now: Micros) -> Result<LoggedIn, Failure> {
        let attempts = self.0.ledger.attempts();
        attempts.failed(&login.login, login.address, now, WINDOW.0).await.map_err(from_ledger)?;
        tracing::warn!(login = %model::inert(&login.login), address = %login.address, "a login failed");
        Err(Failure::new(Kind::Unauthenticated, "login, password or code are wrong"))
    }

    /// Who comes with the token of a session.
    pub async fn by_session(&self, token: &Token, address: IpAddr) -> Result<Caller, Failure> {
        let sessions = self.0.ledger.sessions();
        let found = sessions.check(token.digest(), crate::now(), IDLE.0).await;
        let Some((session, user)) = found.map_err(from_ledger)? else {
            return Err(Failure::new(Kind::Unauthenticated, "the session has ended; log in again"));
        };
        let actor = Actor::person(&user.login, Some(address));
        Ok(Caller { user, session: Some(session), scopes: None, actor })
    }

    /// Who comes with a token for the API.
    pub async fn by_token(&self, token: &Token, address: IpAddr) -> Result<Caller, Failure> {
        let tokens = self.0.ledger.tokens();
        let found = tokens.check(token.digest(), crate::now(), Some(address)).await;
        let Some((token, user)) = found.map_err(from_ledger)? else {
            let message = "the token is not known, was revoked or has expired";
            return Err(Failure::new(Kind::Unauthenticated, message));
        };
        // A scope that this version does not know allows nothing.
        let scopes = token.scopes.iter().filter_map(|name| Permission::from_name(name)).collect();
        let actor = Actor::token(&format!("{} of {}", token.token_id, user.login), Some(address));
        Ok(Caller { user, session: None, scopes: Some(scopes), actor })
    }

    /// Whether a caller who came in some time ago could still come in. It is no visit: a session that
    /// nobody uses ends all the same.
    pub async fn is_still_in(&self, caller: &Caller, token: &Token) -> Result<bool, Failure> {
        let now = crate::now();
        let Some(session) = &caller.session else {
            let found = self.0.ledger.tokens().check(token.digest(), now, None).await;
            return Ok(found.map_err(from_ledger)?.is_some());
        };
        let open = self.0.ledger.sessions().list(caller.user.user_id, now).await;
        let own = |one: &Session| one.session_id == session.session_id && one.expires_at > now;
        Ok(open.map_err(from_ledger)?.iter().any(own))
    }

    /// Ends a session.
    pub async fn log_out(&self, caller: &Caller, token: &Token) -> Result<(), Failure> {
        let sessions = self.0.ledger.sessions();
        sessions.end(caller.actor(), crate::now(), token.digest()).await.map_err(from_ledger)
    }

    /// Writes something into the audit trail that no change of the ledger stands for.
    pub(crate) async fn note(&self, actor: &Actor, action: &str, id: &str) -> Result<(), Failure> {
        let audit = self.0.ledger.audit();
        let object = (ledger::Kind::Other, id);
        let noted = audit.record(actor, crate::now(), action, object, (None, None)).await;
        noted.map_err(from_ledger)
    }
}

/// Refuses who has failed too often, for longer each time, up to a quarter of an hour.
fn throttle(count: u64, patience: u64, last: Option<Micros>, now: Micros) -> Result<(), Failure> {
    let Some(last) = last.filter(|_| count >= patience) else { return Ok(()) };
    let doubled = u32::try_from(count - patience).unwrap_or(u32::MAX).min(10);
    let wait = (FIRST_WAIT << doubled).min(LONGEST_WAIT) * 1_000_000;
    let left = last.0.saturating_add(wait).saturating_sub(now.0);
    if left <= 0 {
        return Ok(());
    }
    let seconds = left.div_euclid(1_000_000) + 1;
    let wait = Duration::from_secs(seconds.unsigned_abs());
    let message = format!("too many failed logins; wait {seconds} seconds");
    Err(Failure::new(Kind::Throttled, message).after(wait))
}

/// Checks or hashes a password: away from the tasks, and not many at once.
async fn checked<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let closed = |_| Failure::new(Kind::Defect, "passwords are not checked any more");
    let _permit = CHECKING.acquire().await.map_err(closed)?;
    blocking(work).await
}

/// A digest for a token of a sender.
pub(crate) fn sender_token() -> Result<(Token, Digest), Failure> {
    let token = Token::make("wfd_")?;
    let digest = token.digest();
    Ok((token, digest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_fails_often_waits_longer_each_time() {
        let at = |seconds: i64| Micros::from_seconds(1_000 + seconds);
        let last = Some(at(0));
        assert!(throttle(4, 5, last, at(0)).is_ok());
        assert!(throttle(5, 5, last, at(0)).is_err());
        assert!(throttle(5, 5, last, at(3)).is_err());
        assert!(throttle(5, 5, last, at(4)).is_ok());
        assert!(throttle(9, 5, last, at(63)).is_err());
        assert!(throttle(9, 5, last, at(64)).is_ok());
        assert!(throttle(u64::MAX, 5, last, at(899)).is_err());
        assert!(throttle(u64::MAX, 5, last, at(900)).is_ok());
    }
}
