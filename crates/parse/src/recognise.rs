//! Which format a parcel has, by its content.

use crate::{FORMATS, Format, Head};

/// What a parcel is.
#[derive(Clone, Copy)]
pub enum Recognised {
    /// A format that is read.
    Format(&'static dyn Format),
    /// Bytes that no format reads, and what they look like, with an article ("a PDF document").
    Binary(&'static str),
}

impl Recognised {
    /// The format's name, or what it looks like.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Format(format) => format.name(),
            Self::Binary(what) => what,
        }
    }
}

impl std::fmt::Debug for Recognised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Format(format) => write!(f, "Format({})", format.name()),
            Self::Binary(what) => write!(f, "Binary({what})"),
        }
    }
}

/// Finds the format of a parcel from its first bytes. The surest format wins, on a tie the earlier
/// row of [`FORMATS`]; one that finds its signature ends the search. Text of no known shape is `lines`.
pub fn recognise(head: &Head<'_>) -> Recognised {
    let mut best: Option<(&'static dyn Format, u8)> = None;
    for format in FORMATS {
        let score = format.sniff(head);
        if score > best.map_or(0, |(_, top)| top) {
            best = Some((*format, score));
        }
        if score >= SIGNATURE {
            break;
        }
    }
    match best {
        // Only a format that knows its own signature may claim what does not look like text.
        Some((format, score)) if score >= SIGNATURE => Recognised::Format(format),
        Some((format, _)) => match not_text(head.bytes) {
            Some(what) => Recognised::Binary(what),
            None => Recognised::Format(format),
        },
        None => Recognised::Binary("data of no known kind"),
    }
}

/// From this score on a format is taken at its word even where the bytes are not text.
const SIGNATURE: u8 = 95;

/// Signatures of what is often found beside logs: where, which bytes, what it is.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"MZ", "a Windows executable"),
    (0, b"\x7fELF", "an ELF executable"),
    (0, b"\xCF\xFA\xED\xFE", "a Mach-O executable"),
    (0, b"\xCA\xFE\xBA\xBE", "a Mach-O executable or Java class"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"BZh", "bzip2 data"),
    (0, b"\xFD7zXZ\0", "xz data"),
    (0, b"\x28\xB5\x2F\xFD", "zstd data"),
    (0, b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive"),
    (0, b"Rar!\x1A\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"MSCF", "a cabinet archive"),
    (0, b"\xD4\xC3\xB2\xA1", "a packet capture"),
    (0, b"\xA1\xB2\xC3\xD4", "a packet capture"),
    (0, b"\x4D\x3C\xB2\xA1", "a packet capture"),
    (0, b"\x0A\x0D\x0D\x0A", "a packet capture (pcapng)"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"LPKSHHRH", "a systemd journal (export it with `journalctl -o export`)"),
    (0, b"regf", "a Windows registry hive"),
    (0, b"FILE0", "a Windows master file table"),
    (0, b"\x30\0\0\0LfLe", "an old Windows event log (EVT)"),
    (4, b"SCCA", "a Windows prefetch file"),
    (0, b"MAM\x04", "a compressed Windows prefetch file"),
    (0, b"\x4C\0\0\0\x01\x14\x02\0", "a Windows shortcut"),
    (4, b"\xEF\xCD\xAB\x89", "an ESE database"),
    (0, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an OLE document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xFF\xD8\xFF", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"bplist00", "a binary property list"),
];

/// What the bytes look like when they are not text.
fn not_text(bytes: &[u8]) -> Option<&'static str> {
    let magic = MAGIC
        .iter()
        .find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some((_, _, what)) = magic {
        // Two letters are too few to condemn a text.
        if bytes.iter().take(512).any(|b| is_control(*b)) || !what.contains("Windows exec") {
            return Some(what);
        }
    }
    // Crashed writers leave long runs of NULs in text, and some tools colours; neither counts, but
    // of the rest a tenth is too much.
    let (mut text, mut odd, mut nuls) = (0usize, 0usize, 0usize);
    for b in bytes.iter().take(16 * 1024) {
        if *b == 0 {
            nuls += 1;
            continue;
        }
        if nuls < 8 {
            odd += nuls;
        }
        nuls = 0;
        odd += usize::from(is_control(*b));
        text += 1;
    }
    (odd * 10 > text || (text == 0 && nuls > 0)).then_some("data of no known kind")
}

/// Control bytes that text does not have. Separators (0x1C to 0x1F) and escape occur in logs.
fn is_control(b: u8) -> bool {
    matches!(b, 0..=0x08 | 0x0E..=0x1A | 0x7F)
}
