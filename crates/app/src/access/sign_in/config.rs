//! `[sign_in]` of `floor.toml`, checked before anything begins.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ledger::Role;
use model::inert;
use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::Configured;
use super::cloudflare::Cloudflare;
use super::openid::OpenId;
use super::outside::Outside;
use super::webauthn::Party;
use crate::form::SecretForm;

/// Where the provider sends people back to.
const BACK: &str = "/api/v1/login/openid/callback";

/// Ways to come in beside a password.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInForm {
    /// Where browsers find the floor: `https://floor.example.org`.
    url: Option<String>,
    #[serde(default = "yes")]
    passkeys: bool,
    openid: Option<OpenIdForm>,
    cloudflare_access: Option<CloudflareForm>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenIdForm {
    /// What people call it.
    name: Option<String>,
    issuer: String,
    client_id: String,
    client_secret: Option<SecretForm>,
    #[serde(default = "scopes")]
    scopes: Vec<String>,
    #[serde(default = "groups")]
    groups_claim: String,
    /// What members of a group are.
    #[serde(default)]
    roles: BTreeMap<String, String>,
    default_role: Option<String>,
    /// A file with the certificate of an authority that is trusted too, in PEM.
    authority: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudflareForm {
    /// `https://TEAM.cloudflareaccess.com`
    team: String,
    /// The application's tag, or several.
    audience: Audience,
    default_role: Option<String>,
    /// A file with the certificate of an authority that is trusted too, in PEM.
    authority: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "audience is the application's tag, or a list of them")]
enum Audience {
    One(String),
    Several(Vec<String>),
}

fn yes() -> bool {
    true
}

fn scopes() -> Vec<String> {
    ["profile", "email"].map(str::to_owned).to_vec()
}

fn groups() -> String {
    "groups".to_owned()
}

impl SignInForm {
    /// What it says, or what is wrong with it.
    pub(crate) fn read(self) -> Result<Configured, String> {
        let url = self.url.as_deref().map(origin).transpose()?;
        let openid = match (self.openid, &url) {
            (None, _) => None,
            (Some(form), Some(url)) => {
                Some(form.read(url).map_err(|why| format!("openid: {why}"))?)
            }
            (Some(_), None) => {
                return Err("openid needs `url`: where browsers find the floor".to_owned());
            }
        };
        let access = self.cloudflare_access.map(CloudflareForm::read).transpose();
        let cloudflare = access.map_err(|why| format!("cloudflare_access: {why}"))?;
        // Browsers make passkeys for names alone (WebAuthn Level 3, 4, RP ID).
        let party = url.filter(|_| self.passkeys).and_then(|url| {
            let id = url.domain()?.to_owned();
            Some(Party { id, origin: url.origin().ascii_serialization() })
        });
        Ok(Configured { party, openid, cloudflare })
    }
}

impl OpenIdForm {
    fn read(self, floor: &Url) -> Result<OpenId, String> {
        let url = sound("issuer", &self.issuer)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("issuer has no `?` and no `#`".to_owned());
        }
        if self.client_id.is_empty() {
            return Err("client_id is empty".to_owned());
        }
        let roles = self.roles.into_iter().map(|(group, name)| Ok((group, role(&name)?)));
        let called = self.name.unwrap_or_else(|| url.host_str().unwrap_or_default().to_owned());
        Ok(OpenId {
            called,
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: self.client_secret.as_ref().map(SecretForm::source),
            scopes: self.scopes,
            groups: self.groups_claim,
            roles: roles.collect::<Result<_, String>>()?,
            default_role: self.default_role.as_deref().map(role).transpose()?,
            back: format!("{}{BACK}", floor.origin().ascii_serialization()),
            home: format!("{}/", floor.origin().ascii_serialization()),
            outside: Outside::new(self.authority.as_deref())?,
            found: Mutex::default(),
        })
    }
}

impl CloudflareForm {
    fn read(self) -> Result<Cloudflare, String> {
        let team = sound("team", &self.team)?;
        let audiences = match self.audience {
            Audience::One(one) => vec![one],
            Audience::Several(all) => all,
        };
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err("audience is empty".to_owned());
        }
        let role = self.default_role.as_deref().map(role).transpose()?;
        Cloudflare::new(&team, audiences, role, Outside::new(self.authority.as_deref())?)
    }
}

fn role(name: &str) -> Result<Role, String> {
    Role::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        format!("there is no role `{}`; roles are {}", inert(name), known.join(", "))
    })
}

/// Where browsers find the floor: nothing behind the port.
fn origin(text: &str) -> Result<Url, String> {
    let url = sound("url", text)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("url ends behind the name or the port: `https://floor.example.org`".to_owned());
    }
    Ok(url)
}

fn sound(what: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{what} is no address: {error}"))?;
    match is_sound(&url) {
        true => Ok(url),
        false => Err(format!("{what} begins with https://, without a name and password in it")),
    }
}

/// Whether what is said there can be believed: over TLS, or on this machine.
pub(super) fn is_sound(url: &Url) -> bool {
    let here = match url.host() {
        Some(url_host) => {
            let host = url_host.to_string();
            matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
        }
        None => return false,
    };
    let bare = url.username().is_empty() && url.password().is_none();
    bare && (url.scheme() == "https" || url.scheme() == "http" && here)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Configured, String> {
        toml::from_str::<SignInForm>(text).map_err(|error| error.message().to_owned())?.read()
    }

    #[test]
    fn mistakes_are_told_and_nothing_is_guessed() {
        let openid = "[openid]\nissuer = \"https://login.example.org\"\nclient_id = \"floor\"\n";
        let good = format!("url = \"https://floor.example.org\"\n{openid}");
        let configured = read(&good).unwrap();
        let party = configured.party.unwrap();
        assert_eq!(
            (&*party.id, &*party.origin),
            ("floor.example.org", "https://floor.example.org")
        );
        let openid_read = configured.openid.unwrap();
        assert_eq!(openid_read.back, format!("https://floor.example.org{BACK}"));
        assert_eq!(openid_read.default_role, None);
        // A number is no name that passkeys could be made for.
        assert!(read("url = \"http://127.0.0.1:8630\"").unwrap().party.is_none());
        assert!(read("url = \"http://localhost:8630\"").unwrap().party.is_some());
        assert!(read("url = \"http://localhost:8630\"\npasskeys = false").unwrap().party.is_none());
        let said = |text: &str| read(text).unwrap_err();
        assert!(said(openid).contains("needs `url`"));
        assert!(said("url = \"http://floor.example.org\"").contains("https://"));
        assert!(said("url = \"https://floor.example.org/soc\"").contains("ends behind"));
        assert!(said(&format!("{good}default_role = \"root\"")).contains("no role `root`"));
        assert!(said(&format!("{good}[openid.roles]\nsoc = \"boss\"")).contains("no role `boss`"));
        assert!(said(&good.replace("https://login", "http://login")).contains("issuer begins"));
        // A secret in the file itself is refused, and not repeated.
        let secret = said(&format!("{good}client_secret = \"swordfish\""));
        assert!(secret.contains("{ file") && !secret.contains("swordfish"), "{secret}");
        let access = "[cloudflare_access]\nteam = \"https://acme.cloudflareaccess.com\"\n";
        assert!(
            read(&format!("{access}audience = \"4714c1358e65fe4b\"")).unwrap().cloudflare.is_some()
        );
        assert!(said(access).contains("audience"));
        assert!(said(&format!("{access}audience = []")).contains("audience is empty"));
    }
}
