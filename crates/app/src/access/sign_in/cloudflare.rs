//! Cloudflare Access: it stands before the floor, lets people in by a provider of its own, and sends a token
//! with each request (`Cf-Access-Jwt-Assertion`). Whoever can reach the floor beside it could send any header,
//! so the token alone counts: signed by the team's keys, for this application, and not too old.

use reqwest::Url;

use ledger::{Role, User};

use super::jwt::Expected;
use super::outside::{KeySet, Outside};
use super::{Visit, Vouched};
use crate::access::{Caller, Token};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, from_ledger};

/// Where a team's keys are.
const KEYS: &str = "/cdn-cgi/access/certs";

/// A team and its application.
#[derive(Debug)]
pub(crate) struct Cloudflare {
    /// `https://TEAM.cloudflareaccess.com`: the issuer of its tokens.
    issuer: String,
    /// The application's tags (`AUD`).
    audiences: Vec<String>,
    /// What those are of whom nothing is known here; none turns them away.
    default_role: Option<Role>,
    keys: KeySet,
    outside: Outside,
}

impl Cloudflare {
    pub(super) fn new(
        team: &Url,
        audiences: Vec<String>,
        default_role: Option<Role>,
        outside: Outside,
    ) -> Result<Self, String> {
        let keys = team.join(KEYS).map_err(|error| format!("team: {error}"))?;
        let issuer = team.origin().ascii_serialization();
        Ok(Self { issuer, audiences, default_role, keys: KeySet::new(keys), outside })
    }
}

impl Floor {
    /// Lets a person in by a token of Cloudflare Access. The session ends when the token does.
    pub async fn log_in_by_access(
        &self,
        assertion: Option<&str>,
        visit: Visit,
    ) -> Result<(Token, Caller), Failure> {
        let access = self.0.sign_in.cloudflare()?;
        let wrong = |why: &str| {
            tracing::warn!(why, address = %visit.address, "a token of Cloudflare Access is not believed");
            Failure::new(Kind::Unauthenticated, "the token of Cloudflare Access is not believed")
                .hint("the log says why")
        };
        let Some(assertion) = assertion else {
            let message = "there is no token of Cloudflare Access in Cf-Access-Jwt-Assertion";
            return Err(Failure::new(Kind::Unauthenticated, message));
        };
        let expected = Expected {
            issuer: &access.issuer,
            audiences: &access.audiences,
            algorithms: &["RS256"],
        };
        let claims = access.keys.believe(&access.outside, assertion, &expected).await?;
        let claims = claims.map_err(|unsound| wrong(&unsound.to_string()))?;
        // A token of a service has neither: it is no person.
        let named = |name| claims.text(name).filter(|text| !text.is_empty());
        let (Some(subject), Some(email)) = (named("sub"), named("email")) else {
            return Err(wrong("it names no person"));
        };
        let vouched = Vouched {
            issuer: access.issuer.clone(),
            subject: subject.to_owned(),
            logins: vec![email.to_owned()],
            name: named("name").map(str::to_owned),
            email: Some(email.to_owned()),
            role: access.default_role,
            follows: false,
        };
        let user = self.known_by_mail(&vouched, email, &visit).await?;
        self.let_in(user, vec!["cloudflare_access".to_owned()], visit, claims.expires()).await
    }

    /// The user with this mail address, which Access has seen to be theirs and an admin wrote here; else as
    /// whom they come in otherwise.
    async fn known_by_mail(
        &self,
        vouched: &Vouched,
        email: &str,
        visit: &Visit,
    ) -> Result<User, Failure> {
        let users = self.0.ledger.users();
        match users.by_email(email).await.map_err(from_ledger)?.as_slice() {
            [only] => Ok(only.clone()),
            [] => self.vouched(vouched, visit.address).await,
            _ => Err(Failure::new(Kind::Conflict, "several users have this mail address")
                .hint("an admin gives each user an address of their own")),
        }
    }
}
