//! Damaged copies of every fixture: nothing panics, and every offset lies in the parcel. The work
//! is bounded by counts, never by a clock.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::Seeded;

#[test]
fn truncated_fixtures() {
    for fixture in common::fixtures() {
        let length = fixture.bytes.len();
        // Every place in a small file, two hundred in a large one.
        for cut in (0..length).step_by((length / 200).max(1)) {
            check(&fixture.bytes[..cut], &fixture.name);
        }
    }
}

#[test]
fn flipped_bits() {
    let mut seeded = Seeded(0x5EED);
    for fixture in common::fixtures() {
        for _ in 0..200 {
            let mut bytes = fixture.bytes.clone();
            for _ in 0..=seeded.below(4) {
                let at = seeded.below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << seeded.below(8);
                }
            }
            check(&bytes, &fixture.name);
        }
    }
}

#[test]
fn shuffled_pieces() {
    let mut seeded = Seeded(0xD00F);
    for fixture in common::fixtures() {
        for _ in 0..50 {
            let mut bytes = fixture.bytes.clone();
            let (a, b) = (seeded.below(bytes.len()), seeded.below(bytes.len()));
            let piece: Vec<u8> = bytes[a.min(b)..a.max(b)].to_vec();
            match seeded.below(3) {
                0 => bytes.splice(a..a, piece).for_each(drop),
                1 => bytes.drain(a.min(b)..a.max(b)).for_each(drop),
                _ => bytes[a.min(b)..a.max(b)].fill(seeded.below(256) as u8),
            }
            check(&bytes, &fixture.name);
        }
    }
}

fn check(bytes: &[u8], name: &str) {
    let reading = parse::read_all(bytes, name);
    // Decoded UTF-16 can be half as long again as what it was decoded from.
    let length = bytes.len() as u64 * 3 / 2 + 4;
    for record in &reading.records {
        assert!(record.offset <= length, "{name}: a record at {} of {length}", record.offset);
        assert!(matches!(record.fields, model::Value::Map(_)), "{name}: fields that are no map");
        for flaw in &record.flaws {
            assert!(flaw.offset <= length, "{name}: {flaw:?} of {length}");
        }
    }
    for flaw in &reading.flaws {
        assert!(flaw.offset <= length, "{name}: {flaw:?} of {length}");
    }
}
