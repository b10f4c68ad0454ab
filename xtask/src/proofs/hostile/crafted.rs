//! Evidence made to do harm: one table, and how each row of it is written.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::EACH;
use super::archives::{Entry, TAR_END, tar_member, zip};

const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// A line that every reader knows.
const SOUND: &[u8] =
    b"Oct 14 02:11:09 web1 sshd[4711]: Failed password for root from 203.0.113.9\n";

/// A case: how it is made in an empty folder, and what must come of it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) make: fn(&Path) -> io::Result<()>,
    /// Seconds that it may take.
    pub(super) seconds: u64,
    /// Events that must be read at least.
    pub(super) events: u64,
    /// Flaws that must be told: kind, and part of the sentence.
    pub(super) says: Vec<(&'static str, &'static str)>,
    /// What goes on while the evidence is read, until the flag is set.
    pub(super) meanwhile: Option<fn(&Path, &AtomicBool)>,
}

impl Case {
    fn events(mut self, events: u64) -> Self {
        self.events = events;
        self
    }

    fn says(mut self, kind: &'static str, part: &'static str) -> Self {
        self.says.push((kind, part));
        self
    }

    fn seconds(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }
}

fn case(name: &'static str, make: fn(&Path) -> io::Result<()>) -> Case {
    Case { name, make, seconds: EACH.as_secs(), events: 0, says: Vec::new(), meanwhile: None }
}

/// Every case.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = texts();
    cases.extend(archives());
    cases.extend(folders());
    cases
}

/// Text: endless, deep, full of nothing, badly encoded, out of time.
#[allow(clippy::too_many_lines)] // It is a table.
fn texts() -> Vec<Case> {
    vec![
        case("long-line", |to| {
            repeat(&to.join("a.log"), SOUND, b"a", GIB, b"\n")?;
            append(&to.join("a.log"), SOUND)
        })
        .events(2)
        .says("limit", "a record of 1073741825 bytes is skipped"),
        case("long-json-string", |to| {
            repeat(&to.join("a.json"), b"{\"a\":\"", b"b", GIB, b"\"}\n{\"a\":1}\n")
        })
        .events(1)
        .says("limit", "is skipped"),
        case("deep-lists", |to| repeat(&to.join("a.json"), b"", b"[", 100_000, b""))
            .says("limit", "nested"),
        case("deep-objects", |to| repeat(&to.join("a.json"), b"", b"{\"a\":", 100_000, b"1"))
            .says("limit", "nested"),
        case("deep-in-lines", |to| {
            repeat(&to.join("a.json"), b"{\"a\":1}\n{\"b\":2}\n{\"c\":", b"[", 100_000, b"\n")?;
            append(&to.join("a.json"), b"{\"d\":4}\n")
        })
        .events(3)
        .says("limit", "nested"),
        case("huge-numbers", |to| {
            repeat(&to.join("a.json"), b"{\"n\":1", b"0", 10 * MIB, b"}\n")?;
            append(
                &to.join("a.json"),
                b"{\"n\":1e999999999}\n{\"n\":-0.1e-999999999,\"time\":1e300}\n",
            )
        })
        .events(3),
        case("many-values", |to| {
            repeat(&to.join("a.json"), b"{\"a\":[0", b",0", 4 * MIB, b"]}\n{\"b\":1}\n")
        })
        .events(2)
        .says("limit", ""),
        case("many-keys", |to| {
            let keys: Vec<String> = (0..500_000).map(|n| format!("\"k{n}\":{n}")).collect();
            fs::write(to.join("a.json"), format!("{{{}}}\n{{\"b\":1}}\n", keys.join(",")))
        })
        .events(2),
        case("nuls", |to| repeat(&to.join("a.log"), SOUND, b"\0", 64 * MIB, b"\ny\n"))
            .events(1)
            .says("limit", "is skipped"),
        case("newlines", |to| repeat(&to.join("a.log"), SOUND, b"\n", 64 * MIB, SOUND)).events(2),
        case("line-ends", |to| {
            fs::write(to.join("a.log"), b"first one\r\nsecond one\nthird one\rgoes on\n\r\nlast")
        })
        .events(4),
        case("csv-quotes", |to| {
            repeat(&to.join("a.csv"), b"a,b,c\n1,2,3\n4,5,6\n", b"\"", 64 * MIB, b"\n7,8,9\n")
        })
        .events(2)
        .says("limit", "is skipped"),
        case("csv-commas", |to| {
            repeat(&to.join("a.csv"), b"a,b,c\n1,2,3\n", b",", 8 * MIB, b"\n4,5,6\n")
        })
        .events(2),
        case("invalid-utf8", |to| {
            repeat(&to.join("a.log"), SOUND, b"\xff\xfe\xc0", 4 * MIB, b"\n")?;
            append(&to.join("a.log"), SOUND)
        })
        .events(3)
        .says("encoding", ""),
        case("marks", |to| {
            fs::write(to.join("utf8.json"), b"\xef\xbb\xbf{\"a\":1}\n{\"a\":2}\n")?;
            let utf16 = |text: &str, big: bool| -> Vec<u8> {
                let units = std::iter::once(0xfeff).chain(text.encode_utf16());
                units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
            };
            fs::write(to.join("le.json"), utf16("{\"a\":3}\n{\"a\":4}\n", false))?;
            fs::write(to.join("be.json"), utf16("{\"a\":5}\n{\"a\":6}\n", true))?;
            fs::write(to.join("odd.json"), [&utf16("{\"a\":7}\n", false), &b"\x0a"[..]].concat())?;
            fs::write(to.join("only-mark"), b"\xff\xfe")
        })
        .events(7)
        .says("encoding", "UTF-16"),
        case("years", |to| {
            let lines = b"<13>1 0000-01-01T00:00:00Z h a - - - x\n\
                          <13>1 9999-12-31T23:59:59Z h a - - - y\n";
            repeat(&to.join("a.log"), b"", lines, 1_000, b"")?;
            repeat(&to.join("a.json"), b"", b"{\"time\":99999999999999999999}\n", 1_000, b"")
        })
        .events(3_000),
        case("syslog-counts", |to| {
            // Octet counts that lie: RFC 6587 frames.
            fs::write(
                to.join("a.log"),
                b"99999999999999999999 <13>1 - h a - - - x\n5 <13>1 - h a - - - y\n0 <13>1 - h\n",
            )
        })
        .events(1),
        case("audit-endless-event", |to| {
            let line = b"type=PATH msg=audit(1700000000.000:1): item=0 name=\"/etc/shadow\"\n";
            repeat(&to.join("audit.log"), b"", line, 400_000, b"")
        })
        .events(1),
        case("journal-lying-size", |to| {
            let mut text = b"__CURSOR=a\n__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE\n".to_vec();
            text.extend_from_slice(&u64::MAX.to_le_bytes());
            text.extend_from_slice(b"abc\n\n__CURSOR=b\nMESSAGE=sound\n\n");
            fs::write(to.join("a.export"), text)
        })
        .events(1),
    ]
}

