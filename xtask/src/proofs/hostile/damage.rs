//! Sound samples, damaged: cut off, bits flipped, stretches overwritten, pieces told twice.

use crate::proofs::Dice;

/// Most bytes that one stretch of damage covers.
const STRETCH: u64 = 4096;

/// Damages `bytes` in one of the four ways.
pub(super) fn damaged(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let length = bytes.len() as u64;
    if length == 0 {
        return bytes;
    }
    match dice.below(4) {
        0 => bytes.truncate(dice.below(length) as usize),
        1 => flip(&mut bytes, dice),
        2 => {
            let stretch = stretch(length, dice);
            let value = [0, 0xff, b'"', b'\n'].get(dice.below(4) as usize).copied().unwrap_or(0);
            if let Some(part) = bytes.get_mut(stretch) {
                part.fill(value);
            }
        }
        _ => {
            let part = bytes.get(stretch(length, dice)).unwrap_or_default().to_vec();
            let at = dice.below(length) as usize;
            bytes.splice(at..at, part);
        }
    }
    bytes
}

fn flip(bytes: &mut [u8], dice: &mut Dice) {
    for _ in 0..=dice.below(64) {
        let at = dice.below(bytes.len() as u64) as usize;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << dice.below(8);
        }
    }
}

fn stretch(length: u64, dice: &mut Dice) -> std::ops::Range<usize> {
    let from = dice.below(length);
    let to = (from + dice.below(STRETCH)).min(length);
    from as usize..to as usize
}
