//! Suppressions: what people chose not to be told, until when and why.
//!
//! A suppressed alert is kept and counted like any other; it is only left out of lists. A suppression
//! remembers the gravest level that it was made for, and what is graver shows, whether triage or a
//! person says so. It is looked up when alerts are read, so that it ends on the instant.

use model::{Alert, Entity, Level, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::alerts::found_by;
use crate::error::{LedgerError, Result};
use crate::ids::SuppressionId;
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::page::{Page, Paging};
use crate::sql::{Row, Sql, json as document, sql};
use crate::text::{entity_key, key, line};

/// No more are in force at once: each is compared with every alert that is read.
pub const MAX_SUPPRESSIONS: u64 = 500;

/// Whether suppression `s` hides alert `a`; followed by the time.
pub(crate) const HIDDEN: &str = "s.lifted_at IS NULL AND s.up_to >= a.level \
     AND s.up_to >= a.shown_level AND (s.rule_id IS NULL OR s.rule_id = a.rule_id) \
     AND (s.source IS NULL OR s.source = a.source) AND (s.entity IS NULL OR EXISTS ( \
     SELECT 1 FROM alert_entities e WHERE e.alert_id = a.alert_id AND e.entity = s.entity)) \
     AND s.until_at > ";

/// What to suppress. At least one of rule, entity and source must be named; an alert must meet all
/// that are.
#[derive(Debug, Clone)]
pub struct NewSuppression {
    /// Alerts of this rule.
    pub rule_id: Option<String>,
    /// Alerts about this entity.
    pub entity: Option<Entity>,
    /// Alerts from this source definition.
    pub source: Option<String>,
    /// The gravest level to hide; none takes the gravest alert that it would hide now.
    pub up_to: Option<Level>,
    /// Until when.
    pub until: Micros,
    /// Why.
    pub reason: String,
}

/// A suppression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Suppression {
    /// Its id.
    pub suppression_id: SuppressionId,
    /// Alerts of this rule.
    pub rule_id: Option<String>,
    /// Alerts about this entity.
    pub entity: Option<Entity>,
    /// Alerts from this source definition.
    pub source: Option<String>,
    /// The gravest level that it hides.
    pub up_to: Level,
    /// Until when.
    pub until: Micros,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub author: String,
    /// When.
    pub created_at: Micros,
    /// When it was lifted before its time.
    pub lifted_at: Option<Micros>,
    /// By whom.
    pub lifted_by: Option<String>,
    /// How many alerts it would hide, whether it is in force or not.
    pub alerts: u64,
}

impl Suppression {
    /// Whether it is in force.
    pub fn in_force(&self, now: Micros) -> bool {
        self.lifted_at.is_none() && self.until > now
    }

    /// Whether it hides an alert that triage gave a level, while it is in force.
    pub fn hides(&self, alert: &Alert) -> bool {
        let same = |said: &Option<String>, is: &str| said.as_ref().is_none_or(|s| *s == key(is));
        let about = self.entity.as_ref();
        let about = about.is_none_or(|entity| found_by(alert).contains(&entity_key(entity)));
        self.up_to >= alert.level
            && same(&self.rule_id, &alert.rule_id)
            && same(&self.source, &alert.source)
            && about
    }
}

/// Suppressions.
#[derive(Debug, Clone, Copy)]
pub struct Suppressions<'a>(pub(crate) &'a Ledger);

