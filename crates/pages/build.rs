//! Builds the pages with npm into cargo's own folder and lists them for embedding.
//!
//! Runs again only when something under `ui/` has changed. Without Node the program still builds, with a
//! page that says what is missing; `WATCHFLOOR_PAGES=required` makes that an error.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// What the pages are made from, below `ui/`.
const MADE_FROM: [&str; 6] = [
    "src",
    "index.html",
    "package.json",
    "package-lock.json",
    "vite.config.js",
    "svelte.config.js",
];
/// The oldest Node that can build them.
const NODE: u32 = 18;

fn main() -> io::Result<()> {
    let place = |name: &str| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let ui = place("CARGO_MANIFEST_DIR").join("../../ui");
    let out = place("OUT_DIR").join("pages");
    for name in MADE_FROM {
        println!("cargo::rerun-if-changed={}", ui.join(name).display());
    }
    if let Err(missing) = built(&ui, &out) {
        if env::var("WATCHFLOOR_PAGES").is_ok_and(|word| word == "required") {
            println!("cargo::error=the pages were not built: {missing}");
            return Err(io::Error::other(missing));
        }
        println!("cargo::warning=the pages were not built, so the program has none: {missing}");
        // A file that is never there makes cargo look again at the next build.
        println!("cargo::rerun-if-changed={}", ui.join("missing").display());
        stand_in(&out, &missing)?;
    }
    fs::write(place("OUT_DIR").join("files.rs"), listed(&out)?)
}

/// Installs what the lock file names, unless it is there, and builds. The error is a sentence.
fn built(ui: &Path, out: &Path) -> Result<(), String> {
    let version = told(Command::new("node").arg("--version")).map_err(|_| {
        format!("Node.js {NODE} or newer is not installed (apt-get install nodejs npm)")
    })?;
    let major = version.trim().trim_start_matches('v').split('.').next().unwrap_or_default();
    if major.parse().unwrap_or(0) < NODE {
        return Err(format!(
            "Node.js {NODE} or newer is needed, and {} is installed",
            version.trim()
        ));
    }
    let installed = ui.join("node_modules/.package-lock.json");
    if !newer(&installed, &ui.join("package-lock.json")) {
        let arguments = ["ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"];
        told(Command::new("npm").args(arguments).current_dir(ui))
            .map_err(|said| format!("`npm ci` in ui/ failed: {said}"))?;
    }
    let _none = fs::remove_dir_all(out);
    let vite = ui.join("node_modules/vite/bin/vite.js");
    let mut build = Command::new("node");
    build.arg(vite).args(["build", "--logLevel", "error", "--emptyOutDir", "--outDir"]).arg(out);
    told(build.current_dir(ui)).map_err(|said| format!("`vite build` in ui/ failed: {said}"))?;
    Ok(())
}

/// Runs a program; what it wrote, or on failure the end of what it complained of, in one line.
fn told(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| {
        format!("{} cannot be run: {error}", command.get_program().to_string_lossy())
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(lines.get(..lines.len().min(8)).unwrap_or_default().join(" | "))
}

fn newer(one: &Path, other: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
    matches!((time(one), time(other)), (Some(one), Some(other)) if one >= other)
}

/// The page that stands in the place of the others.
fn stand_in(out: &Path, missing: &str) -> io::Result<()> {
    let _none = fs::remove_dir_all(out);
    fs::create_dir_all(out)?;
    let said = missing.replace('&', "&amp;").replace('<', "&lt;");
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Watchfloor</title><h1>The pages are not \
         here</h1><p>This program was built without them: {said}.</p><p>The API works all the \
         same: <a href=/api/v1/openapi.json>its description</a>.</p></html>"
    );
    fs::write(out.join("index.html"), page)
}

/// The list of files, as an expression of Rust.
fn listed(out: &Path) -> io::Result<String> {
    let mut list = String::from("&[\n");
    for file in files(out)? {
        if file.extension().is_some_and(|ending| ending == "br") {
            continue;
        }
        let path = file.strip_prefix(out).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let packed = PathBuf::from(format!("{}.br", file.display()));
        let brotli = if packed.is_file() {
            format!("Some(include_bytes!({:?}))", packed.display().to_string())
        } else {
            "None".to_owned()
        };
        let plain = file.display().to_string();
        let _infallible = writeln!(
            list,
            "File {{ path: {:?}, plain: include_bytes!({plain:?}), brotli: {brotli} }},",
            format!("/{path}")
        );
    }
    list.push(']');
    Ok(list)
}

/// All files below a folder, in order.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
