//! Window functions: what they say, and what they do when there is too much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Made, csv, lake, open, try_rows};
use hunt::{Between, Hunt, Kind, Limits};

/// Events of several hosts over many batches, with instants that some of them share, as a table of
/// SQL: `n`, `host`, `time`, `size` (sometimes null).
const TABLE: &str = "WITH t AS (SELECT value AS n, \
     'host-' || CASE WHEN value % 40 = 0 THEN 0 ELSE value % 997 END AS host, \
     to_timestamp_micros(CAST(1767225600000000 + (value / 150) * 30000000 + value % 97 % 3 AS BIGINT)) \
       AT TIME ZONE 'UTC' AS time, \
     CASE WHEN value % 5 = 0 THEN NULL ELSE value % 1000 END AS size \
   FROM generate_series(1, 20000)) ";

async fn opened() -> (tempfile::TempDir, Hunt) {
    let (dir, lake) = lake(vec![Made::new("base_event", "Other", common::NOW)], &[]).await;
    let hunt = open(&lake).await;
    (dir, hunt)
}

/// The same question asked with a join, which knows no windows.
#[tokio::test]
async fn windows_say_what_a_join_says() {
    let (_dir, hunt) = opened().await;
    let cases = [
        (
            "RANGE BETWEEN INTERVAL '10 minutes' PRECEDING AND CURRENT ROW",
            "b.time BETWEEN a.time - INTERVAL '10 minutes' AND a.time",
        ),
        (
            "RANGE BETWEEN INTERVAL '1 minute' PRECEDING AND INTERVAL '90 seconds' FOLLOWING",
            "b.time BETWEEN a.time - INTERVAL '1 minute' AND a.time + INTERVAL '90 seconds'",
        ),
        (
            "RANGE BETWEEN INTERVAL '20 minutes' PRECEDING AND INTERVAL '5 minutes' PRECEDING",
            "b.time BETWEEN a.time - INTERVAL '20 minutes' AND a.time - INTERVAL '5 minutes'",
        ),
        ("RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", "b.time <= a.time"),
        ("RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING", "b.time >= a.time"),
        ("RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING", "true"),
    ];
    for (frame, within) in cases {
        let over = format!("OVER (PARTITION BY host ORDER BY time {frame})");
        let window = format!(
            "{TABLE} SELECT n, count(*) {over}, count(size) {over}, sum(size) {over}, min(size) {over}, \
             max(size) {over}, count(*) FILTER (WHERE size > 500) {over} FROM t ORDER BY n"
        );
        let join = format!(
            "{TABLE} SELECT a.n, count(b.n), count(b.size), sum(b.size), min(b.size), max(b.size), \
             count(CASE WHEN b.size > 500 THEN 1 END) \
             FROM t a LEFT JOIN t b ON a.host = b.host AND {within} GROUP BY a.n ORDER BY a.n"
        );
        let (window, join) = (csv(&hunt, &window).await, csv(&hunt, &join).await);
        let differs = window.lines().zip(join.lines()).find(|(window, join)| window != join);
        assert_eq!(differs, None, "{frame}");
        assert_eq!(window.lines().count(), 20_000);
    }
}

#[tokio::test]
async fn every_kind_of_frame_is_understood() {
    let (_dir, hunt) = opened().await;
    // Instants, one twice, one unknown.
    let table = "WITH t AS (SELECT * FROM (VALUES (1, 10, 1.5), (2, 20, 2.5), (3, 20, 3.5), \
                 (4, 40, 4.5), (5, NULL, 5.5)) AS t (n, at, x)) ";
    let cases = [
        ("count(*)", "ORDER BY n ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING", "2 3 3 3 2"),
        ("sum(x)", "ORDER BY n ROWS BETWEEN 2 FOLLOWING AND 3 FOLLOWING", "8.0 10.0 5.5 - -"),
        ("count(*)", "ORDER BY at GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW", "1 3 3 3 2"),
        ("sum(n)", "ORDER BY at RANGE BETWEEN 10 PRECEDING AND CURRENT ROW", "1 6 6 4 5"),
        ("sum(n)", "ORDER BY at DESC RANGE BETWEEN 10 PRECEDING AND CURRENT ROW", "6 5 5 4 5"),
        (
            "sum(n)",
            "ORDER BY at NULLS FIRST RANGE BETWEEN 10 PRECEDING AND CURRENT ROW",
            "1 6 6 4 5",
        ),
        (
            "count(at)",
            "ORDER BY at RANGE BETWEEN UNBOUNDED PRECEDING AND 20 FOLLOWING",
            "3 4 4 4 4",
        ),
        ("avg(x)", "", "3.5 3.5 3.5 3.5 3.5"),
        ("count(DISTINCT at)", "ORDER BY n ROWS 2 PRECEDING", "1 2 2 2 2"),
        ("first_value(n)", "ORDER BY at RANGE BETWEEN 10 PRECEDING AND CURRENT ROW", "1 1 1 4 5"),
        ("max(x) FILTER (WHERE n <> 3)", "ORDER BY n ROWS 1 PRECEDING", "1.5 2.5 2.5 4.5 5.5"),
        (
            "array_agg(n) FILTER (WHERE n <> 2)",
            "ORDER BY n ROWS UNBOUNDED PRECEDING",
            "[1] [1] [1,3] [1,3,4] [1,3,4,5]",
        ),
        ("row_number()", "ORDER BY n DESC", "5 4 3 2 1"),
        ("ntile(2)", "ORDER BY n", "1 1 1 2 2"),
        ("lag(n)", "ORDER BY n", "- 1 2 3 4"),
        ("min(x)", "PARTITION BY at ORDER BY n", "1.5 2.5 2.5 4.5 5.5"),
        (
            "sum(x)",
            "ORDER BY x RANGE BETWEEN 1.0 PRECEDING AND CURRENT ROW",
            "1.5 4.0 6.0 8.0 10.0",
        ),
    ];
    for (function, over, expected) in cases {
        let sql = format!(
            "{table} SELECT replace(CAST({function} OVER ({over}) AS TEXT), ' ', '') FROM t ORDER BY n"
        );
        let said = csv(&hunt, &sql).await.replace("\"\"", "").replace('"', "");
        let said: Vec<_> =
            said.lines().map(|line| if line.is_empty() { "-" } else { line }).collect();
        assert_eq!(said.join(" "), expected, "{function} {over}");
    }
}

