//! Walks real folders and archives, kind ones and hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::{Cursor, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use collect::{Evidence, Found, Input, Limits, survey, walk};
use model::FlawKind::{UnsafePath, Unsupported};
use model::{Digest, FlawKind, Micros};

struct Walked {
    evidence: Vec<(String, Vec<u8>)>,
    digests: Vec<Digest>,
    flaws: Vec<(String, FlawKind, String)>,
    containers: Vec<String>,
}

fn walked(path: &Path, limits: &Limits) -> Walked {
    let spool = tempfile::tempdir().unwrap();
    let mut out = Walked { evidence: vec![], digests: vec![], flaws: vec![], containers: vec![] };
    let base = path.parent().unwrap().display().to_string() + "/";
    let short = |s: &str| s.replace(&base, "");
    let inputs = [Input::Path(path.to_owned())];
    walk(&inputs, limits, spool.path(), Micros(0), &mut |found| {
        match found {
            Found::Evidence(evidence) => {
                out.digests.push(evidence.parcel.digest);
                out.evidence.push((short(&evidence.parcel.origin), read(&evidence)));
            }
            Found::Container(parcel, kind) => {
                out.containers.push(format!("{} {}", short(&parcel.origin), kind.name()));
            }
            Found::Flaw(origin, flaw) => out.flaws.push((short(&origin), flaw.kind, flaw.message)),
        }
        ControlFlow::Continue(())
    });
    assert_eq!(fs::read_dir(spool.path()).unwrap().count(), 0, "spool files have no name");
    out
}

fn read(evidence: &Evidence) -> Vec<u8> {
    let mut bytes = Vec::new();
    evidence.open().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A tar header made by hand, since the library refuses to write unsafe names.
fn tar_member(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut out = header.to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

#[test]
fn every_container_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("in");
    fs::create_dir(&root).unwrap();
    let text = b"the same line\n".repeat(1000);
    let tar = [tar_member("log/app.log", b'0', &text), vec![0; 1024]].concat();
    fs::write(root.join("a.log"), &text).unwrap();
    fs::write(root.join("b.log.gz"), [gzip(&text[..7000]), gzip(&text[7000..])].concat()).unwrap();
    fs::write(root.join("c.zst"), zstd::encode_all(&text[..], 3).unwrap()).unwrap();
    let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    bz.write_all(&text).unwrap();
    fs::write(root.join("d.bz2"), bz.finish().unwrap()).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(&text).unwrap();
    fs::write(root.join("e.xz"), xz.finish().unwrap()).unwrap();
    fs::write(root.join("f.tgz"), gzip(&tar)).unwrap();
    fs::write(root.join("g.zip"), zip_of(&[("x/inner.zip", &zip_of(&[("deep.log", &text)]))]))
        .unwrap();
    let got = walked(&root, &Limits::default());
    assert_eq!(got.flaws, vec![]);
    let names: Vec<_> = got.evidence.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "in/a.log",
            "in/b.log.gz!/b.log",
            "in/c.zst!/c",
            "in/d.bz2!/d",
            "in/e.xz!/e",
            "in/f.tgz!/f.tar!/log/app.log",
            "in/g.zip!/x/inner.zip!/deep.log",
        ]
    );
    assert!(got.evidence.iter().all(|(_, bytes)| *bytes == text));
    assert!(got.digests.iter().all(|digest| *digest == Digest::of(&text)));
    assert_eq!(got.containers.len(), 8);
    assert_eq!(survey(&[Input::Path(root)]).files, 7);
}

#[test]
fn large_members_are_spooled_and_can_be_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.gz");
    let text: Vec<u8> = (0..200_000_u32).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    fs::write(&path, gzip(&text)).unwrap();
    let limits = Limits { in_memory: 1000, ..Limits::default() };
    let spool = tempfile::tempdir().unwrap();
    let mut seen = 0;
    walk(&[Input::Path(path)], &limits, spool.path(), Micros(0), &mut |found| {
        if let Found::Evidence(evidence) = found {
            assert_eq!(read(&evidence), text);
            assert_eq!(read(&evidence), text);
            seen += 1;
        }
        ControlFlow::Continue(())
    });
    assert_eq!(seen, 1);
}

