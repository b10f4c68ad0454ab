//! Every mistake under `tests/mistakes` as a person sees it, found by walking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;

/// This room's folder, as cargo says when the test runs: a binary may be shared between checkouts.
fn room() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from)
}

use normalize::{CODES, Normalizer, SourceText};

fn mistakes() -> Vec<(String, String)> {
    let dir = room().join("tests/mistakes");
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .flatten()
        .map(|entry| {
            let name = entry.path().file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn mistakes_are_shown_with_a_caret() {
    let mut seen = Vec::new();
    for (name, text) in mistakes() {
        let source = SourceText { name: "x".into(), path: format!("{name}.yml"), text };
        let (normalizer, diagnostics) = Normalizer::compile(vec![source]);
        assert!(normalizer.definitions().is_empty(), "{name} has mistakes and is not loaded");
        let shown: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(name, shown.join("\n"));
        });
        seen.extend(diagnostics.iter().map(|d| d.code));
    }
    // S002 (limits) is tried in `yaml.rs`, S019 and S020 need samples.
    for (code, meaning) in CODES {
        let tried = seen.contains(code) || ["S002", "S019", "S020"].contains(code);
        assert!(tried, "no mistake shows {code}: {meaning}");
    }
    assert!(seen.iter().all(|code| CODES.iter().any(|(c, _)| c == code)));
}
