//! A lake as the application uses it: runs that end, runs that are cut short, runs that come again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use datafusion::prelude::SessionContext;
use lake::{EventRows, FlawRow, Lake, ParcelRow, Run, RunRow, Table};
use model::{Digest, Flaw, FlawKind, LogSource, Micros, Parcel, Provenance, Value};

const DAY: i64 = 86_400_000_000;

fn events(parcel: Digest, count: i64, start: Micros) -> EventRows {
    let mut rows = EventRows::new();
    let class = ocsf::class("authentication").unwrap();
    let user = ocsf::column("user.name").unwrap();
    for n in 0..count {
        let mut event = ocsf::Event::new(class, Micros(start.0 + n * 1_000_000));
        event.set(user, ocsf::Scalar::Text(format!("user{}", n % 7).into()));
        let raw = format!("{{\"n\":{n},\"user\":\"user{}\"}}", n % 7);
        let native = Value::Map(vec![("n".into(), n.into())]);
        let provenance = Provenance {
            parcel,
            offset: n as u64 * 30,
            index: 0,
            parser: "json",
            definition: "test",
            definition_version: 1,
        };
        let source = LogSource::new("test", "", "auth");
        rows.push(&event, &provenance, Micros(0), &native, raw.as_bytes(), &source);
    }
    rows
}

fn parcel(digest: Digest) -> ParcelRow {
    ParcelRow {
        parcel: Parcel { digest, origin: "a.json".into(), size: 1, received_at: Micros(0) },
        format: "json".into(),
        records: 1,
        events: 1,
        lost: 0,
        flaws: 0,
        note: String::new(),
        span: None,
    }
}

fn run_row(key: &str) -> RunRow {
    RunRow {
        run_key: key.into(),
        started_at: Micros(0),
        finished_at: Micros(1),
        version: "test".into(),
        summary: serde_json::json!({}),
    }
}

/// Writes what a run of one parcel writes.
fn fill(run: &Run, key: &str, digest: Digest, count: i64) {
    let writer = run.writer();
    let start: Micros = "2026-11-20T22:00:00Z".parse().unwrap();
    writer.write(Table::Events, events(digest, count, start).finish().unwrap()).unwrap();
    let flaw = Flaw { offset: 3, kind: FlawKind::Syntax, message: "odd".into(), record_lost: true };
    let flaws = [FlawRow { parcel: Some(digest), origin: "a.json".into(), flaw }];
    writer.write(Table::Flaws, lake::flaws_batch(&flaws).unwrap()).unwrap();
    writer.write(Table::Parcels, lake::parcels_batch(&[parcel(digest)]).unwrap()).unwrap();
    writer.write(Table::Runs, lake::runs_batch(&[run_row(key)]).unwrap()).unwrap();
}

async fn ask(lake: &Lake, table: Table, sql: &str) -> i64 {
    let snapshot = lake.provider(table).await.unwrap();
    let context = SessionContext::new();
    if let Some(store) = snapshot.store() {
        context.register_object_store(snapshot.store_url().unwrap().as_ref(), store);
    }
    context.register_table(table.name(), snapshot).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

async fn count(lake: &Lake, table: Table) -> i64 {
    ask(lake, table, &format!("SELECT count(*) FROM {}", table.name())).await
}

fn parquet_files(folder: &Path) -> usize {
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found += parquet_files(&path);
        } else if path.extension().is_some_and(|e| e == "parquet") {
            found += 1;
        }
    }
    found
}

#[tokio::test]
async fn a_run_is_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
    assert_eq!(count(&lake, Table::Events).await, 0, "a lake that is not there is empty");
    let digest = Digest::of(b"one");
    for again in [false, true] {
        let run = lake.run("evidence one").await.unwrap();
        assert_eq!(run.is_complete(), again);
        fill(&run, "evidence one", digest, 10_000);
        let done = run.commit().await.unwrap();
        assert_eq!(done.rows.get(&Table::Events).copied(), (!again).then_some(10_000));
        assert_eq!(count(&lake, Table::Events).await, 10_000);
        assert_eq!(count(&lake, Table::Flaws).await, 1);
    }
    assert_eq!(lake.known_parcels().await.unwrap().into_iter().collect::<Vec<_>>(), [digest]);
    let midnight = "SELECT count(*) FROM events WHERE time >= '2026-11-21T00:00:00Z'";
    assert_eq!(ask(&lake, Table::Events, midnight).await, 10_000 - 7_200);
    let stored = "SELECT count(*) FROM events WHERE native IS NULL AND raw_data LIKE '{\"n\":%'";
    assert_eq!(ask(&lake, Table::Events, stored).await, 10_000);
    // Two days of their own.
    assert_eq!(parquet_files(&dir.path().join("events")), 2);
}

