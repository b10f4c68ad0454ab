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
        flaws: 0,
        note: String::new(),
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
    fill(&run, "killed", Digest::of(b"killed"), 500_000);
    // As good as killed: no commit. Give the writer's thread its time to lay files down.
    drop(run);
    for _ in 0..200 {
        if parquet_files(&dir.path().join("events")) > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(parquet_files(&dir.path().join("events")) > 0);
    assert_eq!(count(&lake, Table::Events).await, 0);
    std::thread::sleep(std::time::Duration::from_secs(1));
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
