//! `cargo xtask pages-…`: the pages before the real program, in Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::floor::{Figure, pages_pictures, pages_speed};

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
    let mut tell = |figure: &Figure| println!("{figure}");
    let (alerts, only) = (number("--alerts", 3_000), option(args, "--only"));
    let figures = pages_speed(&program, &data, ui, alerts, only, &mut tell)?;
    if !args.iter().any(|arg| arg == "--keep") {
        std::fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    }
    match figures.iter().filter(|figure| !figure.holds()).count() {
        0 => Ok(()),
        broken => Err(format!("{broken} figures pass their bar")),
    }
}

/// What the guide shows: a picture, and its name there.
const GUIDE: [(&str, &str); 12] = [
    ("floor-loaded-dark", "floor"),
    ("alert-loaded-light", "alerts"),
    ("incident-loaded-dark", "incident"),
    ("graph-loaded-light", "graph"),
    ("event-loaded-dark", "hunt"),
    ("value-loaded-light", "value"),
    ("sql-mistake-loaded-dark", "sql"),
    ("entity-loaded-dark", "entity"),
    ("matrix-loaded-light", "matrix"),
    ("floor-empty-dark", "first-start"),
    ("alerts-silent-dark", "no-answer"),
    ("alert-loaded-phone", "phone"),
];

/// `--out FOLDER`, `--guide` to take those of the guide into it, `--bin PATH`.
#[allow(clippy::print_stdout)]
pub(crate) fn pictures(args: &[String]) -> Result<(), String> {
    let program = program(args)?;
    let folder = scratch("screenshots")?;
    let out = option(args, "--out").map_or_else(|| folder.join("pages"), PathBuf::from);
    let evidence = Path::new("demo/evidence");
    pages_pictures(&program, &folder.join("floor"), Path::new("ui"), evidence, &out)?;
    std::fs::remove_dir_all(folder.join("floor")).map_err(|e| e.to_string())?;
    if args.iter().any(|arg| arg == "--guide") {
        for (name, shown) in GUIDE {
            let (from, to) = (out.join(name), Path::new("docs/guide/pages").join(shown));
            std::fs::copy(from.with_extension("webp"), to.with_extension("webp"))
                .map_err(|e| format!("{name}: {e}"))?;
        }
    }
    println!("{} pictures in {}", xtask::files(&out).len(), out.display());
    Ok(())
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
    // The whole workspace is named, that the libraries have the features that they have for the program: an
    // example built alone would have the query engine compiled anew.
    let arguments = ["build", "--release", "--locked", "--quiet", "--workspace", "--bins"];
    let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    done(build.args(arguments).args(["--example", "fill"]), "the lake's maker was not built")?;
    let mut fill = Command::new(xtask::target().join("release/examples/fill"));
    done(fill.arg(data).args([events.to_string(), "7".to_owned()]), "the lake was not made")?;
    // The text of the events beside it is for other programs.
    std::fs::remove_file(data.join("raw.jsonl")).map_err(|e| e.to_string())
}
