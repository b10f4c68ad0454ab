//! The encodings in which rules look for a text: Base64 at every alignment, and UTF-16.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648).
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut out = unpadded(bytes);
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

fn unpadded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=group.len() {
            let six = bits >> (18 - 6 * at) & 63;
            out.push(ALPHABET.get(six as usize).copied().map_or('=', char::from));
        }
    }
    out
}

/// The characters that the bytes put into any Base64 text that holds them, at each of the three
/// alignments: those that depend on neighbours are cut off.
pub(crate) fn base64_offsets(bytes: &[u8]) -> Vec<String> {
    (0..3_usize)
        .filter_map(|offset| {
            let mut padded = vec![0; offset];
            padded.extend_from_slice(bytes);
            let encoded = unpadded(&padded);
            // The last character carries bits of what follows unless the bytes end a group.
            let end = padded.len() * 4 / 3;
            let text = encoded.get((offset * 4).div_ceil(3)..end)?;
            (!text.is_empty()).then(|| text.to_owned())
        })
        .collect()
}

/// UTF-16, little-endian unless `big`, with a byte order mark if `mark`.
pub(crate) fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xFEFF);
    mark.into_iter()
        .chain(text.encode_utf16())
        .flat_map(|unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_encodings() {
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(b"foob"), "Zm9vYg==");
        assert_eq!(base64(b""), "");
        assert_eq!(utf16("aé", false, true), [0xFF, 0xFE, b'a', 0, 0xE9, 0]);
        assert_eq!(utf16("a", true, false), [0, b'a']);
    }

    #[test]
    fn offsets_are_found_at_every_alignment() {
        for text in ["IEX", "http", "powershell", "ab"] {
            let offsets = base64_offsets(text.as_bytes());
            for before in ["", "x", "xy", "xyz"] {
                for after in ["", "q", "qr"] {
                    let whole = base64(format!("{before}{text}{after}").as_bytes());
                    assert!(offsets.iter().any(|o| whole.contains(o)), "{text} in {whole}");
                }
            }
        }
    }
}
