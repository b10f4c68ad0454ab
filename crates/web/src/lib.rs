//! The web: HTTP to [`app`] and back. Nothing is decided here: a handler reads the request, asks the use
//! case, and writes the answer.
//!
//! [`routes`](self::routes) is one ordered table of all routes with what each needs; the router and the
//! tests of who may do what are made from it. What senders deliver comes in by `receive`, whose table is that
//! of their protocols. `pages` hands out files that were built beforehand. Answers that are not what was asked for are problem
//! documents (RFC 9457).

mod api;
mod caller;
mod describe;
mod json;
mod once;
mod pages;
mod problem;
mod receive;
mod room;
mod routes;
mod run;
mod server;
mod tls;
#[cfg(test)]
mod trial;
mod version;

pub use describe::openapi;
pub use pages::Page;
pub use run::run;
