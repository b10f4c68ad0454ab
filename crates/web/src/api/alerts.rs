//! Alerts, their comments, and suppressions.

use app::Floor;
use app::ledger::{
    AlertChange, AlertFilter, AlertOrder, AlertRow, AlertState, AlertStatus, Comment, Facets,
    InIncident, NewSuppression, On, OwnedBy, Suppressed, Suppression, SuppressionId,
};
use axum::extract::State;
use model::{AlertId, Entity, EntityKind, Finding, Level, Micros};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Body, Listed, Path, Query, Whole, given, parsed, word, words};
use crate::caller::Came;
use crate::describe::{Created, Items};
use crate::json::Json;
use crate::problem::Problem;
use crate::version::{IfMatch, Versioned};

/// Which alerts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AlertQuery {
    /// States, with commas between them: `new`, `in_progress`, `closed`.
    state: Option<String>,
    /// A login, or `none`.
    owner: Option<String>,
    /// Shown with this level or a graver one.
    level: Option<Level>,
    /// The id of a rule.
    rule: Option<String>,
    /// The name of a source definition.
    source: Option<String>,
    /// What it is about, such as `user:anna` or `address:192.0.2.7`.
    #[schemars(regex(pattern = ENTITY))]
    entity: Option<String>,
    /// A tag of a sender whose events it is about, such as `site=oslo`.
    tag: Option<String>,
    /// Words, all of which must be in title, description, entities or reason.
    #[schemars(length(max = 300))]
    text: Option<String>,
    /// Still going on at or after this time.
    from: Option<Micros>,
    /// Begun before this time.
    to: Option<Micros>,
    /// The id of an incident, or `none`.
    incident: Option<String>,
    /// What to do with alerts that a suppression hides; they are left out unless said.
    suppressed: Option<SuppressedWord>,
    /// The latest first, unless said.
    order: Option<OrderWord>,
}

/// What entities are written like.
pub(crate) const ENTITY: &str =
    "^(user|host|address|domain|hash|resource|url|email|process|file):.*$";

/// What to do with alerts that a suppression hides.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SuppressedWord {
    Hidden,
    Shown,
    Only,
}

/// In which order alerts come.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderWord {
    Latest,
    Begun,
    Gravest,
    Riskiest,
}

impl AlertQuery {
    fn filter(&self) -> Result<AlertFilter, Problem> {
        let states =
            words(self.state.as_ref()).map(|text| word("state", text, AlertState::from_name));
        Ok(AlertFilter {
            states: states.collect::<Result<_, _>>()?,
            owner: owner(self.owner.as_deref()),
            level: self.level,
            rule: self.rule.clone(),
            source: self.source.clone(),
            entity: entity(self.entity.as_deref())?,
            label: self.tag.clone(),
            text: self.text.clone(),
            from: self.from,
            to: self.to,
            incident: match self.incident.as_deref() {
                None => InIncident::Any,
                Some("none") => InIncident::None,
                Some(id) => InIncident::Is(parsed("incident", id)?),
            },
            suppressed: match self.suppressed {
                None | Some(SuppressedWord::Hidden) => Suppressed::Hidden,
                Some(SuppressedWord::Shown) => Suppressed::Shown,
                Some(SuppressedWord::Only) => Suppressed::Only,
            },
        })
    }

    fn order(&self) -> AlertOrder {
        match self.order {
            None | Some(OrderWord::Latest) => AlertOrder::Latest,
            Some(OrderWord::Begun) => AlertOrder::Begun,
            Some(OrderWord::Gravest) => AlertOrder::Gravest,
            Some(OrderWord::Riskiest) => AlertOrder::Riskiest,
        }
    }
}

pub(crate) fn owner(text: Option<&str>) -> OwnedBy {
    match text {
        None => OwnedBy::Any,
        Some("none") => OwnedBy::Nobody,
        Some(login) => OwnedBy::Person(login.to_owned()),
    }
}

pub(crate) fn entity(text: Option<&str>) -> Result<Option<Entity>, Problem> {
    let read = |text: &str| {
        let (kind, value) = text.split_once(':')?;
        Some(Entity::new(EntityKind::from_name(kind)?, value))
    };
    let wrong = || Problem::bad("entity: write kind:value, such as user:anna or address:192.0.2.7");
    text.map(|text| read(text).ok_or_else(wrong)).transpose()
}

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
    Listed(query, page): Listed<AlertQuery>,
) -> Result<Items<AlertRow>, Problem> {
    Ok(Json(floor.alerts(&came.caller, &query.filter()?, query.order(), &page).await?))
}

