//! The tables, and how an older database gets them.

use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AssertSqlSafe, SqlSafeStr};

use crate::error::{LedgerError, Result};
use crate::ledger::Engine;

/// Every step, oldest first. A step that was released is never changed: a new one is added.
const STEPS: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("../migrations/0001_ledger.sql")),
    (2, "labels and identities", include_str!("../migrations/0002_labels_identities.sql")),
    (3, "searches", include_str!("../migrations/0003_searches.sql")),
    (4, "networks of senders", include_str!("../migrations/0004_sender_networks.sql")),
];

/// How long others are let go on before it is tried again.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// Brings the tables up to date, waiting for others at most for `patience`. A database that a newer version
/// wrote is refused.
pub(crate) async fn migrate(
    on: &mut AnyConnection,
    engine: Engine,
    patience: Duration,
) -> Result<()> {
    let step = |(version, name, text): &(i64, &'static str, &str)| {
        let text = AssertSqlSafe(for_engine(text, engine)).into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, text, false)
    };
    let steps = Migrator::with_migrations(STEPS.iter().map(step).collect());
    // SQLite has no lock for this: other processes may do the same at the same time, each step before us.
    let (until, mut overtaken) = (Instant::now() + patience, 0);
    loop {
        let error = match steps.run_direct(None, on, false).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                LedgerError::from(error)
            }
            Err(error) => {
                return Err(LedgerError::Unavailable {
                    inside: format!("the tables are of another version of Watchfloor: {error}"),
                });
            }
        };
        let busy = matches!(error, LedgerError::Busy { .. });
        overtaken += usize::from(!busy);
        if overtaken > STEPS.len() || Instant::now() > until {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The text as an engine reads it.
fn for_engine(text: &str, engine: Engine) -> String {
    match engine {
        Engine::Sqlite => text.replace("/*sqlite ", "").replace(" */", ""),
        Engine::Postgres => text.to_owned(),
    }
}
