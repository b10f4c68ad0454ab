//! Programs of others that send logs: as they are installed, or unpacked from their Debian packages
//! into the build folder.
#![allow(clippy::print_stderr)] // A test that skips says so.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// A program, and what it needs around it.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// Where its packages were unpacked, if they were.
    pub(crate) root: Option<PathBuf>,
}

impl Program {
    /// Finds a program; none where it cannot be had, which is said.
    pub(crate) fn find(name: &str, packages: &[&str]) -> Option<Self> {
        let folders = env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<_> = env::split_paths(&folders).collect();
        folders.extend(["/usr/sbin".into(), "/sbin".into()]);
        if let Some(path) = folders.iter().map(|f| f.join(name)).find(|path| path.is_file()) {
            return Some(Self { path, root: None });
        }
        let root = unpack(packages);
        for folder in ["usr/sbin", "usr/bin"] {
            let path = root.join(folder).join(name);
            if path.is_file() {
                return Some(Self { path, root: Some(root) });
            }
        }
        eprintln!("skipped: there is no {name}, and its package cannot be had");
        None
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(root) = &self.root {
            let libraries = root.join("usr/lib/x86_64-linux-gnu");
            let more = root.join("usr/lib/syslog-ng");
            let old = root.join("lib/x86_64-linux-gnu");
            let paths = [libraries, old, more.clone(), more.join("3.38")];
            command.env("LD_LIBRARY_PATH", env::join_paths(paths).unwrap());
            command.env("SYSLOGNG_PREFIX", root.join("usr"));
        }
        command
    }
}

/// Unpacks packages, each once.
fn unpack(packages: &[&str]) -> PathBuf {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    for package in packages {
        let own = folder.join(package);
        if own.is_dir() || fs::create_dir_all(&own).is_err() {
            continue;
        }
        let mut download = Command::new("apt-get");
        download.args(["-q", "download", package]).current_dir(&own);
        quiet(&mut download);
        for entry in fs::read_dir(&own).into_iter().flatten().flatten() {
            let mut unpack = Command::new("dpkg");
            unpack.arg("-x").arg(entry.path()).arg(folder.join("root"));
            quiet(&mut unpack);
        }
    }
    folder.join("root")
}

/// Runs a command; true when it went well.
pub(crate) fn quiet(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A program that runs, until it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
