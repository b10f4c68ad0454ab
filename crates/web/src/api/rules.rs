//! Rules: those in force, and their text checked, tried, saved and taken away.

use app::{
    Floor, RuleChecked, RuleInForce, RuleRemoved, RuleSaved, RuleSwitched, RuleText, RuleTried,
};
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Body, Listed, Path, Whole};
use crate::caller::Came;
use crate::describe::{Fresh, Items, NoContent};
use crate::json::Json;
use crate::problem::Problem;
use crate::version::{IfMatch, Versioned};

pub(crate) async fn list(
    State(floor): State<Floor>,
    came: Came,
    Listed(Whole {}, page): Listed<Whole>,
) -> Result<Items<RuleInForce>, Problem> {
    Ok(Json(floor.rules(&came.caller, &page)?))
}

pub(crate) async fn one(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
) -> Result<Versioned<RuleText>, Problem> {
    let rule = floor.rule(&came.caller, &id)?;
    Ok(Versioned(rule.version, rule))
}

/// Lets a rule run again that was shut off because it took too long.
pub(crate) async fn lift(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
) -> Result<NoContent, Problem> {
    floor.lift_rule(&came.caller, &id).await?;
    Ok(NoContent)
}

/// Why a rule is switched off.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OffBody {
    /// For whoever wonders later: one line, 500 characters at most.
    reason: String,
}

pub(crate) async fn off(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
    Body(body): Body<OffBody>,
) -> Result<Json<RuleSwitched>, Problem> {
    Ok(Json(floor.switch_rule_off(&came.caller, &id, body.reason).await?))
}

/// Why a rule is switched on again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OnBody {
    /// Where there is something to say: one line, 500 characters at most.
    reason: Option<String>,
}

pub(crate) async fn on(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
    Body(body): Body<OnBody>,
) -> Result<Json<RuleSwitched>, Problem> {
    Ok(Json(floor.switch_rule_on(&came.caller, &id, body.reason).await?))
}

/// A text that is not saved.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextBody {
    /// Sigma, in YAML.
    text: String,
}

pub(crate) async fn check(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<TextBody>,
) -> Result<Fresh<RuleChecked>, Problem> {
    Ok(Fresh(floor.check_rule(&came.caller, body.text).await?))
}

/// A text that is not saved, and the events on which it is tried.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TryBody {
    /// Sigma, in YAML.
    text: String,
    /// From when on: a time, a day, or a span back from now such as `7d`; a day unless said.
    since: Option<String>,
    /// Before when, likewise; now unless said.
    until: Option<String>,
}

pub(crate) async fn test(
    State(floor): State<Floor>,
    came: Came,
    Body(body): Body<TryBody>,
) -> Result<Fresh<RuleTried>, Problem> {
    let TryBody { text, since, until } = body;
    Ok(Fresh(floor.try_rule(&came.caller, text, since, until).await?))
}

/// What a rule is to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveBody {
    /// Sigma, in YAML. It holds the rule of the id that the address names.
    text: String,
    /// The version that it was decided on; 0 when there was no such rule.
    expected: Option<u64>,
}

pub(crate) async fn save(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
    tag: IfMatch,
    Body(body): Body<SaveBody>,
) -> Result<Versioned<RuleSaved>, Problem> {
    let expected = tag.expected(body.expected)?;
    let saved = floor.save_rule(&came.caller, &id, expected, body.text).await;
    let saved = saved.map_err(|failure| tag.refused(failure))?;
    Ok(Versioned(saved.rule.version, saved))
}

pub(crate) async fn remove(
    State(floor): State<Floor>,
    came: Came,
    Path(id): Path<String>,
    tag: IfMatch,
) -> Result<Json<RuleRemoved>, Problem> {
    let expected = tag.expected(None)?;
    let removed = floor.remove_rule(&came.caller, &id, expected).await;
    Ok(Json(removed.map_err(|failure| tag.refused(failure))?))
}
