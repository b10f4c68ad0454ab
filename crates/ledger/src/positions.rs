//! How far each reader of the log has come. A position never goes back by itself.

use model::Micros;

use crate::error::Result;
use crate::ledger::Ledger;
use crate::sql::sql;
use crate::text::key;
use crate::tx::Tx;

/// Positions.
#[derive(Debug, Clone, Copy)]
pub struct Positions<'a>(pub(crate) &'a Ledger);

impl Positions<'_> {
    /// How far a reader has come; none when it never read.
    pub async fn get(self, name: &str) -> Result<Option<u64>> {
        let query = sql("SELECT sequence FROM positions WHERE name = $1").bind(key(name));
        let row = query.maybe(&mut *self.0.reader().await?).await?;
        row.map(|row| row.get("sequence")).transpose()
    }

    /// All readers, by name, 500 at most.
    pub async fn all(self) -> Result<Vec<(String, u64)>> {
        let query = sql("SELECT name, sequence FROM positions ORDER BY name LIMIT 500");
        let rows = query.all(&mut *self.0.reader().await?).await?;
        rows.iter().map(|row| Ok((row.get("name")?, row.get("sequence")?))).collect()
    }

    /// Notes that a reader has come this far; one that was further stays there. Says where it is.
    pub async fn advance(self, name: &str, sequence: u64, now: Micros) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let at = advance(&mut tx, name, sequence, now).await?;
        tx.commit().await?;
        Ok(at)
    }

    /// Sends a reader back to read again, or forgets it.
    pub async fn reset(self, name: &str, sequence: Option<u64>, now: Micros) -> Result<()> {
        let mut tx = self.0.begin().await?;
        sql("DELETE FROM positions WHERE name = $1").bind(key(name)).run(&mut tx).await?;
        if let Some(sequence) = sequence {
            advance(&mut tx, name, sequence, now).await?;
        }
        tx.commit().await
    }
}

pub(crate) async fn advance(tx: &mut Tx, name: &str, sequence: u64, now: Micros) -> Result<u64> {
    let query = sql("INSERT INTO positions (name, sequence, changed_at) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET sequence = CASE \
         WHEN excluded.sequence > positions.sequence THEN excluded.sequence \
         ELSE positions.sequence END, changed_at = excluded.changed_at RETURNING sequence");
    query.bind(key(name)).bind(sequence).bind(now).one(tx).await?.get("sequence")
}
