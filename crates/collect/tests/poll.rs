//! Vendors' services as their makers' own packages describe them (`services.py`): what is asked is what may be
//! asked, every record comes once, and a limit is kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use collect::poll::{Definition, Poll, PollOptions};
use collect::{Client, Fetcher as _, Moment, SecretSource};
use common::script::{Once, Script};
use common::shelf::Shelf;
use model::Micros;
use serde_json::{Value, json};

static SERVICES: Once = Once::new();
const PACKAGES: &str = "okta, cloudflare, falconpy, graphql";

struct House {
    services: &'static Mutex<Script>,
    vendor: &'static str,
    options: PollOptions,
    runtime: tokio::runtime::Runtime,
    poll: Poll,
    shelf: Shelf,
    now: Moment,
    added: u64,
    secret: tempfile::NamedTempFile,
}

impl House {
    fn new(vendor: &'static str, name: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let services = Script::shared(&SERVICES, PACKAGES, "services.py")?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/polls");
        let text = std::fs::read_to_string(folder.join(name).join("poll.yml")).unwrap();
        // The same definition, on this machine and in the clear, and with pages small enough to fill.
        let text = text
            .replace("https://{", "http://{")
            .replace("{full: {limit: 10000}}", "{full: {limit: 10}}");
        let value: Value = yaml_serde::from_str(&text).unwrap();
        let definition: Definition = serde_json::from_value(value).unwrap();
        assert_eq!(definition.name, name);
        let host = format!("127.0.0.1:{}", services.lock().unwrap().port);
        let all: BTreeMap<String, String> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.replace("HOST", &host)))
            .collect();
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret.write_all(b"swordfish\n").unwrap();
        let options = PollOptions {
            name: "poll/test".into(),
            definition: Arc::new(definition),
            settings: all,
            secret: SecretSource::File(secret.path().to_owned()),
            every: None,
            back: Duration::from_hours(20),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let now = Moment { at: Instant::now(), time: Micros(since.as_micros() as i64) };
        let client = Client::new(runtime.handle().clone(), None).unwrap();
        let poll = Poll::new(options.clone(), client, []).unwrap();
        let shelf = Shelf::default();
        Some(Self { services, vendor, options, runtime, poll, shelf, now, added: 0, secret })
    }

    /// Something happens so many seconds ago.
    fn happens(&mut self, ago: i64) {
        self.added += 1;
        let time = (self.now.time.0 / 1_000_000 - ago) as f64 + 0.25;
        let event = json!({ "id": format!("id-{}", self.added), "time": time,
            "blob": format!("blob-{}", if self.added < 25 { (self.added - 1) / 3 } else { self.added }) });
        let told =
            self.services.lock().unwrap().act(&json!({ "add": self.vendor, "event": event }));
        assert_eq!(told, "done");
    }

    fn restart(&mut self) {
        self.shelf.lives = None;
        let client = Client::new(self.runtime.handle().clone(), None).unwrap();
        let saved = self.shelf.cursors.iter().map(|(name, value)| (&**name, &**value));
        self.poll = Poll::new(self.options.clone(), client, saved).unwrap();
    }

    fn pass(&mut self, wait: Duration) {
        self.now.at += wait;
        self.now.time.0 += wait.as_micros() as i64;
    }

    /// Asks until there is nothing more to ask; what does not work, or that the process died.
    fn ask(&mut self) -> Result<(Vec<String>, Duration), ()> {
        for _ in 0..200 {
            let rest = self.poll.turn(self.now, &mut self.shelf).map_err(drop)?;
            if !rest.wait.is_zero() {
                return Ok((rest.troubles, rest.wait));
            }
        }
        panic!("it does not come to an end: {:?}", self.services.lock().unwrap().act(&json!({})));
    }

    /// How often each id was brought.
    fn ids(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for line in self.shelf.lines() {
            let record: Value = serde_json::from_str(&line).unwrap();
            let names = ["uuid", "_document_id", "id", "RayID", "composite_id", "Id"];
            let id = names.iter().find_map(|name| record[name].as_str()).unwrap();
            *ids.entry(id.to_owned()).or_default() += 1;
        }
        ids
    }

    fn all_once(&self, what: &str) {
        let expected = (1..=self.added).map(|n| (format!("id-{n}"), 1)).collect();
        let ids = self.ids();
        assert_eq!(ids, expected, "{}: {what}", self.vendor);
    }
}

/// By what the requests to a vendor are told from those to others.
fn path_of(vendor: &str) -> &'static str {
    match vendor {
        "okta" => "/api/v1/logs",
        "github" => "/orgs/",
        "cloudflare" => "/logs/audit",
        "firewall" => "/graphql",
        "crowdstrike" => "/alerts/",
        _ => "/activity/",
    }
}

