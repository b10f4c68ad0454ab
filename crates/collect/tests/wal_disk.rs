//! Disks that are full or fail, real ones. They are mounted for the purpose, which needs root: where
//! that is not to be had the tests say so and do nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use collect::wal::{Options, Read, Wal};
use collect::{Delivery, Full, Position, Refusal};
use model::Micros;
use tempfile::TempDir;

/// A mounted file system, unmounted at the end.
struct Mount(TempDir);

impl Mount {
    fn new(args: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        if run("mount", &[args, &[folder.path().to_str().unwrap()]].concat()) {
            return Some(Self(folder));
        }
        eprintln!("skipped: `mount {}` is not allowed here", args.join(" "));
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &[self.0.path().to_str().unwrap()]);
    }
}

fn run(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn options() -> Options {
    Options { segment_bytes: 256 << 10, ..Options::default() }
}

fn delivery(number: u64) -> Delivery {
    // Text that does not get much smaller.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = Vec::with_capacity(20_000);
    while noise.len() < 20_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    Delivery {
        sender: "a".into(),
        format: "".into(),
        definition: None,
        tags: [].into(),
        origin: "a test".into(),
        received_at: Micros(number as i64),
        flaws: vec![],
        cursor: None,
        bytes: noise.into(),
    }
}

/// Appends until it is refused.
fn fill(wal: &Wal) -> (Vec<Position>, Refusal) {
    let mut taken = Vec::new();
    loop {
        match wal.append_blocking(delivery(taken.len() as u64)) {
            Ok(receipt) => taken.push(receipt.position),
            Err(refusal) => return (taken, refusal),
        }
        assert!(taken.len() < 10_000, "the disk does not fill");
    }
}

fn positions(wal: &Wal) -> Vec<Position> {
    let mut reader = wal.reader(Position::START);
    let reads = std::iter::from_fn(|| reader.try_next().unwrap());
    reads
        .map(|read| match read {
            Read::Delivery(position, _) => position,
            Read::Lost(problem) => panic!("{problem}"),
        })
        .collect()
}

#[test]
fn a_full_disk_is_said_and_takes_nothing_along() {
    let Some(disk) = Mount::new(&["-t", "tmpfs", "-o", "size=1500k", "tmpfs"]) else { return };
    let folder = disk.path().join("wal");
    let wal = Wal::open(&folder, options()).unwrap();
    let (taken, refusal) = fill(&wal);
    assert!(matches!(refusal, Refusal::Full { what: Full::Disk, .. }), "{refusal}");
    assert!(taken.len() > 30, "{}", taken.len());
    assert_eq!(positions(&wal), taken);
    drop(wal);
    // It opens on the full disk, and takes again when something is released.
    let wal = Wal::open(&folder, options()).unwrap();
    assert_eq!(positions(&wal), taken);
    let last = *taken.last().unwrap();
    wal.release(last.next()).unwrap();
    let receipt = wal.append_blocking(delivery(0)).unwrap();
    assert!(receipt.position > last);
}

#[test]
fn a_disk_that_fails_is_said_and_takes_nothing_along() {
    // A disk of 64 MiB that has room for 8: the rest of it fails.
    let Some(small) = Mount::new(&["-t", "tmpfs", "-o", "size=8m", "tmpfs"]) else { return };
    let image = small.path().join("image");
    File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let image = image.to_str().unwrap();
    if !run("mkfs.ext4", &["-q", "-O", "^has_journal", image]) {
        eprintln!("skipped: no mkfs.ext4");
        return;
    }
    let Some(disk) = Mount::new(&["-o", "loop", image]) else { return };
    let folder = disk.path().join("wal");
    fs::create_dir(&folder).unwrap();
    let wal = Wal::open(&folder, options()).unwrap();
    let (taken, refusal) = fill(&wal);
    // The file system had room, and was told only when it wrote that the disk has none.
    let full = matches!(refusal, Refusal::Full { what: Full::Disk, .. });
    assert!(full || matches!(refusal, Refusal::Disk(_)), "{refusal}");
    assert!(taken.len() > 30, "{}", taken.len());
    assert_eq!(positions(&wal), taken);
    assert!(wal.health().obstacle.is_some());
}