impl Suppressions<'_> {
    /// Makes one.
    pub async fn add(
        self,
        actor: &Actor,
        now: Micros,
        new: &NewSuppression,
    ) -> Result<Suppression> {
        if new.rule_id.is_none() && new.entity.is_none() && new.source.is_none() {
            let why = "name a rule, an entity or a source: everything cannot be suppressed";
            return Err(LedgerError::invalid("suppression", why));
        }
        if new.until <= now {
            return Err(LedgerError::invalid("until", "must be in the future"));
        }
        let reason = line("reason", &new.reason)?;
        let mut tx = self.0.begin().await?;
        let query = sql("SELECT COUNT(*) AS n FROM suppressions \
             WHERE lifted_at IS NULL AND until_at > $1");
        if query.bind(now).one(&mut tx).await?.get::<u64>("n")? >= MAX_SUPPRESSIONS {
            let why = format!("there are {MAX_SUPPRESSIONS} in force already; lift some");
            return Err(LedgerError::invalid("suppression", why));
        }
        let id = SuppressionId::next(&mut tx).await?;
        let entity = new.entity.as_ref();
        let query = sql("INSERT INTO suppressions (suppression_id, rule_id, entity, entity_told, \
             source, up_to, until_at, reason, author, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
        let query = query
            .bind(id)
            .bind(new.rule_id.as_deref().map(key))
            .bind(entity.map(entity_key))
            .bind(entity.map(document).transpose()?)
            .bind(new.source.as_deref().map(key))
            .bind(new.up_to.unwrap_or(Level::Critical))
            .bind(new.until)
            .bind(&reason)
            .bind(&actor.name)
            .bind(now);
        query.run(&mut tx).await?;
        if new.up_to.is_none() {
            up_to_gravest(&mut tx, id, now).await?;
        }
        let made = fetch(&mut tx, id).await?;
        tx.audit(
            (actor, now),
            "suppression.add",
            (Kind::Suppression, id),
            (None, Some(json!(made))),
        );
        tx.changed(Kind::Suppression, id, 1);
        tx.commit().await?;
        Ok(made)
    }

    /// Ends one before its time.
    pub async fn lift(self, actor: &Actor, now: Micros, id: SuppressionId) -> Result<Suppression> {
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, id).await?;
        if before.lifted_at.is_some() {
            return Ok(before);
        }
        let query = sql("UPDATE suppressions SET lifted_at = $1, lifted_by = $2 \
             WHERE suppression_id = $3");
        query.bind(now).bind(&actor.name).bind(id).run(&mut tx).await?;
        tx.audit((actor, now), "suppression.lift", (Kind::Suppression, id), (None, None));
        tx.changed(Kind::Suppression, id, 2);
        let after = fetch(&mut tx, id).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// One.
    pub async fn get(self, id: SuppressionId) -> Result<Suppression> {
        fetch(&mut *self.0.reader().await?, id).await
    }

    /// Those in force, or all, the newest first.
    pub async fn list(
        self,
        in_force: bool,
        paging: &Paging,
        now: Micros,
    ) -> Result<Page<Suppression>> {
        let mut query = select(true);
        if in_force {
            query.push(" AND s.lifted_at IS NULL AND s.until_at > ").arg(now);
        }
        paging.after(&mut query, "suppressions_n", "(s.suppression_id)")?;
        query.push(" ORDER BY s.suppression_id DESC LIMIT ").arg(i64::from(paging.limit()?) + 1);
        let rows = query.all(&mut *self.0.reader().await?).await?;
        let rows: Vec<Suppression> = rows.iter().map(read).collect::<Result<_>>()?;
        paging.page("suppressions_n", rows, |s| (Vec::new(), s.suppression_id.number().to_string()))
    }

    /// Those that hide an alert now. They do not say how many others they hide.
    pub async fn matching(self, alert: &Alert, now: Micros) -> Result<Vec<Suppression>> {
        let mut query = select(false);
        query.push(" AND s.lifted_at IS NULL AND s.until_at > ").arg(now);
        query.push(" AND (s.rule_id IS NULL OR s.rule_id = ").arg(key(&alert.rule_id));
        query.push(") ORDER BY s.suppression_id LIMIT ").arg(MAX_SUPPRESSIONS);
        let rows = query.all(&mut *self.0.reader().await?).await?;
        let all: Vec<Suppression> = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(all.into_iter().filter(|suppression| suppression.hides(alert)).collect())
    }
}

/// Lowers a fresh suppression to the gravest alert that it hides, or to the least level when there is
/// none.
async fn up_to_gravest(on: &mut AnyConnection, id: SuppressionId, now: Micros) -> Result<()> {
    let mut query = sql("SELECT MAX(CASE WHEN a.shown_level > a.level THEN a.shown_level \
         ELSE a.level END) AS level FROM alerts a, suppressions s WHERE s.suppression_id = ");
    query.arg(id).push(" AND ").push(HIDDEN).arg(now);
    let level: Option<Level> = query.one(on).await?.opt("level")?;
    let query = sql("UPDATE suppressions SET up_to = $1 WHERE suppression_id = $2");
    query.bind(level.unwrap_or_default()).bind(id).run(on).await.map(drop)
}

/// Starts a query; counts what each would hide, which costs a look at the alerts, or says 0.
fn select(counted: bool) -> Sql {
    let mut query = sql("SELECT s.suppression_id, s.rule_id, s.entity_told, s.source, s.up_to, \
         s.until_at, s.reason, s.author, s.created_at, s.lifted_at, s.lifted_by, ");
    query.push(if counted { COUNT } else { "0" });
    query.push(" AS alerts FROM suppressions s WHERE 1 = 1");
    query
}

const COUNT: &str = "(SELECT COUNT(*) FROM alerts a WHERE s.up_to >= a.level \
     AND s.up_to >= a.shown_level AND (s.rule_id IS NULL OR s.rule_id = a.rule_id) \
     AND (s.source IS NULL OR s.source = a.source) AND (s.entity IS NULL OR EXISTS ( \
     SELECT 1 FROM alert_entities e WHERE e.alert_id = a.alert_id AND e.entity = s.entity)))";

async fn fetch(on: &mut AnyConnection, id: SuppressionId) -> Result<Suppression> {
    let mut query = select(true);
    query.push(" AND s.suppression_id = ").arg(id);
    let row = query.maybe(on).await?;
    row.as_ref().map_or_else(|| Err(LedgerError::not_found(Kind::Suppression, id)), read)
}

fn read(row: &Row) -> Result<Suppression> {
    let entity = row.opt::<String>("entity_told")?.map(|_| row.json("entity_told")).transpose()?;
    Ok(Suppression {
        suppression_id: row.get("suppression_id")?,
        rule_id: row.opt("rule_id")?,
        entity,
        source: row.opt("source")?,
        up_to: row.get("up_to")?,
        until: row.get("until_at")?,
        reason: row.get("reason")?,
        author: row.get("author")?,
        created_at: row.get("created_at")?,
        lifted_at: row.opt("lifted_at")?,
        lifted_by: row.opt("lifted_by")?,
        alerts: row.get("alerts")?,
    })
}
