//! Passkeys: a user makes some, comes in by one alone, or shows one beside the password.
//!
//! Alone it must show that the device knows the person (a finger, a PIN): then it is two factors in one.
//! Whoever has a passkey and no code must show it beside their password too: else the password alone would
//! be a way around it.

use std::collections::BTreeMap;

use ledger::{Actor, Page, Paging, Passkey, User, UserId};
use model::{Micros, inert};
use serde_json::Value;

use super::Visit;
use super::ceremonies::For;
use super::webauthn::{self, Answered, Credential, Made, Presence, Wrong};
use crate::access::{Caller, Permission, Token};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, from_ledger};

/// A question that a browser is to put to an authenticator.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct Questioned {
    /// The word by which it is answered, once and within five minutes.
    pub ceremony: String,
    /// What `navigator.credentials.create()` or `get()` takes, as `PublicKeyCredential.parseCreationOptionsFromJSON()`
    /// or `parseRequestOptionsFromJSON()` reads it.
    pub options: BTreeMap<String, Value>,
}

/// A passkey that was made, and what to call it.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    /// The word of the question.
    pub ceremony: String,
    /// What the user calls it.
    pub name: String,
    /// What the browser tells.
    pub credential: Made,
}

/// The answer of a passkey.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
pub struct Proof {
    /// The word of the question.
    pub ceremony: String,
    /// What the browser tells.
    pub credential: Answered,
}

/// A passkey, as its user is told of it.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct PasskeyTold {
    /// Its id.
    pub passkey_id: String,
    /// What the user calls it.
    pub name: String,
    /// Whether copies of it are kept elsewhere, as the authenticator says.
    pub backed_up: bool,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last used.
    pub used_at: Option<Micros>,
}

impl PasskeyTold {
    fn of(passkey: Passkey) -> Self {
        let backed_up = read(&passkey).is_ok_and(|credential| credential.backed_up);
        let Passkey { credential_id, name, created_at, used_at, .. } = passkey;
        Self { passkey_id: credential_id, name, backed_up, created_at, used_at }
    }
}

