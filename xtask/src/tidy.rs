//! The house keeps itself: the rules of ARCHITECTURE.md as checks over the tree.

#![allow(clippy::similar_names)] // A room has a root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which rooms a room may import. The table of ARCHITECTURE.md, as data.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ocsf", &["model"]),
    ("parse", &["model"]),
    ("normalize", &["model", "ocsf"]),
    ("detect", &["model", "ocsf"]),
    ("triage", &["model"]),
    ("report", &["model"]),
    ("collect", &["model"]),
    ("lake", &["model", "ocsf"]),
    ("hunt", &["model", "ocsf", "lake"]),
    ("ledger", &["model"]),
    (
        "app",
        &[
            "model",
            "ocsf",
            "parse",
            "normalize",
            "detect",
            "triage",
            "report",
            "collect",
            "lake",
            "hunt",
            "ledger",
        ],
    ),
    ("cli", &["app", "model"]),
    ("web", &["app", "model"]),
    ("pages", &[]),
    ("watchfloor", &["app", "cli", "pages", "web"]),
    ("bench", &["model", "normalize", "parse", "xtask"]),
    ("xtask", &["ocsf"]),
];

/// Third parties that only the named rooms may use.
const OWNERS: &[(&str, &[&str])] = &[
    ("argon2", &["app"]),
    ("aws-lc-rs", &["app"]),
    ("axum", &["web"]),
    ("axum-server", &["web"]),
    ("bzip2", &["collect"]),
    ("chacha20poly1305", &["app"]),
    ("ciborium", &["app"]),
    ("clap", &["cli"]),
    ("datafusion", &["lake", "hunt"]),
    ("datafusion-functions-json", &["hunt"]),
    ("deltalake", &["lake"]),
    ("evtx", &["parse", "xtask"]),
    ("flate2", &["collect"]),
    ("form_urlencoded", &["app", "collect"]),
    ("glob", &["collect"]),
    ("http", &["collect"]),
    ("http-body-util", &["web"]),
    ("indexmap", &["detect"]),
    ("indicatif", &["cli"]),
    ("inotify", &["collect"]),
    ("liblzma", &["collect"]),
    ("object_store", &["lake", "hunt"]),
    ("rcgen", &["collect", "web"]),
    ("postcard", &["app", "detect"]),
    ("regex-automata", &["detect"]),
    ("reqwest", &["app", "collect"]),
    ("rsigma-eval", &["bench", "detect"]),
    ("rsigma-parser", &["bench", "detect"]),
    ("rustls", &["collect", "web"]),
    ("rustls-pki-types", &["collect"]),
    ("rusty-s3", &["collect"]),
    ("schemars", &["app", "detect", "ledger", "model", "web"]),
    ("socket2", &["collect"]),
    ("sqlx", &["ledger"]),
    ("tar", &["collect"]),
    ("tikv-jemallocator", &["watchfloor"]),
    ("tokio-rustls", &["collect"]),
    ("totp-rs", &["app"]),
    ("tower-http", &["web"]),
    ("tracing-subscriber", &["watchfloor"]),
    ("typst", &["report"]),
    ("typst-assets", &["report"]),
    ("typst-layout", &["report"]),
    ("typst-pdf", &["report"]),
    ("x509-parser", &["collect"]),
    ("zip", &["collect"]),
    ("zstd", &["collect", "lake"]),
];

/// Rooms that touch nothing outside themselves: no files, network, clock, threads or logging.
const PURE: &[&str] = &["model", "ocsf", "parse", "normalize", "detect", "triage", "report"];

/// What a pure room must not say.
const IMPURE: &[&str] = &[
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "SystemTime::now",
    "Instant::now",
    "std::thread",
    "tracing::",
    "tokio",
];

/// Source files may have this many lines of code (tests left out); tables may have more.
const LINES: usize = 600;

/// Files of pages may have this many lines, styles included.
const PAGE_LINES: usize = 450;

/// Files that may be longer, each with its reason.
const LONG: &[(&str, &str)] = &[
    ("crates/ocsf/src/generated.rs", "generated tables of the OCSF schema"),
    ("crates/ocsf/src/columns.rs", "one table of columns"),
    ("crates/report/src/attack.rs", "one table of technique names"),
];