pub(crate) async fn facets(
    State(floor): State<Floor>,
    came: Came,
    Query(query): Query<AlertQuery>,
) -> Result<Json<Facets>, Problem> {
    Ok(Json(floor.alert_facets(&came.caller, &query.filter()?).await?))
}

pub(crate) async fn one(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<AlertId>,
) -> Result<Versioned<AlertRow>, Problem> {
    let row = floor.alert(&came.caller, id).await?;
    Ok(Versioned(row.version, row))
}

pub(crate) async fn findings(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<AlertId>,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<Finding>, Problem> {
    Ok(Json(floor.alert_findings(&came.caller, id, &page).await?))
}

/// A decision on an alert. What is left out stays; `null` takes away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertBody {
    /// The version that the decision was made on.
    expected: Option<u64>,
    status: Option<AlertStatus>,
    #[serde(default, deserialize_with = "given")]
    owner: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    severity: Option<Option<Level>>,
}

impl AlertBody {
    fn change(self) -> AlertChange {
        AlertChange { status: self.status, owner: self.owner, severity: self.severity }
    }
}

pub(crate) async fn change(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<AlertId>,
    tag: IfMatch,
    Body(body): Body<AlertBody>,
) -> Result<Versioned<AlertRow>, Problem> {
    let expected = tag.expected(body.expected)?;
    let changed = floor.change_alert(&came.caller, id, expected, &body.change()).await;
    let row = changed.map_err(|failure| tag.refused(failure))?;
    Ok(Versioned(row.version, row))
}

/// The same decision on many alerts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkBody {
    alerts: Vec<BulkAlert>,
    change: AlertBody,
}

/// An alert of a bulk decision, and the version that it was made on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkAlert {
    alert_id: AlertId,
    expected: Option<u64>,
}

pub(crate) async fn bulk(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<BulkBody>,
) -> Result<Json<BulkDone>, Problem> {
    let items: Vec<_> = body.alerts.iter().map(|item| (item.alert_id, item.expected)).collect();
    let done = floor.change_alerts(&came.caller, &items, &body.change.change()).await?;
    let told = done.into_iter().map(|(alert_id, result)| match result {
        Ok(alert) => BulkItem { alert_id, alert: Some(alert), error: None },
        Err(error) => BulkItem { alert_id, alert: None, error: Some(error.to_string()) },
    });
    Ok(Json(BulkDone { items: told.collect() }))
}

/// What came of a bulk decision.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BulkDone {
    /// One for each alert, in the order in which they were named.
    items: Vec<BulkItem>,
}

/// What came of it for one alert: as it stands now, or why it was not changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BulkItem {
    alert_id: AlertId,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<AlertRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A comment, in Markdown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommentBody {
    #[schemars(length(min = 1, max = 262_144))]
    pub(crate) text: String,
}

pub(crate) async fn comments(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<AlertId>,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<Comment>, Problem> {
    Ok(Json(floor.comments(&came.caller, On::Alert(id), &page).await?))
}

pub(crate) async fn comment(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<AlertId>,
    Body(body): Body<CommentBody>,
) -> Result<Created<Comment>, Problem> {
    let made = floor.add_comment(&came.caller, On::Alert(id), &body.text).await?;
    Ok(Created(made))
}

/// Which suppressions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SuppressionQuery {
    /// Also those that have ended.
    all: bool,
}

pub(crate) async fn suppressions(
    State(floor): State<Floor>,
    came: Came,
    Listed(query, page): Listed<SuppressionQuery>,
) -> Result<Items<Suppression>, Problem> {
    Ok(Json(floor.suppressions(&came.caller, !query.all, &page).await?))
}

/// What is to be hidden, until when, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuppressionBody {
    rule_id: Option<String>,
    entity: Option<Entity>,
    source: Option<String>,
    up_to: Option<Level>,
    until: Micros,
    #[schemars(length(min = 1, max = 300))]
    reason: String,
}

pub(crate) async fn suppress(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<SuppressionBody>,
) -> Result<Created<Suppression>, Problem> {
    let SuppressionBody { rule_id, entity, source, up_to, until, reason } = body;
    let new = NewSuppression { rule_id, entity, source, up_to, until, reason };
    Ok(Created(floor.suppress(&came.caller, &new).await?))
}

pub(crate) async fn lift(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<SuppressionId>,
) -> Result<Json<Suppression>, Problem> {
    Ok(Json(floor.lift_suppression(&came.caller, id).await?))
}
