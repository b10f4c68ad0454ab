//! Opening containers: each member becomes a body of its own, within the budget.

use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use model::{FlawKind, shortened};

use crate::body::{Body, Hashed, spool};
use crate::budget::{Budget, Refusal};
use crate::container::Container;

/// Characters of a member's name that are kept.
const NAME: usize = 1024;

/// What comes out of a container.
pub(crate) enum Member {
    /// A member's bytes, under its name as the archive spells it.
    Body { name: String, hashed: Hashed },
    /// A member that was not brought in, or one whose name is unsafe: why.
    Flaw { name: String, refusal: Refusal },
}

/// Expands `body`, handing each member to `out` as it comes. An `Err` from `out` stops it and is
/// passed on; a `Refusal` returned means that the container itself was not read to its end.
pub(crate) fn expand(
    container: Container,
    name: &str,
    body: &Body,
    budget: &mut Budget<'_>,
    folder: &Path,
    out: &mut dyn FnMut(Member, &mut Budget<'_>) -> io::Result<()>,
) -> io::Result<Option<Refusal>> {
    let stream = BufReader::with_capacity(128 << 10, body.open()?);
    let decoder = match container {
        Container::Zip => return expand_zip(stream, budget, folder, out),
        Container::Tar => return expand_tar(body, budget, folder, out),
        packed => decoder(packed, stream)?,
    };
    if let Err(refusal) = budget.member() {
        return Ok(Some(refusal));
    }
    let hashed = spool(decoder, budget, folder)?;
    out(Member::Body { name: container.inner_name(name), hashed }, budget)?;
    Ok(None)
}

/// Expands a single compressed stream.
pub(crate) fn decoder<'s>(
    container: Container,
    stream: impl BufRead + 's,
) -> io::Result<Box<dyn Read + 's>> {
    Ok(match container {
        Container::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
        Container::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(stream)?;
            // A frame may ask for a window as large as it likes; this is zstd's own default bound.
            decoder.window_log_max(27)?;
            Box::new(decoder)
        }
        Container::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(stream)),
        Container::Xz => {
            let bounded = liblzma::stream::Stream::new_stream_decoder(
                256 << 20,
                liblzma::stream::CONCATENATED,
            )
            .map_err(io::Error::other)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(stream, bounded))
        }
        Container::Zip | Container::Tar => {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "an archive of several files"));
        }
    })
}

fn expand_zip(
    stream: BufReader<Box<dyn crate::body::ReadSeek>>,
    budget: &mut Budget<'_>,
    folder: &Path,
    out: &mut dyn FnMut(Member, &mut Budget<'_>) -> io::Result<()>,
) -> io::Result<Option<Refusal>> {
    let mut archive = match zip::ZipArchive::new(stream) {
        Ok(archive) => archive,
        Err(error) => return Ok(Some(corrupt(format!("is not a sound zip archive: {error}")))),
    };
    for index in 0..archive.len() {
        if let Err(refusal) = budget.member() {
            return Ok(Some(refusal));
        }
        let listed_name = match archive.name_for_index(index) {
            Some(Ok(name)) => shortened(&name, NAME).into_owned(),
            _ => format!("member {index}"),
        };
        let member = match archive.by_index(index) {
            Ok(member) => member,
            Err(error) => {
                let kind = match error {
                    zip::result::ZipError::UnsupportedArchive(text)
                        if text == zip::result::ZipError::PASSWORD_REQUIRED =>
                    {
                        FlawKind::Encrypted
                    }
                    _ => FlawKind::Corrupt,
                };
                let message = format!("cannot be opened: {error}");
                let name = listed_name;
                out(Member::Flaw { name, refusal: Refusal { kind, message } }, budget)?;
                continue;
            }
        };
        let name = spelled(member.name_raw());
        if member.is_dir() {
            continue;
        }
        if member.is_symlink() {
            out(Member::Flaw { name, refusal: link() }, budget)?;
            continue;
        }
        take_member(name, member, budget, folder, out)?;
    }
    Ok(None)
}

fn expand_tar(
    body: &Body,
    budget: &mut Budget<'_>,
    folder: &Path,
    out: &mut dyn FnMut(Member, &mut Budget<'_>) -> io::Result<()>,
) -> io::Result<Option<Refusal>> {
    // Not through a buffer: it would be filled anew for every header.
    let too_large = large_header(body.open()?, budget);
    let sound = too_large.as_ref().map_or(u64::MAX, |(at, _)| *at);
    let stream = BufReader::with_capacity(128 << 10, body.open()?);
    let mut archive = tar::Archive::new(stream.take(sound));
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => return Ok(Some(corrupt(format!("is not a sound tar archive: {error}")))),
    };
    for entry in entries {
        if let Err(refusal) = budget.member() {
            return Ok(Some(refusal));
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                return Ok(Some(corrupt(format!("the tar archive breaks off: {error}"))));
            }
        };
        let name = spelled(&entry.path_bytes());
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            out(Member::Flaw { name, refusal: link() }, budget)?;
        } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            take_member(name, entry, budget, folder, out)?;
        } else if !kind.is_dir() {
            let message = "is a device or pipe in an archive, not a file; left out".to_owned();
            let refusal = Refusal { kind: FlawKind::Unsupported, message };
            out(Member::Flaw { name, refusal }, budget)?;
        }
    }
    Ok(too_large.map(|(_, refusal)| refusal))
}

/// Where a tar archive has an extended header that is too large to hold, and what to say of it. Only
/// headers are read; what is wrong with them otherwise is told when the members are read.
fn large_header(stream: impl Read + Seek, budget: &Budget<'_>) -> Option<(u64, Refusal)> {
    let mut archive = tar::Archive::new(stream);
    // A member has four headers at most.
    let most = budget.limits().members.saturating_mul(4);
    let entries = archive.entries_with_seek().ok()?.raw(true);
    entries.take(usize::try_from(most).unwrap_or(usize::MAX)).find_map(|entry| {
        let entry = entry.ok()?;
        let kind = entry.header().entry_type();
        let extended = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        let refusal = budget.header(entry.header().entry_size().ok()?).err()?;
        extended.then(|| (entry.raw_header_position(), refusal))
    })
}

fn take_member(
    name: String,
    stream: impl Read,
    budget: &mut Budget<'_>,
    folder: &Path,
    out: &mut dyn FnMut(Member, &mut Budget<'_>) -> io::Result<()>,
) -> io::Result<()> {
    if leads_outside(&name) {
        let message = "has a name that leads outside its archive; its bytes were read, its name \
                       was not used as a path"
            .to_owned();
        let refusal = Refusal { kind: FlawKind::UnsafePath, message };
        out(Member::Flaw { name: name.clone(), refusal }, budget)?;
    }
    let hashed = spool(stream, budget, folder)?;
    out(Member::Body { name, hashed }, budget)
}

/// A member's name as text, at a length that many of them can be kept.
fn spelled(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name.get(..NAME * 4).unwrap_or(name));
    shortened(&text, NAME).into_owned()
}

fn leads_outside(name: &str) -> bool {
    name.starts_with(['/', '\\'])
        || name.split(['/', '\\']).any(|part| part == "..")
        || name.as_bytes().get(1) == Some(&b':')
        || name.contains('\0')
}

fn link() -> Refusal {
    Refusal {
        kind: FlawKind::UnsafePath,
        message: "is a link in an archive; links are not followed".to_owned(),
    }
}

fn corrupt(message: String) -> Refusal {
    Refusal { kind: FlawKind::Corrupt, message }
}
