//! Events held against what another engine makes of the same records:
//! `cargo run --example agree -- FILE…`, files of rows `{log, expect: {source_ip, actor_user, …}}`.
//! Prints each value that differs, and the share that agrees by file and field.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used)]

mod shared;

use std::collections::BTreeMap;

use model::{EventUid, Value};
use serde_json::Value as Json;

/// Where an expected value may stand in an event.
const PLACES: &[(&str, &[&str])] = &[
    ("source_ip", &["/src_endpoint/ip", "/device/ip"]),
    ("destination_ip", &["/dst_endpoint/ip"]),
    ("source_port", &["/src_endpoint/port"]),
    ("destination_port", &["/dst_endpoint/port"]),
    (
        "actor_user",
        &[
            "/actor/user/name",
            "/actor/user/email_addr",
            "/actor/user/uid",
            "/actor/user/full_name",
            "/user/name",
            "/user/email_addr",
        ],
    ),
    ("user", &["/user/name", "/user/email_addr", "/user/uid", "/actor/user/name"]),
    ("user_agent", &["/http_request/user_agent"]),
    ("dns_query", &["/query/hostname"]),
    ("http_status", &["/http_response/code"]),
];

fn main() {
    let normalizer = shared::normalizer();
    for file in std::env::args().skip(1) {
        let (parser, records) = shared::records(&file);
        let mut shares: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut unknown = 0;
        for (record, row) in &records {
            let made = normalizer.normalize(record, &shared::context(parser, &file));
            unknown += usize::from(made.definition.is_none());
            let event = made.event.to_json(EventUid([0; 16]), b"");
            let Some(Value::Map(expected)) = row.as_ref().and_then(|r| r.fields.get("expect"))
            else {
                continue;
            };
            for (field, value) in expected {
                let Some((_, places)) = PLACES.iter().find(|(name, _)| name == field) else {
                    continue;
                };
                let Some(wanted) = value.to_text().filter(|t| !t.is_empty()) else { continue };
                let found: Vec<String> =
                    places.iter().filter_map(|place| event.pointer(place)).map(text).collect();
                let agrees = found.iter().any(|f| f.eq_ignore_ascii_case(&wanted));
                let share = shares.entry(field.to_string()).or_default();
                share.0 += usize::from(agrees);
                share.1 += 1;
                if !agrees {
                    let by = made.definition.map_or("no definition", |d| &*d.name);
                    println!("{file}: {by}: {field}: expected {wanted}, found {found:?}");
                }
            }
        }
        let (agree, all) =
            shares.values().fold((0, 0), |(a, b), (agree, all)| (a + agree, b + all));
        let percent = if all == 0 { 100.0 } else { agree as f64 * 100.0 / all as f64 };
        println!("{percent:6.2} % {file}: {agree} of {all}, {unknown} of no definition {shares:?}");
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
