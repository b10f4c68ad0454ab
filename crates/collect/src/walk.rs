//! Going through what a person named, in an order that never changes.

use std::fs;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use model::{Flaw, FlawKind, Micros, Parcel};

use crate::body::{Body, Hashed, ReadSeek, hash_file, spool};
use crate::budget::{Budget, Limits, Refusal};
use crate::container::{Container, HEAD};
use crate::expand::{Member, expand};

/// What a person named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file or folder.
    Path(PathBuf),
    /// Standard input (`-`).
    Stdin,
}

impl Input {
    /// Reads a command-line argument: `-` is standard input.
    pub fn from_arg(arg: impl Into<PathBuf>) -> Self {
        let path = arg.into();
        if path == Path::new("-") { Self::Stdin } else { Self::Path(path) }
    }
}

/// A parcel and the way to its bytes.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Digest, origin, size, time of receipt.
    pub parcel: Parcel,
    /// When the file (or the archive it lay in) was last changed.
    pub modified: Option<Micros>,
    body: Body,
}

impl Evidence {
    /// Opens the bytes from the start.
    pub fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        self.body.open()
    }

    /// What to say when the file has changed since it was hashed: to be asked when it has been read.
    pub fn changed(&self) -> Option<Flaw> {
        self.body.changed().then(|| flaw(changed()))
    }
}

/// What [`walk`] comes upon.
#[derive(Debug)]
pub enum Found {
    /// Bytes to parse.
    Evidence(Evidence),
    /// A container, for the evidence list: its members follow as evidence of their own.
    Container(Parcel, Container),
    /// What could not be brought in: where, and why.
    Flaw(String, Flaw),
}

/// How much there is, for a progress bar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Files.
    pub files: u64,
    /// Their bytes, as they lie on disk.
    pub bytes: u64,
}

/// Counts what lies under the inputs without opening anything.
pub fn survey(inputs: &[Input]) -> Survey {
    let mut total = Survey::default();
    for input in inputs {
        if let Input::Path(path) = input {
            visit(path, true, &mut |entry| {
                if let Entry::File(path) = entry {
                    total.files += 1;
                    total.bytes += fs::metadata(path).map_or(0, |m| m.len());
                }
                ControlFlow::Continue(())
            });
        }
    }
    total
}

/// Goes through the inputs in order, folders by name, and hands out what it finds. `spool_folder`
/// holds unnamed temporary files for large archive members; nothing else is written. Stops when
/// `found` breaks.
pub fn walk(
    inputs: &[Input],
    limits: &Limits,
    spool_folder: &Path,
    now: Micros,
    found: &mut dyn FnMut(Found) -> ControlFlow<()>,
) {
    let mut walker = Walker { limits, spool_folder, now, found, stopped: false };
    for input in inputs {
        match input {
            Input::Stdin => walker.stream("standard input", io::stdin().lock()),
            Input::Path(path) => visit(path, true, &mut |entry| {
                walker.entry(entry);
                if walker.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }),
        }
        if walker.stopped {
            return;
        }
    }
}

enum Entry<'p> {
    File(&'p Path),
    /// A pipe or other stream that was named directly, as `<(command)` does.
    Stream(&'p Path),
    Refused(&'p Path, Refusal),
}

/// Visits files under `path`, folders sorted by name, without following links met on the way.
fn visit(path: &Path, named: bool, each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>) {
    let _stopped = visit_inner(path, named, each);
}

fn visit_inner(
    path: &Path,
    named: bool,
    each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let looked = if named { fs::metadata(path) } else { fs::symlink_metadata(path) };
    let meta = match looked {
        Ok(meta) => meta,
        Err(error) => return each(Entry::Refused(path, io_refusal(&error))),
    };
    if meta.is_dir() {
        let listed = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) => return each(Entry::Refused(path, io_refusal(&error))),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            visit_inner(&entry.path(), false, each)?;
        }
        ControlFlow::Continue(())
    } else if meta.is_file() {
        each(Entry::File(path))
    } else if named {
        each(Entry::Stream(path))
    } else {
        let message = if meta.is_symlink() {
            "is a link; links inside folders are not followed"
        } else {
            "is a pipe, socket or device; left out"
        };
        let refusal = Refusal { kind: FlawKind::Unsupported, message: message.to_owned() };
        each(Entry::Refused(path, refusal))
    }
}

fn io_refusal(error: &io::Error) -> Refusal {
    Refusal { kind: FlawKind::Io, message: format!("cannot be read: {error}") }
}

