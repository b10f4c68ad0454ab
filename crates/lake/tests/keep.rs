//! A lake that is kept: many files become few, and every row is still what it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use deltalake::parquet::file::metadata::RowGroupMetaData;
use deltalake::parquet::file::reader::{FileReader as _, SerializedFileReader};
use lake::{EventRows, Kept, Lake, RunRow, Table};
use model::{Digest, LogSource, Micros, Provenance, Value};

/// Events of a second each; those of one column or another have one user in three.
fn events(key: &str, count: i64, column: &str) -> RecordBatch {
    let mut rows = EventRows::new();
    let class = ocsf::class("authentication").unwrap();
    let column = ocsf::column(column).unwrap();
    let start: Micros = "2026-11-20T00:00:00Z".parse().unwrap();
    let source = LogSource::new("test", "", "auth");
    for n in 0..count {
        let mut event = ocsf::Event::new(class, Micros(start.0 + n * 1_000_000));
        if n % 3 == 0 {
            event.set(column, ocsf::Scalar::Text(format!("{key} {}", n % 1_000).into()));
        }
        let provenance = Provenance {
            parcel: Digest::of(key.as_bytes()),
            offset: n as u64 * 30,
            index: 0,
            parser: "json",
            definition: "test",
            definition_version: 1,
        };
        let native = Value::Map(vec![("n".into(), n.into())]);
        let raw = format!("{{\"n\":{n},\"key\":\"{key}\"}}");
        rows.push(&event, &provenance, Micros(0), &native, raw.as_bytes(), &source);
    }
    rows.finish().unwrap()
}

async fn fill(lake: &Lake, key: &str, count: i64, column: &str) {
    let run = lake.run(key).await.unwrap();
    run.writer().write(Table::Events, events(key, count, column)).unwrap();
    let row = RunRow {
        run_key: key.into(),
        started_at: Micros(0),
        finished_at: Micros(1),
        version: "test".into(),
        summary: serde_json::json!({}),
    };
    run.writer().write(Table::Runs, lake::runs_batch(&[row]).unwrap()).unwrap();
    run.commit().await.unwrap();
}

/// What a question about events answers, and how many row groups its scan left out by their filters.
async fn ask(lake: &Lake, sql: &str) -> (Vec<String>, usize) {
    let snapshot = lake.provider(Table::Events).await.unwrap();
    let context = SessionContext::new();
    let store = snapshot.store().unwrap();
    context.register_object_store(snapshot.store_url().unwrap().as_ref(), store);
    context.register_table("events", snapshot).unwrap();
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let batches =
        datafusion::physical_plan::collect(std::sync::Arc::clone(&plan), context.task_ctx());
    let mut rows = Vec::new();
    for batch in batches.await.unwrap() {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|c| array_value_to_string(c, row).unwrap());
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    (rows, left_out(&plan))
}

fn left_out(plan: &std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>) -> usize {
    use datafusion::physical_plan::metrics::MetricValue;
    let metrics = plan.metrics().unwrap_or_default();
    let own = metrics.iter().filter_map(|metric| match metric.value() {
        MetricValue::PruningMetrics { name, pruning_metrics }
            if name == "row_groups_pruned_bloom_filter" =>
        {
            Some(pruning_metrics.pruned())
        }
        _ => None,
    });
    own.sum::<usize>() + plan.children().into_iter().map(left_out).sum::<usize>()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let inner = std::fs::read_dir(folder.join("events/day=2026-11-20")).unwrap();
    inner.flatten().map(|entry| entry.path()).collect()
}

fn groups(path: &Path) -> Vec<i64> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect()
}

const ALL: &str = "SELECT time, user_name, actor_user_name, raw_data, native, parcel_digest, parcel_offset \
                   FROM events ORDER BY parcel_digest, parcel_offset";

#[tokio::test]
async fn large_row_groups_are_copied_and_small_ones_laid_down_anew() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
    for (key, count, column) in [
        ("one", 20_000, "user.name"),
        ("two", 17_000, "actor.user.name"),
        ("three", 300, "user.name"),
        ("four", 200, "actor.user.name"),
        ("five", 250, "user.name"),
    ] {
        fill(&lake, key, count, column).await;
    }
    let (before, _) = ask(&lake, ALL).await;
    assert_eq!(before.len(), 37_750);

    let kept = lake.compact(Table::Events).await.unwrap();
    assert_eq!(kept, Kept { removed: 5, added: 2, rows_gone: 0 });
    assert_eq!(ask(&lake, ALL).await.0, before);
    assert_eq!(lake.vacuum_all(Duration::from_hours(1)).await.unwrap(), 0);
    assert_eq!(files(dir.path()).len(), 7, "somebody may still read the old ones");
    assert_eq!(lake.vacuum_all(Duration::ZERO).await.unwrap(), 5);
    let mut shapes: Vec<_> = files(dir.path()).iter().map(|path| groups(path)).collect();
    shapes.sort();
    for shape in &mut shapes {
        shape.sort_unstable();
    }
    assert_eq!(shapes, [vec![750], vec![17_000, 20_000]]);

    // A copied group keeps its filters: where they say no, its rows are not read.
    let one = "SELECT count(*) FROM events WHERE user_name = 'one 9'";
    let (answer, pruned) = ask(&lake, one).await;
    let held = (0..20_000).filter(|n| n % 3 == 0 && n % 1_000 == 9).count();
    assert_eq!(answer, [held.to_string()]);
    let none = "SELECT count(*) FROM events WHERE user_name = 'one 5x'";
    let (answer, pruned_all) = ask(&lake, none).await;
    assert_eq!(answer, ["0"]);
    assert!(pruned_all > pruned, "{pruned_all} of {pruned} groups are left out");

    // And what stands can be put together with what comes, or deleted from.
    fill(&lake, "six", 18_000, "user.name").await;
    fill(&lake, "seven", 18_000, "user.name").await;
    let kept = lake.compact(Table::Events).await.unwrap();
    assert_eq!((kept.removed, kept.added), (3, 1));
    let gone = lake.delete_where(Table::Events, "user_name", &["one 9".to_owned()]).await.unwrap();
    assert_eq!(gone.rows_gone as usize, held);
    let (after, _) = ask(&lake, "SELECT count(*) FROM events").await;
    assert_eq!(after, [(37_750 + 36_000 - held).to_string()]);
}

#[tokio::test]
async fn a_large_file_waits_until_others_are_like_it() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
    fill(&lake, "large", 60_000, "user.name").await;
    fill(&lake, "small", 100, "user.name").await;
    assert_eq!(lake.compact(Table::Events).await.unwrap(), Kept::default());
    fill(&lake, "another", 100, "user.name").await;
    let kept = lake.compact(Table::Events).await.unwrap();
    assert_eq!((kept.removed, kept.added), (2, 1));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap()).unwrap();
    for key in ["one", "two", "three"] {
        fill(&lake, key, 100, "user.name").await;
    }
    std::fs::write(&files(dir.path())[0], b"PAR1 and nothing else").unwrap();
    let kept = lake.compact(Table::Events).await.unwrap();
    assert_eq!((kept.removed, kept.added), (2, 1));
}
