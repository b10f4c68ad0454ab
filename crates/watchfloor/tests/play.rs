//! The attack of the demonstration, played by the real program to the real program.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command};

use serde_json::{Value, json};

struct Floor(Child);

impl Drop for Floor {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

#[test]
fn the_story_happens_now() {
    let folder = tempfile::tempdir().unwrap();
    let opened = folder.path().join("opened.json");
    let watchfloor = || Command::new(env!("CARGO_BIN_EXE_watchfloor"));
    let serve = watchfloor()
        .args(["serve", "--plain", "--json", "--listen", "127.0.0.1:0"])
        .args(["--syslog-tcp", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("floor"))
        .stdout(File::create(&opened).unwrap())
        .spawn()
        .unwrap();
    let _floor = Floor(serve);
    let evidence = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/evidence");
    // A day and a half in a few seconds.
    let played = watchfloor()
        .args(["play", "--json", "--pace", "30000", "--opened"])
        .args([&opened, &evidence])
        .output()
        .unwrap();
    let said = String::from_utf8(played.stdout).unwrap();
    assert!(played.status.success(), "{said} {}", String::from_utf8_lossy(&played.stderr));
    let told: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| told.iter().filter(move |line| line["told"] == *kind).collect::<Vec<_>>();
    let begins = of("begins")[0].clone();
    assert_eq!(told.last().unwrap()["delivered"], begins["records"], "all of it was taken");
    // What an investigation of the same evidence comes to.
    let last = told.last().unwrap();
    assert_eq!((&last["alerts"], &last["incidents"]), (&json!(65), &json!(2)), "{last}");
    let titles: BTreeSet<&str> =
        of("alert").iter().map(|alert| alert["title"].as_str().unwrap()).collect();
    for title in [
        "Imitated sign-in page, then PowerShell runs a download on the same host",
        "Okta push accepted after a run of rejected ones",
        "Root shell by sudo, then auditing is switched off on the same host",
        "AWS key made for another user, then that user empties the secret store",
    ] {
        assert!(titles.contains(title), "{title}: {titles:#?}");
    }
    assert!(of("incident").iter().any(|incident| incident["level"] == "critical"));
    // Its last hour is the hour that has just passed.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let hours = |alert: &Value| {
        let time: model::Micros = serde_json::from_value(alert["first_time"].clone()).unwrap();
        (now.as_secs() as i64 - time.0 / 1_000_000) / 3600
    };
    let ages: Vec<i64> = of("alert").iter().map(|alert| hours(alert)).collect();
    assert!(ages.iter().all(|age| (0..48).contains(age)), "{ages:?}");
}
