//! The text formats over real evidence: what their authors' own tests expect of it, and that no
//! line of it is lost. Skipped where the evidence is not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::Path;

use model::Value;
use parse::{Reading, read_all};

fn read(folder: &Path, file: &str) -> Reading {
    let bytes = std::fs::read(folder.join(file)).unwrap();
    read_all(&bytes, file)
}

/// Fields of one record and what they must be.
fn expect(reading: &Reading, index: usize, expected: &[(&str, &str)]) {
    for (path, value) in expected {
        let found = reading.records[index].fields.path(path).and_then(Value::to_text);
        assert_eq!(found.as_deref(), Some(*value), "{path} of record {index}");
    }
}

#[test]
fn no_line_of_any_text_is_lost() {
    let Some(corpora) = common::corpora() else { return };
    let ours = ["syslog", "keyvalue", "cef", "leef", "delimited", "zeek", "weblog", "w3c", "lines"];
    let (mut files, mut records) = (0, 0);
    for path in common::files(&corpora.join("sources")) {
        let bytes = std::fs::read(&path).unwrap();
        let reading = read_all(&bytes, &path.to_string_lossy());
        if !ours.contains(&reading.format) {
            continue;
        }
        files += 1;
        records += reading.records.len();
        if let Some(line) = common::hidden(&reading, &bytes) {
            panic!("{} ({}): lost {line:?}", path.display(), reading.format);
        }
    }
    assert!(files > 400 && records > 10_000, "{files} files, {records} records");
}

/// Which format each folder's files have; the odd ones out are named.
#[test]
fn files_are_taken_for_what_they_are() {
    let Some(corpora) = common::corpora() else { return };
    let folders = [
        ("syslog", "syslog"),
        ("cef", "cef"),
        ("leef", "leef"),
        ("webserver/velociraptor", "weblog"),
        ("zeek/slips", "json zeek"),
        ("zeek/btest", "json zeek delimited lines"),
        ("threat_intel/kev", "json delimited"),
    ];
    for (folder, formats) in folders {
        for path in common::files(&corpora.join("sources").join(folder)) {
            let reading = read_all(&std::fs::read(&path).unwrap(), "");
            let fits = formats.split(' ').any(|format| format == reading.format);
            assert!(fits, "{}: taken for {}", path.display(), reading.format);
        }
    }
    for (file, format) in [
        ("misc/plaso/cri.log", "syslog"),
        ("misc/plaso/iis6.log", "w3c"),
        ("misc/plaso/iis10_edge_cases.log", "w3c"),
        ("misc/plaso/iis_without_date.log", "w3c"),
        ("misc/plaso/dpkg.log", "lines"),
        ("misc/plaso/bash_history", "lines"),
        ("misc/plaso/snort3_alert_fast.log", "lines"),
        ("webserver/plaso/apache_access.log", "weblog"),
        ("INDEX.md", "lines"),
    ] {
        assert_eq!(read(&corpora.join("sources"), file).format, format, "{file}");
    }
}

#[test]
fn syslog_as_plaso_expects() {
    let Some(corpora) = common::corpora() else { return };
    let folder = corpora.join("sources/syslog/plaso");
    for (file, count) in [
        ("syslog_rsyslog_SyslogProtocol23Format", 9),
        ("syslog_rsyslog_SysklogdFileFormat", 9),
        ("syslog_cron.log", 9),
        ("syslog_chromeos", 8),
        ("syslog_osx", 2),
        ("syslog_rsyslog", 5),
        ("syslog_rsyslog_traditional", 8),
        ("syslog_rsyslog_ForwardFormat", 9),
        ("syslog_rsyslog_TraditionalForwardFormat", 9),
    ] {
        assert_eq!(read(&folder, file).records.len(), count, "{file}");
    }
    let protocol23 = read(&folder, "syslog_rsyslog_SyslogProtocol23Format");
    expect(
        &protocol23,
        0,
        &[
            ("facility", "1"),
            ("severity", "7"),
            ("hostname", "hostname"),
            ("appname", "log_tag"),
            ("msgid", "123"),
            ("timestamp", "2021-03-06T04:07:38.251122+00:00"),
        ],
    );
    expect(&protocol23, 1, &[("message", "this is info\nwith another line")]);
    let cron = read(&folder, "syslog_cron.log");
    let task = "(root) CMD (sleep $(( 1 * 60 )); touch /tmp/afile.txt)";
    expect(&cron, 1, &[("appname", "CRON"), ("procid", "3"), ("message", task)]);
    let osx = read(&folder, "syslog_osx");
    expect(&osx, 1, &[("appname", "sockerfilterfw"), ("procid", "1985"), ("severity", "Info")]);
}