#[test]
fn bombs_are_stopped_and_said_and_their_start_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let zeros = vec![0_u8; 40 << 20];
    let limits = Limits { ratio_from: 1 << 20, ..Limits::default() };
    for (name, bytes) in [
        ("bomb.gz", gzip(&zeros)),
        ("bomb.zst", zstd::encode_all(&zeros[..], 19).unwrap()),
        ("bomb.zip", zip_of(&[("zeros", &zeros)])),
        ("nested.zip", zip_of(&[("inner.gz", &gzip(&zeros))])),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let got = walked(&path, &limits);
        assert_eq!(got.flaws.len(), 1, "{name}: {:?}", got.flaws);
        assert_eq!(got.flaws[0].1, FlawKind::Limit);
        assert!(got.flaws[0].2.contains("bomb"), "{}", got.flaws[0].2);
        let kept: usize = got.evidence.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(kept > 100_000 && kept < 20 << 20, "{name} kept {kept}");
    }
}

#[test]
fn a_quine_of_archives_ends_at_the_depth_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = b"the heart\n".to_vec();
    for _ in 0..20 {
        bytes = gzip(&bytes);
    }
    let path = folder.path().join("deep.gz");
    fs::write(&path, bytes).unwrap();
    let got = walked(&path, &Limits::default());
    assert_eq!(got.evidence.len(), 0);
    assert_eq!(got.flaws.len(), 1);
    assert!(got.flaws[0].2.contains("nested more than 8 deep"));
}

#[test]
fn too_many_members_are_counted_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.zip");
    let names: Vec<String> = (0..50).map(|n| format!("{n}.log")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b"x\n"[..])).collect();
    fs::write(&path, zip_of(&members)).unwrap();
    let got = walked(&path, &Limits { members: 10, ..Limits::default() });
    assert_eq!(got.evidence.len(), 10);
    assert!(got.flaws[0].2.contains("more than 10 archive members"));
}

#[test]
fn unsafe_names_and_links_are_said_and_never_followed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("in");
    fs::create_dir(&root).unwrap();
    let tar = [
        tar_member("../../escape.log", b'0', b"one\n"),
        tar_member("/etc/absolute.log", b'0', b"two\n"),
        tar_member("link.log", b'2', b""),
        tar_member("pipe", b'6', b""),
        tar_member("fine.log", b'0', b"three\n"),
        vec![0; 1024],
    ]
    .concat();
    fs::write(root.join("evil.tar"), tar).unwrap();
    fs::write(root.join("evil.zip"), zip_of(&[("..\\..\\up.log", b"four\n")])).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("passwd")).unwrap();
    std::os::unix::fs::symlink(&root, root.join("loop")).unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();
    let got = walked(&root, &Limits::default());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
    let bodies: Vec<_> = got.evidence.iter().map(|(_, b)| b.as_slice()).collect();
    assert_eq!(bodies, [b"one\n", b"two\n", &b"three\n"[..], b"four\n"]);
    let kinds: Vec<_> = got.flaws.iter().map(|(_, kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        [UnsafePath, UnsafePath, UnsafePath, Unsupported, UnsafePath, Unsupported, Unsupported]
    );
}

