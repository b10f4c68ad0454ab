//! The power of the machine cut while senders deliver: the disk of the floor is a file, which is cloned
//! between two writes of the disk. What the clone holds is what a disk would hold whose power went at
//! that moment; what programs had not synced is not on it.
//!
//! The disk is an ext4 on a loop device over a file on XFS, whose reflinks clone a file at once, as of one
//! moment: a copy that takes its time would mix several. It needs root, mkfs.xfs and mkfs.ext4.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::check::{Counted, count};
use super::evidence::{Stream, Way};
use super::senders::{ACKNOWLEDGED, Control, Record, begin, beside};
use super::server::{Api, Place};
use crate::Dice;

/// How much is tried.
#[derive(Debug, Clone)]
pub struct PowerTrial {
    /// Cuts.
    pub times: u64,
    /// Where random choices begin.
    pub seed: u64,
    /// Events a second of each of three senders.
    pub rate: u64,
}

/// Numbers of a sender that a clone may hold beyond what was acknowledged.
const BEYOND: u64 = 20_000;

/// A folder on which something is mounted, until this is dropped.
pub(super) struct Mounted(pub(super) PathBuf);

impl Mounted {
    /// Mounts; none when this machine does not let us.
    pub(super) fn mount(arguments: &[&str], at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).ok()?;
        let done = Command::new("mount").args(arguments).arg(at).output().ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg(&self.0).output();
    }
}

fn run(command: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(command).args(arguments).output();
    let output = output.map_err(|e| format!("{command}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// A sparse file with a file system.
fn disk(file: &Path, bytes: u64, make: &str, arguments: &[&str]) -> Result<(), String> {
    let made = std::fs::File::create(file).and_then(|made| made.set_len(bytes));
    made.map_err(|e| format!("{}: {e}", file.display()))?;
    run(make, &[arguments, &[&file.display().to_string()]].concat()).map(drop)
}

/// Cuts the power again and again. Gives the figures; an error says which promise is broken.
pub fn floor_power(
    program: &Path,
    folder: &Path,
    trial: &PowerTrial,
) -> Result<Vec<String>, String> {
    let skipped = |why: &str| {
        Ok(vec![format!(
            "skipped: {why}; this proof needs root, loop devices, mkfs.xfs and mkfs.ext4"
        )])
    };
    let text = |path: &Path| path.display().to_string();
    let outer = folder.join("outer.img");
    if let Err(why) = disk(&outer, 8 << 30, "mkfs.xfs", &["-q"]) {
        return skipped(&why);
    }
    let Some(shelf) = Mounted::mount(&["-o", "loop", &text(&outer)], &folder.join("shelf")) else {
        return skipped("a loop device cannot be mounted");
    };
    let image = shelf.0.join("disk.img");
    if let Err(why) = disk(&image, 4 << 30, "mkfs.ext4", &["-q"]) {
        return skipped(&why);
    }
    let Some(disk) = Mounted::mount(&["-o", "loop", &text(&image)], &folder.join("disk")) else {
        return skipped("a loop device cannot be mounted");
    };
    let ways = [Way::Hec, Way::Web, Way::Relp];
    let streams = Stream::several(trial.seed, &ways, trial.rate, 500);
    let mut place = Place::new(program, &disk.0.join("data"))?;
    place.log = folder.join("floor.log");
    let (floor, api, works) = begin(&place, &streams, true, |_| u64::MAX)?;
    let control = Control::default();
    let mut dice = Dice(trial.seed);
    let (_, cuts) = beside(&works, &control, || {
        let mut cuts = Vec::new();
        for time in 0..trial.times {
            std::thread::sleep(Duration::from_millis(500 + dice.below(5_000)));
            let promised: Vec<u64> = streams
                .iter()
                .map(|stream| {
                    control
                        .through
                        .get(usize::from(stream.sender))
                        .map_or(0, |t| t.load(Ordering::SeqCst))
                })
                .collect();
            let clone = shelf.0.join("clone.img");
            run("cp", &["--reflink=always", "--sparse=auto", &text(&image), &text(&clone)])?;
            let cut = afterwards(program, folder, &clone, &streams, &promised, &api)
                .map_err(|e| format!("cut {}: {e}", time + 1))?;
            std::fs::remove_file(&clone).map_err(|e| e.to_string())?;
            cuts.push(cut);
        }
        Ok(cuts)
    })?;
    floor.stop()?;
    let promised: u64 = cuts.iter().map(|cut| cut.acknowledged).sum();
    let beyond: u64 = cuts.iter().map(|cut| cut.rows - cut.acknowledged.min(cut.rows)).sum();
    Ok(vec![
        format!(
            "{} cuts of the power under {} events a second over HEC, HTTP and RELP: each time the disk as it was at that moment was mounted, its journal replayed, and a floor opened on it",
            cuts.len(),
            trial.rate * ways.len() as u64
        ),
        format!(
            "{promised} events had been acknowledged before the cuts, {beyond} more were on the disks; acknowledged and lost: 0"
        ),
    ])
}

/// A floor on the disk as it was, and what it holds.
fn afterwards(
    program: &Path,
    folder: &Path,
    clone: &Path,
    streams: &[Stream],
    promised: &[u64],
    api: &Api,
) -> Result<Counted, String> {
    let at = folder.join("after");
    let image = clone.display().to_string();
    let disk = Mounted::mount(&["-o", "loop", &image], &at).ok_or("the disk cannot be mounted")?;
    let mut place = Place::new(program, &disk.0.join("data"))?;
    place.log = folder.join("after.log");
    let floor = place.open()?;
    let mut api = api.at(&place);
    let records: Vec<Record> = promised.iter().map(|promised| record(*promised)).collect();
    let counted = count(&mut api, &streams.iter().zip(&records).collect::<Vec<_>>())?;
    counted.sound()?;
    floor.kill()?;
    drop(disk);
    run("e2fsck", &["-f", "-n", &image])?;
    Ok(counted)
}

/// What a sender knew: so many events acknowledged, and others that may have arrived.
fn record(promised: u64) -> Record {
    let mut events = vec![ACKNOWLEDGED | 0x7f; promised as usize];
    events.resize((promised + BEYOND) as usize, 0x7f);
    Record { events, ..Record::default() }
}
