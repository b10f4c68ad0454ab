//! Functions on addresses and URLs.

#![allow(clippy::needless_pass_by_value)] // They have one signature, for the table.

use std::borrow::Cow;

use super::{Word, cut, filled};
use crate::value::{Val, ip, split_port, text_int};

pub(super) fn ip_of<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let text = match value.text() {
        Some(Cow::Borrowed(text)) => {
            return match ip(Cow::Borrowed(text)) {
                Some(ip) => Val::Text(ip),
                None => ip(Cow::Borrowed(split_port(text).0)).map_or(Val::None, Val::Text),
            };
        }
        Some(Cow::Owned(text)) => text,
        None => return Val::None,
    };
    let found = ip(Cow::Borrowed(&text)).or_else(|| ip(Cow::Borrowed(split_port(&text).0)));
    found.map_or(Val::None, |t| Val::Text(Cow::Owned(t.into_owned())))
}

pub(super) fn port<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    let found = value.text().and_then(|t| text_int(split_port(&t).1?));
    found.filter(|p| (0..=65535).contains(p)).map_or(Val::None, Val::Int)
}

pub(super) fn host<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| {
        let t = t.split_once("://").map_or(t, |(_, rest)| rest);
        let t = t.split(['/', '?', '#']).next()?;
        let t = t.rsplit_once('@').map_or(t, |(_, host)| host);
        filled(split_port(t).0)
    })
}

/// The parts of a URL: scheme, authority, path, query.
pub(super) fn url(text: &str) -> (Option<&str>, Option<&str>, &str, Option<&str>) {
    let text = text.split('#').next().unwrap_or_default();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => (filled(scheme), rest),
        _ => (None, text),
    };
    let (before, query) = match rest.split_once('?') {
        Some((before, query)) => (before, filled(query)),
        None => (rest, None),
    };
    if scheme.is_none() {
        return (None, None, before, query);
    }
    let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
    (scheme, filled(authority), path, query)
}

pub(super) fn url_scheme<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| url(t).0)
}

pub(super) fn url_host<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| {
        let authority = url(t).1?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        filled(split_port(host).0)
    })
}

pub(super) fn url_port<'r>(value: Val<'r>, words: &'r [Word]) -> Val<'r> {
    port(cut(value, |t| url(t).1), words)
}

pub(super) fn url_path<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| filled(url(t).2))
}

pub(super) fn url_query<'r>(value: Val<'r>, _: &'r [Word]) -> Val<'r> {
    cut(value, |t| url(t).3)
}