/// Runs every check and lists everything that is wrong.
#[allow(clippy::print_stdout)]
pub(crate) fn run(_args: &[String]) -> Result<(), String> {
    let house = root();
    let mut wrong = Vec::new();
    imports(&house, &mut wrong)?;
    for file in rust_files(&house) {
        source(&house, &file, &mut wrong);
    }
    pages(&house, &mut wrong);
    plug_points(&house, &mut wrong);
    if wrong.is_empty() {
        println!("tidy: the house is in order");
        return Ok(());
    }
    Err(format!("{}\n\ntidy: {} things are out of order", wrong.join("\n"), wrong.len()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Compares the import table and the owners with what cargo says.
fn imports(root: &Path, wrong: &mut Vec<String>) -> Result<(), String> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    let meta: Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let table: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let owners: BTreeMap<_, _> = OWNERS.iter().copied().collect();
    let list = |v: &Value, key: &str| v.get(key).and_then(Value::as_array).cloned();
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    for package in list(&meta, "packages").unwrap_or_default() {
        let package_name = text(&package, "name").unwrap_or_default();
        let room = package_name.as_str();
        let Some(allowed) = table.get(room) else {
            wrong.push(format!("{room}: not in the table of rooms (xtask/src/tidy.rs)"));
            continue;
        };
        for dependency in list(&package, "dependencies").unwrap_or_default() {
            let name = text(&dependency, "name").unwrap_or_default();
            let kind = text(&dependency, "kind");
            if kind.as_deref() == Some("dev") {
                continue;
            }
            if table.contains_key(name.as_str()) && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{room}: may not import the room {name}"));
            }
            if let Some(owner) = owners.get(name.as_str())
                && !owner.contains(&room)
            {
                wrong.push(format!(
                    "{room}: may not use {name}; it belongs to {}",
                    owner.join(", ")
                ));
            }
        }
    }
    Ok(())
}

/// Checks one source file: head comment, length, purity.
fn source(root: &Path, file: &Path, wrong: &mut Vec<String>) {
    let Ok(text) = fs::read_to_string(file) else { return };
    let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
    // A fuzz target is two lines, all alike; what they are is told once, in `fuzz/src`.
    let head = text.lines().find(|l| !l.trim().is_empty() && !l.starts_with("#!["));
    let generated_pair = name.starts_with("fuzz/fuzz_targets/");
    if !generated_pair
        && !head.is_some_and(|l| l.starts_with("//!") || l.starts_with("// @generated"))
    {
        wrong.push(format!("{name}: has no head comment (`//!`) that says what it is for"));
    }
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().count();
    let is_test = name.contains("/tests/");
    if lines > LINES && !is_test && !LONG.iter().any(|(long, _)| *long == name) {
        wrong.push(format!("{name}: {lines} lines; only tables may be longer than {LINES}"));
    }
    let room = name.strip_prefix("crates/").and_then(|n| n.split('/').next()).unwrap_or_default();
    if PURE.contains(&room) && name.contains("/src/") {
        for (number, line) in code.lines().enumerate() {
            let said = line.split("//").next().unwrap_or_default();
            for word in IMPURE {
                if said.contains(word) {
                    wrong.push(format!("{name}:{}: `{word}` in a pure room", number + 1));
                }
            }
        }
    }
}

/// The pages: each file says what it is for and is no longer than a person reads, nothing shows text as
/// HTML, and the lock file names no host.
fn pages(root: &Path, wrong: &mut Vec<String>) {
    let ui = root.join("ui");
    let kinds = ["svelte", "ts", "css"];
    for file in kinds.iter().flat_map(|kind| files(&ui.join("src"), kind)) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let name = file.strip_prefix(root).unwrap_or(&file).display();
        let head = text.lines().next().unwrap_or_default();
        let is_test = file.to_string_lossy().ends_with(".test.ts");
        if !is_test && !["<!--", "// ", "/* "].iter().any(|mark| head.starts_with(mark)) {
            wrong.push(format!("{name}: has no head comment that says what it is for"));
        }
        let lines = text.lines().count();
        if lines > PAGE_LINES {
            wrong.push(format!("{name}: {lines} lines; a page's file ends at {PAGE_LINES}"));
        }
        for word in ["{@html", "innerHTML", "eval("] {
            if text.contains(word) {
                wrong.push(format!("{name}: `{word}` could run what a sender wrote"));
            }
        }
    }
    let lock = fs::read_to_string(ui.join("package-lock.json")).unwrap_or_default();
    if lock.is_empty() || lock.contains("\"resolved\"") {
        wrong.push(
            "ui/package-lock.json: must be there and name no host (`npm config set omit-lockfile-registry-resolved true`)"
                .to_owned(),
        );
    }
}

/// Every row of a plug-point table has its fixture, fuzz target, samples or page.
fn plug_points(root: &Path, wrong: &mut Vec<String>) {
    let formats = names_in(&root.join("crates/parse/src"), "fn name(&self) -> &'static str {");
    for format in &formats {
        if !root.join("crates/parse/fixtures").join(format).is_dir() {
            wrong.push(format!("parse: format {format} has no folder in crates/parse/fixtures"));
        }
        let target = format!("fuzz/fuzz_targets/{format}.rs");
        if !root.join(&target).is_file() {
            wrong.push(format!("parse: format {format} has no fuzz target {target}"));
        }
    }
    for source in folders(&root.join("content/sources")) {
        let name = source.strip_prefix(root).unwrap_or(&source).display().to_string();
        if !source.join("source.yml").is_file() {
            wrong.push(format!("{name}: has no source.yml"));
        }
        if fs::read_dir(source.join("samples")).map_or(0, Iterator::count) < 2 {
            wrong.push(format!("{name}: has no samples with expected events"));
        }
    }
    for poll in folders(&root.join("content/polls")) {
        let name = poll.strip_prefix(root).unwrap_or(&poll).display().to_string();
        if !poll.join("poll.yml").is_file() {
            wrong.push(format!("{name}: has no poll.yml"));
        }
    }
    for rule in files(&root.join("content/rules"), "yml") {
        for side in ["positive", "negative"] {
            if !rule.with_extension(format!("{side}.json")).is_file() {
                let name = rule.strip_prefix(root).unwrap_or(&rule).display();
                wrong.push(format!("{name}: has no {side} sample beside it"));
            }
        }
    }
    for page in ["format", "source", "rule", "hunt", "form", "poll", "protocol", "page"] {
        if !root.join(format!("docs/adding/{page}.md")).is_file() {
            wrong.push(format!("docs/adding/{page}.md: missing; each plug point has its page"));
        }
    }
}

/// The string on the line after each `marker` in the Rust files of a folder.
fn names_in(folder: &Path, marker: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files(folder, "rs") {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for part in code.split(marker).skip(1) {
            let name = part.split('"').nth(1).unwrap_or_default();
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            if !name.is_empty() && name.bytes().all(plain) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

fn rust_files(root: &Path) -> Vec<PathBuf> {
    ["crates", "xtask", "fuzz", "bench"]
        .iter()
        .flat_map(|dir| files(&root.join(dir), "rs"))
        .collect()
}

/// All files under a folder with this ending, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|n| n != "target" && n != "node_modules") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.is_dir())
        .collect();
    found.sort();
    found
}