#[tokio::test]
async fn rows_that_wait_go_to_the_disk() {
    let (dir, lake) = lake(vec![Made::new("base_event", "Other", common::NOW)], &[]).await;
    let hunt = async |spill: bool, memory| {
        let spill = spill.then(|| dir.path().join("spill"));
        // Threads would share the memory as they happen to come.
        let limits = Limits { memory, spill, threads: 1, ..Limits::default() };
        Hunt::open(&lake, limits, common::time(common::NOW)).await.unwrap()
    };
    // Two partitions of 30 MB each; of one, all rows wait for its last.
    let wide = "SELECT count(*), sum(n), sum(length(text)), min(n), max(n), min(length(text)) FROM \
                (SELECT text, count(*) OVER (PARTITION BY half) AS n FROM \
                  (SELECT repeat('x', 200) || value AS text, value % 2 AS half \
                   FROM generate_series(100000, 399999)))";
    let answer = "300000,45000000000,61800000,150000,150000,206\n";
    assert_eq!(csv(&hunt(true, 48 << 20).await, wide).await, answer);
    let nowhere = try_rows(&hunt(false, 48 << 20).await, wide).await.unwrap_err();
    assert_eq!(nowhere.kind, Kind::Limit, "{nowhere:?}");
    // What the functions themselves need cannot go there: each has all values to hold.
    let deep = "SELECT max(a + b + c + d + e + f) FROM (SELECT sum(value) OVER w AS a, \
                  min(value) OVER w AS b, max(value) OVER w AS c, avg(value) OVER w AS d, \
                  sum(value + 1) OVER w AS e, min(value + 1) OVER w AS f \
                FROM generate_series(1, 400000) WINDOW w AS (ORDER BY value \
                  RANGE BETWEEN UNBOUNDED PRECEDING AND 1000000000 FOLLOWING))";
    let full = try_rows(&hunt(true, 48 << 20).await, deep).await.unwrap_err();
    assert_eq!(full.kind, Kind::Limit, "{full:?}");
    assert!(full.message.contains("a partition of a window"), "{full:?}");
}

#[tokio::test]
async fn a_moving_frame_lets_rows_pass() {
    let (_dir, lake) = lake(vec![Made::new("base_event", "Other", common::NOW)], &[]).await;
    // All of it would be 100 MB, and there is no disk: only what is in a frame may be held.
    let limits = Limits { memory: 24 << 20, spill: None, threads: 1, ..Limits::default() };
    let hunt = Hunt::open(&lake, limits, common::time(common::NOW)).await.unwrap();
    let moving = "SELECT count(*), max(n), sum(length(text)) FROM (SELECT text, \
                  count(*) OVER (ORDER BY value RANGE BETWEEN 99 PRECEDING AND 5 FOLLOWING) AS n \
                  FROM (SELECT value, repeat('x', 500) || value AS text FROM generate_series(100000, 299999)))";
    assert_eq!(csv(&hunt, moving).await, "200000,105,101200000\n");
}

#[tokio::test]
async fn a_window_that_nobody_reads_on_ends() {
    let (_dir, hunt) = opened().await;
    let sql = format!("{TABLE} SELECT n, count(*) OVER (PARTITION BY host) FROM t LIMIT 3");
    let mut answer = hunt.query(&sql, Between::default()).await.unwrap();
    let first = answer.next().await.unwrap().unwrap();
    assert_eq!(first.num_rows(), 3);
    assert!(answer.next().await.unwrap().is_none());
}