impl Floor {
    /// The caller's passkeys, the oldest first.
    pub async fn passkeys(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Page<PasskeyTold>, Failure> {
        caller.in_person()?;
        let all = self.passkeys_of(caller.user.user_id).await?;
        let all = all.into_iter().map(PasskeyTold::of).collect();
        let by = |told: &PasskeyTold| format!("{:020} {}", told.created_at.0, told.passkey_id);
        Page::of(all, "passkeys", paging, by).map_err(from_ledger)
    }

    pub(in crate::access) async fn passkeys_of(
        &self,
        user: UserId,
    ) -> Result<Vec<Passkey>, Failure> {
        self.0.ledger.factors().passkeys(user).await.map_err(from_ledger)
    }

    /// Begins to make a passkey for the caller.
    pub async fn begin_passkey(&self, caller: &Caller) -> Result<Questioned, Failure> {
        caller.in_person()?;
        let party = self.0.sign_in.party()?;
        let user = &caller.user;
        let known = self.passkeys_of(user.user_id).await?;
        let known: Vec<&str> = known.iter().map(|one| one.credential_id.as_str()).collect();
        let (word, challenge) = self.0.sign_in.ceremonies.begin(For::Making(user.user_id))?;
        let who = (self.handle(user.user_id), user.login.as_str(), user.name.as_str());
        let who = (who.0.as_slice(), who.1, who.2);
        Ok(questioned(&word, webauthn::creation(party, &challenge, who, &known)))
    }

    /// Takes the passkey that was made.
    pub async fn add_passkey(
        &self,
        caller: &Caller,
        new: &NewPasskey,
    ) -> Result<PasskeyTold, Failure> {
        let actor = caller.in_person()?;
        let party = self.0.sign_in.party()?;
        let user = caller.user.user_id;
        let challenge = match self.0.sign_in.ceremonies.take(&new.ceremony) {
            Some((For::Making(whose), challenge)) if whose == user => challenge,
            _ => return Err(too_late(Kind::Usage)),
        };
        let (id, credential) =
            webauthn::made(party, &challenge, &new.credential).map_err(|Wrong(what)| {
                tracing::warn!(what, login = %inert(&caller.user.login), "a passkey is not taken");
                Failure::new(Kind::Usage, format!("this passkey is not taken: {what}"))
            })?;
        let factors = self.0.ledger.factors();
        let text = written(&credential)?;
        let key = (id.as_str(), new.name.as_str(), text.as_str());
        factors.add_passkey(actor, crate::now(), user, key).await.map_err(from_ledger)?;
        let made = factors.passkey(&id).await.map_err(from_ledger)?;
        let lost = || Failure::new(Kind::NotFound, "the passkey is gone again");
        made.map(PasskeyTold::of).ok_or_else(lost)
    }

    /// Takes one of the caller's passkeys away.
    pub async fn remove_passkey(&self, caller: &Caller, id: &str) -> Result<(), Failure> {
        let actor = caller.in_person()?;
        let factors = self.0.ledger.factors();
        let user = caller.user.user_id;
        factors.remove_passkey(actor, crate::now(), user, id).await.map_err(from_ledger)
    }

    /// Takes all second factors of a user away who has lost them: their password alone is enough from then
    /// on, and an admin has seen to it that it is they who ask.
    pub async fn remove_factors(&self, caller: &Caller, id: UserId) -> Result<(), Failure> {
        let actor = caller.may(Permission::Users)?;
        caller.in_person()?;
        let user = self.0.ledger.users().get(id).await.map_err(from_ledger)?;
        let (factors, now) = (self.0.ledger.factors(), crate::now());
        for passkey in self.passkeys_of(user.user_id).await? {
            let removed = factors.remove_passkey(actor, now, id, &passkey.credential_id).await;
            removed.map_err(from_ledger)?;
        }
        if factors.totp(id).await.map_err(from_ledger)?.is_some() {
            factors.remove_totp(actor, now, id).await.map_err(from_ledger)?;
        }
        Ok(())
    }

    /// Begins to let somebody in by a passkey alone. Who it is shows with the answer.
    pub fn begin_passkey_login(&self) -> Result<Questioned, Failure> {
        let party = self.0.sign_in.party()?;
        let (word, challenge) = self.0.sign_in.ceremonies.begin(For::Alone)?;
        Ok(questioned(&word, webauthn::request(party, &challenge, &[], Presence::Verified)))
    }

    /// Lets somebody in by a passkey alone.
    pub async fn log_in_by_passkey(
        &self,
        proof: &Proof,
        visit: Visit,
    ) -> Result<(Token, Caller), Failure> {
        self.0.sign_in.party()?;
        let waiting = self.0.sign_in.ceremonies.take(&proof.ceremony);
        let Some((For::Alone, challenge)) = waiting else {
            return Err(too_late(Kind::Unauthenticated));
        };
        let user = self.shown(&proof.credential, &challenge, Presence::Verified).await;
        let Some(user) = user? else { return Err(not_believed()) };
        self.let_in(user, vec!["passkey".to_owned()], visit, None).await
    }

    /// The question to a user who has shown their password; none when they have no passkey, or passkeys are
    /// not configured.
    pub(crate) async fn passkey_beside(&self, user: &User) -> Result<Option<Questioned>, Failure> {
        let Ok(party) = self.0.sign_in.party() else { return Ok(None) };
        let known = self.passkeys_of(user.user_id).await?;
        if known.is_empty() {
            return Ok(None);
        }
        let known: Vec<&str> = known.iter().map(|one| one.credential_id.as_str()).collect();
        let (word, challenge) = self.0.sign_in.ceremonies.begin(For::Beside(user.user_id))?;
        let options = webauthn::request(party, &challenge, &known, Presence::Touched);
        Ok(Some(questioned(&word, options)))
    }

    /// Whether a passkey answers the question that was put to this user.
    pub(crate) async fn shown_beside(&self, user: &User, proof: &Proof) -> Result<bool, Failure> {
        let challenge = match self.0.sign_in.ceremonies.take(&proof.ceremony) {
            Some((For::Beside(whose), challenge)) if whose == user.user_id => challenge,
            _ => return Ok(false),
        };
        let shown = self.shown(&proof.credential, &challenge, Presence::Touched).await?;
        Ok(shown.is_some_and(|shown| shown.user_id == user.user_id))
    }

    /// Whose passkey answers a challenge; nobody's when it is not to be believed.
    async fn shown(
        &self,
        answer: &Answered,
        challenge: &[u8],
        presence: Presence,
    ) -> Result<Option<User>, Failure> {
        let party = self.0.sign_in.party()?;
        let factors = self.0.ledger.factors();
        let Some(id) = webauthn::canonical(&answer.id) else { return Ok(None) };
        let Some(passkey) = factors.passkey(&id).await.map_err(from_ledger)? else {
            tracing::warn!("a passkey that is not known was shown");
            return Ok(None);
        };
        let user = self.0.ledger.users().get(passkey.user_id).await.map_err(from_ledger)?;
        let handle = answer.response.user_handle.as_deref().filter(|handle| !handle.is_empty());
        let theirs = self.handle(user.user_id);
        if handle.is_some_and(|handle| webauthn::handle(handle).as_ref() != Some(&theirs)) {
            tracing::warn!(login = %inert(&user.login), "a passkey says that it is somebody else's");
            return Ok(None);
        }
        let credential = read(&passkey)?;
        let now = match webauthn::answered(party, challenge, (answer, &credential), presence) {
            Ok(now) => now,
            Err(wrong) => {
                let Wrong(what) = wrong;
                tracing::warn!(what, login = %inert(&user.login), "a passkey is not believed");
                if wrong == webauthn::COPIED {
                    let actor = Actor::system("passkeys");
                    self.note(&actor, "passkey.copied", &user.login).await?;
                }
                return Ok(None);
            }
        };
        let states = (passkey.credential.as_str(), written(&now)?);
        let states = (states.0, states.1.as_str());
        let used = factors.used_passkey(&id, states, crate::now()).await.map_err(from_ledger)?;
        Ok(used.then_some(user))
    }

    /// By what an authenticator knows a user: it tells nothing of them, and stays the same.
    fn handle(&self, user: UserId) -> Vec<u8> {
        let user = user.to_string();
        self.0.seal.digest(&[b"passkeys of", user.as_bytes()]).0.to_vec()
    }
}

fn questioned(word: &Token, options: Value) -> Questioned {
    let options = match options {
        Value::Object(options) => options.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    Questioned { ceremony: word.expose().to_owned(), options }
}

fn written(credential: &Credential) -> Result<String, Failure> {
    serde_json::to_string(credential)
        .map_err(|e| Failure::new(Kind::Defect, format!("a passkey cannot be written: {e}")))
}

fn read(passkey: &Passkey) -> Result<Credential, Failure> {
    serde_json::from_str(&passkey.credential)
        .map_err(|e| Failure::new(Kind::Defect, format!("a passkey cannot be read: {e}")))
}

fn too_late(kind: Kind) -> Failure {
    Failure::new(kind, "this question was answered already, or too long ago; begin again")
}

fn not_believed() -> Failure {
    Failure::new(Kind::Unauthenticated, "this passkey is not known or not believed")
        .hint("the log says why")
}
