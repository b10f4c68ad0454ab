//! The same over gRPC: one message in a frame of five bytes, and a status behind the answer.
//!
//! The frames are read by hand: a call with one message each way is all that is asked, and a whole
//! gRPC server beside the HTTP server would be a second way in to guard. The web layer must speak
//! HTTP/2 and send [`Answer::trailers`].
//!
//! Source: "gRPC over HTTP2" (PROTOCOL-HTTP2.md), `google.rpc.Code`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{check, header, receipt, response, rpc_code, rpc_status};
use crate::http::answer::{Answer, Refusal};
use crate::http::decode::Decoder;
use crate::http::door::{Door, door};
use crate::http::visit::{Protocol, Receipt, Visit};

/// The protocol `otlp_grpc`.
pub(in crate::http) struct OtlpGrpc;

/// Traces and metrics have services of their own, which are not here.
static DOORS: &[Door] =
    &[door("POST", "/opentelemetry.proto.collector.logs.v1.LogsService/Export")];
const GRPC: &str = "application/grpc";

impl Protocol for OtlpGrpc {
    fn name(&self) -> &'static str {
        "otlp_grpc"
    }

    fn about(&self) -> &'static str {
        "OpenTelemetry logs over gRPC"
    }

    fn doors(&self) -> &'static [Door] {
        DOORS
    }

    fn encoding<'v>(&self, _: &Visit<'v>) -> Option<&'v [u8]> {
        // Messages are encoded, not the body.
        None
    }

    fn receive(&self, visit: &Visit<'_>, body: Vec<u8>) -> Result<Receipt, Answer> {
        let media_type = visit.header(CONTENT_TYPE).unwrap_or_default();
        if !media_type.starts_with(GRPC) {
            return Err(Answer::bare(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let refuse = |refusal: Refusal| self.refuse(visit, &refusal);
        let message = message(visit, &body).map_err(refuse)?;
        let checked =
            check(&message).map_err(|message| self.refuse(visit, &Refusal::Broken(message)))?;
        let mut accepted = Answer::bare(StatusCode::OK).with_type(GRPC);
        let reply = response(checked.warning.as_deref());
        accepted.body = vec![0];
        accepted.body.extend_from_slice(&(reply.len() as u32).to_be_bytes());
        accepted.body.extend_from_slice(&reply);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        accepted.trailers = Some(trailers);
        Ok(receipt(checked.records, message, accepted))
    }

    /// A refusal is headers alone: its status is always 200, and the code says what it is.
    fn refuse(&self, _: &Visit<'_>, refusal: &Refusal) -> Answer {
        let code = rpc_code(refusal);
        let mut answer = Answer::bare(StatusCode::OK).with_type(GRPC);
        answer.headers.insert("grpc-status", HeaderValue::from(code));
        answer.headers.insert("grpc-message", header(&percent(&refusal.message())));
        if refusal.retry_after().is_some() {
            let details = STANDARD_NO_PAD.encode(rpc_status(code, refusal));
            answer.headers.insert("grpc-status-details-bin", header(&details));
        }
        if *refusal == Refusal::Encoding {
            let known = HeaderValue::from_static("identity,gzip,deflate,zstd");
            answer.headers.insert("grpc-accept-encoding", known);
        }
        answer
    }
}

/// The one message of a call, decoded.
fn message(visit: &Visit<'_>, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let broken = |message: &str| Refusal::Broken(message.to_owned());
    let Some(([compressed, length @ ..], rest)) = body.split_first_chunk::<5>() else {
        return Err(broken("a call without a message"));
    };
    let length = u32::from_be_bytes(*length) as usize;
    if rest.len() != length {
        return Err(broken("a call of one message is wanted, whole"));
    }
    let encoding = match compressed {
        0 => None,
        // Without a name it is none that is known.
        1 => {
            Some(visit.parts.headers.get("grpc-encoding").map_or(&b"?"[..], HeaderValue::as_bytes))
        }
        _ => return Err(broken("a message is encoded or not")),
    };
    let mut decoder = Decoder::new(encoding, visit.reception.settings.limits)?;
    decoder.push(rest)?;
    Ok(decoder.finish()?)
}

/// Percent-encodes what may not stand in `grpc-message`.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | 0..=0x1F | 0x7F.. => {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
                    out.push(digit.to_ascii_uppercase());
                }
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}
