//! The short forms of `cargo xtask floor-kill`, `floor-load` and `floor-faults`: the real program, killed,
//! loaded and hurt a little.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use xtask::floor::{FaultTrial, KillTrial, LoadTrial, floor_faults, floor_kill, floor_load};

const PROGRAM: &str = env!("CARGO_BIN_EXE_watchfloor");

#[test]
fn what_was_acknowledged_outlives_kills_and_is_concluded_upon_once() {
    let folder = tempfile::tempdir().unwrap();
    let trial = KillTrial { times: 3, seed: 11, rate: 200, life: 1500 };
    let figures = floor_kill(Path::new(PROGRAM), folder.path(), &trial);
    assert_eq!(figures.unwrap_or_else(|broken| panic!("{broken}")).len(), 5);
}

#[test]
fn every_event_that_must_make_an_alert_makes_one_over_http_and_syslog() {
    let folder = tempfile::tempdir().unwrap();
    let time = Duration::from_secs(4);
    let trial = LoadTrial { seed: 11, rate: 600, time, rules: Vec::new(), timed: false };
    let figures = floor_load(Path::new(PROGRAM), folder.path(), &trial);
    assert!(!figures.unwrap_or_else(|broken| panic!("{broken}")).is_empty());
}

#[test]
fn what_goes_wrong_around_it_is_named_and_costs_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    for fault in ["rule", "log", "ledger"] {
        let trial = FaultTrial { seed: 11, only: Some(fault.to_owned()) };
        let figures = floor_faults(Path::new(PROGRAM), folder.path(), &trial);
        assert_eq!(figures.unwrap_or_else(|broken| panic!("{broken}")).len(), 1);
    }
}