#[tokio::test]
async fn nothing_is_seen_of_a_run_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
    let run = lake.run("killed").await.unwrap();
    fill(&run, "killed", Digest::of(b"killed"), 200_000);
    for _ in 0..600 {
        if parquet_files(&dir.path().join("events")) > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(parquet_files(&dir.path().join("events")) > 0);
    assert_eq!(count(&lake, Table::Events).await, 0);
    drop(run);
    assert_eq!(parquet_files(&dir.path().join("events")), 0, "given up: its files are removed");
    // What a kill leaves has no owner.
    let orphan = format!("run-{}-0-00000.parquet", "ab".repeat(16));
    std::fs::write(dir.path().join("events").join(&orphan), "half a file").unwrap();
    std::fs::create_dir_all(dir.path().join("events/day=2026-11-20")).unwrap();
    std::fs::write(dir.path().join("events/day=2026-11-20").join(&orphan), "another").unwrap();
    let run = lake.run("another").await.unwrap();
    assert_eq!(parquet_files(&dir.path().join("events")), 0, "the orphans are gone");
    fill(&run, "another", Digest::of(b"x"), 10);
    run.commit().await.unwrap();
    assert_eq!(count(&lake, Table::Events).await, 10);
}

#[tokio::test]
async fn days_far_apart_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
    let run = lake.run("old").await.unwrap();
    for n in 0..300 {
        let rows = events(Digest::of(b"old"), 2, Micros(n * 9 * DAY)).finish().unwrap();
        run.writer().write(Table::Events, rows).unwrap();
    }
    // 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
    for extreme in [-62_135_596_800_000_000, 253_402_300_799_000_000] {
        let rows = events(Digest::of(b"far"), 1, Micros(extreme)).finish().unwrap();
        run.writer().write(Table::Events, rows).unwrap();
    }
    let done = run.commit().await.unwrap();
    assert_eq!((done.files, count(&lake, Table::Events).await), (1, 602));
    let far = "SELECT count(*) FROM events WHERE time > '2200-01-01T00:00:00Z'";
    assert_eq!(ask(&lake, Table::Events, far).await, 1);
    let early = "SELECT count(*) FROM events WHERE time < '1700-01-01T00:00:00Z'";
    assert_eq!(ask(&lake, Table::Events, early).await, 1);
}

