//! The functions that responders need beside SQL's own: one ordered table ([`FUNCTIONS`]), from which
//! registration, help and documentation derive.

mod address;
mod capped;
mod distinct;
mod kit;
mod observables;
mod text;
mod time;
mod uid;
mod url;
mod utc;

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use model::Micros;

pub(crate) use distinct::COUNT;
pub(crate) use observables::{observable_columns, observables};
pub(crate) use time::read_span;
pub(crate) use uid::{EVENT_UID, event_uid, places};

/// What help says of a function.
#[derive(Debug, Clone, Copy)]
pub struct FunctionInfo {
    /// How it is called.
    pub call: &'static str,
    /// What it gives.
    pub about: &'static str,
    /// One use.
    pub example: &'static str,
}

/// The functions, in the order of the guide.
#[rustfmt::skip]
pub const FUNCTIONS: &[FunctionInfo] = &[
    FunctionInfo { call: "cidr_match(address, network)", about: "True when the address lies in the network, or in one of several (`10.0.0.0/8, fd00::/8`). Reads IPv4, IPv6 and IPv4 mapped into IPv6.", example: "cidr_match(src_endpoint_ip, '10.0.0.0/8')" },
    FunctionInfo { call: "is_private_ip(address)", about: "True for addresses that belong to nobody outside: private, loopback, link-local, carrier NAT, multicast, unique local.", example: "NOT is_private_ip(dst_endpoint_ip)" },
    FunctionInfo { call: "domain_of(name)", about: "The registrable domain of a host, URL or e-mail address, by the Public Suffix List.", example: "domain_of('https://a.b.example.co.uk/x') = 'example.co.uk'" },
    FunctionInfo { call: "url_host(url)", about: "The host of a URL, lower case.", example: "url_host(http_request_url_url_string)" },
    FunctionInfo { call: "parse_url(url, part)", about: "A part of a URL: `scheme`, `user`, `host`, `port`, `path`, `query`, `fragment`, or `query:NAME` for one parameter.", example: "parse_url(url_url_string, 'query:id')" },
    FunctionInfo { call: "entropy(text)", about: "Shannon entropy in bits for each byte: above 4 in a host name is worth a look.", example: "entropy(query_hostname) > 4" },
    FunctionInfo { call: "defang(text)", about: "URLs, domains and addresses made unclickable: `hxxps://evil[.]example`.", example: "defang(query_hostname)" },
    FunctionInfo { call: "refang(text)", about: "The opposite of `defang`, for indicators pasted from a report.", example: "url_host(refang('hxxps://evil[.]example/a'))" },
    FunctionInfo { call: "hash_kind(text)", about: "`md5`, `sha1`, `sha256`, `sha512` or nothing, by the look of it.", example: "hash_kind(file_hashes_sha256)" },
    FunctionInfo { call: "b64_decode(text)", about: "Base64 read as text, UTF-8 or UTF-16 (PowerShell's -EncodedCommand); nothing when it is neither.", example: "b64_decode(regexp_match(process_cmd_line, '-enc\\S*\\s+(\\S+)')[1])" },
    FunctionInfo { call: "haversine_km(lat1, lon1, lat2, lon2)", about: "Kilometres between two places on the globe.", example: "haversine_km(47.37, 8.54, 52.52, 13.40)" },
    FunctionInfo { call: "ago(span)", about: "The instant that long before now: `90s`, `15m`, `1h`, `7d`, `2w`.", example: "time > ago('24h')" },
    FunctionInfo { call: "levenshtein(a, b)", about: "How many characters must change to make one text the other.", example: "levenshtein(domain_of(query_hostname), 'example.com') = 1" },
    FunctionInfo { call: "json_get_str(json, key, …)", about: "A text inside JSON; also `json_get_int`, `json_get_float`, `json_get_bool`, `json_get_json`, `json_get_array`, `json_contains`, `json_length`, `json_as_text`, `json_object_keys`. Keys are names or, in lists, numbers from 0.", example: "json_get_str(native, 'EventData', 'IntegrityLevel')" },
    FunctionInfo { call: "event_uid(parcel_digest, parcel_offset, parcel_index)", about: "The id of an event; the views have it as a column.", example: "event_uid = 'e-ba7816bf8f01cfea0000000000000000'" },
];

/// Gives a session its functions. `now` is what `ago` counts from.
pub(crate) fn register(context: &mut SessionContext, now: Micros) -> datafusion::error::Result<()> {
    datafusion_functions_json::register_all(context)?;
    for function in all(now) {
        context.register_udf(function);
    }
    for name in capped::LEFT_OUT {
        context.deregister_udf(name);
    }
    for function in capped::CAPPED {
        let inner = context.state().scalar_functions().get(function.name).cloned();
        if let Some(inner) = inner {
            context.register_udf(capped::wrap(inner, *function));
        }
    }
    let inner = context.state().scalar_functions().get(utc::DATE_TRUNC).cloned();
    if let Some(inner) = inner {
        context.register_udf(utc::wrap(inner));
    }
    let inner = context.state().aggregate_functions().get(distinct::COUNT).cloned();
    if let Some(inner) = inner {
        context.register_udaf(distinct::wrap(inner));
    }
    Ok(())
}

fn all(now: Micros) -> Vec<ScalarUDF> {
    let mut all = Vec::new();
    all.extend(address::functions());
    all.extend(text::functions());
    all.extend(url::functions());
    all.push(time::ago(now));
    all.push(event_uid());
    all
}
