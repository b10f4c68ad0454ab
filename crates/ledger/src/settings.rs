//! Settings that people change while the program runs, as JSON. A secret among them is sealed before
//! it comes here, and says so, so that the audit trail does not repeat it.

use std::fmt;

use model::Micros;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::error::{LedgerError, Result};
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::sql::{Row, sql};
use crate::text::{MAX_BODY, begins, line};

/// A setting.
#[derive(Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: Value,
    /// Counts its changes, from 1.
    pub version: u64,
    /// Who changed it last.
    pub changed_by: String,
    /// When.
    pub changed_at: Micros,
}

impl fmt::Debug for Setting {
    /// Without the value, which may be one that nobody else should read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({} version {})", self.name, self.version)
    }
}

/// What the audit trail keeps of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// The value before and after.
    Values,
    /// That it changed.
    Nothing,
}

/// Settings.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a>(pub(crate) &'a Ledger);

impl Settings<'_> {
    /// One, if it was ever set.
    pub async fn get(self, name: &str) -> Result<Option<Setting>> {
        fetch(&mut *self.0.reader().await?, name).await
    }

    /// Those whose names begin so, by name, 500 at most.
    pub async fn list(self, prefix: &str) -> Result<Vec<Setting>> {
        let mut query = sql(SELECT);
        query.push(" AND name LIKE ").arg(begins(prefix)).push(" ESCAPE '\\'");
        query.push(" ORDER BY name LIMIT 500");
        let rows = query.all(&mut *self.0.reader().await?).await?;
        let mut found: Vec<Setting> = rows.iter().map(read).collect::<Result<_>>()?;
        // SQLite's LIKE takes `A` for `a`.
        found.retain(|setting| setting.name.starts_with(prefix));
        Ok(found)
    }

    /// Sets one. `expected` is the version that was there (0: none).
    pub async fn set(
        self,
        actor: &Actor,
        now: Micros,
        (name, value): (&str, &Value),
        expected: Option<u64>,
        telling: Telling,
    ) -> Result<Setting> {
        let name = line("name", name)?;
        let text = value.to_string();
        if text.len() > MAX_BODY {
            return Err(LedgerError::invalid(
                "value",
                format!("may have {MAX_BODY} bytes at most"),
            ));
        }
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, &name).await?;
        let current = before.as_ref().map_or(0, |setting| setting.version);
        let stands = json!({ "version": current });
        LedgerError::check_version((Kind::Setting, &name), expected, current, &stands)?;
        let query = sql("INSERT INTO settings (name, value, version, changed_by, changed_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET value = excluded.value, \
             version = excluded.version, changed_by = excluded.changed_by, \
             changed_at = excluded.changed_at");
        let query = query.bind(&name).bind(text).bind(current + 1).bind(&actor.name).bind(now);
        query.run(&mut tx).await?;
        let sides = match telling {
            Telling::Values => (before.map(|setting| setting.value), Some(value.clone())),
            Telling::Nothing => (None, None),
        };
        tx.audit((actor, now), "setting.set", (Kind::Setting, &name), sides);
        tx.changed(Kind::Setting, &name, current + 1);
        tx.commit().await?;
        let (value, changed_by) = (value.clone(), actor.name.clone());
        Ok(Setting { name, value, version: current + 1, changed_by, changed_at: now })
    }
}

const SELECT: &str =
    "SELECT name, value, version, changed_by, changed_at FROM settings WHERE 1 = 1";

async fn fetch(on: &mut AnyConnection, name: &str) -> Result<Option<Setting>> {
    let mut query = sql(SELECT);
    query.push(" AND name = ").arg(name);
    query.maybe(on).await?.map(|row| read(&row)).transpose()
}

fn read(row: &Row) -> Result<Setting> {
    Ok(Setting {
        name: row.get("name")?,
        value: row.json("value")?,
        version: row.get("version")?,
        changed_by: row.get("changed_by")?,
        changed_at: row.get("changed_at")?,
    })
}
