//! Makes EVTX evidence of any size from real files: every copy has its times moved, and its checksums
//! made good again. Half of the bytes go to many small files, half to four great ones.
//! (File layout: libyal, "Windows XML Event Log (EVTX)".)

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// The head of a file.
const HEAD: usize = 4096;
/// A chunk.
const CHUNK: usize = 65_536;
/// Where a chunk's records begin.
const RECORDS: usize = 512;
/// Units of a FILETIME in an hour.
const HOUR: u64 = 36_000_000_000;
/// Great files among which half of the bytes are shared.
const GREAT: u64 = 4;

/// Copies the chunks of `files` to `folder` until there are `bytes` of them.
pub(crate) fn make(files: &[PathBuf], folder: &Path, bytes: u64) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut sources: Vec<Vec<u8>> = files.iter().map(fs::read).collect::<io::Result<_>>()?;
    let filled = |file: &Vec<u8>| file.get(HEAD..HEAD + 8) == Some(b"ElfChnk\0");
    sources.retain(filled);
    if sources.is_empty() {
        return Err(io::Error::other("the corpora hold no EVTX file with a chunk"));
    }
    let (mut made, mut copy) = (0, 0);
    while made < bytes / 2 {
        for (at, source) in sources.iter().enumerate() {
            if made >= bytes / 2 {
                break;
            }
            let mut file = source.clone();
            for chunk in file.get_mut(HEAD..).unwrap_or_default().chunks_exact_mut(CHUNK) {
                shift(chunk, copy * HOUR, None);
            }
            made += file.len() as u64;
            fs::write(folder.join(format!("small-{copy:04}-{at:04}.evtx")), file)?;
        }
        copy += 1;
    }
    for number in 0..GREAT {
        let path = folder.join(format!("great-{number}.evtx"));
        copy = great(&sources, &path, bytes / 2 / GREAT, copy)?;
    }
    Ok(())
}

/// One great file out of the chunks of all; returns the next copy's number.
fn great(sources: &[Vec<u8>], path: &Path, bytes: u64, mut copy: u64) -> io::Result<u64> {
    let mut out = BufWriter::new(fs::File::create(path)?);
    let most = (bytes / CHUNK as u64).min(u64::from(u16::MAX));
    let head = sources.first().and_then(|file| file.get(..HEAD)).unwrap_or_default();
    let mut head = head.to_vec();
    put(&mut head, 8, &0_u64.to_le_bytes());
    put(&mut head, 16, &most.saturating_sub(1).to_le_bytes());
    put(&mut head, 42, &(most as u16).to_le_bytes());
    let sum = crc32fast::hash(head.get(..120).unwrap_or_default());
    put(&mut head, 124, &sum.to_le_bytes());
    out.write_all(&head)?;
    let (mut chunks, mut next) = (0, 1);
    loop {
        for source in sources {
            for chunk in source.get(HEAD..).unwrap_or_default().chunks_exact(CHUNK) {
                if chunks == most {
                    out.flush()?;
                    return Ok(copy + 1);
                }
                if !chunk.starts_with(b"ElfChnk\0") {
                    continue;
                }
                let mut chunk = chunk.to_vec();
                next = shift(&mut chunk, copy * HOUR, Some(next));
                out.write_all(&chunk)?;
                chunks += 1;
            }
        }
        copy += 1;
    }
}

/// Moves the times of a chunk's records by `by` and numbers them from `first`; mends the checksums.
/// Returns the number after its last record.
fn shift(chunk: &mut [u8], by: u64, first: Option<u64>) -> u64 {
    let mut next = first.unwrap_or(0);
    if !chunk.starts_with(b"ElfChnk\0") {
        return next;
    }
    let end = u32_at(chunk, 48) as usize;
    let mut at = RECORDS;
    while at + 28 <= end.min(chunk.len()) && u32_at(chunk, at) == 0x0000_2a2a {
        let size = u32_at(chunk, at + 4) as usize;
        let Some(record) = chunk.get_mut(at..at + size).filter(|record| record.len() > 28) else {
            break;
        };
        let old: [u8; 8] = array(record, 16);
        let new = u64::from_le_bytes(old).wrapping_add(by).to_le_bytes();
        let mut from = 16;
        while let Some(found) =
            record.get(from..).and_then(|rest| rest.windows(8).position(|w| w == old))
        {
            put(record, from + found, &new);
            from += found + 8;
        }
        if first.is_some() {
            put(record, 8, &next.to_le_bytes());
            next += 1;
        }
        at += size;
    }
    if let Some(first) = first {
        for (at, number) in [(8, first), (16, next - 1), (24, first), (32, next - 1)] {
            put(chunk, at, &number.to_le_bytes());
        }
    }
    let records = crc32fast::hash(chunk.get(RECORDS..end).unwrap_or_default());
    put(chunk, 52, &records.to_le_bytes());
    let mut head = crc32fast::Hasher::new();
    head.update(chunk.get(..120).unwrap_or_default());
    head.update(chunk.get(128..RECORDS).unwrap_or_default());
    put(chunk, 124, &head.finalize().to_le_bytes());
    next
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|found| found.try_into().ok()).unwrap_or([0; N])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}
