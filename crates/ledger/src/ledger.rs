//! The open ledger: its connections, its one writer, and how long it waits.

use std::fmt;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Transaction};
use tokio::sync::broadcast;

use crate::error::{LedgerError, Result};
use crate::news::{Change, Changes};
use crate::place::Place;
use crate::schema;
use crate::sql::{Sql, sql};
use crate::tx::Tx;

/// How many changes a slow listener may be behind before it misses some.
const FEED: usize = 1_024;
/// How often a transaction is begun again when the database is busy.
const TRIES: u32 = 3;

/// How long whoever comes in waits for that to be noted.
const NOTING: Duration = Duration::from_secs(2);

/// How to open.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many may read at once.
    pub readers: u32,
    /// How long a caller waits for a database that others hold, before it is told that it is busy.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 4, patience: Duration::from_secs(6) }
    }
}

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// In this process, in a file.
    Sqlite,
    /// A server.
    Postgres,
}

/// What people decided, in one SQL database. Cheap to clone; all clones share their connections.
///
/// Reads see what was committed before they began. Writes go one after the other, each in one
/// transaction with its audit line. Times are passed in; this room reads no clock.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    place: Place,
    engine: Engine,
    writer: AnyPool,
    readers: AnyPool,
    feed: broadcast::Sender<Change>,
}

impl Ledger {
    /// Opens the ledger and brings its tables up to date. A file that is not there is made.
    pub async fn open(place: &Place, options: &Options) -> Result<Self> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let engine = match place {
            Place::Sqlite(_) => Engine::Sqlite,
            Place::Postgres(_) => Engine::Postgres,
        };
        let address = place.address()?;
        // A pool would try again and again and then not say what was wrong.
        let on = tokio::time::timeout(options.patience, AnyConnection::connect(&address)).await;
        let silent = || LedgerError::Unavailable { inside: format!("{place} does not answer") };
        let mut on = on.map_err(|_| silent())??;
        // SQLite waits for nobody when it changes to the log's mode.
        let until = Instant::now() + options.patience;
        while let Err(error) =
            prepare(&mut on, engine, options.patience / TRIES, Use::Migrating).await
        {
            let error = LedgerError::from(error);
            if !matches!(error, LedgerError::Busy { .. }) || Instant::now() > until {
                return Err(error);
            }
            tokio::time::sleep(schema::PAUSE).await;
        }
        schema::migrate(&mut on, engine, options.patience).await?;
        on.close().await?;
        let writer = pool(engine, options, Use::Writing).connect_lazy(&address)?;
        let readers = pool(engine, options, Use::Reading).connect_lazy(&address)?;
        let (feed, _) = broadcast::channel(FEED);
        Ok(Self(Arc::new(Inner { place: place.clone(), engine, writer, readers, feed })))
    }

    /// Where it is kept.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Which database it is.
    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// Listens to what changes from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.0.feed.subscribe())
    }

    /// Whether the database answers, for health checks.
    pub async fn ping(&self) -> Result<()> {
        sql("SELECT 1 AS one").one(&mut *self.reader().await?).await.map(drop)
    }

    /// Lets what runs end, then closes all connections. SQLite folds its log into the file.
    pub async fn close(&self) {
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    /// A connection to read with, for one statement.
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Any>> {
        Ok(self.0.readers.acquire().await?)
    }

    /// A state that does not change while several statements read it.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Any>> {
        let begin = match self.0.engine {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(self.0.readers.begin_with(begin).await?)
    }

    /// Begins to write. On both databases one writes at a time, so that what was read within the
    /// transaction stays true until it is committed, and no statement after this one waits.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        let mut pause = Duration::from_millis(20);
        for _ in 1..TRIES {
            match self.try_begin().await {
                Err(LedgerError::Busy { .. }) => tokio::time::sleep(pause).await,
                done => return done,
            }
            pause *= 4;
        }
        self.try_begin().await
    }

    /// Writes down what is worth knowing and no reason to turn anybody away, where the database takes it now;
    /// says whether it did. On a full disk it takes nothing, and then people must still be able to look.
    pub(crate) async fn note(&self, query: Sql) -> Result<bool> {
        let written = async {
            let mut tx = self.try_begin().await?;
            query.run(&mut tx).await?;
            tx.commit().await
        };
        match tokio::time::timeout(NOTING, written).await {
            Ok(Ok(())) => Ok(true),
            Err(_) | Ok(Err(LedgerError::Busy { .. } | LedgerError::Unavailable { .. })) => {
                Ok(false)
            }
            Ok(Err(error)) => Err(error),
        }
    }

    async fn try_begin(&self) -> Result<Tx> {
        let inner = match self.0.engine {
            Engine::Sqlite => self.0.writer.begin_with("BEGIN IMMEDIATE").await?,
            Engine::Postgres => {
                let mut inner = self.0.writer.begin().await?;
                // Each ledger of a server has a schema of its own, and so a lock of its own.
                let lock =
                    "SELECT pg_advisory_xact_lock(94120, hashtext(coalesce(current_schema(), '')))";
                sql(lock).run(&mut inner).await?;
                inner
            }
        };
        Ok(Tx::new(inner, self.0.feed.clone()))
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger({})", self.0.place)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Migrating,
    Writing,
    Reading,
}

