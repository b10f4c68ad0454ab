//! Events of every kind become OCSF that the validator accepts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]

mod common;

use common::{Dice, built_event, written_event};
use model::{EventUid, Micros, Value};
use ocsf::{Event, Export, Scalar, check, class, column};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::json;

const UID: EventUid = EventUid([7; 16]);

fn event(name: &str) -> Event<'static> {
    Event::new(class(name).unwrap(), Micros(1_763_816_400_123_456))
}

fn set(event: &mut Event<'static>, path: &str, value: impl Into<Value<'static>>) {
    let scalar = match value.into() {
        Value::Str(text) => Scalar::Text(text),
        Value::Int(n) => Scalar::Int(n),
        other => Scalar::Json(other),
    };
    event.set(column(path).unwrap_or_else(|| panic!("{path}")), scalar);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/events.proptest-regressions",
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_is_built_is_sound(seed in any::<u64>()) {
        let event = built_event(&mut Dice::new(seed));
        let native = Value::from_json(json!({"a": 1, "b": [null, "x"], "c": {"d": "alice"}}));
        let core_only = seed % 3 == 0;
        let export = Export { raw: b"raw \xff", native: Some(&native), core_only };
        let json = event.to_json_with(UID, &export);
        let problems = check(&json);
        prop_assert!(problems.is_empty(), "{problems:#?}\n{json:#}");
        prop_assert_eq!(json, event.to_json_with(UID, &export));
    }

    #[test]
    fn the_validator_reads_anything(seed in any::<u64>()) {
        check(&written_event(&mut Dice::new(seed)));
    }
}

#[test]
fn a_log_on_is_whole() {
    let mut e = event("authentication");
    e.activity_id = 1;
    set(&mut e, "status_id", 2);
    set(&mut e, "user.name", "alice");
    set(&mut e, "src_endpoint.ip", "203.0.113.9");
    set(&mut e, "src_endpoint.port", 51_000);
    set(&mut e, "device.hostname", "web-1");
    set(&mut e, "metadata.product.name", "OpenSSH");
    let json = e.to_json(UID, b"Failed password for alice");
    assert_eq!(check(&json), []);
    assert_eq!(json["class_name"], "Authentication");
    assert_eq!(json["type_uid"], 300_201);
    assert_eq!(json["type_name"], "Authentication: Logon");
    assert_eq!(json["status"], "Failure");
    assert_eq!(json["time"], 1_763_816_400_123_i64);
    assert_eq!(json["metadata"]["profiles"], json!(["host"]));
    assert_eq!(json["metadata"]["uid"], UID.to_string());
    assert_eq!(json["device"]["type"], "Unknown");
    assert_eq!(json["dst_endpoint"]["hostname"], "web-1", "a log-on is to the machine that tells");
    assert_eq!(json["raw_data"], "Failed password for alice");
    let names: Vec<_> =
        json["observables"].as_array().unwrap().iter().map(|o| o["name"].clone()).collect();
    assert_eq!(names, ["device.hostname", "src_endpoint.ip", "user.name"]);
    assert!(json.get("unmapped").is_none());
}

#[test]
fn hashes_are_columns_and_a_list() {
    let mut e = event("process_activity");
    e.activity_id = 1;
    set(&mut e, "process.file.path", "C:\\Windows\\System32\\cmd.exe");
    set(&mut e, "process.file.hashes[sha-256].value", "AB".repeat(32));
    set(&mut e, "process.file.hashes[md5].value", "CD".repeat(16));
    set(&mut e, "process.pid", 4242);
    let json = e.to_json(UID, b"");
    assert_eq!(check(&json), []);
    let process = &json["process"];
    assert_eq!(process["name"], "cmd.exe");
    assert_eq!(process["file"]["name"], "cmd.exe");
    assert_eq!(process["file"]["type"], "Unknown");
    assert_eq!(process["file"]["hashes"].as_array().unwrap().len(), 2);
    assert_eq!(process["file"]["hashes"][0]["algorithm"], "MD5");
    assert_eq!(json["actor"], json!({"app_name": "Unknown"}));
    assert_eq!(json["device"]["name"], "Unknown");
    let observables = json["observables"].to_string();
    assert!(observables.contains("process.file.hashes[1].value"), "{observables}");
    assert!(!observables.contains("device"), "a stand-in is no observable");
}

#[test]
fn what_does_not_fit_is_kept_under_unmapped() {
    let mut e = event("network_activity");
    set(&mut e, "src_endpoint.ip", "10.0.0.1");
    set(&mut e, "dst_endpoint.ip", "not-an-address");
    set(&mut e, "http_request.http_method", "PROPFIND");
    set(&mut e, "connection_info.direction", "sideways");
    let native = Value::from_json(json!({"proto": "tcp", "src": "10.0.0.1", "n": {"weird": 5}}));
    let json = e.to_json_with(UID, &Export { native: Some(&native), ..Export::default() });
    assert_eq!(check(&json), []);
    assert!(json.get("dst_endpoint").is_none());
    let unmapped = &json["unmapped"];
    assert_eq!(unmapped["dst_endpoint.ip"], "not-an-address");
    assert_eq!(unmapped["http_request"]["http_method"], "PROPFIND", "no such attribute here");
    assert_eq!(unmapped["n"], json!({"weird": 5}));
    assert_eq!(unmapped["proto"], "tcp");
    assert!(unmapped.get("src").is_none(), "told already");
    assert_eq!(json["connection_info"], json!({"direction": "sideways", "direction_id": 99}));
    assert!(json["raw_data"].as_str().unwrap().starts_with("{\"proto\""));
}

