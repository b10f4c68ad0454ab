//! `cargo xtask pages-…`: the pages before the real program, in Chromium.

use std::path::Path;
use std::process::Command;

use xtask::floor::pages_speed;

use super::{option, program, scratch};

/// `--events N` (5000000), `--alerts N` (3000), `--only PART` (first, warm, keys, scrolling, loads), `--lake
/// FOLDER` that an earlier run made, `--keep` it, `--bin PATH`.
#[allow(clippy::print_stdout)]
pub(crate) fn speed(args: &[String]) -> Result<(), String> {
    let program = program(args)?;
    let number = |flag, or| option(args, flag).and_then(|n| n.parse().ok()).unwrap_or(or);
    let events: u64 = number("--events", 5_000_000);
    let folder = scratch("pages-speed")?;
    let data = folder.join("floor");
    match option(args, "--lake") {
        // Files of a lake are never written to again: a link is a copy.
        Some(lake) => copied(Path::new(lake), &data)?,
        None => filled(&data, events)?,
    }
    let ui = Path::new("ui");
    let figures =
        pages_speed(&program, &data, ui, number("--alerts", 3_000), option(args, "--only"))?;
    figures.iter().for_each(|figure| println!("{figure}"));
    if !args.iter().any(|arg| arg == "--keep") {
        std::fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    }
    match figures.iter().filter(|figure| !figure.holds()).count() {
        0 => Ok(()),
        broken => Err(format!("{broken} figures pass their bar")),
    }
}

fn done(command: &mut Command, what: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what}: {status}")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

fn copied(lake: &Path, data: &Path) -> Result<(), String> {
    std::fs::create_dir_all(data).map_err(|e| e.to_string())?;
    done(Command::new("cp").arg("-al").arg(lake).arg(data.join("lake")), "the lake was not linked")
}

/// A lake of made events, over the week from 2026-11-01 on.
fn filled(data: &Path, events: u64) -> Result<(), String> {
    let arguments =
        ["run", "--release", "--locked", "--quiet", "-p", "lake", "--example", "fill", "--"];
    let mut fill = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    done(
        fill.args(arguments).arg(data).args([events.to_string(), "7".to_owned()]),
        "the lake was not made",
    )?;
    // The text of the events beside it is for other programs.
    std::fs::remove_file(data.join("raw.jsonl")).map_err(|e| e.to_string())
}
