//! Saved positions of pollers: whatever text the other side gave to go on from. Two pollers of one
//! name cannot both go on: the slower one is told.

use model::Micros;
use serde::Serialize;
use sqlx::AnyConnection;

use crate::error::{LedgerError, Result};
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::sql::{Row, sql};
use crate::text::{begins, body, key};

/// A saved position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// What the other side gave.
    pub value: String,
    /// Counts how often it was saved, from 1.
    pub version: u64,
    /// When it was saved.
    pub changed_at: Micros,
}

/// Pollers' positions.
#[derive(Debug, Clone, Copy)]
pub struct Cursors<'a>(pub(crate) &'a Ledger);

impl Cursors<'_> {
    /// What was saved.
    pub async fn get(self, name: &str) -> Result<Option<Saved>> {
        fetch(&mut *self.0.reader().await?, name).await
    }

    /// Saves a position over the one of version `expected` (0 when there is none yet) and gives the
    /// new version. When another was saved meanwhile, it is told and stays.
    pub async fn set(self, name: &str, expected: u64, value: &str, now: Micros) -> Result<u64> {
        let value = body("cursor", value)?;
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, name).await?;
        let current = before.as_ref().map_or(0, |saved| saved.version);
        LedgerError::check_version((Kind::Cursor, name), Some(expected), current, &before)?;
        let query = sql("INSERT INTO cursors (name, value, version, changed_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET value = excluded.value, \
             version = excluded.version, changed_at = excluded.changed_at");
        let query = query.bind(key(name)).bind(value).bind(current + 1).bind(now);
        query.run(&mut tx).await?;
        tx.commit().await?;
        Ok(current + 1)
    }

    /// Saves positions whatever stands there, all or none: for whoever alone saves under these names.
    pub async fn put(self, all: &[(&str, &str)], now: Micros) -> Result<()> {
        let mut tx = self.0.begin().await?;
        for (name, value) in all {
            let query = sql("INSERT INTO cursors (name, value, version, changed_at) \
                 VALUES ($1, $2, 1, $3) ON CONFLICT (name) DO UPDATE SET value = excluded.value, \
                 version = cursors.version + 1, changed_at = excluded.changed_at");
            let query = query.bind(key(name)).bind(body("cursor", value)?).bind(now);
            query.run(&mut tx).await?;
        }
        tx.commit().await
    }

    /// All whose names begin so, by name.
    pub async fn below(self, prefix: &str) -> Result<Vec<(String, Saved)>> {
        let mut all: Vec<(String, Saved)> = Vec::new();
        loop {
            let mut query =
                sql("SELECT name, value, version, changed_at FROM cursors WHERE name > ");
            query.arg(all.last().map_or("", |(name, _)| name.as_str()).to_owned());
            query.push(" AND name LIKE ").arg(begins(prefix)).push(" ESCAPE '\\'");
            query.push(" ORDER BY name LIMIT 500");
            let rows = query.all(&mut *self.0.reader().await?).await?;
            for row in &rows {
                all.push((row.get("name")?, read(row)?));
            }
            if rows.len() < 500 {
                return Ok(all);
            }
        }
    }

    /// Forgets some.
    pub async fn remove(self, names: &[String]) -> Result<()> {
        let mut tx = self.0.begin().await?;
        for name in names {
            sql("DELETE FROM cursors WHERE name = $1").bind(key(name)).run(&mut tx).await?;
        }
        tx.commit().await
    }
}

async fn fetch(on: &mut AnyConnection, name: &str) -> Result<Option<Saved>> {
    let query = sql("SELECT value, version, changed_at FROM cursors WHERE name = $1");
    let row = query.bind(key(name)).maybe(on).await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<Saved> {
    Ok(Saved {
        value: row.get("value")?,
        version: row.get("version")?,
        changed_at: row.get("changed_at")?,
    })
}
