//! SQL that wants more than answers. Nothing of the host is read, nothing is changed, nothing takes
//! the machine down.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Made, lake, open, try_rows};
use hunt::Kind;

#[tokio::test]
async fn statements_that_are_no_questions_are_refused() {
    let (dir, lake) = lake(vec![Made::new("base_event", "Other", common::NOW)], &[]).await;
    let hunt = open(&lake).await;
    let secret = dir.path().join("secret.csv");
    std::fs::write(&secret, "a,b\n1,topsecret\n").unwrap();
    let path = secret.display();
    let target = dir.path().join("out.csv");
    let out = target.display();
    let hostile = [
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{path}'"),
        format!("CREATE EXTERNAL TABLE t (a INT) STORED AS PARQUET LOCATION 'file://{path}'"),
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'http://127.0.0.1:1/x'".to_owned(),
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://bucket/x'".to_owned(),
        format!("COPY (SELECT 1) TO '{out}' STORED AS CSV"),
        format!("COPY events TO '{out}'"),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "CREATE OR REPLACE TABLE events AS SELECT 1".to_owned(),
        "CREATE VIEW v AS SELECT 1".to_owned(),
        "CREATE SCHEMA s".to_owned(),
        "CREATE DATABASE d".to_owned(),
        "CREATE FUNCTION f(INT) RETURNS INT RETURN $1".to_owned(),
        "CREATE INDEX i ON events (time)".to_owned(),
        "SELECT 1 AS a INTO t".to_owned(),
        "INSERT INTO events SELECT * FROM events".to_owned(),
        "INSERT INTO findings (rule_id) VALUES ('x')".to_owned(),
        "WITH x AS (INSERT INTO events SELECT * FROM events) SELECT 1".to_owned(),
        "UPDATE events SET message = 'x'".to_owned(),
        "DELETE FROM events".to_owned(),
        "TRUNCATE TABLE events".to_owned(),
        "MERGE INTO events USING findings ON true WHEN MATCHED THEN DELETE".to_owned(),
        "DROP TABLE events".to_owned(),
        "DROP VIEW authentication".to_owned(),
        "DROP SCHEMA lake CASCADE".to_owned(),
        "ALTER TABLE events ADD COLUMN x INT".to_owned(),
        "SET datafusion.execution.target_partitions = 1000".to_owned(),
        "SET datafusion.runtime.memory_limit = '100G'".to_owned(),
        "SET datafusion.runtime.temp_directory = '/'".to_owned(),
        "RESET datafusion.runtime.memory_limit".to_owned(),
        "SHOW ALL".to_owned(),
        "SHOW datafusion.execution.batch_size".to_owned(),
        "BEGIN".to_owned(),
        "START TRANSACTION".to_owned(),
        "COMMIT".to_owned(),
        "ROLLBACK".to_owned(),
        "PREPARE p AS SELECT 1".to_owned(),
        "EXECUTE p".to_owned(),
        "DEALLOCATE p".to_owned(),
        "USE lake".to_owned(),
        "GRANT ALL ON events TO x".to_owned(),
        "CALL f()".to_owned(),
        "EXPLAIN INSERT INTO events SELECT * FROM events".to_owned(),
        format!("EXPLAIN COPY events TO '{out}'"),
        format!("EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}' STORED AS CSV"),
        "SELECT 1; DROP TABLE events".to_owned(),
        "SELECT 1;; DELETE FROM events;".to_owned(),
        "ATTACH DATABASE 'x' AS y".to_owned(),
        "LOAD 'x'".to_owned(),
        "INSTALL httpfs".to_owned(),
        "PRAGMA x".to_owned(),
        "VACUUM".to_owned(),
        "ANALYZE TABLE events COMPUTE STATISTICS".to_owned(),
        "MSCK REPAIR TABLE events".to_owned(),
        "UNLOAD (SELECT 1) TO 's3://x'".to_owned(),
        "LISTEN x".to_owned(),
        "KILL 1".to_owned(),
        "SELECT * FROM information_schema.df_settings".to_owned(),
        "SELECT (SELECT max(value) FROM information_schema.\"df_settings\")".to_owned(),
        "LOCK TABLES events WRITE".to_owned(),
    ];
    for sql in hostile {
        let error = try_rows(&hunt, &sql).await.expect_err(&sql);
        assert!(
            matches!(error.kind, Kind::Refused | Kind::Syntax | Kind::Meaning | Kind::Name),
            "{sql}: {error:?}"
        );
        assert!(!error.message.contains("topsecret"), "{sql}: {error:?}");
    }
    assert!(!target.exists());
    let left = try_rows(&hunt, "SELECT * FROM events").await.unwrap();
    assert_eq!(left.iter().map(arrow::record_batch::RecordBatch::num_rows).sum::<usize>(), 1);
}

