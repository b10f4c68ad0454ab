//! `cargo xtask schemathesis`: the API of a real server, tried by a program that reads its description.

use std::path::Path;

use xtask::{CALLERS, Trial, schemathesis};

use super::{option, program, scratch};

/// `--examples N` (60) for each operation, `--seed N`, `--bin PATH`.
#[allow(clippy::print_stdout)]
pub(crate) fn prove(args: &[String]) -> Result<(), String> {
    let program = program(args)?;
    let number = |flag, or| option(args, flag).and_then(|n| n.parse().ok()).unwrap_or(or);
    let trial = Trial {
        examples: number("--examples", 60) as u32,
        phases: "examples,coverage,fuzzing,stateful",
        seed: number("--seed", 7),
        callers: &CALLERS,
    };
    let folder = scratch("schemathesis")?;
    let evidence = Path::new("demo/evidence/kubernetes/audit.log");
    for line in schemathesis(&program, evidence, &folder, &trial)? {
        println!("{line}");
    }
    Ok(())
}
