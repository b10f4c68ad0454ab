//! House tasks: `cargo xtask TASK`. Each long proof and each house check is a task here.

mod ocsf_check;
mod ocsf_tables;
mod proofs;
mod tidy;

use std::process::ExitCode;

/// A task: its name, what it does, and the function.
type Task = (&'static str, &'static str, fn(&[String]) -> Result<(), String>);

/// The one list of tasks; help derives from it.
const TASKS: &[Task] = &[
    (
        "corpora",
        "the evidence of others through the whole program: counts, schema, agreement",
        proofs::corpora::prove,
    ),
    (
        "floor-faults",
        "the live floor with a full disk, a clock that jumps, a damaged log, a bad rule, a locked ledger",
        proofs::floor::faults,
    ),
    (
        "floor-kill",
        "kill -9 of the live floor at random moments under load: nothing acknowledged is lost",
        proofs::floor::kill,
    ),
    (
        "floor-load",
        "the live floor under 10,000 events a second and 3,000 rules: how long until an alert",
        proofs::floor::load,
    ),
    (
        "floor-overload",
        "ten times that: what is refused, and how soon it is well again",
        proofs::floor::overload,
    ),
    (
        "floor-power",
        "the live floor's disk as it was at a moment: what was acknowledged before is on it",
        proofs::floor::power,
    ),
    (
        "hostile",
        "damaged and malicious evidence through the whole program",
        proofs::hostile::hostile,
    ),
    (
        "kill",
        "kill -9 at random moments of investigate, then the same command again",
        proofs::kill::kill,
    ),
    ("ocsf", "EXPORT.json: writes the schema tables from an OCSF export", ocsf_tables::run),
    ("ocsf-check", "FILE…: checks OCSF events against the schema", ocsf_check::run),
    (
        "pages-speed",
        "the pages before five million events: first rows, keys, scrolling, bytes, in Chromium",
        proofs::pages::speed,
    ),
    (
        "regression",
        "SigmaHQ's regression cases through the whole program",
        proofs::regression::regression,
    ),
    (
        "schemathesis",
        "the API of a real server tried by schemathesis: no defect, no answer that is not described",
        proofs::schemathesis::prove,
    ),
    (
        "screenshots",
        "a picture of every page: dark, light, on a phone; empty, loaded, failing",
        proofs::pages::pictures,
    ),
    ("tidy", "checks the rules of the house: imports, owners, heads, sizes, words", tidy::run),
];

#[allow(clippy::print_stderr)] // This is a program for people at a terminal.
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let asks = args.iter().any(|arg| arg == "--help" || arg == "-h");
    let chosen = args.split_first().filter(|_| !asks).and_then(|(name, rest)| {
        TASKS.iter().find(|(task, ..)| task == name).map(|(_, _, run)| run(rest))
    });
    match chosen {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(message)) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("usage: cargo xtask TASK\n\nTasks:");
            for (name, about, _) in TASKS {
                eprintln!("  {name:<14} {about}");
            }
            eprintln!("\nThe long ones and their options: docs/guide/proofs.md");
            if asks { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
    }
}