#[test]
fn every_line_of_an_auth_log_has_host_and_program() {
    let Some(corpora) = common::corpora() else { return };
    let reading = read(&corpora, "evidence/os/elastic-auth.log");
    assert_eq!(reading.records.len(), 7121);
    for record in &reading.records {
        for name in ["timestamp", "hostname", "appname", "message"] {
            assert!(record.fields.get(name).is_some(), "{name} of {record:?}");
        }
    }
}

#[test]
fn web_logs_as_plaso_expects() {
    let Some(corpora) = common::corpora() else { return };
    let sources = corpora.join("sources");
    let apache = read(&sources, "webserver/plaso/apache_access.log");
    assert!(apache.records.iter().all(|r| r.fields.get("status").is_some()));
    expect(
        &apache,
        1,
        &[
            ("client", "10.1.1.2"),
            ("method", "GET"),
            ("target", "/wp-content/themes/darkmode/evil.php"),
            ("status", "200"),
            ("bytes", "1063"),
        ],
    );
    let iis = read(&sources, "misc/plaso/iis10.log");
    expect(
        &iis,
        0,
        &[
            ("s-ip", "111.111.111.111"),
            ("s-port", "80"),
            ("cs-method", "GET"),
            ("sc-status", "200"),
            ("cs-uri-stem", "/foo/bar/baz.asp"),
            ("c-ip", "222.222.222.222"),
            ("date", "2021-04-01"),
            ("time", "00:00:21"),
        ],
    );
    assert_eq!(read(&sources, "misc/plaso/iis10_cookies.log").records.len(), 3);
    let owa = read(&sources, "misc/plaso/iis7_owa.log");
    assert_eq!(owa.records.len(), 3);
    expect(&owa, 0, &[("s-port", "443"), ("cs-uri-stem", "/owa/"), ("c-ip", "77.123.22.98")]);
    let undated = read(&sources, "misc/plaso/iis_without_date.log");
    expect(&undated, 0, &[("date", "2013-07-30"), ("time", "00:00:00")]);
    for file in ["iis6.log", "iis10.log", "iis10_edge_cases.log", "iis_without_date.log"] {
        let reading = read(&sources.join("misc/plaso"), file);
        let flawed = reading.records.iter().filter(|r| !r.flaws.is_empty()).count();
        assert_eq!(flawed, 0, "{file}");
    }
}

#[test]
fn leef_and_cef_as_their_senders_mean_them() {
    let Some(corpora) = common::corpora() else { return };
    let sources = corpora.join("sources");
    let leef = read(&sources, "leef/rsyslog/lines.log");
    assert_eq!(leef.records.len(), 3);
    expect(
        &leef,
        0,
        &[
            ("vendor", "Palo Alto Networks"),
            ("event_id", "allow"),
            ("attributes.src", "172.19.50.39"),
            ("attributes.usrName", ""),
            ("attributes.StartTime", "2025/09/17 13:45:33"),
        ],
    );
    let cef = read(&sources, "cef/elastic/test-cef.log");
    assert_eq!(cef.records.len(), 4);
    expect(
        &cef,
        0,
        &[
            ("name", "Web request"),
            ("extension.requestContext", "https://www.google.com"),
            ("extension.dpt", "443"),
        ],
    );
    expect(
        &cef,
        3,
        &[
            ("extension.message", "This event is padded with whitespace"),
            ("extension.src", "192.168.3.4"),
        ],
    );
}

/// Zeek's own logs against the plainest reading of them: split at the separator.
#[test]
fn zeek_logs_have_every_row_and_value() {
    let Some(corpora) = common::corpora() else { return };
    let (mut rows, mut values) = (0, 0);
    for folder in ["sources/zeek/btest", "sources/zeek/slips", "sources/otrf"] {
        for path in common::files(&corpora.join(folder)) {
            let bytes = std::fs::read(&path).unwrap();
            let reading = read_all(&bytes, "");
            if reading.format != "zeek" {
                continue;
            }
            let text = String::from_utf8_lossy(&bytes);
            let separator =
                text.lines().find_map(|l| l.strip_prefix("#separator ")).unwrap_or("\t");
            let separator = if separator == "\\x09" { "\t" } else { separator };
            let mut names: Vec<&str> = Vec::new();
            let mut records = reading.records.iter();
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                if let Some(fields) = line.strip_prefix("#fields") {
                    names = fields.split(separator).skip(1).collect();
                }
                if line.starts_with('#') {
                    continue;
                }
                let record = records.next().unwrap();
                rows += 1;
                for (name, cell) in names.iter().zip(line.split(separator)) {
                    let found = record.fields.get(name);
                    assert_eq!(found.is_none(), cell == "-", "{name} in {line}");
                    if let Some(Value::Str(text)) = found {
                        let same = text == cell || cell == "(empty)" || cell.contains('\\');
                        assert!(same, "{name} in {line}: {text}");
                        values += 1;
                    }
                }
            }
            assert_eq!(records.next(), None, "{}", path.display());
        }
    }
    assert!(rows > 10_000 && values > 70_000, "{rows} rows, {values} texts");
}
