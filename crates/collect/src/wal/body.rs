//! A delivery as the body of a frame: what is said of it as JSON, then its bytes; all of it
//! compressed where that pays.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes};
use model::{Flaw, Micros};
use serde::{Deserialize, Serialize};
use zstd::bulk::Compressor;

use super::frame::{HEAD, Kind};
use super::held;
use crate::{Cursor, Delivery, Refusal, Tag};

/// The most that a body may have before it is compressed. What claims more is not read.
pub(super) const MOST: usize = 32 << 20;

/// Smaller bodies are not worth the compressor.
const WORTH_COMPRESSING: usize = 512;

/// What is said of the bytes. Names are short because every delivery carries them; what a later
/// version adds has a default.
#[derive(Serialize, Deserialize)]
struct Meta {
    at: i64,
    sender: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    format: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    definition: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "is_empty")]
    tags: Arc<[Tag]>,
    origin: Arc<str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    flaws: Vec<Flaw>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
}

fn is_empty(tags: &Arc<[Tag]>) -> bool {
    tags.is_empty()
}

/// A body that is ready to be written.
pub(super) struct Body {
    pub(super) kind: Kind,
    /// Its length before compression.
    pub(super) plain: u32,
    pub(super) crc: u32,
    pub(super) bytes: Vec<u8>,
}

/// Makes bodies. Compressors are kept, because making one costs more than a small body does.
#[derive(Default)]
pub(super) struct Encoder {
    idle: Mutex<Vec<Compressor<'static>>>,
}

impl Encoder {
    /// The body of a delivery; refused when it is larger than `limit`.
    pub(super) fn encode(&self, delivery: Delivery, limit: usize) -> Result<Body, Refusal> {
        let limit = limit.min(MOST);
        let too_large =
            |bytes: usize| Refusal::TooLarge { bytes: bytes as u64, limit: limit as u64 };
        let Delivery {
            sender,
            format,
            definition,
            tags,
            origin,
            received_at,
            flaws,
            cursor,
            bytes,
        } = delivery;
        if bytes.len() > limit {
            return Err(too_large(bytes.len()));
        }
        let at = received_at.0;
        let meta = Meta { at, sender, format, definition, tags, origin, flaws, cursor };
        let mut plain = Vec::with_capacity(bytes.len() + 256);
        plain.extend_from_slice(&[0; 4]);
        serde_json::to_writer(&mut plain, &meta)
            .map_err(|error| Refusal::Disk(Arc::new(error.into())))?;
        let length = plain.len() - 4;
        if let Some(front) = plain.first_chunk_mut() {
            *front = (length as u32).to_le_bytes();
        }
        plain.extend_from_slice(&bytes);
        if plain.len() > limit {
            return Err(too_large(plain.len()));
        }
        let size = plain.len() as u32;
        let (kind, bytes) = match self.compressed(&plain) {
            Some(packed) => (Kind::Zstd, packed),
            None => (Kind::Plain, plain),
        };
        Ok(Body { kind, plain: size, crc: crc32fast::hash(&bytes), bytes })
    }

    /// The compressed form, when it is smaller.
    fn compressed(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() < WORTH_COMPRESSING {
            return None;
        }
        let idle = held(&self.idle).pop();
        let mut compressor = idle.or_else(|| Compressor::new(1).ok())?;
        let packed = compressor.compress(plain).ok();
        held(&self.idle).push(compressor);
        packed.filter(|packed| packed.len() < plain.len())
    }
}

/// Reads a body whose checksum was right. `plain` is the length that its head claims.
pub(super) fn decode(kind: Kind, plain: u32, body: &[u8]) -> io::Result<Delivery> {
    let plain = plain as usize;
    if plain > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "claims to be too large"));
    }
    let whole = match kind {
        Kind::Zstd => Bytes::from(zstd::bulk::decompress(body, plain)?),
        Kind::Plain => Bytes::copy_from_slice(body),
        Kind::Seal => return Err(io::Error::new(io::ErrorKind::InvalidData, "has no body")),
    };
    let mut rest: &[u8] = &whole;
    let length = rest.try_get_u32_le().map_or(usize::MAX, |length| length as usize);
    let Some(meta) = rest.get(..length) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "ends inside its first part"));
    };
    let Meta { at, sender, format, definition, tags, origin, flaws, cursor } =
        serde_json::from_slice(meta)?;
    let bytes = whole.slice(4 + length..);
    let received_at = Micros(at);
    Ok(Delivery { sender, format, definition, tags, origin, received_at, flaws, cursor, bytes })
}

/// The largest body that a segment of this size holds.
pub(super) fn most_in(segment: u64) -> usize {
    let room = segment.saturating_sub(super::segment::DATA + 2 * HEAD as u64);
    usize::try_from(room).unwrap_or(usize::MAX).min(MOST)
}
