//! What was brought in, before anything reads it.

use serde::{Deserialize, Serialize};

use crate::{Digest, Micros};

/// A body of bytes from one place: a file, an archive member, standard input, a network delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// SHA-256 of all its bytes (after decompression, for an archive member).
    pub digest: Digest,
    /// Where it came from, as a person would say it. An archive member is `archive.zip!/inner/name`.
    pub origin: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was received, in microseconds since 1970 UTC.
    pub received_at: Micros,
}
