//! Questions and their answers over a small lake.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Made, csv, finding, lake, open, rows, shown, time, try_rows};
use hunt::{Between, Form, Hunt, Kind, Limits};
use model::Level;

fn events() -> Vec<Made> {
    vec![
        Made::new("authentication", "Logon", "2026-11-22T10:00:00Z")
            .text("user.name", "anna")
            .text("src_endpoint.ip", "203.0.113.7")
            .int("status_id", 2)
            .native(serde_json::json!({"IpAddress": "203.0.113.7", "Deep": {"Level": "High"}})),
        Made::new("authentication", "Logon", "2026-11-22T10:05:00Z")
            .text("user.name", "ben")
            .text("src_endpoint.ip", "10.1.2.3")
            .int("status_id", 1),
        Made::new("dns_activity", "Query", "2026-11-22T11:00:00Z")
            .text("query.hostname", "a.b.evil.example.com")
            .text("src_endpoint.ip", "::ffff:10.1.2.4"),
        Made::new("process_activity", "Launch", "2026-11-21T09:00:00Z")
            .text("process.cmd_line", "powershell -enc aQBlAHgA")
            .text("device.hostname", "ws-1"),
        Made::new("base_event", "Other", "2026-11-20T09:00:00Z")
            .text("message", "=HYPERLINK(\"http://x\") \x1b[31mred"),
    ]
}

async fn opened() -> (tempfile::TempDir, Hunt) {
    let findings = [finding("Bad logon", Level::High, 0, "2026-11-22T10:00:00Z")];
    let (dir, lake) = lake(events(), &findings).await;
    let hunt = open(&lake).await;
    (dir, hunt)
}

#[tokio::test]
async fn classes_are_views() {
    let (_dir, hunt) = opened().await;
    assert_eq!(csv(&hunt, "SELECT count(*) FROM events").await, "5\n");
    let logons = "SELECT user_name, status, activity_name FROM authentication ORDER BY time";
    assert_eq!(csv(&hunt, logons).await, "anna,Failure,Logon\nben,Success,Logon\n");
    assert_eq!(
        csv(&hunt, "SELECT domain_of(query_hostname) FROM dns_activity").await,
        "example.com\n"
    );
    let described = csv(
        &hunt,
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'dns_activity'",
    )
    .await;
    assert!(described.contains("query_hostname\n") && !described.contains("\nprocess_cmd_line"));
    assert!(shown(&hunt, "SHOW TABLES", Form::Csv).await.contains("process_activity"));
    assert!(shown(&hunt, "DESCRIBE findings", Form::Csv).await.contains("event_uids"));
}

