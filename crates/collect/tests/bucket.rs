//! Buckets of a server that others wrote (moto, from PyPI): every object once, whatever its name, also when
//! the process dies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use collect::bucket::{Bucket, BucketCredentials, BucketOptions};
use collect::{Client, Fetcher as _, Moment, SecretSource};
use common::script::{Once, Script};
use common::shelf::Shelf;
use model::Micros;

static MOTO: Once = Once::new();

/// Has moto do something.
fn order(moto: &Mutex<Script>, what: &serde_json::Value) {
    assert_eq!(moto.lock().unwrap().act(what), "done");
}

/// Where moto answers.
fn url(moto: &Mutex<Script>) -> String {
    format!("http://127.0.0.1:{}", moto.lock().unwrap().port)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let n = three.iter().fold(0_u32, |n, byte| n << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for i in 0..4 {
            let digit = ALPHABET[(n >> (18 - 6 * i) & 63) as usize] as char;
            text.push(if i <= three.len() { digit } else { '=' });
        }
    }
    text
}

struct House {
    moto: &'static Mutex<Script>,
    runtime: tokio::runtime::Runtime,
    options: BucketOptions,
    bucket: Bucket,
    shelf: Shelf,
    now: Moment,
    _secret: tempfile::NamedTempFile,
}

impl House {
    fn new(bucket: &str, change: impl FnOnce(&mut BucketOptions)) -> Option<Self> {
        let moto = Script::shared(&MOTO, "moto.server, boto3", "s3_server.py")?;
        order(moto, &serde_json::json!({ "bucket": bucket }));
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret.write_all(b"swordfish\n").unwrap();
        let mut options = BucketOptions {
            name: "bucket/test".into(),
            bucket: bucket.into(),
            endpoint: url(moto).parse().unwrap(),
            region: "eu-central-1".into(),
            path_style: true,
            prefix: String::new(),
            exclude: vec!["*_CloudTrail-Digest_*".into()],
            ascending: false,
            from_now: false,
            late: Duration::from_hours(1),
            every: Duration::from_secs(10),
            page: 50,
            credentials: Some(BucketCredentials {
                key_id: "AKIDEXAMPLE".into(),
                secret: SecretSource::File(secret.path().to_owned()),
                token: None,
            }),
            preamble: Arc::new(|bytes, _| bytes.starts_with(b"#").then_some(0..4)),
            unfit: Arc::new(|front| {
                front.starts_with(b"PAR1").then(|| "a Parquet file".to_owned())
            }),
        };
        change(&mut options);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let now = Moment { at: Instant::now(), time: Micros(since.as_micros() as i64) };
        let client = Client::new(runtime.handle().clone(), None).unwrap();
        let bucket = Bucket::new(options.clone(), client, []).unwrap();
        let shelf = Shelf::default();
        Some(Self { moto, runtime, options, bucket, shelf, now, _secret: secret })
    }

    fn put(&mut self, key: &str, body: &[u8]) {
        let act =
            serde_json::json!({ "bucket": self.options.bucket, "key": key, "body": base64(body) });
        order(self.moto, &act);
    }

    fn restart(&mut self) {
        self.shelf.lives = None;
        let client = Client::new(self.runtime.handle().clone(), None).unwrap();
        let saved = self.shelf.cursors.iter().map(|(name, value)| (&**name, &**value));
        self.bucket = Bucket::new(self.options.clone(), client, saved).unwrap();
    }

    /// A whole pass; what does not work, or that the process died.
    fn pass(&mut self) -> Result<Vec<String>, ()> {
        self.now.at += Duration::from_mins(10);
        loop {
            let rest = self.bucket.turn(self.now, &mut self.shelf).map_err(drop)?;
            if !rest.wait.is_zero() {
                return Ok(rest.troubles);
            }
        }
    }