/// Not a test of its own: the process that is killed in the one below.
#[tokio::test]
async fn a_child_that_writes() {
    let Ok(dir) = std::env::var("LAKE_CHILD_WRITES_TO") else { return };
    let lake = Lake::open(&dir).unwrap();
    let run = lake.run("evidence").await.unwrap();
    fill(&run, "evidence", Digest::of(b"evidence"), 60_000);
    run.commit().await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_killed_anywhere_is_completed_by_the_next() {
    use std::process::{Command, Stdio};
    let child = |dir: &Path| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_child_that_writes"])
            .env("LAKE_CHILD_WRITES_TO", dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    // How long a whole run takes on this machine says when to kill.
    let whole = tempfile::tempdir().unwrap();
    let began = std::time::Instant::now();
    assert!(child(whole.path()).wait().unwrap().success());
    let span = began.elapsed();
    for round in 1..=8 {
        let dir = tempfile::tempdir().unwrap();
        let mut victim = child(dir.path());
        std::thread::sleep(span * round / 9);
        victim.kill().unwrap();
        victim.wait().unwrap();
        let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
        for table in Table::ALL {
            let rows = count(&lake, table).await;
            let all = if table == Table::Events { 60_000 } else { 1 };
            assert!(rows == 0 || rows == all, "round {round}: {} has {rows} rows", table.name());
        }
        if round % 2 == 0 {
            // Other evidence in between: what the broken run left is taken back.
            let run = lake.run("other").await.unwrap();
            let known = lake.known_parcels().await.unwrap();
            assert!(known.is_empty() || known.contains(&Digest::of(b"evidence")));
            let left = count(&lake, Table::Events).await;
            assert_eq!(left, if known.is_empty() { 0 } else { 60_000 }, "round {round}");
            drop(run);
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        assert!(child(dir.path()).wait().unwrap().success(), "round {round}");
        assert_eq!(count(&lake, Table::Events).await, 60_000, "round {round}");
        let ids = "SELECT count(DISTINCT parcel_offset) FROM events";
        assert_eq!(ask(&lake, Table::Events, ids).await, 60_000, "round {round}");
        assert_eq!(count(&lake, Table::Runs).await, 1, "round {round}");
    }
}

#[tokio::test]
async fn small_files_are_put_together_and_rows_are_deleted_for_good() {
    use datafusion::prelude::{col, lit};
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
    let start: Micros = "2026-11-20T00:00:00Z".parse().unwrap();
    for n in 0..4 {
        let key = format!("run {n}");
        let run = lake.run(&key).await.unwrap();
        let digest = Digest::of(key.as_bytes());
        run.writer().write(Table::Events, events(digest, 1_000, start).finish().unwrap()).unwrap();
        run.writer().write(Table::Runs, lake::runs_batch(&[run_row(&key)]).unwrap()).unwrap();
        run.commit().await.unwrap();
    }
    let kept = lake.compact(Table::Events).await.unwrap();
    assert_eq!((kept.removed, kept.added), (4, 1));
    assert_eq!(lake.compact(Table::Events).await.unwrap(), lake::Kept::default());
    assert_eq!(count(&lake, Table::Events).await, 4_000);
    let of_user = "SELECT count(*) FROM events WHERE user_name = 'user3'";
    let theirs = ask(&lake, Table::Events, of_user).await;
    let gone = lake.delete(Table::Events, col("user_name").eq(lit("user3"))).await.unwrap();
    assert_eq!(gone.rows_gone as i64, theirs);
    assert_eq!(ask(&lake, Table::Events, of_user).await, 0);
    assert_eq!(count(&lake, Table::Events).await, 4_000 - theirs);
    let none = lake.delete(Table::Events, col("user_name").eq(lit("user3"))).await.unwrap();
    assert_eq!(none, lake::Kept::default());
    assert!(lake.vacuum(Table::Events).await.unwrap() >= 5);
    assert_eq!(parquet_files(&dir.path().join("events")), 1);
    assert_eq!(count(&lake, Table::Events).await, 4_000 - theirs);
    // Neither the log nor any file says the name any more.
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = bytes.windows(5).any(|window| window == b"user3");
            assert!(!found, "{} still names user3", entry.path().display());
        }
    }
    // A run that comes again after its files were put together writes nothing twice.
    let run = lake.run("run 1").await.unwrap();
    assert!(run.is_complete());
    run.commit().await.unwrap();
    assert_eq!(count(&lake, Table::Events).await, 4_000 - theirs);
}

/// Writes a run of one match.
fn conclude(run: &Run, key: &str) {
    let one = model::Match {
        rule_id: key.into(),
        rule_version: "1".into(),
        time: Micros(0),
        event_uid: model::EventUid([0; 16]),
        fields: vec![],
        entities: [].into(),
        source: "test".into(),
        labels: [].into(),
    };
    run.writer().write(Table::Matches, lake::matches_batch(&[one]).unwrap()).unwrap();
    run.writer().write(Table::Runs, lake::runs_batch(&[run_row(key)]).unwrap()).unwrap();
}

#[tokio::test]
async fn conclusions_take_the_place_of_earlier_ones_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
    let of = |key: &str| format!("SELECT count(*) FROM matches WHERE rule_id = '{key}'");
    for key in ["first", "second"] {
        let run = lake.run(key).await.unwrap();
        conclude(&run, key);
        run.commit().await.unwrap();
        assert_eq!(count(&lake, Table::Matches).await, 1);
        assert_eq!(ask(&lake, Table::Matches, &of(key)).await, 1);
    }
    // A run whose last commit a kill took away: it is as if it had never been.
    let run = lake.run("broken").await.unwrap();
    conclude(&run, "broken");
    run.commit().await.unwrap();
    let log = dir.path().join("runs/_delta_log");
    let mut commits: Vec<_> =
        std::fs::read_dir(&log).unwrap().flatten().map(|entry| entry.path()).collect();
    commits.sort();
    std::fs::remove_file(commits.last().unwrap()).unwrap();
    assert_eq!(ask(&lake, Table::Matches, &of("broken")).await, 1);
    lake.mend().await.unwrap();
    assert_eq!(ask(&lake, Table::Matches, &of("second")).await, 1);
    assert_eq!(count(&lake, Table::Matches).await, 1);
    // And the same run again, which was taken back, is whole after all.
    let run = lake.run("broken").await.unwrap();
    conclude(&run, "broken");
    run.commit().await.unwrap();
    assert_eq!(ask(&lake, Table::Matches, &of("broken")).await, 1);
    assert_eq!(count(&lake, Table::Matches).await, 1);
}

#[test]
fn a_wrong_event_does_not_break_the_batch() {
    // Values of other kinds than their columns, text that is not UTF-8, empty fields.
    let class = ocsf::class("network_activity").unwrap();
    let port = ocsf::column("dst_endpoint.port").unwrap();
    let mut rows = EventRows::new();
    for value in [ocsf::Scalar::text("http"), ocsf::Scalar::Double(1.5), ocsf::Scalar::Bool(true)] {
        let mut event = ocsf::Event::new(class, Micros(i64::MIN));
        event.set(port, value);
        event.set_extra("src_endpoint.zone".into(), Value::from("a"));
        let provenance = Provenance {
            parcel: Digest::of(b""),
            offset: u64::MAX,
            index: u32::MAX,
            parser: "",
            definition: "",
            definition_version: u32::MAX,
        };
        let source = LogSource::default();
        rows.push(&event, &provenance, Micros(0), &Value::Null, b"\xff\x00{", &source);
        rows.push(&event, &provenance, Micros(0), &Value::Map(vec![]), b"", &source);
    }
    assert_eq!(rows.len(), 6);
    let batch = rows.finish().unwrap();
    assert_eq!(batch.num_rows(), 6);
    let bytes = batch.column_by_name("raw_bytes").unwrap().as_binary::<i32>();
    assert_eq!(bytes.value(0), b"\xff\x00{");
    assert!(rows.is_empty() && rows.finish().unwrap().num_rows() == 0);
}