#[tokio::test]
async fn no_table_is_a_file() {
    let (dir, lake) = lake(vec![Made::new("base_event", "Other", common::NOW)], &[]).await;
    let hunt = open(&lake).await;
    let secret = dir.path().join("secret.csv");
    std::fs::write(&secret, "a,b\n1,topsecret\n").unwrap();
    let path = secret.display();
    let hostile = [
        format!("SELECT * FROM '{path}'"),
        format!("SELECT * FROM \"{path}\""),
        format!("SELECT * FROM 'file://{path}'"),
        "SELECT * FROM '/etc/passwd'".to_owned(),
        "SELECT * FROM \"file:///etc/passwd\"".to_owned(),
        "SELECT * FROM 'http://127.0.0.1:1/x.csv'".to_owned(),
        "SELECT * FROM 's3://bucket/x.parquet'".to_owned(),
        "SELECT * FROM 'lake://events/day=2026-11-22/x.parquet'".to_owned(),
        format!("SELECT * FROM read_csv('{path}')"),
        format!("SELECT * FROM read_parquet('{path}')"),
        format!("SELECT * FROM read_json('{path}')"),
        format!("SELECT * FROM parquet_metadata('{path}')"),
        format!("SELECT * FROM csv('{path}')"),
        "SELECT * FROM glob('/*')".to_owned(),
        "SELECT * FROM metadata_cache()".to_owned(),
        "SELECT read_text('/etc/passwd')".to_owned(),
        "SELECT load_extension('x')".to_owned(),
        "SELECT pg_read_file('/etc/passwd')".to_owned(),
        "SELECT getenv('HOME')".to_owned(),
        "SELECT * FROM information_schema.df_settings_".to_owned(),
        "SELECT * FROM public.events".to_owned(),
        "SELECT * FROM datafusion.public.events".to_owned(),
    ];
    for sql in hostile {
        let error = try_rows(&hunt, &sql).await.expect_err(&sql);
        assert_eq!(error.kind, Kind::Name, "{sql}: {error:?}");
        assert!(!error.message.contains("topsecret"), "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn nothing_grows_without_bound() {
    let (_dir, lake) = lake(vec![Made::new("base_event", "Other", common::NOW)], &[]).await;
    let limits = hunt::Limits {
        memory: 64 << 20,
        timeout: Some(std::time::Duration::from_secs(3)),
        ..hunt::Limits::default()
    };
    let hunt = hunt::Hunt::open(&lake, limits, common::time(common::NOW)).await.unwrap();
    let deep = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    let nots = format!("SELECT {} true", "NOT ".repeat(50_000));
    let sums = format!("SELECT {} 1", "1 + ".repeat(20_000));
    let hostile = [
        "SELECT repeat('x', 2000000000)".to_owned(),
        "SELECT lpad('x', 2000000000)".to_owned(),
        "SELECT rpad('x', 2000000000, 'yz')".to_owned(),
        "SELECT array_repeat(1, 2000000000)".to_owned(),
        "SELECT list_repeat(1, 2000000000)".to_owned(),
        "SELECT array_resize([1], 2000000000, 0)".to_owned(),
        "SELECT generate_series(1, 20000000000)".to_owned(),
        "SELECT range(1, 20000000000)".to_owned(),
        "SELECT repeat(repeat('x', 8000), 8000)".to_owned(),
        "SELECT replace(repeat('x', 8000), 'x', repeat('y', 8000))".to_owned(),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(5_000)),
        format!("SELECT 1 WHERE true{}", " OR 1 = 2".repeat(5_000)),
        "SELECT array_agg(value) FROM generate_series(1, 10000000000)".to_owned(),
        "SELECT string_agg(repeat('x', 60000), '') FROM generate_series(1, 10000000)".to_owned(),
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r".to_owned(),
        "WITH RECURSIVE r AS (SELECT repeat('x', 60000) AS n UNION ALL SELECT n FROM r) SELECT count(*) FROM r".to_owned(),
        deep,
        long,
        nots,
        sums,
    ];
    // What is just within the bounds is answered.
    let many: Vec<_> = (0..200).map(|n| format!("severity_id = {n}")).collect();
    let within = format!("SELECT count(*) FROM events WHERE {}", many.join(" OR "));
    let patient = open(&lake).await;
    try_rows(&patient, &within).await.unwrap();
    let sums = format!("SELECT {}1", "1 + ".repeat(1_500));
    try_rows(&patient, &sums).await.unwrap();
    for sql in hostile {
        let began = std::time::Instant::now();
        let shown: String = sql.chars().take(80).collect();
        let error = try_rows(&hunt, &sql).await.expect_err(&shown);
        assert!(began.elapsed().as_secs() < 10, "{shown}: {:?}", began.elapsed());
        assert!(!matches!(error.kind, Kind::Internal), "{shown}: {error:?}");
    }
}
