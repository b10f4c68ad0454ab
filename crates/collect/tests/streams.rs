//! Streams without an end, as CrowdStrike's own package describes them (`streams.py`): whatever breaks off, every
//! record comes once, and what proves who asks goes nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use collect::poll::{Definition, PollOptions, Stream};
use collect::{Client, Fetcher as _, Halt, Moment, SecretSource};
use common::PATIENCE;
use common::script::{Once, Script};
use common::shelf::Shelf;
use model::{FlawKind, Micros};
use serde_json::{Value, json};

static SERVICE: Once = Once::new();

struct House {
    service: &'static Mutex<Script>,
    tenant: &'static str,
    options: PollOptions,
    runtime: tokio::runtime::Runtime,
    stream: Stream,
    shelf: Shelf,
    now: Moment,
    troubles: Vec<String>,
    secret: tempfile::NamedTempFile,
}

impl House {
    fn new(tenant: &'static str) -> Option<Self> {
        let service = Script::shared(&SERVICE, "falconpy", "streams.py")?;
        let file = "../../content/polls/crowdstrike_event_streams/poll.yml";
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
        // The same definition, on this machine and in the clear.
        let text = text.unwrap().replace("https://{", "http://{");
        let value: Value = yaml_serde::from_str(&text).unwrap();
        let definition: Definition = serde_json::from_value(value).unwrap();
        let host = format!("127.0.0.1:{}", service.lock().unwrap().port);
        let settings = [("cloud", host.as_str()), ("client_id", tenant), ("app_id", tenant)];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret.write_all(b"swordfish\n").unwrap();
        let options = PollOptions {
            name: "poll/test".into(),
            definition: Arc::new(definition),
            settings: settings.into(),
            secret: SecretSource::File(secret.path().to_owned()),
            every: None,
            back: Duration::from_hours(20),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let client = Client::new(runtime.handle().clone(), None).unwrap();
        let stream = Stream::new(options.clone(), client, []).unwrap();
        let now = Moment { at: Instant::now(), time: Micros(1_790_000_000_000_000) };
        let (shelf, troubles) = (Shelf::default(), Vec::new());
        Some(Self { service, tenant, options, runtime, stream, shelf, now, troubles, secret })
    }

    /// Something happens at the service; what it was asked, and what was wrong with that.
    fn act(&self, mut what: Value) -> (Vec<String>, Vec<String>) {
        what["tenant"] = self.tenant.into();
        let told: Value = serde_json::from_str(&self.service.lock().unwrap().act(&what)).unwrap();
        let texts = |name: &str| serde_json::from_value(told[name].clone()).unwrap();
        (texts("asked"), texts("wrong"))
    }

    fn add(&self, partition: &str, offsets: std::ops::RangeInclusive<u64>) {
        for offset in offsets {
            let text = record(partition, offset);
            self.act(json!({ "add": partition, "offset": offset, "text": text }));
        }
    }

    /// How often something was asked that has this in it.
    fn asked(&self, what: &str) -> usize {
        self.act(json!({})).0.iter().filter(|asked| asked.contains(what)).count()
    }

    fn restart(&mut self) {
        self.shelf.lives = None;
        let client = Client::new(self.runtime.handle().clone(), None).unwrap();
        let saved = self.shelf.cursors.iter().map(|(name, value)| (&**name, &**value));
        self.stream = Stream::new(self.options.clone(), client, saved).unwrap();
    }

    fn pass(&mut self, wait: Duration) {
        self.now.at += wait;
    }

    fn turn(&mut self) -> Result<(), Halt> {
        self.troubles = self.stream.turn(self.now, &mut self.shelf)?.troubles;
        Ok(())
    }

    /// Goes on until something is so; why it could not.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Halt> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.turn()?;
            if is_so(self) {
                return Ok(());
            }
            let told = (self.act(json!({})), &self.troubles, self.shelf.lines().len());
            assert!(Instant::now() < end, "it never came that {what}: {told:?}");
            self.stream.wait(Duration::from_millis(20));
            self.pass(Duration::from_millis(100));
        }
    }

    /// How often each record was brought.
    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for line in self.shelf.lines() {
            *counts.entry(line).or_default() += 1;
        }
        counts
    }

    /// Goes on until all these records were brought, each once.
    fn all_once(&mut self, records: &[(&str, u64)]) {
        let all: BTreeMap<_, _> = records
            .iter()
            .flat_map(|(partition, last)| (1..=*last).map(|n| (record(partition, n), 1)))
            .collect();
        self.until("all has come", |house| house.counts().len() >= all.len()).unwrap();
        assert_eq!(self.counts(), all);
    }
}

