//! However a parcel is cut, it reads the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::LazyLock;

use common::Fixture;
use parse::{Limits, read_all, read_with};
use proptest::prelude::*;

static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(common::fixtures);

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunk_size_reads_the_same(which in any::<prop::sample::Index>(), chunk in 1usize..70_000) {
        let fixture = which.get(&FIXTURES);
        same(&fixture.bytes, &fixture.name, chunk)?;
    }

    #[test]
    fn small_chunks_read_the_same(which in any::<prop::sample::Index>(), chunk in 1usize..300) {
        let fixture = which.get(&FIXTURES);
        same(&fixture.bytes, &fixture.name, chunk)?;
    }

    #[test]
    fn damaged_parcels_read_the_same(
        which in any::<prop::sample::Index>(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        chunk in 1usize..5_000,
    ) {
        let fixture = which.get(&FIXTURES);
        let mut bytes = fixture.bytes.clone();
        for (at, byte) in hits {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        same(&bytes, &fixture.name, chunk)?;
    }
}

fn same(bytes: &[u8], name: &str, chunk: usize) -> Result<(), TestCaseError> {
    let whole = read_all(bytes, name);
    let pieces = read_with(bytes, name, Limits { chunk, ..Limits::default() });
    prop_assert_eq!(whole.format, pieces.format);
    prop_assert_eq!(whole.flaws, pieces.flaws, "{} in chunks of {}", name, chunk);
    for (a, b) in whole.records.iter().zip(&pieces.records) {
        prop_assert_eq!(a, b, "{} in chunks of {}", name, chunk);
    }
    prop_assert_eq!(whole.records.len(), pieces.records.len(), "{} in chunks of {}", name, chunk);
    Ok(())
}