#[test]
fn damaged_archives_give_what_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("in");
    fs::create_dir(&root).unwrap();
    let text: Vec<u8> = (0..50_000_u32).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    let packed = gzip(&text);
    fs::write(root.join("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    fs::write(root.join("cut.zip"), &zip_of(&[("a.log", &text)])[..500]).unwrap();
    fs::write(root.join("empty.log"), b"").unwrap();
    let got = walked(&root, &Limits::default());
    let (name, bytes) = &got.evidence[0];
    assert_eq!(name, "in/cut.gz!/cut");
    assert!(bytes.len() > 1000 && text.starts_with(bytes));
    assert_eq!(got.evidence[1].0, "in/empty.log");
    let said: Vec<_> = got.flaws.iter().map(|(o, kind, _)| (o.as_str(), *kind)).collect();
    assert_eq!(said, [("in/cut.gz!/cut", FlawKind::Corrupt), ("in/cut.zip", FlawKind::Corrupt),]);
}

#[test]
fn what_follows_a_bomb_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let zeros = vec![0_u8; 40 << 20];
    let members = [("a", &b"one\n"[..]), ("b", &zeros), ("c", b"two\n"), ("d", b"three\n")];
    fs::write(&path, zip_of(&members)).unwrap();
    let got = walked(&path, &Limits { ratio_from: 1 << 20, ..Limits::default() });
    let read: Vec<_> = got.evidence.iter().map(|(origin, _)| origin.as_str()).collect();
    assert_eq!(read, ["a.zip!/a", "a.zip!/b"]);
    let said: Vec<_> = got.flaws.iter().map(|(origin, ..)| origin.as_str()).collect();
    assert_eq!(said, ["a.zip!/b", "a.zip"]);
    assert!(got.flaws[1].2.contains("members that follow were not read"), "{:?}", got.flaws);
}

#[test]
fn a_header_too_large_to_hold_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let limits = Limits { header: 1000, ..Limits::default() };
    for kind in [b'L', b'K', b'x', b'g'] {
        let tar = [
            tar_member("before.log", b'0', b"one\n"),
            tar_member("header", kind, &[b'n'; 2000]),
            tar_member("after.log", b'0', b"two\n"),
            vec![0; 1024],
        ];
        fs::write(&path, tar.concat()).unwrap();
        let got = walked(&path, &limits);
        assert_eq!(got.evidence, [("a.tar!/before.log".to_owned(), b"one\n".to_vec())]);
        assert_eq!(got.flaws.len(), 1);
        assert_eq!(got.flaws[0].1, FlawKind::Limit);
        assert!(got.flaws[0].2.contains("a header of 2000 bytes"), "{:?}", got.flaws);
    }
    // A long name below the limit is read, and kept as far as a person would.
    let long = [
        tar_member("././@LongLink", b'L', &vec![b'n'; 100_000]),
        tar_member("x", b'0', b"one\n"),
        vec![0; 1024],
    ];
    fs::write(&path, long.concat()).unwrap();
    let got = walked(&path, &Limits::default());
    assert!(got.flaws.is_empty(), "{:?}", got.flaws);
    assert_eq!(got.evidence[0].0, format!("a.tar!/{}…", "n".repeat(1024)));
}

/// What is done to a file while it is evidence.
type Change = fn(&Path);

#[test]
fn what_changes_while_it_is_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.log");
    let bytes = b"line\n".repeat(2 << 20);
    let changes: [(Change, usize); 4] = [
        (|_| (), bytes.len()),
        (|path| fs::write(path, b"line\n".repeat(3 << 20)).unwrap(), bytes.len()),
        (|path| fs::write(path, b"line\n").unwrap(), 5),
        (|path| fs::remove_file(path).unwrap(), 0),
    ];
    for (n, (change, length)) in changes.into_iter().enumerate() {
        fs::write(&path, &bytes).unwrap();
        let mut seen = 0;
        let inputs = [Input::Path(path.clone())];
        walk(&inputs, &Limits::default(), folder.path(), Micros(0), &mut |found| {
            let Found::Evidence(evidence) = found else { panic!("{found:?}") };
            assert_eq!(evidence.parcel.digest, Digest::of(&bytes));
            assert!(evidence.changed().is_none());
            change(&path);
            let read = evidence.open().map(|mut stream| {
                let mut read = Vec::new();
                stream.read_to_end(&mut read).map(|_| read.len()).unwrap()
            });
            assert_eq!(read.unwrap_or(0), length, "change {n}");
            assert_eq!(evidence.changed().is_some(), n > 0, "change {n}");
            seen += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(seen, 1);
    }
}

#[test]
fn what_is_not_there_is_said() {
    let got = walked(Path::new("/nonexistent/evidence.log"), &Limits::default());
    assert_eq!(got.flaws[0].1, FlawKind::Io);
}