#[tokio::test]
async fn functions_answer() {
    let (_dir, hunt) = opened().await;
    let cases = [
        ("SELECT count(*) FROM events WHERE cidr_match(src_endpoint_ip, '10.0.0.0/8')", "2\n"),
        ("SELECT count(*) FROM events WHERE is_private_ip(src_endpoint_ip)", "2\n"),
        (
            "SELECT json_get_str(native, 'Deep', 'Level') FROM events WHERE user_name = 'anna'",
            "High\n",
        ),
        ("SELECT native->>'IpAddress' FROM events WHERE user_name = 'anna'", "203.0.113.7\n"),
        (
            "SELECT b64_decode(regexp_match(process_cmd_line, '-enc\\s+(\\S+)')[1]) FROM process_activity",
            "iex\n",
        ),
        (
            "SELECT defang('http://a.example/x'), refang('hxxp://a[.]example/x')",
            "hxxp://a[.]example/x,http://a.example/x\n",
        ),
        ("SELECT hash_kind('d41d8cd98f00b204e9800998ecf8427e')", "md5\n"),
        ("SELECT round(entropy('abcd'), 3)", "2.0\n"),
        ("SELECT round(haversine_km(47.3769, 8.5417, 52.52, 13.405))", "669.0\n"),
        ("SELECT count(*) FROM events WHERE time > ago('90m')", "1\n"),
        (
            "SELECT parse_url('https://Host/a?b=1', 'host'), parse_url('https://Host/a?b=1', 'query:b'), url_host('http://u@H:1/')",
            "host,1,h\n",
        ),
        ("SELECT levenshtein('example', 'exampel')", "2\n"),
        ("SELECT day, count(*) FROM events GROUP BY 1 ORDER BY 1 LIMIT 1", "2026-11-20,1\n"),
        (
            "SELECT json_get_str(observables, 0, 'name') FROM authentication WHERE user_name = 'ben'",
            "src_endpoint.ip\n",
        ),
        ("SELECT cidr_match(NULL, '10.0.0.0/8') IS NULL, domain_of(NULL) IS NULL", "true,true\n"),
    ];
    for (sql, expected) in cases {
        assert_eq!(csv(&hunt, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn an_event_is_found_by_its_id() {
    let (_dir, hunt) = opened().await;
    let joined = "SELECT e.user_name, f.rule_title FROM \
                  (SELECT rule_title, unnest(event_uids) AS uid FROM findings) f \
                  JOIN events e ON e.event_uid = f.uid";
    assert_eq!(csv(&hunt, joined).await, "anna,Bad logon\n");
    let uid = csv(&hunt, "SELECT event_uid FROM events WHERE user_name = 'ben'").await;
    let uid = uid.trim();
    let needle = format!("SELECT user_name FROM events WHERE event_uid = '{uid}'");
    assert_eq!(csv(&hunt, &needle).await, "ben\n");
    let plan = format!("{:?}", rows(&hunt, &format!("EXPLAIN {needle}")).await);
    assert!(plan.contains("parcel_offset = 100") || plan.contains("parcel_offset@"), "{plan}");
    let several = format!(
        "SELECT count(*) FROM events WHERE event_uid IN ('{uid}', 'e-00000000000000000000000000000000')"
    );
    assert_eq!(csv(&hunt, &several).await, "1\n");
    assert_eq!(csv(&hunt, "SELECT count(*) FROM events WHERE event_uid = 'nonsense'").await, "0\n");
}

#[tokio::test]
async fn the_span_holds_for_every_table() {
    let (_dir, hunt) = opened().await;
    let between = Between {
        since: Some(time("2026-11-22T10:01:00Z")),
        until: Some(time("2026-11-22T11:00:00Z")),
    };
    for (sql, expected) in [
        ("SELECT count(*) AS n FROM events", 1),
        ("SELECT count(*) AS n FROM authentication", 1),
        ("SELECT count(*) AS n FROM findings", 0),
        ("SELECT count(*) AS n FROM dns_activity", 0),
    ] {
        let batches = hunt.query(sql, between).await.unwrap().collect().await.unwrap();
        let shown = format!("{:?}", batches[0].column(0));
        assert!(shown.contains(&format!("{expected},")), "{sql}: {shown}");
    }
}

#[tokio::test]
async fn every_form_is_safe() {
    let (_dir, hunt) = opened().await;
    let sql = "SELECT message FROM events WHERE message IS NOT NULL";
    let table = shown(&hunt, sql, Form::Table).await;
    assert!(
        !table.contains('\x1b') && table.contains("\\x1b[31mred") && table.contains("(1 row)"),
        "{table}"
    );
    let csv = shown(&hunt, sql, Form::Csv).await;
    assert_eq!(csv, "message\r\n\"'=HYPERLINK(\"\"http://x\"\") \\x1b[31mred\"\r\n");
    let json: serde_json::Value =
        serde_json::from_str(&shown(&hunt, sql, Form::Json).await).unwrap();
    assert_eq!(json[0]["message"], "=HYPERLINK(\"http://x\") \x1b[31mred");
    let lines = shown(&hunt, "SELECT time FROM events ORDER BY time DESC", Form::Ndjson).await;
    assert_eq!(lines.lines().next(), Some("{\"time\":\"2026-11-22T11:00:00Z\"}"));
    assert_eq!(lines.lines().count(), 5);
    let mut out = Vec::new();
    let mut answer = hunt.query("SELECT * FROM events", Between::default()).await.unwrap();
    hunt::write(Form::Parquet, &mut answer, &mut out, hunt::TableStyle::default()).await.unwrap();
    assert!(out.starts_with(b"PAR1") && out.ends_with(b"PAR1"));
    let wide = shown(&hunt, "SELECT * FROM authentication", Form::Table).await;
    assert!(wide.contains("columns without a value are not shown"), "{wide}");
}

#[tokio::test]
async fn mistakes_are_shown_with_their_place() {
    let (_dir, hunt) = opened().await;
    let cases = [
        ("SELEC 1", Kind::Syntax, "not SQL", Some((1, 1)), ""),
        ("SELECT 1 FROM", Kind::Syntax, "not SQL", None, ""),
        (
            "SELECT\n  user_nme FROM authentication",
            Kind::Name,
            "no column `user_nme`",
            Some((2, 3)),
            "user_name",
        ),
        (
            "SELECT ip FROM authentication",
            Kind::Name,
            "no column `ip`",
            Some((1, 8)),
            "src_endpoint_ip",
        ),
        (
            "SELECT 1 FROM authentcation",
            Kind::Name,
            "no table `authentcation`",
            Some((1, 15)),
            "authentication",
        ),
        (
            "SELECT cidr_mach('a', 'b')",
            Kind::Name,
            "no function `cidr_mach`",
            Some((1, 8)),
            "cidr_match",
        ),
        ("SELECT cidr_match('10.0.0.1', '10.0.0.0/99')", Kind::Meaning, "not a network", None, ""),
        ("SELECT ago('soon')", Kind::Meaning, "not a span", None, ""),
        ("SELECT user_name, count(*) FROM events", Kind::Meaning, "", None, ""),
        ("SELECT 1; SELECT 2", Kind::Refused, "one statement", None, ""),
        ("SELECT $who", Kind::Hunt, "has no value", None, ""),
        ("", Kind::Meaning, "", None, ""),
    ];
    for (sql, kind, message, place, hint) in cases {
        let error = try_rows(&hunt, sql).await.unwrap_err();
        let at = error.place.map(|place| (place.line, place.column));
        assert_eq!(error.kind, kind, "{sql}: {error:?}");
        assert!(error.message.contains(message), "{sql}: {error:?}");
        assert!(place.is_none() || at == place, "{sql}: {error:?}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{sql}: {error:?}");
        assert!(!error.render(sql).contains("datafusion"), "{error:?}");
    }
}

#[tokio::test]
async fn limits_hold() {
    let (_dir, lake) = lake(events(), &[]).await;
    let limits = Limits { rows: Some(3), ..Limits::default() };
    let hunt = Hunt::open(&lake, limits, time(common::NOW)).await.unwrap();
    let mut answer = hunt.query("SELECT time FROM events", Between::default()).await.unwrap();
    let mut out = Vec::new();
    let written = hunt::write(Form::Ndjson, &mut answer, &mut out, hunt::TableStyle::default())
        .await
        .unwrap();
    assert_eq!((written.rows, written.cut), (3, true));
    let exact = hunt
        .query("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", Between::default())
        .await
        .unwrap();
    assert_eq!(
        exact
            .collect()
            .await
            .unwrap()
            .iter()
            .map(arrow::array::RecordBatch::num_rows)
            .sum::<usize>(),
        3
    );

    let limits =
        Limits { timeout: Some(std::time::Duration::from_millis(300)), ..Limits::default() };
    let hunt = Hunt::open(&lake, limits, time(common::NOW)).await.unwrap();
    let endless =
        "SELECT count(*) FROM generate_series(1, 10000000000) a, generate_series(1, 1000) b";
    let began = std::time::Instant::now();
    let error = try_rows(&hunt, endless).await.unwrap_err();
    assert_eq!(error.kind, Kind::Limit, "{error:?}");
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());

    let limits = Limits { memory: 4 << 20, ..Limits::default() };
    let hunt = Hunt::open(&lake, limits, time(common::NOW)).await.unwrap();
    let greedy =
        "SELECT value, count(*) FROM generate_series(1, 5000000) GROUP BY value ORDER BY 2";
    let error = try_rows(&hunt, greedy).await.unwrap_err();
    assert_eq!(error.kind, Kind::Limit, "{error:?}");
    let dir = tempfile::tempdir().unwrap();
    let limits =
        Limits { memory: 24 << 20, spill: Some(dir.path().join("spill")), ..Limits::default() };
    let hunt = Hunt::open(&lake, limits, time(common::NOW)).await.unwrap();
    let spilled = "SELECT count(*) FROM (SELECT value, count(*) FROM generate_series(1, 3000000) GROUP BY value)";
    assert_eq!(csv(&hunt, spilled).await, "3000000\n");
}

#[tokio::test]
async fn a_list_of_the_operator_is_a_table() {
    let (_dir, lake) = lake(events(), &[]).await;
    let mut hunt = open(&lake).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.csv");
    std::fs::write(
        &file,
        "\u{feff}IP,Feed Name\n203.0.113.7,one\n,\n198.51.100.1,\"two, three\"\n",
    )
    .unwrap();
    assert_eq!(hunt.add_list("bad", &file).unwrap(), 3);
    let plain = dir.path().join("names.txt");
    std::fs::write(&plain, "# names\nanna\n\nben\n").unwrap();
    assert_eq!(hunt.add_list("names", &plain).unwrap(), 2);
    let sql = "SELECT user_name, feed_name FROM events JOIN bad ON src_endpoint_ip = ip";
    assert_eq!(csv(&hunt, sql).await, "anna,one\n");
    let sql = "SELECT count(*) FROM events WHERE user_name IN (SELECT value FROM names)";
    assert_eq!(csv(&hunt, sql).await, "2\n");
    for taken in ["events", "authentication", "bad", "Bad", "a b", "1a", ""] {
        assert!(hunt.add_list(taken, &file).is_err(), "{taken}");
    }
    assert!(hunt.add_list("none", &dir.path().join("absent.csv")).is_err());
}

#[tokio::test]
async fn instants_are_cut_in_utc() {
    let (_dir, hunt) = opened().await;
    let cases = [
        (
            "hour",
            "2026-11-20T09:00:00Z,1\n2026-11-21T09:00:00Z,1\n2026-11-22T10:00:00Z,2\n2026-11-22T11:00:00Z,1\n",
        ),
        ("week", "2026-11-16T00:00:00Z,5\n"),
        ("year", "2026-01-01T00:00:00Z,5\n"),
    ];
    for (unit, expected) in cases {
        let sql = format!(
            "SELECT date_trunc('{unit}', time), count(*) FROM events GROUP BY 1 ORDER BY 1"
        );
        assert_eq!(csv(&hunt, &sql).await, expected, "{unit}");
    }
    let cut = "SELECT count(*) FROM events WHERE date_trunc('day', time) = TIMESTAMP '2026-11-22'";
    assert_eq!(csv(&hunt, cut).await, "3\n");
    let scalar =
        "SELECT date_trunc('hour', TIMESTAMP '1969-12-31 23:59:59'), date_trunc('day', NULL)";
    assert_eq!(csv(&hunt, scalar).await, "1969-12-31T23:00:00Z,\n");
}

#[tokio::test]
async fn windows_are_spans_of_time() {
    let (_dir, hunt) = opened().await;
    let over = |frame: &str| {
        format!(
            "SELECT count(*) OVER (ORDER BY time {frame}) AS burst, min(time) OVER (ORDER BY time {frame}) \
             FROM events ORDER BY time"
        )
    };
    let counts = |text: String| -> String {
        text.lines().map(|line| line.split(',').next().unwrap().to_owned() + " ").collect()
    };
    let cases = [
        ("RANGE BETWEEN INTERVAL '5 minutes' PRECEDING AND CURRENT ROW", "1 1 1 2 1 "),
        ("RANGE BETWEEN INTERVAL '299 seconds' PRECEDING AND CURRENT ROW", "1 1 1 1 1 "),
        ("RANGE BETWEEN CURRENT ROW AND INTERVAL '1 day 1 hour' FOLLOWING", "2 2 3 2 1 "),
        ("RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL '1 hour' FOLLOWING", "1 2 5 5 5 "),
        ("RANGE BETWEEN INTERVAL '1 month' PRECEDING AND CURRENT ROW", "1 2 3 4 5 "),
    ];
    for (frame, expected) in cases {
        assert_eq!(counts(csv(&hunt, &over(frame)).await), expected, "{frame}");
    }
    let turned = over(cases[0].0).replace("ORDER BY time RANGE", "ORDER BY time DESC RANGE");
    assert_eq!(counts(csv(&hunt, &turned).await), "1 1 2 1 1 ");
}

#[tokio::test]
async fn odd_arguments_are_told_or_give_nothing() {
    let (_dir, hunt) = opened().await;
    let wrong = [
        ("cidr_match('10.1.2.3')", "cidr_match(address, network)"),
        ("is_private_ip()", "is_private_ip(address)"),
        ("entropy('a', 'b')", "entropy(text)"),
        ("haversine_km('north', 1, 2, 3)", "haversine_km(lat1, lon1, lat2, lon2)"),
        ("levenshtein('a')", "levenshtein(a, b)"),
        ("json_get()", "json_get_str(json, key, …)"),
        ("json_get(5, 'a')", "json_get_str(json, key, …)"),
    ];
    for (call, told) in wrong {
        let error = try_rows(&hunt, &format!("SELECT {call}")).await.unwrap_err();
        assert!(error.message.contains(told), "{call}: {error}");
    }
    let nothing = [
        "cidr_match(NULL, '10.0.0.0/8')",
        "domain_of(NULL)",
        "is_private_ip(NULL)",
        "entropy(NULL)",
        "defang(NULL)",
        "hash_kind(NULL)",
        "haversine_km(NULL, 1, 2, 3)",
        "haversine_km(91, 1, 2, 3)",
        "haversine_km(1, 1e308, 2, 3)",
        "levenshtein(NULL, 'a')",
        "json_get('{bad', 'a')",
    ];
    for call in nothing {
        assert_eq!(csv(&hunt, &format!("SELECT {call}")).await, "\"\"\n", "{call}");
    }
    let got =
        "SELECT json_get('{\"a\": [1, 2]}', 'a', 1), json_get('{\"a\": \"x\"}', 'a'), entropy('')";
    assert_eq!(csv(&hunt, got).await, "2,x,0.0\n");
}

#[tokio::test]
async fn different_texts_are_counted() {
    let (_dir, hunt) = opened().await;
    let cases = [
        (
            "count(DISTINCT class_name), count(DISTINCT user_name), count(DISTINCT lower(class_name)), count(*)",
            "4,2,4,5\n",
        ),
        (
            "count(DISTINCT user_name) FILTER (WHERE status_id = 2), count(DISTINCT status_id), count(user_name)",
            "1,2,2\n",
        ),
        ("count(DISTINCT user_name)", "2\n"),
    ];
    for (counts, expected) in cases {
        assert_eq!(csv(&hunt, &format!("SELECT {counts} FROM events")).await, expected, "{counts}");
    }
    let none = "SELECT count(DISTINCT user_name), count(*) FROM events WHERE user_name = 'nobody'";
    assert_eq!(csv(&hunt, none).await, "0,0\n");
}
