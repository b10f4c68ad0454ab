//! Alerts by a filter, in pages, and how many there would be of each kind.

use model::{Entity, IncidentId, Level, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::AnyConnection;

use crate::alerts::row::{AlertRow, AlertState, read, select};
use crate::error::Result;
use crate::page::{Page, Paging};
use crate::sql::{FromCell, Sql, sql};
use crate::suppressions::HIDDEN;
use crate::text::{entity_key, key, patterns};

/// A facet names no more rules or owners.
const MAX_FACET: i64 = 50;

/// Which alerts. The default is all that no suppression hides.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// In one of these states; none stands for any.
    pub states: Vec<AlertState>,
    /// Whose.
    pub owner: OwnedBy,
    /// Shown with this level or a graver one.
    pub level: Option<Level>,
    /// Of this rule.
    pub rule: Option<String>,
    /// From this source definition.
    pub source: Option<String>,
    /// About this entity.
    pub entity: Option<Entity>,
    /// With findings that bear this label.
    pub label: Option<String>,
    /// With all of these words in title, description, entities or reason.
    pub text: Option<String>,
    /// Still going on at or after this time.
    pub from: Option<Micros>,
    /// Begun before this time.
    pub to: Option<Micros>,
    /// In which incident.
    pub incident: InIncident,
    /// What suppressions hide.
    pub suppressed: Suppressed,
}

/// Whose alerts or incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OwnedBy {
    /// Anybody's and nobody's.
    #[default]
    Any,
    /// Nobody's.
    Nobody,
    /// This person's.
    Person(String),
}

/// In which incident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InIncident {
    /// In any or none.
    #[default]
    Any,
    /// In none.
    None,
    /// In this one, or one that was merged into it.
    Is(IncidentId),
}

/// What to do with alerts that a suppression hides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Suppressed {
    /// Leave them out.
    #[default]
    Hidden,
    /// Show them among the others.
    Shown,
    /// Show nothing else.
    Only,
}

/// In which order; of equals the latest, then the greatest id comes first. An alert that changes
/// while a reader turns the pages stands where it belongs now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AlertOrder {
    /// Latest event first.
    #[default]
    Latest,
    /// Latest first event first: the order that moves least.
    Begun,
    /// Gravest level first.
    Gravest,
    /// Highest risk first.
    Riskiest,
}

/// How many alerts there are of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Facets {
    /// All that the filter leaves.
    pub total: u64,
    /// By state.
    pub states: Vec<(AlertState, u64)>,
    /// By the level that is shown, gravest first.
    pub levels: Vec<(Level, u64)>,
    /// By rule, the most frequent ones.
    pub rules: Vec<RuleFacet>,
    /// By owner, the most frequent ones; none is nobody.
    pub owners: Vec<(Option<String>, u64)>,
}

/// How many alerts a rule has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleFacet {
    /// The rule.
    pub rule_id: String,
    /// Its title.
    pub title: String,
    /// How many.
    pub count: u64,
}

/// A part of the filter that a facet leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    State,
    Level,
    Rule,
    Owner,
    None,
}

pub(crate) async fn list(
    on: &mut AnyConnection,
    filter: &AlertFilter,
    order: AlertOrder,
    paging: &Paging,
    now: Micros,
) -> Result<Page<AlertRow>> {
    let (name, columns, ordered) = match order {
        AlertOrder::Latest => {
            ("latest", "(a.last_time, a.alert_id)", " ORDER BY a.last_time DESC, a.alert_id DESC")
        }
        AlertOrder::Begun => {
            ("begun", "(a.first_time, a.alert_id)", " ORDER BY a.first_time DESC, a.alert_id DESC")
        }
        AlertOrder::Gravest => (
            "gravest",
            "(a.shown_level, a.last_time, a.alert_id)",
            " ORDER BY a.shown_level DESC, a.last_time DESC, a.alert_id DESC",
        ),
        AlertOrder::Riskiest => (
            "riskiest",
            "(a.risk, a.last_time, a.alert_id)",
            " ORDER BY a.risk DESC, a.last_time DESC, a.alert_id DESC",
        ),
    };
    let mut query = select(now);
    conditions(&mut query, filter, Part::None, now)?;
    paging.after(&mut query, name, columns)?;
    query.push(ordered).push(" LIMIT ").arg(i64::from(paging.limit()?) + 1);
    let rows = query.all(on).await?;
    let rows: Vec<AlertRow> = rows.iter().map(read).collect::<Result<_>>()?;
    paging.page(name, rows, |row| {
        let (last, alert) = (row.alert.last_time.0, &row.alert);
        let numbers = match order {
            AlertOrder::Latest => vec![last],
            AlertOrder::Begun => vec![alert.first_time.0],
            AlertOrder::Gravest => vec![row.level as i64, last],
            AlertOrder::Riskiest => vec![i64::from(alert.risk), last],
        };
        (numbers, alert.alert_id.to_string())
    })
}