    fn sorted(&self) -> Vec<String> {
        let mut lines = self.shelf.lines();
        lines.sort();
        lines
    }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn objects_come_once_whatever_their_names() {
    let Some(mut house) = House::new("objects", |_| {}) else { return };
    house.put("2026/11/27/b.json", b"{\"n\": 1}\n");
    house.put("2026/11/27/a b+c%20\u{e9}.json.gz", &gzipped(b"{\"n\": 2}\n"));
    house.put("c.zst", &zstd::encode_all(&b"{\"n\": 3}"[..], 1).unwrap());
    house.put("2026/folder/", b"");
    house.put("2026//odd", b"{\"n\": 4}\n");
    house.put("x/../y", b"no URL names it");
    house.put("x_CloudTrail-Digest_y.json", b"no log");
    house.put("table.parquet", b"PAR1....");
    house.put("some.zip", b"PK\x03\x04....");
    house.put("cut.gz", &gzipped(b"{\"n\": 5}\nand more")[..22]);
    let troubles = house.pass().unwrap();
    assert_eq!(troubles.len(), 4, "{troubles:?}");
    house.shelf.pieces.retain(|piece| !piece.origin.ends_with("cut.gz"));
    let once: Vec<String> = house
        .shelf
        .pieces
        .iter()
        .map(|p| String::from_utf8_lossy(&p.bytes).trim().to_owned())
        .collect();
    assert_eq!(
        std::collections::BTreeSet::from_iter(once),
        ["{\"n\": 1}", "{\"n\": 2}", "{\"n\": 3}", "{\"n\": 4}"].map(str::to_owned).into()
    );
    // A name before all others, and one whose content changes.
    house.put("0", b"zero\n");
    house.put("c.zst", b"other\n");
    house.restart();
    house.pass().unwrap();
    house.pass().unwrap();
    let origins: Vec<_> = house.shelf.pieces.iter().map(|piece| &*piece.origin).collect();
    assert_eq!(origins.len(), 6, "{origins:?}");
    assert!(origins.contains(&"s3 objects/0") && origins.contains(&"s3 objects/2026//odd"));
}

#[test]
fn many_objects_are_taken_once_though_the_process_dies_again_and_again() {
    let Some(mut house) = House::new("many", |options| options.prefix = "in/".into()) else {
        return;
    };
    for n in 0..160 {
        house.put(&format!("in/{n:05}"), format!("object {n:05}\n").as_bytes());
    }
    house.put("elsewhere", b"not asked for\n");
    for lives in [1, 70, 0, 80] {
        house.shelf.lives = Some(lives);
        assert!(house.pass().is_err());
        house.restart();
        house.put(&format!("in/00000-{lives}"), format!("late {lives}\n").as_bytes());
    }
    house.pass().unwrap();
    house.pass().unwrap();
    assert_eq!(house.sorted().len(), 164);
    let mut unique = house.sorted();
    unique.dedup();
    assert_eq!(unique.len(), 164);
}

#[test]
fn marks_that_nothing_needs_are_forgotten() {
    let Some(mut house) = House::new("marks", |options| {
        options.late = Duration::ZERO;
        options.ascending = true;
    }) else {
        return;
    };
    house.put("1", b"one\n");
    house.pass().unwrap();
    // A service tells times in seconds: the next object's must be a later one.
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1_100) {
        std::hint::spin_loop();
    }
    house.put("2", b"two\n");
    house.pass().unwrap();
    house.pass().unwrap();
    assert_eq!(house.shelf.lines(), ["one", "two"]);
    let names: Vec<_> = house.shelf.cursors.keys().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let pass = &house.shelf.cursors["bucket/test/pass"];
    assert!(pass.contains("\"floor\":\"1\""), "{pass}");
    house.restart();
    house.pass().unwrap();
    assert_eq!(house.shelf.lines(), ["one", "two"]);
}

#[test]
fn a_large_object_comes_in_pieces_and_goes_on_after_a_kill() {
    let Some(mut house) = House::new("large", |_| {}) else { return };
    let mut text = "#abc".to_owned();
    for n in 0..3_000_000 {
        writeln!(text, "line number {n}").unwrap();
    }
    house.put("big.gz", &gzipped(text.as_bytes()));
    house.shelf.lives = Some(1);
    assert!(house.pass().is_err());
    house.restart();
    house.pass().unwrap();
    let sizes: Vec<_> = house.shelf.pieces.iter().map(|piece| piece.bytes.len()).collect();
    assert!(sizes.len() == 3 && sizes.iter().all(|size| *size <= 4 + (28 << 20)), "{sizes:?}");
    let mut whole = house.shelf.pieces[0].bytes.to_vec();
    for piece in &house.shelf.pieces[1..] {
        assert!(piece.bytes.starts_with(b"#abc") && piece.origin.contains("big.gz from byte "));
        whole.extend_from_slice(&piece.bytes[4..]);
    }
    assert!(whole == text.as_bytes());
}

#[test]
fn at_the_first_start_alone_what_is_there_may_be_left_alone() {
    let Some(mut house) = House::new("now", |options| options.from_now = true) else { return };
    house.now.time.0 += 3_600_000_000;
    house.put("old", b"old\n");
    house.pass().unwrap();
    assert!(house.shelf.lines().is_empty());
}

#[test]
fn what_a_service_refuses_is_said_without_a_secret() {
    let Some(mut house) = House::new("refused", |options| options.bucket = "nobodys".into()) else {
        return;
    };
    let troubles = house.pass().unwrap();
    assert!(troubles[0].contains("404") && troubles[0].contains("NoSuchBucket"), "{troubles:?}");
    let url = url(house.moto);
    let (_, port) = url.rsplit_once(':').unwrap();
    house.options.endpoint = format!("https://127.0.0.1:{port}").parse().unwrap();
    house.restart();
    let troubles = house.pass().unwrap();
    assert!(troubles[0].starts_with("no answer: "), "{troubles:?}");
    assert!(!troubles[0].contains("AKID") && !troubles[0].contains("Signature"), "{troubles:?}");
}