#[test]
fn a_class_that_cannot_be_claimed_is_a_base_event() {
    let mut e = event("file_activity");
    e.activity_id = 4;
    set(&mut e, "device.hostname", "web-1");
    set(&mut e, "actor.user.name", "alice");
    let json = e.to_json(UID, b"");
    assert_eq!(check(&json), []);
    assert_eq!(json["class_uid"], 0);
    assert_eq!(json["activity_name"], "File System Activity: Delete");
    assert_eq!(json["actor"]["user"]["name"], "alice");
    assert_eq!(json["device"]["hostname"], "web-1");
}

#[test]
fn a_profile_that_demands_more_than_is_known_is_not_used() {
    let mut e = event("authentication");
    set(&mut e, "user.name", "alice");
    set(&mut e, "api.operation", "ConsoleLogin");
    let json = e.to_json(UID, b"");
    assert_eq!(check(&json), []);
    assert!(json.get("api").is_none());
    assert_eq!(json["unmapped"]["api"]["operation"], "ConsoleLogin");

    set(&mut e, "cloud.account.uid", "123456789012");
    let json = e.to_json(UID, b"");
    assert_eq!(check(&json), []);
    assert_eq!(json["api"]["operation"], "ConsoleLogin");
    assert_eq!(json["cloud"]["provider"], "Unknown");
    assert_eq!(json["metadata"]["profiles"], json!(["cloud"]));
}

#[test]
fn the_first_value_stays_and_a_number_brings_its_caption() {
    let mut e = event("authentication");
    let status = column("status").unwrap();
    set(&mut e, "user.name", "alice");
    set(&mut e, "user.name", "bob");
    set(&mut e, "status_id", 1);
    assert_eq!(e.get(column("user.name").unwrap()), Some(&Scalar::text("alice")));
    assert_eq!(e.get(status), Some(&Scalar::text("Success")));
    e.replace(column("status_id").unwrap(), Scalar::Int(2));
    assert_eq!(e.get(status), Some(&Scalar::text("Failure")));
    e.set(column("time").unwrap(), Scalar::Time(Micros(0)));
    assert_eq!(e.values().count(), 3, "what every event has is not set as a value");
    let core = e.core();
    assert_eq!(core[1].1, Scalar::Int(3002));
    assert_eq!(core[9].1, Scalar::text("Informational"));
}

#[test]
fn entities_are_told_once_by_their_best_name() {
    let mut e = event("authentication");
    set(&mut e, "user.name", "Alice");
    set(&mut e, "user.uid", "S-1-5-21-1");
    set(&mut e, "actor.user.uid", "S-1-5-18");
    set(&mut e, "actor.user.name", "-");
    set(&mut e, "src_endpoint.ip", "127.0.0.1");
    set(&mut e, "device.hostname", "WEB-1");
    set(&mut e, "device.uid", "42");
    let told: Vec<_> = e.entities().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["user:s-1-5-18", "host:web-1", "user:alice"]);
}

#[test]
fn what_stands_in_lists_is_observable_too() {
    let mut e = event("dns_activity");
    set(&mut e, "src_endpoint.ip", "10.0.0.1");
    set(&mut e, "query.hostname", "www.example.com");
    let answers = json!([{"rdata": "198.51.100.7", "type": "A"}, {"rdata": "x.example"}]);
    set(&mut e, "answers", Value::from_json(answers));
    let json = e.to_json(UID, b"");
    assert_eq!(check(&json), []);
    let observables = json["observables"].as_array().unwrap();
    let names: Vec<_> = observables.iter().map(|o| o["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["query.hostname", "src_endpoint.ip", "answers[0].rdata"]);
    assert_eq!(observables[2]["type"], "IP Address");

    let mut mail = event("email_activity");
    set(&mut mail, "email.from", "a@b.example");
    set(&mut mail, "email.to", Value::from_json(json!(["C@d.example", "not an address"])));
    let json = mail.to_json(UID, b"");
    assert_eq!(check(&json), []);
    assert_eq!(json["unmapped"]["email.to.1"], "not an address");
    let told: Vec<_> = mail.entities().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["email:a@b.example", "email:c@d.example"]);
}

#[test]
fn classes_of_an_extension_say_so_or_are_left_out() {
    let mut e = event("registry_value_activity");
    e.activity_id = 2;
    set(&mut e, "reg_value.path", "HKLM\\Software\\Run\\updater");
    set(&mut e, "device.hostname", "pc-1");
    let json = e.to_json(UID, b"");
    assert_eq!(check(&json), []);
    assert_eq!(json["class_uid"], 201_002);
    assert_eq!(json["reg_value"]["name"], "updater");
    assert_eq!(json["metadata"]["extensions"], json!([{"name": "win", "version": "1.8.0"}]));
    let json = e.to_json_with(UID, &Export { core_only: true, ..Export::default() });
    assert_eq!(check(&json), []);
    assert_eq!(json["class_uid"], 0);
    assert_eq!(json["activity_name"], "Registry Value Activity: Set");
    assert_eq!(json["unmapped"]["reg_value"]["path"], "HKLM\\Software\\Run\\updater");
}

#[test]
fn severities_have_the_same_words_in_all_classes() {
    for class in ocsf::classes() {
        let list = class.attribute("severity_id").unwrap().enumeration.unwrap();
        for severity in -1..100 {
            let mut event = Event::new(class, Micros(0));
            event.severity = severity;
            let word = list.caption(severity.into()).unwrap_or("Unknown");
            assert_eq!(event.severity_caption(), word, "{}", class.name);
        }
    }
}
