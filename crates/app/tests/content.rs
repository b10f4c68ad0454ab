//! The content that is built in: every definition, rule and hunt is sound and does what its samples say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use app::{
    Content, ImportVerdict, check_rules, check_sources, hunts, import_rules, rule_coverage,
    test_rules,
};

fn content(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content").join(folder)
}

#[test]
fn every_definition_does_what_its_samples_say() {
    let checked = check_sources(&Content::built_in(), &content("sources"), false).unwrap();
    let mut failed = Vec::new();
    for one in checked.iter().filter(|one| !one.passed()) {
        let of_samples = one.samples.iter().flat_map(|sample| &sample.diagnostics);
        failed.extend(one.mistakes.iter().chain(of_samples).map(ToString::to_string));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert!(checked.iter().all(|one| !one.samples.is_empty()));
}

#[test]
fn every_rule_fires_on_its_positives_alone() {
    let trials = test_rules(&Content::built_in(), &[content("rules")]).unwrap();
    assert!(trials.len() >= 60);
    let failed: Vec<_> = trials
        .iter()
        .flat_map(|trial| trial.failures.iter().map(|why| format!("{}: {why}", trial.path)))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_rules_load_and_most_of_them_can_fire() {
    let built_in = Content::built_in();
    let checked = check_rules(&built_in, &[]);
    assert!(!checked.failed(), "{:?}", checked.problems);
    let coverage = rule_coverage(&built_in, &[]).unwrap();
    let count = coverage.all;
    assert_eq!(count.rules, checked.loaded);
    assert!(count.covered * 10 >= count.rules * 8, "{:?}", coverage.missing);
}

#[test]
fn the_hunts_are_read() {
    let (hunts, problems) = hunts(&Content::built_in());
    assert!(problems.is_empty(), "{problems:?}");
    assert!(hunts.len() >= 20);
}

#[test]
fn a_hunt_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("hunts")).unwrap();
    fs::write(folder.path().join("hunts/binary.yml"), b"\xff\x00\x1b[2J").unwrap();
    fs::write(folder.path().join("hunts/broken.yml"), "name: [").unwrap();
    let (hunts, problems) = hunts(&Content::built_in().overlaid(folder.path()));
    assert!(hunts.len() >= 20);
    for name in ["binary.yml", "broken.yml"] {
        assert!(problems.iter().any(|problem| problem.contains(name)), "{name}: {problems:?}");
    }
}

#[test]
fn rules_are_imported_once_and_bad_ones_stay_outside() {
    let folder = tempfile::tempdir().unwrap();
    let coming = folder.path().join("coming/linux");
    fs::create_dir_all(&coming).unwrap();
    let rule = "title: A test\nid: 6f9619ff-8b86-4d01-b42d-00cf4fc964ff\nlogsource:\n    product: linux\n\
                detection:\n    selection:\n        a: b\n    condition: selection\nlevel: low\n";
    fs::write(coming.join("good.yml"), rule).unwrap();
    let bad = rule.replace("condition: selection", "condition: nothing").replace("6f96", "7a96");
    fs::write(coming.join("bad.yml"), bad).unwrap();
    let into = folder.path().join("mine");
    let paths = [folder.path().join("coming")];
    let verdicts = |judged: Vec<detect::Import>| -> Vec<ImportVerdict> {
        judged.into_iter().map(|one| one.verdict).collect()
    };
    let first = verdicts(import_rules(&Content::built_in(), &paths, &into).unwrap());
    assert_eq!(first, [ImportVerdict::Refused, ImportVerdict::New]);
    assert!(into.join("rules/linux/good.yml").is_file());
    assert!(!into.join("rules/linux/bad.yml").exists());
    let again = verdicts(import_rules(&Content::built_in(), &paths, &into).unwrap());
    assert_eq!(again, [ImportVerdict::Refused, ImportVerdict::Known]);
}