fn every_record_comes_once(vendor: &'static str, name: &str, settings: &[(&str, &str)]) {
    let Some(mut house) = House::new(vendor, name, settings) else { return };
    for n in 0..25 {
        house.happens(36_000 - n * 1_200);
    }
    // The first request is one too many.
    let (troubles, wait) = house.ask().unwrap();
    assert!(troubles[0].contains("429") || troubles[0].contains("403"), "{troubles:?}");
    assert!((1..=10).contains(&wait.as_secs()), "{vendor}: {wait:?}");
    let asked = |house: &mut House| {
        let told: Value =
            serde_json::from_str(&house.services.lock().unwrap().act(&json!({}))).unwrap();
        let own = |path: &&Value| path.as_str().unwrap().contains(path_of(vendor));
        told["asked"].as_array().unwrap().iter().filter(own).count()
    };
    let before = asked(&mut house);
    house.ask().unwrap();
    assert_eq!(asked(&mut house), before, "it waits as long as it was asked to");
    house.pass(wait);
    // It dies in the midst of it, again and again.
    for lives in [1, 1, 0] {
        house.shelf.lives = Some(lives);
        assert!(house.ask().is_err(), "{vendor}");
        house.restart();
    }
    let (troubles, _) = house.ask().unwrap();
    assert_eq!(troubles, Vec::<String>::new(), "{vendor}");
    house.all_once("what was there");
    // One comes, and later one that happened before it.
    house.pass(Duration::from_secs(400));
    house.happens(100);
    house.ask().unwrap();
    house.all_once("one more");
    house.pass(Duration::from_secs(200));
    house.happens(420);
    house.happens(90);
    house.restart();
    house.ask().unwrap();
    house.all_once("a late one");
    for _ in 0..5 {
        house.pass(Duration::from_mins(30));
        house.happens(120);
        house.ask().unwrap();
    }
    house.all_once("hours later");
    let kept = house.shelf.cursors.len();
    assert!(kept <= 6, "what cannot come again is forgotten: {kept}");
    let told: Value =
        serde_json::from_str(&house.services.lock().unwrap().act(&json!({}))).unwrap();
    assert_eq!(told["wrong"], json!([]), "{vendor}");
    // Another secret: it is said, and the secret is not.
    std::fs::write(house.secret.path(), "not the word").unwrap();
    house.restart();
    house.pass(Duration::from_hours(1));
    let (troubles, _) = house.ask().unwrap();
    assert!(troubles[0].contains("401"), "{troubles:?}");
    let everything = format!("{troubles:?} {:?} {:?}", house.shelf.cursors, house.shelf.pieces);
    assert!(!everything.contains("not the word") && !everything.contains("swordfish"));
    assert!(!everything.contains("token1"));
}

#[test]
fn okta_system_log() {
    every_record_comes_once("okta", "okta_system_log", &[("domain", "HOST")]);
}

#[test]
fn github_audit_log() {
    every_record_comes_once("github", "github_audit_log", &[("api", "HOST"), ("org", "acme")]);
}

#[test]
fn cloudflare_audit_logs() {
    let settings = [("api", "HOST"), ("account", "acc1")];
    every_record_comes_once("cloudflare", "cloudflare_audit_logs", &settings);
}

#[test]
fn cloudflare_firewall_events() {
    let settings = [("api", "HOST"), ("zone", "zone1")];
    every_record_comes_once("firewall", "cloudflare_firewall_events", &settings);
    let settings = [("api", "HOST"), ("zone", "zone2")];
    let Some(mut house) = House::new("firewall", "cloudflare_firewall_events", &settings) else {
        return;
    };
    let (troubles, _) = house.ask().unwrap();
    assert_eq!(troubles, ["the service says: zone unknown"]);
}

#[test]
fn crowdstrike_alerts() {
    let settings = [("cloud", "HOST"), ("client_id", "client1")];
    every_record_comes_once("crowdstrike", "crowdstrike_alerts", &settings);
}

#[test]
fn m365_activity() {
    let settings = [
        ("host", "HOST"),
        ("login", "HOST"),
        ("tenant", "ten1"),
        ("client_id", "client1"),
        ("content", "Audit.General"),
    ];
    every_record_comes_once("m365", "m365_activity", &settings);
}

#[test]
fn settings_are_what_a_definition_asks_for() {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/polls/github_audit_log/poll.yml"),
    );
    let value: Value = yaml_serde::from_str(&text.unwrap()).unwrap();
    let definition: Definition = serde_json::from_value(value).unwrap();
    let check = |settings: &[(&str, &str)]| {
        let settings = settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        definition.check(&settings).map_err(|error| error.to_string())
    };
    assert_eq!(check(&[("org", "acme")]), Ok(()));
    assert_eq!(check(&[]).unwrap_err(), "settings lack `org`: the organisation's name");
    assert!(
        check(&[("org", "acme"), ("enterprise", "x")]).unwrap_err().contains("none of api, org")
    );
    assert!(check(&[("org", "a\nb")]).unwrap_err().contains("no line"));
}
