//! Measurements: `cargo run --release -p bench -- TASK`. See `bench/README.md`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // For people at a terminal.

mod evtx;
mod ingest;
mod json;
mod peer;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: bench ingest [--bin PROGRAM] [--rounds N]     the whole measurement of ingest
       bench json FOLDER MEGABYTES                   makes JSON lines from the corpora
       bench evtx FOLDER MEGABYTES                   makes EVTX files from the corpora
       bench peer FOLDER [--bloom]                   rsigma-eval over a folder of JSON lines, as it comes or
                                                     with its filter, which is off unless asked for";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(corpora) = xtask::corpora() else {
        println!("skipped: no corpora beside the repository");
        return ExitCode::SUCCESS;
    };
    let parts: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match parts.as_slice() {
        ["ingest", ..] => ingest::run(&corpora, &args),
        ["json", folder, size] => megabytes(size).and_then(|bytes| {
            ingest::make_json(&corpora, Path::new(folder), bytes)
                .map(|(events, bytes)| println!("{events} events, {bytes} bytes"))
        }),
        ["evtx", folder, size] => {
            megabytes(size).and_then(|bytes| ingest::make_evtx(&corpora, Path::new(folder), bytes))
        }
        ["peer", folder, rest @ ..] if matches!(rest, [] | ["--bloom"]) => {
            peer::run(&xtask::sigma_rules(&corpora), Path::new(folder), !rest.is_empty())
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn megabytes(text: &str) -> Result<u64, String> {
    text.parse::<u64>().map(|n| n * 1_000_000).map_err(|_| USAGE.to_owned())
}

/// Every file below a folder with an ending, sorted.
fn files(root: &Path, ending: &str) -> Vec<PathBuf> {
    let mut out = xtask::files(root);
    out.retain(|path| path.extension().is_some_and(|found| found == ending));
    out
}
