//! OpenTelemetry's protocol, for logs: over HTTP (`POST /v1/logs`, protobuf or JSON) and over gRPC.
//!
//! Source: "OTLP Specification 1.x"; the status of an error is `google.rpc.Status`.

mod count;
mod grpc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::door::{Door, door};
use super::protobuf::{self, Message};
use super::visit::{Deliver, Protocol, Receipt, Visit};
use count::{Count, Records};
pub(super) use grpc::OtlpGrpc;

/// The protocol `otlp`.
pub(super) struct OtlpHttp;

static DOORS: &[Door] = &[door("POST", "/v1/logs")];

const PROTOBUF: &str = "application/x-protobuf";

/// Whether a sender speaks JSON; whoever says nothing speaks protobuf.
fn is_json(visit: &Visit<'_>) -> bool {
    visit.header(CONTENT_TYPE).is_some_and(|media_type| {
        let name = media_type.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("application/json")
    })
}

impl Protocol for OtlpHttp {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn about(&self) -> &'static str {
        "OpenTelemetry logs over HTTP, protobuf or JSON"
    }

    fn doors(&self) -> &'static [Door] {
        DOORS
    }

    fn receive(&self, visit: &Visit<'_>, body: Vec<u8>) -> Result<Receipt, Answer> {
        let json = is_json(visit);
        let checked = if json { check_json(&body) } else { check(&body) };
        let Checked { records, warning } =
            checked.map_err(|message| self.refuse(visit, &Refusal::Broken(message)))?;
        let accepted = if json {
            let body = match &warning {
                Some(message) => json!({"partialSuccess": {"errorMessage": message}}),
                None => json!({}),
            };
            Answer::json(StatusCode::OK, &body)
        } else {
            let mut answer = Answer::bare(StatusCode::OK).with_type(PROTOBUF);
            answer.body = response(warning.as_deref());
            answer
        };
        Ok(receipt(records, body, accepted))
    }

    fn refuse(&self, visit: &Visit<'_>, refusal: &Refusal) -> Answer {
        // Of a sender that delivers too much some clients (Python's) come again for 503 alone.
        let status = match refusal {
            Refusal::Full { .. } => StatusCode::SERVICE_UNAVAILABLE,
            other => other.status(),
        };
        let code = rpc_code(refusal);
        let answer = if is_json(visit) {
            Answer::json(status, &json!({"code": code, "message": refusal.message()}))
        } else {
            let mut answer = Answer::bare(status).with_type(PROTOBUF);
            answer.body = rpc_status(code, refusal);
            answer
        };
        answer.refusing(refusal)
    }
}

/// What a request holds.
struct Checked {
    records: u64,
    /// What the sender is told though its logs are taken.
    warning: Option<String>,
}

/// Looks into a request in protobuf. One of which nothing can be read is refused.
fn check(body: &[u8]) -> Result<Checked, String> {
    match protobuf::log_records(body) {
        (0, Some(at)) => Err(format!("no request for logs in protobuf (byte {at})")),
        (records, broken) => {
            let warning = |at| format!("kept, but from byte {at} on something cannot be read");
            Ok(Checked { records, warning: broken.map(warning) })
        }
    }
}

/// Looks into a request in JSON. Nothing of it is held but how much there is.
fn check_json(body: &[u8]) -> Result<Checked, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Request {
        #[serde(default)]
        resource_logs: Count<Resource>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Resource {
        #[serde(default)]
        scope_logs: Count<Scope>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Scope {
        #[serde(default)]
        log_records: Count<IgnoredAny>,
    }
    impl Records for Resource {
        fn records(&self) -> u64 {
            self.scope_logs.get()
        }
    }
    impl Records for Scope {
        fn records(&self) -> u64 {
            self.log_records.get()
        }
    }
    let request: Request =
        serde_json::from_slice(body).map_err(|e| format!("no request for logs in JSON: {e}"))?;
    Ok(Checked { records: request.resource_logs.get(), warning: None })
}

fn receipt(records: u64, body: Vec<u8>, accepted: Answer) -> Receipt {
    if records == 0 {
        return Receipt::nothing(accepted);
    }
    let (format, events) = (Some("otlp"), Some(records));
    let deliver = Deliver { format, events, metadata: Vec::new(), body: body.into() };
    Receipt::of(vec![deliver], |_| accepted)
}

/// `ExportLogsServiceResponse`: empty when all is well.
fn response(warning: Option<&str>) -> Vec<u8> {
    let Some(message) = warning else { return Vec::new() };
    let partial = Message::default().bytes(2, message.as_bytes());
    Message::default().message(1, partial).into_bytes()
}

/// The code of gRPC that says a refusal.
fn rpc_code(refusal: &Refusal) -> u64 {
    match refusal {
        Refusal::Broken(_) | Refusal::Empty | Refusal::SecretInQuery => 3, // INVALID_ARGUMENT
        Refusal::Slow => 4,                                                // DEADLINE_EXCEEDED
        Refusal::DisabledCredential => 7,                                  // PERMISSION_DENIED
        Refusal::TooLarge { .. } => 8,                                     // RESOURCE_EXHAUSTED
        Refusal::Method | Refusal::Encoding => 12,                         // UNIMPLEMENTED
        Refusal::Full { .. } | Refusal::Closing | Refusal::Failed => 14,   // UNAVAILABLE
        Refusal::NoCredential | Refusal::OddCredential | Refusal::UnknownCredential => 16,
    }
}

/// `google.rpc.Status`, with the time after which to come again where there is one.
fn rpc_status(code: u64, refusal: &Refusal) -> Vec<u8> {
    let status = Message::default().number(1, code).bytes(2, refusal.message().as_bytes());
    let Some(seconds) = refusal.retry_after() else { return status.into_bytes() };
    let delay = Message::default().number(1, u64::from(seconds));
    let retry = Message::default().message(1, delay).into_bytes();
    let detail =
        Message::default().bytes(1, b"type.googleapis.com/google.rpc.RetryInfo").bytes(2, &retry);
    status.message(3, detail).into_bytes()
}

/// A value of a header; what cannot stand in one is left out.
fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