pub(crate) async fn facets(
    on: &mut AnyConnection,
    filter: &AlertFilter,
    now: Micros,
) -> Result<Facets> {
    let mut total = sql("SELECT COUNT(*) AS n FROM alerts a WHERE 1 = 1");
    conditions(&mut total, filter, Part::None, now)?;
    let states = sql("SELECT a.state AS value, COUNT(*) AS n FROM alerts a WHERE 1 = 1");
    let levels = sql("SELECT a.shown_level AS value, COUNT(*) AS n FROM alerts a WHERE 1 = 1");
    let owners = sql("SELECT a.owner AS value, COUNT(*) AS n FROM alerts a WHERE 1 = 1");
    let mut facets = Facets {
        total: total.one(on).await?.get("n")?,
        states: counted(on, states, " GROUP BY a.state", (filter, Part::State, now)).await?,
        levels: counted(on, levels, " GROUP BY a.shown_level", (filter, Part::Level, now)).await?,
        owners: maybe(on, owners, " GROUP BY a.owner", (filter, Part::Owner, now)).await?,
        rules: rules(on, filter, now).await?,
    };
    facets.states.sort();
    facets.levels.sort_by(|a, b| b.cmp(a));
    Ok(facets)
}

type Asked<'a> = (&'a AlertFilter, Part, Micros);

async fn counted<T: FromCell>(
    on: &mut AnyConnection,
    query: Sql,
    group: &'static str,
    asked: Asked<'_>,
) -> Result<Vec<(T, u64)>> {
    let all = maybe(on, query, group, asked).await?;
    Ok(all.into_iter().filter_map(|(value, n)| Some((value?, n))).collect())
}

async fn maybe<T: FromCell>(
    on: &mut AnyConnection,
    mut query: Sql,
    group: &'static str,
    (filter, part, now): Asked<'_>,
) -> Result<Vec<(Option<T>, u64)>> {
    conditions(&mut query, filter, part, now)?;
    query.push(group).push(" ORDER BY 2 DESC, 1 LIMIT ").arg(MAX_FACET);
    let rows = query.all(on).await?;
    rows.iter().map(|row| Ok((row.opt("value")?, row.get("n")?))).collect()
}

async fn rules(
    on: &mut AnyConnection,
    filter: &AlertFilter,
    now: Micros,
) -> Result<Vec<RuleFacet>> {
    let mut query = sql("SELECT a.rule_id, MAX(a.rule_title) AS title, COUNT(*) AS n \
         FROM alerts a WHERE 1 = 1");
    conditions(&mut query, filter, Part::Rule, now)?;
    query.push(" GROUP BY a.rule_id ORDER BY 3 DESC, 1 LIMIT ").arg(MAX_FACET);
    let rows = query.all(on).await?;
    let facet = |row: &crate::sql::Row| {
        Ok(RuleFacet {
            rule_id: row.get("rule_id")?,
            title: row.get("title")?,
            count: row.get("n")?,
        })
    };
    rows.iter().map(facet).collect()
}

/// Adds the filter's conditions, but for one part.
fn conditions(query: &mut Sql, filter: &AlertFilter, but: Part, now: Micros) -> Result<()> {
    if !filter.states.is_empty() && but != Part::State {
        query.push(" AND a.state IN ").list(filter.states.iter().copied());
    }
    match &filter.owner {
        OwnedBy::Nobody if but != Part::Owner => {
            query.push(" AND a.owner IS NULL");
        }
        OwnedBy::Person(name) if but != Part::Owner => {
            query.push(" AND a.owner = ").arg(name);
        }
        _ => {}
    }
    if let Some(level) = filter.level.filter(|_| but != Part::Level) {
        query.push(" AND a.shown_level >= ").arg(level);
    }
    if let Some(rule) = filter.rule.as_deref().filter(|_| but != Part::Rule) {
        query.push(" AND a.rule_id = ").arg(key(rule));
    }
    if let Some(source) = &filter.source {
        query.push(" AND a.source = ").arg(key(source));
    }
    if let Some(entity) = &filter.entity {
        query.push(
            " AND EXISTS (SELECT 1 FROM alert_entities e WHERE e.alert_id = a.alert_id \
             AND e.entity = ",
        );
        query.arg(entity_key(entity)).push(")");
    }
    if let Some(label) = &filter.label {
        query.push(
            " AND EXISTS (SELECT 1 FROM alert_labels l WHERE l.alert_id = a.alert_id \
             AND l.label = ",
        );
        query.arg(key(label)).push(")");
    }
    for pattern in patterns(filter.text.as_deref().unwrap_or_default())? {
        query.push(" AND a.search LIKE ").arg(pattern).push(" ESCAPE '\\'");
    }
    if let Some(from) = filter.from {
        query.push(" AND a.last_time >= ").arg(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND a.first_time < ").arg(to);
    }
    match filter.incident {
        InIncident::Any => {}
        InIncident::None => {
            query.push(" AND a.incident_id IS NULL");
        }
        InIncident::Is(id) => {
            query.push(" AND a.incident_id = ").arg(id);
        }
    }
    let how = match filter.suppressed {
        Suppressed::Shown => return Ok(()),
        Suppressed::Hidden => " AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE ",
        Suppressed::Only => " AND EXISTS (SELECT 1 FROM suppressions s WHERE ",
    };
    query.push(how).push(HIDDEN).arg(now).push(")");
    Ok(())
}
