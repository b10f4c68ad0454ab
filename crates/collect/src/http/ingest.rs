//! The house's own way in: any body, of any content type, read as what it is.
//!
//! `POST /api/v1/ingest?format=…&host=…&source=…&index=…`; what is not said is recognised by content. The
//! answer names the number of the delivery in the log.

use http::HeaderValue;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::door::{Door, door};
use super::visit::{Deliver, Protocol, Receipt, Visit};

/// The protocol `ingest`.
pub(super) struct Ingest;

static DOORS: &[Door] = &[door("POST", "/api/v1/ingest")];

impl Protocol for Ingest {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn about(&self) -> &'static str {
        "any body over HTTP: JSON, lines, CSV, whatever is recognised"
    }

    fn doors(&self) -> &'static [Door] {
        DOORS
    }

    fn receive(&self, visit: &Visit<'_>, body: Vec<u8>) -> Result<Receipt, Answer> {
        if body.trim_ascii().is_empty() {
            return Err(self.refuse(visit, &Refusal::Empty));
        }
        let format = format(visit).map_err(|refusal| self.refuse(visit, &refusal))?;
        let metadata = visit.query.labels(&["host", "source", "index"]);
        let deliver = Deliver { format, events: None, metadata, body: body.into() };
        Ok(Receipt::of(vec![deliver], |at| Answer::json(StatusCode::OK, &json!({"position": at}))))
    }

    fn refuse(&self, _: &Visit<'_>, refusal: &Refusal) -> Answer {
        plain(refusal)
    }
}

/// The format that the sender names.
fn format(visit: &Visit<'_>) -> Result<Option<&'static str>, Refusal> {
    let Some(named) = visit.query.get("format") else { return Ok(None) };
    let known = &visit.reception.settings.formats;
    match known.iter().find(|format| **format == named) {
        Some(format) => Ok(Some(*format)),
        None => Err(Refusal::Broken(format!("format: one of {}", known.join(", ")))),
    }
}

/// A refusal in the house's own words: a problem document (RFC 9457).
pub(super) fn plain(refusal: &Refusal) -> Answer {
    let status = refusal.status();
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": refusal.message(),
        "code": refusal.code(),
    });
    let mut answer = Answer::json(status, &body);
    let kind = HeaderValue::from_static("application/problem+json");
    answer.headers.insert(CONTENT_TYPE, kind);
    answer.refusing(refusal)
}
