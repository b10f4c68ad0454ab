//! The language at work: one definition that uses all of it, records in, events out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;

use model::{EventUid, Micros, Record, Value};
use normalize::{Context, Normalizer, SourceText};
use serde_json::{Value as Json, json};

const DEFINITION: &str = r#"
name: x
version: 3
title: X
vendor: Acme
product: Gate
no_value: ["", "-", "N/A"]
recognise:
  - parser: json
    has: kind
    lacks: not_mine
    when: {vendor: [acme, ACME GmbH], "build|gte": 7, any: {"site|startswith": ber, zone|exists: true}}
look_in: [data, wrapped.deep, $]
names:
  who: account.name | login
open: {blob: json, doc: xml}
logsource:
  product: acme
  service: gate
  cases:
    - when: {kind: web}
      category: proxy
      also: [{category: webserver}, {product: zeek, service: http}]
time:
  - {from: "{day} {clock}", format: "%d.%m.%Y %H:%M:%S", zone: Europe/Berlin}
  - {from: stamp, zone: "+02:00"}
  - blob.when
severity: {from: level, map: {info: Informational, "warn*": Low}, default: High}
maps:
  results: {ok: Success, denied: Failure, 0: Success}
sets:
  person:
    user.name: user(who)
    user.domain: domain(who)
    user.email_addr: who
patterns:
  from: text
  shapes:
    login: "user <login:any> from <peer:ip>{ port <peer_port:int>} (<via>)"
fields:
  message: "{kind}: {who | '?'} {{{text | =nothing}}}"
  metadata.log_name: $pattern | upper(kind)
  src_endpoint.ip: peer | ip(address)
  src_endpoint.port: peer_port | port(address)
  http_request.user_agent: agent
classes:
  - class: authentication
    when: [{kind: login}, {$pattern: login}]
    activity: {from: step, map: {in: Logon, out: Logoff}}
    include: [person]
    fields:
      status_id: {from: result, map: results}
      service.name: gate | =Acme
      is_mfa: mfa
      logon_type_id: how
      duration: duration_ms(took)
      start_time: began
      auth_factors:
        each: factors
        when: {type|exists: true}
        fields:
          factor_type_id: {from: type, map: {totp: OTP, sms: SMS}}
          provider: vendor.name
      session.uid: {cases: [{when: {mfa: true}, value: strong}, {when: {not: {mfa: true}}, value: weak}]}
  - class: api_activity
    when: {kind: web}
    activity: Read
    fields:
      api.operation: {if: {op|exists: true}, then: op, else: =none}
      api.response.code: code
      api.response.error: {first: [{if: {code|gte: 500}, then: =server}, {if: {"code|gte": 400}, then: =client}]}
      resources:
        - fields: {uid: blob.id, name: '`odd (name)`', type: =Blob}
        - {when: {op: delete}, fields: {uid: doc.Event.EventData.Target, type: =Doc}}
      http_request.http_method: verb
      http_request.url.url_string: url
      http_request.url.hostname: url_host(url)
      http_request.url.path: url_path(url)
      http_request.x_forwarded_for: split(chain, ",")
      metadata.labels: tags[].name
      src_endpoint.hostname: hosts[-1]
      dst_endpoint.name: hosts[kind=edge].id
"#;

fn event(record: Json) -> Json {
    let source = SourceText { name: "x".into(), path: "x.yml".into(), text: DEFINITION.into() };
    let (normalizer, diagnostics) = Normalizer::compile(vec![source]);
    let shown: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    let record = Record {
        offset: 9,
        index: 0,
        raw: Cow::Borrowed(b"{}"),
        fields: Value::from_json(record),
        syntax: None,
        flaws: Vec::new(),
    };
    let context = Context {
        parser: "json",
        received_at: Micros(0),
        modified: Some("2026-12-31T00:00:00Z".parse().unwrap()),
        origin: "gate.json",
        definition: None,
    };
    let made = normalizer.normalize(&record, &context);
    let mut event = made.event.to_json(EventUid([0; 16]), b"");
    assert!(ocsf::check(&event).is_empty(), "{:?}", ocsf::check(&event));
    for name in
        ["observables", "category_name", "category_uid", "class_uid", "type_uid", "type_name"]
    {
        event.as_object_mut().unwrap().shift_remove(name);
    }
    let sources: Vec<String> = made.logsources.iter().map(ToString::to_string).collect();
    let flaws: Vec<&str> = made.flaws.iter().map(|f| f.message.as_str()).collect();
    json!({
        "definition": made.definition.map(|d| format!("{} {}", d.name, d.version)),
        "sources": sources,
        "flaws": flaws,
        "time": made.event.time.to_string(),
        "event": event,
    })
}

/// The name of a test is the name of its snapshot.
fn shown(name: &str, event: &Json) {
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_json_snapshot!(name, event);
    });
}

#[test]
fn a_sign_in() {
    shown(
        "a_sign_in",
        &event(json!({
            "kind": "login", "vendor": "Acme GmbH", "build": "7.5", "site": "Berlin-2",
            "day": "22.11.2026", "clock": "13:00:00", "level": "WARNING", "step": "IN",
            "data": {"account": {"name": "CORP\\eve"}}, "login": "ignored",
            "text": "user mallory from 1.2.3.4 from 10.9.8.7 port 4242 (ldap)",
            "result": 0, "mfa": "yes", "how": "carrier pigeon", "took": "1.5s",
            "began": 1_795_212_847, "agent": "N/A", "gate": "g1",
            "factors": [{"type": "totp", "vendor": {"name": "A"}}, {"x": 1}, {"type": "retina"}],
            "strong": "s-1", "weak": "w-1",
        })),
    );
}

#[test]
fn a_web_call() {
    shown(
        "a_web_call",
        &event(json!({
            "KIND": "web", "vendor": "acme", "build": 8, "zone": 0, "stamp": "2026-11-22 13:00:00",
            "level": "alarm", "op": "delete", "code": "503", "verb": "get", "address": "[2001:db8::1]:8443",
            "wrapped": {"deep": {"odd (name)": "o"}}, "blob": "{\"id\": 77, \"when\": 5}",
            "doc": "<Event><EventData><Data Name='Target'>t&amp;1</Data></EventData></Event>",
            "url": "https://u:p@api.acme.example:8443/v1/x?y=1", "chain": "10.0.0.1, unknown, ::1",
            "tags": [{"name": "a"}, {"name": null}, {"name": "b"}], "hosts": [{"kind": "EDGE", "id": "e9"}, "last"],
            "agent": "\u{1b}[31m<script>", "peer": "not an address",
        })),
    );
}

#[test]
fn nearly_nothing() {
    shown(
        "nearly_nothing",
        &event(json!({
            "kind": "login", "vendor": "acme", "build": 1e3, "site": "ber", "stamp": "no time at all",
            "result": {"odd": []}, "step": [1, 2], "factors": "none", "address": "999.1.1.1:99999",
        })),
    );
}

#[test]
fn not_ours() {
    let unknown = |record: Json| event(record).get("definition") == Some(&Json::Null);
    assert!(unknown(json!({"kind": "login", "vendor": "acme", "build": 6, "zone": 1})));
    assert!(unknown(json!({"kind": "login", "vendor": "acme", "build": 7})));
    assert!(unknown(json!({"kind": "x", "vendor": "acme", "build": 7, "zone": 1, "not_mine": 0})));
    assert!(unknown(json!({"kind": "x", "vendor": "acne", "build": 7, "zone": 1})));
    assert!(!unknown(json!({"kind": "x", "vendor": "acme", "build": 7, "zone": 1})));
}
