//! A log to receive into, and what was received.
#![allow(dead_code)] // Each test file uses its own part.

pub(crate) mod peers;
pub(crate) mod script;
pub(crate) mod shelf;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use collect::sockets::{Limits, Listen, Listener, Protocol, Sender, Senders, Tls};
use collect::wal::{Options, Read, Reader, Wal};
use collect::{Clock, Delivery, Intake, Position};
use model::{Micros, Value};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A time that goes up.
pub(crate) fn clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || Micros(1_790_000_000_000_000 + start.elapsed().as_micros() as i64))
}

pub(crate) fn wal(folder: &Path) -> Wal {
    let options = Options { segment_bytes: 4 << 20, ..Options::default() };
    Wal::open(folder, options).unwrap()
}

/// A folder in memory where there is one.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn listen(protocol: Protocol) -> Listen {
    Listen {
        name: "test".into(),
        address: ([127, 0, 0, 1], 0).into(),
        protocol,
        tls: None,
        senders: Senders::all(Sender::named("anybody")),
        allowance: Arc::default(),
        limits: Limits::default(),
    }
}

pub(crate) async fn start(listen: Listen, intake: impl Intake + 'static) -> Listener {
    Listener::start(listen, Arc::new(intake), clock()).await.unwrap()
}

pub(crate) fn with_tls(protocol: Protocol, tls: &Arc<Tls>) -> Listen {
    Listen { tls: Some(Arc::clone(tls)), ..listen(protocol) }
}

/// A message as the parser reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) raw: String,
    pub(crate) hostname: String,
    pub(crate) appname: String,
    pub(crate) text: String,
    pub(crate) origin: String,
}

/// The messages of a delivery, as the parser of its format reads them.
pub(crate) fn messages(delivery: &Delivery) -> Vec<Message> {
    let format = parse::FORMATS.iter().find(|f| f.name() == &*delivery.format).unwrap();
    let reading = parse::read_as(&delivery.bytes, *format, parse::Limits::default());
    assert_eq!(reading.flaws, []);
    let message = |record: &model::Record<'_>| {
        assert_eq!(record.flaws, []);
        let Value::Map(fields) = &record.fields else { panic!("{record:?}") };
        let field = |name: &str| match fields.iter().find(|(key, _)| key == name) {
            Some((_, Value::Str(text))) => text.to_string(),
            _ => String::new(),
        };
        Message {
            raw: String::from_utf8_lossy(&record.raw).into_owned(),
            hostname: field("hostname"),
            appname: field("appname"),
            text: field("message"),
            origin: delivery.origin.to_string(),
        }
    };
    reading.records.iter().map(message).collect()
}

/// What comes into a log, message by message.
pub(crate) struct Arrivals {
    reader: Reader,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) messages: Vec<Message>,
}

impl Arrivals {
    pub(crate) fn of(wal: &Wal) -> Self {
        let reader = wal.reader(Position::START);
        Self { reader, deliveries: Vec::new(), messages: Vec::new() }
    }

    /// Waits until this is true of what has come.
    pub(crate) async fn until(&mut self, enough: impl Fn(&Self) -> bool) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while !enough(self) {
            let read = tokio::time::timeout_at(end, self.reader.next()).await;
            let Ok(read) = read else {
                let last = self.messages.iter().rev().take(3).collect::<Vec<_>>();
                panic!("only {} messages have come, last of all {last:?}", self.messages.len())
            };
            match read.unwrap() {
                Some(Read::Delivery(_, delivery)) => {
                    self.messages.extend(messages(&delivery));
                    self.deliveries.push(delivery);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits for so many messages.
    pub(crate) async fn count(&mut self, count: usize) -> &[Message] {
        self.until(|arrivals| arrivals.messages.len() >= count).await;
        &self.messages
    }

    pub(crate) fn raws(&self) -> Vec<&str> {
        self.messages.iter().map(|message| message.raw.as_str()).collect()
    }
}

/// Waits until something is so, looking again and again.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never came that {what}");
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
