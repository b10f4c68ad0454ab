//! Logs that arrive over HTTP, in the protocols of the senders that people already run.
//!
//! This is the protocols' logic and nothing else: no socket, no server, no clock. A web layer takes a
//! request apart and is told what to do with it:
//!
//! 1. [`Reception::open`] looks at the head: nobody's, answered to anybody, or a [`Visit`].
//! 2. [`Visit::credential`] says who the sender claims to be. Whether the secret is right is the
//!    caller's to know; [`Visit::refuse`] makes the answer when it is not.
//! 3. [`Visit::greeting`] answers what needs no body (a version, a cluster's health).
//! 4. [`Visit::decoder`] takes the body as it comes in, decoded within hard limits.
//! 5. [`Visit::receive`] reads it: a [`Receipt`] with what is to be kept, or an answer.
//! 6. When that is on the disk, the reception is told ([`Reception::kept`]) and [`Receipt::accepted`] is
//!    the answer; when it cannot be kept, [`Visit::refuse`] again. Nothing is acknowledged before.
//!
//! A protocol is a row of [`PROTOCOLS`] and a file here; its [`Door`]s are rows of its own table.

#![allow(clippy::result_large_err)] // An answer is made once for each request.

mod answer;
mod decode;
mod door;
mod elastic;
mod hec;
mod ingest;
mod logpush;
mod otlp;
mod protobuf;
mod query;
mod secret;
mod visit;

pub use answer::{Answer, Refusal};
pub use decode::{BodyLimits, DecodeError, Decoder};
pub use door::Door;
pub use elastic::ElasticSettings;
pub use hec::HecSettings;
pub use secret::{Credential, Scheme, Secret};
pub use visit::{Deliver, Opening, Protocol, Receipt, Reception, Settings, Visit};

/// Every protocol, in the order in which a request is offered to them.
pub static PROTOCOLS: &[&dyn Protocol] = &[
    &ingest::Ingest,
    &hec::Hec,
    &otlp::OtlpHttp,
    &otlp::OtlpGrpc,
    &logpush::Logpush,
    &elastic::Elastic,
];