fn pool(engine: Engine, options: &Options, purpose: Use) -> AnyPoolOptions {
    let patience = options.patience;
    let connections = if purpose == Use::Writing { 1 } else { options.readers.max(1) };
    let pool = match engine {
        // A server may have gone away meanwhile, a file has not.
        Engine::Postgres => AnyPoolOptions::new().test_before_acquire(true),
        Engine::Sqlite => {
            AnyPoolOptions::new().test_before_acquire(false).idle_timeout(None).max_lifetime(None)
        }
    };
    pool.max_connections(connections)
        .acquire_timeout(patience)
        // A disk that is full ends a transaction by itself; the driver goes on believing in it, and
        // would begin no other on this connection.
        .before_acquire(|on, _| Box::pin(std::future::ready(Ok(!on.is_in_transaction()))))
        .after_connect(move |on, _| Box::pin(prepare(on, engine, patience / TRIES, purpose)))
}

/// Settings of a fresh connection.
async fn prepare(
    on: &mut AnyConnection,
    engine: Engine,
    patience: Duration,
    purpose: Use,
) -> sqlx::Result<()> {
    let wait = patience.as_millis().max(1);
    let mut settings = match engine {
        Engine::Sqlite => vec![
            format!("PRAGMA busy_timeout = {wait}"),
            "PRAGMA foreign_keys = ON".to_owned(),
            // In the log's mode the default may lose the last commits when the power goes.
            "PRAGMA synchronous = FULL".to_owned(),
            "PRAGMA temp_store = MEMORY".to_owned(),
            "PRAGMA trusted_schema = OFF".to_owned(),
        ],
        Engine::Postgres => vec![
            format!("SET lock_timeout = {wait}"),
            "SET idle_in_transaction_session_timeout = 60000".to_owned(),
            "SET application_name = 'watchfloor'".to_owned(),
        ],
    };
    match (engine, purpose) {
        (Engine::Sqlite, Use::Migrating | Use::Writing) => {
            settings.push("PRAGMA journal_mode = WAL".to_owned());
        }
        (Engine::Sqlite, Use::Reading) => settings.push("PRAGMA query_only = ON".to_owned()),
        (Engine::Postgres, Use::Migrating) => {}
        (Engine::Postgres, Use::Writing) => {
            settings.push("SET statement_timeout = 30000".to_owned());
        }
        (Engine::Postgres, Use::Reading) => {
            settings.push("SET statement_timeout = 30000".to_owned());
            settings.push("SET default_transaction_read_only = on".to_owned());
        }
    }
    for setting in settings {
        sqlx::raw_sql(sqlx::AssertSqlSafe(setting)).execute(&mut *on).await?;
    }
    Ok(())
}
