//! `cargo xtask hostile`: damaged and malicious evidence through the whole program: no panic, no hang,
//! bounded memory, nothing written outside the data folder.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Dice, corpora, option, program, run, scratch, strings};

/// A parcel of the batch may take this long; the batch, the sum.
const EACH: Duration = Duration::from_secs(10);
/// Memory that no run may pass, in KiB.
const MEMORY: u64 = 1 << 20;
/// Files larger than this are not copied and damaged; their smaller brothers are.
const SAMPLE: u64 = 2 << 20;

/// `--copies N` (1000 in all), `--seed N`, `--bin PATH`.
#[allow(clippy::print_stdout)]
pub(crate) fn hostile(args: &[String]) -> Result<(), String> {
    let program = program(args)?;
    let number = |flag, or| option(args, flag).and_then(|n| n.parse().ok()).unwrap_or(or);
    let copies: usize = number("--copies", 1_000) as usize;
    let mut dice = Dice(number("--seed", 11));
    let folder = scratch("hostile")?;
    let mut samples = Vec::new();
    for root in ["crates/parse/fixtures", "demo/evidence", "content/sources"] {
        files(Path::new(root), &mut samples);
    }
    if let Some(corpora) = corpora() {
        for root in ["evtx", "sources", "sigma/regression_data"] {
            files(&corpora.join(root), &mut samples);
        }
    }
    let mut worst = 0;
    let mut slowest = Duration::ZERO;
    let mut made = 0;
    let mut round = 0;
    while made < copies {
        let batch = folder.join(format!("batch-{round}"));
        fs::create_dir_all(&batch).map_err(|e| e.to_string())?;
        for n in 0..100.min(copies - made) {
            let at = (made + n) % samples.len().max(1);
            let Some(sample) = samples.get(at) else { continue };
            let bytes = fs::read(sample).map_err(|e| e.to_string())?;
            let name = sample.file_name().map(|n| n.to_string_lossy().into_owned());
            let path = batch.join(format!("{n:03}-{}", name.unwrap_or_default()));
            fs::write(path, damaged(bytes, &mut dice)).map_err(|e| e.to_string())?;
        }
        made += 100;
        let ended = check(&program, &folder, &batch, EACH * 10)?;
        worst = worst.max(ended.0);
        slowest = slowest.max(ended.1);
        fs::remove_dir_all(&batch).map_err(|e| e.to_string())?;
        round += 1;
    }
    println!(
        "{made} damaged copies of {} samples: {} MiB at most, slowest hundred {slowest:.1?}",
        samples.len(),
        worst >> 10
    );
    for (name, bytes) in crafted() {
        let batch = folder.join(name);
        fs::create_dir_all(&batch).map_err(|e| e.to_string())?;
        bytes(&batch.join(name)).map_err(|e| format!("{name}: {e}"))?;
        let (peak, took) = check(&program, &folder, &batch, EACH)?;
        println!("{name:<24} {took:>8.1?} {:>5} MiB", peak >> 10);
        fs::remove_dir_all(&batch).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Investigates a batch and holds it to the bounds; gives peak memory in KiB and time.
fn check(
    program: &Path,
    folder: &Path,
    batch: &Path,
    limit: Duration,
) -> Result<(u64, Duration), String> {
    let data = folder.join("data");
    let _may_not_exist = fs::remove_dir_all(&data);
    let before = count(folder);
    let command = strings(&[
        "investigate",
        &batch.display().to_string(),
        "--data",
        &data.display().to_string(),
        "--json",
        "--no-report",
    ]);
    let ended = run(program, &command, folder, limit)?;
    let name = batch.display();
    match ended.code {
        None => return Err(format!("{name}: still running after {limit:?}")),
        // Nothing to work on is an answer too.
        Some(0 | 4) => {}
        Some(code) => return Err(format!("{name}: exit code {code}: {}", ended.err)),
    }
    if ended.err.contains("panicked") || ended.out.contains("a defect of the") {
        return Err(format!("{name}: {}", ended.err));
    }
    if ended.peak_kib > MEMORY {
        return Err(format!("{name}: {} MiB of memory", ended.peak_kib >> 10));
    }
    let _may_not_exist = fs::remove_dir_all(&data);
    if count(folder) != before {
        return Err(format!("{name}: something was written outside the data folder"));
    }
    Ok((ended.peak_kib, ended.took))
}

/// Cuts, flips, swaps and repeats bytes.
fn damaged(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let length = bytes.len() as u64;
    if length == 0 {
        return bytes;
    }
    match dice.below(4) {
        0 => bytes.truncate(dice.below(length) as usize),
        1 => {
            for _ in 0..=dice.below(64) {
                let at = dice.below(length) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
        2 => {
            let from = dice.below(length) as usize;
            let to = (from + dice.below(4096) as usize).min(bytes.len());
            let value = [0, 0xff, b'"', b'\n'].get(dice.below(4) as usize).copied().unwrap_or(0);
            if let Some(part) = bytes.get_mut(from..to) {
                part.fill(value);
            }
        }
        _ => {
            let from = dice.below(length) as usize;
            let to = (from + dice.below(4096) as usize).min(bytes.len());
            let part = bytes.get(from..to).unwrap_or_default().to_vec();
            let at = dice.below(length) as usize;
            bytes.splice(at..at, part);
        }
    }
    bytes
}

/// A file made to do harm, and how it is written.
type Crafted = (&'static str, fn(&Path) -> std::io::Result<()>);

/// Files made to do harm, each written to the path that it is given.
fn crafted() -> Vec<Crafted> {
    vec![
        ("long-line.log", |path| repeat(path, b"", b"a", 1 << 30, b"\n")),
        ("long-json-string.json", |path| repeat(path, b"{\"a\":\"", b"b", 1 << 30, b"\"}\n")),
        ("deep.json", |path| repeat(path, b"", b"[", 100_000, b"")),
        ("deep-objects.json", |path| repeat(path, b"", b"{\"a\":", 100_000, b"1")),
        ("nul.log", |path| repeat(path, b"x\n", b"\0", 64 << 20, b"\ny\n")),
        ("newlines.log", |path| repeat(path, b"a\n", b"\n", 64 << 20, b"b\n")),
        ("quotes.csv", |path| repeat(path, b"a,b,c\n1,2,3\n", b"\"", 64 << 20, b"\n")),
        ("commas.csv", |path| repeat(path, b"a,b,c\n", b",", 32 << 20, b"\n")),
        ("invalid-utf8.log", |path| repeat(path, b"Oct 14 ", b"\xff\xfe\xc0", 4 << 20, b"\n")),
        ("years.log", |path| {
            let line =
                b"<13>1 0000-01-01T00:00:00Z h a - - - x\n<13>1 9999-12-31T23:59:59Z h a - - - y\n\
                         {\"time\":99999999999999999999}\n";
            repeat(path, b"", line, 1_000, b"")
        }),
        ("gzip-bomb.gz", |path| pipe(path, "head -c 2147483648 /dev/zero | gzip -9")),
        ("zstd-bomb.zst", |path| {
            pipe(path, "head -c 10737418240 /dev/zero | zstd -q -19 --long=27 -T2")
        }),
        ("xz-bomb.xz", |path| pipe(path, "head -c 1073741824 /dev/zero | xz -1 -T2")),
        ("bzip2-bomb.bz2", |path| pipe(path, "head -c 1073741824 /dev/zero | bzip2 -9")),
    ]
}

fn repeat(path: &Path, head: &[u8], body: &[u8], times: usize, tail: &[u8]) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    file.write_all(head)?;
    let block = body.repeat((1 << 16) / body.len().max(1));
    let whole = times * body.len();
    let mut left = whole;
    while left > 0 {
        let part = block.get(..left.min(block.len())).unwrap_or(&block);
        file.write_all(part)?;
        left -= part.len();
    }
    file.write_all(tail)?;
    file.flush()
}

fn pipe(path: &Path, command: &str) -> std::io::Result<()> {
    let file = fs::File::create(path)?;
    let status = std::process::Command::new("sh").args(["-c", command]).stdout(file).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(format!("`{command}` failed")))
    }
}

fn files(root: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(root).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if entry.metadata().is_ok_and(|m| m.len() > 0 && m.len() <= SAMPLE) {
            found.push(path);
        }
    }
}

fn count(folder: &Path) -> usize {
    let mut all = Vec::new();
    files(folder, &mut all);
    all.len()
}
