//! Writes that are carried out once, however often they are sent: `Idempotency-Key` (IETF draft
//! "The Idempotency-Key HTTP Header Field").
//!
//! A write that has begun is carried out to its end, whether or not its client waits for it.

use app::{Floor, Once, Ticket};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::caller::Came;
use crate::problem::Problem;
use crate::server::BODY;

/// The header with the caller's name for the request.
pub(crate) const KEY: &str = "idempotency-key";
/// What an answer carries that is given again.
const AGAIN: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Bytes of an answer that is looked at in order to be kept.
const ANSWER: usize = 64 << 20;
/// Characters of a key.
const LONGEST: usize = 128;

/// Carries a write out, or answers it again.
pub(crate) async fn carry_out(
    floor: Floor,
    came: Came,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(key) = key(request.headers())? else { return Ok(to_its_end(next.run(request)).await) };
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB")
    })?;
    // From here on it must come to an end: a key that is noted and never answered is of no use.
    let work = async move {
        let place = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let said = [parts.method.as_str().as_bytes(), place.as_bytes(), &body];
        let known = floor.once(&came.caller, &key, &said).await;
        match known.map_err(Problem::from).and_then(told) {
            Ok(Known::New(ticket)) => {
                let request = Request::from_parts(parts, Body::from(body));
                keep(&floor, ticket, next.run(request).await).await
            }
            Ok(Known::Answered(response)) => response,
            Err(problem) => problem.into_response(),
        }
    };
    Ok(to_its_end(work).await)
}

/// What is to be done with a request under a key.
enum Known {
    /// Carry it out.
    New(Ticket),
    /// This is the answer.
    Answered(Response),
}

fn told(once: Once) -> Result<Known, Problem> {
    let (status, detail) = match once {
        Once::First(ticket) => return Ok(Known::New(ticket)),
        Once::Answered { status, body: Some(body) } => {
            return Ok(Known::Answered(again(status, body.into())));
        }
        Once::Answered { status, body: None } => (
            StatusCode::CONFLICT,
            format!(
                "this was carried out and answered with {status}; the answer was too large to be \
                 kept, so look at what it changed"
            ),
        ),
        Once::Begun(at) => (
            StatusCode::CONFLICT,
            format!(
                "a request with this key was begun at {at} and has not ended; if the server was \
                 stopped meanwhile, look at what it changed before you send it under another key"
            ),
        ),
        Once::Reused => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "this idempotency key was used for another request".to_owned(),
        ),
    };
    Err(Problem::new(status, detail))
}

/// The key, with or without the quotes of a structured field (RFC 8941).
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(KEY).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if all.next().is_some() || !(1..=LONGEST).contains(&text.len()) || !text.bytes().all(plain) {
        return Err(Problem::bad(format!(
            "{KEY}: one key of 1 to {LONGEST} letters, digits, `-` and `_`, such as a UUID"
        )));
    }
    Ok(Some(text.to_owned()))
}

/// Runs on when the client goes away.
async fn to_its_end(work: impl Future<Output = Response> + Send + 'static) -> Response {
    match tokio::spawn(work).await {
        Ok(response) => response,
        // The layer above answers for handlers that panic.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server stops").into_response()
            }
        },
    }
}

/// Keeps an answer, unless it says that nothing was done and that the same may work later.
async fn keep(floor: &Floor, ticket: Ticket, response: Response) -> Response {
    let status = response.status();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, ANSWER).await.unwrap_or_default();
    let kept = match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        true => floor.not_carried_out(ticket).await,
        false => floor.answered(ticket, status.as_u16(), &body).await,
    };
    if let Err(failure) = kept {
        tracing::warn!(%failure, "the answer to a request with a key was not kept");
    }
    Response::from_parts(parts, Body::from(body))
}

/// The answer of the first time.
fn again(status: u16, body: Bytes) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = match status.is_success() {
        true => "application/json",
        false => "application/problem+json",
    };
    let empty = body.is_empty();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if !empty {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    headers.insert(AGAIN, HeaderValue::from_static("true"));
    response
}
