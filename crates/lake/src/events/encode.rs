//! How Parquet spells values: the few encodings that the lake's pages are written in.
//!
//! Source: Apache Parquet format, "Encodings.md".

/// Bits that the numbers up to `greatest` take.
pub(super) fn width_of(greatest: u64) -> u8 {
    (u64::BITS - greatest.leading_zeros()) as u8
}

/// Numbers of `width` bits as runs of one number and stretches of packed ones (the RLE / bit-packing
/// hybrid), without a length before it.
pub(super) fn hybrid(values: &[u32], width: u8, out: &mut Vec<u8>) {
    /// Numbers that are packed together.
    const TOGETHER: usize = 8;
    let (mut packed, mut at) = (0, 0);
    while let Some(value) = values.get(at) {
        let rest = values.get(at..).unwrap_or_default();
        let same = rest.iter().position(|v| v != value).unwrap_or(rest.len());
        // A stretch before a run is filled up to whole groups with the run's own numbers.
        let fill = (TOGETHER - (at - packed) % TOGETHER) % TOGETHER;
        if same >= fill + TOGETHER {
            stretch(values.get(packed..at + fill).unwrap_or_default(), width, out);
            run(same - fill, *value, width, out);
            packed = at + same;
        }
        at += same;
    }
    stretch(values.get(packed..).unwrap_or_default(), width, out);
}

/// One number of `width` bits, `count` times.
pub(super) fn run(count: usize, value: u32, width: u8, out: &mut Vec<u8>) {
    varint((count as u64) << 1, out);
    out.extend(value.to_le_bytes().iter().take(usize::from(width).div_ceil(8)));
}

fn stretch(values: &[u32], width: u8, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let values = values.iter().map(|v| u64::from(*v));
    pack(values, groups * 8, width, out);
}

/// Packs numbers of `width` bits, least bit first, filled up with zeros to `count` numbers (a multiple
/// of eight).
fn pack(values: impl Iterator<Item = u64>, count: usize, width: u8, out: &mut Vec<u8>) {
    let end = out.len() + count / 8 * usize::from(width);
    let (mut word, mut bits) = (0_u128, 0);
    for value in values {
        word |= u128::from(value) << bits;
        bits += u32::from(width);
        if bits >= 64 {
            out.extend_from_slice(&(word as u64).to_le_bytes());
            word >>= 64;
            bits -= 64;
        }
    }
    out.extend(word.to_le_bytes().iter().take(bits.div_ceil(8) as usize));
    out.resize(end, 0);
}

/// Numbers as differences to the number before (DELTA_BINARY_PACKED).
pub(super) fn delta(mut values: impl ExactSizeIterator<Item = i64>, out: &mut Vec<u8>) {
    const BLOCK: usize = 128;
    const MINI: usize = 32;
    varint(BLOCK as u64, out);
    varint((BLOCK / MINI) as u64, out);
    varint(values.len() as u64, out);
    let mut last = values.next().unwrap_or(0);
    zigzag(last, out);
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        block.clear();
        block.extend(values.by_ref().take(BLOCK).map(|value| {
            let difference = value.wrapping_sub(last);
            last = value;
            difference
        }));
        let Some(least) = block.iter().min().copied() else { break };
        zigzag(least, out);
        let above = |n: &i64| n.wrapping_sub(least) as u64;
        let minis =
            block.chunks(MINI).map(|mini| width_of(mini.iter().map(above).fold(0, u64::max)));
        let widths: Vec<u8> = minis.collect();
        out.extend_from_slice(&widths);
        out.resize(out.len() + BLOCK / MINI - widths.len(), 0);
        for (mini, width) in block.chunks(MINI).zip(widths) {
            pack(mini.iter().map(above), MINI, width, out);
        }
    }
}

/// Truth values, eight to a byte (PLAIN).
pub(super) fn truths(values: impl ExactSizeIterator<Item = bool>, out: &mut Vec<u8>) {
    let count = values.len().next_multiple_of(8);
    pack(values.map(u64::from), count, 1, out);
}

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn zigzag(n: i64, out: &mut Vec<u8>) {
    varint((n << 1 ^ n >> 63) as u64, out);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    /// The examples of the format's own text.
    #[test]
    fn as_the_format_says() {
        let mut out = Vec::new();
        hybrid(&[0, 1, 2, 3, 4, 5, 6, 7], 3, &mut out);
        assert_eq!(out, [3, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        out.clear();
        hybrid(&[4; 100], 3, &mut out);
        assert_eq!(out, [200, 1, 4]);
        out.clear();
        delta([7, 5, 3, 1, 2, 3, 4, 5].into_iter(), &mut out);
        let head = [128, 1, 4, 8, 14];
        let block = [3, 2, 0, 0, 0, 0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0];
        assert_eq!(out, [head.as_slice(), &block].concat());
    }
}
