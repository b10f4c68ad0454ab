//! The short form of `cargo xtask schemathesis`: a few requests for each operation, made from the
//! description, with a token and without.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use xtask::{Trial, schemathesis};

#[test]
fn what_is_made_from_the_description_meets_no_defect() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_watchfloor"));
    let evidence =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/evidence/kubernetes/audit.log");
    let trial = Trial { examples: 1, phases: "fuzzing", seed: 7, callers: &["token", "nobody"] };
    let figures = schemathesis(program, &evidence, folder.path(), &trial);
    assert_eq!(figures.unwrap_or_else(|error| panic!("{error}")).len(), 2);
}
