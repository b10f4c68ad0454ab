//! Archives that lie, written byte by byte: no archiver would make them.

/// A member of a zip archive, as its headers spell it.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) bytes: &'a [u8],
    /// The size that both headers claim.
    pub(super) claims: u32,
    /// Unix mode; 0o120777 is a symbolic link.
    pub(super) mode: u32,
}

impl<'a> Entry<'a> {
    /// A plain file that tells the truth.
    pub(super) fn file(name: &'a [u8], bytes: &'a [u8]) -> Self {
        Self { name, bytes, claims: bytes.len() as u32, mode: 0o100_644 }
    }
}

/// A zip archive of stored members. With `times` above one, the index names each member that often:
/// many members, one and the same bytes.
pub(super) fn zip(entries: &[Entry<'_>], times: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut index = Vec::new();
    let mut named = 0_u16;
    for entry in entries {
        let at = out.len() as u32;
        let common = common(entry);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(entry.name);
        out.extend_from_slice(entry.bytes);
        for n in 0..times {
            let name = if times == 1 {
                entry.name.to_vec()
            } else {
                [format!("{n:05}-").as_bytes(), entry.name].concat()
            };
            let mut common = common.clone();
            common.splice(22..24, (name.len() as u16).to_le_bytes());
            index.extend_from_slice(b"PK\x01\x02\x14\x03");
            index.extend_from_slice(&common);
            // No comment, disk 0, no internal attributes.
            index.extend_from_slice(&[0; 6]);
            index.extend_from_slice(&(entry.mode << 16).to_le_bytes());
            index.extend_from_slice(&at.to_le_bytes());
            index.extend_from_slice(&name);
            named = named.wrapping_add(1);
        }
    }
    let (at, size) = (out.len() as u32, index.len() as u32);
    out.extend_from_slice(&index);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&named.to_le_bytes());
    out.extend_from_slice(&named.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

/// What the two headers of a member share: version needed to length of the extra field.
fn common(entry: &Entry<'_>) -> Vec<u8> {
    let mut out = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    out.extend_from_slice(&crc32(entry.bytes).to_le_bytes());
    out.extend_from_slice(&entry.claims.to_le_bytes());
    out.extend_from_slice(&entry.claims.to_le_bytes());
    out.extend_from_slice(&(entry.name.len() as u16).to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

/// A member of a tar archive: its kind is the type flag, `claims` the size in its header.
pub(super) fn tar_member(name: &str, kind: u8, link: &str, bytes: &[u8], claims: u64) -> Vec<u8> {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &[u8]| {
        if let Some(field) = header.get_mut(at..at + text.len()) {
            field.copy_from_slice(text);
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{claims:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(field) = header.get_mut(148..156) {
        field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let mut out = header.to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// The two empty blocks that end a tar archive.
pub(super) const TAR_END: [u8; 1024] = [0; 1024];
