//! What a correlator knows, as bytes.
//!
//! The matches that the lake keeps would not do: what is settled (since when a burst goes on, where
//! windows that follow each other begin) follows from events that were let go long ago.
//!
//! Layout: a magic, a version, the first 16 bytes of a SHA-256 of the rest, and the rest in
//! postcard's form. Events, values and names stand once; places are numbers. Nothing read is
//! trusted: a place that leads nowhere is damage, and what is read is no larger than the bytes.

mod read;
mod write;

use std::sync::Arc;

use model::{Entity, Hasher};
use serde::{Deserialize, Serialize};

use super::changes::Limits;
use super::engine::Engine;
use crate::rules::Rules;

const MAGIC: &[u8; 8] = b"WFcorrel";
/// Changes whenever something is written otherwise.
const VERSION: u16 = 2;

/// Why a snapshot could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is something else.
    #[error("it is no snapshot of correlations")]
    Foreign,
    /// It was written by another version of this program.
    #[error("it is a snapshot of version {0}, and this program reads version {VERSION}")]
    Version(u16),
    /// It is not what was written.
    #[error("the snapshot is damaged")]
    Damaged,
}

/// A place in one of the tables.
type Place = u32;

#[derive(Serialize, Deserialize)]
struct Kept {
    watermark: i64,
    horizon: i64,
    rules: Vec<KeptRule>,
    entities: Vec<Entity>,
    texts: Vec<Arc<str>>,
    hits: Vec<KeptHit>,
    pulses: Vec<KeptPulse>,
    lanes: Vec<KeptLane>,
    orphans: Vec<[u8; 16]>,
}

#[derive(Serialize, Deserialize)]
struct KeptRule {
    id: Arc<str>,
    version: Arc<str>,
    fields: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptHit {
    rule: Place,
    time: i64,
    uid: [u8; 16],
    values: Box<[Option<Box<str>>]>,
    entities: Vec<Place>,
    source: Place,
    labels: Vec<Place>,
}

#[derive(Serialize, Deserialize)]
struct KeptPulse {
    time: i64,
    event: [u8; 16],
    birth: bool,
    start: i64,
    events: Vec<[u8; 16]>,
    entities: Vec<Place>,
    source: Place,
    labels: Vec<Place>,
    group: Vec<Place>,
    origin: Place,
}

#[derive(Serialize, Deserialize)]
struct KeptLane {
    mark: [u8; 16],
    groups: Vec<KeptGroup>,
    left_out: (u64, u64, u64),
}

#[derive(Serialize, Deserialize)]
struct KeptGroup {
    key: Place,
    inputs: Vec<KeptInput>,
    coming: Vec<(KeptInput, bool)>,
    lost: Vec<Place>,
    settled: u32,
    base: Vec<KeptStretch>,
    said: Vec<([u8; 16], u64, i64, i64)>,
    cut: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct KeptInput {
    part: u32,
    thing: KeptThing,
    reach: u32,
    held: Option<f64>,
    told: Option<Place>,
}

#[derive(Serialize, Deserialize)]
enum KeptThing {
    Hit(Place),
    Pulse(Place),
}

#[derive(Serialize, Deserialize)]
struct KeptStretch {
    id: [u8; 16],
    last: Option<u32>,
    last_time: i64,
    first_time: i64,
    start: i64,
    inputs: u64,
    peak: f64,
    events: Vec<[u8; 16]>,
    tail: Option<[u8; 16]>,
    entities: Vec<Place>,
    source: Place,
    labels: Vec<Place>,
    shown: Vec<Place>,
    digests: (u64, u64),
}

/// Writes what an engine knows.
pub(super) fn write(rules: &Rules, engine: &Engine) -> Vec<u8> {
    // Writing into memory fails for types that serde cannot size: there are none here.
    sealed(&postcard::to_allocvec(&write::kept(rules, engine)).unwrap_or_default())
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 26);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&Hasher::new("correlations").part(body).finish());
    out.extend_from_slice(body);
    out
}

