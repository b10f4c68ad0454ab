//! Cloudflare Logpush to an HTTP destination.
//!
//! Batches are NDJSON, gzipped. Before a job is made, Cloudflare uploads a small object to see that
//! somebody is there: it is accepted, and is no event. There is no other challenge of ownership. The
//! secret comes in a header that the destination's address names (`?header_Authorization=Bearer%20…`),
//! or in its query (`?token=…`). What Cloudflare could not deliver after some tries it drops for good.
//!
//! Source: "Enable HTTP destination", Cloudflare Logs documentation.

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::decode::BodyLimits;
use super::door::{Door, door};
use super::ingest;
use super::secret::{Credential, Scheme};
use super::visit::{Deliver, Protocol, Receipt, Visit};

/// How many times the usual size of a body a batch may have.
const PIECES: u64 = 4;

/// The protocol `logpush`.
pub(super) struct Logpush;

static DOORS: &[Door] = &[
    door("POST", "/logpush"),
    door("PUT", "/logpush"),
    door("POST", "/logpush/{dataset}"),
    door("PUT", "/logpush/{dataset}"),
];

impl Protocol for Logpush {
    fn name(&self) -> &'static str {
        "logpush"
    }

    fn about(&self) -> &'static str {
        "Cloudflare Logpush"
    }

    fn doors(&self) -> &'static [Door] {
        DOORS
    }

    fn credential(&self, visit: &Visit<'_>) -> Result<Credential, Refusal> {
        let headers = &visit.reception.settings.secret_headers;
        match Credential::usual(&visit.parts.headers, headers) {
            Err(Refusal::NoCredential) => match visit.query.get("token") {
                Some(token) => Credential::new(Scheme::Query, None, token),
                None => Err(Refusal::NoCredential),
            },
            found => found,
        }
    }

    /// A batch that is refused is lost, and a job that is not told otherwise makes large ones: they are
    /// taken in pieces.
    fn limits(&self, visit: &Visit<'_>) -> BodyLimits {
        let limits = visit.reception.settings.limits;
        BodyLimits { decoded: limits.decoded.saturating_mul(PIECES), ..limits }
    }

    fn receive(&self, visit: &Visit<'_>, body: Vec<u8>) -> Result<Receipt, Answer> {
        let accepted = || Answer::json(StatusCode::OK, &json!({"accepted": true}));
        if body.trim_ascii().is_empty() || is_test(&body) {
            return Ok(Receipt::nothing(accepted()));
        }
        let mut metadata = visit.query.labels(&["dataset", "host", "source", "index"]);
        // `/logpush/http_requests` says the same as `?dataset=http_requests`.
        if let Some(dataset) = visit.path.strip_prefix("/logpush/")
            && dataset.len() <= 64
            && visit.query.get("dataset").is_none()
        {
            metadata.push(("dataset".to_owned(), dataset.to_owned()));
        }
        // Jobs may be set to deliver CSV, or lines of another shape.
        let is_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
        let format = is_json.then_some("json");
        let most = visit.reception.settings.limits.decoded;
        let refuse = |refusal: &Refusal| self.refuse(visit, refusal);
        let pieces = pieces(body.into(), most as usize)
            .ok_or_else(|| refuse(&Refusal::TooLarge { limit: most }))?;
        let deliver = |body| Deliver { format, events: None, metadata: metadata.clone(), body };
        Ok(Receipt::of(pieces.into_iter().map(deliver).collect(), move |_| accepted()))
    }

    fn refuse(&self, _: &Visit<'_>, refusal: &Refusal) -> Answer {
        ingest::plain(refusal)
    }
}

/// Cuts a batch of lines behind line ends so that no piece is larger than it may be. None when it cannot
/// be: only lines that are objects stand each for itself.
fn pieces(mut body: Bytes, most: usize) -> Option<Vec<Bytes>> {
    let mut pieces = Vec::new();
    while body.len() > most {
        let lines = body.first() == Some(&b'{');
        let end = body.get(..most)?.iter().rposition(|byte| *byte == b'\n').filter(|_| lines)?;
        pieces.push(body.split_to(end + 1));
    }
    pieces.push(body);
    Some(pieces)
}

/// Whether a body is what is uploaded to try the destination: `{"content":"tests"}`.
fn is_test(body: &[u8]) -> bool {
    if body.len() > 256 {
        return false;
    }
    let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(body) else { return false };
    let content = object.get("content").and_then(serde_json::Value::as_str);
    object.len() == 1 && matches!(content, Some("tests" | "test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_batches_are_cut_behind_lines() {
        let cut = |text: &'static str, most| {
            let pieces = pieces(Bytes::from_static(text.as_bytes()), most)?;
            Some(pieces.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect::<Vec<_>>())
        };
        let whole = |text: &str| Some(vec![text.to_owned()]);
        assert_eq!(cut("{1}\n{2}\n", 8), whole("{1}\n{2}\n"));
        let three = ["{1}\n", "{2}\n", "{3}"].map(str::to_owned).to_vec();
        assert_eq!(cut("{1}\n{2}\n{3}", 6), Some(three));
        assert_eq!(cut("{123456}\n", 6), None);
        assert_eq!(cut("[{1},\n{2}]", 6), None, "a piece of a list is none");
    }
}
