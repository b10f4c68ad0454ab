//! Ledgers to test with, and the nouns that they are filled with.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ledger::{Actor, Engine, Ledger, Options, Place};
use model::{
    Alert, AlertId, Digest, Entity, EntityKind, Hasher, Incident, IncidentId, Level, Micros,
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

/// Makes of each function a test over SQLite and one over Postgres.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { crate::common::on_sqlite(super::$name); })+
        }
        mod postgres {
            $(#[test] fn $name() { crate::common::on_postgres(super::$name); })+
        }
    };
}
pub(crate) use on_both;

/// A ledger of its own, and its place.
pub(crate) struct House {
    pub(crate) ledger: Ledger,
    pub(crate) place: Place,
    _folder: Option<tempfile::TempDir>,
}

impl House {
    /// A connection past the ledger, for tampering.
    pub(crate) async fn raw(&self) -> AnyConnection {
        let address = match &self.place {
            Place::Sqlite(path) => format!("sqlite://{}?mode=rw", path.display()),
            Place::Postgres(url) => url.to_string(),
        };
        AnyConnection::connect(&address).await.unwrap()
    }

    /// Runs a statement past the ledger; says how many rows it changed.
    pub(crate) async fn tamper(&self, statement: &str) -> u64 {
        let mut on = self.raw().await;
        let done = on.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        on.close().await.unwrap();
        done.rows_affected()
    }

    /// A place beside this one where there is nothing yet.
    pub(crate) async fn another_place(&self) -> Place {
        match &self.place {
            Place::Sqlite(path) => Place::Sqlite(path.with_file_name("another.db")),
            Place::Postgres(url) => {
                let schema = url.as_str().rsplit("%3D").next().unwrap();
                self.tamper(&format!("CREATE SCHEMA {schema}_another")).await;
                Place::parse(&format!("{url}_another")).unwrap()
            }
        }
    }

    /// Takes the lock that writers wait for, past the ledger.
    pub(crate) async fn held(&self) -> AnyConnection {
        let mut on = self.raw().await;
        let begin = if self.is_sqlite() {
            "BEGIN IMMEDIATE".to_owned()
        } else {
            "BEGIN; SELECT pg_advisory_xact_lock(94120, hashtext(coalesce(current_schema(), '')))"
                .to_owned()
        };
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut on).await.unwrap();
        on
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.ledger.engine() == Engine::Sqlite
    }
}

pub(crate) fn options() -> Options {
    Options { readers: 2, patience: Duration::from_secs(30) }
}

pub(crate) fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(House) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::in_folder(folder.path());
    run(place, Some(folder), test);
}

