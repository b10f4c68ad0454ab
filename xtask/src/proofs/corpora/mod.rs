//! `cargo xtask corpora`: the evidence of others through the whole program. Nothing panics, every record
//! is an event or a listed flaw ([`balance`]), every event is sound OCSF ([`schema`]), and fields agree
//! with what another engine makes of the same records ([`agree`]).

mod agree;
mod balance;
mod count;
mod schema;

use std::path::PathBuf;
use std::time::Duration;

use super::{corpora, option, program, query, run, scratch, strings};

/// How long one pass of the program over all of it may take.
const LIMIT: Duration = Duration::from_mins(10);

/// The parts of the corpora that hold events.
const PARTS: &[&str] = &["evtx", "sigma/regression_data", "sources"];

/// What every part of the proof works with.
struct Proof {
    program: PathBuf,
    /// Arguments that choose other content than the built-in one.
    content: Vec<String>,
    corpora: PathBuf,
    /// Scratch.
    folder: PathBuf,
    /// What broke a promise, in sentences.
    broken: Vec<String>,
}

impl Proof {
    /// A run of the program that must end well: exit 0, no panic, no defect.
    fn sound(&mut self, verb: &str, rest: &[String]) -> Result<xtask::Ended, String> {
        let mut args = vec![verb.to_owned()];
        args.extend(self.content.iter().chain(rest).cloned());
        let ended = run(&self.program, &args, &self.folder, LIMIT)?;
        if ended.code != Some(0) {
            return Err(format!("{verb} ended with {:?}: {}", ended.code, ended.err));
        }
        if ended.err.contains("panicked") || ended.err.contains("a defect of the") {
            self.broken.push(format!("{verb}: {}", ended.err));
        }
        Ok(ended)
    }
}

/// `cargo xtask corpora [--bin PATH] [--content DIR] [--only balance|schema|agree] [--unknown]`. With
/// `--unknown` the shapes that no definition knew are listed.
#[allow(clippy::print_stdout)] // For people at a terminal.
pub(crate) fn prove(args: &[String]) -> Result<(), String> {
    let program = program(args)?;
    let Some(corpora) = corpora() else {
        println!("skipped: no corpora beside the repository");
        return Ok(());
    };
    let content = option(args, "--content").map(|dir| strings(&["--content", dir]));
    let content = content.unwrap_or_default();
    let folder = scratch("corpora")?;
    let rows = agree::unwrap(&corpora.join("sources"), &folder.join("rows"))?;
    let mut proof = Proof { program, content, corpora, folder, broken: Vec::new() };
    let wanted = |part| option(args, "--only").is_none_or(|only| only == part);
    if wanted("balance") {
        let unknown = args.iter().any(|arg| arg == "--unknown");
        balance::prove(&mut proof, unknown)?;
    }
    if wanted("agree") {
        agree::prove(&mut proof, &rows)?;
    }
    if wanted("schema") {
        schema::prove(&mut proof)?;
    }
    if proof.broken.is_empty() { Ok(()) } else { Err(proof.broken.join("\n")) }
}

/// What is read: the parts, and the records that were unwrapped from the rows of `sources`.
fn evidence(proof: &Proof) -> Vec<PathBuf> {
    let parts = PARTS.iter().map(|part| proof.corpora.join(part));
    parts.chain([proof.folder.join("rows")]).filter(|path| path.is_dir()).collect()
}

/// `part` of `all` in per cent, with two places; 100 of nothing.
fn percent(part: usize, all: usize) -> f64 {
    if all == 0 { 100.0 } else { part as f64 * 100.0 / all as f64 }
}
