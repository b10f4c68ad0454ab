//! What proofs and measurements share: the built program run and watched, its data folder asked, the
//! corpora found.

mod api;
pub mod floor;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use api::{CALLERS, Trial, schemathesis};

/// The program under proof: `--bin PATH`, or the release build.
pub fn program(args: &[String]) -> Result<PathBuf, String> {
    let named = option(args, "--bin").map(PathBuf::from);
    let path = named.unwrap_or_else(|| target().join("release/watchfloor"));
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "{} is not there; build it with `cargo build --release`, or name one with --bin",
        path.display()
    ))
}

/// The value after a flag.
pub fn option<'a>(args: &'a [String], flag: &str) -> Option<&'a str> {
    args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1)).map(String::as_str)
}

/// The evidence corpora beside the repository, when they are there.
pub fn corpora() -> Option<PathBuf> {
    let named = std::env::var_os("WATCHFLOOR_CORPORA").map(PathBuf::from);
    let path = named.unwrap_or_else(|| PathBuf::from("../shared/corpora"));
    path.is_dir().then_some(path)
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    PathBuf::from(std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned()))
}

/// A scratch folder below the target folder, empty.
pub fn scratch(name: &str) -> Result<PathBuf, String> {
    let folder = target().join("proofs").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// How a run of the program ended.
pub struct Ended {
    /// Exit code; none when a signal or the limit ended it.
    pub code: Option<i32>,
    /// Wall time.
    pub took: Duration,
    /// Peak resident memory in KiB, as the kernel counts it.
    pub peak_kib: u64,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs the program to its end, watching its memory; past `limit` it is killed and `code` is none.
pub fn run(
    program: &Path,
    args: &[String],
    folder: &Path,
    limit: Duration,
) -> Result<Ended, String> {
    let file = |name: &str| fs::File::create(folder.join(name)).map_err(|e| e.to_string());
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(file("stdout")?)
        .stderr(file("stderr")?)
        .spawn()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    let began = Instant::now();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = peak_kib.max(kib.unwrap_or(0));
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break status.code();
        }
        if began.elapsed() > limit {
            child.kill().and_then(|()| child.wait()).map_err(|e| e.to_string())?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = |name: &str| {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ok(Ended { code, took: began.elapsed(), peak_kib, out: text("stdout"), err: text("stderr") })
}

/// Rows of a question to a data folder.
pub fn query(program: &Path, data: &Path, sql: &str) -> Result<Vec<Value>, String> {
    let output = Command::new(program)
        .args(["query", "--json", "--data"])
        .arg(data)
        .arg(sql)
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("{sql}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|e| format!("{line}: {e}")))
        .collect()
}

/// Arguments as owned strings.
pub fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

/// A small generator of numbers (SplitMix64): proofs are repeatable by their seed.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

/// Every file below a folder, sorted; links are not followed.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// SigmaHQ's folders of rules in the corpora.
pub fn sigma_rules(corpora: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(corpora.join("sigma")).into_iter().flatten().flatten();
    let mut found: Vec<_> = folders
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("rules"))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}