fn changed() -> Refusal {
    let message = "changed while it was read: its digest is that of the bytes that were there first, \
                   and what was read may be others";
    Refusal { kind: FlawKind::Io, message: message.to_owned() }
}

fn flaw(refusal: Refusal) -> Flaw {
    Flaw { offset: 0, kind: refusal.kind, message: refusal.message, record_lost: false }
}

struct Walker<'w> {
    limits: &'w Limits,
    spool_folder: &'w Path,
    now: Micros,
    found: &'w mut dyn FnMut(Found) -> ControlFlow<()>,
    stopped: bool,
}

/// A body on its way to becoming evidence.
struct Arrival {
    origin: String,
    hashed: Hashed,
    modified: Option<Micros>,
    depth: u32,
}

impl Walker<'_> {
    fn entry(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Refused(path, refusal) => self.refuse(path.display().to_string(), refusal),
            Entry::Stream(path) => {
                let origin = path.display().to_string();
                match fs::File::open(path) {
                    Ok(file) => self.stream(&origin, file),
                    Err(error) => self.refuse(origin, io_refusal(&error)),
                }
            }
            Entry::File(path) => {
                let origin = path.display().to_string();
                match hash_file(path, self.limits.in_memory) {
                    Ok(hashed) => {
                        let modified = modified(path);
                        let mut budget = Budget::new(self.limits, hashed.size);
                        self.arrive(Arrival { origin, hashed, modified, depth: 0 }, &mut budget);
                    }
                    Err(error) => self.refuse(origin, io_refusal(&error)),
                }
            }
        }
    }

    fn stream(&mut self, origin: &str, stream: impl Read) {
        // A stream is as long as it is: only what is packed inside it counts against the ratio.
        let unbounded = Limits { ratio_from: u64::MAX, ..self.limits.clone() };
        match spool(stream, &mut Budget::new(&unbounded, 0), self.spool_folder) {
            Ok(hashed) => {
                let mut budget = Budget::new(self.limits, hashed.size);
                let origin = origin.to_owned();
                self.arrive(Arrival { origin, hashed, modified: None, depth: 0 }, &mut budget);
            }
            Err(error) => self.refuse(origin.to_owned(), io_refusal(&error)),
        }
    }

    fn arrive(&mut self, arrival: Arrival, budget: &mut Budget<'_>) {
        let Arrival { origin, hashed, modified, depth } = arrival;
        let parcel = Parcel {
            digest: hashed.digest,
            origin: origin.clone(),
            size: hashed.size,
            received_at: self.now,
        };
        if let Some(refusal) = hashed.cut_short {
            self.refuse(origin.clone(), refusal);
        }
        let head = match hashed.body.head(HEAD) {
            Ok(head) => head,
            Err(error) => return self.refuse(origin, io_refusal(&error)),
        };
        let Some(container) = Container::recognise(&head) else {
            let evidence = Evidence { parcel, modified, body: hashed.body };
            return self.hand_out(Found::Evidence(evidence));
        };
        self.hand_out(Found::Container(parcel, container));
        if let Err(refusal) = budget.depth(depth) {
            return self.refuse(origin, refusal);
        }
        let folder = self.spool_folder;
        let result =
            expand(container, &origin, &hashed.body, budget, folder, &mut |member, budget| {
                match member {
                    Member::Body { name, hashed } => {
                        let origin = format!("{origin}!/{name}");
                        self.arrive(Arrival { origin, hashed, modified, depth: depth + 1 }, budget);
                    }
                    Member::Flaw { name, refusal } => {
                        self.refuse(format!("{origin}!/{name}"), refusal);
                    }
                }
                if self.stopped { Err(io::Error::other("stopped")) } else { Ok(()) }
            });
        if hashed.body.changed() {
            self.refuse(origin.clone(), changed());
        }
        match result {
            _ if self.stopped => {}
            Ok(None) => {}
            Ok(Some(refusal)) => self.refuse(origin, refusal),
            Err(error) => self.refuse(origin, io_refusal(&error)),
        }
    }

    fn refuse(&mut self, origin: String, refusal: Refusal) {
        self.hand_out(Found::Flaw(origin, flaw(refusal)));
    }

    fn hand_out(&mut self, found: Found) {
        if !self.stopped && (self.found)(found).is_break() {
            self.stopped = true;
        }
    }
}

fn modified(path: &Path) -> Option<Micros> {
    let time = fs::metadata(path).ok()?.modified().ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(Micros)
}
