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
    /// By what way it delivers; `http` unless said.
    #[serde(default = "http")]
    kind: String,
    client_name: Option<String>,
    definition: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    /// Events a second.
    rate_limit: Option<u64>,
    /// Seconds of silence after which an alert is raised.
    silent_after: Option<u64>,
    #[serde(default = "yes")]
    enabled: bool,
}

fn http() -> String {
    "http".to_owned()
}

fn yes() -> bool {
    true
}

impl SenderBody {
    fn form(self) -> SenderForm {
        SenderForm {
            name: self.name,
            kind: self.kind,
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
