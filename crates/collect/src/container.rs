//! Containers: how each kind of archive is recognised by its first bytes.

/// A file that holds other files, or one file in compressed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// PKWARE zip (also jar, docx, apk …).
    Zip,
    /// POSIX and GNU tar.
    Tar,
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, frames and skippable frames.
    Zstd,
    /// bzip2.
    Bzip2,
    /// The .xz format.
    Xz,
}

/// Bytes that [`Container::recognise`] wants to see.
pub(crate) const HEAD: u64 = 512;

impl Container {
    /// Tells a container by its first [`HEAD`] bytes; names play no part.
    pub fn recognise(head: &[u8]) -> Option<Self> {
        let starts = |magic: &[u8]| head.starts_with(magic);
        if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") || starts(b"PK\x07\x08PK\x03\x04") {
            Some(Self::Zip)
        } else if starts(b"\x1f\x8b\x08") {
            Some(Self::Gzip)
        } else if starts(b"\x28\xb5\x2f\xfd") || is_skippable_zstd(head) {
            Some(Self::Zstd)
        } else if starts(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
            Some(Self::Bzip2)
        } else if starts(b"\xfd7zXZ\0") {
            Some(Self::Xz)
        } else if is_tar(head) {
            Some(Self::Tar)
        } else {
            None
        }
    }

    /// The name that reports and tables show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// True when it holds one stream of bytes and not several files.
    pub(crate) fn is_one_stream(self) -> bool {
        !matches!(self, Self::Zip | Self::Tar)
    }

    /// The ending that is taken off a compressed file's name to name what is inside.
    pub(crate) fn inner_name(self, name: &str) -> String {
        let endings: &[(&str, &str)] = match self {
            Self::Gzip => &[(".gz", ""), (".tgz", ".tar"), (".gzip", "")],
            Self::Zstd => &[(".zst", ""), (".zstd", ""), (".tzst", ".tar")],
            Self::Bzip2 => &[(".bz2", ""), (".tbz2", ".tar"), (".tbz", ".tar")],
            Self::Xz => &[(".xz", ""), (".txz", ".tar")],
            Self::Zip | Self::Tar => &[],
        };
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        endings
            .iter()
            .find_map(|(from, to)| name.strip_suffix(from).map(|stem| format!("{stem}{to}")))
            .unwrap_or_else(|| format!("{name}.expanded"))
    }
}

fn is_skippable_zstd(head: &[u8]) -> bool {
    head.get(1..4) == Some(b"\x2a\x4d\x18") && head.first().is_some_and(|b| b & 0xf0 == 0x50)
}

/// A tar header block carries the sum of its own bytes, so even one without the `ustar` magic (V7)
/// is told for certain.
fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    let (Some(field), Some(name)) = (block.get(148..156), block.first()) else { return false };
    if *name == 0 {
        return false;
    }
    let mut digits = field.iter().skip_while(|b| **b == b' ').take_while(|b| b.is_ascii_digit());
    let Some(said) = digits.try_fold(0_u32, |sum, digit| {
        sum.checked_mul(8)?.checked_add(u32::from(digit.wrapping_sub(b'0')))
    }) else {
        return false;
    };
    let sum = |range: &[u8]| range.iter().map(|b| u32::from(*b)).sum::<u32>();
    let rest = block.get(..148).map_or(0, sum) + block.get(156..).map_or(0, sum);
    said != 0 && said == rest + 8 * u32::from(b' ')
}
