//! A server of others in Python that a test drives over its standard input.
#![allow(clippy::print_stderr)] // A test that is skipped says so.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde_json::Value;

/// One for all tests of a program: it ends when its standard input does, which is with them.
pub(crate) struct Script {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Where it listens, on this machine.
    pub(crate) port: String,
}

/// Where a program keeps its one.
pub(crate) type Once = OnceLock<Option<Mutex<Script>>>;

impl Script {
    /// The one of this program; none where the packages that it imports are not installed (`./run
    /// test` installs them).
    pub(crate) fn shared(
        once: &'static Once,
        packages: &str,
        file: &str,
    ) -> Option<&'static Mutex<Self>> {
        once.get_or_init(|| Self::start(packages, file).map(Mutex::new)).as_ref()
    }

    fn start(packages: &str, file: &str) -> Option<Self> {
        let import = format!("import {packages}");
        let check = Command::new("python3").args(["-c", &import]).output();
        if !check.is_ok_and(|output| output.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "{packages} must be there");
            eprintln!("skipped: {packages} are not installed");
            return None;
        }
        let mut child = Command::new("python3")
            .arg(format!("{}/tests/{file}", env!("CARGO_MANIFEST_DIR")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = output.next().unwrap().unwrap();
        Some(Self { _child: child, input, output, port })
    }

    /// Has it do something; what it says of it.
    pub(crate) fn act(&mut self, act: &Value) -> String {
        writeln!(self.input, "{act}").unwrap();
        self.output.next().unwrap().unwrap()
    }
}
