//! What the tests of this room share: walking fixtures, finding the corpora.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::similar_names
)]

use std::path::{Path, PathBuf};

/// A fixture: a file below `fixtures/`, whose folder names the format that must read it. The folder
/// `hostile` holds what breaks the rules; any format may read it.
pub struct Fixture {
    pub path: PathBuf,
    pub format: String,
    pub name: String,
    pub bytes: Vec<u8>,
}

/// All fixtures, in the order of their paths.
pub fn fixtures() -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found: Vec<Fixture> = files(&root)
        .into_iter()
        .filter(|path| !path.to_string_lossy().ends_with(".expect.json"))
        .map(|path| Fixture {
            format: path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned(),
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            bytes: std::fs::read(&path).unwrap(),
            path,
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no fixtures below {}", root.display());
    found
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries.map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The folder of real evidence, which is not part of the repository; none when it is not here.
pub fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let folder = std::env::var_os("WATCHFLOOR_CORPORA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no corpora (set WATCHFLOOR_CORPORA)");
    None
}

/// A line that is neither in a record nor named by a flaw. Directives and a table's names are none.
/// Lines of a `bulk` body come in pairs: what names one of them names the other.
pub fn hidden(reading: &parse::Reading, bytes: &[u8]) -> Option<String> {
    let directives = matches!(reading.format, "zeek" | "w3c" | "delimited");
    // Both come in the order of the bytes, so one walk beside the lines is enough.
    let ranges = reading.records.iter().map(|r| (r.offset, r.offset + r.raw.len() as u64));
    let mut named: Vec<(u64, u64)> =
        ranges.chain(reading.flaws.iter().map(|f| (f.offset, f.offset + 1))).collect();
    named.sort_unstable();
    let mut covered = 0;
    let mut next = named.into_iter().peekable();
    let mut names = (reading.format == "delimited").then_some(());
    let mut at = 0u64;
    let mut pair: Option<&[u8]> = None;
    let mut named_before = false;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let (start, end) = (at, at + line.len() as u64);
        at = end;
        while let Some((_, to)) = next.next_if(|(from, _)| *from < end) {
            covered = covered.max(to);
        }
        // The count of a message that is blank is blank itself.
        let counts = reading.format == "syslog";
        let blank = line
            .iter()
            .all(|b| b.is_ascii_whitespace() || *b == 0 || (counts && b.is_ascii_digit()));
        let beside_named = std::mem::replace(&mut named_before, covered > start);
        if covered > start || blank || (directives && line.starts_with(b"#")) {
            pair = None;
            continue;
        }
        if reading.format == "bulk" {
            match pair.replace(line) {
                Some(_) => return Some(String::from_utf8_lossy(line).into_owned()),
                None if beside_named => pair = None,
                None => {}
            }
            continue;
        }
        let text: Vec<u8> = line.iter().copied().filter(|b| !b"\0\r\n".contains(b)).collect();
        let repeated = bytes.starts_with(&text);
        if names.take().is_none() && !repeated {
            return Some(String::from_utf8_lossy(line).into_owned());
        }
    }
    pair.map(|line| String::from_utf8_lossy(line).into_owned())
}

/// A small generator of numbers that are the same on every run.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}
