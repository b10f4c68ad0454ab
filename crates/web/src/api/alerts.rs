//! Alerts, their comments, and suppressions.

use app::Floor;
use app::ledger::{
    AlertChange, AlertFilter, AlertOrder, AlertState, AlertStatus, InIncident, NewSuppression, On,
    OwnedBy, Suppressed,
};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use model::{AlertId, Entity, EntityKind, Level, Micros};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, PageQuery, Path, Query, given, parsed, word, words};
use crate::caller::Came;
use crate::problem::Problem;

/// Which alerts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AlertQuery {
    state: Option<String>,
    owner: Option<String>,
    level: Option<String>,
    rule: Option<String>,
    source: Option<String>,
    entity: Option<String>,
    text: Option<String>,
    from: Option<String>,
    to: Option<String>,
    incident: Option<String>,
    suppressed: Option<String>,
    order: Option<String>,
}

impl AlertQuery {
    fn filter(&self) -> Result<AlertFilter, Problem> {
        let states =
            words(self.state.as_ref()).map(|text| word("state", text, AlertState::from_name));
        Ok(AlertFilter {
            states: states.collect::<Result<_, _>>()?,
            owner: owner(self.owner.as_deref()),
            level: level(self.level.as_deref())?,
            rule: self.rule.clone(),
            source: self.source.clone(),
            entity: entity(self.entity.as_deref())?,
            text: self.text.clone(),
            from: time("from", self.from.as_deref())?,
            to: time("to", self.to.as_deref())?,
            incident: match self.incident.as_deref() {
                None => InIncident::Any,
                Some("none") => InIncident::None,
                Some(id) => InIncident::Is(parsed("incident", id)?),
            },
            suppressed: match self.suppressed.as_deref() {
                None | Some("hidden") => Suppressed::Hidden,
                Some("shown") => Suppressed::Shown,
                Some("only") => Suppressed::Only,
                Some(_) => return Err(Problem::bad("suppressed: hidden, shown or only")),
            },
        })
    }

    fn order(&self) -> Result<AlertOrder, Problem> {
        Ok(match self.order.as_deref() {
            None | Some("latest") => AlertOrder::Latest,
            Some("begun") => AlertOrder::Begun,
            Some("gravest") => AlertOrder::Gravest,
            Some("riskiest") => AlertOrder::Riskiest,
            Some(_) => return Err(Problem::bad("order: latest, begun, gravest or riskiest")),
        })
    }
}

pub(crate) fn owner(text: Option<&str>) -> OwnedBy {
    match text {
        None => OwnedBy::Any,
        Some("none") => OwnedBy::Nobody,
        Some(login) => OwnedBy::Person(login.to_owned()),
    }
}

pub(crate) fn level(text: Option<&str>) -> Result<Option<Level>, Problem> {
    text.map(|text| word("level", text, Level::from_name)).transpose()
}

pub(crate) fn entity(text: Option<&str>) -> Result<Option<Entity>, Problem> {
    let read = |text: &str| {
        let (kind, value) = text.split_once(':')?;
        Some(Entity::new(EntityKind::from_name(kind)?, value))
    };
    let wrong = || Problem::bad("entity: write kind:value, such as user:anna or address:192.0.2.7");
    text.map(|text| read(text).ok_or_else(wrong)).transpose()
}

pub(crate) fn time(what: &str, text: Option<&str>) -> Result<Option<Micros>, Problem> {
    text.map(|text| parsed(what, text)).transpose()
}

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
    Query(query): Query<AlertQuery>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    let found =
        floor.alerts(&came.caller, &query.filter()?, query.order()?, &page.paging()).await?;
    Ok(Json(found))
}

pub(crate) async fn facets(
    State(floor): State<Floor>,
    came: Came,
    Query(query): Query<AlertQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.alert_facets(&came.caller, &query.filter()?).await?))
}

pub(crate) async fn one(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<AlertId>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.alert(&came.caller, id).await?))
}

pub(crate) async fn findings(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<AlertId>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.alert_findings(&came.caller, id, &page.paging()).await?))
}

/// A decision on an alert. What is left out stays; `null` takes away.
#[derive(Debug, Deserialize)]
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
    Body(body): Body<AlertBody>,
) -> Result<impl IntoResponse, Problem> {
    let expected = body.expected;
    Ok(Json(floor.change_alert(&came.caller, id, expected, &body.change()).await?))
}

/// The same decision on many alerts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkBody {
    alerts: Vec<BulkAlert>,
    change: AlertBody,
}

/// An alert of a bulk decision, and the version that it was made on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkAlert {
    alert_id: AlertId,
    expected: Option<u64>,
}

pub(crate) async fn bulk(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<BulkBody>,
) -> Result<impl IntoResponse, Problem> {
    let items: Vec<_> = body.alerts.iter().map(|item| (item.alert_id, item.expected)).collect();
    let done = floor.change_alerts(&came.caller, &items, &body.change.change()).await?;
    let told: Vec<Value> = done
        .into_iter()
        .map(|(id, result)| match result {
            Ok(alert) => json!({ "alert_id": id, "alert": alert }),
            Err(error) => json!({ "alert_id": id, "error": error.to_string() }),
        })
        .collect();
    Ok(Json(json!({ "items": told })))
}

/// A comment, in Markdown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommentBody {
    pub(crate) text: String,
}

pub(crate) async fn comments(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<AlertId>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.comments(&came.caller, On::Alert(id), &page.paging()).await?))
}

pub(crate) async fn comment(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<AlertId>,
    Body(body): Body<CommentBody>,
) -> Result<impl IntoResponse, Problem> {
    let made = floor.add_comment(&came.caller, On::Alert(id), &body.text).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Which suppressions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SuppressionQuery {
    all: bool,
}

pub(crate) async fn suppressions(
    State(floor): State<Floor>,
    came: Came,
    Query(query): Query<SuppressionQuery>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.suppressions(&came.caller, !query.all, &page.paging()).await?))
}

/// What is to be hidden, until when, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuppressionBody {
    rule_id: Option<String>,
    entity: Option<Entity>,
    source: Option<String>,
    up_to: Option<Level>,
    until: Micros,
    reason: String,
}

pub(crate) async fn suppress(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<SuppressionBody>,
) -> Result<impl IntoResponse, Problem> {
    let SuppressionBody { rule_id, entity, source, up_to, until, reason } = body;
    let new = NewSuppression { rule_id, entity, source, up_to, until, reason };
    Ok((StatusCode::CREATED, Json(floor.suppress(&came.caller, &new).await?)))
}

pub(crate) async fn lift(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(floor.lift_suppression(&came.caller, parsed("suppression", &id)?).await?))
}
