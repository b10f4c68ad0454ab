//! The tables, and how an older database gets them.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AssertSqlSafe, SqlSafeStr};

use crate::error::{LedgerError, Result};
use crate::ledger::Engine;

/// Every step, oldest first. A step that was released is never changed: a new one is added.
const STEPS: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("../migrations/0001_ledger.sql")),
    (2, "labels and identities", include_str!("../migrations/0002_labels_identities.sql")),
];

/// Brings the tables up to date. A database that a newer version wrote is refused.
pub(crate) async fn migrate(on: &mut AnyConnection, engine: Engine) -> Result<()> {
    let step = |(version, name, text): &(i64, &'static str, &str)| {
        let text = AssertSqlSafe(for_engine(text, engine)).into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, text, false)
    };
    let steps = Migrator::with_migrations(STEPS.iter().map(step).collect());
    let mut done = steps.run_direct(None, on, false).await;
    // SQLite has no lock for this: other processes may do the same at the same time, each step before us.
    for _ in STEPS {
        if done.is_ok() {
            break;
        }
        done = steps.run_direct(None, on, false).await;
    }
    done.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        error => LedgerError::Unavailable {
            inside: format!("the tables are of another version of Watchfloor: {error}"),
        },
    })
}

/// The text as an engine reads it.
fn for_engine(text: &str, engine: Engine) -> String {
    match engine {
        Engine::Sqlite => text.replace("/*sqlite ", "").replace(" */", ""),
        Engine::Postgres => text.to_owned(),
    }
}