fn record(partition: &str, offset: u64) -> String {
    json!({ "metadata": { "customerIDString": "c1", "offset": offset, "version": "1.0",
                          "eventType": "AuthActivityAuditEvent", "eventCreationTime": 1_794_992_460_000_u64 + offset },
            "event": { "UserId": "mira@example.com", "ServiceName": partition, "Success": true } })
    .to_string()
}

#[test]
fn every_record_comes_once_whatever_breaks_off() {
    for (tenant, inclusive) in [("inclusive", true), ("exclusive", false)] {
        let Some(mut house) = House::new(tenant) else { return };
        house.act(json!({ "inclusive": inclusive }));
        house.add("0", 1..=40);
        house.add("1", 1..=5);
        house.all_once(&[("0", 40), ("1", 5)]);
        // It breaks off in the midst of a line.
        let opened = house.asked("/feed/0?");
        house.act(json!({ "cut": &record("0", 41)[..50] }));
        house.until("it is opened again", |house| house.asked("/feed/0?") > opened).unwrap();
        house.add("0", 41..=60);
        house.all_once(&[("0", 60), ("1", 5)]);
        let last = house.act(json!({})).0.into_iter().rfind(|asked| asked.contains("/feed/0?"));
        assert!(last.unwrap().ends_with("&offset=40"), "behind what had come");
        // The process dies before what came is taken, again and again.
        for round in 0..3 {
            let first = 61 + round * 10;
            house.add("0", first..=first + 9);
            house.add("1", 6 + round..=6 + round);
            house.shelf.lives = Some(usize::try_from(round).unwrap() % 2);
            let died = house.until("it dies", |_| false);
            assert_eq!(died, Err(Halt::Closing));
            house.restart();
        }
        house.all_once(&[("0", 90), ("1", 8)]);
        // The service says again what was taken.
        for offset in [90, 90, 3] {
            house.act(json!({ "add": "0", "offset": 1_000, "text": record("0", offset) }));
        }
        house
            .until("it is told", |house| house.troubles.concat().contains("number 3 came"))
            .unwrap();
        house.add("0", 91..=91);
        house.all_once(&[("0", 91), ("1", 8)]);
        assert_eq!(house.shelf.cursors.len(), 2, "{:?}", house.shelf.cursors);
        assert_eq!(house.act(json!({})).1, Vec::<String>::new());
    }
}

#[test]
fn a_session_is_kept_and_one_that_is_over_is_begun_anew() {
    let Some(mut house) = House::new("sessions") else { return };
    house.add("0", 1..=3);
    house.all_once(&[("0", 3)]);
    assert_eq!(house.asked("POST /sensors"), 0);
    for times in 1..=2 {
        house.pass(Duration::from_secs(1_400));
        house.turn().unwrap();
        assert_eq!(house.asked("POST /sensors/entities/datafeed-actions/v1/0?"), times);
        assert_eq!(house.asked("POST /sensors/entities/datafeed-actions/v1/1?"), times);
    }
    house.add("0", 4..=6);
    house.all_once(&[("0", 6)]);
    assert_eq!((house.asked("datafeed/v2"), house.asked("/feed/0?")), (1, 1), "on one connection");
    // The token, which was got anew meanwhile, is taken back: the next attempt gets another.
    assert_eq!(house.asked("/oauth2/token"), 2);
    house.act(json!({ "bearer": 1 }));
    house.pass(Duration::from_secs(1_400));
    house.turn().unwrap();
    assert!(house.troubles[0].contains("401"), "{:?}", house.troubles);
    house.pass(Duration::from_secs(100));
    house.turn().unwrap();
    assert_eq!(house.troubles, Vec::<String>::new());
    assert_eq!((house.asked("/oauth2/token"), house.asked("datafeed/v2")), (3, 1));
    // The session is over: the stream is shut, and is not opened with what was told before.
    house.act(json!({ "session": 1, "cut": "" }));
    house.add("0", 7..=9);
    house.all_once(&[("0", 9)]);
    assert_eq!(house.asked("datafeed/v2"), 2);
    // It is over and the stream is not shut: what was told of it is 404.
    house.act(json!({ "session": 1 }));
    house.pass(Duration::from_secs(1_400));
    house.add("0", 10..=12);
    house.all_once(&[("0", 12)]);
    house.until("it is asked for", |house| house.asked("datafeed/v2") == 3).unwrap();
    assert_eq!(house.act(json!({})).1, Vec::<String>::new());
}

