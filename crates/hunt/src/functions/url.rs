//! Functions on URLs and names of hosts.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::ScalarUDF;

use super::address::read_address;
use super::kit::{Arguments, Plain, texts};

pub(crate) fn functions() -> Vec<ScalarUDF> {
    let text = |name, count, body| {
        Plain { name, takes: texts(count), gives: DataType::Utf8View, body }.udf()
    };
    vec![
        text("domain_of", 1, |arguments| {
            let column = arguments.text(0)?;
            let out: StringViewArray = Arguments::map_text(&column, domain_of);
            Ok(Arc::new(out))
        }),
        text("url_host", 1, |arguments| {
            let column = arguments.text(0)?;
            let out: StringViewArray =
                Arguments::map_text(&column, |url| part(url, Part::Host).map(Cow::into_owned));
            Ok(Arc::new(out))
        }),
        text("parse_url", 2, parse_url),
    ]
}

/// The registrable domain of a host, URL or e-mail address.
fn domain_of(text: &str) -> Option<String> {
    let name = if text.contains("://") {
        part(text, Part::Host)?.into_owned()
    } else {
        let text = text.rsplit('@').next()?;
        let host = text.split(['/', '?', '#']).next()?;
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        host.trim().to_lowercase()
    };
    let name = name.trim_end_matches('.');
    if name.is_empty() || read_address(name).is_some() {
        return None;
    }
    psl::domain_str(name).map(str::to_owned)
}

fn parse_url(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let urls = arguments.text(0)?;
    let out: StringViewArray = match arguments.constant(1) {
        Some(None) => vec![None::<&str>; urls.len()].into(),
        Some(Some(name)) => {
            let Some(wanted) = Part::read(name) else {
                return plan_err!(
                    "`{name}` is not a part of a URL: use scheme, user, host, port, path, query, \
                     fragment or query:NAME"
                );
            };
            Arguments::map_text(&urls, |url| part(url, wanted).map(Cow::into_owned))
        }
        None => {
            let names = arguments.text(1)?;
            urls.iter()
                .zip(names.iter())
                .map(|(url, name)| part(url?, Part::read(name?)?).map(Cow::into_owned))
                .collect()
        }
    };
    Ok(Arc::new(out))
}

/// A part of a URL.
#[derive(Debug, Clone, Copy)]
enum Part<'n> {
    Scheme,
    User,
    Host,
    Port,
    Path,
    Query,
    Fragment,
    Parameter(&'n str),
}

impl<'n> Part<'n> {
    fn read(name: &'n str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "scheme" | "protocol" => Some(Self::Scheme),
            "user" | "userinfo" => Some(Self::User),
            "host" => Some(Self::Host),
            "port" => Some(Self::Port),
            "path" => Some(Self::Path),
            "query" => Some(Self::Query),
            "fragment" | "ref" => Some(Self::Fragment),
            lower if lower.starts_with("query:") => name.get(6..).map(Self::Parameter),
            _ => None,
        }
    }
}

/// Cuts a URL as it is spelled. Evidence holds URLs that no standard would take, so nothing is
/// refused and nothing is normalised but the case of the host.
fn part<'u>(url: &'u str, wanted: Part<'_>) -> Option<Cow<'u, str>> {
    let url = url.trim();
    let (before, fragment) = cut(url, '#');
    let (before, query) = cut(before, '?');
    let (scheme, rest) = match before.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, before),
    };
    // Without a scheme, `/a/b` is a path, and `host/a` a host with a path.
    let (authority, path) = match rest.find('/') {
        Some(at) => (rest.get(..at)?, rest.get(at..)?),
        None => (rest, ""),
    };
    let (user, host_port) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let (host, port) = match host_port.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (host_port, None),
    };
    let text = match wanted {
        Part::Scheme => scheme,
        Part::User => user,
        Part::Host => Some(host.trim_start_matches('[').trim_end_matches(']')),
        Part::Port => port,
        Part::Path => Some(path),
        Part::Query => query,
        Part::Fragment => fragment,
        Part::Parameter(name) => query?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            key.eq_ignore_ascii_case(name).then_some(value)
        }),
    };
    let text = text.filter(|text| !text.is_empty())?;
    Some(match wanted {
        Part::Host | Part::Scheme => Cow::Owned(text.to_lowercase()),
        _ => Cow::Borrowed(text),
    })
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrable_domains() {
        let cases = [
            ("www.example.co.uk", Some("example.co.uk")),
            ("https://u:p@A.b.Example.com:8443/x?y#z", Some("example.com")),
            ("bob@mail.example.org", Some("example.org")),
            ("example.com:443", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("10.1.2.3", None),
            ("https://[2001:db8::1]/", None),
            ("localhost", None),
            ("co.uk", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(domain_of(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn parts_of_urls() {
        let url = "https://user:pw@Host.Example:8443/a/b.php?id=7&X=1#top";
        let all = ["scheme", "user", "host", "port", "path", "query", "fragment", "query:x"];
        let parts: Vec<_> = all
            .iter()
            .map(|name| Part::read(name).and_then(|p| part(url, p)).unwrap_or_default())
            .collect();
        let expected =
            ["https", "user:pw", "host.example", "8443", "/a/b.php", "id=7&X=1", "top", "1"];
        assert_eq!(parts, expected);
        assert_eq!(part("/only/path?q", Part::Host), None);
        assert_eq!(part("http://[::1]:80/", Part::Host).as_deref(), Some("::1"));
    }
}
