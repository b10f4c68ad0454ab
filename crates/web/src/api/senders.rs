//! Who may deliver logs, and how well they are heard.

use app::ledger::{Page, Sender, SenderForm, SenderId, SourceHealth};
use app::{FetcherStatus, Floor};
use axum::extract::State;
use model::Micros;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Body, Listed, Path, Whole};
use crate::caller::Came;
use crate::describe::{Created, Items};
use crate::json::Json;
use crate::problem::Problem;
use crate::version::{IfMatch, Versioned};

/// A sender as it is to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SenderBody {
    /// The version that is changed.
    expected: Option<u64>,
    /// Its name, its own.
    #[schemars(length(min = 1, max = 300))]
    name: String,
    /// By what way it delivers; unless said, `socket` when an address or a certificate says who it is, else
    /// `http`.
    kind: Option<String>,
    /// Addresses and ranges (`192.0.2.7`, `10.1.0.0/16`, `2001:db8::/32`) from which it delivers over syslog or
    /// RELP. The smallest range that an address is in says who it is.
    #[serde(default)]
    #[schemars(length(max = 100))]
    networks: Vec<String>,
    /// The name in the certificate that it shows on TLS sockets: a DNS name of its subjectAltName, or the common
    /// name of its subject. `*.example.com` is any one label in front. It says more than an address.
    client_name: Option<String>,
    /// The source definition of what it sends, for records that none recognises.
    definition: Option<String>,
    /// Labels of its events and of what is found in them.
    #[serde(default)]
    tags: Vec<String>,
    /// Events a second. HTTP says when to come again, TCP and RELP make it wait, of UDP what is too much is lost
    /// and counted.
    rate_limit: Option<u64>,
    /// Seconds of silence after which an alert is raised.
    silent_after: Option<u64>,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

impl SenderBody {
    fn form(self) -> SenderForm {
        let by_itself = self.networks.is_empty() && self.client_name.is_none();
        let kind = if by_itself { "http" } else { "socket" };
        SenderForm {
            name: self.name,
            kind: self.kind.unwrap_or_else(|| kind.to_owned()),
            networks: self.networks,
            client_name: self.client_name,
            definition: self.definition,
            tags: self.tags,
            rate_limit: self.rate_limit,
            silent_after: self.silent_after.map(|seconds| seconds.saturating_mul(1_000_000)),
            enabled: self.enabled,
        }
    }
}

/// A sender, and how it does where `floor.toml` says that it is fetched.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SenderTold {
    #[serde(flatten)]
    sender: Sender,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetcher: Option<FetcherStatus>,
}

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<SenderTold>, Problem> {
    let page = floor.senders(&came.caller, &page).await?;
    let fetchers = floor.fetchers();
    let items = page.items.into_iter().map(|sender| {
        let fetcher = fetchers.iter().find(|fetcher| fetcher.name == sender.form.name).cloned();
        SenderTold { sender, fetcher }
    });
    Ok(Json(Page { items: items.collect(), next: page.next }))
}

pub(crate) async fn add(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<SenderBody>,
) -> Result<Created<SenderGiven>, Problem> {
    let made = floor.add_sender(&came.caller, &body.form()).await?;
    Ok(Created(SenderGiven { sender: made.sender, token: made.token.expose().to_owned() }))
}

pub(crate) async fn change(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<SenderId>,
    tag: IfMatch,
    Body(body): Body<SenderBody>,
) -> Result<Versioned<Sender>, Problem> {
    let expected = tag.expected(body.expected)?;
    let changed = floor.change_sender(&came.caller, id, expected, &body.form()).await;
    let sender = changed.map_err(|failure| tag.refused(failure))?;
    Ok(Versioned(sender.version, sender))
}

/// A sender that was made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SenderGiven {
    sender: Sender,
    /// Its token, shown this once.
    token: String,
}

/// A token that was made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenGiven {
    /// The token, shown this once.
    token: String,
}

/// Until when tokens that were given before work; now, unless said.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RotateBody {
    retire: Option<Micros>,
}

pub(crate) async fn rotate(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<SenderId>,
    Body(body): Body<RotateBody>,
) -> Result<Created<TokenGiven>, Problem> {
    let token = floor.rotate_token(&came.caller, id, body.retire).await?;
    Ok(Created(TokenGiven { token: token.expose().to_owned() }))
}

pub(crate) async fn sources(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<SourceHealth>, Problem> {
    Ok(Json(floor.sources(&came.caller, &page).await?))
}