/// Archives: bombs, lies, names that lead outside.
#[allow(clippy::too_many_lines)] // It is a table.
fn archives() -> Vec<Case> {
    const BOMB: &str = "as a decompression bomb does";
    vec![
        case("gzip-bomb", |to| pipe(&to.join("a.gz"), "head -c 2147483648 /dev/zero | gzip -9"))
            .says("limit", BOMB),
        case("zstd-bomb", |to| {
            pipe(&to.join("a.zst"), "head -c 10737418240 /dev/zero | zstd -q -19 --long=27 -T2")
        })
        .says("limit", BOMB),
        case("zstd-window", |to| {
            // A frame that asks for a window of 2 GiB.
            let make = "{ cat; head -c 300000000 /dev/zero; } | zstd -q -1 --long=31 -T2";
            pipe(&to.join("a.log.zst"), make)
        })
        .says("corrupt", "cannot be expanded past byte 0"),
        case("xz-bomb", |to| pipe(&to.join("a.xz"), "head -c 1073741824 /dev/zero | xz -1 -T2"))
            .says("limit", BOMB),
        case("bzip2-bomb", |to| pipe(&to.join("a.bz2"), "head -c 1073741824 /dev/zero | bzip2 -9"))
            .says("limit", BOMB),
        case("zip-of-one-member", |to| {
            // Sixty thousand names for the same eight megabytes.
            let bytes = b"all the same\n".repeat(650_000);
            fs::write(to.join("a.zip"), zip(&[Entry::file(b"a.log", &bytes)], 60_000))
        })
        .seconds(30)
        .events(650_000)
        .says("limit", BOMB)
        .says("limit", "members that follow were not read"),
        case("zip-lying-sizes", |to| {
            let entries = [
                Entry { claims: u32::MAX - 1, ..Entry::file(b"huge.log", SOUND) },
                Entry { claims: 0, ..Entry::file(b"none.log", SOUND) },
                Entry { claims: 20, ..Entry::file(b"short.log", SOUND) },
                Entry::file(b"sound.log", SOUND),
            ];
            fs::write(to.join("a.zip"), zip(&entries, 1))
        })
        .events(1)
        .says("corrupt", ""),
        case("zip-names", |to| {
            let link = Entry { mode: 0o120_777, ..Entry::file(b"link", b"/etc/passwd") };
            let names: &[&[u8]] = &[
                b"/etc/cron.d/x",
                b"../../../../tmp/x",
                b"..\\..\\x",
                b"C:\\x",
                b"a/\x1b[2J\x07\n.log",
                b"\xff\xfe.log",
                b"",
            ];
            let bodies: Vec<Vec<u8>> =
                (0..names.len()).map(|n| format!("{{\"n\":{n}}}\n").into_bytes()).collect();
            let files = names.iter().zip(&bodies).map(|(name, body)| Entry::file(name, body));
            fs::write(to.join("a.zip"), zip(&files.chain([link]).collect::<Vec<_>>(), 1))
        })
        .events(7)
        .says("unsafe_path", "leads outside")
        .says("unsafe_path", "is a link"),
        case("zip-cut-off", |to| {
            let whole = zip(&[Entry::file(b"a.log", SOUND)], 1);
            fs::write(to.join("a.zip"), whole.get(..whole.len() - 30).unwrap_or_default())
        })
        .says("corrupt", "not a sound zip archive"),
        case("tar-members", |to| {
            let member = |name, kind, link| tar_member(name, kind, link, b"", 0);
            let parts = [
                tar_member("sound.log", b'0', "", SOUND, SOUND.len() as u64),
                tar_member("../../../tmp/x", b'0', "", b"outside\n", 8),
                tar_member("/etc/cron.d/x", b'0', "", b"absolute\n", 9),
                member("soft", b'2', "/etc/passwd"),
                member("hard", b'1', "../../etc/shadow"),
                member("device", b'3', ""),
                member("block", b'4', ""),
                member("pipe", b'6', ""),
                TAR_END.to_vec(),
            ];
            fs::write(to.join("a.tar"), parts.concat())
        })
        .events(3)
        .says("unsafe_path", "leads outside")
        .says("unsafe_path", "is a link")
        .says("unsupported", "is a device or pipe"),
        case("tar-lying-size", |to| {
            let parts = [
                tar_member("sound.log", b'0', "", SOUND, SOUND.len() as u64),
                tar_member("huge.log", b'0', "", b"the rest is missing\n", 0o77_777_777_777),
            ];
            fs::write(to.join("a.tar"), parts.concat())
        })
        .events(2)
        .says("corrupt", ""),
        case("tar-long-names", |to| {
            // A GNU long name of 64 MiB, and a pax header as large.
            let name = vec![b'n'; 64 * MIB];
            let mut pax = format!("{} path=", 64 * MIB).into_bytes();
            pax.resize(64 * MIB - 1, b'p');
            pax.push(b'\n');
            let parts = [
                tar_member("sound.log", b'0', "", SOUND, SOUND.len() as u64),
                tar_member("././@LongLink", b'L', "", &name, name.len() as u64),
                tar_member("long.log", b'0', "", b"one line\n", 9),
                tar_member("PaxHeader", b'x', "", &pax, pax.len() as u64),
                tar_member("pax.log", b'0', "", b"another line\n", 13),
                TAR_END.to_vec(),
            ];
            fs::write(to.join("a.tar"), parts.concat())
        })
        .events(1)
        .says("limit", "a header of 67108864 bytes"),
        case("nested", |to| {
            let packed = "gzip | bzip2 | xz -1 | zstd -q | gzip | bzip2 | xz -1 | zstd -q";
            pipe(&to.join("a.log.gz"), &format!("{packed} | gzip"))?;
            pipe(&to.join("b.log.zst"), packed)
        })
        .events(1)
        .says("limit", "nested more than 8 deep"),
        case("gzip-cut-off", |to| {
            pipe(&to.join("a.gz"), "for n in $(seq 9999); do echo $n; done | gzip | head -c 15000")
        })
        .events(1_000)
        .says("corrupt", "cannot be expanded past byte"),
        case("gzip-trailing-junk", |to| {
            pipe(&to.join("a.log.gz"), "{ gzip; echo this is no gzip member; }")
        })
        .events(1)
        .says("corrupt", ""),
    ]
}