pub(crate) fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(House) -> F) {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let Some(server) = postgres() else {
        assert!(std::env::var_os("CI").is_none(), "no Postgres: apt-get install postgresql");
        eprintln!("skipped: no Postgres (apt-get install postgresql)");
        return;
    };
    let schema = format!("ledger_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let base = format!("postgres://watch@localhost/postgres?host={server}");
    let url = format!("{base}&options=-c%20search_path%3D{schema}");
    runtime().block_on(async {
        sqlx::any::install_default_drivers();
        let mut on = AnyConnection::connect(&base).await.unwrap();
        on.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        on.close().await.unwrap();
    });
    run(Place::parse(&url).unwrap(), None, test);
}

fn run<F: Future<Output = ()>>(
    place: Place,
    folder: Option<tempfile::TempDir>,
    test: impl FnOnce(House) -> F,
) {
    runtime().block_on(async {
        let ledger = Ledger::open(&place, &options()).await.unwrap();
        test(House { ledger, place, _folder: folder }).await;
    });
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// Starts a server in a folder of its own and says where it listens. It stops, and its folder goes,
/// when this process ends, however it ends: the script waits for the end of its input. Its collation
/// is not that of bytes, so that nothing here leans on the order of bytes.
const SERVER: &str = r#"
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
if [ -n "$bin" ]; then PATH="$bin:$PATH"; fi
command -v initdb >/dev/null || { echo none; exit 0; }
dir=$(mktemp -d /tmp/ledger-pg.XXXXXX)
trap 'rm -rf "$dir"' EXIT
initdb -D "$dir/data" -U watch --auth=trust -E UTF8 --locale=C.UTF-8 \
    --locale-provider=icu --icu-locale=en-US >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
postgres -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c max_connections=200 \
    >>"$dir/log" 2>&1 &
server=$!
until pg_isready -q -h "$dir"; do
    kill -0 $server 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
    sleep 0.05
done
echo "$dir"
cat >/dev/null
kill -INT $server
wait $server || true
"#;

/// The folder in which the server's socket is; none when there is no Postgres on this machine.
fn postgres() -> Option<&'static str> {
    static SERVER_FOLDER: OnceLock<Option<(String, Child)>> = OnceLock::new();
    let started = SERVER_FOLDER.get_or_init(|| {
        let root = Path::new("/root").metadata().is_ok() && is_root();
        // Postgres refuses to run as root.
        let mut command = if root { Command::new("runuser") } else { Command::new("bash") };
        if root {
            command.args(["-u", "postgres", "--", "bash"]);
        }
        let mut child = command
            .args(["-c", SERVER])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
        let folder = line.trim();
        (!folder.is_empty() && folder != "none").then(|| (folder.to_owned(), child))
    });
    started.as_ref().map(|(folder, _)| folder.as_str())
}

fn is_root() -> bool {
    let mut status = String::new();
    let file = std::fs::File::open("/proc/self/status");
    file.and_then(|mut file| file.read_to_string(&mut status)).is_ok()
        && status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

/// A time, in seconds after some Sunday.
pub(crate) fn at(seconds: i64) -> Micros {
    Micros::from_seconds(1_800_000_000 + seconds)
}

pub(crate) fn alice() -> Actor {
    Actor::person("alice", "192.0.2.7".parse().ok())
}

pub(crate) fn bob() -> Actor {
    Actor::person("bob", None)
}

pub(crate) fn user(name: &str) -> Entity {
    Entity::new(EntityKind::User, name)
}

pub(crate) fn alert_id(number: u64) -> AlertId {
    Hasher::new("test alert").number(number).into()
}

pub(crate) fn incident_id(number: u64) -> IncidentId {
    Hasher::new("test incident").number(number).into()
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// An alert of rule `rule-N` about user `user-N`, medium, at second N.
pub(crate) fn alert(number: u64) -> Alert {
    let time = at(number as i64);
    Alert {
        alert_id: alert_id(number),
        rule_id: format!("rule-{number}").into(),
        rule_title: format!("Title {number}").into(),
        description: "Something was seen".into(),
        entity: Some(user(&format!("user-{number}"))),
        entities: vec![user(&format!("user-{number}"))],
        level: Level::Medium,
        count: 1,
        first_time: time,
        last_time: time,
        finding_ids: Vec::new(),
        tactics: Vec::new(),
        techniques: Vec::new(),
        source: "linux_sshd".into(),
        risk: 40,
        risk_parts: Vec::new(),
        reason: "one rule on one user".to_owned(),
    }
}

/// An incident of these alerts, medium.
pub(crate) fn incident(number: u64, alerts: &[u64]) -> Incident {
    Incident {
        incident_id: incident_id(number),
        title: format!("Incident {number}"),
        summary: format!("Summary of {number}"),
        severity: Level::Medium,
        risk: 50,
        risk_parts: Vec::new(),
        alert_ids: alerts.iter().map(|n| alert_id(*n)).collect(),
        finding_count: alerts.len() as u64,
        first_time: at(alerts.first().map_or(0, |n| *n as i64)),
        last_time: at(100),
        entities: Vec::new(),
        tactics: Vec::new(),
        techniques: Vec::new(),
        sources: Vec::new(),
        reason: "tied by a user".to_owned(),
        next_steps: Vec::new(),
    }
}
