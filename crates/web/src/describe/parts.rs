//! How handlers describe themselves: each type that one takes, and each that one answers with.

use std::net::SocketAddr;

use app::Floor;
use app::ledger::Page;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::Operation;
use crate::api::{Body, Listed, PageQuery, Path, Query};
use crate::caller::Came;
use crate::json::Json;
use crate::problem::Problem;
use crate::server::Secure;

/// Something that a handler takes.
pub(crate) trait Takes {
    /// Tells what of the request it is; nothing where the caller need not know.
    fn tell(_: &mut Operation<'_>) {}
}

impl Takes for State<Floor> {}
impl Takes for Came {}
impl Takes for ConnectInfo<SocketAddr> {}
impl Takes for axum::Extension<Secure> {}
impl Takes for HeaderMap {}

impl<T: JsonSchema> Takes for Path<T> {
    fn tell(to: &mut Operation<'_>) {
        let schema = to.schemas.taken.subschema_for::<T>();
        to.path(schema);
    }
}

impl<T: JsonSchema> Takes for Query<T> {
    fn tell(to: &mut Operation<'_>) {
        to.query::<T>();
    }
}

impl<T: JsonSchema> Takes for Listed<T> {
    fn tell(to: &mut Operation<'_>) {
        to.query::<T>();
        to.query::<PageQuery>();
    }
}

impl<T: JsonSchema> Takes for Body<T> {
    fn tell(to: &mut Operation<'_>) {
        let schema = to.schemas.taken.subschema_for::<T>();
        to.takes(json!({ "application/json": { "schema": schema } }));
    }
}

impl Takes for Bytes {
    fn tell(to: &mut Operation<'_>) {
        to.takes(json!({ "application/octet-stream": {} }));
    }
}

/// Something that a handler answers with.
pub(crate) trait Answers {
    /// Whether the answer can be kept and given again: text with a status, and nothing that belongs to
    /// one connection.
    const KEPT: bool = false;

    /// Tells every answer that there may be.
    fn tell(to: &mut Operation<'_>);
}

impl<T: JsonSchema> Answers for Json<T> {
    const KEPT: bool = true;

    fn tell(to: &mut Operation<'_>) {
        let schema = to.answered::<T>();
        let content = json!({ "application/json": { "schema": schema } });
        to.answers(StatusCode::OK, Some(content), json!({}));
    }
}

/// An answer in JSON to a request that changes nothing although it has a body: it is not kept, and work on it
/// may end when its client goes away.
pub(crate) struct Fresh<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Fresh<T> {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

impl<T: JsonSchema> Answers for Fresh<T> {
    fn tell(to: &mut Operation<'_>) {
        <Json<T> as Answers>::tell(to);
    }
}

/// Something was made.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: JsonSchema> Answers for Created<T> {
    const KEPT: bool = true;

    fn tell(to: &mut Operation<'_>) {
        let schema = to.answered::<T>();
        let content = json!({ "application/json": { "schema": schema } });
        to.answers(StatusCode::CREATED, Some(content), json!({}));
    }
}

/// It was done, and there is nothing to say.
pub(crate) struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answers for NoContent {
    const KEPT: bool = true;

    fn tell(to: &mut Operation<'_>) {
        to.answers(StatusCode::NO_CONTENT, None, json!({}));
    }
}

impl<S> Answers for Sse<S> {
    fn tell(to: &mut Operation<'_>) {
        let content = json!({ "text/event-stream": { "schema": { "type": "string" } } });
        to.answers(StatusCode::OK, Some(content), json!({}));
    }
}

impl<R: Answers> Answers for Result<R, Problem> {
    const KEPT: bool = R::KEPT;

    fn tell(to: &mut Operation<'_>) {
        R::tell(to);
    }
}

/// A page of a list, or the whole of a short one.
pub(crate) type Items<T> = Json<Page<T>>;

/// A handler that describes itself by what it takes and answers with.
pub(crate) trait Told<Arguments> {
    /// Whether its answer can be kept and given again.
    const KEPT: bool;

    /// Tells it all.
    fn tell(to: &mut Operation<'_>);
}

macro_rules! told {
    ($($take:ident)*) => {
        impl<H, F, R, $($take),*> Told<($($take,)*)> for H
        where
            H: Fn($($take),*) -> F,
            F: Future<Output = R>,
            R: Answers,
            $($take: Takes,)*
        {
            const KEPT: bool = R::KEPT;

            fn tell(to: &mut Operation<'_>) {
                $($take::tell(to);)*
                R::tell(to);
            }
        }
    };
}
told!();
told!(T1);
told!(T1 T2);
told!(T1 T2 T3);
told!(T1 T2 T3 T4);
told!(T1 T2 T3 T4 T5);

/// Whether a handler's answer can be kept.
pub(crate) fn kept<H: Told<A>, A>(_: &H) -> bool {
    H::KEPT
}

/// Describes a handler.
pub(crate) fn tell<H: Told<A>, A>(handler: &H, to: &mut Operation<'_>) {
    H::tell(to);
    to.problems(to.once() && kept(handler));
}