/// Folders: links, pipes, names, numbers, files that do not keep still.
fn folders() -> Vec<Case> {
    vec![
        case("links-and-pipes", |to| {
            fs::write(to.join("sound.log"), SOUND)?;
            fs::create_dir(to.join("loop"))?;
            symlink("..", to.join("loop/up"))?;
            symlink("itself", to.join("itself"))?;
            symlink("/etc/passwd", to.join("passwd.log"))?;
            symlink("nowhere", to.join("dangling"))?;
            fs::hard_link(to.join("sound.log"), to.join("twice.log"))?;
            run("mkfifo", &to.join("pipe"))
        })
        .events(1)
        .says("unsupported", "links inside folders are not followed")
        .says("unsupported", "is a pipe, socket or device"),
        case("names", |to| {
            let names: &[&[u8]] = &[
                b"new\nline.log",
                b"\x1b]0;title\x07\x1b[2J.log",
                b"\xff\xfe not utf-8.log",
                b"<script>alert(1)<script>.log",
                b"=cmd|' '!A0.log",
                b"-rf",
                "\u{202e}gol.exe".as_bytes(),
                b"a!",
                &[b'n'; 255],
            ];
            for (n, name) in names.iter().enumerate() {
                fs::write(to.join(OsStr::from_bytes(name)), format!("{{\"n\":{n}}}\n"))?;
            }
            Ok(())
        })
        .events(9),
        case("deep-folders", |to| {
            let mut path = to.to_path_buf();
            for _ in 0..200 {
                path.push("deep-folder-12");
            }
            fs::create_dir_all(&path)?;
            fs::write(path.join("a.log"), SOUND)
        })
        .events(1),
        case("many-tiny-files", |to| {
            for folder in 0..100 {
                let folder = to.join(format!("{folder:02}"));
                fs::create_dir(&folder)?;
                for n in 0..1_000 {
                    let name = folder.join(format!("{n:03}.log"));
                    fs::write(&name, format!("{{\"file\":\"{}\"}}\n", name.display()))?;
                }
            }
            Ok(())
        })
        .seconds(120)
        .events(100_000),
        case("sparse-zeros", |to| {
            fs::write(to.join("a.log"), SOUND)?;
            File::create(to.join("zeros.bin"))?.set_len(10 << 30)?;
            let log = to.join("sparse.log");
            fs::write(&log, SOUND)?;
            fs::OpenOptions::new().write(true).open(log)?.set_len(10 << 30)
        })
        .seconds(120)
        .events(1)
        .says("unsupported", "not read")
        .says("limit", "is skipped"),
        Case {
            meanwhile: Some(disturb),
            ..case("restless", |to| {
                for name in ["a-first.log", "b-grows.log", "c-shrinks.log", "d-vanishes.log"] {
                    repeat(&to.join(name), name.as_bytes(), SOUND, 600_000, b"")?;
                }
                Ok(())
            })
        }
        .seconds(30)
        .events(600_000)
        .says("io", "changed while it was read"),
    ]
}

