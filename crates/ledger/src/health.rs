//! How well each source is heard: counted by sender and source definition.

use model::Micros;
use schemars::JsonSchema;
use serde::Serialize;

use crate::alerts::MAX_BATCH;
use crate::error::{LedgerError, Result};
use crate::ledger::Ledger;
use crate::sql::{Row, sql};
use crate::text::key;

/// No report counts more, so that sums stay whole numbers.
const MOST: u64 = 1 << 50;

/// What came since the last time; counts are added to those that stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// By name of the sender.
    pub sender: String,
    /// By name of the source definition; empty where none knew the records.
    pub definition: String,
    /// Events.
    pub events: u64,
    /// Bytes.
    pub bytes: u64,
    /// Lines that were not sound.
    pub flaws: u64,
    /// Records that no definition knew.
    pub unrecognised: u64,
    /// How long the latest event took to come, in microseconds.
    pub lag: i64,
    /// When the last of it came.
    pub seen: Micros,
    /// The latest event time among it.
    pub last_event: Option<Micros>,
}

/// How well a source is heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceHealth {
    /// By name of the sender.
    pub sender: String,
    /// By name of the source definition.
    pub definition: String,
    /// Events.
    pub events: u64,
    /// Bytes.
    pub bytes: u64,
    /// Lines that were not sound.
    pub flaws: u64,
    /// Records that no definition knew.
    pub unrecognised: u64,
    /// How long the latest event took to come, in microseconds.
    pub lag: i64,
    /// When it was first heard.
    pub first_seen: Micros,
    /// When it was last heard.
    pub last_seen: Micros,
    /// The latest event time.
    pub last_event: Option<Micros>,
}

/// The health of sources.
#[derive(Debug, Clone, Copy)]
pub struct Health<'a>(pub(crate) &'a Ledger);

impl Health<'_> {
    /// Adds what came.
    pub async fn heard(self, all: &[Heard]) -> Result<()> {
        if all.len() > MAX_BATCH {
            return Err(LedgerError::invalid("sources", format!("may be {MAX_BATCH} at most")));
        }
        let mut tx = self.0.begin().await?;
        for heard in all {
            let query =
                sql("INSERT INTO source_health (sender, definition, events, bytes, flaws, \
                 unrecognised, lag, first_seen, last_seen, last_event) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9) \
                 ON CONFLICT (sender, definition) DO UPDATE SET \
                 events = source_health.events + excluded.events, \
                 bytes = source_health.bytes + excluded.bytes, \
                 flaws = source_health.flaws + excluded.flaws, \
                 unrecognised = source_health.unrecognised + excluded.unrecognised, \
                 lag = excluded.lag, \
                 last_seen = CASE WHEN excluded.last_seen > source_health.last_seen \
                     THEN excluded.last_seen ELSE source_health.last_seen END, \
                 last_event = CASE WHEN source_health.last_event IS NULL \
                     OR excluded.last_event > source_health.last_event \
                     THEN excluded.last_event ELSE source_health.last_event END");
            let query = query.bind(key(&heard.sender)).bind(key(&heard.definition));
            let [events, bytes, flaws, unrecognised] =
                [heard.events, heard.bytes, heard.flaws, heard.unrecognised].map(|n| n.min(MOST));
            let query = query.bind(events).bind(bytes).bind(flaws).bind(unrecognised);
            let query = query.bind(heard.lag).bind(heard.seen);
            query.bind(heard.last_event).run(&mut tx).await?;
        }
        tx.commit().await
    }

    /// All sources, or those of one sender, by name, 500 from an offset on.
    pub async fn list(self, sender: Option<&str>, offset: u32) -> Result<Vec<SourceHealth>> {
        let mut query = sql("SELECT sender, definition, events, bytes, flaws, unrecognised, lag, \
             first_seen, last_seen, last_event FROM source_health WHERE 1 = 1");
        if let Some(sender) = sender {
            query.push(" AND sender = ").arg(key(sender));
        }
        query.push(" ORDER BY sender, definition LIMIT 500 OFFSET ").arg(i64::from(offset));
        query.all(&mut *self.0.reader().await?).await?.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<SourceHealth> {
    Ok(SourceHealth {
        sender: row.get("sender")?,
        definition: row.get("definition")?,
        events: row.get("events")?,
        bytes: row.get("bytes")?,
        flaws: row.get("flaws")?,
        unrecognised: row.get("unrecognised")?,
        lag: row.get("lag")?,
        first_seen: row.get("first_seen")?,
        last_seen: row.get("last_seen")?,
        last_event: row.opt("last_event")?,
    })
}