/// Reads what an engine knew, for correlations that are still the same.
pub(super) fn read(rules: &Rules, limits: Limits, bytes: &[u8]) -> Result<Engine, SnapshotError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Foreign)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(SnapshotError::Foreign)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let (hash, body) = rest.split_first_chunk::<16>().ok_or(SnapshotError::Damaged)?;
    if Hasher::new("correlations").part(body).finish() != *hash {
        return Err(SnapshotError::Damaged);
    }
    let kept: Kept = postcard::from_bytes(body).map_err(|_| SnapshotError::Damaged)?;
    read::engine(rules, limits, kept).ok_or(SnapshotError::Damaged)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;
    use crate::rules::RuleText;

    const RULES: &str = "
title: a
id: a
logsource: {product: p}
detection: {a: {e: a}, condition: a}
---
title: c
id: c
correlation: {type: temporal_ordered, rules: [a, a], group-by: [u], timespan: 10s}
---
title: d
id: d
correlation: {type: event_count, rules: [c], group-by: [u], timespan: 1m, condition: {lte: 2}}
";

    fn rules() -> Rules {
        Rules::load(vec![RuleText { path: String::new(), text: RULES.to_owned() }]).0
    }

    fn filled() -> (Rules, Engine) {
        let rules = rules();
        let mut engine = Engine::new(rules.correlations(), Limits::default());
        for number in 0..60_u64 {
            let hit = crate::Hit {
                rule: 0,
                time: model::Micros::from_seconds(number as i64 * 7 % 50),
                uid: model::EventUid::from(Hasher::new("t").number(number)),
                values: [Some(format!("u{}", number % 3).into())].into(),
                entities: [model::Entity::new(model::EntityKind::User, "u")].into(),
                source: "s".into(),
                labels: [format!("site={}", number % 2).into()].into(),
            };
            engine.feed(rules.correlations(), hit);
            if number == 40 {
                engine.advance(rules.correlations(), model::Micros::from_seconds(40));
            }
        }
        (rules, engine)
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let (rules, engine) = filled();
        let good = write(&rules, &engine);
        let read = |bytes: &[u8]| read(&rules, Limits::default(), bytes).err();
        assert_eq!(read(&good), None);
        assert_eq!(read(b""), Some(SnapshotError::Foreign));
        assert_eq!(read(b"WFcorrel"), Some(SnapshotError::Foreign));
        let mut other = good.clone();
        other[8] = 9;
        assert_eq!(read(&other), Some(SnapshotError::Version(9)));
        for at in [10, 30, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(read(&bad), Some(SnapshotError::Damaged), "{at}");
        }
        assert_eq!(read(&good[..good.len() - 3]), Some(SnapshotError::Damaged));
    }

    #[test]
    fn what_was_written_is_written_again() {
        let (rules, engine) = filled();
        let bytes = write(&rules, &engine);
        let again = read(&rules, Limits::default(), &bytes).map(|engine| write(&rules, &engine));
        assert_eq!(again, Ok(bytes));
    }

    proptest! {
        /// Behind a checksum that somebody made to fit.
        #[test]
        fn hostile_bytes_end_in_an_error_or_in_a_correlator_that_works(
            spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let (rules, engine) = filled();
            let good = write(&rules, &engine);
            let mut body = good.get(26..).unwrap_or_default().to_vec();
            if let Some(cut) = cut {
                body.truncate(cut.index(body.len()));
            }
            for (at, byte) in spoils {
                let at = at.index(body.len().max(1));
                if let Some(slot) = body.get_mut(at) {
                    *slot = byte;
                }
            }
            if let Ok(mut engine) = read(&rules, Limits::default(), &sealed(&body)) {
                engine.advance(rules.correlations(), model::Micros::from_seconds(60));
                engine.advance(rules.correlations(), model::Micros(i64::MAX));
            }
        }
    }
}