/// Lets one file grow, cuts one short and takes one away.
fn disturb(batch: &Path, over: &AtomicBool) {
    std::thread::sleep(Duration::from_millis(300));
    let _gone_in_time = fs::remove_file(batch.join("d-vanishes.log"));
    while !over.load(Ordering::Relaxed) {
        let _may_fail = append(&batch.join("b-grows.log"), &SOUND.repeat(100));
        let shrinks = fs::OpenOptions::new().write(true).open(batch.join("c-shrinks.log"));
        let _may_fail = shrinks.and_then(|file| {
            let length = file.metadata()?.len();
            file.set_len(length.saturating_sub(1 << 16))
        });
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `head`, then `body` that many `times`, then `tail`.
fn repeat(path: &Path, head: &[u8], body: &[u8], times: usize, tail: &[u8]) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    file.write_all(head)?;
    let block = body.repeat((1 << 16) / body.len().max(1));
    let mut left = times * body.len();
    while left > 0 {
        let part = block.get(..left.min(block.len())).unwrap_or(&block);
        file.write_all(part)?;
        left -= part.len();
    }
    file.write_all(tail)?;
    file.flush()
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new().append(true).open(path)?.write_all(bytes)
}

/// Writes what a shell command makes of a sound line.
fn pipe(path: &Path, command: &str) -> io::Result<()> {
    let mut child = Command::new("bash")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(File::create(path)?)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that reads nothing may have ended already.
        let _closed = stdin.write_all(SOUND);
    }
    ended(command, child.wait()?)
}

fn run(command: &str, path: &Path) -> io::Result<()> {
    ended(command, Command::new(command).arg(path).status()?)
}

fn ended(command: &str, status: std::process::ExitStatus) -> io::Result<()> {
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("`{command}` failed"))) }
}
