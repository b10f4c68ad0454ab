//! Which bytes were delivered before: whoever names events after the bytes they come from must know
//! when the same bytes come again.

use std::collections::{BTreeSet, HashMap};

use model::{Digest, Micros};

use crate::alerts::MAX_BATCH;
use crate::error::{LedgerError, Result};
use crate::ledger::Ledger;
use crate::sql::sql;

/// How many rows one statement takes.
const STRIDE: usize = 500;

/// Deliveries.
#[derive(Debug, Clone, Copy)]
pub struct Deliveries<'a>(pub(crate) &'a Ledger);

impl Deliveries<'_> {
    /// Notes deliveries by the SHA-256 of their bytes and their sequence numbers in the log, all or
    /// none, [`MAX_BATCH`] at most, and gives for each the sequence number of the first delivery with
    /// these bytes: its own when it is the first.
    pub async fn first_seen(self, all: &[(Digest, u64)], now: Micros) -> Result<Vec<u64>> {
        if all.len() > MAX_BATCH {
            return Err(LedgerError::invalid("deliveries", format!("may be {MAX_BATCH} at most")));
        }
        let mut tx = self.0.begin().await?;
        let mut first: HashMap<Digest, u64> = HashMap::with_capacity(all.len());
        for chunk in all.chunks(STRIDE) {
            // Of equal ones in one statement the first is meant, which databases do not promise.
            let mut twice = BTreeSet::new();
            let new: Vec<_> = chunk.iter().filter(|(digest, _)| twice.insert(*digest)).collect();
            let mut query = sql("INSERT INTO deliveries (digest, sequence, seen_at) VALUES ");
            for (nth, (digest, sequence)) in new.iter().enumerate() {
                query.push(if nth == 0 { "(" } else { ", (" }).arg(*digest);
                query.push(", ").arg(*sequence).push(", ").arg(now).push(")");
            }
            query.push(" ON CONFLICT (digest) DO NOTHING");
            query.run(&mut tx).await?;
            let mut query = sql("SELECT digest, sequence FROM deliveries WHERE digest IN ");
            query.list(new.iter().map(|(digest, _)| *digest));
            for row in query.all(&mut tx).await? {
                first.insert(row.get("digest")?, row.get("sequence")?);
            }
        }
        tx.commit().await?;
        let lost = || LedgerError::corrupt("a delivery that was stored is not there");
        all.iter().map(|(digest, _)| first.get(digest).copied().ok_or_else(lost)).collect()
    }

    /// Forgets deliveries from before a time, some thousands at most; says how many. Call it again
    /// until it says 0.
    pub async fn prune(self, before: Micros) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let mut query = sql("DELETE FROM deliveries WHERE digest IN ( \
             SELECT digest FROM deliveries WHERE seen_at < ");
        query.arg(before).push(" ORDER BY seen_at LIMIT ").arg(MAX_BATCH as u64).push(")");
        let gone = query.run(&mut tx).await?;
        tx.commit().await?;
        Ok(gone)
    }
}
