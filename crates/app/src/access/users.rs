//! Users, their passwords and second factors, and tokens for programs.

use ledger::{
    ApiToken, Identity, NewToken, NewUser, Page, Paging, Role, Session, SessionId, TokenId, User,
    UserChange, UserId,
};
use model::Micros;

use super::{API_PREFIX, Caller, Permission, Token, checked, proof};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, everything, from_ledger};

/// A token for a program that is to be made.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// What it is for.
    pub name: String,
    /// Names of the permissions that it is limited to.
    pub scopes: Vec<String>,
    /// Until when.
    pub expires: Option<Micros>,
}

/// An authenticator that is being set up.
#[derive(Debug)]
pub struct Enrolment {
    /// What the authenticator reads: an `otpauth:` address.
    pub uri: String,
}

impl Floor {
    /// Whom identity providers vouch for as the caller, the oldest first.
    pub async fn identities(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Page<Identity>, Failure> {
        caller.in_person()?;
        self.identities_page(caller.user.user_id, paging).await
    }

    /// Whom identity providers vouch for as a user, the oldest first.
    pub async fn identities_of(
        &self,
        caller: &Caller,
        id: UserId,
        paging: &Paging,
    ) -> Result<Page<Identity>, Failure> {
        caller.may(Permission::Users)?;
        caller.in_person()?;
        self.0.ledger.users().get(id).await.map_err(from_ledger)?;
        self.identities_page(id, paging).await
    }

    async fn identities_page(
        &self,
        id: UserId,
        paging: &Paging,
    ) -> Result<Page<Identity>, Failure> {
        let all = self.0.ledger.identities().list(id).await.map_err(from_ledger)?;
        let by =
            |one: &Identity| format!("{:020} {} {}", one.created_at.0, one.issuer, one.subject);
        Page::of(all, "identities", paging, by).map_err(from_ledger)
    }

    /// Unlinks a user from all identity providers: they come in otherwise from then on, or not at all. An
    /// admin who has no other way in does not shut themselves out.
    pub async fn unlink(&self, caller: &Caller, id: UserId) -> Result<(), Failure> {
        let actor = caller.may(Permission::Users)?;
        caller.in_person()?;
        let user = self.0.ledger.users().get(id).await.map_err(from_ledger)?;
        let own = id == caller.user.user_id;
        if own && !user.has_password && self.passkeys_of(id).await?.is_empty() {
            let message = "this is the only way in that you have: nobody could log in as you";
            return Err(Failure::new(Kind::Conflict, message).hint("make a passkey first"));
        }
        let identities = self.0.ledger.identities();
        identities.unlink(actor, crate::now(), id).await.map(drop).map_err(from_ledger)
    }

    /// All users, by login.
    pub async fn users(&self, caller: &Caller, paging: &Paging) -> Result<Page<User>, Failure> {
        caller.may(Permission::Users)?;
        let users = self.0.ledger.users();
        let all = everything(|from| users.list(from)).await?;
        Page::of(all, "users", paging, |user| user.login.clone()).map_err(from_ledger)
    }

    /// Makes a user with a first password, which an admin hands over.
    pub async fn add_user(
        &self,
        caller: &Caller,
        login: String,
        name: String,
        role: Role,
        password: String,
    ) -> Result<User, Failure> {
        let actor = caller.may(Permission::Users)?;
        caller.in_person()?;
        proof::check_password(&login, &password)?;
        let hash = checked(move || proof::hash_password(&password)).await?;
        let new = NewUser { login, name, email: None, role, password: Some(hash) };
        self.0.ledger.users().add(actor, crate::now(), &new).await.map_err(from_ledger)
    }

    /// Changes a user.
    pub async fn change_user(
        &self,
        caller: &Caller,
        id: UserId,
        expected: Option<u64>,
        change: &UserChange,
    ) -> Result<User, Failure> {
        let actor = caller.may(Permission::Users)?;
        caller.in_person()?;
        let users = self.0.ledger.users();
        users.change(actor, crate::now(), id, expected, change).await.map_err(from_ledger)
    }

    /// Sets the caller's own password. Other sessions of theirs end.
    pub async fn change_password(
        &self,
        caller: &Caller,
        token: &Token,
        old: String,
        new: String,
    ) -> Result<(), Failure> {
        let actor = caller.in_person()?;
        let found = self.0.ledger.users().for_login(&caller.user.login).await;
        let hash = found.map_err(from_ledger)?.and_then(|(_, hash)| hash);
        let right = checked(move || Ok(proof::verify_password(hash.as_ref(), &old))).await?;
        if !right {
            return Err(Failure::new(Kind::Denied, "the old password is wrong"));
        }
        proof::check_password(&caller.user.login, &new)?;
        let hash = checked(move || proof::hash_password(&new)).await?;
        let but = Some(token.digest());
        let users = self.0.ledger.users();
        let id = caller.user.user_id;
        users
            .set_password(actor, crate::now(), id, Some(&hash), but)
            .await
            .map(drop)
            .map_err(from_ledger)
    }

    /// Begins to set up an authenticator for the caller. It counts once a code was shown.
    pub async fn enrol_code(&self, caller: &Caller) -> Result<Enrolment, Failure> {
        let actor = caller.in_person()?;
        let (sealed, uri) = proof::new_code(&self.0.seal, &caller.user.login)?;
        let factors = self.0.ledger.factors();
        let id = caller.user.user_id;
        factors.begin_totp(actor, crate::now(), id, &sealed).await.map_err(from_ledger)?;
        Ok(Enrolment { uri })
    }

    /// Ends the setting up with the first code.
    pub async fn confirm_code(&self, caller: &Caller, code: &str) -> Result<(), Failure> {
        caller.in_person()?;
        let factors = self.0.ledger.factors();
        let id = caller.user.user_id;
        let now = crate::now();
        let totp = factors.totp(id).await.map_err(from_ledger)?;
        let step = totp.and_then(|t| proof::code_step(&self.0.seal, &t.sealed, code, now));
        let taken = match step {
            Some(step) => factors.take_step(id, step, now).await.map_err(from_ledger)?,
            None => false,
        };
        match taken {
            true => Ok(()),
            false => Err(Failure::new(Kind::Usage, "this code is not right, or no longer")),
        }
    }

    /// The caller's sessions, the newest first.
    pub async fn sessions(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Page<Session>, Failure> {
        let all = self.own_sessions(caller).await?;
        let by = |session: &Session| newest_first(session.session_id.number());
        Page::of(all, "sessions", paging, by).map_err(from_ledger)
    }

    async fn own_sessions(&self, caller: &Caller) -> Result<Vec<Session>, Failure> {
        caller.in_person()?;
        let sessions = self.0.ledger.sessions();
        sessions.list(caller.user.user_id, crate::now()).await.map_err(from_ledger)
    }

    /// Ends one of the caller's sessions; an admin may end anybody's.
    pub async fn end_session(&self, caller: &Caller, id: SessionId) -> Result<(), Failure> {
        let actor = caller.in_person()?;
        let own = self.own_sessions(caller).await?;
        if !own.iter().any(|session| session.session_id == id) {
            caller.may(Permission::Users)?;
        }
        self.0.ledger.sessions().revoke(actor, crate::now(), id).await.map_err(from_ledger)
    }

    /// The caller's tokens, the newest first.
    pub async fn api_tokens(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Page<ApiToken>, Failure> {
        caller.in_person()?;
        let tokens = self.0.ledger.tokens();
        let all = tokens.list(Some(caller.user.user_id)).await.map_err(from_ledger)?;
        let by = |token: &ApiToken| newest_first(token.token_id.number());
        Page::of(all, "tokens", paging, by).map_err(from_ledger)
    }

    /// Makes a token as which a program comes in for the caller. It is shown this once.
    pub async fn add_api_token(
        &self,
        caller: &Caller,
        new: NewApiToken,
    ) -> Result<(Token, ApiToken), Failure> {
        let actor = caller.in_person()?;
        for permission in Permission::read_all(&new.scopes)? {
            caller.may(permission)?;
        }
        if new.scopes.is_empty() {
            return Err(Failure::new(Kind::Usage, "a token without a scope may do nothing"));
        }
        let token = Token::make(API_PREFIX)?;
        let row = NewToken {
            digest: token.digest(),
            user: caller.user.user_id,
            name: new.name,
            scopes: new.scopes,
            expires: new.expires,
        };
        let made = self.0.ledger.tokens().add(actor, crate::now(), &row).await;
        Ok((token, made.map_err(from_ledger)?))
    }

    /// Revokes one of the caller's tokens; an admin may revoke anybody's.
    pub async fn revoke_api_token(
        &self,
        caller: &Caller,
        id: TokenId,
    ) -> Result<ApiToken, Failure> {
        let actor = caller.in_person()?;
        let tokens = self.0.ledger.tokens();
        if tokens.get(id).await.map_err(from_ledger)?.user_id != caller.user.user_id {
            caller.may(Permission::Users)?;
        }
        tokens.revoke(actor, crate::now(), id).await.map_err(from_ledger)
    }
}

/// A key by which the newest of numbered rows comes first.
fn newest_first(number: i64) -> String {
    format!("{:020}", i64::MAX - number)
}