#[test]
fn who_may_not_read_is_told_so_and_no_secret_is() {
    let Some(mut house) = House::new("secrets") else { return };
    std::fs::write(house.secret.path(), "not the word").unwrap();
    house.add("0", 1..=1);
    house.turn().unwrap();
    let mut said = house.troubles.clone();
    assert!(said[0].contains("401") && said[0].contains("invalid client"), "{said:?}");
    std::fs::write(house.secret.path(), "swordfish").unwrap();
    house.turn().unwrap();
    assert_eq!(house.asked("/oauth2/token"), 1, "it waits");
    house.all_once(&[("0", 1)]);
    house.act(json!({ "session": 1, "bearer": 1, "cut": "" }));
    house.until("it is told", |house| !house.troubles.is_empty()).unwrap();
    said.append(&mut house.troubles);
    let everything = format!("{said:?} {:?} {:?}", house.shelf.cursors, house.shelf.pieces);
    for secret in ["not the word", "swordfish", "bearer-secrets", "session-secrets"] {
        assert!(!everything.contains(secret), "{everything}");
    }
}

#[test]
fn another_host_is_not_asked() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}", elsewhere.local_addr().unwrap());
    for (tenant, what) in [("foreignfeed", "feed"), ("foreignrefresh", "refresh")] {
        let Some(mut house) = House::new(tenant) else { return };
        house.act(json!({ "foreign": { what: url } }));
        for _ in 0..5 {
            house.turn().unwrap();
            assert_eq!(house.troubles, ["the service points to another host, 127.0.0.1"]);
            house.pass(Duration::from_mins(10));
        }
        assert_eq!(house.asked("/feed/"), 0);
        house.act(json!({ "foreign": {} }));
        house.add("0", 1..=1);
        house.all_once(&[("0", 1)]);
    }
    let came = elsewhere.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(came, Err(std::io::ErrorKind::WouldBlock));
}

#[test]
fn a_limit_is_kept_for_the_stream_that_it_is_for() {
    let Some(mut house) = House::new("limits") else { return };
    house.act(json!({ "limited": 1 }));
    house.add("0", 1..=1);
    house.add("1", 1..=1);
    // The first is refused, the second one is read.
    let end = Instant::now() + PATIENCE;
    while house.shelf.pieces.is_empty() {
        assert!(Instant::now() < end, "{:?}", house.troubles);
        house.turn().unwrap();
        house.stream.wait(Duration::from_millis(20));
        house.pass(Duration::from_millis(if house.shelf.text().is_empty() { 10 } else { 0 }));
    }
    assert_eq!(house.shelf.lines(), [record("1", 1)]);
    assert!(house.troubles[0].starts_with("partition 0: the service answers 429"));
    assert_eq!(house.asked("/feed/0?"), 1);
    house.pass(Duration::from_mins(1));
    house.all_once(&[("0", 1), ("1", 1)]);
}

#[test]
fn a_line_of_a_hundred_megabytes_is_left_out() {
    let Some(mut house) = House::new("long") else { return };
    house.add("0", 1..=1);
    house.all_once(&[("0", 1)]);
    house.act(json!({ "add": "0", "size": 100_000_000 }));
    house.until("it is told", |house| house.troubles.concat().contains("100000001 bytes")).unwrap();
    house.add("0", 2..=2);
    house.all_once(&[("0", 2)]);
    let flaws = &house.shelf.pieces.last().unwrap().flaws;
    assert_eq!((flaws.len(), flaws[0].kind, flaws[0].record_lost), (1, FlawKind::Limit, true));
}

#[test]
fn no_stream_is_named() {
    let Some(mut house) = House::new("nothing") else { return };
    house.act(json!({ "streams": 0 }));
    house.turn().unwrap();
    assert!(house.troubles[0].contains("another reader may use this name"), "{:?}", house.troubles);
}
